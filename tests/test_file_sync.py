"""FileSync gives each job to its room, and lets go of what is open."""

from __future__ import annotations

import time
from random import Random

import pytest
from blake3 import blake3

from dir_sync.core.jobs import DiscardJob, Staged, StageJob, SweepJob
from dir_sync.core.names import HISTORY, STAGING, STATE, part_name
from tests.files.tools import file_sync
from tests.sim.memory_disk import MemoryDisk

CONTENT = b"content of some length"
NAME = part_name(blake3(CONTENT).digest())


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk(time.time_ns, Random(1))


def begin(token: int) -> StageJob:
    return StageJob(token, NAME, ((0, CONTENT[:7]),), len(CONTENT), blake3(CONTENT).digest())


def test_it_makes_its_folders_and_names_what_an_earlier_run_left(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    assert [disk.stat(path) is not None for path in (STATE, STAGING, HISTORY)] == [True] * 3
    disk.write(STAGING + b"/part-b", b"x")
    disk.write(STAGING + b"/part-a", b"x")
    assert sync.prepare() == [b"part-a", b"part-b"]


def test_a_discarded_download_is_closed_and_removed(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    assert sync.perform(begin(1)) == Staged(1, 7, False)
    assert sync.perform(DiscardJob((NAME,), tokens=(1,))) is None
    assert disk.content(NAME) is None
    assert sync.perform(begin(1)) == Staged(1, 7, False), "the token begins anew"
    sync.close()


def test_a_download_survives_the_end_of_the_program_and_a_sweep_that_wants_it(disk: MemoryDisk) -> None:
    first = file_sync(disk)
    first.perform(begin(1))
    first.close()
    again = file_sync(disk)
    assert again.recover(again.prepare(), lambda digest: None) == []
    again.perform(SweepJob(frozenset((NAME,))))
    rest = StageJob(2, NAME, ((7, CONTENT[7:]),), len(CONTENT), blake3(CONTENT).digest())
    assert again.perform(rest) == Staged(2, len(CONTENT), True)
    again.perform(SweepJob(frozenset()))
    assert disk.content(NAME) is None
