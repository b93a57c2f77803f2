"""The connected peers of one folder: which replica is at the other end of which link.

In:   links that were accepted and links that ended, from Neighbours; orders of the engine.
Out:  PeerUp and PeerDown for the engine; messages on links.
Rule: the engine knows replicas, links know nodes; this class maps between them. Several folders may share a link.
Used by: effects, folder, gauge, held, requests, sharing, status, verifying.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from typing import Protocol

from dir_sync.config import Config
from dir_sync.core.events import Effect, PeerDown, PeerUp
from dir_sync.core.messages import Hello
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple
from dir_sync.core.overload.fairness import Flow
from dir_sync.core.transfers.connection import Connection
from dir_sync.daemon.share import Share
from dir_sync.engine import Now
from dir_sync.network.outbox import Outbound
from dir_sync.node import Node
from dir_sync.reporting.log import logger

__all__ = ["Away", "ConnectedPeers", "Links"]

_AWAY_MAX = 100
_IDENTITY = "identity "  # prefix of an index note, before the replica of a member of the closed mesh


class Links(Protocol):
    """What the peers of a folder order of the links: the NodeManager."""

    def drop(self, link: int, reason: str, text: str = "") -> None: ...

    def announced_in_vain(self, node: Node, announcements: int) -> None: ...


class Away(NamedTuple):
    """A replica that was a peer and is not connected."""

    replica: str
    seen_s: int  # when its last byte came, in Unix time; 0: not known
    version: str  # of its program, then; "": it did not say
    address: str
    has_closed: bool = False  # it went over to a closed mesh
    was_member: bool = False  # it was met as a member of a closed mesh


class ConnectedPeers:
    """Replica of the folder -> the link of its node. Engine thread only."""

    def __init__(
        self,
        config: Config,
        share: Share,
        manager: Links,
        renewed: Callable[[], None],
        removed: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        """`renewed` is called when the index has a new replica id: all links have to send a new HELLO. `removed`: the identities
        of the machines that were removed from the mesh."""
        self._config = config
        self._share = share
        self._manager = manager
        self._renewed = renewed
        self._removed = removed
        self._links: dict[str, Node] = {}
        self._replicas: dict[int, str] = {}  # link -> replica
        self._closed: set[str] = set()  # replicas that went over to a closed mesh, without this node
        self._pausing: dict[int, str] = {}  # link -> name of a node that shares this folder and has paused it

    # --- who is there ------------------------------------------------------------------------------------------------

    @property
    def links(self) -> Mapping[str, Node]:
        return self._links

    def replica_on(self, node: Node) -> str | None:
        """The replica at the other end of that link; None if it does not share this folder, or was replaced."""
        return self._replicas.get(node.link)

    def name_of(self, replica: str) -> bytes:
        """The display name of the node with this replica, connected or not."""
        if replica == self._share.index.identity.replica:
            return _raw(self._config.name)
        return _raw(str(self._share.index.notes.get(f"name {replica}") or replica[:8]))

    def was_here(self, replica: str) -> bool:
        """True for a replica that was a peer before."""
        seen = self._share.index.peers.get(replica)
        return seen is not None and seen.first is not None

    def flow_of(self, peer: str) -> Flow:
        """The flow to which a job for that peer belongs."""
        node = self._links.get(peer)
        return Flow(peer if node is None else node.address, peer)

    def at(self, addresses: Container[Hashable]) -> frozenset[str]:
        """The connected peers at those addresses."""
        return frozenset(replica for replica, node in self._links.items() if node.address in addresses)

    def identities(self) -> frozenset[str]:
        """Those of the members that are connected."""
        return frozenset(node.member.identity for node in self._links.values() if node.member is not None)

    def names(self) -> list[str]:
        """The display names of the connected peers."""
        return sorted(show(self.name_of(replica)) for replica in self._links)

    def away(self) -> list[Away]:
        """Those that were peers before, are not connected, and were not removed, the last one that was seen first. At most
        some."""
        index, removed = self._share.index, self._removed()
        seen, members = index.notes.below("seen "), index.notes.below(_IDENTITY)
        found = [
            _away(replica, str(seen.get(replica, "")), replica in self._closed, replica in members)
            for replica in index.peers.replicas()
            if replica not in self._links and self.was_here(replica) and members.get(replica) not in removed
        ]
        return sorted(found, key=lambda one: (-one.seen_s, one.replica))[:_AWAY_MAX]

    def note_seen(self) -> None:
        """Store when the connected peers were heard last, for the time when they are not connected."""
        for replica, node in self._links.items():
            self._seen(replica, node)

    def _seen(self, replica: str, node: Node) -> None:
        notes = self._share.index.notes
        notes.put(f"seen {replica}", f"{int(node.heard_s)} {node.address} {node.version}")
        if node.member is not None and notes.get(_IDENTITY + replica) != node.member.identity:
            notes.put(_IDENTITY + replica, node.member.identity)

    # --- who has paused it -------------------------------------------------------------------------------------------

    @property
    def pausing(self) -> list[str]:
        """The display names of connected nodes that have paused this folder, escaped."""
        return sorted(self._pausing.values())

    def has_paused(self, node: Node, name: str) -> bool:
        """The node at the other end of that link has paused this folder. True if that is news."""
        is_news = node.link not in self._pausing
        self._pausing[node.link] = name
        return is_news

    def goes_on(self, node: Node) -> bool:
        """It has not, or not any more. True if that is news."""
        return self._pausing.pop(node.link, None) is not None

    # --- orders of the engine ----------------------------------------------------------------------------------------

    def send(self, peers: Sequence[str], parcel: Outbound) -> None:
        """Send to those of `peers` that are still connected."""
        for peer in peers:
            node = self._links.get(peer)
            if node is not None:
                node.send(parcel)

    def drop(self, peer: str, reason: str, text: str) -> None:
        node = self._links.get(peer)
        if node is not None:
            logger.warning("closing the connection with %s: %s", node.address, text)
            self._manager.drop(node.link, reason, text)

    def announced_in_vain(self, peer: str, announcements: int) -> None:
        node = self._links.get(peer)
        if node is not None:
            self._manager.announced_in_vain(node, announcements)

    def say_new_replica(self) -> None:
        """The index has a new replica id."""
        self.note_name()
        self._renewed()

    def note_name(self) -> None:
        """Store the display name of this node under the replica id that it has now."""
        self._share.note_name(self._config.name)

    # --- news of links -----------------------------------------------------------------------------------------------

    def came(
        self, node: Node, hello: Hello, replica: str, may_write: bool, connection: Connection, now: Now
    ) -> list[Effect]:
        """That link was accepted, and the node at its other end shares this folder."""
        index = self._share.index
        self._links[replica] = node
        self._replicas[node.link] = replica
        self._closed.discard(replica)
        if index.notes.get(f"name {replica}") != hello.name:
            index.notes.put(f"name {replica}", hello.name)  # for display, when the node is no longer connected
        self._seen(replica, node)
        up = PeerUp(replica, hello, node.address, may_write, connection=connection)
        return self._share.engine.handle(up, now)

    def left(self, node: Node, reason: str, now: Now) -> list[Effect]:
        """That link has ended, or its node does not share this folder any more. The jobs that it asked for are not done."""
        replica = self._replicas.pop(node.link, None)
        if replica is None:
            return []
        del self._links[replica]
        if reason == "closed-mesh":
            self._closed.add(replica)
        self._seen(replica, node)
        self._share.workers.leave(Flow(node.address, replica))
        return self._share.engine.handle(PeerDown(replica, reason), now)


def _away(replica: str, noted: str, has_closed: bool, was_member: bool) -> Away:
    """`noted`: what `note_seen` has stored."""
    seen_s, _, rest = noted.partition(" ")
    address, _, version = rest.partition(" ")
    return Away(replica, int(seen_s) if seen_s.isdecimal() else 0, version, address, has_closed, was_member)


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
