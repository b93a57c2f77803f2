"""Index: the only object of this package that the rest of the program uses.

In:   the path of the index file. Out: the tables, with one method here for each of theirs.
Rule: nothing is decided here. A method calls its table, where its docstring is; only what needs two tables is
implemented here. The engine, the daemon, `state`, `history` and `undo` call it; no table does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dir_sync.core.jobs import Before, Version
from dir_sync.core.model import Kind, Record
from dir_sync.core.peers.standing import Lack
from dir_sync.core.reconcile import Offer
from dir_sync.core.rng import Rng
from dir_sync.index.bases import Bases
from dir_sync.index.bloom import ContentFilter
from dir_sync.index.database import CACHE_KIB, Database
from dir_sync.index.identity import Identity, Sequences
from dir_sync.index.intents import Intents
from dir_sync.index.journal import Journal
from dir_sync.index.notes import Notes
from dir_sync.index.offers import Offers
from dir_sync.index.peers import Peers, PeerSeen
from dir_sync.index.rows import DECODED_MAX, Row, Rows
from dir_sync.index.tree import Tree
from dir_sync.index.versions import Versions

__all__ = ["JOURNAL_SINCE", "Index"]

JOURNAL_SINCE = "journal since"  # index note: since when (wall clock, ns) the journal contains every change


class Index:
    """The index of one folder. Not thread safe: it belongs to the engine.

    It has as many methods as its tables together, so that callers need one object instead of twelve; each is one line. Only
    `bases`, which few nodes use, is called as it is.

    It has more fields than a class should have: each is one table of the database.
    """

    def __init__(self, path: str, rng: Rng, image: bytes | None = None) -> None:
        """Open or create the index file (":memory:" for one in memory, from `image` if given).

        Raises IndexDamaged; sqlite3.OperationalError if the disk is full or access is denied."""
        self._database = Database(path, image)
        with self._database.opening():
            self._notes = Notes(self._database)
            self._identity = Identity(self._notes, rng)
            self._sequences = Sequences(self._notes, rng)
            self._peers = Peers(self._database)
            self._contents = ContentFilter(self._all_contents)
            self._rows = Rows(self._database, self._notes, self._sequences, self._contents)
            self._tree = Tree(self._database, self._rows)
            self._offers = Offers(self._database)
            self._intents = Intents(self._database)
            self._versions = Versions(self._database, self._contents)
            self._journal = Journal(self._database)
            self.bases = Bases(self._database)
            # The notes come last, because flushing rows and sequences writes notes.
            for writer in (self._journal, self._rows, self._offers, self._sequences, self._peers, self._notes):
                self._database.attach(writer)
            self._intents.recover(self._offers)
            self.first_scan_done = bool(self._notes.noted("first_scan_done"))

    # --- what needs two tables ---------------------------------------------------------------------------------------

    def _all_contents(self) -> Iterator[bytes]:
        self._rows.flush()
        query = "SELECT content FROM row WHERE kind=1 UNION ALL SELECT content FROM version WHERE kind=1"
        return (content for (content,) in self._database.execute(query))

    def unknown(self, paths: Sequence[bytes]) -> set[bytes]:
        """Those of `paths` with neither a row nor an offer."""
        return self._offers.without(self._rows.unknown(paths))

    def has_content(self, digest: bytes) -> bool:
        """True if a file in the tree or in the history has this content."""
        return any(row.fp for row in self.by_content(digest)) or self.version_with(digest) is not None

    def path_with(self, digest: bytes, base: bytes) -> bytes | None:
        """The path of a file with this content, according to the index; preferably one that ends with `base`."""
        paths = [row.record.path for row in self.by_content(digest)]
        return next((path for path in paths if path.rpartition(b"/")[2].endswith(base)), paths[0] if paths else None)

    def content_at(self, path: bytes) -> bytes:
        """The content of the file at a path, according to the index; b"": there is no file."""
        row = self.get(path)
        return row.record.content if row is not None and row.record.kind == Kind.FILE else b""

    def forget_peer(self, replica: str) -> None:
        """Forget a replica as if it had never been connected."""
        self._offers.forget(replica)
        self._peers.forget(replica)
        self._notes.forget(f"name {replica}")

    def set_first_scan_done(self) -> None:
        """The first scan is over: make look-ups by content fast."""
        self._rows.index_contents()
        self.first_scan_done = True
        self._notes.note("first_scan_done", 1)

    def cache(self, share: float) -> None:
        """From now on, keep this part in memory of what an index may keep that is alone."""
        self._rows.cache(int(DECODED_MAX * share))
        self._database.cache(int(CACHE_KIB * share))

    # --- identity and sequences --------------------------------------------------------------------------------------

    @property
    def replica(self) -> str:
        return self._identity.replica

    @property
    def sequence(self) -> int:
        return self._sequences.last

    def take_new_id(self) -> None:
        self._identity.take_new_id()

    def made_up_id(self) -> str:
        return self._identity.made_up_id()

    def skip_sequences(self, now_ns: int) -> None:
        """Call this once after opening an index that may be a backup. Sequences that its later state may have used are
        not used again: a peer that received them would take a new change for a known one, and miss it. (If the new
        sequences lie below them nevertheless, a peer reports that; see `take_new_id`.)"""
        if not self._identity.is_new:
            self._sequences.skip(now_ns)

    def next_sequence(self) -> int:
        """The sequence of the next `put`: the counter of the change to be recorded."""
        return self._sequences.next()

    def reserve(self) -> int:
        return self._sequences.reserve()

    # --- notes -------------------------------------------------------------------------------------------------------

    def note(self, key: str, value: str | int) -> None:
        self._notes.note(key, value)

    def noted(self, key: str) -> str | int | None:
        return self._notes.noted(key)

    def noted_below(self, prefix: str) -> dict[str, str | int]:
        return self._notes.noted_below(prefix)

    # --- rows --------------------------------------------------------------------------------------------------------

    def get(self, path: bytes) -> Row | None:
        return self._rows.get(path)

    def put(self, record: Record, fp: bytes) -> Row:
        return self._rows.put(record, fp)

    def put_new(self, records: Sequence[Record], fps: Iterable[bytes]) -> list[Row]:
        return self._rows.put_new(records, fps)

    def set_fp(self, path: bytes, fp: bytes) -> None:
        self._rows.set_fp(path, fp)

    def doubt_all(self) -> None:
        self._rows.doubt_all()

    def fetch(self, paths: Iterable[bytes]) -> None:
        self._rows.fetch(paths)

    def forget(self, path: bytes) -> None:
        self._rows.forget(path)

    def forget_all(self, paths: Sequence[bytes]) -> None:
        self._rows.forget_all(paths)

    def by_content(self, digest: bytes) -> list[Row]:
        return self._rows.by_content(digest)

    def may_have(self, digest: bytes) -> bool:
        return self._contents.may_have(digest)

    def may_not_have(self, digests: Sequence[bytes]) -> set[bytes]:
        return self._contents.may_not_have(digests)

    def rows_after(self, sequence: int, limit: int) -> list[Row]:
        return self._rows.after(sequence, limit)

    def rows_come_to(self, after: int) -> Lack:
        return self._rows.come_to(after)

    def rows_by(self, makers: Sequence[str]) -> list[Row]:
        return self._rows.made_by(makers)

    def summary(self) -> bytes:
        return self._rows.summary()

    def files(self) -> int:
        """The number of live files."""
        return self._rows.count_live()[0]

    def count_live(self) -> tuple[int, int]:
        return self._rows.count_live()

    def counted_live(self) -> tuple[int, int]:
        return self._rows.counted_live()

    # --- rows by their place -----------------------------------------------------------------------------------------

    def known_in(self, parent: bytes) -> dict[bytes, bytes]:
        return self._tree.known_in(parent)

    def live_below(self, path: bytes, limit: int) -> list[Row]:
        return self._tree.live_below(path, limit)

    def live_children(self, path: bytes, limit: int) -> list[Row]:
        return self._tree.live_children(path, limit)

    def file_of_size(self, path: bytes, size: int) -> Row | None:
        return self._tree.file_of_size(path, size)

    def largest_file(self, path: bytes, limit: int) -> int:
        return self._tree.largest_file(path, limit)

    def has_live_child(self, path: bytes) -> bool:
        return self._tree.has_live_child(path)

    def live_files(self, path: bytes) -> Iterator[Row]:
        return self._tree.live_files(path)

    def measure(self, path: bytes) -> tuple[int, int]:
        return self._tree.measure(path)

    def live_paths(self, path: bytes) -> list[bytes]:
        return self._tree.live_paths(path)

    def live_rows(self, after: bytes, size_min: int, limit: int) -> list[Row]:
        return self._tree.files_from(after, size_min, limit)

    # --- offers and intents ------------------------------------------------------------------------------------------

    @property
    def offers_went(self) -> bool:
        return self._offers.went

    def offers_are_known(self) -> None:
        """Reset `offers_went`: from now on it tells whether an offer was dropped or replaced."""
        self._offers.went = False

    def offers(self, path: bytes) -> list[Offer]:
        return self._offers.of(path)

    def without_offers(self, paths: set[bytes]) -> set[bytes]:
        return self._offers.without(paths)

    def offer(self, path: bytes, peer: str) -> Offer | None:
        return self._offers.of_peer(path, peer)

    def put_offer(self, offer: Offer) -> None:
        self._offers.put(offer)

    def drop_offer(self, path: bytes, peer: str) -> bool:
        return self._offers.drop(path, peer)

    def forget_offers(self, peer: str) -> None:
        self._offers.forget(peer)

    def any_offers(self) -> bool:
        return self._offers.any()

    def count_offers(self) -> int:
        return self._offers.count_paths()

    def count_offers_of(self, peer: str) -> int:
        return self._offers.count_by(peer)

    def wanted_from(self, peer: str) -> Lack:
        return self._offers.wanted_from(peer)

    def offered_paths(self, after: bytes | None, limit: int) -> list[bytes]:
        return self._offers.paths(after, limit)

    def offered_below(self, parent: bytes, limit: int) -> list[bytes]:
        return self._offers.paths_in(parent, limit)

    def offered_by(self, maker: str) -> list[bytes]:
        return self._offers.paths_made_by(maker)

    def offered_contents(self) -> list[bytes]:
        return self._offers.contents()

    def put_intent(self, peer: str, records: Iterable[Record]) -> int:
        return self._intents.put(peer, records)

    def drop_intent(self, number: int) -> None:
        self._intents.drop(number)

    # --- peers -------------------------------------------------------------------------------------------------------

    def peer(self, replica: str) -> PeerSeen | None:
        return self._peers.get(replica)

    def set_peer(self, replica: str, seen: PeerSeen) -> None:
        self._peers.put(replica, seen)

    def peers(self) -> list[str]:
        return self._peers.replicas()

    def ask_anew(self) -> None:
        self._peers.ask_anew()

    # --- versions ----------------------------------------------------------------------------------------------------

    def put_version(self, version: Version) -> None:
        self._versions.put(version)

    def put_brief(self, name: bytes) -> None:
        self._versions.put_brief(name)

    def drop_version(self, name: bytes) -> None:
        self._versions.drop(name)

    def settle(self, path: bytes, kind: Kind, content: bytes) -> None:
        self._versions.settle(path, kind, content)

    def version(self, name: bytes) -> Version | None:
        return self._versions.get(name)

    def has_version(self, name: bytes) -> bool:
        return self._versions.has(name)

    def version_with(self, digest: bytes) -> Version | None:
        return self._versions.with_content(digest)

    def versions(self, path: bytes | None = None) -> Iterator[Version]:
        return self._versions.oldest_first(path)

    def newest_versions(
        self, path: bytes, limit: int, conflicts: bool = False, behind: Version | None = None
    ) -> list[Version]:
        return self._versions.newest(path, limit, conflicts, behind)

    def versions_since(self, time_ns: int, limit: int) -> list[Version]:
        return self._versions.since(time_ns, limit)

    def history_bytes(self) -> int:
        return self._versions.total_bytes()

    def is_brief(self, name: bytes) -> bool:
        return self._versions.is_brief(name)

    def brief_bytes(self) -> int:
        return self._versions.brief_bytes()

    def old_versions(self, before_ns: int, limit: int) -> list[Version]:
        return self._versions.old(before_ns, limit)

    def least_versions(self, limit: int, brief_first: bool = False) -> list[Version]:
        return self._versions.least(limit, brief_first)

    def crowding_versions(self, share: int, limit: int) -> list[tuple[Version, int]]:
        return self._versions.crowding(share, limit)

    # --- the journal -------------------------------------------------------------------------------------------------

    def journal(self, record: Record, previous: Record | None, time_ns: int) -> None:
        self._journal.add(record, previous, time_ns)

    def journal_new(self, records: Iterable[Record], time_ns: int) -> None:
        self._journal.add_new(records, time_ns)

    def changes_since(self, time_ns: int) -> Iterator[Before]:
        return self._journal.since(time_ns)

    def forget_changes(self, before_ns: int, most: int) -> None:
        self._journal.forget(before_ns, most)

    # --- the file ----------------------------------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        """True if a commit would write something."""
        return self._database.is_dirty

    def needs_commit(self, durable: bool) -> bool:
        return self._database.needs_commit(durable)

    def commit(self, durable: bool = True) -> None:
        self._database.commit(durable)

    def copy(self) -> bytes:
        """The index as bytes, as a backup of its file would have it after a commit."""
        return self._database.copy()

    def image(self) -> bytes:
        return self._database.image()

    def close(self) -> None:
        self._database.close()
