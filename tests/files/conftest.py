"""A disk in memory."""

from __future__ import annotations

import time
from random import Random

import pytest

from tests.sim.memory_disk import MemoryDisk


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk(time.time_ns, Random(1))
