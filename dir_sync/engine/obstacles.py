"""What is in the way here: names that cannot be had, and folders in which something could not be done.

In:   what looks and listings found; what failed.
Out:  whether a path can be had; what is tried again when a folder has changed.
Rule: these are facts about the tree, whether or not anything is wanted there.
Used by: work.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.model import Kind, parent_of

__all__ = ["Obstacles"]


class Obstacles:
    """Names that something never synchronized has (OTHER), or the folder that has such a thing in it."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, Kind] = {}
        self._denied_in: dict[bytes, dict[bytes, None]] = {}  # folder -> what could not be done or seen in it

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def add(self, path: bytes, kind: Kind) -> None:
        self._kinds[path] = kind

    def remove(self, path: bytes) -> None:
        self._kinds.pop(path, None)

    def is_at(self, path: bytes) -> bool:
        return path in self._kinds

    def not_at(self, paths: set[bytes]) -> set[bytes]:
        return paths.difference(self._kinds)

    def kind(self, path: bytes) -> Kind | None:
        return self._kinds.get(path)

    def all(self) -> list[tuple[bytes, Kind]]:
        return list(self._kinds.items())

    def is_at_or_above(self, path: bytes) -> bool:
        """True if nothing can be had at or below this path for the time being."""
        while path and self._kinds:
            if path in self._kinds:
                return True
            path = parent_of(path)
        return False

    def not_among(self, folder: bytes, there: set[bytes]) -> list[bytes]:
        """Obstacles in a folder that a listing of it did not show."""
        return [path for path in self._kinds.keys() - there if parent_of(path) == folder]

    def found(self, path: bytes, kind: Kind) -> list[bytes]:
        """A look found this at `path`. Returns names that are free by that."""
        is_folder = kind == Kind.DIRECTORY
        freed = [
            other
            for other, known in self._kinds.items()
            if (other == path and known != kind) or (not is_folder and other.startswith(path + b"/"))
        ]
        for other in freed:
            del self._kinds[other]
        return freed

    def deny(self, folder: bytes, path: bytes) -> None:
        """Something failed at `path`, and may be the fault of `folder`."""
        if len(self._denied_in) > limits.TODO_PATHS_MAX:
            self._denied_in.clear()  # they are tried again at their time
        self._denied_in.setdefault(folder, {})[path] = None

    @property
    def has_denied(self) -> bool:
        return bool(self._denied_in)

    def take_denied(self, folder: bytes) -> list[bytes]:
        """What could not be done in a folder or below it."""
        folders = [each for each in self._denied_in if each == folder or each.startswith(folder + b"/")]
        return [path for each in folders for path in self._denied_in.pop(each)]
