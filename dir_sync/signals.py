"""The signals that end a node: the first one cleanly, a later one at once.

In:   SIGINT, SIGTERM, SIGHUP. Out: `asked` is true, and `wake` was called.
Rule: two signals within half a second are one: a supervisor signals the process and its group. A closed terminal never
      ends a node otherwise than cleanly, however often it says so; and a SIGHUP that is ignored (nohup) stays ignored.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

__all__ = ["TOGETHER_S", "Ending"]

TOGETHER_S = 0.5  # what comes within this of the first signal is the same wish
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Main thread only: Python runs handlers there."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, leave: Callable[[int], None] = os._exit) -> None:
        """`leave` is called with an exit code, if a signal means that."""
        self.asked = False
        self.wake: Callable[[], None] = lambda: None  # called at each signal; who waits for one sets it
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
        elif number != signal.SIGHUP and self._clock() - self._first_s > TOGETHER_S:
            self._leave(128 + number)
        self.wake()
