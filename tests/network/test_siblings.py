"""Several nodes in one process: a machine, or the own process, that is a stranger to one of them and at home with another."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from dir_sync.core.keys import Gate
from dir_sync.core.peers.beacon import Beacon, OpenPresence, encode_beacon
from dir_sync.core.peers.sealed_beacon import SealedPresence
from dir_sync.network import discovery, networks, siblings
from dir_sync.network.discovery import Discovery, Presence
from dir_sync.network.siblings import MET_MAX, MET_MS, Siblings
from tests.network.test_discovery import LOOPBACK, ONE, THREE, TWO, mouth, port, until

__all__ = ["mouth", "port"]

CLOSED = json.dumps(json.loads(encode_beacon(TWO)) | {"mesh": "closed"}).encode()

Node = Callable[[Presence, Siblings | None], "Ear"]


class Ear:
    """A Discovery on `lo`, and what it heard."""

    def __init__(self, port: int, presence: Presence, of: Siblings | None) -> None:
        self.heard: list[Beacon] = []
        self.told: list[str] = []
        self.discovery = Discovery(
            port, "lo", lambda beacon, _: self.heard.append(beacon), self.told.append, presence, of
        )


@pytest.fixture
def node(port: int) -> Iterator[Node]:
    with ExitStack() as opened:

        def one(presence: Presence, of: Siblings | None) -> Ear:
            ear = Ear(port, presence, of)
            opened.callback(ear.discovery.stop)
            return ear

        yield one


def sealed() -> SealedPresence:
    return SealedPresence(Gate(b"g" * 32), [], False, os.urandom)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is another machine."""
    monkeypatch.setattr(networks.Networks, "is_own", lambda *_: False)


def test_a_node_says_nothing_of_another_one_in_its_process(node: Node) -> None:
    ours = Siblings()
    opened, closed = node(OpenPresence(), ours), node(sealed(), ours)
    other_open, other_closed = node(OpenPresence(), None), node(sealed(), None)
    opened.discovery.announce(ONE)
    closed.discovery.announce(TWO)
    until(lambda: bool(other_open.told and other_closed.told), "both beacons, where they are foreign")
    other_open.discovery.announce(THREE)
    other_closed.discovery.announce(THREE)
    until(lambda: bool(opened.told and closed.told), "the nodes of the other process")
    assert opened.heard == closed.heard == [THREE]
    assert len(opened.told) == len(closed.told) == 1


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("is_shared", [True, False])
def test_a_machine_that_is_a_member_of_a_sibling_is_no_stranger(
    node: Node, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    now = [1_000_000]
    monkeypatch.setattr(discovery, "_now_ms", lambda: now[0])
    ours = Siblings()
    opened, closed = node(OpenPresence(), ours), node(sealed(), ours if is_shared else None)
    there_open, there_closed = node(OpenPresence(), None), node(sealed(), None)
    for number in range(1, 5):
        now[0] += discovery.FOREIGN_GRACE_MS
        said, again = ONE._replace(port=number), TWO._replace(port=number)
        there_open.discovery.announce(said)
        until(partial(opened.heard.__contains__, said), "the open beacon")
        if is_shared:
            there_closed.discovery.announce(again)
            until(partial(closed.heard.__contains__, again), "the closed one, which is read after the open one")
    until(lambda: is_shared or bool(closed.told), "it is foreign to the closed one, if that knows nothing of the other")
    assert opened.told == []
    assert bool(closed.told) is not is_shared


@pytest.mark.usefixtures("elsewhere")
def test_what_may_be_ours_is_told_of_once_it_is_not(
    node: Node, port: int, mouth: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a machine that shares open and closed folders the closed beacon may come first."""
    now = [1_000_000]
    monkeypatch.setattr(discovery, "_now_ms", lambda: now[0])
    ear = node(OpenPresence(), None)

    def said(data: bytes, then: Beacon) -> None:
        mouth.sendto(data, (LOOPBACK, port))
        mouth.sendto(encode_beacon(then), (LOOPBACK, port))
        until(lambda: then in ear.heard, "both")
        ear.heard.clear()

    said(CLOSED, ONE)
    now[0] += discovery.FOREIGN_GRACE_MS
    said(CLOSED, ONE)
    assert ear.told == [], "its open beacon is one of ours"
    now[0] += siblings.MET_MS
    said(CLOSED, ONE)
    assert ear.told == [], "for a moment it is not clear"
    now[0] += siblings.MET_MS

    def is_told() -> bool:
        now[0] += discovery.FOREIGN_GRACE_MS
        mouth.sendto(CLOSED, (LOOPBACK, port))
        return bool(ear.told)

    until(is_told, "it is closed only")
    assert len(ear.told) == 1


def test_what_is_remembered_is_bounded_and_grows_old() -> None:
    ours = Siblings()
    for number in range(MET_MAX + 1):
        ours.met(f"a{number}", number)
    assert not ours.knows("a0", MET_MAX)
    assert ours.knows("a1", MET_MAX)
    assert not ours.knows("a1", 1 + MET_MS)
    ours.sends("one", frozenset({b"x"}))
    ours.sends("other", frozenset({b"y"}))
    assert ours.is_own(b"x")
    assert ours.is_own(b"y")
    ours.sends("one", frozenset())
    assert not ours.is_own(b"x")
