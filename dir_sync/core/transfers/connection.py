"""The state of one connection that all folders share which two nodes have in common.

In:   bytes that are requested and received, queued and sent. Out: how much room is left, in one account for all
folders.
Rule: only the engine's thread uses it. The daemon makes one Connection per accepted link and gives it to the engine of
each folder. Messages name their folder. Chunks name a pull, whose id contains the folder (`folder_of`).
"""

from __future__ import annotations

from dir_sync.core.transfers.transfer import Window

__all__ = ["Connection"]


class Connection:
    """`number`: of this link; never reused."""

    __slots__ = ("number", "pulls", "queued", "unread", "window")

    def __init__(self, number: int) -> None:
        self.number = number
        self.window = Window()  # requested from the peer and not received yet
        self.queued = 0  # approximate bytes in its outbox
        self.unread = 0  # bytes that the peer requested and that were not read yet ...
        self.pulls = 0  # ... and the number of these pulls

    def drained(self, size: int) -> None:
        """So many bytes have left the outbox."""
        self.queued = max(0, self.queued - size)

    def asked(self, length: int) -> None:
        """The peer requested so many bytes."""
        self.unread += length
        self.pulls += 1

    def answered(self, length: int, pulls: int = 1) -> None:
        """So many requested bytes were read or refused, for so many pulls."""
        self.unread = max(0, self.unread - length)
        self.pulls = max(0, self.pulls - pulls)
