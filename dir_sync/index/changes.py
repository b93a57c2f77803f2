"""Rows by when and by whom they were changed.

In:   a sequence, or makers of records.
Out:  the rows above that sequence, the latest rows, rows by their makers, totals.
Rule: only queries.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core.peers.standing import Lack
from dir_sync.index.codec import joined
from dir_sync.index.database import Database
from dir_sync.index.rows import Row, Rows

__all__ = ["Changes"]


class Changes:
    """Queries on the rows. Each row has the sequence of its last change."""

    def __init__(self, database: Database, rows: Rows) -> None:
        self._database = database
        self._rows = rows

    def after(self, sequence: int, limit: int) -> list[Row]:
        """Rows above a sequence, ascending."""
        self._rows.flush()
        query = "SELECT parent,name FROM row WHERE seq>? ORDER BY seq LIMIT ?"
        paths = [joined(*key) for key in self._database.execute(query, (sequence, limit))]
        self._rows.fetch(paths)  # most are decoded already
        return [row for path in paths if (row := self._rows.get(path)) is not None]

    def newest(self, limit: int) -> list[Row]:
        """The rows that changed last, the latest first."""
        self._rows.flush()
        query = "SELECT parent,name FROM row ORDER BY seq DESC LIMIT ?"
        paths = [joined(*key) for key in self._database.execute(query, (limit,))]
        return [row for path in paths if (row := self._rows.get(path)) is not None]

    def made_by(self, makers: Sequence[str]) -> list[Row]:
        """The rows of records by these makers, ordered by path. It reads the whole table."""
        marks = ",".join("?" * len(makers))
        return self._rows.select(f"stamp_maker IN ({marks}) ORDER BY parent,name", makers)

    def come_to(self, after: int) -> Lack:
        """The totals of the rows above a sequence."""
        self._rows.flush()
        query = "SELECT COUNT(*), COALESCE(SUM(kind=1),0), COALESCE(SUM((kind=1)*size),0) FROM row WHERE seq>?"
        count, files, size = self._database.execute(query, (after,)).fetchone()
        return Lack(files, size, count - files)
