"""The connected peers: which are accepted, which are removed, and the actions of the roster.

In:   HELLOs, ends of links, dials and beacons, from the inbox. Out: PeerUp and PeerDown for the engine, orders to the
NodeManager, beacons.
Rule: the roster decides which link stays; this module carries that out and logs it. One link per peer.
Used by: daemon, effects, loop, requests, status.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dir_sync.config import Config
from dir_sync.core.events import Effect, PeerDown, PeerUp
from dir_sync.core.messages import Hello, Members
from dir_sync.core.model import show
from dir_sync.core.overload.complaints import Complaints
from dir_sync.core.overload.fairness import Flow
from dir_sync.core.peers.beacon import Beacon
from dir_sync.core.peers.roster import (
    NOTHING_IN_COMMON,
    Accept,
    Action,
    Announce,
    Dial,
    NewIdentity,
    NewReplica,
    Refuse,
    Roster,
)
from dir_sync.core.transfers.connection import Connection
from dir_sync.daemon.share import Share
from dir_sync.engine import Now
from dir_sync.network.node_id import NodeId
from dir_sync.network.outbox import Outbound
from dir_sync.node import Node
from dir_sync.node_manager import Dialled, HelloReceived
from dir_sync.reporting import shell
from dir_sync.reporting.log import Once, logger

if TYPE_CHECKING:  # it imports cryptography, and open nodes do without
    from dir_sync.core.link_handshake import Member

__all__ = ["ConnectedPeers", "Manager", "Mesh"]


class Manager(Protocol):
    """The orders that the NodeManager takes."""

    def dial(self, address: str, port: int) -> None: ...

    def drop(self, link: int, reason: str, text: str = "") -> None: ...

    def drop_all(self, reason: str, text: str = "") -> None: ...

    def ping(self, link: int) -> None: ...

    def announced_in_vain(self, node: Node, announcements: int) -> None: ...


class Mesh(Protocol):
    """The closed mesh, as far as links concern it."""

    def greeted(self, member: Member, name: str) -> Members:
        """A member has sent HELLO, with that name. Returns our list of members for it."""

    def told(self, members: Members) -> None:
        """A member has sent its list of members."""

    def parted(self, identity: str) -> None:
        """No link with that member is left."""

    def may_write(self, member: Member) -> bool:
        """False: other nodes ignore its changes."""


class ConnectedPeers:
    """Replica of the folder -> the link of its node. Engine thread only.

    The roster knows nodes, the engine knows replicas; this class maps between them.
    It has more fields than a class should have: most are those whom it joins.
    """

    def __init__(
        self,
        config: Config,
        share: Share,
        node_id: NodeId,
        manager: Manager,
        roster: Roster,
        announce: Callable[[bool], None],
        mesh: Mesh | None = None,
    ) -> None:
        """`announce` sends a beacon, which asks others for theirs if its argument is true. `mesh`: the closed mesh to which
        the folder belongs."""
        self._mesh = mesh
        self._config = config
        self._share = share
        self._node_id = node_id
        self._manager = manager
        self._roster = roster
        self._announce = announce
        self._once = Once()
        self._complaints = Complaints()
        self._next_complaint_ms = 0
        self._links: dict[str, Node] = {}

    # --- who is there ------------------------------------------------------------------------------------------------

    @property
    def links(self) -> Mapping[str, Node]:
        return self._links

    def is_link(self, node: Node) -> bool:
        """True if that is a peer's current link: it sent HELLO, and was not replaced."""
        return self._links.get(node.replica) is node

    def name_of(self, replica: str) -> bytes:
        """The display name of the node with this replica, connected or not."""
        if replica == self._share.index.replica:
            return _raw(self._config.name)
        return _raw(str(self._share.index.noted(f"name {replica}") or replica[:8]))

    def flow_of(self, peer: str) -> Flow:
        """The flow to which a job for that peer belongs."""
        node = self._links.get(peer)
        return Flow(peer if node is None else node.address, peer)

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

    def identities(self) -> frozenset[str]:
        """Those of the members that are connected."""
        return frozenset(node.member.identity for node in self._links.values() if node.member is not None)

    def names(self) -> list[str]:
        """The display names of the connected peers."""
        return sorted(show(self.name_of(replica)) for replica in self._links)

    def say_new_replica(self) -> None:
        """The index has a new replica id: all links have to send a new HELLO."""
        self._manager.drop_all("new-replica")  # also links that sent HELLO with the old id and were not accepted yet
        self._share.note_name(self._config.name)
        self._roster.has_replica(self._share.index.replica, time.monotonic_ns() // 1_000_000)

    # --- news of links -----------------------------------------------------------------------------------------------

    def on_hello(self, greeted: HelloReceived, now: Now) -> list[Effect]:
        node, hello = greeted
        replica = next((replica for name, replica, _ in hello.folders if name == self._config.folder_name), "")
        is_ours = hello.node == self._node_id.value  # the roster handles a node with our id, whatever it shares
        if not replica and not is_ours:
            if self._once.first(("nothing in common", hello.node)):
                logger.info("%s at %s shares no folder with this node: left alone", _name(hello), node.address)
            self._manager.drop(node.link, NOTHING_IN_COMMON)
            return []
        if self._is_of_another(node, hello):
            self._manager.drop(node.link, "new-identity", "another machine of this mesh uses that id")
            return []
        verdict = self._roster.hello(
            node.link, hello.node, hello.instance, node.dialled, node.address, hello.port, now.mono_ms,
            self._is_known(replica, node.address), replica,
        )  # fmt: skip
        match verdict:
            case Accept():
                return self._accept(node, hello, replica, verdict, now)
            case Refuse():
                self._refuse(node, hello, verdict)
                return []

    def _accept(self, node: Node, hello: Hello, replica: str, verdict: Accept, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        engine, index = self._share.engine, self._share.index
        if verdict.closing is not None:
            self._manager.drop(verdict.closing, verdict.reason)
            old = next((one for one in self._links.values() if one.link == verdict.closing), None)
            if old is not None:
                self._remove(old)
                effects += engine.handle(PeerDown(old.replica, verdict.reason), now)
        node.id, node.replica = hello.node, replica
        self._links[replica] = node
        is_news = not self._complaints.is_recent(node.address, time.monotonic())
        level = logging.INFO if is_news else logging.DEBUG
        logger.log(level, "found %s (node %s) at %s", _name(hello), hello.node[:8], node.address)
        if index.noted(f"name {replica}") != hello.name:
            index.note(f"name {replica}", hello.name)  # for display, when the node is no longer connected
        may_write = True
        if self._mesh is not None and node.member is not None:
            may_write = self._mesh.may_write(node.member)
            node.send(Outbound(self._mesh.greeted(node.member, hello.name), 0))
        up = PeerUp(replica, hello, node.address, may_write, connection=Connection(node.link))
        return effects + engine.handle(up, now)

    def _refuse(self, node: Node, hello: Hello, verdict: Refuse) -> None:
        self._manager.drop(node.link, verdict.reason)
        if verdict.is_stranger and self._once.first(("stranger", node.address)):
            logger.warning(
                "refused %s at %s: it uses the identity of this node, which has just changed its own",
                _name(hello), node.address,
            )  # fmt: skip
        if verdict.keeping is not None:
            self._manager.ping(verdict.keeping)
        self._act(verdict.actions)

    def on_end(self, node: Node, reason: str, text: str, now: Now) -> list[Effect]:
        self._roster.closed(node.link, now.mono_ms, reason)
        if not self.is_link(node):
            if node.flood or reason == "protocol-error":
                self._complain(node, text)
            elif (
                reason == "lost" and node.dialled and self._was_named(node) and self._once.first(("mute", node.address))
            ):
                logger.warning(
                    "%s closed the connection without a word: it may belong to a closed mesh, or have another key",
                    node.address,
                )
            elif reason == "protocol-version" and self._once.first((node.address, reason, text)):
                logger.warning("closed the connection with %s: %s", node.address, text)
            return []
        self._remove(node)
        words = {"bye": "it stopped", "lost": text or "the connection broke", "duplicate": "it connected again"}
        words["closed-mesh"] = f"it belongs to a closed mesh now; {shell.how_to_join(self._config.folder)}"
        words["new-key"] = "it goes over to a new key"
        name = show(self.name_of(node.replica))
        if reason == "protocol-error":
            self._complain(node, text)
        level = logging.DEBUG if reason == "protocol-error" else logging.INFO
        logger.log(
            level, "lost %s (node %s) at %s: %s", name, node.id[:8], node.address, words.get(reason, text or reason)
        )
        return self._share.engine.handle(PeerDown(node.replica, reason), now)

    def on_members(self, node: Node, members: Members) -> None:
        """A peer tells who belongs to the mesh. What a read-only member tells counts as little as what it changes: it could
        name an identity of its own as one that may write, which would then be on the list of the next key."""
        if self._mesh is None or node.member is None or not self.is_link(node):
            return
        if self._mesh.may_write(node.member):
            self._mesh.told(members)

    def on_stalled(self, node: Node, now: Now) -> None:
        """The peer acknowledges nothing. End the link if another address of the peer may work better, or if it has
        dialled again."""
        if self.is_link(node) and self._roster.stalled(node.link, now.mono_ms, node.is_doubted):
            why = "it connected again" if node.is_doubted else "trying another one"
            node.give_up(f"no answer at this address; {why}")

    def on_dialled(self, dialled: Dialled, now: Now) -> None:
        address, port, link, text, _ = dialled
        self._roster.dialled(address, port, link, now.mono_ms)
        if link is None and (address, port) in self._config.peers and self._once.first((address, port, text)):
            logger.info("cannot connect to %s:%d yet (%s); trying again", address, port, text)

    def on_beacon(self, beacon: Beacon, address: str, now: Now) -> None:
        self._act(self._roster.heard(beacon, address, now.mono_ms))

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self, now: Now) -> None:
        """Carry out the actions of the roster that are due."""
        self._act(self._roster.tick(now.mono_ms))
        self._complain_of_rest(now.mono_ms)

    def due_s(self) -> float:
        """The time (monotonic, s) at which `tick` has something to do."""
        return self._roster.next_deadline() / 1000

    # --- parts of these ----------------------------------------------------------------------------------------------

    def _was_named(self, node: Node) -> bool:
        """True for an address that the user named and at which no node was heard."""
        return node.is_mute and any(host == node.address for host, _ in self._config.peers)

    def _is_known(self, replica: str, address: str) -> bool:
        """True for a replica that was a peer before, and for an address that the user named."""
        seen = self._share.index.peer(replica)
        return (seen is not None and seen.first is not None) or any(host == address for host, _ in self._config.peers)

    def _is_of_another(self, node: Node, hello: Hello) -> bool:
        """True if the id of that HELLO belongs to another machine, as both have proved who they are. The existing link
        stays; an honest copy of a folder takes an id of its own."""
        if node.member is None:
            return False
        linked = next((one for one in self._links.values() if one.id == hello.node), None)
        return linked is not None and linked.member is not None and linked.member.identity != node.member.identity

    def _remove(self, node: Node) -> None:
        """Forget a link, and the jobs that it asked for."""
        del self._links[node.replica]
        if self._mesh is not None and node.member is not None and node.member.identity not in self.identities():
            self._mesh.parted(node.member.identity)
        self._share.workers.leave(Flow(node.address, node.replica))

    def _complain(self, node: Node, text: str) -> None:
        """The peer violated the protocol: log it, but not each time."""
        more = self._complaints.add(node.address, time.monotonic())
        if more is not None or node.flood:
            and_more = f" (and {more:,} more within the last minutes)" if more else ""
            logger.warning("closed the connection with %s: %s%s", node.address, text, and_more)

    def _complain_of_rest(self, mono_ms: int) -> None:
        """Log the number of errors that got no line of their own."""
        if mono_ms < self._next_complaint_ms:
            return
        self._next_complaint_ms = mono_ms + 1_000
        for address, more in self._complaints.left(time.monotonic()):
            logger.warning(
                "closed %s more connection%s with %s like this", f"{more:,}", "" if more == 1 else "s", address
            )

    def _act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Dial(address, port):
                    self._manager.dial(address, port)
                case Announce(ask):
                    self._announce(ask)
                case NewIdentity():
                    self._node_id.take_new()
                    logger.warning(
                        "another machine has the same identity (a copied machine?): this node takes a new one"
                    )
                    self._manager.drop_all("new-identity")
                    self._roster.rename(self._node_id.value, time.monotonic_ns() // 1_000_000)
                case NewReplica():
                    self._share.index.take_new_id()
                    self._share.note_name(self._config.name)
                    self._share.index.commit()
                    logger.warning(
                        "another machine has the same identity of this folder (a copied folder?): this node takes a new one"
                    )
                    self.say_new_replica()


def _name(hello: Hello) -> str:
    return show(_raw(hello.name))


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
