"""Modification times of folders: set and announced when the folder is calm.

In:   folders with recent changes, and mtimes that peers announced. Out: jobs that set mtimes; announcements.
Used by: applier, recorder, local_changes, idle, router.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, ApplyJob, Cause, TreeOp
from dir_sync.core.messages import ModificationUpdate
from dir_sync.core.model import Kind
from dir_sync.engine.board import Board
from dir_sync.engine.constants import TIMES_MAX
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.work import WorkTable

__all__ = ["FolderTimes"]


class FolderTimes:
    """Modification times of folders: set and announced when the folder is calm."""

    def __init__(self, board: Board, work: WorkTable, publisher: Publisher) -> None:
        self._board = board
        self._work = work
        self._publisher = publisher
        self.mtimes_to_set: dict[bytes, int] = {}  # folder -> mtime (ns) to set when all is calm
        self.active_folders: dict[
            bytes, int | None
        ] = {}  # folder with recent local changes -> mtime (ns) that was announced last
        self._mtime_checks: dict[bytes, int | None] = {}  # of these, the ones whose mtime is being looked at
        self.mtimes_to_announce: dict[bytes, int] = {}  # folders whose mtime changed -> mtime (ns) to announce

    def mark_active(self, folder: bytes, mtime: int | None) -> None:
        """A user changed something in this folder. Its mtime was announced as `mtime` (None: not announced); it may
        have got a later one through changes before or after our look."""
        if folder and (folder in self.active_folders or len(self.active_folders) < TIMES_MAX):
            known = self.active_folders.get(folder)
            self.active_folders[folder] = known if mtime is None else mtime

    def begin_checks(self) -> list[bytes]:
        """Move all active folders to the check. Returns them; their mtimes are looked at now."""
        self._mtime_checks, self.active_folders = self.active_folders, {}
        return sorted(self._mtime_checks)

    def checked(self, path: bytes, mtime: int) -> None:
        """A look found this mtime (ns)."""
        if self._mtime_checks.pop(path, mtime) != mtime:
            self.mtimes_to_announce[path] = mtime

    def set_later(self, path: bytes, mtime: int) -> None:
        """Set this mtime (ns) on a folder of ours when all is calm."""
        self.mtimes_to_set[path] = mtime

    def set_mtimes(self) -> None:
        items = []
        for path, mtime in sorted(self.mtimes_to_set.items(), reverse=True):
            row = self._board.index.rows.get(path)
            if self._work.jobs.is_at(path) or row is None or row.record.kind != Kind.DIRECTORY or not row.fp:
                continue
            items.append(ApplyItem(path, TreeOp.META, row.record, row.fp, Cause.REPLACED, mtime=mtime))
            self._work.jobs.begin_apply(items[-1], None)
        self.mtimes_to_set.clear()
        for at in range(0, len(items), limits.APPLY_ITEMS_MAX):
            self._board.order(ApplyJob(tuple(items[at : at + limits.APPLY_ITEMS_MAX])))

    def announce_mtimes(self) -> None:
        if not self.mtimes_to_announce:
            return
        times = list(self.mtimes_to_announce.items())
        self.mtimes_to_announce.clear()
        for at in range(0, len(times), limits.CHANGES_MAX):
            some = tuple(times[at : at + limits.CHANGES_MAX])
            for replica in sorted(self._board.peers):
                if self._board.peers[replica].has_asked:
                    self._board.send(
                        replica,
                        ModificationUpdate(self._board.folder, self._publisher.subscribers[replica].sent, (), some),
                        60 * len(some),
                    )
