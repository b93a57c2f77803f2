"""Pieces of contents that only a peer keeps: what is asked, what is answered, and when it is given up."""

from __future__ import annotations

from dir_sync.core.events import Excerpt, ExcerptWanted
from dir_sync.engine.excerpts import Excerpts
from dir_sync.engine.transfers import TransferTable
from tests.engine.kit import OTHER, PEER, Alone

CONTENT = b"c" * 32


def alone() -> Alone[Excerpts]:
    kit = Alone(Excerpts, TransferTable)
    for node in (PEER, OTHER):
        kit.real(TransferTable).peer_came(kit.connects(node))
    return kit


def asked(kit: Alone[Excerpts], node: str = PEER) -> list[tuple[bytes, bytes, int, int]]:
    pulls = kit.real(TransferTable).take_pulls().get(node, [])
    return [(pull.path, pull.digest, pull.offset, pull.length) for pull in pulls]


def test_only_that_piece_is_asked_for_of_that_machine() -> None:
    kit = alone()
    kit.it.begin(ExcerptWanted(1, PEER, b"a", CONTENT, 700_000, 300_000))
    pulls = asked(kit)
    assert [pull[:2] for pull in pulls] == [(b"a", CONTENT)] * len(pulls)
    assert pulls[0][2] == 700_000
    assert sum(length for _, _, _, length in pulls) == 300_000
    assert kit.out(Excerpt) == []


def test_who_is_not_connected_is_not_asked() -> None:
    kit = alone()
    kit.it.begin(ExcerptWanted(1, "ee" * 8, b"a", CONTENT, 0, 10))
    (told,) = kit.out(Excerpt)
    assert (told.id, told.data, told.problem) == (1, b"", "that machine is not connected")
    assert not kit.it.wanted


def test_a_full_window_is_waited_for() -> None:
    kit = alone()
    window = kit.real(TransferTable).holders[PEER].window
    window.bytes = window.most
    kit.it.begin(ExcerptWanted(1, PEER, b"a", CONTENT, 0, 10))
    assert asked(kit) == []
    window.bytes = 0
    kit.it.run()
    assert asked(kit) == [(b"a", CONTENT, 0, 10)]


def test_another_machine_that_goes_changes_nothing() -> None:
    kit = alone()
    kit.it.begin(ExcerptWanted(1, PEER, b"a", CONTENT, 0, 10))
    kit.it.peer_gone(OTHER)
    assert kit.it.wanted
    kit.it.peer_gone(PEER)
    assert not kit.it.wanted
    assert [told.problem for told in kit.out(Excerpt)] == ["that machine is not connected any more"]


def test_a_piece_that_does_not_come_is_given_up() -> None:
    kit = alone()
    kit.it.begin(ExcerptWanted(1, PEER, b"a", CONTENT, 0, 10))
    kit.wait(19_999)
    kit.it.run()
    assert kit.out(Excerpt) == []
    kit.wait(1)
    kit.it.run()
    assert [told.problem for told in kit.out(Excerpt)] == ["that machine did not answer in time"]
    window, (pull,) = kit.real(TransferTable).holders[PEER].window, kit.real(TransferTable).take_pulls()[PEER]
    assert window.bytes == 10, "the peer counts it until it has answered"
    assert window.arrived(pull.id, 0, 10, 0) is None
    assert window.bytes == 0
    assert not kit.it.wanted
