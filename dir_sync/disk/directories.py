"""Opens directories below the shared folder: no link is followed, no mount is crossed.

In:   paths relative to the folder.
Out:  new handles, which the caller closes. OSError: ENOENT if it is absent or not a directory, ELOOP for a link in the
path, EXDEV for a mount.
Used by: handles, real, renames, unlocked.
"""

from __future__ import annotations

import errno
import os
import stat as st

from dir_sync.disk.folder import Folder
from dir_sync.disk.linux import HOLD, Kernel, OpenHow, openat2, os_error
from dir_sync.ports import DiskError, Trouble

__all__ = ["NO_NAMES", "NUL", "PATH_MAX", "Directories"]

NO_NAMES = frozenset((b"", b".", b".."))
NUL = b"\0"  # find() is five times faster than `in`, which first tries to convert its left side to a number
PATH_MAX = 4095  # the limit of one system call


class Directories:
    """The only way from a path to a handle of a directory."""

    def __init__(self, folder: Folder, kernel: Kernel) -> None:
        self._folder = folder
        self._kernel = kernel

    def open(self, path: bytes, how: OpenHow) -> int:
        """A directory of the folder, or b"" for the folder itself."""
        if path and (path.find(NUL) >= 0 or not NO_NAMES.isdisjoint(path.split(b"/"))):
            raise DiskError(Trouble.NAME, path, "not a path inside the folder")
        try:
            if not self._kernel.has_openat2:
                return self._open_by_parts(path, how.flags)
            if len(path) <= PATH_MAX:
                return openat2(self._folder.handle, path or b".", how)
            return self._open_far_below(path, how)
        except NotADirectoryError as error:
            raise os_error(errno.ENOENT) from error

    def hold_in(self, at: int, name: bytes) -> int:
        """A directory in an open one."""
        if self._kernel.has_openat2:
            return openat2(at, name, HOLD)
        fd = os.open(name, HOLD.flags | os.O_NOFOLLOW, dir_fd=at)
        if os.fstat(fd).st_dev != self._folder.device:
            os.close(fd)
            raise os_error(errno.EXDEV)
        return fd

    def _open_far_below(self, path: bytes, how: OpenHow) -> int:
        root = at = self._folder.handle
        try:
            while len(path) > PATH_MAX:
                cut = path.rfind(b"/", 0, PATH_MAX)
                if cut < 0:
                    raise os_error(errno.ENAMETOOLONG)
                above, at = at, openat2(at, path[:cut], HOLD)
                if above != root:
                    os.close(above)
                path = path[cut + 1 :]
            return openat2(at, path, how)
        finally:
            if at != root:
                os.close(at)

    def _open_by_parts(self, path: bytes, flags: int) -> int:
        """For kernels before 5.6, and sandboxes that forbid openat2. It does not notice a bind mount of the same
        device."""
        parts = path.split(b"/")
        last = len(parts) - 1
        root = at = self._folder.handle
        for index, part in enumerate(parts):
            wanted = flags if index == last else HOLD.flags
            try:
                below = os.open(part or b".", wanted | os.O_NOFOLLOW, dir_fd=at)
                if os.fstat(below).st_dev != self._folder.device:
                    os.close(below)
                    raise os_error(errno.EXDEV)
            except NotADirectoryError:
                if st.S_ISLNK(os.stat(part, dir_fd=at, follow_symlinks=False).st_mode):
                    raise os_error(errno.ELOOP) from None
                raise
            finally:
                if at != root:
                    os.close(at)
            at = below
        return at
