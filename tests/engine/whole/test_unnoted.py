"""Changes of our own that were not noted: the program died, or the disk had trouble, between the act and its row."""

from __future__ import annotations

from random import Random
from zlib import crc32

import pytest

from dir_sync.core.events import Touched, Urgency
from dir_sync.core.jobs import ApplyJob, ApplyResult, Cause, Listed, Looked, LookJob, Result, TreeOp, Version
from dir_sync.core.looks import Listing, LookOutcome, Seen
from dir_sync.core.messages import Change, Chunks, ModificationUpdate, Piece
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stamp, fingerprint, has_seen, join
from dir_sync.core.reconcile import Offer
from dir_sync.engine import Engine
from dir_sync.index import Index
from tests.ends import closed_at_end
from tests.engine.whole.bench import (
    FOLDER,
    OTHER,
    PEER,
    WALL_NS,
    Bench,
    change,
    folder,
    looked_at,
    of_first_scan,
    pulled,
    record,
    seen,
    stat,
    state,
)


def test_a_removal_of_ours_that_was_not_noted_is_no_users_delete() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"mine")
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    gone = mine.record._replace(
        kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0, stamp=Stamp(WALL_NS * 2, PEER),
        vector=tuple(sorted((*mine.record.vector, (PEER, 7)))),
    )  # fmt: skip
    bench.hear(state(gone))
    (job,) = bench.all(ApplyJob)
    assert [item.act for item in job.items] == [TreeOp.REMOVE]
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="input/output error"))
    bench.wait(5_000)
    bench.feed(Looked((Seen(b"a", LookOutcome.ABSENT),)))
    (job,) = bench.all(ApplyJob)
    assert [(item.act, item.expect) for item in job.items] == [(TreeOp.REMOVE, b"")], (
        "its folder is not on the medium yet"
    )
    bench.apply(ApplyResult(b"a", Result.DONE))
    row = bench.index.rows.get(b"a")
    assert row is not None
    assert row.record.stamp == gone.stamp


@pytest.mark.parametrize("there", [None, b"a user's"])
@pytest.mark.parametrize("filed", [True, False])
def test_who_changes_what_was_installed_and_not_noted_has_seen_it(there: bytes | None, filed: bool) -> None:
    """The program died after the exchange. `filed`: what came out was in the history by then; else it is as if it had
    never been in the tree."""
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"old")
    mine = bench.index.rows.get(b"a")
    assert mine is not None
    theirs = record(b"a", b"new", WALL_NS * 2, count=7)
    theirs = theirs._replace(vector=join(theirs.vector, mine.record.vector))
    bench.hear(state(theirs))
    bench.hear(Chunks((Piece(bench.pulls()[0].id, 0, b"new"),)))
    assert bench.all(ApplyJob)
    bench.engine = Engine(bench.index, FOLDER, "u")
    displaced = Version(
        b"history/old", b"a", Kind.FILE, 3, mine.record.content, WALL_NS, 0o644, WALL_NS, Cause.REPLACED, ""
    )
    bench.engine.start(bench.now, [displaced] if filed else [])
    look = [(b"a", stat(there))] if there is not None else []
    bench.feed(Listed((Listing(b"", look, gone=() if look else (b"a",)),)))
    for _ in range(5):
        if bench.all(LookJob):
            bench.feed(Looked((seen(b"a", there) if there is not None else Seen(b"a", LookOutcome.ABSENT),)))
        else:
            bench.wait(500)
    row = bench.index.rows.get(b"a")
    assert row is not None
    assert row.record.kind == (Kind.ABSENT if there is None else Kind.FILE)
    assert has_seen(row.record, theirs) == filed


def test_what_was_being_installed_is_adopted_though_its_peer_went_on() -> None:
    bench = Bench()
    bench.connect()
    first, second = record(b"a", b"first"), record(b"a", b"second", ns=WALL_NS + 5, count=2)
    bench.hear(ModificationUpdate(FOLDER, 1, (change(first, b"first"),), (), True))
    assert bench.all(ApplyJob)
    bench.hear(ModificationUpdate(FOLDER, 2, (change(second, None),), (), False))
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="input/output error"))
    bench.wait(5_000)
    bench.feed(Looked((seen(b"a", b"first"),)))
    (job,) = bench.all(ApplyJob)
    assert [item.act for item in job.items] == [TreeOp.META], "its name may not be on the medium yet"
    bench.apply(ApplyResult(b"a", Result.DONE, fingerprint(stat(b"first"))))
    row = bench.index.rows.get(b"a")
    assert row is not None
    assert row.record.stamp == first.stamp


