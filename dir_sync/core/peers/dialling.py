"""Which node to dial when: back-off and roles. `dial_limits` says how soon one address may be dialled again.

In:   targets to connect with, and the results of dials. Out: Dials.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator

from dir_sync.core import limits
from dir_sync.core.backoff import backoff
from dir_sync.core.named import NamedTuple
from dir_sync.core.peers.address_book import Address, AddressBook, DialTarget
from dir_sync.core.peers.dial_limits import DialLimits
from dir_sync.core.peers.links import Links
from dir_sync.core.rng import Uniform

__all__ = ["HOPELESS", "NOTHING_IN_COMMON", "Dial", "Dialling"]

LARGER_WAITS_MS = 500  # the node with the smaller id dials; this is for networks where only the other one can
BACKOFF_FIRST_MS, BACKOFF_MOST_MS = 250, 30_000
BACKOFF_JITTER = 0.25
DIALS_MAX = 16  # at the same time
STRANGER_DIALS_MAX = 12  # of these, for strangers: forged beacons do not keep us from known nodes
NOTHING_IN_COMMON = "no-common-folder"  # valid for this instance, as long as it runs
HOPELESS = frozenset({"protocol-version", "overload", NOTHING_IN_COMMON})  # an early retry would end the same way
NEVER_MS = 2**62

_STEPS = (BACKOFF_MOST_MS // BACKOFF_FIRST_MS).bit_length()  # doublings until the back-off is at its most

assert STRANGER_DIALS_MAX < DIALS_MAX <= limits.UNFINISHED_MAX

_Queue = OrderedDict[DialTarget, None]  # in order of arrival


class Dial(NamedTuple):
    """Connect to this address, and call `dialled` with the result."""

    address: str  # an IPv4 address; for a fixed peer, as the user gave it
    port: int


class Dialling:
    """The dials of one node. `node`, `instance`: our own ids."""

    def __init__(self, node: str, instance: str, links: Links, book: AddressBook, rng: Uniform, now_ms: int) -> None:
        self.node = node
        self._instance = instance
        self._links = links
        self._book = book
        self._rng = rng
        self._dials: dict[Address, DialTarget] = {}  # started and not finished
        self._silent: dict[int, tuple[DialTarget, Address]] = {}  # dialled links without HELLO
        self._limits = DialLimits()
        # (due, counter, target); an entry is stale if the target's due time differs.
        self._heap: list[tuple[int, int, DialTarget]] = []
        self._count = 0
        self._queue: _Queue = OrderedDict()  # due, waiting for a free dial slot
        self._stranger_queue: _Queue = OrderedDict()
        for target in book.fixed:
            self._schedule(target, now_ms)

    # --- what is wanted ---------------------------------------------------------------------------------------------

    def is_wanted(self, target: DialTarget) -> bool:
        """True if a dial could achieve something that is neither there nor being attempted."""
        if target.is_flying or target.is_queued or target.is_gone or not self._book.may_be_dialled(target):
            return False
        link_id = self._links.id_of(target.node)
        if link_id is None:
            return True
        # A beacon named another instance: the peer has restarted, and its old link is not closed yet.
        return target.instance is not None and target.instance != self._links[link_id].instance

    def dial_soon(self, target: DialTarget, now_ms: int, at_once: bool = False) -> None:
        """It was just heard: dial, even if a dial failed a moment ago. The node with the smaller id dials at once, and
        both do if `at_once`; otherwise the larger one waits to see whether the other succeeds."""
        if not self.is_wanted(target) or target.no_dial_before_ms > now_ms:
            return
        due = now_ms if at_once else now_ms + self._role_ms(target)
        if target.due is None or target.due > due:
            self._schedule(target, due)

    def retry(self, target: DialTarget, now_ms: int) -> None:
        """Try again: at once at an address that has not failed yet, otherwise after the back-off."""
        if not self.is_wanted(target):
            return
        failures = [seen.failures for known, seen in target.addresses.items() if not self._book.is_ours(known)]
        if 0 in failures and any(failures):
            self._schedule(target, now_ms)
        elif failures:
            pause_ms = self._pause_ms(target.step)
            target.step += 1
            self._schedule(target, now_ms + pause_ms + self._role_ms(target))

    def bar(self, target: DialTarget, now_ms: int) -> None:
        """Do not dial it for the longest back-off, whatever beacons of that instance arrive."""
        target.step = _STEPS
        if self.is_wanted(target):
            target.no_dial_before_ms = now_ms + self._pause_ms(target.step)
            self._schedule(target, target.no_dial_before_ms)

    def turn_away(self, target: DialTarget, reason: str, now_ms: int) -> None:
        """A link ended for a lasting reason: do not dial this instance soon. A beacon of another instance ends that."""
        self.bar(target, now_ms)
        if reason == NOTHING_IN_COMMON and target.instance is not None:
            target.due = None
            target.no_dial_before_ms = NEVER_MS

    def welcome_all(self, now_ms: int) -> None:
        """Nodes that had nothing in common with this one may have something now."""
        for target in self._book.targets():
            if target.no_dial_before_ms >= NEVER_MS:
                target.no_dial_before_ms = now_ms
                target.step = 0
                self.dial_soon(target, now_ms)

    def sweep(self, now_ms: int) -> None:
        """Called at each beat: keep fixed peers scheduled, and forget old entries."""
        for target in self._book.fixed:
            if target.due is None and self.is_wanted(target):
                self._schedule(target, now_ms)
        self._limits.sweep(now_ms)

    # --- dials ------------------------------------------------------------------------------------------------------

    def due(self, now_ms: int) -> Iterator[Dial]:
        """The dials to start now."""
        for target in self._book.take_gone():
            self._queue.pop(target, None)
            self._stranger_queue.pop(target, None)
        while self._heap and self._heap[0][0] <= now_ms:
            due, _, target = heapq.heappop(self._heap)
            if target.due == due:
                target.due = None
                target.is_queued = True
                queue = self._stranger_queue if self._book.is_stranger(target) else self._queue
                queue[target] = None
        yield from self._dial_from(self._queue, DIALS_MAX, now_ms)
        yield from self._dial_from(self._stranger_queue, STRANGER_DIALS_MAX, now_ms)

    def next_ms(self, now_ms: int) -> int | None:
        """The time (ms) at which `due` has something; None: not before another event."""
        if (self._queue and len(self._dials) < DIALS_MAX) or (
            self._stranger_queue and len(self._dials) < STRANGER_DIALS_MAX
        ):
            return now_ms
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def dialled(self, address: Address, link_id: int | None, now_ms: int) -> None:
        """A Dial has ended, with a link or without (None)."""
        target = self._dials.pop(address, None)
        if target is None:
            return
        if link_id is None:
            self._landed(target, address)
            self._failed(target, address, now_ms)
        else:
            self._silent[link_id] = (target, address)

    def greeted(self, link_id: int) -> tuple[DialTarget, Address] | None:
        """A link sent HELLO. Returns the target and address that we dialled; None for an incoming link."""
        found = self._silent.pop(link_id, None)
        if found is not None:
            self._landed(*found)
        return found

    def ended_silent(self, link_id: int, reason: str, now_ms: int) -> bool:
        """A link ended. True if it was dialled here and never sent HELLO; then there is nothing else to do."""
        found = self.greeted(link_id)
        if found is None:
            return False
        target, address = found
        if reason in HOPELESS:
            self.turn_away(target, reason, now_ms)
        else:
            self._failed(target, address, now_ms)
        return True

    # --- inside -----------------------------------------------------------------------------------------------------

    def _role_ms(self, target: DialTarget) -> int:
        if target.node is None:
            return 0
        is_smaller = (self.node, self._instance) < (target.node, target.instance or "")
        return 0 if is_smaller else LARGER_WAITS_MS

    def _schedule(self, target: DialTarget, due: int) -> None:
        target.due = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, target))

    def _failed(self, target: DialTarget, address: Address, now_ms: int) -> None:
        seen = target.addresses.get(address)
        if seen is not None:
            seen.failures += 1
        self.retry(target, now_ms)

    def _pause_ms(self, step: int) -> int:
        base = backoff(BACKOFF_FIRST_MS, step, BACKOFF_MOST_MS)
        return int(base * self._rng.uniform(1 - BACKOFF_JITTER, 1 + BACKOFF_JITTER))

    def _landed(self, target: DialTarget, address: Address) -> None:
        target.is_flying = False
        self._limits.end(address)

    def _dial_from(self, queue: _Queue, dials_max: int, now_ms: int) -> Iterator[Dial]:
        while queue and len(self._dials) < dials_max:
            target, _ = queue.popitem(last=False)
            target.is_queued = False
            if not self.is_wanted(target):
                continue
            if len(self._links) + len(self._silent) + len(self._dials) >= limits.LINKS_MAX:
                self.bar(target, now_ms)
                continue
            choice = self._choose(target, now_ms)
            if choice is None:
                continue
            address, at_ms = choice
            if at_ms > now_ms:
                self._schedule(target, at_ms)
                continue
            target.is_flying = True
            self._dials[address] = target
            self._limits.begin(address, self._is_metered(target, address), now_ms)
            yield Dial(*address)

    def _choose(self, target: DialTarget, now_ms: int) -> tuple[Address, int] | None:
        """The address to dial, and the earliest time; None if there is no address."""
        best: tuple[int, int, bool, int] | None = None
        choice: tuple[Address, int] | None = None
        for address, seen in target.addresses.items():
            if self._book.is_ours(address):
                continue
            at_ms = self._limits.earliest_ms(address, self._is_metered(target, address), now_ms)
            rank = (max(at_ms, now_ms), seen.failures, not _is_loopback(address), -seen.heard_ms)
            if best is None or rank < best:
                best, choice = rank, (address, at_ms)
        return choice

    @staticmethod
    def _is_metered(target: DialTarget, address: Address) -> bool:
        """True if a beacon could have directed us there. Beacons from loopback addresses cannot be forged from
        outside."""
        return not target.is_fixed and not _is_loopback(address)


def _is_loopback(address: Address) -> bool:
    return address[0].startswith("127.")
