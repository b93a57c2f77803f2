"""The process asks all nodes how they are doing, for all open pages at once, and remembers an hour of rates.

In:   the nodes; a stream of events. Out: `state` whenever something is different, `rates` after each look.
Rule: while no page is open, the nodes are asked every ten seconds only. One that does not answer delays no other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool

from dir_sync.network.control import Answer
from dir_sync.web.nodes import Nodes, SharedFolder, State
from dir_sync.web.stream import Stream

__all__ = ["Point", "Sampler"]

_EVERY_S = 1.0
_IDLE_EVERY_S = 10.0
_PATIENCE_S = 0.8  # for the answers of one look; later ones count at the next
_HOUR_S = 3_600.0
_BUSY = "its node is busy and has not answered yet"


class Point(NamedTuple):
    """Bytes a second, at one moment."""

    time_s: float  # Unix time
    rates: dict[str, tuple[float, float]]  # of each folder: received, sent

    def to_json(self) -> list[Any]:
        return [round(self.time_s, 1), {id_: [round(down), round(up)] for id_, (down, up) in self.rates.items()}]


class Sampler:
    """Event loop only, but for `look_soon`."""

    def __init__(self, nodes: Nodes, stream: Stream, clock: Callable[[], float] = time.time) -> None:
        self._nodes = nodes
        self._stream = stream
        self._clock = clock
        self._states: dict[str, State] = {}
        self._asking: dict[str, asyncio.Task[State]] = {}
        self._progress: dict[str, _Progress] = {}
        self._said: list[Answer] = []
        self._soon = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.points: deque[Point] = deque()

    def first_events(self) -> list[tuple[str, Any]]:
        """With which a page begins."""
        return [("state", self.state()), ("hour", [point.to_json() for point in self.points])]

    def state(self) -> Answer:
        return {"folders": self._said, "time_s": self._clock()}

    def look_soon(self) -> None:
        """Any thread: something has changed."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._soon.set)

    async def run(self) -> None:
        """Until it is cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._soon.clear()
            await self.look()
            try:
                await asyncio.wait_for(self._soon.wait(), _EVERY_S if self._stream.is_watched else _IDLE_EVERY_S)
            except TimeoutError:
                pass

    async def look(self) -> None:
        folders = await run_in_threadpool(self._nodes.folders)
        for folder in folders:
            if folder.id not in self._asking:
                self._asking[folder.id] = asyncio.create_task(run_in_threadpool(self._nodes.state, folder))
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=_PATIENCE_S)
        for id_, task in list(self._asking.items()):
            if task.done():
                del self._asking[id_]
                self._states[id_] = task.result()
        self._take(folders)

    def _take(self, folders: list[SharedFolder]) -> None:
        now_s = self._clock()
        shown = []
        rates = {}
        for folder in folders:
            state = self._states.get(folder.id) or State(folder, None, _BUSY, True)
            shown.append(state.to_json())
            rates[folder.id] = self._progress.setdefault(folder.id, _Progress()).rates(state.status, now_s)
        for gone in set(self._states) - {folder.id for folder in folders}:
            del self._states[gone]
            self._progress.pop(gone, None)
        self.points.append(Point(now_s, rates))
        while self.points and self.points[0].time_s < now_s - _HOUR_S:
            self.points.popleft()
        if shown != self._said:
            self._said = shown
            self._stream.tell("state", self.state())
        self._stream.tell("rates", self.points[-1].to_json())


class _Progress:
    """How fast one folder's large files come and go, from two answers of its node."""

    def __init__(self) -> None:
        self._last_s = 0.0
        self._down: dict[tuple[str, str], int] = {}
        self._up: dict[tuple[str, str], int] = {}

    def rates(self, status: Answer | None, now_s: float) -> tuple[float, float]:
        """Bytes a second since the last call: received, sent."""
        passed_s = now_s - self._last_s
        down, up = _amounts(status, "transfers", "here"), _amounts(status, "uploads", "sent")
        more = _gained(self._down, down), _gained(self._up, up)
        self._last_s, self._down, self._up = now_s, down, up
        if not 0 < passed_s < 60:
            return 0.0, 0.0
        return more[0] / passed_s, more[1] / passed_s


def _amounts(status: Answer | None, list_: str, key: str) -> dict[tuple[str, str], int]:
    return {(one["path"], one["peer"]): int(one[key]) for one in (status or {}).get(list_, [])}


def _gained(before: dict[tuple[str, str], int], now: dict[tuple[str, str], int]) -> int:
    return sum(max(0, amount - before.get(what, amount)) for what, amount in now.items())
