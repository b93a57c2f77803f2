"""Paths that wait for room in a peer's window, in the order of arrival.

In:   pulls that did not fit; how many bytes are free now; peers that disconnect.
Out:  the paths that are planned again.
Rule: a path may wait at several peers: the first one with room is asked.
Used by: work.
"""

from __future__ import annotations

from dir_sync.core import limits

__all__ = ["RoomQueues"]

_PULL_COST_BYTES = 4 * limits.KIB  # even an empty file counts for so much of the free room


class RoomQueues:
    """One queue for each peer."""

    def __init__(self) -> None:
        self.queues: dict[str, dict[bytes, int]] = {}  # peer -> path -> bytes of room that it needs

    def __bool__(self) -> bool:
        return any(self.queues.values())

    @property
    def has_queues(self) -> bool:
        """True if a queue exists, even an empty one."""
        return bool(self.queues)

    def enter(self, peer: str, path: bytes, size: int) -> None:
        """Let a path wait until `size` bytes are free in that peer's window."""
        self.queues.setdefault(peer, {})[path] = size

    def leave(self, path: bytes) -> None:
        for queue in self.queues.values():
            queue.pop(path, None)

    def peers(self) -> list[str]:
        return list(self.queues)

    def paths(self) -> set[bytes]:
        return {path for queue in self.queues.values() for path in queue}

    def peers_of(self, path: bytes) -> list[str]:
        """The peers in whose queues a path waits."""
        return [peer for peer, queue in self.queues.items() if path in queue]

    def close(self, peer: str) -> dict[bytes, int]:
        """The peer disconnected. Returns the paths that waited for it."""
        return self.queues.pop(peer, {})

    def wake(self, peer: str, room: int) -> list[bytes]:
        """`room` bytes are free in a peer's window. Returns the paths that fit, first come, first served."""
        queue = self.queues[peer]
        woken = []
        for path, size in queue.items():
            room -= max(size, _PULL_COST_BYTES)
            if room < 0:
                break
            woken.append(path)
        for path in woken:
            del queue[path]
        if not queue:
            del self.queues[peer]
        return woken
