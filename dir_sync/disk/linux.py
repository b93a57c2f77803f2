"""System calls that the standard library lacks, and replacements for those that this kernel lacks.

In:   handles, names relative to them, flags.
Out:  handles and numbers; OSError, or -1 and ctypes.get_errno() where the docstring says so.
Used by: attributes, directories, files, handles, holes, real, renames, stats, steps, unlocked. Imports nothing of the
program.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import signal
import stat
import struct
from collections.abc import Callable

from dir_sync.core.frozen import mutable

__all__ = [
    "CREATE",
    "HOLD",
    "PEEK",
    "READ",
    "READ_FILE",
    "SAFELY",
    "Kernel",
    "OpenHow",
    "change_inode_flags",
    "inode_flags",
    "is_surely_open_for_writing",
    "is_too_long_for_the_disk",
    "lease",
    "openat2",
    "os_error",
    "renameat2",
    "start_flush",
    "sync_file_system",
]


class OpenHow(ctypes.Structure):
    """How to open: open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))
    flags: int


_OPENAT2, _FCHMODAT2 = 437, 452  # the same number on all machines that Debian supports
_RENAMEAT2 = {"x86_64": 316, "aarch64": 276}
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = 0x100, 0x1000
_SYNC_FILE_RANGE_WRITE = 2
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 1, 2, 4, 8
_INSIDE = _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH

HOLD = OpenHow(os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, _INSIDE)
"""A directory, to act relative to it."""
READ = OpenHow(os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0, _INSIDE)
"""A directory, to list or sync it."""
PEEK = OpenHow(os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, 0, _INSIDE)
"""Any entry, to see that it exists and is no mount."""

SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
READ_FILE = os.O_RDONLY | SAFELY
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)

_syscall_openat2 = _libc["syscall"]
_syscall_openat2.restype = ctypes.c_long
_syscall_openat2.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)

_fchmodat2 = _libc["syscall"]
_fchmodat2.restype = ctypes.c_long
_fchmodat2.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint)

_syncfs = _libc["syncfs"]
_syncfs.restype = ctypes.c_int
_syncfs.argtypes = (ctypes.c_int,)

_sync_file_range = _libc["sync_file_range"]
_sync_file_range.restype = ctypes.c_int
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

_fallocate = _libc["fallocate64" if hasattr(_libc, "fallocate64") else "fallocate"]
_fallocate.restype = ctypes.c_int
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_PUNCH_HOLE = 1 | 2  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE

_RENAME_ARGUMENTS = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
renameat2: Callable[[int, bytes, int, bytes, int], int]
"""Parent and name, parent and name, flags; a negative result is an error, with its errno in ctypes.get_errno()."""
if hasattr(_libc, "renameat2"):
    _call = _libc["renameat2"]
    _call.restype = ctypes.c_int
    _call.argtypes = _RENAME_ARGUMENTS
    renameat2 = _call
else:
    _call = _libc["syscall"]
    _call.restype = ctypes.c_long
    _call.argtypes = (ctypes.c_long, *_RENAME_ARGUMENTS)
    # On an unknown machine the number is one that no kernel has, so the result is ENOSYS.
    renameat2 = functools.partial(_call, _RENAMEAT2.get(os.uname().machine, 1_000_000))

_GET_FLAGS, _SET_FLAGS = (direction << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | number
                          for direction, number in ((2, 1), (1, 2)))  # fmt: skip
"""FS_IOC_GETFLAGS and FS_IOC_SETFLAGS: named as if of a long, and of an int."""


@mutable
class Kernel:
    """Which of the newer calls this kernel has, and replacements for the others."""

    has_openat2: bool
    has_fchmodat2: bool

    @staticmethod
    def found() -> Kernel:
        return Kernel(_have_openat2(), _have_fchmodat2())

    def change_mode(self, handle: int, mode: int) -> None:
        """Change the mode of an open entry, by any kind of handle."""
        if self.has_fchmodat2:
            _check(_fchmodat2(_FCHMODAT2, handle, b"", mode, _AT_EMPTY_PATH))
        else:
            os.chmod(f"/proc/self/fd/{handle}", mode)

    def change_mode_at(self, parent: int, leaf: bytes, mode: int) -> None:
        """Change the mode of anything but a link."""
        if self.has_fchmodat2:
            _check(_fchmodat2(_FCHMODAT2, parent, leaf, mode, _AT_SYMLINK_NOFOLLOW))
            return
        fd = os.open(leaf, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                os.chmod(f"/proc/self/fd/{fd}", mode)
        finally:
            os.close(fd)


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _check(result: int) -> None:
    if result < 0:
        raise os_error(ctypes.get_errno())


def openat2(at: int, path: bytes, how: OpenHow) -> int:
    while True:
        fd: int = _syscall_openat2(_OPENAT2, at, path, ctypes.addressof(how), 24)
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in (errno.EINTR, errno.EAGAIN):  # interrupted by a signal, or by a mount made at that moment
            raise os_error(number)


@functools.cache
def _have_openat2() -> bool:
    """False before Linux 5.6, and in sandboxes that forbid it."""
    try:
        os.close(openat2(_AT_FDCWD, b".", HOLD))
    except OSError as error:
        return error.errno not in (errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG)
    return True


@functools.cache
def _have_fchmodat2() -> bool:
    """False before Linux 6.6. Tested with an invalid handle, so that nothing is changed."""
    _fchmodat2(_FCHMODAT2, -1, b".", 0, _AT_SYMLINK_NOFOLLOW)
    return ctypes.get_errno() == errno.EBADF


def sync_file_system(handle: int) -> None:
    """Wait until everything written to the file system of `handle` is durable."""
    _check(_syncfs(handle))


def start_flush(handle: int, offset: int, length: int) -> None:
    """Start writing a range to the medium, without waiting. Never fails."""
    _sync_file_range(handle, offset, length, _SYNC_FILE_RANGE_WRITE)


def is_too_long_for_the_disk(handle: int, length: int) -> bool:
    """True if the file system reports that no file can be that long. The kernel checks the limit before the range, so
    nothing is written; but bytes at that place would become zero, so the file has to be shorter."""
    return bool(_fallocate(handle, _PUNCH_HOLE, length - 1, 1)) and ctypes.get_errno() == errno.EFBIG


def lease(handle: int, kind: int) -> bool:
    """True if a lease (fcntl(2)) is granted, until `handle` is closed. The signal for a waiting opener is one that does
    nothing."""
    return _try_lease(handle, kind) == 0


def is_surely_open_for_writing(handle: int) -> bool:
    """True if a read lease is refused because somebody has the file open for writing. False also if that is unknown: the
    file belongs to another user, or there are no leases here."""
    return _try_lease(handle, fcntl.F_RDLCK) == errno.EAGAIN


def _try_lease(handle: int, kind: int) -> int:
    """0 if the lease is granted, or the reason why not, as errno."""
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, kind)
    except OSError as error:
        return error.errno or errno.EINVAL
    except AttributeError:  # this system has no leases
        return errno.ENOSYS
    return 0


def inode_flags(handle: int) -> int:
    (flags,) = struct.unpack("I", fcntl.ioctl(handle, _GET_FLAGS, bytes(4)))
    return int(flags)


def change_inode_flags(handle: int, flags: int) -> None:
    fcntl.ioctl(handle, _SET_FLAGS, struct.pack("I", flags))
