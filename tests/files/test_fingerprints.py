"""Fingerprints of what we installed: racy where a later write might leave the same times behind."""

from __future__ import annotations

import time
from random import Random

import pytest

from dir_sync.core.model import fingerprint
from dir_sync.core.names import HISTORY
from dir_sync.files.fingerprints import RACY, Fingerprints, is_same, is_still_as
from tests.sim.memory_disk import MemoryDisk

SECOND = 1_000_000_000


def test_what_somebody_touched_after_the_rename_has_the_fingerprint_of_what_we_made(disk: MemoryDisk) -> None:
    disk.write(b"file", b"data")
    ready = disk.stat(b"file")
    assert ready is not None
    prints = Fingerprints(disk, time.time_ns)
    assert prints.after_rename(b"file", ready) == fingerprint(ready)
    disk.write(b"file", b"longer data")
    assert prints.after_rename(b"file", ready) == fingerprint(ready), "the next look finds the difference"


@pytest.mark.parametrize(
    ("grain", "later", "is_racy"), [(0, 0, False), (SECOND // 100, 0, True), (SECOND // 100, SECOND, False)]
)
@pytest.mark.parametrize("age", [0, 30 * 86_400 * SECOND])
def test_a_fingerprint_within_the_grain_of_the_clock_is_racy(grain: int, later: int, is_racy: bool, age: int) -> None:
    """Also that of a file with an old time: a user may copy another one onto it, together with the same old time."""
    now = 1_700_000_000 * SECOND
    disk = MemoryDisk(lambda: now, Random(1))
    disk.grain_ns = grain
    disk.write(b"file", b"data", now - age)
    stat = disk.stat(b"file")
    assert stat is not None
    found = Fingerprints(disk, lambda: now + later).aged(stat)
    assert found == fingerprint(stat) + (RACY if is_racy else b"")


def test_a_time_that_no_other_file_has_is_not_racy_where_only_the_tick_rounds() -> None:
    now = 1_700_000_000 * SECOND
    disk = MemoryDisk(lambda: now, Random(1))
    disk.write(b"file", b"data", now - 123_456_789)
    stat = disk.stat(b"file")
    assert stat is not None
    disk.grain_ns = SECOND // 50
    assert Fingerprints(disk, lambda: now).aged(stat) == fingerprint(stat)


def test_a_rename_makes_nothing_another_file(disk: MemoryDisk) -> None:
    disk.write(b"file", b"data")
    before = disk.stat(b"file")
    assert before is not None
    disk.mkdir(HISTORY)
    disk.rename(b"file", HISTORY + b"/x")
    after = disk.stat(HISTORY + b"/x")
    assert after is not None
    assert is_same(after, before)
    assert not is_same(after._replace(size=5), before)
    assert not is_same(after._replace(inode=after.inode + 1), before)
    other = fingerprint(after._replace(ctime=before.ctime + 1))
    assert is_still_as(other, fingerprint(before), HISTORY + b"/x"), "going there changed its ctime"
    assert not is_still_as(other, fingerprint(before), b"elsewhere")
