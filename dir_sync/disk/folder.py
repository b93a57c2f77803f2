"""The shared folder itself, held open: its identity, whether its path still names it, its free space.

In:   the path of the folder.
Out:  its handle, below which everything else is opened; free bytes, the granularity of its times.
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
    """The bytes that this user may still write, minus a reserve for the index (negative: less than the reserve)."""
    left_alone = min(_LEFT_ALONE_BYTES, found.f_blocks * found.f_frsize // 50)
    return found.f_bavail * found.f_frsize - left_alone


class Folder:
    """The folder that the path named when it was opened, whatever happens to the path."""

    def __init__(self, path: str | bytes) -> None:
        try:
            # Not abspath(): the kernel decides what ".." means after a link.
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
        """True while the path names this folder. False also if the path cannot be examined."""
        try:
            found = os.stat(self._path)
        except OSError:
            return False
        return found.st_ino == self.inode and found.st_dev == self.device

    def free_bytes(self) -> int:
        """The bytes that this user may still write, without the space reserved for root and a reserve for the index."""
        try:
            found = os.fstatvfs(self.handle)
        except OSError as error:
            raise disk_error(error, b"") from error
        return max(0, room(found))

    @property
    def grain_ns(self) -> int:
        """Two changes within this time may get equal timestamps; 0: never. Measured once, on a file without a name."""
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
                    # Clock ticks are at least 1 ms, so 4 ms have fewer than eight.
                    if len(set(times)) == len(times) and time.monotonic_ns() - start_ns < 4_000_000:
                        return 0
            except OSError:
                pass
            finally:
                os.close(fd)
        # A time that is no multiple of 10 ms rules out FAT (2 s), ext3 (1 s) and exFAT (10 ms). Then only the kernel's
        # tick remains: at most 10 ms.
        return 20_000_000 if any(ns % 10_000_000 for ns in times) else 2_000_000_000
