"""A file that grows: what is new travels and is appended, and nothing else happens to the file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from random import Random

import pytest
from blake3 import blake3

from dir_sync.core import limits, notes
from dir_sync.core.events import Event, Touched, Urgency
from dir_sync.core.jobs import DeltaDone, Growing, Job, Listed, ListJob, Looked, LookJob, Staged, StageJob
from dir_sync.core.looks import Folder, LookItem, LookOutcome, Seen
from dir_sync.core.messages import ModificationUpdate
from dir_sync.core.model import fingerprint
from dir_sync.core.names import HISTORY, STAGING
from dir_sync.core.transfers.growth import MARK_BYTES, Growths, mark_offsets
from dir_sync.files.growth import BaseChanged, Growth, Hashes, WrongContent
from dir_sync.files.growth_undo import read_note, undo_unfinished
from dir_sync.ports import DiskError, Trouble
from tests.files.tools import file_sync
from tests.pair import OneNode, Pair
from tests.sim.memory_disk import MemoryDisk
from tests.sim.memory_file import MemoryFile

BASE = Random(1).randbytes(300_000)


def written_by(node: OneNode) -> int:
    """Counts what the program writes to the disk from now on."""
    return node.disk.counts["file.write"]


def append(node: OneNode, path: bytes, data: bytes) -> None:
    """As a logger does: open, append, close."""
    file = node.disk.hold(path)
    file.write(file.stat().size, data)
    file.close()
    node.inbox.append(Touched(path, Urgency.NOW))


def start() -> Pair:
    pair = Pair()
    pair.link()
    pair.one.disk.write(b"log", BASE)
    pair.one.inbox.append(Touched(b"log", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"log") == BASE
    return pair


def inode(node: OneNode) -> int:
    stat = node.disk.stat(b"log")
    assert stat is not None
    return stat.inode


def test_what_is_appended_is_appended_and_nothing_is_copied_or_kept() -> None:
    pair = start()
    before, copies, creates = inode(pair.two), pair.two.disk.counts["file.copy_from"], pair.two.disk.counts["create"]
    lines = b""
    for number in range(20):
        lines += b"line %d\n" % number
        append(pair.one, b"log", b"line %d\n" % number)
        pair.run()
        assert pair.two.disk.content(b"log") == BASE + lines
    rest = len(b"line 19\n")  # what people are told: not that all of the file travelled each time
    assert [note.travelled for note in pair.two.notes if isinstance(note, notes.Fetched)][-1] == rest
    assert inode(pair.two) == before
    assert pair.two.disk.counts["file.copy_from"] == copies
    assert pair.two.disk.counts["create"] == creates
    assert pair.two.disk.list(HISTORY) == []
    assert pair.two.disk.list(STAGING) == []
    mine, theirs = pair.one.disk.stat(b"log"), pair.two.disk.stat(b"log")
    assert mine is not None
    assert theirs is not None
    assert (mine.mtime, mine.mode) == (theirs.mtime, theirs.mode)


def test_a_growth_of_many_steps_comes_in_pieces_and_each_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GROWTH_STEP_BYTES", 100_000)
    pair = start()
    before = inode(pair.two)
    more = Random(2).randbytes(1_000_001)
    append(pair.one, b"log", more)
    pair.run()
    assert pair.two.disk.content(b"log") == BASE + more
    assert inode(pair.two) == before
    assert pair.two.disk.list(HISTORY) == []


def test_a_peer_that_missed_some_growths_asks_and_appends_the_rest() -> None:
    pair = start()
    before = inode(pair.two)
    pair.cut()
    for _ in range(3):
        append(pair.one, b"log", b"while nobody listened\n")
        pair.run()
    pair.link()
    assert pair.two.disk.content(b"log") == BASE + 3 * b"while nobody listened\n"
    append(pair.one, b"log", b"and on\n")
    pair.run()
    assert pair.two.disk.content(b"log") == BASE + 3 * b"while nobody listened\n" + b"and on\n"
    assert before


@pytest.mark.parametrize("times", [2, 20])
def test_a_peer_that_missed_how_much_it_grew_appends_the_rest(times: int) -> None:
    pair = start()
    before = inode(pair.two)
    pair.cut()
    more = Random(3).randbytes(times * len(BASE))
    append(pair.one, b"log", more)
    pair.run()
    pair.link()
    assert pair.two.disk.content(b"log") == BASE + more
    assert inode(pair.two) == before
    assert pair.two.disk.list(HISTORY) == []


def test_what_is_many_times_longer_and_begins_otherwise_is_asked_about_once_and_travels_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = start()
    pair.cut()
    changed = b"another beginning" + 20 * BASE
    pair.one.disk.write(b"log", changed)
    pair.one.inbox.append(Touched(b"log", Urgency.NOW))
    pair.run()
    done: list[DeltaDone] = []
    perform = pair.one.sync.perform

    def watched(job: Job) -> Event | None:
        event = perform(job)
        if isinstance(event, DeltaDone):
            done.append(event)
        return event

    monkeypatch.setattr(pair.one.sync, "perform", watched)
    pair.link()
    assert pair.two.disk.content(b"log") == changed
    assert [(each.grown, each.delta, each.need_signature) for each in done] == [(None, None, False)]


def test_an_edit_that_also_makes_it_longer_is_no_growth() -> None:
    pair = start()
    changed = b"another beginning" + BASE[17:] + b"and more"
    pair.one.disk.write(b"log", changed)
    pair.one.inbox.append(Touched(b"log", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"log") == changed
    kept = [pair.two.disk.content(v.name) for v in pair.two.index.versions.oldest_first()]
    assert kept == [BASE], "what was overwritten is in the history"


def test_a_file_that_somebody_writes_into_is_not_appended_to() -> None:
    pair = start()
    before = inode(pair.two)
    program = pair.two.disk.hold(b"log")
    append(pair.one, b"log", b"a line\n")
    pair.run()
    assert pair.two.disk.content(b"log") == BASE + b"a line\n"
    assert inode(pair.two) != before, "a copy took its name"
    program.close()


def test_a_file_with_two_names_is_not_appended_to() -> None:
    pair = start()
    pair.two.disk.give_name(b"log", b"other")
    pair.two.inbox.append(Touched(b"other", Urgency.CREATED))
    pair.run()
    append(pair.one, b"log", b"a line\n")
    pair.run()
    assert pair.two.disk.content(b"log") == BASE + b"a line\n"
    assert pair.two.disk.content(b"other") == BASE


def test_both_append_at_once_and_nothing_is_lost() -> None:
    pair = start()
    append(pair.one, b"log", b"one\n")
    append(pair.two, b"log", b"two\n")
    pair.run()
    trees = {pair.one.disk.content(b"log"), pair.two.disk.content(b"log")}
    assert len(trees) == 1
    everything = [
        node.disk.content(version.name)
        for node in (pair.one, pair.two)
        for version in node.index.versions.oldest_first()
    ]
    everything += trees
    assert {BASE + b"one\n", BASE + b"two\n"} <= set(everything)


def test_a_small_file_travels_whole_with_its_announcement() -> None:
    pair = Pair()
    pair.link()
    pair.one.disk.write(b"note", b"short\n")
    pair.one.inbox.append(Touched(b"note", Urgency.NOW))
    pair.run()
    append(pair.one, b"note", b"and more\n")
    pair.one.turn()
    attached: list[bool] = []
    for _ in range(20):
        pair.turn()
        attached += [send.message.attached for send in pair.one.sends if isinstance(send.message, ModificationUpdate)]
    pair.run()
    assert pair.two.disk.content(b"note") == b"short\nand more\n"


# --- the file itself -------------------------------------------------------------------------------------------------


class Paper:
    """A file that is to grow from `was` to `will`."""

    def __init__(self, was: bytes, will: bytes, seed: int = 1) -> None:
        self.disk = MemoryDisk(iter(range(10**18, 2 * 10**18)).__next__, Random(seed))
        self.disk.mkdir(STAGING)
        self.disk.write(b"f", was)
        self.was, self.will = was, will
        stat = self.disk.stat(b"f")
        assert stat is not None
        self.before = stat
        marks = tuple(blake3(will[:at]).digest(MARK_BYTES) for at in mark_offsets(len(was), len(will)))
        self.job = Growing(
            b"f", fingerprint(stat), len(was), blake3(was).digest(), marks, blake3(will).digest(), len(will), 0o600, 5
        )
        self.hashes = Hashes()

    def open(self) -> Growth:
        name = STAGING + b"/"
        return Growth(self.disk, self.job, name + b"new-grow", name + b"grow-1", self.hashes, lambda: False)

    def content(self) -> bytes | None:
        return self.disk.content(b"f")

    def recover(self, recorded: bytes = b"", fp: bytes = b"") -> list[bytes]:
        """`recorded`, `fp`: the content and the fingerprint that the index has."""
        kept: list[bytes] = []
        left = read_note(self.disk, STAGING + b"/grow-1")
        assert left is not None
        undo_unfinished(
            self.disk,
            left,
            lambda path, size: blake3((self.disk.content(path) or b"")[:size]).digest(),
            lambda path, _: kept.append(self.disk.content(path) or b""),
            blake3(recorded).digest() if recorded else b"",
            fp,
        )
        return kept


def at_moment(paper: Paper, moment: int, act: Callable[[MemoryFile], None]) -> Callable[[], bool]:
    """A user opens the file before the call of that number to the disk, and does this to it. Returns what tells whether
    there were so many calls. (While the file is locked, the user waits in vain.)"""
    ahead = moment

    def before(verb: str, path: bytes) -> None:
        nonlocal ahead
        ahead -= 1
        if ahead == -1 and paper.disk.locked is None:
            user = paper.disk.hold(b"f")
            act(user)
            user.close()

    paper.disk.before = before
    return lambda: ahead < 0


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GROWTH_STEP_BYTES", 10)


@pytest.mark.usefixtures("small_steps")
def test_nothing_is_appended_before_its_mark_is_right() -> None:
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, b"6789")
    assert paper.content() == b"12345"
    growth.add(9, b"0")
    assert paper.content() == b"1234567890"
    with pytest.raises(WrongContent):
        growth.add(10, b"123456789X")
    assert growth.give_up()
    assert paper.content() == b"12345"
    stat = paper.disk.stat(b"f")
    assert stat is not None
    assert (stat.mtime, stat.mode) == (paper.before.mtime, paper.before.mode)
    assert paper.disk.list(STAGING) == []


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize("verb", ["file.truncate", "file.set_meta"])
def test_what_could_not_be_cut_back_gets_its_time_when_it_can(verb: str, touched: bool) -> None:
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, b"67890")
    paper.disk.fail = lambda each, path: Trouble.DENIED if each == verb else None
    assert not growth.give_up()
    paper.disk.fail = None
    if touched and verb == "file.set_meta":
        paper.disk.touch(b"f", 77)
    assert growth.give_up()
    assert paper.content() == b"12345"
    stat = paper.disk.stat(b"f")
    assert stat is not None
    assert stat.mtime == (77 if touched and verb == "file.set_meta" else paper.before.mtime), "a user's time stays"


def given_up_in_vain(paper: Paper, *verbs: str) -> Growth:
    """Five bytes were appended; then these verbs failed, with the next bytes and at the first attempt to give it up."""
    growth = paper.open()
    growth.add(5, b"67890")
    paper.disk.fail = lambda verb, path: Trouble.IO if verb in verbs else None
    with pytest.raises(DiskError):
        growth.add(10, b"1234567890")
    assert not growth.give_up()
    paper.disk.fail = None
    return growth


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("mine", [b" mine", b" mine12"])
def test_what_a_user_appends_after_the_cut_is_not_compared_with_what_was_there_before(mine: bytes) -> None:
    """A write failed, the file was cut back, and the sync after it failed, too. What a user has appended until the next
    attempt is as long as what was cut off, or has at that place what the failed write would have brought."""
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = given_up_in_vain(paper, "file.write", "file.sync")
    assert paper.content() == b"12345"
    user = paper.disk.hold(b"f")
    user.write(5, mine)
    user.close()
    assert growth.give_up()
    assert paper.content() == b"12345" + mine


@pytest.mark.usefixtures("small_steps")
def test_what_a_user_saves_before_a_second_attempt_to_cut_is_not_cut_off() -> None:
    """A write failed, and so did the cut. What a user saves until the next attempt is as long as the file was."""
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = given_up_in_vain(paper, "file.write", "file.truncate")
    assert paper.content() == b"1234567890"
    user = paper.disk.hold(b"f")
    user.truncate(0)
    user.write(0, b"a new text")
    user.close()
    assert growth.give_up()
    assert paper.content() == b"a new text"


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("moment", range(8))
@pytest.mark.parametrize("verb", ["file.sync", "remove_file"])
def test_what_a_user_wrote_at_any_moment_of_a_step_is_not_cut_off_by_a_second_attempt(verb: str, moment: int) -> None:
    """Also right before the step gets its time: the file then has the user's size, and the time that we expect."""
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()

    def save(user: MemoryFile) -> None:
        user.truncate(0)
        user.write(0, b"a new text, which is longer")

    has_come = at_moment(paper, moment, save)
    with contextlib.suppress(BaseChanged):
        growth.add(5, b"67890")
    paper.disk.before = None
    failed: list[bytes] = []

    def fail(each: str, path: bytes) -> Trouble | None:
        if each != verb or failed:
            return None
        failed.append(path)
        return Trouble.IO

    paper.disk.fail = fail
    if not growth.give_up():
        assert growth.give_up()
    kept = paper.content() or b""
    assert kept.startswith(b"a new text, which is longer") if has_come() else kept == b"12345"


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("text", [b"a text----", b"another text---"])
def test_what_a_user_saves_where_a_write_failed_is_not_cut_off_because_its_bytes_repeat(text: bytes) -> None:
    paper = Paper(b"-----", b"-" * 40)
    growth = paper.open()
    growth.add(5, b"-----")
    paper.disk.fail = lambda verb, path: Trouble.IO if verb == "file.write" else None
    with pytest.raises(DiskError):
        growth.add(10, b"-" * 10)
    paper.disk.fail = None
    paper.disk.write(b"f", text)
    assert growth.give_up()
    assert paper.content() == text


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("verb", ["file.sync", "remove_file"])
def test_a_file_that_was_left_to_its_user_stays_the_users(verb: str) -> None:
    """A user wrote into it between our look at it and our write, so it is left to him. The note about it could not be
    removed at once. What he saves until the next attempt is as long as the file was before our last write."""
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, b"67890")

    def add(each: str, path: bytes) -> None:
        if each == "file.write":
            paper.disk.before = None
            user = paper.disk.hold(b"f")
            user.write(10, b" mine")
            user.close()

    paper.disk.before = add
    with pytest.raises(BaseChanged):
        growth.add(10, b"1234567890")
    paper.disk.fail = lambda each, path: Trouble.IO if each == verb else None
    assert not growth.give_up()
    paper.disk.fail = None
    user = paper.disk.hold(b"f")
    user.truncate(0)
    user.write(0, b"a new text")
    user.close()
    assert growth.give_up()
    assert paper.content() == b"a new text"


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("verb", ["remove_file", "sync_directory", None])
def test_no_power_cut_brings_the_note_of_a_growth_back_that_was_given_up(verb: str | None) -> None:
    """The next start would cut off what a user has appended since, and tell all peers of that."""
    for seed in range(20):
        paper = Paper(b"12345", b"12345678901234567890123", seed)
        growth = paper.open()
        growth.add(5, b"67890")
        paper.disk.settle()
        user = paper.disk.hold(b"f")
        user.write(10, b" mine")
        user.close()
        if verb is not None:
            paper.disk.fail = lambda each, path: Trouble.IO if each == verb else None
            assert not growth.give_up(), "it is tried again"
            paper.disk.fail = None
        assert growth.give_up()
        paper.disk.crash()
        assert paper.disk.list(STAGING) == []


