"""Events that our own work causes cost no look each. What a user did at the same name is found all the same."""

from __future__ import annotations

import pytest

from dir_sync.core.events import Moved, Touched, Urgency
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.engine.constants import ECHO_LOOK_MS, ECHO_MS, FOLDER_ECHO_MS
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.own_echoes import OwnEchoes
from tests.engine.kit import Alone, record, tombstone
from tests.engine.test_look_queue import alone, looks, paths


def echo(kit: Alone[LookQueue], count: int) -> list[bytes]:
    """So many new names are made by us."""
    made = [b"d/%03d" % number for number in range(count)]
    kit.real(OwnEchoes).expect(made)
    kit.real(OwnEchoes).made(made, kit.board.now.mono_ms)
    return made


def test_the_events_of_a_bulk_are_ours_and_its_folder_is_listed_when_all_is_calm() -> None:
    kit = alone()
    for path in echo(kit, 40):
        kit.it.on_touched(path, Urgency.ARRIVED)
    assert looks(kit) == []
    assert kit.board.listings.when_calm == {b"d"}


def test_single_names_that_we_made_are_looked_at_together_a_moment_later() -> None:
    kit = alone()
    made = echo(kit, 3)
    for path in made:
        kit.it.on_touched(path, Urgency.ARRIVED)
    assert looks(kit) == []
    kit.wait(ECHO_LOOK_MS)
    assert paths(looks(kit)) == [made]


def test_what_happens_at_such_a_name_is_looked_at_at_once() -> None:
    kit = alone()
    (path,) = echo(kit, 1)
    kit.it.on_touched(path, Urgency.ARRIVED)
    kit.it.on_touched(path, Urgency.ARRIVED)
    assert paths(looks(kit)) == [[path]]


@pytest.mark.parametrize("why", ["late", "twice", "another event", "it failed", "not ours"])
def test_nothing_else_is_taken_for_ours(why: str) -> None:
    kit = alone()
    path = echo(kit, 40)[0]
    if why == "late":
        kit.wait(ECHO_MS)
    if why == "twice":
        kit.it.on_touched(path, Urgency.ARRIVED)
    if why == "it failed":
        kit.real(OwnEchoes).ended(path, False, kit.board.now.mono_ms)
    if why == "not ours":
        path = b"d/other"
    kit.it.on_touched(path, Urgency.NOW if why == "another event" else Urgency.ARRIVED)
    assert paths(looks(kit)) == [[path]]


@pytest.mark.parametrize("expect", [b"", b"fp"], ids=["new", "replaced"])
def test_of_installed_files_only_new_names_have_an_event_that_is_ours(expect: bytes) -> None:
    kit = alone()
    kit.real(OwnEchoes).expect_change(ApplyItem(b"a", TreeOp.INSTALL, record(b"a", b"1"), expect, Cause.REPLACED))
    assert kit.real(OwnEchoes).is_echo(Touched(b"a", Urgency.ARRIVED)) is (expect == b"")


def test_what_comes_out_of_the_history_is_no_rename_of_ours() -> None:
    kit = alone()
    kept = b".dir_sync/versions/1"
    kit.real(OwnEchoes).expect_change(
        ApplyItem(b"a", TreeOp.MOVE, record(b"a", b"1"), b"", Cause.REPLACED, copy_path=kept)
    )
    assert len(kit.real(OwnEchoes)) == 0


def moving(kit: Alone[LookQueue], old: bytes, new: bytes) -> None:
    """We are about to rename."""
    item = ApplyItem(new, TreeOp.MOVE, record(new, b"1"), b"", Cause.REPLACED, copy_path=old, copy_fp=b"fp")
    kit.real(OwnEchoes).expect_change(item)
    kit.real(OwnEchoes).change_ended(item, True)


def test_both_names_of_a_rename_of_ours_are_looked_at_a_moment_later() -> None:
    kit = alone()
    moving(kit, b"old", b"new")
    assert kit.real(OwnEchoes).is_echo(Moved(b"old", b"new", False))
    assert looks(kit) == []
    kit.wait(ECHO_LOOK_MS)
    assert [sorted(each) for each in paths(looks(kit))] == [[b"new", b"old"]]


def test_of_many_renames_of_ours_both_folders_are_listed_when_all_is_calm() -> None:
    kit = alone()
    names = [b"%03d" % number for number in range(40)]
    for name in names:
        moving(kit, b"a/" + name, b"b/" + name)
    for name in names:
        kit.it.on_moved(Moved(b"a/" + name, b"b/" + name, False))
    assert looks(kit) == []
    assert kit.board.listings.when_calm == {b"a", b"b"}


