"""What has a part of a newer version already, and what becomes of that if the newer version is not taken after all."""

from __future__ import annotations

from blake3 import blake3

from dir_sync.core.events import Touched, Urgency
from dir_sync.core.jobs import ApplyResult, Looked, Result
from dir_sync.core.looks import HALF_WAY, LookOutcome, Seen
from dir_sync.core.messages import ModificationUpdate
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, Stamp, fingerprint
from tests.engine.whole.bench import PEER, WALL_NS, Bench, looked_at, stat, state

LARGE = b"content" * 20_000
LATER = WALL_NS + 10**10


def found(path: bytes, mtime: int) -> Seen:
    """One of two names of one file."""
    there = stat(LARGE)._replace(mtime=mtime, links=2)
    digest = blake3(LARGE).digest()
    return Seen(path, LookOutcome.FOUND, Kind.FILE, len(LARGE), digest, mtime, 0o644, fingerprint(there), links=2)


def at_other_time(bench: Bench) -> tuple[Record, Record]:
    """Both names are known, and the peer changed the time of `a` and the content of `b`, which is not here yet. Returns
    what is known of both."""
    bench.connect()
    for path in (b"a", b"b"):
        bench.feed(Touched(path, Urgency.NOW))
        while asked := looked_at(bench):
            bench.feed(Looked(tuple(found(each, WALL_NS) for each in asked)))
            if not looked_at(bench):
                bench.wait(100)
    rows = [bench.index.rows.get(path) for path in (b"a", b"b")]
    one, two = (row.record for row in rows if row is not None)
    newer = one._replace(mtime=LATER, stamp=Stamp(LATER, PEER), vector=(*one.vector, (PEER, 1)))
    other = two._replace(
        content=blake3(b"other").digest(), stamp=Stamp(LATER, PEER), vector=tuple(sorted((*two.vector, (PEER, 2))))
    )
    bench.hear(state(newer._replace(vector=tuple(sorted(newer.vector))), other, sequence=2))
    bench.apply(ApplyResult(b"a", Result.DONE, found(b"a", LATER).fp))
    if b"b" not in looked_at(bench):
        bench.feed(Touched(b"b", Urgency.NOW))
    assert b"b" in looked_at(bench)
    bench.feed(Looked((found(b"b", LATER),)))
    return one, two


def updates(bench: Bench) -> list[Record]:
    return [
        change.record
        for message in bench.said()
        if isinstance(message, ModificationUpdate)
        for change in message.changes
        if change.record.path == b"b"
    ]


def test_the_time_that_another_name_brought_is_told_to_nobody_while_a_newer_version_is_on_its_way() -> None:
    bench = Bench()
    _, two = at_other_time(bench)
    row = bench.index.rows.get(b"b")
    assert row is not None
    assert row.record == two
    assert row.fp == found(b"b", LATER).fp[:FINGERPRINT_BYTES] + HALF_WAY
    assert updates(bench) == []
    bench.wait(100)
    assert b"b" not in looked_at(bench)


def test_the_time_that_another_name_brought_counts_if_the_newer_version_is_not_taken_after_all() -> None:
    """The peer deleted `b` without knowing what is here. That stays, and the others are to have it as it is."""
    bench = Bench()
    _, two = at_other_time(bench)
    gone = two._replace(kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0, stamp=Stamp(LATER + 1, PEER))
    bench.hear(state(gone._replace(vector=((PEER, 3),)), sequence=3))
    (kept,) = updates(bench)
    assert kept.mtime == WALL_NS
    assert b"b" in looked_at(bench)
    bench.feed(Looked((found(b"b", LATER),)))
    bench.wait(100)
    row = bench.index.rows.get(b"b")
    assert row is not None
    assert (row.record.mtime, row.fp) == (LATER, found(b"b", LATER).fp)


def test_a_time_that_is_as_it_was_again_is_no_change() -> None:
    bench = Bench()
    _, two = at_other_time(bench)
    gone = two._replace(kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0, stamp=Stamp(LATER + 1, PEER))
    bench.hear(state(gone._replace(vector=((PEER, 3),)), sequence=3))
    (kept,) = updates(bench)
    assert b"b" in looked_at(bench)
    bench.feed(Looked((found(b"b", WALL_NS),)))
    row = bench.index.rows.get(b"b")
    assert row is not None
    assert (row.record, row.fp) == (kept, found(b"b", WALL_NS).fp)
