"""The disks that the tests of this folder use, each with the hands of a user on the same folder.

Where root is needed (mounts, devices) a test is skipped for others, and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import random
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from dir_sync.core.model import Kind, Stat
from dir_sync.disk import Kernel, RealDisk, renames
from dir_sync.ports import Disk, DiskError, Trouble
from tests.sim.memory_disk import MemoryDisk

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
        self.kernel = Kernel.found()
        self.real = RealDisk(self.root, self.kernel)
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

    def make_kernel_old(self) -> None:
        """From now on it has neither openat2 nor fchmodat2."""
        self.kernel.has_openat2 = self.kernel.has_fchmodat2 = False

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
        self.memory.give_name(source, target)

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

    monkeypatch.setattr(renames, "renameat2", renameat2)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


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


def memory(seed: int = 1, **options: Any) -> MemoryDisk:
    ticks = iter(range(T0, T0 + 10**15, 1000))
    return MemoryDisk(lambda: next(ticks), random.Random(seed), **options)


def picture(world: World) -> list[object]:
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
