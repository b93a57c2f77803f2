"""Modes and times are set only on what we know."""

from __future__ import annotations

import time
from random import Random

import pytest
from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.jobs import ApplyItem, Cause, Result, TreeOp
from dir_sync.core.model import Kind, Record, Stamp, fingerprint
from dir_sync.core.names import STAGING
from dir_sync.core.preserve import ON_ENTRIES
from dir_sync.files.fingerprints import RACY
from dir_sync.ports import Trouble
from tests.files.tools import MTIME, apply, change, file_sync, kept, move
from tests.sim.memory_disk import MemoryDisk
from tests.sim.memory_tree import OWNER


@pytest.mark.parametrize("change_meta", ["touch", "chmod"])
def test_whoever_touches_a_file_while_its_times_are_set_is_not_taken_for_ourselves(
    disk: MemoryDisk, change_meta: str
) -> None:
    sync = file_sync(disk)
    disk.write(b"file", b"data")

    def before(verb: str, path: bytes) -> None:
        if verb == "stat" and path == b"file" and disk.counts["set_meta"]:
            disk.before = None
            if change_meta == "touch":
                disk.touch(b"file")
            else:
                disk.chmod(b"file", 0o600)

    item = change(disk, b"file", b"data")._replace(act=TreeOp.META, data=None)
    disk.before = before
    (result,) = apply(sync, item)
    assert disk.before is None
    assert result.result == Result.CHANGED
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("seed", range(8))
def test_the_time_that_a_written_file_got_is_still_there_after_a_power_cut(seed: int) -> None:
    """The next look has recorded it with what the user wrote. Otherwise the file would seem to be touched once more."""
    disk = MemoryDisk(time.time_ns, Random(seed))
    sync = file_sync(disk)
    disk.write(b"file", b"data")
    item = change(disk, b"file", b"data")._replace(act=TreeOp.META, data=None)
    disk.settle()

    def before(verb: str, path: bytes) -> None:
        if (verb, path) == ("set_meta", b"file"):
            disk.write(b"file", b"a user's")
            disk.settle()  # users sync what they save

    disk.before = before
    (result,) = apply(sync, item)
    disk.before = None
    assert result.result is Result.CHANGED
    found = disk.stat(b"file")
    assert found is not None
    assert found.mtime == item.target.mtime
    disk.crash()
    assert disk.stat(b"file") == found


@pytest.mark.parametrize("moment", ["set_meta", "stat"])
def test_a_chmod_of_a_folder_while_its_time_is_set_is_seen(disk: MemoryDisk, moment: str) -> None:
    """Its fingerprint says the mode and nothing else: what was accepted with it would never be found again."""
    sync = file_sync(disk)
    disk.make_directory(b"folder", 0o755)
    there = disk.stat(b"folder")
    assert there is not None

    def before(verb: str, path: bytes) -> None:
        if (verb, path) == (moment, b"folder") and (moment == "set_meta" or disk.counts["set_meta"]):
            disk.before = None
            disk.chmod(b"folder", 0o700)

    record = Record(b"folder", Kind.DIRECTORY, 0, b"", MTIME, 0o755, Stamp(MTIME, "peer"), (("peer", 1),))
    disk.before = before
    (result,) = apply(sync, ApplyItem(b"folder", TreeOp.META, record, fingerprint(there), Cause.REPLACED, mtime=MTIME))
    assert disk.before is None
    assert result.result is Result.CHANGED


@pytest.mark.parametrize("verb", ["set_meta", "set_attributes"])
@pytest.mark.parametrize(("size", "copies_time"), [(4, False), (4, True), (limits.MIB + 1, False)])
def test_a_write_while_only_attributes_are_set_is_seen(
    disk: MemoryDisk, size: int, verb: str, copies_time: bool
) -> None:
    """`copies_time`: by cp -p, for which only a small file is read again."""
    disk.kept_parts = ON_ENTRIES
    sync = file_sync(disk)
    disk.write(b"file", b"a" * size, MTIME)
    written: list[int] = []

    def before(at: str, path: bytes) -> None:
        if (at, path) == (verb, b"file"):
            disk.before = None
            disk.write(b"file", b"b" * size, MTIME if copies_time else None)
            written.append(disk.tree()[b"file"][3])

    item = change(disk, b"file", b"a" * size)._replace(act=TreeOp.META, data=None)
    wanted = Attributes(None, None, ((b"user.a", b"1"),))
    disk.before = before
    (result,) = apply(sync, item._replace(target=item.target._replace(attributes=wanted)))
    now = disk.stat(b"file")
    assert now is not None
    assert [now.mtime] == written, "the user's time stays"
    if copies_time:
        assert result.fp.endswith(RACY), "the content is read again"
    else:
        assert result.result is Result.CHANGED


