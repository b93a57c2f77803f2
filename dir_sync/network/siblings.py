"""What the nodes of one process tell each other about presence. Each closed folder has a node; the open ones share one.

In:   the datagrams that each of them sends, and the addresses at which each hears a node of its own mesh. Out: whether a
      datagram is our own, and whether an address runs a node that one of us connects to.
Used by: daemon, discovery, process. Any thread may call it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

__all__ = ["Siblings"]

MET_MS = 30_000  # so long an address counts after its last beacon; in a LAN of 200 nodes each sends one every 23 s
MET_MAX = 1_024  # addresses; anybody on this LAN can invent more


class Siblings:
    """The discoveries of one process. One that is alone has one of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[Hashable, frozenset[bytes]] = {}  # replaced as a whole
        self._met: OrderedDict[str, int] = OrderedDict()  # under _lock: when it was heard last, the oldest first

    def sends(self, who: Hashable, datagrams: frozenset[bytes]) -> None:
        """These are the last ones of that discovery; empty: it has ended."""
        with self._lock:
            others = {other: sent for other, sent in self._sent.items() if other != who}
            self._sent = others | {who: datagrams} if datagrams else others

    def is_own(self, data: bytes) -> bool:
        """True if one of us has sent that datagram."""
        return any(data in sent for sent in self._sent.values())

    def met(self, address: str, now_ms: int) -> None:
        """A node of the mesh of one of us was heard there."""
        with self._lock:
            self._met[address] = now_ms
            self._met.move_to_end(address)
            if len(self._met) > MET_MAX:
                self._met.popitem(last=False)

    def knows(self, address: str, now_ms: int) -> bool:
        """True if a node of the mesh of one of us was heard there a short time ago."""
        with self._lock:
            at_ms = self._met.get(address)
        return at_ms is not None and now_ms - at_ms < MET_MS
