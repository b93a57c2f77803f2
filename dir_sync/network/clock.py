"""How far the clock of a peer differs from ours, measured by a PING and the PONG that names the peer's time.

In:   when a question left, and the answer to it. Out: the difference, and the time that the way took.
Rule: for people (`doctor`); nothing is decided by it. Nothing is measured until somebody asks.
Used by: node, reader.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dir_sync.core import limits
from dir_sync.core.named import NamedTuple

__all__ = ["ClockProbe", "Measured"]


class Measured(NamedTuple):
    """The clock of a peer. The true difference is within half of `rtt_ns` of `offset_ns`."""

    offset_ns: int  # how far the peer's clock is ahead of ours
    rtt_ns: int  # from the question to the answer


class ClockProbe:
    """One question at a time; the next one replaces it. Any thread may ask, the reader's thread answers."""

    def __init__(
        self, mono_ns: Callable[[], int] = time.monotonic_ns, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._mono_ns = mono_ns
        self._wall_ns = wall_ns
        self._asked: tuple[int, int] = (-1, 0)  # the token of the question, and when it was asked
        self.last: Measured | None = None

    def ask(self) -> int:
        """The token of a PING that is sent now."""
        now = self._mono_ns()
        token = now % limits.SEQUENCE_MAX
        self._asked = token, now
        return token

    def answered(self, token: int, time_ns: int) -> None:
        """A PONG has come. `time_ns`: the peer's clock when it answered; 0: it does not say."""
        asked, begun = self._asked
        if token == asked and time_ns:
            rtt = self._mono_ns() - begun
            self.last = Measured(time_ns - (self._wall_ns() - rtt // 2), rtt)
