"""What a command prints: one JSON object for programs, or lines for people; tables.

In:   both. Out: one of them, on stdout.
Used by: cli.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from dir_sync.network.control import Answer
from dir_sync.reporting.output import say

__all__ = ["columns", "tell"]


def tell(as_json: bool, answer: Answer, lines: Sequence[str]) -> None:
    """Print one of the two. No lines: nothing is printed."""
    if as_json:
        say(json.dumps(answer))
    elif lines:
        say("\n".join(lines))


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table: all cells but the last one are as wide as the widest in their column."""
    last = len(rows[0]) - 1
    widths = [max(len(row[at]) for row in rows) for at in range(last)]
    return ["  ".join([*(row[at].ljust(width) for at, width in enumerate(widths)), row[last]]).rstrip() for row in rows]
