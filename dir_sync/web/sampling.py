"""The process asks all nodes how they are doing, for all open pages at once, and remembers an hour of rates.

In:   the nodes; a stream of events. Out: `state` whenever something is different, `rates` after each look.
Rule: while no page is open, the nodes are asked every ten seconds only. One that does not answer delays no other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from starlette.concurrency import run_in_threadpool

from dir_sync.core.named import NamedTuple
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
    """Bytes a second over all connections of this user's nodes, at one moment."""

    time_s: float  # Unix time
    down: int
    up: int

    def to_json(self) -> list[float]:
        return [round(self.time_s, 1), self.down, self.up]


class Sampler:
    """Event loop only, but for `look_soon`."""

    def __init__(
        self,
        nodes: Nodes,
        stream: Stream,
        clock: Callable[[], float] = time.time,
        follow: Callable[[list[SharedFolder]], None] = lambda folders: None,
    ) -> None:
        """`follow` is called with the folders whose events a page may show."""
        self._follow = follow
        self._nodes = nodes
        self._stream = stream
        self._clock = clock
        self._states: dict[str, State] = {}
        self._asking: dict[str, asyncio.Task[State]] = {}
        self._said: list[Answer] = []
        self._soon = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.points: deque[Point] = deque()

    def first_events(self) -> list[tuple[str, Any]]:
        """With which a page begins."""
        return [("state", self.state()), ("hour", [point.to_json() for point in self.points])]

    def state(self) -> Answer:
        return {"folders": self._said, "time_s": self._clock()}

    def look_soon(self) -> None:
        """Any thread: something has changed."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._soon.set)

    async def run(self) -> None:
        """Until it is cancelled."""
        self.loop = asyncio.get_running_loop()
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
        running = [one for one in folders if (state := self._states.get(one.id)) is not None and state.status]
        self._follow(running if self._stream.is_watched else [])

    def _take(self, folders: list[SharedFolder]) -> None:
        now_s = self._clock()
        shown = [(self._states.get(one.id) or State(one, None, _BUSY, True)).to_json() for one in folders]
        for gone in set(self._states) - {folder.id for folder in folders}:
            del self._states[gone]
        self.points.append(Point(now_s, *_traffic(self._states.values())))
        while self.points and self.points[0].time_s < now_s - _HOUR_S:
            self.points.popleft()
        if shown != self._said:
            self._said = shown
            self._stream.tell("state", self.state())
        self._stream.tell("rates", self.points[-1].to_json())


def _traffic(states: Iterable[State]) -> tuple[int, int]:
    """Received and sent. All folders of two nodes share one connection, which counts once."""
    rates: dict[tuple[str, str], tuple[int, int]] = {}
    for state in states:
        for peer in (state.status or {}).get("peers", []):
            if traffic := peer.get("traffic"):
                link = state.status["node"] if state.status else "", peer["node"]
                rates[link] = traffic["receives_per_s"], traffic["sends_per_s"]
    return sum(down for down, _ in rates.values()), sum(up for _, up in rates.values())
