"""One line of a terminal that is written again and again, in its place.

In:   text, and the stream. Out: on a terminal the line, cut to its width; nothing anywhere else.
Rule: it is away before anything else is written there, and at the end. A stream that cannot be written is left alone.
Used by: cli.verifying, cli.waiting, cli.watch_view, reporting.narrator.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

__all__ = ["LiveLine", "is_live", "on_stderr"]

_BACK = "\r\x1b[K"  # to the beginning of the line, and erase it


def is_live(stream: TextIO | None) -> bool:
    """True if a line there can be written again."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    except ValueError:  # closed
        return False


def _columns(descriptor: int) -> int:
    try:
        return os.get_terminal_size(descriptor).columns
    except OSError:
        return 0


class LiveLine:
    """`put` shows a text, `take_away` ends that. `write` gets what is to be written."""

    def __init__(self, descriptor: int, write: Callable[[str], None]) -> None:
        self._is_shown = False
        self._descriptor = descriptor
        self._write = write

    def put(self, text: str) -> None:
        """Show this in place of what is shown."""
        self._is_shown = True
        self._write(_BACK + self._cut(text))

    def take_away(self) -> None:
        if self._is_shown:
            self._is_shown = False
            self._write(_BACK)

    def _cut(self, text: str) -> str:
        """As much of it as has room: a line that wraps could not be erased."""
        width = (_columns(self._descriptor) or 80) - 1
        return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def on_stderr() -> LiveLine | None:
    """A line there, for a command; None if it cannot be written again."""
    return LiveLine(2, _to_stderr) if is_live(sys.stderr) else None


def _to_stderr(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # the terminal is gone: the command goes on
