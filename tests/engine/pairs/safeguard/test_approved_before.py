"""What a person approved stays so, if what came less than a minute later is rejected."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Decided, Touched, Urgency
from dir_sync.core.mode import Mode
from dir_sync.core.safeguard.brake import Limits
from tests.engine.pairs.safeguard.tools import fill, rewrite_live
from tests.pair import OneNode, Pair

MODES = [
    (Mode.TWO_WAY, Mode.TWO_WAY),
    (Mode.SEND_ONLY, Mode.TWO_WAY),
    (Mode.TWO_WAY, Mode.RECEIVE_ONLY),
    (Mode.SEND_ONLY, Mode.MIRROR),
]


def filled(sends: Mode = Mode.TWO_WAY, takes: Mode = Mode.TWO_WAY) -> Pair:
    """Files that are older than what was just made: 30 and 20 in two folders, and one beside them."""
    pair = Pair()
    for node, mode in ((pair.one, sends), (pair.two, takes)):
        node.engine.mode_rules.mode = mode
    pair.link()
    for folder, count in ((b"d", 30), (b"e", 20)):
        pair.one.disk.mkdir(folder)
        for number in range(count):
            pair.one.disk.write(folder + b"/%d" % number, b"%s %d" % (folder, number))
        pair.one.inbox.append(Touched(folder, Urgency.FOLDER))
    pair.one.disk.write(b"beside", b"it")
    pair.one.inbox.append(Touched(b"beside", Urgency.NOW))
    pair.run()
    pair.clock.ms += 120_000
    pair.run()
    assert len(there(pair.two)) == 51
    return pair


def there(node: OneNode, folder: bytes = b"") -> list[bytes]:
    return [path for path, (kind, *_) in node.disk.tree().items() if kind == 1 and path.startswith(folder)]


def remove(pair: Pair, folder: bytes) -> None:
    for path in there(pair.one, folder + b"/"):
        pair.one.disk.delete(path)
        pair.one.inbox.append(Touched(path, Urgency.VANISHED))
    pair.run()


def decide(pair: Pair, node: OneNode, approve: bool, *paths: bytes) -> None:
    node.inbox.append(Decided(approve, paths))
    pair.run()


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize(("sends", "takes"), MODES)
def test_what_was_approved_stays_gone(sends: Mode, takes: Mode, here: bool) -> None:
    pair = filled(sends, takes)
    remove(pair, b"d")
    assert pair.two.said(notes.PeerHeld)
    decide(pair, pair.two, True)
    assert len(there(pair.two)) == 21
    pair.two.notes.clear()
    remove(pair, b"e")
    assert pair.two.said(notes.PeerHeld)
    decide(pair, pair.two if here else pair.one, False)
    pair.clock.ms += 40_000
    pair.run()
    for node in (pair.one, pair.two):
        assert not there(node, b"d/")
        assert len(there(node)) == 21
    assert not pair.one.engine.mode_rules.wants_back


@pytest.mark.parametrize(("sends", "takes"), MODES)
def test_nor_does_a_path_come_back_that_was_approved_alone(sends: Mode, takes: Mode) -> None:
    pair = filled(sends, takes)
    remove(pair, b"d")
    held = {path for paths in pair.two.engine.brakes.peers.held().values() for path in paths}
    some = sorted(held)[:3]
    decide(pair, pair.two, True, *some)
    decide(pair, pair.two, False)
    pair.clock.ms += 40_000
    pair.run()
    assert not set(some) & set(there(pair.two))
    assert held - set(some) <= set(there(pair.two))
    if sends is Mode.TWO_WAY:
        assert not set(some) & set(there(pair.one))
        assert held - set(some) <= set(there(pair.one))


def rewritten() -> Pair:
    """100 files that the second node knows scrambled, since a person there has approved that."""
    pair = Pair(Limits(10, 50, 10, 80))
    fill(pair.one.disk, 100)
    pair.restart(pair.one)
    rewrite_live(pair, pair.one, 100)
    decide(pair, pair.two, True)
    assert contents(pair.two, b"d/") == {b"scrambled"}
    return pair


def contents(node: OneNode, folder: bytes) -> set[bytes]:
    return {node.disk.content(path).split()[0] for path in there(node, folder)}


@pytest.mark.parametrize("later_ms", [0, 120_000])
@pytest.mark.parametrize("again", [True, False])
def test_approved_contents_stay_and_only_what_came_after_them_is_undone(again: bool, later_ms: int) -> None:
    """`again`: the second node starts again in between. `later_ms`: when it is rejected."""
    pair = rewritten()
    if again:
        pair.restart(pair.two)
    for number in range(90):
        pair.one.disk.write(b"d/%d" % number, b"rubbish %d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.NOW))
    pair.run()
    held = {path for paths in pair.two.engine.brakes.peers.held().values() for path in paths}
    assert len(held) > 60
    pair.clock.ms += later_ms
    pair.run()
    decide(pair, pair.two, False)
    assert not pair.one.engine.brakes.held(), "who made it takes back what was there before"
    for node in (pair.one, pair.two):
        assert b"rubbish" not in contents(node, b"d/")
        assert {node.disk.content(path).split()[0] for path in held} == {b"scrambled"}
