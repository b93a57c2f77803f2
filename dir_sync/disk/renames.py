"""Renames that never replace, and exchanges: by the flags of renameat2 if the file system has them, otherwise in steps.

In:   two paths, or many pairs.
Out:  nothing; DiskError if it failed.
Used by: real.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat as st
import threading
from collections.abc import Sequence

from dir_sync.core.limits import RESERVED_NAME
from dir_sync.core.model import Kind, Stat, parent_of
from dir_sync.disk import steps
from dir_sync.disk.directories import NO_NAMES, NUL
from dir_sync.disk.errors import MISSING, disk_error
from dir_sync.disk.files import create
from dir_sync.disk.handles import Handles
from dir_sync.disk.linux import os_error, renameat2
from dir_sync.disk.stats import KINDS, stat_of
from dir_sync.disk.unlocked import CHANGE, WRITE, Unlocked
from dir_sync.ports import DiskError, Trouble

__all__ = ["Renames"]

_NOREPLACE, _EXCHANGE, _LINK = 1, 2, -1  # flags of renameat2, and what is none
_NO_LINK = frozenset((errno.EPERM, errno.EMLINK, errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP))
_NO_FLAGS = frozenset((errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP))


class Renames:
    """The verbs that rename."""

    def __init__(self, handles: Handles, unlocked: Unlocked) -> None:
        self._handles = handles
        self._unlocked = unlocked
        self._exchanges: bool | None = None  # None: not tried yet
        self._in_steps = threading.Lock()
        # Prevents that one of our threads takes a name between the stat and the rename of another

    @property
    def supports_exchange(self) -> bool:
        """False if exchange() is not atomic here. Tested once, on two files in `.dir_sync`; true as long as that folder
        does not exist."""
        if self._exchanges is None:
            self._try_exchange()
        return self._exchanges is not False

    def rename(self, source: bytes, target: bytes) -> None:
        """Without RENAME_NOREPLACE it is not atomic, but still never replaces: a file is linked to its new name and the
        old one removed, so a crash may leave both; a folder replaces an empty one made for it. Without hard links as
        well, it is a stat and then a rename: a file that a program makes at `target` in between is lost."""
        self._move(source, target, _NOREPLACE)

    def link(self, source: bytes, target: bytes) -> None:
        """Another name of a regular file. NO_LINK if this file system has no hard links, if the file has too many, or if the
        kernel does not let this user link it (fs.protected_hardlinks)."""
        self._move(source, target, _LINK)

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        """Without RENAME_EXCHANGE it is done in steps that a crash does not undo: `mine` is linked to a spare name
        beside `theirs`, `theirs` is renamed over it, and the spare name is renamed to `theirs`. `mine` is then never
        missing, but a file saved there between the first two steps is lost. Folders, and files without hard links, are
        renamed instead of linked: for a moment `mine` is missing."""
        self._move(mine, theirs, _EXCHANGE)

    def rename_many(self, moves: Sequence[tuple[bytes, bytes]]) -> list[Stat | None | DiskError]:
        """rename for each, and the stat of its new name afterwards (None: it is gone again). The caller is in a
        batch."""
        moved: list[Stat | None | DiskError] = []
        at: tuple[bytes, bytes] | None = None  # the folders for which `here` and `there` are open
        here = there = -1
        parent = self._handles.parent
        for source, target in moves:
            before, _, mine = source.rpartition(b"/")
            after, _, theirs = target.rpartition(b"/")
            try:
                if (before, after) != at:
                    try:
                        here, there = parent(source)[0], parent(target)[0]
                        at = before, after
                    except PermissionError:
                        at = None
                if (
                    at is None
                    or theirs in NO_NAMES
                    or theirs.find(NUL) >= 0
                    or renameat2(here, mine, there, theirs, _NOREPLACE) < 0
                ):
                    at = None
                    self.rename(source, target)  # the general verb handles it, or reports the error
                    moved.append(self._stat(target))
                    continue
            except OSError as error:
                moved.append(disk_error(error, target))
                continue
            except DiskError as error:
                moved.append(error)
                continue
            try:
                found = os.stat(theirs, dir_fd=there, follow_symlinks=False)
                kind = KINDS.get(found.st_mode & 0o170000, Kind.OTHER)
                is_folder = kind is Kind.DIRECTORY
                moved.append(self._unlocked.stat_at(there, theirs) if is_folder else stat_of(kind, found))
            except OSError:
                moved.append(None)
        return moved

    def _stat(self, path: bytes) -> Stat | None:
        try:
            return self._handles.at(path, self._unlocked.stat_at)
        except OSError as error:
            if error.errno in MISSING:
                return None
            raise disk_error(error, path) from error

    def _move(self, source: bytes, target: bytes, flag: int) -> None:
        try:
            try:
                self._rename_fresh(source, target, flag)
            except PermissionError as denied:
                wanted = [(parent_of(source), CHANGE), (parent_of(target), CHANGE)]
                # moving a folder to another parent changes the folder itself
                if parent_of(source) != parent_of(target):
                    wanted += [(path, WRITE) for path in ((source, target) if flag == _EXCHANGE else (source,))]
                with self._unlocked.allow(denied, *wanted):
                    self._rename_fresh(source, target, flag)
        except OSError as error:
            raise disk_error(error, target if error.errno == errno.EEXIST else source) from error
        self._handles.forget(source, target)

    def _rename_fresh(self, source: bytes, target: bytes, flag: int) -> None:
        while True:
            try:
                self._rename(source, target, flag)
                return
            except OSError as error:
                if not self._handles.reopen_stale(error, source, target, making=True):
                    raise

    def _rename(self, source: bytes, target: bytes, flag: int) -> None:
        handles = self._handles
        here, mine = handles.parent(source)
        try:
            there, theirs = handles.parent(target)
            try:
                if flag == _LINK:
                    _link(here, mine, there, theirs, source)
                    return
                if flag == _EXCHANGE and self._exchanges is False:
                    number = errno.ENOSYS
                elif renameat2(here, mine, there, theirs, flag) >= 0:
                    return
                else:
                    number = ctypes.get_errno()
                if number not in _NO_FLAGS:
                    raise os_error(number)
                if _is_one_in_the_other(source, target):  # EINVAL on any file system
                    raise _nested(here, mine, there, theirs, flag)
                if flag == _EXCHANGE:
                    self._exchanges = False
                with self._in_steps:
                    if flag == _EXCHANGE:
                        steps.exchange(there, theirs, here, mine)
                    else:
                        steps.rename(here, mine, there, theirs)
            finally:
                handles.release(there)
        finally:
            handles.release(here)

    def _try_exchange(self) -> None:
        mine, theirs = (RESERVED_NAME + b"/" + steps.spare_name() for _ in range(2))
        made = []
        try:
            for path in (mine, theirs):
                os.close(self._handles.at(path, create, making=True, rights=CHANGE))
                made.append(path)
            self._exchanges = None
            self.exchange(mine, theirs)
            if self._exchanges is None:
                self._exchanges = True
        except (OSError, DiskError):
            pass
        for path in made:
            try:
                self._handles.at(path, lambda parent, leaf: os.unlink(leaf, dir_fd=parent), rights=CHANGE)
            except (OSError, DiskError):
                pass


def _link(here: int, mine: bytes, there: int, theirs: bytes, source: bytes) -> None:
    if not st.S_ISREG(os.stat(mine, dir_fd=here, follow_symlinks=False).st_mode):
        raise os_error(errno.EISDIR)
    try:
        os.link(mine, theirs, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINK:
            raise DiskError(Trouble.NO_LINK, source, os.strerror(error.errno or 0)) from error
        raise


def _is_one_in_the_other(mine: bytes, theirs: bytes) -> bool:
    return theirs.startswith(mine + b"/") or mine.startswith(theirs + b"/")


def _nested(here: int, mine: bytes, there: int, theirs: bytes, flag: int) -> OSError:
    """Why a name cannot be moved to a name below or above it."""
    if not steps.is_taken(here, mine) or (flag == _EXCHANGE and not steps.is_taken(there, theirs)):
        return os_error(errno.ENOENT)
    return os_error(errno.EEXIST if flag != _EXCHANGE and steps.is_taken(there, theirs) else errno.EINVAL)
