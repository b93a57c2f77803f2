"""Collects the figures for `status` from a running node.

In:   the folder's index, engine and watcher; the connected peers. Out: a frozen `core.status.Status`.
Rule: it only reads. Names and paths are escaped here.
Used by: sharing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from dir_sync import __version__
from dir_sync.config import Config
from dir_sync.core.declined import Reason
from dir_sync.core.kind_words import KIND_WORDS
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, show, show_text
from dir_sync.core.overload.byte_rate import SpeedLimits
from dir_sync.core.pausing import Pause
from dir_sync.core.peer_status import AwayPeer, PeerStatus, Traffic
from dir_sync.core.peers.sought import Place
from dir_sync.core.peers.standing import NOTHING, Lack, apart_of
from dir_sync.core.status import (
    Change,
    HeldChange,
    LimitStatus,
    MeshStatus,
    Missed,
    PauseStatus,
    Receiving,
    ScheduleStatus,
    ScrubStatus,
    Sending,
    Status,
    Trouble,
    Unwatched,
)
from dir_sync.daemon.gauge import Gauge
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.share import Share
from dir_sync.engine.values import Troubled

__all__ = ["status_of"]

_TOO_LARGE_MAX = 1_000
_CHANGES = 10
_CHANGES_SOUGHT = (15, 50)  # rows that are looked through for them, most times: folders are not told of
_FOLDER_HELD = "its folder vanished here, and that is held"


def status_of(
    config: Config,
    node: str,
    port: int,
    share: Share,
    peers: ConnectedPeers,
    gauge: Gauge,
    mesh: MeshStatus | None = None,
    pause: Pause | None = None,
    schedule: ScheduleStatus | None = None,
    limits: SpeedLimits | None = None,
    missed: Sequence[tuple[Place, str]] = (),
) -> Status:
    """Engine thread only. `node`: the id of this node. `port`: the TCP port that it listens on. `mesh`: None if it is open.
    `pause`: None if it is not paused. `schedule`: None if there is none. `limits`: of speed, as they count now.
    `missed`: the places of machines that were not met, and why."""
    index, engine = share.index, share.engine
    mono = time.monotonic()
    gauge.look(mono)
    unwatched = dict(share.watcher.unwatched)  # a copy, because the watcher's thread changes it
    in_sync = [one for one in engine.sync_report.in_sync_with() if _kept_away(share, one) == NOTHING]
    files, size = index.rows.count_live()
    diverged = sum(1 for _ in engine.own_changes.differences())
    first = min(unwatched.items(), default=None)
    troubled = engine.sync_report.troubled()
    not_taken = [one.path for one in troubled if one.reason is Reason.TOO_LARGE]
    return Status(
        folder=show(os.fsencode(config.folder)),
        folder_name=config.folder_name,
        name=show_text(config.name),
        node=node,
        replica=index.identity.replica,
        mesh=mesh,
        port=port,
        broadcast_port=config.broadcast_port,
        process=os.getpid(),
        files=files,
        bytes=size,
        peers=_peers(share, peers, in_sync, gauge, mono, not_taken),
        pause=None if pause is None else PauseStatus(*pause),
        schedule=schedule,
        limits=LimitStatus(*limits) if limits is not None and any(limits) else None,
        missed=tuple(Missed(f"{show_text(host)}:{at}", show_text(why)) for (host, at), why in missed),
        paused_elsewhere=tuple(peers.pausing),
        in_sync=bool(in_sync) and len(in_sync) == len(peers.links),
        scanning=engine.board.scan.is_on,
        unseen=engine.sync_report.unseen(),
        busy=engine.is_busy,
        mode=engine.mode_rules.mode.value,
        diverged=diverged,
        wanted=index.offers.count_paths()
        - (diverged if engine.mode_rules.mode is Mode.SEND_ONLY else 0)
        - len(not_taken),
        troubled=_troubled(share, [one for one in troubled if one.reason is not Reason.TOO_LARGE]),
        not_taken=tuple(show(path) for path in not_taken[:_TOO_LARGE_MAX]),
        too_large=tuple(show(path) for path in engine.own_changes.too_large()[:_TOO_LARGE_MAX]),
        restless=tuple(show(path) for path in engine.look_queue.restless()),
        unwatched=len(unwatched),
        unwatched_first=None if first is None else Unwatched(show(first[0]), first[1]),
        **_contents(share, gauge, mono),
        held=_held(share, peers),
        version=__version__,
        started_s=gauge.started_s,
        away=_away(peers),
        receiving=gauge.receiving.progress(int(mono * 1000)),
        sending=gauge.sending.progress(int(mono * 1000)),
        conflicts=gauge.conflicts(mono),
        changes=_changes(share),
        scrub=_scrub(share),
        **_gone_bad(share),
        healed=engine.healing.healed,
    )


def _contents(share: Share, gauge: Gauge, mono: float) -> dict[str, Any]:
    """The large contents on their way here and from here."""
    engine = share.engine
    comes, goes = engine.fetcher.progress(), engine.uploader.progress(int(mono * 1000))
    speeds = gauge.speeds(
        {
            ("in", path, peer): (here, _average(here - began, since_ms, mono))
            for path, peer, here, _, since_ms, began in comes
        }
        | {
            ("out", one.path, one.peer): (sent, _average(sent - one.began_at, one.since_ms, mono)) for one, sent in goes
        },
        mono,
    )
    return {
        "transfers": tuple(
            Receiving(show(path), show_text(peer), here, size, speeds["in", path, peer])
            for path, peer, here, size, _, _ in comes
        ),
        "uploads": tuple(
            Sending(
                show(one.path),
                show_text(engine.board.name_of(one.peer)),
                sent,
                one.size,
                speeds["out", one.path, one.peer],
            )
            for one, sent in goes
        ),
    }


def _scrub(share: Share) -> ScrubStatus | None:
    scrub = share.engine.scrub
    if not scrub.is_on:
        return None
    percent = 100 * min(scrub.done, scrub.total) // max(scrub.total, 1)
    begun, until, last = (ns // 10**9 for ns in (scrub.begun_ns, scrub.begun_ns + scrub.period_ns, scrub.last_ns))
    return ScrubStatus(percent, begun, until, last)


def _gone_bad(share: Share) -> dict[str, Any]:
    """The files that went bad on the disk: those that are being healed, and those that were only found."""
    healing = share.engine.healing.rotten[:_TOO_LARGE_MAX]
    known = islice(share.engine.rotten_files.known(), _TOO_LARGE_MAX)
    found = {path: at_s for path, at_s, _ in known if path not in healing}
    listed = tuple(show(path) for path in found)
    healed_now = tuple(show(path) for path in healing)
    return {"rotten": healed_now + listed, "to_repair": listed, "found_bad_s": max(found.values(), default=0)} | {
        "silent": tuple(show(path) for path in share.engine.silent.found())
    }


def _average(count: int, since_ms: int, mono: float) -> float:
    return max(0, count) / max(mono - since_ms / 1000, 0.001)


def _away(peers: ConnectedPeers) -> tuple[AwayPeer, ...]:
    """A name that is connected is not told of: it is most probably the same machine with a new identity."""
    here = set(peers.names())
    found = [
        AwayPeer(
            show(peers.name_of(one.replica)),
            one.replica,
            one.address,
            show_text(one.version),
            one.seen_s,
            one.has_closed,
            one.was_member,
        )
        for one in peers.away()
    ]
    return tuple(one for one in found if one.name not in here)


def _changes(share: Share) -> tuple[Change, ...]:
    """The last ones that this node knows, except of folders."""
    name_of = share.engine.board.name_of
    records: list[Record] = []
    for count in _CHANGES_SOUGHT:
        every = [row.record for row in share.index.changes.newest(count)]
        records = [record for record in every if record.kind in (Kind.ABSENT, Kind.FILE, Kind.SYMLINK)][:_CHANGES]
        if len(records) == _CHANGES or len(every) < count:
            break
    return tuple(
        Change(
            show(record.path),
            KIND_WORDS[record.kind],
            record.size if record.kind is Kind.FILE else 0,
            show_text(name_of(record.stamp.maker)),
            record.stamp.ns // 1_000_000_000,
        )
        for record in records
    )


def _peers(
    share: Share, peers: ConnectedPeers, in_sync: list[str], gauge: Gauge, mono: float, not_taken: list[bytes]
) -> tuple[PeerStatus, ...]:
    engine, offers = share.engine, share.index.offers
    return tuple(
        PeerStatus(
            name=show_text(engine.board.name_of(replica)),
            node=node.id,
            replica=replica,
            address=node.address,
            synchronized=replica in in_sync,
            lacks=_lacked_by(share, replica),
            lacking_here=engine.sync_report.lacked_from(replica),
            version=show_text(node.version),
            since_s=int(time.time() - node.age_s),
            traffic=None if (traffic := gauge.traffic(replica)) is None else Traffic(*traffic),
            progress=gauge.progress(replica, mono),
            still_s=gauge.still_s(replica, mono),
            declined=engine.sync_report.declined_by(replica),
            not_taken=sum(offers.of_peer(path, replica) is not None for path in not_taken),
        )
        for replica, node in sorted(peers.links.items())
    )


def _lacked_by(share: Share, replica: str) -> Lack | None:
    """What that peer does not have of ours; None: not known yet."""
    lack = share.engine.sync_report.lacked_by(replica)
    return None if lack is None else lack.plus(_kept_away(share, replica))


def _kept_away(share: Share, replica: str) -> Lack:
    """What that peer does not lack, so that nobody waits for it, and does not have: by its mode, for example."""
    return apart_of(share.engine.sync_report.declined_by(replica))


def _troubled(share: Share, troubled: list[Troubled]) -> tuple[Trouble, ...]:
    report = share.engine.sync_report
    return (
        *(Trouble(show(one.path), one.problem, one.again, held=False) for one in troubled),
        *(Trouble(show(path), _FOLDER_HELD, again=False, held=True) for path in report.undecided()),
    )


def _held(share: Share, peers: ConnectedPeers) -> tuple[HeldChange, ...]:
    """What is held here, then what is held at each peer."""
    brakes, mine = share.engine.brakes, share.index.identity.replica
    return tuple(
        HeldChange(
            at="" if at == mine else show_text(share.engine.board.name_of(at)),
            by=show(peers.name_of(one.maker)),
            here=one.maker == mine,
            missing=one.maker == at,
            files=one.files,
            path=show(one.path),
        )
        for at, one in brakes.held_anywhere()
    )
