"""What only a running node knows of one path: what it waits for, and which peers have it. For the command `why`.

In:   the engine of a folder, a path. Out: every wait of the path, by name (`core.waits`); JSON values.
Rule: it only reads, and is loaded when somebody asks. A region of a path that is added to the engine gets its wait here:
tests/daemon/test_stories.py fails otherwise.
Used by: requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dir_sync.core import limits
from dir_sync.core.declined import APART
from dir_sync.core.looks import MOUNTED
from dir_sync.core.mode import is_own, is_own_large
from dir_sync.core.model import Kind, PathError, Record, check_path, parent_of, show_text
from dir_sync.core.peers.standing import NOTHING
from dir_sync.core.reconcile import Refuse, Take, decide
from dir_sync.core.status import Status
from dir_sync.core.waits import Wait, Waiting, to_json
from dir_sync.engine import Engine
from dir_sync.history.story import away, story
from dir_sync.index import Row
from dir_sync.network.control import Answer
from dir_sync.reporting.log import escape, human_bytes, moment

__all__ = ["REGIONS", "contents_to_ask_for", "folder_waits", "story_of", "waits_at"]

_S = 1000.0

# What may be going on at a path, by the fields of the engine that say so, and the waits that tell it.
REGIONS: dict[str, tuple[Wait, ...]] = {
    "job": (Wait.APPLYING, Wait.MOVING_AWAY, Wait.GROWING),
    "fetch": (Wait.FETCHING,),
    "ready": (Wait.ARRIVED,),
    "copies": (Wait.COPY,),
    "folder_for": (Wait.FOLDER,),
    "grace": (Wait.GRACE,),
    "retry": (Wait.TROUBLE, Wait.DISK_FULL, Wait.MIN_FREE, Wait.OBSTACLE, Wait.HOLDERS, Wait.DELTA),
    "attempted": (Wait.ATTEMPTED,),
    "listed": (Wait.APPLYING,),
    "leaving": (Wait.NOT_EMPTY,),
}


def story_of(
    engine: Engine,
    path: bytes,
    status: Status,
    unwatched: Mapping[bytes, str],
    addresses: Mapping[str, str],
    now_ms: int | None = None,
) -> Answer:
    """All of the story but what peers have to be asked for. `unwatched`: folders that are not watched, and why.
    `addresses`: of the connected replicas."""
    index = engine.board.index
    connected = [
        replica for replica in sorted(addresses) if replica in engine.board.peers
    ]  # a link may still be closing
    here = waits_at(engine, path, now_ms)
    waits = [*folder_waits(status), *here, *_limited(status, here), *_not_watched(path, unwatched)]
    return story(index, path) | {
        "waits": [to_json(one) for one in waits],
        "peers": [_standing(engine, path, replica, addresses[replica], status.is_reader) for replica in connected],
        "away": away(index, connected),
        "node_runs": True,
    }


def folder_waits(status: Status) -> list[Waiting]:
    """What concerns all paths of the folder."""
    found = []
    if status.pause is not None:
        wait = Wait.PAUSED_BY_SCHEDULE if status.pause.scheduled else Wait.PAUSED
        found.append(Waiting(wait, text=moment(status.pause.until_s) if status.pause.until_s else ""))
    found += [Waiting(Wait.PAUSED_ELSEWHERE, peer=name) for name in status.paused_elsewhere]
    if status.mesh is not None and status.mesh.removed_by:
        found.append(Waiting(Wait.REMOVED, peer=status.mesh.removed_by))
    if not status.peers and status.pause is None and not status.paused_elsewhere:
        found.append(Waiting(Wait.ALONE))
    return found


def _limited(status: Status, waits: list[Waiting]) -> Iterator[Waiting]:
    """The limits of speed that slow down what is going out, or what is coming."""
    limits = status.limits
    if limits is None:
        return
    for wait, per_s, option in (
        (Wait.UPLOAD, limits.up, "--limit-up"),
        (Wait.UPLOAD, limits.peer_up, "--limit-up-per-peer"),
        (Wait.FETCHING, limits.down, "--limit-down"),
        (Wait.FETCHING, limits.peer_down, "--limit-down-per-peer"),
    ):
        if per_s and any(one.wait is wait for one in waits):
            yield Waiting(Wait.LIMITED, text=f"{option} {human_bytes(per_s)}/s", outgoing=wait is Wait.UPLOAD)


def waits_at(engine: Engine, path: bytes, now_ms: int | None = None) -> list[Waiting]:
    """Everything for which one path waits on this node, each once. `now_ms`: None: the time of the engine's last turn."""
    now_ms = engine.board.now.mono_ms if now_ms is None else now_ms
    found = dict.fromkeys(
        [
            *_scope(engine, path),
            *_local(engine, path),
            *_outgoing(engine, path, now_ms),
            *_incoming(engine, path),
        ]
    )
    return list(found)


