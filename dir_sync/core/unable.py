"""Versions that this disk cannot store, and why: names that it takes for others, contents too large, names it rejects.

In:   a path, and why it cannot be stored.
Out:  whether a record is held back; which names wait for another name to go.
Rule: a held-back version is neither fetched nor tried again until another version is offered, or the obstacle is gone.
Nothing is stored on disk: a restart tries once, because the disk may be another one.
"""

from __future__ import annotations

from collections.abc import Iterator

from dir_sync.core.declined import Reason
from dir_sync.core.model import Kind, Record, Stamp, parent_of, show
from dir_sync.core.named import NamedTuple

__all__ = ["BlindDisk", "Unable", "Unfit"]


class Unfit(NamedTuple):
    """Why a path cannot be stored. Exactly one of the last four fields is set."""

    text: str  # for people
    by: bytes | None = None  # the disk takes the name for this existing other one
    least: int = 0  # contents of at least so many bytes do not fit
    stamp: Stamp | None = None  # this version was rejected; another one may succeed
    limit: int = 0  # a person lets no contents of more bytes in

    @property
    def reason(self) -> Reason:
        return Reason.TOO_LARGE if self.limit else Reason.UNFIT


class Unable:
    """Versions that this disk cannot store, by path."""

    def __init__(self) -> None:
        self._unfit: dict[bytes, Unfit] = {}
        self._behind: dict[bytes, dict[bytes, None]] = {}  # existing name -> names that it keeps away
        self._told: set[bytes] = set()

    def __bool__(self) -> bool:
        return bool(self._unfit)

    def hold(self, path: bytes, unfit: Unfit) -> None:
        self.release(path)
        self._unfit[path] = unfit
        if unfit.by is not None:
            self._behind.setdefault(unfit.by, {})[path] = None

    def take_for(self, path: bytes, by: bytes) -> None:
        """The disk takes `path` for `by` (if `by` is `path` itself: for a name that is unknown)."""
        other = "another name in its folder" if by == path else show(by)
        self.hold(path, Unfit(f"this disk takes the name for that of {other}", by))

    def release(self, path: bytes, only_names: bool = False) -> None:
        """The path may be tried again. `only_names`: only if its name was the reason."""
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
        """Why this record cannot be stored here; None: it may be tried."""
        unfit = self._unfit.get(record.path)
        if unfit is None or record.kind is Kind.ABSENT:
            return None
        is_too_large = 0 < unfit.least <= record.size or 0 < unfit.limit < record.size
        if unfit.by is not None or unfit.stamp == record.stamp or is_too_large:
            return unfit
        return None

    def unfit_at(self, path: bytes) -> Unfit | None:
        """Why a version of this path was held back last; None: none was."""
        return self._unfit.get(path)

    def behind(self, path: bytes) -> list[bytes]:
        """Names that cannot be stored while `path` exists."""
        return list(self._behind.get(path, ()))

    def in_folder(self, folder: bytes) -> list[bytes]:
        """Names in a folder that are held back because of other names."""
        return [path for path, unfit in self._unfit.items() if unfit.by is not None and parent_of(path) == folder]

    def is_news(self, path: bytes) -> bool:
        """True once for each held-back path: then people are told."""
        if path in self._told:
            return False
        if len(self._told) > 10_000:
            self._told.clear()
        self._told.add(path)
        return True

    def all(self) -> Iterator[tuple[bytes, Unfit]]:
        """The held-back paths and the reason for each."""
        return iter(self._unfit.items())


class BlindDisk:
    """Whether the disk may take a name for another one, because it ignores case or Unicode form; and then the names that
    are free, as a look has just shown. Such a look comes before the content of a new name is fetched."""

    def __init__(self) -> None:
        self.is_blind = False
        self._free: set[bytes] = set()

    def name_is_free(self, path: bytes) -> None:
        self._free.add(path)

    def has_free_name(self, path: bytes) -> bool:
        return path in self._free

    def use_name(self, path: bytes) -> None:
        self._free.discard(path)
