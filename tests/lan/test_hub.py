"""A hub and spokes that never reach each other: fixed addresses, no broadcasts, spokes that nobody can connect to."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest

from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 30.0


def sockets(node: Node, *what: str) -> list[str]:
    shown = subprocess.run(node.within("ss", "-Hn", *what), capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()


@pytest.fixture
def lan() -> Iterator[Lan]:
    with Lan(3) as lan:
        hub, *spokes = lan
        lan.cut(*spokes)
        hub.start("--no-discovery")
        for spoke in spokes:
            begin(lan, spoke)
        yield lan


def begin(lan: Lan, spoke: Node) -> None:
    spoke.start("--no-discovery", "--no-listen", "--peer", lan[0].address)


def test_spokes_meet_through_their_hub(lan: Lan) -> None:
    hub, one, two = lan
    (one.dir / "of one").write_text("1")
    (two.dir / "of two").write_bytes(b"2" * 3_000_000)
    wait_equal(lan.roots, SOON_S)
    wait_for(lambda: len(survey(hub.dir)) == 2, SOON_S, "both files are everywhere")
    wait_equal(lan.roots, SOON_S)
    for spoke in (one, two):
        assert not sockets(spoke, "-tl"), "nobody can connect to it"
        assert not sockets(spoke, "-ul"), "it hears no broadcasts"
        assert "not listening" in spoke.run_to_end("status", spoke.dir).out
        wait_for(
            lambda spoke=spoke: re.search(
                rf"  {hub.address}  +\S+  +in sync  ", spoke.run_to_end("status", spoke.dir).out
            ),
            SOON_S,
            "the spoke says that it is in sync with its hub",
        )
    assert not sockets(hub, "-ul")


def test_what_is_pending_survives_restarts_of_either_end(lan: Lan) -> None:
    hub, one, two = lan
    (one.dir / "first").write_text("1")
    wait_equal(lan.roots, SOON_S)
    hub.stop()
    (one.dir / "while the hub is off").write_text("2")
    (two.dir / "first").unlink()
    wait_for(lambda: "lost " in one.log(), SOON_S, "it is noticed")
    one.stop()
    (one.dir / "while both are off").write_text("3")
    hub.start("--no-discovery")
    wait_for(lambda: not (hub.dir / "first").exists(), SOON_S, "the other spoke comes back by itself")
    begin(lan, one)
    wait_equal(lan.roots, SOON_S)
    assert {path.decode() for path in survey(two.dir)} == {"while the hub is off", "while both are off"}


def test_peers_named_on_both_ends_keep_one_connection() -> None:
    with Lan(2) as lan:
        one, two = lan
        one.start("--no-discovery", "--peer", two.address)
        two.start("--no-discovery", "--peer", one.address)
        (one.dir / "a").write_text("a")
        (two.dir / "b").write_text("b")
        wait_for(lambda: (one.dir / "b").exists() and (two.dir / "a").exists(), SOON_S, "both have both")
        wait_for(lambda: len(sockets(one, "-t", "state", "established")) == 1, SOON_S, "one connection stays")


def test_a_hub_dials_nobody_that_it_does_not_name() -> None:
    """A machine has called it once. When that one runs a node that names nobody, the two have nothing to do with each other."""
    with Lan(2) as lan:
        hub, caller = lan
        hub.start("--no-discovery")
        wait_for(lambda: "waits for nodes that name it" in hub.log(), SOON_S, "it listens")
        words = ("once", caller.dir, "-s", caller.signatures, "--no-discovery", "--peer", hub.address)
        assert caller.run_to_end(*words, limit_s=90.0).code == 0
        caller.start("--no-discovery")
        (caller.dir / "mine").write_text("mine")
        wait_for(lambda: "waits for nodes that name it" in caller.log(), SOON_S, "it listens")
        holds(lambda: "found " not in caller.log() and not (hub.dir / "mine").exists(), 5.0, "nobody calls it")


def test_a_named_machine_that_was_met_and_refuses_now_is_named(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    node, other = lan

    def missed() -> list[dict[str, str]]:
        ended = node.run_to_end("status", node.dir, "--json")
        found: list[dict[str, str]] = json.loads(ended.out)["missed"] if ended.code == 0 else [{}]
        return found

    other.start("--no-discovery")
    node.start("--no-discovery", "--peer", other.address)
    wait_equal(lan.roots, SOON_S)
    wait_for(lambda: missed() == [], SOON_S, "it is met")
    other.stop()
    refused = {"place": f"{other.address}:6000", "problem": "Connection refused"}
    wait_for(lambda: missed() == [refused], SOON_S, "a dial has ended")
    other.start("--no-discovery")
    wait_for(lambda: missed() == [], SOON_S, "it is met again")
