"""Judgements about the network: of each check both outcomes, and the commands that mend it."""

from __future__ import annotations

import pytest

from dir_sync.doctor.network_checks import (
    Broadcast,
    Firewall,
    Path,
    Peer,
    Port,
    judge_broadcasts,
    judge_clocks,
    judge_company,
    judge_firewall,
    judge_mtu,
    judge_port,
    judge_versions,
    opening,
)
from dir_sync.doctor.verdict import Check, Verdict

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
FIX = ("sudo ufw allow 5000/udp",)
BY_NAME = "dir-sync ~/shared --peer HOST"
BOB = Peer("bob", "10.0.0.2", "0.1.0", 0.001, 0.002)
CAROL = Peer("carol", "10.0.0.3", "0.1.0", 0.0, 0.001)
ETH = Broadcast("eth0", "10.0.0.1", "10.0.0.255", "", hears_itself=True, others=("10.0.0.2",))
LO = Broadcast("lo", "127.0.0.1", "127.255.255.255", "", hears_itself=True, others=())


def verdicts(checks: list[Check]) -> list[Verdict]:
    return [check.verdict for check in checks]


def broadcasts(*found: Broadcast, peers: tuple[Peer, ...] = (), is_chosen: bool = False) -> list[Check]:
    return judge_broadcasts(found, 5000, peers, FIX, BY_NAME, is_chosen)


def test_a_broadcast_that_comes_back_and_others_that_are_heard_are_good() -> None:
    (check,) = broadcasts(ETH, LO, peers=(BOB,))
    assert check.verdict is OK
    assert check.text == "eth0 (10.0.0.255): hears itself and 1 other machine"


def test_a_broadcast_that_does_not_come_back_fails_and_says_how_to_open_the_port() -> None:
    (check,) = broadcasts(ETH._replace(hears_itself=False, others=()), LO)
    assert check.verdict is FAIL
    assert "no broadcast comes back: something on this machine blocks UDP port 5000" in check.text
    assert check.fix == FIX


def test_a_broadcast_that_cannot_be_sent_fails_with_the_reason() -> None:
    (check,) = broadcasts(ETH._replace(trouble="Operation not permitted", hears_itself=False, others=()))
    assert check.verdict is FAIL
    assert "cannot send broadcasts: Operation not permitted" in check.text


def test_each_interface_has_a_line_and_one_that_works_is_no_excuse_for_another() -> None:
    wlan = Broadcast("wlan0", "10.1.0.1", "10.1.255.255", "", hears_itself=False, others=())
    assert verdicts(broadcasts(ETH, wlan, LO, peers=(BOB,))) == [OK, FAIL]


def test_nobody_else_is_a_warning_unless_somebody_is_connected_whose_broadcasts_are_heard() -> None:
    alone = broadcasts(ETH._replace(others=()), LO)
    assert verdicts(alone) == [OK, WARN]
    assert alone[1].fix == (f"{BY_NAME}   # HOST: the other machine",)
    deaf = broadcasts(ETH._replace(others=()), LO, peers=(BOB,))
    assert verdicts(deaf) == [OK, WARN]
    assert "broadcasts of bob do not arrive here" in deaf[1].text
    assert verdicts(broadcasts(ETH, LO, peers=(BOB, CAROL))) == [OK], "carol was quiet for a moment"


def test_others_that_are_heard_and_not_connected_are_a_warning_that_says_why_that_may_be() -> None:
    stays_out = judge_company(2, "docs", False, "dir-sync invite d", "dir-sync join d")
    assert stays_out.verdict is WARN
    assert stays_out.text.startswith(
        "2 other machines were heard, and none is connected to this folder, which is called 'docs'"
    )
    assert stays_out.text.endswith("or they have closed the mesh")
    assert stays_out.fix == ("dir-sync join d   # with a code of 'invite' there",)
    lets_nobody_in = judge_company(1, "docs", True, "dir-sync invite d", "dir-sync join d")
    assert lets_nobody_in.text.startswith("1 other machine was heard")
    assert lets_nobody_in.fix == ("dir-sync invite d   # and 'join' there",)


def test_a_machine_without_a_network() -> None:
    assert verdicts(broadcasts(LO)) == [OK, WARN]
    assert verdicts(broadcasts(LO, is_chosen=True)) == [OK], "--interface lo: a tunnel"
    assert verdicts(broadcasts()) == [FAIL]


@pytest.mark.parametrize(
    ("port", "verdict", "words"),
    [
        (Port("TCP", 6000, is_ours=True, is_free=False, owner=""), OK, "is this node's"),
        (Port("TCP", 6000, is_ours=False, is_free=True, owner=""), OK, "is free"),
        (Port("TCP", 6000, False, False, "another dir_sync", folder="~/docs"), OK, "is that of your node for ~/docs"),
        (Port("UDP", 5000, False, False, "nginx (process 7)"), FAIL, "UDP port 5000 is taken by nginx (process 7)"),
        (Port("UDP", 5000, False, False, ""), FAIL, "is taken by another program"),
        (Port("TCP", 600, False, False, "", "it needs root"), FAIL, "cannot be used: it needs root"),
    ],
)
def test_ports(port: Port, verdict: Verdict, words: str) -> None:
    check = judge_port(port, "dir-sync DIR -l 6001")
    assert check.verdict is verdict
    assert words in check.text
    assert check.fix == (("dir-sync DIR -l 6001",) if verdict is FAIL else ())