@pytest.mark.usefixtures("small_steps")
def test_no_power_cut_brings_back_what_was_cut_off() -> None:
    """Nobody would cut it off again: the note is gone. It would look like an edit of a user, and travel as one."""
    for seed in range(20):
        paper = Paper(b"12345", b"12345678901234567890123", seed)
        growth = paper.open()
        growth.add(5, b"67890")
        paper.disk.settle()
        assert growth.give_up()
        paper.disk.crash()
        assert paper.content() == b"12345"


@pytest.mark.usefixtures("small_steps")
def test_what_a_user_writes_meanwhile_is_neither_written_over_nor_cut_off() -> None:
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, b"67890")
    user = paper.disk.hold(b"f")
    user.write(10, b" mine")
    user.close()
    with pytest.raises(BaseChanged):
        growth.add(10, b"1234567890")
    assert growth.give_up()
    assert paper.content() == b"1234567890 mine"


@pytest.mark.usefixtures("small_steps")
def test_what_was_appended_behind_a_users_new_content_is_taken_off_again() -> None:
    """Somebody cuts the file and writes it anew between our look at it and our next write."""
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, b"67890")

    def save(verb: str, path: bytes) -> None:
        if verb == "file.write":
            paper.disk.before = None
            user = paper.disk.hold(b"f")
            user.truncate(0)
            user.write(0, b"new")
            user.close()

    paper.disk.before = save
    with pytest.raises(BaseChanged):
        growth.add(10, b"1234567890")
    assert growth.give_up()
    assert paper.content() == b"new"


