"""The page for Prometheus: the state of all folders of this user as text.

In:   states of nodes. Out: the text.
"""

from __future__ import annotations

from starlette.responses import Response

from dir_sync.reporting.prometheus import CONTENT_TYPE, metrics
from dir_sync.web.replies import Asked, get

__all__ = ["ROUTES"]


def _metrics(asked: Asked) -> Response:
    states = [asked.nodes.state(folder) for folder in asked.nodes.folders()]
    text = metrics((state.folder.shown, state.status) for state in states)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


ROUTES = [get("/metrics", _metrics)]
