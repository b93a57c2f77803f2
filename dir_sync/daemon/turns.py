"""Whose first scan goes on: those of several folders take turns.

In:   the folders that scan, and the time. Out: the folders whose scans go on now.
Rule: a few at the same time, because each scan keeps lists in memory, and more of them are no faster. A turn is short, so that
a small folder does not wait for a large one, nor for one whose disk hangs.
Used by: loop.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

__all__ = ["Turns"]

T = TypeVar("T", bound=Hashable)

_AT_ONCE = 2
_TURN_S = 1.0


class Turns(Generic[T]):
    """Engine thread only."""

    def __init__(self) -> None:
        self._since: dict[T, float] = {}  # who has a turn, since when (monotonic, s)
        self._queue: list[T] = []  # who scans and has none, the next one first

    def now(self, scanning: Sequence[T], mono: float) -> tuple[T, ...]:
        """Those of `scanning` whose turn it is."""
        self._since = {one: since for one, since in self._since.items() if one in scanning}
        self._queue = [one for one in self._queue if one in scanning]
        self._queue += [one for one in scanning if one not in self._since and one not in self._queue]
        for one, since in list(self._since.items()):
            if len(self._queue) > _AT_ONCE - len(self._since) and mono - since >= _TURN_S:
                del self._since[one]
                self._queue.append(one)
        while self._queue and len(self._since) < _AT_ONCE:
            self._since[self._queue.pop(0)] = mono
        return tuple(self._since)

    def due_s(self) -> float | None:
        """When `now` has another answer (monotonic, s), if the same folders scan; None: never."""
        return min(self._since.values()) + _TURN_S if self._queue and self._since else None
