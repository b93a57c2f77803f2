"""The state of one connection that all folders share which two nodes have in common.

In:   bytes that are requested and received, queued and sent. Out: how much room is left, in one account for all
folders.
Rule: only the engine's thread uses it. The daemon makes one Connection per accepted link and gives it to the engine of
each folder. Messages name their folder. Chunks name a pull, whose id contains the folder (`folder_of`).
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core import limits
from dir_sync.core.overload.byte_rate import ByteRate
from dir_sync.core.transfers.transfer import Window

__all__ = ["Connection"]


class Connection:
    """`number`: of this link; never reused. `rates`: limits of bytes per second for what is requested.
    `sends_per_s`: the limit of bytes per second for what is sent; 0: none."""

    __slots__ = ("number", "outbox_bytes", "pulls", "queued", "unread", "window")

    def __init__(self, number: int, rates: Sequence[ByteRate] = (), sends_per_s: int = 0) -> None:
        self.number = number
        self.window = Window(rates)  # requested from the peer and not received yet
        self.queued = 0  # approximate bytes in its outbox
        # if what is sent is limited: so much waits in the outbox, and the peer gets contents only as it asks for them
        self.outbox_bytes: int | None = None
        self.sends(sends_per_s)
        self.unread = 0  # bytes that the peer requested and that were not read yet ...
        self.pulls = 0  # ... and the number of these pulls

    def sends(self, per_s: int) -> None:
        """The limit of what is sent is this from now on. One that is there stays, but may become very large."""
        if per_s:
            self.outbox_bytes = min(max(limits.CHUNK_BYTES, per_s // 4), limits.OUTBOX_BYTES_MAX)

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
