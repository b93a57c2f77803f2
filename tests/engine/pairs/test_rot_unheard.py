"""Contents that go bad on one disk before the other node has them: who wants them asks ever more seldom, and tells people."""

from __future__ import annotations

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.declined import Reason
from tests.pair import OneNode, Pair

SIZES = (15, limits.CHUNK_BYTES, 5 * limits.CHUNK_BYTES)


def rot(node: OneNode, path: bytes) -> bytes:
    """A bit tips over on the medium: no time changes. Returns what was there."""
    inode = node.disk._find(path)
    assert inode is not None
    good = bytes(inode.data)
    inode.data[3] ^= 1
    return good


def go_on(pair: Pair, seconds: int) -> int:
    """Time passes. Returns how many messages were delivered."""
    before = pair.delivered
    for _ in range(seconds * 10):
        for _ in range(20):
            pair.turn()
        pair.clock.ms += 100
    return pair.delivered - before


def rotten(size: int, count: int = 1) -> tuple[Pair, dict[bytes, bytes]]:
    """What was written on one node while the other was away, and went bad there. `count`: files; with many, they are
    pushed together."""
    pair = Pair()
    paths = [b"%d" % number for number in range(count)]
    for path in paths:
        pair.one.disk.write(path, path * size)
    pair.one.boot()
    pair.run()
    good = {path: rot(pair.one, path) for path in paths}
    pair.link_only()
    return pair, good


@pytest.mark.parametrize("size", SIZES)
def test_it_is_asked_for_ever_more_seldom(size: int) -> None:
    pair, _ = rotten(size)
    first = go_on(pair, 60)
    later = go_on(pair, 600)
    assert first < 200, "it spins"
    assert later < 200, "it spins"
    sent = sum(isinstance(note, notes.Sent | notes.SentLarge) for note in pair.one.notes)
    assert sent <= 12
    assert pair.two.disk.content(b"0") is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 6])
def test_people_are_told_once_and_the_status_says_it(size: int, count: int) -> None:
    pair, good = rotten(size, count)
    go_on(pair, 60)
    told = [note for note in pair.two.notes if isinstance(note, notes.BadContent)]
    assert sorted(note.path for note in told) == sorted(good)
    assert {note.peer for note in told} == {"one"}
    said = "what one sent is not what was announced; one may have a bad copy: run 'verify' there"
    assert {note.problem for note in told} == {said}
    troubled = pair.two.engine.sync_report.troubled()
    assert [(one[0], one[1], one[2]) for one in troubled] == [(path, said, Reason.BAD_CONTENT) for path in sorted(good)]
    there = pair.one.engine.board.peers[pair.two.index.identity.replica].standing.declined
    assert [(one.reason, one.files) for one in there] == [(Reason.BAD_CONTENT, count)]


@pytest.mark.parametrize("size", SIZES)
def test_it_comes_when_it_is_good_again(size: int) -> None:
    pair, good = rotten(size)
    go_on(pair, 60)
    pair.one.disk.write(b"0", good[b"0"] + b"edited")
    pair.one.boot()
    pair.restart(pair.one)
    assert pair.two.disk.content(b"0") == good[b"0"] + b"edited"
    assert pair.two.engine.sync_report.troubled() == []
