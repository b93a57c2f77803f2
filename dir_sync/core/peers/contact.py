"""A connected peer, as all machines of the engine see it.

In:   the result of the handshake. Out: who the peer is, which states were exchanged, and the connection.
Rule: state that only one machine needs is kept in that machine, by the id of the replica.
"""

from __future__ import annotations

from dir_sync.core.frozen import field, mutable
from dir_sync.core.peers.standing import Standing
from dir_sync.core.transfers.connection import Connection

__all__ = ["Contact"]


@mutable
class Contact:
    """One connected peer."""

    replica: str  # its id in the index, in events and in effects
    name: str
    connection: Connection  # shared by all folders that the two nodes have in common
    may_write: bool = True  # false: a read-only member of a closed mesh
    has_asked: bool = False  # it asked for our state: from then on changes are announced to it
    was_asked: bool = False  # we asked for its state
    synced: bool = False  # its state has arrived completely
    standing: Standing = field(default_factory=Standing)

    @property
    def link(self) -> int:
        """The number of this connection."""
        return self.connection.number
