"""Paths whose parent folder is missing: their content waits for the folder.

In:   paths that wait, and folders that arrive. Out: which contents wait, and which of them have arrived.
Rule: the folder is installed first; then the paths in it are planned.
Used by: work.
"""

from __future__ import annotations

from collections import Counter

from dir_sync.engine.arrivals import Arrivals
from dir_sync.engine.path_work import PathTable

__all__ = ["FolderWaits"]


class FolderWaits:
    """Paths whose parent folder is missing: their content waits for the folder."""

    def __init__(self, paths: PathTable, arrivals: Arrivals) -> None:
        self._paths = paths
        self._arrivals = arrivals
        self.waiting: set[bytes] = set()
        self._awaited = Counter[bytes]()  # content -> the paths in `waiting` that want it

    def begin_wait(self, path: bytes, content: bytes) -> None:
        """Let `path` wait until its parent folder exists."""
        self.end_wait(path)
        self._paths.at(path).folder_for = content
        self.waiting.add(path)
        self._awaited[content] += 1

    def is_waiting(self, path: bytes) -> bool:
        return path in self.waiting

    def end_wait(self, path: bytes) -> None:
        if path in self.waiting:
            self.waiting.remove(path)
            entry = self._paths.at(path)
            content, entry.folder_for = entry.folder_for, None
            assert content is not None
            if self._awaited[content] > 1:
                self._awaited[content] -= 1
            else:
                del self._awaited[content]
            self._paths.touch(path)

    def is_content_awaited(self, content: bytes) -> bool:
        """True if a path whose parent folder is missing wants this content."""
        return content in self._awaited

    def has_ready(self) -> bool:
        return any(self._arrivals.ready(path) is not None for path in self.waiting)

    def ready(self) -> list[bytes]:
        return sorted(path for path in self.waiting if self._arrivals.ready(path) is not None)
