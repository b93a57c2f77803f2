"""How long to wait before the next try: twice as long after each failure, up to a maximum."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["backoff", "longer"]

T = TypeVar("T", int, float)

_DOUBLINGS_MAX = 40  # further doublings do not lengthen the wait


def backoff(first: int, failures: int, most: int) -> int:
    """The wait after `failures` failures: `first` after none, twice as long after each, at most `most`."""
    return min(first << min(failures, _DOUBLINGS_MAX), most)


def longer(last: T, most: T) -> T:
    """The wait that follows a wait of `last`."""
    return min(2 * last, most)
