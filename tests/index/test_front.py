"""What an index knows without looking at every row, it knows rightly, also after it was closed."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.reconcile import Offer
from dir_sync.index import Index
from tests.ends import closed_at_end


def record(path: bytes, kind: Kind, size: int) -> Record:
    return Record(path, kind, size, bytes(32) if kind == Kind.FILE else b"", 0, 0o644, Stamp(1, "ab"), (("ab", 1),))


@pytest.mark.parametrize("seed", range(20))
def test_files_are_counted_without_looking(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    name = str(tmp_path / "index.db")
    index = closed_at_end(Index(name, rng))
    for step in range(200):
        path = b"%d" % rng.randrange(12)
        match rng.randrange(6):
            case 0 | 1:
                index.rows.put(record(path, Kind.FILE, rng.randrange(1_000)), b"fp")
            case 2:
                index.rows.put(record(path, rng.choice([Kind.ABSENT, Kind.DIRECTORY]), 0), b"")
            case 3:
                new = [record(b"new %d %d" % (step, number), Kind.FILE, number) for number in range(3)]
                index.rows.put_new(new, [b"fp"] * 3)
            case 4 if rng.random() < 0.2:
                index.rows.forget(path)
            case _:
                index.rows.set_fp(path, b"%d" % step)
        if rng.random() < 0.1:
            index.cache(rng.choice([0.0001, 1.0]))
        if rng.random() < 0.1:
            if rng.random() < 0.7:
                index.commit()
            index.close()
            index = closed_at_end(Index(name, rng))
        if rng.random() < 0.3:
            assert index.rows.count_live() == index.rows.counted_live()
    assert index.rows.count_live() == index.rows.counted_live()


def test_what_a_peer_told_after_an_intent_is_not_forgotten_at_the_next_start(tmp_path: Path) -> None:
    path = str(tmp_path / "index.db")
    index = closed_at_end(Index(path, Random(1)))
    made = Record(b"a", Kind.FILE, 1, bytes(32), 1, 0o644, Stamp(5, "aa"), (("aa", 1),))
    gone = made._replace(
        kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0, stamp=Stamp(6, "aa"), vector=(("aa", 2),)
    )
    index.intents.put("aa", [made])
    index.offers.put(Offer("aa", gone, False))
    index.commit()
    index.close()
    again = closed_at_end(Index(path, Random(2)))
    assert [offer.record for offer in again.offers.of(b"a")] == [gone]


def test_many_indexes_keep_little_of_what_is_written() -> None:
    index = closed_at_end(Index(":memory:", Random(1)))
    index.cache(1 / 20)
    for step in range(5):
        new = [record(b"d/%d %d" % (step, number), Kind.FILE, number) for number in range(700)]
        index.rows.put_new(new, [b"fp"] * len(new))
    assert len(index.rows._decoded) == 3500, "what is not written is kept"
    index.commit()
    assert len(index.rows._decoded) <= 1000
    index.rows.fetch([b"d/%d %d" % (step, number) for step in range(5) for number in range(700)])
    assert len(index.rows._decoded) <= 1000
    row = index.rows.get(b"d/3 33")
    assert row is not None
    assert row.record.size == 33


def test_the_log_of_what_was_written_is_copied_into_the_file_at_rest(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = closed_at_end(Index(str(path), Random(1)))
    index.commit()
    assert not index.is_log_long
    for number in range(3_000):
        index.rows.put(record(b"%d" % number, Kind.FILE, number), b"fp")
    index.commit()
    before = path.stat().st_size
    assert index.is_log_long
    index.rows.put(record(b"one more", Kind.FILE, 1), b"fp")
    index.checkpoint()
    assert not index.is_log_long
    assert path.stat().st_size > before
    assert index.rows.count_live()[0] == 3_001
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())  # the file without its log
    assert closed_at_end(Index(str(copy), Random(2))).rows.count_live()[0] == 3_001


def test_an_index_in_memory_has_no_log() -> None:
    index = closed_at_end(Index(":memory:", Random(1)))
    for number in range(3_000):
        index.rows.put(record(b"%d" % number, Kind.FILE, number), b"fp")
    index.commit()
    assert not index.is_log_long
