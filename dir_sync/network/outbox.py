"""What waits to be sent on one connection, and what of it is next.

In:   parcels from any thread. Out: the next ones for the writer's thread, chunks only if nothing else waits.
Rule: nothing here is bounded: the engine bounds what it hands over, by what it is told has left.
Used by: node.
"""

from __future__ import annotations

import threading
from collections import deque

from dir_sync.core import limits
from dir_sync.core.messages import Chunks, Message, encode
from dir_sync.core.wire import Buffer

__all__ = ["Outbound", "Outbox"]

_PARCELS_MAX = 64  # of one call


class Outbound:
    """A message that may go to several peers: encoded once, by the first writer that needs it."""

    __slots__ = ("_encoded", "message", "size")

    def __init__(self, message: Message, size: int) -> None:
        self.message = message
        self.size = size  # what the engine is told when it has left
        self._encoded: list[Buffer] | None = None

    def encoded(self) -> list[Buffer]:
        buffers = self._encoded
        if buffers is None:
            buffers = self._encoded = encode(self.message)
        return buffers


class Outbox:
    """Two queues, and a semaphore that counts what is in both."""

    def __init__(self) -> None:
        self.control: deque[Outbound] = deque()
        self.bulk: deque[Outbound] = deque()
        self._ready = threading.Semaphore(0)

    def put(self, parcel: Outbound) -> None:
        """Any thread; never waits. Chunks give way to everything else."""
        (self.bulk if isinstance(parcel.message, Chunks) else self.control).append(parcel)
        self._ready.release()

    def wake(self) -> None:
        """Let the writer look, even if nothing is here."""
        self._ready.release()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until something is here, or `wake` was called. False: not within that time."""
        return self._ready.acquire(timeout=timeout_s)

    def take(self) -> list[Outbound]:
        """The next parcels. The writer calls this after each `wait` that was true."""
        parcels: list[Outbound] = []
        size = 0
        while self.control and len(parcels) < _PARCELS_MAX and size < limits.MIB:
            parcel = self.control.popleft()
            parcels.append(parcel)
            size += parcel.size
        if not parcels and self.bulk:
            parcels.append(self.bulk.popleft())
        for _ in parcels[1:]:
            self._ready.acquire(blocking=False)
        return parcels
