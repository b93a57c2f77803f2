"""What leaves this machine, kept within the limits that a person has set: of the node, and of each connection.

In:   sizes (bytes) of what writers send. Out: how long (s) a chunk has to wait.
Rule: only chunks wait. Everything else is sent at once and counted, so that small changes arrive as if there were no
limit; chunks, and the reports by which the engine sends more, wait until that is paid.
Used by: node_manager, node, outbox, writer, daemon.timetable. Any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from dir_sync.core.overload.byte_rate import ByteRate, LinkRates

__all__ = ["LinkPace", "Pacing"]


class LinkPace:
    """The limits of one connection. `rates` are changed only while `lock` is held."""

    def __init__(self, rates: Sequence[ByteRate], lock: threading.Lock, clock: Callable[[], float]) -> None:
        self._rates = rates
        self._lock = lock
        self._clock = clock

    @property
    def per_s(self) -> int:
        """The smallest limit, in bytes per second."""
        return min(rate.per_s for rate in self._rates)

    def book(self, size: int) -> float:
        """Book a slot for a chunk. Returns when it may be sent, by the clock."""
        with self._lock:
            now = self._clock()
            return now + max(rate.book(size, int(now * 1000)) for rate in self._rates) / 1000

    def count(self, size: int) -> None:
        """So many bytes are sent without waiting."""
        with self._lock:
            now_ms = int(self._clock() * 1000)
            for rate in self._rates:
                rate.count(size, now_ms)

    def wait_s(self) -> float:
        """How long (s) until all that was sent or booked is paid."""
        with self._lock:
            now_ms = int(self._clock() * 1000)
            return max(rate.wait_ms(now_ms) for rate in self._rates) / 1000


class Pacing:
    """The limits of a node for what it sends, in bytes per second; 0: none."""

    def __init__(
        self, node: int, peer: int, clock: Callable[[], float] = time.monotonic, may_change: bool = False
    ) -> None:
        """`node`: for all connections together; `peer`: for each of them. `may_change`: `node` may become another one."""
        self._clock = clock
        self._lock = threading.Lock()
        self._rates = LinkRates(node, peer, may_change)

    def change(self, node: int) -> None:
        """From now on all connections together have this limit; 0: none."""
        with self._lock:
            self._rates.share(node, int(self._clock() * 1000))

    def of_link(self) -> LinkPace | None:
        """The limits of a new connection; None: there are none."""
        rates = self._rates.of_link(int(self._clock() * 1000))
        return LinkPace(rates, self._lock, self._clock) if rates else None