def _seconds(engine: Engine, due_ms: int | None) -> float | None:
    return None if due_ms is None else max(0.0, (due_ms - engine.board.now.mono_ms) / _S)


def _scope(engine: Engine, path: bytes) -> Iterator[Waiting]:
    """Whether the path is shared at all."""
    board, scope = engine.board, engine.scope
    try:
        check_path(path)
    except PathError as error:
        yield Waiting(Wait.INVALID_NAME, text=str(error))
        return
    row = board.index.rows.get(path)
    is_folder = row is not None and row.record.kind is Kind.DIRECTORY
    rule = scope.rules.rule_for(path, is_folder) or scope.rules.rule_for(path, True)
    if rule is not None:
        place = f"{show_text(rule.origin)}, line {rule.line}: {escape(rule.text)}"
        yield Waiting(Wait.IGNORED, text=place if is_folder or not rule.is_folder else f"{place} (folders only)")
    at = path
    while at:
        if at in scope.mounted:
            yield Waiting(Wait.NEVER_SHARED, other=at, text=MOUNTED)
        at = parent_of(at)
    if engine.work.obstacles.kind(path) is Kind.OTHER:
        yield Waiting(Wait.NEVER_SHARED, text="only files, folders and symbolic links are shared")


def _local(engine: Engine, path: bytes) -> Iterator[Waiting]:
    """What has happened here and is not dealt with."""
    board, work = engine.board, engine.work
    if board.scan.is_on:
        yield Waiting(Wait.SCANNING)
    if path in board.looking:
        yield Waiting(Wait.LOOKING, outgoing=True)
    pending = board.pending_looks.find(path)
    if pending is not None:
        is_open = work.opened.until(path) is not None or (pending.open and pending.written)
        due_ms = max(pending.due_ms, work.opened.until(path) or 0)
        wait = Wait.OPEN if is_open else Wait.LOOK
        interval_ms = work.pace.interval_end(path)
        if interval_ms is not None and board.now.mono_ms < due_ms <= interval_ms:
            wait = Wait.INTERVAL
        yield Waiting(wait, seconds=_seconds(engine, due_ms), outgoing=True)
    if work.pace.is_restless(path):
        yield Waiting(Wait.RESTLESS, outgoing=True)
    folder = path
    while folder:
        folder = parent_of(folder)
        if folder in board.listings.failed:
            yield Waiting(
                Wait.UNREADABLE_FOLDER, other=folder, seconds=_seconds(engine, board.listings.failed[folder][0])
            )
        if folder in board.listings.when_calm and folder == parent_of(path):
            yield Waiting(Wait.LISTING, other=folder, outgoing=True)
    if engine.brakes.own.holds(path):
        yield Waiting(Wait.LOSS_HELD)
    if path in engine.mode_rules.reverting:
        yield Waiting(Wait.REVERTING)
    if engine.merging.is_on and engine.merging.is_at(path):
        yield Waiting(Wait.MERGE)


def _not_watched(path: bytes, unwatched: Mapping[bytes, str]) -> Iterator[Waiting]:
    for folder in dict.fromkeys((parent_of(path), path)):
        if folder in unwatched:
            yield Waiting(Wait.UNWATCHED, other=folder, text=unwatched[folder], outgoing=True)


def _outgoing(engine: Engine, path: bytes, now_ms: int) -> Iterator[Waiting]:
    """Who has not been told of the version that is here."""
    board = engine.board
    row = board.index.rows.get(path)
    if row is None:
        return
    if is_own(row.record):
        wait = Wait.OWN_LARGE if is_own_large(row.record) else Wait.OWN_CHANGE
        yield Waiting(wait, text=engine.mode_rules.mode.value, outgoing=True)
        return
    if path in board.announcements.fresh:
        yield Waiting(Wait.ANNOUNCE, outgoing=True)
    for replica in sorted(board.peers):
        if board.peers[replica].has_asked and not _is_told(engine, row, replica):
            yield Waiting(Wait.BACKLOG, peer=board.name_of(replica), outgoing=True)
    for upload, sent in engine.uploader.progress(now_ms):
        if upload.path == path:
            yield Waiting(Wait.UPLOAD, peer=board.name_of(upload.peer), here=sent, size=upload.size, outgoing=True)


