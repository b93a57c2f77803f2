"""The disk in memory: its user, its hooks."""

from __future__ import annotations

import random

from dir_sync.core.model import Kind
from dir_sync.ports import DiskError, Trouble
from tests.disk.worlds import (
    NS,
    T0,
    memory,
    trouble,
)
from tests.sim.memory_disk import MemoryDisk


def test_the_user_saves_in_place_or_anew() -> None:
    disk = memory()
    disk.write(b"file", b"one", mode=0o600)
    first = disk.stat(b"file")
    disk.write(b"file", b"two", mtime=T0 - 5)
    second = disk.stat(b"file")
    disk.write(b"file", b"three", replace=True)
    third = disk.stat(b"file")
    assert first is not None
    assert second is not None
    assert third is not None
    assert second.inode == first.inode != third.inode
    assert (second.mtime, second.ctime > first.ctime) == (T0 - 5, True)
    assert (third.mode, third.size) == (0o600, 5)


def test_the_user_moves_and_deletes() -> None:
    disk = memory()
    disk.mkdir(b"a/b/c")
    disk.mkdir(b"a/b")
    disk.write(b"a/b/c/x", b"x")
    disk.write(b"y", b"y")
    disk.mkdir(b"e")
    disk.move(b"y", b"a/b/c/x")
    assert disk.tree()[b"a/b/c/x"][1] == b"y"
    disk.move(b"a/b", b"e")
    assert sorted(disk.tree()) == [b"a", b"e", b"e/c", b"e/c/x"]
    assert trouble(disk.move, b"a", b"e") == Trouble.NOT_EMPTY
    assert trouble(disk.move, b"a", b"e/c/x") == Trouble.WRONG_TYPE
    assert trouble(disk.move, b"e", b"e/c/d") == Trouble.NAME
    assert trouble(disk.move, b"absent", b"x") == Trouble.ABSENT
    disk.move(b"e", b"e")
    disk.delete(b"e")
    assert sorted(disk.tree()) == [b"a"]
    assert trouble(disk.delete, b"e") == Trouble.ABSENT


def test_the_tree_leaves_out_what_is_ours() -> None:
    disk = memory()
    disk.mkdir(b".dir_sync/staging")
    disk.mkdir(b"a/.dir_sync")
    disk.write(b"a/x", b"x", mtime=5)
    disk.chmod(b"a/x", 0o640)
    disk.touch(b"a/x", 7)
    disk.symlink(b"a/l", b"x")
    disk.mkfifo(b"f")
    tree = disk.tree()
    assert list(tree) == [b"a", b"a/l", b"a/x", b"f"]
    assert tree[b"a/x"] == (Kind.FILE, b"x", 0o640, 7)
    assert tree[b"a/l"][:3] == (Kind.SYMLINK, b"x", 0o777)
    assert tree[b"f"][:2] == (Kind.OTHER, b"")
    disk.mkdir(b"m")
    disk.write(b"m/x", b"")
    disk.mount(b"m")
    assert disk.tree()[b"m"][0] == Kind.OTHER
    assert trouble(disk.stat, b"m/x") == Trouble.BOUNDARY
    assert trouble(disk.list, b"m") == Trouble.BOUNDARY
    assert trouble(disk.create, b"m/y") == Trouble.BOUNDARY
    assert trouble(disk.rename, b"m", b"n") == Trouble.BOUNDARY
    assert trouble(disk.remove_directory, b"m") == Trouble.BOUNDARY
    disk.unmount(b"m")
    assert disk.stat(b"m/x") is not None


