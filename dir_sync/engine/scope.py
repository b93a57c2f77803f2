"""Decides which paths are synchronized, and remembers which exclusions were reported.

In:   paths from looks, listings and peers. Out: whether they are synchronized.
Rule: every path passes this gate. A rule for paths to ignore belongs here; its patterns would be a pure module of
`core`.
Used by: local_renames, look_queue, applier, planner, local_changes, scan.
"""

from __future__ import annotations

from collections.abc import Collection

from dir_sync.core import limits, notes
from dir_sync.core.looks import MOUNTED
from dir_sync.core.model import PathError, check_path, parent_of
from dir_sync.engine.board import Board

__all__ = ["Scope"]


class Scope:
    """Decides which paths are synchronized, and remembers which exclusions were reported."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.mounted: set[bytes] = set()  # mount points of other file systems: no event reports an unmount
        self.named: set[bytes] = set()  # skipped entries that were reported to people

    def is_ours(self, path: bytes) -> bool:
        """True if the path may be synchronized. A path that never can be is reported once."""
        if not path:
            return False
        if limits.RESERVED_NAME in path.split(b"/"):
            return False
        try:
            check_path(path)
        except PathError as error:
            self.skip(path, str(error))
            return False
        return True

    def note_mount(self, path: bytes) -> None:
        """Another file system is mounted at `path`."""
        self.mounted.add(path)

    def mounts_found(self, folder: bytes, names: Collection[bytes]) -> None:
        """A listing found mount points in `folder` at exactly these names."""
        prefix = folder + b"/" if folder else b""
        for name in names:
            self.skip(prefix + name, MOUNTED)
            self.mounted.add(prefix + name)
        for path in [path for path in self.mounted if parent_of(path) == folder]:
            if path[len(prefix) :] not in names:
                self.mounted.discard(path)

    def skip(self, path: bytes, reason: str) -> None:
        if path not in self.named and len(self.named) < 10_000:
            self.named.add(path)
            self._board.tell(notes.Skipped(path, reason))
