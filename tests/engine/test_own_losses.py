"""What a scan missed was deleted, or is too much to be believed."""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.safeguard.brake import Limits
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.own_losses import OwnLosses
from tests.engine.kit import Alone, folder, record


def missing(count: int, of: int, limits: Limits | None = None) -> Alone[OwnLosses]:
    """So many files of so many are missing after a scan."""
    kit = Alone(OwnLosses, Brakes, brake=limits or Limits(files=3, percent=50))
    for number in range(of):
        kit.has(record(b"%03d" % number, b"content %d" % number))
    kit.it.begin_to_look()
    for number in range(count):
        kit.real(Brakes).own.miss(b"%03d" % number)
    return kit


def is_believed(kit: Alone[OwnLosses]) -> bool:
    kit.it.judge()
    assert not kit.real(Brakes).own.missed
    return not kit.real(Brakes).own.held


def test_a_few_and_less_than_half_are_believed_and_no_more() -> None:
    assert is_believed(missing(2, 2))
    assert is_believed(missing(5, 10))
    assert not is_believed(missing(6, 10))
    assert is_believed(missing(10, 10, Limits(files=0)))


def test_what_is_believed_is_looked_at_once_more_and_may_be_told() -> None:
    kit = missing(2, 10)
    kit.it.judge()
    pending = kit.board.pending_looks.find(b"000")
    assert pending is not None
    assert pending.removal_confirmed


def test_what_is_held_is_said() -> None:
    kit = missing(6, 10)
    kit.it.judge()
    assert kit.told() == [notes.LossHeld(b"000", 6, 6)]
    assert len(kit.board.pending_looks) == 0


def test_the_files_in_a_folder_count() -> None:
    kit = Alone(OwnLosses, Brakes, brake=Limits(files=3, percent=50))
    kit.has(folder(b"d"))
    for path in (b"d/a", b"d/b", b"d/c"):
        kit.has(record(path, path))
    kit.it.begin_to_look()
    kit.real(Brakes).own.miss(b"d")
    assert not is_believed(kit)


def test_what_has_only_moved_is_no_loss() -> None:
    kit = missing(6, 10)
    for number in range(4):
        kit.has(record(b"moved %d" % number, b"content %d" % number))
    assert is_believed(kit)
    kit = missing(6, 10)
    for number in range(4):
        kit.work.set_aside(b"%03d" % number, b"new name %d" % number)
    assert is_believed(kit)


def test_new_files_make_up_for_nothing() -> None:
    kit = missing(6, 10)
    for number in range(50):
        kit.has(record(b"new %d" % number, b"new %d" % number))
    assert not is_believed(kit)


def test_what_a_later_scan_misses_is_held_with_what_is_held_already() -> None:
    kit = missing(6, 10)
    kit.it.judge()
    kit.effects()
    kit.it.begin_to_look()
    kit.real(Brakes).own.miss(b"006")
    kit.it.judge()
    assert len(kit.real(Brakes).own.held) == 7
    assert kit.told() == [notes.LossHeld(b"000", 7, 7)]


def test_a_content_that_only_missing_files_have_has_not_moved() -> None:
    kit = missing(6, 10)
    kit.it.judge()
    kit.has(record(b"copy", b"content 0"))
    kit.real(Brakes).own.miss(b"copy")
    kit.it.judge()
    assert b"copy" in kit.real(Brakes).own.held


def test_when_so_much_is_back_that_the_rest_is_no_disaster_it_was_deleted() -> None:
    kit = missing(6, 10)
    kit.it.judge()
    kit.effects()
    kit.it.no_longer_held(b"000")
    assert not kit.real(Brakes).is_published, "peers hear that it is less"
    kit.it.judge_again()
    assert kit.real(Brakes).own.held
    kit.wait(2_000)
    kit.it.judge_again()
    assert not kit.real(Brakes).own.held
    assert kit.told() == [notes.NothingHeld()]
    assert kit.is_looked_at(b"001")


def test_when_all_is_back_people_are_told() -> None:
    kit = missing(6, 10)
    kit.it.judge()
    kit.effects()
    for number in range(6):
        kit.it.no_longer_held(b"%03d" % number)
    assert kit.told() == [notes.NothingHeld()]


def held_with_a_folder() -> Alone[OwnLosses]:
    """Three of five files are missing: two of them with their folder, and one of these in a folder below it."""
    kit = Alone(OwnLosses, Brakes, brake=Limits(files=3, percent=50))
    for path in (b"d", b"d/e", b"d/f"):
        kit.has(folder(path))
    for path in (b"a", b"b", b"c", b"d/a", b"d/e/a"):
        kit.has(record(path, path))
    kit.it.begin_to_look()
    for path in (b"a", b"d"):
        kit.real(Brakes).own.miss(path)
    kit.it.judge()
    kit.effects()
    return kit


def test_what_was_held_with_a_folder_stays_held_when_a_folder_has_its_name_again() -> None:
    """Somebody made it anew, or gave another folder its name. What is in it is found by its listing."""
    kit = held_with_a_folder()
    own = kit.real(Brakes).own
    assert own.held == {b"a": (1, 1), b"d": (2, 8)}
    kit.it.no_longer_held(b"d", True)
    assert own.held == {b"a": (1, 1), b"d/a": (1, 3), b"d/e": (1, 5), b"d/f": (0, 0)}
    assert (own.held_files, own.held_bytes) == (3, 9)
    kit.it.no_longer_held(b"d/e", True)
    assert own.held == {b"a": (1, 1), b"d/a": (1, 3), b"d/f": (0, 0), b"d/e/a": (1, 5)}
    assert kit.listed() == [b"d", b"d/e"]
    assert kit.told() == []


def test_nor_is_it_announced_before_the_person_decides_who_has_decided_about_some() -> None:
    kit = held_with_a_folder()
    kit.it.decided([b"a"])
    kit.it.no_longer_held(b"d", True)
    kit.wait(10_000)
    kit.it.judge_again()
    assert list(kit.real(Brakes).own.held) == [b"d/a", b"d/e", b"d/f"]
    kit.it.no_longer_held(b"d/a")
    kit.it.no_longer_held(b"d/e")
    kit.it.no_longer_held(b"d/f", True)
    assert kit.told() == [notes.NothingHeld()]


def test_what_was_in_a_folder_goes_with_it_if_something_else_has_its_name() -> None:
    kit = held_with_a_folder()
    kit.it.no_longer_held(b"d")
    assert kit.real(Brakes).own.held == {b"a": (1, 1)}
