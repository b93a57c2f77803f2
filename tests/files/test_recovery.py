"""The next start: what the last run left in the staging folder."""

from __future__ import annotations

from blake3 import blake3

from dir_sync.core.names import STAGING
from tests.files.tools import file_sync
from tests.sim.memory_disk import MemoryDisk


def test_what_is_recovered_is_listed_under_the_path_that_it_had(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.write(STAGING + b"/swap-old-1", b"displaced")
    paths = {blake3(b"displaced").digest(): b"folder/file"}
    (version,) = sync.recover(sync.prepare(), lambda digest: None, lambda digest, base: paths[digest])
    assert version.path == b"folder/file"
    assert version.name.endswith(b"-file")
