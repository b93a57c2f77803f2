"""What has to be looked at, and when.

In:   "this path was touched", "this folder has to be listed", the time.
Out:  the paths whose time has come, and the next time at which one comes.
Rule: a first change is looked at at once; repeated changes wait until they settle, with a maximum. A path is in here
      once, however often it is touched.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from dir_sync.core import limits
from dir_sync.core.events import Hint, Urgency

__all__ = ["Agenda", "Errand"]

_DELAYS_MS = {
    Urgency.NOW: 0,
    Urgency.ARRIVED: 0,
    Urgency.FOLDER: 0,
    Urgency.CREATED: limits.CREATED_MS,
    Urgency.WRITING: limits.SETTLE_MS,
    Urgency.VANISHED: limits.VANISHED_MS,
}


@dataclass(slots=True)
class Errand:
    """One path to look at."""

    path: bytes
    due_ms: int
    first_ms: int
    live: bool = False  # seen to happen, not found by a scan
    listing: bool = False  # a folder: list it, whatever the look says
    judged: bool = False  # a scan missed it, and may say so (see core.brake)
    approved: bool = False  # ... because a person said so
    times: bool = False  # a folder: people have changed something in it, and its time is told when it is calm
    large: bool = False  # known to be a large file: look at it apart from the others
    tries: int = 0
    hint: Hint | None = None


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

    def touch(self, path: bytes, urgency: Urgency, now_ms: int, not_before_ms: int = 0) -> Errand:
        """Something happened at `path`, as seen by the watcher."""
        due = max(now_ms + _DELAYS_MS[urgency], not_before_ms)
        errand = self._errands.get(path)
        if errand is None:
            errand = self.add(path, due, now_ms)
        elif urgency == Urgency.WRITING:
            self._move(errand, min(max(errand.due_ms, due), errand.first_ms + limits.SETTLE_MS_MAX))
        else:
            self._move(errand, min(errand.due_ms, due))
        errand.live = True
        errand.listing |= urgency == Urgency.FOLDER
        return errand

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
        newer.approved |= errand.approved
        newer.times |= errand.times
        newer.large |= errand.large
        newer.tries = max(newer.tries, errand.tries)
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
