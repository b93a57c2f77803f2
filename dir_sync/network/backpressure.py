"""How far a reader may be ahead of the engine.

In:   bytes that were read, and bytes that the engine has handled. Out: the reader waits.
Rule: only the reader waits here, and never longer than until its connection ends.
Used by: node, reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dir_sync.core.messages import Message, ModificationUpdate, State

__all__ = ["Backpressure", "memory_of"]

_POLL_S = 0.5
_RECORD_COST = 500  # memory (bytes) of a decoded record, above its bytes on the wire


class Backpressure:
    """The state of one connection. `has_ended`: waiting ends."""

    def __init__(self, has_ended: Callable[[], bool]) -> None:
        self._has_ended = has_ended
        self._posted = 0  # used by the reader only
        self._consumed = 0
        self._changed = threading.Condition()
        self._waits = False  # the reader does

    @property
    def waiting_bytes(self) -> int:
        """Bytes that were read and wait for the engine."""
        return self._posted - self._consumed

    def posted(self, cost: int) -> None:
        """The reader has handed over a message of that size (bytes)."""
        self._posted += cost

    def consumed(self, cost: int) -> None:
        """The engine has handled a message of that size (bytes)."""
        self._consumed += cost  # only the engine's thread does
        if self._waits:  # it was set before the reader looked at the number once more
            with self._changed:
                self._changed.notify()

    def wait(self, most: int) -> None:
        """Wait until at most `most` bytes wait for the engine."""
        if self.waiting_bytes > most:
            with self._changed:
                self._waits = True
                while self.waiting_bytes > most and not self._has_ended():
                    self._changed.wait(_POLL_S)
                self._waits = False

    def pause(self, seconds: float) -> None:
        """Wait so many seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._has_ended() and (left := end - time.monotonic()) > 0:
                self._changed.wait(min(left, _POLL_S))


def memory_of(message: Message) -> int:
    """Memory (bytes) of a decoded message, above its bytes on the wire."""
    match message:
        case State(records=records):
            return len(records) * _RECORD_COST
        case ModificationUpdate(changes=changes):
            return len(changes) * _RECORD_COST
    return 100
