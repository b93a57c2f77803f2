"""The real disk: one shared folder, held open.

In:   paths relative to the folder, bytes.
Out:  the verbs of ports.Disk on a Linux file system; every failure is a DiskError, by one table of errno.
Rule: nothing outside the folder is ever reached. Each verb opens the parent directory from the held handle,
      without following a link and without crossing a mount, and acts on one name relative to that parent.
      Whatever another program swaps meanwhile, the act happens in a directory that was inside when opened.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import platform
import resource
import signal
import stat as st
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from dir_sync import attributes
from dir_sync.core.limits import MIB, RESERVED_NAME
from dir_sync.core.model import Kind, Stat, parent_of
from dir_sync.ports import DiskError, NewFile, Reader, Trouble

__all__ = ["RealDisk", "room"]

_LEFT_ALONE_BYTES = 4 * MIB  # at most, and a fiftieth of a small disk
_HANDLES_MAX = 64  # parents one batch keeps open: neighbours in a tree share few, and descriptors are scarce
_COPY_BYTES = 64 * MIB  # one copy inside the kernel cannot be interrupted: some 50 ms
_READ_BYTES = 1 * MIB
_PATH_MAX = 4095  # what one system call takes
_ENTER, _CHANGE, _WRITE, _READ_NAMES, _LIST = 0o100, 0o300, 0o200, 0o400, 0o500  # what a folder must allow its owner
_NOTE = b"opened-"  # in our own folder: a link whose name tells inode and process, and its target mode and path

_TROUBLES = {
    errno.ENOENT: Trouble.ABSENT,
    errno.ENOTDIR: Trouble.ABSENT,  # a part of the path is a file
    errno.EEXIST: Trouble.EXISTS,
    errno.ENOTEMPTY: Trouble.NOT_EMPTY,
    errno.EISDIR: Trouble.WRONG_TYPE,
    errno.ENXIO: Trouble.WRONG_TYPE,  # a socket, or a fifo without a reader
    errno.ENOSPC: Trouble.FULL,
    errno.EDQUOT: Trouble.FULL,
    errno.EFBIG: Trouble.TOO_LARGE,
    errno.EACCES: Trouble.DENIED,
    errno.EPERM: Trouble.DENIED,
    errno.EROFS: Trouble.READ_ONLY,
    errno.ELOOP: Trouble.BOUNDARY,  # a part of the path is a link
    errno.EXDEV: Trouble.BOUNDARY,
    errno.EBUSY: Trouble.BOUNDARY,  # renaming or removing a mount point
    errno.ENAMETOOLONG: Trouble.NAME,
    errno.EILSEQ: Trouble.NAME,
    errno.EINVAL: Trouble.NAME,
    errno.EMFILE: Trouble.LIMIT,
    errno.ENFILE: Trouble.LIMIT,
}
"""The one place where errno becomes Trouble; what is not in it is IO."""

_MISSING = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
"""A name below a file or below a link is not in the folder. A link is a leaf here: absence, not trouble."""

_NO_KERNEL_COPY = frozenset((errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF))
_NO_FLAGS = frozenset((errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP))
_NO_LINKS = frozenset((errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES))
_NO_MODES = frozenset((errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP))

_KINDS = {st.S_IFREG: Kind.FILE, st.S_IFDIR: Kind.DIRECTORY, st.S_IFLNK: Kind.SYMLINK}

_KEPT_ATTRIBUTES = ("system.posix_acl_access", "security.selinux")

_NOREPLACE, _EXCHANGE = 1, 2
_NO_NAMES = frozenset((b"", b".", b".."))
_NUL = b"\0"  # find() is five times faster than `in`, which tries its left side as a number first

T = TypeVar("T")


def room(found: os.statvfs_result) -> int:
    """The bytes that this user may still write, but for a little that is left for the index (negative: not even that)."""
    left_alone = min(_LEFT_ALONE_BYTES, found.f_blocks * found.f_frsize // 50)
    return found.f_bavail * found.f_frsize - left_alone


class RealDisk:
    """ports.Disk on the file system.

    Any thread may call any verb. `root` may be reached through links; what it was at that moment is held
    open, so the verbs go on working on it whatever becomes of its path (see is_root_here). The folder itself,
    b"", is good for stat, list, set_meta and sync_directory only; for every other verb it is a NAME that
    cannot be.

    A link in a path: stat and list say None, as for a file in a path; every other verb fails with BOUNDARY.
    A mount in a path (a bind mount too, where the kernel has openat2): every verb fails with BOUNDARY. An
    entry that is a mount point of another device is OTHER.

    A folder in it that is ours, and forbids its owner what a verb needs, is opened for the moment (u+rwx) and gets its
    mode back, unless somebody has given it another meanwhile; every stat tells the mode it will have again. The shared
    folder itself is left as it is: its mode is nobody's but this machine's.
    """

    def __init__(self, root: str | bytes) -> None:
        try:
            # Not abspath(): what ".." means behind a link is for the kernel to say
            self._path = os.path.join(os.getcwdb(), os.fsencode(root))
            self._root = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _error(error, b"") from error
        found = os.fstat(self._root)
        self._device, self._inode = found.st_dev, found.st_ino
        self._use_openat2 = _have_openat2()
        self._use_fchmodat2 = _have_fchmodat2()
        self._exchanges: bool | None = None
        self._local = _Local()
        self._grain_ns: int | None = None
        self._in_steps = (
            threading.Lock()
        )  # of our own threads, none takes a name between the look and the rename of another
        self._lock = threading.Lock()  # over modes of folders and the two below
        self._opened: dict[tuple[int, int], _Opened] = {}
        self._turn = 0  # changes before a folder is opened, and when it has its mode again

    @property
    def supports_exchange(self) -> bool:
        """False if exchange() is not atomic here. Tried out, once, on two files in `.dir_sync`; true as long
        as that folder is not there."""
        if self._exchanges is None:
            self._try_exchange()
        return self._exchanges is not False

    def batch(self) -> _Batch:
        """Inside `with disk.batch():` a parent is opened once, for this thread, and kept until the end.

        A parent that another program moves meanwhile is followed to its new place, as by a program working in
        it. But that something is absent is never said of a kept handle whose path has come to name another
        folder.

        A folder that is opened for the moment stays so until the end."""
        return _Batch(self._local, self._let_go)

    def close(self) -> None:
        """May be called twice. No verb may be called afterwards; files that are open stay open."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    # Looking

    def stat(self, path: bytes) -> Stat | None:
        try:
            if not path:
                return _stat(Kind.DIRECTORY, os.fstat(self._root))
            return self._at(path, self._stat_at)
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise _error(error, path) from error

    def list(self, path: bytes) -> builtins.list[tuple[bytes, Stat]] | None:
        """If one entry cannot be looked at, all fails: left out, it would be taken for deleted."""
        try:
            try:
                return self._list_below(path)
            except PermissionError as denied:
                with self._leave(denied, (path, _LIST)):
                    return self._list_below(path)
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise _error(error, path) from error

    def spelled(self, path: bytes) -> bytes | None:
        """What is blind to spellings is wrapped: see `spelling`."""
        return None

    def names(self, path: bytes) -> builtins.list[bytes] | None:
        """What a folder lists, without looking at any of it; None if it is not there or is not a folder."""
        try:
            fd = self._open_to_read(path, _LIST)
            try:
                return [name.encode(_ENCODING, _HANDLER) for name in os.listdir(fd)]
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise _error(error, path) from error

    def folder_flags(self, path: bytes, add: int = 0) -> int:
        """The inode flags of a folder, after `add` was set; 0 where there are none. DiskError if they cannot be set."""
        try:
            fd = self._open_to_read(path, _READ_NAMES)
            try:
                (flags,) = struct.unpack("I", fcntl.ioctl(fd, _GET_FLAGS, bytes(4)))
                if add:
                    fcntl.ioctl(fd, _SET_FLAGS, struct.pack("I", flags | add))
                return int(flags | add)
            finally:
                os.close(fd)
        except OSError as error:
            if add:
                raise _error(error, path) from error
            return 0

    def read_link(self, path: bytes) -> bytes:
        try:
            return self._at(path, lambda parent, leaf: os.readlink(leaf, dir_fd=parent))
        except OSError as error:
            raise _error(error, path, wrong_type=errno.EINVAL) from error

    def open(self, path: bytes) -> _File:
        return _File(self._open_file(path, os.O_RDONLY), path)

    def read_small(self, path: bytes, size_max: int) -> tuple[Stat, bytes] | None:
        def read(parent: int, leaf: bytes) -> tuple[Stat, bytes] | None:
            # The first stat keeps us from opening a device
            if not st.S_ISREG(os.stat(leaf, dir_fd=parent, follow_symlinks=False).st_mode):
                raise _os_error(errno.ELOOP)
            return _read_small(parent, leaf, size_max)

        try:
            return self._at(path, read)
        except OSError as error:
            raise _error(error, path, wrong_type=errno.ELOOP) from error

    def read_many(self, path: bytes, names: Iterable[bytes], size_max: int) -> builtins.list[tuple[Stat, bytes] | None]:
        found: builtins.list[tuple[Stat, bytes] | None] = []
        try:
            fd = self._hold_below(path)
        except OSError:
            return [None for _ in names]
        try:
            for name in names:
                try:
                    found.append(_read_small(fd, name, size_max))
                except OSError:
                    found.append(None)
            return found
        finally:
            os.close(fd)

    # Making

    def create(self, path: bytes) -> _OwnFile:
        try:
            fd = self._at(path, _create, making=True, rights=_CHANGE)
            return _OwnFile(fd, path)
        except OSError as error:
            raise _error(error, path) from error

    def create_whole(self, path: bytes, data: bytes, mode: int, mtime: int, sync: bool) -> Stat:
        file = self.create(path)
        try:
            if data:
                file.write(0, data)
            file.set_meta(mode, mtime)
            if sync:
                file.sync()
            return file.stat()
        except BaseException:
            try:
                self.remove_file(path)
            except DiskError:
                pass  # the first trouble is the one to tell
            raise
        finally:
            file.close()

    def create_many(self, path: bytes, files: Sequence[NewFile]) -> builtins.list[Stat | DiskError]:
        made: builtins.list[Stat | DiskError] = []
        try:
            parent = self._hold_below(path)
        except OSError as error:
            return [_error(error, path) for _ in files]
        try:
            for file in files:
                try:
                    try:
                        made.append(_create_whole(parent, file))
                    except PermissionError as denied:
                        with self._leave(denied, (path, _CHANGE)):
                            made.append(_create_whole(parent, file))
                except OSError as error:
                    made.append(_error(error, path + b"/" + file.name))
            return made
        finally:
            os.close(parent)

    def reopen(self, path: bytes) -> _OwnFile:
        return _OwnFile(self._open_file(path, os.O_RDWR), path)

    def append(self, path: bytes) -> _OwnFile:
        return _OwnFile(self._open_file(path, os.O_RDWR | os.O_APPEND), path)

    def is_closed(self, path: bytes) -> bool:
        """A read lease (fcntl(2)) is granted only if nobody has the file open for writing. Whoever opens it while we have
        the lease waits for an instant; the signal that tells us so is one that does nothing."""
        try:
            fd = self._open_file(path, os.O_RDONLY)
        except DiskError:
            return False
        try:
            return _lease(fd, fcntl.F_RDLCK)
        finally:
            os.close(fd)

    def make_directory(self, path: bytes, mode: int) -> None:
        """`mode` whatever the umask is, as far as the file system has modes."""

        def make(parent: int, leaf: bytes) -> None:
            os.mkdir(leaf, mode & 0o777, dir_fd=parent)
            try:
                found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
                if st.S_ISDIR(found.st_mode):
                    self._change_mode(parent, leaf, found, mode)
            except OSError:
                pass  # the folder is there in any case

        try:
            self._at(path, make, making=True, rights=_CHANGE)
        except OSError as error:
            raise _error(error, path) from error

    def make_link(self, path: bytes, target: bytes) -> None:
        if not target or b"\0" in target:
            raise DiskError(Trouble.NAME, path, "no such link target can be")
        try:
            self._at(path, lambda parent, leaf: os.symlink(target, leaf, dir_fd=parent), making=True, rights=_CHANGE)
        except OSError as error:
            raise _error(error, path) from error

    # Removing and moving

    def remove_directory(self, path: bytes) -> None:
        try:
            self._at(path, lambda parent, leaf: os.rmdir(leaf, dir_fd=parent), rights=_CHANGE)
        except OSError as error:
            raise _error(error, path, wrong_type=errno.ENOTDIR) from error

    def remove_file(self, path: bytes) -> None:
        try:
            self._at(path, lambda parent, leaf: os.unlink(leaf, dir_fd=parent), rights=_CHANGE)
        except OSError as error:
            raise _error(error, path) from error

    def rename(self, source: bytes, target: bytes) -> None:
        """Where the file system has no RENAME_NOREPLACE it is not atomic, but still never replaces: a file is
        linked to its new name and its old one removed, so that a crash may leave both; a folder takes the
        place of an empty one made for it. Only where there are no hard links either it is a look and then a
        rename: there a file that a program makes at `target` in between is lost."""
        self._move(source, target, _NOREPLACE)

    def rename_many(self, moves: Sequence[tuple[bytes, bytes]]) -> builtins.list[Stat | None | DiskError]:
        moved: builtins.list[Stat | None | DiskError] = []
        at: tuple[bytes, bytes] | None = None  # the folders that `here` and `there` are open for
        here = there = -1
        with self.batch():
            for source, target in moves:
                before, _, mine = source.rpartition(b"/")
                after, _, theirs = target.rpartition(b"/")
                try:
                    if (before, after) != at:
                        try:
                            here, there = self._parent(source)[0], self._parent(target)[0]
                            at = before, after
                        except PermissionError:
                            at = None
                    if (
                        at is None
                        or theirs in _NO_NAMES
                        or theirs.find(_NUL) >= 0
                        or _renameat2(here, mine, there, theirs, _NOREPLACE) < 0
                    ):
                        at = None
                        self.rename(source, target)  # the long way knows what to do, or says what is wrong
                        moved.append(self.stat(target))
                        continue
                except OSError as error:
                    moved.append(_error(error, target))
                    continue
                except DiskError as error:
                    moved.append(error)
                    continue
                try:
                    found = os.stat(theirs, dir_fd=there, follow_symlinks=False)
                    kind = _KINDS.get(found.st_mode & 0o170000, Kind.OTHER)
                    moved.append(self._stat_at(there, theirs) if kind is Kind.DIRECTORY else _stat(kind, found))
                except OSError:
                    moved.append(None)
        return moved

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        """Where the file system has no RENAME_EXCHANGE it is done in steps, none of them undone by a crash:
        `mine` is linked away to a spare name beside `theirs`, `theirs` renamed over it, the spare name renamed
        to `theirs`. Then `mine` is never missing, but a file saved there between the first two steps is lost.
        Folders, and files where there are no hard links, are renamed away instead of linked: for a moment
        `mine` is missing."""
        self._move(mine, theirs, _EXCHANGE)

    def set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        """Setuid, setgid and sticky are never set: a file loses them, a folder keeps those it has. What is as
        wished already is not touched. On failure the mode may have been set, and the mtime not."""

        def change(parent: int, leaf: bytes) -> None:
            found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            kind = _KINDS.get(found.st_mode & 0o170000, Kind.OTHER)
            if found.st_dev != self._device:
                kind = self._foreign(kind, parent, leaf)
            if kind == Kind.OTHER:
                raise DiskError(Trouble.WRONG_TYPE, path)
            if mode is not None and kind != Kind.SYMLINK:
                self._change_mode(parent, leaf, found, mode)
            if mtime is not None and mtime != found.st_mtime_ns:
                os.utime(leaf, ns=(found.st_atime_ns, mtime), dir_fd=parent, follow_symlinks=False)

        try:
            if path:
                self._at(path, change)
            else:
                change(self._root, b".")
        except OSError as error:
            raise _error(error, path) from error
        except OverflowError as error:
            raise DiskError(Trouble.IO, path, "no such time can be") from error

    def keep_attributes(self, of: bytes, on: bytes) -> None:
        """Of the extended attributes: ACL, SELinux label and what is the user's. Capabilities stay behind: they
        were given to the content, which is another now. The mode of `on` stays as it is."""

        def copy(here: int, mine: bytes) -> None:
            self._at(on, lambda there, theirs: self._copy_attributes(here, mine, there, theirs))

        try:
            self._at(of, copy)
        except (OSError, DiskError):
            pass

    # Waiting for the medium

    def inherit(self, folder: bytes, on: Sequence[bytes]) -> None:
        try:
            held = self._hold_below(folder)
        except (OSError, DiskError):
            return  # whoever goes on is told
        try:
            inherited = attributes.inherited_from(held)
        finally:
            os.close(held)
        if inherited is None:
            return
        for path in on:
            try:
                self._at(path, functools.partial(attributes.give, inherited))
            except (OSError, DiskError):
                continue

    def make_plain(self, path: bytes) -> None:
        try:
            held = self._hold_below(path)
        except (OSError, DiskError):
            return
        try:
            attributes.make_plain(held)
        finally:
            os.close(held)

    def is_only_replaceable(self, path: bytes) -> bool:
        try:
            return self._at(path, attributes.is_only_replaceable)
        except (OSError, DiskError):
            return False

    def sync_directory(self, path: bytes) -> None:
        try:
            fd = self._open_to_read(path, _READ_NAMES)
            try:
                os.fsync(fd)
            except OSError as error:
                if error.errno != errno.EINVAL:  # some network file systems cannot, and need not
                    raise
            finally:
                os.close(fd)
        except OSError as error:
            raise _error(error, path) from error

    def sync_all(self) -> None:
        try:
            fd = self._open_below(b"", _READ)
            try:
                _check(_syncfs(fd))
            finally:
                os.close(fd)
        except OSError as error:
            raise _error(error, b"") from error

    # The folder as a whole

    def free_bytes(self) -> int:
        """What this user may still write, not counting what is reserved for root, and a little that is left for the index."""
        try:
            found = os.fstatvfs(self._root)
        except OSError as error:
            raise _error(error, b"") from error
        return max(0, room(found))

    @property
    def grain_ns(self) -> int:
        """Tried out, once, on a file without a name."""
        if self._grain_ns is None:
            self._grain_ns = self._try_grain()
        return self._grain_ns

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode of the folder."""
        return self._device, self._inode

    def is_root_here(self) -> bool:
        """Also false if the path cannot be looked at."""
        try:
            found = os.stat(self._path)
        except OSError:
            return False
        return found.st_ino == self._inode and found.st_dev == self._device

    # Handles of parents

    def _at(self, path: bytes, act: Callable[[int, bytes], T], *, making: bool = False, rights: int = _ENTER) -> T:
        """act(handle of the parent, last part); once more if it was a kept handle and proves to be stale, or if
        the parent forbids us `rights`. `making`: that nothing is there yet is no sign of it."""
        try:
            while True:
                parent, leaf = self._parent(path)
                try:
                    return act(parent, leaf)
                except OSError as error:
                    if not self._is_stale(error, path, making=making):
                        raise
                finally:
                    self._done(parent)
        except PermissionError as denied:
            if not rights:
                raise
            with self._leave(denied, (parent_of(path), rights)):
                return self._at(path, act, making=making, rights=0)

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        """An open handle of the folder that `path` is in, and its last part. Give it back with _done()."""
        directory, slash, leaf = path.rpartition(b"/")
        if leaf in _NO_NAMES or leaf.find(_NUL) >= 0:
            raise DiskError(Trouble.NAME, path, "not a name inside the folder")
        if not directory:
            if slash:
                raise DiskError(Trouble.NAME, path, "not a path inside the folder")
            return self._root, leaf
        local = self._local
        handles = local.handles
        if handles is None:
            return self._open_below(directory, _HOLD), leaf
        fd = handles.pop(directory, -1)
        if fd < 0:
            fd = self._open_below(directory, _HOLD)
            local.make_room()
            local.names.update(_and_above(directory))
        handles[directory] = fd  # at the end: the one asked for last is the last to be closed
        return fd, leaf

    def _done(self, parent: int) -> None:
        if self._local.handles is None and parent != self._root:
            os.close(parent)

    def _is_stale(self, error: OSError, *paths: bytes, making: bool) -> bool:
        """True if `error` says that something is missing, but in a kept parent whose path names another
        folder by now: ask again. OSError if no such folder is there any more."""
        handles = self._local.handles
        if handles is None or error.errno not in _MISSING:
            return False
        if not making and self._use_openat2 and len(paths[0]) <= _PATH_MAX:
            try:  # the short way, for the common case that it is absent indeed
                os.close(_openat2(self._root, paths[0], _PEEK))
            except OSError as absent:
                if absent.errno in _MISSING:
                    return False
        stale = False
        for path in paths:
            directory = parent_of(path)
            kept = handles.pop(directory, -1)
            if kept < 0:
                continue
            try:
                handles[directory] = fresh = self._open_below(directory, _HOLD)
                stale = stale or not os.path.samestat(os.fstat(kept), os.fstat(fresh))
            finally:
                os.close(kept)
        return stale

    def _open_below(self, path: bytes, how: _OpenHow) -> int:
        """A new handle of a directory. OSError: ENOENT if it is absent or not a directory, ELOOP for a link
        in the path, EXDEV for a mount."""
        if path and (path.find(_NUL) >= 0 or not _NO_NAMES.isdisjoint(path.split(b"/"))):
            raise DiskError(Trouble.NAME, path, "not a path inside the folder")
        try:
            if not self._use_openat2:
                return self._open_by_parts(path, how.flags)
            if len(path) <= _PATH_MAX:
                return _openat2(self._root, path or b".", how)
            return self._open_far_below(path, how)
        except NotADirectoryError as error:
            raise _os_error(errno.ENOENT) from error

    def _open_far_below(self, path: bytes, how: _OpenHow) -> int:
        at = self._root
        try:
            while len(path) > _PATH_MAX:
                cut = path.rfind(b"/", 0, _PATH_MAX)
                if cut < 0:
                    raise _os_error(errno.ENAMETOOLONG)
                above, at = at, _openat2(at, path[:cut], _HOLD)
                if above != self._root:
                    os.close(above)
                path = path[cut + 1 :]
            return _openat2(at, path, how)
        finally:
            if at != self._root:
                os.close(at)

    def _hold_below(self, path: bytes) -> int:
        try:
            return self._open_below(path, _HOLD)
        except PermissionError as denied:
            with self._leave(denied, (parent_of(path), _ENTER)):
                return self._open_below(path, _HOLD)

    def _open_to_read(self, path: bytes, rights: int) -> int:
        try:
            return self._open_below(path, _READ)
        except PermissionError as denied:
            with self._leave(denied, (path, rights)):
                return self._open_below(path, _READ)

    def _open_by_parts(self, path: bytes, flags: int) -> int:
        """For kernels before 5.6, and sandboxes that forbid openat2. A bind mount of this device goes
        unseen."""
        parts = path.split(b"/")
        last = len(parts) - 1
        at = self._root
        for index, part in enumerate(parts):
            wanted = flags if index == last else _HOLD.flags
            try:
                below = os.open(part or b".", wanted | os.O_NOFOLLOW, dir_fd=at)
                if os.fstat(below).st_dev != self._device:
                    os.close(below)
                    raise _os_error(errno.EXDEV)
            except NotADirectoryError:
                if st.S_ISLNK(os.stat(part, dir_fd=at, follow_symlinks=False).st_mode):
                    raise _os_error(errno.ELOOP) from None
                raise
            finally:
                if at != self._root:
                    os.close(at)
            at = below
        return at

    # Folders of ours that forbid their owner something

    def shut_all(self) -> None:
        """Folders that an earlier run left open get their modes back, unless they have been given others since. Never
        fails. Before the first of the other verbs."""
        try:
            names = [name for name, _ in self.list(RESERVED_NAME) or [] if name.startswith(_NOTE)]
            notes = [(self.read_link(RESERVED_NAME + b"/" + name), name) for name in names]
        except DiskError:
            return
        for note, name in sorted(notes, key=lambda each: -len(each[0])):  # a folder after what is in it
            mode, _, path = note.partition(b" ")
            try:
                fd = self._open_below(path, _HOLD)
                try:
                    found = os.fstat(fd)
                    was = int(mode, 8)
                    if (
                        found.st_ino == int(name[len(_NOTE) :].partition(b"-")[0])
                        and st.S_IMODE(found.st_mode) == was | 0o700
                    ):
                        self._change_mode_of(fd, was)
                finally:
                    os.close(fd)
            except (OSError, DiskError, ValueError):
                pass  # it has moved, or is not ours any more
            self._forget_note(name)

    @contextlib.contextmanager
    def _leave(self, denied: OSError, *wanted: tuple[bytes, int]) -> Iterator[None]:
        """Inside, these folders allow us these rights. `denied` is raised if that cannot be had, or is so already."""
        opened = self._open_up(wanted) if denied.errno == errno.EACCES else []
        if not opened:
            raise denied
        try:
            yield
        finally:
            kept = self._local.opened
            if kept is not None:
                again = [each for each in opened if each in kept]
                kept += [each for each in opened if each not in kept]
                opened = again + kept[:-_HANDLES_MAX]
                del kept[:-_HANDLES_MAX]
            self._let_go(opened)

    def _open_up(self, wanted: Iterable[tuple[bytes, int]]) -> builtins.list[_Opened]:
        """Open what can be opened; each of them is to be let go of again."""
        opened: builtins.list[_Opened] = []
        for path, rights in wanted:
            parts = path.split(b"/")
            if path.find(_NUL) >= 0 or not _NO_NAMES.isdisjoint(parts):
                continue  # not in the folder, or the folder itself
            try:
                at = os.dup(self._root)
                try:
                    for number, part in enumerate(parts):
                        try:
                            below = self._hold_in(at, part)
                        except PermissionError:
                            self._open_one(at, b"/".join(parts[:number]), _ENTER, opened)
                            below = self._hold_in(at, part)
                        os.close(at)
                        at = below
                    self._open_one(at, path, rights, opened)
                finally:
                    os.close(at)
            except OSError:
                continue  # not a folder, or not to be had: what is tried again will tell
        return opened

    def _hold_in(self, at: int, part: bytes) -> int:
        if self._use_openat2:
            return _openat2(at, part, _HOLD)
        fd = os.open(part, _HOLD.flags | os.O_NOFOLLOW, dir_fd=at)
        if os.fstat(fd).st_dev != self._device:
            os.close(fd)
            raise _os_error(errno.EXDEV)
        return fd

    def _open_one(self, fd: int, path: bytes, rights: int, opened: builtins.list[_Opened]) -> None:
        if not path:
            return
        with self._lock:
            found = os.fstat(fd)
            mode = st.S_IMODE(found.st_mode)
            one = self._opened.get((found.st_dev, found.st_ino))
            if one is None:
                if not rights & ~mode or found.st_uid != os.geteuid():
                    return
                if mode & st.S_ISGID and found.st_gid not in (os.getegid(), *os.getgroups()):
                    return  # the kernel would take that bit away for good
                one = _Opened(os.dup(fd), (found.st_dev, found.st_ino), path)
                self._turn += 1
                self._opened[one.key] = one
            elif rights & ~mode == 0:
                mode = -1  # known here: another thread has opened it since we were denied
            one.users += 1
            opened.append(one)
            try:
                if mode >= 0:
                    self._set_opened(one, mode)
            except OSError:
                pass  # it keeps its mode, and we are denied once more

    def _set_opened(self, one: _Opened, mode: int) -> None:
        """Known here: we have the lock. `mode` is what it will have again. The note comes first."""
        one.mode, one.wide = mode, mode | 0o700
        name = _note_of(one)
        self._forget_note(name)
        try:
            ours = self._open_below(RESERVED_NAME, _HOLD)
            try:
                os.symlink(b"%o %b" % (mode, one.path), name, dir_fd=ours)
            finally:
                os.close(ours)
        except OSError:
            pass  # no room, or too long a path: if we die just now, it stays open
        self._change_mode_of(one.fd, one.wide)

    def _forget_note(self, name: bytes) -> None:
        try:
            ours = self._open_below(RESERVED_NAME, _HOLD)
            try:
                os.unlink(name, dir_fd=ours)
            finally:
                os.close(ours)
        except OSError:
            pass

    def _let_go(self, opened: Iterable[_Opened]) -> None:
        for one in opened:
            with self._lock:
                one.users -= 1
                if one.users:
                    continue
                try:
                    if st.S_IMODE(os.fstat(one.fd).st_mode) == one.wide != one.mode:
                        self._change_mode_of(one.fd, one.mode)
                    self._forget_note(_note_of(one))
                except OSError:
                    pass  # the note tells the next start
                self._turn += 1  # before it is taken from the list: see _stat_at
                del self._opened[one.key]
            os.close(one.fd)

    def _change_mode_of(self, fd: int, mode: int) -> None:
        """Of what is held open, by whatever kind of handle."""
        if self._use_fchmodat2:
            _check(_fchmodat2(_FCHMODAT2, fd, b"", mode, _AT_EMPTY_PATH))
        else:
            os.chmod(f"/proc/self/fd/{fd}", mode)

    # Steps below an open parent

    def _stat_at(self, parent: int, leaf: bytes) -> Stat:
        """A folder that is opened for the moment has the mode that it will have again. Whoever opens or shuts one counts a
        turn, so that a mode that was read meanwhile is read once more."""
        turn = self._turn
        found = self._stat_as_is(parent, leaf)
        if found.kind is not Kind.DIRECTORY or not (self._opened or self._turn != turn):
            return found
        with self._lock:
            found = self._stat_as_is(parent, leaf)
            one = self._opened.get((found.device, found.inode))
            if one is None or found.mode != one.wide & 0o777:
                return found
            return found._replace(mode=one.mode & 0o777)

    def _stat_as_is(self, parent: int, leaf: bytes) -> Stat:
        found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
        kind = _KINDS.get(found.st_mode & 0o170000, Kind.OTHER)
        if found.st_dev != self._device:
            kind = self._foreign(kind, parent, leaf)
        return _stat(kind, found)

    def _foreign(self, kind: Kind, parent: int, leaf: bytes) -> Kind:
        """The kind of an entry whose device is not the folder's: OTHER if it is a boundary. EXDEV if it is
        below one.

        A directory is one: a mount, or a subvolume, into which nothing can be renamed. A file need not be:
        overlayfs gives its files the devices of its layers. Of files only a mounted one is."""
        if kind == Kind.DIRECTORY:
            return Kind.OTHER
        if os.fstat(parent).st_dev != self._device:
            raise _os_error(errno.EXDEV)
        if self._use_openat2:
            try:
                os.close(_openat2(parent, leaf, _PEEK))
            except OSError as error:
                if error.errno == errno.EXDEV:
                    return Kind.OTHER
                raise
        return kind

    def _list_below(self, path: bytes) -> builtins.list[tuple[bytes, Stat]]:
        turn = self._turn
        fd = self._open_below(path, _READ)
        try:
            listing = self._list(fd)
            if not (self._opened or self._turn != turn):
                return listing
            again: builtins.list[tuple[bytes, Stat]] = []
            for entry in listing:
                if entry[1].kind is Kind.DIRECTORY:
                    try:
                        entry = (entry[0], self._stat_at(fd, entry[0]))
                    except FileNotFoundError:
                        continue
                again.append(entry)
            return again
        finally:
            os.close(fd)

    def _list(self, fd: int) -> builtins.list[tuple[bytes, Stat]]:
        listing: builtins.list[tuple[bytes, Stat]] = []
        add, look, kinds, device = listing.append, os.stat, _KINDS, self._device
        encoding, handler = _ENCODING, _HANDLER
        for text in os.listdir(fd):
            name = text.encode(encoding, handler)
            try:
                found = look(name, dir_fd=fd, follow_symlinks=False)
                kind = kinds.get(found.st_mode & 0o170000, Kind.OTHER)
                if found.st_dev != device:
                    kind = self._foreign(kind, fd, name)
            except FileNotFoundError:
                continue
            add((name, _stat(kind, found)))
        return listing

    def _open_file(self, path: bytes, access: int) -> int:
        """Stat, open, fstat. The first stat keeps us from opening a device, which may act on being opened
        (rewind a tape, arm a watchdog). The other way to be sure, O_PATH and then /proc/self/fd, needs /proc
        and costs twice as much. Between the first two steps a fifo may take the name (O_NONBLOCK: nothing
        waits), a terminal (O_NOCTTY) or a link (O_NOFOLLOW); only who has a device already could move it
        there. The fstat refuses what is not a file then."""

        def enter(parent: int, leaf: bytes) -> int:
            if self._stat_at(parent, leaf).kind != Kind.FILE:
                raise DiskError(Trouble.WRONG_TYPE, path)
            try:
                fd = os.open(leaf, access | _SAFELY, dir_fd=parent)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise DiskError(Trouble.WRONG_TYPE, path) from error
                raise
            try:
                if not st.S_ISREG(os.fstat(fd).st_mode):
                    raise DiskError(Trouble.WRONG_TYPE, path)
            except BaseException:
                os.close(fd)
                raise
            return fd

        try:
            return self._at(path, enter)
        except OSError as error:
            raise _error(error, path) from error

    def _change_mode(self, parent: int, leaf: bytes, found: os.stat_result, mode: int) -> None:
        """`leaf` was a file or a directory just now; if it has become a link, that is left alone."""
        mode &= 0o777
        if not st.S_ISDIR(found.st_mode):
            self._change_mode_at(parent, leaf, found, mode)
            return
        with self._lock:
            now = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            if not st.S_ISDIR(now.st_mode):
                return
            mode |= now.st_mode & 0o7000
            one = self._opened.get((now.st_dev, now.st_ino))
            if one is None:
                self._change_mode_at(parent, leaf, now, mode)
            else:
                self._set_opened(one, mode)

    def _change_mode_at(self, parent: int, leaf: bytes, found: os.stat_result, mode: int) -> None:
        if found.st_mode & 0o7777 == mode:
            return
        if self._use_fchmodat2:
            _check(_fchmodat2(_FCHMODAT2, parent, leaf, mode, _AT_SYMLINK_NOFOLLOW))
            return
        fd = os.open(leaf, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if not st.S_ISLNK(os.fstat(fd).st_mode):
                os.chmod(f"/proc/self/fd/{fd}", mode)
        finally:
            os.close(fd)

    def _copy_attributes(self, here: int, mine: bytes, there: int, theirs: bytes) -> None:
        old = os.stat(mine, dir_fd=here, follow_symlinks=False)
        new = os.stat(theirs, dir_fd=there, follow_symlinks=False)
        for uid, gid in ((-1, old.st_gid), (old.st_uid, -1)):  # each for itself: an owner only root may give
            if uid not in (-1, new.st_uid) or gid not in (-1, new.st_gid):
                try:
                    os.chown(theirs, uid, gid, dir_fd=there, follow_symlinks=False)
                except OSError:
                    pass
        # Extended attributes have no calls relative to a handle (before Linux 6.13)
        before, after = (b"/proc/self/fd/%d/%b" % name for name in ((here, mine), (there, theirs)))
        try:
            names = os.listxattr(before, follow_symlinks=False)
        except OSError:
            return
        for name in names:
            if name in _KEPT_ATTRIBUTES or name.startswith("user."):
                try:
                    os.setxattr(after, name, os.getxattr(before, name, follow_symlinks=False), follow_symlinks=False)
                except OSError:
                    pass
        if names and st.S_ISREG(new.st_mode):
            found = os.stat(theirs, dir_fd=there, follow_symlinks=False)
            self._change_mode(there, theirs, found, new.st_mode)  # an ACL brings a mode of its own

    def _move(self, source: bytes, target: bytes, flag: int) -> None:
        try:
            try:
                self._rename_fresh(source, target, flag)
            except PermissionError as denied:
                wanted = [(parent_of(source), _CHANGE), (parent_of(target), _CHANGE)]
                if parent_of(source) != parent_of(target):  # a folder that gets another parent is changed itself
                    wanted += [(path, _WRITE) for path in ((source, target) if flag == _EXCHANGE else (source,))]
                with self._leave(denied, *wanted):
                    self._rename_fresh(source, target, flag)
        except OSError as error:
            raise _error(error, target if error.errno == errno.EEXIST else source) from error
        self._local.forget(source, target)

    def _rename_fresh(self, source: bytes, target: bytes, flag: int) -> None:
        while True:
            try:
                self._rename(source, target, flag)
                return
            except OSError as error:
                if not self._is_stale(error, source, target, making=True):
                    raise

    def _rename(self, source: bytes, target: bytes, flag: int) -> None:
        here, mine = self._parent(source)
        try:
            there, theirs = self._parent(target)
            try:
                if flag == _EXCHANGE and self._exchanges is False:
                    number = errno.ENOSYS
                elif _renameat2(here, mine, there, theirs, flag) >= 0:
                    return
                else:
                    number = ctypes.get_errno()
                if number not in _NO_FLAGS:
                    raise _os_error(number)
                if _one_in_the_other(source, target):  # that is EINVAL on any file system
                    if not _is_taken(here, mine) or (flag == _EXCHANGE and not _is_taken(there, theirs)):
                        raise _os_error(errno.ENOENT)
                    raise _os_error(errno.EEXIST if flag != _EXCHANGE and _is_taken(there, theirs) else errno.EINVAL)
                if flag == _EXCHANGE:
                    self._exchanges = False
                with self._in_steps:
                    if flag == _EXCHANGE:
                        _exchange_in_steps(there, theirs, here, mine)
                    else:
                        _rename_in_steps(here, mine, there, theirs)
            finally:
                self._done(there)
        finally:
            self._done(here)

    def _try_exchange(self) -> None:
        mine, theirs = (b".dir_sync/" + _spare_name() for _ in range(2))
        made = []
        try:
            for path in (mine, theirs):
                self.create(path).close()
                made.append(path)
            self._exchanges = None
            self.exchange(mine, theirs)
            if self._exchanges is None:
                self._exchanges = True
        except DiskError:
            pass
        for path in made:
            try:
                self.remove_file(path)
            except DiskError:
                pass

    def _try_grain(self) -> int:
        times = [os.fstat(self._root).st_ctime_ns]
        try:
            fd = os.open(b".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=self._root)
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


class _File:
    """ports.Reader."""

    __slots__ = ("_fd", "_path")

    def __init__(self, fd: int, path: bytes) -> None:
        self._fd = fd
        self._path = path

    def stat(self) -> Stat:
        try:
            return _stat(Kind.FILE, os.fstat(self._fd))
        except OSError as error:
            raise _error(error, self._path) from error

    def read(self, offset: int, length: int) -> bytes:
        try:
            data = os.pread(self._fd, length, offset)
            while 0 < len(data) < length:  # short is not yet the end: FUSE, and more than 2 GiB
                more = os.pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
            return data
        except OSError as error:
            raise _error(error, self._path) from error

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        """May be called twice. A network file system may tell only now that a write failed."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:
                raise _error(error, self._path) from error


