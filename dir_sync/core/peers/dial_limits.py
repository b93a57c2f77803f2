"""When an address may be dialled again. The limits prevent forged beacons from making us flood a victim.

In:   which addresses were dialled, and when. Out: the earliest time of the next dial there.
Used by: dialling.
"""

from __future__ import annotations

from dir_sync.core.overload.rate import TokenBucket
from dir_sync.core.peers.address_book import Address

__all__ = ["DIAL_AGAIN_MS", "HOST_DIALS_BURST", "HOST_DIALS_PER_S", "DialLimits"]

DIAL_AGAIN_MS = 1_000  # one address and port
HOST_DIALS_BURST, HOST_DIALS_PER_S = 8, 1.0  # one host, all ports


class DialLimits:
    """The limits of each address and each host."""

    def __init__(self) -> None:
        self._busy: set[Address] = set()  # being dialled, or connected without HELLO
        self._dialled_ms: dict[Address, int] = {}
        self._hosts: dict[str, TokenBucket] = {}

    def earliest_ms(self, address: Address, is_metered: bool, now_ms: int) -> int:
        """The earliest time (ms) to dial `address`; maybe in the past. `is_metered`: a beacon could have directed us
        there."""
        if address in self._busy:
            return now_ms + DIAL_AGAIN_MS
        at_ms = self._dialled_ms.get(address, now_ms - DIAL_AGAIN_MS) + DIAL_AGAIN_MS
        if is_metered:
            at_ms = max(at_ms, now_ms + self._host(address[0], now_ms).wait_ms(now_ms))
        return at_ms

    def begin(self, address: Address, is_metered: bool, now_ms: int) -> None:
        """A dial to `address` begins."""
        self._busy.add(address)
        self._dialled_ms[address] = now_ms
        if is_metered:
            self._host(address[0], now_ms).take(now_ms)

    def end(self, address: Address) -> None:
        """The dial failed, or its link sent HELLO or ended."""
        self._busy.discard(address)

    def sweep(self, now_ms: int) -> None:
        """Forget addresses and hosts without a limit now."""
        for address in [a for a, at_ms in self._dialled_ms.items() if at_ms <= now_ms - DIAL_AGAIN_MS]:
            del self._dialled_ms[address]
        for host in [name for name, bucket in self._hosts.items() if bucket.is_full(now_ms)]:
            del self._hosts[host]

    def _host(self, address: str, now_ms: int) -> TokenBucket:
        bucket = self._hosts.get(address)
        if bucket is None:
            bucket = self._hosts[address] = TokenBucket(HOST_DIALS_BURST, HOST_DIALS_PER_S, now_ms)
        return bucket
