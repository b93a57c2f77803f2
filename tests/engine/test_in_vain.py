"""How much a peer announces that changes nothing: what an honest one says is free."""

from __future__ import annotations

from dir_sync.core.events import UselessAnnouncements
from dir_sync.core.reconcile import Offer
from dir_sync.engine import in_vain
from dir_sync.engine.constants import OURS
from dir_sync.engine.in_vain import VainCounter
from tests.engine.kit import OTHER, PEER, Alone, record


def told(kit: Alone[VainCounter]) -> list[UselessAnnouncements]:
    kit.effects()
    kit.it.tell()
    return kit.out(UselessAnnouncements)


def test_what_changes_nothing_is_told_once_a_turn_for_each_peer_that_is_there() -> None:
    kit = Alone(VainCounter)
    kit.connects()
    one = record(b"a", b"1")
    kit.it.add(PEER)
    kit.it.add_all([Offer(PEER, one, False), Offer(OURS + PEER, one, False), Offer(OTHER, one, False)])
    assert told(kit) == [UselessAnnouncements(PEER, 3)]
    assert told(kit) == []


def test_each_record_may_be_told_twice_and_some_more() -> None:
    kit = Alone(VainCounter)
    kit.connects()
    for path in (b"a", b"b"):
        kit.has(record(path, b"1"))
    free = in_vain._REPEATS_FREE + 2 * 2
    for _ in range(free):
        kit.it.add_repeat(PEER)
    assert told(kit) == []
    kit.it.add_repeat(PEER)
    assert told(kit) == [UselessAnnouncements(PEER, 1)]


def test_on_a_new_connection_it_begins_anew() -> None:
    kit = Alone(VainCounter)
    kit.it.add_repeat(PEER)
    kit.it.begin_anew(PEER)
    assert kit.it.repeats == {}
