"""When this node sends its beacon: at regular intervals, and in answer to newcomers.

In:   the time, how many nodes are known, a newcomer that was heard. Out: when a beacon is due, and whether it asks.
Used by: roster.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.overload.rate import TokenBucket
from dir_sync.core.rng import Uniform

__all__ = [
    "ANSWERS_BURST",
    "ANSWERS_PER_S",
    "ANSWER_WITHIN_MS",
    "BEAT_JITTER",
    "BEAT_MS",
    "BEAT_PER_NODE_MS",
    "BeaconTimes",
]

BEAT_MS = 3_000  # a node whose first beacon was lost stays unknown this long
BEAT_PER_NODE_MS = 100  # so that a LAN of 200 nodes carries some 10 beacons a second, not 70
BEAT_JITTER = 0.25
ANSWER_WITHIN_MS = 40  # the protocol says 50; timers and sockets need the rest
ANSWERS_BURST, ANSWERS_PER_S = 4, 1.0  # one answer serves all nodes that ask at the same time

assert ANSWER_WITHIN_MS < 50


class BeaconTimes:
    """The next regular beacon, and the next answer. The first beacon is due at once, and asks other nodes for
    theirs."""

    def __init__(self, rng: Uniform, now_ms: int) -> None:
        self._rng = rng
        self._beat_due = now_ms
        self._has_asked = False
        self._answer_due: int | None = None
        self._answers = TokenBucket(ANSWERS_BURST, ANSWERS_PER_S, now_ms)

    def is_beat(self, now_ms: int) -> bool:
        """True if the regular beacon is due."""
        return self._beat_due <= now_ms

    def is_due(self, now_ms: int) -> bool:
        """True if a beacon is due, regular or as an answer."""
        return self._beat_due <= now_ms or (self._answer_due is not None and self._answer_due <= now_ms)

    def next_ms(self) -> int:
        """The time (ms) at which the next beacon is due."""
        return self._beat_due if self._answer_due is None else min(self._beat_due, self._answer_due)

    def sent(self) -> bool:
        """A beacon is sent now. True if it has to ask other nodes for theirs."""
        asks = not self._has_asked
        self._has_asked = True
        self._answer_due = None
        return asks

    def beat_at_once(self, now_ms: int) -> None:
        self._beat_due = now_ms

    def schedule_beat(self, nodes: int, now_ms: int) -> None:
        """Schedule the next regular beacon; the interval grows with the number of known nodes."""
        every = BEAT_MS + BEAT_PER_NODE_MS * min(nodes, limits.LINKS_MAX)
        self._beat_due = now_ms + int(every * self._rng.uniform(1 - BEAT_JITTER, 1 + BEAT_JITTER))

    def answer_soon(self, nodes: int, now_ms: int) -> None:
        """Schedule an answer at a random time, later in a large mesh: not all nodes should answer a newcomer at
        once."""
        if self._answer_due is None:
            spread = min(ANSWER_WITHIN_MS, 2 + nodes)
            wait = self._answers.wait_ms(now_ms)
            self._answer_due = now_ms + max(wait, int(self._rng.uniform(0, spread)))
            self._answers.take(self._answer_due)
