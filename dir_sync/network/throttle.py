"""Delays an address that uses most of this machine's time, while another one makes small changes.

It is no limit of speed (docs/architecture.md says where that is).

In:   time spent for each address; addresses that wait for something small.
Out:  until when nothing more is done for an address.
Rule: a pause is a multiple of the work before it, so it grows with the real cost on disk and processor. Without pauses,
a flood within its fair share keeps the disk busy, and each fsync for others waits for its writes. Pauses add up: an
address that has several links, and so several threads that work for it, gets no more than one that has one link. The
more addresses are heavy, the longer each of them pauses: all together get what one alone would get.

All methods may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

__all__ = ["Throttle"]

_HALF_LIFE_S = 1.0  # half of the spent time is forgotten after this
_HEAVY_S = 0.15  # an address with more recent time than this is heavy ...
_LIGHT = 0.25  # ... and gives way to addresses with less than this part of its time
_SOON_S = 1.0  # a small change counts as waiting for so long
_REST = 3.0  # pause, as a multiple of the work before it
_REST_S_MAX = 0.5  # from now: what is not forgotten after that was one slow sync of the disk
_TIDY_ABOVE = 256


class Throttle:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._used: dict[Hashable, tuple[float, float]] = {}  # seconds, and when they were computed
        self._soon: dict[Hashable, float] = {}  # until when an address counts as waiting for something small
        self.pauses: dict[Hashable, float] = {}  # until when nothing is done for an address; some are over

    def wants_soon(self, group: Hashable) -> None:
        """The address asked for something small, and waits for it."""
        with self._lock:
            self._soon[group] = self._clock() + _SOON_S

    def spent(self, group: Hashable, seconds: float, may_rest: bool = True) -> None:
        """So many seconds were spent on that address."""
        with self._lock:
            now = self._clock()
            used = self._of(group, now) + seconds
            self._used[group] = used, now
            if used > _HEAVY_S and may_rest and self._gives_way(group, used, now):
                heavy = sum(self._of(one, now) > _HEAVY_S for one in self._used)
                until = max(self.pauses.get(group, 0.0), now) + _REST * heavy * seconds
                self.pauses[group] = min(until, now + _REST_S_MAX)
            if len(self._used) > _TIDY_ABOVE:
                self._used = {one: (left, now) for one in self._used if (left := self._of(one, now)) > _HEAVY_S / 100}

    def until(self, group: Hashable) -> float:
        """When its pause ends or ended, by the clock."""
        return self.pauses.get(group, 0.0)

    def resting(self) -> dict[Hashable, float]:
        """The addresses that pause now, and until when."""
        if not self.pauses:
            return {}
        with self._lock:
            now = self._clock()
            self.pauses = {group: until for group, until in self.pauses.items() if until > now}
            return dict(self.pauses)

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
