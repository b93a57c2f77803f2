"""Contents that will come, and the paths that wait for one of them.

In:   what a transfer, a copy or a job will bring; who wants the same content at another path.
Out:  to which path a content comes; marks for those who waited for it.
Rule: of two paths that want one content, one gets it, and the other is copied from there.
Used by: work, arrivals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dir_sync.core.jobs import ApplyItem
from dir_sync.engine.board import Board
from dir_sync.engine.path_work import PathTable

__all__ = ["Copies", "Expected"]


class Expected:
    """Which content is on its way to which path, as far as is remembered: `Arrivals` knows whether that is still so."""

    def __init__(self) -> None:
        self._paths: dict[bytes, bytes] = {}  # content -> path

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, content: bytes, path: bytes) -> None:
        """A content will come to a path: by a transfer, a copy, or a job."""
        self._paths[content] = path

    def add_all(self, items: Sequence[ApplyItem]) -> None:
        self._paths.update([(item[2].content, item[0]) for item in items])

    def path_of(self, content: bytes) -> bytes | None:
        return self._paths.get(content)

    def remove(self, content: bytes) -> None:
        del self._paths[content]

    def replace(self, paths: dict[bytes, bytes]) -> None:
        self._paths = paths

    def lacks(self, contents: set[bytes]) -> set[bytes]:
        """Those of some contents of which it is not known that they come."""
        return contents.difference(self._paths)

    def all(self) -> list[bytes]:
        """Contents that will come, as far as is remembered."""
        return list(self._paths)


class Copies:
    """Paths that wait for a content which comes to another path."""

    def __init__(self, board: Board, paths: PathTable) -> None:
        self._board = board
        self._paths = paths

    def begin_wait(self, path: bytes, other: bytes) -> None:
        """The same content is on its way to another path, and is copied from there."""
        entry = self._paths.at(other)
        if entry.copies is None:
            entry.copies = {}
        entry.copies[path] = None

    def waiting_for(self, path: bytes) -> list[bytes]:
        """Who waits for what is on its way to `path`."""
        entry = self._paths.get(path)
        return [] if entry is None or entry.copies is None else list(entry.copies)

    def wake_all(self, paths: Iterable[bytes]) -> None:
        for path in self._paths.among(paths):
            self.wake(path)

    def wake(self, path: bytes) -> None:
        entry = self._paths.get(path)
        if entry is not None and entry.copies is not None:
            self._board.plan_queue.add_all(entry.copies)
            entry.copies = None
            self._paths.touch(path)
