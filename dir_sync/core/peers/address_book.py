"""Known nodes, and the addresses at which they were heard.

In:   beacons, HELLOs and ended links, from the roster. Out: DialTargets.
Rule: everything that strangers can fill has a limit, and a stranger never displaces a connected node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dir_sync.core import limits
from dir_sync.core.overload.rate import TokenBucket
from dir_sync.core.peers.links import Links

__all__ = ["Address", "AddressBook", "DialTarget"]

REMEMBER_MS = 600_000  # addresses of nodes that are neither heard nor connected
STRANGERS_MAX = 1_024  # nodes heard and never connected
MET_MAX = limits.LINKS_MAX + 1_024  # nodes that were connected at least once: the connected ones, and some that left
ADDRESSES_MAX = 8  # of one node: its interfaces
OURSELVES_MAX = 64  # addresses that turned out to be our own
STRANGERS_BURST, STRANGERS_PER_S = 512, 100.0  # new names heard; 200 nodes may start at once

Address = tuple[str, int]  # host and port


class KnownAddress:
    """One address of a node."""

    __slots__ = ("failures", "heard_ms")

    def __init__(self, heard_ms: int) -> None:
        self.heard_ms = heard_ms
        self.failures = 0  # dials in a row that failed


class DialTarget:
    """A node to connect with; or the unknown node at a fixed address."""

    __slots__ = (
        "addresses",
        "due",
        "heard_ms",
        "instance",
        "is_fixed",
        "is_flying",
        "is_gone",
        "is_queued",
        "no_dial_before_ms",
        "node",
        "step",
    )

    def __init__(self, node: str | None, now_ms: int, fixed: Address | None = None) -> None:
        self.node = node  # None: the node at the fixed address is still unknown
        self.is_fixed = fixed is not None
        self.instance: str | None = None  # the last one heard; always None for a fixed address
        self.addresses = {} if fixed is None else {fixed: KnownAddress(now_ms)}
        self.heard_ms = now_ms
        self.due: int | None = None  # when to dial
        self.step = 0  # of the back-off
        self.no_dial_before_ms = now_ms  # in spite of any beacon
        self.is_queued = False  # due, and waiting for a free dial slot
        self.is_flying = False  # being dialled, or connected and without HELLO
        self.is_gone = False  # removed from the book

    def see(self, address: Address, now_ms: int) -> None:
        """The node was heard at that address."""
        seen = self.addresses.get(address)
        if seen is None:
            self.addresses[address] = KnownAddress(now_ms)
            if len(self.addresses) > ADDRESSES_MAX:
                del self.addresses[min(self.addresses, key=lambda known: self.addresses[known].heard_ms)]
        else:
            seen.heard_ms = now_ms
            seen.failures = 0

    def drop_old(self, before_ms: int) -> None:
        """Forget the addresses at which the node was not heard since then."""
        for address in [known for known, seen in self.addresses.items() if seen.heard_ms < before_ms]:
            del self.addresses[address]


class AddressBook:
    """`fixed`: the addresses that the user named. `only_fixed`: no other one may be dialled, whoever was heard where."""

    def __init__(self, links: Links, fixed: Sequence[Address], now_ms: int, only_fixed: bool = False) -> None:
        self._links = links
        self._only_fixed = only_fixed
        self._new_names = TokenBucket(STRANGERS_BURST, STRANGERS_PER_S, now_ms)
        # Both by node id, the one that was heard or met longest ago first.
        self.strangers: dict[str, DialTarget] = {}
        self.met: dict[str, DialTarget] = {}
        self.fixed = [DialTarget(None, now_ms, address) for address in dict.fromkeys(fixed)]
        self._ourselves: dict[Address, None] = {}
        self._gone: list[DialTarget] = []

    # --- targets ----------------------------------------------------------------------------------------------------

    def heard_of(self, node: str, now_ms: int) -> DialTarget | None:
        """The target of a node that was just heard; None if too many new names were heard recently."""
        target = self._touch(node)
        if target is None:
            if not self._new_names.take(now_ms):
                return None
            target = self.strangers[node] = DialTarget(node, now_ms)
            if len(self.strangers) > STRANGERS_MAX:
                self._forget(next(iter(self.strangers)))
        return target

    def connected(self, node: str, now_ms: int) -> DialTarget:
        """The target of a node with a link: from now on it is no stranger."""
        target = self._touch(node)
        if target is None or node in self.strangers:
            target = self.strangers.pop(node, None) or DialTarget(node, now_ms)
            self.met[node] = target
            if len(self.met) > MET_MAX:
                self._forget(next(name for name in self.met if not self._links.is_live(name)))
        return target

    def targets(self) -> list[DialTarget]:
        """All of them."""
        return [*self.strangers.values(), *self.met.values(), *self.fixed]

    def targets_of(self, node: str) -> list[DialTarget]:
        targets = [target for target in self.fixed if target.node == node]
        return targets + [book[node] for book in (self.met, self.strangers) if node in book]

    def may_be_dialled(self, target: DialTarget) -> bool:
        return target.is_fixed or not self._only_fixed

    def is_stranger(self, target: DialTarget) -> bool:
        return target.node in self.strangers and self.strangers[target.node] is target

    def belongs_to(self, address: Address, owner: DialTarget) -> None:
        """`owner` proved that it is the node at this address: remove the address from all others."""
        for target in self._all():
            if target is not owner:
                target.addresses.pop(address, None)

    def sweep(self, now_ms: int) -> None:
        """Forget old nodes and addresses."""
        for book in (self.strangers, self.met):
            for node in [node for node, target in book.items() if target.heard_ms < now_ms - REMEMBER_MS]:
                if not self._links.is_live(node):
                    self._forget(node)
        for target in self.met.values():
            if len(target.addresses) > 1 and not self._links.is_live(target.node):
                target.drop_old(now_ms - REMEMBER_MS)

    def take_gone(self) -> list[DialTarget]:
        """Remove and return the targets that were forgotten since the last call."""
        gone, self._gone = self._gone, []
        return gone

    # --- our own addresses ------------------------------------------------------------------------------------------

    def is_ours(self, address: Address) -> bool:
        """True if a connection to that address reached this node itself."""
        return address in self._ourselves

    def met_ourselves_at(self, address: Address) -> None:
        self._ourselves[address] = None
        if len(self._ourselves) > OURSELVES_MAX:
            del self._ourselves[next(iter(self._ourselves))]

    def is_somebody_elses(self, address: Address) -> None:
        self._ourselves.pop(address, None)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _all(self) -> Iterator[DialTarget]:
        yield from self.met.values()
        yield from self.strangers.values()

    def _touch(self, node: str) -> DialTarget | None:
        """The target of a node, moved to the end: the last one to be forgotten."""
        for book in (self.met, self.strangers):
            target = book.pop(node, None)
            if target is not None:
                book[node] = target
                return target
        return None

    def _forget(self, node: str) -> None:
        target = self.strangers.pop(node, None) or self.met.pop(node)
        target.is_gone = True
        target.due = None
        self._gone.append(target)
