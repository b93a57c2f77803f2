"""What has to be looked at, and when.

In:   "this path was touched", "this folder has to be listed", the time.
Out:  the paths whose time has come, and the next time at which one comes.
Rule: a first change is looked at at once; a file that is written into is looked at when it rests, with a maximum
      (core/watching/pace.py says which). A path is in here once, however often it is touched.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from dir_sync.core import limits
from dir_sync.core.events import Urgency
from dir_sync.core.looks import Hint
from dir_sync.core.watching.pace import Span

__all__ = ["Agenda", "Errand"]

_DELAYS_MS = {
    Urgency.NOW: 0,
    Urgency.ATTRIBUTES: 0,
    Urgency.ARRIVED: 0,
    Urgency.FOLDER: 0,
    Urgency.CREATED: limits.CREATED_MS,
    Urgency.VANISHED: limits.VANISHED_MS,
}


@dataclass(slots=True)
class Errand:
    """One path to look at.

    It has more fields than a machine may have: each is one thing that was seen at the path, or a question that the look has to
    answer, and a path that is touched again gains some of them. There is no part that could change alone."""

    path: bytes
    due_ms: int
    first_ms: int
    live: bool = False  # seen to happen, not found by a scan
    listing: bool = False  # a folder: list it, whatever the look says
    judged: bool = False  # a scan missed it, and may say so (see core.safeguard.brake)
    times: bool = False  # a folder: people have changed something in it, and its time is told when it is calm
    large: bool = False  # known to be a large file: look at it apart from the others
    open: bool = False  # somebody has it open and writes, as far as the watcher tells
    replaced: int = 0  # how many bytes it replaces, as far as is known
    closed: bool = False  # the last thing that happened was its close
    gone: bool = False  # its name went, or a folder came: that is told whatever it costs to look
    sent_ms: int = 0  # when the look was ordered
    tries: int = 0
    hint: Hint | None = None
    patience_ms: int = 0  # until then an absence is not believed
    written: bool = False  # somebody may have written there since the last look
    rested: bool = False  # a large new file: there was a moment in which it could have got its true name
    matched: bool = False  # it was found out already whether this is a known file under a new name


class Agenda:
    """Paths to look at, each once, by the time they are due."""

    def __init__(self) -> None:
        self._errands: dict[bytes, Errand] = {}
        self._heap: list[tuple[int, int, bytes]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._errands)

    def __contains__(self, path: bytes) -> bool:
        return path in self._errands

    def lacks(self, paths: set[bytes]) -> set[bytes]:
        """Those of some paths that are not in here."""
        return paths.difference(self._errands)

    def touch(self, path: bytes, urgency: Urgency, now_ms: int, span: Span | None = None) -> Errand:
        """Something happened at `path`, as seen by the watcher. `span`: when a file that is written into is to be looked
        at, or one that was looked at a short time ago."""
        if span is None:
            span = Span(now_ms, limits.SETTLE_MS, self.first_ms(path, now_ms) + limits.SETTLE_MS_MAX)
        delay = span.settle_ms if urgency == Urgency.WRITING else _DELAYS_MS[urgency]
        due = max(now_ms + delay, span.earliest_ms)
        errand = self._errands.get(path)
        if errand is None:
            errand = self.add(path, due, now_ms)
        elif urgency == Urgency.WRITING:
            self._move(errand, min(max(errand.due_ms, due), span.latest_ms))
        else:
            self._move(errand, min(errand.due_ms, due))
        if urgency in (Urgency.WRITING, Urgency.CREATED):
            errand.open, errand.closed = True, False
        elif urgency is Urgency.NOW:
            errand.open, errand.closed = False, True
        elif urgency is Urgency.ARRIVED:
            errand.open = False
        errand.gone |= urgency in (Urgency.VANISHED, Urgency.FOLDER)
        errand.live = True
        errand.written |= urgency not in (Urgency.VANISHED, Urgency.FOLDER)
        errand.listing |= urgency == Urgency.FOLDER
        return errand

    def first_ms(self, path: bytes, now_ms: int) -> int:
        """Since when `path` waits for a look; `now_ms` if it does not."""
        errand = self._errands.get(path)
        return now_ms if errand is None else errand.first_ms

    def add(self, path: bytes, due_ms: int, now_ms: int) -> Errand:
        """Look at `path` at the latest at `due_ms`."""
        errand = self._errands.get(path)
        if errand is None:
            errand = Errand(path, due_ms, now_ms)
            self._errands[path] = errand
            self._push(errand)
        elif due_ms < errand.due_ms:
            self._move(errand, due_ms)
        return errand

    def postpone(self, path: bytes, earliest_ms: int, was_open: bool = False) -> None:
        """What came for `path` while it was looked at waits until then. `was_open`: its close does not wait."""
        errand = self._errands.get(path)
        if errand is None or errand.gone or (was_open and errand.closed):
            return
        if errand.due_ms < earliest_ms:
            self._move(errand, earliest_ms)

    def put_back(self, errand: Errand, due_ms: int) -> None:
        """An errand that was taken is due again; what came for its path meanwhile is part of it."""
        newer = self._errands.get(errand.path)
        if newer is None:
            errand.due_ms = due_ms
            self._errands[errand.path] = errand
            self._push(errand)
            return
        newer.live |= errand.live
        newer.listing |= errand.listing
        newer.judged |= errand.judged
        newer.times |= errand.times
        newer.large |= errand.large
        newer.gone |= errand.gone
        newer.first_ms = min(newer.first_ms, errand.first_ms)
        newer.tries = max(newer.tries, errand.tries)
        newer.patience_ms = max(newer.patience_ms, errand.patience_ms)
        newer.written |= errand.written
        newer.matched |= errand.matched
        newer.open |= errand.open and not newer.closed
        self._move(newer, min(newer.due_ms, due_ms))

    def take(self, now_ms: int, most: int) -> list[Errand]:
        """Up to `most` errands that are due, the earliest first; they are in here no longer."""
        taken: list[Errand] = []
        while self._heap and self._heap[0][0] <= now_ms and len(taken) < most:
            due, _, path = heapq.heappop(self._heap)
            errand = self._errands.get(path)
            if errand is not None and errand.due_ms == due:
                del self._errands[path]
                taken.append(errand)
        return taken

    def find(self, path: bytes) -> Errand | None:
        """The errand for a path; it stays here."""
        return self._errands.get(path)

    def pull(self, path: bytes) -> Errand | None:
        """The errand for a path, whenever it is due; it is in here no longer."""
        return self._errands.pop(path, None)

    def next_due(self) -> int | None:
        """When the next errand is due (ms), None if there is none."""
        while self._heap:
            due, _, path = self._heap[0]
            errand = self._errands.get(path)
            if errand is not None and errand.due_ms == due:
                return due
            heapq.heappop(self._heap)
        return None

    def _move(self, errand: Errand, due_ms: int) -> None:
        if due_ms != errand.due_ms:
            errand.due_ms = due_ms
            self._push(errand)

    def _push(self, errand: Errand) -> None:
        self._count += 1
        heapq.heappush(self._heap, (errand.due_ms, self._count, errand.path))
