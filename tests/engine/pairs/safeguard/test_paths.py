"""A person decides about single paths of what is held; the others stay held."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Decided, Touched, Urgency
from dir_sync.core.mode import Mode
from dir_sync.core.safeguard.brake import Limits
from tests.engine.pairs.safeguard.tools import assert_equal, files, fill, remove_live, rewrite_live
from tests.pair import OneNode, Pair


def held(node: OneNode) -> set[bytes]:
    """The paths that a node holds of what its peers did."""
    return {path for paths in node.engine.brakes.peers.held().values() for path in paths}


def decide(pair: Pair, node: OneNode, approve: bool, *paths: bytes) -> None:
    node.inbox.append(Decided(approve, paths))
    pair.run()


def first(paths: set[bytes], count: int) -> list[bytes]:
    return sorted(paths)[:count]


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_some_removals_are_decided_and_the_rest_stays_held(pair: Pair, approve: bool, again: bool) -> None:
    """So many that the rest is no disaster any more. `again`: both nodes start again afterwards."""
    remove_live(pair, pair.one)
    before = held(pair.two)
    assert len(before) > 10
    some = first(before, len(before) - 2)
    decide(pair, pair.two, approve, *some)
    assert held(pair.two) == before - set(some)
    if again:
        pair.restart(pair.one)
        pair.restart(pair.two)
        pair.clock.ms += 100_000
        pair.run()
    assert held(pair.two) == before - set(some)
    for path in some:
        assert (pair.one.disk.stat(path) is None) == (pair.two.disk.stat(path) is None) == approve
    for path in before - set(some):
        assert pair.one.disk.stat(path) is None
        assert pair.two.disk.stat(path) is not None
    decide(pair, pair.two, True)
    assert not held(pair.two)
    assert_equal(pair)
    assert set(files(pair.two.disk)) >= {b"beside"} | (set() if approve else set(some))


def test_what_others_take_back_later_lets_nothing_through(pair: Pair) -> None:
    """After a decision about some paths, also over a start: the maker brings back all but two of the others."""
    remove_live(pair, pair.one)
    decide(pair, pair.two, False, first(held(pair.two), 1)[0])
    pair.restart(pair.two)
    rest = sorted(held(pair.two))
    for path in rest[:-2]:
        pair.one.disk.write(path, b"content " + path.removeprefix(b"d/"))
        pair.one.inbox.append(Touched(path, Urgency.NOW))
    pair.run()
    pair.clock.ms += 10_000
    pair.run()
    assert held(pair.two) == set(rest[-2:])


@pytest.mark.parametrize("approve", [True, False])
def test_a_folder_stands_for_all_that_is_held_in_it(approve: bool) -> None:
    pair = Pair()
    fill(pair.one.disk, 20)
    pair.one.disk.mkdir(b"e")
    for number in range(20):
        pair.one.disk.write(b"e/%d" % number, b"something else %d" % number)
    pair.restart(pair.one)
    for folder in (b"d", b"e"):
        pair.one.disk.delete(folder)
        pair.one.inbox.append(Touched(folder, Urgency.VANISHED))
    pair.run()
    assert {path[:1] for path in held(pair.two)} == {b"d", b"e"}
    rest = {path for path in held(pair.two) if path.startswith(b"e/")}
    decide(pair, pair.two, approve, b"d")
    assert held(pair.two) == rest
    for node in (pair.one, pair.two):
        assert (node.disk.stat(b"d") is None) == approve
        assert len([path for path in files(node.disk) if path.startswith(b"d/")]) == (0 if approve else 20)
    assert pair.one.disk.stat(b"e") is None
    decide(pair, pair.two, approve)
    assert_equal(pair)
    assert (pair.one.disk.stat(b"e") is None) == approve


def test_a_file_that_is_rejected_brings_its_folder_back(pair: Pair) -> None:
    pair.one.disk.delete(b"d")
    pair.one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    rest = held(pair.two)
    path = first(rest, 1)[0]
    decide(pair, pair.two, False, path)
    assert files(pair.one.disk) == [b"beside", path]
    assert held(pair.two) == rest - {path}
    decide(pair, pair.two, True)
    assert_equal(pair)
    assert files(pair.two.disk) == [b"beside", path]


@pytest.mark.parametrize("approve", [True, False])
def test_single_rewrites(approve: bool) -> None:
    pair = Pair(Limits(10, 50, 10, 80))
    fill(pair.one.disk, 100)
    pair.restart(pair.one)
    rewrite_live(pair, pair.one, 100)
    before = held(pair.two)
    some = first(before, 50)
    decide(pair, pair.two, approve, *some)
    assert held(pair.two) == before - set(some)
    for path in before:
        number = path.removeprefix(b"d/")
        is_new = approve and path in some
        assert pair.two.disk.content(path) == (b"scrambled " if is_new else b"content ") + number
        is_old = not approve and path in some
        assert pair.one.disk.content(path) == (b"content " if is_old else b"scrambled ") + number
    assert not pair.one.said(notes.Conflict)
    assert not pair.two.said(notes.Conflict)
    decide(pair, pair.two, True)
    assert_equal(pair)


def test_a_node_that_keeps_its_changes_takes_the_version_of_the_mesh(pair: Pair) -> None:
    """It approves the removal of its maker, and makes none of its own: nothing differs afterwards."""
    pair.two.engine.mode_rules.mode = Mode.RECEIVE_ONLY
    remove_live(pair, pair.one)
    some = first(held(pair.two), 3)
    decide(pair, pair.two, True, *some)
    assert not any(pair.two.disk.stat(path) for path in some)
    assert not list(pair.two.engine.own_changes.differences())
    assert len(held(pair.two)) > 3


def test_an_approval_of_a_path_that_cannot_be_carried_out_yet_lasts_over_a_start(pair: Pair) -> None:
    pair = Pair(Limits(10, 50, 10, 80))
    fill(pair.one.disk, 100)
    pair.restart(pair.one)
    rewrite_live(pair, pair.one, 100)
    path = first(held(pair.two), 1)[0]
    pair.cut()
    decide(pair, pair.two, True, path)  # its content is with the other node only
    assert pair.two.disk.content(path).startswith(b"content")
    pair.restart(pair.two)
    assert path not in held(pair.two)
    assert len(held(pair.two)) > 50
    assert pair.two.disk.content(path).startswith(b"scrambled")


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_some_of_what_vanished_here(pair: Pair, approve: bool, whole: bool) -> None:
    """While the node did not run. `whole`: with its folder, which is held as one."""
    pair.cut()
    for path in [b"d"] if whole else [b"d/%d" % number for number in range(20)]:
        pair.one.disk.delete(path)
    pair.restart(pair.one)
    assert pair.one.engine.brakes.own.held_files == 20
    some = [b"d/%d" % number for number in range(15)]
    decide(pair, pair.one, approve, *some)
    pair.clock.ms += 100_000
    pair.run()
    assert pair.one.engine.brakes.own.held_files == 5
    there = 0 if approve else 15
    assert len(files(pair.one.disk)) == 1 + there
    for _ in range(2):  # the five are no disaster by themselves
        pair.restart(pair.one)
        pair.clock.ms += 100_000
        pair.run()
        assert pair.one.engine.brakes.own.held_files == 5
        assert len(files(pair.one.disk)) == 1 + there
    decide(pair, pair.one, False, *[b"d/%d" % number for number in range(15, 20)])
    assert not pair.one.engine.brakes.own.held
    if held(pair.two):  # as many as were approved here are a disaster there, too
        assert approve
        decide(pair, pair.two, True)
    assert_equal(pair)
    assert len(files(pair.one.disk)) == (6 if approve else 21)


def test_all_of_a_folder_that_vanished_is_approved_piece_by_piece(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    for number in range(20):
        decide(pair, pair.one, True, b"d/%d" % number)
    assert not pair.one.engine.brakes.own.held
    assert pair.one.index.tree.live_paths(b"d") == []


def test_a_folder_is_approved_alone_although_the_one_above_it_is_held_as_well(pair: Pair) -> None:
    one = pair.one
    one.disk.mkdir(b"d/e")
    one.disk.write(b"d/e/a", b"below")
    one.inbox.append(Touched(b"d/e", Urgency.FOLDER))
    pair.run()
    pair.cut()
    for path in [b"d/%d" % number for number in range(20)] + [b"d/e"]:
        one.disk.delete(path)
    pair.restart(one)
    one.disk.delete(b"d")
    one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert {b"d", b"d/e"} <= one.engine.brakes.own.held.keys()
    decide(pair, one, True, b"d/e")
    assert b"d/e" not in one.engine.brakes.own.held
    assert b"d/e" not in pair.two.disk.tree()
    assert len(files(pair.two.disk)) == 21


def test_a_later_small_loss_is_not_held_because_of_an_earlier_decision(pair: Pair) -> None:
    """The rest of what vanished is put back while the node does not run."""
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    decide(pair, pair.one, False, b"d/0")
    for number in range(1, 20):
        pair.one.disk.write(b"d/%d" % number, b"content %d" % number)
    pair.restart(pair.one)
    assert not pair.one.engine.brakes.own.held
    pair.one.disk.delete(b"d/3")
    pair.restart(pair.one)
    assert not pair.one.engine.brakes.own.held
    assert pair.two.disk.stat(b"d/3") is None


def test_what_is_held_below_some_paths(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    below = pair.one.engine.path_decisions.held_below([b"d/1", b"d/9", b"beside", b"d/none", b"x"])
    assert below.missing == 2
    assert below.unknown == (b"beside", b"d/none", b"x")
    assert pair.one.engine.path_decisions.held_below([b"d", b"d/1"]).missing == 20


def test_a_decision_about_other_paths_changes_nothing(pair: Pair) -> None:
    remove_live(pair, pair.one)
    before = held(pair.two), pair.two.disk.tree()
    decide(pair, pair.two, True, b"beside", b"d/none")
    assert (held(pair.two), pair.two.disk.tree()) == before
