"""The connection to the index file: one open transaction, commits, and their durability.

In:   SQL from the tables, which register as writers.
Out:  result rows; after `commit` everything written survives the end of the program.
Rule: a transaction is always open, and only `commit` ends it. Imports nothing of the package.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from dir_sync.core.messages import LATER_FIELDS

__all__ = ["CACHE_KIB", "Database", "IndexDamaged", "Writer"]

_RENAMED_COLUMNS = (
    ("row", "stamp_node", "stamp_maker"),
    ("offer", "stamp_node", "stamp_maker"),
    ("version", "node", "maker"),
    ("change", "node", "maker"),
)
CACHE_KIB = 8000  # if no other index takes part
_LOG_PAGES_MAX = 4_000  # 16 MiB: then a commit copies the write-ahead log into the file, which takes some 50 ms or more
_CHECKPOINT_FROM = 2_000  # rows that were written since the last one
_SCHEMA = os.path.join(os.path.dirname(__file__), "schema.sql")


class IndexDamaged(Exception):
    """The file is not a valid index of this version."""


class Writer(Protocol):
    """A table that keeps its latest writes in memory for a while."""

    @property
    def unwritten(self) -> object:
        """True, or not empty, if there are writes that are not in the database yet. A plain field: it is asked several times
        in each turn."""
        ...

    def flush(self) -> None:
        """Write all of them to the database."""
        ...


class Database:
    """One SQLite file."""

    def __init__(self, path: str, image: bytes | None) -> None:
        """Open or create the file (":memory:" for one in memory, from `image` if given).

        Raises IndexDamaged; sqlite3.OperationalError if the disk is full or access is denied."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.execute = self._connection.execute
        self.executemany = self._connection.executemany
        self._writers: list[Writer] = []
        self._log: str | None = None  # the write-ahead log file, if commits are made durable by an fsync of it
        self._log_handle: int | None = None
        self._changes_at_commit = 0  # value of `total_changes`
        self._changes_at_checkpoint = 0
        self._is_synced = True  # False: the last commit is not durable yet
        with self.opening():
            if image is not None:
                self._connection.deserialize(image)
            if path != ":memory:" and self.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",):
                self._log = path + "-wal"
            self.execute(f"PRAGMA synchronous={'FULL' if self._log is None else 'NORMAL'}")
            self.cache(CACHE_KIB)
            self.execute("PRAGMA temp_store=MEMORY")
            self.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES_MAX}")
            self._make_tables()
            self.execute("BEGIN")

    def _make_tables(self) -> None:
        columns = self._columns()
        if not {"meta", "change", "loser", "brief", "unshared"} <= columns.keys():
            with open(_SCHEMA, encoding="utf-8") as schema:
                self._connection.executescript(f"BEGIN;\n{schema.read()}\nCOMMIT;")
            columns = self._columns()
        for table in ("row", "offer", "base", "loser"):  # an older index may lack one of these columns
            for field in LATER_FIELDS:
                if field.name not in columns[table]:
                    self.execute(f"ALTER TABLE {table} ADD COLUMN {field.name} TEXT NOT NULL DEFAULT ''")
        for table in ("version", "change"):
            if "attributes" not in columns[table]:
                self.execute(f"ALTER TABLE {table} ADD COLUMN attributes TEXT NOT NULL DEFAULT ''")
        self.execute("CREATE INDEX IF NOT EXISTS row_target ON row (content) WHERE kind = 3")
        if "index_id" in columns["peer"]:
            self._split_identity()
        for table, old, new in _RENAMED_COLUMNS:
            if old in columns[table]:
                self.execute(
                    f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}"
                )  # whatever its size: no row is touched

    def _columns(self) -> dict[str, set[str]]:
        """The names of the columns of each table. One question for all: each is a statement to be compiled at each start."""
        columns: dict[str, set[str]] = {}
        query = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type='table'"
        for table, column in self.execute(query):
            columns.setdefault(table, set()).add(column)
        return columns

    def _split_identity(self) -> None:
        """Upgrade an index in which the node and the replica had one id: that becomes the replica's."""
        self._connection.executescript(
            """
            BEGIN;
            ALTER TABLE peer RENAME TO old_peer;
            CREATE TABLE peer (replica TEXT PRIMARY KEY, seen INTEGER NOT NULL, first INTEGER) WITHOUT ROWID;
            INSERT INTO peer SELECT node, seen, first FROM old_peer;
            DROP TABLE old_peer;
            UPDATE meta SET key='replica' WHERE key='node';
            COMMIT;
            """
        )

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Reads inside this context decide whether the file is an index: if they fail, the database is closed.

        Raises IndexDamaged; sqlite3.OperationalError if the disk is full or access is denied."""
        try:
            yield
        except (sqlite3.OperationalError, IndexDamaged):
            self.close()
            raise
        except sqlite3.DatabaseError as error:
            self.close()
            raise IndexDamaged(str(error)) from error

    def attach(self, writer: Writer) -> None:
        """From now on `commit` flushes this table, after those that were attached before."""
        self._writers.append(writer)

    @property
    def is_dirty(self) -> bool:
        """True if a commit would write something."""
        if self._connection.total_changes != self._changes_at_commit:
            return True
        for writer in self._writers:  # noqa: SIM110 - asked several times in each turn: `any` makes a generator each time
            if writer.unwritten:
                return True
        return False

    def needs_commit(self, durable: bool) -> bool:
        """True if `commit` would ask the disk."""
        return self.is_dirty or (durable and not self._is_synced)

    def commit(self, durable: bool) -> None:
        """When this returns, everything written so far survives the end of the program and, if `durable`, also a power
        cut. (Otherwise it survives that after the next sync of the whole file system.) No disk access if nothing
        changed."""
        if self.is_dirty:
            for writer in self._writers:
                writer.flush()
            self.execute("COMMIT")
            self.execute("BEGIN")
            self._changes_at_commit = self._connection.total_changes
            self._is_synced = False
        if durable and not self._is_synced:
            self._sync()
            self._is_synced = True

    @property
    def is_log_long(self) -> bool:
        """True if `checkpoint` is worth its time."""
        return self._changes_at_commit - self._changes_at_checkpoint >= _CHECKPOINT_FROM and self._log is not None

    def checkpoint(self) -> None:
        """Copy the write-ahead log into the file. Call it at rest: otherwise a later commit does that, while somebody waits
        for it. Commits what was written."""
        self.commit(durable=False)
        self.execute("COMMIT")
        self.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self.execute("BEGIN")
        self._changes_at_checkpoint = self._changes_at_commit

    def _sync(self) -> None:
        """What SQLite itself does at each commit with synchronous=FULL."""
        if self._log is not None:
            if self._log_handle is None:
                self._log_handle = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
            os.fdatasync(self._log_handle)

    def cache(self, kib: int) -> None:
        """From now on, keep at most so much of the file in memory, beside pages that have to be written."""
        self.execute(f"PRAGMA cache_size=-{kib}")

    def copy(self) -> bytes:
        """The database as bytes, with all flushed writes."""
        return self._connection.serialize()

    def image(self) -> bytes:
        """The database as bytes, as of the last commit: what a crash would leave. No other call may follow."""
        self.execute("ROLLBACK")
        return self._connection.serialize()

    def close(self) -> None:
        if self._log_handle is not None:
            os.close(self._log_handle)
            self._log_handle = None
        self._connection.close()
