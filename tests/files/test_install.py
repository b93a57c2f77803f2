"""Installing: what users write meanwhile is kept."""

from __future__ import annotations

import time
from random import Random

import pytest
from blake3 import blake3

from dir_sync.core.jobs import ApplyItem, Cause, Naming, Result, TreeOp
from dir_sync.core.model import Kind, Stat, fingerprint
from dir_sync.core.names import STAGING
from dir_sync.ports import Trouble
from tests.files.tools import MTIME, apply, change, file_sync, kept, move, record, watched
from tests.sim.memory_disk import MemoryDisk


@pytest.mark.parametrize("trouble", [False, True])
def test_what_was_written_into_ours_while_it_had_the_name_is_kept(trouble: bool) -> None:
    """The exchange brought out a save that nobody has seen. Before it is put back, its user saves again: into our file,
    as long as it was, within one tick of the clock."""
    now = MTIME // 10**10 * 10**10
    disk = MemoryDisk(lambda: now, Random(1), grain_ns=2 * 10**9)
    sync = file_sync(disk)
    disk.write(b"file", b"old")

    def before(verb: str, path: bytes) -> None:
        if verb == "exchange" and path == b"file":
            data = b"save" if disk.counts["exchange"] == 1 else b"six by"
            disk.write(path, data, replace=False)

    def fail(verb: str, path: bytes) -> Trouble | None:
        looks_again = verb == "stat" and b"/swap-" in path and disk.counts["exchange"] == 2
        if trouble and looks_again:
            disk.fail = None
            return Trouble.LIMIT
        return None

    item = change(disk, b"file", b"sixsix")
    item = item._replace(target=item.target._replace(mtime=now))
    disk.before, disk.fail = before, fail
    (result,) = apply(sync, item)
    assert result.result == (Result.PROBLEM if trouble else Result.CHANGED)
    assert disk.content(b"file") == b"save"
    assert kept(disk) == [b"six by"]
    assert disk.list(STAGING) == []


def test_what_is_replaced_is_named_first() -> None:
    """So whoever watches the folder hears last that the name is there."""
    disk = watched()
    disk.write(b"file", b"old")
    disk.write(b"source", b"moved")
    sync = file_sync(disk)
    apply(sync, change(disk, b"file", b"new"))
    source = disk.stat(b"source")
    assert source is not None
    item = move(disk, b"file", b"moved", b"source", source)
    apply(sync, item)
    assert disk.content(b"file") == b"moved"
    assert [mine for mine, _ in disk.exchanges] == [b"file", b"file"]


def alike(disk: MemoryDisk, path: bytes, data: bytes) -> None:
    """cp -p: a file as large as what is there, with the time of what is there, in its place."""
    there = disk.stat(path)
    assert there is not None
    assert there.size == len(data)
    disk.write(path, data, there.mtime)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("new", [b"new", b"old!, and more", None])
def test_what_is_as_large_and_as_old_as_what_was_there_is_not_replaced(
    disk: MemoryDisk, new: bytes | None, known: bool
) -> None:
    """A program writes it between the last look and the rename. Its ctime would tell, and the rename changes that.
    (`known`: without it, what comes out cannot be compared.)"""
    sync = file_sync(disk)
    disk.write(b"file", b"old!")

    def before(verb: str, path: bytes) -> None:
        if verb in ("exchange", "rename") and path == b"file" and disk.content(b"file") == b"old!":
            alike(disk, b"file", b"mine")

    item = change(disk, b"file", new)._replace(known=blake3(b"old!").digest() if known else b"")
    disk.before = before
    (result,) = apply(sync, item)
    assert result.result is (Result.CHANGED if known else Result.DONE)
    assert disk.content(b"file") == (b"mine" if known else new)
    assert kept(disk) == ([] if known else [b"mine"])
    assert disk.list(STAGING) == []


def test_what_cannot_be_read_any_more_is_replaced(disk: MemoryDisk) -> None:
    """A bad sector. The look before has read it."""
    sync = file_sync(disk)
    disk.write(b"file", b"old")
    item = change(disk, b"file", None)._replace(known=blake3(b"old").digest())

    def fail(verb: str, path: bytes) -> Trouble | None:
        return Trouble.IO if verb == "open" and b"/old-" in path else None

    disk.fail = fail
    (result,) = apply(sync, item)
    assert disk.counts["open"]
    assert result.result is Result.DONE
    assert kept(disk) == [b"old"]
    assert result.is_unread


@pytest.mark.parametrize("new", [b"new", None])
@pytest.mark.parametrize("sync_fails", [False, True])
@pytest.mark.parametrize("is_readable", [False, True])
def test_of_what_cannot_be_read_nobody_says_what_it_is(
    disk: MemoryDisk, new: bytes | None, is_readable: bool, sync_fails: bool
) -> None:
    """A program wrote as many bytes with the old time, and then it could not be read when it came out of the tree."""
    sync = file_sync(disk)
    disk.write(b"file", b"old!")
    item = change(disk, b"file", new)._replace(known=blake3(b"old!").digest())

    def before(verb: str, path: bytes) -> None:
        is_last_moment = verb in ("exchange", "rename") and path == b"file" and disk.content(path) == b"old!"
        if is_last_moment and not is_readable:
            alike(disk, b"file", b"mine")
            inode = disk._find(b"file")
            assert inode is not None
            disk.unreadable.add(inode.number)

    disk.before = before
    disk.fail = lambda verb, path: Trouble.IO if sync_fails and verb == "sync_directory" and not path else None
    (result,) = apply(sync, item)
    assert result.result is (Result.PROBLEM if sync_fails else Result.DONE)
    assert result.version is not None
    assert result.is_unread is not is_readable
    assert disk.content(result.version.name) == (b"old!" if is_readable else b"mine")


