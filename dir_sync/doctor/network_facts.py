"""Facts about ports, firewalls and the way to the peers.

In:   the operating system, and what a running node says. Out: values for `network_checks`.
Rule: a port is tried by taking it for a moment, and only where no node of the folder has it; nothing connects to it.
Used by: doctor.examination.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any

from dir_sync.doctor.network_checks import Firewall, Path, Peer, Port
from dir_sync.doctor.pings import answers
from dir_sync.network.port_owner import owner_of_port, process_of_port
from dir_sync.utils import interfaces, is_on_link

__all__ = ["firewall", "free_port", "nft_lets_in", "paths", "port", "text_lets_in"]

_SIZES = (1_500, 1_492, 1_450, 1_420, 1_400, 1_350, 1_300, 1_280)  # Ethernet, PPPoE, tunnels
_RUN_S = 5.0
_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"


# --- ports -----------------------------------------------------------------------------------------------------------


def port(kind: str, number: int, is_ours: bool, waiting: int = 0) -> Port:
    """`is_ours`: the running node of the folder says that it has it. `waiting`: the process of a node that waits for the folder,
    and cannot be asked; 0: none does."""
    if is_ours:
        return Port(kind, number, is_ours=True, is_free=False, owner="")
    trouble = _trouble_with(kind, number)
    if trouble is None:
        return Port(kind, number, is_ours=False, is_free=True, owner="")
    if trouble == errno.EADDRINUSE and waiting and process_of_port(kind, number) == waiting:
        return Port(kind, number, is_ours=True, is_free=False, owner="")
    if trouble == errno.EADDRINUSE:
        return Port(kind, number, is_ours=False, is_free=False, owner=owner_of_port(kind, number))
    reason = "it needs root" if trouble == errno.EACCES else os.strerror(trouble)
    return Port(kind, number, is_ours=False, is_free=False, owner="", trouble=reason)


def free_port(kind: str, after: int) -> int:
    """The next port that can be had."""
    for number in range(after + 1, min(after + 100, 65_536)):
        if _trouble_with(kind, number) is None:
            return number
    return after


def _trouble_with(kind: str, number: int) -> int | None:
    """Why a port cannot be taken as a node takes it, as an errno. Nobody can connect to it meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "TCP" else socket.SOCK_DGRAM) as one:
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("", number))
        except OSError as error:
            return int(error.errno or errno.EIO)
    return None


# --- firewalls -------------------------------------------------------------------------------------------------------


def firewall(udp: int, tcp: int, root: str = "/") -> Firewall:
    """What can be told without changing anything: as root also the rules."""
    active: list[str] = []
    texts: list[str] = []
    if _is_ufw_on(os.path.join(root, "etc/ufw/ufw.conf")):
        active.append("ufw")
        texts.append(_output("ufw", "status"))
    if os.path.isdir(os.path.join(root, "run/firewalld")) or _runs("firewalld"):
        active.append("firewalld")
        texts.append(_output("firewall-cmd", "--list-all"))
    if active:
        is_known = all(texts)
        return Firewall(tuple(active), is_known, is_known and all(text_lets_in(text, udp, tcp) for text in texts))
    if os.geteuid() != 0:
        return Firewall((), is_known=False, lets_in=False)
    rules = _output("nft", "-j", "list", "ruleset")
    lets_in = nft_lets_in(rules, udp, tcp) if rules else None
    if lets_in is not None:
        return Firewall(("nftables",), is_known=True, lets_in=lets_in)
    rules = _output("iptables-save")
    if ":INPUT DROP" in rules or "-A INPUT -j DROP" in rules or "-A INPUT -j REJECT" in rules:
        return Firewall(("iptables",), is_known=True, lets_in=text_lets_in(rules, udp, tcp))
    return Firewall((), is_known=True, lets_in=True)


def text_lets_in(rules: str, udp: int, tcp: int) -> bool:
    """True if rules as text name both ports. Not more: what a rule says of them is for people to read."""
    words = rules.replace("/", " ").replace(",", " ").split()
    return str(udp) in words and str(tcp) in words


def nft_lets_in(rules: str, udp: int, tcp: int) -> bool | None:
    """Whether rules as JSON name both ports, if an input chain drops what no rule accepts; None: there is no such chain."""
    try:
        entries = json.loads(rules)["nftables"]
        chains = [entry["chain"] for entry in entries if "chain" in entry]
        drops = any(chain.get("hook") == "input" and chain.get("policy") == "drop" for chain in chains)
        ports = set(_ports(entry["rule"].get("expr", []) for entry in entries if "rule" in entry))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return {udp, tcp} <= ports if drops else None


def _ports(value: Any) -> Iterable[int]:
    """All destination ports that are compared with something."""
    if isinstance(value, dict):
        match = value.get("match")
        field = match.get("left", {}).get("payload", {}).get("field") if isinstance(match, dict) else None
        if isinstance(match, dict) and field == "dport":
            yield from _numbers(match.get("right"))
        for inner in value.values():
            yield from _ports(inner)
    elif isinstance(value, str | int) or value is None:
        return
    else:
        for inner in value:
            yield from _ports(inner)


def _numbers(value: Any) -> Iterable[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, dict) and isinstance(value.get("range"), list) and len(value["range"]) == 2:
        first, last = value["range"]
        yield from range(int(first), int(last) + 1)
    elif isinstance(value, dict):
        yield from _numbers(value.get("set"))
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner)


def _is_ufw_on(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return any(line.strip().lower() == "enabled=yes" for line in file)
    except OSError:
        return False


def _runs(name: str) -> bool:
    import psutil  # type: ignore[import-untyped, unused-ignore]

    return any(process.info["name"] == name for process in psutil.process_iter(["name"]))


def _output(*command: str) -> str:
    """What a command prints; "" if it is missing, or fails, as without the right to ask."""
    program = shutil.which(command[0]) or shutil.which(command[0], path=_SBIN)
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            text=True,
            timeout=_RUN_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


# --- the way to the peers --------------------------------------------------------------------------------------------


def paths(interface: str | None, peers: Sequence[Peer]) -> list[Path]:
    """Of each interface its MTU; of each peer on its network, whether full packets reach it."""
    import psutil

    found = []
    states = psutil.net_if_stats()
    seen = set()
    for network in interfaces(interface):
        if network.address.startswith("127.") or network.name in seen or network.name not in states:
            continue
        seen.add(network.name)
        mtu = int(states[network.name].mtu)
        near = [peer for peer in peers if is_on_link(peer.address, [network]) and peer.address != network.address]
        for peer in near:
            small = answers(peer.address, 64)
            full = answers(peer.address, mtu) if small else None
            passes = 0
            if small and full is False:
                passes = next((size for size in _SIZES if size < mtu and answers(peer.address, size)), 0)
            found.append(Path(network.name, mtu, peer.name, small, full, passes))
        if not near:
            found.append(Path(network.name, mtu))
    return found
