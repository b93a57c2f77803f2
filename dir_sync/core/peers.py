"""What the engine knows of one connected peer, and the messages that tell a peer what changed here.

In:   rows of the index, in ascending sequence, and what is fresh about them.
Out:  STATE, ACKNOWLEDGE and MODIFICATION_UPDATE messages.
Rule: together they carry every row once, in ascending sequence; only the last message of a turn moves the sequence on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dir_sync.core import limits
from dir_sync.core.growth import MARK_BYTES
from dir_sync.core.messages import (
    Acknowledge,
    Change,
    DeltaOffer,
    Message,
    ModificationUpdate,
    PullItem,
    State,
    page_size,
)
from dir_sync.core.model import Kind, Record, Stamp, Vector
from dir_sync.core.standing import Standing
from dir_sync.core.transfer import Window

__all__ = ["Fresh", "Peer", "Requested", "Told", "pages", "tell"]

_UNACKED_BYTES_MAX = 8 * limits.MIB  # pushed and not yet acknowledged; above, changes are offers


class Fresh(NamedTuple):
    """A change made on this node in this turn."""

    record: Record
    previous: Record | None
    data: bytes | None
    delta: DeltaOffer | None
    source: bytes | None  # the old path, if it is a rename
    folder_mtime: int | None


class Requested(NamedTuple):
    """A delta that we asked for."""

    path: bytes
    content: bytes  # to which it leads
    until_ms: int  # how long the answer is waited for


class Told(NamedTuple):
    """A message, and roughly how many bytes it is."""

    message: Message
    size: int


@dataclass(slots=True)
class Peer:
    """One connected peer."""

    node: str
    name: str
    link: int  # number of this connection
    index_id: str
    first_contact: bool  # what it tells now was decided without knowledge of us
    asked: bool = False  # it has told where our state should begin
    was_asked: bool = False  # and we have told it where its state should
    sent: int = 0  # our sequence up to which it was told
    told_last: bool = False
    summary: bytes = b""  # of its state, as it asked for ours; b"" once the two were compared
    equal: frozenset[int] = frozenset()  # buckets in which it holds what we hold ...
    equal_until: int = 0  # ... up to this sequence of ours
    synced: bool = False  # it has told us all it had
    queued: int = 0  # bytes in its outbox, roughly
    serving: int = 0  # bytes it asked for that have not been read yet
    serving_pulls: int = 0
    reading: dict[int, PullItem] = field(default_factory=dict)  # by id: pieces of large files that it asked for
    parked: list[tuple[PullItem, int]] = field(default_factory=list)  # ... of what is just renamed; since when (ms)
    strikes: int = 0
    shared: int = 0  # records of ours that it has acknowledged or announced just so
    is_member: bool = False  # it has shared most of the folder with us, now or earlier: its word about others counts
    told_us: bool = False  # it has announced something that is no answer to what we told
    given: set[bytes] | None = (
        None  # contents it was sent unasked, since it had nothing; None: it is asked what it wants
    )
    page: list[tuple[int, Record]] = field(default_factory=list)  # rows whose contents are being read for it
    ask_again: bool = False  # it has heard from us what we have lost: all it has is wanted anew
    lacks: set[bytes] = field(default_factory=set)  # contents that it misses itself, and does not know why
    acked_ms: int = 0  # when it last acknowledged something
    standing: Standing = field(default_factory=Standing)
    knows: dict[bytes, tuple[Stamp, Vector]] = field(default_factory=dict)  # what it announced and we took over
    unacked: dict[bytes, int] = field(default_factory=dict)  # path -> bytes pushed
    unacked_bytes: int = 0
    window: Window = field(default_factory=Window)
    requests: dict[int, Requested] = field(default_factory=dict)  # by the id of a DELTA_REQUEST of ours
    wanted_deltas: dict[int, tuple[bytes, bytes, bytes]] = field(default_factory=dict)  # its id -> path, digest, base

    def acknowledged(self, path: bytes) -> None:
        """It holds, or has moved beyond, what we pushed."""
        size = self.unacked.pop(path, None)
        if size is not None:
            self.unacked_bytes -= size

    def pushed(self, path: bytes, size: int) -> None:
        self.acknowledged(path)
        self.unacked[path] = size
        self.unacked_bytes += size

    def may_be_pushed(self, size: int) -> bool:
        return self.unacked_bytes + size <= _UNACKED_BYTES_MAX and self.queued + size <= limits.OUTBOX_BYTES_MAX


def tell(
    folder: str,
    peer: Peer,
    rows: Sequence[tuple[int, Record]],
    fresh: dict[bytes, Fresh],
    until: int,
    cache: dict[object, Told],
) -> list[Told]:
    """The messages that tell `peer` about `rows` (sequence, record; ascending), the last of which moves it to `until`.

    `cache` is shared by the peers of one turn: who is told the same gets the same message, encoded once."""
    held: list[tuple[bytes, Stamp]] = []
    others: list[Record] = []
    changes: list[Fresh] = []
    for _, record in rows:
        known = peer.knows.pop(record.path, None)
        if known is not None and known == (record.stamp, record.vector):
            held.append((record.path, record.stamp))
        elif record.path in fresh:
            changes.append(fresh[record.path])
        else:
            others.append(record)
    before = peer.sent
    told: list[Told] = []
    for at in range(0, len(held), limits.PAGE_RECORDS_MAX):
        some = tuple(held[at : at + limits.PAGE_RECORDS_MAX])
        told.append(Told(Acknowledge(folder, before, some), 60 * len(some)))
    told += [Told(State(folder, before, False, page), 100 * len(page)) for page in pages(others)]
    for group, attach in _groups(peer, changes):
        key = (before, until, attach, tuple(change.record.path for change in group))
        update = cache.get(key)
        if update is None:
            update = cache[key] = _update(folder, before, group, attach)
        if attach:
            for change in group:
                if change.data is not None:
                    peer.pushed(change.record.path, len(change.data))
        told.append(update)
    if not told:
        return [Told(State(folder, until, False, ()), 50)]
    last = told[-1]
    last_key = (until, id(last.message))
    moved = cache.get(last_key)
    if moved is None:
        moved = Told(_moved_on(last.message, until), last.size)
        if isinstance(last.message, ModificationUpdate):
            cache[last_key] = moved
    told[-1] = moved
    return told


def pages(records: list[Record]) -> list[tuple[Record, ...]]:
    """Records in pages that are bounded in number and in bytes. A file and the removal that follows it may be the two halves
    of a rename: no page ends between them, for whoever hears of the new name alone makes a copy."""
    out: list[tuple[Record, ...]] = []
    page: list[Record] = []
    size = 0
    for at, record in enumerate(records):
        one = with_next = page_size(record)
        count = 1
        if record.kind == Kind.FILE and records[at + 1 : at + 2] and records[at + 1].kind == Kind.ABSENT:
            with_next += page_size(records[at + 1])
            count = 2
        if page and (len(page) + count > limits.PAGE_RECORDS_MAX or size + with_next > limits.PAGE_BYTES_MAX):
            out.append(tuple(page))
            page, size = [], 0
        page.append(record)
        size += one
    if page:
        out.append(tuple(page))
    return out


def _groups(peer: Peer, changes: list[Fresh]) -> list[tuple[list[Fresh], bool]]:
    """Changes in groups that each fit one update, and whether the group's content goes along."""
    groups: list[tuple[list[Fresh], bool]] = []
    group: list[Fresh] = []
    attached = text = 0
    for change in changes:
        size = 0 if change.data is None else len(change.data)
        one = page_size(change.record) + 64
        if change.delta is not None and change.delta.marks is not None:
            one += 2 * MARK_BYTES * len(change.delta.marks)
        is_rename = change.source is not None  # the removal of its old name is the next, and must not be parted from it
        if group and (
            len(group) + is_rename >= limits.CHANGES_MAX
            or attached + size > limits.ATTACHED_BYTES_MAX
            or text + one > limits.PAGE_BYTES_MAX
        ):
            groups.append((group, attached > 0 or _has_empty(group)))
            group, attached, text = [], 0, 0
        group.append(change)
        attached += size
        text += one
    if group:
        groups.append((group, attached > 0 or _has_empty(group)))
    total = 0
    out = []
    for group, attach in groups:
        total += sum(len(change.data) for change in group if change.data is not None)
        out.append((group, attach and peer.may_be_pushed(total)))
    return out


