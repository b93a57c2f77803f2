"""Which paths are shared at all, and who was told that one is not.

In:   paths that a look, a listing or a peer names. Out: whether they are ours.
Used by: local_renames, look_queue, applier, planner, local_changes, scan.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.model import PathError, check_path
from dir_sync.engine.board import Board

__all__ = ["Scope"]


class Scope:
    """Which paths are shared at all, and who was told that one is not."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.mounted: set[bytes] = set()  # where other file systems are mounted: no event tells when they are no more
        self.named: set[bytes] = set()  # skipped things that people were told of

    def is_ours(self, path: bytes) -> bool:
        """True if the path may be synchronized; people are told once of one that never can be."""
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

    def skip(self, path: bytes, reason: str) -> None:
        if path not in self.named and len(self.named) < 10_000:
            self.named.add(path)
            self._board.tell(notes.Skipped(path, reason))
