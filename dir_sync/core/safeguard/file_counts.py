"""How many files there were here lately, and how many of them peers have removed.

In:   the count of files, now and then; removals that were let through.
Out:  what there was at most, at the beginning, and what was lost within the hour.
Used by: peer_brake.
"""

from __future__ import annotations

from collections import deque

__all__ = ["WINDOW_MS", "FileCounts"]

WINDOW_MS = 60_000  # "lately"
_LONG_MS = 3_600_000  # a slow drip stays below any limit for a minute: what is lost within this counts, too
_MINUTE_MS = 60_000
_SAMPLE_MS = 250


class FileCounts:
    """Counts of files, by time."""

    def __init__(self) -> None:
        self._removed: deque[tuple[int, int]] = deque()  # minute, how many removals were let through in it
        self._most: deque[tuple[int, int]] = deque()  # minute, how many files there were at most
        self._maxima: deque[tuple[int, int]] = deque()  # when (ms), how many files there were: maxima
        self._samples: deque[tuple[int, int]] = deque()  # the same, as it was then

    def sample(self, files: int, now_ms: int) -> bool:
        """How many files there are, now and then. True once a minute."""
        samples, minute = self._samples, now_ms // _MINUTE_MS
        is_new_minute = not self._most or self._most[-1][0] != minute
        if is_new_minute:
            self._most.append((minute, files))
            for some in (self._most, self._removed):
                while some and some[0][0] < minute - _LONG_MS // _MINUTE_MS:
                    some.popleft()
        elif self._most[-1][1] < files:
            self._most[-1] = (minute, files)
        while len(samples) > 1 and samples[1][0] <= now_ms - WINDOW_MS:
            samples.popleft()
        if not samples or (samples[-1][1] != files and now_ms >= samples[-1][0] + _SAMPLE_MS):
            samples.append((now_ms, files))
        return is_new_minute

    def removed_one(self, now_ms: int) -> None:
        """A removal was let through."""
        minute = now_ms // _MINUTE_MS
        known = self._removed.pop()[1] if self._removed and self._removed[-1][0] == minute else 0
        self._removed.append((minute, known + 1))

    def lost_in_an_hour(self, files: int) -> tuple[int, int]:
        """How many files peers have removed within the hour, as far as there are fewer now than there were, and how many
        there were at most."""
        most = max((count for _, count in self._most), default=files)
        return min(sum(count for _, count in self._removed), most - files), most

    def most(self, files: int, now_ms: int) -> int:
        """How many files there were at most, lately."""
        maxima = self._maxima
        while maxima and maxima[0][0] < now_ms - WINDOW_MS:
            maxima.popleft()
        while maxima and maxima[-1][1] <= files:
            maxima.pop()
        maxima.append((now_ms, files))
        return maxima[0][1]

    def at(self, then_ms: int) -> int:
        """How many files there were at that time, if it is not long ago; else 0."""
        times = [count for when, count in self._samples if when <= then_ms]
        return times[-1] if times else 0

    @property
    def at_first(self) -> int:
        """How many there were when "lately" began."""
        return self._samples[0][1] if self._samples else 0

    @property
    def changed_ms(self) -> int:
        """When the count was last another one."""
        return self._samples[-1][0]
