"""How many files there were here recently, and how many of them peers removed.

In:   the number of files, from time to time; removals that were carried out.
Out:  the largest number, the number at the beginning, and the losses within an hour.
Used by: peer_brake.
"""

from __future__ import annotations

from collections import deque

__all__ = ["WINDOW_MS", "FileCounts"]

WINDOW_MS = 60_000  # "lately"
_LONG_MS = 3_600_000  # many slow removals stay below any limit per minute, so the losses of an hour count, too
_MINUTE_MS = 60_000
_SAMPLE_MS = 250


class FileCounts:
    """Numbers of files, by time."""

    def __init__(self) -> None:
        self._removed: deque[tuple[int, int]] = deque()  # minute, removals carried out in it
        self._most: deque[tuple[int, int]] = deque()  # minute, largest number of files in it
        self._maxima: deque[tuple[int, int]] = deque()  # when (ms), number of files: only the maxima
        self._samples: deque[tuple[int, int]] = deque()  # when (ms), number of files

    def sample(self, files: int, now_ms: int) -> bool:
        """Note the number of files. True once a minute."""
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
        """A removal was carried out."""
        minute = now_ms // _MINUTE_MS
        known = self._removed.pop()[1] if self._removed and self._removed[-1][0] == minute else 0
        self._removed.append((minute, known + 1))

    def lost_in_an_hour(self, files: int) -> tuple[int, int]:
        """How many files peers removed within the hour, but no more than the decrease of their number; and the largest
        number of files."""
        most = max((count for _, count in self._most), default=files)
        return min(sum(count for _, count in self._removed), most - files), most

    def most(self, files: int, now_ms: int) -> int:
        """The largest recent number of files."""
        maxima = self._maxima
        while maxima and maxima[0][0] < now_ms - WINDOW_MS:
            maxima.popleft()
        while maxima and maxima[-1][1] <= files:
            maxima.pop()
        maxima.append((now_ms, files))
        return maxima[0][1]

    def at(self, then_ms: int) -> int:
        """The number of files at that time, if it is recent; otherwise 0."""
        times = [count for when, count in self._samples if when <= then_ms]
        return times[-1] if times else 0

    @property
    def at_first(self) -> int:
        """The number of files at the beginning of the recent window."""
        return self._samples[0][1] if self._samples else 0

    @property
    def changed_ms(self) -> int:
        """When (ms) the number last changed."""
        return self._samples[-1][0]