@pytest.mark.parametrize("newer", [None, b"second"])
def test_what_was_being_installed_in_a_folder_that_cannot_be_listed_is_seen_before_its_peer_is_followed(
    newer: bytes | None,
) -> None:
    """The power failed in the middle; now the peer has moved on, and the folder cannot be listed."""
    bench = Bench()
    first = record(b"d/e/a", b"first")
    for path in (b"d", b"d/e"):
        bench.index.rows.put(folder(path), fingerprint(stat(kind=Kind.DIRECTORY, inode=1 + crc32(path))))
    bench.index.offers.put(Offer(PEER, first, False))
    bench.engine = Engine(bench.index, FOLDER, "t")
    bench.effects = bench.engine.start(bench.now)
    bench.feed(Listed((Listing(b"", [], folders=(b"d",)),)))
    bench.feed(Listed((Listing(b"d", None, "input/output error"),)))
    assert not bench.engine.board.scan.is_on
    bench.connect()
    bench.hear(state(record(b"d/e/a", newer, ns=WALL_NS + 5, count=2), sequence=2))
    assert not bench.pulls()
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"d/e/a"]
    bench.feed(Looked((seen(b"d/e/a", b"first"),)))
    (redo,) = bench.all(ApplyJob)
    assert [(item.act, item.target.stamp) for item in redo.items] == [(TreeOp.META, first.stamp)], "no edit of a user"
    bench.apply(ApplyResult(b"d/e/a", Result.DONE, seen(b"d/e/a", b"first").fp))
    if newer is None:
        (job,) = bench.all(ApplyJob)
        assert [item.act for item in job.items] == [TreeOp.REMOVE]
    else:
        assert [pull.path for pull in bench.pulls()] == [b"d/e/a"]


@pytest.mark.parametrize("there", [Seen(b"d/a", LookOutcome.ABSENT), None])
def test_what_is_seen_in_a_folder_that_cannot_be_listed_is_looked_at_once(there: Seen | None) -> None:
    bench = Bench()
    bench.index.rows.put(folder(b"d"), fingerprint(stat(kind=Kind.DIRECTORY)))
    bench.index.offers.put(Offer(PEER, record(b"d/a", b"first"), False))
    bench.engine = Engine(bench.index, FOLDER, "t")
    bench.effects = bench.engine.start(bench.now)
    bench.feed(Listed((Listing(b"", [], folders=(b"d",)),)))
    bench.feed(Listed((Listing(b"d", None, "input/output error"),)))
    bench.connect()
    bench.hear(state(record(b"d/a", None, ns=WALL_NS + 5, count=2), sequence=2))
    bench.feed(Looked((there or seen(b"d/a", b"another"),)))
    row = bench.index.rows.get(b"d/a")
    assert row is not None
    assert row.record.kind == (Kind.FILE if there is None else Kind.ABSENT)
    for _ in range(10):
        assert b"d/a" not in [item.path for job in bench.all(LookJob) for item in job.items]
        bench.wait(300)
    assert not bench.index.offers.of(b"d/a")


def test_new_files_that_come_with_their_content_are_an_intent_until_they_are_there() -> None:
    bench = Bench()
    bench.connect()
    one = of_first_scan(b"a", b"1")
    other = of_first_scan(b"b", b"2")
    changes = (Change("create", one, attached=True, content=b"1"), Change("create", other, attached=True, content=b"2"))
    bench.hear(ModificationUpdate(FOLDER, 9, changes, (), True))
    (job,) = bench.all(ApplyJob)
    assert [(item.path, item.data) for item in job.items] == [(b"a", b"1"), (b"b", b"2")]
    assert not bench.index.offers.any()
    bench.index.commit()
    again = closed_at_end(Index(":memory:", Random(1), bench.index.copy()))
    assert [offer.record for path in again.offers.paths(None, 9) for offer in again.offers.of(path)] == [one, other]
    bench.apply(
        ApplyResult(b"a", Result.DONE, b"f" * FINGERPRINT_BYTES), ApplyResult(b"b", Result.PROBLEM, problem="full")
    )
    assert bench.index.rows.get(b"a") is not None
    assert [offer.record for offer in bench.index.offers.of(b"b")] == [other], "what failed is an offer again"
    bench.index.commit()
    again = closed_at_end(Index(":memory:", Random(1), bench.index.copy()))
    assert again.offers.paths(None, 9) == [b"b"]


