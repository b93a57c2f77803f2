"""What is announced in vain is counted for each peer; of what honest nodes announce next to nothing is."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.events import Received
from dir_sync.core.messages import State
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.safeguard.brake import Limits
from dir_sync.engine import in_vain
from tests.engine.pairs.made_up import join, run
from tests.pair import FOLDER, Clock, OneNode, Pair

PEER = "aa"
FREE = 40  # repeats
FILES = 50


@pytest.fixture(autouse=True)
def _few_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_vain, "_REPEATS_FREE", FREE)
    monkeypatch.setattr(limits, "HEARSAY_PER_LINK_MAX", 30)


@pytest.fixture
def node() -> OneNode:
    node = OneNode("victim", Clock(), Limits(files=0, percent=50), None)
    for number in range(FILES):
        node.disk.write(b"%d" % number, b"content %d" % number)
    node.boot()
    run(node)
    join(node, PEER)
    return node


def tell(node: OneNode, *records: Record, peer: str = PEER) -> None:
    node.inbox.append(Received(peer, State(FOLDER, 0, False, records)))
    run(node)


def made(path: bytes, kind: Kind, number: int, entries: int = 1) -> Record:
    content = b"%032d" % number if kind == Kind.FILE else b""
    size, mode = (10, 0o644) if kind == Kind.FILE else (0, 0)
    vector = tuple((one, number + 1) for one in sorted((PEER, *(f"{more:02x}" for more in range(entries - 1)))))
    return Record(path, kind, size, content, 0, mode, Stamp(1_700_000_000 * 10**9 + number, PEER), vector)


def here(node: OneNode) -> list[Record]:
    return [row.record for row in node.index.changes.after(0, 10_000)]


def test_deletions_of_what_was_never_here(node: OneNode) -> None:
    tell(node, *(made(b"never %d" % number, Kind.ABSENT, number) for number in range(200)))
    assert node.vain == {PEER: 200}


def test_the_same_over_and_over(node: OneNode) -> None:
    told = here(node)
    for _ in range(3):
        tell(node, *told)
    assert node.vain[PEER] == 3 * FILES - 2 * FILES - FREE + (3 * FILES - 2 * FILES - FREE == 0)
    before = node.vain[PEER]
    tell(node, *told)
    assert node.vain[PEER] == before + FILES


def test_changes_that_are_replaced_before_they_could_be_had(node: OneNode) -> None:
    for number in range(100):
        tell(node, made(b"small", Kind.FILE, number))
    assert node.vain[PEER] == 99


def test_vectors_that_grow_and_tell_nothing(node: OneNode) -> None:
    for number in range(100):
        tell(node, made(b"never", Kind.ABSENT, number, 3))
    assert node.vain[PEER] == 100


def test_two_equal_trees_that_meet() -> None:
    pair = Pair()
    for node in (pair.one, pair.two):
        for number in range(4 * FREE):
            node.disk.write(b"%d" % number, b"%d" % number)
        node.boot()
    pair.run()
    pair.link()
    assert not pair.one.vain
    assert not pair.two.vain


def test_who_returns_with_many_deletions(node: OneNode) -> None:
    """Of files that are still here."""
    gone = [
        Record(one.path, Kind.ABSENT, 0, b"", 0, 0, Stamp(one.stamp.ns + 10**12, PEER), (*one.vector, (PEER + "1", 1)))
        for one in here(node)
    ]
    tell(node, *gone)
    assert sum(one.kind == Kind.ABSENT for one in here(node)) == FILES
    assert not node.vain


def test_relays_in_a_mesh(node: OneNode) -> None:
    """Three peers announce each of many changes: the first time that is news, and then it is told once by each."""
    for peer in ("bb", "cc"):
        join(node, peer)
    for number in range(10):
        changes = [made(b"d%d" % one, Kind.DIRECTORY, 100 * number + one) for one in range(20)]
        for peer in (PEER, "bb", "cc"):
            tell(node, *changes, peer=peer)
    assert not node.vain
