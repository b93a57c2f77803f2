"""Renames by users: a name that went and one that came belong together, and people and peers hear of one thing."""

from __future__ import annotations

from zlib import crc32

import pytest
from blake3 import blake3

from dir_sync.core import limits, notes
from dir_sync.core.events import Moved, Tell, Touched, Urgency
from dir_sync.core.jobs import DiscardJob, Listed, ListJob, Looked, LookJob, ReadDone, ReadJob
from dir_sync.core.looks import Grown, Listing, LookOutcome, MadeDelta, Seen
from dir_sync.core.messages import DeltaOffer, DeltaRequest, Message, ModificationUpdate, Pull, PullItem
from dir_sync.core.model import Kind, fingerprint
from dir_sync.files.fingerprints import RACY
from dir_sync.reporting.log import logger
from dir_sync.reporting.narrator import Narrator
from tests.engine.whole.bench import FOLDER, PEER, WALL_NS, Bench, known, looked_at, record, renamed, seen, stat


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
        b"aa": Seen(b"aa", LookOutcome.ABSENT),
        b"aA\xff": seen(b"aA\xff", b"data of aa"),
        b"gone": Seen(b"gone", LookOutcome.ABSENT),
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
    bench.feed(Looked((found._replace(path=b"b"), Seen(b"a", LookOutcome.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


def test_nothing_is_told_of_the_old_name_while_the_folder_of_the_new_one_is_not_known() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Touched(b"d", Urgency.FOLDER), Moved(b"a", b"d/a", False))
    looks = {
        b"d/a": seen(b"d/a", b"content"),
        b"a": Seen(b"a", LookOutcome.ABSENT),
        b"d": seen(b"d", b"", Kind.DIRECTORY),
    }
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
    bench.feed(Looked((seen(b"f", b"new"), Seen(b"f.tmp", LookOutcome.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.record.path) for change in update.changes] == [("modify", b"f")]


def test_the_old_name_waits_a_moment_where_the_new_name_has_gone_on_already() -> None:
    """The look was faster than the watcher: it knew of the first of two renames."""
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Moved(b"a", b"b", False))
    bench.feed(Looked((Seen(b"b", LookOutcome.ABSENT), Seen(b"a", LookOutcome.ABSENT))))
    assert not bench.said()
    bench.feed(Moved(b"b", b"c", False))
    bench.wait(20)
    assert set(looked_at(bench)) == {b"a", b"b", b"c"}
    gone = (Seen(b"b", LookOutcome.ABSENT), Seen(b"a", LookOutcome.ABSENT))
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
            bench.feed(Looked(tuple(Seen(path, LookOutcome.ABSENT) for path in looks)))
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
    bench.feed(Looked((seen(b"b", b"x" * 100_000 + b"y"), Seen(b"a", LookOutcome.ABSENT))))
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
    bench.feed(Looked((seen(b"f~", b"old"), Seen(b"f", LookOutcome.ABSENT))))
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
    bench.feed(Looked((Seen(b"f", LookOutcome.ABSENT),)))
    assert not bench.said()


def test_a_look_that_is_faster_than_the_watcher_tells_no_deletion() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Touched(b"a", Urgency.NOW))
    assert looked_at(bench) == [b"a"]
    bench.feed(Looked((Seen(b"a", LookOutcome.ABSENT),)))
    assert not bench.said()
    bench.feed(Moved(b"a", b"b", False))
    while not (looks := looked_at(bench)):
        bench.wait(10)
        assert bench.ms < 2_000
    assert looks == [b"b", b"a"]
    bench.feed(Looked((seen(b"b", b"content"), Seen(b"a", LookOutcome.ABSENT))))
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
            bench.feed(Looked((Seen(b"a", LookOutcome.ABSENT),)))
        assert not bench.said()
        bench.wait(10)
    bench.feed(Moved(b"a", b"b", False))
    while not (looks := looked_at(bench)):
        bench.wait(10)
        assert bench.ms < 2_000
    assert looks == [b"b", b"a"]
    bench.feed(Looked((found._replace(path=b"b"), Seen(b"a", LookOutcome.ABSENT))))
    update, read_again = bench.said()[0], bench.all(ReadJob)
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]
    assert [item.path for job in read_again for item in job.items] == [b"b"], "what was asked for comes from there"


def test_the_deletion_of_what_a_look_missed_before_the_watcher_told_is_told_as_soon_as_it_tells() -> None:
    bench = Bench()
    bench.connect()
    known(bench, b"a", b"content")
    bench.feed(Touched(b"a", Urgency.NOW))
    bench.feed(Looked((Seen(b"a", LookOutcome.ABSENT),)))
    assert not bench.said()
    bench.feed(Touched(b"a", Urgency.VANISHED))
    bench.wait(limits.VANISHED_MS)
    assert looked_at(bench) == [b"a"]
    bench.feed(Looked((Seen(b"a", LookOutcome.ABSENT),)))
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
        b"d/b",
        LookOutcome.FOUND,
        Kind.FILE,
        6 * limits.MIB,
        blake3(b"more").digest(),
        WALL_NS,
        0o644,
        fingerprint(there),
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
    bench.feed(Looked((Seen(b"a", LookOutcome.ABSENT),)))
    assert not bench.said()
    there = stat(b"content", Kind.FILE, 1 + crc32(b"a"))._replace(size=5 * limits.MIB)
    bench.feed(Listed((Listing(b"d", [(b"b", there)]),)))
    looks = looked_at(bench)
    bench.wait(50)
    assert looks + looked_at(bench) == [b"d/b", b"a"]
    bench.feed(Looked((found._replace(path=b"d/b"), Seen(b"a", LookOutcome.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


@pytest.mark.parametrize("mark", [b"", RACY])
def test_what_a_listing_found_before_its_old_name_vanished_is_a_rename(mark: bytes) -> None:
    """The new folder was not watched yet. The large file is being read under its new name when the old one goes. Its time
    of change may be so young that a later write would not show (`mark`)."""
    bench = Bench()
    bench.connect()
    found = known(bench, b"a", b"content", 5 * limits.MIB)
    found = found._replace(fp=found.fp + mark)
    bench.found(b"d", b"", Kind.DIRECTORY)
    there = stat(b"content", Kind.FILE, 1 + crc32(b"a"))._replace(size=5 * limits.MIB)
    bench.feed(Listed((Listing(b"d", [(b"b", there)]),)))
    assert looked_at(bench) == [b"d/b"]
    bench.feed(Touched(b"a", Urgency.VANISHED))
    bench.feed(Looked((found._replace(path=b"d/b"),)))
    assert not bench.said()
    while not (items := [item for job in bench.all(LookJob) for item in job.items]):
        bench.wait(10)
        assert bench.ms < 2_000
    assert [item.path for item in items] == [b"d/b", b"a"]
    assert items[0].hint is not None
    assert not items[0].hint.fp.endswith(RACY), "what may have changed since is not taken for known"
    bench.feed(Looked((found._replace(path=b"d/b"), Seen(b"a", LookOutcome.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.source) for change in update.changes] == [("rename", b"a"), ("delete", None)]


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
        b"big.img.tmp",
        LookOutcome.FOUND,
        Kind.FILE,
        6 * limits.MIB,
        digest,
        WALL_NS,
        0o644,
        fingerprint(new),
        delta=made,
    )
    bench.feed(Looked((found,)))
    assert not bench.said()
    bench.wait(10)
    bench.feed(Moved(b"big.img.tmp", b"big.img", False))
    items = [item for job in bench.all(LookJob) for item in job.items]
    assert [item.path for item in items] == [b"big.img", b"big.img.tmp"]
    assert items[0].hint is not None  # it need not be read again
    bench.feed(Looked((found._replace(path=b"big.img", delta=None), Seen(b"big.img.tmp", LookOutcome.ABSENT))))
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
    found = Seen(b"new.img", LookOutcome.FOUND, Kind.FILE, 6 * limits.MIB, blake3(b"new").digest(), WALL_NS, 0o644, fp)
    bench.feed(Looked((found,)))
    assert not bench.said()
    bench.wait(limits.TRUE_NAME_MS)
    assert looked_at(bench) == [b"new.img"]
    bench.feed(Looked((found,)))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [change.action for change in update.changes] == ["create"]


def test_a_file_that_was_renamed_and_grew_is_told_with_what_was_appended() -> None:
    bench = Bench()
    bench.connect()
    content = b"x" * (2 * limits.CHUNK_BYTES)
    old = known(bench, b"film.part", content)
    bench.feed(Moved(b"film.part", b"film", False))
    there = seen(b"film", content + b"more")._replace(data=None, grown=Grown(old.content, len(content), ()))
    bench.feed(Looked((there, Seen(b"film.part", LookOutcome.ABSENT))))
    (update,) = bench.said()
    assert isinstance(update, ModificationUpdate)
    assert [(change.action, change.delta) for change in update.changes] == [
        ("rename", DeltaOffer(old.content, 4, ())),
        ("delete", None),
    ]


def test_what_grew_a_moment_ago_and_is_renamed_does_not_travel_again() -> None:
    """It is read once more before it is moved: until then nothing is asked for."""
    bench = Bench()
    bench.connect()
    content = b"x" * 100_000
    row = known(bench, b"film.part", content)
    bench.index.rows.put(record(b"film.part", content), row.fp + RACY)
    bench.hear(renamed(record(b"film.part", content), b"film"))
    for _ in range(5):
        assert not bench.pulls()
        assert not any(isinstance(message, DeltaRequest) for message in bench.said())
        bench.wait(50)
