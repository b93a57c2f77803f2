"""One node, and a peer that is made up: the test writes what the peer says."""

from __future__ import annotations

from dir_sync.core.events import PeerUp, Received
from dir_sync.core.messages import PROTOCOL, FolderIndex, Hello, State, StateRequest
from tests.pair import FOLDER, OneNode


def run(node: OneNode, ms: int = 2_000) -> None:
    """Nobody hears what it says."""
    for _ in range(ms // 50):
        while node.turn():
            node.sends.clear()
        node.clock.ms += 50


def join(node: OneNode, peer: str, ms: int = 2_000) -> None:
    """An empty peer connects, and `ms` pass."""
    hello = Hello(PROTOCOL, "0d" + peer, peer, "1", 6000, (FolderIndex(FOLDER, peer, 0),))
    node.inbox.append(PeerUp(peer, hello, "10.0.0.66"))
    node.inbox.append(Received(peer, StateRequest(FOLDER, node.index.identity.replica, 0, 0)))
    node.inbox.append(Received(peer, State(FOLDER, 0, True, ())))
    run(node, ms)
