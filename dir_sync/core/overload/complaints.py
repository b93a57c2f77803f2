"""What people are told of machines that break the protocol: for each address one line a minute. Pure.

In:   who broke it, when. Out: whether that is worth a line, and how many there were since
      the last one, at the latest when a minute is over.
"""

from __future__ import annotations

__all__ = ["Complaints"]

_EVERY_S = 60.0
_ADDRESSES_MAX = 1_024


class Complaints:
    def __init__(self) -> None:
        self._told: dict[str, tuple[float, int]] = {}  # address -> when there was a line, how often it erred since

    def add(self, address: str, now_s: float) -> int | None:
        """It has erred once more. None: no line; else how many there were without one."""
        told = self._told.get(address)
        if told is not None and now_s - told[0] < _EVERY_S:
            self._told[address] = told[0], told[1] + 1
            return None
        self._told.pop(address, None)
        if len(self._told) >= _ADDRESSES_MAX:
            del self._told[next(iter(self._told))]
        self._told[address] = now_s, 0
        return 0 if told is None else told[1]

    def left(self, now_s: float) -> list[tuple[str, int]]:
        """Addresses that have stopped, more than a minute after their last line, and how often they erred since it."""
        found = [(one, more) for one, (at, more) in self._told.items() if more and now_s - at >= _EVERY_S]
        for address, _ in found:
            del self._told[address]
        return found

    def is_recent(self, address: str, now_s: float) -> bool:
        """True if it has erred within the last minute: that it comes again is no news."""
        told = self._told.get(address)
        return told is not None and now_s - told[0] < _EVERY_S
