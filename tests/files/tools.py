"""Changes of a tree on a memory disk, as the engine orders them."""

from __future__ import annotations

import time
from random import Random

from blake3 import blake3

from dir_sync.core.jobs import Applied, ApplyItem, ApplyJob, ApplyResult, Cause, TreeOp
from dir_sync.core.model import Kind, Record, Stamp, Stat, fingerprint
from dir_sync.core.names import HISTORY
from dir_sync.file_sync import FileSync
from dir_sync.ports import Disk
from tests.pair import NoSignatures
from tests.sim.memory_disk import MemoryDisk

THEIRS = Stamp(5, "their node")
MTIME = 1_700_000_000_000_000_000


def file_sync(disk: Disk) -> FileSync:
    sync = FileSync(disk, lambda _: True, NoSignatures(), time.time_ns, "test")
    sync.prepare()
    return sync


def record(path: bytes, data: bytes | None) -> Record:
    if data is None:
        return Record(path, Kind.ABSENT, 0, b"", 0, 0, THEIRS, ())
    return Record(path, Kind.FILE, len(data), blake3(data).digest(), MTIME, 0o644, THEIRS, ())


def change(disk: Disk, path: bytes, data: bytes | None) -> ApplyItem:
    """`data` takes the place of what is there now; None: nothing does."""
    stat = disk.stat(path)
    expect = b"" if stat is None else fingerprint(stat)
    return ApplyItem(
        path, TreeOp.REMOVE if data is None else TreeOp.INSTALL, record(path, data), expect, Cause.REPLACED, data
    )


def move(disk: Disk, path: bytes, data: bytes, source: bytes, found: Stat) -> ApplyItem:
    """As `change`, but by a rename of `source`, which has that content. `found`: as a look has seen it."""
    return change(disk, path, data)._replace(act=TreeOp.MOVE, data=None, copy_path=source, copy_fp=fingerprint(found))


def apply(sync: FileSync, *items: ApplyItem) -> tuple[ApplyResult, ...]:
    done = sync.perform(ApplyJob(items))
    assert isinstance(done, Applied)
    return done.items


def kept(disk: MemoryDisk) -> list[bytes | None]:
    """The contents in the history."""
    days = [HISTORY + b"/" + day for day, _ in disk.list(HISTORY) or []]
    return [disk.content(day + b"/" + name) for day in days for name, _ in disk.list(day) or []]


def nowhere(_digest: bytes, _base: bytes) -> None:
    """Of an index that knows nothing."""


class Watched(MemoryDisk):
    """Notes the order of the names of each exchange."""

    exchanges: list[tuple[bytes, bytes]]

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        self.exchanges.append((mine, theirs))
        super().exchange(mine, theirs)


def watched() -> Watched:
    disk = Watched(time.time_ns, Random(1))
    disk.exchanges = []
    return disk