@pytest.mark.parametrize("moment", range(12))
def test_a_write_at_any_moment_of_an_append_is_not_cut_off(moment: int) -> None:
    """Also between the check of what was appended and the look that tells it from what a user appends."""
    paper = Paper(b"12345", b"1234567890")
    growth = paper.open()
    has_come = at_moment(paper, moment, lambda user: user.write(user.stat().size, b" mine"))
    try:
        growth.add(5, b"67890")
        growth.finish()
    except BaseChanged:
        assert growth.give_up()
    assert (b" mine" in (paper.content() or b"")) == has_come()
    assert (paper.content() or b"").startswith(b"12345")


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("received", [0, 5, 12, 15, 18])
def test_a_program_that_ends_half_way_leaves_what_the_next_start_makes_whole(received: int) -> None:
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, paper.will[5 : 5 + received])
    growth.leave()
    assert paper.recover() == []
    assert paper.content() == (paper.will if received == 18 else b"12345")
    stat = paper.disk.stat(b"f")
    assert stat is not None
    assert stat.mtime == (5 if received == 18 else paper.before.mtime)


@pytest.mark.usefixtures("small_steps")
def test_what_may_be_a_users_is_kept_before_the_next_start_cuts_it_off() -> None:
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, b"67890")
    growth.leave()
    user = paper.disk.hold(b"f")
    user.write(10, b" mine")
    user.close()
    assert paper.recover() == [b"1234567890 mine"]
    assert paper.content() == b"12345"


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("then", ["nothing", "touched", "edited", "edited and recorded", "grown on and recorded"])
def test_the_note_of_a_growth_that_was_complete_undoes_nothing(then: str) -> None:
    """A power cut has brought it back."""
    paper = Paper(b"12345", b"1234567890")
    growth = paper.open()
    note = paper.disk.read_link(STAGING + b"/grow-1")
    growth.add(5, b"67890")
    growth.finish()
    assert paper.disk.list(STAGING) == []
    paper.disk.make_link(STAGING + b"/grow-1", note)
    content = {"nothing": b"1234567890", "touched": b"1234567890", "grown on and recorded": b"1234567890more"}.get(
        then, b"1234567 mine"
    )
    if then != "nothing":
        paper.disk.write(b"f", content, 77)
        paper.disk.chmod(b"f", 0o640)
    before = paper.disk.stat(b"f")
    assert paper.recover(content if then.endswith("recorded") else paper.will) == []
    after = paper.disk.stat(b"f")
    assert before is not None
    assert after is not None
    assert (after.size, after.mtime, after.mode) == (before.size, before.mtime, before.mode)
    assert paper.content() == content


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("recorded", [b"12345", b"123", b"something of an old backup"])
def test_a_growth_that_was_not_complete_is_undone_whatever_the_index_has(recorded: bytes) -> None:
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, paper.will[5:15])
    growth.leave()
    assert paper.recover(recorded) == []
    assert paper.content() == b"12345"


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("then", ["nothing", "power cut", "touched", "recorded"])
def test_what_was_cut_back_gets_its_time_at_the_next_start(then: str) -> None:
    """It was cut back and got no time any more. The start took it for an edit of a user, and peers got it as one."""
    paper = Paper(b"12345", b"12345678901234567890123")
    growth = paper.open()
    growth.add(5, b"67890")
    paper.disk.settle()
    paper.disk.fail = lambda verb, path: Trouble.DENIED if verb == "file.set_meta" else None
    assert not growth.give_up()
    paper.disk.fail = None
    growth.leave()
    if then == "touched":
        paper.disk.touch(b"f", 77)
    cut = paper.disk.stat(b"f")
    assert cut is not None
    assert cut.mtime != paper.before.mtime
    assert paper.recover(b"12345", fingerprint(cut) if then == "recorded" else paper.job.fp) == []
    if then == "power cut":
        paper.disk.crash()
    assert paper.content() == b"12345"
    stat = paper.disk.stat(b"f")
    assert stat is not None
    assert stat.mtime == (cut.mtime if then in ("touched", "recorded") else paper.before.mtime), "a user's time stays"


