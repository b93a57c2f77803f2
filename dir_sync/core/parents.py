"""The folders above a path.

In:   a path. Out: paths.
Used by: engine.ignoring, engine.mode_rules, engine.path_decisions, engine.scope, history.choice, history.client,
history.restorer, history.undo_plan, web.routes.history.
"""

from __future__ import annotations

from dir_sync.core.model import parent_of

__all__ = ["parents_of"]


def parents_of(path: bytes) -> list[bytes]:
    """The folders above a path, the innermost first, without the shared folder itself."""
    found = []
    while path := parent_of(path):
        found.append(path)
    return found
