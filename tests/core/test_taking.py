"""Which contents are taken: none that is too large, and only what leaves enough of the disk free."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.config import ConfigError, checked_keep
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.taking import Taking


def of(size: int, path: bytes = b"a", content: bytes = b"c", kind: Kind = Kind.FILE) -> Record:
    return Record(path, kind, size, content, 0, 0o644, Stamp(1, "m"), (("m", 1),))


def test_only_files_are_too_large() -> None:
    taking = Taking(most=5)
    assert [taking.is_too_large(of(size)) for size in (5, 6)] == [False, True]
    assert not taking.is_too_large(of(6, kind=Kind.SYMLINK))
    assert not Taking().is_too_large(of(10**15))


def test_one_content_has_its_room_once() -> None:
    taking = Taking(room=10)
    assert taking.take_room(of(6))
    assert taking.take_room(of(6)), "it is planned in several steps"
    assert not taking.take_room(of(6, b"b"))
    assert not taking.take_room(of(6, content=b"another version"))
    assert taking.waiting == 2


def test_a_path_that_waits_for_nothing_any_more_takes_no_room_from_those_that_do() -> None:
    taking = Taking(room=0)
    assert not taking.take_room(of(8, b"withdrawn"))
    assert not taking.take_room(of(8, b"waits"))
    assert taking.forget(b"withdrawn")
    assert not taking.forget(b"withdrawn")
    assert taking.measured(10, {}) == [b"waits"]
    assert taking.take_room(of(8, b"waits"))
    assert not taking.take_room(of(9, b"waits", b"a larger version"))
    assert taking.take_room(of(8, b"waits")), "it is the first version again, which has its room"
    assert not taking.waiting


def test_the_same_content_needs_room_again_after_it_has_come() -> None:
    taking = Taking(room=10)
    assert taking.take_room(of(6))
    taking.end_grant(b"a")
    assert not taking.take_room(of(6)), "it was deleted meanwhile"


def test_what_comes_is_not_counted_twice() -> None:
    taking = Taking(room=10)
    assert taking.take_room(of(8))
    assert taking.measured(10 - 5, {b"a": 3}) == [], "5 of 8 bytes are on the disk"
    assert taking.take_room(of(2, b"b"))
    assert not taking.take_room(of(1, b"c"))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=30), st.integers(-5, 100))
def test_a_burst_keeps_to_the_limit(sizes: list[tuple[int, int]], room: int) -> None:
    taking = Taking(room=room)
    came = 0
    for at, (path, size) in enumerate(sizes):
        record = of(size, b"%d" % path, b"%d" % at)
        if path % 2:
            came += size * taking.take_pushed(record)
        elif taking.take_room(record):
            came += size
    assert came <= max(0, room)


@given(st.lists(st.integers(1, 20), max_size=10), st.integers(0, 60))
def test_what_waits_comes_when_it_fits_and_nothing_waits_for_ever(sizes: list[int], room: int) -> None:
    taking = Taking(room=0)
    records = [of(size, b"%d" % at, b"%d" % at) for at, size in enumerate(sizes)]
    assert not any(taking.take_room(record) for record in records)
    fits = taking.measured(room, {})
    assert sum(record.size for record in records if record.path in fits) <= room
    assert all(taking.take_room(record) for record in records if record.path in fits)
    left = taking.measured(10**6, {})
    assert sorted([*fits, *left]) == sorted(record.path for record in records)
    assert not taking.waiting


@pytest.mark.parametrize(
    ("text", "disk", "keeps"), [("5%", 1_000, 50), ("0", 1_000, 0), ("2k", 1_000, 2_000), ("1.5G", 1, 1_500_000_000)]
)
def test_what_stays_free(text: str, disk: int, keeps: int) -> None:
    assert checked_keep(text).of(disk) == keeps


@pytest.mark.parametrize("text", ["", "%", "100%", "-1%", "5 %", "x", "5%%", "1.5%"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ConfigError, match="is not"):
        checked_keep(text)
