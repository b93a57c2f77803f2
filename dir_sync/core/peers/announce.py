"""What was announced to a peer, and the messages that announce what changed here.

In:   rows of the index in ascending sequence, and the fresh changes among them.
Out:  STATE, ACKNOWLEDGE and MODIFICATION_UPDATE messages.
Rule: together the messages carry every row once, in ascending sequence; only the last message of a turn advances the
sequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from dir_sync.core import limits
from dir_sync.core.frozen import field, mutable
from dir_sync.core.messages import (
    Acknowledge,
    Change,
    DeltaOffer,
    Message,
    ModificationUpdate,
    State,
    page_size,
)
from dir_sync.core.model import Kind, Record, Stamp, Vector
from dir_sync.core.named import NamedTuple
from dir_sync.core.peers.contact import Contact
from dir_sync.core.transfers.growth import MARK_BYTES

__all__ = ["Fresh", "Outgoing", "Pushes", "Seeding", "Subscriber", "pages", "tell"]

_NO_SOURCES: Mapping[bytes, tuple[bytes, ...]] = MappingProxyType({})
_UNACKED_BYTES_MAX = 8 * limits.MIB  # pushed and not acknowledged; above, changes are announced without content


class Fresh(NamedTuple):
    """A change made on this node in this turn."""

    record: Record
    previous: Record | None
    data: bytes | None
    delta: DeltaOffer | None
    source: bytes | None  # the old path, if it is a rename
    folder_mtime: int | None


class Outgoing(NamedTuple):
    """A message, and its approximate size in bytes."""

    message: Message
    size: int


@mutable
class Pushes:
    """Contents that were pushed to a peer and not acknowledged yet."""

    sizes: dict[bytes, int] = field(default_factory=dict)  # by path
    total: int = 0  # bytes of all
    acked_ms: int = 0  # when the peer last acknowledged something

    def acknowledged(self, path: bytes) -> None:
        """The peer has the pushed version at this path, or a newer one."""
        size = self.sizes.pop(path, None)
        if size is not None:
            self.total -= size

    def all_acknowledged(self, paths: Iterable[bytes]) -> None:
        sizes = self.sizes
        if sizes:
            self.total -= sum([sizes.pop(path, 0) for path in paths])

    def pushed(self, path: bytes, size: int) -> None:
        self.total += size - self.sizes.get(path, 0)
        self.sizes[path] = size


@mutable
class Seeding:
    """The state of seeding: a peer with an empty folder is sent contents without asking, page by page."""

    contents: set[bytes] | None = None  # contents sent so far; None: the peer is not being seeded
    page: list[tuple[int, Record]] = field(default_factory=list)  # rows whose contents are being read for it
    has_announced: bool = False  # the peer announced something that is no answer to our announcements

    def begin(self) -> None:
        self.contents = set()

    def note_announcement(self) -> None:
        self.has_announced = True

    def end(self) -> None:
        self.contents = None


@mutable
class Subscriber:
    """What was announced to one peer, and what need not be announced."""

    contact: Contact
    sent: int = 0  # our sequence up to which everything was announced
    told_last: bool = False  # a message with `last` was sent
    summary: bytes = b""  # the summary of its index, from its STATE_REQUEST; b"" after the comparison
    equal: frozenset[int] = frozenset()  # buckets in which its records equal ours ...
    equal_until: int = 0  # ... up to this sequence
    shared: int = 0  # records of ours that it acknowledged or announced identically
    # versions that it announced and that we accepted
    knows: dict[bytes, tuple[Stamp, Vector]] = field(default_factory=dict)
    pushes: Pushes = field(default_factory=Pushes)
    seeding: Seeding = field(default_factory=Seeding)

    def begin(self, after: int, summary: bytes) -> None:
        """It asked for everything after that sequence; or, if that is 0, for everything that differs from its
        summary."""
        self.sent = after
        self.told_last = False
        self.summary = b"" if after else summary

    def compare(self, ours: bytes, sequence: int, files: int) -> None:
        """Compare the summary of a peer that never received our index with ours. Buckets with equal sums need not be
        announced up to `sequence`."""
        theirs, self.summary = self.summary, b""
        self.equal = frozenset(
            number for number in range(limits.SUMMARY_BUCKETS) if ours[8 * number :][:8] == theirs[8 * number :][:8]
        )
        self.equal_until = sequence
        self.shared += files * len(self.equal) // limits.SUMMARY_BUCKETS
        if len(self.equal) == limits.SUMMARY_BUCKETS:
            self.sent = sequence

    def taken_over(self, record: Record) -> None:
        """We accepted its version: it gets a short acknowledgement."""
        self.shared += record.stamp.maker != self.contact.replica
        self.knows[record.path] = (record.stamp, record.vector)

    def all_taken_over(self, records: Sequence[Record]) -> None:
        self.knows.update((record.path, (record.stamp, record.vector)) for record in records)
        self.shared += sum(record.stamp.maker != self.contact.replica for record in records)

    def may_be_pushed(self, size: int) -> bool:
        connection = self.contact.connection
        most = limits.OUTBOX_BYTES_MAX if connection.outbox_bytes is None else 2 * connection.outbox_bytes
        has_room = connection.queued + size <= most
        return has_room and self.pushes.total + size <= _UNACKED_BYTES_MAX


def tell(
    folder: str,
    peer: Subscriber,
    rows: Sequence[tuple[int, Record]],
    fresh: dict[bytes, Fresh],
    until: int,
    cache: dict[object, Outgoing],
    sources: Mapping[bytes, tuple[bytes, ...]] = _NO_SOURCES,
) -> list[Outgoing]:
    """The messages that announce `rows` (sequence, record; ascending) to `peer`. The last one advances it to `until`.

    `cache` is shared by the peers of one turn: peers that need the same message share one, which is encoded once.
    `sources`: new names of files -> their earlier names."""
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
    told: list[Outgoing] = []
    for at in range(0, len(held), limits.PAGE_RECORDS_MAX):
        some = tuple(held[at : at + limits.PAGE_RECORDS_MAX])
        told.append(Outgoing(Acknowledge(folder, before, some), 60 * len(some)))
    for page in pages(others, sources):
        renames = [(record.path, old) for record in page for old in sources.get(record.path, ())]
        told.append(
            Outgoing(State(folder, before, False, page, tuple(renames[: limits.PAGE_RECORDS_MAX])), 100 * len(page))
        )
    for group, attach in _groups(peer, changes):
        key = (before, until, attach, tuple(change.record.path for change in group))
        update = cache.get(key)
        if update is None:
            update = cache[key] = _update(folder, before, group, attach)
        if attach:
            for change in group:
                if change.data is not None:
                    peer.pushes.pushed(change.record.path, len(change.data))
        told.append(update)
    if not told:
        return [Outgoing(State(folder, until, False, ()), 50)]
    last = told[-1]
    last_key = (until, id(last.message))
    moved = cache.get(last_key)
    if moved is None:
        moved = Outgoing(_moved_on(last.message, until), last.size)
        if isinstance(last.message, ModificationUpdate):
            cache[last_key] = moved
    told[-1] = moved
    return told


def pages(records: list[Record], sources: Mapping[bytes, tuple[bytes, ...]] = _NO_SOURCES) -> list[tuple[Record, ...]]:
    """Records in pages of limited number and size. A file and the removal after it may be the two halves of a rename,
    so no page ends between them: a peer that knows only the new name would make a copy."""
    out: list[tuple[Record, ...]] = []
    page: list[Record] = []
    size = 0
    for at, record in enumerate(records):
        one = page_size(record)
        for source in sources.get(record.path, ()):
            one += 6 * (len(record.path) + len(source)) + 10
        with_next = one
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


def _groups(peer: Subscriber, changes: list[Fresh]) -> list[tuple[list[Fresh], bool]]:
    """Changes in groups that each fit one update, and whether to attach the group's content."""
    groups: list[tuple[list[Fresh], bool]] = []
    group: list[Fresh] = []
    attached = text = 0
    for change in changes:
        size = 0 if change.data is None else len(change.data)
        one = page_size(change.record) + 64
        if change.delta is not None and change.delta.marks is not None:
            one += 2 * MARK_BYTES * len(change.delta.marks)
        is_rename = change.source is not None  # the removal of its old name is next, and belongs into the same group
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


def _update(folder: str, sequence: int, group: list[Fresh], attach: bool) -> Outgoing:
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
    return Outgoing(ModificationUpdate(folder, sequence, tuple(changes), tuple(times.items()), attached), size)


def _moved_on(message: Message, until: int) -> Message:
    match message:
        case State(folder, _, last, records, renames):
            return State(folder, until, last, records, renames)
        case Acknowledge(folder, _, held):
            return Acknowledge(folder, until, held)
        case ModificationUpdate(folder, _, changes, times, attached):
            return ModificationUpdate(folder, until, changes, times, attached)
    raise AssertionError(message)
