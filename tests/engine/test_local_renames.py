"""Renames made here: which halves belong together, and how long an absence is not believed."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits
from dir_sync.core.looks import RACY, LookOutcome, Seen
from dir_sync.core.model import Kind, fingerprint
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.index import Row
from tests.engine.kit import Alone, record, seen, stat


def alone(**answers: Any) -> Alone[LocalRenames]:
    answers = {"scope.is_ours": True} | {name.replace("__", "."): it for name, it in answers.items()}
    kit = Alone(LocalRenames, answers=answers)
    kit.board.scan.is_first = False
    return kit


def renamed(kit: Alone[LocalRenames]) -> Row:
    row = kit.has(record(b"old", b"1"))
    kit.it.pair(b"old", b"new", row)
    return row


def test_both_names_are_looked_at_and_the_new_one_need_not_be_read() -> None:
    kit = alone()
    row = renamed(kit)
    new, old = kit.board.pending_looks.find(b"new"), kit.board.pending_looks.find(b"old")
    assert new is not None
    assert old is not None
    assert new.hint is not None
    assert new.hint.fp == row.fp
    assert (old.gone, old.watched, old.removal_confirmed) == (True, True, True)
    assert kit.it.renamed_from(b"new") == row


def test_what_was_written_into_meanwhile_is_read() -> None:
    kit = alone()
    row = kit.has(record(b"old", b"1"))
    kit.board.pending_looks.add(b"old", 0, 0).written = True
    kit.it.pair(b"old", b"new", row)
    new = kit.board.pending_looks.find(b"new")
    assert new is not None
    assert new.hint is None


def test_a_name_that_is_not_shared_is_no_new_name() -> None:
    kit = alone(scope__is_ours=False)
    renamed(kit)
    assert not kit.is_looked_at(b"old")


def test_what_is_held_was_not_there_to_move() -> None:
    kit = alone()
    own = kit.real(Brakes).own
    own.miss(b"old")
    own.hold({b"old": (1, 1)}, 1)
    kit.answers["brakes.own"] = own
    renamed(kit)
    old = kit.board.pending_looks.find(b"old")
    assert old is not None
    assert not old.removal_confirmed


def test_an_absence_waits_for_the_look_at_the_new_name() -> None:
    kit = alone()
    renamed(kit)
    gone = Seen(b"old", LookOutcome.ABSENT)
    assert kit.it.waits_for_new_name(gone, frozenset())
    kit.board.pending_looks.pull(b"new")
    kit.look_comes_back(b"new")
    assert kit.it.waits_for_new_name(gone, frozenset())
    kit.board.look_ends(b"new")
    kit.wait(limits.RENAME_HOLD_MS * 6)
    assert not kit.it.waits_for_new_name(gone, frozenset())


def test_a_look_at_the_new_name_that_began_too_early_is_made_again() -> None:
    kit = alone()
    renamed(kit)
    assert kit.it.began_too_early(seen(b"new", b"1"), frozenset())
    young = seen(b"new", b"1")
    assert kit.it.began_too_early(young._replace(fp=young.fp + RACY), frozenset()), "a rename makes it young"
    assert not kit.it.began_too_early(seen(b"new", b"1"), {b"old"})
    assert not kit.it.began_too_early(seen(b"other", b"1"), frozenset())


# --- what a scan finds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inode", "content", "found"), [(7, b"1", True), (8, b"1", False), (7, b"2", False)])
def test_the_same_inode_with_the_same_content_is_the_same_file(inode: int, content: bytes, found: bool) -> None:
    kit = alone()
    row = kit.has(record(b"old", b"1"), fingerprint(stat(b"1", inode=7)))
    fp = fingerprint(stat(content, inode=inode))
    assert kit.it.new_name_of(b"new", Kind.FILE, record(b"x", content).content, fp) == (row if found else None)
    assert kit.it.new_name_of(b"old", Kind.FILE, row.record.content, row.fp) is None


def test_while_the_scan_goes_on_a_match_is_set_aside_and_judged_at_its_end() -> None:
    kit = alone()
    row = kit.has(record(b"old", b"1"))
    own = kit.real(Brakes).own
    kit.answers["brakes.own"] = own
    kit.board.scan.begin()
    kit.it.match(b"new", row)
    assert kit.work.is_set_aside(b"old")
    assert not kit.is_looked_at(b"old")
    own.miss(b"old")
    kit.it.judge_arrived()
    assert not own.missed
    assert kit.is_looked_at(b"old")
    assert kit.is_looked_at(b"new")
    kit.board.scan.end()
    kit.it.match(b"newer", row)
    assert kit.it.renames.sources_of(b"newer") == (b"old",)


# --- disbelief ------------------------------------------------------------------------------------------------------


def test_a_look_that_was_faster_than_the_watcher_is_not_believed_once() -> None:
    kit = alone()
    kit.has(record(b"a", b"1"))
    pending = kit.look_comes_back(b"a", watched=True)
    assert kit.it.disbelief_ms(b"a", pending) == limits.SAVE_GRACE_MS
    kit.wait(limits.SAVE_GRACE_MS)
    assert kit.it.disbelief_ms(b"a", pending) == 0


@pytest.mark.parametrize(
    ("marks", "believed"), [({}, True), ({"gone": True, "watched": True}, True), ({"watched": True}, False)]
)
def test_what_was_seen_to_go_or_a_scan_misses_is_believed(marks: dict[str, bool], believed: bool) -> None:
    kit = alone()
    kit.has(record(b"a", b"1"))
    assert (kit.it.disbelief_ms(b"a", kit.look_comes_back(b"a", **marks)) == 0) == believed


def test_while_an_editor_saves_the_absence_waits() -> None:
    kit = alone()
    kit.has(record(b"a", b"1"))
    pending = kit.look_comes_back(b"a", gone=True, watched=True, patience_ms=kit.board.now.mono_ms + 300)
    assert kit.it.disbelief_ms(b"a", pending) == 300
    kit.wait(300)
    kit.board.pending_looks.add(b"a", kit.board.now.mono_ms + 40, kit.board.now.mono_ms).written = True
    assert kit.it.disbelief_ms(b"a", pending) == 40, "there was something since"


def test_what_may_be_in_a_folder_that_is_about_to_be_listed_waits() -> None:
    kit = alone()
    kit.has(record(b"a", b"1"))
    pending = kit.look_comes_back(b"a", gone=True, watched=True)
    kit.it.expect_listing(True)
    assert kit.it.disbelief_ms(b"a", pending) == 20
    kit.it.expect_listing(False)
    assert kit.it.disbelief_ms(b"a", pending) == 0


def test_of_what_is_no_file_an_absence_is_believed() -> None:
    kit = alone()
    assert kit.it.disbelief_ms(b"a", kit.look_comes_back(b"a", watched=True)) == 0


def test_a_large_new_file_may_be_the_new_version_of_another_one() -> None:
    kit = alone()
    large = seen(b"a.part", b"1")._replace(size=limits.LARGE_FILE_BYTES)
    pending = kit.look_comes_back(b"a.part", watched=True)
    assert not kit.it.may_get_its_true_name(large, pending), "nobody is there to be told"
    kit.connects()
    assert kit.it.may_get_its_true_name(large, pending)
    assert not kit.it.may_get_its_true_name(seen(b"a.part", b"1"), pending)
    pending.rested = True
    assert not kit.it.may_get_its_true_name(large, pending), "once"
