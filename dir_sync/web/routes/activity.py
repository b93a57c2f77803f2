"""Routes about what happens: rows of events, newest first, page by page.

In:   questions of the page. Out: rows.
"""

from __future__ import annotations

from starlette.routing import Route

from dir_sync.network.control import Answer
from dir_sync.web.activity import Activity
from dir_sync.web.replies import Asked, get

__all__ = ["routes"]


def routes(activity: Activity) -> list[Route]:
    def rows(asked: Asked) -> Answer:
        offset, most = asked.page()
        found = activity.rows(asked.find)
        return {"count": len(found), "offset": offset, "rows": found[offset : offset + most]}

    return [get("/api/activity", rows)]
