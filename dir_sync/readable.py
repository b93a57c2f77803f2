"""One thread that waits for many descriptors, and calls whoever has something to read.

In:   descriptors and what to call. Out: the calls, one at a time, on the thread that runs `run`.
Rule: what is called never waits. A descriptor that is removed is not used any more when `remove` returns.
Used by: daemon, event_handler, control.
"""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Readable"]


class Readable:
    """Any thread may call all methods."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._epoll.register(self._woken, select.EPOLLIN)
        self._lock = threading.RLock()  # held during a call, so nothing is removed meanwhile
        self._ready: dict[int, Callable[[], float]] = {}
        self._resting: dict[int, float] = {}  # descriptors that are not looked at, until when (monotonic, s)
        self._is_over = False

    def add(self, descriptor: int, ready: Callable[[], float]) -> None:
        """`ready` is called whenever there is something to read. It returns for how long (s) it is not to be called again; for
        `math.inf`, until `resume`."""
        with self._lock:
            self._ready[descriptor] = ready
            self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Call this before the descriptor is closed. One that is unknown counts as removed."""
        with self._lock:
            self._resting.pop(descriptor, None)
            if self._ready.pop(descriptor, None) is not None:
                self._epoll.unregister(descriptor)

    def resume(self, descriptor: int) -> None:
        """Look at it from now on."""
        with self._lock:
            if self._resting.pop(descriptor, None) is not None:
                self._epoll.modify(descriptor, select.EPOLLIN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Meanwhile nobody is called: the caller may read by itself."""
        with self._lock:
            yield

    def run(self) -> None:
        """Wait and call, until `stop`."""
        while not self._is_over:
            for descriptor, _ in self._epoll.poll(self._patience_s()):
                self._call(descriptor)

    def stop(self) -> None:
        self._is_over = True
        os.write(self._wake, b"!")

    def close(self) -> None:
        """After the end of the thread. Everything counts as removed: who asks a disk that answers late may remove later."""
        with self._lock:
            self._ready.clear()
            self._resting.clear()
            self._epoll.close()
        os.close(self._woken)
        os.close(self._wake)

    def _call(self, descriptor: int) -> None:
        with self._lock:
            ready = self._ready.get(descriptor)
            if ready is None or descriptor in self._resting:
                return
            pause = ready()
            if pause > 0 and descriptor in self._ready:
                self._resting[descriptor] = time.monotonic() + pause
                self._epoll.modify(descriptor, 0)

    def _patience_s(self) -> float | None:
        """How long until one has rested; those that have are looked at again."""
        if not self._resting:
            return None
        with self._lock:
            now = time.monotonic()
            for descriptor in [one for one, until in self._resting.items() if until <= now]:
                self.resume(descriptor)
            left = min(self._resting.values(), default=math.inf) - now
        return None if left == math.inf else max(0.0, left)
