"""What prevents installing here: entries that are never synchronized, and folders in which an operation failed.

In:   what looks and listings found; failed operations.
Out:  whether a path can be installed; what is tried again when a folder has changed.
Rule: these are facts about the tree, whether or not a peer announced anything there.
Used by: work.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.model import Kind, parent_of

__all__ = ["Obstacles"]


class Obstacles:
    """Names of entries that are never synchronized (OTHER), and folders that contain such an entry."""

    def __init__(self) -> None:
        self._kinds: dict[bytes, Kind] = {}
        # folder -> paths below it at which an operation or a look failed
        self._denied_in: dict[bytes, dict[bytes, None]] = {}

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
        """True if nothing can be installed at or below this path for now."""
        while path and self._kinds:
            if path in self._kinds:
                return True
            path = parent_of(path)
        return False

    def not_among(self, folder: bytes, there: set[bytes]) -> list[bytes]:
        """Obstacles in a folder that its listing did not show."""
        return [path for path in self._kinds.keys() - there if parent_of(path) == folder]

    def found(self, path: bytes, kind: Kind) -> list[bytes]:
        """A look found this kind of entry at `path`. Returns the names that became free."""
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
        """An operation at `path` failed, maybe because of the permissions of `folder`."""
        if len(self._denied_in) > limits.TODO_PATHS_MAX:
            self._denied_in.clear()  # each of them is tried again when its timer is due
        self._denied_in.setdefault(folder, {})[path] = None

    @property
    def has_denied(self) -> bool:
        return bool(self._denied_in)

    def take_denied(self, folder: bytes) -> list[bytes]:
        """Remove and return the paths in or below a folder at which an operation failed."""
        folders = [each for each in self._denied_in if each == folder or each.startswith(folder + b"/")]
        return [path for each in folders for path in self._denied_in.pop(each)]
