"""Gathers the facts about this machine, a folder and its network, and judges them.

In:   a folder (or none), and where no node runs for it, the ports and the interface of one. Out: the checks, in order.
Rule: a running node is asked for its status and for the clocks of its peers, and nothing else; nothing is started.
Used by: cli.doctor, web.routes.doctor.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from dir_sync import __version__
from dir_sync.config import LISTEN_PORT
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple
from dir_sync.core.status import Status
from dir_sync.core.taking import Keep
from dir_sync.doctor import broadcasts, folder_facts, machine_facts, network_facts
from dir_sync.doctor.folder_checks import judge_abilities, judge_folder, judge_room, judge_state_folder
from dir_sync.doctor.machine_checks import (
    judge_inotify,
    judge_librsync,
    judge_open_files,
    judge_python,
    judge_user_state,
)
from dir_sync.doctor.network_checks import (
    Broadcast,
    Peer,
    judge_broadcasts,
    judge_clocks,
    judge_company,
    judge_firewall,
    judge_mtu,
    judge_port,
    judge_versions,
    opening,
)
from dir_sync.doctor.verdict import Check, fail, good, warn
from dir_sync.folder import root
from dir_sync.folder.shared_now import shared_now
from dir_sync.network.control import Answer, NoDaemon, ask
from dir_sync.reporting import shell
from dir_sync.utils import interfaces

__all__ = ["Asked", "examine"]

_CLOCK_TRIES = 8
_CLOCK_PAUSE_S = 0.1


class Asked(NamedTuple):
    """What is examined. `folder`: its path, as it was typed and for the system; "": the machine alone."""

    typed: str
    folder: str
    udp: int
    tcp: int
    interface: str | None = None
    listen_s: float = broadcasts.LISTEN_S


class _Node(NamedTuple):
    """What the node of the folder says."""

    status: Status | None = None
    peers: tuple[Peer, ...] = ()
    trouble: str = ""
    discovers: bool = True
    keeps_free: Keep = Keep("0")

    @property
    def process(self) -> int:
        return 0 if self.status is None else self.status.process


def examine(asked: Asked) -> Iterator[Check]:
    """Each check, as soon as it is made. Those that take time come last."""
    node = _node_of(asked.folder)
    if node.status is not None:
        asked = asked._replace(udp=node.status.broadcast_port, tcp=node.status.port)
    if asked.folder:
        yield from _guarded("folder", lambda: _of_folder(asked, node))
    yield from _guarded("machine", lambda: _of_machine(asked, node))
    yield from _guarded("network", lambda: _of_network(asked, node))


def _guarded(name: str, checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """A part that cannot be examined is a warning, and the others go on."""
    try:
        for check in checks():
            yield check._replace(group=name)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        yield warn(name, f"not all could be found out: {why}")._replace(group=name)


# --- the node --------------------------------------------------------------------------------------------------------


def _node_of(folder: str) -> _Node:
    """What the node of a folder says of itself, and the clocks of its peers; nothing if none runs."""
    if not folder:
        return _Node()
    try:
        answer = ask(folder, {"command": "status"})
        status = Status.from_json(answer)
    except NoDaemon:
        return _Node()
    except (KeyError, TypeError):
        return _Node(trouble="the running node is another version: restart it")
    except OSError as error:
        return _Node(trouble=f"the running node does not answer: {error.strerror or error}")
    said, clocks = _said(folder, _CLOCK_TRIES if status.peers else 1)
    peers = []
    names = [one.name for one in status.peers]
    for one in status.peers:
        offset_ns, rtt_ns = clocks.get((one.name, one.address), (None, 0))
        offset_s = None if offset_ns is None else offset_ns / 1e9
        name = one.name if names.count(one.name) == 1 else f"{one.name} ({one.address})"
        peers.append(Peer(name, one.address, one.version, offset_s, rtt_ns / 1e9))
    keep = Keep("", said.get("min_free_bytes", 0), said.get("min_free_percent", 0))
    return _Node(status, tuple(peers), "", said.get("discovers", True), keep)


def _said(folder: str, tries: int) -> tuple[Answer, dict[tuple[str, str], tuple[int, int]]]:
    """What the node says for this purpose; and by name and address of a peer: how far its clock is ahead, and how long the
    quickest answer took."""
    said: Answer = {}
    best: dict[tuple[str, str], tuple[int, int]] = {}
    for number in range(tries):
        if number:
            time.sleep(_CLOCK_PAUSE_S)
        try:
            said = ask(folder, {"command": "doctor"})
        except (NoDaemon, OSError):
            break
        for one in said.get("clocks", ()):
            if "rtt_ns" in one:
                key = one["name"], one["address"]
                if key not in best or one["rtt_ns"] < best[key][1]:
                    best[key] = one["offset_ns"], one["rtt_ns"]
    return said, best


# --- the folder ------------------------------------------------------------------------------------------------------


def _of_folder(asked: Asked, node: _Node) -> Iterator[Check]:
    folder = asked.folder
    reason, waits = root.reason_against(folder), root.paused(folder)
    yield from judge_folder(asked.typed, reason, waits, node.process)
    if node.trouble:
        yield fail("node", node.trouble, shell.command(asked.typed))
    if waits and os.path.isdir(folder):  # a full disk may be why
        yield from judge_room(folder_facts.room(folder, node.keeps_free), asked.typed)
    if waits or reason:
        return
    can = folder_facts.abilities(folder)
    yield from judge_state_folder(folder_facts.state_folder(folder, can.modes is not False), asked.typed)
    yield from judge_room(folder_facts.room(folder, node.keeps_free), asked.typed)
    yield from judge_abilities(can, asked.typed)


# --- the machine -----------------------------------------------------------------------------------------------------


def _of_machine(asked: Asked, node: _Node) -> Iterator[Check]:
    yield from judge_versions(__version__, node.peers)
    yield judge_python(
        (sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        machine_facts.missing_packages(),
        shell.how_to_repair(),
    )
    yield judge_librsync(machine_facts.librsync())
    folder, trouble = machine_facts.user_state_trouble()
    make = f"mkdir -p {shell.quoted(folder)} && chmod 700 {shell.quoted(folder)}"
    yield judge_user_state(show(os.fsencode(_short(folder))), trouble, make)
    yield judge_open_files(machine_facts.open_files(node.process))
    folders = unwatched = 0
    if node.status is not None:
        unwatched = node.status.unwatched
    elif asked.folder:
        folders = machine_facts.count_folders(asked.folder)
    yield from judge_inotify(machine_facts.inotify(folders, node.status is not None, unwatched))


def _short(path: str) -> str:
    home = os.path.expanduser("~").rstrip("/")
    return "~" + path[len(home) :] if home and path.startswith(home + "/") else path


# --- the network -----------------------------------------------------------------------------------------------------


def _of_network(asked: Asked, node: _Node) -> Iterator[Check]:
    yield from judge_clocks(__version__, node.peers)
    yield from judge_mtu(network_facts.paths(asked.interface, node.peers))
    is_listening = node.status is not None and asked.tcp > 0
    typed = asked.typed or "DIR"
    pauser = root.pauser(asked.folder) if asked.folder else None
    waiting = 0 if pauser is None else pauser[0]
    nodes = [] if asked.folder else _own_nodes()
    if asked.tcp:
        tcp = network_facts.port("TCP", asked.tcp, is_listening, waiting)
        if not tcp.is_free:
            tcp = tcp._replace(folder=_folder_with(nodes, "port", asked.tcp))
        next_tcp = network_facts.free_port("TCP", asked.tcp) if not (tcp.is_ours or tcp.is_free) else 0
        yield judge_port(tcp, shell.command(typed, "-l", str(next_tcp)))
    if not node.discovers:
        yield good("broadcast", "this node neither sends nor hears broadcasts (--no-discovery)")
        return
    udp = network_facts.port("UDP", asked.udp, node.status is not None, waiting)
    # Several programs may have the UDP port at a time.
    udp = udp._replace(folder=_folder_with(nodes, "broadcast_port", asked.udp))
    next_udp = network_facts.free_port("UDP", asked.udp) if not (udp.is_ours or udp.is_free) else 0
    yield judge_port(udp, f"{shell.command(typed, '-b', str(next_udp))}   # the same -b on all machines")
    found: list[Broadcast] = []
    wall = network_facts.firewall(asked.udp, asked.tcp)
    if udp.is_ours or udp.is_free:
        awaited = None if not node.peers else {peer.address for peer in node.peers}
        found = broadcasts.probe(asked.udp, asked.interface, awaited, asked.listen_s)
        fix = _how_to_open(wall.active, asked.udp, asked.tcp or LISTEN_PORT)
        by_name = shell.command(typed, "--peer", "HOST")
        own = {network.address for network in interfaces()} | {"127.0.0.1"}
        remote = [peer for peer in node.peers if peer.address not in own]
        yield from judge_broadcasts(found, asked.udp, remote, fix, by_name, is_chosen=asked.interface is not None)
        yield from _of_company(asked, len({address for one in found for address in one.others}))
    real = [one for one in found if not one.is_loopback]
    hears = any(one.hears_itself for one in real) or not real
    yield judge_firewall(wall, asked.udp, asked.tcp or LISTEN_PORT, hears, len(node.peers))


def _of_company(asked: Asked, heard: int) -> Iterator[Check]:
    """Whether a node that hears others is connected to one. It is asked anew: it may have found them in the last seconds."""
    status = _node_of(asked.folder).status if heard else None
    if status is None or status.peers or status.pause is not None or status.paused_elsewhere:
        return
    is_closed = status.mesh is not None and not status.mesh.removed_by
    let_in, join = shell.command("invite", asked.typed), shell.command("join", asked.typed)
    yield judge_company(heard, status.folder_name, is_closed, let_in, join)


def _own_nodes() -> list[tuple[str, Answer]]:
    """The folders that nodes of this user share now, each with the status of its node."""
    found = []
    for folder in shared_now():
        try:
            found.append((folder, ask(folder, {"command": "status"})))
        except (NoDaemon, OSError):
            continue
    return found


def _folder_with(nodes: Iterable[tuple[str, Answer]], key: str, port: int) -> str:
    """The folder of the node that has that port, as people read it; "": there is none. `key`: how a status calls it."""
    return next((show(os.fsencode(_short(folder))) for folder, status in nodes if status.get(key) == port), "")


def _how_to_open(active: tuple[str, ...], udp: int, tcp: int) -> list[str]:
    """Commands for the firewalls that are active; for all usual ones if it is not known which it is."""
    if active:
        return [line for kind in active for line in opening(kind, udp, tcp)]
    return [f"{line}   # {kind}" for kind in ("ufw", "firewalld", "nftables") for line in opening(kind, udp, tcp)]
