"""The table `peer`: how much of each peer's index this node has received.

In:   the sequences in the messages of a peer.
Out:  after a restart, the sequence from which to ask a peer for changes.
Rule: a peer stays until it is forgotten, whether it is connected or not.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple
from dir_sync.index.database import Database

__all__ = ["PeerSeen", "Peers"]


class PeerSeen(NamedTuple):
    """`seen`: this node has received the peer's changes up to this sequence. `first`: the peer's sequence at the end of
    the first contact; None: that is not over yet."""

    seen: int
    first: int | None


class Peers:
    """All replicas that were ever connected and are not forgotten. Written at the next commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        query = "SELECT replica, seen, first FROM peer"
        self._seen = {replica: PeerSeen(seen, first) for replica, seen, first in database.execute(query)}
        self.unwritten: dict[str, PeerSeen] = {}

    def flush(self) -> None:
        if self.unwritten:
            peers = [(replica, *seen) for replica, seen in self.unwritten.items()]
            self._database.executemany("INSERT OR REPLACE INTO peer VALUES (?,?,?)", peers)
            self.unwritten.clear()

    def get(self, replica: str) -> PeerSeen | None:
        return self._seen.get(replica)

    def put(self, replica: str, seen: PeerSeen) -> None:
        self._seen[replica] = seen
        self.unwritten[replica] = seen

    def replicas(self) -> list[str]:
        return list(self._seen)

    def ask_anew(self) -> None:
        """Ask every peer for its whole state at the next contact."""
        for replica, known in self._seen.items():
            self.put(replica, known._replace(seen=0))

    def forget(self, replica: str) -> None:
        """Forget a replica as if it had never been connected."""
        self._seen.pop(replica, None)
        self.unwritten.pop(replica, None)
        self._database.execute("DELETE FROM peer WHERE replica=?", (replica,))
