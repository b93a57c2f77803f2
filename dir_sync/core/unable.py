"""What cannot be on this disk, and why: names that it takes for others, contents too large for it, names it refuses.

In:   a path, and why it cannot be had.
Out:  whether a record has to be held back; who waits for a name to go.
Rule: held back means: neither fetched nor tried again, until another version is offered that may do, or what is in the
      way has gone. Nothing here is stored: a restart tries once, since the disk may be another one by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dir_sync.core.model import Kind, Record, Stamp, parent_of, show

__all__ = ["Unable", "Unfit"]


class Unfit(NamedTuple):
    """Why a path cannot be had. Exactly one of the last three fields counts."""

    text: str  # for people
    by: bytes | None = None  # the disk takes the name for this other one, which is there
    least: int = 0  # contents of so many bytes, and larger ones
    stamp: Stamp | None = None  # this version; another one may do


class Unable:
    """See the module."""

    def __init__(self) -> None:
        self._unfit: dict[bytes, Unfit] = {}
        self._behind: dict[bytes, dict[bytes, None]] = {}  # name that is there -> names that it keeps away
        self._told: set[bytes] = set()

    def __bool__(self) -> bool:
        return bool(self._unfit)

    def hold(self, path: bytes, unfit: Unfit) -> None:
        self.let_go(path)
        self._unfit[path] = unfit
        if unfit.by is not None:
            self._behind.setdefault(unfit.by, {})[path] = None

    def take_for(self, path: bytes, by: bytes) -> None:
        """The disk takes `path` for `by` (for `path` itself: for a name that it does not tell)."""
        other = "another name in its folder" if by == path else show(by)
        self.hold(path, Unfit(f"this disk takes the name for that of {other}", by))

    def let_go(self, path: bytes, only_names: bool = False) -> None:
        """It may be tried again. `only_names`: if it was held for its name only."""
        unfit = self._unfit.get(path)
        if unfit is None or (only_names and unfit.by is None):
            return
        del self._unfit[path]
        if unfit.by is not None:
            behind = self._behind[unfit.by]
            del behind[path]
            if not behind:
                del self._behind[unfit.by]

    def why(self, record: Record) -> Unfit | None:
        """Why this record cannot be here; None: it may be tried."""
        unfit = self._unfit.get(record.path)
        if unfit is None or record.kind is Kind.ABSENT:
            return None
        if unfit.by is not None or unfit.stamp == record.stamp or 0 < unfit.least <= record.size:
            return unfit
        return None

    def behind(self, path: bytes) -> list[bytes]:
        """Names that cannot be had while `path` is there."""
        return list(self._behind.get(path, ()))

    def in_folder(self, folder: bytes) -> list[bytes]:
        """Names in a folder that are held back for other names."""
        return [path for path, unfit in self._unfit.items() if unfit.by is not None and parent_of(path) == folder]

    def is_news(self, path: bytes) -> bool:
        """True once: then people are to be told."""
        if path in self._told:
            return False
        if len(self._told) > 10_000:
            self._told.clear()
        self._told.add(path)
        return True

    def all(self) -> Iterator[tuple[bytes, str]]:
        """For people: what is held back, and why."""
        return ((path, unfit.text) for path, unfit in self._unfit.items())
