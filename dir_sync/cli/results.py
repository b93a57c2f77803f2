"""What a command prints: one JSON object for programs, or lines for people; tables; hints.

In:   both. Out: one of them, on stdout; a hint on stderr.
Used by: cli.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from dir_sync.network.control import Answer
from dir_sync.reporting import log
from dir_sync.reporting.output import say

__all__ = ["columns", "hint", "tell"]


def tell(as_json: bool, answer: Answer, lines: Sequence[str]) -> None:
    """Print one of the two. No lines: nothing is printed."""
    if as_json:
        say(json.dumps(answer))
    elif lines:
        say("\n".join(lines))


def hint(text: str) -> None:
    """A line for a person on stderr, at once: stdout has only results, which programs read line by line."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{log.escape(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody can read it; the command goes on


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table: all cells but the last one are as wide as the widest in their column."""
    last = len(rows[0]) - 1
    widths = [max(len(row[at]) for row in rows) for at in range(last)]
    return ["  ".join([*(row[at].ljust(width) for at, width in enumerate(widths)), row[last]]).rstrip() for row in rows]
