"""Files that are larger than the limit of a node: neither sent nor taken, and nothing is deleted for them. Two nodes; the
first has the limit."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.declined import Reason
from dir_sync.core.events import RoomMeasured, Touched, Urgency
from dir_sync.core.taking import Taking
from tests.pair import OneNode, Pair

MOST = 100
SMALL, LARGE, LARGER = b"s" * 50, b"L" * 150, b"M" * 200


def started(most: int = MOST) -> Pair:
    pair = Pair()
    limit(pair, most)
    return pair


def limit(pair: Pair, most: int) -> None:
    """The first node is started again with another limit; 0: none."""
    pair.one.taking = (lambda: Taking(most, large="too large")) if most else None
    pair.restart(pair.one)
    pair.run()


def save(pair: Pair, node: OneNode, path: bytes, data: bytes | None) -> None:
    """None: the file is removed."""
    if data is None:
        node.disk.delete(path)
    else:
        node.disk.write(path, data)
    node.inbox.append(Touched(path, Urgency.NOW))
    pair.run()


def has(node: OneNode, path: bytes) -> bytes | None:
    return node.disk.content(path)


def told(node: OneNode) -> list[tuple[bytes, str]]:
    return [(note.path, note.reason) for note in node.notes if isinstance(note, notes.Skipped)]


def test_a_large_file_is_not_sent_and_said_once() -> None:
    pair = started()
    save(pair, pair.one, b"a", LARGE)
    save(pair, pair.one, b"b", SMALL)
    save(pair, pair.one, b"a", LARGER)
    assert (has(pair.two, b"a"), has(pair.two, b"b")) == (None, SMALL)
    assert told(pair.one) == [(b"a", "too large")]
    assert pair.one.engine.own_changes.too_large() == [b"a"]
    assert pair.one.engine.sync_report.in_sync_with()


def test_a_large_file_is_not_taken_and_the_old_version_stays() -> None:
    pair = started()
    save(pair, pair.two, b"a", SMALL)
    save(pair, pair.two, b"a", LARGE)
    save(pair, pair.two, b"b", LARGE)
    assert (has(pair.one, b"a"), has(pair.one, b"b")) == (SMALL, None)
    assert [note.path for note in pair.one.notes if isinstance(note, notes.NotTaken)] == [b"a", b"b"]
    troubled = pair.one.engine.sync_report.troubled()
    assert [(one.path, one.reason) for one in troubled] == [(b"a", Reason.TOO_LARGE), (b"b", Reason.TOO_LARGE)]
    save(pair, pair.two, b"a", SMALL + b"!")
    assert has(pair.one, b"a") == SMALL + b"!", "it is small again"


def test_of_a_file_that_grows_the_last_smaller_version_stays_at_the_others() -> None:
    pair = started()
    save(pair, pair.one, b"a", SMALL)
    save(pair, pair.one, b"a", LARGE)
    assert has(pair.two, b"a") == SMALL
    assert told(pair.one) == [(b"a", "too large; the other machines keep the last version that was smaller")]
    save(pair, pair.two, b"a", SMALL + b" of two")
    assert has(pair.one, b"a") == LARGE, "what is here is not replaced by what others do to the old version"
    save(pair, pair.one, b"a", SMALL + b" again")
    assert has(pair.two, b"a") == SMALL + b" again", "it was made after what the mesh has"
    assert not pair.one.engine.own_changes.too_large()
    assert pair.one.engine.sync_report.in_sync_with()


@pytest.mark.parametrize("was_shared", [True, False])
def test_the_removal_of_a_large_file_removes_nothing_elsewhere(was_shared: bool) -> None:
    pair = started()
    if was_shared:
        save(pair, pair.one, b"a", SMALL)
    save(pair, pair.one, b"a", LARGE)
    save(pair, pair.one, b"a", None)
    assert has(pair.two, b"a") == (SMALL if was_shared else None)
    assert has(pair.one, b"a") is None, "it does not come back by itself"
    save(pair, pair.one, b"a", b"new")
    assert has(pair.two, b"a") == b"new"


def test_a_removal_elsewhere_leaves_a_large_file_here() -> None:
    pair = started()
    save(pair, pair.one, b"a", SMALL)
    save(pair, pair.one, b"a", LARGE)
    save(pair, pair.two, b"a", None)
    assert has(pair.one, b"a") == LARGE


@pytest.mark.parametrize("most", [0, 1_000])
def test_a_higher_limit_lets_everything_through_after_the_next_start(most: int) -> None:
    pair = started()
    save(pair, pair.one, b"grown", SMALL)
    save(pair, pair.one, b"grown", LARGE)
    save(pair, pair.one, b"mine", LARGE + b"1")
    save(pair, pair.two, b"theirs", LARGE + b"2")
    save(pair, pair.one, b"gone", SMALL + b"3")
    save(pair, pair.one, b"gone", LARGE + b"3")
    save(pair, pair.one, b"gone", None)
    limit(pair, most)
    for node in (pair.one, pair.two):
        assert has(node, b"grown") == LARGE
        assert has(node, b"mine") == LARGE + b"1"
        assert has(node, b"theirs") == LARGE + b"2"
        assert has(node, b"gone") == SMALL + b"3", "nothing is deleted because a limit changes"
    assert not pair.one.engine.own_changes.too_large()
    assert pair.one.engine.sync_report.in_sync_with()


def test_a_lower_limit_deletes_nothing_and_sends_no_more() -> None:
    pair = started(0)
    save(pair, pair.one, b"a", LARGE)
    save(pair, pair.two, b"b", LARGE + b"2")
    limit(pair, MOST)
    assert sorted(told(pair.one)) == [(b"a", "too large"), (b"b", "too large")]
    for node in (pair.one, pair.two):
        assert (has(node, b"a"), has(node, b"b")) == (LARGE, LARGE + b"2")
    save(pair, pair.one, b"a", LARGER)
    save(pair, pair.two, b"b", None)
    assert (has(pair.two, b"a"), has(pair.one, b"b")) == (LARGE, LARGE + b"2")
    limit(pair, MOST)
    assert told(pair.one) == [], "nothing is new at the next start"
    assert pair.one.engine.own_changes.too_large() == [b"a", b"b"]
    limit(pair, 0)
    assert has(pair.two, b"a") == LARGER


def test_a_lower_limit_holds_for_what_a_peer_has_been_told_of_and_has_not_fetched() -> None:
    pair = started(0)
    pair.two.engine.board.taking = taking = Taking(room=0, full="no room")
    save(pair, pair.one, b"a", LARGE)
    save(pair, pair.one, b"b", SMALL)
    assert taking.waiting
    limit(pair, MOST)
    pair.two.inbox.append(RoomMeasured(10_000))
    pair.run()
    assert (has(pair.two, b"a"), has(pair.two, b"b")) == (None, SMALL)
    assert pair.two.index.offers.of_peer(b"a", pair.one.index.identity.replica) is None, (
        "it is not asked for again and again"
    )
    assert not pair.two.engine.sync_report.troubled()
    limit(pair, 0)
    assert has(pair.two, b"a") == LARGE