class _OwnFile(_File):
    """ports.Writer. When write or copy_from fails, a part may have been written."""

    __slots__ = ()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        try:
            written = os.pwrite(self._fd, data, offset)
            while written < len(data):
                more = os.pwrite(self._fd, memoryview(data)[written:], offset + written)
                if not more:
                    raise OSError(errno.EIO, "nothing more is taken")
                written += more
        except OSError as error:
            raise _error(error, self._path) from error

    def copy_from(self, source: Reader, source_offset: int, offset: int, length: int) -> int:
        """Inside the kernel where it can (shared extents on btrfs and xfs), else through memory. When the
        kernel copies nothing more, reading decides whether it is the end: some file systems say 0 too
        early."""
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
                raise _error(error, self._path) from error
        while copied < length:
            data = source.read(source_offset + copied, min(length - copied, _READ_BYTES))
            if not data:
                break
            self.write(offset + copied, data)
            copied += len(data)
        return copied

    def lock(self) -> bool:
        """A write lease: it is granted only if nobody else has the file open at all."""
        return _lease(self._fd, fcntl.F_WRLCK)

    def truncate(self, length: int) -> None:
        try:
            os.ftruncate(self._fd, length)
        except OSError as error:
            raise _error(error, self._path) from error

    def must_fit(self, length: int) -> None:
        """The kernel looks at the limit of the file system before it finds that there is nothing to cut out. Where that does
        not tell, a write will."""
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        is_above = limit != resource.RLIM_INFINITY and length > limit
        if is_above or (
            length and _fallocate(self._fd, _PUNCH_HOLE, length - 1, 1) and ctypes.get_errno() == errno.EFBIG
        ):
            raise DiskError(Trouble.TOO_LARGE, self._path)

    def set_meta(self, mode: int, mtime: int) -> None:
        """A file system without modes keeps its own: the file is ours, so nothing else can forbid it."""
        try:
            try:
                os.fchmod(self._fd, mode & 0o777)
            except OSError as error:
                if error.errno not in _NO_MODES:
                    raise
            os.utime(self._fd, ns=(mtime, mtime))  # nobody has read it yet
        except OSError as error:
            raise _error(error, self._path) from error
        except OverflowError as error:
            raise DiskError(Trouble.IO, self._path, "no such time can be") from error

    def start_flush(self, offset: int, length: int) -> None:
        _sync_file_range(self._fd, offset, length, _SYNC_FILE_RANGE_WRITE)

    def sync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _error(error, self._path) from error


