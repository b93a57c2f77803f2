"""The engine by hand: one event, one look at what it asks for. Whole meshes are tests/sim's."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TypeVar
from zlib import crc32

import pytest
from blake3 import blake3

from dir_sync.core import limits, notes
from dir_sync.core.content import bucket_of, first_scan_record
from dir_sync.core.events import (
    Drop,
    Effect,
    Event,
    Moved,
    PeerDown,
    PeerUp,
    Received,
    Send,
    Tell,
    Ticked,
    Touched,
    Urgency,
)
from dir_sync.core.jobs import (
    Act,
    Applied,
    ApplyItem,
    ApplyJob,
    ApplyResult,
    DiscardJob,
    Listed,
    ListJob,
    Looked,
    LookJob,
    ReadDone,
    ReadJob,
    Result,
    Signed,
    SignJob,
    Staged,
    StageJob,
    SweepJob,
    Version,
    Why,
)
from dir_sync.core.looks import Grown, Listing, Look, MadeDelta, Seen
from dir_sync.core.messages import (
    PROTOCOL,
    Acknowledge,
    Change,
    Chunks,
    Delta,
    DeltaOffer,
    DeltaRequest,
    FolderIndex,
    Hello,
    Message,
    ModificationUpdate,
    Piece,
    Pull,
    PullItem,
    Refuse,
    State,
    StateRequest,
)
from dir_sync.core.model import (
    FINGERPRINT_BYTES,
    Kind,
    Record,
    Stamp,
    Stat,
    fingerprint,
    has_seen,
    join,
    joined,
)
from dir_sync.core.reconcile import Offer
from dir_sync.engine import Engine, Now, deltas_out, planner
from dir_sync.files.fingerprints import RACY
from dir_sync.index import Index
from dir_sync.log import logger
from dir_sync.narrator import Narrator
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
        hello = Hello(PROTOCOL, node, node, "1", 6000, (FolderIndex(FOLDER, node * 2, 0),))
        self.feed(PeerUp(node, hello))
        if asks:
            self.hear(StateRequest(FOLDER, self.index.index_id, after), node)

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
        path, Look.FOUND, kind, len(content), digest, WALL_NS, 0o644, fp, content if kind == Kind.FILE else None
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


def test_a_change_is_told_at_once_with_its_content() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"new")
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.record.path, change.content) for change in update.changes] == [
        ("create", b"a", b"new")
    ]


def test_a_copy_is_told_without_its_content() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"same")
    bench.found(b"b", b"same")
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [change.content for change in update.changes] == [None]


def test_an_echo_says_nothing() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"new")
    bench.found(b"a", b"new")
    assert bench.said() == []


def test_each_peer_hears_in_ascending_sequence() -> None:
    """One of two is told in short of what it announced, and both share the update."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    bench.hear(state(record(b"theirs", None, node=OTHER)), OTHER)
    bench.feed(Touched(b"mine", Urgency.NOW), Touched(b"mine too", Urgency.NOW))
    events = [Looked((seen(b"mine", b"1"), seen(b"mine too", b"2")))]
    bench.feed(*events, Received(OTHER, state(record(b"x", None, node=OTHER, count=2), sequence=2)))
    for node in (PEER, OTHER):
        sequences = [message.sequence for message in bench.said(node) if not isinstance(message, StateRequest)]  # type: ignore[union-attr]
        assert sequences == sorted(sequences)
        assert sequences[-1] == bench.index.sequence
    assert any(isinstance(message, Acknowledge) for message in bench.said(OTHER))


def test_an_answer_to_a_peer_is_for_the_link_that_asked() -> None:
    bench = Bench()
    bench.found(b"a", b"mine")
    bench.connect()
    digest = blake3(b"mine").digest()
    bench.hear(Pull(FOLDER, (PullItem(1, b"a", digest, None, 0, 4),)))
    (job,) = bench.all(ReadJob)
    bench.feed(PeerDown(PEER, "lost"))
    bench.connect()
    bench.feed(ReadDone(PEER, job.link, (Piece(1, 0, b"mine"),), (), 4))
    assert not [message for message in bench.said() if isinstance(message, Chunks)]


def test_a_file_that_cannot_be_read_as_known_is_looked_at() -> None:
    bench = Bench()
    bench.found(b"a", b"mine")
    bench.connect()
    bench.hear(Pull(FOLDER, (PullItem(1, b"a", blake3(b"mine").digest(), None, 0, 4),)))
    (job,) = bench.all(ReadJob)
    bench.feed(ReadDone(PEER, job.link, (), ((1, b"a"),), 4))
    assert paths(item for look in bench.all(LookJob) for item in look.items) == [b"a"]


def test_no_deadline_while_looks_are_out() -> None:
    """The next looks are sent when those come back: until then the loop must not spin."""
    bench = Bench()
    bench.feed(Touched(b"a", Urgency.NOW))
    bench.feed(Touched(b"b", Urgency.NOW))
    assert bench.all(LookJob) == []
    deadline = bench.engine.next_deadline()
    assert deadline is None or deadline > bench.ms


def test_a_folder_that_cannot_be_listed_is_tried_again() -> None:
    bench = Bench(scanned=False)
    bench.feed(Listed((Listing(b"", None, "input/output error"),)))
    assert bench.engine.board.scanning, "what is here is unknown"
    asked: list[tuple[bytes, ...]] = []
    for _ in range(40):
        if not asked:
            asked += [
                tuple(folder.path for folder in job.folders) for job in bench.wait(100) if isinstance(job, ListJob)
            ]
    assert asked == [(b"",)]
    bench.feed(Listed((Listing(b"", []),)))
    assert not bench.engine.board.scanning


def test_a_folder_that_was_away_when_it_was_listed_is_listed_when_it_is_there() -> None:
    bench = Bench()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.feed(Listed((Listing(b"d", None),)))
    assert paths(item for job in bench.all(LookJob) for item in job.items) == [b"d"]
    bench.feed(Looked((Seen(b"d", Look.SAME, Kind.DIRECTORY),)))
    assert [folder.path for job in bench.all(ListJob) for folder in job.folders] == [b"d"]


def test_the_scan_ends_though_a_path_was_found_twice() -> None:
    bench = Bench(scanned=False)
    entries = [(b"a", stat(b"1"))]
    bench.feed(Listed((Listing(b"", entries),)))
    bench.engine.board.listings.add(b"")
    bench.feed(Looked((Seen(b"a", Look.UNSTABLE),)), Ticked())
    bench.feed(Listed((Listing(b"", entries),)))
    for _ in range(5):
        if bench.all(LookJob):
            bench.feed(Looked((seen(b"a", b"1"),)))
        else:
            bench.wait(500)
    assert not bench.engine.board.scanning


def test_what_became_a_file_is_no_folder_for_its_children() -> None:
    bench = Bench()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.feed(Listed((Listing(b"d", []),)))
    bench.found(b"d/a", b"1")
    bench.feed(Touched(b"d", Urgency.NOW))
    bench.feed(Looked((seen(b"d", b"now a file"),)))
    assert paths(item for job in bench.all(LookJob) for item in job.items) == [b"d/a"]
    bench.feed(Looked((Seen(b"d/a", Look.ABSENT),)))
    bench.wait(50)
    bench.feed(Looked((seen(b"d", b"now a file"),)))
    row, child = bench.index.get(b"d"), bench.index.get(b"d/a")
    assert row is not None
    assert child is not None
    assert (row.record.kind, child.record.kind) == (Kind.FILE, Kind.ABSENT)


def test_what_came_and_went_in_a_folder_while_a_file_took_its_place_is_gone() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.feed(Listed((Listing(b"d", []),)))
    mine = bench.index.get(b"d")
    assert mine is not None
    theirs = record(b"d", b"a file", WALL_NS * 2, count=7)
    bench.hear(state(theirs._replace(vector=join(theirs.vector, mine.record.vector))))
    bench.hear(Chunks((Piece(bench.pulls()[0].id, 0, b"a file"),)))
    (job,) = bench.all(ApplyJob)
    bench.found(b"d/a", b"1")
    bench.apply(ApplyResult(job.items[0].path, Result.DONE, fingerprint(stat(b"a file"))))  # and nobody saw d/a go
    looked = paths(item for job in bench.all(LookJob) for item in job.items)
    assert b"d/a" in looked
    bench.feed(Looked(tuple(Seen(path, Look.ABSENT if path == b"d/a" else Look.SAME) for path in looked)))
    child = bench.index.get(b"d/a")
    assert child is not None
    assert child.record.kind == Kind.ABSENT


def test_a_folder_that_is_removed_with_what_has_just_come_goes_after_it() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.feed(Listed((Listing(b"d", []),)))
    bench.hear(state(record(b"d/a", b"new", count=7)))
    bench.hear(Chunks((Piece(bench.pulls()[0].id, 0, b"new"),)))
    assert bench.all(ApplyJob)
    bench.feed(Touched(b"d", Urgency.VANISHED))  # its user was faster than the word that it is there
    for turn in range(40):
        if looks := [item.path for job in bench.all(LookJob) for item in job.items]:
            bench.feed(Looked(tuple(Seen(path, Look.ABSENT) for path in looks)))
        elif turn >= 20 and bench.engine.work.jobs.applying(b"d/a"):
            bench.apply(ApplyResult(b"d/a", Result.DONE, fingerprint(stat(b"new"))))
        else:
            bench.wait(30)
    folder_row, row = bench.index.get(b"d"), bench.index.get(b"d/a")
    assert folder_row is not None
    assert row is not None
    assert (folder_row.record.kind, row.record.kind) == (Kind.ABSENT, Kind.ABSENT)
    assert row.seq < folder_row.seq


