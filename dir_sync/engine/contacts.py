"""Which peers come and go.

In:   a peer that came; a peer that has to go, and why. Out: the peers on the board; those that have to be removed.
Rule: it alone adds peers to the board and removes them. To remove one takes all machines, so a peer that has to go is
only marked; `Engine` removes it when the event was handled.
Used by: peer_losses, transfers, deltas_out, uploader, deltas_in, intake, router.
"""

from __future__ import annotations

from dir_sync.core.events import Drop
from dir_sync.core.jobs import DeltaDone, ReadDone, Signed
from dir_sync.core.peers.contact import Contact
from dir_sync.engine.board import Board

__all__ = ["Contacts"]

_ADDRESSES_MAX = 10_000


class Contacts:
    """`addresses`: the last known address of each peer, connected or not."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._peers = board.peers
        self._gone: list[str] = []  # peers to be removed when this event is handled
        self.addresses: dict[str, str] = {}

    def came(self, peer: Contact, address: str) -> None:
        if len(self.addresses) > _ADDRESSES_MAX:
            self.addresses = {replica: at for replica, at in self.addresses.items() if replica in self._peers}
        self.addresses[peer.replica] = address
        self._peers[peer.replica] = peer

    def left(self, replica: str) -> bool:
        """Remove a peer. False if it was removed already."""
        return self._peers.pop(replica, None) is not None

    def drop(self, peer: Contact, reason: str, text: str) -> None:
        """End the connection of a peer."""
        self._board.emit(Drop(peer.replica, reason, text))
        self._gone.append(peer.replica)

    def drop_all(self) -> None:
        """Ask for the end of all connections. The peers may connect again at once."""
        self._gone += self._peers

    def next_gone(self) -> str | None:
        """The next peer that has to be removed; None if there is none."""
        return self._gone.pop(0) if self._gone else None

    def asker(self, event: ReadDone | DeltaDone | Signed) -> Contact | None:
        """The peer that waits for this result; None if its connection was replaced meanwhile."""
        peer = self._peers.get(event.peer)
        return peer if peer is not None and peer.link == event.link else None
