"""The difference between two texts, line by line.

In:   two texts. Out: the lines of a unified diff, as git prints it.
Used by: cli.conflict_tools, web.routes.content.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

__all__ = ["NO_END", "line_diff"]

NO_END = "\\ No newline at end of file"
_CONTEXT = 3  # lines before and after a change


def line_diff(before: str, after: str, printed: Callable[[str], str] = str) -> list[str]:
    """The lines of a unified diff without its head, [] if the texts are equal. `printed`: how a line of a text is shown.
    A last line that does not end is followed by NO_END."""
    found = list(difflib.unified_diff(_lines(before), _lines(after), lineterm="", n=_CONTEXT))[2:]
    lines: list[str] = []
    for line in found:
        if line.startswith("@@"):
            lines.append(line)
            continue
        text = line[1:].removesuffix("\n")
        lines.append(line[0] + printed(text))
        if len(text) + 1 < len(line):
            lines.append(NO_END)
    return lines


def _lines(text: str) -> list[str]:
    """The lines. One that does not end is marked by a newline, so that it differs from the same line with its end."""
    *lines, last = text.split("\n")
    return [*lines, last + "\n"] if last else lines
