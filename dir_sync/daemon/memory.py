"""How much of its index each folder of a node keeps in memory.

In:   indexes that come and go; who used its own, and when. Out: the share of each.
Rule: all of them together keep no more than the index of a single folder, whatever their number; who is busy gets more than
who is not.
Used by: folder, sharing.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Caches", "Memory"]

_BUSY_S = 10.0  # a folder counts as busy for so long
_TOGETHER = 0.75  # of what an index keeps that is alone: beside it, each needs some memory anyhow
_RESTING = 1 / 80  # the share of a folder that is not busy: 100 KiB


class Caches(Protocol):
    """An index."""

    def cache(self, share: float) -> None: ...


class Memory:
    """Engine thread only."""

    def __init__(self) -> None:
        self._used: dict[Caches, float] = {}  # when (monotonic, s) each was last used

    def used(self, index: Caches, mono: float) -> None:
        """Something was done in that folder."""
        before = self._used.get(index)
        self._used[index] = mono
        if before is None or mono - before > _BUSY_S:
            self._share_out(mono)

    def gone(self, index: Caches) -> None:
        """That folder is not shared any more."""
        self._used.pop(index, None)
        if len(self._used) == 1:
            next(iter(self._used)).cache(1.0)

    def _share_out(self, mono: float) -> None:
        busy = [index for index, when in self._used.items() if mono - when <= _BUSY_S]
        each = 1.0 if len(self._used) == 1 else max(_TOGETHER / len(busy), _RESTING)
        for index in self._used:
            index.cache(each if index in busy else _RESTING)
