"""A batch of changes: what is prepared, synced, and used again if it was not installed."""

from __future__ import annotations

import pytest

from dir_sync.core.jobs import Result
from dir_sync.core.model import Kind
from dir_sync.core.names import STAGING
from dir_sync.ports import Trouble
from tests.files.tools import apply, change, file_sync
from tests.sim.memory_disk import MemoryDisk


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.SYMLINK])
def test_what_cannot_get_its_times_does_not_stay_half_made(disk: MemoryDisk, kind: Kind) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"data")
    item = change(disk, b"new", b"data")
    if kind is Kind.FILE:
        item = item._replace(data=None, copy_path=b"file")
    else:
        item = item._replace(data=None, target=item.target._replace(kind=kind, content=b"x", size=0))
    disk.fail = lambda verb, path: Trouble.IO if verb.endswith("set_meta") else None
    (result,) = apply(sync, item)
    assert result.result == Result.PROBLEM
    assert disk.list(STAGING) == []


def test_what_could_not_be_synced_is_not_used_again(disk: MemoryDisk) -> None:
    """The next sync of the same file would say that all is well."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    staged = STAGING + b"/part-1"
    disk.write(staged, b"new")
    disk.fail = lambda verb, path: Trouble.IO if verb == "file.sync" else None
    item = change(disk, b"file", b"new")._replace(data=None, staged=staged)
    (result,) = apply(sync, item)
    disk.fail = None
    assert result.result == Result.PROBLEM
    assert disk.content(b"file") == b"old"
    assert disk.list(STAGING) == []


def test_what_could_not_take_its_place_is_used_again(disk: MemoryDisk) -> None:
    """Also if nobody may write into it: it is opened once more all the same. And if it went, that is no change of a user's."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    staged = STAGING + b"/part-1"
    disk.write(staged, b"new")
    item = change(disk, b"file", b"new")
    item = item._replace(data=None, staged=staged, target=item.target._replace(mode=0o444))
    disk.fail = lambda verb, path: Trouble.DENIED if verb == "exchange" else None
    (result,) = apply(sync, item)
    assert result.result == Result.PROBLEM
    disk.fail = None
    there = disk.stat(staged)
    assert there is not None
    assert there.mode == 0o600
    disk.delete(staged)
    (result,) = apply(sync, item)
    assert result.result == Result.MISSING
    disk.write(staged, b"new")
    (result,) = apply(sync, item)
    assert result.result == Result.DONE
    assert disk.stat(b"file").mode == 0o444  # type: ignore[union-attr]
    assert disk.list(STAGING) == []
