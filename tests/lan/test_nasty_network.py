"""Nasty cases: the network. The numbers are those of tests/nasty/catalogue.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import lan as lans
from .changes import MIB, append, blob, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node, command, ip

pytestmark = pytest.mark.lan

SOON_S = 60.0
HEALED_S = 90.0


def pair_with(new_lan: Callable[..., Lan], count: int = 2) -> Lan:
    lan = new_lan(count)
    write(lan[0].dir / "file", b"0")
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    return lan


@pytest.mark.patient
def test_network_071_half_open(new_lan: Callable[..., Lan]) -> None:
    """Nobody says good-bye: both give the link up within a minute, and find each other again."""
    lan = pair_with(new_lan)
    a, b = lan
    a.isolate()
    write(a.dir / "by a", blob(MIB))
    write(b.dir / "by b", blob(MIB))
    for node in lan:
        wait_for(lambda node=node: " lost " in node.log(), HEALED_S, f"{node} gives it up")
    a.heal()
    lan.meet("healed", HEALED_S)
    assert {b"by a", b"by b"} <= wait_equal(lan.roots, SOON_S).keys()


@pytest.mark.patient
def test_network_076_another_address(new_lan: Callable[..., Lan]) -> None:
    """A lease ran out: the machine is the same."""
    lan = pair_with(new_lan)
    a, b = lan
    # In this order: many kernels remove an interface's later addresses together with its first one.
    ip("-n", b.ns, "addr", "del", f"{b.address}/24", "dev", "eth0")
    ip("-n", b.ns, "addr", "add", f"{lans.NETWORK}.99/24", "broadcast", f"{lans.NETWORK}.255", "dev", "eth0")
    write(b.dir / "after", b"1")
    wait_for((a.dir / "after").exists, HEALED_S, "it is found again")
    append(a.dir / "file", b"1")
    wait_equal(lan.roots, HEALED_S)


def bucket(node: Node, *words: str) -> None:
    command("tc", "-n", node.ns, "qdisc", "add", "dev", "eth0", "root", "tbf", *words)


def test_network_083_packets_are_lost(new_lan: Callable[..., Lan]) -> None:
    """A bucket so small that bursts run over: beacons and segments are lost, both ways."""
    lan = pair_with(new_lan)
    for node in lan:
        bucket(node, "rate", "60mbit", "burst", "3200", "limit", "6400")
    for turn, node in enumerate((*lan, *lan)):
        write(node.dir / f"large {turn}", blob(MIB, turn))
        for at in range(30):
            write(node.dir / f"small/{turn} {at}", blob(3000, at))
    wait_equal(lan.roots, SOON_S)
    for node in lan:
        shown = command("tc", "-n", node.ns, "-s", "qdisc", "show", "dev", "eth0")
        assert "dropped 0," not in shown, f"nothing was lost: {shown}"


def test_network_084_small_packets(new_lan: Callable[..., Lan]) -> None:
    """An MTU of 576, as on old lines: presence fits, content comes through."""
    lan = new_lan(2)
    for node in lan:
        ip("-n", node.ns, "link", "set", "eth0", "mtu", "576")
        ip("-n", lan.switch, "link", "set", node.switch_port, "mtu", "576")
    write(lan[0].dir / "large", blob(2 * MIB))
    lan.start("--name", "x" * 60)
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    append(lan[1].dir / "large", b"edited")
    wait_equal(lan.roots, SOON_S, like=survey(lan[1].dir))


@pytest.mark.parametrize(("rate", "mib"), [("8mbit", 3), pytest.param("1mbit", 6, marks=pytest.mark.patient)])
def test_network_085_a_slow_line(new_lan: Callable[..., Lan], rate: str, mib: int) -> None:
    """A large file takes longer than a silent peer is waited for: words pass it, and the link stays."""
    lan = pair_with(new_lan)
    a, b = lan
    for node in lan:
        bucket(node, "rate", rate, "burst", "16kb", "latency", "400ms")
    write(a.base / "large", blob(mib * MIB)).rename(a.dir / "large")
    for turn in range(3):
        write(a.dir / f"small {turn}", b"passes")
        wait_for((b.dir / f"small {turn}").exists, SOON_S, "a small one meanwhile")
    assert not (b.dir / "large").exists()
    wait_equal(lan.roots, 60 + mib * 12)
    assert all("lost node" not in node.log() for node in lan)


def test_network_149_a_middle_that_dies_while_it_passes_on(new_lan: Callable[..., Lan]) -> None:
    """a - b - c: b is killed when half of a file has come; c gets it all the same, once b is back."""
    lan = new_lan(3)
    a, b, c = lan
    lan.cut(a, c)
    write(a.dir / "file", b"0")
    lan.start()
    lan.meet("start")
    a.limit_rate("100mbit")
    before = a.wire_bytes()
    write(a.base / "large", blob(10 * MIB)).rename(a.dir / "large")
    write(c.dir / "from c", b"1")
    wait_for(lambda: a.wire_bytes() - before > 4 * MIB, SOON_S, "the middle of the transfer")
    b.kill()
    append(c.dir / "file", b" edited by c")
    holds(lambda: not (c.dir / "large").exists(), 0.3, "nobody can bring it")
    a.limit_rate(None)
    b.start()
    lan.meet("again", HEALED_S)
    wait_equal(lan.roots, SOON_S)
    assert (a.dir / "file").read_bytes() == b"0 edited by c"
