"""The table `change`: how each path was before each change, so that the folder can be set back to an earlier time.

In:   each recorded change, with the state before it.
Out:  the entries since a time, oldest first (`undo` makes its plan from them).
Rule: entries are only added, and removed when they are too old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dir_sync.core import attributes as kept
from dir_sync.core.jobs import Before
from dir_sync.core.model import NS_PER_S, Record
from dir_sync.index.codec import KINDS
from dir_sync.index.database import Database

__all__ = ["Journal"]

_NOTHING = (0, 0, b"", 0, 0, 0, "")  # the columns of a path where nothing is, from kind to attributes
_COLUMNS = "path,kind,size,content,mtime_s,mtime_ns,mode,attributes,time_ns,maker"  # as `_before` gets them


class Journal:
    """The entries; written in bulk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.unwritten: list[tuple[object, ...]] = []

    def flush(self) -> None:
        if self.unwritten:
            columns = "time_ns,maker,path,kind,size,content,mtime_s,mtime_ns,mode,attributes"
            self._database.executemany(f"INSERT INTO change ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?)", self.unwritten)
            self.unwritten.clear()

    def write(self, record: Record, previous: Record | None, time_ns: int) -> None:
        """Note the state of a path (`previous`; None: nothing was there) before the change that `record` describes."""
        if previous is None:
            was: tuple[object, ...] = _NOTHING
        else:
            _, kind, size, content, mtime, mode, *_, attributes = previous
            was = (int(kind), size, content, mtime // NS_PER_S, mtime % NS_PER_S, mode, kept.text(attributes))
        self.unwritten.append((time_ns, record.stamp.maker, record.path, *was))

    def write_new(self, records: Iterable[Record], time_ns: int) -> None:
        """`write` for many files where nothing was before."""
        self.unwritten += [(time_ns, record.stamp.maker, record.path, *_NOTHING) for record in records]

    def since(self, time_ns: int) -> Iterator[Before]:
        """The entries since a time, oldest first."""
        self.flush()
        query = f"SELECT {_COLUMNS} FROM change WHERE time_ns>=? ORDER BY id"
        for columns in self._database.execute(query, (time_ns,)):
            yield _before(*columns)

    def last_ns(self, path: bytes, maker: str) -> int | None:
        """When `maker` changed a path last; None: there is no such entry. It reads the whole table."""
        self.flush()
        query = "SELECT MAX(time_ns) FROM change WHERE path=? AND maker=?"
        found: int | None = self._database.execute(query, (path, maker)).fetchone()[0]
        return found

    def of(self, path: bytes, limit: int) -> list[Before]:
        """The last entries of one path, oldest first. It reads the whole table."""
        self.flush()
        query = f"SELECT {_COLUMNS} FROM change WHERE path=? ORDER BY id DESC LIMIT ?"
        return [_before(*columns) for columns in self._database.execute(query, (path, limit))][::-1]

    def of_some(self, paths: Sequence[bytes]) -> Iterator[Before]:
        """All entries of these paths (at most 500), oldest first. It reads the whole table, once."""
        self.flush()
        query = f"SELECT {_COLUMNS} FROM change WHERE path IN ({','.join('?' * len(paths))}) ORDER BY id"
        for columns in self._database.execute(query, tuple(paths)):
            yield _before(*columns)

    def forget(self, before_ns: int, most: int) -> None:
        """Drop the entries from before a time, and all but the last `most` entries."""
        self.flush()
        query = "DELETE FROM change WHERE time_ns<? OR id<=(SELECT MAX(id) FROM change)-?"
        self._database.execute(query, (before_ns, most))


def _before(
    path: bytes,
    kind: int,
    size: int,
    content: bytes,
    mtime_s: int,
    mtime_ns: int,
    mode: int,
    attributes: str,
    when: int,
    maker: str,
) -> Before:
    mtime, known = mtime_s * NS_PER_S + mtime_ns, kept.value_of_text(attributes)
    return Before(path, KINDS[kind], size, content, mtime, mode, when, maker, known)
