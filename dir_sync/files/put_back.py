"""Undoes an exchange or a rename that took content which no look had seen: the user's file gets its name back.

In:   a name in the staging folder that may hold a user's data, and its former path.
Out:  the tree as its user left it. A file that cannot get its name back goes into the history; a folder gets another
name.
Used by: `replace`, `install`, `move`, `recovery`.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.model import Kind, Stat, parent_of
from dir_sync.core.names import STAGING
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.outcomes import NO_SUCH_NAME
from dir_sync.ports import Disk, DiskError, Trouble

__all__ = ["PutBack"]

_TRIES = 4  # the data is a user's, so one error does not end the attempt


class PutBack:
    """Gives users' files their names back. Fields: the disk, and the history for files that cannot get theirs."""

    def __init__(self, disk: Disk, history: HistoryStore) -> None:
        self._disk = disk
        self._history = history

    def undo_exchange(self, staged: bytes, path: bytes, ours: Stat) -> None:
        """Undo an exchange that took content no look had seen, and make the names durable, also if it is not known whether
        all of it was undone. `ours`: the stat of the file that we put at `path`."""
        try:
            self._exchange_back(staged, path, ours)
        finally:
            self._sync_names(path)

    def undo_rename(self, name: bytes, path: bytes, filed_as: bytes | None = None) -> None:
        """Undo a rename that took content no look had seen. `filed_as`: the path under which it is filed if it cannot have
        its name back; None: `path`."""
        for left in reversed(range(_TRIES)):
            try:
                self._disk.rename(name, path)
            except DiskError as error:
                if error.trouble == Trouble.EXISTS or error.trouble in NO_SUCH_NAME:
                    self._keep(name, path if filed_as is None else filed_as)
                    return
                if not left:
                    raise
            else:
                self._sync_names(path)
                return

    def give_newest(self, staged: bytes, stat: Stat, path: bytes) -> None:
        """Give a file of the tree, into which a user wrote while it was at `path`, that name again. The file that is there was
        saved before, and goes into the history. `stat`: of the staged file, which goes there instead if no file is at `path`,
        or if that is unknown."""
        try:
            older = self._disk.stat(path)
        except DiskError:
            older = None
        if older is None or older.kind == Kind.DIRECTORY:
            self._history.rescue(staged, stat, path)
            return
        self.undo_exchange(staged, path, older)
        for left in reversed(range(_TRIES)):
            try:
                self._keep(staged, path)
            except DiskError:
                if not left:
                    raise
            else:
                return

    def return_folder(self, name: bytes, path: bytes) -> None:
        """Give a user's folder another name in the tree, because its name was taken or its parent is gone."""
        try:
            self._disk.remove_directory(name)
        except DiskError as error:
            if error.trouble != Trouble.NOT_EMPTY:
                raise
        else:
            return
        folder, base = parent_of(path), path.rpartition(b"/")[2][: limits.PART_BYTES_MAX - 20]
        number = 0
        while True:
            number += 1
            other = (folder + b"/" if folder else b"") + base + b".recovered-%d" % number
            try:
                self._disk.rename(name, other)
            except DiskError as taken:
                if taken.trouble in NO_SUCH_NAME and folder:
                    folder, number = b"", 0
                elif taken.trouble != Trouble.EXISTS:
                    raise
            else:
                return

    def _exchange_back(self, staged: bytes, path: bytes, ours: Stat) -> None:
        """Undo an exchange that took content no look had seen. If a program replaces the file meanwhile, that is undone
        in turn, until the file that comes out is ours. A passing error is retried at once."""
        given: set[int] = set()
        troubles = 0
        for _ in range(100):
            held = self._disk.stat(staged)
            try:
                self._disk.exchange(path, staged)
            except DiskError as error:
                if error.trouble not in NO_SUCH_NAME:
                    troubles += 1
                    if troubles > _TRIES:
                        raise
                    continue
                try:
                    self._disk.rename(staged, path)  # the user removed our file: the one that we hold is the newest
                except DiskError as taken:
                    if taken.trouble in NO_SUCH_NAME:
                        break  # the parent folder is gone as well
                    if taken.trouble != Trouble.EXISTS:
                        raise
                    continue
                return
            out = self._disk.stat(staged)
            if out is not None and out.inode == ours.inode:
                return
            if out is None or out.inode in given:
                break  # our file was replaced, and is gone
            if held is not None:
                given.add(held.inode)
        stat = self._disk.stat(staged)
        if stat is not None and stat.kind == Kind.DIRECTORY:
            there = self._disk.stat(path)
            if there is not None and there.kind != Kind.DIRECTORY:
                self._disk.exchange(path, staged)  # the history takes no folders: it gets the name
        self._keep(staged, path)

    def _keep(self, name: bytes, path: bytes) -> None:
        """It cannot have its name `path` again: a folder gets another name, anything else goes into the history."""
        stat = self._disk.stat(name)
        if stat is not None and stat.kind == Kind.DIRECTORY:
            self.return_folder(name, path)
        elif stat is not None:
            self._history.rescue(name, stat, path)

    def _sync_names(self, path: bytes) -> None:
        """Make the restored names durable before the result is reported, as they were before."""
        for folder in (parent_of(path), STAGING):
            try:
                self._disk.sync_directory(folder)
            except DiskError:
                pass  # a power cut may then lose the name; the content stays in the staging folder