def test_hooks_fail_verbs_and_change_files_between_them() -> None:
    disk = memory()
    disk.write(b"file", b"one")
    seen: list[tuple[str, bytes]] = []

    def before(verb: str, path: bytes) -> None:
        seen.append((verb, path))
        if verb == "file.read":
            disk.write(b"file", b"two")

    def fail(verb: str, path: bytes) -> Trouble | None:
        return {"create": Trouble.FULL, "file.write": Trouble.IO, "rename": Trouble.DENIED}.get(verb)

    disk.before, disk.fail = before, fail
    reader = disk.open(b"file")
    assert reader.read(0, 9) == b"two"
    reader.close()
    assert trouble(disk.create, b"x") == Trouble.FULL
    assert trouble(disk.rename, b"file", b"y") == Trouble.DENIED
    writer = disk.reopen(b"file")
    assert trouble(writer.write, 0, b"x") == Trouble.IO
    assert disk.tree().keys() == {b"file"}
    assert seen == [
        *(("open", b"file"), ("file.read", b"file"), ("create", b"x"), ("rename", b"file"), ("rename", b"y")),
        *(("reopen", b"file"), ("file.write", b"file")),
    ]
    assert disk.counts == {
        **{"open": 1, "file.read": 1, "file.close": 1, "create": 1, "rename": 1, "reopen": 1, "file.write": 1}
    }


def test_capacity() -> None:
    disk = memory(capacity=10)
    disk.write(b"a", b"12345")
    assert disk.free_bytes() == 5
    writer = disk.create(b"b")
    assert trouble(writer.write, 0, b"1234567") == Trouble.FULL
    assert writer.stat().size == 5
    assert disk.free_bytes() == 0
    assert trouble(disk.write, b"c", b"x") == Trouble.FULL
    assert disk.stat(b"c") is None
    held = disk.hold(b"a")
    disk.delete(b"a")
    assert disk.free_bytes() == 0  # still open somewhere
    held.close()
    assert disk.free_bytes() == 5
    disk.give_name(b"b", b"d")
    disk.delete(b"b")
    assert disk.free_bytes() == 5
    writer.close()
    disk.crash()
    assert disk.free_bytes() == 10 - len(disk.content(b"b") or disk.content(b"d") or b"")


def test_times_of_a_coarse_file_system() -> None:
    now = T0
    disk = MemoryDisk(lambda: now, random.Random(1), grain_ns=2 * NS, mtimes=(0, 2**31 * NS))
    disk.write(b"file", b"x")
    first = disk.stat(b"file")
    now += NS
    disk.write(b"file", b"y")
    assert disk.stat(b"file") == first
    disk.touch(b"file", T0 + 3 * NS + 5)
    disk.symlink(b"far", b"x")
    disk.touch(b"far", 2**40 * NS)
    tree = disk.tree()
    assert tree[b"file"][3] == T0 + 2 * NS
    assert tree[b"far"][3] == 2**31 * NS
    disk.touch(b"far", -5)
    assert disk.tree()[b"far"][3] == 0


def test_without_a_grain_no_two_changes_look_the_same() -> None:
    disk = MemoryDisk(lambda: T0, random.Random(1))
    seen = set()
    for content in (b"1", b"2", b"3"):
        disk.write(b"file", content)
        seen.add(disk.stat(b"file"))
    assert len(seen) == 3


def test_equal_seeds_give_equal_disks() -> None:
    def run(seed: int) -> tuple[object, ...]:
        disk, rng = memory(seed), random.Random(seed)
        for _ in range(200):
            name, other = (b"%d" % rng.randrange(8) for _ in range(2))
            try:
                match rng.randrange(7):
                    case 0:
                        disk.write(name, rng.randbytes(9), replace=rng.random() < 0.5)
                    case 1:
                        disk.move(name, other)
                    case 2:
                        disk.delete(name)
                    case 3:
                        disk.exchange(name, other)
                    case 4:
                        disk.sync_all() if rng.random() < 0.2 else disk.mkdir(name)
                    case 5:
                        disk.crash()
                    case _:
                        disk.touch(name)
            except DiskError:
                pass
        return disk.tree(), disk.list(b""), disk.counts

    for seed in range(20):
        assert run(seed) == run(seed)
    assert run(1) != run(2)
