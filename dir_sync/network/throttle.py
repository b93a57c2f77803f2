"""Who has to rest: whoever takes most of this machine's time gives way while somebody else makes small changes.

In:   what was done for which address, and how long that took; who has just asked for something small.
Out:  until when nothing more is done for an address.
Rule: a rest is a multiple of the work before it, so it grows with what the disk and the processor really cost. Without
      rests a flood that gets only its share still keeps the disk busy, and each sync of others waits for its writes.

Any thread may call anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

__all__ = ["Throttle"]

_HALF_LIFE_S = 1.0  # so soon half of what was spent is forgotten
_HEAVY_S = 0.15  # whoever has spent more than this of late takes much ...
_LIGHT = 0.25  # ... and gives way to those who have spent less than this part of it
_SOON_S = 1.0  # a small change counts as a wish for so long
_REST = 3.0  # times the work before it
_REST_S_MAX = 0.25
_TIDY_ABOVE = 256


class Throttle:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._used: dict[Hashable, tuple[float, float]] = {}  # seconds, as of when
        self._soon: dict[Hashable, float] = {}  # until when somebody counts as waiting for something small
        self._until: dict[Hashable, float] = {}

    def wants_soon(self, group: Hashable) -> None:
        """Somebody has asked for something small, and waits for it."""
        with self._lock:
            self._soon[group] = self._clock() + _SOON_S

    def spent(self, group: Hashable, seconds: float, may_rest: bool = True) -> None:
        """So long something was done for that address, and nothing else where it was done."""
        with self._lock:
            now = self._clock()
            used = self._of(group, now) + seconds
            self._used[group] = used, now
            if may_rest and used > _HEAVY_S and self._gives_way(group, used, now):
                self._until[group] = max(self._until.get(group, 0.0), now + min(_REST * seconds, _REST_S_MAX))
            if len(self._used) > _TIDY_ABOVE:
                self._used = {one: (left, now) for one in self._used if (left := self._of(one, now)) > _HEAVY_S / 100}

    def until(self, group: Hashable) -> float:
        """When its rest ends or has ended, by the clock."""
        return self._until.get(group, 0.0)

    def resting(self) -> dict[Hashable, float]:
        """Those that rest now, and until when."""
        if not self._until:
            return {}
        with self._lock:
            now = self._clock()
            self._until = {group: until for group, until in self._until.items() if until > now}
            return dict(self._until)

    def _of(self, group: Hashable, now: float) -> float:
        amount, at = self._used.get(group, (0.0, now))
        return float(amount * 0.5 ** ((now - at) / _HALF_LIFE_S))

    def _gives_way(self, group: Hashable, used: float, now: float) -> bool:
        for other, until in list(self._soon.items()):
            if until <= now:
                del self._soon[other]
            elif other != group and self._of(other, now) < _LIGHT * used:
                return True
        return False
