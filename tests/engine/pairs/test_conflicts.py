"""Who changed a file without knowing of the other's change: the loser is kept as a conflict, and people are told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.events import Touched, Urgency
from dir_sync.core.jobs import ApplyJob, Cause
from dir_sync.core.messages import Chunks, Piece, from_wire
from dir_sync.core.model import Kind, Record, Stamp, joined, made_from
from dir_sync.core.reconcile import Offer, answer, changed
from dir_sync.index import Index
from tests.engine.whole.bench import OTHER, PEER, WALL_NS, Bench, record, state
from tests.pair import OneNode, Pair


def edit(node: OneNode, path: bytes, data: bytes | None) -> None:
    if data is None:
        node.disk.delete(path)
    else:
        node.disk.write(path, data)
    node.inbox.append(Touched(path, Urgency.NOW if data is not None else Urgency.VANISHED))


def whys(node: OneNode) -> list[tuple[Cause, int]]:
    return [(version.why, version.size) for version in node.index.versions.oldest_first()]


@pytest.fixture
def pair() -> Pair:
    pair = Pair()
    pair.link()
    edit(pair.one, b"file", b"base")
    pair.run()
    assert pair.two.disk.content(b"file") == b"base"
    return pair


@pytest.mark.parametrize("later", ["one", "two"])
@pytest.mark.parametrize("restarts", [True, False])
def test_both_edit_while_apart(pair: Pair, later: str, restarts: bool) -> None:
    winner, loser = (pair.one, pair.two) if later == "one" else (pair.two, pair.one)
    pair.cut()
    edit(loser, b"file", b"loser")
    pair.run()
    pair.clock.ms += 1_000
    edit(winner, b"file", b"the winner")
    pair.run()
    if restarts:
        loser.boot()
        pair.run()
    pair.link()
    assert winner.disk.content(b"file") == b"the winner" == loser.disk.content(b"file")
    assert whys(loser)[-1] == (Cause.CONFLICT, 5)
    assert loser.said(notes.Conflict)
    assert not winner.said(notes.Conflict)


def test_edited_while_this_node_was_down(pair: Pair) -> None:
    """Its change is found by the scan, maybe after the other's was heard of."""
    pair.cut()
    pair.two.disk.write(b"file", b"loser")
    pair.clock.ms += 1_000
    edit(pair.one, b"file", b"the winner")
    pair.run()
    pair.two.boot()
    pair.link()
    assert whys(pair.two)[-1] == (Cause.CONFLICT, 5)


def test_one_edits_and_the_other_does_not(pair: Pair) -> None:
    pair.cut()
    edit(pair.one, b"file", b"newer")
    pair.run()
    pair.link()
    edit(pair.two, b"file", b"newer still")
    pair.run()
    pair.cut()
    edit(pair.one, b"file", b"the newest")
    pair.run()
    pair.restart(pair.two)
    assert pair.two.disk.content(b"file") == b"the newest"
    assert {why for node in (pair.one, pair.two) for why, _ in whys(node)} == {Cause.REPLACED}


def test_both_edit_alike(pair: Pair) -> None:
    pair.cut()
    for node in (pair.one, pair.two):
        edit(node, b"file", b"the same")
        pair.run()
    pair.link()
    assert whys(pair.one) == []
    assert whys(pair.two) == []


@pytest.mark.parametrize("size", [10, limits.CHUNK_BYTES, limits.MIB])
def test_one_cuts_the_end_off_what_the_other_appends_to(size: int) -> None:
    pair = Pair()
    pair.link()
    base = bytes(number % 251 for number in range(size))
    edit(pair.one, b"file", base)
    pair.run()
    pair.cut()
    cut_off = base[: size - 1]
    edit(pair.two, b"file", cut_off)
    pair.run()
    pair.clock.ms += 1_000
    edit(pair.one, b"file", base + b"and more")
    pair.run()
    pair.link()
    assert pair.two.disk.content(b"file") == base + b"and more"
    assert whys(pair.two) == [(Cause.CONFLICT, len(cut_off))]
    assert pair.two.said(notes.Conflict)


def test_folders_filled_apart() -> None:
    pair = Pair()
    for node, data in ((pair.one, b"loser"), (pair.two, b"the winner")):
        node.disk.write(b"file", data)
        pair.clock.ms += 1_000
    pair.one.boot()
    pair.two.boot()
    pair.link()
    assert pair.one.disk.content(b"file") == b"the winner"
    assert whys(pair.one) == [(Cause.CONFLICT, 5)]
    assert whys(pair.two) == []


def mine_of(bench: Bench, path: bytes) -> Record:
    row = bench.index.rows.get(path)
    assert row is not None
    return row.record


