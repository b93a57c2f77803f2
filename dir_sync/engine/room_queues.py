"""Paths that wait for room in a peer's window, in the order in which they came.

In:   what did not fit; how much room there is now; who left.
Out:  the paths that are planned again.
Rule: a path may wait at several peers: whichever has room first is asked.
Used by: work.
"""

from __future__ import annotations

from dir_sync.core import limits

__all__ = ["RoomQueues"]

_PULL_COST_BYTES = 4 * limits.KIB  # what even an empty file counts for when those who wait for room are woken


class RoomQueues:
    """One queue for each peer."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[bytes, int]] = {}  # peer -> path -> for so much room in its window

    def __bool__(self) -> bool:
        return any(self._waiting.values())

    @property
    def has_queues(self) -> bool:
        """True if a queue has not been taken away yet, be it empty."""
        return bool(self._waiting)

    def enter(self, peer: str, path: bytes, size: int) -> None:
        """So much has to come free in that peer's window before the path is planned again."""
        self._waiting.setdefault(peer, {})[path] = size

    def leave(self, path: bytes) -> None:
        for queue in self._waiting.values():
            queue.pop(path, None)

    def peers(self) -> list[str]:
        return list(self._waiting)

    def paths(self) -> set[bytes]:
        return {path for queue in self._waiting.values() for path in queue}

    def close(self, peer: str) -> dict[bytes, int]:
        """That peer is gone. Returns who waited for it."""
        return self._waiting.pop(peer, {})

    def wake(self, peer: str, room: int) -> list[bytes]:
        """So much is free in a peer's window: those that fit, first come, first served."""
        queue = self._waiting[peer]
        woken = []
        for path, size in queue.items():
            room -= max(size, _PULL_COST_BYTES)
            if room < 0:
                break
            woken.append(path)
        for path in woken:
            del queue[path]
        if not queue:
            del self._waiting[peer]
        return woken