def test_what_a_user_has_made_since_is_left_alone() -> None:
    paper = Paper(b"12345", b"1234567890")
    growth = paper.open()
    growth.leave()
    paper.disk.write(b"f", b"another text")
    assert paper.recover() == []
    assert paper.content() == b"another text"


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("ends", ["whole", "given up"])
@pytest.mark.parametrize("known", [False, True])
def test_a_file_that_is_moved_while_it_grows_is_no_version_before_that_ends(ends: str, known: bool) -> None:
    """Its folder was moved. What was appended so far would be announced under the new name as a user's version."""
    paper = Paper(b"12345", b"12345678901234567890")
    paper.disk.mkdir(b"old")
    paper.disk.move(b"f", b"old/f")
    moved = paper.disk.stat(b"old/f")
    assert moved is not None
    grows = paper.job._replace(path=b"old/f", fp=fingerprint(moved))
    sync = file_sync(paper.disk)
    name = STAGING + b"/new-grow"
    job = StageJob(1, name, ((5, b"67890"),), 20, paper.job.target, grows=grows)
    assert sync.perform(job) == Staged(1, 10, False)
    paper.disk.move(b"old", b"new")
    item = LookItem(b"new/f", b"another one" if known else b"", b"", None, False, False)

    def found() -> Seen:
        looked = sync.perform(LookJob((item,)))
        assert isinstance(looked, Looked)
        return looked.items[0]

    def listed() -> tuple[Seen, ...]:
        listings = sync.perform(ListJob((Folder(b"new", {}),)))
        assert isinstance(listings, Listed)
        (listing,) = listings.listings
        assert listing.entries is not None
        assert len(listing.entries) + len(listing.seen) == 1
        return listing.seen

    assert found().look is LookOutcome.UNSTABLE
    assert listed() == ()
    last = job._replace(chunks=((10, b"1234567890"),)) if ends == "whole" else job._replace(chunks=(), give_up=True)
    done = sync.perform(last)
    assert isinstance(done, Staged)
    assert done.verified == (ends == "whole")
    content = blake3(b"12345" if ends == "given up" else paper.will).digest()
    assert (found().look, found().content) == (LookOutcome.FOUND, content)
    assert [seen.content for seen in listed()] == [content]


