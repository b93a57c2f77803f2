"""LANs of unusual addresses, machines on two networks, and neighbours that share no folder."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from .changes import MIB, blob, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node, ip

pytestmark = pytest.mark.lan

SOON_S = 30.0
OTHER_WAY_S = 5.0


def readdress(node: Node, address: str, bits: int, *scope: str) -> None:
    ip("-n", node.ns, "addr", "flush", "dev", "eth0")
    ip("-n", node.ns, "addr", "add", f"{address}/{bits}", "brd", "+", *scope, "dev", "eth0")
    node.address = address


@pytest.mark.parametrize(
    ("first", "second", "bits", "scope"),
    [
        ("130.149.10.1", "130.149.10.2", 24, ()),
        ("8.8.8.9", "8.8.8.10", 29, ()),
        ("100.100.1.1", "100.100.1.2", 20, ()),
        ("169.254.7.1", "169.254.90.2", 16, ("scope", "link")),
        ("10.9.9.1", "10.9.9.2", 30, ()),
    ],
)
def test_the_addresses_of_our_own_lan_are_near(
    new_lan: Callable[..., Lan], first: str, second: str, bits: int, scope: tuple[str, ...]
) -> None:
    lan = new_lan(2)
    readdress(lan[0], first, bits, *scope)
    readdress(lan[1], second, bits, *scope)
    lan.start()
    lan.meet("here", SOON_S)
    for node in lan:
        assert "refused" not in node.log()


def add_second_network(lan: Lan) -> None:
    """wlan0 at each node, on a switch of its own: 10.78.0.x."""
    ip("-n", lan.switch, "link", "add", "br1", "type", "bridge")
    ip("-n", lan.switch, "link", "set", "br1", "up")
    for number, node in enumerate(lan, 1):
        port = f"w{number}"
        ip("link", "add", "wlan0", "netns", node.ns, "type", "veth", "peer", "name", port, "netns", lan.switch)
        ip("-n", lan.switch, "link", "set", port, "master", "br1", "up")
        ip("-n", node.ns, "addr", "add", f"10.78.0.{number}/24", "brd", "+", "dev", "wlan0")
        ip("-n", node.ns, "link", "set", "wlan0", "up")


def linked_by(node: Node) -> str:
    """The bridge of the switch over which the one link of this node goes."""
    return "br1" if " at 10.78." in [line for line in node.log().splitlines() if "found" in line][-1] else "br0"


@pytest.mark.parametrize("in_transfer", [False, True])
def test_when_one_of_two_networks_falls_silent_the_other_one_is_taken(
    new_lan: Callable[..., Lan], in_transfer: bool
) -> None:
    """The switch dies: no carrier is lost at the nodes, nobody is told."""
    lan = new_lan(2)
    add_second_network(lan)
    a, b = lan
    lan.start()
    lan.meet("start")
    if in_transfer:
        for node in lan:
            node.limit_rate("300mbit")
    for number, (here, there) in enumerate(((a, b), (b, a))):
        if in_transfer:
            write(here.dir / f"large {number}", blob(60 * MIB, number))
            wait_for(lambda there=there: any(there.dir.glob(".dir_sync/staging/*")), SOON_S, "it is on its way")
        dead = linked_by(a)
        ip("-n", lan.switch, "link", "set", dead, "down")
        begun = time.monotonic()
        write(here.dir / f"note {number}", b"written after the switch has died")
        wait_for((there.dir / f"note {number}").exists, SOON_S, "it comes by the other network")
        assert time.monotonic() - begun < 2 * OTHER_WAY_S, "some 3 s on a quiet machine"
        wait_equal(lan.roots, SOON_S)
        ip("-n", lan.switch, "link", "set", dead, "up")
        lan.settle()
        heard = len(b.log().splitlines())
        holds(lambda heard=heard: len(b.log().splitlines()) < heard + 20, 4.0, "both networks are heard again")


def test_neighbours_of_other_folders_are_told_of_once(new_lan: Callable[..., Lan]) -> None:
    """One by its beacons, which name the folders; one that dials, since it was told our address."""
    lan = new_lan(3)
    a, b, c = lan
    a.start("--folder", "music")
    b.start("--folder", "photos")
    c.start("--folder", "letters", "--peer", a.address)
    wait_for(lambda: "shares no folder" in a.log() and "shares no folder" in c.log(), SOON_S, "both say so")
    holds(lambda: all(node.log().count("shares no folder") <= 1 for node in lan), 8.0, "nothing more is said of it")
    assert "warning" not in a.log() + b.log() + c.log()
    assert "found" not in a.log() + b.log() + c.log()
    assert "shares no folder" not in b.log()
    a.stop()
    a.start("--folder", "photos")
    write(a.dir / "for b", b"1")
    wait_for((b.dir / "for b").exists, SOON_S, "a node that was started anew shares another folder")
    assert set(survey(c.dir)) == set()
