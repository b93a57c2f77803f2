"""The table `intent`: new files that are being installed with pushed content.

In:   the records of one update, before its files are installed.
Out:  at the next start, an offer for each record of an intent that was not dropped: no announcement is lost.
Rule: one row covers all files of an update: cheaper than as many offers, and as durable.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.reconcile import Offer
from dir_sync.index.database import Database, IndexDamaged
from dir_sync.index.offers import Offers

__all__ = ["Intents"]

_DIGEST_DIGITS = 64  # of a digest in hexadecimal
_to_json = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode


class Intents:
    """Installations under way. Each write goes to the database at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, peer: str, records: Iterable[Record]) -> int:
        """Files that a peer announced and that are being installed now. Returns the number for `drop`."""
        paths, _, sizes, contents, mtimes, modes, stamps, vectors, lineages = zip(*records, strict=True)
        names = b"\0".join(paths).decode("utf-8", "surrogateescape")
        values = (peer, _to_json([names, sizes, b"".join(contents).hex(), mtimes, modes, stamps, vectors, lineages]))
        number = self._database.execute("INSERT INTO intent (peer, records) VALUES (?,?)", values).lastrowid
        assert number is not None
        return number

    def drop(self, number: int) -> None:
        """Every file of the intent has become a row or an offer."""
        self._database.execute("DELETE FROM intent WHERE id=?", (number,))

    def recover(self, offers: Offers) -> None:
        """Make offers of the intents that were not dropped. Raises IndexDamaged if one cannot be read."""
        try:
            for peer, text in self._database.execute("SELECT peer, records FROM intent").fetchall():
                for record in _records_of(text):
                    known = offers.of_peer(record.path, peer)
                    # Otherwise the peer has announced a later version, such as a removal.
                    if known is None or known.record.stamp < record.stamp:
                        offers.put(Offer(peer, record, False))
            self._database.execute("DELETE FROM intent")
        except (ValueError, TypeError, sqlite3.DatabaseError) as error:
            raise IndexDamaged(f"an intent cannot be read: {error}") from error


def _records_of(text: str) -> Iterator[Record]:
    names, sizes, contents, *rest = json.loads(text)
    if type(names) is not str:
        raise ValueError("names are not text")
    paths = names.encode("utf-8", "surrogateescape").split(b"\0")
    digests = [bytes.fromhex(contents[at : at + _DIGEST_DIGITS]) for at in range(0, len(contents), _DIGEST_DIGITS)]
    for path, size, digest, mtime, mode, stamp, *vectors in zip(paths, sizes, digests, *rest, strict=True):
        entries = (tuple((node, counter) for node, counter in vector) for vector in vectors)
        yield Record(path, Kind.FILE, size, digest, mtime, mode, Stamp(*stamp), *entries)