def _lease(fd: int, kind: int) -> bool:
    """True if a lease (fcntl(2)) is granted: until `fd` is closed. The signal that tells of somebody who waits for us does
    nothing."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, kind)
    except (OSError, AttributeError):  # somebody has it open; it is not ours; or a system or file system without leases
        return False
    return True


class _Opened:
    """A folder of ours that is opened for the moment. All of it under the lock of its disk."""

    __slots__ = ("fd", "key", "mode", "path", "users", "wide")

    def __init__(self, fd: int, key: tuple[int, int], path: bytes) -> None:
        self.fd = fd  # so that a rename meanwhile does not matter, and its inode stays its own
        self.key = key  # device and inode
        self.path = path
        self.users = 0  # verbs, and batches
        self.mode = self.wide = -1  # what it will have again; what it has now


class _Local(threading.local):
    """The handles that the batch of this thread keeps."""

    depth = 0
    opened: list[_Opened] | None = None  # each once; None outside a batch
    handles: dict[bytes, int] | None = None  # by path, the one used last at the end; None outside a batch
    names: set[bytes]  # at least the paths of handles, and all folders above them

    def make_room(self) -> None:
        handles = self.handles
        if handles is not None and len(handles) >= _HANDLES_MAX:
            os.close(handles.pop(next(iter(handles))))

    def forget(self, source: bytes, target: bytes) -> None:
        """They name something else by now: nothing opened through them may be used again."""
        if self.handles is not None and (source in self.names or target in self.names):
            self.clear()

    def clear(self) -> None:
        assert self.handles is not None
        while self.handles:
            os.close(self.handles.popitem()[1])
        self.names.clear()


class _Batch:
    __slots__ = ("_let_go", "_local")

    def __init__(self, local: _Local, let_go: Callable[[Iterable[_Opened]], None]) -> None:
        self._local = local
        self._let_go = let_go

    def __enter__(self) -> None:
        local = self._local
        local.depth += 1
        if local.handles is None:
            local.handles, local.names, local.opened = {}, set(), []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        local = self._local
        local.depth -= 1
        if not local.depth:
            local.clear()
            opened, local.handles, local.opened = local.opened, None, None
            self._let_go(opened or ())


def _stat(kind: Kind, found: os.stat_result) -> Stat:
    return _new(
        Stat,
        (
            kind,
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
            found.st_mode & 0o777,
            found.st_ino,
            found.st_dev,
            found.st_nlink,
        ),
    )


_new = tuple.__new__  # Stat(...) takes twice as long, and scans make millions


_SAID = frozenset(
    {errno.EACCES, errno.EROFS, errno.EMFILE, errno.EIO, errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EFBIG}
)  # what the system says of these is what their Trouble says
_INODES = "or no free inodes"  # the system does not tell the one from the other


def _error(error: OSError, path: bytes, wrong_type: int = 0) -> DiskError:
    """`wrong_type` is the errno with which this one verb says that the name is of another type."""
    number = error.errno or errno.EIO
    trouble = Trouble.WRONG_TYPE if number == wrong_type else _TROUBLES.get(number, Trouble.IO)
    return DiskError(
        trouble, path, "" if number in _SAID else _INODES if number == errno.ENOSPC else os.strerror(number)
    )


def _read_small(parent: int, leaf: bytes, size_max: int) -> tuple[Stat, bytes] | None:
    """OSError ELOOP for what is no regular file."""
    fd = os.open(leaf, _READ_FILE, dir_fd=parent)
    try:
        before = os.fstat(fd)
        if not st.S_ISREG(before.st_mode):
            raise _os_error(errno.ELOOP)
        if before.st_size > size_max:
            return None
        data = os.read(fd, before.st_size + 1)  # one more shows that it has grown
        after = os.fstat(fd)
        if (
            len(data) != before.st_size
            or after.st_size != before.st_size
            or after.st_mtime_ns != before.st_mtime_ns
            or after.st_ctime_ns != before.st_ctime_ns
        ):
            return None
        return _stat(Kind.FILE, before), data
    finally:
        os.close(fd)


def _create_whole(parent: int, file: NewFile) -> Stat:
    name, data, mode, mtime = file
    mode &= 0o777
    fd = os.open(name, _CREATE, mode | 0o600, dir_fd=parent)
    try:
        written = os.write(fd, data) if data else 0
        while written < len(data):
            more = os.write(fd, memoryview(data)[written:])
            if not more:
                raise _os_error(errno.EIO)
            written += more
        try:
            os.utime(fd, ns=(mtime, mtime))
        except OverflowError:
            raise _os_error(errno.EOVERFLOW) from None
        found = os.fstat(fd)
        if found.st_mode & 0o777 != mode:  # an odd mode, or the umask
            try:
                os.fchmod(fd, mode)
            except OSError as error:
                if error.errno not in _NO_MODES:
                    raise
            found = os.fstat(fd)
        return _stat(Kind.FILE, found)
    except BaseException:
        try:
            os.unlink(name, dir_fd=parent)
        except OSError:
            pass  # the first trouble is the one to tell
        raise
    finally:
        os.close(fd)


_READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def _create(parent: int, leaf: bytes) -> int:
    return os.open(leaf, _CREATE, 0o600, dir_fd=parent)


def _and_above(path: bytes) -> builtins.list[bytes]:
    paths = []
    while path:
        paths.append(path)
        path = parent_of(path)
    return paths


def _note_of(one: _Opened) -> bytes:
    return _NOTE + b"%d-%d" % (one.key[1], os.getpid())


def _one_in_the_other(mine: bytes, theirs: bytes) -> bool:
    return theirs.startswith(mine + b"/") or mine.startswith(theirs + b"/")


def _spare_name() -> bytes:
    return b".dir_sync-" + os.urandom(8).hex().encode("ascii")


# Renames for file systems without flags


def _rename_in_steps(here: int, mine: bytes, there: int, theirs: bytes) -> None:
    found = os.stat(mine, dir_fd=here, follow_symlinks=False)
    if st.S_ISDIR(found.st_mode):
        os.mkdir(theirs, 0o700, dir_fd=there)  # takes the name, or finds it taken
        try:
            os.rename(mine, theirs, src_dir_fd=here, dst_dir_fd=there)
        except OSError as error:
            try:
                os.rmdir(theirs, dir_fd=there)
            except OSError:
                pass
            if error.errno == errno.ENOTEMPTY:
                raise _os_error(errno.EEXIST) from error
            raise
        return
    try:
        os.link(mine, theirs, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if _is_taken(there, theirs):
            raise _os_error(errno.EEXIST) from error
        os.rename(mine, theirs, src_dir_fd=here, dst_dir_fd=there)
        return
    try:
        # A program that saves by renaming may just have put a new file here: that one stays
        if os.path.samestat(os.stat(mine, dir_fd=here, follow_symlinks=False), found):
            os.unlink(mine, dir_fd=here)
    except FileNotFoundError:
        pass
    except OSError:
        os.unlink(theirs, dir_fd=there)
        raise


def _exchange_in_steps(here: int, mine: bytes, there: int, theirs: bytes) -> None:
    first = os.stat(mine, dir_fd=here, follow_symlinks=False)
    second = os.stat(theirs, dir_fd=there, follow_symlinks=False)
    if os.path.samestat(first, second):
        return  # two names of one file
    aside = _spare_name()
    linked = not st.S_ISDIR(first.st_mode) and not st.S_ISDIR(second.st_mode)
    if linked:
        try:
            os.link(theirs, aside, src_dir_fd=there, dst_dir_fd=here, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            linked = False
    if not linked:
        os.rename(theirs, aside, src_dir_fd=there, dst_dir_fd=here)
    try:
        os.rename(mine, theirs, src_dir_fd=here, dst_dir_fd=there)
    except OSError:
        if linked:
            os.unlink(aside, dir_fd=here)
        else:
            os.rename(aside, theirs, src_dir_fd=here, dst_dir_fd=there)
        raise
    os.rename(aside, mine, src_dir_fd=here, dst_dir_fd=here)


def _is_taken(parent: int, leaf: bytes) -> bool:
    try:
        os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


# System calls that the standard library does not have


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))
    flags: int


_OPENAT2, _FCHMODAT2 = 437, 452  # the same number on all machines that Debian runs on
_RENAMEAT2 = {"x86_64": 316, "aarch64": 276}
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = 0x100, 0x1000
_SYNC_FILE_RANGE_WRITE = 2
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 1, 2, 4, 8
_INSIDE = _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH

_GET_FLAGS, _SET_FLAGS = (direction << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | number
                          for direction, number in ((2, 1), (1, 2)))  # fmt: skip
"""FS_IOC_GETFLAGS and FS_IOC_SETFLAGS: named as if of a long, and of an int."""

_HOLD = _OpenHow(os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, _INSIDE)
_READ = _OpenHow(os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0, _INSIDE)
_PEEK = _OpenHow(os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, 0, _INSIDE)
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_ENCODING, _HANDLER = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

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
_renameat2: Callable[[int, bytes, int, bytes, int], int]
if hasattr(_libc, "renameat2"):
    _call = _libc["renameat2"]
    _call.restype = ctypes.c_int
    _call.argtypes = _RENAME_ARGUMENTS
    _renameat2 = _call
else:
    _call = _libc["syscall"]
    _call.restype = ctypes.c_long
    _call.argtypes = (ctypes.c_long, *_RENAME_ARGUMENTS)
    # An unknown machine asks for a call that no kernel has, and is told ENOSYS
    _renameat2 = functools.partial(_call, _RENAMEAT2.get(platform.machine(), 1_000_000))


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _check(result: int) -> None:
    if result < 0:
        raise _os_error(ctypes.get_errno())


def _openat2(at: int, path: bytes, how: _OpenHow) -> int:
    while True:
        fd: int = _syscall_openat2(_OPENAT2, at, path, ctypes.addressof(how), 24)
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in (errno.EINTR, errno.EAGAIN):  # a signal, or a mount made just now
            raise _os_error(number)


@functools.cache
def _have_openat2() -> bool:
    """False before Linux 5.6, and in sandboxes that forbid it."""
    try:
        os.close(_openat2(_AT_FDCWD, b".", _HOLD))
    except OSError as error:
        return error.errno not in (errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG)
    return True


@functools.cache
def _have_fchmodat2() -> bool:
    """False before Linux 6.6. Asked with a handle that cannot be, so that nothing is changed."""
    _fchmodat2(_FCHMODAT2, -1, b".", 0, _AT_SYMLINK_NOFOLLOW)
    return ctypes.get_errno() == errno.EBADF
