"""Regular files: kept open as ports.Reader and ports.Writer, or read and made whole in one call.

In:   handles of files, or an open parent and a name.
Out:  bytes and Stats. The two classes raise DiskError, the functions OSError.
Used by: renames, real.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat as st
from collections.abc import Iterable

from dir_sync.core.limits import MIB
from dir_sync.core.model import Kind, Stat
from dir_sync.disk.errors import NO_MODES, disk_error
from dir_sync.disk.holes import data_ranges, write_all, write_around, zero_runs
from dir_sync.disk.linux import CREATE, READ_FILE, SAFELY, is_too_long_for_the_disk, lease, os_error, start_flush
from dir_sync.disk.stats import stat_of
from dir_sync.ports import DiskError, NewFile, Reader, Trouble

__all__ = ["File", "OwnFile", "create", "create_whole", "open_regular", "read_many", "read_small"]

_COPY_BYTES = 64 * MIB  # one copy inside the kernel cannot be interrupted: some 50 ms
_READ_BYTES = 1 * MIB

_NO_KERNEL_COPY = frozenset((errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF))


class File:
    """ports.Reader."""

    __slots__ = ("_fd", "_path")

    def __init__(self, fd: int, path: bytes) -> None:
        self._fd = fd
        self._path = path

    def stat(self) -> Stat:
        try:
            return stat_of(Kind.FILE, os.fstat(self._fd))
        except OSError as error:
            raise disk_error(error, self._path) from error

    def read(self, offset: int, length: int) -> bytes:
        try:
            data = os.pread(self._fd, length, offset)
            while 0 < len(data) < length:  # a short read need not be the end: FUSE, and reads above 2 GiB
                more = os.pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
            return data
        except OSError as error:
            raise disk_error(error, self._path) from error

    def fileno(self) -> int:
        return self._fd

    def again(self) -> File:
        try:
            return File(os.dup(self._fd), self._path)
        except OSError as error:
            raise disk_error(error, self._path) from error

    def close(self) -> None:
        """May be called twice. A network file system may report a failed write only now."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:
                raise disk_error(error, self._path) from error


class OwnFile(File):
    """ports.Writer. When write or copy_from fails, a part may have been written. With `makes_holes`, blocks of zeros
    behind the end of the file become holes."""

    __slots__ = ("_appends", "_makes_holes")

    def __init__(self, fd: int, path: bytes, makes_holes: bool = False, appends: bool = False) -> None:
        super().__init__(fd, path)
        self._makes_holes = makes_holes
        self._appends = appends

    def write(self, offset: int, data: bytes | memoryview) -> None:
        try:
            if self._makes_holes and (runs := zero_runs(offset, data)) and self._is_end(offset):
                try:
                    write_around(self._fd, offset, data, runs)
                finally:
                    if self._appends:
                        lease(self._fd, fcntl.F_UNLCK)
            else:
                write_all(self._fd, offset, data)
        except OSError as error:
            raise disk_error(error, self._path) from error

    def _is_end(self, offset: int) -> bool:
        """True if the file has no bytes from `offset` on, so that a hole can be made there. A user's file, to which we
        append, is locked until the hole is made: another program's bytes behind it would be cut off."""
        if os.fstat(self._fd).st_size > offset:
            return False
        if not self._appends:
            return True
        if self.lock():
            if os.fstat(self._fd).st_size == offset:
                return True
            lease(self._fd, fcntl.F_UNLCK)
        return False

    def copy_from(self, source: Reader, source_offset: int, offset: int, length: int) -> int:
        """Copies inside the kernel if possible (shared extents on btrfs and xfs), otherwise through memory. When the
        kernel copies nothing more, a read decides whether that is the end: some file systems return 0 too early.

        Holes of the source become holes, where this file has no bytes yet. A file to which we append gets them by
        `write`: under its lock, and what follows a hole that was left out would go to the end."""
        if not self._makes_holes or self._appends or source.fileno() < 0:
            return self._copy(source, source_offset, offset, length)
        ranges = data_ranges(source.fileno(), source_offset, length)
        begin, end = next(ranges, (-1, -1))
        if begin == source_offset and end == source_offset + length:
            return self._copy(source, source_offset, offset, length)
        try:
            there = max(min(os.fstat(source.fileno()).st_size - source_offset, length), 0)
            if os.fstat(self._fd).st_size > offset:
                return self._copy(source, source_offset, offset, length)
            while begin >= 0:
                copied = self._copy(source, begin, offset + begin - source_offset, end - begin)
                if copied < end - begin:
                    return begin - source_offset + copied
                begin, end = next(ranges, (-1, -1))
            if os.fstat(self._fd).st_size < offset + there:
                os.ftruncate(self._fd, offset + there)
            return there
        except OSError as error:
            raise disk_error(error, self._path) from error

    def _copy(self, source: Reader, source_offset: int, offset: int, length: int) -> int:
        copied = 0
        fd = source.fileno()
        try:
            while fd >= 0 and copied < length:
                count = min(length - copied, _COPY_BYTES)
                more = os.copy_file_range(fd, self._fd, count, source_offset + copied, offset + copied)
                if not more:
                    break
                copied += more
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise disk_error(error, self._path) from error
        while copied < length:
            data = source.read(source_offset + copied, min(length - copied, _READ_BYTES))
            if not data:
                break
            self.write(offset + copied, data)
            copied += len(data)
        return copied

    def lock(self) -> bool:
        """A write lease: the kernel grants it only if nobody else has the file open."""
        return lease(self._fd, fcntl.F_WRLCK)

    def truncate(self, length: int) -> None:
        try:
            os.ftruncate(self._fd, length)
        except OSError as error:
            raise disk_error(error, self._path) from error

    def must_fit(self, length: int) -> None:
        """If the file system does not report its limit, a later write does."""
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        is_above = limit != resource.RLIM_INFINITY and length > limit
        # If there is a byte already, it fits; and the test would erase it.
        is_longer = length > os.fstat(self._fd).st_size
        if is_above or (is_longer and is_too_long_for_the_disk(self._fd, length)):
            raise DiskError(Trouble.TOO_LARGE, self._path)

    def set_meta(self, mode: int, mtime: int) -> None:
        """A file system without modes keeps its own: the file is ours, so there is no other reason for a failure."""
        try:
            try:
                os.fchmod(self._fd, mode & 0o777)
            except OSError as error:
                if error.errno not in NO_MODES:
                    raise
            os.utime(self._fd, ns=(mtime, mtime))  # nobody has read it yet
        except OSError as error:
            raise disk_error(error, self._path) from error
        except OverflowError as error:
            raise DiskError(Trouble.IO, self._path, "no such time can be") from error

    def start_flush(self, offset: int, length: int) -> None:
        start_flush(self._fd, offset, length)

    def sync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise disk_error(error, self._path) from error


