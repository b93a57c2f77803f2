"""Helpers without domain words: this machine's IPv4 networks, HOST:PORT.

In: the operating system's lists, and texts. Out: plain values. Rule: nothing here knows the purpose of the program.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable

from dir_sync.core.named import NamedTuple

__all__ = ["Interface", "interfaces", "is_local_address", "is_on_link", "parse_host_port"]


class Interface(NamedTuple):
    """One IPv4 network that this machine is on. Texts are dotted quads."""

    name: str  # of the device: an alias `eth0:1` has the name `eth0` here
    address: str
    netmask: str
    broadcast: str


def interfaces(only: str | None = None) -> list[Interface]:
    """The networks of interfaces that are up now, in the system's order. All loopback addresses count as one network.

    `only`: the name of an interface (or of an alias), or an address; ValueError with one line if there is none now, or
    if it cannot send broadcasts. OSError if the system gives no list.
    """
    # The import takes some 25 ms: only a caller that needs it pays for it, not every start.
    import psutil  # type: ignore[import-untyped, unused-ignore]

    states = psutil.net_if_stats()
    found: dict[Interface, None] = {}
    is_known = is_down = False
    for label, addresses in psutil.net_if_addrs().items():
        name = label.partition(":")[0]  # states are known by device, addresses by label
        state = states.get(name)
        for entry in addresses:
            if only not in (None, label, name, entry.address):
                continue
            is_known = True
            if state is not None and not state.isup:
                is_down = True
                continue
            network = _network(name, entry.address, entry.netmask) if entry.family == socket.AF_INET else None
            if network is not None:
                found[network] = None
    if only is not None and not found:
        if is_down:
            raise ValueError(f"interface {only!r} is down")
        if is_known:
            raise ValueError(f"interface {only!r} has no IPv4 network that takes broadcasts")
        raise ValueError(f"no interface has the name or the IPv4 address {only!r}")
    return list(found)


def is_local_address(address: str, networks: Iterable[Interface]) -> bool:
    """True for a loopback address, and for one on one of `networks`. False for anything but an IPv4 address."""
    return (address.startswith("127.") and _number(address) is not None) or is_on_link(address, networks)


def is_on_link(address: str, networks: Iterable[Interface]) -> bool:
    """True if `address` is on one of exactly these networks. False for anything but an IPv4 address."""
    number = _number(address)
    if number is None:
        return False
    for network in networks:
        here, mask = _number(network.address), _number(network.netmask)
        if here is not None and mask is not None and (number ^ here) & mask == 0:
            return True
    return False


def parse_host_port(text: str, default_port: int) -> tuple[str, int]:
    """`HOST` or `HOST:PORT`, where HOST is an IPv4 address or a name; ValueError (one line) for anything else."""
    host, colon, digits = text.partition(":")
    if ":" in digits:
        raise ValueError(f"{text!r}: only HOST or HOST:PORT, where HOST is an IPv4 address or a name")
    port = default_port
    if colon:
        if not re.fullmatch(r"[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65535:
            raise ValueError(f"{text!r}: the port must be a number from 1 to 65535")
        port = int(digits)
    if re.fullmatch(r"[0-9.]+", host):
        number = _number(host)
        if number is None or not 1 <= number >> 24 < 224:
            raise ValueError(f"{text!r}: {host!r} is not the IPv4 address of a host")
    elif len(host) > 253 or not re.fullmatch(_HOST, host):
        raise ValueError(f"{text!r}: not a host name or IPv4 address")
    return host, port


_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"  # `_`: not valid in DNS, but used in hosts files
_HOST = rf"(?:{_LABEL}\.)*{_LABEL}\.?"


def _network(name: str, address: str, netmask: str | None) -> Interface | None:
    """None if no broadcast is possible: /31, /32, point to point."""
    here = _number(address)
    if here is None:
        return None
    if here >> 24 == 127:
        # Whatever the mask is (some containers give /32): every loopback address is this machine.
        return Interface(name, "127.0.0.1", "255.0.0.0", "127.255.255.255")
    mask = _number(netmask or "")
    if mask is None or mask >= 0xFFFFFFFE or mask == 0:
        return None
    # Computed: if none was configured, the system reports the interface's own address, or nothing.
    broadcast = socket.inet_ntoa((here | ~mask & 0xFFFFFFFF).to_bytes(4, "big"))
    return Interface(name, address, netmask or "", broadcast)


def _number(address: str) -> int | None:
    """A dotted quad as a number; None for any other text."""
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
    except (OSError, ValueError):  # ValueError: a NUL or a surrogate in the text
        return None