def _incoming(engine: Engine, path: bytes) -> Iterator[Waiting]:
    """Why a version that others have is not here."""
    board, work = engine.board, engine.work
    row, offers = board.index.rows.get(path), board.index.offers.of(path)
    decision = engine.mode_rules.decision_at(path, row)
    if isinstance(decision, Refuse) and not (row is not None and is_own(row.record)):
        yield Waiting(Wait.SEND_ONLY)
    wanted = decision.record if isinstance(decision, Take) else None
    yield from _held(engine, path)
    if wanted is not None:
        yield from _kept_out(engine, wanted)
    yield from _folders(engine, path, wanted)
    yield from _regions(engine, path, wanted)
    for replica in work.rooms.peers_of(path):
        yield Waiting(Wait.WINDOW, peer=board.name_of(replica))
    if path in work.out_of_reach:
        yield Waiting(Wait.OUT_OF_REACH)
    asked = engine.deltas_in.asked_for(path)
    if asked is not None:
        yield Waiting(Wait.DELTA, peer=board.name_of(asked))
    other = work.copies.awaited_at(path)
    if other is not None:
        yield Waiting(Wait.COPY, other=other)
    if path in board.plan_queue or (offers and board.plan_queue.cursor is not None):
        yield Waiting(Wait.PLANNED)
    elif (due_ms := board.plan_queue.due_ms(path)) is not None:
        yield Waiting(Wait.PLANNED, seconds=_seconds(engine, due_ms))


def _held(engine: Engine, path: bytes) -> Iterator[Waiting]:
    """What the brake on changes of peers says of a path; of a folder, what it says of a path in it."""
    brake, board = engine.brakes.peers, engine.board
    paths = [path]
    if brake.is_on and not brake.holds(path):
        paths = [row.record.path for row in board.index.tree.live_children(path, limits.LOOK_ITEMS_MAX)]
    for one in paths:
        change = brake.change_at(one) if brake.is_on else None
        if change is not None:
            maker, is_held, due_ms = change
            name = board.name_of(maker)
            other = b"" if one == path else one
            if is_held:
                yield Waiting(Wait.HELD, peer=name, other=other)
            else:
                yield Waiting(Wait.BURST, peer=name, other=other, seconds=_seconds(engine, due_ms))
            return


def _kept_out(engine: Engine, wanted: Record) -> Iterator[Waiting]:
    """What this disk, or the settings of this machine, do not let in."""
    unfit = engine.work.unable.why(wanted)
    if unfit is None:
        return
    if unfit.by is not None:
        yield Waiting(Wait.SPELLING, other=unfit.by, text=unfit.text)
    elif unfit.stamp is not None:
        yield Waiting(Wait.REJECTED, text=unfit.text)
    elif unfit.limit:
        yield Waiting(Wait.TOO_LARGE, text=unfit.text, size=wanted.size)
    else:
        yield Waiting(Wait.DISK_LIMIT, text=unfit.text, size=wanted.size)


def _folders(engine: Engine, path: bytes, wanted: Record | None) -> Iterator[Waiting]:
    """What has to happen with the folder around a path first, or with what is in the folder there."""
    board, work = engine.board, engine.work
    regions = work.regions_of(path)
    is_to_come = wanted is not None and wanted.kind is not Kind.ABSENT and not work.is_unblocked(path)
    if is_to_come or (regions is not None and regions.folder_for is not None):
        yield Waiting(Wait.FOLDER, other=parent_of(path))
        above = parent_of(path)
        while above:
            if work.obstacles.is_at(above):
                yield Waiting(
                    Wait.OBSTACLE, other=above, text="its folder cannot be made: what is there is not synchronized"
                )
            above = parent_of(above)
    row = board.index.rows.get(path)
    is_folder = row is not None and row.record.kind is Kind.DIRECTORY
    is_to_go = is_folder and wanted is not None and wanted.kind is not Kind.DIRECTORY
    if (regions is not None and regions.leaving) or (is_to_go and board.index.tree.has_live_child(path)):
        yield Waiting(Wait.NOT_EMPTY)


