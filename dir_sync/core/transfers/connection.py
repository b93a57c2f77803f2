"""One connection, as all folders see it that two nodes share.

In:   what is asked for and comes, what is sent and has left. Out: room for more, by one account for all folders.
Rule: the engine's thread only. Whoever accepts a link makes one Connection and gives it to the engine of each folder.
      Messages name their folder. Chunks name a pull, and the id of a pull says for which folder it was (`folder_of`).
"""

from __future__ import annotations

from dir_sync.core.transfers.transfer import Window

__all__ = ["Connection"]


class Connection:
    """`number`: of this link, never used again."""

    __slots__ = ("number", "pulls", "queued", "unread", "window")

    def __init__(self, number: int) -> None:
        self.number = number
        self.window = Window()  # what was asked of the peer and is not here yet
        self.queued = 0  # bytes in its outbox, roughly
        self.unread = 0  # bytes that the peer has asked for and that have not been read yet ...
        self.pulls = 0  # ... and the pulls that they belong to

    def drained(self, size: int) -> None:
        """So many bytes of its outbox have left."""
        self.queued = max(0, self.queued - size)

    def asked(self, length: int) -> None:
        """The peer wants so many bytes."""
        self.unread += length
        self.pulls += 1

    def answered(self, length: int, pulls: int = 1) -> None:
        """So many bytes that it wanted were read or refused, for so many pulls."""
        self.unread = max(0, self.unread - length)
        self.pulls = max(0, self.pulls - pulls)
