"""`doctor` and `why` on a real network: what works is OK, what is blocked is FAIL with the sentence, and no node notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .changes import write
from .checker import wait_equal, wait_for
from .lan import NETWORK, Lan, Node, ip

pytestmark = pytest.mark.lan

BROADCAST = f"{NETWORK}.255"


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    with Lan(2) as lan:
        write(lan[0].dir / "file", b"from the first")
        for node in lan:
            with node.inside():  # as on any machine with systemd: everybody may ping
                Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647")
            node.start("--name", node.name)
        wait_equal(lan.roots, 60)
        wait_for(lambda: all("everything is in sync" in node.log() for node in lan), 30, "both say that all is in sync")
        yield lan


def doctor(node: Node) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit code, and its checks by name."""
    ended = node.run_to_end("doctor", node.dir, "--json", limit_s=60)
    assert ended.err == "", ended.err
    return ended.code, {check["check"]: check for check in json.loads(ended.out)["checks"]}


def test_what_works_is_fine_and_the_node_does_not_notice(lan: Lan) -> None:
    one, two = lan
    before, log, other_log = one.pid, one.log(), two.log()
    code, checks = doctor(one)
    assert code == 0, [check for check in checks.values() if check["verdict"] == "FAIL"]
    for name in ("broadcast-eth0", "port-tcp", "port-udp", f"clock-{two.name}", "versions", "librsync", "file-system"):
        assert checks[name]["verdict"] == "OK", checks[name]
    assert "hears itself and 1 other machine" in checks["broadcast-eth0"]["text"]
    assert "agrees with ours" in checks[f"clock-{two.name}"]["text"]
    assert f"reach {two.name}" in checks[f"mtu-eth0-{two.name}"]["text"]
    assert "is this node's" in checks["port-tcp"]["text"]
    assert (one.pid, one.log(), two.log()) == (before, log, other_log)


def test_a_blocked_broadcast_fails_with_the_sentence(lan: Lan) -> None:
    """The machine takes packets to the broadcast address no longer for its own, and sends them to a host that is not there."""
    one = lan[0]
    route = ("table", "local", "broadcast", BROADCAST, "dev", "eth0")
    ip("-n", one.ns, "route", "del", *route)
    try:
        code, checks = doctor(one)
    finally:
        ip("-n", one.ns, "route", "add", *route, "proto", "kernel", "scope", "link", "src", one.address)
    assert code == 1
    check = checks["broadcast-eth0"]
    assert check["verdict"] == "FAIL"
    assert (
        f"eth0 ({BROADCAST}): no broadcast comes back: something on this machine blocks UDP port 5000" in check["text"]
    )
    for command in ("sudo ufw allow 5000/udp", "firewall-cmd --permanent --add-port=5000/udp", "sudo nft insert rule"):
        assert any(command in line for line in check["fix"]), check["fix"]


def test_a_wrong_mtu_fails(lan: Lan) -> None:
    one, two = lan
    ip("-n", two.ns, "link", "set", "eth0", "mtu", "1300")
    try:
        code, checks = doctor(one)
    finally:
        ip("-n", two.ns, "link", "set", "eth0", "mtu", "1500")
    check = checks[f"mtu-eth0-{two.name}"]
    assert check["verdict"] == "FAIL"
    assert f"packets of 1500 bytes do not reach {two.name}" in check["text"]
    assert check["fix"][0].startswith("sudo ip link set dev eth0 mtu 1300 ")
    assert code == 1


def test_why_asks_the_peers_and_says_who_has_it(lan: Lan) -> None:
    one, two = lan
    write(one.dir / "file", b"changed")
    write(one.dir / "left out.part", b"x")
    wait_for(lambda: (two.dir / "file").read_bytes() == b"changed", 30, "the change arrives")
    ended = two.run_to_end("why", two.dir, "file", "--json")
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["node_runs"] is True
    assert {peer["name"]: peer["has"] for peer in told["peers"]} == {one.name: "yes"}
    ended = one.run_to_end("why", one.dir / "left out.part")
    assert "ignored by built in" in ended.out
    assert one.run_to_end("pause", one.dir).code == 0
    try:
        ended = two.run_to_end("why", two.dir / "file", "--check")
        assert f"{one.name} has paused this folder" in ended.out
        assert ended.code == 4
    finally:
        assert one.run_to_end("resume", one.dir).code == 0
