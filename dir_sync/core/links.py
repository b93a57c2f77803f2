"""The links of this node that have said HELLO: at most one with each peer."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Link", "Links"]


class Link(NamedTuple):
    node: str
    instance: str
    address: str  # the peer's end
    is_ours: bool  # dialled by us
    since_ms: int


class Links:
    """Link id -> Link, and node -> its link id."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._links)

    def __getitem__(self, link_id: int) -> Link:
        return self._links[link_id]

    def get(self, link_id: int) -> Link | None:
        return self._links.get(link_id)

    def id_of(self, node: str | None) -> int | None:
        """The one link with that node."""
        return None if node is None else self._ids.get(node)

    def is_live(self, node: str | None) -> bool:
        return node in self._ids

    def nodes(self) -> list[str]:
        """The nodes that have a link with us, sorted."""
        return sorted(self._ids)

    def add(self, link_id: int, link: Link) -> None:
        """It takes the place of an older link of that node, if there is one."""
        older = self._ids.get(link.node)
        if older is not None:
            del self._links[older]
        self._links[link_id] = link
        self._ids[link.node] = link_id

    def remove(self, link_id: int) -> Link | None:
        """The link that ends; None if it was replaced before, or never said HELLO."""
        link = self._links.pop(link_id, None)
        if link is not None:
            del self._ids[link.node]
        return link
