"""Routes about what waits for a person: conflicts with both sides, and changes that are held.

In:   choices. Out: what there is to be decided, and what came of a decision.
"""

from __future__ import annotations

from dir_sync.config import USAGE, ConfigError
from dir_sync.core.model import show_text
from dir_sync.history.choice import by_id
from dir_sync.history.client import open_history
from dir_sync.network.control import Answer
from dir_sync.web.replies import Asked, get, post
from dir_sync.web.routes.history import is_text_now, version_row

__all__ = ["ROUTES"]

_SHOWN_MAX = 2_000


def _conflicts(asked: Asked) -> Answer:
    """Each with the version that lost, who made that ("": not known), and what is there now."""
    with open_history(asked.shared.path) as client:
        found = by_id(client.entries(conflicts=True))
        rows = []
        for entries in list(found.values())[:_SHOWN_MAX]:
            first = entries[0]
            path = first.version.path
            now = client.stat(path)
            there: Answer | None = None
            if now is not None:
                by, is_text = show_text(first.now_by or first.by), is_text_now(asked.shared.path, path, now)
                there = {"size": now.size, "mtime_ms": now.mtime // 10**6, "by": by, "text": is_text}
            rows.append({**version_row(first), "made_by": show_text(first.made_by), "now": there})
    return {"count": len(found), "rows": rows}


def _settle(asked: Asked) -> Answer:
    choice, ids = asked.text("choice"), asked.texts("ids")
    if choice not in ("keep", "restore"):
        raise ConfigError("a conflict is settled by 'keep' or 'restore'", USAGE)
    with open_history(asked.shared.path) as client:
        known = by_id(client.entries(conflicts=True))
        if any(one not in known for one in ids):
            raise ConfigError("that conflict is not there any more")
        if choice == "restore":
            for one in ids:
                client.check(known[one][0])
            for one in ids:
                client.restore(known[one][0])
            client.finish()
        client.settle([entry for one in ids for entry in known[one]])
    return {"settled": len(ids)}


def _decide(word: str, asked: Asked) -> Answer:
    answer = asked.ask(word)
    elsewhere = answer.get("elsewhere", 0)
    if elsewhere and not answer["files"]:
        raise ConfigError(
            f"nothing was approved: what this node did to {elsewhere} files can only be approved on another machine"
        )
    return answer


ROUTES = [
    get("/api/folders/{folder}/conflicts", _conflicts),
    post("/api/folders/{folder}/conflicts", _settle),
    get("/api/folders/{folder}/held", lambda asked: asked.ask("held")),
    post("/api/folders/{folder}/approve", lambda asked: _decide("approve", asked)),
    post("/api/folders/{folder}/reject", lambda asked: _decide("reject", asked)),
]
