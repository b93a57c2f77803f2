"""A whole engine by hand: one event, one look at what it asks for; and records, looks and stats to feed it with."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TypeVar
from zlib import crc32

from blake3 import blake3

from dir_sync.core import limits, notes
from dir_sync.core.content import first_scan_record
from dir_sync.core.events import Effect, Event, PeerUp, Received, Send, Tell, Ticked, Touched, Urgency
from dir_sync.core.jobs import Applied, ApplyItem, ApplyJob, ApplyResult, DiscardJob, Listed, Looked, LookJob
from dir_sync.core.looks import Listing, LookOutcome, MadeDelta, Seen
from dir_sync.core.messages import (
    PROTOCOL,
    Change,
    Chunks,
    FolderIndex,
    Hello,
    Message,
    ModificationUpdate,
    Piece,
    Pull,
    PullItem,
    State,
    StateRequest,
)
from dir_sync.core.model import Kind, Record, Stamp, Stat, fingerprint
from dir_sync.engine import Engine, Now
from dir_sync.index import Index
from tests.ends import closed_at_end

T = TypeVar("T")
N = TypeVar("N", bound=notes.Note)
FOLDER = "default"
PEER, OTHER = "aa", "bb"
WALL_NS = 1_700_000_000 * 10**9


class Bench:
    """An engine, a clock, and what it has asked for."""

    def __init__(self, scanned: bool = True) -> None:
        self.index = closed_at_end(Index(":memory:", Random(1)))
        self.engine = Engine(self.index, FOLDER, "t")
        self.ms = 1_000
        self.effects: list[Effect] = self.engine.start(self.now)
        if scanned:
            self.feed(Listed((Listing(b"", []),)))

    @property
    def now(self) -> Now:
        return Now(WALL_NS + self.ms * 10**6, self.ms)

    def feed(self, *events: Event) -> list[Effect]:
        """One turn."""
        self.effects = []
        for event in events:
            self.effects += self.engine.handle(event, self.now)
        self.effects += self.engine.end_turn(self.now)
        while self.engine.next_deadline() is not None and self.engine.next_deadline() <= self.ms:  # type: ignore[operator]
            more = self.engine.end_turn(self.now)
            if not more:
                break
            self.effects += more
        return self.effects

    def wait(self, ms: int) -> list[Effect]:
        self.ms += ms
        return self.feed(Ticked())

    def all(self, kind: type[T]) -> list[T]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def told(self, kind: type[N]) -> list[N]:
        """What people were told of that kind."""
        return [effect.note for effect in self.effects if isinstance(effect, Tell) and isinstance(effect.note, kind)]

    def said(self, node: str = PEER) -> list[Message]:
        return [send.message for send in self.all(Send) if node in send.peers]

    def connect(self, node: str = PEER, *, asks: bool = True, after: int = 0) -> None:
        hello = Hello(PROTOCOL, "0d" + node, node, "1", 6000, (FolderIndex(FOLDER, node, 0),))
        self.feed(PeerUp(node, hello))
        if asks:
            self.hear(StateRequest(FOLDER, self.index.identity.replica, after), node)

    def hear(self, message: Message, node: str = PEER) -> list[Effect]:
        return self.feed(Received(node, message))

    def found(self, path: bytes, content: bytes = b"", kind: Kind = Kind.FILE) -> list[Effect]:
        """A user changed something, and it is looked at."""
        self.feed(Touched(path, Urgency.NOW))
        assert [item.path for job in self.all(LookJob) for item in job.items] == [path]
        return self.feed(Looked((seen(path, content, kind),)))

    def pulls(self) -> tuple[PullItem, ...]:
        return tuple(item for message in self.said() if isinstance(message, Pull) for item in message.pulls)

    def apply(self, *results: ApplyResult) -> list[Effect]:
        return self.feed(Applied(results))


def stat(content: bytes = b"", kind: Kind = Kind.FILE, inode: int = 1) -> Stat:
    return Stat(kind, len(content), WALL_NS, WALL_NS, 0o644, inode, 1, 1)


def seen(path: bytes, content: bytes = b"", kind: Kind = Kind.FILE) -> Seen:
    digest = blake3(content).digest() if kind == Kind.FILE else b""
    fp = fingerprint(stat(content, kind, 1 + crc32(path)))
    return Seen(
        path, LookOutcome.FOUND, kind, len(content), digest, WALL_NS, 0o644, fp, content if kind == Kind.FILE else None
    )


def record(path: bytes, content: bytes | None = b"", ns: int = WALL_NS, node: str = PEER, count: int = 1) -> Record:
    """A file made by a peer; None: gone."""
    if content is None:
        return Record(path, Kind.ABSENT, 0, b"", 0, 0, Stamp(ns, node), ((node, count),))
    digest = blake3(content).digest()
    return Record(path, Kind.FILE, len(content), digest, WALL_NS, 0o644, Stamp(ns, node), ((node, count),))


def folder(path: bytes, node: str = PEER, count: int = 1) -> Record:
    return Record(path, Kind.DIRECTORY, 0, b"", WALL_NS, 0o755, Stamp(WALL_NS, node), ((node, count),))


def state(*records: Record, sequence: int = 1) -> State:
    return State(FOLDER, sequence, False, records)


def paths(items: Iterable[object]) -> list[bytes]:
    return [item.path for item in items]  # type: ignore[attr-defined]


def change(record: Record, content: bytes | None) -> object:
    from dir_sync.core.messages import Change

    return Change("modify", record, None, content is not None, None, content)


def of_first_scan(path: bytes, content: bytes = b"") -> Record:
    return first_scan_record(path, Kind.FILE, len(content), blake3(content).digest(), 5, 0o644)


def pulled(bench: Bench, content: bytes) -> ApplyItem:
    """What is done with a content that was asked for, once it has come."""
    pulls = [
        (send.peers[0], pull)
        for send in bench.all(Send)
        if isinstance(send.message, Pull)
        for pull in send.message.pulls
    ]
    ((peer, pull),) = [each for each in pulls if each[1].digest == blake3(content).digest()]
    bench.hear(Chunks((Piece(pull.id, 0, content),)), peer)
    ((item,),) = [job.items for job in bench.all(ApplyJob)]
    return item


def with_delta(path: bytes, content: bytes, base: bytes, number: int = 1, size: int = 1_000) -> Seen:
    made = MadeDelta(b"delta-%d" % number, blake3(base).digest(), blake3(content).digest(), size)
    return seen(path, content)._replace(delta=made, data=None)


def removed(bench: Bench) -> list[bytes]:
    return [name for job in bench.all(DiscardJob) for name in job.names]


def edited(bench: Bench, path: bytes, base: bytes, content: bytes, number: int, size: int = 1_000) -> list[Effect]:
    """A user edited a file, and a delta was made of it."""
    bench.wait(1_000)
    bench.feed(Touched(path, Urgency.NOW))
    return bench.feed(Looked((with_delta(path, content, base, number, size),)))


def known(bench: Bench, path: bytes, content: bytes = b"", size: int = 0) -> Seen:
    """A file that is known and told; `size`: as if it were so large."""
    found = seen(path, content)
    if size:
        large = stat(content, Kind.FILE, 1 + crc32(path))._replace(size=size)
        found = found._replace(size=size, fp=fingerprint(large), data=None)
    bench.feed(Touched(path, Urgency.NOW))
    bench.feed(Looked((found,)))
    if size:
        bench.wait(limits.TRUE_NAME_MS)
        bench.feed(Looked((found,)))
    assert bench.index.rows.get(path) is not None
    return found


def looked_at(bench: Bench) -> list[bytes]:
    return [item.path for job in bench.all(LookJob) for item in job.items]


def renamed(old: Record, name: bytes) -> ModificationUpdate:
    """A peer has renamed what it had announced as `old`."""
    new = old._replace(path=name, stamp=Stamp(WALL_NS + 10**9, PEER), vector=((PEER, 2),))
    gone = record(old.path, None, WALL_NS + 10**9, count=3)
    changes = (Change("rename", new, old.path, False, None, None), Change("delete", gone, None, False, None, None))
    return ModificationUpdate(FOLDER, 3, changes, (), False)
