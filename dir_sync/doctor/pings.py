"""Whether full packets reach a peer: with a wrong MTU on the way, connections are made and files hang.

In:   the address of a peer, the MTU of the interface. Out: facts. Nothing is sent but ICMP echo requests.
Rule: without the right to send them (`net.ipv4.ping_group_range`), nothing is known, and that is no error.
Used by: doctor.network_facts.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time

__all__ = ["answers"]

_WITHIN_S = 0.5
_TRIES = 3
_HEADERS = 28  # IPv4 and ICMP
_ECHO, _REPLY = 8, 0
_IP_MTU_DISCOVER, _PROBE = 10, 3  # never fragmented, and not limited by what the kernel has learned of the way


def answers(address: str, bytes_: int) -> bool | None:
    """True if a packet of that size is answered; None: it cannot be tried."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as out:
            out.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
            return any(_answered(out, address, bytes_, number) for number in range(1, _TRIES + 1))
    except PermissionError:
        return None
    except OSError:
        return False


def _answered(out: socket.socket, address: str, bytes_: int, number: int) -> bool:
    data = os.urandom(8) + bytes(max(0, bytes_ - _HEADERS - 8))
    header = struct.pack("!BBHHH", _ECHO, 0, 0, 0, number)  # the kernel fills in the sum and the id
    out.sendto(header + data, (address, 0))
    until = time.monotonic() + _WITHIN_S
    while (left := until - time.monotonic()) > 0:
        if not select.select([out], [], [], left)[0]:
            break
        came = out.recv(65_536)
        if came[:1] == bytes([_REPLY]) and came[8:16] == data[:8]:
            return True
    return False
