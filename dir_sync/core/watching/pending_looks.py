"""Which paths have to be looked at, and when.

In:   touched paths, folders to be listed, the time.
Out:  the paths that are due, and when the next one is.
Rule: a first change is looked at at once; a file that is being written is looked at when it rests, with a maximum (see
core/watching/pace.py). A path has one entry, however often it is touched.
"""

from __future__ import annotations

import heapq

from dir_sync.core import limits
from dir_sync.core.events import Urgency
from dir_sync.core.frozen import mutable
from dir_sync.core.looks import Hint
from dir_sync.core.watching.pace import Span

__all__ = ["PendingLook", "PendingLooks"]

_DELAYS_MS = {
    Urgency.NOW: 0,
    Urgency.ATTRIBUTES: 0,
    Urgency.ARRIVED: 0,
    Urgency.FOLDER: 0,
    Urgency.CREATED: limits.CREATED_MS,
    Urgency.VANISHED: limits.VANISHED_MS,
}


@mutable
class PendingLook:
    """One path to look at.

    It has more fields than a machine may have: each is one observation at the path, or one question for the look, and
    further events at the path add some of them. No group of them changes independently."""

    path: bytes
    due_ms: int
    first_ms: int
    watched: bool = False  # the watcher reported it; a scan did not find it
    listing: bool = False  # a folder: list it, whatever the look finds
    # the scan has missed it and the brake has let it pass: it counts as deleted (see core.safeguard.brake)
    removal_confirmed: bool = False
    check_mtime: bool = False  # a folder with local changes: its mtime is announced when it is calm
    large: bool = False  # a large file: it is looked at apart from others
    open: bool = False  # a program has it open for writing, as far as the watcher knows
    replaced: int = 0  # bytes of the version that it replaces; 0: it replaces none, or an empty one
    closed: bool = False  # the last event was its close
    gone: bool = False  # the name vanished, or a folder appeared: looked at in spite of the cost
    sent_ms: int = 0  # when the look was ordered
    tries: int = 0
    hint: Hint | None = None
    patience_ms: int = 0  # until then a vanished file does not count as deleted
    written: bool = False  # there may have been a write since the last look
    rested: bool = False  # a large new file: it has had a moment to be renamed to its final name
    matched: bool = False  # it was checked whether this is a known file under a new name


class PendingLooks:
    """Paths to look at, each once, ordered by due time."""

    def __init__(self) -> None:
        self.looks: dict[bytes, PendingLook] = {}
        self._heap: list[tuple[int, int, bytes]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self.looks)

    def __contains__(self, path: bytes) -> bool:
        return path in self.looks

    def paths(self) -> list[bytes]:
        return list(self.looks)

    def lacks(self, paths: set[bytes]) -> set[bytes]:
        """Those of `paths` without an entry."""
        return paths.difference(self.looks)

    def is_closed(self, path: bytes) -> bool:
        """True if a path waits for a look because a program has closed it."""
        pending = self.looks.get(path)
        return pending is not None and pending.closed

    def touch(self, path: bytes, urgency: Urgency, now_ms: int, span: Span | None = None) -> PendingLook:
        """The watcher reported an event at `path`. `span`: when to look at a file that is being written, or that was
        looked at a short time ago."""
        if span is None:
            span = Span(now_ms, limits.DEBOUNCE_MS, self.first_ms(path, now_ms) + limits.DEBOUNCE_MS_MAX)
        delay = span.settle_ms if urgency == Urgency.WRITING else _DELAYS_MS[urgency]
        due = max(now_ms + delay, span.earliest_ms)
        pending = self.looks.get(path)
        if pending is None:
            pending = self.add(path, due, now_ms)
        elif urgency == Urgency.WRITING:
            self._move(pending, min(max(pending.due_ms, due), span.latest_ms))
        else:
            self._move(pending, min(pending.due_ms, due))
        if urgency in (Urgency.WRITING, Urgency.CREATED):
            pending.open, pending.closed = True, False
        elif urgency is Urgency.NOW:
            pending.open, pending.closed = False, True
        elif urgency is Urgency.ARRIVED:
            pending.open = False
        pending.gone |= urgency in (Urgency.VANISHED, Urgency.FOLDER)
        pending.watched = True
        pending.written |= urgency not in (Urgency.VANISHED, Urgency.FOLDER)
        pending.listing |= urgency == Urgency.FOLDER
        return pending

    def first_ms(self, path: bytes, now_ms: int) -> int:
        """Since when (ms) `path` waits for a look; `now_ms` if it does not."""
        pending = self.looks.get(path)
        return now_ms if pending is None else pending.first_ms

    def add(self, path: bytes, due_ms: int, now_ms: int) -> PendingLook:
        """Look at `path` no later than `due_ms`."""
        pending = self.looks.get(path)
        if pending is None:
            pending = PendingLook(path, due_ms, now_ms)
            self.looks[path] = pending
            self._push(pending)
        elif due_ms < pending.due_ms:
            self._move(pending, due_ms)
        return pending

    def postpone(self, path: bytes, earliest_ms: int, was_open: bool = False) -> None:
        """Delay what was reported for `path` during its look. `was_open`: its close is not delayed."""
        pending = self.looks.get(path)
        if pending is None or pending.gone or (was_open and pending.closed):
            return
        if pending.due_ms < earliest_ms:
            self._move(pending, earliest_ms)

    def put_back(self, pending: PendingLook, due_ms: int) -> None:
        """A look that was taken is due again; events at its path meanwhile are merged into it."""
        newer = self.looks.get(pending.path)
        if newer is None:
            pending.due_ms = due_ms
            self.looks[pending.path] = pending
            self._push(pending)
            return
        newer.watched |= pending.watched
        newer.listing |= pending.listing
        newer.removal_confirmed |= pending.removal_confirmed
        newer.check_mtime |= pending.check_mtime
        newer.large |= pending.large
        newer.gone |= pending.gone
        newer.first_ms = min(newer.first_ms, pending.first_ms)
        newer.tries = max(newer.tries, pending.tries)
        newer.patience_ms = max(newer.patience_ms, pending.patience_ms)
        newer.written |= pending.written
        newer.matched |= pending.matched
        newer.open |= pending.open and not newer.closed
        self._move(newer, min(newer.due_ms, due_ms))

    def take(self, now_ms: int, most: int) -> list[PendingLook]:
        """Remove and return up to `most` looks that are due, the earliest first."""
        taken: list[PendingLook] = []
        while self._heap and self._heap[0][0] <= now_ms and len(taken) < most:
            due, _, path = heapq.heappop(self._heap)
            pending = self.looks.get(path)
            if pending is not None and pending.due_ms == due:
                del self.looks[path]
                taken.append(pending)
        return taken

    def find(self, path: bytes) -> PendingLook | None:
        """The look for a path, without removing it."""
        return self.looks.get(path)

    def pull(self, path: bytes) -> PendingLook | None:
        """Remove and return the look for a path, whenever it is due."""
        return self.looks.pop(path, None)

    def next_due(self) -> int | None:
        """When (ms) the next look is due; None if there is none."""
        while self._heap:
            due, _, path = self._heap[0]
            pending = self.looks.get(path)
            if pending is not None and pending.due_ms == due:
                return due
            heapq.heappop(self._heap)
        return None

    def _move(self, pending: PendingLook, due_ms: int) -> None:
        if due_ms != pending.due_ms:
            pending.due_ms = due_ms
            self._push(pending)

    def _push(self, pending: PendingLook) -> None:
        self._count += 1
        heapq.heappush(self._heap, (pending.due_ms, self._count, pending.path))
