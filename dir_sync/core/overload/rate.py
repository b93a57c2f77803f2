"""A token bucket: a burst at once, and a rate per second in the long run. The caller passes the time (ms).

Bytes per second, as a person limits them: see byte_rate.
"""

from __future__ import annotations

__all__ = ["TokenBucket"]


class TokenBucket:
    """A burst at once, and a rate per second in the long run."""

    __slots__ = ("_at_ms", "_burst", "_level", "_per_ms")

    def __init__(self, burst: int, per_s: float, now_ms: int) -> None:
        self._burst = burst
        self._per_ms = per_s / 1000
        self._level = float(burst)
        self._at_ms = now_ms

    def take(self, now_ms: int) -> bool:
        """Take one token. False if there is none."""
        if self.wait_ms(now_ms):
            return False
        self._level -= 1
        return True

    def wait_ms(self, now_ms: int) -> int:
        """0 if a token is available now; otherwise the time (ms) until one is."""
        self._level = min(self._burst, self._level + max(0, now_ms - self._at_ms) * self._per_ms)
        self._at_ms = max(now_ms, self._at_ms)
        return 0 if self._level >= 1 else int((1 - self._level) / self._per_ms) + 1

    def is_full(self, now_ms: int) -> bool:
        """True if the bucket is full, so that it can be dropped and made anew later."""
        return not self.wait_ms(now_ms) and self._level >= self._burst
