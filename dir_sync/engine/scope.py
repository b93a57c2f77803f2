"""Which paths are shared at all, and who was told that one is not.

In:   paths that a look, a listing or a peer names. Out: whether they are ours.
Rule: this is the one gate. A rule for paths to ignore goes here; its patterns would be a pure module of `core`.
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

    def note_mount(self, path: bytes) -> None:
        """Another file system is mounted there."""
        self.mounted.add(path)

    def mounts_found(self, folder: bytes, names: Collection[bytes]) -> None:
        """A listing of `folder` found mounts at these names in it, and at no others."""
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
