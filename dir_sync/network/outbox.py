"""Messages that wait to be sent on one connection, and which come next.

In:   messages from any thread. Out: the next ones for the writer's thread; chunks only if nothing else waits.
Rule: the size is not limited here: the engine limits what it hands over, by the reports of what was sent. If there is a
limit of bytes per second, only chunks wait for it.
Used by: daemon, node, reader, writer.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from dir_sync.core import limits
from dir_sync.core.messages import Chunks, Message, encode
from dir_sync.core.wire import Buffer
from dir_sync.network.pacing import LinkPace

__all__ = ["Outbound", "Outbox"]

_PARCELS_MAX = 64  # messages taken in one call


class Outbound:
    """A message that may go to several peers: the first writer that needs it encodes it once."""

    __slots__ = ("_encoded", "message", "size")

    def __init__(self, message: Message, size: int) -> None:
        self.message = message
        self.size = size  # reported to the engine when it was sent
        self._encoded: list[Buffer] | None = None

    def encoded(self) -> list[Buffer]:
        buffers = self._encoded
        if buffers is None:
            buffers = self._encoded = encode(self.message)
        return buffers


class Outbox:
    """Two queues, and a semaphore that counts the messages in both."""

    def __init__(self, pace: LinkPace | None = None) -> None:
        """`pace`: the limit of bytes per second."""
        self._pace = pace
        self._turn_s: float | None = None  # when the first chunk may be sent (monotonic); None: no slot is booked
        self.control: deque[Outbound] = deque()
        self.bulk: deque[Outbound] = deque()
        self._ready = threading.Semaphore(0)

    def put(self, parcel: Outbound) -> None:
        """Add a message. Any thread; never waits. Chunks wait for everything else."""
        (self.bulk if isinstance(parcel.message, Chunks) else self.control).append(parcel)
        self._ready.release()

    @property
    def is_any(self) -> bool:
        """True if a message waits."""
        return bool(self.control or self.bulk)

    def wake(self) -> None:
        """Wake the writer, even if there is no message."""
        self._ready.release()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for a message that may be sent, or for `wake`. False if neither came within that time."""
        if self._pace is None or not self.bulk:
            return self._ready.acquire(timeout=timeout_s)
        # the permit of a chunk that had to wait was taken already
        left_s = self._left_s(self._pace)
        return left_s <= 0 or self._ready.acquire(timeout=left_s if timeout_s is None else min(left_s, timeout_s))

    def _left_s(self, pace: LinkPace) -> float:
        """How long the first chunk has to wait."""
        if self._turn_s is None:
            self._turn_s = pace.book(self.bulk[0].size)
        return self._turn_s - time.monotonic()

    def take(self) -> list[Outbound]:
        """The next messages. The writer calls this after each `wait` that returned true."""
        parcels: list[Outbound] = []
        size = 0
        while self.control and len(parcels) < _PARCELS_MAX and size < limits.MIB:
            parcel = self.control.popleft()
            parcels.append(parcel)
            size += parcel.size
        if not parcels and self.bulk and (self._pace is None or self._left_s(self._pace) <= 0):
            parcels.append(self.bulk.popleft())
            self._turn_s = None
        elif size and self._pace is not None:
            self._pace.count(size)
        for _ in parcels[1:]:
            self._ready.acquire(blocking=False)
        return parcels
