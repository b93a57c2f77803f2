"""All links of this node by number, and the limited places for those that have not sent HELLO.

In:   connections that begin, send HELLO and end. Out: a number for each; whether there is a place for one more.
Rule: numbers are never reused. An address that connects often gives way to others. The owner holds a lock.
Used by: node_manager.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core import limits
from dir_sync.core.overload.guard import place_among
from dir_sync.node import Node

__all__ = ["LinkTable"]


class LinkTable:
    """`calls_left`: how many connections an address may still begin now; an address with few gives way first."""

    def __init__(self, calls_left: Callable[[str], float]) -> None:
        self._calls_left = calls_left
        self.nodes: dict[int, Node] = {}
        self._strangers: dict[int, str] = {}  # accepted links without HELLO, and their addresses
        self._next = 1

    @property
    def is_full(self) -> bool:
        return len(self.nodes) >= limits.LINKS_MAX + limits.UNFINISHED_MAX

    def new_number(self) -> int:
        number = self._next
        self._next += 1
        return number

    def add(self, node: Node) -> None:
        self.nodes[node.link] = node
        if not node.dialled:
            self._strangers[node.link] = node.address

    def has_introduced_itself(self, link: int) -> None:
        self._strangers.pop(link, None)

    def remove(self, link: int) -> None:
        self._strangers.pop(link, None)
        self.nodes.pop(link, None)

    def make_place(self, address: str) -> tuple[bool, Node | None]:
        """Whether a caller from `address` may come in, and which link without HELLO has to end for it."""
        has_place, oldest = place_among(self._strangers, address, self._calls_left)
        if oldest is None:
            return has_place, None
        del self._strangers[oldest]
        return True, self.nodes.get(oldest)
