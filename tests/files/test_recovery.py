"""The next start: what the last run left in the staging folder."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core.names import STAGING
from dir_sync.ports import Trouble
from tests.files.tools import file_sync, kept
from tests.sim.memory_disk import MemoryDisk


def test_what_is_recovered_is_listed_under_the_path_that_it_had(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.write(STAGING + b"/swap-old-1", b"displaced")
    paths = {blake3(b"displaced").digest(): b"folder/file"}
    (version,) = sync.recover(sync.prepare(), lambda digest: None, lambda digest, base: paths[digest])
    assert version.path == b"folder/file"
    assert version.name.endswith(b"-file")


def test_what_is_recovered_is_listed_also_if_the_disk_cannot_be_synced(disk: MemoryDisk) -> None:
    """It is in the history, and no later start looks there if this run ends well."""
    sync = file_sync(disk)
    disk.write(STAGING + b"/swap-old-1", b"displaced")
    disk.fail = lambda verb, path: Trouble.IO if verb == "sync_all" else None
    (version,) = sync.recover(sync.prepare(), lambda digest: None)
    assert disk.content(version.name) == b"displaced"


@pytest.mark.parametrize("verb", ["append", "remove_file"])
def test_what_was_kept_of_a_growing_file_is_listed_whatever_fails_next(disk: MemoryDisk, verb: str) -> None:
    """The file cannot be cut back, or its note cannot be removed."""
    sync = file_sync(disk)
    disk.write(b"f", b"12345 and mine", 77)
    was, will = blake3(b"12345").hexdigest().encode(), blake3(b"1234567890").hexdigest().encode()
    disk.make_link(STAGING + b"/grow-1", b"5 420 5 10 420 6 %s %s f" % (was, will))
    disk.fail = lambda asked, path: Trouble.IO if asked == verb and path in (b"f", STAGING + b"/grow-1") else None
    (version,) = sync.recover(sync.prepare(), lambda digest: None)
    assert version.path == b"f"
    assert disk.content(version.name) == b"12345 and mine"
    assert kept(disk) == [b"12345 and mine"]
