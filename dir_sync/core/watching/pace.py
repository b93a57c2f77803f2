"""How often a file that keeps changing is looked at.

In:   what each look found, what it cost, the time.
Out:  when the next look may come at the earliest, and how long an open file may be written before it is looked at.
Rule: a file is looked at as soon as it rests. Looks at a file that does not rest take a small, fixed share of the time:
the gap after a look grows with the cost of the look, with the file's size, and with each failed look.

Three cases:
1. A file changes now and then: nothing here delays it.
2. A file is saved (or appended to and closed) again and again: the gap between two looks is twice their cost, then more, up to
REST times. The first close after a look at the open file does not wait.
   With `interval_ms`, a file of which a change was announced is not looked at for so long, however it is changed.
3. A file stays open and is written to: it is looked at when nobody has written for a moment (`settle`), at the latest
after `patience`, which grows with its size. If the file changed while a look read it, the look failed: the longest wait
doubles.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.frozen import frozen, mutable

__all__ = ["Pace", "Span"]

REST = 20  # in the end, the gap between two looks is so many times the cost of a look: 5 % of one core
_RESTS = (2, 6, REST)  # ... and after the first looks in a row: somebody who saves twice need not wait for long
PATIENCE_BYTES_PER_MS = 10_000  # an open file of 100 MB is looked at every 10 s, if it never rests
PATIENCE_MS_MAX = 60_000
VAIN_MS_MAX = 300_000  # a file that never rests is tried at least this often
_SLOW_READ_BYTES_PER_MS = 50_000  # a look that took longer waited for other work, which is not a cost of this file
_CHEAP_MS = 5  # looks that cost less need no gap
_STREAK_FREE = 10  # this many looks in a row at one file are normal
_STREAK_MS_MAX = 500
_CALM_MS = 2_000  # after so long without a look, the counts of a file start anew
_VAIN_TOLD = 3  # failed looks in a row, ...
_VAIN_TOLD_MS = 10_000  # ... over so long, before people are told
_HOT_MAX = 10_000  # paths that are remembered


@mutable
class _Hot:
    """A file that was looked at a short time ago."""

    ended_ms: int = 0  # the last look
    gap_ms: int = 0  # no look for so long after the last one
    size: int = 0
    streak: int = 0  # looks without a long pause in between
    vain: int = 0  # of these, the latest ones that failed because the file changed
    vain_since_ms: int = 0
    was_open: bool = False  # the file was open at the last look
    told_ms: int | None = None  # when a change of it was last announced


@frozen
class Span:
    """When to look at a file that is open and being written."""

    earliest_ms: int  # not before this time
    settle_ms: int  # after so long without a write
    latest_ms: int  # even if writes continue


class Pace:
    def __init__(self) -> None:
        self.interval_ms = 0  # between two announcements of one file, at least; 0: no limit
        self._hot: dict[bytes, _Hot] = {}

    def knows(self, path: bytes) -> bool:
        return path in self._hot

    def earliest(self, path: bytes, now_ms: int, is_close: bool = False) -> int:
        """The time (ms) before which this path is not looked at; `now_ms` if it may be looked at now. `is_close`: a
        program has just closed it."""
        hot = self._hot.get(path)
        if hot is None:
            return now_ms
        earliest_ms = now_ms if is_close and hot.was_open else max(now_ms, hot.ended_ms + hot.gap_ms)
        return earliest_ms if hot.told_ms is None else max(earliest_ms, hot.told_ms + self.interval_ms)

    def interval_end(self, path: bytes) -> int | None:
        """Until when (ms) the next change of a file waits because of the interval; None: it does not."""
        hot = self._hot.get(path)
        return None if hot is None or hot.told_ms is None else hot.told_ms + self.interval_ms

    def span(self, path: bytes, first_ms: int, size: int, now_ms: int, is_close: bool = False) -> Span:
        """For an open file of about `size` bytes. `first_ms`: the time of the first write since the last look."""
        hot = self._hot.get(path)
        if hot is not None:
            size = max(size, hot.size)
        patience = limits.DEBOUNCE_MS_MAX
        settle = limits.DEBOUNCE_MS
        if size >= limits.LARGE_FILE_BYTES:
            patience = min(max(patience, size // PATIENCE_BYTES_PER_MS), PATIENCE_MS_MAX)
            settle *= 5
        latest = first_ms + patience
        earliest = now_ms
        if hot is not None:
            earliest = self.earliest(path, now_ms, is_close)
            latest = max(latest, hot.ended_ms + self._longest(hot))
        return Span(earliest, settle, max(latest, earliest))

    def note_size(self, path: bytes, size: int) -> None:
        """A file was seen to have this size."""
        self._at(path).size = size

    def size_of(self, path: bytes) -> int:
        """The size of a file that was seen a short time ago; otherwise 0."""
        hot = self._hot.get(path)
        return 0 if hot is None else hot.size

    def looked(self, path: bytes, size: int, took_ms: int, now_ms: int, rests: bool, is_open: bool = False) -> None:
        """A look at a file has ended. `rests`: the file did not change meanwhile. `is_open`: it was not closed."""
        hot = self._hot.get(path)
        if hot is None or now_ms - took_ms - hot.ended_ms > _CALM_MS + (self._longest(hot) if hot.vain else hot.gap_ms):
            hot = self._hot[path] = _Hot(told_ms=None if hot is None else hot.told_ms)
        hot.streak += 1
        if not hot.vain:
            hot.vain_since_ms = now_ms
        hot.vain = 0 if rests else hot.vain + 1
        cost = min(took_ms, size // _SLOW_READ_BYTES_PER_MS)
        gap = _RESTS[min(hot.streak, len(_RESTS)) - 1] * cost if cost >= _CHEAP_MS else 0
        hot.gap_ms = max(gap, min(10 * max(0, hot.streak - _STREAK_FREE), _STREAK_MS_MAX))
        if hot.vain:
            hot.gap_ms = max(hot.gap_ms, limits.DEBOUNCE_MS * min(hot.vain, 10))
        hot.ended_ms, hot.size, hot.was_open = now_ms, size, is_open
        if len(self._hot) > _HOT_MAX:
            del self._hot[next(iter(self._hot))]

    def told(self, path: bytes, now_ms: int) -> None:
        """A change of this file is announced now."""
        if self.interval_ms:
            self._at(path).told_ms = now_ms

    def is_restless(self, path: bytes) -> bool:
        """True after so many failed looks in a row that people have to know."""
        hot = self._hot.get(path)
        return hot is not None and hot.vain >= _VAIN_TOLD and hot.ended_ms - hot.vain_since_ms >= _VAIN_TOLD_MS

    def restless(self) -> list[bytes]:
        return sorted(path for path in self._hot if self.is_restless(path))

    def forget(self, path: bytes) -> None:
        """The file is gone."""
        self._hot.pop(path, None)

    def _longest(self, hot: _Hot) -> int:
        """How long after its last look a file that never rests is left alone."""
        if not hot.vain:
            return hot.gap_ms
        most = VAIN_MS_MAX if hot.size >= limits.LARGE_FILE_BYTES else limits.DEBOUNCE_MS_MAX
        return max(hot.gap_ms, min(hot.gap_ms << min(hot.vain - 1, 12), most))

    def _at(self, path: bytes) -> _Hot:
        hot = self._hot.get(path)
        if hot is None:
            hot = self._hot[path] = _Hot()
        return hot
