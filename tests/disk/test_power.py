"""The disk in memory: power cuts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dir_sync.core.model import NS_PER_S, Kind, Stat
from dir_sync.ports import Trouble
from tests.disk.worlds import (
    T0,
    memory,
    trouble,
)
from tests.sim.memory_disk import MemoryDisk, MemoryFile


def _crashes(story: Callable[[MemoryDisk], None], seeds: int = 300, **options: Any) -> list[MemoryDisk]:
    disks = []
    for seed in range(seeds):
        disk = memory(seed, **options)
        story(disk)
        disk.crash()
        disks.append(disk)
    return disks


def _install(disk: MemoryDisk) -> None:
    """A file is staged, synced, renamed into place, and its folder synced."""
    disk.mkdir(b"staging")
    writer = disk.create(b"staging/x")
    writer.write(0, b"content")
    writer.sync()
    writer.close()
    disk.rename(b"staging/x", b"x")
    disk.sync_directory(b"")


def test_what_was_synced_is_never_lost() -> None:
    for disk in _crashes(_install, 100):
        assert disk.content(b"x") == b"content"
        assert disk.content(b"staging/x") is None

    def all_at_once(disk: MemoryDisk) -> None:
        for number in range(5):
            disk.write(b"%d" % number, b"content")
        disk.sync_all()

    for disk in _crashes(all_at_once, 50):
        assert [disk.content(b"%d" % number) for number in range(5)] == [b"content"] * 5


def test_an_fsync_keeps_the_name_of_its_file() -> None:
    def story(disk: MemoryDisk) -> None:
        disk.mkdir(b"folder")
        writer = disk.create(b"folder/x")
        writer.write(0, b"content")
        writer.sync()

    assert all(disk.content(b"folder/x") == b"content" for disk in _crashes(story, 50))


def test_a_rename_that_was_not_synced_is_whole_or_not_at_all() -> None:
    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"old")
        disk.write(b"new", b"new")
        disk.sync_all()
        disk.exchange(b"new", b"x")
        disk.rename(b"new", b"kept")

    ends = {(disk.content(b"x"), disk.content(b"new"), disk.content(b"kept")) for disk in _crashes(story)}
    assert ends == {(b"old", b"new", None), (b"new", b"old", None), (b"new", None, b"old")}


def test_a_rename_without_a_sync_of_the_content_may_leave_it_empty() -> None:
    """What was measured on ext4: the new name is there, and nothing in it."""

    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"old")
        disk.sync_all()
        disk.write(b"new", b"content")
        disk.move(b"new", b"x")

    ends = {disk.content(b"x") for disk in _crashes(story)}
    assert {b"old", b"", b"content"} <= ends
    assert all(end == b"old" or b"content".startswith(end or b"") for end in ends)


def test_content_that_was_not_synced() -> None:
    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"old")
        disk.sync_all()
        disk.write(b"x", b"new content")

    ends = {disk.content(b"x") for disk in _crashes(story)}
    assert {b"old", b"", b"new content", b"new"} <= ends
    assert all(end == b"old" or b"new content".startswith(end or b"") for end in ends)


def test_what_was_appended_is_lost_with_the_name_that_was_made_before() -> None:
    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"old")
        disk.sync_all()
        disk.make_link(b"note", b"it grows")
        writer = disk.append(b"x")
        writer.write(3, b" and new")
        writer.set_meta(0o644, 1)

    ends = {(disk.content(b"x"), disk.stat(b"note") is not None) for disk in _crashes(story)}
    assert {(b"old", False), (b"old", True), (b"old and new", True), (b"old and", True)} <= ends
    assert all(content == b"old" for content, is_noted in ends if not is_noted)


def test_what_was_cut_is_not_shorter_than_the_cut() -> None:
    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"old content")
        disk.sync_all()
        writer = disk.append(b"x")
        writer.truncate(3)

    assert {disk.content(b"x") for disk in _crashes(story)} == {b"old content", b"old"}

    def goes_on(disk: MemoryDisk) -> None:
        story(disk)
        disk.append(b"x").write(3, b" and new")

    ends = {disk.content(b"x") for disk in _crashes(goes_on)}
    assert {b"old content", b"old", b"old and", b"old and new"} <= ends
    assert all(end == b"old content" or (end or b"").startswith(b"old") for end in ends)


def test_what_was_cut_and_written_anew_may_be_empty() -> None:
    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"old content")
        disk.sync_all()
        writer = disk.append(b"x")
        writer.truncate(0)
        writer.write(0, b"old")

    assert {b"old content", b"", b"o", b"old"} <= {disk.content(b"x") for disk in _crashes(story)}


def _fails_to_sync(disk: MemoryDisk, writer: MemoryFile) -> None:
    disk.fail = lambda verb, path: Trouble.IO if verb == "file.sync" else None
    assert trouble(writer.sync) == Trouble.IO
    disk.fail = None


def _appends_in_vain(disk: MemoryDisk) -> MemoryFile:
    disk.write(b"x", b"old")
    disk.sync_all()
    writer = disk.append(b"x")
    writer.write(3, b" and lost")
    _fails_to_sync(disk, writer)
    return writer


def test_no_later_sync_makes_up_for_one_that_failed() -> None:
    def is_whole(story: Callable[[MemoryDisk], None], whole: bytes) -> bool:
        return all(disk.content(b"x") == whole for disk in _crashes(story))

    def again(disk: MemoryDisk) -> None:
        _appends_in_vain(disk).sync()

    def goes_on(disk: MemoryDisk) -> None:
        writer = _appends_in_vain(disk)
        writer.write(12, b" and new")
        writer.sync()

    def cuts_too_little(disk: MemoryDisk) -> None:
        writer = _appends_in_vain(disk)
        writer.truncate(7)
        writer.sync()

    assert not is_whole(again, b"old and lost")
    assert not is_whole(goes_on, b"old and lost and new")
    assert not is_whole(cuts_too_little, b"old and")


def test_what_a_sync_failed_to_write_may_be_cut_off() -> None:
    def story(disk: MemoryDisk) -> None:
        writer = _appends_in_vain(disk)
        writer.truncate(3)
        _fails_to_sync(disk, writer)  # with no byte to write
        writer.sync()
        writer.write(3, b" and new")
        writer.sync()

    assert {disk.content(b"x") for disk in _crashes(story)} == {b"old and new"}

    def is_saved_by_a_user(disk: MemoryDisk) -> None:
        _appends_in_vain(disk).close()
        disk.write(b"x", b"a user's")  # in place: the file is cut to nothing first
        disk.settle()

    assert {disk.content(b"x") for disk in _crashes(is_saved_by_a_user)} == {b"a user's"}


def test_changes_of_names_are_lost_only_from_the_end() -> None:
    def story(disk: MemoryDisk) -> None:
        for number in range(10):
            disk.mkdir(b"%d" % number)

    ends = {tuple(disk.tree()) for disk in _crashes(story)}
    assert ends == {tuple(b"%d" % number for number in range(count)) for count in range(11)}


def test_a_removed_tree_comes_back_whole_or_in_part() -> None:
    def story(disk: MemoryDisk) -> None:
        disk.mkdir(b"a/b")
        disk.write(b"a/b/x", b"x")
        disk.write(b"a/y", b"y")
        disk.sync_all()
        disk.delete(b"a")

    for disk in _crashes(story, 100):
        tree = disk.tree()
        assert tuple(tree) in {*((), (b"a",), (b"a", b"a/y"), (b"a", b"a/b", b"a/y"), (b"a", b"a/b", b"a/b/x", b"a/y"))}
        assert all(content[1] in (b"x", b"y", b"") for content in tree.values())
        for path in tree:
            stat = disk.stat(path)
            assert stat is not None
            assert stat.links == (1 if stat.kind == Kind.FILE else 2 + (b"a/b" in tree and path == b"a"))


@pytest.mark.parametrize("cruel", [False, True])
def test_lost_content_shows_in_a_stat_unless_the_disk_is_cruel(cruel: bool) -> None:
    old, new = [], []

    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"old")
        disk.sync_all()
        old.append(disk.stat(b"x"))
        disk.write(b"x", b"new")
        new.append(disk.stat(b"x"))

    disks = list(_crashes(story, cruel=cruel))
    hidden = [
        sum(disk.stat(b"x") == stat and disk.content(b"x") != content for disk, stat in zip(disks, stats, strict=True))
        for content, stats in ((b"old", old), (b"new", new))
    ]
    assert [bool(count) for count in hidden] == [cruel, cruel]


@pytest.mark.parametrize("cruel", [False, True])
@pytest.mark.parametrize("goes_on", [False, True])
def test_content_that_is_as_large_and_as_old_hides_nothing_unless_the_disk_is_cruel(goes_on: bool, cruel: bool) -> None:
    copied = []

    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"old", mtime=0)
        disk.sync_all()
        disk.write(b"x", b"new", mtime=0)  # within the grain: the ctime is the same, too
        copied.append(disk.stat(b"x"))
        if goes_on:
            disk.clock = lambda: T0 + 10 * NS_PER_S
            disk.write(b"x", b"newer")

    disks = _crashes(story, cruel=cruel, grain_ns=2 * NS_PER_S)
    hidden = [
        disk.stat(b"x") == stat and disk.content(b"x") != b"new" for disk, stat in zip(disks, copied, strict=True)
    ]
    assert any(hidden) == cruel
    assert b"new" in {disk.content(b"x") for disk in disks} or goes_on


def test_modes_and_times_are_in_the_journal() -> None:
    def story(disk: MemoryDisk) -> None:
        disk.write(b"x", b"x", mtime=1)
        disk.sync_all()
        disk.set_meta(b"x", 0o700, 2)
        disk.mkdir(b"later")

    ends = {(*disk.tree()[b"x"][2:], b"later" in disk.tree()) for disk in _crashes(story, 100)}
    assert ends == {(0o644, 1, False), (0o700, 2, False), (0o700, 2, True)}


def test_open_files_end_with_the_power() -> None:
    disk = memory()
    disk.write(b"x", b"x")
    held: MemoryFile = disk.hold(b"x")
    disk.sync_all()
    disk.crash()
    assert trouble(held.read, 0, 1) == Trouble.IO
    assert trouble(held.write, 0, b"y") == Trouble.IO
    held.close()
    assert disk.content(b"x") == b"x"


def test_a_disk_is_used_on_after_a_crash() -> None:
    for seed in range(50):
        disk = memory(seed, capacity=1000)
        for turn in range(5):
            disk.mkdir(b"d")
            disk.write(b"d/%d" % turn, bytes(turn))
            disk.give_name(b"d/%d" % turn, b"l%d" % turn)
            disk.crash()
        names: dict[int, int] = {}
        inodes: dict[int, Stat] = {}
        for path in disk.tree():
            stat = disk.stat(path)
            assert stat is not None
            if stat.kind == Kind.FILE:
                names[stat.inode] = names.get(stat.inode, 0) + 1
                inodes[stat.inode] = stat
        assert all(stat.links == names[inode] for inode, stat in inodes.items())
        assert disk.free_bytes() == 1000 - sum(stat.size for stat in inodes.values())
