"""Rows by their place in the tree: at a path, directly in a folder, and below it at any depth.

In:   a path; b"" is the shared folder itself.
Out:  rows, paths, fingerprints and counts.
Rule: only queries. A path is stored as (parent, name), so everything below a folder has a parent that is this folder
(directly), or lies between "folder/" and "folder0" ("0" follows "/").
"""

from __future__ import annotations

from collections.abc import Iterator

from dir_sync.core.model import Kind
from dir_sync.index.codec import joined
from dir_sync.index.database import Database
from dir_sync.index.rows import Row, Rows

__all__ = ["Tree"]

_BELOW = "(parent=? OR (parent>=? AND parent<?))"


def _keys_below(path: bytes) -> tuple[bytes, bytes, bytes]:
    return path, path + b"/", path + b"0"


class Tree:
    """Queries on the rows. A row is live if it is not a tombstone."""

    def __init__(self, database: Database, rows: Rows) -> None:
        self._database = database
        self._rows = rows

    def known_in(self, parent: bytes) -> dict[bytes, bytes]:
        """Name -> fingerprint of every known entry directly in a folder."""
        if not self._rows.paths.may_have_in(parent):
            return {}
        self._rows.flush()
        query = "SELECT name,fp FROM row WHERE parent=? AND (kind<>0 OR fp<>x'')"
        return dict(self._database.execute(query, (parent,)))

    def live_below(self, path: bytes, limit: int) -> list[Row]:
        """Up to `limit` rows below a folder, at any depth, that are live or have an entry on the disk."""
        condition = f"{_BELOW} AND (kind<>0 OR fp<>x'') ORDER BY parent DESC, name LIMIT ?"
        return self._rows.select(condition, (*_keys_below(path), limit))

    def live_children(self, path: bytes, limit: int) -> list[Row]:
        """Up to `limit` live rows directly in a folder."""
        return self._rows.select("parent=? AND kind<>0 LIMIT ?", (path, limit))

    def file_of_size(self, path: bytes, size: int) -> Row | None:
        """The live file directly in a folder whose size is nearest to `size`, between half and twice of it; None if
        there is none."""
        condition = "parent=? AND kind=1 AND size BETWEEN ? AND ? ORDER BY ABS(size-?) LIMIT 1"
        found = self._rows.select(condition, (path, size // 2, 2 * size, size))
        return found[0] if found else None

    def largest_file(self, path: bytes, limit: int) -> int:
        """The size of the largest of the first `limit` live files directly in a folder; 0 if there is none."""
        self._rows.flush()
        query = "SELECT COALESCE(MAX(size),0) FROM (SELECT size FROM row WHERE parent=? AND kind=1 LIMIT ?)"
        return int(self._database.execute(query, (path, limit)).fetchone()[0])

    def has_live_child(self, path: bytes) -> bool:
        self._rows.flush()
        query = "SELECT 1 FROM row WHERE parent=? AND kind<>0 LIMIT 1"
        return self._database.execute(query, (path,)).fetchone() is not None

    def live_files(self, path: bytes) -> Iterator[Row]:
        """The live file at a path, or all live files below it."""
        row = self._rows.get(path)
        if row is not None and row.record.kind == Kind.FILE:
            yield row
        yield from self._rows.select(f"kind=1 AND {_BELOW}", _keys_below(path))

    def measure(self, path: bytes) -> tuple[int, int]:
        """The number and the total size (bytes) of `live_files`."""
        row = self._rows.get(path)
        if row is not None and row.record.kind != Kind.DIRECTORY:
            return (1, row.record.size) if row.record.kind == Kind.FILE else (0, 0)
        self._rows.flush()
        query = f"SELECT COUNT(*),COALESCE(SUM(size),0) FROM row WHERE kind=1 AND {_BELOW}"
        files, size = self._database.execute(query, _keys_below(path)).fetchone()
        return files, size

    def live_paths(self, path: bytes) -> list[bytes]:
        """A path and all paths below it that are live."""
        self._rows.flush()
        query = f"SELECT parent,name FROM row WHERE kind<>0 AND {_BELOW}"
        below = [joined(*key) for key in self._database.execute(query, _keys_below(path))]
        row = self._rows.get(path)
        return [path, *below] if row is not None and row.record.kind != Kind.ABSENT else below

    def files_from(self, after: bytes, size_min: int, limit: int) -> list[Row]:
        """Live files of at least `size_min` bytes whose path is above `after`, in order of (parent, name)."""
        parent, _, name = after.rpartition(b"/")
        condition = "kind=1 AND size>=? AND (parent,name)>(?,?) ORDER BY parent,name LIMIT ?"
        return self._rows.select(condition, (size_min, parent, name, limit))

    def live_from(self, after: bytes, limit: int) -> list[Row]:
        """Up to `limit` live rows whose path comes after `after`, in order of (parent, name)."""
        parent, _, name = after.rpartition(b"/")
        return self._rows.select("kind<>0 AND (parent,name)>(?,?) ORDER BY parent,name LIMIT ?", (parent, name, limit))
