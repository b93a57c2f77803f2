"""The links of this node that have sent HELLO: at most one with each peer, and with each replica."""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.named import NamedTuple

__all__ = ["Link", "Links"]


class Link(NamedTuple):
    node: str
    instance: str
    address: str  # the peer's end
    is_ours: bool  # dialled by us
    since_ms: int
    is_known: bool = False  # a peer that was connected before, or that the user named
    replicas: tuple[str, ...] = ()  # of the peer: of the folders that both share


class Links:
    """Link id -> Link, and node -> link id; the same for replicas."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._ids: dict[str, int] = {}
        self._holders: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._links)

    def __getitem__(self, link_id: int) -> Link:
        return self._links[link_id]

    def get(self, link_id: int) -> Link | None:
        return self._links.get(link_id)

    def id_of(self, node: str | None) -> int | None:
        """The link with that node; None if there is none."""
        return None if node is None else self._ids.get(node)

    def holder_of(self, replica: str) -> int | None:
        """The link with a node that has this replica; None if there is none."""
        return self._holders.get(replica)

    def is_live(self, node: str | None) -> bool:
        return node in self._ids

    def nodes(self) -> list[str]:
        """The nodes with a link, sorted."""
        return sorted(self._ids)

    def giving_way(self, address: str, is_known: bool) -> tuple[bool, int | None]:
        """Whether a new peer at `address` may have a link, and which older link has to end for it. A place is taken
        from the address with the most links: its oldest link with an unknown peer. For an unknown peer that happens
        only if that address has more links than `address` would have then."""
        crowds: dict[str, int] = {}
        for link in self._links.values():
            crowds[link.address] = crowds.get(link.address, 0) + 1
        here = crowds.get(address, 0)
        if here >= limits.LINKS_PER_ADDRESS_MAX:
            return self._place_of([address] if is_known else [])
        if len(self._links) < limits.LINKS_MAX:
            return True, None
        crowded = sorted(crowds, key=lambda other: -crowds[other])
        return self._place_of([other for other in crowded if is_known or crowds[other] > here + 1])

    def _place_of(self, addresses: list[str]) -> tuple[bool, int | None]:
        for address in addresses:
            old = [
                (one.since_ms, id_) for id_, one in self._links.items() if one.address == address and not one.is_known
            ]
            if old:
                return True, min(old)[1]
        return False, None

    def add(self, link_id: int, link: Link) -> None:
        """Add a link. It replaces an older link of that node."""
        older = self._ids.get(link.node)
        if older is not None:
            self.remove(older)
        self._links[link_id] = link
        self._ids[link.node] = link_id
        for replica in link.replicas:
            self._holders[replica] = link_id

    def remove(self, link_id: int) -> Link | None:
        """Remove and return a link; None if it was replaced before, or never sent HELLO."""
        link = self._links.pop(link_id, None)
        if link is not None:
            del self._ids[link.node]
            for replica in link.replicas:
                self._holders.pop(replica, None)
        return link
