"""Facts: what is sent, tried and read, on this machine's loopback interface and in a folder of the test."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dir_sync.core.taking import Keep
from dir_sync.delta import available
from dir_sync.doctor import broadcasts, folder_facts, machine_facts, network_facts, pings
from dir_sync.doctor.network_checks import Firewall, Peer
from dir_sync.utils import Interface


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that has a UDP port as a node has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("", 0))
        one.settimeout(5)
        yield one


def test_a_broadcast_comes_back_beside_a_node_that_has_the_port(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    (found,) = broadcasts.probe(port, "lo", awaited=(), listen_s=5.0)
    assert (found.name, found.hears_itself, found.trouble, found.others) == ("lo", True, "", ())
    assert found.is_loopback
    data, _ = listener.recvfrom(2_048)
    assert not data.startswith(b"{"), "no node takes it for a beacon"


def test_what_cannot_be_sent_and_what_does_not_come_back(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    monkeypatch.setattr(broadcasts, "_ITSELF_S", 0.2)
    monkeypatch.setattr(broadcasts, "_say", lambda mark, network, port: {network: "Operation not permitted"})
    (found,) = broadcasts.probe(port, "lo", awaited=(), listen_s=0.2)
    assert (found.hears_itself, found.trouble) == (False, "Operation not permitted")
    monkeypatch.setattr(broadcasts, "_say", lambda mark, network, port: {})
    (found,) = broadcasts.probe(port, "lo", awaited=(), listen_s=0.2)
    assert (found.hears_itself, found.trouble) == (False, "")


def test_a_failed_send_is_told_with_its_reason() -> None:
    nowhere = Interface("lo", "192.0.2.1", "255.255.255.0", "192.0.2.255")  # no address of this machine
    assert list(broadcasts._say(b"x", nowhere, 9).values()) == [os.strerror(errno.EADDRNOTAVAIL)]


def test_ports() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        number = taken.getsockname()[1]
        found = network_facts.port("TCP", number, is_ours=False)
        assert not found.is_free
        assert str(os.getpid()) in found.owner
        assert network_facts.port("TCP", number, is_ours=True).is_ours
        other = network_facts.free_port("TCP", number)
        assert other != number
    assert network_facts.port("TCP", number, is_ours=False).is_free
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        assert not network_facts.port("UDP", udp.getsockname()[1], is_ours=False).is_free, "it does not share it"


def test_ufw_is_known_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_facts, "_runs", lambda name: False)
    says = {"ufw": "Status: active\n5000/udp   ALLOW   Anywhere\n6000/tcp   ALLOW   Anywhere\n"}
    monkeypatch.setattr(network_facts, "_output", lambda *command: says.get(command[0], ""))
    (tmp_path / "etc/ufw").mkdir(parents=True)
    (tmp_path / "etc/ufw/ufw.conf").write_text("# on\nENABLED=yes\n")
    assert network_facts.firewall(5000, 6000, str(tmp_path)) == Firewall(("ufw",), is_known=True, lets_in=True)
    assert network_facts.firewall(5000, 6001, str(tmp_path)) == Firewall(("ufw",), is_known=True, lets_in=False)
    says.clear()  # an ordinary user may not ask
    assert network_facts.firewall(5000, 6000, str(tmp_path)) == Firewall(("ufw",), is_known=False, lets_in=False)
    (tmp_path / "etc/ufw/ufw.conf").write_text("ENABLED=no\n")
    assert network_facts.firewall(5000, 6000, str(tmp_path)).active == ()
    (tmp_path / "run/firewalld").mkdir(parents=True)
    assert network_facts.firewall(5000, 6000, str(tmp_path)).active == ("firewalld",)


def nft(policy: str, *ports: Any) -> str:
    rules = [
        {"rule": {"expr": [{"match": {"left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": port}}]}}
        for port in ports
    ]
    chain = {"chain": {"hook": "input", "policy": policy, "name": "input"}}
    return json.dumps({"nftables": [{"metainfo": {}}, chain, *rules]})


@pytest.mark.parametrize(
    ("rules", "lets_in"),
    [
        (nft("accept"), None),
        (nft("drop"), False),
        (nft("drop", 5000), False),
        (nft("drop", 5000, 6000), True),
        (nft("drop", {"set": [5000, {"range": [6000, 6010]}]}), True),
        ("", None),
        ("[]", None),
    ],
)
def test_rules_of_nftables(rules: str, lets_in: bool | None) -> None:
    assert network_facts.nft_lets_in(rules, 5000, 6000) is lets_in


def test_rules_of_iptables_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(network_facts, "_runs", lambda name: False)
    says = {"iptables-save": ":INPUT DROP [0:0]\n-A INPUT -p udp --dport 5000 -j ACCEPT\n"}
    monkeypatch.setattr(network_facts, "_output", lambda *command: says.get(command[0], ""))
    assert network_facts.firewall(5000, 6000, str(tmp_path)) == Firewall(("iptables",), is_known=True, lets_in=False)
    says["iptables-save"] += "-A INPUT -p tcp --dport 6000 -j ACCEPT\n"
    assert network_facts.firewall(5000, 6000, str(tmp_path)).lets_in
    says.clear()
    assert network_facts.firewall(5000, 6000, str(tmp_path)) == Firewall((), is_known=True, lets_in=True)


def test_a_ping_of_this_machine() -> None:
    assert pings.answers("127.0.0.1", 64) in (True, None)  # None: this user may not send one
    assert pings.answers("127.0.0.1", 1_500) in (True, None)


def test_peers_on_other_networks_are_not_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_facts, "answers", lambda address, size: pytest.fail("nobody is there"))
    assert all(not path.peer for path in network_facts.paths(None, [Peer("bob", "203.0.113.9", "")]))


def test_folders_are_counted_without_ours(tmp_path: Path) -> None:
    for name in ("a/b", "c", ".dir_sync/versions"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    assert machine_facts.count_folders(str(tmp_path)) == 4


def test_limits_of_this_machine() -> None:
    found = machine_facts.inotify(3, is_watched=False, unwatched=0)
    assert found.watches_max > 0
    assert 0 <= found.watches_used <= found.watches_max
    ours = machine_facts.open_files(os.getpid())
    assert 0 < ours.used < ours.soft <= ours.hard
    assert machine_facts.open_files(0).soft == ours.soft


def test_librsync_is_tried() -> None:
    found = machine_facts.librsync()
    assert found.is_there == available()
    assert found.works == available()


def test_the_user_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "not/yet"))
    assert machine_facts.user_state_trouble() == (str(tmp_path / "not/yet/dir_sync"), "")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert "is no folder" in machine_facts.user_state_trouble()[1]


@pytest.mark.parametrize("is_shared", [True, False])
def test_abilities_are_tried_and_nothing_stays(tmp_path: Path, is_shared: bool) -> None:
    if is_shared:
        (tmp_path / ".dir_sync").mkdir()
    before = sorted(tmp_path.rglob("*"))
    found = folder_facts.abilities(str(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before
    assert found.trouble == ""
    assert found.kind != "file system"
    assert found.links is True
    assert found.case is True
    assert found.nanoseconds is True


def test_what_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdtemp(**_: str) -> str:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(folder_facts.tempfile, "mkdtemp", mkdtemp)
    assert folder_facts.abilities(str(tmp_path)).trouble == "Read-only file system"


def test_the_state_folder(tmp_path: Path) -> None:
    assert not folder_facts.state_folder(str(tmp_path), has_modes=True).exists
    ours = tmp_path / ".dir_sync"
    ours.mkdir(0o750)
    ours.chmod(0o750)
    (ours / "index.db.damaged-17").touch()
    found = folder_facts.state_folder(str(tmp_path), has_modes=True)
    assert (found.exists, found.is_folder, found.is_ours, found.mode) == (True, True, True, 0o750)
    assert found.damaged == ("index.db.damaged-17",)
    (ours / "index.db.damaged-17").unlink()
    ours.rmdir()
    ours.symlink_to("/")
    assert not folder_facts.state_folder(str(tmp_path), has_modes=True).is_folder


def test_room(tmp_path: Path) -> None:
    found = folder_facts.room(str(tmp_path), Keep("5%", percent=5))
    assert 0 <= found.free <= found.size
    assert found.least == found.size * 5 // 100
