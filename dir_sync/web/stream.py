"""Server-sent events: what the open pages are told without asking.

In:   events with a name and a JSON value. Out: one endless answer for each open page.
Rule: nobody waits for a slow page: one that is too far behind is closed, comes back by itself, and begins with the present
state. Event loop only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import StreamingResponse

__all__ = ["Stream", "events_of"]

_BEHIND_MAX = 200  # events that a page may be behind
_ALIVE_S = 15.0  # something is sent at least that often, so that a page that is gone is noticed
_AGAIN_MS = 1_000  # how soon a page comes back

Event = tuple[str, Any]


class Stream:
    """All open pages."""

    def __init__(self, on_open: Callable[[], None] = lambda: None) -> None:
        """`on_open` is called when a page begins to listen."""
        self._pages: set[asyncio.Queue[bytes | None]] = set()
        self._on_open = on_open
        self._is_over = False

    @property
    def is_watched(self) -> bool:
        return bool(self._pages)

    def tell(self, name: str, value: Any) -> None:
        if not self._pages:
            return
        line = _event(name, value)
        for page in list(self._pages):
            try:
                page.put_nowait(line)
            except asyncio.QueueFull:
                self._end(page)

    def end(self) -> None:
        """No page is told anything any more."""
        self._is_over = True
        for page in list(self._pages):
            self._end(page)

    def _end(self, page: asyncio.Queue[bytes | None]) -> None:
        self._pages.discard(page)
        while not page.empty():
            page.get_nowait()
        page.put_nowait(None)

    async def listen(self, first: Callable[[], list[Event]]) -> AsyncIterator[bytes]:
        """`first`: the events with which a page begins."""
        page: asyncio.Queue[bytes | None] = asyncio.Queue(_BEHIND_MAX)
        if self._is_over:
            return
        self._pages.add(page)
        try:
            yield b"retry: %d\n\n" % _AGAIN_MS
            for name, value in first():
                yield _event(name, value)
            self._on_open()
            while True:
                try:
                    line = await asyncio.wait_for(page.get(), _ALIVE_S)
                except TimeoutError:
                    line = b":\n\n"
                if line is None:
                    return
                yield line
        finally:
            self._pages.discard(page)


def events_of(stream: Stream, first: Callable[[], list[Event]]) -> StreamingResponse:
    return StreamingResponse(stream.listen(first), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _event(name: str, value: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n".encode("ascii")
