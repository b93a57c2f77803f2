"""How far the scan of the folder has come, for those who wait for it.

In:   paths that the scan finds, and paths that were looked at. Out: whether the scan goes on, and whether it is the first.
Rule: it finds nothing and ends nothing by itself: `scan` does.
Used by: board.
"""

from __future__ import annotations

from dir_sync.core.watching.pending_looks import PendingLook, PendingLooks
from dir_sync.index import Index

__all__ = ["ScanState"]


class ScanState:
    """Engine thread only."""

    def __init__(self, index: Index, pending_looks: PendingLooks) -> None:
        self._index = index
        self._pending_looks = pending_looks
        self.is_first = not index.first_scan_done  # no scan of this index was ever finished
        self.is_on = False
        self.waits = False  # the first scans of other folders of this node go on, and it is not the turn of this one
        self.unseen: set[bytes] = set()  # paths that the scan found and no look has visited yet
        self.unread: set[bytes] = set()  # paths whose last look could not read what is there

    def begin(self) -> None:
        self.is_on = True

    def add(self, path: bytes, mono_ms: int) -> PendingLook:
        """Look at a path at once. A scan is not over before that."""
        if self.is_on:
            self.unseen.add(path)
        return self._pending_looks.add(path, mono_ms, mono_ms)

    def need_not_wait(self, path: bytes) -> None:
        """The path was looked at, or may never be readable, so the scan need not wait for it."""
        self.unseen.discard(path)

    def not_read(self, path: bytes) -> None:
        """A look could not read what is at this path, and the next one may fail as well: the scan need not wait for it."""
        self.unread.add(path)
        self.need_not_wait(path)

    def looked_at(self, path: bytes) -> None:
        """A look at this path is over, and its result is recorded."""
        self.unread.discard(path)

    def end(self) -> None:
        self.is_on = False
        if self.is_first:
            self.is_first = False
            self._index.set_first_scan_done()
