"""How changes are dated that replace something dated far ahead."""

from __future__ import annotations

from dir_sync.core.events import Touched, Urgency
from dir_sync.core.jobs import ApplyResult, Looked, Result
from dir_sync.core.looks import LookOutcome, Seen
from dir_sync.core.model import Kind, beats, fingerprint
from tests.engine.whole.bench import PEER, Bench, folder, seen, stat, state

YEARS_NS = 2 * 366 * 86_400 * 10**9


def test_what_replaces_something_dated_far_ahead_is_above_what_that_had_replaced() -> None:
    """A folder is deleted here. A peer whose clock is years ahead makes it anew, and it is changed here, though its mtime is
    older than the deletion. Whoever knows only of the deletion has to take the folder."""
    bench = Bench()
    bench.connect()
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.ms += 10_000
    bench.feed(Touched(b"d", Urgency.VANISHED))
    bench.wait(1_000)
    bench.feed(Looked((Seen(b"d", LookOutcome.ABSENT),)))
    gone = bench.index.rows.get(b"d")
    assert gone is not None
    assert gone.record.kind == Kind.ABSENT
    again = folder(b"d", PEER)
    ahead = again._replace(
        stamp=again.stamp._replace(ns=gone.record.stamp.ns + YEARS_NS), vector=(*gone.record.vector, (PEER, 1))
    )
    ahead = ahead._replace(vector=tuple(sorted(ahead.vector)))
    bench.hear(state(ahead))
    bench.apply(ApplyResult(b"d", Result.DONE, fingerprint(stat(kind=Kind.DIRECTORY))))
    bench.ms += 10_000
    bench.feed(Touched(b"d", Urgency.ATTRIBUTES))
    other_mode = fingerprint(stat(kind=Kind.DIRECTORY)._replace(mode=0o700))
    bench.feed(Looked((seen(b"d", kind=Kind.DIRECTORY)._replace(mode=0o700, fp=other_mode),)))
    row = bench.index.rows.get(b"d")
    assert row is not None
    assert row.record.mode == 0o700
    assert row.record.stamp.ns < ahead.stamp.ns
    assert beats(row.record, ahead)
    assert beats(row.record, gone.record)
