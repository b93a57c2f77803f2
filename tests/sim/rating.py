"""Worlds with limits of bytes per second, and what these promise.

In:   a seed; messages that a node sends. Out: changes for its Options; when a message goes; Broken.
Rule: what is sent in bulk, and what is asked for in bulk, keeps to the limit in each fifth of a second. Everything else goes at
once. It is counted here as it crosses the link, without the program's own account.
"""

from __future__ import annotations

from collections import defaultdict, deque
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from dir_sync.core import limits
from dir_sync.core.messages import Chunks, Message, Pull
from dir_sync.core.overload.byte_rate import ByteRate, LinkRates
from dir_sync.core.transfers.connection import Connection
from tests.sim.broken import Broken

if TYPE_CHECKING:
    from tests.sim.node import Link, Node
    from tests.sim.world import World

__all__ = ["Rates", "Rating", "rates_of"]

_SPAN_US = 200_000
_BURST_S = 0.06  # what was not used for a while, and whole milliseconds


class Rates(NamedTuple):
    """The limits of one node, in bytes per second; 0: none."""

    up: int = 0
    down: int = 0
    each: bool = False  # they hold for each connection, not for all of them together


def rates_of(seed: int) -> dict[str, Any]:
    """A world in which most nodes have limits, and users write more large files than elsewhere."""
    dice = Random(f"rates {seed}")
    some = [1_000, 4_000, 30_000]
    rates = [Rates(dice.choice([0, *some]), dice.choice([0, *some]), dice.random() < 0.4) for _ in range(5)]
    if not (rates[0].up or rates[0].down):
        rates[0] = Rates(*dice.choice([(4_000, 0), (0, 4_000)]))
    return {"rates": tuple(rates), "large": 0.4, "rest_first": False}


class _Meter:
    """What has passed within the last fifth of a second."""

    def __init__(self) -> None:
        self._passed: deque[tuple[int, int]] = deque()
        self._sum = 0

    def add(self, us: int, size: int) -> int:
        """Returns the bytes that passed before this piece."""
        while self._passed and self._passed[0][0] <= us - _SPAN_US:
            self._sum -= self._passed.popleft()[1]
        before, self._sum = self._sum, self._sum + size
        self._passed.append((us, size))
        return before


class Rating:
    """The limits of all nodes, and what has crossed the links."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._sending: dict[str, LinkRates] = {}
        self._asking: dict[str, LinkRates] = {}
        self._of_link: dict[tuple[int, str], list[ByteRate]] = {}  # for what that node sends there
        self._last_us: dict[tuple[int, str], int] = {}  # when the last chunk goes there
        self._meters: defaultdict[tuple[str, str, int], _Meter] = defaultdict(_Meter)

    def _rates(self, node: Node) -> Rates:
        every: tuple[Rates, ...] = self.world.options.rates
        return every[node.number] if every else Rates()

    def begin(self, node: Node) -> None:
        """A node starts: it owes nothing."""
        for key in [key for key in self._meters if key[0] == node.name]:
            del self._meters[key]
        rates = self._rates(node)
        shared = (0, 0) if rates.each else (rates.up, rates.down)
        own = (rates.up, rates.down) if rates.each else (0, 0)
        self._sending[node.name], self._asking[node.name] = (LinkRates(*pair) for pair in zip(shared, own, strict=True))

    def connection(self, node: Node, link: Link) -> Connection | None:
        """The state of a new link for the engine; None: it has no limits."""
        rates, now_ms = self._rates(node), self.world.us // 1000
        if not (rates.up or rates.down):
            return None
        self._of_link[link.number, node.name] = self._sending[node.name].of_link(now_ms)
        return Connection(link.number, self._asking[node.name].of_link(now_ms), rates.up)

    def delay_us(self, node: Node, link: Link, message: Message, size: int) -> int:
        """When a message goes. Only chunks wait."""
        key = link.number, node.name
        rates, now_ms = self._of_link.get(key, []), self.world.us // 1000
        if not isinstance(message, Chunks):
            for rate in rates:
                rate.count(size, now_ms)
            return 0
        wait_ms = max((rate.book(size, now_ms) for rate in rates), default=0)
        due_us = max(self.world.us + wait_ms * 1000, self._last_us.get(key, 0))
        self._last_us[key] = due_us
        return due_us - self.world.us

    def passes(self, node: Node, link: Link, message: Message, size: int) -> None:
        """A message goes now."""
        rates = self._rates(node)
        if isinstance(message, Chunks) and rates.up:
            self._measure(node, "sends", link, size, rates.up)
        elif isinstance(message, Pull) and rates.down:
            for item in message.pulls:
                if item.length >= limits.CHUNK_BYTES_MIN:
                    self._measure(node, "asks for", link, item.length, rates.down)

    def _measure(self, node: Node, what: str, link: Link, size: int, per_s: int) -> None:
        meter = self._meters[node.name, what, link.number if self._rates(node).each else 0]
        before = meter.add(self.world.us, size)
        self.world.stats["bulk within a limit"] += 1
        if before > per_s * (_SPAN_US / 1_000_000 + _BURST_S):
            raise Broken(
                f"{node.name} {what} {before + size} bytes within {_SPAN_US // 1000} ms, and may {per_s} a second"
            )
