"""A machine becomes a read-only member of a closed mesh: what it had announced before counts nothing there."""

from __future__ import annotations

import pytest
from blake3 import blake3

from dir_sync.core.model import Kind
from dir_sync.core.notes import Received
from tests.engine.pairs.test_attributes import save
from tests.pair import OneNode, Pair


def both_alone() -> Pair:
    """Each has files of its own, and has never met the other."""
    pair = Pair()
    save(pair, pair.one, b"f1", b"as the mesh has it")
    save(pair, pair.one, b"f2", b"deleted there")
    save(pair, pair.two, b"f1", b"newer, and announced to nobody")
    save(pair, pair.two, b"only", b"two has this")
    save(pair, pair.two, b"f2", b"another one")
    pair.two.disk.delete(b"f2")
    pair.two.boot()
    pair.run()
    return pair


def joins(pair: Pair, node: OneNode, identity: str) -> None:
    node.reads_as = identity
    node.boot()
    pair.run()


def differing(node: OneNode) -> list[bytes]:
    return [each.path for each in node.engine.own_changes.differences()]


def files(node: OneNode) -> dict[bytes, bytes]:
    return {path: node.disk.content(path) for path, entry in node.disk.tree().items() if entry[0] is Kind.FILE}


def test_what_the_mesh_has_takes_the_place_of_what_was_never_taken_from_here() -> None:
    pair = both_alone()
    joins(pair, pair.two, "reader")
    pair.link()
    there = {b"f1": b"as the mesh has it", b"f2": b"deleted there"}
    assert files(pair.one) == there
    assert files(pair.two) == there | {b"only": b"two has this"}
    assert differing(pair.two) == [b"only"]
    kept = pair.two.index.versions.with_content(blake3(b"newer, and announced to nobody").digest())
    assert kept is not None
    assert kept.path == b"f1"


@pytest.mark.parametrize("is_away", [False, True])
def test_what_was_in_sync_before_stays_as_it_is(is_away: bool) -> None:
    pair = Pair()
    pair.link()
    for node, name in ((pair.one, b"a"), (pair.two, b"b")):
        save(pair, node, name, name * 100)
    before = pair.two.disk.tree()
    pair.cut()
    if is_away:
        save(pair, pair.one, b"a", b"changed meanwhile")
    joins(pair, pair.two, "reader")
    assert differing(pair.two) == [b"a", b"b"], "nobody has said yet what the mesh has"
    pair.link()
    assert differing(pair.two) == []
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert pair.two.said(Received) is is_away
    assert (pair.two.disk.tree() == before) is not is_away


def test_that_counts_once_for_each_time_that_it_joins() -> None:
    pair = both_alone()
    joins(pair, pair.two, "reader")
    pair.link()
    save(pair, pair.two, b"f2", b"changed by the reader")
    assert differing(pair.two) == [b"f2", b"only"]
    pair.restart(pair.two)
    assert differing(pair.two) == [b"f2", b"only"], "the mesh has not another version than when it was changed"
    assert files(pair.two)[b"f2"] == b"changed by the reader"
    pair.cut()
    joins(pair, pair.two, "another time")
    pair.link()
    assert files(pair.two)[b"f2"] == b"deleted there"
    assert differing(pair.two) == [b"only"]


def test_who_may_write_again_announces_what_it_has() -> None:
    pair = both_alone()
    joins(pair, pair.two, "reader")
    pair.link()
    pair.cut()
    joins(pair, pair.two, "")
    pair.link()
    assert files(pair.one) == files(pair.two)
    assert b"only" in files(pair.one)
    pair.cut()
    joins(pair, pair.two, "reader")
    pair.link()
    assert differing(pair.two) == []
