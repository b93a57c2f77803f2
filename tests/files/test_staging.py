"""The staging folder: only what is ours and not needed goes."""

from __future__ import annotations

import pytest

from dir_sync.core.names import NEW, PART, STAGING
from dir_sync.files.staging import Staging
from dir_sync.ports import Trouble
from tests.sim.memory_disk import MemoryDisk


@pytest.fixture
def staging(disk: MemoryDisk) -> Staging:
    disk.mkdir(STAGING)
    return Staging(disk, b"t")


def test_no_name_is_given_twice(staging: Staging) -> None:
    names = [staging.new_name(NEW) for _ in range(3)] + [STAGING + b"/" + part for part in staging.last_parts(NEW, 3)]
    assert len(set(names)) == 6
    assert all(name.startswith(STAGING + b"/" + NEW) for name in names)


def test_a_sweep_takes_only_downloads_that_nobody_wants(disk: MemoryDisk, staging: Staging) -> None:
    for name in (b"part-a", b"part-b", b"new-t-9", b"swap-t-9"):
        disk.write(STAGING + b"/" + name, b"x")
    staging.sweep(frozenset((STAGING + b"/" + PART + b"b",)))
    assert sorted(disk.names(STAGING)) == [b"new-t-9", b"part-b", b"swap-t-9"]


def test_a_staging_file_that_was_not_installed_gets_its_name_again(disk: MemoryDisk, staging: Staging) -> None:
    made, part = staging.new_name(NEW), STAGING + b"/part-a"
    disk.write(made, b"x")
    stat = disk.stat(made)
    assert stat is not None
    staging.release(part, made, stat.inode)
    assert (disk.content(part), disk.content(made)) == (b"x", None)
    staging.release(None, part, stat.inode)
    assert disk.names(STAGING) == []


def test_what_is_not_the_file_that_we_made_stays(disk: MemoryDisk, staging: Staging) -> None:
    """Whatever came out of an exchange may be a user's."""
    made = staging.new_name(NEW)
    disk.write(made, b"a user's")
    stat = disk.stat(made)
    assert stat is not None
    staging.release(None, made, stat.inode + 1)
    staging.release(STAGING + b"/part-a", made, stat.inode + 1)
    assert disk.content(made) == b"a user's"


def test_what_cannot_be_removed_now_is_left_for_the_next_start(disk: MemoryDisk, staging: Staging) -> None:
    names = [staging.new_name(NEW) for _ in range(3)]
    for name in names:
        disk.write(name, b"x")
    disk.fail = lambda verb, path: Trouble.IO if path == names[0] else None
    staging.discard(tuple(names))
    disk.fail = None
    assert [disk.content(name) for name in names] == [b"x", None, None]
