"""What the two brakes hold, and that peers hear of it: at once when it begins, then not too often."""

from __future__ import annotations

from dir_sync.core.messages import Brake, Held
from dir_sync.core.safeguard.brake import Limits
from dir_sync.engine.brakes import Brakes
from tests.engine.kit import OTHER, PEER, Alone


def holding() -> Alone[Brakes]:
    kit = Alone(Brakes, brake=Limits(2, 50))
    kit.connects()
    kit.it.own.miss(b"a")
    kit.it.own.hold({b"a": (1, 3)}, 7)
    return kit


def test_what_is_held_of_our_own_is_under_our_own_name() -> None:
    kit = holding()
    assert kit.it.held() == (Held(kit.index.identity.replica, 7, 1, b"a"),)


def test_peers_who_have_asked_hear_of_it() -> None:
    kit = holding()
    kit.connects(OTHER, asks=False)
    kit.it.publish()
    assert kit.said(PEER) == [Brake(kit.board.folder, kit.it.held())]
    assert kit.said(OTHER) == []


def test_peers_hear_of_more_only_now_and_then_and_only_if_it_differs() -> None:
    kit = holding()
    kit.it.publish()
    kit.effects()
    kit.it.own.hold({b"b": (1, 3)}, 7)
    kit.it.publish_later()
    kit.it.publish_when_due()
    assert kit.said() == []
    kit.wait(500)
    kit.it.publish_when_due()
    assert len(kit.said()) == 1
    kit.wait(500)
    kit.it.publish_later()
    kit.it.publish_when_due()
    assert kit.said() == []


def test_what_peers_hold_is_known_as_long_as_they_are_there() -> None:
    kit = Alone(Brakes)
    news = (Held(PEER, 1, 5, b"a"),)
    kit.it.held_there(PEER, news)
    assert kit.it.held_elsewhere == {PEER: news}
    kit.it.held_there("0" + PEER, news)
    kit.it.own.hold({b"d": (3, 30)}, 7)
    mine = kit.index.identity.replica
    assert [(at, one.maker, one.files) for at, one in kit.it.held_anywhere()] == [
        (mine, mine, 3),
        ("0" + PEER, PEER, 5),
        (PEER, PEER, 5),
    ]
    kit.it.peer_gone("0" + PEER)
    kit.it.held_there(PEER, ())
    assert kit.it.held_elsewhere == {}
    kit.it.held_there(PEER, news)
    kit.it.peer_gone(PEER)
    assert kit.it.held_elsewhere == {}