def test_a_removal_of_ours_that_was_not_noted_is_no_users_delete() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"mine")
    mine = bench.index.get(b"a")
    assert mine is not None
    gone = mine.record._replace(
        kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0, stamp=Stamp(WALL_NS * 2, PEER),
        vector=tuple(sorted((*mine.record.vector, (PEER, 7)))),
    )  # fmt: skip
    bench.hear(state(gone))
    (job,) = bench.all(ApplyJob)
    assert [item.act for item in job.items] == [Act.REMOVE]
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="input/output error"))
    bench.wait(5_000)
    bench.feed(Looked((Seen(b"a", Look.ABSENT),)))
    (job,) = bench.all(ApplyJob)
    assert [(item.act, item.expect) for item in job.items] == [(Act.REMOVE, b"")], "its folder is not on the medium yet"
    bench.apply(ApplyResult(b"a", Result.DONE))
    row = bench.index.get(b"a")
    assert row is not None
    assert row.record.stamp == gone.stamp


@pytest.mark.parametrize("there", [None, b"a user's"])
@pytest.mark.parametrize("filed", [True, False])
def test_who_changes_what_was_installed_and_not_noted_has_seen_it(there: bytes | None, filed: bool) -> None:
    """The program died after the exchange. `filed`: what came out was in the history by then; else it is as if it had
    never been in the tree."""
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"old")
    mine = bench.index.get(b"a")
    assert mine is not None
    theirs = record(b"a", b"new", WALL_NS * 2, count=7)
    theirs = theirs._replace(vector=join(theirs.vector, mine.record.vector))
    bench.hear(state(theirs))
    bench.hear(Chunks((Piece(bench.pulls()[0].id, 0, b"new"),)))
    assert bench.all(ApplyJob)
    bench.engine = Engine(bench.index, FOLDER, "u")
    displaced = Version(
        b"history/old", b"a", Kind.FILE, 3, mine.record.content, WALL_NS, 0o644, WALL_NS, Why.REPLACED, ""
    )
    bench.engine.start(bench.now, [displaced] if filed else [])
    look = [(b"a", stat(there))] if there is not None else []
    bench.feed(Listed((Listing(b"", look, gone=() if look else (b"a",)),)))
    for _ in range(5):
        if bench.all(LookJob):
            bench.feed(Looked((seen(b"a", there) if there is not None else Seen(b"a", Look.ABSENT),)))
        else:
            bench.wait(500)
    row = bench.index.get(b"a")
    assert row is not None
    assert row.record.kind == (Kind.ABSENT if there is None else Kind.FILE)
    assert has_seen(row.record, theirs) == filed


def test_what_was_being_installed_is_adopted_though_its_peer_went_on() -> None:
    bench = Bench()
    bench.connect()
    first, second = record(b"a", b"first"), record(b"a", b"second", ns=WALL_NS + 5, count=2)
    bench.hear(ModificationUpdate(FOLDER, 1, (change(first, b"first"),), (), True))
    assert bench.all(ApplyJob)
    bench.hear(ModificationUpdate(FOLDER, 2, (change(second, None),), (), False))
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="input/output error"))
    bench.wait(5_000)
    bench.feed(Looked((seen(b"a", b"first"),)))
    (job,) = bench.all(ApplyJob)
    assert [item.act for item in job.items] == [Act.META], "its name may not be on the medium yet"
    bench.apply(ApplyResult(b"a", Result.DONE, fingerprint(stat(b"first"))))
    row = bench.index.get(b"a")
    assert row is not None
    assert row.record.stamp == first.stamp


@pytest.mark.parametrize("newer", [None, b"second"])
def test_what_was_being_installed_in_a_folder_that_cannot_be_listed_is_seen_before_its_peer_is_followed(
    newer: bytes | None,
) -> None:
    """The power failed in the middle; now the peer has moved on, and the folder cannot be listed."""
    bench = Bench()
    first = record(b"d/e/a", b"first")
    for path in (b"d", b"d/e"):
        bench.index.put(folder(path), fingerprint(stat(kind=Kind.DIRECTORY, inode=1 + crc32(path))))
    bench.index.put_offer(Offer(PEER, first, False))
    bench.engine = Engine(bench.index, FOLDER, "t")
    bench.effects = bench.engine.start(bench.now)
    bench.feed(Listed((Listing(b"", [], folders=(b"d",)),)))
    bench.feed(Listed((Listing(b"d", None, "input/output error"),)))
    assert not bench.engine.board.scanning
    bench.connect()
    bench.hear(state(record(b"d/e/a", newer, ns=WALL_NS + 5, count=2), sequence=2))
    assert not bench.pulls()
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"d/e/a"]
    bench.feed(Looked((seen(b"d/e/a", b"first"),)))
    (redo,) = bench.all(ApplyJob)
    assert [(item.act, item.target.stamp) for item in redo.items] == [(Act.META, first.stamp)], "no edit of a user"
    bench.apply(ApplyResult(b"d/e/a", Result.DONE, seen(b"d/e/a", b"first").fp))
    if newer is None:
        (job,) = bench.all(ApplyJob)
        assert [item.act for item in job.items] == [Act.REMOVE]
    else:
        assert [pull.path for pull in bench.pulls()] == [b"d/e/a"]


@pytest.mark.parametrize("there", [Seen(b"d/a", Look.ABSENT), None])
def test_what_is_seen_in_a_folder_that_cannot_be_listed_is_looked_at_once(there: Seen | None) -> None:
    bench = Bench()
    bench.index.put(folder(b"d"), fingerprint(stat(kind=Kind.DIRECTORY)))
    bench.index.put_offer(Offer(PEER, record(b"d/a", b"first"), False))
    bench.engine = Engine(bench.index, FOLDER, "t")
    bench.effects = bench.engine.start(bench.now)
    bench.feed(Listed((Listing(b"", [], folders=(b"d",)),)))
    bench.feed(Listed((Listing(b"d", None, "input/output error"),)))
    bench.connect()
    bench.hear(state(record(b"d/a", None, ns=WALL_NS + 5, count=2), sequence=2))
    bench.feed(Looked((there or seen(b"d/a", b"another"),)))
    row = bench.index.get(b"d/a")
    assert row is not None
    assert row.record.kind == (Kind.FILE if there is None else Kind.ABSENT)
    for _ in range(10):
        assert b"d/a" not in [item.path for job in bench.all(LookJob) for item in job.items]
        bench.wait(300)
    assert not bench.index.offers(b"d/a")


def change(record: Record, content: bytes | None) -> object:
    from dir_sync.core.messages import Change

    return Change("modify", record, None, content is not None, None, content)


def test_all_that_waits_for_a_folder_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "PLAN_MAX", 4)
    bench = Bench()
    bench.connect()
    names = [b"d/%d" % number for number in range(11)]
    gone = [record(name, b"", node=PEER, count=number + 2) for number, name in enumerate(names)]
    bench.hear(State(FOLDER, 1, False, tuple(gone)))
    bench.hear(state(folder(b"d", count=50), sequence=2))
    bench.apply(ApplyResult(b"d", Result.DONE, fingerprint(stat(kind=Kind.DIRECTORY))))
    assert sorted(paths(item for job in bench.all(ApplyJob) for item in job.items)) == sorted(names)


def test_one_content_for_two_paths_is_fetched_once() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(record(b"a", b"same"), record(b"b", b"same", count=2)))
    pulls = [pull for message in bench.said() if isinstance(message, Pull) for pull in message.pulls]
    assert paths(pulls) == [b"a"]
    bench.hear(Chunks((Piece(pulls[0].id, 0, b"same"),)))
    assert paths(item for job in bench.all(ApplyJob) for item in job.items) == [b"a"]
    bench.apply(ApplyResult(b"a", Result.DONE, fingerprint(stat(b"same"))))
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert (item.path, item.copy_path) == (b"b", b"a")


def test_what_has_come_is_not_on_its_way_for_ever() -> None:
    """Pulled or attached, installed or refused: nothing is remembered of it when all is done."""
    bench = Bench()
    bench.connect()
    for at in range(20):
        path, content = b"file%d" % at, b"content %d" % at
        bench.hear(state(record(path, content, count=at + 1), sequence=at + 1))
        (pull,) = (pull for message in bench.said() if isinstance(message, Pull) for pull in message.pulls)
        bench.hear(Chunks((Piece(pull.id, 0, content),)))
        bench.apply(ApplyResult(path, Result.DONE, fingerprint(stat(content))))
    assert not bench.engine.work.arrivals.expected()


def test_trouble_with_our_own_disk_is_no_fault_of_the_peer() -> None:
    bench = Bench()
    bench.connect()
    large = record(b"a", b"x" * (limits.CHUNK_BYTES + 1))
    bench.hear(state(large))
    for _ in range(8):
        jobs = bench.all(StageJob)
        if jobs:
            bench.feed(Staged(jobs[0].token, 0, False, "input/output error", True))
            assert not bench.all(Drop)
        bench.wait(31_000)


