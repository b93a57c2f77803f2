"""Judgements about the network: broadcast, ports, firewall, MTU, clocks, versions.

In:   facts. Out: checks. Pure.
Used by: doctor.network_facts, doctor.broadcasts, doctor.examination.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core.named import NamedTuple
from dir_sync.doctor.verdict import Check, fail, good, warn
from dir_sync.reporting.log import how_many, human_seconds, listed

__all__ = [
    "Broadcast",
    "Firewall",
    "Path",
    "Peer",
    "Port",
    "judge_broadcasts",
    "judge_clocks",
    "judge_company",
    "judge_firewall",
    "judge_mtu",
    "judge_port",
    "judge_versions",
    "opening",
]

CLOCK_WARN_S = 2.0
CLOCK_FAIL_S = 60.0
MTU_LEAST = 576  # a beacon fits
MTU_USUAL = 1_280
MTU_ETHERNET = 1_500
ANSWER_PINGS = "sudo sysctl -w net.ipv4.icmp_echo_ignore_all=0"
LET_PING = 'sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"'


class Broadcast(NamedTuple):
    """One interface: what became of a broadcast there."""

    name: str
    address: str
    broadcast: str
    trouble: str  # why it could not be sent; "": it was sent
    hears_itself: bool
    others: tuple[str, ...]  # addresses of other machines that were heard there

    @property
    def is_loopback(self) -> bool:
        return self.address.startswith("127.")


class Port(NamedTuple):
    """One port of a node."""

    kind: str  # "UDP", "TCP"
    number: int
    is_ours: bool  # the node of this folder has it
    is_free: bool
    owner: str  # of a port that is neither, if it can be told
    trouble: str = ""  # another reason why it cannot be had
    folder: str = ""  # as people read it: the folder of the user's own node that has it, while no folder is examined


class Firewall(NamedTuple):
    """What can be told of a firewall without changing anything."""

    active: tuple[str, ...]  # of "ufw", "firewalld", "nftables", "iptables"
    is_known: bool  # its rules could be read
    lets_in: bool  # the rules name both ports, or nothing is dropped


class Peer(NamedTuple):
    """A connected peer."""

    name: str
    address: str
    version: str  # of its program; "": it does not say
    offset_s: float | None = None  # how far its clock is ahead of ours; None: not measured
    rtt_s: float = 0.0


class Path(NamedTuple):
    """The way to a peer: what an interface can send at once, and what arrives."""

    name: str  # of the interface
    mtu: int
    peer: str = ""  # "": no peer is there
    answers: bool | None = None  # a small packet is answered; None: that cannot be tried
    answers_full: bool | None = None  # ... and one of `mtu` bytes
    passes: int = 0  # if not: the largest of the usual sizes that is answered; 0: none


# --- broadcast -------------------------------------------------------------------------------------------------------


def judge_broadcasts(
    found: Sequence[Broadcast],
    port: int,
    peers: Sequence[Peer],
    fix: Sequence[str],
    by_name: str = "",
    is_chosen: bool = False,
) -> list[Check]:
    """`peers`: on other machines. `fix`: commands that let the port through. `by_name`: a command that connects without
    broadcasts. `is_chosen`: the user named the interface."""
    if not found:
        return [fail("broadcast", "no network interface can send broadcasts", "ip -brief address")]
    checks = []
    real = [one for one in found if not one.is_loopback]
    for one in real or found:
        where = f"{one.name} ({one.broadcast})"
        name = f"broadcast-{one.name}"
        if one.trouble:
            checks.append(fail(name, f"{where}: this machine cannot send broadcasts: {one.trouble}", *fix))
        elif not one.hears_itself:
            text = f"{where}: no broadcast comes back: something on this machine blocks UDP port {port}"
            checks.append(fail(name, f"{text}, so other machines are not found", *fix))
        elif one.others:
            checks.append(good(name, f"{where}: hears itself and {how_many(len(one.others), 'other machine')}"))
        else:
            checks.append(good(name, f"{where}: hears itself, and no other machine"))
    if not real and is_chosen:
        return checks
    if not real:
        text = "this machine is on no network but loopback: only nodes on this machine are found"
        return [*checks, warn("broadcast", text, "ip -brief address")]
    heard = {address for one in found for address in one.others}
    works = any(one.hears_itself for one in real)
    unheard = [peer.name for peer in peers if peer.address not in heard]
    if works and not heard and not peers:
        text = "no other machine was heard: does dir_sync run there, with the same -b? Some Wi-Fi networks block broadcasts"
        checks.append(warn("broadcast-others", text, f"{by_name}   # HOST: the other machine"))
    elif works and unheard and len(unheard) == len(peers):
        text = f"broadcasts of {listed(unheard)} do not arrive here; the connection was made in another way"
        checks.append(warn("broadcast-others", text, *(f"{line}   # on that machine" for line in fix)))
    return checks


def judge_company(heard: int, folder: str, is_closed: bool, let_in: str, join: str) -> Check:
    """The node runs, and nobody is connected. `heard`: other machines whose broadcasts arrive. `folder`: how its nodes call it.
    `let_in`, `join`: the commands `invite` and `join`."""
    known = f"{how_many(heard, 'other machine')} {'was' if heard == 1 else 'were'} heard, and none is connected"
    here = f"{known} to this folder, which is called '{folder}' here: it may have another name there"
    if is_closed:
        return warn("company", f"{here}, or no code for its closed mesh", f"{let_in}   # and 'join' there")
    return warn("company", f"{here}, or they have closed the mesh", f"{join}   # with a code of 'invite' there")


# --- ports and firewall ----------------------------------------------------------------------------------------------


def judge_port(port: Port, another: str) -> Check:
    """`another`: a command that takes another port."""
    name = f"port-{port.kind.lower()}"
    if port.is_ours:
        return good(name, f"{port.kind} port {port.number} is this node's")
    if port.folder:
        return good(name, f"{port.kind} port {port.number} is that of your node for {port.folder}")
    if port.trouble:
        return fail(name, f"{port.kind} port {port.number} cannot be used: {port.trouble}", another)
    if not port.is_free:
        by = port.owner or "another program"
        return fail(name, f"{port.kind} port {port.number} is taken by {by}", another)
    return good(name, f"{port.kind} port {port.number} is free")


def opening(kind: str, udp: int, tcp: int) -> tuple[str, ...]:
    """The commands that let both ports through a firewall."""
    match kind:
        case "firewalld":
            return (
                f"sudo firewall-cmd --permanent --add-port={udp}/udp --add-port={tcp}/tcp",
                "sudo firewall-cmd --reload",
            )
        case "nftables":
            return (
                f"sudo nft insert rule inet filter input udp dport {udp} accept",
                f"sudo nft insert rule inet filter input tcp dport {tcp} accept",
            )
        case "iptables":
            return (
                f"sudo iptables -I INPUT -p udp --dport {udp} -j ACCEPT",
                f"sudo iptables -I INPUT -p tcp --dport {tcp} -j ACCEPT",
            )
    return (f"sudo ufw allow {udp}/udp", f"sudo ufw allow {tcp}/tcp")


def judge_firewall(wall: Firewall, udp: int, tcp: int, hears_itself: bool, peers: int) -> Check:
    if not wall.active:
        if wall.is_known:
            return good("firewall", "no firewall is active on this machine")
        return good("firewall", "neither ufw nor firewalld is active; other rules can only be read as root")
    names = listed(wall.active)
    commands = tuple(line for kind in wall.active for line in opening(kind, udp, tcp))
    if not hears_itself:
        return fail("firewall", f"{names} is active and blocks UDP port {udp}", *commands)
    if wall.is_known and not wall.lets_in:
        return fail("firewall", f"{names} is active, and no rule lets UDP {udp} and TCP {tcp} in", *commands)
    if wall.lets_in or peers:
        return good("firewall", f"{names} is active and lets dir_sync through")
    text = f"{names} is active; whether TCP port {tcp} is open can only be told from another machine"
    return warn("firewall", text, *commands)


# --- the way to the peers --------------------------------------------------------------------------------------------


def judge_mtu(paths: Sequence[Path]) -> list[Check]:
    checks = []
    for one in paths:
        name = f"mtu-{one.name}" + (f"-{one.peer}" if one.peer else "")
        lower = f"sudo ip link set dev {one.name} mtu 1500"
        if one.mtu < MTU_LEAST:
            text = f"{one.name}: MTU {one.mtu} is too small for a broadcast of dir_sync"
            checks.append(fail(name, text, lower))
        elif one.answers and one.answers_full is False:
            text = f"{one.name}: packets of {one.mtu} bytes do not reach {one.peer}: files would hang on the way"
            same = f"sudo ip link set dev {one.name} mtu {one.passes or MTU_USUAL}   # or the same MTU on both machines"
            checks.append(fail(name, text, same))
        elif one.mtu < MTU_USUAL:
            checks.append(warn(name, f"{one.name}: MTU {one.mtu} is unusually small and slows transfers", lower))
        elif one.answers_full:
            checks.append(good(name, f"{one.name}: packets of {one.mtu} bytes reach {one.peer}"))
        else:
            text = f"{one.name}: MTU {one.mtu}"
            if one.mtu > MTU_ETHERNET:
                text += ": all machines on that network need the same"
            checks.append(_untried(name, text, one) if one.peer else good(name, text))
    return checks


def _untried(name: str, text: str, path: Path) -> Check:
    """That it is not known whether full packets reach the peer, why, and how to find out."""
    if path.answers is None:
        why, fix = "this user may not send a ping to try it", LET_PING
    else:
        why = f"{path.peer} answers no ping, which harms nothing else"
        fix = f"{ANSWER_PINGS}   # on {path.peer}, whose firewall has to let ICMP echo in, too"
    return warn(name, f"{text}; whether packets of that size reach {path.peer} is not known: {why}", fix)


def judge_clocks(ours: str, peers: Sequence[Peer]) -> list[Check]:
    """Which of two simultaneous changes wins depends on the clocks. `ours`: the version of this program."""
    checks = []
    for peer in peers:
        name = f"clock-{peer.name}"
        if peer.offset_s is None:
            is_same = peer.version == ours
            why = (
                "did not answer in time" if is_same else "did not answer in time, or its version does not tell the time"
            )
            fix = "" if is_same else f"; if it does not help, upgrade dir_sync on {peer.name}"
            text = f"the clock of {peer.name} is not known: that machine {why}"
            checks.append(warn(name, text, f"date -u   # on both machines, to compare{fix}"))
            continue
        apart = abs(peer.offset_s)
        surely = max(0.0, apart - peer.rtt_s / 2)
        way = "ahead" if peer.offset_s > 0 else "behind"
        text = f"the clock of {peer.name} is {human_seconds(apart)} {way}"
        set_it = "sudo timedatectl set-ntp true   # on both machines"
        if surely >= CLOCK_FAIL_S:
            checks.append(fail(name, f"{text}: of two simultaneous changes the wrong one may win", set_it))
        elif surely >= CLOCK_WARN_S:
            checks.append(warn(name, f"{text}: of two simultaneous changes the wrong one may win", set_it))
        elif not surely:
            checks.append(good(name, f"the clock of {peer.name} agrees with ours, within {human_seconds(peer.rtt_s)}"))
        else:
            checks.append(good(name, text))
    return checks


def judge_versions(ours: str, peers: Sequence[Peer]) -> list[Check]:
    other = {peer.name: peer.version for peer in peers if peer.version != ours}
    if not other:
        same = f", as on {how_many(len(peers), 'connected machine')}" if peers else ""
        return [good("versions", f"dir_sync {ours}{same}")]
    said = listed([f"{name} has {version or 'an older one'}" for name, version in sorted(other.items())])
    return [warn("versions", f"dir_sync {ours} here; {said}", "upgrade the older ones")]
