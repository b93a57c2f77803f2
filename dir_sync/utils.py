"""Helpers without domain words: this machine's IPv4 networks, HOST:PORT.

In: the operating system's lists, and texts. Out: plain values. Rule: nothing here knows the purpose of the program.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
import sys
from array import array
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
    found, _, _ = _among(listed := _of_kernel(), only)
    if listed and (found or only is None):
        return list(found)
    found, is_known, is_down = _among(_of_psutil(), only)  # it knows those without an IPv4 address, too
    if only is not None and not found:
        if is_down:
            raise ValueError(f"interface {only!r} is down")
        if is_known:
            raise ValueError(f"interface {only!r} has no IPv4 network that takes broadcasts")
        raise ValueError(f"no interface has the name or the IPv4 address {only!r}")
    return list(found)


class _Listed(NamedTuple):
    """An address of an interface. `label`: its name, or that of an alias."""

    label: str
    address: str
    netmask: str | None  # None: it is no IPv4 address
    is_up: bool


def _among(listed: list[_Listed], only: str | None) -> tuple[dict[Interface, None], bool, bool]:
    """The networks; whether `only` is there at all; whether it is down."""
    found: dict[Interface, None] = {}
    is_known = is_down = False
    for label, address, netmask, is_up in listed:
        name = label.partition(":")[0]  # what is not an address is known by device
        if only not in (None, label, name, address):
            continue
        is_known = True
        if not is_up:
            is_down = True
        elif (network := _network(name, address, netmask)) is not None:
            found[network] = None
    return found, is_known, is_down


def _of_kernel() -> list[_Listed]:
    """What Linux says at once: a node need not import psutil for it, which takes 20 ms. Empty: it says nothing."""
    if sys.platform != "linux":
        return []
    found: list[_Listed] = []
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            (size,) = _INT.unpack_from(fcntl.ioctl(asked, _ADDRESSES, _LIST.pack(0, 0)))
            room = array("B", bytes(size + 16 * _REQUEST.size))  # some more may just have come
            there = _LIST.pack(len(room), room.buffer_info()[0])
            (size,) = _INT.unpack_from(fcntl.ioctl(asked, _ADDRESSES, there))
            for at in range(0, size, _REQUEST.size):
                one = room[at : at + _REQUEST.size].tobytes()
                label, address = _inet(one)
                _, netmask = _inet(fcntl.ioctl(asked, _NETMASK, one))
                (flags,) = _FLAGS.unpack_from(fcntl.ioctl(asked, _STATE, one), _NAME_BYTES)
                found.append(_Listed(label, address, netmask, bool(flags & _RUNNING)))
    except OSError:  # one of them has just gone, or nothing may be asked here
        return []
    return found


def _inet(request: bytes) -> tuple[str, str]:
    """The name and the IPv4 address in a `struct ifreq`."""
    name, address = _NAME_AND_ADDRESS.unpack_from(request)
    return os.fsdecode(name.partition(b"\0")[0]), socket.inet_ntoa(address)


_NAME_BYTES = 16
_REQUEST = struct.Struct("@16s2LH3B0L")  # struct ifreq with its largest member
_NAME_AND_ADDRESS = struct.Struct("@16s4x4s")  # the family and the port between them are known
_LIST = struct.Struct("@iP")  # struct ifconf
_FLAGS = struct.Struct("@H")
_INT = struct.Struct("@i")
_ADDRESSES, _STATE, _NETMASK = 0x8912, 0x8913, 0x891B  # SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFNETMASK
_RUNNING = 0x40  # IFF_RUNNING


def _of_psutil() -> list[_Listed]:
    import psutil  # type: ignore[import-untyped, unused-ignore]

    states = psutil.net_if_stats()
    found: list[_Listed] = []
    for label, addresses in psutil.net_if_addrs().items():
        state = states.get(label.partition(":")[0])  # states are known by device, addresses by label
        is_up = state is None or state.isup
        found += [
            _Listed(label, one.address, one.netmask if one.family == socket.AF_INET else None, is_up)
            for one in addresses
        ]
    return found


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
