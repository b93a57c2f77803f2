"""A limit of bytes per second that a person has set.

In:   sizes (bytes) that are sent or requested, and the time (ms). Out: how long the next one has to wait.
Rule: bulk books a slot and waits for it, in order of arrival. What must not wait is only counted: bulk waits for it
afterwards, so that in the long run the limit holds for all bytes together.
Source: a token bucket whose level may become negative (a virtual scheduling algorithm, ITU-T I.371).
Used by: cli.speed, config, core.transfers, daemon, network.pacing.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple

__all__ = ["NO_LIMIT", "ByteRate", "LinkRates", "SpeedLimits"]

NO_LIMIT = 10**12  # bytes per second: that of a limit which may be set later

_BURST_MS = 50  # what was not used for a while may be made up for, up to so much


class SpeedLimits(NamedTuple):
    """What a person has set, in bytes per second; 0: no limit."""

    up: int = 0  # what this node sends, to all peers together
    down: int = 0  # what it asks for, of all peers together
    peer_up: int = 0  # what it sends to each peer
    peer_down: int = 0


class ByteRate:
    """A limit of bytes per second."""

    __slots__ = ("_at_ms", "_level", "per_s")

    def __init__(self, per_s: int, now_ms: int) -> None:
        """`per_s`: bytes a second, at least 1."""
        self.per_s = per_s
        self._level = 0.0  # bytes that may be used now; below 0: bytes that others have booked
        self._at_ms = now_ms

    def change(self, per_s: int, now_ms: int) -> None:
        """Another limit from now on. What is owed stays owed."""
        self._fill(now_ms)
        self.per_s = per_s
        self._fill(now_ms)

    def count(self, size: int, now_ms: int) -> None:
        """So many bytes are used, whatever the limit says."""
        self._fill(now_ms)
        self._level -= size

    def book(self, size: int, now_ms: int) -> int:
        """Book a slot for so many bytes. Returns the time (ms) until it begins."""
        wait_ms = self.wait_ms(now_ms)
        self._level -= size
        return wait_ms

    def wait_ms(self, now_ms: int, owing: int = 0) -> int:
        """The time (ms) until everything booked or counted is paid, but for `owing` bytes; 0: something may be used now."""
        self._fill(now_ms)
        missing = -self._level - owing
        return 0 if missing <= 0 else int(missing * 1000 / self.per_s) + 1

    def _fill(self, now_ms: int) -> None:
        passed_ms, self._at_ms = max(0, now_ms - self._at_ms), max(now_ms, self._at_ms)
        most = self.per_s * _BURST_MS / 1000
        self._level = min(most, self._level + passed_ms * self.per_s / 1000)


class LinkRates:
    """The limits of each connection: one that all of them share, and one of its own. In bytes per second; 0: none."""

    def __init__(self, shared: int, own: int, may_change: bool = False) -> None:
        """`may_change`: the limit that all share may become another one, also if there is none now."""
        self._shared = [ByteRate(shared or NO_LIMIT, 0)] if shared or may_change else []
        self._own = own

    def share(self, per_s: int, now_ms: int) -> None:
        """From now on all connections share this limit; 0: none. Only if it may change."""
        for rate in self._shared:
            rate.change(per_s or NO_LIMIT, now_ms)

    def of_link(self, now_ms: int) -> list[ByteRate]:
        """The limits of a new connection."""
        return [*self._shared, *([ByteRate(self._own, now_ms)] if self._own else [])]
