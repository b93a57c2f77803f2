"""A word for each kind of entry, as people and programs read it.

In:   a kind. Out: its word.
Used by: cli.plan_words, cli.versions, cli.why, daemon.requests, daemon.status, history.story, history.words,
web.routes.history.
"""

from __future__ import annotations

from typing import Final

from dir_sync.core.model import Kind

__all__ = ["KIND_WORDS"]

KIND_WORDS: Final = {
    Kind.ABSENT: "nothing",
    Kind.FILE: "file",
    Kind.DIRECTORY: "folder",
    Kind.SYMLINK: "link",
    Kind.OTHER: "other",
}
