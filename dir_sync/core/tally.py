"""Collects from the notes what a run has sent, received, removed, and what is in conflict: for the summary of `once`.

In:   notes. Out: for each kind, how many paths, how many bytes, and the names of the first ones; the JSON object.
Rule: pure. It may import core only. A path counts once in each kind, however often it changed.
Used by: cli.once, core.shot, daemon.rehearsal, daemon.shot, daemon.witness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dir_sync.core import notes
from dir_sync.core.model import show
from dir_sync.core.notes import Note

__all__ = ["NAMES_MAX", "Paths", "Tally"]

NAMES_MAX = 10_000  # of each kind are listed by name


class Paths:
    """The paths of one kind, with a size and words for each."""

    def __init__(self) -> None:
        self._sizes: dict[bytes, int] = {}
        self._words: dict[bytes, str] = {}

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, path: bytes, size: int = 0, words: str = "") -> None:
        self._sizes[path] = size
        if words:
            self._words[path] = words

    def discard(self, path: bytes) -> None:
        self._sizes.pop(path, None)
        self._words.pop(path, None)

    @property
    def size(self) -> int:
        return sum(self._sizes.values())

    def names(self, most: int = NAMES_MAX) -> list[str]:
        """The first ones by name, escaped."""
        return [show(path) for path in sorted(self._sizes)[:most]]

    def words(self) -> list[tuple[str, str]]:
        """Name and words of each, escaped."""
        return [(show(path), self._words.get(path, "")) for path in sorted(self._sizes)[:NAMES_MAX]]

    def to_json(self) -> dict[str, Any]:
        return {"count": len(self), "bytes": self.size, "paths": self.names()}


class Tally:
    """What the notes of one run say. `tell` is called on the engine's thread; it is read when that has ended."""

    def __init__(self) -> None:
        self.sent = Paths()
        self.received = Paths()
        self.removed = Paths()  # here, because others deleted them
        self.deleted = Paths()  # here, and so at the others
        self.conflicts = Paths()  # versions of this machine that lost
        self.unreadable = Paths()
        self.skipped = Paths()

    def tell(self, note: Note) -> None:
        match note:
            case notes.Received(path, _, size) | notes.Copied(path, _, size) | notes.Restored(path, size):
                self.received.add(path, size)
            case notes.Renamed(path, _, source):
                self.received.add(path)
                self.removed.add(source)
            case notes.ReceivedMany(_, files, _):
                _add_all(self.received, files)
            case notes.Sent(path, _, size) | notes.SentDelta(path, _, size, _) | notes.SentLarge(path, _, size, _, _):
                self.sent.add(path, size)
            case notes.SentMany(_, files, _):
                _add_all(self.sent, files)
            case notes.RenamedHere(path, source):
                self.sent.add(path)
                self.deleted.add(source)
            case notes.Removed(path):
                self.removed.add(path)
            case notes.DeletedHere(path):
                self.deleted.add(path)
            case notes.Conflict(path, version):
                self.conflicts.add(path, 0, show(version))
            case notes.TextMerged(path):
                self.conflicts.discard(path)
                self.sent.add(path)
            case notes.Unreadable(path, problem):
                self.unreadable.add(path, 0, problem)
            case notes.Skipped(path, reason):
                self.skipped.add(path, 0, reason)
            case notes.NewHere(path) | notes.ChangedHere(path):
                self.unreadable.discard(path)  # it can be read after all
                self.deleted.discard(path)
            case _:
                pass


def _add_all(paths: Paths, files: Sequence[tuple[bytes, int]]) -> None:
    for path, size in files:
        paths.add(path, size)
