"""The real disk: the verbs of ports.Disk, each relative to the open parent of its path.

In:   paths relative to the folder, bytes.
Out:  the result of the verb; every failure is a DiskError.
Only the package imports it.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import os
import stat as st
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from dir_sync.core.attributes import Attributes
from dir_sync.core.limits import RESERVED_NAME
from dir_sync.core.model import Kind, Stat
from dir_sync.core.preserve import Part
from dir_sync.disk import linux
from dir_sync.disk.attributes import Attributes as InheritedAttributes
from dir_sync.disk.directories import Directories
from dir_sync.disk.errors import MISSING, disk_error
from dir_sync.disk.files import File, OwnFile, create, create_whole, open_regular, read_many, read_small
from dir_sync.disk.folder import Folder
from dir_sync.disk.handles import Batch, Handles
from dir_sync.disk.kept import KeptAttributes
from dir_sync.disk.linux import Kernel
from dir_sync.disk.renames import Renames
from dir_sync.disk.stats import Stats, names_in, stat_of
from dir_sync.disk.unlocked import CHANGE, ENTER, LIST, NOTE, READ_NAMES, Unlocked
from dir_sync.ports import DiskError, NewFile, Trouble

__all__ = ["RealDisk"]

T = TypeVar("T")


class RealDisk:
    """ports.Disk on the file system. It has more methods than a class should have: each verb of the port is one.

    Any thread may call any verb. `root` may be reached through links; the folder found there is held open, so the verbs
    keep working on it whatever happens to its path (see is_root_here). The folder itself, b"", is valid for stat, list,
    set_meta and sync_directory only; for every other verb it is an impossible NAME.

    A link inside a path: stat and list return None, as for a file inside a path; every other verb fails with BOUNDARY.
    A mount inside a path (also a bind mount, if the kernel has openat2): every verb fails with BOUNDARY. An entry that
    is a mount point of another device is OTHER.

    A folder of ours whose mode denies its owner what a verb needs is unlocked temporarily (u+rwx) and gets its mode
    back, unless a user changed it meanwhile; every stat reports the mode that it will have again. The mode of the
    shared folder itself is left as it is: it concerns this machine only.
    """

    def __init__(
        self, root: str | bytes, kernel: Kernel | None = None, makes_holes: bool = True, unlocks: bool = True
    ) -> None:
        """`kernel`: detected if not given. `makes_holes`: in files of ours. `unlocks` false: what is denied stays so."""
        kernel = kernel or Kernel.found()
        self._makes_holes = makes_holes
        self._folder = Folder(root)
        self._directories = Directories(self._folder, kernel)
        self._stats = Stats(kernel, self._folder.device)
        self._unlocked = Unlocked(self._folder, kernel, self._directories, self._stats, unlocks)
        self._handles = Handles(self._folder, kernel, self._directories, self._unlocked)
        self._renames = Renames(self._handles, self._unlocked)
        self._inherited = InheritedAttributes(self._handles, self._unlocked)
        self.kept = KeptAttributes(self._handles, self._unlocked)

    @property
    def supports_exchange(self) -> bool:
        """False if exchange() is not atomic here."""
        return self._renames.supports_exchange

    def batch(self) -> Batch:
        """Inside `with disk.batch():` a parent is opened once per thread, and kept until the end.

        A parent that another program moves meanwhile is followed to its new place. But an entry is reported as absent
        only if the kept handle still is the folder that its path names.

        A folder that was unlocked stays so until the end."""
        return self._handles.batch()

    def close(self) -> None:
        """May be called twice. No verb may be called afterwards; open files stay open."""
        self._folder.close()

    def shut_all(self) -> None:
        """First of all, restore the modes of folders that an earlier run left unlocked and nobody changed. Never fails."""
        try:
            names = [name for name, _ in self.list(RESERVED_NAME) or [] if name.startswith(NOTE)]
            notes = [(self.read_link(RESERVED_NAME + b"/" + name), name) for name in names]
        except DiskError:
            return
        self._unlocked.restore_all(notes)

    # Looking

    def stat(self, path: bytes) -> Stat | None:
        try:
            if not path:
                return stat_of(Kind.DIRECTORY, os.fstat(self._folder.handle))
            return self._handles.at(path, self._unlocked.stat_at)
        except OSError as error:
            if error.errno in MISSING:
                return None
            raise disk_error(error, path) from error

    def list(self, path: bytes) -> builtins.list[tuple[bytes, Stat]] | None:
        """If one entry cannot be examined, the whole call fails: a missing entry would be taken for deleted."""
        try:
            try:
                return self._unlocked.entries(path)
            except PermissionError as denied:
                with self._unlocked.allow(denied, (path, LIST)):
                    return self._unlocked.entries(path)
        except OSError as error:
            if error.errno in MISSING:
                return None
            raise disk_error(error, path) from error

    def spelled(self, path: bytes) -> bytes | None:
        """A disk that takes two spellings for one name is wrapped: see `spelling`."""
        return None

    def names(self, path: bytes) -> builtins.list[bytes] | None:
        """The names in a folder, without a stat of each; None if it does not exist or is not a folder."""
        try:
            fd = self._handles.open_to_read(path, LIST)
            try:
                return names_in(fd)
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno in MISSING:
                return None
            raise disk_error(error, path) from error

    def folder_flags(self, path: bytes, add: int = 0) -> int:
        """The inode flags of a folder, after `add` was set; 0 if there are none. DiskError if they cannot be set."""
        try:
            fd = self._handles.open_to_read(path, READ_NAMES)
            try:
                flags = linux.inode_flags(fd) | add
                if add:
                    linux.change_inode_flags(fd, flags)
                return flags
            finally:
                os.close(fd)
        except OSError as error:
            if add:
                raise disk_error(error, path) from error
            return 0

    def read_link(self, path: bytes) -> bytes:
        return self._act(path, lambda parent, leaf: os.readlink(leaf, dir_fd=parent), wrong_type=errno.EINVAL)

    def open(self, path: bytes) -> File:
        return File(self._open_file(path, os.O_RDONLY), path)

    def read_small(self, path: bytes, size_max: int) -> tuple[Stat, bytes] | None:
        def read(parent: int, leaf: bytes) -> tuple[Stat, bytes] | None:
            # The stat before prevents opening a device.
            if not st.S_ISREG(os.stat(leaf, dir_fd=parent, follow_symlinks=False).st_mode):
                raise linux.os_error(errno.ELOOP)
            return read_small(parent, leaf, size_max)

        return self._act(path, read, wrong_type=errno.ELOOP)

    def read_many(self, path: bytes, names: Iterable[bytes], size_max: int) -> builtins.list[tuple[Stat, bytes] | None]:
        try:
            parent = self._handles.hold(path)
        except OSError:
            return [None for _ in names]
        try:
            return read_many(parent, names, size_max)
        finally:
            os.close(parent)

    # Making

    def create(self, path: bytes) -> OwnFile:
        return OwnFile(self._act(path, create, making=True, rights=CHANGE), path, self._makes_holes)

    def create_whole(self, path: bytes, data: bytes, mode: int, mtime: int, sync: bool) -> Stat:
        def make(parent: int, leaf: bytes) -> Stat:
            return create_whole(parent, NewFile(leaf, data, mode, mtime), self._makes_holes, sync)

        return self._act(path, make, making=True, rights=CHANGE)

    def create_many(self, path: bytes, files: Sequence[NewFile]) -> builtins.list[Stat | DiskError]:
        made: builtins.list[Stat | DiskError] = []
        try:
            parent = self._handles.hold(path)
        except OSError as error:
            return [disk_error(error, path) for _ in files]
        try:
            for file in files:
                try:
                    try:
                        made.append(create_whole(parent, file, self._makes_holes))
                    except PermissionError as denied:
                        with self._unlocked.allow(denied, (path, CHANGE)):
                            made.append(create_whole(parent, file, self._makes_holes))
                except OSError as error:
                    made.append(disk_error(error, path + b"/" + file.name))
            return made
        finally:
            os.close(parent)

    def reopen(self, path: bytes) -> OwnFile:
        return OwnFile(self._open_file(path, os.O_RDWR), path, self._makes_holes)

    def append(self, path: bytes) -> OwnFile:
        return OwnFile(self._open_file(path, os.O_RDWR | os.O_APPEND), path, self._makes_holes, appends=True)

    def is_closed(self, path: bytes) -> bool:
        """A read lease (fcntl(2)) is granted only if nobody has the file open for writing. A program that opens it
        while we have the lease waits for an instant; the signal about that is one that does nothing."""
        return self._ask(path, lambda fd: linux.lease(fd, fcntl.F_RDLCK))

    def is_open(self, path: bytes) -> bool:
        return self._ask(path, linux.is_surely_open_for_writing)

    def _ask(self, path: bytes, question: Callable[[int], bool]) -> bool:
        """The answer about the regular file at `path`; False if it cannot be opened."""
        try:
            fd = self._open_file(path, os.O_RDONLY)
        except DiskError:
            return False
        try:
            return question(fd)
        finally:
            os.close(fd)

    def make_directory(self, path: bytes, mode: int) -> None:
        """Sets `mode` whatever the umask is, if the file system has modes."""

        def make(parent: int, leaf: bytes) -> None:
            os.mkdir(leaf, mode & 0o777, dir_fd=parent)
            try:
                found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
                if st.S_ISDIR(found.st_mode):
                    self._unlocked.change_mode(parent, leaf, found, mode)
            except OSError:
                pass  # the folder exists in any case

        self._act(path, make, making=True, rights=CHANGE)

    def make_link(self, path: bytes, target: bytes) -> None:
        if not target or b"\0" in target:
            raise DiskError(Trouble.NAME, path, "no such link target can be")
        self._act(path, lambda parent, leaf: os.symlink(target, leaf, dir_fd=parent), making=True, rights=CHANGE)

    def link(self, source: bytes, target: bytes) -> None:
        self._renames.link(source, target)

    # Removing and moving

    def remove_directory(self, path: bytes) -> None:
        self._act(path, lambda at, leaf: os.rmdir(leaf, dir_fd=at), rights=CHANGE, wrong_type=errno.ENOTDIR)

    def remove_file(self, path: bytes) -> None:
        self._act(path, lambda parent, leaf: os.unlink(leaf, dir_fd=parent), rights=CHANGE)

    def rename(self, source: bytes, target: bytes) -> None:
        """Without RENAME_NOREPLACE it is not atomic, but still never replaces: see Renames.rename."""
        self._renames.rename(source, target)

    def rename_many(self, moves: Sequence[tuple[bytes, bytes]]) -> builtins.list[Stat | None | DiskError]:
        with self.batch():
            return self._renames.rename_many(moves)

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        """Without RENAME_EXCHANGE it is not atomic: see Renames.exchange."""
        self._renames.exchange(mine, theirs)

    def set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        """Setuid, setgid and sticky are never set: a file loses them, a folder keeps those it has. Values that are
        right already are not set. After a failure the mode may be set and the mtime not."""

        def change(parent: int, leaf: bytes) -> None:
            found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            kind = self._stats.kind_of(found, parent, leaf)
            if kind == Kind.OTHER:
                raise DiskError(Trouble.WRONG_TYPE, path)
            if mode is not None and kind != Kind.SYMLINK:
                self._unlocked.change_mode(parent, leaf, found, mode)
            if mtime is not None and mtime != found.st_mtime_ns:
                os.utime(leaf, ns=(found.st_atime_ns, mtime), dir_fd=parent, follow_symlinks=False)

        try:
            if path:
                self._handles.at(path, change)
            else:
                change(self._folder.handle, b".")
        except OSError as error:
            raise disk_error(error, path) from error
        except OverflowError as error:
            raise DiskError(Trouble.IO, path, "no such time can be") from error

    def keep_attributes(self, of: bytes, on: bytes) -> None:
        """See Attributes.copy."""
        self._inherited.copy(of, on)

    def inherit(self, folder: bytes, on: Sequence[bytes]) -> None:
        self._inherited.inherit(folder, on)

    def make_plain(self, path: bytes) -> None:
        self._inherited.make_plain(path)

    @property
    def keeps(self) -> frozenset[Part]:
        return self.kept.parts

    def read_attributes(self, path: bytes, known: Attributes | None) -> Attributes | None:
        return self.kept.read(path, known)

    def set_attributes(self, path: bytes, wanted: Attributes) -> None:
        self.kept.set(path, wanted)

    def is_only_replaceable(self, path: bytes) -> bool:
        return self._inherited.is_only_replaceable(path)

    # Waiting for the medium

    def sync_directory(self, path: bytes) -> None:
        try:
            fd = self._handles.open_to_read(path, READ_NAMES)
            try:
                os.fsync(fd)
            except OSError as error:
                if error.errno != errno.EINVAL:  # some network file systems cannot, and need not
                    raise
            finally:
                os.close(fd)
        except OSError as error:
            raise disk_error(error, path) from error

    def sync_all(self) -> None:
        try:
            fd = self._directories.open(b"", linux.READ)
            try:
                linux.sync_file_system(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise disk_error(error, b"") from error

    # The folder as a whole

    def free_bytes(self) -> int:
        return self._folder.free_bytes()

    @property
    def grain_ns(self) -> int:
        return self._folder.grain_ns

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode of the folder."""
        return self._folder.device, self._folder.inode

    def is_root_here(self) -> bool:
        """False also if the path cannot be examined."""
        return self._folder.is_here()

    # Steps

    def _act(
        self,
        path: bytes,
        act: Callable[[int, bytes], T],
        *,
        making: bool = False,
        rights: int = ENTER,
        wrong_type: int = 0,
    ) -> T:
        """Handles.at() for a verb. `wrong_type`: see disk_error."""
        try:
            return self._handles.at(path, act, making=making, rights=rights)
        except OSError as error:
            raise disk_error(error, path, wrong_type) from error

    def _open_file(self, path: bytes, access: int) -> int:
        """Stat, open, fstat: see open_regular."""

        def enter(parent: int, leaf: bytes) -> int:
            if self._unlocked.stat_at(parent, leaf).kind != Kind.FILE:
                raise DiskError(Trouble.WRONG_TYPE, path)
            try:
                return open_regular(parent, leaf, access)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise DiskError(Trouble.WRONG_TYPE, path) from error
                raise

        return self._act(path, enter)
