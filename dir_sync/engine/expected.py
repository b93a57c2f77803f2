"""Contents that are expected, and the paths that wait for one of them.

In:   contents that a transfer, a copy or a job will bring; paths that want the same content.
Out:  the path to which a content comes; marks for the paths that waited for it.
Rule: if two paths want one content, it is fetched for one and copied to the other.
Used by: work, arrivals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dir_sync.core.jobs import ApplyItem
from dir_sync.engine.board import Board
from dir_sync.engine.path_work import PathTable

__all__ = ["Copies", "Expected"]


class Expected:
    """Which content is expected at which path. An entry may be out of date; `Arrivals` checks it."""

    def __init__(self) -> None:
        self.paths: dict[bytes, bytes] = {}  # content -> path

    def __len__(self) -> int:
        return len(self.paths)

    def add(self, content: bytes, path: bytes) -> None:
        """A transfer, a copy or a job will bring this content to this path."""
        self.paths[content] = path

    def add_all(self, items: Sequence[ApplyItem]) -> None:
        self.paths.update([(item[2].content, item[0]) for item in items])

    def path_of(self, content: bytes) -> bytes | None:
        return self.paths.get(content)

    def remove(self, content: bytes) -> None:
        del self.paths[content]

    def replace(self, paths: dict[bytes, bytes]) -> None:
        self.paths = paths

    def lacks(self, contents: set[bytes]) -> set[bytes]:
        """Those of `contents` that are not expected anywhere."""
        return contents.difference(self.paths)


class Copies:
    """Paths that wait for a content which comes to another path."""

    def __init__(self, board: Board, paths: PathTable) -> None:
        self._board = board
        self._paths = paths

    def begin_wait(self, path: bytes, other: bytes) -> None:
        """Let `path` wait: its content is on its way to `other`, and is copied from there."""
        entry = self._paths.at(other)
        if entry.copies is None:
            entry.copies = {}
        entry.copies[path] = None

    def waiting_for(self, path: bytes) -> list[bytes]:
        """The paths that wait for the content on its way to `path`."""
        entry = self._paths.get(path)
        return [] if entry is None or entry.copies is None else list(entry.copies)

    def awaited_at(self, path: bytes) -> bytes | None:
        """The path to which the content comes for which `path` waits; None: it waits for none. Looks at all paths."""
        return next((other for other, entry in self._paths.items() if entry.copies and path in entry.copies), None)

    def wake_all(self, paths: Iterable[bytes]) -> None:
        for path in self._paths.among(paths):
            self.wake(path)

    def wake(self, path: bytes) -> None:
        entry = self._paths.get(path)
        if entry is not None and entry.copies is not None:
            self._board.plan_queue.add_all(entry.copies)
            entry.copies = None
            self._paths.touch(path)