def displaced(bench: Bench, content: bytes) -> Cause:
    """How what is here is filed when a content that was asked for takes its place."""
    (pull,) = bench.pulls()
    bench.hear(Chunks((Piece(pull.id, 0, content),)))
    ((item,),) = [job.items for job in bench.all(ApplyJob)]
    return item.why


def test_a_conflict_that_a_third_node_has_joined_is_one() -> None:
    """It heard of both first, so the winner comes with a vector that includes ours."""
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"ours")
    winner = record(b"a", b"theirs", WALL_NS * 2, OTHER)
    bench.hear(state(joined(winner, mine_of(bench, b"a"))))
    assert displaced(bench, b"theirs") == Cause.CONFLICT


def test_what_was_made_from_the_winner_elsewhere_has_not_seen_the_loser() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"ours")
    winner = joined(record(b"a", b"theirs", WALL_NS * 2, OTHER), mine_of(bench, b"a"))
    later = record(b"a", b"theirs, more", WALL_NS * 2, OTHER)
    bench.hear(state(changed(winner, later, PEER, 9, WALL_NS * 3)))
    assert displaced(bench, b"theirs, more") == Cause.CONFLICT


def test_a_change_made_from_ours_is_no_conflict_whenever_it_is_told() -> None:
    """Its node was off: it tells what its user changed before it says how much of ours it has heard."""
    bench = Bench()
    bench.found(b"a", b"ours")
    bench.connect(asks=False)
    mine = mine_of(bench, b"a")
    bench.hear(state(changed(mine, record(b"a", b"later"), PEER, 9, WALL_NS * 2)))
    assert displaced(bench, b"later") == Cause.REPLACED


def test_a_change_of_what_others_have_made_as_well_is_no_conflict() -> None:
    """Here and at a peer the same content, found with other times; a third one goes on from the peer's."""
    bench = Bench()
    bench.connect()
    bench.found(b"a", b"alike")
    theirs = joined(record(b"a", b"alike", WALL_NS * 2, OTHER), mine_of(bench, b"a"))
    bench.hear(state(changed(theirs, record(b"a", b"later"), PEER, 9, WALL_NS * 3)))
    assert displaced(bench, b"later") == Cause.REPLACED


def test_a_file_that_loses_its_name_to_a_folder_is_a_conflict() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"d", b"ours")
    theirs = Record(b"d", Kind.DIRECTORY, 0, b"", WALL_NS, 0o755, Stamp(5, OTHER), ((OTHER, 5),))
    bench.hear(state(answer(theirs, mine_of(bench, b"d"), OTHER, 6)))
    ((item,),) = [job.items for job in bench.all(ApplyJob)]
    assert (item.target.kind, item.why) == (Kind.DIRECTORY, Cause.CONFLICT)


def test_what_somebody_rejected_is_no_conflict() -> None:
    theirs = Record(b"d", Kind.DIRECTORY, 0, b"", WALL_NS, 0o755, Stamp(5, OTHER), ((OTHER, 5),))
    lost = record(b"d", b"rejected", WALL_NS * 2)
    assert made_from(answer(theirs, lost, OTHER, 6, is_meant=True), lost)
    assert not made_from(answer(theirs, lost, OTHER, 6), lost)


def test_the_lineage_survives_the_index_and_the_wire() -> None:
    winner = joined(record(b"a", b"theirs", WALL_NS * 2, OTHER), record(b"a", b"ours"))
    assert winner.lineage
    index = Index(":memory:", Random(1))
    index.rows.put(winner, b"")
    index.offers.put(Offer("cc", winner._replace(path=b"b"), False))
    index.intents.put("dd", [winner._replace(path=b"c")])
    index.commit()
    again = Index(":memory:", Random(1), index.image())
    row = again.rows.get(b"a")
    assert row is not None
    assert row.record == winner
    assert [again.offers.of(path)[0].record._replace(path=b"a") for path in (b"b", b"c")] == [winner, winner]
    index.close()
    again.close()
    assert from_wire(state(winner).to_wire()) == state(winner)


def test_an_index_from_before_lineages_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "index.db")
    index = Index(path, Random(1))
    index.rows.put(record(b"a", b"old"), b"")
    index.commit()
    index.close()
    with closing(sqlite3.connect(path)) as db:
        for table in ("row", "offer"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN lineage")
        db.commit()
    again = Index(path, Random(1))
    row = again.rows.get(b"a")
    assert row is not None
    assert row.record == record(b"a", b"old")
    again.rows.put(joined(record(b"b", b"1"), record(b"b", b"2", node=OTHER)), b"")
    again.commit()
    again.close()
