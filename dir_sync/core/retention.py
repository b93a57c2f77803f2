"""How long the history keeps what synchronization replaced.

In:   how old and how large it is. Out: what may go.
Rule: by age all alike; for room the oldest ordinary versions first, and losers of conflicts last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dir_sync.core.events import Version

__all__ = ["DAY_NS", "Retention", "enough"]

DAY_NS = 86_400 * 10**9


class Retention(NamedTuple):
    keep_ns: int = 30 * DAY_NS
    bytes_max: int = 50 * 10**9


def enough(versions: Iterable[Version], room: int) -> list[Version]:
    """The first of `versions` that make `room` bytes of room together."""
    chosen: list[Version] = []
    for version in versions:
        if room <= 0:
            break
        chosen.append(version)
        room -= max(version.size, 1)
    return chosen
