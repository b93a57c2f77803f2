"""Whose first scan goes on: those of several folders take turns.

In:   the folders that scan, their listings, and the time. Out: the folders whose scans go on now.
Rule: one scan at a time, because one interpreter reads all listings; but who waits for its disk keeps nobody waiting. A turn is
short, so that a small folder does not wait for a large one.
Used by: loop.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

__all__ = ["Turns"]

T = TypeVar("T", bound=Hashable)

_TURN_S = 1.0
_WAITS_S = 0.05  # a folder without a listing for so long waits for its disk: it may be slow, or hang


class Turns(Generic[T]):
    """Engine thread only."""

    def __init__(self) -> None:
        self.since: dict[T, float] = {}  # whose scans go on, since when (monotonic, s); not always up to date
        self._listed: dict[T, float] = {}  # of these, when the last listing came, or the turn began
        self._queue: list[T] = []  # who waits for a turn, the next one first

    def came(self, one: T, mono: float) -> None:
        """A listing has come."""
        if one in self._listed:
            self._listed[one] = mono

    def now(self, scanning: Sequence[T], mono: float) -> tuple[T, ...]:
        """Those of `scanning` whose turn it is."""
        for one, since in list(self.since.items()):
            if one not in scanning or mono - since >= _TURN_S:
                del self.since[one], self._listed[one]
        self._queue = [one for one in self._queue if one in scanning]
        self._queue += [one for one in scanning if one not in self.since and one not in self._queue]
        while self._queue and all(mono - when >= _WAITS_S for when in self._listed.values()):
            one = self._queue.pop(0)
            self.since[one] = self._listed[one] = mono
        return tuple(self.since)

    def due_s(self) -> float | None:
        """When `now` may have another answer (monotonic, s), if the same folders scan and no listing comes; None: never."""
        if not self._queue:
            return None
        return min(max(self._listed.values()) + _WAITS_S, min(self.since.values()) + _TURN_S)
