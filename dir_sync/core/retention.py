"""How long the history keeps what synchronization replaced.

In:   how old and how large it is. Out: what may go.
Rule: by age all alike; for room first the older versions of a file that fills the history with itself, then the oldest
      ordinary versions, and losers of conflicts last. Of a file that its maker saves again and again, the states that
      lasted shortest go at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from dir_sync.core import limits
from dir_sync.core.events import Version

__all__ = ["DAY_NS", "SHARE", "Retention", "Thinning", "crowding", "enough"]

DAY_NS = 86_400 * 10**9
SHARE = 10  # a path that takes more than this part (one tenth) of the history gives way before others do
THIN_WITHIN_MS = 600_000  # saves of one file within this time are one piece of work ...
THIN_BYTES = 16 * limits.MIB  # ... of which so much is kept, and always the first state and the last two
_PATHS_MAX = 1_000


class Retention(NamedTuple):
    keep_ns: int = 30 * DAY_NS
    bytes_max: int = 50 * 10**9


def enough(versions: Iterable[Version], room: int) -> list[Version]:
    """The first of `versions` that make `room` bytes of room together."""
    chosen: list[Version] = []
    for version in versions:
        if room <= 0:
            break
        chosen.append(version)
        room -= max(version.size, 1)
    return chosen


def crowding(versions: Iterable[tuple[Version, int]], share: int) -> list[Version]:
    """What paths hold beyond `share` bytes, the oldest first. `versions`: each with what its path holds in all; the newest
    of a path is not among them."""
    left: dict[bytes, int] = {}
    chosen = []
    for version, total in versions:
        holds = left.get(version.path, total)
        if holds > share:
            chosen.append(version)
            left[version.path] = holds - version.size
    return chosen


@dataclass(frozen=True, slots=True)
class _Kept:
    name: bytes
    size: int
    lasted_ms: int
    at_ms: int


class Thinning:
    """Versions of files that their makers replaced themselves, a short time ago."""

    def __init__(self) -> None:
        self._recent: dict[bytes, list[_Kept]] = {}

    def keep(self, path: bytes, name: bytes, size: int, lasted_ms: int, now_ms: int) -> list[bytes]:
        """A version went into the history, whose content was here for `lasted_ms`. Returns the names of those that go."""
        recent = [one for one in self._recent.pop(path, []) if now_ms - one.at_ms <= THIN_WITHIN_MS]
        recent.append(_Kept(name, size, lasted_ms, now_ms))
        gone = []
        while len(recent) > 3 and sum(one.size for one in recent) > THIN_BYTES:
            shortest = min(recent[1:-2], key=lambda one: one.lasted_ms)
            recent.remove(shortest)
            gone.append(shortest.name)
        self._recent[path] = recent
        if len(self._recent) > _PATHS_MAX:
            del self._recent[next(iter(self._recent))]
        return gone
