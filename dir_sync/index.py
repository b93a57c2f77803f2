"""The memory of one node: an SQLite file of rows, offers, peers and versions (schema.sql says what they are).

In:   the engine's reads and writes; nobody else's.
Out:  the same values again, also after a crash, as of the last commit.
Rule: reads see every write at once; writes go to the file in bulk, at the next commit or before a query that needs
      them there. A row gets its sequence here, so that sequences are handed out once.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from dir_sync.core.content import summarize
from dir_sync.core.events import Before, Version, Why
from dir_sync.core.model import Kind, Record, Stamp, Vector
from dir_sync.core.reconcile import Offer
from dir_sync.core.standing import NOTHING, Lack

__all__ = ["JOURNAL_SINCE", "Index", "IndexDamaged", "PeerSeen", "Row"]

JOURNAL_SINCE = "journal since"  # a note: from when on (wall clock, ns) the journal knows every change

_BILLION = 1_000_000_000
_LEAP_MAX = 2**52  # microseconds since 1970 until the year 2112; sequences end far above
_KINDS = {int(kind): kind for kind in Kind}
_ROW_FIELDS = "parent,name,kind,size,content,mtime_s,mtime_ns,mode,stamp_ns,stamp_node,vector,lineage"
_to_json = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode
_new = tuple.__new__  # half the cost of a named tuple's own
_CACHE_MAX = 20_000  # rows, and paths with offers, kept decoded; some 10 MB each at the most


class IndexDamaged(Exception):
    """The file is not a sound index of this version."""


class Row(NamedTuple):
    """What we have at a path. `fp`: fingerprint of what is on the disk, b"" if nothing is there."""

    record: Record
    seq: int
    fp: bytes


class PeerSeen(NamedTuple):
    index_id: str
    seen: int
    first: int | None


class Dice(Protocol):
    def getrandbits(self, k: int, /) -> int: ...


class Index:
    """One folder's index. Not thread safe: it belongs to the engine."""

    def __init__(self, path: str, dice: Dice, image: bytes | None = None) -> None:
        """Open or make the index file (":memory:" for one that lives in memory, from `image` if given).

        Raises IndexDamaged; sqlite3.OperationalError if there is no room or no right."""
        self._dice = dice
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._rows: dict[bytes, Row | None] = {}
        self._dirty_rows: dict[bytes, Row] = {}
        self._dirty_content: dict[bytes, bytes] = {}  # content -> a path among the dirty rows
        self._offers: dict[bytes, dict[str, Offer]] = {}
        self._dirty_offers: dict[tuple[bytes, str], None] = {}
        self._wanted: dict[str, Lack] = {}  # what the offers of each peer come to
        self._offered: set[bytes] | None = None  # all paths that have offers in the file, and maybe some more
        self.offers_went = False  # some that there were are dropped or replaced, since somebody set this to false
        self._contents: _Bloom | None = None  # of rows and versions; made when first asked
        self._paths: _Bloom | None = None  # of rows; only if there were none at the start
        self._summary: tuple[int, bytes] | None = None  # as of this sequence
        self._dirty_changes: list[tuple[object, ...]] = []
        self._live: tuple[int, int] | None = None  # live files and their bytes; None: to be counted
        self._dirty_meta: dict[str, str | int] = {}
        self._dirty_peers: dict[str, PeerSeen] = {}
        try:
            if image is not None:
                self._db.deserialize(image)
            self._log: Path | None = None  # the write-ahead log, if commits are made durable by syncing it
            if path != ":memory:" and self._db.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",):
                self._log = Path(path + "-wal")
            self._db.execute(f"PRAGMA synchronous={'FULL' if self._log is None else 'NORMAL'}")
            self._db.execute("PRAGMA cache_size=-8000")
            self._db.execute("PRAGMA temp_store=MEMORY")
            tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            if not {"meta", "change"} <= tables:
                schema = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
                self._db.executescript(f"BEGIN;\n{schema}\nCOMMIT;")
            for table in ("row", "offer"):  # of an index that is older than this column
                if all(name != "lineage" for _, name, *_ in self._db.execute(f"PRAGMA table_info({table})")):
                    self._db.execute(f"ALTER TABLE {table} ADD COLUMN lineage TEXT NOT NULL DEFAULT ''")
            self._db.execute("CREATE TABLE IF NOT EXISTS brief (name BLOB PRIMARY KEY) WITHOUT ROWID")
            self._db.execute("BEGIN")
            meta = dict(self._db.execute("SELECT key, value FROM meta"))
            self._peers = {
                node: PeerSeen(index_id, seen, first)
                for node, index_id, seen, first in self._db.execute("SELECT node, index_id, seen, first FROM peer")
            }
            self._any_offer = self._exists_offer()
            if not self._any_offer:
                self._offered = set()
            self._count_wanted()
            if self._db.execute("SELECT 1 FROM row LIMIT 1").fetchone() is None:
                self._paths = _Bloom()
                self._live = (0, 0)
        except sqlite3.OperationalError:
            self._db.close()
            raise
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise IndexDamaged(str(error)) from error
        self.sequence = int(meta.get("sequence", 0))
        self.node = str(meta.get("node", ""))
        self.index_id = str(meta.get("index_id", ""))
        self.first_scan_done = bool(meta.get("first_scan_done", 0))
        if self._live is None and len(live := str(meta.get("live", "")).split()) == 2:
            self._live = int(live[0]), int(live[1])
        self._is_new = not self.node or not self.index_id
        self._leap_to = 0  # where sequences begin, if nothing was here yet
        if self._is_new:
            self.take_new_ids()
        try:
            self._recover_intents()
        except (ValueError, TypeError, sqlite3.DatabaseError) as error:
            self._db.close()
            raise IndexDamaged(f"an intent cannot be read: {error}") from error

    # --- identity ----------------------------------------------------------------------------------------------------

    def take_new_ids(self) -> None:
        """A new node id and index id: what was told under the old ones is another node's word from now on."""
        self.node = f"{self._dice.getrandbits(64):016x}"
        self.index_id = f"{self._dice.getrandbits(64):016x}"
        self._dirty_meta["node"] = self.node
        self._dirty_meta["index_id"] = self.index_id

    def made_up_id(self) -> str:
        """An id that nobody else has, nor can guess."""
        return f"{self._dice.getrandbits(64):016x}"

    def leap(self, now_ns: int) -> None:
        """To be called once after an index that may be a backup was opened. Sequences that its later self has given out are
        not given out again for something else: then whoever has heard of them would miss what is new, and take it for
        known. As long as clocks go right, microseconds since 1970 are above all that was given out before; if not, a
        random distance makes it unlikely. (Where it comes to lie below them, a peer says so; see `take_new_ids`.)"""
        if self._is_new:
            return
        random = self.sequence + 1 + self._dice.getrandbits(32)
        self._leap_to = max(random, min(now_ns // 1000, _LEAP_MAX))
        if self.sequence:  # 0 says that there is nothing here
            self.sequence = self._leap_to
            self._dirty_meta["sequence"] = self.sequence

    def note(self, key: str, value: str | int) -> None:
        self._dirty_meta[key] = value

    def noted_below(self, prefix: str) -> dict[str, str | int]:
        """All notes whose key begins like this, by the rest of their keys."""
        found = dict(self._db.execute("SELECT key, value FROM meta WHERE substr(key,1,?)=?", (len(prefix), prefix)))
        found.update((key, value) for key, value in self._dirty_meta.items() if key.startswith(prefix))
        return {key[len(prefix) :]: value for key, value in found.items()}

    def noted(self, key: str) -> str | int | None:
        if key in self._dirty_meta:
            return self._dirty_meta[key]
        found = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if found is None else found[0]

    def set_first_scan_done(self) -> None:
        """From now on contents are looked up; a sorted index made at once costs a third of one that grows row by row."""
        self._flush()
        self._db.execute("CREATE INDEX IF NOT EXISTS row_content ON row (content) WHERE kind = 1")
        self.first_scan_done = True
        self._dirty_meta["first_scan_done"] = 1

    # --- rows --------------------------------------------------------------------------------------------------------

    def get(self, path: bytes) -> Row | None:
        try:
            return self._rows[path]
        except KeyError:
            pass
        if self._paths is not None and not self._paths.may_have(hash(path)):
            return None
        parent, _, name = path.rpartition(b"/")
        found = self._db.execute(f"SELECT {_ROW_FIELDS},seq,fp FROM row WHERE parent=? AND name=?", (parent, name))
        fields = found.fetchone()
        row = None if fields is None else _row(fields)
        self._remember(path, row)
        return row

    def next_sequence(self) -> int:
        """The sequence that the next `put` will give: the counter of a change that is about to be recorded."""
        return (self.sequence or self._leap_to) + 1

    def reserve(self) -> int:
        """A sequence that no row gets, nor is the last one at any time."""
        number = self.next_sequence()
        self.sequence = number + 1
        self._dirty_meta["sequence"] = self.sequence
        return number

    def put(self, record: Record, fp: bytes) -> Row:
        """Set what we have at a path; the row gets the next sequence."""
        self.sequence = self.next_sequence()
        row = _new(Row, (record, self.sequence, fp))
        self._set(record.path, row)
        if self._paths is not None:  # not before: what is new needs no look into the file
            self._paths.add(hash(record.path))
        return row

    def put_new(self, records: Sequence[Record], fps: Iterable[bytes]) -> list[Row]:
        """`put` for many files of which nothing was known."""
        first = self.next_sequence()
        self.sequence = first + len(records) - 1
        if self._live is not None:
            files, size = self._live
            self._live = files + len(records), size + sum(record.size for record in records)
        rows = list(map(partial(_new, Row), zip(records, range(first, self.sequence + 1), fps, strict=True)))
        paths = [record.path for record in records]
        contents = [record.content for record in records]
        if self._paths is not None:
            self._paths.add_all(map(hash, paths))
        if self._contents is not None:
            self._contents.add_all(map(_low_bits, contents))
        if len(self._rows) + len(rows) > _CACHE_MAX:
            self._rows.clear()
            self._rows.update(self._dirty_rows)
        self._rows.update(zip(paths, rows, strict=True))
        self._dirty_rows.update(zip(paths, rows, strict=True))
        self._dirty_content.update(zip(contents, paths, strict=True))
        return rows

    def set_fp(self, path: bytes, fp: bytes) -> None:
        """What is on the disk has another fingerprint; there is nothing to tell anyone."""
        row = self.get(path)
        if row is not None and row.fp != fp:
            self._set(path, row._replace(fp=fp))

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
        self._dirty_rows[path] = row
        if row.record.kind == Kind.FILE:
            self._dirty_content[row.record.content] = path
            if self._contents is not None:
                self._contents.add(_low_bits(row.record.content))

    def _remember(self, path: bytes, row: Row | None) -> None:
        if len(self._rows) >= _CACHE_MAX:
            self._rows.clear()
            self._rows.update(self._dirty_rows)
        self._rows[path] = row

    def fetch(self, paths: Iterable[bytes]) -> None:
        """Read many rows at once, so that `get` finds them decoded."""
        todo = [path for path in paths if path not in self._rows]
        if self._paths is not None and todo:
            todo = [path for path, is_new in zip(todo, self._paths.lack(map(hash, todo)), strict=True) if not is_new]
        for at in range(0, len(todo), 400):
            some = todo[at : at + 400]
            keys: list[bytes] = []
            for path in some:
                parent, _, name = path.rpartition(b"/")
                keys += (parent, name)
            marks = ",".join(["(?,?)"] * len(some))
            # a row of an earlier write may be in _dirty_rows only; such paths are in _rows and not in `todo`
            found = {}
            query = f"SELECT {_ROW_FIELDS},seq,fp FROM row WHERE (parent,name) IN (VALUES {marks})"
            for fields in self._db.execute(query, keys):
                row = _row(fields)
                found[row.record.path] = row
            for path in some:
                self._remember(path, found.get(path))

    def unknown(self, paths: Sequence[bytes]) -> set[bytes]:
        """Those of some paths of which there is neither a row nor an offer."""
        self.fetch(paths)
        lacking = [False] * len(paths) if self._paths is None else self._paths.lack(map(hash, paths))
        new = {path for path, is_new in zip(paths, lacking, strict=True) if is_new or self.get(path) is None}
        return {path for path in new if not self._offers_of(path)} if self._any_offer or self._offers else new

    def known_in(self, parent: bytes) -> dict[bytes, bytes]:
        """Name -> fingerprint of everything that is directly in a folder, as far as we know."""
        self._flush()
        query = "SELECT name,fp FROM row WHERE parent=? AND (kind<>0 OR fp<>x'')"
        return dict(self._db.execute(query, (parent,)))

    def live_below(self, path: bytes, limit: int) -> list[Row]:
        """Up to `limit` rows below a folder, at any depth, that are live or have something on the disk."""
        self._flush()
        low, high = path + b"/", path + b"0"
        query = (
            f"SELECT {_ROW_FIELDS},seq,fp FROM row WHERE (parent=? OR (parent>=? AND parent<?))"
            " AND (kind<>0 OR fp<>x'') ORDER BY parent DESC, name LIMIT ?"
        )
        return [_row(fields) for fields in self._db.execute(query, (path, low, high, limit))]

    def live_children(self, path: bytes, limit: int) -> list[Row]:
        """Up to `limit` live rows directly in a folder."""
        self._flush()
        query = f"SELECT {_ROW_FIELDS},seq,fp FROM row WHERE parent=? AND kind<>0 LIMIT ?"
        return [_row(fields) for fields in self._db.execute(query, (path, limit))]

    def live_files(self, path: bytes) -> Iterator[Row]:
        """The file at a path, or all files below it, as far as they are live."""
        row = self.get(path)
        if row is not None and row.record.kind == Kind.FILE:
            yield row
        self._flush()
        query = f"SELECT {_ROW_FIELDS},seq,fp FROM row WHERE kind=1 AND (parent=? OR (parent>=? AND parent<?))"
        for fields in self._db.execute(query, (path, path + b"/", path + b"0")).fetchall():
            yield _row(fields)

    def count_files(self, path: bytes) -> int:
        """How many `live_files` there are."""
        row = self.get(path)
        if row is not None and row.record.kind != Kind.DIRECTORY:
            return int(row.record.kind == Kind.FILE)
        self._flush()
        query = "SELECT COUNT(*) FROM row WHERE kind=1 AND (parent=? OR (parent>=? AND parent<?))"
        count: int = self._db.execute(query, (path, path + b"/", path + b"0")).fetchone()[0]
        return count

    def live_paths(self, path: bytes) -> list[bytes]:
        """A path and all that is below it, as far as it is live."""
        self._flush()
        query = "SELECT parent,name FROM row WHERE kind<>0 AND (parent=? OR (parent>=? AND parent<?))"
        below = [_join(*key) for key in self._db.execute(query, (path, path + b"/", path + b"0"))]
        row = self.get(path)
        return [path, *below] if row is not None and row.record.kind != Kind.ABSENT else below

    def forget(self, path: bytes) -> None:
        """As if nothing had ever been at a path."""
        self._flush()
        parent, _, name = path.rpartition(b"/")
        self._db.execute("DELETE FROM row WHERE parent=? AND name=?", (parent, name))
        self._rows.pop(path, None)
        self._summary = self._live = None
        self._dirty_meta |= {"sequence": self.sequence, "live": ""}

    def ask_anew(self) -> None:
        """As if no peer had told anything yet: each will be asked for all it has."""
        for node, known in self._peers.items():
            self.set_peer(node, known._replace(seen=0))

    def has_live_child(self, path: bytes) -> bool:
        self._flush()
        query = "SELECT 1 FROM row WHERE parent=? AND kind<>0 LIMIT 1"
        return self._db.execute(query, (path,)).fetchone() is not None

    def by_content(self, digest: bytes) -> list[Row]:
        """Some live files with this content (at most 8), as far as the index knows."""
        rows: list[Row] = []
        if not self.may_have(digest):
            return rows
        path = self._dirty_content.get(digest)
        if path is not None:
            row = self._dirty_rows.get(path)
            if row is not None and row.record.kind == Kind.FILE and row.record.content == digest:
                rows.append(row)
        query = f"SELECT {_ROW_FIELDS},seq,fp FROM row WHERE kind=1 AND content=? LIMIT 8"
        for fields in self._db.execute(query, (digest,)):
            row = _row(fields)
            row = self._dirty_rows.get(row.record.path, row)
            if row.record.kind == Kind.FILE and row.record.content == digest and row not in rows:
                rows.append(row)
        return rows

    def may_have(self, digest: bytes) -> bool:
        """False: no row and no version ever had this content. True: look."""
        return self._all_contents().may_have(_low_bits(digest))

    def may_not_have(self, digests: Sequence[bytes]) -> set[bytes]:
        """Those for which `may_have` is false."""
        lacking = self._all_contents().lack(map(_low_bits, digests))
        return {digest for digest, is_new in zip(digests, lacking, strict=True) if is_new}

    def _all_contents(self) -> _Bloom:
        if self._contents is None:
            self._flush()
            self._contents = _Bloom()
            query = "SELECT content FROM row WHERE kind=1 UNION ALL SELECT content FROM version WHERE kind=1"
            self._contents.add_all(_low_bits(content) for (content,) in self._db.execute(query))
        return self._contents

    def rows_after(self, sequence: int, limit: int) -> list[Row]:
        """Rows above a sequence, ascending."""
        self._flush()
        query = "SELECT parent,name FROM row WHERE seq>? ORDER BY seq LIMIT ?"
        paths = [_join(*key) for key in self._db.execute(query, (sequence, limit))]
        self.fetch(paths)  # most are decoded already
        return [row for path in paths if (row := self.get(path)) is not None]

    def summary(self) -> bytes:
        """The summary of all rows (see `content.summarize`); kept until a row changes."""
        if self._summary is None or self._summary[0] != self.sequence:
            self._flush()
            query = "SELECT parent,name,stamp_ns,stamp_node,vector FROM row"
            rows = self._db.execute(query)
            self._summary = self.sequence, summarize((_join(parent, name), *rest) for parent, name, *rest in rows)
        return self._summary[1]

    def live_rows(self, after: bytes, size_min: int, limit: int) -> list[Row]:
        """Live files of at least `size_min` bytes whose path is above `after`, in order of (parent, name)."""
        self._flush()
        parent, _, name = after.rpartition(b"/")
        query = (
            f"SELECT {_ROW_FIELDS},seq,fp FROM row WHERE kind=1 AND size>=? AND (parent,name)>(?,?)"
            " ORDER BY parent,name LIMIT ?"
        )
        return [_row(fields) for fields in self._db.execute(query, (size_min, parent, name, limit))]

    def files(self) -> int:
        """How many live files there are."""
        return self.count_live()[0]

    def count_live(self) -> tuple[int, int]:
        """Live files, and their bytes together: counted once, then kept up to date."""
        if self._live is None:
            self._live = self.counted_live()
            self._dirty_meta["live"] = f"{self._live[0]} {self._live[1]}"
        return self._live

    def counted_live(self) -> tuple[int, int]:
        """`count_live`, by looking at every row."""
        self._flush()
        count, size = self._db.execute("SELECT COUNT(*), COALESCE(SUM(size),0) FROM row WHERE kind=1").fetchone()
        return count, size

    # --- offers ------------------------------------------------------------------------------------------------------

    def offers(self, path: bytes) -> list[Offer]:
        """What peers announced for a path and we do not hold, ordered by peer."""
        known = self._offers_of(path)
        return [known[peer] for peer in sorted(known)] if known else []

    def offer(self, path: bytes, peer: str) -> Offer | None:
        return self._offers_of(path).get(peer)

    def _offers_of(self, path: bytes) -> dict[str, Offer]:
        try:
            return self._offers[path]
        except KeyError:
            pass
        if not self._any_offer and not self._offers:
            return {}
        known: dict[str, Offer] = {}
        if self._any_offer and (self._offered is None or path in self._offered):
            parent, _, name = path.rpartition(b"/")
            query = f"SELECT {_ROW_FIELDS},peer,foreign_ FROM offer WHERE parent=? AND name=?"
            for fields in self._db.execute(query, (parent, name)):
                known[fields[12]] = Offer(fields[12], _record(fields), bool(fields[13]))
        if len(self._offers) >= _CACHE_MAX:
            self._flush()
            self._offers.clear()
        self._offers[path] = known
        return known

    def put_offer(self, offer: Offer) -> None:
        path = offer.record.path
        known = self._offers_of(path)
        earlier = known.get(offer.peer)
        self.offers_went = self.offers_went or earlier is not None
        self._add_wanted(offer, 1)
        if earlier is not None:
            self._add_wanted(earlier, -1)
        known[offer.peer] = offer
        self._offers[path] = known
        self._dirty_offers[(path, offer.peer)] = None

    def drop_offer(self, path: bytes, peer: str) -> bool:
        """True if there was one."""
        offer = self._offers_of(path).pop(peer, None)
        if offer is None:
            return False
        self._add_wanted(offer, -1)
        self.offers_went = True
        self._dirty_offers[(path, peer)] = None
        return True

    def wanted_from(self, peer: str) -> Lack:
        """What the offers of a peer come to."""
        return self._wanted.get(peer, NOTHING)

    def rows_come_to(self, after: int) -> Lack:
        """What the rows above a sequence come to."""
        self._flush()
        query = "SELECT COUNT(*), COALESCE(SUM(kind=1),0), COALESCE(SUM((kind=1)*size),0) FROM row WHERE seq>?"
        count, files, size = self._db.execute(query, (after,)).fetchone()
        return Lack(files, size, count - files)

    def _add_wanted(self, offer: Offer, sign: int) -> None:
        files, size, others = self._wanted.get(offer.peer, NOTHING)
        if offer.record.kind is Kind.FILE:
            self._wanted[offer.peer] = Lack(files + sign, size + sign * offer.record.size, others)
        else:
            self._wanted[offer.peer] = Lack(files, size, others + sign)

    def _count_wanted(self) -> None:
        query = "SELECT peer, COUNT(*), SUM(kind=1), SUM((kind=1)*size) FROM offer GROUP BY peer"
        self._wanted = {peer: Lack(files, size, count - files) for peer, count, files, size in self._db.execute(query)}

    def put_intent(self, peer: str, records: Iterable[Record]) -> int:
        """Files that a peer announced and that are being installed now: cheaper than as many offers, and as durable.
        Returns what `drop_intent` wants to hear."""
        paths, _, sizes, contents, mtimes, modes, stamps, vectors, lineages = zip(*records, strict=True)
        names = b"\0".join(paths).decode("utf-8", "surrogateescape")
        values = (peer, _to_json([names, sizes, b"".join(contents).hex(), mtimes, modes, stamps, vectors, lineages]))
        id_ = self._db.execute("INSERT INTO intent (peer, records) VALUES (?,?)", values).lastrowid
        assert id_ is not None
        return id_

    def drop_intent(self, id_: int) -> None:
        """All of them are rows or offers by now."""
        self._db.execute("DELETE FROM intent WHERE id=?", (id_,))

    def _recover_intents(self) -> None:
        for peer, text in self._db.execute("SELECT peer, records FROM intent").fetchall():
            names, sizes, contents, *rest = json.loads(text)
            if type(names) is not str:
                raise ValueError("names are not text")
            paths = names.encode("utf-8", "surrogateescape").split(b"\0")
            digests = [bytes.fromhex(contents[at : at + 64]) for at in range(0, len(contents), 64)]
            for path, size, digest, mtime, mode, stamp, *vectors in zip(paths, sizes, digests, *rest, strict=True):
                entries = (tuple((node, counter) for node, counter in vector) for vector in vectors)
                record = Record(path, Kind.FILE, size, digest, mtime, mode, Stamp(*stamp), *entries)
                known = self.offer(path, peer)
                if known is None or known.record.stamp < record.stamp:  # else it has told more since, such as a removal
                    self.put_offer(Offer(peer, record, False))
        self._db.execute("DELETE FROM intent")

    def offered_paths(self, after: bytes | None, limit: int) -> list[bytes]:
        """Paths that have offers, in order, above `after` (None: from the start)."""
        self._flush()
        parent, _, name = (after or b"").rpartition(b"/")
        query = "SELECT DISTINCT parent,name FROM offer WHERE (parent,name)>(?,?) ORDER BY parent,name LIMIT ?"
        return [_join(*key) for key in self._db.execute(query, (parent, name, limit))]

    def offered_contents(self) -> list[bytes]:
        """Contents of files that have offers."""
        self._flush()
        return [content for (content,) in self._db.execute("SELECT DISTINCT content FROM offer WHERE kind=1")]

    def offered_below(self, parent: bytes, limit: int) -> list[bytes]:
        """Paths directly in a folder that have live offers."""
        if not self._any_offer and not self._dirty_offers:
            return []
        self._flush()
        query = "SELECT DISTINCT parent,name FROM offer WHERE parent=? AND kind<>0 LIMIT ?"
        return [_join(*key) for key in self._db.execute(query, (parent, limit))]

    def any_offers(self) -> bool:
        if self._dirty_offers:
            self._flush()
        return self._any_offer

    def count_offers(self) -> int:
        self._flush()
        return int(self._db.execute("SELECT COUNT(*) FROM (SELECT DISTINCT parent,name FROM offer)").fetchone()[0])

    def offered_by(self, maker: str) -> list[bytes]:
        """Paths that have an offer of a record by this maker."""
        self._flush()
        query = "SELECT DISTINCT parent,name FROM offer WHERE stamp_node=?"
        return [_join(*key) for key in self._db.execute(query, (maker,))]

    def _exists_offer(self) -> bool:
        return self._db.execute("SELECT 1 FROM offer LIMIT 1").fetchone() is not None

    # --- peers -------------------------------------------------------------------------------------------------------

    def peer(self, node: str) -> PeerSeen | None:
        return self._peers.get(node)

    def set_peer(self, node: str, seen: PeerSeen) -> None:
        self._peers[node] = seen
        self._dirty_peers[node] = seen

    def peers(self) -> list[str]:
        """All nodes that were ever connected, and are not forgotten."""
        return list(self._peers)

    def forget_peer(self, node: str) -> None:
        """As if that node had never been connected."""
        self.forget_offers(node)
        self._peers.pop(node, None)
        self._dirty_peers.pop(node, None)
        self._db.execute("DELETE FROM peer WHERE node=?", (node,))
        self._db.execute("DELETE FROM meta WHERE key=?", ("name " + node,))
        self._dirty_meta.pop("name " + node, None)
        self._dirty_meta["sequence"] = self.sequence

    def count_offers_of(self, peer: str) -> int:
        """How much a peer has announced that we do not hold."""
        self._flush()
        return int(self._db.execute("SELECT COUNT(*) FROM offer WHERE peer=?", (peer,)).fetchone()[0])

    def forget_offers(self, peer: str) -> None:
        """Everything that a peer announced: its index is another one now."""
        self._flush()
        self._offers.clear()
        self.offers_went = True
        self._db.execute("DELETE FROM offer WHERE peer=?", (peer,))
        self._wanted.pop(peer, None)
        self._any_offer = self._exists_offer()

    # --- history -----------------------------------------------------------------------------------------------------

    def put_version(self, version: Version) -> None:
        mtime_s, mtime_ns = divmod(version.mtime, _BILLION)
        if self._contents is not None:
            self._contents.add(_low_bits(version.content))
        self._db.execute(
            "INSERT OR REPLACE INTO version VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                version.name, version.path, int(version.kind), version.size, version.content, mtime_s, mtime_ns,
                version.mode, version.time_ns, version.why.value, version.node,
            ),
        )  # fmt: skip
        self._dirty_meta["sequence"] = self.sequence

    def version(self, name: bytes) -> Version | None:
        fields = self._db.execute("SELECT * FROM version WHERE name=?", (name,)).fetchone()
        return None if fields is None else _version(fields)

    def version_with(self, digest: bytes) -> Version | None:
        """A file in the history with this content."""
        if not self.may_have(digest):
            return None
        fields = self._db.execute("SELECT * FROM version WHERE kind=1 AND content=? LIMIT 1", (digest,)).fetchone()
        return None if fields is None else _version(fields)

    def has_version(self, name: bytes) -> bool:
        """The history is known to hold this file."""
        return self._db.execute("SELECT 1 FROM version WHERE name=?", (name,)).fetchone() is not None

    def path_with(self, digest: bytes, base: bytes) -> bytes | None:
        """Where a file with this content is said to be; if at several paths, at best one that ends with `base`."""
        paths = [row.record.path for row in self.by_content(digest)]
        return next((path for path in paths if path.rpartition(b"/")[2].endswith(base)), paths[0] if paths else None)

    def versions(self, path: bytes | None = None) -> Iterator[Version]:
        """What the history holds (of one path), oldest first."""
        query, keys = "SELECT * FROM version ORDER BY time_ns", ()
        if path is not None:
            query, keys = "SELECT * FROM version WHERE path=? ORDER BY time_ns", (path,)  # type: ignore[assignment]
        for fields in self._db.execute(query, keys):
            yield _version(fields)

    def settle(self, path: bytes, kind: Kind, content: bytes) -> None:
        """What lost in a conflict is an ordinary version from now on."""
        found = self._db.execute(
            "UPDATE version SET why='replaced' WHERE why='conflict' AND path=? AND kind=? AND content=?",
            (path, int(kind), content),
        ).rowcount
        if found:
            self._dirty_meta["sequence"] = self.sequence

    def newest_versions(self, path: bytes, limit: int, conflicts: bool = False) -> list[Version]:
        """Up to `limit` versions of a path and of all below it (b"": of all), newest first. `conflicts`: only losers."""
        query, keys = "SELECT * FROM version", []
        if path:
            query, keys = f"{query} WHERE (path=? OR (path>=? AND path<?))", [path, path + b"/", path + b"0"]
        if conflicts:
            query += " AND why='conflict'" if path else " WHERE why='conflict'"
        return [
            _version(fields) for fields in self._db.execute(f"{query} ORDER BY time_ns DESC LIMIT ?", (*keys, limit))
        ]

    def has_content(self, digest: bytes) -> bool:
        """True if a file of ours, or one in the history, has this content."""
        return any(row.fp for row in self.by_content(digest)) or self.version_with(digest) is not None

    def history_bytes(self) -> int:
        """What the history holds, together."""
        size: int = self._db.execute("SELECT COALESCE(SUM(size),0) FROM version").fetchone()[0]
        return size

    def old_versions(self, before_ns: int, limit: int) -> list[Version]:
        """Up to `limit` versions that were displaced before a time, oldest first."""
        query = "SELECT * FROM version WHERE time_ns<? ORDER BY time_ns LIMIT ?"
        return [_version(fields) for fields in self._db.execute(query, (before_ns, limit))]

    def put_brief(self, name: bytes) -> None:
        """The content of a version was here for minutes only."""
        self._db.execute("INSERT OR IGNORE INTO brief VALUES (?)", (name,))

    def brief_bytes(self) -> int:
        """What the history holds of such contents."""
        query = "SELECT COALESCE(SUM(size),0) FROM version WHERE name IN (SELECT name FROM brief)"
        size: int = self._db.execute(query).fetchone()[0]
        return size

    def is_brief(self, name: bytes) -> bool:
        return self._db.execute("SELECT 1 FROM brief WHERE name=?", (name,)).fetchone() is not None

    def least_versions(self, limit: int, brief_first: bool = False) -> list[Version]:
        """Up to `limit` versions, whatever time a wrong clock gave them, oldest first, but losers of conflicts last. With
        `brief_first`, contents that were here for minutes only come first."""
        order = "name NOT IN brief, why='conflict', time_ns" if brief_first else "why='conflict', time_ns"
        query = f"SELECT * FROM version ORDER BY {order} LIMIT ?"
        return [_version(fields) for fields in self._db.execute(query, (limit,))]

    def crowding_versions(self, share: int, limit: int) -> list[tuple[Version, int]]:
        """Of paths that hold more than `share` bytes in ordinary versions: up to `limit` of these and what the path holds, the
        largest paths first, the oldest of a path first, its newest never."""
        ordinary = (
            "SELECT path AS of, SUM(size) AS total, MAX(time_ns) AS newest FROM version WHERE why<>'conflict'"
            " GROUP BY path HAVING COUNT(*)>1 AND total>?"
        )
        query = (
            f"SELECT version.*, total FROM version JOIN ({ordinary}) ON path=of"
            " WHERE why<>'conflict' AND time_ns<newest ORDER BY total DESC, path, time_ns LIMIT ?"
        )
        return [(_version(fields[:-1]), fields[-1]) for fields in self._db.execute(query, (share, limit))]

    def versions_since(self, time_ns: int, limit: int) -> list[Version]:
        """Up to `limit` versions that were displaced at a time or later, the latest first."""
        query = "SELECT * FROM version WHERE time_ns>=? ORDER BY time_ns DESC LIMIT ?"
        return [_version(fields) for fields in self._db.execute(query, (time_ns, limit))]

    def drop_version(self, name: bytes) -> None:
        self._db.execute("DELETE FROM version WHERE name=?", (name,))
        self._db.execute("DELETE FROM brief WHERE name=?", (name,))
        self._dirty_meta["sequence"] = self.sequence

    # --- the journal -------------------------------------------------------------------------------------------------

    def journal(self, record: Record, previous: Record | None, time_ns: int) -> None:
        """Note how a path was (`previous`; None: nothing was there) before the change that `record` is."""
        if previous is None:
            was: tuple[object, ...] = (0, 0, b"", 0, 0, 0)
        else:
            _, kind, size, content, mtime, mode, *_ = previous
            was = (int(kind), size, content, mtime // _BILLION, mtime % _BILLION, mode)
        self._dirty_changes.append((time_ns, record.stamp.node, record.path, *was))

    def journal_new(self, records: Iterable[Record], time_ns: int) -> None:
        """`journal` for many files where nothing was."""
        self._dirty_changes += [(time_ns, record.stamp.node, record.path, 0, 0, b"", 0, 0, 0) for record in records]

    def changes_since(self, time_ns: int) -> Iterator[Before]:
        """The journal from a time on, oldest first."""
        self._flush()
        query = (
            "SELECT path,kind,size,content,mtime_s,mtime_ns,mode,time_ns,node FROM change WHERE time_ns>=? ORDER BY id"
        )
        for path, kind, size, content, mtime_s, mtime_ns, mode, when, node in self._db.execute(query, (time_ns,)):
            yield Before(path, _KINDS[kind], size, content, mtime_s * _BILLION + mtime_ns, mode, when, node)

    def forget_changes(self, before_ns: int, most: int) -> None:
        """Drop what the journal has from before a time, and all but the last `most` entries."""
        self._flush()
        self._db.execute("DELETE FROM change WHERE time_ns<? OR id<=(SELECT MAX(id) FROM change)-?", (before_ns, most))

    # --- the file ----------------------------------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        """True if a commit would write something."""
        return bool(
            self._db.total_changes != self._changes_at_commit
            or self._dirty_rows
            or self._dirty_offers
            or self._dirty_changes
            or self._dirty_meta
            or self._dirty_peers
        )

    _changes_at_commit = 0
    _unsynced = False
    _log_handle: int | None = None

    def commit(self, durable: bool = True) -> None:
        """Everything written so far survives the end of the program when this returns, and if `durable` also a power cut.
        (If not: from the next sync of the whole file system on.) No disk access if there is nothing new."""
        if self.is_dirty:
            self._commit()
            self._unsynced = True
        if durable and self._unsynced:
            self._sync()
            self._unsynced = False

    def _sync(self) -> None:
        """What SQLite itself does at each commit with synchronous=FULL."""
        if self._log is not None:
            if self._log_handle is None:
                self._log_handle = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
            os.fdatasync(self._log_handle)

    def _commit(self) -> None:
        self._flush()
        if self._dirty_meta:
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", list(self._dirty_meta.items()))
            self._dirty_meta.clear()
        if self._dirty_peers:
            peers = [(node, *seen) for node, seen in self._dirty_peers.items()]
            self._db.executemany("INSERT OR REPLACE INTO peer VALUES (?,?,?,?)", peers)
            self._dirty_peers.clear()
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")
        self._changes_at_commit = self._db.total_changes

    def _flush(self) -> None:
        if self._dirty_changes:
            query = "INSERT INTO change (time_ns,node,path,kind,size,content,mtime_s,mtime_ns,mode) VALUES (?,?,?,?,?,?,?,?,?)"
            self._db.executemany(query, self._dirty_changes)
            self._dirty_changes.clear()
        if self._dirty_rows:
            self._dirty_meta["sequence"] = self.sequence
            self._dirty_meta["live"] = "" if self._live is None else f"{self._live[0]} {self._live[1]}"
            rows = [
                (*_fields(row.record), row.seq, row.fp, _text(row.record.lineage)) for row in self._dirty_rows.values()
            ]
            marks = ",".join("?" * 14)
            self._db.executemany(f"INSERT OR REPLACE INTO row VALUES ({marks})", rows)
            self._dirty_rows.clear()
            self._dirty_content.clear()
        if self._dirty_offers:
            gone, there = [], []
            for path, peer in self._dirty_offers:
                offer = self._offers.get(path, {}).get(peer)
                if offer is None:
                    parent, _, name = path.rpartition(b"/")
                    gone.append((parent, name, peer))
                else:
                    fields = _fields(offer.record)
                    there.append((*fields[:2], peer, *fields[2:], int(offer.foreign), _text(offer.record.lineage)))
            if gone and self._any_offer:
                self._db.executemany("DELETE FROM offer WHERE parent=? AND name=? AND peer=?", gone)
            if there:
                marks = ",".join("?" * 14)
                self._db.executemany(f"INSERT OR REPLACE INTO offer VALUES ({marks})", there)
                if self._offered is not None:
                    self._offered.update(path for path, _ in self._dirty_offers)
                    if len(self._offered) > _CACHE_MAX:
                        self._offered = None
            self._dirty_offers.clear()
            self._any_offer = bool(there) or self._exists_offer()
            if not self._any_offer:
                self._offers.clear()  # all of them empty
                self._offered = set()

    def image(self) -> bytes:
        """The database as bytes, as of the last commit: what a crash leaves. Nothing else may be called after it."""
        self._db.execute("ROLLBACK")
        return self._db.serialize()

    def close(self) -> None:
        if self._log_handle is not None:
            os.close(self._log_handle)
            self._log_handle = None
        self._db.close()


class _Bloom:
    """A set of random numbers that may err on the side of yes: some 3 % of the time with 100,000 of them, in 128 KiB.

    Of each number the lowest 40 bits count."""

    def __init__(self) -> None:
        self._bits = bytearray(1 << 17)

    def add(self, number: int) -> None:
        bits = self._bits
        bits[number >> 3 & 0x1FFFF] |= 1 << (number & 7)
        number >>= 20
        bits[number >> 3 & 0x1FFFF] |= 1 << (number & 7)

    def add_all(self, numbers: Iterable[int]) -> None:
        bits = self._bits
        for number in numbers:
            bits[number >> 3 & 0x1FFFF] |= 1 << (number & 7)
            bits[number >> 23 & 0x1FFFF] |= 1 << (number >> 20 & 7)

    def lack(self, numbers: Iterable[int]) -> list[bool]:
        """For each of them: true if it is not in the set."""
        bits = self._bits
        return [
            not (
                bits[number >> 3 & 0x1FFFF] & 1 << (number & 7)
                and bits[number >> 23 & 0x1FFFF] & 1 << (number >> 20 & 7)
            )
            for number in numbers
        ]

    def may_have(self, number: int) -> bool:
        bits = self._bits
        if not bits[number >> 3 & 0x1FFFF] & 1 << (number & 7):
            return False
        number >>= 20
        return bits[number >> 3 & 0x1FFFF] & 1 << (number & 7) != 0


def _low_bits(digest: bytes) -> int:
    return int.from_bytes(digest[:5], "little")


def _join(parent: bytes, name: bytes) -> bytes:
    return parent + b"/" + name if parent else name


def _vector(text: str) -> Vector:
    entries = []
    for entry in text.split(" ") if text else ():
        maker, _, counter = entry.partition(":")
        entries.append((maker, int(counter)))
    return tuple(entries)


def _record(fields: tuple[object, ...]) -> Record:
    parent, name, kind, size, content, mtime_s, mtime_ns, mode, stamp_ns, stamp_node, vector, lineage = fields[:12]
    return Record(
        parent + b"/" + name if parent else name,  # type: ignore[operator,arg-type]
        _KINDS[kind],  # type: ignore[index]
        size,  # type: ignore[arg-type]
        content,  # type: ignore[arg-type]
        mtime_s * _BILLION + mtime_ns,  # type: ignore[operator]
        mode,  # type: ignore[arg-type]
        Stamp(stamp_ns, stamp_node),  # type: ignore[arg-type]
        _vector(vector),  # type: ignore[arg-type]
        _vector(lineage) if lineage else (),  # type: ignore[arg-type]
    )


def _row(fields: tuple[object, ...]) -> Row:
    return Row(_record(fields), fields[12], fields[13])  # type: ignore[arg-type]


def _fields(record: Record) -> tuple[object, ...]:
    path, kind, size, content, mtime, mode, (stamp_ns, stamp_node), vector, _ = record
    parent, _, name = path.rpartition(b"/")
    if len(vector) == 1:
        ((maker, counter),) = vector
        text = f"{maker}:{counter}"
    else:
        text = _text(vector)
    return (
        parent, name, int(kind), size, content, mtime // _BILLION, mtime % _BILLION, mode, stamp_ns, stamp_node, text
    )  # fmt: skip


def _text(vector: Vector) -> str:
    return " ".join([f"{maker}:{counter}" for maker, counter in vector]) if vector else ""


def _version(fields: tuple[object, ...]) -> Version:
    name, path, kind, size, content, mtime_s, mtime_ns, mode, time_ns, why, node = fields
    return Version(
        name,  # type: ignore[arg-type]
        path,  # type: ignore[arg-type]
        _KINDS[kind],  # type: ignore[index]
        size,  # type: ignore[arg-type]
        content,  # type: ignore[arg-type]
        mtime_s * _BILLION + mtime_ns,  # type: ignore[operator]
        mode,  # type: ignore[arg-type]
        time_ns,  # type: ignore[arg-type]
        Why(why),
        node,  # type: ignore[arg-type]
    )
