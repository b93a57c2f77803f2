"""Our folders whose mode denies their owner what a verb needs: they are unlocked temporarily.

In:   a verb that was denied, and the rights that it needs on which folders.
Out:  the verb is tried again while these folders are u+rwx; then they get their modes back, unless a user changed them
meanwhile. Every stat reports the mode that a folder will have again. If the program dies in between, notes in
`.dir_sync` inform the next start.
Rule: every read or change of a folder's mode goes through here, because an unlocked folder has two modes.
Used by: attributes, handles, kept, real, renames.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat as st
import threading
from collections.abc import Iterable, Iterator

from dir_sync.core.limits import RESERVED_NAME
from dir_sync.core.model import Kind, Stat
from dir_sync.disk.directories import NO_NAMES, NUL, Directories
from dir_sync.disk.folder import Folder
from dir_sync.disk.linux import HOLD, READ, Kernel
from dir_sync.disk.stats import Stats
from dir_sync.ports import DiskError

__all__ = ["CHANGE", "ENTER", "LIST", "NOTE", "READ_NAMES", "WRITE", "Unlocked"]

ENTER, CHANGE, WRITE, READ_NAMES, LIST = 0o100, 0o300, 0o200, 0o400, 0o500
"""The rights that a folder must give its owner."""

NOTE = b"opened-"
"""In our own folder: a link whose name contains inode and process, and whose target contains mode and path."""

_KEPT_MAX = 64  # folders that one batch keeps unlocked: each uses a descriptor


class _Folder:
    """A folder of ours that is unlocked. All access under the lock of `Unlocked`."""

    __slots__ = ("handle", "key", "mode", "path", "users", "wide")

    def __init__(self, handle: int, key: tuple[int, int], path: bytes) -> None:
        self.handle = handle  # kept open, so that a rename does not matter and its inode is not reused
        self.key = key  # device and inode
        self.path = path
        self.users = 0  # number of verbs and batches that use it
        self.mode = self.wide = -1  # the mode to restore; the mode it has now

    @property
    def note(self) -> bytes:
        return NOTE + b"%d-%d" % (self.key[1], os.getpid())


class _Kept(threading.local):
    """The folders that the batch of this thread keeps unlocked, each once; None outside a batch."""

    folders: list[_Folder] | None = None


class Unlocked:
    """The folders that are unlocked now, by any thread."""

    def __init__(
        self, folder: Folder, kernel: Kernel, directories: Directories, stats: Stats, unlocks: bool = True
    ) -> None:
        """`unlocks` false: no folder is unlocked, and what is denied stays denied."""
        self._unlocks = unlocks
        self._root = folder
        self._kernel = kernel
        self._directories = directories
        self._stats = stats
        self._kept = _Kept()
        self._lock = threading.Lock()  # protects modes of folders and the two fields below
        self._folders: dict[tuple[int, int], _Folder] = {}
        self._turn = 0  # incremented before a folder is unlocked, and after its mode was restored

    # For verbs that were denied

    @contextlib.contextmanager
    def allow(self, denied: OSError, *wanted: tuple[bytes, int]) -> Iterator[None]:
        """Inside, these folders give us these rights. Raises `denied` if that is impossible, or is so already."""
        unlocked = self._unlock(wanted) if self._unlocks and denied.errno == errno.EACCES else []
        if not unlocked:
            raise denied
        try:
            yield
        finally:
            kept = self._kept.folders
            if kept is not None:
                again = [each for each in unlocked if each in kept]
                kept += [each for each in unlocked if each not in kept]
                unlocked = again + kept[:-_KEPT_MAX]
                del kept[:-_KEPT_MAX]
            self._restore(unlocked)

    def begin_batch(self) -> None:
        """From now on this thread keeps the folders that it unlocks."""
        self._kept.folders = []

    def end_batch(self) -> None:
        kept, self._kept.folders = self._kept.folders, None
        self._restore(kept or ())

    def restore_all(self, notes: Iterable[tuple[bytes, bytes]]) -> None:
        """Restore the modes of folders that an earlier run left unlocked, unless they were changed since. `notes`:
        target and name of each. Never fails."""
        for note, name in sorted(notes, key=lambda each: -len(each[0])):  # a folder after its content
            mode, _, path = note.partition(b" ")
            try:
                fd = self._directories.open(path, HOLD)
                try:
                    found = os.fstat(fd)
                    was = int(mode, 8)
                    if (
                        found.st_ino == int(name[len(NOTE) :].partition(b"-")[0])
                        and st.S_IMODE(found.st_mode) == was | 0o700
                    ):
                        self._kernel.change_mode(fd, was)
                finally:
                    os.close(fd)
            except (OSError, DiskError, ValueError):
                pass  # it was moved, or is not ours any more
            self._remove_note(name)

    # For code that reads or sets modes

    def stat_at(self, parent: int, leaf: bytes) -> Stat:
        """The stat of an entry; an unlocked folder is reported with the mode that it will have again. Unlocking and
        restoring count a turn, so that a mode that was read meanwhile is read again."""
        turn = self._turn
        found = self._stats.at(parent, leaf)
        if found.kind is not Kind.DIRECTORY or not (self._folders or self._turn != turn):
            return found
        with self._lock:
            found = self._stats.at(parent, leaf)
            one = self._folders.get((found.device, found.inode))
            if one is None or found.mode != one.wide & 0o777:
                return found
            return found._replace(mode=one.mode & 0o777)

    def entries(self, path: bytes) -> list[tuple[bytes, Stat]]:
        """Names and stats of the entries of a directory; see stat_at. OSError."""
        turn = self._turn
        fd = self._directories.open(path, READ)
        try:
            listing = self._stats.entries(fd)
            if not (self._folders or self._turn != turn):
                return listing
            again: list[tuple[bytes, Stat]] = []
            for entry in listing:
                if entry[1].kind is Kind.DIRECTORY:
                    try:
                        entry = (entry[0], self.stat_at(fd, entry[0]))
                    except FileNotFoundError:
                        continue
                again.append(entry)
            return again
        finally:
            os.close(fd)

    def change_mode(self, parent: int, leaf: bytes, found: os.stat_result, mode: int) -> None:
        """`leaf` was a file or a directory a moment ago (`found`); if it has become a link, it is left alone. A
        directory keeps its setuid, setgid and sticky bits. An unlocked directory gets the mode at the end."""
        mode &= 0o777
        if not st.S_ISDIR(found.st_mode):
            if found.st_mode & 0o7777 != mode:
                self._kernel.change_mode_at(parent, leaf, mode)
            return
        with self._lock:
            now = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            if not st.S_ISDIR(now.st_mode):
                return
            mode |= now.st_mode & 0o7000
            one = self._folders.get((now.st_dev, now.st_ino))
            if one is not None:
                self._widen(one, mode)
            elif now.st_mode & 0o7777 != mode:
                self._kernel.change_mode_at(parent, leaf, mode)

    # Unlocking and restoring

    def _unlock(self, wanted: Iterable[tuple[bytes, int]]) -> list[_Folder]:
        """Unlock the folders that can be unlocked. The caller has to restore each."""
        unlocked: list[_Folder] = []
        for path, rights in wanted:
            parts = path.split(b"/")
            if path.find(NUL) >= 0 or not NO_NAMES.isdisjoint(parts):
                continue  # outside the folder, or the folder itself
            try:
                at = os.dup(self._root.handle)
                try:
                    for number, part in enumerate(parts):
                        try:
                            below = self._directories.hold_in(at, part)
                        except PermissionError:
                            self._unlock_one(at, b"/".join(parts[:number]), ENTER, unlocked)
                            below = self._directories.hold_in(at, part)
                        os.close(at)
                        at = below
                    self._unlock_one(at, path, rights, unlocked)
                finally:
                    os.close(at)
            except OSError:
                continue  # not a folder, or not accessible: the second try of the verb reports it
        return unlocked

    def _unlock_one(self, handle: int, path: bytes, rights: int, unlocked: list[_Folder]) -> None:
        if not path:
            return
        with self._lock:
            found = os.fstat(handle)
            mode = st.S_IMODE(found.st_mode)
            one = self._folders.get((found.st_dev, found.st_ino))
            if one is None:
                if not rights & ~mode or found.st_uid != os.geteuid():
                    return
                if mode & st.S_ISGID and found.st_gid not in (os.getegid(), *os.getgroups()):
                    return  # the kernel would drop that bit permanently
                one = _Folder(os.dup(handle), (found.st_dev, found.st_ino), path)
                self._turn += 1
                self._folders[one.key] = one
            elif rights & ~mode == 0:
                mode = -1  # another thread has unlocked it since we were denied
            one.users += 1
            unlocked.append(one)
            try:
                if mode >= 0:
                    self._widen(one, mode)
            except OSError:
                pass  # it keeps its mode, and the verb is denied again

    def _widen(self, one: _Folder, mode: int) -> None:
        """Unlock one folder; the caller has the lock. `mode` is the mode to restore. The note is written first."""
        one.mode, one.wide = mode, mode | 0o700
        name = one.note
        self._remove_note(name)
        try:
            ours = self._directories.open(RESERVED_NAME, HOLD)
            try:
                os.symlink(b"%o %b" % (mode, one.path), name, dir_fd=ours)
            finally:
                os.close(ours)
        except OSError:
            pass  # no space, or the path is too long: if the program dies now, the folder stays unlocked
        self._kernel.change_mode(one.handle, one.wide)

    def _remove_note(self, name: bytes) -> None:
        try:
            ours = self._directories.open(RESERVED_NAME, HOLD)
            try:
                os.unlink(name, dir_fd=ours)
            finally:
                os.close(ours)
        except OSError:
            pass

    def _restore(self, unlocked: Iterable[_Folder]) -> None:
        for one in unlocked:
            with self._lock:
                one.users -= 1
                if one.users:
                    continue
                try:
                    if st.S_IMODE(os.fstat(one.handle).st_mode) == one.wide != one.mode:
                        self._kernel.change_mode(one.handle, one.mode)
                    self._remove_note(one.note)
                except OSError:
                    pass  # the note informs the next start
                self._turn += 1  # before it is removed from the table: see stat_at
                del self._folders[one.key]
            os.close(one.handle)