@pytest.mark.parametrize(("old", "new"), [(b"other", b"new"), (b"old", b"other"), (b"new", b"old"), (b"new", b"other")])
def test_a_rename_by_a_user_is_none_of_ours(old: bytes, new: bytes) -> None:
    """A user may rename at once what came by a rename of ours, or rename something else to its name."""
    kit = alone()
    kit.real(OwnEchoes).expect((b"new", b"other"))
    moving(kit, b"old", b"new")
    event = Moved(old, new, False)
    assert not kit.real(OwnEchoes).is_echo(event)
    kit.it.on_moved(event)
    assert [sorted(each) for each in paths(looks(kit))] == [sorted((old, new))]


def test_a_rename_of_ours_that_failed_is_one_of_a_user() -> None:
    kit = alone()
    item = ApplyItem(b"new", TreeOp.MOVE, record(b"new", b"1"), b"", Cause.REPLACED, copy_path=b"old", copy_fp=b"fp")
    kit.real(OwnEchoes).expect_change(item)
    kit.real(OwnEchoes).change_ended(item, False)
    assert not kit.real(OwnEchoes).is_echo(Moved(b"old", b"new", False))


def test_an_event_before_the_job_is_back_is_ours_as_well() -> None:
    kit = alone()
    made = [b"%03d" % number for number in range(40)]
    kit.real(OwnEchoes).expect(made)
    kit.it.on_touched(made[0], Urgency.ARRIVED)
    assert looks(kit) == []


@pytest.mark.parametrize("is_back", [False, True], ids=["job out", "job back"])
def test_the_old_name_of_a_rename_of_ours_may_leave_alone(is_back: bool) -> None:
    """The new folder is not watched yet, so its half of the event is missing."""
    kit = alone()
    if is_back:
        moving(kit, b"old", b"new")
    else:
        kit.real(OwnEchoes).expect_rename(b"old", b"new")
    assert kit.real(OwnEchoes).is_echo(Touched(b"old", Urgency.VANISHED))
    assert looks(kit) == []
    kit.wait(ECHO_LOOK_MS)
    assert [sorted(each) for each in paths(looks(kit))] == [[b"new", b"old"]]


@pytest.mark.parametrize("why", ["another name", "the new name", "it failed", "late", "twice", "as a whole before"])
def test_another_name_that_vanishes_is_looked_at_at_once(why: str) -> None:
    kit = alone()
    moving(kit, b"old", b"new")
    path = {"another name": b"other", "the new name": b"new"}.get(why, b"old")
    if why == "it failed":
        item = ApplyItem(
            b"new", TreeOp.MOVE, record(b"new", b"1"), b"", Cause.REPLACED, copy_path=b"old", copy_fp=b"fp"
        )
        kit.real(OwnEchoes).change_ended(item, False)
    if why == "late":
        kit.wait(ECHO_MS)
    if why == "twice":
        assert kit.real(OwnEchoes).is_echo(Touched(b"old", Urgency.VANISHED))
    if why == "as a whole before":
        assert kit.real(OwnEchoes).is_echo(Moved(b"old", b"new", False))
    event = Touched(path, Urgency.VANISHED)
    assert not kit.real(OwnEchoes).is_echo(event)
    kit.it.on_touched(path, Urgency.VANISHED)
    assert path in paths(looks(kit, 20))[0]


def test_a_folder_that_we_made_for_a_bulk_is_listed_when_all_is_calm() -> None:
    kit = alone()
    (path, *_) = echo(kit, 40)
    assert kit.real(OwnEchoes).is_echo(Touched(path, Urgency.FOLDER))
    assert looks(kit) == []
    assert kit.board.listings.when_calm == {path}
    assert kit.board.listings.add_calm()
    assert kit.board.listings.folders == [path]


def test_if_it_is_never_calm_that_folder_is_listed_two_seconds_later() -> None:
    kit = alone()
    (path, *_) = echo(kit, 40)
    kit.it.on_touched(path, Urgency.FOLDER)
    due = kit.board.listings.next_due_ms()
    assert due == kit.board.now.mono_ms + FOLDER_ECHO_MS
    kit.board.listings.add_due(due - 1)
    assert kit.board.listings.folders == []
    kit.board.listings.add_due(due)
    assert kit.board.listings.folders == [path]
    assert (kit.board.listings.when_calm, kit.board.listings.next_due_ms()) == (set(), None)


@pytest.mark.parametrize("why", ["no bulk", "not ours", "late", "gone since"])
def test_any_other_new_folder_is_looked_at_at_once(why: str) -> None:
    kit = alone()
    path = echo(kit, 3 if why == "no bulk" else 40)[0]
    if why == "not ours":
        path = b"d/other"
    if why == "late":
        kit.wait(ECHO_MS)
    if why == "gone since":  # without an event: it was in a folder that was not watched yet
        kit.has(tombstone(path), b"")
    kit.it.on_touched(path, Urgency.FOLDER)
    assert paths(looks(kit)) == [[path]]
