"""The table `row`: what this node has, with one row for each path that it has ever known.

In:   each record that this node makes or accepts, with the fingerprint of the entry on its disk.
Out:  the row of a path; rows by content; the number of live files.
Rule: a row with a new record gets the next sequence. For the rows below a folder see `tree`, by sequence and by maker
`changes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from dir_sync.core.content import SUMMED_COLUMNS, summarize
from dir_sync.core.looks import RACY, UNPROVEN
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, inode_of
from dir_sync.core.named import NamedTuple
from dir_sync.index.bloom import ContentFilter, KnownPaths
from dir_sync.index.codec import RECORD_COLUMNS, RECORD_WIDTH, columns_of_record, joined, later_columns, record_of
from dir_sync.index.database import Database
from dir_sync.index.identity import Sequences
from dir_sync.index.notes import Notes

__all__ = ["DECODED_MAX", "Row", "Rows"]

DECODED_MAX = 20_000  # decoded rows that are cached, if no other index takes part; at most some 10 MB
_FETCH_ROWS = 400  # rows read with one query
# A search for each path. For "(parent,name) IN (VALUES ...)" SQLite reads the whole table as soon as there are two.
_ROWS_OF = (
    f"WITH wanted(wanted_parent,wanted_name) AS (VALUES {{}}) SELECT {RECORD_COLUMNS},seq,fp"
    " FROM wanted CROSS JOIN row ON parent=wanted_parent AND name=wanted_name"
)
_new = tuple.__new__  # half the cost of calling the named tuple


class Row(NamedTuple):
    """What this node has at a path. `fp`: fingerprint of the entry on the disk; b"" if nothing is there."""

    record: Record
    seq: int
    fp: bytes


def _row(columns: tuple[object, ...]) -> Row:
    return Row(record_of(columns), columns[RECORD_WIDTH], columns[RECORD_WIDTH + 1])  # type: ignore[arg-type]


class Rows:
    """All rows. Decoded ones are cached; writes go to the database in bulk."""

    def __init__(self, database: Database, notes: Notes, sequences: Sequences, contents: ContentFilter) -> None:
        self._database = database
        self._notes = notes
        self._sequences = sequences
        self._contents = contents
        self._decoded: dict[
            bytes, Row | None
        ] = {}  # all dirty rows, and some of those in the database (None: there is no row)
        self._decoded_max = DECODED_MAX
        self.unwritten: dict[bytes, Row] = {}
        self._dirty_contents: dict[bytes, bytes] = {}  # content -> a path among the dirty rows
        self._live: tuple[int, int] | None = None  # live files and their bytes; None: not counted yet
        self._summary: tuple[int, bytes] | None = None  # valid for this sequence
        is_empty = database.execute("SELECT 1 FROM row LIMIT 1").fetchone() is None
        self.paths = KnownPaths(self._keys, is_empty)
        if is_empty:
            self._live = (0, 0)
        elif len(live := notes.words("live")) == 2:
            self._live = int(live[0]), int(live[1])

    # --- as a writer ---

    def flush(self) -> None:
        if not self.unwritten:
            return
        self._note_live()
        rows = [
            (*columns_of_record(row.record), row.seq, row.fp, *later_columns(row.record))
            for row in self.unwritten.values()
        ]
        marks = ",".join("?" * (RECORD_WIDTH + 2))
        self._database.executemany(f"INSERT OR REPLACE INTO row VALUES ({marks})", rows)
        self.unwritten.clear()
        self._dirty_contents.clear()
        if len(self._decoded) > self._decoded_max:
            self._forget_decoded()

    # --- one path ---

    def get(self, path: bytes) -> Row | None:
        try:
            return self._decoded[path]
        except KeyError:
            pass
        paths = self.paths.bloom
        if paths is not None and not paths.may_have(hash(path)):
            return None
        parent, _, name = path.rpartition(b"/")
        query = f"SELECT {RECORD_COLUMNS},seq,fp FROM row WHERE parent=? AND name=?"
        columns = self._database.execute(query, (parent, name)).fetchone()
        row = None if columns is None else _row(columns)
        self._remember(path, row)
        return row

    def put(self, record: Record, fp: bytes) -> Row:
        """Set what this node has at a path; the row gets the next sequence."""
        row = _new(Row, (record, self._sequences.take(), fp))
        is_known = self._decoded.get(record.path) is not None
        self._set(record.path, row)
        if not is_known and self.paths.bloom is not None:
            self.paths.add(record.path)  # not before: a new path needs no query
        return row

    def set_fp(self, path: bytes, fp: bytes) -> None:
        """The entry on the disk has another fingerprint; there is nothing to announce."""
        row = self.get(path)
        if row is not None and row.fp != fp:
            self._set(path, row._replace(fp=fp))

    def doubt_all(self) -> None:
        """Take no file for unchanged: the next scan reads each of them again."""
        self.flush()
        self._decoded.clear()
        query = "UPDATE row SET fp = CAST(fp || ? AS BLOB) WHERE kind IN (?, ?) AND length(fp) = ?"
        self._database.execute(query, (RACY, int(Kind.FILE), int(Kind.SYMLINK), FINGERPRINT_BYTES))

    def doubt_attributes(self) -> None:
        """`doubt_all`, folders too: what the versions say of attributes was perhaps never given to the disk."""
        self.flush()
        self._decoded.clear()
        query = "UPDATE row SET fp = CAST(substr(fp, 1, ?) || ? AS BLOB) WHERE kind <> ? AND length(fp) >= ?"
        self._database.execute(query, (FINGERPRINT_BYTES, UNPROVEN, int(Kind.ABSENT), FINGERPRINT_BYTES))

    def has_unproven(self) -> bool:
        """True if a row has waited for a look since `doubt_attributes`."""
        self.flush()
        query = "SELECT EXISTS (SELECT 1 FROM row WHERE length(fp) = ?)"
        return bool(self._database.execute(query, (FINGERPRINT_BYTES + len(UNPROVEN),)).fetchone()[0])

    def forget(self, path: bytes) -> None:
        """Remove a row as if nothing had ever been at its path."""
        self.forget_all([path])

    def forget_all(self, paths: Sequence[bytes]) -> None:
        """`forget` for many paths."""
        if not paths:
            return
        self.flush()
        keys = [path.rpartition(b"/")[::2] for path in paths]
        self._database.executemany("DELETE FROM row WHERE parent=? AND name=?", keys)
        for path in paths:
            self._decoded.pop(path, None)
        self._summary = self._live = None
        self._note_live()

    def _set(self, path: bytes, row: Row) -> None:
        if self._live is not None:
            was = self.get(path)
            files, size = self._live
            if row.record.kind is Kind.FILE:
                files, size = files + 1, size + row.record.size
            if was is not None and was.record.kind is Kind.FILE:
                files, size = files - 1, size - was.record.size
            self._live = files, size
        self._remember(path, row)
        self.unwritten[path] = row
        if row.record.kind == Kind.FILE:
            self._dirty_contents[row.record.content] = path
            self._contents.add(row.record.content)

    def _remember(self, path: bytes, row: Row | None) -> None:
        if len(self._decoded) >= self._decoded_max:
            self._forget_decoded()
        self._decoded[path] = row

    def _forget_decoded(self) -> None:
        self._decoded = dict(self.unwritten)

    def cache(self, most: int) -> None:
        """From now on, keep at most so many decoded rows beside those that have to be written."""
        self._decoded_max = most
        if len(self._decoded) > most:
            self._forget_decoded()

    # --- many paths ---

    def put_new(self, records: Sequence[Record], fps: Iterable[bytes]) -> list[Row]:
        """`put` for many files at unknown paths."""
        first = self._sequences.take(len(records))
        if self._live is not None:
            files, size = self._live
            self._live = files + len(records), size + sum(record.size for record in records)
        sequences = range(first, first + len(records))
        rows = list(map(partial(_new, Row), zip(records, sequences, fps, strict=True)))
        paths = [record.path for record in records]
        contents = [record.content for record in records]
        self._contents.add_all(contents)
        if len(self._decoded) + len(rows) > self._decoded_max:
            self._forget_decoded()
        self._decoded.update(zip(paths, rows, strict=True))
        self.unwritten.update(zip(paths, rows, strict=True))
        self._dirty_contents.update(zip(contents, paths, strict=True))
        self.paths.add_all(paths)
        return rows

    def _keys(self) -> list[tuple[bytes, bytes]]:
        """The parent and the name of each path with a row."""
        self.flush()
        return list(self._database.execute("SELECT parent,name FROM row"))

    def fetch(self, paths: Iterable[bytes]) -> None:
        """Read many rows with one query, so that `get` finds them decoded."""
        todo = [path for path in paths if path not in self._decoded]
        if self.paths.bloom is not None and todo:
            new = self.paths.bloom.lack(map(hash, todo))
            todo = [path for path, is_new in zip(todo, new, strict=True) if not is_new]
        for at in range(0, len(todo), _FETCH_ROWS):
            some = todo[at : at + _FETCH_ROWS]
            keys: list[bytes] = []
            for path in some:
                parent, _, name = path.rpartition(b"/")
                keys += (parent, name)
            # A dirty row may be missing in the database, but its path is in _decoded and therefore not in `todo`.
            columns = self._database.execute(_ROWS_OF.format(",".join(["(?,?)"] * len(some))), keys)
            found = {row.record.path: row for row in map(_row, columns)}
            for path in some:
                self._remember(path, found.get(path))

    def unknown(self, paths: Sequence[bytes]) -> set[bytes]:
        """Those of `paths` without a row."""
        self.fetch(paths)
        bloom = self.paths.bloom
        lacking = [False] * len(paths) if bloom is None else bloom.lack(map(hash, paths))
        return {path for path, is_new in zip(paths, lacking, strict=True) if is_new or self.get(path) is None}

    def select(self, condition: str, keys: Iterable[object]) -> list[Row]:
        """The rows that fulfil an SQL condition. For `tree` and `changes`."""
        self.flush()
        return self._select(condition, keys)

    def _select(self, condition: str, keys: Iterable[object]) -> list[Row]:
        """`select` in the database only: the caller handles dirty rows."""
        query = f"SELECT {RECORD_COLUMNS},seq,fp FROM row WHERE {condition}"
        known = self._decoded.get  # to decode a row costs ten times as much
        return [
            known(joined(columns[0], columns[1])) or _row(columns)
            for columns in self._database.execute(query, tuple(keys))
        ]

    # --- by content ---

    def by_content(self, digest: bytes) -> list[Row]:
        """Live files with this content, at most 8."""
        rows: list[Row] = []
        if not self._contents.may_have(digest):
            return rows
        path = self._dirty_contents.get(digest)
        if path is not None:
            row = self.unwritten.get(path)
            if row is not None and row.record.kind == Kind.FILE and row.record.content == digest:
                rows.append(row)
        for row in self._select("kind=1 AND content=? LIMIT 8", (digest,)):
            row = self.unwritten.get(row.record.path, row)
            if row.record.kind == Kind.FILE and row.record.content == digest and row not in rows:
                rows.append(row)
        return rows

    def names_of(self, content: bytes, inode: int, kind: Kind = Kind.FILE) -> list[Row]:
        """Live files or symbolic links with this content and this inode: names of one file or link, if no look is due."""
        if not inode or (kind is Kind.FILE and not self._contents.may_have(content)):
            return []
        query = f"kind={kind:d} AND content=? AND substr(fp,4,8)=?"  # as the partial indexes have it
        return self.select(query, (content, inode.to_bytes(8, "little")))

    def with_file_id(self, digest: bytes, file_id: str) -> list[Row]:
        """Live files with this content whose record says that they are names of this file."""
        if not self._contents.may_have(digest):
            return []
        return self.select("kind=1 AND content=? AND attributes LIKE ?", (digest, f'%"{file_id}"]'))

    def several_names(self) -> list[list[Row]]:
        """Live files with one inode and one content, if there are several of it. Reads all rows."""
        self.flush()
        found: dict[tuple[bytes, int], list[Row]] = {}
        several = "SELECT substr(fp,4,8) FROM row WHERE kind=1 AND fp<>'' GROUP BY substr(fp,4,8) HAVING COUNT(*)>1"
        for row in self._select(f"kind=1 AND substr(fp,4,8) IN ({several})", ()):
            found.setdefault((row.record.content, inode_of(row.fp)), []).append(row)
        return [rows for (_, inode), rows in found.items() if inode and len(rows) > 1]

    def with_any_file_id(self) -> list[bytes]:
        """The paths whose record says that they are names of a file with several. Reads all rows."""
        rows = self.select("kind=1 AND attributes LIKE '%\"]' AND attributes NOT LIKE '%\"\"]'", ())
        return [row.record.path for row in rows]

    def index_contents(self) -> None:
        """Make `by_content` fast. An SQL index made at once costs a third of one that is updated row by row."""
        self.flush()
        self._database.execute("CREATE INDEX IF NOT EXISTS row_content ON row (content) WHERE kind = 1")

    # --- all of them ---

    def summary(self) -> bytes:
        """The summary of all rows (see `content.summarize`); cached until a row changes."""
        if self._summary is None or self._summary[0] != self._sequences.last:
            self.flush()
            query = f"SELECT parent,name,{SUMMED_COLUMNS} FROM row"
            rows = self._database.execute(query)
            found = summarize((joined(parent, name), *rest) for parent, name, *rest in rows)
            self._summary = self._sequences.last, found
        return self._summary[1]

    def count_live(self) -> tuple[int, int]:
        """The number of live files and their total size (bytes): counted once, then updated."""
        if self._live is None:
            self._live = self.counted_live()
            self._note_live()
        return self._live

    def counted_live(self) -> tuple[int, int]:
        """`count_live`, counted anew from every row."""
        self.flush()
        query = "SELECT COUNT(*), COALESCE(SUM(size),0) FROM row WHERE kind=1"
        count, size = self._database.execute(query).fetchone()
        return count, size

    def _note_live(self) -> None:
        self._notes.put("live", "" if self._live is None else f"{self._live[0]} {self._live[1]}")
