"""The application of the web pages: the door, the routes, the pages, and the sampler that runs beside them.

In:   the door with its token; the nodes. Out: an ASGI application.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from dir_sync.web.activity import Activity
from dir_sync.web.door import Door, Guard
from dir_sync.web.nodes import Nodes
from dir_sync.web.routes.activity import routes as activity_routes
from dir_sync.web.routes.content import ROUTES as CONTENT
from dir_sync.web.routes.decisions import ROUTES as DECISIONS
from dir_sync.web.routes.doctor import ROUTES as DOCTOR
from dir_sync.web.routes.history import ROUTES as HISTORY
from dir_sync.web.routes.ignoring import ROUTES as IGNORING
from dir_sync.web.routes.mesh import ROUTES as MESH
from dir_sync.web.routes.metrics import ROUTES as METRICS
from dir_sync.web.routes.overview import ROUTES as OVERVIEW
from dir_sync.web.routes.settings import ROUTES as SETTINGS
from dir_sync.web.sampling import Sampler
from dir_sync.web.stream import Stream, events_of

__all__ = ["STATIC", "Web"]

STATIC = Path(__file__).parent / "static"
_NEWS_S = 0.25  # pages are told at most that often that there are more events


class Web:
    """The application and what it consists of."""

    def __init__(self, door: Door, nodes: Nodes) -> None:
        self.stream = Stream(lambda: self.sampler.look_soon())
        self.activity = Activity(self._on_news)
        self.sampler = Sampler(nodes, self.stream, follow=self.activity.follow)
        self._telling: asyncio.TimerHandle | None = None
        self._inner = Starlette(routes=self._routes(), lifespan=self._lifespan)
        self._inner.state.nodes = nodes
        self._inner.state.changed = self._on_change
        self.app: ASGIApp = Guard(self._inner, door)

    def _routes(self) -> list[BaseRoute]:
        return [
            Route("/", _index),
            Route("/api/live", self._live),
            *METRICS,
            *OVERVIEW,
            *activity_routes(self.activity),
            *HISTORY,
            *CONTENT,
            *DECISIONS,
            *MESH,
            *IGNORING,
            *SETTINGS,
            *DOCTOR,
            Mount("/static", StaticFiles(directory=STATIC)),
        ]

    def _on_change(self) -> None:
        """A page has changed something: all others look again. Event loop only."""
        self.sampler.look_soon()
        self.stream.tell("changed", {})

    def _on_news(self) -> None:
        """Any thread."""
        if self.sampler.loop is not None:
            self.sampler.loop.call_soon_threadsafe(self._tell_soon)

    def _tell_soon(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_NEWS_S, self._tell_news)

    def _tell_news(self) -> None:
        self._telling = None
        self.stream.tell("activity", {"count": self.activity.count})

    async def _live(self, request: Request) -> Response:
        return events_of(self.stream, self.sampler.first_events)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        sampling = asyncio.create_task(self.sampler.run())
        try:
            yield
        finally:
            self.stream.end()
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
            await run_in_threadpool(self.activity.end)


async def _index(request: Request) -> Response:
    return FileResponse(STATIC / "index.html")
