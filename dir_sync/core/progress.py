"""How far a synchronization has come, how fast it goes, and how long it will take.

In:   what is lacking, or a count that grows, with the time of each sample. Out: totals, moving averages, the time that is left.
Rule: pure. It may import core only. Nothing is counted for it: it looks at figures that exist, so between two samples a hot
path does nothing.
Used by: cli.watch_view, core.peer_status, core.status, daemon.chores, daemon.gauge, reporting.narrator, reporting.progress_words.
"""

from __future__ import annotations

import math

from dir_sync.core.named import NamedTuple
from dir_sync.core.peers.standing import NOTHING, Lack

__all__ = ["Meter", "Progress", "Speed"]

_AVERAGE_MS = 8_000  # what was so long ago counts a third of what is now
_APART_MS = 200  # samples that follow sooner say nothing
_STALE_MS = 60_000  # an average with a longer gap begins anew
_PAUSE_MS = 3_000  # a run is over if nothing has been lacking for so long
_AWAY_MS = 60_000  # the same, if the machine that has what was lacking is away
_KNOWN_MS = 2_000  # before that, nothing is said about the time that is left
_STILL_MS = 5_000  # what has stood still for so long has no end that could be told
_BEST_MS = 60_000  # half of what was the best speed is forgotten after this
_FEW = 10  # files: with so few left, the bytes alone decide how long it takes


class Progress(NamedTuple):
    """Of one run: from the first thing that is lacking until nothing is."""

    files: int  # in all, with those that are done
    files_done: int
    bytes: int
    bytes_done: int
    others: int  # other changes: folders, links, deletions
    others_done: int
    per_s: int  # bytes, moving average
    seconds: int  # since it began
    left_s: int | None  # until it is over; None: not known


class Speed:
    """A moving average of how fast a count grows."""

    def __init__(self) -> None:
        self.best = 0.0  # of the last minutes
        self._last: tuple[int, int] | None = None  # count, time (ms)
        self._sum = self._weight = 0.0

    @property
    def per_s(self) -> float:
        return self._sum / self._weight if self._weight else 0.0

    def sample(self, count: int, now_ms: int) -> None:
        if self._last is None:
            self._last = count, now_ms
            return
        before, at_ms = self._last
        took_ms = now_ms - at_ms
        if took_ms < _APART_MS:
            return
        self._last = count, now_ms
        if took_ms > _STALE_MS or count < before:
            self._sum = self._weight = self.best = 0.0
            return
        old = math.exp(-took_ms / _AVERAGE_MS)
        self._sum = self._sum * old + (count - before) * 1000 / took_ms * (1 - old)
        self._weight = self._weight * old + (1 - old)
        self.best = max(self.per_s, self.best * 0.5 ** (took_ms / _BEST_MS))


class Meter:
    """One direction. What is lacking becomes less because it came, and more because there is more to come. With a link that
    is lost, what its machine has is not lacking any more, and has not come. When that machine is back, it is lacking again;
    and so is, for a moment, the part of a file that had come, until its transfer goes on."""

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._left = self._done = NOTHING
        self._away = NOTHING  # what was lacking of machines that are away now
        self._again = NOTHING  # what had come, and counts as lacking again
        self._flown = NOTHING  # what came, for the speed
        self._began_ms: int | None = None
        self._empty_ms: int | None = None  # since when nothing is lacking
        self._moved_ms = 0  # when something was done last
        self._bytes, self._items = Speed(), Speed()

    def sample(self, left: Lack, now_ms: int, went: bool = False, came: bool = False) -> None:
        """`went`, `came`: since the last sample, a link was lost; there is a new one."""
        pause_ms = _PAUSE_MS if self._away == NOTHING else _AWAY_MS
        if self._empty_ms is not None and now_ms - self._empty_ms >= pause_ms:
            self._begin_anew()
        if left != NOTHING:
            self._empty_ms = None
            if self._began_ms is None:
                self._began_ms = now_ms
        elif self._began_ms is None:
            return
        elif self._empty_ms is None:
            self._empty_ms = now_ms
        less = self._left.less(left)
        if went:
            self._away, less = self._away.plus(less), NOTHING
        if came and (went or self._away != NOTHING):
            back = left.less(self._left)
            self._again = self._again.plus(back.less(self._away))
            self._done, self._away = self._done.less(back.less(self._away)), NOTHING
        if less != NOTHING:
            self._moved_ms = now_ms
        self._done = self._done.plus(less)
        self._flown = self._flown.plus(less.less(self._again))
        self._again = self._again.less(less)
        self._left = left
        self._bytes.sample(self._flown.bytes, now_ms)
        self._items.sample(self._flown.files + self._flown.others, now_ms)

    def progress(self, now_ms: int) -> Progress | None:
        """None: nothing is lacking."""
        if self._left == NOTHING or self._began_ms is None:
            return None
        whole = self._done.plus(self._left)
        return Progress(
            *(whole.files, self._done.files, whole.bytes, self._done.bytes, whole.others, self._done.others),
            per_s=round(self._bytes.per_s),
            seconds=(now_ms - self._began_ms) // 1000,
            left_s=None if now_ms - self._moved_ms >= _STILL_MS else self._left_s(now_ms - self._began_ms),
        )

    def _left_s(self, took_ms: int) -> int | None:
        """Small files take time by their number, large ones by their bytes. While small ones come, the speed of bytes is that
        of the best time, because it says nothing about the large ones."""
        items = self._left.files + self._left.others
        bytes_per_s = self._bytes.best if items > _FEW else self._bytes.per_s
        if took_ms < _KNOWN_MS or (self._left.bytes and not bytes_per_s >= 1):
            return None
        needs = [self._left.bytes / bytes_per_s if self._left.bytes else 0.0]
        if items > _FEW or not self._left.bytes:
            if not self._items.per_s > 0.01:
                return None
            needs.append(items / self._items.per_s)
        return round(max(needs))
