"""Which names belong together: chains, circles, saves, and names that vanished."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.watching.renames import Renames, likely_originals, says_nothing

HOLD, GRACE = limits.RENAME_HOLD_MS, limits.SAVE_GRACE_MS


def test_the_old_name_waits_until_the_new_one_is_recorded() -> None:
    renames = Renames()
    renames.open(b"a", b"b", 0)
    assert renames.target_of(b"a", 10) == b"b"
    assert renames.close(b"b") == (b"a",)
    assert renames.target_of(b"a", 10) is None
    assert not renames


def test_the_wait_is_bounded_and_longer_while_a_large_file_is_read() -> None:
    renames = Renames()
    renames.open(b"a", b"b", 0)
    assert renames.target_of(b"a", HOLD + 1, is_read=True) == b"b"
    assert renames.target_of(b"a", HOLD + 1) is None
    assert renames.sources_of(b"b") == ()


def test_a_chain_is_one_rename() -> None:
    renames = Renames()
    renames.open(b"a", b"b", 0)
    renames.open(b"b", b"c", 1)
    assert renames.target_of(b"a", 2) == renames.target_of(b"b", 2) == b"c"
    assert set(renames.sources_of(b"c")) == {b"a", b"b"}
    assert renames.group_of(b"a")[0] == b"c"


def test_what_comes_back_is_no_rename() -> None:
    renames = Renames()
    renames.open(b"a", b"b", 0)
    renames.open(b"b", b"a", 1)
    assert renames.target_of(b"a", 2) is None
    assert renames.target_of(b"b", 2) == b"a"


def test_a_swap_is_one_group() -> None:
    renames = Renames()
    for source, target in ((b"a", b"t"), (b"b", b"a"), (b"t", b"b")):
        renames.open(source, target, 0)
    assert set(renames.group_of(b"a")) == set(renames.group_of(b"t")) == {b"a", b"b", b"t"}


def test_new_names_come_before_the_old_ones_that_wait_for_them() -> None:
    renames = Renames()
    renames.open(b"f", b"f~", 0)
    renames.open(b"f.tmp", b"f", 0)
    assert renames.group_of(b"f") == renames.group_of(b"f.tmp") == [b"f~", b"f", b"f.tmp"]
    assert renames.group_of(b"other") == [b"other"]


@pytest.mark.parametrize("aside", [b"d/f~", b"d/f.bak", b"d/f___jb_old___", b"d/.f.swp", b"d/#f#"])
def test_a_backup_is_told_by_its_name(aside: bytes) -> None:
    assert Renames().grace_ms(b"d/f", aside, 0) == GRACE


@pytest.mark.parametrize("target", [b"d/g", b"d/rf", b"e/f~", None])
def test_any_other_name_is_believed_at_once(target: bytes | None) -> None:
    assert Renames().grace_ms(b"d/f", target, 0) == 0


def test_a_save_is_told_by_the_new_file_beside_it() -> None:
    renames = Renames()
    renames.written(b"d/new", True, 0)
    renames.written(b"d/new", False, HOLD)  # goes on for a while
    assert renames.grace_ms(b"d/f", None, HOLD + 1) == GRACE
    assert renames.grace_ms(b"d/new", None, HOLD + 1) == 0
    assert renames.grace_ms(b"e/f", None, HOLD + 1) == 0
    assert renames.grace_ms(b"d/f", None, 2 * HOLD + 1) == 0


def test_an_edit_of_what_was_new_once_makes_no_rename_wait() -> None:
    renames = Renames()
    renames.written(b"d/new", True, 0)
    renames.written(b"d/new", False, HOLD + 1)
    assert renames.grace_ms(b"d/f", b"d/g", HOLD + 2) == 0


def test_a_change_of_a_known_file_is_no_sign_of_a_save() -> None:
    renames = Renames()
    renames.written(b"d/known", False, 0)
    assert renames.grace_ms(b"d/f", None, 1) == 0


def test_a_vanished_file_is_known_by_its_inode_once() -> None:
    renames = Renames()
    renames.vanished(b"a", 7)
    assert renames.name_of(7) == b"a"
    assert renames.name_of(7) is None


@pytest.mark.parametrize(
    "beside",
    [b"d/.big.img.Xy12", b"d/big.img.tmp", b"d/big.img~", b"d/.big.img", b"d/big.img___jb_tmp___", b"d/~big.img.part"],
)
def test_what_is_written_beside_a_file_is_known_by_its_name(beside: bytes) -> None:
    assert b"d/big.img" in likely_originals(beside)


def test_no_name_is_its_own_original() -> None:
    for name in (b"a", b"d/.a", b"...", b"~", b".tmp", b"d/a.b"):
        assert name not in likely_originals(name)
        assert all(each.rpartition(b"/")[2] for each in likely_originals(name))


@pytest.mark.parametrize("name", [b".goutputstream-X2Q3Z1", b"lu8f2.tmp", b"~WRD0001", b"#1234", b"d/e/.f"])
def test_names_that_say_nothing(name: bytes) -> None:
    assert says_nothing(name)


@pytest.mark.parametrize("name", [b"disk.img", b"d.x/film.mkv.part", b"README", b".d/photo.jpg"])
def test_names_that_say_something(name: bytes) -> None:
    assert not says_nothing(name)