def _regions(engine: Engine, path: bytes, wanted: Record | None) -> Iterator[Waiting]:
    """What is going on at a path: see REGIONS."""
    board, work = engine.board, engine.work
    regions = work.regions_of(path)
    if regions is None:
        return
    if regions.job is not None:
        to = getattr(regions.job, "to", None)
        if to is not None:
            yield Waiting(Wait.MOVING_AWAY, other=to)
        elif work.jobs.applying(path) is not None:
            yield Waiting(Wait.APPLYING)
        else:
            yield Waiting(Wait.GROWING)
    elif regions.listed is not None:
        yield Waiting(Wait.APPLYING)
    if regions.fetch is not None:
        fetch = regions.fetch
        yield Waiting(Wait.FETCHING, peer=board.name_of(fetch.peer), here=fetch.received, size=fetch.size)
    if regions.ready is not None:
        yield Waiting(Wait.ARRIVED)
    if regions.grace is not None:
        yield Waiting(Wait.GRACE)
    if regions.attempted is not None:
        yield Waiting(Wait.ATTEMPTED)
    retry = regions.retry
    if retry is None:
        return
    if retry.short is not None:
        yield Waiting(Wait.DISK_FULL, size=retry.short)
    if retry.problem is not None:
        again = _seconds(engine, retry.not_before_ms)
        if board.taking is not None and board.taking.is_waiting(path):
            yield Waiting(Wait.MIN_FREE, text=retry.problem, size=None if wanted is None else wanted.size)
        elif work.obstacles.kind(path) is not None:
            yield Waiting(Wait.OBSTACLE, text=retry.problem)
        else:
            yield Waiting(Wait.TROUBLE, text=retry.problem, seconds=again)
    if retry.failed or retry.rounds >= 0:
        names = ", ".join(board.name_of(replica) for replica in sorted(retry.failed)) or "who has it"
        yield Waiting(Wait.HOLDERS, peer=names, seconds=_seconds(engine, board.plan_queue.due_ms(path)))
    elif retry.delta is not None:
        yield Waiting(Wait.DELTA, peer=board.name_of(retry.delta.peer))


def _is_told(engine: Engine, row: Row, replica: str) -> bool:
    """True if that connected peer was sent this row."""
    return engine.publisher.subscribers[replica].sent >= row.seq


# --- which peers have it ---------------------------------------------------------------------------------------------


def _standing(engine: Engine, path: bytes, replica: str, address: str, is_reader: bool = False) -> dict[str, Any]:
    """What is known of a connected peer and the version here. `has`: "yes"; "newer", "older" (another version, which it
    announced); "not told"; "no"; "asked" (told, and not known yet); "refused" (it takes nothing that this node changes);
    "stays here"; "nothing here". `holds`: files of which it holds what this node did. `apart`: why it does not have all that it
    lacks nothing of, so that only the content says whether it has this. `is_reader`: this node is a read-only
    member. A peer then ignores what it announced, and lacks nothing: only the content says whether it has it."""
    board, index = engine.board, engine.board.index
    row, offer = index.rows.get(path), index.offers.of_peer(path, replica)
    mine = None if row is None else row.record
    apart = [one.reason.value for one in engine.sync_report.declined_by(replica) if one.reason in APART]
    if offer is not None:
        decision = decide(mine, [offer], (), engine.mode_rules.mode_at(path, row))
        has = "newer" if isinstance(decision, Take | Refuse) else "older"
    elif row is None or mine is None:
        has = "nothing here"
    elif is_own(mine):
        has = "stays here"
    elif not board.peers[replica].has_asked or not _is_told(engine, row, replica):
        has = "not told"
    else:
        standing = board.peers[replica].standing
        is_reported = standing.lacks == NOTHING and standing.lacks_as_of >= row.seq
        is_in_sync = is_reported or mine.stamp.maker == replica or replica in engine.sync_report.in_sync_with()
        has = "yes" if is_in_sync and not apart else "asked"
        is_own_made, is_from_first_scan = mine.stamp.maker == index.identity.replica, mine.stamp.maker.startswith("=")
        if is_reader and (is_own_made or is_from_first_scan) and _is_asked_for(mine):
            has = "asked"
        elif is_reader and is_own_made:
            has = "refused"
    held = engine.brakes.held_elsewhere.get(replica, ())
    holds = sum(one.files for one in held if one.maker == index.identity.replica)
    name = show_text(board.name_of(replica))
    return {"name": name, "replica": replica, "address": address, "has": has, "holds": holds, "apart": apart}


def contents_to_ask_for(engine: Engine, path: bytes, told: Answer) -> tuple[bytes, ...]:
    """The content of which a peer has to say whether it has it; (): no question is needed."""
    row = engine.board.index.rows.get(path)
    if row is None or not _is_asked_for(row.record):
        return ()
    return (row.record.content,) if any(peer["has"] == "asked" for peer in told["peers"]) else ()


def _is_asked_for(mine: Record) -> bool:
    """True if a peer can be asked for the content."""
    return mine.kind is Kind.FILE and bool(mine.size)