def test_a_folder_that_holds_only_what_is_not_ours_stays_here_alone() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(folder(b"d")))
    bench.apply(ApplyResult(b"d", Result.DONE, fingerprint(stat(kind=Kind.DIRECTORY))))
    gone = record(b"d", None, ns=WALL_NS + 9, count=9)
    bench.hear(state(gone, sequence=2))
    bench.wait(1_000)
    bench.apply(ApplyResult(b"d", Result.CHANGED))
    fifo = (b"pipe", stat(kind=Kind.OTHER))
    for _ in range(12):
        if bench.all(LookJob):
            bench.feed(Looked((Seen(b"d", Look.SAME, Kind.DIRECTORY),)))
        elif bench.all(ListJob):
            bench.feed(Listed((Listing(b"d", [fifo]),)))
        else:
            bench.wait(100)
    row = bench.index.get(b"d")
    assert row is not None
    assert row.record.kind == Kind.ABSENT
    assert row.fp
    assert not bench.told(notes.Removed)


def test_an_edit_survives_a_delete_that_did_not_know_it() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"mine")
    bench.hear(state(record(b"a", None, ns=WALL_NS + limits.STAMP_AHEAD_NS // 2)))
    row = bench.index.get(b"a")
    assert row is not None
    assert row.record.kind == Kind.FILE
    assert 0 < row.record.stamp.ns - WALL_NS - limits.STAMP_AHEAD_NS // 2 < 1_025
    assert has_seen(row.record, record(b"a", None, ns=WALL_NS + limits.STAMP_AHEAD_NS // 2))


def test_whoever_holds_the_same_is_told_nothing() -> None:
    bench, other = Bench(), Bench()
    for one in (bench, other):
        one.index.put(of_first_scan(b"a"), b"fp")
        one.index.put(of_first_scan(b"b"), b"fp")
    bench.connect(asks=False)
    bench.hear(StateRequest(FOLDER, bench.index.index_id, 0, 2, other.index.summary()))
    (said,) = [message for message in bench.said() if isinstance(message, State)]
    assert said.last
    assert said.sequence == bench.index.sequence
    assert said.records == ()


def test_only_buckets_that_differ_are_told() -> None:
    bench, other = Bench(), Bench()
    names = [b"%d" % number for number in range(100)]
    for one in (bench, other):
        for name in names:
            one.index.put(of_first_scan(name), b"fp")
    bench.index.put(of_first_scan(b"7", b"another"), b"fp")
    bench.connect(asks=False)
    bench.hear(StateRequest(FOLDER, bench.index.index_id, 0, 100, other.index.summary()))
    told = [record.path for message in bench.said() if isinstance(message, State) for record in message.records]
    assert b"7" in told
    assert set(told) == {name for name in names if bucket_of(name) == bucket_of(b"7")}
    bench.found(b"new", b"1")
    told = [change.record.path for update in bench.said() for change in getattr(update, "changes", ())]
    assert told == [b"new"], "what changes later is told, whatever its bucket"


def of_first_scan(path: bytes, content: bytes = b"") -> Record:
    return first_scan_record(path, Kind.FILE, len(content), blake3(content).digest(), 5, 0o644)


def test_new_files_that_come_with_their_content_are_an_intent_until_they_are_there() -> None:
    bench = Bench()
    bench.connect()
    one = of_first_scan(b"a", b"1")
    other = of_first_scan(b"b", b"2")
    changes = (Change("create", one, attached=True, content=b"1"), Change("create", other, attached=True, content=b"2"))
    bench.hear(ModificationUpdate(FOLDER, 9, changes, (), True))
    (job,) = bench.all(ApplyJob)
    assert [(item.path, item.data) for item in job.items] == [(b"a", b"1"), (b"b", b"2")]
    assert not bench.index.any_offers()
    bench.index.commit()
    again = closed_at_end(Index(":memory:", Random(1), bench.index.copy()))
    assert [offer.record for path in again.offered_paths(None, 9) for offer in again.offers(path)] == [one, other]
    bench.apply(
        ApplyResult(b"a", Result.DONE, b"f" * FINGERPRINT_BYTES), ApplyResult(b"b", Result.PROBLEM, problem="full")
    )
    assert bench.index.get(b"a") is not None
    assert [offer.record for offer in bench.index.offers(b"b")] == [other], "what failed is an offer again"
    bench.index.commit()
    again = closed_at_end(Index(":memory:", Random(1), bench.index.copy()))
    assert again.offered_paths(None, 9) == [b"b"]


def test_the_event_of_a_new_name_of_ours_is_an_echo_in_a_bulk_and_its_folder_is_listed_once_more() -> None:
    bench = Bench()
    bench.connect()
    records = [of_first_scan(b"%d" % number, b"%d" % number) for number in range(40)]
    changes = tuple(
        Change("create", record, attached=True, content=b"%d" % number) for number, record in enumerate(records)
    )
    bench.hear(ModificationUpdate(FOLDER, 90, changes, (), True))
    bench.feed(*(Touched(record.path, Urgency.ARRIVED) for record in records[:20]))
    assert bench.all(LookJob) == []
    bench.apply(*(ApplyResult(record.path, Result.DONE, b"f" * FINGERPRINT_BYTES) for record in records))
    assert bench.all(LookJob) == []
    asked: list[bytes] = []
    for _ in range(20):
        asked += [folder.path for job in bench.wait(100) if isinstance(job, ListJob) for folder in job.folders]
    assert asked == [b""]


def test_a_single_new_name_is_looked_at() -> None:
    bench = Bench()
    bench.connect()
    one = of_first_scan(b"a", b"1")
    bench.hear(ModificationUpdate(FOLDER, 9, (Change("create", one, attached=True, content=b"1"),), (), True))
    bench.apply(ApplyResult(b"a", Result.DONE, b"f" * FINGERPRINT_BYTES))
    bench.feed(Touched(b"a", Urgency.ARRIVED))
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"a"]


def test_a_folder_that_is_listed_while_it_is_being_made_is_listed_itself() -> None:
    """Whoever lists a folder watches it: nothing that happens in it later may go unseen."""
    bench = Bench()
    bench.connect()
    bench.hear(state(folder(b"d")))
    assert [item.path for job in bench.all(ApplyJob) for item in job.items] == [b"d"]
    bench.engine.board.listings.out += 1
    bench.engine.board.jobs_out += 1
    bench.feed(Listed((Listing(b"", [(b"d", stat(kind=Kind.DIRECTORY))]),)))
    bench.apply(ApplyResult(b"d", Result.DONE, fingerprint(stat(kind=Kind.DIRECTORY))))
    listed: list[bytes] = []
    for _ in range(10):
        listed += [folder.path for job in bench.all(ListJob) for folder in job.folders]
        looks = bench.all(LookJob)
        bench.wait(50)
        for look in looks:
            bench.feed(Looked(tuple(Seen(item.path, Look.SAME, Kind.DIRECTORY) for item in look.items)))
    assert b"d" in listed


@pytest.mark.parametrize("begun", ["before", "meanwhile"])
@pytest.mark.parametrize("gift", [True, False])
def test_what_is_deleted_as_it_comes_into_a_folder_that_is_being_listed_is_gone(begun: str, gift: bool) -> None:
    """Nobody watched the folder yet, and the listing did not know of it."""
    bench = Bench()
    bench.connect()
    bench.hear(state(folder(b"d")))
    bench.apply(ApplyResult(b"d", Result.DONE, seen(b"d", kind=Kind.DIRECTORY).fp))
    new = record(b"d/a", b"new", count=2) if gift else folder(b"d/a", count=2)
    message = ModificationUpdate(FOLDER, 2, (change(new, b"new"),), (), True) if gift else state(new, sequence=2)
    if begun == "before":
        bench.hear(message)
    bench.feed(Touched(b"d", Urgency.FOLDER))
    for _ in range(10):
        if bench.all(LookJob):
            bench.feed(Looked((Seen(b"d", Look.SAME, Kind.DIRECTORY),)))
        if bench.all(ListJob):
            break
        bench.wait(20)
    assert paths(each for job in bench.all(ListJob) for each in job.folders) == [b"d"]
    if begun == "meanwhile":
        bench.hear(message)
    bench.apply(ApplyResult(b"d/a", Result.DONE, fingerprint(stat(b"new", new.kind))))
    bench.feed(Listed((Listing(b"d", []),)))
    for _ in range(40):
        looks = [item.path for job in bench.all(LookJob) for item in job.items]
        if bench.all(ListJob):
            bench.feed(Listed((Listing(b"d", [], gone=(b"a",)),)))
        elif looks:
            there = Seen(b"d", Look.SAME, Kind.DIRECTORY)
            bench.feed(Looked(tuple(there if path == b"d" else Seen(path, Look.ABSENT) for path in looks)))
        else:
            bench.wait(100)
    row = bench.index.get(b"d/a")
    assert row is not None
    assert row.record.kind == Kind.ABSENT


def test_what_may_be_on_the_disk_is_known_as_long_as_it_was_not_looked_at() -> None:
    """Its job failed at the end, its peer has moved on, and so has another, whose older announcement nobody tried."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    bench.hear(state(record(b"a", b"older", WALL_NS)), OTHER)
    bench.hear(state(record(b"a", b"newer", WALL_NS + 1)))
    assert pulled(bench, b"newer").path == b"a"
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="input/output error"))
    bench.hear(state(record(b"a", b"even newer", WALL_NS + 2, OTHER, 2), sequence=2), OTHER)
    bench.hear(state(record(b"a", b"even newer", WALL_NS + 2, OTHER, 2), sequence=2))
    bench.wait(3_000)
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"a"]
    bench.feed(Looked((seen(b"a", b"newer"),)))
    assert bench.index.get(b"a") is None, "it is no edit of a user"
    (redo,) = bench.all(ApplyJob)
    assert [(item.act, item.target.stamp.ns) for item in redo.items] == [(Act.META, WALL_NS + 1)]


def test_the_old_name_of_a_move_that_somebody_met_halfway_is_no_users_delete() -> None:
    """A user saved under the new name at that moment; and both peers have moved on from what they said of the old one."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    bench.hear(state(record(b"a", b"content")))
    assert pulled(bench, b"content").path == b"a"
    bench.apply(ApplyResult(b"a", Result.DONE, seen(b"a", b"content").fp))
    renamed = record(b"b", b"content", WALL_NS + 1, count=2), record(b"a", None, WALL_NS + 2, count=3)
    bench.hear(state(*renamed, sequence=3))
    (job,) = bench.all(ApplyJob)
    assert [(item.act, item.copy_path) for item in job.items] == [(Act.MOVE, b"a")]
    for count in (1, 2):
        bench.hear(state(record(b"a", b"%d" % count, WALL_NS + 2 + count, OTHER, count), sequence=count), OTHER)
    bench.hear(state(record(b"a", b"2", WALL_NS + 4, OTHER, 2), sequence=4))
    bench.apply(ApplyResult(b"b", Result.CHANGED))
    for _ in range(10):
        looks = [item.path for job in bench.all(LookJob) for item in job.items]
        if b"a" in looks:
            break
        bench.wait(50)
    bench.feed(Looked(tuple(seen(b"b", b"saved") if path == b"b" else Seen(path, Look.ABSENT) for path in looks)))
    row = bench.index.get(b"a")
    assert row is not None
    assert row.record.stamp.node == PEER, "nobody here has deleted it"
    assert [item.act for job in bench.all(ApplyJob) for item in job.items if item.path == b"a"] == [Act.REMOVE]


def test_one_of_several_that_were_made_without_knowledge_of_ours_stays_so() -> None:
    """Whoever holds it has heard of ours meanwhile; and another has told of one that loses against both."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    bench.found(b"a", b"ours")
    ours = bench.index.get(b"a")
    assert ours is not None
    best = record(b"a", b"best", ours.record.stamp.ns + 2, PEER)
    pulls = bench.hear(state(best))
    bench.hear(state(record(b"a", b"second", ours.record.stamp.ns + 1, OTHER)), OTHER)
    bench.hear(state(joined(best, ours.record), sequence=2))
    bench.effects = pulls
    assert pulled(bench, b"best").why == Why.CONFLICT


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


def test_a_peer_with_nothing_is_given_all_though_sequences_have_leapt() -> None:
    bench = Bench()
    bench.found(b"a", b"1")
    bench.index.skip_sequences(WALL_NS)
    bench.connect()
    (job,) = bench.all(ReadJob)
    assert job.push
    piece = Piece(0, 0, b"1")
    bench.feed(ReadDone(PEER, job.link, (piece,), (), 1, True))
    bench.wait(10)
    assert bench.engine.publisher.subscribers[PEER].told_last
    assert bench.engine.publisher.subscribers[PEER].sent == bench.index.sequence
    bench.found(b"b", b"2")
    assert [message for message in bench.said() if isinstance(message, ModificationUpdate)]


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


def test_a_delta_that_nobody_asks_for_any_more_goes() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"old")
    edited(bench, b"a", b"old", b"new", 1)
    pull = PullItem(1, b"a", blake3(b"new").digest(), blake3(b"old").digest(), 0, 500)
    bench.wait(50_000)
    bench.hear(Pull(FOLDER, (pull,)))
    assert [item.path for job in bench.all(ReadJob) for item in job.items] == [b"delta-1"]
    bench.wait(50_000)
    assert removed(bench) == [], "it is being asked for"
    gone = []
    for _ in range(10):
        deadline = bench.engine.next_deadline()
        if deadline is None:
            break
        bench.wait(max(0, deadline - bench.ms))
        gone += removed(bench)
    assert gone == [b"delta-1"]
    assert bench.engine.next_deadline() is None
    bench.hear(Pull(FOLDER, (pull._replace(id=2),)))
    assert [message for message in bench.said() if isinstance(message, Refuse)]


def test_the_bytes_of_all_deltas_are_bounded_and_those_of_old_contents_go_first() -> None:
    bench = Bench()
    bench.connect()
    third = deltas_out._DELTAS_BYTES_MAX // 3
    for path in (b"a", b"b", b"c"):
        bench.found(path, b"old " + path)
    edited(bench, b"a", b"old a", b"new a", 1, third)
    edited(bench, b"b", b"old b", b"new b", 2, third)
    edited(bench, b"b", b"new b", b"newer b", 3, third)
    assert removed(bench) == []
    edited(bench, b"c", b"old c", b"new c", 4, third)
    assert removed(bench) == [b"delta-2"]
    edited(bench, b"c", b"new c", b"newer c", 5, 4 * third)
    assert sorted(removed(bench)) == [b"delta-1", b"delta-3", b"delta-4"]
    assert [made.name for made, _ in bench.engine.deltas_out.deltas.values()] == [b"delta-5"]


@pytest.mark.parametrize("how", ["unstable", "no change", "announced"])
def test_a_delta_of_a_look_that_tells_nothing_new_goes(how: str) -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"old")
    mine = bench.index.get(b"a")
    assert mine is not None
    bench.feed(Touched(b"a", Urgency.NOW))
    found = with_delta(b"a", b"new", b"old")
    match how:
        case "unstable":
            found = found._replace(look=Look.UNSTABLE)
        case "no change":
            found = with_delta(b"a", b"old", b"older")
        case "announced":
            theirs = record(b"a", b"new", WALL_NS * 2, count=7)
            bench.hear(state(theirs._replace(vector=join(theirs.vector, mine.record.vector))))
    bench.feed(Looked((found,)))
    assert removed(bench) == [b"delta-1"]


def refused_change(bench: Bench, content: bytes) -> ApplyItem:
    """A peer's version of `a`, here as a whole, that is to replace ours."""
    bench.connect()
    bench.found(b"a", b"old")
    mine = bench.index.get(b"a")
    assert mine is not None
    theirs = record(b"a", content, WALL_NS * 2, count=7)
    bench.hear(state(theirs._replace(vector=join(theirs.vector, mine.record.vector))))
    if len(content) > limits.CHUNK_BYTES:
        (stage,) = bench.all(StageJob)
        bench.feed(Staged(stage.token, 0, False))
        bench.feed(Staged(stage.token, len(content), True))
    else:
        bench.hear(Chunks((Piece(bench.pulls()[0].id, 0, content),)))
    (job,) = bench.all(ApplyJob)
    (item,) = job.items
    return item


@pytest.mark.parametrize("size", [10, limits.LARGE_FILE_BYTES])
def test_what_cannot_be_replaced_is_said_once_and_its_content_travels_once(size: int) -> None:
    """Made immutable: that changes its ctime, so that first it looks as if somebody had changed it."""
    bench = Bench()
    content = b"n" * size
    item = refused_change(bench, content)
    told = [effect.note for effect in bench.all(Tell)]
    result = ApplyResult(b"a", Result.CHANGED)
    for turn in range(4):
        bench.apply(result)
        told += [effect.note for effect in bench.all(Tell)]
        for _ in range(100):
            if bench.all(ApplyJob):
                break
            if bench.all(LookJob):
                bench.feed(Looked((Seen(b"a", Look.SAME, Kind.FILE),)))
            else:
                bench.wait(1_000)
            assert not bench.pulls()
            assert not bench.all(StageJob)
            assert removed(bench) == []
            for sweep in bench.all(SweepJob):
                assert item.staged is None or item.staged in sweep.keep
        (job,) = bench.all(ApplyJob)
        assert job.items == (item,), turn
        result = ApplyResult(b"a", Result.PROBLEM, problem="no permission")
    assert sum(isinstance(note, notes.CannotWrite) for note in told) == 1
    assert sum(isinstance(note, notes.Fetched) for note in told) == (size >= limits.LARGE_FILE_BYTES)
    assert bench.engine.sync_report.troubled() == [(b"a", "no permission", True)]


def test_whoever_wants_what_waits_for_a_stubborn_path_does_not_wait_for_it() -> None:
    bench = Bench()
    content = b"new"
    refused_change(bench, content)
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="no permission"))
    bench.hear(state(record(b"b", content, count=9), sequence=2))
    assert paths(bench.pulls()) == [b"b"]


def test_what_could_not_be_put_there_goes_when_something_newer_is_wanted() -> None:
    bench = Bench()
    item = refused_change(bench, b"n" * limits.LARGE_FILE_BYTES)
    assert item.staged is not None
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="no permission"))
    later = record(b"a", b"newest", WALL_NS * 2 + 9, count=8)
    bench.hear(state(later._replace(vector=join(later.vector, item.target.vector)), sequence=3))
    bench.wait(5_000)
    bench.feed(Looked((Seen(b"a", Look.SAME, Kind.FILE),)))
    assert paths(bench.pulls()) == [b"a"]
    assert removed(bench) == [item.staged]