@pytest.mark.parametrize("kind", ["ufw", "firewalld", "nftables", "iptables"])
def test_each_firewall_has_its_commands(kind: str) -> None:
    lines = "\n".join(opening(kind, 5000, 6000))
    assert "5000" in lines
    assert "6000" in lines
    assert kind.rstrip("d").removesuffix("tables").split("wall")[0] in lines


@pytest.mark.parametrize(
    ("wall", "hears", "peers", "verdict"),
    [
        (Firewall((), is_known=True, lets_in=True), True, 0, OK),
        (Firewall((), is_known=False, lets_in=False), True, 0, OK),
        (Firewall(("ufw",), is_known=False, lets_in=False), True, 1, OK),
        (Firewall(("ufw",), is_known=True, lets_in=True), True, 0, OK),
        (Firewall(("ufw",), is_known=False, lets_in=False), True, 0, WARN),
        (Firewall(("firewalld",), is_known=True, lets_in=False), True, 0, FAIL),
        (Firewall(("nftables",), is_known=False, lets_in=False), False, 0, FAIL),
    ],
)
def test_firewalls(wall: Firewall, hears: bool, peers: int, verdict: Verdict) -> None:
    check = judge_firewall(wall, 5000, 6000, hears, peers)
    assert check.verdict is verdict
    assert bool(check.fix) == (verdict is not OK)
    if verdict is not OK:
        assert check.fix == opening(wall.active[0], 5000, 6000)


@pytest.mark.parametrize(
    ("path", "verdict", "words"),
    [
        (Path("eth0", 1_500), OK, "eth0: MTU 1500"),
        (Path("eth0", 1_500, "bob", True, True), OK, "packets of 1500 bytes reach bob"),
        (Path("eth0", 1_500, "bob", None, None), WARN, "reach bob is not known: this user may not send a ping"),
        (Path("eth0", 1_500, "bob", False, None), WARN, "reach bob is not known: bob answers no ping"),
        (Path("eth0", 9_000, "bob", True, False), FAIL, "packets of 9000 bytes do not reach bob"),
        (Path("eth0", 9_000), OK, "all machines on that network need the same"),
        (Path("eth0", 800), WARN, "unusually small"),
        (Path("eth0", 400), FAIL, "too small for a broadcast"),
    ],
)
def test_mtu(path: Path, verdict: Verdict, words: str) -> None:
    (check,) = judge_mtu([path])
    assert check.verdict is verdict
    assert words in check.text
    assert bool(check.fix) == (verdict is not OK)


@pytest.mark.parametrize(
    ("offset_s", "rtt_s", "verdict", "words"),
    [
        (0.004, 0.010, OK, "agrees with ours, within 10 ms"),
        (-0.5, 0.002, OK, "500 ms behind"),
        (2.5, 0.010, WARN, "2.5 s ahead"),
        (2.5, 2.0, OK, "2.5 s ahead"),  # the way may have taken the rest
        (-3_600.0, 0.010, FAIL, "1 h"),
    ],
)
def test_clocks(offset_s: float, rtt_s: float, verdict: Verdict, words: str) -> None:
    (check,) = judge_clocks("0.1.0", [BOB._replace(offset_s=offset_s, rtt_s=rtt_s)])
    assert check.verdict is verdict
    assert words in check.text
    assert bool(check.fix) == (verdict is not OK)


def test_a_clock_that_is_not_told_is_a_warning() -> None:
    (check,) = judge_clocks("0.1.0", [BOB._replace(offset_s=None, version="0.1.0")])
    assert check.verdict is WARN
    assert "version" not in check.text, "it is the same here and there"
    assert not any("upgrade" in one for one in check.fix)
    (check,) = judge_clocks("0.2.0", [BOB._replace(offset_s=None, version="0.1.0")])
    assert "its version does not tell the time" in check.text
    assert "upgrade dir_sync on bob" in check.fix[0]
    assert judge_clocks("0.1.0", []) == []


def test_what_lets_a_peer_answer_pings_is_a_command() -> None:
    (check,) = judge_mtu([Path("eth0", 1_500, "bob", False, None)])
    assert check.fix[0].startswith("sudo sysctl -w net.ipv4.icmp_echo_ignore_all=0   # on bob")


def test_versions() -> None:
    assert verdicts(judge_versions("0.1.0", [BOB, CAROL])) == [OK]
    assert verdicts(judge_versions("0.1.0", [])) == [OK]
    (check,) = judge_versions("0.1.0", [BOB._replace(version="0.0.9"), CAROL._replace(version="")])
    assert check.verdict is WARN
    assert "bob has 0.0.9" in check.text
    assert "carol has an older one" in check.text


def test_the_mtu_that_passes_is_the_one_that_mends_it() -> None:
    (check,) = judge_mtu([Path("eth0", 1_500, "bob", True, False, passes=1_420)])
    assert check.fix[0].startswith("sudo ip link set dev eth0 mtu 1420 ")
