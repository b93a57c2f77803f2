"""Old versions in words and as JSON, for the commands about the history.

In:   entries of the history. Out: words; objects with the keys that docs/cli.md names.
Used by: cli.commands, cli.conflicting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dir_sync.core.jobs import Cause
from dir_sync.core.kind_words import KIND_WORDS
from dir_sync.core.model import Kind, show_text
from dir_sync.history.words import full, local
from dir_sync.network.control import Answer

if TYPE_CHECKING:
    from dir_sync.history.choice import Entry
    from dir_sync.history.client import HistoryClient

__all__ = ["lost_json", "version_json", "which"]

_DISPLACED = {
    Cause.REPLACED: "replaced",
    Cause.DELETED: "deleted",
    Cause.CONFLICT: "that lost a conflict",
    Cause.RECOVERED: "found",
    Cause.ROTTEN: "that had gone bad",
}


def which(entry: Entry) -> str:
    """The version, as text: when and by whom it was displaced."""
    return f"the version {_DISPLACED[entry.version.why]} at {local(entry.version.time_ns)}"


def version_json(entry: Entry) -> Answer:
    version = entry.version
    return {
        "id": entry.id,
        "path": full(version.path),
        "kind": KIND_WORDS[version.kind],
        "size": version.size,
        "changed_s": version.mtime // 10**9,
        "until_s": version.time_ns // 10**9,
        "why": version.why.value,
        "by": show_text(entry.by),
        "on": [show_text(one) for one in entry.on.split(", ")],
        "here": not entry.holder,
    }


def lost_json(client: HistoryClient, entry: Entry) -> Answer:
    """A version that lost a conflict, and what is there now."""
    now = client.stat(entry.version.path)
    by = show_text(entry.now_by or entry.by)
    there = {"kind": "nothing", "size": 0, "changed_s": 0, "by": by}
    if now is not None:
        there |= {
            "kind": KIND_WORDS[now.kind],
            "size": now.size if now.kind == Kind.FILE else 0,
            "changed_s": now.mtime // 10**9,
        }
    return version_json(entry) | {"made_by": show_text(entry.made_by), "now": there}
