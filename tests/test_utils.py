"""The helpers: networks as psutil would tell them, back-off, HOST:PORT."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from dir_sync import utils
from dir_sync.utils import Interface, interfaces, is_local_address, is_on_link, parse_host_port

from .lan.lan import command, ip, why_impossible

LOOPBACK = Interface("lo", "127.0.0.1", "255.0.0.0", "127.255.255.255")


def inet(address: str, netmask: str | None, broadcast: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(family=socket.AF_INET, address=address, netmask=netmask, broadcast=broadcast)


LINK = SimpleNamespace(family=socket.AF_PACKET, address="02:00:00:00:00:01", netmask=None, broadcast=None)
SIX = SimpleNamespace(family=socket.AF_INET6, address="fe80::1%eth0", netmask="ffff::", broadcast=None)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {
        "lo": [LINK, inet("127.0.0.1", "255.0.0.0"), inet("127.0.0.53", "255.255.255.255")],
        # As reported where no broadcast address was configured: the address itself.
        "eth0": [LINK, SIX, inet("192.168.7.20", "255.255.255.0", "192.168.7.20")],
        "eth0:1": [inet("10.1.2.3", "255.255.252.0", "10.1.3.255")],
        "wlan0": [inet("192.168.7.21", "255.255.255.0", None)],
        "down0": [inet("172.16.0.1", "255.255.0.0", "172.16.255.255")],
        "tun0": [inet("10.8.0.6", "255.255.255.255"), inet("10.8.0.8", None)],
        "pair0": [inet("10.9.0.1", "255.255.255.254")],
        "bare0": [LINK],
        "new0": [inet("10.7.0.1", "255.0.0.0")],  # came up between the two questions: no state yet
    }
    names = ["lo", "eth0", "wlan0", "down0", "tun0", "pair0", "bare0"]  # states know nothing of aliases
    states = {name: SimpleNamespace(isup=name != "down0") for name in names}
    monkeypatch.setattr(utils, "_of_kernel", list)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: addresses)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: states)


@pytest.mark.usefixtures("machine")
def test_the_networks_of_a_machine() -> None:
    assert interfaces() == [
        LOOPBACK,
        Interface("eth0", "192.168.7.20", "255.255.255.0", "192.168.7.255"),
        Interface("eth0", "10.1.2.3", "255.255.252.0", "10.1.3.255"),
        Interface("wlan0", "192.168.7.21", "255.255.255.0", "192.168.7.255"),
        Interface("new0", "10.7.0.1", "255.0.0.0", "10.255.255.255"),
    ]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("only", "addresses"),
    [
        ("eth0", ["192.168.7.20", "10.1.2.3"]),
        ("eth0:1", ["10.1.2.3"]),
        ("10.1.2.3", ["10.1.2.3"]),
        ("192.168.7.21", ["192.168.7.21"]),
        ("lo", ["127.0.0.1"]),
        ("127.0.0.1", ["127.0.0.1"]),
    ],
)
def test_only_one(only: str, addresses: list[str]) -> None:
    assert [network.address for network in interfaces(only)] == addresses


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("only", "line"),
    [
        ("eth9", "no interface has the name or the IPv4 address 'eth9'"),
        ("10.1.2.4", "no interface has the name or the IPv4 address '10.1.2.4'"),
        ("", "no interface has the name or the IPv4 address ''"),
        ("a\nb", r"no interface has the name or the IPv4 address 'a\nb'"),
        ("down0", "interface 'down0' is down"),
        ("172.16.0.1", "interface '172.16.0.1' is down"),
        ("tun0", "interface 'tun0' has no IPv4 network that takes broadcasts"),
        ("10.8.0.6", "interface '10.8.0.6' has no IPv4 network that takes broadcasts"),
        ("pair0", "interface 'pair0' has no IPv4 network that takes broadcasts"),
        ("bare0", "interface 'bare0' has no IPv4 network that takes broadcasts"),
    ],
)
def test_there_is_none_such(only: str, line: str) -> None:
    with pytest.raises(ValueError, match="interface") as caught:
        interfaces(only)
    assert str(caught.value) == line


def test_a_machine_without_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "_of_kernel", list)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"lo": [LINK]})
    monkeypatch.setattr(psutil, "net_if_stats", lambda: {"lo": SimpleNamespace(isup=False)})
    assert interfaces() == []
    with pytest.raises(ValueError, match="interface 'lo' is down"):
        interfaces("lo")


def test_this_machine() -> None:
    for network in interfaces():
        assert is_on_link(network.address, [network])
        assert is_on_link(network.broadcast, [network])


def listed_by_both() -> tuple[list[Interface], list[Interface]]:
    return list(utils._among(utils._of_kernel(), None)[0]), list(utils._among(utils._of_psutil(), None)[0])


def test_what_the_kernel_says_is_what_psutil_says() -> None:
    by_kernel, by_psutil = listed_by_both()
    assert sorted(by_kernel) == sorted(by_psutil)
    assert by_kernel == interfaces()
    for one in by_kernel:
        assert interfaces(one.address) == [one]


@pytest.mark.lan
@pytest.mark.skipif(why_impossible() is not None, reason=str(why_impossible()))
def test_the_same_of_aliases_and_of_what_is_down() -> None:
    """In a network namespace: several addresses on one device, labels, a device that is down, /31, point to point."""
    name = f"dsu{os.getpid()}"
    commands = """
        link set lo up
        link add wire0 type veth peer name wire1
        link set wire0 up
        link set wire1 up
        addr add 10.1.2.3/22 brd + dev wire0
        addr add 10.5.0.1/24 dev wire0
        addr add 192.168.9.1/24 dev wire0 label wire0:1
        addr add 10.8.0.6 peer 10.8.0.7 dev wire1
        link add down0 type veth peer name down1
        addr add 172.16.0.1/16 dev down0
        addr add 10.9.0.1/31 dev wire1
    """
    ip("netns", "add", name)
    try:
        for line in commands.split("\n"):
            if line.strip():
                ip("-n", name, *line.split())
        code = "from tests.test_utils import listed_by_both as both; print(*map(sorted, both()), sep='\\n')"
        said = command("ip", "netns", "exec", name, sys.executable, "-c", code).splitlines()
    finally:
        ip("netns", "del", name)
    assert said[0] == said[1]
    assert said[0].count("Interface") == 4
    assert "name='wire0', address='192.168.9.1', netmask='255.255.255.0', broadcast='192.168.9.255'" in said[0]


def test_no_node_needs_psutil_to_find_its_networks() -> None:
    code = "import sys; from dir_sync.utils import interfaces; interfaces(); print('psutil' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


def test_loading_it_costs_nothing_much() -> None:
    code = "import sys, dir_sync.utils; print('psutil' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


ETH = Interface("eth0", "192.168.7.20", "255.255.252.0", "192.168.7.255")


@pytest.mark.parametrize(
    ("address", "is_local", "is_near"),
    [
        ("127.0.0.1", True, False),
        ("127.9.9.9", True, False),
        ("192.168.7.20", True, True),
        ("192.168.4.0", True, True),
        ("192.168.8.1", False, False),
        ("192.168.3.255", False, False),
        ("8.8.8.8", False, False),
        ("0.0.0.0", False, False),
        ("", False, False),
        ("127.x", False, False),
        ("127.1", False, False),
        ("192.168.7", False, False),
        ("192.168.7.20\0", False, False),
        ("::1", False, False),
        ("\udcff", False, False),
    ],
)
def test_what_is_local(address: str, is_local: bool, is_near: bool) -> None:
    assert is_local_address(address, [ETH]) is is_local
    assert is_on_link(address, [ETH]) is is_near
    assert is_on_link(address, []) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 6000)),
        ("10.0.0.1:7000", ("10.0.0.1", 7000)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
        ("nas", ("nas", 6000)),
        ("nas.local:80", ("nas.local", 80)),
        ("My_Box-2.example.org.", ("My_Box-2.example.org.", 6000)),
        ("3com.example", ("3com.example", 6000)),
        ("127.0.0.1:6001", ("127.0.0.1", 6001)),
    ],
)
def test_host_and_port(text: str, expected: tuple[str, int]) -> None:
    assert parse_host_port(text, 6000) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":7000",
        "nas:",
        "nas:0",
        "nas:65536",
        "nas:-1",
        "nas:+1",
        "nas: 1",
        "nas:1 ",
        "nas:1\n",
        "nas:٣",
        "nas:http",
        "nas:1:2",
        "::1",
        "[::1]:7000",
        "fe80::1",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.1.1",
        "1",
        "0.0.0.0",
        "255.255.255.255",
        "239.0.0.1",
        "-nas",
        "nas-",
        "a..b",
        ".",
        "a b",
        "nas\n",
        "nas\0",
        "näs",
        "tcp://nas",
        "me@nas",
        "a" * 64,
        "a." * 127 + "com",
    ],
)
def test_no_host_and_port(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST|host|port") as caught:
        parse_host_port(text, 6000)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(repr(text))
