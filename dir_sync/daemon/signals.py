"""The signals that end a node: the first one cleanly, a later one at once.

In:   SIGINT, SIGTERM, SIGHUP. Out: `asked` is true, and `wake` was called.
Rule: two signals within half a second are one: a supervisor signals the process and its group. A closed terminal never
      ends a node otherwise than cleanly, however often it says so; and a SIGHUP that is ignored (nohup) stays ignored.
Used by: entry, process.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

__all__ = ["TOGETHER_S", "Ending", "Wake", "ignore"]

TOGETHER_S = 0.5  # what comes within this of the first signal is the same wish
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ignore() -> None:
    """Main thread: all is done, and the process ends in a moment.

    While Python ends, it gives each signal its default meaning again: one that came then would still end the process, with
    another exit code."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Wake:
    """An event that a signal may set, whatever is going on.

    A threading.Event does not do. Its lock may be held by the code that the handler interrupts; and if two signals come together
    the kernel may give both to another thread, which does not wake the one that waits for a lock. So there is a pipe, into
    which Python writes a byte for each signal at once.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)

    def listen(self) -> None:
        """Main thread: signals that have a handler end `wait` for a moment, in which their handlers run."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def set(self) -> None:
        """Any thread, and any signal handler."""
        self._is_set = True
        try:
            os.write(self._writer, b"\0")
        except BlockingIOError:
            pass  # it is full: who waits is woken anyway

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Main thread. True as soon as it is set; false if the time was over first."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._is_set:
            left_ms = None if until_s is None else max(0.0, until_s - time.monotonic()) * 1000
            if not self._poll.poll(left_ms):
                break
            try:
                os.read(self._reader, 4096)
            except BlockingIOError:
                pass
        return self._is_set


class Ending:
    """Main thread only: Python runs handlers there."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, leave: Callable[[int], None] = os._exit) -> None:
        """`leave` is called with an exit code, if a signal means that."""
        self.asked = False
        self.wake: Callable[[], None] = lambda: None  # called at the first signal; who waits for it sets it
        self._clock = clock
        self._leave = leave
        self._first_s = 0.0

    def listen(self) -> None:
        """Take the signals from now on."""
        for number in _SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.on_signal)

    def on_signal(self, number: int, _frame: object) -> None:
        """The handler."""
        if not self.asked:
            self.asked = True
            self._first_s = self._clock()
            self.wake()
        elif number != signal.SIGHUP and self._clock() - self._first_s > TOGETHER_S:
            self._leave(128 + number)
