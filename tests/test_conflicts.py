"""Who changed a file without knowing of the other's change: the loser is kept as a conflict, and people are told."""

from __future__ import annotations

import pytest

from dir_sync.core.events import Touched, Urgency, Why
from tests.pair import OneNode, Pair


def edit(node: OneNode, path: bytes, data: bytes | None) -> None:
    if data is None:
        node.disk.delete(path)
    else:
        node.disk.write(path, data)
    node.inbox.append(Touched(path, Urgency.NOW if data is not None else Urgency.VANISHED))


def whys(node: OneNode) -> list[tuple[Why, int]]:
    return [(version.why, version.size) for version in node.index.versions()]


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
    assert whys(loser)[-1] == (Why.CONFLICT, 5)
    assert loser.said("conflict")
    assert not winner.said("conflict")


def test_edited_while_this_node_was_down(pair: Pair) -> None:
    """Its change is found by the scan, maybe after the other's was heard of."""
    pair.cut()
    pair.two.disk.write(b"file", b"loser")
    pair.clock.ms += 1_000
    edit(pair.one, b"file", b"the winner")
    pair.run()
    pair.two.boot()
    pair.link()
    assert whys(pair.two)[-1] == (Why.CONFLICT, 5)


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
    assert {why for node in (pair.one, pair.two) for why, _ in whys(node)} == {Why.REPLACED}


def test_both_edit_alike(pair: Pair) -> None:
    pair.cut()
    for node in (pair.one, pair.two):
        edit(node, b"file", b"the same")
        pair.run()
    pair.link()
    assert whys(pair.one) == []
    assert whys(pair.two) == []


def test_folders_filled_apart() -> None:
    pair = Pair()
    for node, data in ((pair.one, b"loser"), (pair.two, b"the winner")):
        node.disk.write(b"file", data)
        pair.clock.ms += 1_000
    pair.one.boot()
    pair.two.boot()
    pair.link()
    assert pair.one.disk.content(b"file") == b"the winner"
    assert whys(pair.one) == [(Why.CONFLICT, 5)]
    assert whys(pair.two) == []
