"""A stranger says that it is a node of the mesh: nobody loses links for that, and an id changes on proof only, and seldom."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable

import pytest

from ..changes import write
from ..checker import wait_for
from ..lan import Lan, Node
from ..stranger import Closed, Stranger, encoded
from .victims import SOON_S, Victims

pytestmark = pytest.mark.lan

TRIES = 150


def node_of(node: Node) -> tuple[str, str]:
    """The id of a running node, and of its instance."""
    with node.inside():
        sock = socket.create_connection((node.address, node.port), 10)
    with Stranger(node, None, accepted=sock) as visitor:
        hello = visitor.expect("HELLO")
    return hello["node"], hello["instance"]


def ids_taken(node: Node) -> int:
    return len(re.findall("takes a new one", node.log()))


def links_lost(node: Node) -> int:
    return len(re.findall(r"\blost (?!stranger )", node.log()))


def pose(victims: Victims, at: Node, as_node: str, instance: str, port: int = 0, limit_s: float = 10.0) -> str | None:
    """One connection that says HELLO under somebody's id: how it ended."""
    try:
        with Stranger(victims.place, at) as stranger:
            stranger.send(stranger.my_hello(node=as_node, instance=instance, port=port))
            return stranger.closed(limit_s)
    except (Closed, ConnectionError):
        return "lost"
    except AssertionError:
        return "let in"


@pytest.mark.parametrize("instance", ["0", "f" * 64])
def test_a_hello_under_the_id_of_its_node_changes_nothing(new_lan: Callable[..., Lan], instance: str) -> None:
    victims = Victims(new_lan(3))
    victims.start()
    mine, _ = node_of(victims.a)
    lost = [links_lost(node) for node in victims.pair]
    for _ in range(TRIES):
        assert pose(victims, victims.a, mine, instance, port=9) in ("new-identity", "lost")
    assert node_of(victims.a)[0] == mine
    assert [links_lost(node) for node in victims.pair] == lost
    victims.work()


def test_a_stranger_that_answers_under_our_id_gets_one_new_id_of_us(new_lan: Callable[..., Lan]) -> None:
    """It listens, too, and keeps on: whatever our id is, it says the same."""
    victims = Victims(new_lan(3))
    victims.start()
    name = {"node": node_of(victims.a)[0]}
    with victims.place.inside():
        ear = socket.create_server((victims.place.address, 6000), backlog=64)
    over = threading.Event()
    answered = 0

    def answer() -> None:
        nonlocal answered
        ear.settimeout(0.2)
        while not over.is_set():
            try:
                sock, _ = ear.accept()
            except TimeoutError:
                continue
            with Stranger(victims.place, None, accepted=sock) as stranger:
                try:
                    stranger.send_bytes(encoded(stranger.my_hello(node=name["node"], instance="0", port=6000)))
                    answered += 1
                    stranger.closed(5)
                except (Closed, OSError, AssertionError):
                    continue

    thread = threading.Thread(target=answer, name="ear", daemon=True)
    thread.start()
    try:
        for _ in range(TRIES):
            # Where the node has just taken another id, the old one is anybody's: such a link stays.
            pose(victims, victims.a, name["node"], "0", port=6000, limit_s=1.0)
            name["node"] = node_of(victims.a)[0]
        wait_for(lambda: answered, SOON_S, "the node looks who answers there")
        assert ids_taken(victims.a) <= 1
        assert ids_taken(victims.b) == 0
    finally:
        over.set()
        thread.join(10)
        ear.close()
    victims.work()
    assert ids_taken(victims.a) <= 1


def test_a_hello_under_the_id_of_a_neighbour_does_not_take_its_place(new_lan: Callable[..., Lan]) -> None:
    victims = Victims(new_lan(3))
    victims.start()
    theirs, _ = node_of(victims.b)
    lost = [links_lost(node) for node in victims.pair]
    for number in range(TRIES):
        assert pose(victims, victims.a, theirs, f"{number:x}", port=9) in ("duplicate", "lost")
    assert [links_lost(node) for node in victims.pair] == lost
    victims.work()


def test_claims_to_have_seen_more_than_there_is_give_one_new_id(new_lan: Callable[..., Lan]) -> None:
    victims = Victims(new_lan(3))
    victims.start()
    ended = []
    for _ in range(20):
        try:
            with Stranger(victims.place, victims.a) as stranger:
                stranger.send(stranger.my_hello())
                hello = stranger.expect("HELLO")
                stranger.hello = hello
                stranger.ask_for_state(stranger.their_replica, 2**62)
                ended.append(stranger.closed(10))
        except Closed:
            ended.append("lost")
    assert ids_taken(victims.a) + len(re.findall("changes of ours that we have lost", victims.a.log())) <= 1
    assert ended[-1] == "protocol-error", ended
    victims.work()


def test_a_restarted_neighbour_is_let_in_at_once(new_lan: Callable[..., Lan]) -> None:
    """The link of its earlier life is asked first, and is found dead, though its end was not told."""
    victims = Victims(new_lan(3))
    victims.start()
    a, b = victims.pair
    b.isolate()
    b.kill()
    b.heal()
    b.start()
    write(a.dir / "after", b"1")
    wait_for((b.dir / "after").exists, SOON_S, "it is a neighbour again")
    victims.work()