def _has_empty(group: list[Fresh]) -> bool:
    return any(change.data is not None for change in group)


def _update(folder: str, sequence: int, group: list[Fresh], attach: bool) -> Told:
    changes = []
    times: dict[bytes, int] = {}
    size = 0
    for fresh in group:
        record = fresh.record
        if record.kind == Kind.ABSENT:
            action = "delete"
        elif fresh.source is not None:
            action = "rename"
        elif fresh.previous is None or fresh.previous.kind == Kind.ABSENT:
            action = "create"
        else:
            action = "modify"
        with_data = attach and fresh.data is not None
        changes.append(Change(action, record, fresh.source, with_data, fresh.delta, fresh.data if with_data else None))
        size += 150 + (len(fresh.data) if with_data and fresh.data is not None else 0)
        if fresh.folder_mtime is not None:
            times[record.path.rpartition(b"/")[0]] = fresh.folder_mtime
    attached = any(change.attached for change in changes)
    return Told(ModificationUpdate(folder, sequence, tuple(changes), tuple(times.items()), attached), size)


def _moved_on(message: Message, until: int) -> Message:
    match message:
        case State(folder, _, last, records):
            return State(folder, until, last, records)
        case Acknowledge(folder, _, held):
            return Acknowledge(folder, until, held)
        case ModificationUpdate(folder, _, changes, times, attached):
            return ModificationUpdate(folder, until, changes, times, attached)
    raise AssertionError(message)