def test_what_may_be_on_the_disk_is_known_as_long_as_it_was_not_looked_at() -> None:
    """Its job failed at the end, its peer has moved on, and so has another, whose older announcement nobody tried."""
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    bench.hear(state(record(b"a", b"older", WALL_NS)), OTHER)
    bench.hear(state(record(b"a", b"newer", WALL_NS + 1)))
    assert pulled(bench, b"newer").path == b"a"
    bench.apply(ApplyResult(b"a", Result.PROBLEM, problem="input/output error"))
    bench.hear(state(record(b"a", b"even newer", WALL_NS + 2, OTHER, 2), sequence=2), OTHER)
    bench.hear(state(record(b"a", b"even newer", WALL_NS + 2, OTHER, 2), sequence=2))
    bench.wait(3_000)
    assert [item.path for job in bench.all(LookJob) for item in job.items] == [b"a"]
    bench.feed(Looked((seen(b"a", b"newer"),)))
    assert bench.index.rows.get(b"a") is None, "it is no edit of a user"
    (redo,) = bench.all(ApplyJob)
    assert [(item.act, item.target.stamp.ns) for item in redo.items] == [(TreeOp.META, WALL_NS + 1)]


@pytest.mark.parametrize(
    "is_removed", [False, True], ids=["both names are looked at", "the old name is settled before"]
)
@pytest.mark.parametrize(
    ("mtime", "mode", "is_ours"),
    [(WALL_NS, 0o644, True), (WALL_NS, 0o755, True), (WALL_NS + 7, 0o644, False), (WALL_NS, 0o600, False)],
    ids=["nothing is set", "the mode is set", "a user has touched it", "a user has changed its mode"],
)
def test_what_was_moved_and_has_not_its_mode_and_time_yet_is_no_users_file(
    mtime: int, mode: int, is_ours: bool, is_removed: bool
) -> None:
    """Elsewhere, a user renamed a file and changed its mode and its time. The program died between the rename here and
    that."""
    bench = Bench()
    bench.connect()
    bench.found(b"k", b"same")
    mine = bench.index.rows.get(b"k")
    assert mine is not None
    theirs = record(b"c", b"same", WALL_NS - 5, count=7)._replace(mode=0o755, mtime=WALL_NS - 5)
    gone = record(b"k", None, WALL_NS * 2, count=8)
    bench.hear(state(theirs, gone._replace(vector=join(gone.vector, mine.record.vector))))
    assert [(item.act, item.copy_path) for job in bench.all(ApplyJob) for item in job.items] == [(TreeOp.MOVE, b"k")]
    bench.engine = Engine(bench.index, FOLDER, "u")
    bench.engine.start(bench.now)
    there = stat(b"same", inode=1 + crc32(b"k"))._replace(mtime=mtime, mode=mode)
    looks = {
        b"c": seen(b"c", b"same")._replace(mtime=mtime, mode=mode, fp=fingerprint(there)),
        b"k": Seen(b"k", LookOutcome.ABSENT),
    }
    bench.feed(Listed((Listing(b"", [] if is_removed else [(b"c", there)], gone=(b"k",)),)))
    ordered: list[tuple[bytes, TreeOp]] = []
    for _ in range(20):
        items = [item for job in bench.all(ApplyJob) for item in job.items]
        ordered += [(item.path, item.act) for item in items]
        if items:
            fp = {b"c": fingerprint(there._replace(mtime=theirs.mtime, mode=theirs.mode))}
            bench.apply(*[ApplyResult(item.path, Result.DONE, fp.get(item.path, b"")) for item in items])
        elif asked := looked_at(bench):
            bench.feed(Looked(tuple(looks[path] for path in asked)))
        elif is_removed and bench.index.rows.get(b"c") is None and ordered:
            bench.feed(Touched(b"c", Urgency.NOW))
        else:
            bench.wait(200)
    row = bench.index.rows.get(b"c")
    assert row is not None
    assert (row.record.stamp.maker, row.record.mode) == (
        (PEER, 0o755) if is_ours else (bench.index.identity.replica, mode)
    )
    assert ((b"c", TreeOp.META) in ordered) is is_ours, "its mode and its time are set now"
    assert (b"k", TreeOp.REMOVE) in ordered
