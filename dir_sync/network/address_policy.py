"""Which addresses may connect: those of this LAN, and those that the user named.

In:   the address of a caller. Out: yes, or no and a line for people.
Used by: node_manager.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

__all__ = ["AddressPolicy"]


class AddressPolicy:
    """`is_near`: the address is on a network of this machine. `trusted`: addresses that the user named, which may be
    anywhere. `report(line)` is called for each refusal."""

    def __init__(self, is_near: Callable[[str], bool], trusted: frozenset[str], report: Callable[[str], None]) -> None:
        self._is_near = is_near
        self._trusted = trusted
        self._report = report

    def allows(self, address: str) -> bool:
        if address in self._trusted or not ipaddress.ip_address(address).is_global or self._is_near(address):
            return True  # some LANs use public addresses
        self._report(f"refused a connection from {address}: it is not on this LAN (name it with --peer to allow it)")
        return False
