"""How long the history keeps versions.

In:   age and size of the versions. Out: which ones to remove.
Rule: age applies to all alike. To save space, first the older versions of a file that fills the history go, then the
oldest ordinary versions, and losers of conflicts last. If a program saves a file again and again, the states that were
current for the shortest time go at once, if they take more than a small part of the history.
"""

from __future__ import annotations

from collections.abc import Iterable

from dir_sync.core import limits
from dir_sync.core.frozen import frozen
from dir_sync.core.jobs import Version
from dir_sync.core.named import NamedTuple

__all__ = ["DAY_NS", "SHARE", "THIN_SHARE", "Retention", "Thinning", "crowding", "enough", "is_passing"]

DAY_NS = 86_400 * 10**9
SHARE = 10  # a path with more than this part (one tenth) of the history loses versions before others do
THIN_WITHIN_MS = 600_000  # passing states of one file within this time are one burst ...
THIN_BYTES = 16 * limits.MIB  # ... of which this much is kept, and always the first state and the last two ...
THIN_SHARE = 100  # ... or this part (one hundredth) of the history, if that is more
_PASSING_MS = 2_000  # people do not save more often than this ...
_PASSING_MS_MAX = 60_000
_PASSING_BYTES_PER_MS = 7_000  # ... and an open file of 100 MB is announced every 10 s (`pace`): 14 s, with some delay
_PATHS_MAX = 1_000


class Retention(NamedTuple):
    keep_ns: int = 30 * DAY_NS
    bytes_max: int = 50 * 10**9


def enough(versions: Iterable[Version], room: int) -> list[Version]:
    """The first of `versions` that free `room` bytes together."""
    chosen: list[Version] = []
    for version in versions:
        if room <= 0:
            break
        chosen.append(version)
        room -= max(version.size, 1)
    return chosen


def crowding(versions: Iterable[tuple[Version, int]], share: int) -> list[Version]:
    """Versions of paths that use more than `share` bytes, the oldest first. `versions`: each with the total of its
    path, without the newest version of each path."""
    left: dict[bytes, int] = {}
    chosen = []
    for version, total in versions:
        holds = left.get(version.path, total)
        if holds > share:
            chosen.append(version)
            left[version.path] = holds - version.size
    return chosen


@frozen
class _Kept:
    name: bytes
    size: int
    lasted_ms: int
    at_ms: int


def is_passing(size: int, lasted_ms: int) -> bool:
    """True for a state that was current no longer than the interval of looks at an open file of that size. A state that
    a person saved on purpose lasts longer."""
    return lasted_ms < min(max(_PASSING_MS, size // _PASSING_BYTES_PER_MS), _PASSING_MS_MAX)


class Thinning:
    """Passing states of files: versions that their makers soon replaced themselves."""

    def __init__(self) -> None:
        self._recent: dict[bytes, list[_Kept]] = {}

    def keep(self, path: bytes, name: bytes, size: int, lasted_ms: int, now_ms: int, bytes_max: int = 0) -> list[bytes]:
        """A version entered the history; its content was current for `lasted_ms`. Returns the names of versions to
        remove.

        `bytes_max`: the limit of the history."""
        if not is_passing(size, lasted_ms):
            return []
        room = max(THIN_BYTES, bytes_max // THIN_SHARE)
        recent = [one for one in self._recent.pop(path, []) if now_ms - one.at_ms <= THIN_WITHIN_MS]
        recent.append(_Kept(name, size, lasted_ms, now_ms))
        gone = []
        while len(recent) > 3 and sum(one.size for one in recent) > room:
            shortest = min(recent[1:-2], key=lambda one: one.lasted_ms)
            recent.remove(shortest)
            gone.append(shortest.name)
        self._recent[path] = recent
        if len(self._recent) > _PATHS_MAX:
            del self._recent[next(iter(self._recent))]
        return gone