# --- which versions are beginnings -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
def test_growths_are_chained_and_forgotten_when_the_chain_breaks() -> None:
    growths = Growths()
    growths.grew(b"f", b"a", 5, b"b", 12, (b"10",))
    growths.grew(b"f", b"b", 12, b"c", 31, (b"20", b"30"))
    assert growths.offer(b"f", b"a", b"c") == (5, (b"10", b"20", b"30"))
    assert growths.offer(b"f", b"b", b"c") == (12, (b"20", b"30"))
    assert growths.offer(b"f", b"x", b"c") is None
    assert growths.offer(b"f", b"a", b"b") is None, "it is not that any more"
    assert growths.beginning(b"f", b"b", b"c") == 12
    growths.grew(b"f", b"other", 40, b"d", 41, ())
    assert growths.offer(b"f", b"a", b"d") is None
    growths.forget(b"f")
    assert not growths.knows(b"f")


def test_who_touches_a_file_right_after_it_got_its_time_is_told_of() -> None:
    """Otherwise that time would count as the one that we set, and the machines would stay different."""
    pair = start()
    disk = pair.two.disk
    append(pair.one, b"log", b"more")

    def before(verb: str, path: bytes) -> None:
        if verb == "file.sync" and path == b"log":
            disk.before = None
            disk.touch(b"log", 1_600_000_000 * 10**9)

    disk.before = before
    pair.run()
    assert disk.before is None
    pair.two.inbox.append(Touched(b"log", Urgency.ATTRIBUTES))
    pair.run()
    mine, theirs = pair.one.disk.stat(b"log"), disk.stat(b"log")
    assert mine is not None
    assert theirs is not None
    assert pair.one.disk.content(b"log") == disk.content(b"log") == BASE + b"more"
    assert mine.mtime == theirs.mtime
