"""Folders are listed and paths are looked at: what that finds, what cannot be found out, and when it is tried again."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Ticked, Touched, Urgency
from dir_sync.core.jobs import ApplyJob, ApplyResult, Listed, ListJob, Looked, LookJob, Result, TreeOp
from dir_sync.core.looks import Listing, LookOutcome, Seen
from dir_sync.core.messages import Change, Chunks, ModificationUpdate, Piece
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stat, fingerprint, join
from dir_sync.engine.constants import ECHO_LOOK_MS
from tests.engine.whole.bench import (
    FOLDER,
    OTHER,
    PEER,
    WALL_NS,
    Bench,
    change,
    folder,
    of_first_scan,
    paths,
    pulled,
    record,
    seen,
    stat,
    state,
)


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
    assert bench.engine.board.scan.is_on, "what is here is unknown"
    asked: list[tuple[bytes, ...]] = []
    for _ in range(40):
        if not asked:
            asked += [
                tuple(folder.path for folder in job.folders) for job in bench.wait(100) if isinstance(job, ListJob)
            ]
    assert asked == [(b"",)]
    bench.feed(Listed((Listing(b"", []),)))
    assert not bench.engine.board.scan.is_on


def test_a_folder_that_was_away_when_it_was_listed_is_listed_when_it_is_there() -> None:
    bench = Bench()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.feed(Listed((Listing(b"d", None),)))
    assert paths(item for job in bench.all(LookJob) for item in job.items) == [b"d"]
    bench.feed(Looked((Seen(b"d", LookOutcome.SAME, Kind.DIRECTORY),)))
    assert [folder.path for job in bench.all(ListJob) for folder in job.folders] == [b"d"]


def test_the_scan_ends_though_a_path_was_found_twice() -> None:
    bench = Bench(scanned=False)
    entries = [(b"a", stat(b"1"))]
    bench.feed(Listed((Listing(b"", entries),)))
    bench.engine.board.listings.add(b"")
    bench.feed(Looked((Seen(b"a", LookOutcome.UNSTABLE),)), Ticked())
    bench.feed(Listed((Listing(b"", entries),)))
    for _ in range(5):
        if bench.all(LookJob):
            bench.feed(Looked((seen(b"a", b"1"),)))
        else:
            bench.wait(500)
    assert not bench.engine.board.scan.is_on


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
def test_what_vanished_after_the_listing_saw_it_is_not_recorded(is_first: bool, kind: Kind) -> None:
    """The look, which began later, came back before the listing."""
    bench = Bench(scanned=not is_first)
    if not is_first:
        bench.engine.board.listings.add(b"")
        bench.feed(Ticked())
    bench.feed(Touched(b"a", Urgency.VANISHED))
    bench.wait(1_000)
    bench.feed(Looked((Seen(b"a", LookOutcome.ABSENT),)))
    bench.feed(Listed((Listing(b"", [], seen=(seen(b"a", b"1", kind),)),)))
    assert bench.engine.board.index.rows.get(b"a") is None
    bench.feed(Looked((Seen(b"a", LookOutcome.ABSENT),)))
    assert bench.engine.board.index.rows.get(b"a") is None
    assert not bench.engine.board.scan.is_on


def test_what_became_a_file_is_no_folder_for_its_children() -> None:
    bench = Bench()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.feed(Listed((Listing(b"d", []),)))
    bench.found(b"d/a", b"1")
    bench.feed(Touched(b"d", Urgency.NOW))
    bench.feed(Looked((seen(b"d", b"now a file"),)))
    assert paths(item for job in bench.all(LookJob) for item in job.items) == [b"d/a"]
    bench.feed(Looked((Seen(b"d/a", LookOutcome.ABSENT),)))
    bench.wait(50)
    bench.feed(Looked((seen(b"d", b"now a file"),)))
    row, child = bench.index.rows.get(b"d"), bench.index.rows.get(b"d/a")
    assert row is not None
    assert child is not None
    assert (row.record.kind, child.record.kind) == (Kind.FILE, Kind.ABSENT)


def test_what_came_and_went_in_a_folder_while_a_file_took_its_place_is_gone() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.feed(Listed((Listing(b"d", []),)))
    mine = bench.index.rows.get(b"d")
    assert mine is not None
    theirs = record(b"d", b"a file", WALL_NS * 2, count=7)
    bench.hear(state(theirs._replace(vector=join(theirs.vector, mine.record.vector))))
    bench.hear(Chunks((Piece(bench.pulls()[0].id, 0, b"a file"),)))
    (job,) = bench.all(ApplyJob)
    bench.found(b"d/a", b"1")
    bench.apply(ApplyResult(job.items[0].path, Result.DONE, fingerprint(stat(b"a file"))))  # and nobody saw d/a go
    looked = paths(item for job in bench.all(LookJob) for item in job.items)
    assert b"d/a" in looked
    bench.feed(Looked(tuple(Seen(path, LookOutcome.ABSENT if path == b"d/a" else LookOutcome.SAME) for path in looked)))
    child = bench.index.rows.get(b"d/a")
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
            bench.feed(Looked(tuple(Seen(path, LookOutcome.ABSENT) for path in looks)))
        elif turn >= 20 and bench.engine.work.jobs.applying(b"d/a"):
            bench.apply(ApplyResult(b"d/a", Result.DONE, fingerprint(stat(b"new"))))
        else:
            bench.wait(30)
    folder_row, row = bench.index.rows.get(b"d"), bench.index.rows.get(b"d/a")
    assert folder_row is not None
    assert row is not None
    assert (folder_row.record.kind, row.record.kind) == (Kind.ABSENT, Kind.ABSENT)
    assert row.seq < folder_row.seq


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
            bench.feed(Looked((Seen(b"d", LookOutcome.SAME, Kind.DIRECTORY),)))
        elif bench.all(ListJob):
            bench.feed(Listed((Listing(b"d", [fifo]),)))
        else:
            bench.wait(100)
    row = bench.index.rows.get(b"d")
    assert row is not None
    assert row.record.kind == Kind.ABSENT
    assert row.fp
    assert not bench.told(notes.Removed)


def test_a_file_that_is_wanted_where_a_folder_stayed_behind_is_not_tried_without_end() -> None:
    """Each listing of the folder came back while a job for the file was out, and decided nothing."""
    bench = Bench()
    bench.connect()
    bench.hear(state(folder(b"d")))
    bench.apply(ApplyResult(b"d", Result.DONE, fingerprint(stat(kind=Kind.DIRECTORY))))
    bench.hear(state(record(b"d", None, ns=WALL_NS + 9, count=9), sequence=2))
    fifo = (b"pipe", stat(kind=Kind.OTHER))
    tried = 0
    for turn in range(160):
        if turn == 80:
            row = bench.index.rows.get(b"d")
            assert row is not None
            assert row.record.kind == Kind.ABSENT, "it stayed here, and is gone for everyone else"
            assert row.fp
            bench.hear(state(record(b"d", b"a file", ns=WALL_NS + 19, count=19), sequence=3))
        looks, listings = bench.all(LookJob), bench.all(ListJob)
        for pull in bench.pulls():
            bench.hear(Chunks((Piece(pull.id, 0, b"a file"),)))
        if looks:
            bench.feed(Looked((Seen(b"d", LookOutcome.SAME, Kind.DIRECTORY),)))
            listings += bench.all(ListJob)
        if listings:
            bench.feed(Listed((Listing(b"d", [fifo]),)))
        if bench.engine.work.jobs.applying(b"d"):
            tried += turn > 80
            bench.apply(ApplyResult(b"d", Result.CHANGED))
        elif not (looks or listings):
            bench.wait(500)
    assert tried < 4
    assert bench.engine.work.obstacles.is_at(b"d")


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
    bench.wait(ECHO_LOOK_MS)
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
            bench.feed(Looked(tuple(Seen(item.path, LookOutcome.SAME, Kind.DIRECTORY) for item in look.items)))
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
            bench.feed(Looked((Seen(b"d", LookOutcome.SAME, Kind.DIRECTORY),)))
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
            there = Seen(b"d", LookOutcome.SAME, Kind.DIRECTORY)
            bench.feed(Looked(tuple(there if path == b"d" else Seen(path, LookOutcome.ABSENT) for path in looks)))
        else:
            bench.wait(100)
    row = bench.index.rows.get(b"d/a")
    assert row is not None
    assert row.record.kind == Kind.ABSENT


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
    assert [(item.act, item.copy_path) for item in job.items] == [(TreeOp.MOVE, b"a")]
    for count in (1, 2):
        bench.hear(state(record(b"a", b"%d" % count, WALL_NS + 2 + count, OTHER, count), sequence=count), OTHER)
    bench.hear(state(record(b"a", b"2", WALL_NS + 4, OTHER, 2), sequence=4))
    bench.apply(ApplyResult(b"b", Result.CHANGED))
    for _ in range(10):
        looks = [item.path for job in bench.all(LookJob) for item in job.items]
        if b"a" in looks:
            break
        bench.wait(50)
    bench.feed(
        Looked(tuple(seen(b"b", b"saved") if path == b"b" else Seen(path, LookOutcome.ABSENT) for path in looks))
    )
    row = bench.index.rows.get(b"a")
    assert row is not None
    assert row.record.stamp.maker == PEER, "nobody here has deleted it"
    assert [item.act for job in bench.all(ApplyJob) for item in job.items if item.path == b"a"] == [TreeOp.REMOVE]


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
        bench.feed(Looked((Seen(b"d/a", LookOutcome.ABSENT),)))
    bench.apply(ApplyResult(b"d/a", Result.PROBLEM, problem="no permission"))
    bench.wait(100)
    bench.feed(Touched(b"d", Urgency.NOW))
    cured = Stat(Kind.DIRECTORY, 0, WALL_NS, WALL_NS, 0o755, 1, 1, 1)
    bench.feed(Looked((seen(b"d", kind=Kind.DIRECTORY)._replace(mode=0o755, fp=fingerprint(cured)),)))
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"d/a"]
    bench.feed(Looked((Seen(b"d/a", LookOutcome.ABSENT),)))
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
            bench.feed(Looked((Seen(b"image", LookOutcome.UNSTABLE, size=size),)))
            told += len(bench.told(notes.Restless))
    assert 5 <= looks <= 20
    assert told == 1
    assert bench.engine.look_queue.restless() == [b"image"]
    bench.wait(30_000)
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"image"], "it rests, and is read"
    bench.feed(Looked((seen(b"image", b"at rest"),)))
    assert bench.engine.look_queue.restless() == []
