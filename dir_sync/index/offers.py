"""The table `offer`: records that peers announced and that this node does not have (yet).

In:   each offer that the engine accepts or drops.
Out:  the offers of a path, ordered by peer; the paths with offers; the totals of each peer's offers.
Rule: at most one offer per path and peer. Pending work is always computed from offers, so it survives a restart.
"""

from __future__ import annotations

from dir_sync.core.mode import OWN, THEIRS, is_own
from dir_sync.core.model import Kind
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.reconcile import Offer
from dir_sync.index.codec import RECORD_COLUMNS, RECORD_WIDTH, columns_of_record, joined, later_columns, record_of
from dir_sync.index.database import Database

__all__ = ["Offers"]

_DECODED_MAX = 20_000  # paths whose offers are kept decoded; at most some 10 MB


class Offers:
    """All offers. Decoded ones are cached; writes go to the database in bulk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._decoded: dict[bytes, dict[str, Offer]] = {}  # by path and peer
        self.unwritten: dict[tuple[bytes, str], None] = {}  # (path, peer) of offers that were written or dropped
        self._any_stored = self._exists()  # the database has offers
        # Paths with offers in the database, and maybe some others; None: too many to keep, or unknown.
        self._stored: set[bytes] | None = None if self._any_stored else set()
        self._wanted = self._count_wanted()  # totals of each peer's offers
        self.went = False  # an offer was dropped or replaced since `reset_went`

    def _exists(self) -> bool:
        return self._database.execute("SELECT 1 FROM offer LIMIT 1").fetchone() is not None

    def _count_wanted(self) -> dict[str, Lack]:
        query = (
            "SELECT peer, COUNT(*), SUM(kind=1), SUM((kind=1)*size) FROM offer"
            " WHERE peer<>? OR substr(stamp_maker,1,1)<>? GROUP BY peer"
        )
        found = self._database.execute(query, (THEIRS, OWN))
        return {peer: Lack(files, size, count - files) for peer, count, files, size in found}

    # --- as a writer ---

    def flush(self) -> None:
        if not self.unwritten:
            return
        gone, there = [], []
        for path, peer in self.unwritten:
            offer = self._decoded.get(path, {}).get(peer)
            if offer is None:
                parent, _, name = path.rpartition(b"/")
                gone.append((parent, name, peer))
            else:
                columns, later = columns_of_record(offer.record), later_columns(offer.record)
                there.append((*columns[:2], peer, *columns[2:], int(offer.foreign), *later))
        if gone and self._any_stored:
            self._database.executemany("DELETE FROM offer WHERE parent=? AND name=? AND peer=?", gone)
        if there:
            marks = ",".join("?" * (RECORD_WIDTH + 2))
            self._database.executemany(f"INSERT OR REPLACE INTO offer VALUES ({marks})", there)
            if self._stored is not None:
                self._stored.update(path for path, _ in self.unwritten)
                if len(self._stored) > _DECODED_MAX:
                    self._stored = None
        self.unwritten.clear()
        self._any_stored = bool(there) or self._exists()
        if not self._any_stored:
            self._decoded.clear()  # all of them are empty
            self._stored = set()

    def reset_went(self) -> None:
        """From now on `went` tells whether an offer was dropped or replaced."""
        self.went = False

    # --- one path ---

    def of(self, path: bytes) -> list[Offer]:
        """The offers for a path, ordered by peer."""
        known = self._decoded.get(path)
        if known is None:
            known = self._of(path)
        if len(known) < 2:
            return [*known.values()]
        return [known[peer] for peer in sorted(known)]

    def of_peer(self, path: bytes, peer: str) -> Offer | None:
        return self._of(path).get(peer)

    def without(self, paths: set[bytes]) -> set[bytes]:
        """Those of `paths` without an offer."""
        if self._stored is None:
            return {path for path in paths if not self._of(path)}
        free = paths.difference(self._decoded).difference(self._stored)
        return free | {path for path in paths - free if not self._of(path)}

    def put(self, offer: Offer) -> None:
        path = offer.record.path
        known = self._of(path)
        earlier = known.get(offer.peer)
        self.went = self.went or earlier is not None
        self._add_wanted(offer, 1)
        if earlier is not None:
            self._add_wanted(earlier, -1)
        known[offer.peer] = offer
        self._decoded[path] = known
        self.unwritten[(path, offer.peer)] = None

    def drop(self, path: bytes, peer: str) -> bool:
        """Drop an offer. True if there was one."""
        offer = self._of(path).pop(peer, None)
        if offer is None:
            return False
        self._add_wanted(offer, -1)
        self.went = True
        self.unwritten[(path, peer)] = None
        return True

    def _of(self, path: bytes) -> dict[str, Offer]:
        """The offers by peer. An empty dict may be a new one: a caller that adds to it has to store it."""
        try:
            return self._decoded[path]
        except KeyError:
            pass
        if not self._any_stored and not self._decoded:
            return {}
        known: dict[str, Offer] = {}
        if self._any_stored and (self._stored is None or path in self._stored):
            parent, _, name = path.rpartition(b"/")
            query = f"SELECT {RECORD_COLUMNS},peer,foreign_ FROM offer WHERE parent=? AND name=?"
            for fields in self._database.execute(query, (parent, name)):
                known[fields[-2]] = Offer(fields[-2], record_of(fields), bool(fields[-1]))
        if len(self._decoded) >= _DECODED_MAX:
            self.flush()
            self._decoded.clear()
        self._decoded[path] = known
        return known

    # --- many paths ---

    def paths(self, after: bytes | None, limit: int) -> list[bytes]:
        """Paths with offers, in order, above `after` (None: from the start)."""
        self.flush()
        parent, _, name = (after or b"").rpartition(b"/")
        query = "SELECT DISTINCT parent,name FROM offer WHERE (parent,name)>(?,?) ORDER BY parent,name LIMIT ?"
        return [joined(*key) for key in self._database.execute(query, (parent, name, limit))]

    def paths_in(self, parent: bytes, limit: int) -> list[bytes]:
        """Paths directly in a folder with offers that are no tombstones."""
        if not self._any_stored and not self.unwritten:
            return []
        self.flush()
        query = "SELECT DISTINCT parent,name FROM offer WHERE parent=? AND kind<>0 LIMIT ?"
        return [joined(*key) for key in self._database.execute(query, (parent, limit))]

    def paths_made_by(self, maker: str) -> list[bytes]:
        """Paths with an offer of a record by this maker."""
        self.flush()
        query = "SELECT DISTINCT parent,name FROM offer WHERE stamp_maker=?"
        return [joined(*key) for key in self._database.execute(query, (maker,))]

    def contents(self) -> list[bytes]:
        """Contents of files with offers."""
        self.flush()
        query = "SELECT DISTINCT content FROM offer WHERE kind=1"
        return [content for (content,) in self._database.execute(query)]

    def any(self) -> bool:
        self.flush()
        return self._any_stored

    def count_paths(self) -> int:
        """The number of paths with offers of peers."""
        self.flush()
        query = "SELECT COUNT(*) FROM (SELECT DISTINCT parent,name FROM offer WHERE peer<>?)"
        return int(self._database.execute(query, (THEIRS,)).fetchone()[0])

    # --- one peer ---

    def count_by(self, peer: str) -> int:
        """The number of offers of a peer."""
        self.flush()
        return int(self._database.execute("SELECT COUNT(*) FROM offer WHERE peer=?", (peer,)).fetchone()[0])

    def paths_by(self, peer: str) -> list[bytes]:
        """The paths of a peer's offers."""
        if self._wanted.get(peer, NOTHING) == NOTHING:
            return []  # without a look at those of all others
        self.flush()
        return [joined(*key) for key in self._database.execute("SELECT parent,name FROM offer WHERE peer=?", (peer,))]

    def wanted_from(self, peer: str) -> Lack:
        """The totals of a peer's offers; of THEIRS, of what the mesh has where something was changed here only."""
        return self._wanted.get(peer, NOTHING)

    def forget(self, peer: str) -> None:
        """Drop all offers of a peer, because its index was replaced."""
        self.flush()
        self._decoded.clear()
        self.went = True
        self._database.execute("DELETE FROM offer WHERE peer=?", (peer,))
        self._wanted.pop(peer, None)
        self._any_stored = self._exists()

    def forget_all(self) -> None:
        """Drop the offers of all peers."""
        self.flush()
        self._decoded.clear()
        self.went = True
        self._database.execute("DELETE FROM offer")
        self._wanted.clear()
        self._any_stored = False

    def _add_wanted(self, offer: Offer, sign: int) -> None:
        if offer.peer == THEIRS and is_own(offer.record):  # the mesh has nothing there
            return
        files, size, others = self._wanted.get(offer.peer, NOTHING)
        if offer.record.kind is Kind.FILE:
            self._wanted[offer.peer] = Lack(files + sign, size + sign * offer.record.size, others)
        else:
            self._wanted[offer.peer] = Lack(files, size, others + sign)
