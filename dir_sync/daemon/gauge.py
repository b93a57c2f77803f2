"""Speeds and progress of one folder: how much is still to come, in both directions, and how fast it goes.

In:   the figures of the engine and of the links, now and then. Out: moving averages, and the progress of what is lacking.
Rule: engine thread only. It counts nothing itself and only looks at what is counted anyway, at most once a second, and the
more seldom the longer a look takes.
Used by: chores, sharing, status.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dir_sync.core.frozen import mutable
from dir_sync.core.peers.standing import NOTHING, Lack, coming, without_held
from dir_sync.core.progress import Meter, Progress, Speed
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.share import Share

__all__ = ["Gauge"]

Content = tuple[str, bytes, str]  # "in" or "out", path, peer

_EVERY_S = 1.0
_COST = 50  # a look that takes long is made again after so many times as long
_COUNTED_S = 5.0  # conflicts are counted again after this


@mutable
class _Peer:
    """A connected peer; of another link, another one."""

    link: int
    sending: Meter
    sent: Speed
    received: Speed
    traffic: tuple[int, int, int] | None = None  # bytes sent, received; round-trip time (microseconds)
    lacks: Lack = NOTHING
    held: int = 0  # files: its brake holds them until a person decides
    since_s: float = 0.0  # since when it lacks just that (monotonic)


class Gauge:
    """Of one folder."""

    def __init__(self, share: Share, peers: ConnectedPeers) -> None:
        self.started_s = int(time.time())
        self.receiving = Meter()
        self.sending = Meter()
        self.getting = 0  # connected peers that get something from here
        self._share = share
        self._connected = peers
        self._peers: dict[str, _Peer] = {}
        self._contents: dict[Content, Speed] = {}
        self._conflicts = 0
        self.due_s = self._count_due_s = 0.0  # monotonic

    def look(self, mono: float) -> None:
        """Take a sample, if the last one is old enough."""
        if mono < self.due_s:
            return
        begun = time.monotonic()
        now_ms = int(mono * 1000)
        report = self._share.engine.sync_report
        links = self._connected.links
        before = {(replica, one.link) for replica, one in self._peers.items()}
        there = {(replica, node.link) for replica, node in links.items()}
        went, came = bool(before - there), bool(there - before)
        self._peers = {replica: one for replica, one in self._peers.items() if replica in links}
        elsewhere = self._share.engine.brakes.held_elsewhere
        sending, getting, holds, lets_go = NOTHING, 0, False, False
        comes: list[Lack] = []
        for replica, node in links.items():
            one = self._peers.get(replica)
            if one is None or one.link != node.link:
                one = self._peers[replica] = _Peer(node.link, Meter(), Speed(), Speed())
            if (traffic := node.traffic()) is not None:
                one.traffic = traffic
                one.sent.sample(traffic.sent, now_ms)
                one.received.sample(traffic.received, now_ms)
            lacks = report.lacked_by(replica) or NOTHING
            held = sum(some.files for some in elsewhere.get(replica, ()))
            left = without_held(coming(lacks, report.declined_by(replica)), held)
            # What is held has not come, as what a machine has that is away.
            one.sending.sample(left, now_ms, held > one.held, held < one.held)
            holds, lets_go = holds or held > one.held, lets_go or held < one.held
            one.held = held
            if lacks != one.lacks:
                one.lacks, one.since_s = lacks, mono
            sending, getting = sending.plus(left), getting + (left != NOTHING)
            comes.append(report.lacked_from(replica))
        self.sending.sample(sending, now_ms, went or holds, came or lets_go)
        self.getting = getting
        self.receiving.sample(_once(comes, self._share.index.offers.count_paths), now_ms, went, came)
        self.due_s = mono + max(_EVERY_S, _COST * (time.monotonic() - begun))

    def note_seen(self) -> None:
        """Store when the connected peers were heard last."""
        self._connected.note_seen()

    def traffic(self, replica: str) -> tuple[int, int, int, int, float] | None:
        """Bytes sent to that peer and received from it, both per second, and the round-trip time (ms)."""
        one = self._peers.get(replica)
        if one is None or one.traffic is None:
            return None
        sent, received, rtt_us = one.traffic
        return sent, received, round(one.sent.per_s), round(one.received.per_s), round(rtt_us / 1000, 3)

    def progress(self, replica: str, mono: float) -> Progress | None:
        """Of what that peer gets."""
        one = self._peers.get(replica)
        return None if one is None else one.sending.progress(int(mono * 1000))

    def still_s(self, replica: str, mono: float) -> int:
        """For how long what that peer lacks has not changed; 0 if it lacks nothing."""
        one = self._peers.get(replica)
        return 0 if one is None or one.lacks == NOTHING else max(0, int(mono - one.since_s))

    def speeds(self, contents: dict[Content, tuple[int, float]], mono: float) -> dict[Content, int]:
        """Bytes per second of large contents on their way, each as its bytes so far and the average since it began. All others
        are forgotten."""
        known = {key: self._contents.get(key) or Speed() for key in contents}
        for key, (done, _) in contents.items():
            known[key].sample(done, int(mono * 1000))
        self._contents = known
        return {key: round(known[key].per_s or average) for key, (_, average) in contents.items()}

    def conflicts(self, mono: float) -> int:
        """How many versions here lost a conflict that is not settled."""
        if mono >= self._count_due_s:
            begun = time.monotonic()
            self._conflicts = self._share.index.versions.count_conflicts()
            self._count_due_s = mono + max(_COUNTED_S, _COST * (time.monotonic() - begun))
        return self._conflicts


def _once(lacks: list[Lack], count_paths: Callable[[], int]) -> Lack:
    """What is lacking of all peers together. What several of them have is to come once: how many paths those are is known, and
    their bytes are estimated by that."""
    some = [lack for lack in lacks if lack != NOTHING]
    if len(some) < 2:
        return some[0] if some else NOTHING
    whole = NOTHING
    for lack in some:
        whole = whole.plus(lack)
    most = max(some, key=lambda lack: lack.bytes)
    told = whole.files + whole.others
    share = min(1.0, max(count_paths() / max(told, 1), (most.files + most.others) / max(told, 1)))
    return Lack(
        max(most.files, round(whole.files * share)),
        max(most.bytes, round(whole.bytes * share)),
        max(most.others, round(whole.others * share)),
    )
