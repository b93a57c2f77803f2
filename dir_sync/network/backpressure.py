"""How far a reader may be ahead of the engine.

In:   what was read, and what the engine has dealt with, in bytes. Out: the reader waits.
Rule: only the reader waits here, and never longer than until its connection ends.
Used by: node.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Backpressure"]

_POLL_S = 0.5


class Backpressure:
    """Of one connection. `has_ended`: nobody has to wait any more."""

    def __init__(self, has_ended: Callable[[], bool]) -> None:
        self._has_ended = has_ended
        self._posted = 0  # reader only
        self._consumed = 0
        self._changed = threading.Condition()

    @property
    def waiting_bytes(self) -> int:
        """What was read and waits for the engine."""
        return self._posted - self._consumed

    def posted(self, cost: int) -> None:
        """The reader has handed over a message of that cost."""
        self._posted += cost

    def consumed(self, cost: int) -> None:
        """The engine has dealt with a message of that cost."""
        with self._changed:
            self._consumed += cost
            self._changed.notify()

    def wait(self, most: int) -> None:
        """Wait until the engine has dealt with all but `most` bytes of what was read."""
        if self._posted - self._consumed > most:
            with self._changed:
                while self._posted - self._consumed > most and not self._has_ended():
                    self._changed.wait(_POLL_S)

    def pause(self, seconds: float) -> None:
        """Wait that long, whatever the engine does."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._has_ended() and (left := end - time.monotonic()) > 0:
                self._changed.wait(min(left, _POLL_S))
