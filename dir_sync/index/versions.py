"""The tables `version` and `brief`: the history, that is, what synchronization replaced or deleted.

In:   each version that is filed away, and each that is dropped.
Out:  versions by name, path, content, age and size: for `history` and `restore`, and for pruning.
Rule: the contents are below `.dir_sync/versions`, under the version's name; here are only their descriptions.
"""

from __future__ import annotations

from collections.abc import Iterator

from dir_sync.core.jobs import Version
from dir_sync.core.model import Kind
from dir_sync.index.bloom import ContentFilter
from dir_sync.index.codec import columns_of_version, version_of
from dir_sync.index.database import Database

__all__ = ["Versions"]


class Versions:
    """The versions in the history. Each write goes to the database at once."""

    def __init__(self, database: Database, contents: ContentFilter) -> None:
        self._execute = database.execute
        self._contents = contents

    # --- what is written ---

    def put(self, version: Version) -> None:
        self._contents.add(version.content)
        marks = ",".join("?" * 12)
        self._execute(f"INSERT OR REPLACE INTO version VALUES ({marks})", columns_of_version(version))

    def put_brief(self, name: bytes) -> None:
        """Mark a version whose content was current for minutes only."""
        self._execute("INSERT OR IGNORE INTO brief VALUES (?)", (name,))

    def drop(self, name: bytes) -> None:
        self._execute("DELETE FROM version WHERE name=?", (name,))
        self._execute("DELETE FROM brief WHERE name=?", (name,))

    def settle(self, path: bytes, kind: Kind, content: bytes) -> None:
        """The loser of a conflict becomes an ordinary version."""
        query = "UPDATE version SET why='replaced' WHERE why='conflict' AND path=? AND kind=? AND content=?"
        self._execute(query, (path, int(kind), content))

    # --- one version ---

    def get(self, name: bytes) -> Version | None:
        fields = self._execute("SELECT * FROM version WHERE name=?", (name,)).fetchone()
        return None if fields is None else version_of(fields)

    def has(self, name: bytes) -> bool:
        """True if the history contains this name, according to the index."""
        return self._execute("SELECT 1 FROM version WHERE name=?", (name,)).fetchone() is not None

    def is_brief(self, name: bytes) -> bool:
        return self._execute("SELECT 1 FROM brief WHERE name=?", (name,)).fetchone() is not None

    def with_content(self, digest: bytes) -> Version | None:
        """A version with this content; None if there is none."""
        if not self._contents.may_have(digest):
            return None
        fields = self._execute("SELECT * FROM version WHERE kind=1 AND content=? LIMIT 1", (digest,)).fetchone()
        return None if fields is None else version_of(fields)

    # --- many of them ---

    def oldest_first(self, path: bytes | None = None) -> Iterator[Version]:
        """All versions (of one path), oldest first."""
        if path is None:
            found = self._execute("SELECT * FROM version ORDER BY time_ns")
        else:
            found = self._execute("SELECT * FROM version WHERE path=? ORDER BY time_ns", (path,))
        yield from map(version_of, found)

    def newest(self, path: bytes, limit: int, conflicts: bool = False, behind: Version | None = None) -> list[Version]:
        """Up to `limit` versions of a path and everything below it (b"": of all), newest first. `conflicts`: only
        losers. `behind`: only those that come after this one in that order."""
        conditions, keys = ["1"], list[object]()
        if path:
            conditions.append("(path=? OR (path>=? AND path<?))")
            keys += [path, path + b"/", path + b"0"]
        if conflicts:
            conditions.append("why='conflict'")
        if behind is not None:
            conditions.append("(time_ns, name) < (?,?)")
            keys += [behind.time_ns, behind.name]
        query = f"SELECT * FROM version WHERE {' AND '.join(conditions)} ORDER BY time_ns DESC, name DESC LIMIT ?"
        return [version_of(fields) for fields in self._execute(query, (*keys, limit))]

    def count_conflicts(self) -> int:
        """How many lost a conflict that is not settled. It reads the whole table."""
        return int(self._execute("SELECT COUNT(*) FROM version WHERE why='conflict'").fetchone()[0])

    def unread(self, limit: int) -> list[Version]:
        """Up to `limit` files that could not be read when they were listed: their content is unknown."""
        query = "SELECT * FROM version WHERE kind=1 AND content=? LIMIT ?"
        return [version_of(fields) for fields in self._execute(query, (b"", limit))]

    def since(self, time_ns: int, limit: int) -> list[Version]:
        """Up to `limit` versions that were displaced at `time_ns` or later, the latest first."""
        query = "SELECT * FROM version WHERE time_ns>=? ORDER BY time_ns DESC LIMIT ?"
        return [version_of(fields) for fields in self._execute(query, (time_ns, limit))]

    # --- what is dropped next ---

    def total_bytes(self) -> int:
        """The total size (bytes) of the history."""
        size: int = self._execute("SELECT COALESCE(SUM(size),0) FROM version").fetchone()[0]
        return size

    def brief_bytes(self) -> int:
        """The total size (bytes) of versions whose content was current for minutes only."""
        query = "SELECT COALESCE(SUM(size),0) FROM version WHERE name IN (SELECT name FROM brief)"
        size: int = self._execute(query).fetchone()[0]
        return size

    def old(self, before_ns: int, limit: int) -> list[Version]:
        """Up to `limit` versions that were displaced before a time, oldest first."""
        query = "SELECT * FROM version WHERE time_ns<? ORDER BY time_ns LIMIT ?"
        return [version_of(fields) for fields in self._execute(query, (before_ns, limit))]

    def least(self, limit: int, brief_first: bool = False) -> list[Version]:
        """Up to `limit` versions, oldest first (also with times of a wrong clock), losers of conflicts last. With
        `brief_first`, contents that were current for minutes only come first."""
        order = "name NOT IN brief, why='conflict', time_ns" if brief_first else "why='conflict', time_ns"
        query = f"SELECT * FROM version ORDER BY {order} LIMIT ?"
        return [version_of(fields) for fields in self._execute(query, (limit,))]

    def crowding(self, share: int, limit: int) -> list[tuple[Version, int]]:
        """Of paths with more than `share` bytes of ordinary versions: up to `limit` versions, each with the total of
        its path. The largest paths come first, then the oldest versions of a path; its newest is never included."""
        ordinary = (
            "SELECT path AS of, SUM(size) AS total, MAX(time_ns) AS newest FROM version WHERE why<>'conflict'"
            " GROUP BY path HAVING COUNT(*)>1 AND total>?"
        )
        query = (
            f"SELECT version.*, total FROM version JOIN ({ordinary}) ON path=of"
            " WHERE why<>'conflict' AND time_ns<newest ORDER BY total DESC, path, time_ns LIMIT ?"
        )
        return [(version_of(fields[:-1]), fields[-1]) for fields in self._execute(query, (share, limit))]
