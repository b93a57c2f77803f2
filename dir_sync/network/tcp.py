"""TCP options and TCP state of a connection.

Linux; if an option is missing, its function returns that nothing is known.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

from dir_sync.core import limits
from dir_sync.core.named import NamedTuple

__all__ = ["Traffic", "has_address", "is_own", "is_silent", "set_patience", "traffic", "try_option", "tune"]

_NOT_SENT_BYTES = 256 * limits.KIB  # in the kernel; a small update waits behind it
# a sender that waits for room checks at this interval whether the peer is silent
_SEND_LOOK_MS = limits.ACK_WITHIN_MS // 4
_RETRANSMITS = 2  # one lost packet causes one retransmit; two in a row mean silence
_TCP_INFO = struct.Struct(
    "=BBBB20xI28xI"
)  # linux/tcp.h: state, ca_state, retransmits, probes; unacked; last_ack_recv (ms)
_TRAFFIC = struct.Struct("=68xI48xQQ")  # rtt (microseconds); bytes_acked, bytes_received


class Traffic(NamedTuple):
    """What the system has counted of a connection."""

    sent: int  # bytes that the other side has acknowledged
    received: int
    rtt_us: int


def tune(sock: socket.socket) -> None:
    """Set the options of each connection."""
    sock.setblocking(True)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    set_patience(sock, limits.HELLO_WITHIN_MS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(_SEND_LOOK_MS))
    try_option(sock, "TCP_USER_TIMEOUT", limits.DEAD_AFTER_MS)
    try_option(sock, "TCP_NOTSENT_LOWAT", _NOT_SENT_BYTES)


def set_patience(sock: socket.socket, ms: int) -> None:
    """How long (ms) a read waits before it fails."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(ms))


def try_option(sock: socket.socket, option: str, value: int) -> None:
    """Set a TCP option, if the system has one of that name."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    except (AttributeError, OSError):
        pass  # a system without it (pings also find a dead peer, only later), or the connection has ended


def is_silent(sock: socket.socket) -> bool | None:
    """None if everything sent was acknowledged (or the system cannot tell); otherwise True if the peer has answered
    nothing for ACK_WITHIN_MS in spite of retransmits. A peer that reports a full receive window is not silent."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        _, _, retransmits, probes, unacked, last_heard_ms = _TCP_INFO.unpack(info)
    except (AttributeError, OSError, struct.error):
        return None  # a system without it, or the connection has ended
    if not unacked and not probes:
        return None
    return bool(max(retransmits, probes) >= _RETRANSMITS and last_heard_ms >= limits.ACK_WITHIN_MS)


def traffic(sock: socket.socket) -> Traffic | None:
    """None if the system does not tell, or the connection has ended."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TRAFFIC.size)
        rtt_us, sent, received = _TRAFFIC.unpack(info)
    except (AttributeError, OSError, struct.error):
        return None
    return Traffic(sent, received, rtt_us)


def connected(address: str, port: int, within_s: float, tried: list[str]) -> socket.socket:
    """A socket that is connected. The addresses to which a name leads are tried one after the other, each for `within_s`, and
    added to `tried`. Raises OSError, or UnicodeError for a name that is none."""
    # What is passed as a text goes through the codec for names in other alphabets, which takes a millisecond to load.
    host: Any = address.encode() if address.isascii() else address
    failed = OSError("the name has no address")
    for *_, place in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        found = str(place[0])
        number: Any = found.encode()
        tried.append(found)
        try:
            return socket.create_connection((number, port), within_s)
        except OSError as error:
            failed = error
    raise failed


def has_address(address: str) -> bool:
    """True if this machine has that IPv4 address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def is_own(address: str) -> bool:
    """True for an address of this machine on a network. A loopback address may lead elsewhere, through a tunnel."""
    return not (":" in address or address.startswith("127.")) and has_address(address)


def _timeval(ms: int) -> bytes:
    seconds, rest = divmod(ms, 1000)
    return struct.pack("ll", seconds, rest * 1000)
