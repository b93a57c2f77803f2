"""A connected peer, as all machines see it.

In:   what the handshake told. Out: who it is, how far the two have greeted each other, and the connection.
Rule: what one machine alone knows of a peer stands in that machine, by the id of the replica.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dir_sync.core.peers.standing import Standing
from dir_sync.core.transfers.connection import Connection

__all__ = ["Contact"]


@dataclass(slots=True)
class Contact:
    """One connected peer."""

    replica: str  # its id: so peers are called in the index, events and effects
    name: str
    connection: Connection  # shared with the other folders that the two nodes have in common
    may_write: bool = True  # false: a read-only member of a closed mesh
    has_asked: bool = False  # it has asked for our state: from then on it is told what changes
    was_asked: bool = False  # we have asked for its state
    synced: bool = False  # it has told us all it had
    standing: Standing = field(default_factory=Standing)

    @property
    def link(self) -> int:
        """The number of this connection."""
        return self.connection.number
