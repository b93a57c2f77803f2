"""Routes of the overview: pause and resume. What it shows comes by the stream of events.

In:   questions of the page. Out: the answers of nodes.
"""

from __future__ import annotations

from dir_sync.config import USAGE, ConfigError
from dir_sync.folder import pauses
from dir_sync.network.control import Answer
from dir_sync.web.replies import Asked, post

__all__ = ["ROUTES"]


def _pause(asked: Asked) -> Answer:
    for_s = asked.body.get("for_s")
    if for_s is None:
        return asked.ask("pause")
    if type(for_s) is not int or not 0 < for_s <= pauses.FOR_S_MAX:
        raise ConfigError("a pause lasts from a second to a year", USAGE)
    return asked.ask("pause", for_s=for_s)


ROUTES = [
    post("/api/folders/{folder}/pause", _pause),
    post("/api/folders/{folder}/resume", lambda asked: asked.ask("resume")),
]
