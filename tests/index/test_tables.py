"""Each table of the index alone: with a database of its own, and without the front."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from dir_sync.core import limits
from dir_sync.core.jobs import Cause, Version
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, Stamp, Stat, fingerprint
from dir_sync.core.peers.standing import Lack
from dir_sync.core.reconcile import Offer
from dir_sync.index import Index, PeerSeen
from dir_sync.index.bases import Bases
from dir_sync.index.bloom import Bloom, ContentFilter
from dir_sync.index.changes import Changes
from dir_sync.index.codec import columns_of_record, later_columns, record_of
from dir_sync.index.database import Database, IndexDamaged
from dir_sync.index.identity import Identity, Sequences
from dir_sync.index.intents import Intents
from dir_sync.index.notes import Notes
from dir_sync.index.offers import Offers
from dir_sync.index.rows import Rows
from dir_sync.index.tree import Tree
from tests.ends import closed_at_end

DIGEST = bytes(range(32))


def database(path: str = ":memory:", image: bytes | None = None) -> Database:
    return closed_at_end(Database(path, image))


def record(path: bytes, kind: Kind = Kind.FILE, content: bytes = DIGEST, at: int = 1) -> Record:
    body = content if kind == Kind.FILE else b""
    return Record(path, kind, len(path), body, 7_000_000_001, 0o644, Stamp(at, "ab"), (("ab", at), ("cd", 2)))


def rows_in(base: Database) -> Rows:
    notes = Notes(base)
    rows = Rows(base, notes, Sequences(notes, Random(1)), ContentFilter(lambda: [DIGEST]))
    base.attach(rows)
    base.attach(notes)
    return rows


def test_many_rows_are_read_without_a_scan_of_the_table() -> None:
    base = database()
    rows = rows_in(base)
    paths = [b"d%d/f%d" % (number % 7, number) for number in range(500)]
    for number, path in enumerate(paths):
        rows.put(record(path, at=number + 1), b"")
    base.commit(durable=False)
    other = rows_in(database(image=base.copy()))
    asked: list[tuple[str, list[object]]] = []
    execute = other._database.execute

    def noted(query: str, keys: list[object] = []) -> sqlite3.Cursor:  # noqa: B006
        asked.append((query, keys))
        return execute(query, keys)

    other._database.execute = noted  # type: ignore[assignment, method-assign]
    other.fetch([*paths, b"nothing", b"d1/nothing"])
    assert asked
    for query, keys in asked:
        plan = [step for *_, step in execute("EXPLAIN QUERY PLAN " + query, keys)]
        assert "SCAN row" not in plan
        assert any(step.startswith("SEARCH row ") for step in plan)
    asked.clear()
    assert [row and row.record.stamp.ns for row in map(other.get, paths)] == list(range(1, 501))
    assert other.get(b"nothing") is other.get(b"d1/nothing") is None
    assert not asked, "what was fetched is not asked of the database again"


def test_names_of_a_link_are_found_without_a_scan_also_in_an_older_index() -> None:
    old = database()
    old.execute("DROP INDEX row_target")
    old.commit(durable=False)
    base = database(image=old.copy())
    rows = rows_in(base)
    fps = [fingerprint(Stat(Kind.SYMLINK, 1, 0, 0, 0o777, inode, 0, 2)) for inode in (7, 7, 8)]
    for number, fp in enumerate(fps):
        rows.put(record(b"l%d" % number, Kind.SYMLINK)._replace(content=b"t"), fp)
    assert [row.record.path for row in rows.names_of(b"t", 7, Kind.SYMLINK)] == [b"l0", b"l1"]
    query = "EXPLAIN QUERY PLAN SELECT * FROM row WHERE kind=3 AND content=? AND substr(fp,4,8)=?"
    assert "row_target" in base.execute(query, [b"t", b""]).fetchone()[-1]


# --- codec and bloom -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"a", b"folder/a", b"folder/deeper/\xff"])
@pytest.mark.parametrize("lineage", [(), (("ab", 1),), (("ab", 1), ("ef", 2**60))])
def test_a_record_survives_its_columns(path: bytes, lineage: tuple[tuple[str, int], ...]) -> None:
    made = record(path)._replace(lineage=lineage, mtime=-1)
    assert record_of((*columns_of_record(made), *later_columns(made))) == made


def test_a_filter_never_denies_what_it_was_given() -> None:
    rng, bloom = Random(1), Bloom()
    numbers = [rng.getrandbits(64) for _ in range(5_000)]
    for number in numbers[:100]:
        bloom.add(number)
    bloom.add_all(numbers[100:])
    assert all(map(bloom.may_have, numbers))
    assert not any(bloom.lack(numbers))
    others = [rng.getrandbits(64) for _ in range(5_000)]
    assert sum(bloom.lack(others)) > 4_900
    assert bloom.lack(others) == [not bloom.may_have(number) for number in others]


def test_a_filter_of_paths_grows_with_the_folder_and_never_denies_one() -> None:
    rows = rows_in(database())
    assert rows.paths.bloom is not None
    small = len(rows.paths.bloom._bits)
    number = 0
    while len(rows.paths.bloom._bits) == small:
        some = [record(b"d%d/%d" % (at % 5, at), at=at + 1) for at in range(number, number + 900)]
        if number % 2:
            for one in some:
                rows.put(one, b"")
        else:
            rows.put_new(some, [b""] * len(some))
        number += len(some)
    assert number > 10_000
    paths = [b"d%d/%d" % (at % 5, at) for at in range(number)]
    assert rows.unknown([*paths, b"other"]) == {b"other"}
    assert all(rows.paths.may_have_in(b"d%d" % at) for at in range(5))
    others = [b"other %d" % at for at in range(5_000)]
    assert sum(rows.paths.bloom.lack(map(hash, others))) > 4_500
    assert len(rows.paths.bloom._bits) > small


def test_a_filter_of_contents_grows_and_never_denies_one() -> None:
    rng = Random(1)
    known = [rng.randbytes(32) for _ in range(20_000)]
    contents = ContentFilter(lambda: known)
    assert all(map(contents.may_have, known))
    later = [rng.randbytes(32) for _ in range(150_000)]
    known += later
    contents.add_all(later)
    assert not contents.may_not_have(known)
    assert len(contents.may_not_have([rng.randbytes(32) for _ in range(1_000)])) > 900


def test_a_filter_of_contents_is_made_at_the_first_question_and_then_grows() -> None:
    asked = []

    def everything() -> list[bytes]:
        asked.append(1)
        return [DIGEST]

    contents = ContentFilter(everything)
    contents.add(bytes(32))  # it is in `everything`, too, by the time that is asked
    assert not asked
    later = bytes([9] * 32)
    assert contents.may_have(DIGEST)
    assert contents.may_not_have([DIGEST, later]) == {later}
    contents.add(later)
    assert contents.may_have(later)
    assert len(asked) == 1


def test_a_large_index_is_not_read_for_a_few_questions() -> None:
    asked = []

    def everything() -> list[bytes]:
        asked.append(1)
        return [DIGEST]

    contents = ContentFilter(everything, lambda: 800, lambda digest: digest == DIGEST)
    later = bytes([9] * 32)
    assert contents.may_not_have([DIGEST, later]) == {later}
    for _ in range(97):
        assert contents.may_have(later), "only a query can tell"
    assert not asked
    assert not contents.may_have(later), "by now it pays"
    assert contents.may_not_have([DIGEST, later]) == {later}
    assert len(asked) == 1


def test_an_index_tells_what_is_new_as_well_before_its_filter_is_made(tmp_path: Path) -> None:
    index = Index(str(tmp_path / "index.db"), Random(1))
    known = [bytes([1 + number]) * 32 for number in range(200)]
    for number, digest in enumerate(known):
        index.rows.put(record(b"f%d" % number, content=digest, at=number + 1), b"f" * FINGERPRINT_BYTES)
    index.set_first_scan_done()
    index.commit()
    index.close()
    index = Index(str(tmp_path / "index.db"), Random(1))
    with closing(index):
        assert index.contents.may_not_have([*known[:3], bytes(32)]) == {bytes(32)}
        assert index.contents._bloom is None
        index.rows.put(record(b"later", content=bytes(32), at=99), b"f" * FINGERPRINT_BYTES)
        assert index.contents.may_not_have([bytes(32)]) == set()


# --- the database ----------------------------------------------------------------------------------------------------


def test_a_commit_writes_only_if_there_is_something_new(tmp_path: Path) -> None:
    path = str(tmp_path / "index.db")
    base = database(path)
    notes = Notes(base)
    base.attach(notes)
    assert not base.is_dirty
    notes.put("key", 1)
    assert base.is_dirty
    assert Notes(database(path)).get("key") is None, "nothing is written before the commit"
    base.commit(durable=True)
    assert not base.is_dirty
    assert Notes(database(path)).get("key") == 1


def test_an_image_is_what_was_committed_and_a_copy_what_was_written() -> None:
    base = database()
    base.execute("INSERT INTO meta VALUES ('one', 1)")
    base.commit(durable=False)
    base.execute("INSERT INTO meta VALUES ('two', 2)")
    assert Notes(database(image=base.copy())).get("two") == 2
    again = Notes(database(image=base.image()))
    assert (again.get("one"), again.get("two")) == (1, None)


def test_what_is_no_index_is_damaged_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(IndexDamaged):
        Database(str(path), None)
    base = Database(":memory:", None)
    base.execute("INSERT INTO intent (peer, records) VALUES ('ab', '[1]')")
    offers = Offers(base)
    with pytest.raises(IndexDamaged), base.opening():
        Intents(base).recover(offers)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        base.execute("SELECT 1")


# --- identity and sequences ------------------------------------------------------------------------------------------


def test_the_replica_id_stays_until_a_new_one_is_taken() -> None:
    notes = Notes(database())
    first = Identity(notes, Random(1))
    again = Identity(notes, Random(2))
    assert first.is_new
    assert not again.is_new
    assert first.replica == again.replica
    again.take_new_id()
    assert first.replica != again.replica == notes.get("replica")


def test_an_index_of_before_the_split_is_one_replica_under_the_id_it_had() -> None:
    """Its peers know it by that id, and it knows them by theirs."""
    old = sqlite3.connect(":memory:", isolation_level=None)
    for one in (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
        "INSERT INTO meta VALUES ('node', 'aa11'), ('index_id', 'bb22'), ('sequence', 7)",
        "CREATE TABLE peer (node TEXT PRIMARY KEY, index_id TEXT NOT NULL, seen INTEGER NOT NULL, first INTEGER) WITHOUT ROWID",
        "INSERT INTO peer VALUES ('cc33', 'dd44', 12, 5), ('ee55', 'ff66', 3, NULL)",
    ):
        old.execute(one)
    index = Index(":memory:", Random(1), old.serialize())
    with closing(old), closing(index):
        assert (index.identity.replica, index.sequences.last) == ("aa11", 7)
        assert index.peers.get("cc33") == PeerSeen(12, 5)
        assert index.peers.get("ee55") == PeerSeen(3, None)


def test_an_index_whose_columns_still_name_nodes_is_converted() -> None:
    """What is meant there is the replica that made a version; no node has that id."""
    one, kept = record(b"d/a"), Version(b"v", b"d/a", Kind.FILE, 1, DIGEST, 5, 0o644, 7, Cause.DELETED, "ab")
    with closing(Index(":memory:", Random(1))) as index:
        index.rows.put(one, b"fp")
        index.offers.put(Offer("cc", one, False))
        index.versions.put(kept)
        index.journal.write(one, None, 9)
        index.commit(True)
        changes = list(index.journal.since(0))
        image = index.image()
    for _ in range(2):  # what was converted is an index like any other
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
            old.deserialize(image)
            for table, name in (("row", "stamp_"), ("offer", "stamp_"), ("version", ""), ("change", "")):
                old.execute(f"ALTER TABLE {table} RENAME COLUMN {name}maker TO {name}node")
            index = Index(":memory:", Random(1), old.serialize())
        with closing(index):
            row = index.rows.get(b"d/a")
            assert row is not None
            assert (row.record, index.offers.of(b"d/a")[0].record) == (one, one)
            assert index.offers.paths_made_by("ab") == [b"d/a"]
            assert index.versions.get(b"v") == kept
            assert list(index.journal.since(0)) == changes
            index.commit(True)
            image = index.image()


def test_a_sequence_is_given_out_once() -> None:
    notes = Notes(database())
    sequences = Sequences(notes, Random(1))
    assert (sequences.next(), sequences.take(), sequences.take(3), sequences.reserve(), sequences.take()) == (
        1, 1, 2, 5, 7
    )  # fmt: skip
    sequences.flush()
    again = Sequences(notes, Random(1))
    assert again.last == 7
    again.skip(10**18)
    assert again.take() == 10**15 + 1
    again.skip(0)
    assert again.take() > 10**15 + 2, "a clock that was set back"


def test_what_was_skipped_was_never_given_out() -> None:
    notes = Notes(database())
    sequences = Sequences(notes, Random(1))
    sequences.take(7)
    sequences.flush()
    for start in range(2):  # each time as many are used as before
        again = Sequences(notes, Random(1))
        again.skip(10**18 * (start + 1))
        again.take(7)
        again.flush()
    again = Sequences(notes, Random(1))
    used = [0, 1, 7, 10**15, 10**15 + 7, 2 * 10**15, 2 * 10**15 + 7]
    assert [one for one in used if not again.gave_out(one)] == []
    others = [8, 10**15 - 1, 10**15 + 8, 2 * 10**15 - 1, 2 * 10**15 + 8]
    assert [one for one in others if again.gave_out(one)] == []


def test_the_last_hundred_starts_are_remembered() -> None:
    sequences = Sequences(Notes(database()), Random(1))
    sequences.take()
    for start in range(1, 200):
        sequences.skip(start * 10**6)
        sequences.take()
    assert sequences.gave_out(50 * 10**3 - 1)
    assert not sequences.gave_out(150 * 10**3 - 1)


def test_an_index_without_a_change_has_no_sequence_yet_also_after_skipping() -> None:
    sequences = Sequences(Notes(database()), Random(1))
    sequences.skip(10**18)
    assert not sequences.unwritten
    assert (sequences.last, sequences.next()) == (0, 10**15 + 1)


# --- rows, tree, offers ----------------------------------------------------------------------------------------------


def test_rows_are_read_as_written_before_and_after_they_are_in_the_database() -> None:
    base = database()
    rows = rows_in(base)
    one = rows.put(record(b"d/a"), b"fp")
    many = rows.put_new([record(b"d/b"), record(b"d/c", content=bytes(32))], [b"1", b"2"])
    assert [row.seq for row in (one, *many)] == [1, 2, 3]
    assert {row.record.path for row in rows.by_content(DIGEST)} <= {b"d/a", b"d/b"}
    assert Changes(base, rows).after(1, 10) == many
    base.commit(durable=False)
    again = rows_in(database(image=base.image()))
    assert again.get(b"d/a") == one
    assert again.unknown([b"d/b", b"d/x"]) == {b"d/x"}
    assert {row.record.path for row in again.by_content(DIGEST)} == {b"d/a", b"d/b"}
    assert again.count_live() == (3, 9)


def test_what_is_below_a_folder_is_not_what_only_begins_like_it() -> None:
    base = database()
    rows = rows_in(base)
    tree = Tree(base, rows)
    rows.put(record(b"d", Kind.DIRECTORY), b"fp")
    for path in (b"d/a", b"d/e/f", b"d-", b"d0", b"de/a"):
        rows.put(record(path), b"fp")
    rows.put(record(b"d/gone", Kind.ABSENT), b"")
    assert sorted(tree.live_paths(b"d")) == [b"d", b"d/a", b"d/e/f"]
    assert sorted(row.record.path for row in tree.live_files(b"d")) == [b"d/a", b"d/e/f"]
    assert tree.measure(b"d")[0] == 2
    assert [row.record.path for row in tree.live_below(b"d", 9)] == [b"d/e/f", b"d/a"], "the deepest first"
    assert set(tree.known_in(b"d")) == {b"a"}
    assert tree.has_live_child(b"d")
    assert not tree.has_live_child(b"d0")


def test_the_neighbour_of_a_size() -> None:
    base = database()
    rows = rows_in(base)
    tree = Tree(base, rows)
    for size, name in ((100, b"d/a"), (190, b"d/b"), (1_000, b"d/c"), (150, b"d/e/f"), (140, b"other")):
        rows.put(record(name)._replace(size=size), b"fp")
    assert [getattr(tree.file_of_size(b"d", size), "path", None) for size in (1, 2_001)] == [None, None]
    near = {size: tree.file_of_size(b"d", size) for size in (120, 150, 160, 600, 1_500)}
    assert {size: row and row.record.path for size, row in near.items()} == {
        120: b"d/a",
        150: b"d/b",
        160: b"d/b",
        600: b"d/c",
        1_500: b"d/c",
    }
    assert tree.largest_file(b"d", 10) == 1_000
    assert tree.largest_file(b"d", 2) == 190
    assert tree.largest_file(b"nothing", 10) == 0


def test_offers_are_counted_as_they_come_and_go() -> None:
    base = database()
    offers = Offers(base)
    base.attach(offers)
    assert not offers.any()
    for peer, kind in (("one", Kind.FILE), ("two", Kind.DIRECTORY)):
        offers.put(Offer(peer, record(b"d/a", kind), False))
    assert [offer.peer for offer in offers.of(b"d/a")] == ["one", "two"]
    assert (offers.any(), offers.count_paths(), offers.count_by("one")) == (True, 1, 1)
    assert [offers.paths_by(peer) for peer in ("one", "two", "three")] == [[b"d/a"], [b"d/a"], []]
    assert not offers.went
    assert offers.drop(b"d/a", "one")
    assert offers.paths_by("one") == []
    assert not offers.drop(b"d/a", "one")
    assert offers.went
    base.commit(durable=False)
    again = Offers(database(image=base.image()))
    assert again.wanted_from("two") == offers.wanted_from("two") == Lack(0, 0, 1)
    assert [offer.peer for offer in again.of(b"d/a")] == ["two"]
    assert again.without({b"d/a", b"x"}) == {b"x"}
    again.forget("two")
    assert not again.any()


def test_an_intent_becomes_offers_at_the_next_start() -> None:
    base = database()
    intents = Intents(base)
    done = intents.put("peer", [record(b"done")])
    intents.put("peer", [record(b"\xff"), record(b"folder/b")])
    intents.drop(done)
    offers = Offers(base)
    intents.recover(offers)
    assert offers.paths(None, 9) == [b"\xff", b"folder/b"]
    assert offers.of_peer(b"\xff", "peer") == Offer("peer", record(b"\xff"), False)
    intents.recover(offers)
    assert offers.count_by("peer") == 2


def test_the_size_of_all_texts_is_known_without_a_sum_for_each_that_goes() -> None:
    base = database()
    bases = Bases(base)
    for at in range(1, limits.BASES_PER_PATH_MAX + 6):
        bases.put(record(b"a", at=at), b"x" * 10, at)
    assert bases.total_bytes() == 10 * limits.BASES_PER_PATH_MAX
    # Behind its back: whoever adds everything up again sees it.
    base.execute("UPDATE base SET packed=x'00' WHERE stamp_ns=1")
    bases.drop(b"nothing")
    assert bases.total_bytes() == 10 * limits.BASES_PER_PATH_MAX
    bases.put(record(b"b"), b"y" * 7, 99)
    bases.drop(b"b")
    assert bases.total_bytes() == 10 * limits.BASES_PER_PATH_MAX


def test_the_rows_that_changed_last_come_first() -> None:
    base = database()
    rows = rows_in(base)
    for path in (b"a", b"d/b", b"c"):
        rows.put(record(path), b"")
    rows.put(record(b"a", at=2), b"")
    assert [row.record.path for row in Changes(base, rows).newest(2)] == [b"a", b"c"]


def test_conflicts_are_counted_until_they_are_settled() -> None:
    index = closed_at_end(Index(":memory:", Random(1)))
    for at, why in enumerate((Cause.CONFLICT, Cause.REPLACED, Cause.CONFLICT)):
        index.versions.put(Version(b"v%d" % at, b"p%d" % at, Kind.FILE, 1, DIGEST, 1, 0o644, at, why, "ab"))
    assert index.versions.count_conflicts() == 2
    index.versions.settle(b"p0", Kind.FILE, DIGEST)
    assert index.versions.count_conflicts() == 1
