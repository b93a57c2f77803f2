"""The disk: one contract for the real one, in each of its ways, and for the one in memory; then what only one has.

Where root is needed (mounts, devices) a test is skipped for others, and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import random
import resource
import shutil
import signal
import socket
import stat as st
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import dir_sync.disk
from dir_sync.core.model import Kind, Stat
from dir_sync.disk import RealDisk
from dir_sync.ports import Disk, DiskError, NewFile, Trouble
from tests.sim.memory_disk import MemoryDisk, MemoryFile

ROOT = Path(__file__).resolve().parent.parent
NS = 1_000_000_000
T0 = 1_700_000_000 * NS

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and make devices")


class World(ABC):
    """A disk, and the hands of a user on the same folder."""

    disk: Disk

    @abstractmethod
    def write(self, path: bytes, data: bytes) -> None: ...

    def read(self, path: bytes) -> bytes:
        reader = self.disk.open(path)
        try:
            return reader.read(0, 1 << 30)
        finally:
            reader.close()

    @abstractmethod
    def mkdir(self, path: bytes) -> None: ...

    @abstractmethod
    def symlink(self, path: bytes, target: bytes) -> None: ...

    @abstractmethod
    def mkfifo(self, path: bytes) -> None: ...

    @abstractmethod
    def chmod(self, path: bytes, mode: int) -> None: ...

    @abstractmethod
    def link(self, source: bytes, target: bytes) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def seen(self, path: bytes) -> Stat:
        found = self.disk.stat(path)
        assert found is not None, path
        return found

    def make(self, path: bytes, kind: Kind) -> None:
        match kind:
            case Kind.FILE:
                self.write(path, b"content of " + path)
            case Kind.DIRECTORY:
                self.mkdir(path)
            case Kind.SYMLINK:
                self.symlink(path, b"target of " + path)
            case _:
                self.mkfifo(path)


class RealWorld(World):
    def __init__(self, root: Path) -> None:
        self.root = os.fsencode(root)
        self.real = RealDisk(self.root)
        self.disk = self.real

    def at(self, path: bytes) -> bytes:
        return os.path.join(self.root, path)

    def write(self, path: bytes, data: bytes) -> None:
        with open(self.at(path), "wb") as file:
            file.write(data)

    def mkdir(self, path: bytes) -> None:
        os.makedirs(self.at(path))

    def symlink(self, path: bytes, target: bytes) -> None:
        os.symlink(target, self.at(path))

    def mkfifo(self, path: bytes) -> None:
        os.mkfifo(self.at(path))

    def chmod(self, path: bytes, mode: int) -> None:
        os.chmod(self.at(path), mode)

    def link(self, source: bytes, target: bytes) -> None:
        os.link(self.at(source), self.at(target))

    def close(self) -> None:
        self.real.close()


class MemoryWorld(World):
    def __init__(self) -> None:
        self.now = T0
        self.memory = MemoryDisk(self.clock, random.Random(1))
        self.disk = self.memory

    def clock(self) -> int:
        self.now += 1000
        return self.now

    def write(self, path: bytes, data: bytes) -> None:
        self.memory.write(path, data)

    def mkdir(self, path: bytes) -> None:
        self.memory.mkdir(path)

    def symlink(self, path: bytes, target: bytes) -> None:
        self.memory.symlink(path, target)

    def mkfifo(self, path: bytes) -> None:
        self.memory.mkfifo(path)

    def chmod(self, path: bytes, mode: int) -> None:
        self.memory.chmod(path, mode)

    def link(self, source: bytes, target: bytes) -> None:
        self.memory.link(source, target)

    def close(self) -> None:
        self.memory.close()


WAYS = ("real", "batch", "old kernel", "no flags", "no links", "memory")
"""The real disk as it is; all in one batch; without openat2 and fchmodat2; on a file system without the flags of
renameat2; on one without hard links either."""


def refuse(number: int) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return call


def without_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    def renameat2(*_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    monkeypatch.setattr(dir_sync.disk, "_renameat2", renameat2)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(params=WAYS)
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    before = open_files()
    way = request.param
    if way == "memory":
        yield MemoryWorld()
        return
    world = RealWorld(tmp_path)
    if way == "old kernel":
        world.real._use_openat2 = world.real._use_fchmodat2 = False
    elif way in ("no flags", "no links"):
        without_flags(monkeypatch)
        if way == "no links":
            real_link = os.link
            monkeypatch.setattr(
                os, "link", lambda *a, **k: refuse(errno.EPERM)() if "src_dir_fd" in k else real_link(*a, **k)
            )
    with world.real.batch() if way == "batch" else contextlib.nullcontext():
        yield world
    world.close()
    assert open_files() == before, "descriptors left open"


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealWorld]:
    before = open_files()
    world = RealWorld(tmp_path)
    yield world
    world.close()
    assert open_files() == before, "descriptors left open"


def trouble(call: Callable[..., object], *arguments: object) -> Trouble:
    with pytest.raises(DiskError) as caught:
        call(*arguments)
    return caught.value.trouble


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What waits for ever fails instead."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"still waiting after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fill(world: World) -> None:
    """A file, a folder with a file, a link to that folder, a dangling link, a fifo."""
    world.write(b"file", b"content")
    world.mkdir(b"folder")
    world.write(b"folder/inner", b"inner content")
    world.symlink(b"link", b"folder")
    world.symlink(b"dangling", b"nowhere")
    world.mkfifo(b"fifo")


def test_of_two_threads_that_give_one_name_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that has neither flags nor hard links, and may take two names for one (exFAT by FUSE)."""
    world = RealWorld(tmp_path)
    without_flags(monkeypatch)
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    both = threading.Barrier(2, timeout=0.5)
    look = dir_sync.disk._is_taken

    def slow_look(parent: int, leaf: bytes) -> bool:
        taken = look(parent, leaf)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()
        return taken

    monkeypatch.setattr(dir_sync.disk, "_is_taken", slow_look)
    ended: list[Trouble | None] = []

    def give(source: bytes) -> None:
        try:
            world.real.rename(source, b"name")
            ended.append(None)
        except DiskError as error:
            ended.append(error.trouble)

    for source in (b"one", b"two"):
        world.write(source, source)
    threads = [threading.Thread(target=give, args=(source,)) for source in (b"one", b"two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert set(ended) == {None, Trouble.EXISTS}
    assert len(os.listdir(tmp_path)) == 2
    world.close()


# --- looking -----------------------------------------------------------------------------------------------------


def test_stat_tells_what_a_name_is(world: World) -> None:
    fill(world)
    world.chmod(b"file", 0o640)
    file = world.seen(b"file")
    assert (file.kind, file.size, file.mode, file.links) == (Kind.FILE, 7, 0o640, 1)
    assert abs(file.mtime - file.ctime) < NS
    assert world.seen(b"folder").kind == Kind.DIRECTORY
    assert world.seen(b"").kind == Kind.DIRECTORY
    link = world.seen(b"link")
    assert (link.kind, link.size, link.mode) == (Kind.SYMLINK, 6, 0o777)
    assert world.seen(b"dangling").kind == Kind.SYMLINK
    assert world.seen(b"fifo").kind == Kind.OTHER
    assert len({world.seen(path).inode for path in (b"file", b"folder", b"link", b"fifo")}) == 4
    assert world.seen(b"file").device == world.seen(b"folder").device
    world.link(b"file", b"twin")
    assert world.seen(b"twin").links == 2
    assert world.seen(b"twin").inode == file.inode


@pytest.mark.parametrize(
    "path", [b"absent", b"absent/x", b"file/x", b"file/x/y", b"link/inner", b"dangling/x", b"folder/x"]
)
def test_what_is_not_there_is_none(world: World, path: bytes) -> None:
    fill(world)
    assert world.disk.stat(path) is None
    assert world.disk.list(path) is None


@pytest.mark.parametrize("path", [b"file", b"link", b"fifo"])
def test_only_a_folder_is_listed(world: World, path: bytes) -> None:
    fill(world)
    assert world.disk.list(path) is None


def test_list_gives_what_stat_gives(world: World) -> None:
    fill(world)
    world.mkdir(b".dir_sync")
    listed = world.disk.list(b"")
    assert listed is not None
    assert sorted(name for name, _ in listed) == [b".dir_sync", b"dangling", b"fifo", b"file", b"folder", b"link"]
    for name, stat in listed:
        assert stat == world.seen(name)
    assert world.disk.list(b"folder") == [(b"inner", world.seen(b"folder/inner"))]
    assert world.disk.list(b".dir_sync") == []


def test_read_link(world: World) -> None:
    fill(world)
    world.symlink(b"folder/odd", b"/../\xff\n//x")
    assert world.disk.read_link(b"link") == b"folder"
    assert world.disk.read_link(b"folder/odd") == b"/../\xff\n//x"
    assert trouble(world.disk.read_link, b"file") == Trouble.WRONG_TYPE
    assert trouble(world.disk.read_link, b"folder") == Trouble.WRONG_TYPE
    assert trouble(world.disk.read_link, b"absent") == Trouble.ABSENT
    assert trouble(world.disk.read_link, b"link/inner") == Trouble.BOUNDARY


def test_read(world: World) -> None:
    fill(world)
    reader = world.disk.open(b"folder/inner")
    assert reader.read(0, 100) == b"inner content"
    assert reader.read(6, 3) == b"con"
    assert reader.read(13, 10) == b""
    assert reader.read(99, 10) == b""
    assert reader.read(0, 0) == b""
    assert reader.stat() == world.seen(b"folder/inner")
    reader.close()
    reader.close()


@pytest.mark.parametrize("verb", ["open", "reopen"])
def test_only_files_are_opened(world: World, verb: str) -> None:
    fill(world)
    act = getattr(world.disk, verb)
    with within(5):
        for path in (b"folder", b"link", b"dangling", b"fifo"):
            assert trouble(act, path) == Trouble.WRONG_TYPE
        assert trouble(act, b"absent") == Trouble.ABSENT
        assert trouble(act, b"absent/x") == Trouble.ABSENT
        assert trouble(act, b"file/x") == Trouble.ABSENT
        assert trouble(act, b"link/inner") == Trouble.BOUNDARY


def test_small_files_are_read_one_or_many_at_a_time(world: World) -> None:
    fill(world)
    world.write(b"folder/large", b"x" * 101)
    world.write(b"folder/empty", b"")
    assert world.disk.read_small(b"folder/inner", 100) == (world.seen(b"folder/inner"), b"inner content")
    assert world.disk.read_small(b"folder/large", 100) is None
    world.symlink(b"folder/link", b"inner")
    world.mkfifo(b"folder/fifo")
    names = [b"inner", b"large", b"absent", b"link", b"fifo", b"empty"]
    with within(5):
        found = world.disk.read_many(b"folder", names, 100)
    assert list(found) == [
        (world.seen(b"folder/inner"), b"inner content"), None, None, None, None, (world.seen(b"folder/empty"), b""),
    ]  # fmt: skip
    assert list(world.disk.read_many(b"", [b"file"], 100)) == [(world.seen(b"file"), world.read(b"file"))]
    for folder in (b"absent", b"file", b"link", b"absent/x"):
        assert list(world.disk.read_many(folder, [b"inner"], 100)) == [None]


# --- writing -----------------------------------------------------------------------------------------------------


def test_create_write_and_go_on(world: World) -> None:
    writer = world.disk.create(b"new")
    assert (world.seen(b"new").size, world.seen(b"new").mode) == (0, 0o600)
    writer.write(0, b"hello")
    writer.write(5, memoryview(b" world"))
    writer.write(2, b"LL")
    assert writer.read(0, 99) == b"heLLo world"
    writer.start_flush(0, 11)
    writer.sync()
    writer.close()
    writer.close()
    writer = world.disk.reopen(b"new")
    assert writer.stat().size == 11
    writer.truncate(4)
    writer.write(6, b"x")  # a hole before it
    assert writer.read(0, 99) == b"heLL\0\0x"
    writer.truncate(9)
    assert writer.stat().size == 9
    writer.close()
    assert world.read(b"new") == b"heLL\0\0x\0\0"


def test_many_files_are_made_and_named(world: World) -> None:
    fill(world)
    files = [
        NewFile(b"new1", b"one", 0o640, T0 + 7),
        NewFile(b"inner", b"taken", 0o600, T0),
        NewFile(b"new2", b"", 0o444, T0 - 9),
    ]
    one, taken, two = world.disk.create_many(b"folder", files)
    assert one == world.seen(b"folder/new1")
    assert two == world.seen(b"folder/new2")
    assert isinstance(taken, DiskError)
    assert taken.trouble == Trouble.EXISTS
    assert world.read(b"folder/inner") == b"inner content"
    assert (world.seen(b"folder/new1").mode, world.seen(b"folder/new1").mtime) == (0o640, T0 + 7)
    assert world.read(b"folder/new1") == b"one"
    moves = [(b"folder/new1", b"a"), (b"folder/new2", b"file"), (b"folder/new2", b"absent/x"), (b"folder/new2", b"b")]
    named = world.disk.rename_many(moves)
    assert named[0] == world.seen(b"a")
    assert [error.trouble for error in named[1:3] if isinstance(error, DiskError)] == [Trouble.EXISTS, Trouble.ABSENT]
    assert named[3] == world.seen(b"b")
    assert world.disk.stat(b"folder/new1") is None
    for folder in (b"absent", b"file", b"link"):
        (failed,) = world.disk.create_many(folder, files[:1])
        assert isinstance(failed, DiskError)


def test_create_takes_only_free_names(world: World) -> None:
    fill(world)
    for path in (b"file", b"folder", b"link", b"dangling", b"fifo"):
        assert trouble(world.disk.create, path) == Trouble.EXISTS
    assert trouble(world.disk.create, b"absent/x") == Trouble.ABSENT
    assert trouble(world.disk.create, b"file/x") == Trouble.ABSENT
    assert trouble(world.disk.create, b"link/x") == Trouble.BOUNDARY
    assert world.disk.stat(b"folder/x") is None


def test_times_and_mode_of_a_writer(world: World) -> None:
    writer = world.disk.create(b"new")
    writer.write(0, b"x")
    writer.set_meta(0o7751, T0 + 123_456_789)
    assert (writer.stat().mode, writer.stat().mtime) == (0o751, T0 + 123_456_789)
    writer.close()
    assert (world.seen(b"new").mode, world.seen(b"new").mtime) == (0o751, T0 + 123_456_789)


@pytest.mark.parametrize(
    "mtime", [-1, -NS - 1, 0, 1, 2**31 * NS + 5, 2**32 * NS, 15_032_385_534 * NS + 999_999_999], ids=str
)
def test_far_times(world: World, mtime: int) -> None:
    """1969, 1970, 2038, 2106, and the last whole second of ext4, in 2446, beyond 64 bits of ns."""
    writer = world.disk.create(b"new")
    writer.set_meta(0o600, mtime)
    assert writer.stat().mtime == mtime
    writer.close()
    world.mkdir(b"folder")
    world.symlink(b"link", b"x")
    for path in (b"folder", b"link"):
        world.disk.set_meta(path, None, mtime)
        assert world.seen(path).mtime == mtime
    listed = world.disk.list(b"")
    assert listed is not None
    assert {stat.mtime for _, stat in listed} == {mtime}


def test_copy_from(world: World) -> None:
    world.write(b"source", bytes(range(256)) * 1000)
    reader = world.disk.open(b"source")
    writer = world.disk.create(b"copy")
    assert writer.copy_from(reader, 0, 0, 256_000) == 256_000
    assert writer.copy_from(reader, 255_990, 10, 100) == 10
    assert writer.copy_from(reader, 256_000, 0, 5) == 0
    assert writer.copy_from(reader, 0, 256_005, 3) == 3
    expected = bytearray(bytes(range(256)) * 1000)
    expected[10:20] = expected[-10:]
    assert writer.read(0, 1 << 20) == bytes(expected) + b"\0\0\0\0\0\0\1\2"
    reader.close()
    writer.close()


def test_copy_from_another_kind_of_disk(world: World) -> None:
    elsewhere = MemoryDisk(lambda: T0, random.Random(1))
    elsewhere.write(b"source", b"from elsewhere")
    writer = world.disk.create(b"copy")
    assert writer.copy_from(elsewhere.open(b"source"), 5, 0, 99) == 9
    writer.close()
    assert world.read(b"copy") == b"elsewhere"


def test_an_open_file_does_not_care_for_its_name(world: World) -> None:
    world.write(b"mine", b"mine")
    world.write(b"theirs", b"theirs")
    held = world.disk.reopen(b"theirs")
    world.disk.exchange(b"mine", b"theirs")
    held.write(6, b"+")
    assert world.read(b"mine") == b"theirs+"
    world.disk.rename(b"mine", b"moved")
    held.write(7, b"+")
    assert world.read(b"moved") == b"theirs++"
    world.disk.remove_file(b"moved")
    held.write(8, b"+")
    assert held.read(0, 99) == b"theirs+++"
    assert held.stat().links == 0
    held.close()
    assert world.disk.list(b"") == [(b"theirs", world.seen(b"theirs"))]


# --- making, removing --------------------------------------------------------------------------------------------


def test_make_directory_has_the_mode_asked_for(world: World) -> None:
    before = os.umask(0o077)
    try:
        world.disk.make_directory(b"a", 0o755)
        world.disk.make_directory(b"a/b", 0o7777)
        world.disk.make_directory(b"c", 0o500)
    finally:
        os.umask(before)
    assert [world.seen(path).mode for path in (b"a", b"a/b", b"c")] == [0o755, 0o777, 0o500]


def test_make_takes_only_free_names(world: World) -> None:
    fill(world)
    for path in (b"file", b"folder", b"link", b"dangling", b"fifo"):
        assert trouble(world.disk.make_directory, path, 0o755) == Trouble.EXISTS
        assert trouble(world.disk.make_link, path, b"x") == Trouble.EXISTS
    for act in (lambda path: world.disk.make_directory(path, 0o755), lambda path: world.disk.make_link(path, b"x")):
        assert trouble(act, b"absent/x") == Trouble.ABSENT
        assert trouble(act, b"file/x") == Trouble.ABSENT
        assert trouble(act, b"link/x") == Trouble.BOUNDARY


def test_links_point_anywhere(world: World) -> None:
    world.mkdir(b"folder")
    for number, target in enumerate([b"..", b"/etc/passwd", b"self", b"\xff\xfe\n", b"x" * 4095]):
        path = b"folder/%d" % number
        world.disk.make_link(path, target)
        assert world.disk.read_link(path) == target
    for target in (b"", b"a\0b", b"x" * 4096):
        assert trouble(world.disk.make_link, b"folder/bad", target) == Trouble.NAME
    assert world.disk.stat(b"folder/bad") is None


def test_remove_directory(world: World) -> None:
    fill(world)
    assert trouble(world.disk.remove_directory, b"folder") == Trouble.NOT_EMPTY
    for path in (b"file", b"link", b"dangling", b"fifo"):
        assert trouble(world.disk.remove_directory, path) == Trouble.WRONG_TYPE
    assert trouble(world.disk.remove_directory, b"absent") == Trouble.ABSENT
    assert trouble(world.disk.remove_directory, b"file/x") == Trouble.ABSENT
    assert trouble(world.disk.remove_directory, b"link/x") == Trouble.BOUNDARY
    world.disk.remove_file(b"folder/inner")
    world.disk.remove_directory(b"folder")
    assert world.disk.stat(b"folder") is None


def test_remove_file(world: World) -> None:
    fill(world)
    assert trouble(world.disk.remove_file, b"folder") == Trouble.WRONG_TYPE
    assert trouble(world.disk.remove_file, b"absent") == Trouble.ABSENT
    assert trouble(world.disk.remove_file, b"file/x") == Trouble.ABSENT
    assert trouble(world.disk.remove_file, b"link/inner") == Trouble.BOUNDARY
    for path in (b"file", b"link", b"dangling", b"fifo"):
        world.disk.remove_file(path)
        assert world.disk.stat(path) is None
    assert world.read(b"folder/inner") == b"inner content"


# --- moving ------------------------------------------------------------------------------------------------------

KINDS = [Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.OTHER]


@pytest.mark.parametrize("kind", KINDS)
def test_rename(world: World, kind: Kind) -> None:
    world.mkdir(b"a")
    world.mkdir(b"b")
    world.make(b"a/x", kind)
    if kind == Kind.DIRECTORY:
        world.write(b"a/x/inner", b"inner content")
    before = world.seen(b"a/x")
    world.disk.rename(b"a/x", b"b/y")
    after = world.seen(b"b/y")
    assert world.disk.stat(b"a/x") is None
    assert after._replace(ctime=0) == before._replace(ctime=0)
    if kind == Kind.DIRECTORY:
        assert world.read(b"b/y/inner") == b"inner content"
    world.disk.rename(b"b/y", b"z")
    assert world.seen(b"z").inode == before.inode


@pytest.mark.parametrize("kind", KINDS)
def test_rename_never_replaces(world: World, kind: Kind) -> None:
    fill(world)
    world.mkdir(b"empty")
    world.make(b"x", kind)
    before = world.seen(b"x")
    for path in (b"file", b"folder", b"empty", b"link", b"dangling", b"fifo", b"x"):
        taken = world.seen(path)
        assert trouble(world.disk.rename, b"x", path) == Trouble.EXISTS
        assert world.seen(path) == taken
    assert world.seen(b"x") == before


def test_rename_troubles(world: World) -> None:
    fill(world)
    assert trouble(world.disk.rename, b"absent", b"x") == Trouble.ABSENT
    assert trouble(world.disk.rename, b"absent", b"file") == Trouble.ABSENT
    assert trouble(world.disk.rename, b"file", b"absent/x") == Trouble.ABSENT
    assert trouble(world.disk.rename, b"file", b"fifo/x") == Trouble.ABSENT
    assert trouble(world.disk.rename, b"file", b"link/x") == Trouble.BOUNDARY
    assert trouble(world.disk.rename, b"link/inner", b"x") == Trouble.BOUNDARY
    assert trouble(world.disk.rename, b"folder", b"folder/x") == Trouble.NAME
    assert world.seen(b"folder").kind == Kind.DIRECTORY
    assert world.disk.stat(b"x") is None
    assert [name for name, _ in world.disk.list(b"folder") or []] == [b"inner"]


@pytest.mark.parametrize("mine", KINDS)
@pytest.mark.parametrize("theirs", KINDS)
def test_exchange_whatever_they_are(world: World, mine: Kind, theirs: Kind) -> None:
    world.mkdir(b"a")
    world.mkdir(b"b")
    world.make(b"a/x", mine)
    world.make(b"b/y", theirs)
    x, y = world.seen(b"a/x"), world.seen(b"b/y")
    world.disk.exchange(b"a/x", b"b/y")
    assert world.seen(b"a/x")._replace(ctime=0) == y._replace(ctime=0)
    assert world.seen(b"b/y")._replace(ctime=0) == x._replace(ctime=0)
    assert [name for name, _ in world.disk.list(b"a") or []] == [b"x"]
    assert [name for name, _ in world.disk.list(b"b") or []] == [b"y"]


def test_exchange_troubles(world: World) -> None:
    fill(world)
    assert trouble(world.disk.exchange, b"file", b"absent") == Trouble.ABSENT
    assert trouble(world.disk.exchange, b"absent", b"file") == Trouble.ABSENT
    assert trouble(world.disk.exchange, b"absent/x", b"file") == Trouble.ABSENT
    assert trouble(world.disk.exchange, b"file", b"link/inner") == Trouble.BOUNDARY
    assert trouble(world.disk.exchange, b"folder", b"folder/inner") == Trouble.NAME
    assert trouble(world.disk.exchange, b"folder/inner", b"folder") == Trouble.NAME
    world.link(b"file", b"twin")
    world.disk.exchange(b"file", b"twin")
    world.disk.exchange(b"file", b"file")
    assert world.seen(b"file").links == 2
    assert sorted(name for name, _ in world.disk.list(b"") or []) == [
        *(b"dangling", b"fifo", b"file", b"folder", b"link", b"twin")
    ]


# --- metadata ----------------------------------------------------------------------------------------------------


def test_set_meta(world: World) -> None:
    fill(world)
    before = world.seen(b"file")
    world.disk.set_meta(b"file", 0o7750, None)
    assert (world.seen(b"file").mode, world.seen(b"file").mtime) == (0o750, before.mtime)
    world.disk.set_meta(b"file", None, T0)
    assert (world.seen(b"file").mode, world.seen(b"file").mtime) == (0o750, T0)
    world.disk.set_meta(b"folder", 0o711, T0 + 1)
    assert (world.seen(b"folder").mode, world.seen(b"folder").mtime) == (0o711, T0 + 1)
    world.disk.set_meta(b"folder/inner", 0o400, T0 + 2)
    assert (world.seen(b"folder/inner").mode, world.seen(b"folder/inner").mtime) == (0o400, T0 + 2)
    inner = world.seen(b"folder")
    world.disk.set_meta(b"link", 0o600, T0 + 3)
    assert (world.seen(b"link").mode, world.seen(b"link").mtime) == (0o777, T0 + 3)
    assert world.seen(b"folder") == inner
    world.disk.set_meta(b"", 0o700, T0 + 4)
    assert (world.seen(b"").mode, world.seen(b"").mtime) == (0o700, T0 + 4)
    assert trouble(world.disk.set_meta, b"fifo", 0o600, None) == Trouble.WRONG_TYPE
    assert trouble(world.disk.set_meta, b"absent", 0o600, None) == Trouble.ABSENT
    assert trouble(world.disk.set_meta, b"link/inner", 0o600, None) == Trouble.BOUNDARY


def test_what_is_as_wished_is_not_touched(world: World) -> None:
    fill(world)
    for path in (b"file", b"folder", b"link"):
        before = world.seen(path)
        world.disk.set_meta(path, before.mode, before.mtime)
        assert world.seen(path) == before


def test_keep_attributes_never_fails(world: World) -> None:
    fill(world)
    world.write(b"other", b"")
    before = world.seen(b"other")
    world.disk.keep_attributes(b"file", b"other")
    assert world.seen(b"other").mode == before.mode
    world.disk.keep_attributes(b"absent", b"other")
    world.disk.keep_attributes(b"file", b"link/absent")


def test_each_change_changes_ctime_or_more(world: World) -> None:
    """What scans rely on, on a file system without a grain."""
    world.write(b"file", b"1")
    if world.disk.grain_ns:
        pytest.skip(f"times have a grain of {world.disk.grain_ns} ns here")
    seen = [world.seen(b"file")]
    writer = world.disk.reopen(b"file")
    steps: list[Callable[[], None]] = [
        lambda: writer.write(0, b"2"),
        lambda: world.disk.set_meta(b"file", 0o600, None),
        lambda: world.disk.set_meta(b"file", None, T0),
        lambda: writer.write(0, b"3"),
        lambda: world.disk.set_meta(b"file", None, T0),
    ]
    for step in steps:
        step()
        seen.append(world.seen(b"file"))
    writer.close()
    assert len({stat.ctime for stat in seen}) == len(seen)


# --- the medium, the folder as a whole ---------------------------------------------------------------------------


def test_sync(world: World) -> None:
    fill(world)
    world.disk.sync_directory(b"")
    world.disk.sync_directory(b"folder")
    world.disk.sync_all()
    assert trouble(world.disk.sync_directory, b"absent") == Trouble.ABSENT
    assert trouble(world.disk.sync_directory, b"file") == Trouble.ABSENT
    assert trouble(world.disk.sync_directory, b"link") == Trouble.BOUNDARY
    assert trouble(world.disk.sync_directory, b"link/x") == Trouble.BOUNDARY


def test_the_folder(world: World) -> None:
    assert world.disk.free_bytes() > 0
    assert world.disk.is_root_here()
    assert world.disk.grain_ns >= 0


# --- names -------------------------------------------------------------------------------------------------------

ESCAPES = [
    b"..",
    b"../x",
    b"x/..",
    b"a/../x",
    b"a/./x",
    b".",
    b"./x",
    b"a//x",
    b"/etc",
    b"/etc/passwd",
    b"a/",
    b"a\0b",
    b"a\0/b",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out(world: World, path: bytes) -> None:
    world.mkdir(b"a")
    world.write(b"x", b"x")
    disk = world.disk
    for act in (
        *(disk.stat, disk.list, disk.open, disk.reopen, disk.create, disk.read_link, disk.remove_file),
        *(disk.remove_directory, disk.sync_directory, lambda path: disk.make_directory(path, 0o755)),
        *(lambda path: disk.make_link(path, b"x"), lambda path: disk.rename(path, b"y")),
        *(lambda path: disk.rename(b"x", path), lambda path: disk.exchange(b"x", path)),
        *(lambda path: disk.exchange(path, b"x"), lambda path: disk.set_meta(path, 0o600, T0)),
    ):
        assert trouble(act, path) == Trouble.NAME


def test_the_folder_itself_is_not_a_name(world: World) -> None:
    disk = world.disk
    for act in (disk.open, disk.reopen, disk.create, disk.read_link, disk.remove_file, disk.remove_directory):
        assert trouble(act, b"") == Trouble.NAME
    assert trouble(disk.make_directory, b"", 0o755) == Trouble.NAME
    assert trouble(disk.rename, b"", b"x") == Trouble.NAME


def test_every_byte_is_a_name(world: World) -> None:
    names = [bytes([byte]) for byte in range(1, 256) if bytes([byte]) not in (b"/", b".")]
    names += [
        b"caf\xc3\xa9",
        b"cafe\xcc\x81",
        b"\xed\xa0\x80",
        b"\x1b]0;x\x07\n",
        b"-rf",
        b"a:b",
        b"con",
        b"a\\b",
    ]
    names += [b"trailing ", b"trailing.", b"...", b".. ", b"\xc3\xa9" * 127, b"n" * 255, b"\xff" * 255]
    world.mkdir(b"names")
    with world.disk.batch():
        for name in names:
            writer = world.disk.create(b"names/" + name)
            writer.write(0, name)
            writer.close()
        listed = world.disk.list(b"names")
        assert listed is not None
        assert sorted(name for name, _ in listed) == sorted(names)
        for name, stat in listed:
            assert stat == world.seen(b"names/" + name)
            assert world.read(b"names/" + name) == name
            world.disk.rename(b"names/" + name, b"names/.moved")
            world.disk.rename(b"names/.moved", b"names/" + name)
    assert len(world.disk.list(b"names") or []) == len(names)


def test_a_name_of_256_bytes(world: World) -> None:
    long = b"n" * 256
    disk = world.disk
    world.write(b"x", b"x")
    for act in (
        *(disk.stat, disk.open, disk.create, disk.remove_file, disk.remove_directory, disk.list),
        *(lambda path: disk.make_directory(path, 0o755), lambda path: disk.rename(b"x", path)),
        *(lambda path: disk.stat(path + b"/x"), lambda path: disk.create(path + b"/x")),
    ):
        assert trouble(act, long) == Trouble.NAME


@pytest.mark.parametrize(("parts", "length"), [(20, 199), (30, 200)], ids=["4,000 bytes", "6,000 bytes"])
def test_deep_paths(world: World, parts: int, length: int) -> None:
    path = b""
    folders = []
    for number in range(parts):
        path = (path + b"/" if path else b"") + (b"%d-" % number).ljust(length, b"x")
        world.disk.make_directory(path, 0o755)
        folders.append(path)
    writer = world.disk.create(path + b"/file")
    writer.write(0, b"deep")
    writer.close()
    assert world.read(path + b"/file") == b"deep"
    assert world.seen(path + b"/file").size == 4
    assert [name for name, _ in world.disk.list(path) or []] == [b"file"]
    world.disk.sync_directory(path)
    world.disk.rename(path + b"/file", b"up")
    world.disk.rename(b"up", path + b"/down")
    world.disk.exchange(path + b"/down", path + b"/down")
    world.disk.remove_file(path + b"/down")
    for folder in reversed(folders):
        world.disk.remove_directory(folder)
    assert world.disk.list(b"") == []


# --- batches -----------------------------------------------------------------------------------------------------


def test_a_batch_sees_its_own_changes(world: World) -> None:
    disk = world.disk
    world.mkdir(b"a/b")
    with disk.batch(), disk.batch():
        disk.create(b"a/b/x").close()
        disk.rename(b"a", b"c")
        assert disk.stat(b"a/b/x") is None
        assert trouble(disk.create, b"a/b/y") == Trouble.ABSENT
        disk.create(b"c/b/y").close()
        disk.make_directory(b"a", 0o755)
        disk.make_directory(b"a/b", 0o755)
        disk.create(b"a/b/z").close()
        disk.exchange(b"a", b"c/b")
        assert sorted(name for name, _ in disk.list(b"a") or []) == [b"x", b"y"]
        assert disk.stat(b"a/x") is not None
        assert disk.stat(b"c/b/b/z") is not None
        disk.remove_file(b"c/b/b/z")
        disk.remove_directory(b"c/b/b")
        disk.make_directory(b"c/b/b", 0o755)
        disk.create(b"c/b/b/z").close()
        assert disk.stat(b"c/b/b/z") is not None
    assert disk.stat(b"c/b/b/z") is not None


def test_a_batch_over_many_folders(world: World) -> None:
    disk = world.disk
    with disk.batch():
        for number in range(200):
            disk.make_directory(b"%d" % number, 0o755)
            disk.create(b"%d/file" % number).close()
        for number in range(100):
            disk.rename(b"%d/file" % number, b"%d/moved" % (199 - number))
        assert all(len(disk.list(b"%d" % number) or []) == (number >= 100) * 2 for number in range(200))


# --- both disks, the same story ----------------------------------------------------------------------------------

_NAMES = [b"a", b"b", b"a/a", b"a/b", b"b/a", b"a/a/a"]
_STEPS = some.lists(
    some.tuples(
        some.sampled_from(
            [
                *("create", "make_directory", "make_link", "remove_file", "remove_directory", "rename", "exchange"),
                *("rename", "exchange", "make_directory", "create", "set_meta", "write", "truncate", "mkfifo"),
            ]
        ),
        some.sampled_from(_NAMES),
        some.sampled_from(_NAMES),
        some.integers(0, 3),
    ),
    max_size=25,
)


def _step(world: World, verb: str, path: bytes, other: bytes, number: int) -> object:
    disk = world.disk
    try:
        match verb:
            case "create":
                disk.create(path).close()
            case "make_directory":
                disk.make_directory(path, 0o700 + number)
            case "make_link":
                disk.make_link(path, other)
            case "rename" | "exchange":
                getattr(disk, verb)(path, other)
            case "set_meta":
                disk.set_meta(path, 0o700 + number, T0 + number)
            case "write" | "truncate":
                writer = disk.reopen(path)
                if verb == "write":
                    writer.write(number, b"written")
                else:
                    writer.truncate(number)
                writer.set_meta(0o600, T0 + number)
                writer.close()
            case "mkfifo":
                if disk.stat(path) is None and disk.stat(path.rpartition(b"/")[0] or b"") is not None:
                    parent = world.seen(path.rpartition(b"/")[0])
                    if parent.kind == Kind.DIRECTORY:
                        world.mkfifo(path)
            case _:
                getattr(disk, verb)(path)
    except DiskError as error:
        return error.trouble
    return None


def _picture(world: World) -> list[object]:
    """All that is there, without what no two disks have in common."""
    picture: list[object] = []
    ahead = [b""]
    while ahead:
        folder = ahead.pop()
        for name, stat in sorted(world.disk.list(folder) or []):
            path = folder + b"/" + name if folder else name
            folderish = stat.kind == Kind.DIRECTORY
            size = stat.size if stat.kind in (Kind.FILE, Kind.SYMLINK) else 0
            mtime = stat.mtime if stat.mtime < T0 + 10 and not folderish else 0
            mode = 0 if stat.kind == Kind.OTHER else stat.mode
            content = world.read(path) if stat.kind == Kind.FILE else b""
            picture.append((path, stat.kind, size, mode, mtime, stat.links, content))
            if folderish:
                ahead.append(path)
    return picture


@pytest.mark.parametrize("way", ["real", "batch", "old kernel", "no flags"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples // 2)
@given(steps=_STEPS)
def test_both_disks_tell_the_same_story(
    tmp_path_factory: pytest.TempPathFactory, way: str, steps: list[tuple[str, bytes, bytes, int]]
) -> None:
    root = tmp_path_factory.mktemp("story")
    one, other = RealWorld(root), MemoryWorld()
    with pytest.MonkeyPatch.context() as monkeypatch:
        if way == "old kernel":
            one.real._use_openat2 = one.real._use_fchmodat2 = False
        elif way == "no flags":
            without_flags(monkeypatch)
        with one.real.batch() if way == "batch" else contextlib.nullcontext():
            for verb, path, target, number in steps:
                assert _step(one, verb, path, target, number) == _step(other, verb, path, target, number), verb
            assert _picture(one) == _picture(other)
    one.close()
    shutil.rmtree(root)


# --- the real disk: what else may be in the way ------------------------------------------------------------------


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert trouble(RealDisk, tmp_path.joinpath("absent").__fspath__()) == Trouble.ABSENT
    tmp_path.joinpath("file").touch()
    assert trouble(RealDisk, os.fsencode(tmp_path / "file")) == Trouble.ABSENT


def test_the_root_that_went_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "x").touch()
    (tmp_path / "link").symlink_to("root")
    monkeypatch.chdir(tmp_path)
    disk = RealDisk("link")
    monkeypatch.chdir("/")
    assert disk.is_root_here()
    root.rename(tmp_path / "moved")
    assert not disk.is_root_here()
    assert disk.stat(b"x") is not None
    disk.create(b"y").close()
    assert (tmp_path / "moved" / "y").exists()
    root.mkdir()
    assert not disk.is_root_here()
    root.rmdir()
    root.touch()
    assert not disk.is_root_here()
    root.unlink()
    (tmp_path / "moved").rename(root)
    assert disk.is_root_here()
    disk.close()
    disk.close()


def test_each_errno_has_its_trouble(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    real.write(b"file", b"x")
    expected = {
        errno.EIO: Trouble.IO,
        errno.ESTALE: Trouble.IO,
        errno.ETXTBSY: Trouble.IO,
        errno.EACCES: Trouble.DENIED,
        errno.EPERM: Trouble.DENIED,
        errno.EROFS: Trouble.READ_ONLY,
        errno.ENOSPC: Trouble.FULL,
        errno.EDQUOT: Trouble.FULL,
        errno.EMFILE: Trouble.LIMIT,
        errno.ENFILE: Trouble.LIMIT,
        errno.ENAMETOOLONG: Trouble.NAME,
        errno.EILSEQ: Trouble.NAME,
        errno.EINVAL: Trouble.NAME,
        errno.EXDEV: Trouble.BOUNDARY,
        errno.EBUSY: Trouble.BOUNDARY,
    }
    for number, wanted in expected.items():
        with monkeypatch.context() as patch:
            patch.setattr(real.real, "_stat_at", refuse(number))
            assert trouble(real.disk.stat, b"file") == wanted, errno.errorcode[number]
            assert trouble(real.disk.open, b"file") == wanted


def test_trouble_with_an_entry_is_not_absence(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be looked at must never look deleted, and what vanishes meanwhile must not stop the rest."""
    for name in (b"a", b"b", b"c"):
        real.write(name, name)
    look = os.stat

    def stat(path: Any, *arguments: Any, **keywords: Any) -> os.stat_result:
        if path == b"b" and "dir_fd" in keywords:
            refuse(number)()
        return look(path, *arguments, **keywords)

    monkeypatch.setattr(os, "stat", stat)
    number = errno.EIO
    assert trouble(real.disk.list, b"") == Trouble.IO
    number = errno.EACCES
    assert trouble(real.disk.list, b"") == Trouble.DENIED
    assert trouble(real.disk.stat, b"b") == Trouble.DENIED
    number = errno.ENOENT
    assert sorted(name for name, _ in real.disk.list(b"") or []) == [b"a", b"c"]


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may do anything: be somebody else for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_no_permission(real: RealWorld) -> None:
    fill(real)
    os.chmod(real.root, 0o755)
    owner = os.stat(real.root).st_uid
    real.chmod(b"file", 0)
    real.chmod(b"folder", 0)
    disk = real.disk
    with as_nobody():
        assert trouble(disk.open, b"file") == Trouble.DENIED
        if os.geteuid() == owner:
            return  # folders of ours are another matter
        assert trouble(disk.stat, b"folder/inner") == Trouble.DENIED
        assert trouble(disk.stat, b"folder/absent") == Trouble.DENIED
        assert trouble(disk.list, b"folder") == Trouble.DENIED
        assert trouble(disk.create, b"folder/x") == Trouble.DENIED
        assert trouble(disk.sync_directory, b"folder") == Trouble.DENIED
    real.chmod(b"folder", 0o744)  # may be read, but not entered: names without anything about them
    with as_nobody():
        assert trouble(disk.list, b"folder") == Trouble.DENIED
    real.chmod(b"folder", 0o555)
    with as_nobody():
        assert trouble(disk.create, b"folder/x") == Trouble.DENIED
        assert trouble(disk.remove_file, b"folder/inner") == Trouble.DENIED
        assert trouble(disk.rename, b"folder/inner", b"folder/x") == Trouble.DENIED
        assert real.read(b"folder/inner") == b"inner content"
    real.chmod(b"folder", 0o755)


# --- folders of ours that forbid their owner something -------------------------------------------------------------


@pytest.fixture(params=["new kernel", "old kernel"])
def ours(real: RealWorld, request: pytest.FixtureRequest) -> Iterator[RealWorld]:
    """All in it is of an ordinary user, who is at work."""
    if os.geteuid() == 0:
        os.chown(real.root, 65534, 65534)
    if request.param == "old kernel":
        real.real._use_openat2 = real.real._use_fchmodat2 = False
    os.chmod(real.root, 0o755)
    here = os.open(".", os.O_PATH)
    os.chdir(real.root)  # nobody may come here from above
    root, real.root = real.root, b"."
    with as_nobody():
        fill(real)
        real.mkdir(b".dir_sync")
        real.mkdir(b"beside/inner")
        real.write(b"beside/file", b"beside")
        yield real
        notes = [name for name in os.listdir(b".dir_sync") if name.startswith(b"opened-")]
        subprocess.run(["chmod", "-R", "u+rwx", "."], check=True)
    real.root = root
    os.fchdir(here)
    os.close(here)
    assert not real.real._opened
    assert not notes


def mode_of(path: bytes) -> int:
    return st.S_IMODE(os.stat(path).st_mode)


def sure(found: object) -> None:
    assert found


CHANGES: dict[str, Callable[[Disk], object]] = {
    "create": lambda disk: disk.create(b"folder/x").close(),
    "create_whole": lambda disk: disk.create_whole(b"folder/x", b"x", 0o644, T0, True),
    "create_many": lambda disk: sure(isinstance(disk.create_many(b"folder", [NewFile(b"x", b"x", 0o644, T0)])[0], Stat)),
    "make_directory": lambda disk: disk.make_directory(b"folder/x", 0o555),
    "make_link": lambda disk: disk.make_link(b"folder/x", b"target"),
    "remove_file": lambda disk: disk.remove_file(b"folder/inner"),
    "rename": lambda disk: disk.rename(b"folder/inner", b"folder/x"),
    "rename out": lambda disk: disk.rename(b"folder/inner", b"x"),
    "rename in": lambda disk: disk.rename(b"file", b"folder/x"),
    "rename_many": lambda disk: sure(isinstance(disk.rename_many([(b"file", b"folder/x")])[0], Stat)),
    "exchange": lambda disk: disk.exchange(b"file", b"folder/inner"),
    "exchange a folder": lambda disk: disk.exchange(b"folder", b"beside/file"),
    "exchange with a folder": lambda disk: disk.exchange(b"beside/file", b"folder"),
    "another parent": lambda disk: disk.rename(b"folder", b"beside/x"),
    "set_meta": lambda disk: disk.set_meta(b"folder/inner", 0o600, T0),
    "list": lambda disk: sure(disk.list(b"folder")),
    "stat": lambda disk: sure(disk.stat(b"folder/inner")),
    "read_many": lambda disk: sure(disk.read_many(b"folder", [b"inner"], 99)),
    "open": lambda disk: disk.open(b"folder/inner").close(),
    "sync": lambda disk: disk.sync_directory(b"folder"),
}  # fmt: skip


@pytest.mark.parametrize("mode", [0o555, 0o2070, 0o311])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("way", ["alone", "batch"])
def test_a_folder_of_ours_is_opened_for_the_moment(ours: RealWorld, change: str, mode: int, way: str) -> None:
    os.chmod(b"folder", mode)
    mode = mode_of(b"folder")  # nobody's group may not be this one's
    inode = os.stat(b"folder").st_ino
    with ours.disk.batch() if way == "batch" else contextlib.nullcontext():
        CHANGES[change](ours.disk)
    (there,) = [
        found
        for path in (b"folder", b"beside/x", b"beside/file")
        if os.path.exists(path) and (found := os.stat(path)).st_ino == inode
    ]
    assert st.S_IMODE(there.st_mode) == mode


def test_an_empty_folder_in_a_read_only_one_is_removed(ours: RealWorld) -> None:
    os.chmod(b"beside/inner", 0o555)
    os.chmod(b"beside", 0o555)
    ours.disk.remove_directory(b"beside/inner")
    assert os.listdir(b"beside") == [b"file"]
    assert mode_of(b"beside") == 0o555


def test_folders_in_each_other_are_opened_from_above(ours: RealWorld) -> None:
    ours.mkdir(b"a/b/c")
    for path in (b"a/b/c", b"a/b", b"a"):
        os.chmod(path, 0)
    with ours.disk.batch():
        ours.disk.create_whole(b"a/b/c/x", b"x", 0o644, T0, False)
    assert ours.disk.list(b"a/b/c") == [(b"x", ours.seen(b"a/b/c/x"))]
    for path in (b"a", b"a/b", b"a/b/c"):
        assert ours.seen(path).mode == mode_of(path) == 0
        os.chmod(path, 0o700)


def test_a_batch_opens_a_folder_once_and_nobody_is_told(ours: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chmod(b"folder", 0o555)
    modes: list[int] = []
    change = ours.real._change_mode_of
    monkeypatch.setattr(ours.real, "_change_mode_of", lambda fd, mode: (modes.append(mode), change(fd, mode)))
    with ours.disk.batch():
        for number in range(9):
            ours.disk.create(b"folder/%d" % number).close()
            assert mode_of(b"folder") == 0o755
            assert ours.seen(b"folder").mode == 0o555
            assert dict(ours.disk.list(b"") or [])[b"folder"].mode == 0o555
            ours.disk.set_meta(b"folder", None, T0)
        assert len(os.listdir(b".dir_sync")) == 1
    assert modes == [0o755, 0o555]


def test_a_mode_that_comes_while_it_is_open_is_what_it_gets(ours: RealWorld) -> None:
    os.chmod(b"folder", 0o555)
    with ours.disk.batch():
        ours.disk.create(b"folder/x").close()
        ours.disk.set_meta(b"folder", 0o511, None)
        assert ours.seen(b"folder").mode == 0o511
        ours.disk.create(b"folder/y").close()
    assert ours.seen(b"folder").mode == mode_of(b"folder") == 0o511
    with ours.disk.batch():
        ours.disk.create(b"folder/z").close()
        ours.disk.set_meta(b"folder", 0o711, None)
    assert ours.seen(b"folder").mode == mode_of(b"folder") == 0o711


def test_a_mode_that_a_user_gives_it_meanwhile_stays(ours: RealWorld) -> None:
    os.chmod(b"folder", 0o555)
    with ours.disk.batch():
        ours.disk.create(b"folder/x").close()
        os.chmod(b"folder", 0o770)
        assert ours.seen(b"folder").mode == 0o770
    assert mode_of(b"folder") == 0o770
    os.chmod(b"folder", 0o555)
    with ours.disk.batch():
        ours.disk.create(b"folder/y").close()
        os.chmod(b"folder", 0o500)
        ours.disk.create(b"folder/z").close()
        assert ours.seen(b"folder").mode == 0o500
    assert mode_of(b"folder") == 0o500


def test_a_folder_that_is_moved_while_it_is_open_is_shut_where_it_is(ours: RealWorld) -> None:
    os.chmod(b"folder", 0o555)
    with ours.disk.batch():
        ours.disk.create(b"folder/x").close()
        os.rename(b"folder", b"beside/other")
        os.mkdir(b"folder", 0o755)
    assert mode_of(b"beside/other") == 0o555
    assert mode_of(b"folder") == 0o755


def test_whoever_looks_meanwhile_sees_the_mode_it_will_have(ours: RealWorld) -> None:
    """Several work in it at once, several look: the last one shuts it, and no look sees it open."""
    os.chmod(b"folder", 0o555)
    wrong: list[object] = []
    over = threading.Event()

    def work(number: int) -> None:
        try:
            for turn in range(150):
                with ours.disk.batch() if turn % 3 else contextlib.nullcontext():
                    ours.disk.create(b"folder/%d" % number).close()
                    ours.disk.remove_file(b"folder/%d" % number)
        except Exception as error:
            wrong.append(error)

    def look() -> None:
        while not over.is_set():
            modes = ours.seen(b"folder").mode, dict(ours.disk.list(b"") or [])[b"folder"].mode
            if modes != (0o555, 0o555):
                wrong.append(modes)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    lookers = [threading.Thread(target=look) for _ in range(2)]
    for thread in workers + lookers:
        thread.start()
    for thread in workers:
        thread.join()
    over.set()
    for thread in lookers:
        thread.join()
    assert not wrong
    assert mode_of(b"folder") == 0o555


def test_the_next_start_shuts_what_was_left_open(ours: RealWorld) -> None:
    for path in (b"a/b", b"changed", b"moved"):
        ours.mkdir(path)
        os.chmod(path, 0o555)
    os.chmod(b"a", 0o444)
    child = os.fork()
    if not child:
        ours.disk.batch().__enter__()
        for path in (b"a/b/x", b"changed/x", b"moved/x"):
            ours.disk.create(path).close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [mode_of(path) for path in (b"a", b"a/b", b"changed", b"moved")] == [0o744, 0o755, 0o755, 0o755]
    os.chmod(b"changed", 0o750)
    os.rename(b"moved", b"elsewhere")
    os.mkdir(b"moved", 0o755)
    ours.real.shut_all()
    assert mode_of(b"a") == 0o444
    os.chmod(b"a", 0o755)
    assert mode_of(b"a/b") == 0o555
    assert [mode_of(path) for path in (b"changed", b"moved", b"elsewhere")] == [0o750, 0o755, 0o755]


@AS_ROOT
def test_a_folder_of_another_or_with_a_bit_we_could_not_give_back_is_left_alone(ours: RealWorld) -> None:
    os.seteuid(0)
    os.chmod(b"folder", 0o555)
    os.chown(b"folder", 12, 34)
    os.chown(b"beside", -1, 34)
    os.chmod(b"beside", 0o2555)
    os.seteuid(65534)
    try:
        for folder in (b"folder", b"beside"):
            mode = mode_of(folder)
            assert trouble(ours.disk.create, folder + b"/x") == Trouble.DENIED
            assert trouble(ours.disk.make_directory, folder + b"/x", 0o755) == Trouble.DENIED
            assert mode_of(folder) == mode
    finally:
        os.seteuid(0)
        os.chown(b"folder", 65534, 65534)
        os.seteuid(65534)


def test_the_shared_folder_itself_is_left_as_it_is(ours: RealWorld) -> None:
    os.chmod(b".", 0o555)
    assert trouble(ours.disk.create, b"x") == Trouble.DENIED
    os.chmod(b".", 0o755)


def test_no_room_for_a_note(ours: RealWorld) -> None:
    os.rmdir(b".dir_sync")
    os.chmod(b"folder", 0o555)
    ours.disk.remove_file(b"folder/inner")
    assert mode_of(b"folder") == 0o555
    os.mkdir(b".dir_sync")


def test_too_many_open_files(real: RealWorld) -> None:
    real.mkdir(b"folder")
    real.write(b"folder/x", b"x")
    lowest = os.dup(0)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        for act in (real.disk.stat, real.disk.open, real.disk.list, real.disk.create):
            assert trouble(act, b"folder/x") == Trouble.LIMIT
        assert trouble(real.disk.open, b"folder") == Trouble.WRONG_TYPE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert real.disk.stat(b"folder/x") is not None


@pytest.mark.parametrize("verb", ["open", "reopen"])
def test_what_takes_the_name_of_a_file_is_not_opened(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """The look before the open says file, and then something else is there."""
    real.write(b"file", b"x")
    file = real.seen(b"file")
    fill_later = [b"fifo", b"link", b"socket"]
    os.mkfifo(real.at(b"fifo"))
    os.symlink(b"file", real.at(b"link"))
    with socket.socket(socket.AF_UNIX) as listener:
        cwd = os.getcwdb()
        os.chdir(real.root)  # the address of a socket is short
        try:
            listener.bind(b"socket")
        finally:
            os.chdir(cwd)
        if os.geteuid() == 0:
            os.mknod(real.at(b"zero"), st.S_IFCHR | 0o666, os.makedev(1, 5))
            fill_later.append(b"zero")
        for lying in (False, True):
            with monkeypatch.context() as patch, within(5):
                if lying:
                    patch.setattr(real.real, "_stat_at", lambda _parent, _leaf: file)
                for path in fill_later:
                    assert trouble(getattr(real.disk, verb), path) == Trouble.WRONG_TYPE, path
    assert all(real.seen(path).kind == Kind.OTHER for path in fill_later if path != b"link")


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_a_link_that_takes_the_name_keeps_its_target_from_a_chmod(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    """The look before the chmod says file, and then a link is there."""
    real.real._use_fchmodat2 = real.real._use_fchmodat2 and kernel == "new"
    real.write(b"file", b"x")
    real.symlink(b"link", b"file")
    file = os.stat(real.at(b"file"))
    look = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **rest: file if path == b"link" else look(path, **rest))
    with contextlib.suppress(DiskError):
        real.disk.set_meta(b"link", 0o123, None)
    monkeypatch.undo()
    assert real.seen(b"file").mode == st.S_IMODE(file.st_mode)


def test_special_bits_never_travel(world: World) -> None:
    if not isinstance(world, RealWorld):
        pytest.skip("there are no special bits in memory")
    disk = world.disk
    writer = disk.create(b"file")
    writer.set_meta(0o6755, T0)
    writer.close()
    assert st.S_IMODE(os.stat(world.at(b"file")).st_mode) == 0o755
    disk.set_meta(b"file", 0o4711, None)
    assert st.S_IMODE(os.stat(world.at(b"file")).st_mode) == 0o711
    world.chmod(b"file", 0o4711)
    disk.set_meta(b"file", 0o711, None)
    assert st.S_IMODE(os.stat(world.at(b"file")).st_mode) == 0o711
    disk.make_directory(b"folder", 0o7755)
    assert st.S_IMODE(os.stat(world.at(b"folder")).st_mode) == 0o755
    world.chmod(b"folder", 0o3775)  # a folder that a group shares: the sharing stays, and is inherited
    disk.set_meta(b"folder", 0o770, None)
    assert st.S_IMODE(os.stat(world.at(b"folder")).st_mode) == 0o3770
    disk.make_directory(b"folder/inner", 0o777)
    assert st.S_IMODE(os.stat(world.at(b"folder/inner")).st_mode) == 0o2777


def test_attributes_are_kept(real: RealWorld) -> None:
    real.write(b"old", b"old")
    real.write(b"new", b"new")
    real.disk.set_meta(b"new", 0o640, T0)
    try:
        os.setxattr(real.at(b"old"), "user.note", b"kept")
    except OSError as error:
        pytest.skip(f"no user xattrs here: {error}")
    if os.geteuid() == 0:
        os.chown(real.at(b"old"), 12, 34)
        os.setxattr(real.at(b"old"), "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    real.disk.keep_attributes(b"old", b"new")
    assert os.getxattr(real.at(b"new"), "user.note") == b"kept"
    assert os.listxattr(real.at(b"new")) == ["user.note"]
    assert (real.seen(b"new").mode, real.seen(b"new").mtime) == (0o640, T0)
    found, wanted = os.stat(real.at(b"new")), os.stat(real.at(b"old"))
    assert (found.st_uid, found.st_gid) == (wanted.st_uid, wanted.st_gid)


def test_an_acl_is_kept(real: RealWorld) -> None:
    real.write(b"old", b"old")
    real.write(b"new", b"new")
    # user::rw- user:12:rwx group::r-- mask::rwx other::---
    acl = bytes.fromhex(
        "02000000" "01000600ffffffff" "020007000c000000" "04000400ffffffff" "10000700ffffffff" "20000000ffffffff"
    )  # fmt: skip
    try:
        os.setxattr(real.at(b"old"), "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")
    real.disk.set_meta(b"new", 0o640, T0)
    real.disk.keep_attributes(b"old", b"new")
    kept = os.getxattr(real.at(b"new"), "system.posix_acl_access")
    assert bytes.fromhex("020007000c000000") in kept
    assert real.seen(b"new").mode == 0o640


def test_copy_where_the_kernel_does_not(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    real.write(b"source", b"0123456789" * 1000)
    for number in (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        monkeypatch.setattr(os, "copy_file_range", refuse(number))
        reader, writer = real.disk.open(b"source"), real.disk.create(b"copy-%d" % number)
        assert writer.copy_from(reader, 5, 0, 20_000) == 9_995
        assert writer.read(0, 7) == b"5678901"
        reader.close()
        writer.close()
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)  # as for some files of FUSE
    reader, writer = real.disk.open(b"source"), real.disk.create(b"copy")
    assert writer.copy_from(reader, 0, 0, 10_000) == 10_000
    monkeypatch.setattr(os, "copy_file_range", refuse(errno.ENOSPC))
    assert trouble(writer.copy_from, reader, 0, 0, 10) == Trouble.FULL
    reader.close()
    writer.close()


def test_short_reads_and_writes_are_gone_on_with(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, pwrite = os.pread, os.pwrite
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 3), offset))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, memoryview(data)[:4], offset))
    writer = real.disk.create(b"file")
    writer.write(2, b"0123456789")
    assert writer.read(0, 11) == b"\0\x000123456780"[:10] + b"8"
    assert writer.read(0, 99) == b"\0\x000123456789"
    writer.close()


def test_supports_exchange(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    assert real.real.supports_exchange
    assert real.disk.list(b"") == []
    real.mkdir(b".dir_sync")
    assert real.real.supports_exchange
    assert real.disk.list(b".dir_sync") == []
    other = RealDisk(real.root)
    without_flags(monkeypatch)
    assert not other.supports_exchange
    assert other.list(b".dir_sync") == []
    other.close()


def test_steps_keep_a_file_saved_meanwhile(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without flags: a program that saves while a name is linked away keeps what it saved."""
    without_flags(monkeypatch)
    real.write(b"file", b"old")
    link = os.link

    def link_and_save(*arguments: Any, **keywords: Any) -> None:
        link(*arguments, **keywords)
        real.write(b"other", b"saved")
        os.replace(real.at(b"other"), real.at(b"file"))

    monkeypatch.setattr(os, "link", link_and_save)
    real.disk.rename(b"file", b"moved")
    assert real.read(b"moved") == b"old"
    assert real.read(b"file") == b"saved"


def test_steps_that_fail_leave_all_as_it_was(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    without_flags(monkeypatch)
    fill(real)
    before = _picture(real)
    rename = os.rename
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse(errno.EIO))
        patch.setattr(os, "unlink", lambda *a, **k: refuse(errno.EIO)() if a == (b"file",) else os.remove(*a, **k))
        for act in (real.disk.rename, real.disk.exchange):
            assert trouble(act, b"folder", b"fifo" if act == real.disk.exchange else b"x") == Trouble.IO
        assert trouble(real.disk.exchange, b"file", b"folder/inner") == Trouble.IO
        assert trouble(real.disk.rename, b"file", b"x") == Trouble.IO

    def rename_once(*arguments: Any, **keywords: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            refuse(errno.EIO)()
        rename(*arguments, **keywords)

    for mine, theirs in ((b"folder", b"file"), (b"file", b"folder"), (b"link", b"folder")):
        calls: list[Any] = []
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", rename_once)
            assert trouble(real.disk.exchange, mine, theirs) == Trouble.IO
    assert _picture(real) == before


@pytest.mark.parametrize("utf8", [True, False])
def test_names_do_not_depend_on_the_locale(real: RealWorld, utf8: bool) -> None:
    names = [b"\xff\xfe", b"caf\xc3\xa9", b"caf\xe9", b"new\nline", b"\xed\xa0\x80"]
    for name in names:
        real.write(name, name)
    program = """
import sys
from dir_sync.disk import RealDisk
disk = RealDisk(sys.argv[1])
for name, stat in sorted(disk.list(b"")):
    assert disk.stat(name) == stat
    print(name.hex(), disk.open(name).read(0, 99).hex(), stat.kind.name)
disk.make_link(b"\\xfflink", b"\\xff\\xfetarget")
print(disk.read_link(b"\\xfflink").hex())
"""
    environment = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": str(int(utf8))}
    done = subprocess.run(
        [sys.executable, "-c", program, real.root],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines == [f"{name.hex()} {name.hex()} FILE" for name in sorted(names)] + [b"\xff\xfetarget".hex()]
    assert b"\xfflink" in os.listdir(real.root)


# --- the real disk: folders that others swap ---------------------------------------------------------------------


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize("kernel", ["new", "old"])
def test_nothing_outside_is_touched_while_a_parent_is_swapped(tmp_path: Path, batch: bool, kernel: str) -> None:
    root, canary = tmp_path / "root", tmp_path / "canary"
    root.mkdir()
    canary.mkdir()
    for name in ("x", "y", "inner"):
        (canary / name).write_bytes(b"canary")
    os.utime(canary, ns=(T0, T0))
    before = {entry.name: entry.stat() for entry in os.scandir(canary)} | {"": canary.stat()}
    disk, swapper = RealDisk(os.fsencode(root)), RealDisk(os.fsencode(root))
    disk._use_openat2 = disk._use_fchmodat2 = kernel == "new"
    disk.make_directory(b"folder", 0o755)
    disk.make_directory(b"folder/deeper", 0o755)
    disk.make_link(b"link", os.fsencode(canary))
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            swapper.exchange(b"folder", b"link")

    thread = threading.Thread(target=swap)
    thread.start()
    ends = time.monotonic() + 0.5
    results = {True: 0, False: 0}
    troubles: set[Trouble] = set()

    def attempt(act: Callable[..., Any], *arguments: object) -> None:
        try:
            done = act(*arguments)
        except DiskError as error:
            troubles.add(error.trouble)
            results[False] += 1
        else:
            results[True] += 1
            if done is not None:
                assert done.read(0, 6) != b"canary"
                done.close()

    try:
        number = 0
        while time.monotonic() < ends:
            number += 1
            with disk.batch() if batch else contextlib.nullcontext():
                path = b"folder/%d" % number
                attempt(disk.create, path)
                attempt(disk.set_meta, path, 0o600, T0 + number)
                attempt(disk.rename, path, b"folder/x")
                attempt(disk.set_meta, b"folder/y", 0o600, T0 + number)
                attempt(disk.open, b"folder/inner")
                attempt(disk.reopen, b"folder/x")
                attempt(disk.exchange, b"folder/x", b"folder/deeper")
                attempt(disk.exchange, b"folder/x", b"folder/deeper")
                attempt(disk.make_directory, b"folder/deeper/z", 0o755)
                attempt(disk.remove_directory, b"folder/deeper/z")
                attempt(disk.remove_file, b"folder/x")
                attempt(disk.remove_file, b"folder/inner")
                attempt(disk.make_link, b"folder/inner", b"nowhere")
                assert not {b"y"} & {entry for entry, _ in disk.list(b"folder") or []}
                attempt(disk.sync_directory, b"folder") if number % 50 == 0 else None
    finally:
        stop.set()
        thread.join()
    after = {entry.name: entry.stat() for entry in os.scandir(canary)} | {"": canary.stat()}
    same = ("st_mode", "st_ino", "st_nlink", "st_size", "st_mtime_ns", "st_ctime_ns", "st_atime_ns")
    assert after.keys() == before.keys()
    for name, stat in before.items():
        wanted = same if name else same[:-1]  # the folder was read just now, by this test
        assert [getattr(after[name], field) for field in wanted] == [getattr(stat, field) for field in wanted]
    assert results[True]
    assert results[False]
    assert troubles <= {Trouble.ABSENT, Trouble.BOUNDARY, Trouble.EXISTS, Trouble.WRONG_TYPE}
    disk.close()
    swapper.close()


def test_a_kept_parent_never_hides_what_is_there_now(real: RealWorld) -> None:
    disk = real.disk
    real.mkdir(b"folder")
    real.write(b"folder/old", b"old")
    with disk.batch():
        assert disk.stat(b"folder/old") is not None
        os.rename(real.at(b"folder"), real.at(b"moved"))
        assert disk.stat(b"folder/absent") is None
        os.mkdir(real.at(b"folder"))
        real.write(b"folder/new", b"new")
        assert disk.stat(b"folder/new") is not None
        assert disk.stat(b"folder/old") is None
        shutil.rmtree(real.at(b"folder"))
        assert disk.stat(b"folder/new") is None
        assert trouble(disk.create, b"folder/x") == Trouble.ABSENT
        os.mkdir(real.at(b"folder"))
        disk.create(b"folder/x").close()
        assert os.listdir(real.at(b"folder")) == [b"x"]
        shutil.rmtree(real.at(b"folder"))
        os.symlink(b"moved", real.at(b"folder"))
        assert disk.stat(b"folder/x") is None
        assert trouble(disk.create, b"folder/x") == Trouble.BOUNDARY
        assert trouble(disk.rename, b"moved/old", b"folder/old") == Trouble.BOUNDARY
        os.unlink(real.at(b"folder"))
        os.mkdir(real.at(b"folder"))
        disk.rename(b"moved/old", b"folder/old")
        assert os.listdir(real.at(b"folder")) == [b"old"]


def test_a_batch_is_of_one_thread_and_lets_go(real: RealWorld) -> None:
    for number in range(100):
        real.mkdir(b"%d" % number)
    before = open_files()
    counted: list[int] = []

    def elsewhere() -> None:
        real.disk.create(b"1/elsewhere").close()
        counted.append(open_files())

    def one_batch() -> None:
        with real.disk.batch():
            for number in range(100):
                real.disk.create(b"%d/x" % number).close()
            kept = open_files() - before
            assert 1 <= kept <= 64
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            assert counted == [before + kept]
            raise KeyError

    with pytest.raises(KeyError):
        one_batch()
    assert open_files() == before


# --- the real disk: mounts (root only) ---------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(*arguments: str | Path) -> Iterator[None]:
    """`mount ARGUMENTS`; the last is where."""
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(arguments[-1])], check=True)  # a failed test may hold it open


@AS_ROOT
@pytest.mark.parametrize("kernel", ["new", "old"])
def test_a_mount_in_the_folder_is_a_boundary(real: RealWorld, tmp_path: Path, kernel: str) -> None:
    disk = real.disk
    real.real._use_openat2 = kernel == "new"
    (tmp_path / "nested" / "deep").mkdir(parents=True)
    (tmp_path / "file").touch()
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path / "nested"):
        (tmp_path / "nested" / "inner").mkdir()
        (tmp_path / "nested" / "x").touch()
        assert real.seen(b"nested").kind == Kind.OTHER
        assert dict(disk.list(b"") or [])[b"nested"].kind == Kind.OTHER
        for path in (b"nested/x", b"nested/absent", b"nested/inner/x"):
            assert trouble(disk.stat, path) == Trouble.BOUNDARY
            assert trouble(disk.create, path) == Trouble.BOUNDARY
            assert trouble(disk.open, path) == Trouble.BOUNDARY
            assert trouble(disk.remove_file, path) == Trouble.BOUNDARY
            assert trouble(disk.rename, b"file", path) == Trouble.BOUNDARY
            assert trouble(disk.rename, path, b"y") == Trouble.BOUNDARY
        for path in (b"nested", b"nested/inner"):
            assert trouble(disk.list, path) == Trouble.BOUNDARY
            assert trouble(disk.sync_directory, path) == Trouble.BOUNDARY
        assert trouble(disk.rename, b"nested", b"y") == Trouble.BOUNDARY
        assert trouble(disk.exchange, b"file", b"nested") == Trouble.BOUNDARY
        assert trouble(disk.remove_directory, b"nested") == Trouble.BOUNDARY
        assert trouble(disk.set_meta, b"nested", 0o700, None) == Trouble.WRONG_TYPE
        assert sorted(os.listdir(tmp_path / "nested")) == ["inner", "x"]
    assert real.seen(b"nested").kind == Kind.DIRECTORY
    assert real.seen(b"nested/deep").kind == Kind.DIRECTORY


@AS_ROOT
def test_a_bind_mount_is_a_boundary(real: RealWorld, tmp_path: Path) -> None:
    if not real.real._use_openat2:
        pytest.skip("this kernel cannot tell")
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").touch()
    (tmp_path / "y").touch()
    with mounted("--bind", tmp_path / "there", tmp_path / "here"):
        assert trouble(real.disk.list, b"here") == Trouble.BOUNDARY
        assert trouble(real.disk.stat, b"here/x") == Trouble.BOUNDARY
        assert trouble(real.disk.create, b"here/z") == Trouble.BOUNDARY
        assert trouble(real.disk.rename, b"y", b"here/y") == Trouble.BOUNDARY


@AS_ROOT
def test_a_mount_over_a_file_is_a_boundary(real: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with mounted("--bind", "/proc/version", tmp_path / "file"):
        assert real.seen(b"file").kind == Kind.OTHER
        assert dict(real.disk.list(b"") or [])[b"file"].kind == Kind.OTHER
        assert trouble(real.disk.open, b"file") == Trouble.WRONG_TYPE
        assert trouble(real.disk.remove_file, b"file") == Trouble.BOUNDARY
    assert real.seen(b"file").kind == Kind.FILE


@AS_ROOT
def test_an_unmounted_root_is_gone(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path):
        disk = RealDisk(os.fsencode(tmp_path))
        assert disk.is_root_here()
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
        assert not disk.is_root_here()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)], check=True)
        assert not disk.is_root_here()
        disk.close()


@AS_ROOT
def test_a_layered_file_system_is_one(tmp_path: Path) -> None:
    """overlayfs gives files the device of their layer: they are no boundary for that."""
    lower, over = tmp_path / "lower", tmp_path / "over"
    lower.mkdir()
    over.mkdir()
    (tmp_path / "layer").mkdir()
    (lower / "folder").mkdir()
    (lower / "folder" / "below").write_bytes(b"below")
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path / "layer"):
        upper, work = tmp_path / "layer" / "upper", tmp_path / "layer" / "work"
        upper.mkdir()
        work.mkdir()
        with mounted("-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "none", over):
            world = RealWorld(over)
            assert world.seen(b"folder").kind == Kind.DIRECTORY
            assert world.read(b"folder/below") == b"below"
            world.disk.create(b"folder/above").close()
            assert {stat.kind for _, stat in world.disk.list(b"folder") or []} == {Kind.FILE}
            world.disk.rename(b"folder/below", b"folder/moved")
            assert world.read(b"folder/moved") == b"below"
            world.close()


@AS_ROOT
def test_a_full_disk(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=64k", "none", tmp_path):
        world = RealWorld(tmp_path)
        disk = world.disk
        writer = disk.create(b"file")
        assert trouble(writer.write, 0, bytes(100_000)) == Trouble.FULL
        assert disk.free_bytes() == 0
        writer.close()
        other = disk.create(b"other")
        assert trouble(other.write, 0, b"x") == Trouble.FULL
        reader = disk.open(b"file")
        assert trouble(other.copy_from, reader, 0, 0, 4096) == Trouble.FULL
        reader.close()
        other.close()
        disk.remove_file(b"file")
        assert disk.free_bytes() > 0
        world.close()


@AS_ROOT
def test_a_disk_without_inodes(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "nr_inodes=4", "none", tmp_path):
        disk = RealDisk(os.fsencode(tmp_path))
        for number in range(3):
            disk.create(b"%d" % number).close()
        assert trouble(disk.create, b"x") == Trouble.FULL
        assert trouble(disk.make_directory, b"x", 0o755) == Trouble.FULL
        assert trouble(disk.make_link, b"x", b"y") == Trouble.FULL
        disk.rename(b"0", b"3")
        disk.close()


@AS_ROOT
def test_a_read_only_disk(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path):
        world = RealWorld(tmp_path)
        disk = world.disk
        fill(world)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        assert trouble(disk.create, b"x") == Trouble.READ_ONLY
        assert trouble(disk.reopen, b"file") == Trouble.READ_ONLY
        assert trouble(disk.make_directory, b"x", 0o755) == Trouble.READ_ONLY
        assert trouble(disk.make_link, b"x", b"y") == Trouble.READ_ONLY
        assert trouble(disk.remove_file, b"file") == Trouble.READ_ONLY
        assert trouble(disk.remove_directory, b"folder") == Trouble.READ_ONLY
        assert trouble(disk.rename, b"file", b"x") == Trouble.READ_ONLY
        assert trouble(disk.exchange, b"file", b"link") == Trouble.READ_ONLY
        assert trouble(disk.set_meta, b"file", 0o600, None) == Trouble.READ_ONLY
        assert trouble(disk.set_meta, b"file", None, T0) == Trouble.READ_ONLY
        disk.keep_attributes(b"file", b"fifo")
        assert world.read(b"file") == b"content"
        world.close()


# --- the disk in memory: its user, its hooks ---------------------------------------------------------------------


def memory(seed: int = 1, **options: Any) -> MemoryDisk:
    ticks = iter(range(T0, T0 + 10**15, 1000))
    return MemoryDisk(lambda: next(ticks), random.Random(seed), **options)


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
    disk.link(b"b", b"d")
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


# --- the disk in memory: power cuts ------------------------------------------------------------------------------


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
            disk.link(b"d/%d" % turn, b"l%d" % turn)
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


def test_equal_seeds_give_equal_disks() -> None:
    def run(seed: int) -> tuple[object, ...]:
        disk, dice = memory(seed), random.Random(seed)
        for _ in range(200):
            name, other = (b"%d" % dice.randrange(8) for _ in range(2))
            try:
                match dice.randrange(7):
                    case 0:
                        disk.write(name, dice.randbytes(9), replace=dice.random() < 0.5)
                    case 1:
                        disk.move(name, other)
                    case 2:
                        disk.delete(name)
                    case 3:
                        disk.exchange(name, other)
                    case 4:
                        disk.sync_all() if dice.random() < 0.2 else disk.mkdir(name)
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


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "no room on the disk (or no free inodes)"),
        (errno.EDQUOT, "no room on the disk (Disk quota exceeded)"),
        (errno.EMFILE, "too many open files"),
        (errno.EACCES, "no permission"),
        (errno.EPERM, "no permission (Operation not permitted)"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, "input/output error"),
        (errno.ENAMETOOLONG, "this file system cannot hold such a name (File name too long)"),
    ],
)
def test_a_trouble_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str) -> None:
    disk = RealDisk(tmp_path)

    def fails(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", fails)
    with pytest.raises(DiskError) as caught:
        disk.make_directory(b"folder", 0o755)
    assert str(caught.value) == text
    disk.close()


def test_what_is_appended_goes_to_the_end_whatever_the_offset(world: World) -> None:
    world.write(b"log", b"first")
    writer = world.disk.append(b"log")
    writer.write(0, b" second")
    writer.write(3, b" third")
    writer.close()
    assert world.read(b"log") == b"first second third"


def test_a_file_is_closed_if_nobody_has_it_open_for_writing(world: World) -> None:
    world.write(b"log", b"x")
    assert world.disk.is_closed(b"log")
    held = world.disk.reopen(b"log")
    assert not world.disk.is_closed(b"log")
    writer = world.disk.append(b"log")
    assert not writer.lock()
    writer.close()
    held.close()
    assert not world.disk.is_closed(b"nothing")


def test_who_reads_a_file_does_not_have_it_open_for_writing(real: RealWorld) -> None:
    real.write(b"log", b"x")
    reader = real.disk.open(b"log")
    assert real.disk.is_closed(b"log")
    writer = real.disk.append(b"log")
    assert not writer.lock()
    reader.close()
    assert writer.lock()
    writer.close()
    assert real.disk.is_closed(b"log")
