"""The networks of this machine, whether an address is near, and how a broadcast is sent on one of them.

In:   the operating system's list; datagrams. Out: the networks for beacons; whether a source is near.
Rule: a missing network is no error, and each error is reported once.
Used by: discovery, daemon, doctor.broadcasts.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from dir_sync.utils import Interface, interfaces, is_local_address, is_on_link

__all__ = ["Networks", "broadcast"]

LIST_AGAIN_MS = 1_000  # at most one listing of the interfaces per interval for unknown sources
CAUSES_MAX = 64  # reported errors that are remembered


class Networks:
    """All networks of this machine, or those of one interface. All methods may be called from any thread; each field is
    replaced as a whole. `interface`: name or address of the only one to use. `report(line)` is called for errors, once
    for each."""

    def __init__(self, interface: str | None, report: Callable[[str], None]) -> None:
        self._interface = interface
        self._report = report
        self._current: tuple[Interface, ...] = ()
        self._listed_ms: int | None = None
        self._causes: frozenset[tuple[str, int | str]] = frozenset()

    def list(self) -> tuple[Interface, ...]:
        """The networks in use now; `is_near` remembers them."""
        networks: tuple[Interface, ...] = ()
        try:
            networks = tuple(interfaces(self._interface))
        except ValueError as error:
            self.report_once(("", str(error)), f"cannot find other nodes: {error}")
        except OSError as error:
            self.report_once(("", error.errno or 0), f"the network interfaces cannot be listed: {error.strerror}")
        self._current = networks
        self._listed_ms = _now_ms()
        return networks

    def is_near(self, source: str) -> bool:
        """True for an address on a network in use here."""
        # Of one interface only its own network counts; otherwise loopback counts, too, even if it is not listed.
        check = is_local_address if self._interface is None else is_on_link
        if check(source, self._current):
            return True
        if self._listed_ms is not None and _now_ms() - self._listed_ms < LIST_AGAIN_MS:
            return False
        return check(source, self.list())  # an interface may just have come up

    def is_own(self, source: str) -> bool:
        """True for an address of this machine, as far as it is known by now."""
        return source.startswith("127.") or any(source == one.address for one in self._current)

    def report_once(self, cause: tuple[str, int | str], line: str) -> None:
        """Report an error, unless the same one was reported before."""
        if cause not in self._causes and len(self._causes) < CAUSES_MAX:
            self._causes |= {cause}
            self._report(line)


def broadcast(data: bytes, network: Interface, port: int) -> None:
    """Send a datagram to everybody on a network. Raises OSError."""
    # A socket for each: interfaces come and go, and 20 us every 3 s cost nothing.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        try:
            # With two interfaces on one network, the routing table would use the same one for both.
            out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, network.name.encode() + b"\0")
        except OSError:
            pass  # old kernels allow it only for root
        out.bind((network.address, 0))
        out.sendto(data, (network.broadcast, port))


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
