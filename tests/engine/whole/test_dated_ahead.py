"""How changes are dated that replace something dated far ahead."""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.events import Touched, Urgency
from dir_sync.core.jobs import ApplyJob, ApplyResult, Looked, Result, TreeOp
from dir_sync.core.looks import LookOutcome, Seen
from dir_sync.core.model import Kind, beats, fingerprint
from tests.engine.whole.bench import OTHER, PEER, WALL_NS, Bench, folder, pulled, record, seen, stat, state

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


def test_what_ours_beats_and_was_installed_all_the_same_is_no_users_edit() -> None:
    """What is here is dated far ahead. A peer with a correct clock has changed it since. Another peer, which knows neither,
    has a version that is newer than this one: it is installed. The disk has trouble at the end of that."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    ahead = record(b"a", b"ahead", WALL_NS + 2 * limits.STAMP_GAP_NS)
    bench.hear(state(ahead))
    pulled(bench, b"ahead")
    bench.apply(ApplyResult(b"a", Result.DONE, fingerprint(stat(b"ahead"))))
    heir = record(b"a", b"heir", WALL_NS, OTHER)
    heir = heir._replace(vector=tuple(sorted((*ahead.vector, *heir.vector))))
    bench.hear(state(heir), OTHER)
    newest = record(b"a", b"newest", WALL_NS + 5, "3" * 16)
    assert beats(ahead, newest)
    bench.hear(state(newest, sequence=2))
    item = pulled(bench, b"newest")
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="too many open files"))
    bench.wait(5_000)
    bench.feed(Looked((seen(b"a", b"newest"),)))
    row = bench.index.rows.get(b"a")
    assert row is not None
    assert row.record == ahead, "nobody here has made a version"
    (redo,) = bench.all(ApplyJob)
    assert [(one.act, one.target.stamp) for one in redo.items] == [(TreeOp.META, item.target.stamp)]
    bench.apply(ApplyResult(b"a", Result.DONE, fingerprint(stat(b"newest"))))
    row = bench.index.rows.get(b"a")
    assert row is not None
    assert row.record.stamp == newest.stamp
    assert beats(row.record, ahead), "it has taken its place"
