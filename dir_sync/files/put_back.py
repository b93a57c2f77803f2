"""Undoes an exchange or a rename that took what nobody had seen: a user's bytes get their name again.

In:   a name in the staging folder that may hold a user's bytes, and the path that it had.
Out:  the tree as its user made it. What cannot have its name again is in the history; a folder gets another name.
Used by: `replace`, `install`, `move`, `recovery`.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import Why
from dir_sync.core.model import Kind, Stat, parent_of
from dir_sync.core.names import STAGING
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.outcomes import NO_SUCH_NAME
from dir_sync.ports import Disk, DiskError, Trouble

__all__ = ["PutBack"]

_TRIES = 4  # what we took out by mistake is a user's: an error is not the last word


class PutBack:
    """Gives users their names back. Fields: the disk, and the history for what cannot have its name again."""

    def __init__(self, disk: Disk, history: HistoryStore) -> None:
        self._disk = disk
        self._history = history

    def undo_exchange(self, staged: bytes, path: bytes, ours: Stat) -> None:
        """Undo an exchange that brought out something nobody has seen, and get the names onto the medium. `ours`: what we
        had put at `path`."""
        self._exchange_back(staged, path, ours)
        self._sync_names(path)

    def undo_rename(self, name: bytes, path: bytes) -> None:
        """Undo a rename that took something nobody has seen."""
        try:
            self._disk.rename(name, path)
            self._sync_names(path)
        except DiskError as error:
            if error.trouble != Trouble.EXISTS and error.trouble not in NO_SUCH_NAME:
                raise
            self._keep(name, path)

    def return_folder(self, name: bytes, path: bytes) -> None:
        """A folder of a user whose name has been taken, or whose own folder is gone: it gets another name in the tree."""
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
        """Undo an exchange that brought out something nobody has seen. Whoever replaces the name meanwhile is put back in
        turn, until what comes out is ours. Trouble that passes is waited out, if it passes at once."""
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
                    self._disk.rename(staged, path)  # the user removed ours: what we hold is the latest there was
                except DiskError as taken:
                    if taken.trouble in NO_SUCH_NAME:
                        break  # its folder went as well
                    if taken.trouble != Trouble.EXISTS:
                        raise
                    continue
                return
            out = self._disk.stat(staged)
            if out is not None and out.inode == ours.inode:
                return
            if out is None or out.inode in given:
                break  # known here: ours was replaced, and is no more
            if held is not None:
                given.add(held.inode)
        stat = self._disk.stat(staged)
        if stat is not None and stat.kind == Kind.DIRECTORY:
            there = self._disk.stat(path)
            if there is not None and there.kind != Kind.DIRECTORY:
                self._disk.exchange(path, staged)  # there is no history for folders: it gets the name
        self._keep(staged, path)

    def _keep(self, name: bytes, path: bytes) -> None:
        """It cannot have its name `path` again: a folder gets another one, the rest is in the history."""
        stat = self._disk.stat(name)
        if stat is not None and stat.kind == Kind.DIRECTORY:
            self.return_folder(name, path)
        elif stat is not None:
            self._history.file_away(name, stat, path, b"", Why.RECOVERED, "")

    def _sync_names(self, path: bytes) -> None:
        """What a user had on the medium and we gave back is there again, under its name, before anybody is told of it."""
        for folder in (parent_of(path), STAGING):
            try:
                self._disk.sync_directory(folder)
            except DiskError:
                pass  # then its name may be lost with the power; what it held is in the staging folder
