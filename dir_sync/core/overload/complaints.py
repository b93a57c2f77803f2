"""Limits the log of protocol errors to one line per minute for each address. Pure.

In:   the address that made an error, and the time. Out: whether to log it, and how many errors were not logged since
the last line; these are reported after a minute at the latest.
"""

from __future__ import annotations

__all__ = ["Complaints"]

_EVERY_S = 60.0
_ADDRESSES_MAX = 1_024


class Complaints:
    def __init__(self) -> None:
        self._told: dict[str, tuple[float, int]] = {}  # address -> time of its last line, errors since

    def add(self, address: str, now_s: float) -> int | None:
        """Count an error. Returns None for no line; otherwise the number of errors that were not logged before it."""
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
        """Addresses with unreported errors whose last line is more than a minute old, and the number of these
        errors."""
        found = [(one, more) for one, (at, more) in self._told.items() if more and now_s - at >= _EVERY_S]
        for address, _ in found:
            del self._told[address]
        return found

    def is_recent(self, address: str, now_s: float) -> bool:
        """True if the address made an error within the last minute: that it reconnects then need not be logged."""
        told = self._told.get(address)
        return told is not None and now_s - told[0] < _EVERY_S
