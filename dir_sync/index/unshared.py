"""The table `unshared`: what peers announced at paths that the rules of this node ignore.

In:   announcements at ignored paths, as they come.
Out:  for each peer, how much that is, also after a restart: a peer announces each change once.
Rule: nothing is decided by it. It says only what this node has acknowledged and does not have.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.model import Kind, Record
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.index.database import Database

__all__ = ["Unshared"]


class Unshared:
    """All such paths; the totals of each peer are kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        query = "SELECT peer, COUNT(*), SUM(kind=1), SUM((kind=1)*size) FROM unshared GROUP BY peer"
        self._totals = {peer: Lack(files, size, count - files) for peer, count, files, size in database.execute(query)}

    def of_peer(self, peer: str) -> Lack:
        """The totals of what that peer has at ignored paths."""
        return self._totals.get(peer, NOTHING)

    def put(self, peer: str, record: Record) -> None:
        """The peer has this at an ignored path. Beyond UNSHARED_PER_PEER_MAX nothing more is counted."""
        self.drop(peer, record.path)
        known = self.of_peer(peer)
        if record.kind is Kind.ABSENT or known.files + known.others >= limits.UNSHARED_PER_PEER_MAX:
            return
        query = "INSERT INTO unshared VALUES (?,?,?,?)"
        self._database.execute(query, (peer, record.path, int(record.kind), record.size))
        self._totals[peer] = known.plus(_one(record.kind is Kind.FILE, record.size))

    def drop(self, peer: str, path: bytes) -> None:
        """What the peer has at this path is shared, or is no more."""
        if peer not in self._totals:
            return
        query = "SELECT kind, size FROM unshared WHERE peer=? AND path=?"
        found = self._database.execute(query, (peer, path)).fetchone()
        if found is not None:
            self._database.execute("DELETE FROM unshared WHERE peer=? AND path=?", (peer, path))
            self._totals[peer] = self._totals[peer].less(_one(found[0] == int(Kind.FILE), found[1]))

    def forget(self, peer: str) -> None:
        """The peer is about to tell its whole state, or is forgotten."""
        if self._totals.pop(peer, None) is not None:
            self._database.execute("DELETE FROM unshared WHERE peer=?", (peer,))


def _one(is_file: bool, size: int) -> Lack:
    return Lack(1, size, 0) if is_file else Lack(0, 0, 1)