def open_regular(parent: int, leaf: bytes, access: int) -> int:
    """Open what was a regular file a moment ago. OSError ELOOP if it is none.

    The caller's stat prevents opening a device, which may have effects when opened (rewind a tape, arm a watchdog). The
    other safe way, O_PATH and then /proc/self/fd, needs /proc and costs twice as much. Between stat and open, a fifo
    may take the name (O_NONBLOCK: no wait), a terminal (O_NOCTTY) or a link (O_NOFOLLOW); only a user who has a device
    could move one there. The fstat then rejects anything but a file."""
    fd = os.open(leaf, access | SAFELY, dir_fd=parent)
    try:
        if not st.S_ISREG(os.fstat(fd).st_mode):
            raise os_error(errno.ELOOP)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_small(parent: int, leaf: bytes, size_max: int) -> tuple[Stat, bytes] | None:
    """Read a regular file whole; None if it is larger or changes meanwhile. OSError ELOOP if it is no regular file. The
    caller has seen a regular file there: see open_regular."""
    fd = os.open(leaf, READ_FILE, dir_fd=parent)
    try:
        before = os.fstat(fd)
        if not st.S_ISREG(before.st_mode):
            raise os_error(errno.ELOOP)
        if before.st_size > size_max:
            return None
        data = os.read(fd, before.st_size + 1)  # one byte more shows that it has grown
        after = os.fstat(fd)
        if (
            len(data) != before.st_size
            or after.st_size != before.st_size
            or after.st_mtime_ns != before.st_mtime_ns
            or after.st_ctime_ns != before.st_ctime_ns
        ):
            return None
        return stat_of(Kind.FILE, before), data
    finally:
        os.close(fd)


def read_many(parent: int, names: Iterable[bytes], size_max: int) -> list[tuple[Stat, bytes] | None]:
    """read_small for each; None also for any error."""
    found: list[tuple[Stat, bytes] | None] = []
    for name in names:
        try:
            found.append(read_small(parent, name, size_max))
        except OSError:
            found.append(None)
    return found


def create(parent: int, leaf: bytes) -> int:
    return os.open(leaf, CREATE, 0o600, dir_fd=parent)


def create_whole(parent: int, file: NewFile, makes_holes: bool = False, sync: bool = False) -> Stat:
    """Make a new file with content, mode and time, durable if `sync`. If it fails, nothing is left."""
    name, data, mode, mtime = file
    mode &= 0o777
    fd = os.open(name, CREATE, mode | 0o600, dir_fd=parent)
    try:
        if data:
            holes = zero_runs(0, data) if makes_holes else []
            if holes or os.write(fd, data) != len(data):  # nearly always all is written at once
                write_around(fd, 0, data, holes)
        try:
            os.utime(fd, ns=(mtime, mtime))
        except OverflowError:
            raise os_error(errno.EOVERFLOW) from None
        found = os.fstat(fd)
        if found.st_mode & 0o777 != mode:  # an unusual mode, or the umask
            try:
                os.fchmod(fd, mode)
            except OSError as error:
                if error.errno not in NO_MODES:
                    raise
            found = os.fstat(fd)
        if sync:
            os.fsync(fd)
        return stat_of(Kind.FILE, found)
    except BaseException:
        try:
            os.unlink(name, dir_fd=parent)
        except OSError:
            pass  # report the first error
        raise
    finally:
        os.close(fd)
