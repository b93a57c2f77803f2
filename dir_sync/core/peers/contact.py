"""A connected peer, as all machines see it.

In:   what the handshake told. Out: who it is, how far the two have greeted each other, and how much waits to be sent to it.
Rule: what one machine alone knows of a peer stands in that machine, by the id of the replica.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dir_sync.core.peers.standing import Standing

__all__ = ["Contact"]


@dataclass(slots=True)
class Contact:
    """One connected peer."""

    replica: str  # its id: so peers are called in the index, events and effects
    name: str
    link: int  # number of this connection
    may_write: bool = True  # false: a read-only member of a closed mesh
    has_asked: bool = False  # it has asked for our state: from then on it is told what changes
    was_asked: bool = False  # we have asked for its state
    synced: bool = False  # it has told us all it had
    queued: int = 0  # bytes in its outbox, roughly
    standing: Standing = field(default_factory=Standing)

    def drained(self, size: int) -> None:
        """So many bytes of its outbox have left."""
        self.queued = max(0, self.queued - size)
