"""The brake on our own side: what looks like a disaster is held until somebody decides, while all else goes on.

In:   paths of ours that a scan misses, though nobody was seen to remove them.
Out:  what may happen at once, and what is held.
Rule: what is held is neither done nor forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from dir_sync.core.frozen import frozen
from dir_sync.core.model import parent_of

__all__ = ["Brake", "Limits", "covers"]


@frozen
class Limits:
    """More than `percent` of the files, and at least `files` of them, gone; or more than `rewrite_percent` of them, and
    at least `rewrites`, with new content: that is a disaster. `files` or `rewrites` 0: nothing of the kind is."""

    files: int = 100
    percent: int = 50
    rewrites: int = 1_000
    rewrite_percent: int = 80

    def is_disaster(self, gone: int, before: int) -> bool:
        """`gone` of `before` files are not there any more."""
        return 0 < self.files <= gone and gone * 100 > before * self.percent

    def is_rewritten(self, changed: int, files: int) -> bool:
        """`changed` of `files` files have new content."""
        return 0 < self.rewrites <= changed and changed * 100 > files * self.rewrite_percent


@dataclass(slots=True)
class Brake:
    """What is missing and not told yet."""

    limits: Limits = field(default_factory=Limits)
    missed: dict[bytes, None] = field(default_factory=dict)  # to be judged when the scan is over
    held: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # path -> files and bytes that are missing with it
    before: int = 0  # how many files there were when the look at them began
    held_files: int = 0
    held_bytes: int = 0
    counter: int = 0  # a decision about what is held names exactly this: others are about what the node did

    def holds(self, path: bytes) -> bool:
        """True if `path`, or a folder it is in, is held."""
        return bool(self.held) and covers(self.held, path)

    def begin_to_look(self, files: int) -> None:
        """What is missed from now on is missed of so many files."""
        if not self.missed:
            self.before = files

    def miss(self, path: bytes) -> None:
        self.missed[path] = None

    def find(self, path: bytes) -> None:
        """It is there, under a new name."""
        self.missed.pop(path, None)

    def hold_with(self, path: bytes) -> None:
        """A folder was moved without what is held in it: the same is decided of both."""
        self.held[path] = 0, 0

    def hold(self, amounts: Mapping[bytes, tuple[int, int]], counter: int) -> None:
        """All that was missed is a disaster. `amounts`: files and bytes of each of these paths; `counter`: of nothing else."""
        self.counter = counter
        for path, (files, size) in amounts.items():
            self.held[path] = files, size
            self.held_files += files
            self.held_bytes += size
        self.missed.clear()

    def is_back(self, path: bytes) -> bool:
        """Something held is there again, or settled in another way. True if nothing is held any more."""
        if path not in self.held:
            return False
        files, size = self.held.pop(path)
        self.held_files -= files
        self.held_bytes -= size
        return not self.held

    def let_go(self) -> list[bytes]:
        """Somebody has decided. Returns what was held."""
        paths = list(self.held)
        self.held.clear()
        self.held_files = self.held_bytes = 0
        return paths


def covers(paths: Collection[bytes], path: bytes) -> bool:
    """True if `path`, or a folder it is in, is among `paths`."""
    while path:
        if path in paths:
            return True
        path = parent_of(path)
    return False
