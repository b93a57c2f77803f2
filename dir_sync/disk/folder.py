"""The shared folder itself, held open: what it is, whether its path still names it, how much fits into it.

In:   the path of the folder.
Out:  its handle, below which all else is opened; free bytes, the coarseness of its times.
Used by: directories, handles, real, unlocked. The package passes on room().
"""

from __future__ import annotations

import os
import time

from dir_sync.core.limits import MIB
from dir_sync.disk.errors import disk_error

__all__ = ["Folder", "room"]

_LEFT_ALONE_BYTES = 4 * MIB  # at most, and a fiftieth of a small disk


def room(found: os.statvfs_result) -> int:
    """The bytes that this user may still write, but for a little that is left for the index (negative: not even that)."""
    left_alone = min(_LEFT_ALONE_BYTES, found.f_blocks * found.f_frsize // 50)
    return found.f_bavail * found.f_frsize - left_alone


class Folder:
    """What its path named when it was opened, whatever becomes of that path."""

    def __init__(self, path: str | bytes) -> None:
        try:
            # Not abspath(): what ".." means behind a link is for the kernel to say
            self._path = os.path.join(os.getcwdb(), os.fsencode(path))
            self.handle = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, b"") from error
        found = os.fstat(self.handle)
        self.device, self.inode = found.st_dev, found.st_ino
        self._grain_ns: int | None = None

    def close(self) -> None:
        """May be called twice."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def is_here(self) -> bool:
        """True while the path names this folder. Also false if the path cannot be looked at."""
        try:
            found = os.stat(self._path)
        except OSError:
            return False
        return found.st_ino == self.inode and found.st_dev == self.device

    def free_bytes(self) -> int:
        """What this user may still write, not counting what is reserved for root, and a little that is left for the index."""
        try:
            found = os.fstatvfs(self.handle)
        except OSError as error:
            raise disk_error(error, b"") from error
        return max(0, room(found))

    @property
    def grain_ns(self) -> int:
        """Two changes closer together than this may leave equal times; 0: never. Tried out, once, on a file without a
        name."""
        if self._grain_ns is None:
            self._grain_ns = self._try_grain()
        return self._grain_ns

    def _try_grain(self) -> int:
        times = [os.fstat(self.handle).st_ctime_ns]
        try:
            fd = os.open(b".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=self.handle)
        except OSError:
            pass  # not every file system has such files
        else:
            try:
                for _ in range(3):
                    start_ns = time.monotonic_ns()
                    times = []
                    for mode in (0o700, 0o600) * 4:
                        os.fchmod(fd, mode)
                        times.append(os.fstat(fd).st_ctime_ns)
                    # Ticks are 1 ms at least: in 4 ms not eight of them
                    if len(set(times)) == len(times) and time.monotonic_ns() - start_ns < 4_000_000:
                        return 0
            except OSError:
                pass
            finally:
                os.close(fd)
        # A time that is no multiple of 10 ms is not from FAT (2 s), ext3 (1 s) or exFAT (10 ms). Then only the
        # kernel's tick is left: 10 ms at most.
        return 20_000_000 if any(ns % 10_000_000 for ns in times) else 2_000_000_000