def test_what_could_not_be_put_there_takes_no_place_from_something_newer() -> None:
    bench = Bench()
    item = refused_change(bench, b"new")
    later = record(b"a", b"newest", WALL_NS * 2 + 9, count=8)
    later = later._replace(vector=join(later.vector, item.target.vector))
    bench.hear(ModificationUpdate(FOLDER, 3, (change(later, b"newest"),), (), True))
    bench.apply(ApplyResult(b"a", Result.CHANGED))
    bench.feed(Looked((Seen(b"a", Look.SAME, Kind.FILE),)))
    assert not bench.pulls()
    (job,) = bench.all(ApplyJob)
    assert job.items[0].data == b"newest"


def test_what_was_here_already_did_not_come() -> None:
    bench = Bench()
    bench.connect()
    content = b"n" * limits.LARGE_FILE_BYTES
    bench.hear(state(record(b"a", content)))
    (stage,) = bench.all(StageJob)
    bench.feed(Staged(stage.token, len(content), True))
    assert bench.all(ApplyJob)
    assert not bench.told(notes.Fetched)


@pytest.mark.parametrize("connected", [True, False])
def test_a_rename_is_told_to_people_as_one_thing(connected: bool) -> None:
    bench = Bench()
    if connected:
        bench.connect()
    for path in (b"aa", b"gone", b"stays"):
        bench.found(path, b"data of " + path)
    bench.feed(Touched(b"gone", Urgency.VANISHED))
    bench.ms += limits.VANISHED_MS
    bench.feed(Moved(b"aa", b"aA\xff", False), Touched(b"stays", Urgency.NOW))
    looks = {
        b"aa": Seen(b"aa", Look.ABSENT),
        b"aA\xff": seen(b"aA\xff", b"data of aa"),
        b"gone": Seen(b"gone", Look.ABSENT),
        b"stays": seen(b"stays", b"changed"),
    }
    bench.feed(Looked(tuple(looks[item.path] for job in bench.all(LookJob) for item in job.items)))
    assert bench.told(notes.RenamedHere) == [notes.RenamedHere(b"aA\xff", b"aa")]
    assert bench.told(notes.DeletedHere) == [notes.DeletedHere(b"gone")]
    assert bench.told(notes.ChangedHere) == [notes.ChangedHere(b"stays", len(b"changed"))]
    assert len(bench.all(Tell)) == 3


