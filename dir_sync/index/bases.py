"""The tables `base` and `loser`: earlier versions of texts that can be merged from, and conflicts that are not over.

In:   versions with their contents, compressed; losers of conflicts.
Out:  the versions of one path; a content; the losers.
Rule: used only with `--merge`. What a user overwrites is in no history here, and a merge needs it: so it is kept before.
Of one path the versions that lasted shortest go first, of all the oldest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dir_sync.core import limits
from dir_sync.core.model import Record, Stamp
from dir_sync.core.named import NamedTuple
from dir_sync.index.codec import RECORD_COLUMNS, RECORD_WIDTH, columns_of_record, later_columns, record_of
from dir_sync.index.database import Database

__all__ = ["Bases", "LostVersion"]

_MARKS = ",".join("?" * (RECORD_WIDTH + 2))
_AT = "parent=? AND name=?"


class LostVersion(NamedTuple):
    """A version that lost a conflict, and its name in the history. `merged`: what was merged from it here just now."""

    record: Record
    version: bytes
    merged: Record | None = None


class Bases:
    """Versions that can be merged from. Each write goes to the database at once."""

    def __init__(self, database: Database) -> None:
        self._execute = database.execute
        self._total: int | None = None

    def put(self, record: Record, packed: bytes, now_ns: int, spared: Collection[Stamp] = ()) -> None:
        """Keep a version. `packed`: its content, compressed; b"": it is no text. Others may have to go, but not those that
        are `spared`."""
        values = (*columns_of_record(record), *later_columns(record), now_ns, packed)
        self._total = self.total_bytes() + len(packed)
        self._execute(f"INSERT OR REPLACE INTO base ({RECORD_COLUMNS},kept_ns,packed) VALUES ({_MARKS})", values)
        self._thin(record.path, spared)
        while self.total_bytes() > limits.BASES_BYTES_MAX:
            oldest = "SELECT kept_ns FROM base ORDER BY kept_ns LIMIT 1 OFFSET 99"
            self._execute(f"DELETE FROM base WHERE kept_ns<=COALESCE(({oldest}),(SELECT MAX(kept_ns) FROM base))")
            self._total = None  # exact again: a version that was put twice counts twice until then

    def total_bytes(self) -> int:
        """The size of all contents."""
        if self._total is None:
            (self._total,) = self._execute("SELECT COALESCE(SUM(LENGTH(packed)),0) FROM base").fetchone()
        assert self._total is not None
        return self._total

    def _thin(self, path: bytes, spared: Collection[Stamp]) -> None:
        """Drop the version that was replaced soonest, but neither the first nor the last one."""
        found = self._execute(f"SELECT stamp_ns,stamp_maker FROM base WHERE {_AT} ORDER BY stamp_ns", _key(path))
        stamps = [stamp for columns in found if (stamp := Stamp(*columns)) not in spared]
        while len(stamps) > limits.BASES_PER_PATH_MAX:
            at = min(range(1, len(stamps) - 1), key=lambda at: stamps[at + 1].ns - stamps[at].ns)
            stamp = stamps.pop(at)
            self._remove(f"{_AT} AND stamp_ns=? AND stamp_maker=?", (*_key(path), *stamp))

    def of(self, path: bytes) -> list[Record]:
        """The versions of a path whose contents are kept, and are text."""
        query = f"SELECT {RECORD_COLUMNS} FROM base WHERE {_AT} AND packed<>x''"
        return [record_of(columns) for columns in self._execute(query, _key(path))]

    def content(self, record: Record) -> bytes | None:
        """The content of a version, compressed; b"": it is no text; None: it is not kept."""
        query = f"SELECT packed FROM base WHERE {_AT} AND stamp_ns=? AND stamp_maker=? AND content=?"
        found = self._execute(query, (*_key(record.path), *record.stamp, record.content)).fetchone()
        if found is None:
            return None
        packed: bytes = found[0]
        return packed

    def drop(self, path: bytes) -> None:
        """Nothing is at that path any more."""
        self._remove(_AT, _key(path))

    def _remove(self, where: str, values: tuple[object, ...]) -> None:
        """Without a new sum over the whole table: this is called for each folder and each deletion."""
        gone = self._execute(f"DELETE FROM base WHERE {where} RETURNING LENGTH(packed)", values).fetchall()
        if self._total is not None:
            self._total -= sum(size for (size,) in gone)

    # --- losers ---

    def lost(self, record: Record, version: bytes) -> None:
        """A version lost a conflict, and is in the history under that name."""
        values = (*columns_of_record(record), *later_columns(record), version)
        marks = ",".join("?" * (RECORD_WIDTH + 1))
        self._execute(f"INSERT OR REPLACE INTO loser ({RECORD_COLUMNS},version) VALUES ({marks})", values)

    def losers(self) -> Iterator[LostVersion]:
        """All losers of conflicts that are not over."""
        for columns in self._execute(f"SELECT {RECORD_COLUMNS},version FROM loser").fetchall():
            yield LostVersion(record_of(columns), columns[RECORD_WIDTH])

    def conflict_over(self, version: bytes) -> None:
        self._execute("DELETE FROM loser WHERE version=?", (version,))


def _key(path: bytes) -> tuple[bytes, bytes]:
    parent, _, name = path.rpartition(b"/")
    return parent, name
