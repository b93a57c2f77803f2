"""What the log says of peers that break the protocol: a line, but not for each time.

In:   links that ended that way, and the time. Out: log lines.
Used by: links.
"""

from __future__ import annotations

import time

from dir_sync.core.overload.complaints import Complaints
from dir_sync.node import Node
from dir_sync.reporting.log import logger

__all__ = ["Breaches"]


class Breaches:
    """Engine thread only."""

    def __init__(self) -> None:
        self._complaints = Complaints()
        self._next_ms = 0

    def is_recent(self, address: str) -> bool:
        """True if that address broke the protocol within the last minutes."""
        return self._complaints.is_recent(address, time.monotonic())

    def add(self, node: Node, text: str) -> None:
        """The peer violated the protocol: log it, but not each time."""
        more = self._complaints.add(node.address, time.monotonic())
        if more is not None or node.state.flood:
            and_more = f" (and {more:,} more within the last minutes)" if more else ""
            logger.warning("closed the connection with %s: %s%s", node.address, text, and_more)

    def tick(self, mono_ms: int) -> None:
        """Log the number of errors that got no line of their own."""
        if mono_ms < self._next_ms:
            return
        self._next_ms = mono_ms + 1_000
        for address, more in self._complaints.left(time.monotonic()):
            logger.warning(
                "closed %s more connection%s with %s like this", f"{more:,}", "" if more == 1 else "s", address
            )