def test_renames_are_counted_like_others(caplog: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    with caplog.at_level("INFO", logger.name):
        for number in range(8):
            narrator.tell(notes.RenamedHere(b"new %d\xff" % number, b"old {%d}" % number), 1.0)
        narrator.breathe(9.0)
    assert caplog.messages[0] == "renamed here: old {0} to new 0\\xff"
    assert caplog.messages[5:] == ["renamed here: 3 more"]


def test_what_was_denied_is_tried_again_when_its_folder_gets_another_mode() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.hear(state(record(b"d/a", b"")))
    for _ in range(6):  # the waits grow
        assert [job.items[0].path for job in bench.all(ApplyJob)] == [b"d/a"]
        bench.apply(ApplyResult(b"d/a", Result.PROBLEM, problem="no permission"))
        for _ in range(100):
            bench.wait(1_000)
            if bench.all(LookJob):
                break
        bench.feed(Looked((Seen(b"d/a", Look.ABSENT),)))
    bench.apply(ApplyResult(b"d/a", Result.PROBLEM, problem="no permission"))
    bench.wait(100)
    bench.feed(Touched(b"d", Urgency.NOW))
    cured = Stat(Kind.DIRECTORY, 0, WALL_NS, WALL_NS, 0o755, 1, 1, 1)
    bench.feed(Looked((seen(b"d", kind=Kind.DIRECTORY)._replace(mode=0o755, fp=fingerprint(cured)),)))
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"d/a"]
    bench.feed(Looked((Seen(b"d/a", Look.ABSENT),)))
    assert [job.items[0].path for job in bench.all(ApplyJob)] == [b"d/a"]


def test_a_folder_that_could_not_be_listed_is_listed_when_one_above_it_gets_another_mode() -> None:
    bench = Bench()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.feed(Listed((Listing(b"d", [(b"e", stat(kind=Kind.DIRECTORY))]),)))
    bench.feed(Listed((Listing(b"d/e", None, "no permission"),)))
    bench.feed(Touched(b"d", Urgency.NOW))
    cured = Stat(Kind.DIRECTORY, 0, WALL_NS, WALL_NS, 0o755, 1, 1, 1)
    bench.feed(Looked((seen(b"d", kind=Kind.DIRECTORY)._replace(mode=0o755, fp=fingerprint(cured)),)))
    assert [folder.path for job in bench.all(ListJob) for folder in job.folders] == [b"d/e"]


def test_a_file_that_never_rests_is_read_less_and_less_often_and_people_are_told_once() -> None:
    bench = Bench()
    bench.found(b"image", b"x")
    size, looks, told = 300 << 20, 0, 0
    for _ in range(12_000):  # twenty minutes and more, ten writes a second; each look takes half a second
        bench.ms += 90
        bench.feed(Touched(b"image", Urgency.WRITING))
        if bench.all(LookJob):
            looks += 1
            bench.ms += 500
            bench.feed(Touched(b"image", Urgency.WRITING))
            bench.feed(Looked((Seen(b"image", Look.UNSTABLE, size=size),)))
            told += len(bench.told(notes.Restless))
    assert 5 <= looks <= 20
    assert told == 1
    assert bench.engine.look_queue.restless() == [b"image"]
    bench.wait(30_000)
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"image"], "it rests, and is read"
    bench.feed(Looked((seen(b"image", b"at rest"),)))
    assert bench.engine.look_queue.restless() == []


# --- renames ---------------------------------------------------------------------------------------------------------


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
    assert bench.index.get(path) is not None
    return found


def looked_at(bench: Bench) -> list[bytes]:
    return [item.path for job in bench.all(LookJob) for item in job.items]


