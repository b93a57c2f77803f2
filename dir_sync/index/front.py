"""Index: the only object of this package that the rest of the program uses.

In:   the path of the index file. Out: the tables, one field each.
Rule: nothing is decided here. Callers ask the table that knows (`index.rows.get(path)`); only what needs two tables, and
what concerns the whole file, is implemented here. The engine, the daemon, `state`, `history` and `undo` call it; no
table does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from dir_sync.core.content import in_doubt
from dir_sync.core.model import Kind
from dir_sync.core.preserve import ON_ENTRIES
from dir_sync.core.rng import Rng
from dir_sync.index.bases import Bases
from dir_sync.index.bloom import ContentFilter
from dir_sync.index.changes import Changes
from dir_sync.index.database import CACHE_KIB, Database
from dir_sync.index.identity import Identity, Sequences
from dir_sync.index.intents import Intents
from dir_sync.index.journal import Journal
from dir_sync.index.notes import Notes
from dir_sync.index.offers import Offers
from dir_sync.index.peers import Peers
from dir_sync.index.rows import DECODED_MAX, Rows
from dir_sync.index.tree import Tree
from dir_sync.index.unshared import Unshared
from dir_sync.index.versions import Versions

__all__ = ["BRAKED", "JOURNAL_SINCE", "KEEPS", "UNPROVEN_PARTS", "Index"]

BRAKED = "braked "  # prefix of index notes, before the id of a link: which of its changes are held; "": none
JOURNAL_SINCE = "journal since"  # index note: since when (wall clock, ns) the journal contains every change
KEEPS = "keeps"  # index note: the parts of attributes that this node keeps, as words
UNPROVEN_PARTS = "unproven"  # index note: the parts that a disk may lack where a fingerprint is UNPROVEN, as words


class Index:
    """The index of one folder. Not thread safe: it belongs to the engine.

    It has more fields than a class should have: each is one table of the database, or queries on one.
    """

    def __init__(self, path: str, rng: Rng, image: bytes | None = None) -> None:
        """Open or create the index file (":memory:" for one in memory, from `image` if given).

        Raises IndexDamaged; sqlite3.OperationalError if the disk is full or access is denied."""
        self._database = Database(path, image)
        with self._database.opening():
            self.notes = Notes(self._database)
            self.identity = Identity(self.notes, rng)
            self.sequences = Sequences(self.notes, rng)
            self.peers = Peers(self._database)
            self.contents = ContentFilter(self._all_contents, self._count_contents, self._has_any)
            self.rows = Rows(self._database, self.notes, self.sequences, self.contents)
            self.tree = Tree(self._database, self.rows)
            self.changes = Changes(self._database, self.rows)
            self.offers = Offers(self._database)
            self.intents = Intents(self._database)
            self.unshared = Unshared(self._database)
            self.versions = Versions(self._database, self.contents)
            self.journal = Journal(self._database)
            self.bases = Bases(self._database)
            # The notes come last, because flushing rows and sequences writes notes.
            for writer in (self.journal, self.rows, self.offers, self.sequences, self.peers, self.notes):
                self._database.attach(writer)
            self.first_scan_done = bool(self.notes.get("first_scan_done"))
            self.intents.recover(self.offers)

    # --- what needs two tables ---------------------------------------------------------------------------------------

    def _all_contents(self) -> Iterator[bytes]:
        self.rows.flush()
        query = "SELECT content FROM row WHERE kind=1 UNION ALL SELECT content FROM version WHERE kind=1"
        return (content for (content,) in self._database.execute(query))

    def _count_contents(self) -> int:
        return self.rows.count_live()[0] if self.first_scan_done else 0

    def _has_any(self, digest: bytes) -> bool:
        return bool(self.rows.by_content(digest)) or self.versions.with_content(digest) is not None

    def unknown(self, paths: Sequence[bytes]) -> set[bytes]:
        """Those of `paths` with neither a row nor an offer."""
        return self.offers.without(self.rows.unknown(paths))

    def has_content(self, digest: bytes) -> bool:
        """True if a file in the tree or in the history has this content."""
        return any(row.fp for row in self.rows.by_content(digest)) or self.versions.with_content(digest) is not None

    def path_with(self, digest: bytes, base: bytes) -> bytes | None:
        """The path of a file with this content, according to the index; preferably one that ends with `base`."""
        paths = [row.record.path for row in self.rows.by_content(digest)]
        return next((path for path in paths if path.rpartition(b"/")[2].endswith(base)), paths[0] if paths else None)

    def file_at(self, path: bytes) -> tuple[bytes, bytes]:
        """Content and fingerprint of the file at a path, according to the index; twice b"": there is no file."""
        row = self.rows.get(path)
        return (row.record.content, row.fp) if row is not None and row.record.kind == Kind.FILE else (b"", b"")

    def summary_for(self, replica: str) -> bytes:
        """The summary of what is here, for this peer: in doubt where it has announced another version that is still an offer.
        It may have lost that version since, and may have the same as we again. So it has to say what it has there."""
        return in_doubt(self.rows.summary(), self.offers.paths_by(replica))

    def keep(self, parts: Collection[str]) -> list[str]:
        """From now on, these parts of attributes are kept (words). For those that were not kept until now, each entry is looked
        at once more; what its version says of them counts, because the disk was not given it. Returns those that are kept no
        longer."""
        now, before = set(parts), set(self.notes.words(KEEPS))
        on_entries = {part.value for part in ON_ENTRIES}
        if (new := now - before) & on_entries:
            left = self.notes.words(UNPROVEN_PARTS) if self.rows.has_unproven() else []
            self.notes.put(UNPROVEN_PARTS, " ".join(sorted((new & on_entries).union(left))))
            self.rows.doubt_attributes()
        elif new:
            self.rows.doubt_all()
        if now != before:
            self.notes.put(KEEPS, " ".join(sorted(now)))
        return sorted(before - now)

    def forget_peer(self, replica: str) -> None:
        """Forget a replica as if it had never been connected."""
        self.offers.forget(replica)
        self.unshared.forget(replica)
        self.peers.forget(replica)
        self.notes.forget(f"name {replica}")
        self.notes.forget(f"seen {replica}")
        self.notes.forget(f"member {replica}")
        self.notes.forget(f"identity {replica}")

    def set_first_scan_done(self) -> None:
        """The first scan is over: make look-ups by content fast."""
        self.rows.index_contents()
        self.first_scan_done = True
        self.notes.put("first_scan_done", 1)

    def cache(self, share: float) -> None:
        """From now on, keep this part in memory of what an index may keep that is alone."""
        self.rows.cache(int(DECODED_MAX * share))
        self._database.cache(int(CACHE_KIB * share))

    def skip_sequences(self, now_ns: int) -> None:
        """Call this once after opening an index that may be a backup. Sequences that its later state may have used are
        not used again: a peer that received them would take a new change for a known one, and miss it. (If the new
        sequences lie below them nevertheless, a peer reports that; see `Identity.take_new_id`.)"""
        if not self.identity.is_new:
            self.sequences.skip(now_ns)

    # --- the file ----------------------------------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        """True if a commit would write something."""
        return self._database.is_dirty

    def needs_commit(self, durable: bool) -> bool:
        return self._database.needs_commit(durable)

    def commit(self, durable: bool = True) -> None:
        self._database.commit(durable)

    @property
    def is_log_long(self) -> bool:
        return self._database.is_log_long

    def checkpoint(self) -> None:
        self._database.checkpoint()

    def copy(self) -> bytes:
        """The index as bytes, as a backup of its file would have it after a commit."""
        return self._database.copy()

    def image(self) -> bytes:
        return self._database.image()

    def close(self) -> None:
        self._database.close()
