"""Nodes find each other: nobody tells them anything but, where broadcast does not reach, one address."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable

import pytest

from . import lan as lans
from .changes import append, blob, write
from .checker import Entry, holds, survey, wait_equal, wait_for
from .lan import Lan, Node, ip

pytestmark = pytest.mark.lan

SOON_S = 30.0


def seed(lan: Lan) -> dict[bytes, Entry]:
    """Each node gets a file that only it has; all of them together."""
    expected: dict[bytes, Entry] = {}
    for node in lan:
        write(node.dir / f"from {node}", f"by {node}".encode())
        expected |= survey(node.dir)
    return expected


def edits_arrive(lan: Lan) -> None:
    """From each node to all others."""
    for node in lan:
        append(node.dir / f"from {node}", b", edited")
        wait_equal(lan.roots, SOON_S, like=survey(node.dir))


@pytest.mark.parametrize(("count", "default_route"), [(2, False), (2, True), (3, False), (3, True), (5, False)])
def test_nodes_that_know_nothing_find_each_other(new_lan: Callable[..., Lan], count: int, default_route: bool) -> None:
    lan = new_lan(count, default_route=default_route)
    routes = ip("-n", lan[0].ns, "route")
    assert ("default" in routes) == default_route
    expected = seed(lan)
    lan.start()
    wait_equal(lan.roots, SOON_S, like=expected)
    edits_arrive(lan)
    lan.stop()
    wait_equal(lan.roots, 0)


def test_one_after_the_other(new_lan: Callable[..., Lan]) -> None:
    """Who comes later is found, who leaves is forgotten, who comes back is found again."""
    lan = new_lan(3)
    a, b, c = lan
    expected = seed(lan)
    a.start()
    wait_for(lambda: a.log(), SOON_S, "a start line")
    b.start()
    wait_equal([a.dir, b.dir], SOON_S)
    c.start()
    wait_equal(lan.roots, SOON_S, like=expected)
    a.stop()
    write(b.dir / "while a was away", b"1")
    wait_equal([b.dir, c.dir], SOON_S)
    a.start()
    wait_equal(lan.roots, SOON_S, like=survey(b.dir))
    b.kill()
    write(a.dir / "while b was away", b"2")
    wait_equal([a.dir, c.dir], SOON_S)
    b.start()
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    edits_arrive(lan)


def test_several_nodes_on_one_machine_without_a_network(new_lan: Callable[..., Lan]) -> None:
    """Same -b, other -l, only the loopback interface is up."""
    lan = new_lan(3, one_machine=True)
    expected = seed(lan)
    lan[0].start()
    lan[1].start()
    wait_equal(lan.roots[:2], SOON_S)
    edits_arrive_between = survey(lan[0].dir).keys()
    assert edits_arrive_between == {b"from n0", b"from n1"}
    lan[2].start()
    wait_equal(lan.roots, SOON_S, like=expected)
    edits_arrive(lan)
    lan[1].stop()
    write(lan[0].dir / "while n1 was away", b"1")
    wait_equal([lan[0].dir, lan[2].dir], SOON_S)
    lan[1].start()
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir))


def test_the_tcp_port_travels_in_the_beacon(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    expected = seed(lan)
    lan[0].start(listen_port=6001)
    lan[1].start(listen_port=16001)
    wait_equal(lan.roots, SOON_S, like=expected)
    edits_arrive(lan)


def test_other_broadcast_ports_are_other_worlds_until_a_peer_is_named(new_lan: Callable[..., Lan]) -> None:
    """--peer HOST and --peer HOST:PORT; who hears of a peer in one way needs no other."""
    lan = new_lan(3)
    a, b, c = lan
    expected = seed(lan)
    a.start(broadcast_port=5000)
    b.start(broadcast_port=5001, listen_port=6100)
    c.start("--peer", a.address, "--peer", f"{b.address}:6100", broadcast_port=5002)
    wait_equal(lan.roots, SOON_S, like=expected)
    edits_arrive(lan)
    # a and b know each other only through c.
    c.stop()
    alone = survey(b.dir)
    write(a.dir / "while c was away", b"1")
    holds(lambda: survey(b.dir) == alone, 1.5, "a and b do not know each other")
    c.start("--peer", a.address, "--peer", f"{b.address}:6100", broadcast_port=5002)
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    # The one that is dialled comes and goes; the one that dials tries again.
    a.stop()
    write(c.dir / "while a was away", b"2")
    a.start(broadcast_port=5000)
    wait_equal(lan.roots, SOON_S, like=survey(c.dir))


def test_a_peer_that_is_named_before_it_is_there(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    expected = seed(lan)
    lan[0].start("--peer", lan[1].address, broadcast_port=5001)
    wait_for(lambda: lan[0].log(), SOON_S, "a start line")
    holds(lambda: lan[0].running, 1.0, "waiting for the peer")
    lan[1].start()
    wait_equal(lan.roots, SOON_S, like=expected)


@pytest.mark.long
def test_an_address_that_comes_after_the_start(new_lan: Callable[..., Lan]) -> None:
    """Interfaces are listed anew at each beat: a laptop joins the network, and then another address of it."""
    lan = new_lan(2)
    a, b = lan
    address = ("-n", a.ns, "addr")
    ip(*address, "flush", "dev", "eth0")
    expected = seed(lan)
    b.start()
    a.start()
    wait_for(lambda: a.log(), SOON_S, "a start line")
    holds(lambda: a.running and set(survey(a.dir)) == {b"from n0"}, 1.0, "no network: it waits")
    ip(*address, "add", f"{a.address}/24", "broadcast", f"{lans.NETWORK}.255", "dev", "eth0")
    wait_equal(lan.roots, SOON_S, like=expected)
    ip(*address, "flush", "dev", "eth0")
    write(a.dir / "while moving", b"1")
    ip(*address, "add", f"{lans.NETWORK}.77/24", "broadcast", f"{lans.NETWORK}.255", "dev", "eth0")
    wait_equal(lan.roots, SOON_S * 2, like=survey(a.dir))


def refused(node: Node, address: str, port: int) -> bool:
    with node.inside():
        try:
            socket.create_connection((address, port), 2).close()
        except ConnectionRefusedError:
            return True
    return False


@pytest.mark.parametrize("by", ["name", "address"])
def test_one_interface_only(new_lan: Callable[..., Lan], by: str) -> None:
    lan = new_lan(2)
    expected = seed(lan)
    for node in lan:
        node.start("--interface", "eth0" if by == "name" else node.address)
    wait_equal(lan.roots, SOON_S, like=expected)
    edits_arrive(lan)
    assert not refused(lan[1], lan[0].address, 6000)
    assert refused(lan[0], "127.0.0.1", 6000), "it listens on its loopback too"


def test_nodes_without_a_common_folder_leave_each_other_alone(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    a, b, c = lan
    seed(lan)
    a.start("--folder", "music")
    c.start("--folder", "letters")
    b.start("--folder", "music", "--name", "bob")
    wait_equal([a.dir, b.dir], SOON_S)
    assert set(survey(a.dir)) == {b"from n0", b"from n1"}
    append(a.dir / "from n0", b"more")
    wait_equal([a.dir, b.dir], SOON_S)
    holds(lambda: set(survey(c.dir)) == {b"from n2"}, 1.0, "another folder")
    assert set(survey(a.dir)) == {b"from n0", b"from n1"}
    assert "bob" in a.log()


def test_beacons_are_what_the_protocol_says(new_lan: Callable[..., Lan]) -> None:
    """Small, directed at the interface's broadcast address, and the first one at once."""
    lan = new_lan(2)
    a, b = lan
    with b.inside():
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ear:
        ear.bind(("", 5000))
        ear.settimeout(10)
        a.start()
        beacons = []
        for _ in range(3):
            datagram, (address, _) = ear.recvfrom(2000)
            assert len(datagram) <= 512
            assert address == a.address
            beacons.append(json.loads(datagram))
    first = beacons[0]
    assert (first["dir_sync"], first["mesh"], first["port"], first["ask"]) == (2, "open", 6000, True)
    for field in ("node", "instance"):
        assert 1 <= len(first[field]) <= 64
        assert set(first[field]) <= set("0123456789abcdef")
    assert {beacon["instance"] for beacon in beacons} == {first["instance"]}
    a.stop()
    with b.inside():
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ear:
        ear.bind(("", 5000))
        ear.settimeout(10)
        a.start()
        again = json.loads(ear.recv(2000))
    assert again["node"] == first["node"], "a restart is the same node"
    assert again["instance"] != first["instance"], "and another instance"


@pytest.mark.long
def test_five_nodes_that_start_and_stop_in_any_order(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(5)
    dice_order = [3, 1, 4, 0, 2]
    expected = seed(lan)
    for index in dice_order:
        lan[index].start()
        write(lan[index].dir / f"at start {index}", blob(50_000, index))
        expected |= survey(lan[index].dir)
    wait_equal(lan.roots, SOON_S * 2)
    for index in dice_order:
        lan[index].kill() if index % 2 else lan[index].stop()
        write(lan[index].dir / f"while down {index}", os.urandom(1000))
        lan[index].start()
    lan.meet("again")
    final = wait_equal(lan.roots, SOON_S * 2)
    names = {f"{what} {index}".encode() for what in ("at start", "while down") for index in range(5)}
    assert names <= final.keys()
    assert expected.keys() <= final.keys()
