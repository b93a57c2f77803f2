"""What the last run displaced and did not record is listed at the start, also if that start is killed."""

from __future__ import annotations

import time
from random import Random

import pytest

from dir_sync.core.names import STAGING
from dir_sync.folder.state import AT_REST
from dir_sync.history.recovering import recover_history
from dir_sync.index import Index
from tests.ends import closed_at_end
from tests.files.tools import file_sync
from tests.sim.memory_disk import MemoryDisk


@pytest.mark.parametrize("at_rest", [0, 1])
def test_a_start_that_is_killed_leaves_word_that_the_history_holds_more(at_rest: int) -> None:
    """It has put something into the history, and its index has noted nothing."""
    disk = MemoryDisk(time.time_ns, Random(1))
    sync = file_sync(disk)
    disk.write(STAGING + b"/swap-1", b"a user's")
    index = closed_at_end(Index(":memory:", Random(1)))
    index.notes.put(AT_REST, at_rest)
    index.commit()
    (version,) = recover_history(index, sync)
    assert list(index.versions.oldest_first()) == [version]
    killed = closed_at_end(Index(":memory:", Random(1), index.image()))
    assert list(killed.versions.oldest_first()) == [], "it was not committed"
    (again,) = recover_history(killed, sync)
    assert again.name == version.name
    assert list(killed.versions.oldest_first()) == [again]
