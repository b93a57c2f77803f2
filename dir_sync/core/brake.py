"""The brake: what a scan misses is not believed at once if it is most of the folder.

In:   paths of ours that are not there any more, though nobody was seen to remove them.
Out:  which of them may be told to the others as deleted, and which are held until somebody decides.
Rule: what was seen to happen is never held, and what is held is neither deleted nor forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dir_sync.core.model import parent_of

__all__ = ["Brake", "Limits", "covers"]


@dataclass(frozen=True, slots=True)
class Limits:
    """More than `percent` of the files, and at least `files` of them, are a disaster. `files` 0: nothing is."""

    files: int = 100
    percent: int = 50

    def is_disaster(self, gone: int, before: int) -> bool:
        """`gone` of `before` files are not there any more."""
        return 0 < self.files <= gone and gone * 100 > before * self.percent


@dataclass(slots=True)
class Brake:
    """What is missing and not told yet."""

    limits: Limits = field(default_factory=Limits)
    missed: dict[bytes, None] = field(default_factory=dict)  # to be judged when the scan is over
    held: dict[bytes, None] = field(default_factory=dict)
    held_files: int = 0

    def holds(self, path: bytes) -> bool:
        """True if `path`, or a folder it is in, is held."""
        return bool(self.held) and covers(self.held, path)

    def hold(self, files: int) -> None:
        """All that was missed, `files` files in it, is a disaster."""
        self.held.update(self.missed)
        self.held_files += files
        self.missed.clear()

    def is_back(self, path: bytes) -> bool:
        """Something held is there again, or settled in another way. True if nothing is held any more."""
        if path not in self.held:
            return False
        del self.held[path]
        if not self.held:
            self.held_files = 0
        return not self.held

    def let_go(self) -> list[bytes]:
        """Somebody has decided. Returns what was held."""
        paths = list(self.held)
        self.held.clear()
        self.held_files = 0
        return paths


def covers(paths: dict[bytes, None], path: bytes) -> bool:
    """True if `path`, or a folder it is in, is among `paths`."""
    while path:
        if path in paths:
            return True
        path = parent_of(path)
    return False
