"""Presence on real sockets: on this machine only over loopback, everything else inside network namespaces that
the test makes."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dir_sync.core.peers.beacon import Beacon, encode_beacon
from dir_sync.network import discovery, networks, siblings
from dir_sync.network.discovery import Discovery
from dir_sync.utils import Interface, interfaces

WITHIN_S = 10.0  # for what takes some ms
LOOPBACK = "127.255.255.255"


def until(condition: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end_s, f"not within {WITHIN_S} s: {what}"
        time.sleep(0.005)


class Ear:
    """A Discovery on `lo`, and what it heard."""

    def __init__(self, port: int, interface: str = "lo") -> None:
        self.heard: list[tuple[Beacon, str]] = []
        self.troubles: list[str] = []
        self.discovery = Discovery(
            port, interface, lambda beacon, source: self.heard.append((beacon, source)), self.troubles.append
        )


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def ear(port: int) -> Iterator[Ear]:
    ear = Ear(port)
    yield ear
    ear.discovery.stop()


@pytest.fixture
def other(port: int) -> Iterator[Ear]:
    ear = Ear(port)
    yield ear
    ear.discovery.stop()


@pytest.fixture
def mouth() -> Iterator[socket.socket]:
    """Says anything, to loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        mouth.bind(("127.0.0.1", 0))
        yield mouth


ONE = Beacon("11", "aa", 6000, True)
TWO = Beacon("22", "bb", 6001, False)
THREE = Beacon("33", "cc", 6002, False)


def test_two_on_one_machine_hear_each_other_and_not_themselves(ear: Ear, other: Ear) -> None:
    ear.discovery.announce(ONE)
    until(lambda: bool(other.heard), "the first beacon")
    other.discovery.announce(TWO)
    until(lambda: bool(ear.heard), "the second beacon")
    assert other.heard == [(ONE, "127.0.0.1")]
    assert ear.heard == [(TWO, "127.0.0.1")]
    assert ear.troubles == other.troubles == []


def test_our_own_name_with_another_instance_is_told(ear: Ear, other: Ear) -> None:
    ear.discovery.announce(ONE)
    other.discovery.announce(ONE._replace(instance="ab"))
    until(lambda: bool(ear.heard), "the other instance")
    assert ear.heard == [(ONE._replace(instance="ab"), "127.0.0.1")]


def test_own_beacons_in_any_form_are_dropped(ear: Ear, port: int, mouth: socket.socket) -> None:
    ear.discovery.announce(ONE)
    mouth.sendto(encode_beacon(ONE._replace(port=7)), (LOOPBACK, port))
    mouth.sendto(encode_beacon(TWO), (LOOPBACK, port))
    until(lambda: bool(ear.heard), "a beacon")
    assert ear.heard == [(TWO, "127.0.0.1")]


