"""What one peer can leave behind is bounded: in the index, and among the nodes that are remembered."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.events import PeerDown, Received, Touched, Urgency
from dir_sync.core.messages import State
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.retention import Retention
from dir_sync.core.safeguard.brake import Limits
from tests.engine.pairs.made_up import join, run
from tests.pair import FOLDER, LIMITS, Clock, OneNode, Pair


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> OneNode:
    monkeypatch.setattr(limits, "HEARSAY_PER_LINK_MAX", 30)
    monkeypatch.setattr(limits, "HEARSAY_MAX", 70)
    monkeypatch.setattr(limits, "OFFERS_LEFT_MAX", 30)
    monkeypatch.setattr(limits, "PEERS_KEPT_MAX", 10)
    node = OneNode("victim", Clock(), LIMITS, None)
    for number in range(10):
        node.disk.write(b"%d" % number, b"content %d" % number)
    node.boot()
    run(node)
    return node


def tombstones(node: OneNode) -> int:
    return sum(row.record.kind == Kind.ABSENT for row in node.index.changes.after(0, 100_000))


def made(path: bytes, kind: Kind, peer: str, number: int) -> Record:
    content = b"%032d" % number if kind == Kind.FILE else b""
    size, mode = (10, 0o644) if kind == Kind.FILE else (0, 0)
    return Record(
        path, kind, size, content, 0, mode, Stamp(1_700_000_000 * 10**9 + number, peer), ((peer, number + 1),)
    )


def test_tombstones_of_what_was_never_here(node: OneNode) -> None:
    for peer in ("aa", "bb", "cc", "dd"):
        join(node, peer, 500)
        gone = tuple(made(b"never %s %d" % (peer.encode(), number), Kind.ABSENT, peer, number) for number in range(100))
        node.inbox.append(Received(peer, State(FOLDER, 100, False, gone)))
        run(node)
        assert tombstones(node) <= 70
        if peer == "aa":
            assert tombstones(node) == 30
    assert not node.index.offers.any()
    assert not node.engine.is_busy
    node.boot()
    run(node)
    join(node, "ee", 500)
    node.inbox.append(Received("ee", State(FOLDER, 1, False, (made(b"one more", Kind.ABSENT, "ee", 1),))))
    run(node)
    assert tombstones(node) == 70, "it is remembered over restarts"


def test_what_was_here_is_remembered_however_much_it_is(node: OneNode) -> None:
    """Else it would come back from whoever has not heard that it is gone."""
    join(node, "aa", 500)
    rows = [node.index.rows.get(b"%d" % number) for number in range(4)]
    for number, row in enumerate(rows):
        assert row is not None
        gone = made(row.record.path, Kind.ABSENT, "aa", number)
        stamp = Stamp(row.record.stamp.ns + 10**9, "aa")
        vector = tuple(sorted([*row.record.vector, ("aa", number + 1)]))
        node.inbox.append(Received("aa", State(FOLDER, number, False, (gone._replace(stamp=stamp, vector=vector),))))
        never = tuple(made(b"never %d %d" % (number, at), Kind.ABSENT, "aa", at) for at in range(50))
        node.inbox.append(Received("aa", State(FOLDER, number, False, never)))
    run(node, 8_000)
    assert all(node.index.rows.get(b"%d" % number).record.kind == Kind.ABSENT for number in range(4))  # type: ignore[union-attr]


def test_what_a_stranger_announced_and_never_delivered(node: OneNode) -> None:
    join(node, "aa", 500)
    some = tuple(made(b"never %d" % number, Kind.FILE, "aa", number) for number in range(100))
    node.inbox.append(Received("aa", State(FOLDER, 100, False, some)))
    run(node)
    assert node.index.offers.count_paths() == 100
    node.inbox.append(PeerDown("aa", "lost"))
    run(node)
    assert node.index.offers.count_paths() == 0
    assert not node.engine.is_busy
    seen = node.index.peers.get("aa")
    assert seen is not None
    assert seen.seen == 0, "if it comes again, it is asked for all of it"


def test_strangers_are_forgotten(node: OneNode) -> None:
    for number in range(40):
        peer = f"{number:04x}"
        join(node, peer, 500)
        node.index.notes.put("name " + peer, "somebody")
        node.inbox.append(PeerDown(peer, "lost"))
        run(node, 100)
    assert len(node.index.peers.replicas()) <= 11
    assert len(node.index.notes.below("name ")) <= 11
    node.boot()
    assert len(node.index.peers.replicas()) <= 11


@pytest.mark.parametrize("names", [1, 40])
def test_a_flood_does_not_push_out_what_stood_here(names: int) -> None:
    """A member deletes what others made, then fills the history with contents of its own, by many names or by one."""
    pair = Pair(Limits(0, 50), Retention(bytes_max=20_000))
    two = pair.two
    for number in range(10):
        pair.one.disk.write(b"precious %d" % number, b"precious %d" % number * 90)
    pair.restart(pair.one)
    pair.clock.ms += 3_600_000
    for number in range(10):
        pair.one.disk.delete(b"precious %d" % number)
        pair.one.inbox.append(Touched(b"precious %d" % number, Urgency.VANISHED))
    pair.run()
    pair.clock.ms += 300_000
    for number in range(120):
        path = b"evil %d" % (number % names)
        pair.one.disk.write(path, b"evil %d" % number * 150)
        pair.one.inbox.append(Touched(path, Urgency.NOW))
        pair.run()
        if names > 1:
            pair.one.disk.delete(path)
            pair.one.inbox.append(Touched(path, Urgency.VANISHED))
            pair.run()
    pair.clock.ms += 300_000
    pair.run()
    pair.clock.ms += 3_700_000
    pair.run()
    assert two.index.versions.total_bytes() <= 20_000
    kept = {version.path for version in two.index.versions.oldest_first()}
    assert {b"precious %d" % number for number in range(10)} <= kept
    assert any(path.startswith(b"evil") for path in kept), "there was room for some of it"
