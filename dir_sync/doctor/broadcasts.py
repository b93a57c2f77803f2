"""Sends a broadcast on each interface, and listens for it and for those of other machines.

In:   the UDP port of the nodes; how long to listen. Out: facts about each interface.
Rule: what is sent means nothing to a node: it has another form than a beacon, and nodes drop it. The socket shares the port
with a running node, which receives all broadcasts as before.
Used by: doctor.examination.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Collection

from dir_sync.doctor.network_checks import Broadcast
from dir_sync.network.networks import broadcast
from dir_sync.utils import Interface, interfaces, is_on_link

__all__ = ["LISTEN_S", "probe"]

LISTEN_S = 5.0  # a node sends a beacon every 3 s, with 25 % jitter
_AGAIN_S = 0.5  # a datagram may get lost
_ITSELF_S = 2.0  # our own broadcast comes back within this
_MARK = b"dir_sync doctor "
_BYTES_MAX = 2_048


def probe(
    port: int, interface: str | None, awaited: Collection[str] | None, listen_s: float = LISTEN_S
) -> list[Broadcast]:
    """`awaited`: addresses of other nodes; as soon as all on other machines were heard, nothing more is waited for. None: it is
    not known who is there. OSError if the port cannot be listened to; ValueError if there is no such interface."""
    networks = interfaces(interface)
    own = {network.address for network in interfaces()}
    marks = {_MARK + os.urandom(8).hex().encode(): network for network in networks}
    trouble: dict[Interface, str] = {}
    heard_itself: set[Interface] = set()
    others: dict[Interface, set[str]] = {network: set() for network in networks}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(("", port))
        begun = time.monotonic()
        send_again = begun
        while True:
            now = time.monotonic()
            if now >= send_again and len(heard_itself) + len(trouble) < len(networks):
                send_again = now + _AGAIN_S
                for mark, network in marks.items():
                    if network not in heard_itself and network not in trouble:
                        trouble |= _say(mark, network, port)
            is_clear = len(heard_itself) + len(trouble) == len(networks) or now - begun >= _ITSELF_S
            everyone = set().union(*others.values())
            all_heard = awaited is not None and set(awaited) - own <= everyone
            if is_clear and (all_heard or now - begun >= listen_s or len(trouble) == len(networks)):
                break
            if not select.select([listener], [], [], 0.1)[0]:
                continue
            try:
                data, source = listener.recvfrom(_BYTES_MAX)
            except OSError:
                continue
            if data in marks:
                heard_itself.add(marks[data])
            elif source[0] not in own and not data.startswith(_MARK):
                for network in networks:
                    if is_on_link(source[0], [network]):
                        others[network].add(source[0])
    return [
        Broadcast(
            network.name, network.address, network.broadcast, trouble.get(network, ""), network in heard_itself,
            tuple(sorted(others[network])),
        )
        for network in networks
    ]  # fmt: skip


def _say(mark: bytes, network: Interface, port: int) -> dict[Interface, str]:
    """Send a broadcast as a node does. Returns why that failed; {}: it did not."""
    try:
        broadcast(mark, network, port)
    except OSError as error:
        return {network: error.strerror or str(error)}
    return {}
