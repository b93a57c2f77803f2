"""The table `intent`: new files that are being installed with pushed content.

In:   the records of one update, before its files are installed.
Out:  at the next start, an offer for each record of an intent that was not dropped: no announcement is lost.
Rule: one row covers all files of an update: cheaper than as many offers, and as durable.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

from dir_sync.core.messages import LATER_DEFAULTS, LATER_FIELDS
from dir_sync.core.model import Kind, PeerError, Record, Stamp
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
        paths, _, sizes, contents, mtimes, modes, stamps, vectors, *later = zip(*records, strict=True)
        names = b"\0".join(paths).decode("utf-8", "surrogateescape")
        columns: list[Any] = [names, sizes, b"".join(contents).hex(), mtimes, modes, stamps, vectors]
        for field, values in zip(LATER_FIELDS, later, strict=True):
            columns.append([field.to_json(value) if value else None for value in values] if any(values) else None)
        row = peer, _to_json(columns)
        number = self._database.execute("INSERT INTO intent (peer, records) VALUES (?,?)", row).lastrowid
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
        except (ValueError, TypeError, AttributeError, PeerError, sqlite3.DatabaseError) as error:
            raise IndexDamaged(f"an intent cannot be read: {error}") from error


def _records_of(text: str) -> Iterator[Record]:
    names, sizes, contents, mtimes, modes, stamps, vectors, *more = json.loads(text)
    if type(names) is not str:
        raise ValueError("names are not text")
    paths = names.encode("utf-8", "surrogateescape").split(b"\0")
    digests = [bytes.fromhex(contents[at : at + _DIGEST_DIGITS]) for at in range(0, len(contents), _DIGEST_DIGITS)]
    later = []
    makers: dict[str, str] = {}
    for field, default, values in zip_longest(LATER_FIELDS, LATER_DEFAULTS, more):
        read = field.from_json
        later.append([read(value, makers) if value else default for value in values or [None] * len(paths)])
    columns = zip(paths, sizes, digests, mtimes, modes, stamps, vectors, *later, strict=True)
    for path, size, digest, mtime, mode, stamp, vector, *rest in columns:
        known = tuple([(maker, counter) for maker, counter in vector])
        yield Record(path, Kind.FILE, size, digest, mtime, mode, Stamp(*stamp), known, *rest)
