"""The brake on this node's own losses: what looks like a disaster is held until a person decides.

All else continues.

In:   paths that a scan misses, without an event that reported their removal.
Out:  which losses are announced at once, and which are held.
Rule: a held loss is neither announced nor forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dir_sync.core.frozen import field, frozen, mutable
from dir_sync.core.model import parent_of

__all__ = ["Brake", "Limits", "covers"]


@frozen
class Limits:
    """It is a disaster if more than `percent` of the files, and at least `files` of them, are gone; or if more than
    `rewrite_percent` of them, and at least `rewrites`, have new content. `files` or `rewrites` 0: that kind is never a
    disaster."""

    files: int = 100
    percent: int = 50
    rewrites: int = 1_000
    rewrite_percent: int = 80

    def is_disaster(self, gone: int, before: int) -> bool:
        """`gone` of `before` files no longer exist."""
        return 0 < self.files <= gone and gone * 100 > before * self.percent

    def is_rewritten(self, changed: int, files: int) -> bool:
        """`changed` of `files` files have new content."""
        return 0 < self.rewrites <= changed and changed * 100 > files * self.rewrite_percent


@mutable
class Brake:
    """Missing files that are not announced yet."""

    limits: Limits = field(default_factory=Limits)
    missed: dict[bytes, None] = field(default_factory=dict)  # to be judged at the end of the scan
    # path -> number of files and bytes that are missing with it
    held: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    before: int = 0  # how many files there were when the scan began
    held_files: int = 0
    held_bytes: int = 0
    counter: int = 0  # decisions about the held losses name exactly this counter; others are about changes of this node
    stays: bool = False  # a person decided about some of them: the others wait for a person, however few they are

    def holds(self, path: bytes) -> bool:
        """True if `path`, or a folder above it, is held."""
        return bool(self.held) and covers(self.held, path)

    def holds_in(self, folder: bytes, path: bytes) -> bool:
        """True if `path`, or a folder above it, is held, and is itself in `folder`."""
        while len(path) > len(folder):
            if path in self.held:
                return True
            path = parent_of(path)
        return False

    def begin_to_look(self, files: int) -> None:
        """A scan begins, with so many files in the index."""
        if not self.missed:
            self.before = files

    def miss(self, path: bytes) -> None:
        self.missed[path] = None

    def find(self, path: bytes) -> None:
        """The file exists under a new name."""
        self.missed.pop(path, None)

    def hold_with(self, path: bytes) -> None:
        """A folder was moved without the held paths in it: one decision applies to both."""
        self.held[path] = 0, 0

    def hold(self, amounts: Mapping[bytes, tuple[int, int]], counter: int) -> None:
        """Hold everything that was missed. `amounts`: files and bytes of each path. `counter`: the counter for
        decisions about it."""
        self.counter = counter
        for path, (files, size) in amounts.items():
            self.held[path] = files, size
            self.held_files += files
            self.held_bytes += size
        self.missed.clear()

    def stay_held(self) -> None:
        """What is held waits for a person, however little it is: a person decided about some of it."""
        self.stays = True

    def split(self, folder: bytes, amounts: Mapping[bytes, tuple[int, int]]) -> None:
        """Hold each path in a held folder by itself, as a person decides about some of them. `amounts`: files and bytes
        of each. The folder itself stays held."""
        files, size = self.held[folder]
        self.held[folder] = 0, 0
        new = {path: amount for path, amount in amounts.items() if path not in self.held}
        self.held.update(new)
        self.held_files += sum(amount[0] for amount in new.values()) - files
        self.held_bytes += sum(amount[1] for amount in new.values()) - size

    def is_back(self, path: bytes) -> bool:
        """A held path exists again, or was settled in another way. True if nothing is held any more."""
        if path not in self.held:
            return False
        files, size = self.held.pop(path)
        self.held_files -= files
        self.held_bytes -= size
        self.stays = self.stays and bool(self.held)
        return not self.held

    def release(self) -> list[bytes]:
        """A person decided. Returns the paths that were held."""
        paths = list(self.held)
        self.held.clear()
        self.held_files = self.held_bytes = 0
        self.stays = False
        return paths


def covers(paths: Collection[bytes], path: bytes) -> bool:
    """True if `path`, or a folder above it, is among `paths`."""
    while path:
        if path in paths:
            return True
        path = parent_of(path)
    return False
