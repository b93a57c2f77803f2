"""Peers that come and go: each is removed once, and its address outlives the connection."""

from __future__ import annotations

import pytest

from dir_sync.core.events import Drop
from dir_sync.core.jobs import Signed
from dir_sync.core.peers.contact import Contact
from dir_sync.core.transfers.connection import Connection
from dir_sync.engine import contacts
from dir_sync.engine.scope import Scope
from tests.engine.kit import OTHER, PEER, Alone


def test_a_peer_that_is_dropped_is_let_go_of_once() -> None:
    kit = Alone(Scope)
    peer = kit.connects()
    kit.contacts.drop(peer, "protocol-error", "it lies")
    assert kit.out(Drop) == [Drop(PEER, "protocol-error", "it lies")]
    assert [kit.contacts.next_gone() for _ in range(2)] == [PEER, None]
    assert [kit.contacts.left(PEER) for _ in range(2)] == [True, False]


def test_all_are_dropped_in_the_order_in_which_they_came() -> None:
    kit = Alone(Scope)
    for node in (OTHER, PEER):
        kit.connects(node)
    kit.contacts.drop_all()
    assert [kit.contacts.next_gone() for _ in range(3)] == [OTHER, PEER, None]
    assert kit.out(Drop) == [], "the peers may connect again"


def test_the_address_of_a_peer_that_left_is_known_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "_ADDRESSES_MAX", 1)
    kit = Alone(Scope)
    for node in ("a", "b"):
        kit.contacts.came(Contact(node, node, Connection(1)), f"at {node}")
    kit.contacts.left("a")
    assert kit.contacts.addresses == {"a": "at a", "b": "at b"}
    kit.contacts.came(Contact("c", "c", Connection(1)), "at c")
    assert kit.contacts.addresses == {"b": "at b", "c": "at c"}


def test_a_result_for_a_connection_that_was_replaced_has_no_asker() -> None:
    kit = Alone(Scope)
    peer = kit.connects()
    assert kit.contacts.asker(Signed(PEER, peer.link, 1, None)) is peer
    assert kit.contacts.asker(Signed(PEER, peer.link + 1, 1, None)) is None