def test_a_large_file_that_gets_only_attributes_is_not_read_again(disk: MemoryDisk) -> None:
    disk.kept_parts = ON_ENTRIES
    sync = file_sync(disk)
    data = b"a" * (limits.MIB + 1)
    disk.write(b"file", data, MTIME)
    item = change(disk, b"file", data)._replace(act=TreeOp.META, data=None)
    wanted = Attributes(OWNER, ((), ()), ((b"user.a", b"1"),))
    (result,) = apply(sync, item._replace(target=item.target._replace(attributes=wanted)))
    now = disk.stat(b"file")
    assert now is not None
    assert (result.result, result.fp) == (Result.DONE, fingerprint(now))


def test_times_that_the_file_system_cannot_hold_are_nobodys_touch() -> None:
    disk = MemoryDisk(time.time_ns, Random(1), mtimes=(MTIME + 1, MTIME + 2))
    sync = file_sync(disk)
    disk.write(b"file", b"data", MTIME + 2)
    (result,) = apply(sync, change(disk, b"file", b"data")._replace(act=TreeOp.META, data=None))
    assert result.result == Result.DONE
    assert disk.stat(b"file").mtime == MTIME + 1  # type: ignore[union-attr]
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("fails", [False, True])
def test_another_users_file_that_a_copy_of_ours_replaces_is_kept_as_what_it_is(disk: MemoryDisk, fails: bool) -> None:
    """`fails`: what comes after that."""
    sync = file_sync(disk)
    disk.write(b"file", b"data")
    disk.others.add(disk.stat(b"file").inode)  # type: ignore[union-attr]
    item = change(disk, b"file", b"data")._replace(act=TreeOp.META, data=None)
    disk.fail = lambda verb, path: Trouble.IO if fails and verb == "sync_directory" and not path else None
    (result,) = apply(sync, item)
    disk.fail = None
    assert result.result == (Result.PROBLEM if fails else Result.DONE)
    assert result.version is not None
    assert result.version.content == blake3(b"data").digest()


def test_another_users_file_that_is_as_it_should_be_stays(disk: MemoryDisk) -> None:
    """Also at a node that takes no changes: this one is made only to make the name durable."""
    sync = file_sync(disk)
    disk.write(b"file", b"data", MTIME)
    there = disk.stat(b"file")
    assert there is not None
    disk.others.add(there.inode)
    item = change(disk, b"file", b"data")._replace(act=TreeOp.META, data=None)
    item = item._replace(target=item.target._replace(mode=there.mode, mtime=there.mtime))
    (result,) = apply(sync, item)
    assert (result.result, result.version) == (Result.DONE, None)
    assert disk.stat(b"file") == there


@pytest.mark.parametrize("step", range(40))
def test_a_change_that_fails_anywhere_reports_what_is_in_the_history(disk: MemoryDisk, step: int) -> None:
    """Of another user's file, which a copy of ours replaces."""
    sync = file_sync(disk)
    disk.write(b"file", b"data")
    disk.others.add(disk.stat(b"file").inode)  # type: ignore[union-attr]
    item = change(disk, b"file", b"data")._replace(act=TreeOp.META, data=None)
    steps = 0

    def fail(verb: str, path: bytes) -> Trouble | None:
        nonlocal steps
        steps += 1
        return Trouble.LIMIT if steps == step + 1 else None

    disk.fail = fail
    (result,) = apply(sync, item)
    disk.fail = None
    assert kept(disk) == ([] if result.version is None else [b"data"])
    if result.version is not None:
        assert result.version.content == blake3(b"data").digest()


@pytest.mark.parametrize("there", [b"old", None])
def test_another_users_file_that_is_moved_is_kept_as_what_it_is(disk: MemoryDisk, there: bytes | None) -> None:
    """If something was at its new name, its content is copied instead."""
    sync = file_sync(disk)
    if there is not None:
        disk.write(b"file", there)
    disk.write(b"source", b"data")
    source = disk.stat(b"source")
    assert source is not None
    disk.others.add(source.inode)
    (result,) = apply(sync, move(disk, b"file", b"data", b"source", source))
    if there is None:
        assert result.version is not None
        assert result.version.content == blake3(b"data").digest()
    else:
        assert result.result == Result.MISSING


def test_a_folder_that_takes_the_place_of_another_one_meanwhile_is_not_taken_for_it(disk: MemoryDisk) -> None:
    sync = file_sync(disk)
    disk.mkdir(b"folder")
    disk.mkdir(b"other")
    disk.write(b"other/file", b"not listed")
    there = disk.stat(b"folder")
    assert there is not None

    def before(verb: str, path: bytes) -> None:
        if verb == "set_meta":
            disk.before = None
            disk.delete(b"folder")
            disk.move(b"other", b"folder")

    target = Record(b"folder", Kind.DIRECTORY, 0, b"", MTIME, 0o700, Stamp(MTIME, "peer"), (("peer", 1),))
    disk.before = before
    (result,) = apply(
        sync, ApplyItem(b"folder", TreeOp.META, target, fingerprint(there), Cause.REPLACED, None, mode=0o700)
    )
    assert disk.before is None
    assert result.result is Result.CHANGED