def test_a_closed_node_on_this_machine_is_no_stranger_to_be_let_in(
    ear: Ear, port: int, mouth: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    beacon = json.dumps(json.loads(encode_beacon(ONE)) | {"mesh": "closed"}).encode()
    for _ in range(2):
        mouth.sendto(beacon, (LOOPBACK, port))
    mouth.sendto(encode_beacon(TWO), (LOOPBACK, port))
    until(lambda: bool(ear.heard), "the open one")
    (line,) = ear.troubles
    assert line == "another node on this machine belongs to a closed mesh, and this node is open: they do not connect"
    monkeypatch.setattr(networks.Networks, "is_own", lambda *_: False)
    monkeypatch.setattr(siblings.Siblings, "knows", lambda *_: False)
    monkeypatch.setattr(discovery, "FOREIGN_GRACE_MS", 0)
    mouth.sendto(beacon, (LOOPBACK, port))
    mouth.sendto(encode_beacon(THREE), (LOOPBACK, port))
    until(lambda: len(ear.heard) > 1, "the other open one")
    assert len(ear.troubles) == 2, "that one may be another machine, and is told of beside the own one"
    assert "127.0.0.1 belongs to a closed mesh" in ear.troubles[1]
    assert "to join it" in ear.troubles[1]


def test_rubbish_is_dropped(ear: Ear, port: int, mouth: socket.socket) -> None:
    good = encode_beacon(TWO)
    for data in (b"", b"\0", b"[" * 512, b"{}", good[:-1], os.urandom(512), good + b" " * 512, b"x" * 60_000):
        mouth.sendto(data, (LOOPBACK, port))
    mouth.sendto(good + b" " * (512 - len(good)), (LOOPBACK, port))
    until(lambda: bool(ear.heard), "the good one")
    assert ear.heard == [(TWO, "127.0.0.1")]


def test_sources_that_are_not_near_are_dropped(
    ear: Ear, port: int, mouth: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Interface("eth0", "198.51.100.1", "255.255.255.0", "198.51.100.255")
    listed = threading.Event()

    def only_far(only: str | None) -> list[Interface]:
        listed.set()
        return [far]

    until(lambda: ear.discovery.networks._listed_ms is not None, "the first list")
    monkeypatch.setattr(networks, "LIST_AGAIN_MS", 0)
    monkeypatch.setattr(networks, "interfaces", only_far)
    ear.discovery.networks.list()
    listed.clear()
    mouth.sendto(encode_beacon(ONE), (LOOPBACK, port))
    assert listed.wait(WITHIN_S)  # it looked again: an interface might have come up
    monkeypatch.undo()
    ear.discovery.networks.list()
    mouth.sendto(encode_beacon(TWO), (LOOPBACK, port))
    until(lambda: bool(ear.heard), "the near one")
    assert ear.heard == [(TWO, "127.0.0.1")]


def test_a_flood_is_cut_off_and_the_next_one_heard(ear: Ear, port: int, mouth: socket.socket) -> None:
    began_s = time.monotonic()
    data = encode_beacon(ONE)
    for _ in range(60_000):
        mouth.sendto(data, ("127.0.0.1", port))
    most = discovery.DATAGRAMS_BURST + discovery.DATAGRAMS_PER_S * (time.monotonic() - began_s + 1)
    assert len(ear.heard) < most

    def again() -> bool:
        mouth.sendto(encode_beacon(TWO), ("127.0.0.1", port))
        return ear.heard[-1][0] == TWO

    until(again, "a beacon after the flood")


def test_a_flood_does_not_hinder_the_end(port: int, mouth: socket.socket) -> None:
    ear = Ear(port)
    for _ in range(20_000):
        mouth.sendto(b"x" * 100, ("127.0.0.1", port))
    began_s = time.monotonic()
    ear.discovery.stop()
    assert time.monotonic() - began_s < discovery.JOIN_S / 2, "nobody waited in vain for a thread"


def test_the_end_is_quick_and_may_be_told_twice(ear: Ear) -> None:
    ear.discovery.announce(ONE)
    began_s = time.monotonic()
    ear.discovery.stop()
    assert time.monotonic() - began_s < discovery.JOIN_S / 2, "nobody waited in vain for a thread"
    ear.discovery.stop()
    ear.discovery.announce(ONE)


def test_a_taken_port_is_an_error_at_once(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", port))
        with pytest.raises(OSError, match="in use"):
            Ear(port)


def test_an_interface_that_is_not_there_is_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ear, other = Ear(port, "nothere0"), Ear(port)
    try:
        ear.discovery.announce(ONE)
        until(lambda: bool(ear.troubles), "a word about it")
        monkeypatch.setattr(networks, "interfaces", lambda only: interfaces("lo"))
        ear.discovery.announce(ONE)
        until(lambda: bool(other.heard), "the beacon, now that it is there")
        assert ear.troubles == ["cannot find other nodes: no interface has the name or the IPv4 address 'nothere0'"]
    finally:
        ear.discovery.stop()
        other.discovery.stop()


def test_an_interface_that_fails_is_told_once_and_hinders_no_other(
    ear: Ear, other: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Interface("gone0", "198.51.100.1", "255.255.255.0", "198.51.100.255")  # its address is nobody's here
    monkeypatch.setattr(networks, "interfaces", lambda only: [gone, *interfaces(only)])
    for number in range(3):
        ear.discovery.announce(ONE._replace(port=1 + number))
        until(lambda number=number: len(other.heard) == number + 1, "the beacon")  # type: ignore[misc]
    assert len(ear.troubles) == 1
    assert ear.troubles[0].startswith("cannot announce this node on gone0 (198.51.100.255): ")


def test_a_list_that_fails_is_no_end(ear: Ear, other: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(only: str | None) -> list[Interface]:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(networks, "interfaces", fails)
        ear.discovery.announce(ONE)
        until(lambda: bool(ear.troubles), "a word about it")
    ear.discovery.announce(ONE)
    until(lambda: bool(other.heard), "the beacon")
    assert ear.troubles == ["the network interfaces cannot be listed: Permission denied"]


def test_what_waits_to_be_sent_is_one_beacon(ear: Ear, other: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go, is_asked = threading.Event(), threading.Event()

    def slow(only: str | None) -> list[Interface]:
        is_asked.set()
        assert may_go.wait(WITHIN_S)
        return interfaces(only)

    monkeypatch.setattr(networks, "interfaces", slow)
    ear.discovery.announce(ONE._replace(ask=False))
    assert is_asked.wait(WITHIN_S)
    ear.discovery.announce(ONE._replace(port=1))  # asks: that is not lost
    ear.discovery.announce(ONE._replace(port=2, ask=False))
    may_go.set()
    until(lambda: len(other.heard) >= 2, "both beacons")
    assert [beacon for beacon, _ in other.heard] == [ONE._replace(ask=False), ONE._replace(port=2, ask=True)]


# --- in namespaces ------------------------------------------------------------------------------------------

CHILD = """
import json, sys, threading, time
from dir_sync.core.peers.beacon import Beacon
from dir_sync.network.discovery import Discovery
from dir_sync.utils import interfaces

lock, known = threading.Lock(), set()

def tell(**words):
    with lock:
        print(json.dumps(words), flush=True)

def heard(beacon, source):
    if (beacon.node, source) not in known:
        known.add((beacon.node, source))
        tell(heard=[beacon.node, source])

ears = Discovery(int(sys.argv[1]), sys.argv[2] or None, heard, lambda line: tell(trouble=line))
tell(ready=True)
for line in sys.stdin:
    match line.split():
        case ["say", node]:
            ears.announce(Beacon(node, node, 6000, True))
        case ["list"]:
            tell(list=interfaces())
        case ["cpu"]:
            tell(cpu=time.process_time())
ears.stop()
tell(ended=True)
"""

BLAST = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    end_s, count, data = time.monotonic() + 2, 0, sys.argv[3].encode()
    while time.monotonic() < end_s:
        for _ in range(100):
            try:
                out.sendto(data, (sys.argv[1], int(sys.argv[2])))
                count += 1
            except OSError:
                pass
print(count)
"""


class Child:
    """A process with a Discovery in a namespace."""

    def __init__(self, namespace: str, interface: str = "", port: int = 5000) -> None:
        command = ["ip", "netns", "exec", namespace, sys.executable, "-c", CHILD, str(port), interface]
        root = Path(__file__).parent.parent.parent
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
        self.told: list[dict[str, Any]] = []
        self._rest = b""
        self.expect("ready")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def listen(self, for_s: float = 0.0) -> None:
        assert self.process.stdout is not None
        if select.select([self.process.stdout], [], [], for_s)[0]:
            self._rest += os.read(self.process.stdout.fileno(), 65_536)
            *lines, self._rest = self._rest.split(b"\n")
            self.told += [json.loads(line) for line in lines]

    def expect(self, key: str) -> Any:
        """What it tells of `key` next, or told before."""
        end_s = time.monotonic() + WITHIN_S
        while time.monotonic() < end_s:
            for number, words in enumerate(self.told):
                if key in words:
                    return self.told.pop(number)[key]
            self.listen(0.05)
        raise AssertionError(f"nothing of {key!r} within {WITHIN_S} s, but {self.told}")

    def heard(self) -> set[tuple[str, str]]:
        self.listen()
        return {(words["heard"][0], words["heard"][1]) for words in self.told if "heard" in words}

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.close()
            self.process.wait(WITHIN_S)
            self.listen()
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


class Lab:
    """Namespaces, and cables between them."""

    def __init__(self) -> None:
        self.prefix = f"dst{os.getpid()}"
        self.namespaces: list[str] = []
        self.children: list[Child] = []
        self.cables = 0

    def ip(self, *words: str) -> str:
        return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout

    def namespace(self, name: str, lo: bool = True) -> str:
        full = self.prefix + name
        self.ip("netns", "add", full)
        self.namespaces.append(full)
        if lo:
            self.ip("-n", full, "link", "set", "lo", "up")
        return full

    def switch(self, name: str) -> str:
        """A namespace with a bridge: one LAN."""
        full = self.namespace(name)
        self.ip("-n", full, "link", "add", "br0", "type", "bridge")
        self.ip("-n", full, "link", "set", "br0", "up")
        return full

    def plug(self, namespace: str, device: str, switch: str, *addresses: str) -> None:
        self.cables += 1
        end = f"p{self.cables}"
        self.ip("-n", switch, "link", "add", end, "type", "veth", "peer", "name", device, "netns", namespace)
        self.ip("-n", switch, "link", "set", end, "master", "br0", "up")
        for address in addresses:
            self.ip("-n", namespace, "addr", "add", *address.split(), "dev", device)
        self.ip("-n", namespace, "link", "set", device, "up")

    def child(self, namespace: str, interface: str = "") -> Child:
        child = Child(namespace, interface)
        self.children.append(child)
        return child

    def end(self) -> None:
        try:
            for child in self.children:
                child.end()
        finally:
            for name in self.namespaces:
                subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need the program ip (iproute2)")
    lab = Lab()
    try:
        try:
            lab.switch("probe")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield lab
    finally:
        lab.end()


def say_until_heard(speaker: Child, name: str, hearer: Child, source: str) -> None:
    def is_heard() -> bool:
        speaker.tell(f"say {name}")
        hearer.listen(0.05)
        return (name, source) in hearer.heard()

    until(is_heard, f"{name} from {source}")


@pytest.mark.lan
def test_without_a_default_route_each_network_hears(lab: Lab) -> None:
    left, right = lab.switch("l"), lab.switch("r")
    middle, west, east = lab.namespace("m"), lab.namespace("w"), lab.namespace("e")
    lab.plug(middle, "eth0", left, "10.77.1.1/24")
    lab.plug(middle, "eth1", right, "10.77.2.1/22")
    lab.plug(west, "eth0", left, "10.77.1.2/24")
    lab.plug(east, "eth0", right, "10.77.3.2/22")
    assert "default" not in lab.ip("-n", middle, "route")
    one, two, three = lab.child(middle), lab.child(west), lab.child(east)
    say_until_heard(one, "11", two, "10.77.1.1")
    say_until_heard(one, "11", three, "10.77.2.1")
    say_until_heard(two, "22", one, "10.77.1.2")
    say_until_heard(three, "33", one, "10.77.3.2")
    assert one.heard() == {("22", "10.77.1.2"), ("33", "10.77.3.2")}
    assert two.heard() == {("11", "10.77.1.1")}
    assert three.heard() == {("11", "10.77.2.1")}


@pytest.mark.lan
@pytest.mark.parametrize("only", ["eth0", "10.77.1.1"])
def test_only_one_interface(lab: Lab, only: str) -> None:
    left, right = lab.switch("l"), lab.switch("r")
    middle, west, east = lab.namespace("m"), lab.namespace("w"), lab.namespace("e")
    lab.plug(middle, "eth0", left, "10.77.1.1/24")
    lab.plug(middle, "eth1", right, "10.77.2.1/24")
    lab.plug(west, "eth0", left, "10.77.1.2/24")
    lab.plug(east, "eth0", right, "10.77.2.2/24")
    one, neighbour = lab.child(middle, only), lab.child(middle)
    two, three = lab.child(west), lab.child(east)
    say_until_heard(one, "11", two, "10.77.1.1")
    say_until_heard(neighbour, "44", three, "10.77.2.1")
    say_until_heard(three, "33", neighbour, "10.77.2.2")
    say_until_heard(neighbour, "44", one, "10.77.1.1")
    say_until_heard(two, "22", one, "10.77.1.2")
    say_until_heard(two, "22", neighbour, "10.77.1.2")
    say_until_heard(one, "11", neighbour, "10.77.1.1")
    assert one.heard() == {("22", "10.77.1.2"), ("44", "10.77.1.1")}
    assert {name for name, _ in three.heard()} == {"44"}
    assert neighbour.heard() == {("11", "10.77.1.1"), ("22", "10.77.1.2"), ("33", "10.77.2.2")}


@pytest.mark.lan
def test_two_interfaces_on_one_network_are_both_used(lab: Lab) -> None:
    left, right = lab.switch("l"), lab.switch("r")
    middle, west, east = lab.namespace("m"), lab.namespace("w"), lab.namespace("e")
    lab.plug(middle, "eth0", left, "10.77.1.1/24")
    lab.plug(middle, "eth1", right, "10.77.1.11/24")
    lab.plug(west, "eth0", left, "10.77.1.2/24")
    lab.plug(east, "eth0", right, "10.77.1.3/24")
    one, two, three = lab.child(middle), lab.child(west), lab.child(east)
    say_until_heard(one, "11", two, "10.77.1.1")
    say_until_heard(one, "11", three, "10.77.1.11")


@pytest.mark.lan
def test_no_network_at_all_is_waited_out(lab: Lab) -> None:
    alone = lab.namespace("a", lo=False)
    one, two = lab.child(alone), lab.child(alone)
    one.tell("say 11")
    two.tell("list")
    assert two.expect("list") == []
    lab.ip("-n", alone, "link", "set", "lo", "up")
    say_until_heard(one, "11", two, "127.0.0.1")
    say_until_heard(two, "22", one, "127.0.0.1")
    assert [words for child in (one, two) for words in child.told if "trouble" in words] == []


@pytest.mark.lan
def test_a_network_that_comes_and_goes(lab: Lab) -> None:
    lan = lab.switch("l")
    one_side, other_side = lab.namespace("m"), lab.namespace("w")
    one, two = lab.child(one_side), lab.child(other_side)
    one.tell("say 11")
    lab.plug(one_side, "eth0", lan, "10.77.1.1/24")
    lab.plug(other_side, "eth0", lan, "10.77.1.2/24")
    say_until_heard(one, "11", two, "10.77.1.1")
    lab.ip("-n", one_side, "addr", "del", "10.77.1.1/24", "dev", "eth0")
    lab.ip("-n", one_side, "addr", "add", "10.77.1.9/24", "dev", "eth0")
    say_until_heard(one, "11", two, "10.77.1.9")
    lab.ip("-n", one_side, "link", "del", "eth0")
    one.tell("say 11")
    lab.plug(one_side, "eth0", lan, "10.77.1.3/24")
    say_until_heard(one, "11", two, "10.77.1.3")


@pytest.mark.lan
def test_aliases_and_networks_nobody_can_be_called_in(lab: Lab) -> None:
    lan, here = lab.switch("l"), lab.namespace("m")
    lab.plug(here, "eth0", lan, "10.77.1.1/24", "10.77.2.1/23 label eth0:1", "10.77.9.1/32", "10.77.9.2/31")
    child = lab.child(here)
    child.tell("list")
    assert child.expect("list") == [
        ["lo", "127.0.0.1", "255.0.0.0", LOOPBACK],
        ["eth0", "10.77.1.1", "255.255.255.0", "10.77.1.255"],
        ["eth0", "10.77.2.1", "255.255.254.0", "10.77.3.255"],
    ]


@pytest.mark.lan
def test_a_source_from_beyond_the_network_is_dropped(lab: Lab) -> None:
    lan, here, there = lab.switch("l"), lab.namespace("m"), lab.namespace("w")
    lab.plug(here, "eth0", lan, "10.77.1.1/24")
    lab.plug(there, "eth0", lan, "10.77.1.2/24", "10.78.1.2/24")
    lab.ip("-n", here, "route", "add", "10.78.1.0/24", "via", "10.77.1.2")
    one, two = lab.child(here), lab.child(there)
    command = ["ip", "netns", "exec", there, sys.executable, "-c"]
    code = (
        "import socket\n"
        "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:\n"
        "    out.bind(('10.78.1.2', 0))\n"
        f"    out.sendto({encode_beacon(THREE)!r}, ('10.77.1.1', 5000))\n"
    )
    for _ in range(3):
        subprocess.run([*command, code], check=True)
    say_until_heard(two, "22", one, "10.77.1.2")
    assert one.heard() == {("22", "10.77.1.2")}


@pytest.mark.lan
@pytest.mark.parametrize("data", ["x" * 200, encode_beacon(THREE).decode()])
def test_a_flood_costs_next_to_nothing(lab: Lab, data: str) -> None:
    lan, here, there = lab.switch("l"), lab.namespace("m"), lab.namespace("w")
    lab.plug(here, "eth0", lan, "10.77.1.1/24")
    lab.plug(there, "eth0", lan, "10.77.1.2/24")
    one, two = lab.child(here), lab.child(there)
    say_until_heard(two, "22", one, "10.77.1.2")
    one.tell("cpu")
    before = one.expect("cpu")
    command = ["ip", "netns", "exec", there, sys.executable, "-c", BLAST, "10.77.1.255", "5000", data]
    blast = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        while blast.poll() is None:
            one.listen(0.05)
        assert blast.stdout is not None
        assert int(blast.stdout.read()) > 5_000  # on a machine that is not busy some 100,000
    finally:
        blast.kill()
        blast.wait()
        assert blast.stdout is not None
        blast.stdout.close()
    one.tell("cpu")
    after = one.expect("cpu")
    assert after - before < 0.6  # of 2 s; the first 2,000 are read as fast as they come
    say_until_heard(two, "44", one, "10.77.1.2")
