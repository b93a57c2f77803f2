"""Open files of a disk in memory, as the program and the programs of users have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dir_sync.core.model import Stat
from dir_sync.ports import DiskError, Reader, Trouble
from tests.sim.memory_tree import Inode, stat_of

if TYPE_CHECKING:
    from tests.sim.memory_disk import MemoryDisk

__all__ = ["MemoryFile"]


class MemoryFile:
    """ports.Writer, and so ports.Reader. With `hooked`, the verbs are counted, hooked and may be made to fail."""

    __slots__ = ("_appends", "_closed", "_disk", "_generation", "_hooked", "_inode", "_path", "_writes")

    def __init__(
        self, disk: MemoryDisk, inode: Inode, path: bytes, hooked: bool, appends: bool = False, writes: bool = True
    ) -> None:
        self._appends = appends
        self._disk = disk
        self._inode = inode
        self._path = path
        self._hooked = hooked
        self._generation = disk.generation
        self._closed = False
        self._writes = writes
        inode.handles += 1
        inode.writers += writes

    def stat(self) -> Stat:
        self._enter("file.stat")
        return stat_of(self._inode)

    def read(self, offset: int, length: int) -> bytes:
        self._enter("file.read")
        if self._hooked and self._inode.number in self._disk.unreadable:
            raise DiskError(Trouble.IO, self._path, "a bad sector")
        return bytes(self._inode.data[offset : offset + length])

    def fileno(self) -> int:
        return -1

    def again(self) -> MemoryFile:
        self._enter("file.again")
        return MemoryFile(self._disk, self._inode, self._path, self._hooked, writes=self._writes)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self._enter("file.write")
        if self._appends:
            offset = len(self._inode.data)
        self._disk._put(self._inode, offset, data, self._path)

    def copy_from(self, source: Reader, source_offset: int, offset: int, length: int) -> int:
        self._enter("file.copy_from")
        data = source.read(source_offset, length)
        self._disk._put(self._inode, offset, data, self._path)
        return len(data)

    def lock(self) -> bool:
        self._enter("file.lock")
        if self._inode.handles > 1:
            return False
        self._disk.locked = self._inode.number
        return True

    def must_fit(self, length: int) -> None:
        self._enter("file.must_fit")

    def truncate(self, length: int) -> None:
        self._enter("file.truncate")
        self._disk._cut(self._inode, length)

    def set_meta(self, mode: int, mtime: int) -> None:
        self._enter("file.set_meta")
        self._disk._log_times(self._inode)
        self._inode.mode = mode & 0o777
        self._disk._set_times(self._inode, mtime)

    def start_flush(self, offset: int, length: int) -> None:
        self._enter("file.start_flush")

    def sync(self) -> None:
        try:
            self._enter("file.sync")
        except DiskError:
            self._disk._sync_failed(self._inode)
            raise
        if self._inode.number not in self._disk._never_synced:
            self._disk._unsynced.pop(self._inode.number, None)
        self._disk._journal.clear()

    def close(self) -> None:
        """Never fails, and does nothing after a crash."""
        if self._closed:
            return
        self._closed = True
        if self._disk.locked == self._inode.number:
            self._disk.locked = None
        if self._generation == self._disk.generation:
            if self._hooked:
                self._disk.counts["file.close"] += 1
            self._inode.handles -= 1
            self._inode.writers -= self._writes
            self._disk._free(self._inode)

    def _enter(self, verb: str) -> None:
        assert not self._closed, "a file was used after its close"
        if self._generation != self._disk.generation:
            raise DiskError(Trouble.IO, self._path, "the power failed")
        if self._hooked:
            self._disk._enter(verb, self._path)
