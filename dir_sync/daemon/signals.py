"""The signals that end a node: the first one cleanly, a later one at once.

In:   SIGINT, SIGTERM, SIGHUP. Out: `asked` is true, and `wake` was called.
Where a configuration file is read, SIGHUP asks for reading it again instead; a node without a terminal that writes a log file
opens that anew.
Rule: two signals within half a second count as one, because a supervisor signals both the process and its group. A
closed terminal always ends a node cleanly, however many SIGHUPs it sends; an ignored SIGHUP (nohup) stays ignored.
Used by: entry, once, process, rehearsing, shot.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

__all__ = ["TOGETHER_S", "Ending", "Wake", "has_terminal", "ignore"]

TOGETHER_S = 0.5  # further signals within this time count as the first one
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ignore() -> None:
    """Ignore all signals: everything is done, and the process ends in a moment. Main thread only.

    While Python shuts down, it restores the default action of each signal: a signal would then still end the process,
    with another exit code."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def has_terminal() -> bool:
    """True if the kernel sends this process a SIGHUP when its terminal is closed."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before it may contain blanks
        return fields[4] != b"0"  # tty_nr
    except (OSError, IndexError):
        return True


class Wake:
    """An event that a signal handler may set at any time.

    A threading.Event does not work. The code that the handler interrupts may hold its lock; and if two signals arrive
    together, the kernel may deliver both to another thread, which does not wake the main thread from a lock. A pipe
    does work: Python writes a byte into it for each signal at once.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)

    def listen(self) -> None:
        """Let signals with a handler interrupt `wait`, so that their handlers run. Main thread only."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def set(self) -> None:
        """Set the event. Any thread and any signal handler may call it."""
        self._is_set = True
        try:
            os.write(self._writer, b"\0")
        except BlockingIOError:
            pass  # the pipe is full, so `wait` returns anyway

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the event. False if the time was over first. Main thread only."""
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
    """Handles the signals. Main thread only, because Python runs handlers there."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        leave: Callable[[int], None] = os._exit,
        stays: bool = False,
    ) -> None:
        """`leave` is called with an exit code if a signal has to end the process at once. `stays`: SIGHUP does not end it, but
        asks for reading a file again, and for opening the log file anew."""
        self.asked = False
        self.number = 0  # of the first signal
        self.readings_asked = 0  # how often SIGHUP has asked for that
        self._stays = stays
        self.wake: Callable[[], None] = lambda: None  # called at the first signal
        self._clock = clock
        self._leave = leave
        self._first_s = 0.0

    def listen(self) -> None:
        """Install the handlers."""
        for number in _SIGNALS:
            if number != signal.SIGHUP or self._stays or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.on_signal)

    def on_signal(self, number: int, _frame: object) -> None:
        """The signal handler."""
        if number == signal.SIGHUP and self._stays:
            self.readings_asked += 1
            self.wake()
        elif not self.asked:
            self.asked = True
            self.number = number
            self._first_s = self._clock()
            self.wake()
        elif number != signal.SIGHUP and self._clock() - self._first_s > TOGETHER_S:
            self._leave(128 + number)