def test_a_large_file_and_its_old_name_are_looked_at_and_told_together() -> None:
    bench = Bench()
    bench.connect()
    found = known(bench, b"a", b"content", 5 * limits.MIB)
    bench.feed(Moved(b"a", b"b", False))
    (job,) = bench.all(LookJob)
    assert [item.path for item in job.items] == [b"b", b"a"]
    hint = job.items[0].hint
    assert hint is not None
    assert hint.relaxed
    bench.feed(Looked((found._replace(path=b"b"), Seen(b"a", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


def test_nothing_is_told_of_the_old_name_while_the_folder_of_the_new_one_is_not_known() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Touched(b"d", Urgency.FOLDER), Moved(b"a", b"d/a", False))
    looks = {b"d/a": seen(b"d/a", b"content"), b"a": Seen(b"a", Look.ABSENT), b"d": seen(b"d", b"", Kind.DIRECTORY)}
    first = looked_at(bench)
    bench.feed(Looked(tuple(looks[path] for path in (b"d/a", b"a"))))  # as if the folder were looked at later
    assert set(first) == set(looks)
    assert not bench.said()
    bench.feed(Looked((looks[b"d"],)), Listed((Listing(b"d", []),)))
    bench.wait(100)
    assert set(looked_at(bench)) == {b"d/a", b"a"}
    bench.feed(Looked((looks[b"d/a"], looks[b"a"])))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [change.action for change in update.changes] == ["rename", "delete"]


def test_what_was_renamed_while_it_was_looked_at_is_told_under_its_last_name_only() -> None:
    """A file is written beside the old one and renamed over it at once: it must not be announced as a new one."""
    bench = Bench()
    bench.connect()
    known(bench, b"f", b"old")
    bench.feed(Touched(b"f.tmp", Urgency.NOW))
    bench.feed(Moved(b"f.tmp", b"f", False))
    bench.feed(Looked((seen(b"f.tmp", b"new"),)))
    assert not bench.said()
    assert set(looked_at(bench)) == {b"f", b"f.tmp"}
    bench.feed(Looked((seen(b"f", b"new"), Seen(b"f.tmp", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.record.path) for change in update.changes] == [("modify", b"f")]


def test_the_old_name_waits_a_moment_where_the_new_name_has_gone_on_already() -> None:
    """The look was faster than the watcher: it knew of the first of two renames."""
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Moved(b"a", b"b", False))
    bench.feed(Looked((Seen(b"b", Look.ABSENT), Seen(b"a", Look.ABSENT))))
    assert not bench.said()
    bench.feed(Moved(b"b", b"c", False))
    bench.wait(20)
    assert set(looked_at(bench)) == {b"a", b"b", b"c"}
    gone = (Seen(b"b", Look.ABSENT), Seen(b"a", Look.ABSENT))
    bench.feed(Looked((seen(b"c", b"content"), *gone)))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


def test_what_was_renamed_and_deleted_is_told_as_deleted() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Moved(b"a", b"b", False))
    told: list[Message] = []
    for _ in range(10):
        if looks := looked_at(bench):
            bench.feed(Looked(tuple(Seen(path, Look.ABSENT) for path in looks)))
            told += bench.said()
        bench.wait(20)
    (update,) = told
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.record.path) for change in update.changes] == [("delete", b"a")]


def test_a_rename_with_an_edit_is_told_as_a_rename() -> None:
    bench = Bench()
    bench.connect()
    old = known(bench, b"a", b"x" * 100_000)
    bench.feed(Moved(b"a", b"b", False))
    item = next(item for job in bench.all(LookJob) for item in job.items if item.path == b"b")
    assert item.base == old.content  # a delta may begin with it
    bench.feed(Looked((seen(b"b", b"x" * 100_000 + b"y"), Seen(b"a", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


def test_a_file_that_is_put_aside_by_its_editor_is_not_told_as_gone() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"f", b"old")
    bench.feed(Moved(b"f", b"f~", False))
    assert not looked_at(bench)
    bench.wait(50)
    bench.feed(Touched(b"f", Urgency.CREATED), Touched(b"f", Urgency.NOW))
    assert set(looked_at(bench)) == {b"f", b"f~"}
    bench.feed(Looked((seen(b"f~", b"old"), seen(b"f", b"new"))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert {(change.action, change.record.path) for change in update.changes} == {("create", b"f~"), ("modify", b"f")}


def test_a_file_that_is_put_aside_and_stays_away_is_told_after_a_moment() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"f", b"old")
    bench.feed(Moved(b"f", b"f~", False))
    bench.wait(limits.SAVE_GRACE_MS)
    assert set(looked_at(bench)) == {b"f", b"f~"}
    bench.feed(Looked((seen(b"f~", b"old"), Seen(b"f", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert {(change.action, change.record.path) for change in update.changes} == {("rename", b"f~"), ("delete", b"f")}


def test_the_absence_of_a_file_is_not_told_while_its_editor_writes_the_new_one() -> None:
    """The old look comes back late: the new file has its name by then."""
    bench = Bench()
    bench.connect()
    known(bench, b"f", b"old")
    bench.feed(Touched(b"f", Urgency.NOW))
    bench.feed(Touched(b"f", Urgency.CREATED))
    bench.feed(Looked((Seen(b"f", Look.ABSENT),)))
    assert not bench.said()


def test_a_look_that_is_faster_than_the_watcher_tells_no_deletion() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Touched(b"a", Urgency.NOW))
    assert looked_at(bench) == [b"a"]
    bench.feed(Looked((Seen(b"a", Look.ABSENT),)))
    assert not bench.said()
    bench.feed(Moved(b"a", b"b", False))
    while not (looks := looked_at(bench)):
        bench.wait(10)
        assert bench.ms < 2_000
    assert looks == [b"b", b"a"]
    bench.feed(Looked((seen(b"b", b"content"), Seen(b"a", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


def test_a_read_that_is_faster_than_the_watcher_tells_no_deletion() -> None:
    bench = Bench()
    bench.connect()
    found = known(bench, b"a", b"content", 5 * limits.MIB)
    bench.hear(Pull(FOLDER, (PullItem(1, b"a", found.content, None, 0, 1_000),)))
    (read,) = bench.all(ReadJob)
    bench.feed(ReadDone(PEER, read.link, (), ((1, b"a"),), 1_000))
    for _ in range(5):
        if b"a" in looked_at(bench):
            bench.feed(Looked((Seen(b"a", Look.ABSENT),)))
        assert not bench.said()
        bench.wait(10)
    bench.feed(Moved(b"a", b"b", False))
    while not (looks := looked_at(bench)):
        bench.wait(10)
        assert bench.ms < 2_000
    assert looks == [b"b", b"a"]
    bench.feed(Looked((found._replace(path=b"b"), Seen(b"a", Look.ABSENT))))
    update, read_again = bench.said()[0], bench.all(ReadJob)
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]
    assert [item.path for job in read_again for item in job.items] == [b"b"], "what was asked for comes from there"


def test_the_deletion_of_what_a_look_missed_before_the_watcher_told_is_told_as_soon_as_it_tells() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Touched(b"a", Urgency.NOW))
    bench.feed(Looked((Seen(b"a", Look.ABSENT),)))
    assert not bench.said()
    bench.feed(Touched(b"a", Urgency.VANISHED))
    bench.wait(limits.VANISHED_MS)
    assert looked_at(bench) == [b"a"]
    bench.feed(Looked((Seen(b"a", Look.ABSENT),)))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [change.action for change in update.changes] == ["delete"]


def test_a_look_that_began_before_the_rename_keeps_nothing_of_what_grew() -> None:
    """It was not asked whether the file begins with what it was: that is read again."""
    bench = Bench()
    bench.connect()
    old = known(bench, b"a", b"content", 5 * limits.MIB)
    bench.found(b"d", b"", Kind.DIRECTORY)
    there = stat(b"content", Kind.FILE, 1 + crc32(b"a"))._replace(size=6 * limits.MIB)
    bench.feed(Listed((Listing(b"d", [(b"b", there)]),)))
    assert looked_at(bench) == [b"d/b"]
    bench.feed(Touched(b"a", Urgency.VANISHED))
    longer = Seen(
        b"d/b", Look.FOUND, Kind.FILE, 6 * limits.MIB, blake3(b"more").digest(), WALL_NS, 0o644, fingerprint(there)
    )
    bench.feed(Looked((longer,)))
    while not (items := [item for job in bench.all(LookJob) for item in job.items]):
        bench.wait(10)
        assert bench.ms < 2_000
    (item,) = [item for item in items if item.path == b"d/b"]
    assert item.hint is None or item.hint.size == 5 * limits.MIB, "what is there now is not that"
    assert (item.was, item.was_size) == (old.content, 5 * limits.MIB)


def test_what_vanished_into_a_folder_that_is_about_to_be_listed_is_a_rename() -> None:
    bench = Bench()
    bench.connect()
    found = known(bench, b"a", b"content", 5 * limits.MIB)
    bench.feed(Touched(b"d", Urgency.FOLDER), Touched(b"a", Urgency.VANISHED))
    bench.feed(Looked((seen(b"d", b"", Kind.DIRECTORY),)))
    assert [folder.path for job in bench.all(ListJob) for folder in job.folders] == [b"d"]
    bench.wait(50)
    assert looked_at(bench) == [b"a"]
    bench.feed(Looked((Seen(b"a", Look.ABSENT),)))
    assert not bench.said()
    there = stat(b"content", Kind.FILE, 1 + crc32(b"a"))._replace(size=5 * limits.MIB)
    bench.feed(Listed((Listing(b"d", [(b"b", there)]),)))
    looks = looked_at(bench)
    bench.wait(50)
    assert looks + looked_at(bench) == [b"d/b", b"a"]
    bench.feed(Looked((found._replace(path=b"d/b"), Seen(b"a", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


def test_what_a_listing_found_before_its_old_name_vanished_is_a_rename() -> None:
    """The new folder was not watched yet. The large file is being read under its new name when the old one goes."""
    bench = Bench()
    bench.connect()
    found = known(bench, b"a", b"content", 5 * limits.MIB)
    bench.found(b"d", b"", Kind.DIRECTORY)
    there = stat(b"content", Kind.FILE, 1 + crc32(b"a"))._replace(size=5 * limits.MIB)
    bench.feed(Listed((Listing(b"d", [(b"b", there)]),)))
    assert looked_at(bench) == [b"d/b"]
    bench.feed(Touched(b"a", Urgency.VANISHED))
    bench.feed(Looked((found._replace(path=b"d/b"),)))
    assert not bench.said()
    while not (looks := looked_at(bench)):
        bench.wait(10)
        assert bench.ms < 2_000
    assert looks == [b"d/b", b"a"]
    bench.feed(Looked((found._replace(path=b"d/b"), Seen(b"a", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


def kept(path: bytes, content: bytes, why: Why = Why.DELETED, node: str = PEER) -> Version:
    digest = blake3(content).digest()
    name = b".dir_sync/versions/" + path
    return Version(name, path, Kind.FILE, len(content), digest, WALL_NS, 0o644, WALL_NS, why, node)


@pytest.mark.parametrize("maker", [PEER, OTHER])
def test_what_was_removed_and_turns_up_under_another_name_leaves_the_history_again(maker: str) -> None:
    bench = Bench()
    bench.connect()
    found = known(bench, b"a", b"content")
    mine = bench.index.get(b"a")
    assert mine is not None
    gone = record(b"a", None, WALL_NS + 10**9)._replace(vector=join(mine.record.vector, ((PEER, 1),)))
    bench.hear(state(gone))
    assert [item.act for job in bench.all(ApplyJob) for item in job.items] == [Act.REMOVE]
    version = kept(b"a", b"content")
    bench.apply(ApplyResult(b"a", Result.DONE, b"", version))
    bench.hear(state(record(b"b", b"content", WALL_NS + 10**9, maker, 2), sequence=2))
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert item.copy_path == version.name
    if maker == OTHER:  # not the one who removed it: two things that have nothing to do with each other
        assert item.act is Act.INSTALL
        return
    assert (item.act, item.copy_fp) == (Act.MOVE, found.fp)
    bench.apply(ApplyResult(b"b", Result.DONE, seen(b"b", b"content").fp))
    assert bench.index.version(version.name) is None
    assert bench.index.get(b"b") is not None
    assert [note.source for note in bench.told(notes.Renamed)] == [b"a"], "not its name in the history"


@pytest.mark.parametrize("result", [Result.MISSING, Result.CHANGED, Result.PROBLEM])
def test_a_name_in_the_history_is_never_looked_at_as_one_of_the_tree(result: Result) -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    mine = bench.index.get(b"a")
    assert mine is not None
    gone = record(b"a", None, WALL_NS + 10**9)._replace(vector=join(mine.record.vector, ((PEER, 1),)))
    bench.hear(state(gone))
    bench.apply(ApplyResult(b"a", Result.DONE, b"", kept(b"a", b"content")))
    bench.hear(state(record(b"b", b"content", WALL_NS + 10**9, PEER, 2), sequence=2))
    bench.apply(ApplyResult(b"b", result))
    for _ in range(5):
        assert not any(path.startswith(b".dir_sync") for path in looked_at(bench))
        bench.wait(1_000)


def test_a_delta_begins_with_what_has_the_old_name() -> None:
    bench = Bench()
    bench.connect()
    old, new = b"x" * 100_000, b"x" * 100_000 + b"y"
    known(bench, b"a", old)
    mine = bench.index.get(b"a")
    assert mine is not None
    change = Change(
        "rename", record(b"b", new, WALL_NS + 10**9), b"a", False, DeltaOffer(mine.record.content, 50), None
    )
    gone = record(b"a", None, WALL_NS + 10**9, count=2)._replace(vector=join(mine.record.vector, ((PEER, 2),)))
    update = ModificationUpdate(FOLDER, 2, (change, Change("delete", gone, None, False, None, None)), (), False)
    bench.hear(update)
    assert not bench.all(ApplyJob)  # the base stays until the delta is here
    (stage,) = bench.all(StageJob)
    bench.feed(Staged(stage.token, 0, False))
    (pull,) = bench.pulls()
    assert (pull.path, pull.base, pull.length) == (b"b", mine.record.content, 50)


@pytest.mark.parametrize("end", ["it comes", "there is none", "no answer", "its maker leaves"])
def test_a_delta_is_waited_for_though_another_has_the_whole_by_now(end: str) -> None:
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    known(bench, b"a", b"x" * 100_000)
    mine = bench.index.get(b"a")
    assert mine is not None
    new = record(b"a", b"x" * 99_000 + b"y", WALL_NS + 10**9)
    new = new._replace(vector=join(new.vector, mine.record.vector))
    bench.hear(state(new))
    (asked,) = [message for message in bench.said() if isinstance(message, DeltaRequest)]

    def pulls() -> list[PullItem]:
        for stage in bench.all(StageJob):
            bench.feed(Staged(stage.token, 0, False))
        said = [*bench.said(PEER), *bench.said(OTHER)]
        return [item for message in said if isinstance(message, Pull) for item in message.pulls]

    bench.hear(state(new), OTHER)
    assert not pulls()
    if end == "it comes":
        bench.hear(Delta(FOLDER, asked.id, 50))
    elif end == "there is none":
        bench.hear(Refuse(FOLDER, ((asked.id, "gone"),)))
    elif end == "no answer":
        bench.wait(60_000)
    else:
        bench.feed(PeerDown(PEER, "lost"))
    (pull,) = pulls()
    assert pull.base == (mine.record.content if end == "it comes" else None)


def test_what_is_here_and_just_being_looked_at_does_not_travel() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"x" * 100_000)
    bench.feed(Touched(b"a", Urgency.NOW))
    assert looked_at(bench) == [b"a"]
    bench.hear(state(record(b"b", b"x" * 100_000, WALL_NS + 10**9)))
    assert not bench.pulls()
    bench.feed(Looked((Seen(b"a", Look.SAME, Kind.FILE),)))
    bench.wait(50)
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert item.copy_path == b"a"


def test_a_large_new_file_is_told_under_the_name_that_it_gets_right_after_its_last_byte() -> None:
    bench = Bench()
    bench.connect()
    old = known(bench, b"big.img", b"old", 5 * limits.MIB)
    bench.feed(Touched(b"big.img.tmp", Urgency.NOW))
    (item,) = [item for job in bench.all(LookJob) for item in job.items]
    assert item.base == old.content  # what it probably is a new version of
    new = stat(b"new", Kind.FILE, 7)._replace(size=6 * limits.MIB)
    digest = blake3(b"new").digest()
    made = MadeDelta(b".dir_sync/staging/delta-t-1", old.content, digest, 70_000)
    found = Seen(
        b"big.img.tmp", Look.FOUND, Kind.FILE, 6 * limits.MIB, digest, WALL_NS, 0o644, fingerprint(new), delta=made
    )
    bench.feed(Looked((found,)))
    assert not bench.said()
    bench.wait(10)
    bench.feed(Moved(b"big.img.tmp", b"big.img", False))
    items = [item for job in bench.all(LookJob) for item in job.items]
    assert [item.path for item in items] == [b"big.img", b"big.img.tmp"]
    assert items[0].hint is not None  # it need not be read again
    bench.feed(Looked((found._replace(path=b"big.img", delta=None), Seen(b"big.img.tmp", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    (change,) = update.changes
    assert (change.action, change.record.path, change.delta) == ("modify", b"big.img", DeltaOffer(old.content, 70_000))
    assert not bench.all(DiscardJob)


def test_a_large_new_file_that_keeps_its_name_is_told_after_a_moment() -> None:
    bench = Bench()
    bench.connect()
    bench.feed(Touched(b"new.img", Urgency.NOW))
    fp = fingerprint(stat(b"new", Kind.FILE, 7)._replace(size=6 * limits.MIB))
    found = Seen(b"new.img", Look.FOUND, Kind.FILE, 6 * limits.MIB, blake3(b"new").digest(), WALL_NS, 0o644, fp)
    bench.feed(Looked((found,)))
    assert not bench.said()
    bench.wait(limits.TRUE_NAME_MS)
    assert looked_at(bench) == [b"new.img"]
    bench.feed(Looked((found,)))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [change.action for change in update.changes] == ["create"]


def test_what_a_peer_acknowledges_late_is_not_unheard_of_where_the_stamp_went_back() -> None:
    """Two changes of a node whose clock is far ahead, and then one of ours: the first of them is acknowledged last."""
    bench = Bench()
    ahead_ns = WALL_NS + 2 * limits.STAMP_AHEAD_NS
    for node in (PEER, OTHER):
        bench.connect(node)
        bench.hear(State(FOLDER, 0, True, ()), node)
    first, second = (record(b"a", None, ahead_ns + count, count=count) for count in (1, 2))
    bench.hear(state(first, sequence=1))
    bench.hear(state(second, sequence=2))
    bench.found(b"a", b"ours")
    row = bench.index.get(b"a")
    assert row is not None
    assert row.record.stamp < first.stamp < second.stamp
    bench.hear(Acknowledge(FOLDER, 1, ((b"a", first.stamp),)), OTHER)
    assert not any(isinstance(message, StateRequest) for message in bench.said(OTHER))
    bench.hear(Acknowledge(FOLDER, 2, ((b"a", Stamp(ahead_ns + 9, PEER)),)), OTHER)
    assert any(isinstance(message, StateRequest) for message in bench.said(OTHER)), "that one we have lost"


def renamed(old: Record, name: bytes) -> ModificationUpdate:
    """A peer has renamed what it had announced as `old`."""
    new = old._replace(path=name, stamp=Stamp(WALL_NS + 10**9, PEER), vector=((PEER, 2),))
    gone = record(old.path, None, WALL_NS + 10**9, count=3)
    changes = (Change("rename", new, old.path, False, None, None), Change("delete", gone, None, False, None, None))
    return ModificationUpdate(FOLDER, 3, changes, (), False)


def test_what_is_on_its_way_goes_on_under_the_name_that_it_gets_meanwhile() -> None:
    bench = Bench()
    bench.connect()
    size = 2 * limits.CHUNK_BYTES
    old = record(b"film.part", b"x" * size)
    bench.hear(state(old))
    (stage,) = bench.all(StageJob)
    bench.feed(Staged(stage.token, 0, False))
    pulls = {pull.id: pull for pull in bench.pulls()}
    first = next(pull for pull in pulls.values() if pull.offset == 0)
    bench.hear(Chunks((Piece(first.id, 0, b"x" * first.length),)))
    bench.feed(Staged(stage.token, first.length, False))
    asked = list(pulls.values()) + list(bench.pulls())
    bench.hear(renamed(old, b"film"))
    assert not bench.pulls()
    assert removed(bench) == []
    for pull in asked:
        if pull is not first:
            bench.hear(Chunks((Piece(pull.id, pull.offset, b"x" * pull.length),)))
            assert not bench.pulls()
            bench.feed(Staged(stage.token, pull.offset + pull.length, pull.offset + pull.length == size))
    assert sum(pull.length for pull in asked) == size
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert (item.path, item.staged, item.target.content) == (b"film", stage.name, old.content)


@pytest.mark.parametrize("name", [b"film.part", b"film"])
@pytest.mark.parametrize("all_asked", [False, True])
def test_what_is_on_its_way_and_grows_goes_on_with_all_that_has_come(name: bytes, all_asked: bool) -> None:
    """Also under the name that it gets meanwhile."""
    bench = Bench()
    bench.connect()
    size, longer = 2 * limits.CHUNK_BYTES, 3 * limits.CHUNK_BYTES
    old = record(b"film.part", b"x" * size)
    new = record(name, b"x" * longer, WALL_NS + 10**9, count=2)
    bench.hear(state(old))
    (stage,) = bench.all(StageJob)
    bench.feed(Staged(stage.token, 0, False))
    ahead = list(bench.pulls())
    came = 0
    while ahead and (all_asked or came == 0):
        pull = ahead.pop(0)
        bench.hear(Chunks((Piece(pull.id, pull.offset, b"x" * pull.length),)))
        came = pull.offset + pull.length
        if came < size:
            bench.feed(Staged(stage.token, came, False))
        ahead += bench.pulls()
    offer = DeltaOffer(old.content, longer - size, ())
    changes = [Change("modify" if name == old.path else "rename", new, old.path, False, offer, None)]
    if name != old.path:
        changes.append(Change("delete", record(old.path, None, WALL_NS + 10**9, count=3), None, False, None, None))
    else:
        changes = [changes[0]._replace(source=None)]
    bench.hear(ModificationUpdate(FOLDER, 3, tuple(changes), (), False))
    ahead += bench.pulls()
    assert not bench.all(StageJob), "it goes on in the same file"
    if all_asked:  # the job that wrote the last piece knew of the old size only
        bench.feed(Staged(stage.token, size, True))
        ahead += bench.pulls()
    while ahead:
        pull = ahead.pop(0)
        assert pull.offset == came
        assert (pull.path, pull.digest) in [(old.path, old.content), (new.path, new.content)]
        came += pull.length
        bench.hear(Chunks((Piece(pull.id, pull.offset, b"x" * pull.length),)))
        ahead += bench.pulls()
        bench.feed(Staged(stage.token, came, came == longer))
        ahead += bench.pulls()
    assert came == longer
    (item,) = [item for job in bench.all(ApplyJob) for item in job.items]
    assert (item.path, item.staged, item.target.content) == (name, stage.name, new.content)


@pytest.mark.parametrize("more", [b"", b"and more"])
def test_what_is_asked_for_between_a_rename_and_the_look_at_it_comes_from_the_new_name(more: bytes) -> None:
    bench = Bench()
    bench.connect()
    content = b"x" * (2 * limits.CHUNK_BYTES)
    old = known(bench, b"film.part", content)
    bench.hear(Pull(FOLDER, (PullItem(1, b"film.part", old.content, None, 0, 1_000),)))
    (job,) = bench.all(ReadJob)
    bench.feed(Moved(b"film.part", b"film", False))
    (item,) = [item for look in bench.all(LookJob) for item in look.items if item.path == b"film"]
    assert (item.was, item.was_size) == (old.content, len(content))  # has it grown, too?
    bench.feed(ReadDone(PEER, job.link, (), ((1, b"film.part"),), 1_000))
    assert not [message for message in bench.said() if isinstance(message, Refuse)]
    there = seen(b"film", content + more)
    if more:
        there = there._replace(grown=Grown(old.content, len(content), ()))
    bench.feed(Looked((there, Seen(b"film.part", Look.ABSENT))))
    while not bench.all(ReadJob):
        looks = looked_at(bench)
        bench.feed(Looked(tuple(Seen(path, Look.ABSENT) for path in looks))) if looks else bench.wait(20)
        assert bench.ms < 2_000
    (again,) = bench.all(ReadJob)
    assert [(item.id, item.path, item.length) for item in again.items] == [(1, b"film", 1_000)]
    bench.feed(ReadDone(PEER, again.link, (), ((1, b"film"),), 1_000))
    assert [message.refused for message in bench.said() if isinstance(message, Refuse)] == [((1, "gone"),)]


def test_a_file_that_was_renamed_and_grew_is_told_with_what_was_appended() -> None:
    bench = Bench()
    bench.connect()
    content = b"x" * (2 * limits.CHUNK_BYTES)
    old = known(bench, b"film.part", content)
    bench.feed(Moved(b"film.part", b"film", False))
    there = seen(b"film", content + b"more")._replace(data=None, grown=Grown(old.content, len(content), ()))
    bench.feed(Looked((there, Seen(b"film.part", Look.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.delta) for change in update.changes] == [
        ("rename", DeltaOffer(old.content, 4, ())),
        ("delete", None),
    ]


def test_a_delta_waits_until_the_old_name_of_what_grew_was_read_once_more() -> None:
    bench = Bench()
    bench.connect()
    content = b"x" * 100_000
    row = known(bench, b"film.part", content)
    bench.index.put(record(b"film.part", content), row.fp + RACY)
    bench.hear(renamed(record(b"film.part", content + b"y")._replace(path=b"film.part"), b"film"))
    assert not bench.all(StageJob)
    assert not bench.pulls()
    assert not any(isinstance(message, DeltaRequest) for message in bench.said())
    bench.index.set_fp(b"film.part", row.fp)
    bench.wait(50)
    (asked,) = [message for message in bench.said() if isinstance(message, DeltaRequest)]
    assert asked.base == row.content


def test_what_is_complete_and_not_installed_goes_to_the_name_that_it_gets_meanwhile() -> None:
    bench = Bench()
    bench.connect()
    size = 2 * limits.CHUNK_BYTES
    old = record(b"film.part", b"x" * size)
    bench.hear(state(old))
    (stage,) = bench.all(StageJob)
    bench.feed(Touched(b"film.part", Urgency.NOW))  # it is just being looked at when the last byte is here
    bench.feed(Staged(stage.token, size, True))
    assert not bench.all(ApplyJob)
    bench.hear(renamed(old, b"film"))
    bench.feed(Looked((Seen(b"film.part", Look.ABSENT),)))
    bench.wait(50)
    assert not bench.pulls()
    assert removed(bench) == []


def test_files_that_are_held_open_for_their_signature_are_let_go_of_when_all_is_calm() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"big", b"content", 5 * limits.MIB)
    gone = False
    for _ in range(10):
        bench.wait(200)
        for _job in bench.all(SignJob):
            assert not gone
            bench.feed(Signed("", 0, 0, None))
        gone = gone or any(job.unsigned for job in bench.all(DiscardJob))
    assert gone


def signed_paths(bench: Bench) -> list[bytes]:
    """What is read for its signature within two calm seconds."""
    paths = []
    for _ in range(10):
        bench.wait(200)
        for job in bench.all(SignJob):
            paths.append(job.path)
            bench.feed(Signed("", 0, 0, None))
    return paths


def test_a_file_that_grew_has_no_signature_at_once_but_one_that_was_then_overwritten_has() -> None:
    """Else the next change of it would have to wait for the signature of a peer."""
    bench = Bench()
    bench.connect()

    def changes(content: bytes, size: int, base: Seen | None) -> Seen:
        found = seen(b"log", content)
        found = found._replace(size=size, fp=fingerprint(stat(content, Kind.FILE, 3)._replace(size=size)), data=None)
        if base is not None:
            found = found._replace(grown=Grown(base.content, base.size, ()))
        bench.feed(Touched(b"log", Urgency.NOW))
        while not looked_at(bench):
            bench.wait(50)
        bench.feed(Looked((found,)))
        return found

    first = changes(b"first", 100_000, None)
    signed_paths(bench)
    longer = changes(b"first and more", 100_100, first)
    assert signed_paths(bench) == []
    changes(b"something else", longer.size, None)
    assert signed_paths(bench) == [b"log"]


def test_what_grew_a_moment_ago_and_is_renamed_does_not_travel_again() -> None:
    """It is read once more before it is moved: until then nothing is asked for."""
    bench = Bench()
    bench.connect()
    content = b"x" * 100_000
    row = known(bench, b"film.part", content)
    bench.index.put(record(b"film.part", content), row.fp + RACY)
    bench.hear(renamed(record(b"film.part", content), b"film"))
    for _ in range(5):
        assert not bench.pulls()
        assert not any(isinstance(message, DeltaRequest) for message in bench.said())
        bench.wait(50)


def test_what_its_peer_has_replaced_meanwhile_still_came_from_somebody() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    mine = bench.index.get(b"a")
    assert mine is not None
    vector = join(mine.record.vector, ((PEER, 1),))
    bench.hear(state(record(b"a", b"", WALL_NS + 10**9, PEER)._replace(vector=vector)))
    assert [item.act for job in bench.all(ApplyJob) for item in job.items] == [Act.INSTALL]
    newer = record(b"a", b"newer", WALL_NS + 2 * 10**9, PEER)._replace(vector=join(vector, ((PEER, 2),)))
    bench.hear(state(newer, sequence=2))
    bench.apply(ApplyResult(b"a", Result.DONE, seen(b"a", b"").fp))
    assert [bool(note.peer) for note in bench.told(notes.Received)] == [True]
