"""Hints of the watcher become looks: when, with which others, and which of them are our own doing."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.events import Moved, Urgency
from dir_sync.core.jobs import ApplyItem, Cause, LookJob, TreeOp, Version
from dir_sync.core.looks import LookItem
from dir_sync.core.model import Kind, fingerprint, inode_of
from dir_sync.engine.constants import EMPTY_MS, REOPENED_MS
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.own_echoes import OwnEchoes
from tests.engine.kit import WALL_NS, Alone, folder, later, record, stat, tombstone


def alone(**answers: Any) -> Alone[LookQueue]:
    answers = {"scope.is_ours": True} | {name.replace("__", "."): it for name, it in answers.items()}
    return Alone(LookQueue, LocalRenames, OwnEchoes, answers=answers)


def looks(kit: Alone[LookQueue], wait_ms: int = 0) -> list[list[LookItem]]:
    """The looks that are sent now, by job."""
    kit.wait(wait_ms)
    kit.it.send_looks()
    return [list(job.items) for job in kit.out(LookJob)]


def paths(jobs: list[list[LookItem]]) -> list[list[bytes]]:
    return [[item.path for item in job] for job in jobs]


# --- when -----------------------------------------------------------------------------------------------------------


def test_a_file_that_was_closed_is_looked_at_at_once() -> None:
    kit = alone()
    kit.it.on_touched(b"a", Urgency.NOW)
    assert paths(looks(kit)) == [[b"a"]]


def test_a_file_that_is_written_into_is_looked_at_when_it_rests() -> None:
    kit = alone()
    for _ in range(3):
        kit.it.on_touched(b"a", Urgency.WRITING)
        assert looks(kit, limits.DEBOUNCE_MS - 1) == []
    assert paths(looks(kit, limits.DEBOUNCE_MS)) == [[b"a"]]


def test_what_is_not_shared_is_not_looked_at() -> None:
    kit = alone(scope__is_ours=False)
    kit.it.on_touched(b".dir_sync/x", Urgency.NOW)
    assert looks(kit, 10_000) == []


def test_many_events_of_a_path_are_one_look() -> None:
    kit = alone()
    for _ in range(10):
        kit.it.on_touched(b"a", Urgency.NOW)
    assert paths(looks(kit)) == [[b"a"]]


def test_one_look_job_is_out_at_a_time_unless_there_is_much() -> None:
    kit = alone()
    kit.it.on_touched(b"a", Urgency.NOW)
    assert paths(looks(kit)) == [[b"a"]]
    kit.it.on_touched(b"b", Urgency.NOW)
    assert looks(kit) == []
    kit.it.look_came_back(kit.board.looking[b"a"])
    assert paths(looks(kit)) == [[b"b"]]
    kit.it.look_came_back(kit.board.looking[b"b"])
    for number in range(5 * limits.LOOK_ITEMS_MAX):
        kit.it.on_touched(b"%d" % number, Urgency.NOW)
    assert [len(job) for job in looks(kit)] == [limits.LOOK_ITEMS_MAX] * 3


@pytest.mark.parametrize("why", ["a job", "a look"])
def test_where_something_is_out_a_look_waits(why: str) -> None:
    kit = alone()
    target = record(b"a", b"1")
    if why == "a job":
        kit.work.jobs.begin_apply(ApplyItem(b"a", TreeOp.INSTALL, target, b"", Cause.REPLACED), None)
    else:
        kit.look_comes_back(b"a")
    kit.it.on_touched(b"a", Urgency.NOW)
    assert looks(kit) == []
    assert kit.is_looked_at(b"a")


def test_a_large_file_is_looked_at_apart_from_others_and_nobody_waits_for_it() -> None:
    kit = alone()
    kit.has(record(b"large", b"1")._replace(size=limits.LARGE_FILE_BYTES))
    for path in (b"large", b"small"):
        kit.it.on_touched(path, Urgency.NOW)
    jobs = looks(kit)
    assert sorted(paths(jobs)) == [[b"large"], [b"small"]]
    assert [job.bulk for job in kit.out(LookJob) if job.items[0].path == b"large"] == [True]
    kit.it.on_touched(b"large", Urgency.NOW)
    kit.it.look_came_back(kit.board.looking[b"small"])
    assert kit.it.looks_out == 0


# --- what a look is told --------------------------------------------------------------------------------------------


def test_a_look_is_told_what_is_known() -> None:
    kit = alone()
    row = kit.has(record(b"a", b"1"))
    kit.it.on_touched(b"a", Urgency.NOW)
    ((item,),) = looks(kit)
    assert (item.fp, item.base, item.want_bytes) == (row.fp, b"", False)


def test_with_peers_small_contents_come_along_and_large_ones_as_deltas() -> None:
    kit = alone()
    kit.connects()
    mine = kit.has(record(b"a", b"1")._replace(size=limits.DELTA_FILE_BYTES_MIN))
    kit.it.on_touched(b"a", Urgency.NOW)
    ((item,),) = looks(kit)
    assert (item.base, item.was, item.want_bytes) == (mine.record.content, mine.record.content, True)


def test_a_new_name_is_compared_with_what_it_most_probably_came_from() -> None:
    kit = alone()
    kit.connects()
    mine = kit.has(record(b"film", b"1")._replace(size=limits.DELTA_FILE_BYTES_MIN))
    kit.it.on_touched(b"film.part", Urgency.NOW)
    ((item,),) = looks(kit)
    assert item.base == mine.record.content


def test_a_file_that_a_program_has_open_waits_for_its_close_while_it_is_shorter_than_it_was() -> None:
    kit = alone()
    kit.has(record(b"a", b"1")._replace(size=500))
    kit.it.on_touched(b"a", Urgency.WRITING)
    ((item,),) = looks(kit, limits.DEBOUNCE_MS)
    assert item.open_below == 500
    kit.it.look_came_back(kit.board.look_ends(b"a"))
    kit.it.on_touched(b"a", Urgency.NOW)
    ((item,),) = looks(kit)
    assert item.open_below == 0, "it is closed"


def test_a_file_of_which_no_event_said_yet_that_it_is_open_waits_if_a_program_has_just_cut_it() -> None:
    kit = alone()
    kit.has(record(b"a", b"1")._replace(size=500))
    kit.it.on_touched(b"a", Urgency.ATTRIBUTES)
    ((item,),) = looks(kit)
    assert (item.open_below, item.cut_below) == (0, 500)
    kit.it.look_came_back(kit.board.look_ends(b"a"))
    kit.it.on_touched(b"a", Urgency.WRITING)
    ((item,),) = looks(kit, limits.DEBOUNCE_MS)
    assert (item.open_below, item.cut_below) == (500, 0), "an event said it"


def test_a_file_of_one_byte_that_a_program_cuts_waits_as_well() -> None:
    kit = alone()
    kit.has(record(b"a", b"1")._replace(size=1))
    kit.it.on_touched(b"a", Urgency.ATTRIBUTES)
    ((item,),) = looks(kit)
    assert (item.open_below, item.cut_below) == (0, 1)
    kit.it.look_came_back(kit.board.look_ends(b"a"))
    kit.it.on_touched(b"a", Urgency.WRITING)
    ((item,),) = looks(kit, EMPTY_MS)
    assert item.open_below == 1, "it is no new file"


def test_after_a_close_it_waits_for_the_next_event_for_a_moment_only() -> None:
    kit = alone()
    kit.has(record(b"a", b"1")._replace(size=500))
    kit.it.on_touched(b"a", Urgency.NOW)
    ((item,),) = looks(kit)
    assert item.cut_below == 500
    pending = kit.board.look_ends(b"a")
    kit.it.look_came_back(pending)
    kit.board.pending_looks.put_back(pending, pending.first_ms + REOPENED_MS)
    ((item,),) = looks(kit, REOPENED_MS)
    assert item.cut_below == 0, "another program has it open for good"


def test_what_has_waited_for_its_close_long_enough_is_announced() -> None:
    kit = alone()
    kit.has(record(b"a", b"1")._replace(size=500))
    until = kit.work.opened.found(b"a", 0, 500, kit.board.now.mono_ms)
    kit.board.pending_looks.add(b"a", until, kit.board.now.mono_ms)
    ((item,),) = looks(kit, until - kit.board.now.mono_ms)
    assert (item.open_below, item.cut_below) == (0, 0)


def test_a_new_file_does_not_wait_for_its_close_for_ever() -> None:
    kit = alone()
    kit.it.on_touched(b"a", Urgency.CREATED)
    pending = kit.board.pending_looks.find(b"a")
    assert pending is not None
    assert kit.it.open_below(pending) == 1
    kit.wait(EMPTY_MS)
    assert kit.it.open_below(pending) == 0


# --- renames --------------------------------------------------------------------------------------------------------


def test_both_names_of_a_rename_are_looked_at_together_the_new_one_first() -> None:
    kit = alone()
    row = kit.has(record(b"z old", b"1"))
    kit.it.on_moved(Moved(b"z old", b"a new", False))
    ((new, old),) = looks(kit)
    assert (new.path, old.path) == (b"a new", b"z old")
    assert new.hint is not None, "what was known need not be read again"
    assert new.hint.fp == row.fp


def test_a_folder_takes_all_that_is_in_it_along() -> None:
    kit = alone()
    kit.has(folder(b"old"))
    for path in (b"old/a", b"old/b"):
        kit.has(record(path, path))
    kit.it.on_moved(Moved(b"old", b"new", True))
    found = {item.path for job in looks(kit, 100) for item in job}
    assert found == {b"new", b"new/a", b"new/b", b"old", b"old/a", b"old/b"}


def test_a_move_out_of_what_is_shared_is_a_hint_for_each_name() -> None:
    kit = alone(scope__is_ours=lambda path: path == b"a")
    kit.it.on_moved(Moved(b".dir_sync/x", b"a", False))
    assert paths(looks(kit)) == [[b"a"]]


def test_a_name_that_vanished_and_turned_up_in_a_listing_is_a_rename() -> None:
    kit = alone()
    fp = fingerprint(stat(b"1", inode=7))
    kit.has(record(b"old", b"1"), fp)
    kit.real(LocalRenames).renames.appeared(b"new", inode_of(fp))
    kit.board.pending_looks.add(b"new", kit.board.now.mono_ms + 50, kit.board.now.mono_ms)
    kit.it.on_touched(b"old", Urgency.VANISHED)
    assert kit.real(LocalRenames).renames.sources_of(b"new") == (b"old",)


@pytest.mark.parametrize("why", ["nothing else", "an obstacle", "a look is out"])
def test_what_vanishes_is_looked_at_also_if_its_row_says_that_nothing_is_there(why: str) -> None:
    """What is not synchronized may have been in the way of a version; or a look or a job that is out has just found or made
    something there, and comes back later."""
    kit = alone()
    kit.has(tombstone(b"a"))
    if why == "an obstacle":
        kit.work.obstruct(b"a", Kind.OTHER)
    if why == "a look is out":
        kit.look_comes_back(b"a")
    kit.it.on_touched(b"a", Urgency.VANISHED)
    assert kit.board.pending_looks.find(b"a") is not None


def test_the_absence_of_what_an_editor_has_put_aside_is_not_believed_at_once() -> None:
    kit = alone()
    kit.has(record(b"a", b"1"))
    kit.it.on_touched(b"a.new", Urgency.CREATED)
    kit.it.on_touched(b"a", Urgency.VANISHED)
    pending = kit.board.pending_looks.find(b"a")
    assert pending is not None
    assert pending.patience_ms == kit.board.now.mono_ms + limits.SAVE_GRACE_MS


def test_what_is_not_shared_and_leaves_may_have_been_the_last_thing_that_kept_a_folder_here() -> None:
    kit = alone(scope__is_ours=lambda path: b"pipe" not in path)
    kit.has(folder(b"d"))
    kit.has(folder(b"e"))
    kit.work.obstruct(b"d", Kind.DIRECTORY)
    kit.it.on_touched(b"d/pipe", Urgency.NOW)
    kit.it.on_touched(b"e/pipe", Urgency.VANISHED)
    assert kit.listed() == []
    kit.it.on_touched(b"d/pipe", Urgency.VANISHED)
    assert kit.listed() == [b"d"]
    for target in (b"pipe", b"new"):
        kit.it.on_moved(Moved(b"d/pipe", target, False))
        assert kit.listed() == [b"d"]


def test_the_last_thing_that_kept_a_deleted_folder_here_is_gone() -> None:
    kit = alone()
    kit.index.rows.put(later(folder(b"d"), None), b"its fingerprint")
    kit.it.let_folder_go(b"d/pipe")
    assert kit.listed() == [b"d"]
    kit.has(folder(b"e"))
    kit.it.let_folder_go(b"e/a")
    assert kit.listed() == []


# --- others who ask -------------------------------------------------------------------------------------------------


def test_what_was_in_a_folder_that_went_is_looked_at_first() -> None:
    kit = alone()
    kit.has(folder(b"d"))
    kit.has(record(b"d/a", b"1"))
    pending = kit.look_comes_back(b"d", watched=True)
    assert kit.it.look_below(b"d", pending, replaced=True)
    child = kit.board.pending_looks.find(b"d/a")
    assert child is not None
    assert (child.watched, child.removal_confirmed, child.gone) == (True, True, True)
    assert not kit.it.look_below(b"e", pending)


def test_the_other_names_of_a_file_are_looked_at() -> None:
    kit = alone()
    fp, other = fingerprint(stat(b"1", inode=7)), fingerprint(stat(b"1", inode=8))
    kit.has(record(b"b", b"1"), fp)
    kit.has(record(b"c", b"1"), other)
    kit.it.look_at_links(fp, record(b"a", b"1"))
    assert (kit.is_looked_at(b"b"), kit.is_looked_at(b"c")) == (True, False)


def test_what_a_job_found_to_be_different_is_looked_at_or_doubted() -> None:
    kit = alone()
    kit.it.differs(b"a")
    assert kit.is_looked_at(b"a")
    name = b".dir_sync/versions/v"
    version = Version(name, b"b", Kind.FILE, 3, b"c" * 32, 0, 0o644, WALL_NS, Cause.DELETED, "")
    kit.index.versions.put(version)
    kit.it.differs(name)
    assert kit.asked("versions.doubt") == [(version,)]
    assert not kit.is_looked_at(name)


def test_people_are_told_once_of_a_file_that_never_rests() -> None:
    kit = alone()
    for _ in range(3):
        kit.it.never_rests(b"a", 5)
    assert kit.told() == [notes.Restless(b"a", 5)]
    kit.it.rests(b"a")
    kit.it.never_rests(b"a", 5)
    assert len(kit.told()) == 2


def test_the_contents_that_a_scan_reads_are_kept_only_for_a_peer_that_has_nothing() -> None:
    kit = alone()
    assert not kit.it.want_bytes()
    kit.connects()
    assert kit.it.want_bytes()
    kit.board.scan.begin()
    assert not kit.it.want_bytes()
    kit.answers["publisher.check_seeding"] = True
    assert kit.it.want_bytes()


def test_a_program_that_goes_on_writing_keeps_its_file_open_whatever_else_is_heard() -> None:
    kit = alone()
    kit.work.opened.found(b"a", 5, 500, kit.board.now.mono_ms)
    until = kit.work.opened.until(b"a")
    kit.it.on_touched(b"a", Urgency.ATTRIBUTES)
    assert kit.work.opened.until(b"a") is not None
    assert until is not None
    kit.it.on_touched(b"a", Urgency.NOW)
    assert kit.work.opened.until(b"a") is None, "it is closed"