@pytest.mark.parametrize("is_readable", [False, True])
def test_a_file_that_should_become_a_name_of_another_is_kept_if_it_cannot_be_read(
    disk: MemoryDisk, is_readable: bool
) -> None:
    """A file with the same content needs no version. What cannot be read may have any content."""
    sync = file_sync(disk)
    disk.write(b"file", b"same")
    disk.write(b"other", b"same")
    there, other = disk.stat(b"file"), disk._find(b"file")
    assert there is not None
    assert other is not None
    source = disk.stat(b"other")
    assert source is not None
    item = change(disk, b"file", b"same")
    item = item._replace(data=None, copy_path=b"other", copy_fp=fingerprint(source), naming=Naming.JOIN)
    item = item._replace(known=item.target.content)

    def before(verb: str, path: bytes) -> None:
        if verb == "exchange" and path == b"file" and not is_readable:
            alike(disk, b"file", b"mine")
            disk.unreadable.add(other.number)

    disk.before = before
    (result,) = apply(sync, item)
    assert result.result is Result.DONE
    assert disk.content(b"file") == b"same"
    assert kept(disk) == ([] if is_readable else [b"mine"])
    assert result.is_unread is not is_readable


def test_a_file_that_became_a_name_of_another_is_kept_if_that_was_written_meanwhile(disk: MemoryDisk) -> None:
    """Its own content would be gone: it shows what a program wrote to the other one."""
    sync = file_sync(disk)
    disk.write(b"file", b"same")
    disk.write(b"other", b"same")
    source = disk.stat(b"other")
    assert source is not None
    item = change(disk, b"file", b"same")._replace(data=None, copy_path=b"other", copy_fp=fingerprint(source))
    item = item._replace(naming=Naming.JOIN, known=item.target.content)

    def before(verb: str, path: bytes) -> None:
        if verb == "exchange" and path == b"file":
            disk.write(b"other", b"edit")

    disk.before = before
    apply(sync, item)
    assert disk.content(b"file") == b"edit"
    assert kept(disk) == [b"same"]


@pytest.mark.parametrize(("trouble", "times"), [(Trouble.LIMIT, 2), (Trouble.IO, 1), (Trouble.LIMIT, 1)])
def test_what_cannot_be_read_for_a_moment_is_not_taken_for_known(
    disk: MemoryDisk, trouble: Trouble, times: int
) -> None:
    """A program saved as many bytes with the old time; to see that, the file has to be read again."""
    sync = file_sync(disk)
    disk.write(b"file", b"new")
    item = change(disk, b"file", None)._replace(known=blake3(b"old").digest())
    left = [trouble] * times

    def fail(verb: str, path: bytes) -> Trouble | None:
        return left.pop() if left and verb == "open" and b"/old-" in path else None

    disk.fail = fail
    (result,) = apply(sync, item)
    assert not left
    assert result.result is Result.CHANGED
    assert disk.content(b"file") == b"new"
    assert kept(disk) == []


class NoModes(MemoryDisk):
    """A file system that has no modes."""

    def stat(self, path: bytes) -> Stat | None:
        found = super().stat(path)
        return None if found is None else found._replace(mode=0o755)


def new_folder(mode: int) -> ApplyItem:
    target = record(b"folder", None)._replace(kind=Kind.DIRECTORY, mode=mode)
    return ApplyItem(b"folder", TreeOp.INSTALL, target, b"", Cause.REPLACED)


def test_who_changes_the_mode_of_a_folder_as_it_is_made_is_seen_by_the_next_look() -> None:
    disk = MemoryDisk(time.time_ns, Random(1))
    sync = file_sync(disk)

    def before(verb: str, path: bytes) -> None:
        if verb == "stat" and path == b"folder" and disk.counts["make_directory"]:
            disk.before = None
            disk.chmod(b"folder", 0o600)

    disk.counts.clear()
    disk.before = before
    (result,) = apply(sync, new_folder(0o700))
    stat = disk.stat(b"folder")
    assert stat is not None
    assert stat.mode == 0o600
    assert result.result == Result.DONE
    assert result.fp == fingerprint(stat._replace(mode=0o700))
    assert disk.list(STAGING) == []


def test_a_mode_that_the_disk_does_not_have_is_nobodys_change() -> None:
    disk = NoModes(time.time_ns, Random(1))
    sync = file_sync(disk)
    (result,) = apply(sync, new_folder(0o700))
    stat = disk.stat(b"folder")
    assert stat is not None
    assert (result.result, result.fp) == (Result.DONE, fingerprint(stat))
    assert disk.list(STAGING) == []


@pytest.mark.parametrize("with_what", ["file", "nothing"])
def test_a_new_folder_that_is_replaced_at_once_is_none(with_what: str) -> None:
    """Otherwise what is there would count as ours, and nobody would ever be told of it."""
    disk = MemoryDisk(time.time_ns, Random(1))
    sync = file_sync(disk)

    def before(verb: str, path: bytes) -> None:
        if verb == "stat" and path == b"folder" and disk.counts["make_directory"]:
            disk.before = None
            disk.delete(b"folder")
            if with_what == "file":
                disk.write(b"folder", b"a user's")

    disk.counts.clear()
    disk.before = before
    (result,) = apply(sync, new_folder(0o700))
    assert result.result == Result.CHANGED
    assert disk.content(b"folder") == (b"a user's" if with_what == "file" else None)
