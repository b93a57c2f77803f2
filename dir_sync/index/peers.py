"""The table `peer`: how far this node has seen the index of each peer.

In:   what the engine learns from the messages of a peer.
Out:  the same again after a restart: from where on a peer is asked for changes.
Rule: a peer stays until it is forgotten, whether it is connected or not.
"""

from __future__ import annotations

from typing import NamedTuple

from dir_sync.index.database import Database

__all__ = ["PeerSeen", "Peers"]


class PeerSeen(NamedTuple):
    """`seen`: this node has received the peer's changes up to this sequence of the index with this id.
    `first`: where that index stood when the first contact was over; None: it is not over yet."""

    index_id: str
    seen: int
    first: int | None


class Peers:
    """All nodes that were ever connected, and are not forgotten. Written at the next commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        query = "SELECT node, index_id, seen, first FROM peer"
        self._seen = {node: PeerSeen(index_id, seen, first) for node, index_id, seen, first in database.execute(query)}
        self._dirty: dict[str, PeerSeen] = {}

    @property
    def is_dirty(self) -> bool:
        return bool(self._dirty)

    def flush(self) -> None:
        if self._dirty:
            peers = [(node, *seen) for node, seen in self._dirty.items()]
            self._database.executemany("INSERT OR REPLACE INTO peer VALUES (?,?,?,?)", peers)
            self._dirty.clear()

    def get(self, node: str) -> PeerSeen | None:
        return self._seen.get(node)

    def put(self, node: str, seen: PeerSeen) -> None:
        self._seen[node] = seen
        self._dirty[node] = seen

    def nodes(self) -> list[str]:
        return list(self._seen)

    def ask_anew(self) -> None:
        """As if no peer had announced anything yet: each will be asked for all it has."""
        for node, known in self._seen.items():
            self.put(node, known._replace(seen=0))

    def forget(self, node: str) -> None:
        """As if that node had never been connected."""
        self._seen.pop(node, None)
        self._dirty.pop(node, None)
        self._database.execute("DELETE FROM peer WHERE node=?", (node,))
