"""The nodes with a link: which are accepted, which are removed, and the actions of the roster.

In:   HELLOs, ends of links, dials and beacons, from the inbox. Out: links for `matching`, and peers that left; orders to the
NodeManager; beacons.
Rule: the roster decides which link stays; this module carries that out and logs it. One link per node, for all folders.
Used by: daemon, loop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from dir_sync.config import Config
from dir_sync.core.events import Drained
from dir_sync.core.messages import Folders as FolderList
from dir_sync.core.messages import Hello, Members
from dir_sync.core.model import show_text
from dir_sync.core.overload.byte_rate import LinkRates
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
from dir_sync.core.peers.sought import Sought
from dir_sync.daemon.breaches import Breaches
from dir_sync.daemon.folder import Folder, Folders
from dir_sync.daemon.linked import NEW_FOLDERS, Linked, in_common, says_the_same
from dir_sync.daemon.matching import Manager, Matching, Mesh
from dir_sync.daemon.timetable import Timetable
from dir_sync.engine import Now
from dir_sync.network.node_id import NodeId
from dir_sync.network.outbox import Outbound
from dir_sync.node import Node
from dir_sync.node_manager import MUTE, Dialled, HelloReceived
from dir_sync.reporting import shell
from dir_sync.reporting.log import Once, listed, logger

__all__ = ["Neighbours"]

_WHY_LOST = {
    "duplicate": "it connected again",
    "new-key": "it goes over to a new key",
    NOTHING_IN_COMMON: "both share no folder at the moment; it connects again when they do",
    NEW_FOLDERS: "what is shared has changed; it connects again",
    "new-identity": "one of the two takes a new identity, and connects again",
    "new-replica": "one of the two takes a new identity of a folder, and connects again",
    "duplicate-replica": "another machine has the same identity of a folder (a copied folder?)",
}
"""By the reason of CLOSE: for people. Of other reasons the text says it."""


class Neighbours:
    """Engine thread only. What each link serves is asked of its `matching`.

    It has more fields than a class should have: whom it asks and tells, and when it has to be called again."""

    def __init__(
        self,
        config: Config,
        folders: Folders,
        node_id: NodeId,
        manager: Manager,
        roster: Roster,
        announce: Callable[[bool], None],
        mesh: Mesh | None = None,
        timetable: Timetable | None = None,
    ) -> None:
        """`config`: of the first folder. `announce` sends a beacon, which asks others for theirs if its argument is true.
        `mesh`: the closed mesh to which the folders belong. `timetable`: has the limits of speed; None: there are none."""
        self._mesh = mesh
        self._config = config
        self._folders = folders
        self._node_id = node_id
        self._manager = manager
        self._roster = roster
        self._announce = announce
        self._once = Once()
        self.sought = Sought(config.peers)
        self._breaches = Breaches()
        self._links: dict[int, Linked] = {}
        self.due_ms = 0  # when (monotonic ms) `tick` has something to do; 0: something has happened
        self.matching = Matching(folders, manager, roster, self._links, mesh)
        self._rates = LinkRates(0, 0) if timetable is None else timetable.asking  # for what is asked for
        if timetable is not None:
            timetable.when_changed(self._speed_changed)

    # --- who is there ------------------------------------------------------------------------------------------------

    def is_link(self, node: Node) -> bool:
        """True if that is a peer's current link: it sent HELLO, and was not replaced."""
        return node.link in self._links

    def on_sent(self, node: Node, size: int, now: Now) -> None:
        """So many bytes have left for that peer. The account is one for all folders: each may send more now."""
        first = True
        for folder in self._folders:
            replica = folder.peers.replica_on(node)
            if replica is not None and first:
                folder.handle(Drained(replica, size), now)
                first = False
            elif replica is not None:
                folder.concern()

    def concern(self, node: Node) -> None:
        """All folders on that link take part in this turn: what they share there has changed."""
        for folder in self._folders:
            if folder.peers.replica_on(node) is not None:
                folder.concern()

    # --- news of links -----------------------------------------------------------------------------------------------

    def on_hello(self, greeted: HelloReceived, now: Now) -> None:
        node, hello = greeted
        said = {index.name for index in node.said.folders}
        now_common = in_common(self._folders, hello)
        common = [one for one in now_common if one[0].name in said]
        is_ours = hello.node == self._node_id.value  # the roster handles a node with our id, whatever it shares
        if now_common and not common and not is_ours:
            # It has heard of what we shared before: the next HELLO says it all.
            self._manager.drop(node.link, NEW_FOLDERS)
            return
        if not common and not is_ours:
            if self._once.first(("nothing in common", hello.node)):
                logger.info("%s at %s shares no folder with this node: left alone", _name(hello), node.address)
            self.sought.refused(node.link, f"{_name(hello)} shares no folder with this node")
            self._manager.drop(node.link, NOTHING_IN_COMMON)
            return
        if self._is_of_another(node, hello):
            self._manager.drop(node.link, "new-identity", "another machine of this mesh uses that id")
            return
        is_known = self.sought.is_named(node.address) or any(
            folder.peers.was_here(replica) for folder, replica in common
        )
        verdict = self._roster.hello(
            node.link, hello.node, hello.instance, node.dialled, node.address, hello.port, now.mono_ms, is_known,
            tuple(replica for _, replica in common),
        )  # fmt: skip
        match verdict:
            case Accept():
                self._met(node, hello, common)
                self._accept(node, hello, common, verdict, now)
            case Refuse():
                if verdict.reason == "self":
                    self.sought.met_ourselves(node.link)
                elif verdict.reason == "duplicate" and node.dialled:
                    self._met(node, hello, common)
                self._refuse(node, hello, verdict)

    def _met(self, node: Node, hello: Hello, common: list[tuple[Folder, str]]) -> None:
        replicas = [replica for _, replica in common]
        self.sought.met(node.link, node.address, hello.port, hello.name, replicas)

    def _accept(self, node: Node, hello: Hello, common: list[tuple[Folder, str]], verdict: Accept, now: Now) -> None:
        is_found = False  # already: both have dialled at once
        if verdict.closing is not None:
            self._manager.drop(verdict.closing, verdict.reason)
            old = self._links.pop(verdict.closing, None)
            if old is not None:
                is_found = old.node.id == hello.node
                self._left(old.node, verdict.reason, now)
        node.id = hello.node
        linked = self._links[node.link] = Linked(node, hello, self._rates.of_link(now.mono_ms))
        is_news = not (is_found or self._breaches.is_recent(node.address))
        level = logging.INFO if is_news else logging.DEBUG
        which = ""
        if len(self._folders) > 1:
            which = f"; both share {listed([folder.name for folder, _ in common])}"
        logger.log(level, "found %s (node %s) at %s%s", _name(hello), hello.node[:8], node.address, which)
        if self._mesh is not None and node.member is not None:
            node.send(Outbound(self._mesh.greeted(node.member, hello.name), 0))
        self.matching.came(linked, common, now)

    def _left(self, node: Node, reason: str, now: Now) -> None:
        """That link is none any more."""
        if self._mesh is not None and node.member is not None:
            others = [one.node.member for one in self._links.values()]
            if all(one is None or one.identity != node.member.identity for one in others):
                self._mesh.parted(node.member.identity)
        for folder in self._folders:
            folder.peers.goes_on(node)
            if folder.peers.replica_on(node) is not None:
                folder.left(node, reason, now)

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

    def on_end(self, node: Node, reason: str, text: str, now: Now) -> None:
        has_changed = reason == NOTHING_IN_COMMON and not says_the_same(node.said.folders, self._folders.indexes)
        self._roster.closed(node.link, now.mono_ms, NEW_FOLDERS if has_changed else reason)
        if not self.is_link(node):
            is_mute = reason == "lost" and node.dialled and node.is_mute and self.sought.is_named(node.address)
            self.sought.refused(node.link, f"it {MUTE}" if is_mute else text or reason)
            if node.state.flood or reason == "protocol-error":
                self._breaches.add(node, text)
            elif is_mute and self._once.first(("mute", node.address)):
                logger.warning("%s %s", node.address, MUTE)
            elif reason == "protocol-version" and self._once.first((node.address, reason, text)):
                logger.warning("closed the connection with %s: %s", node.address, text)
            return
        linked = self._links.pop(node.link)
        words = _WHY_LOST | {"bye": text or "it stopped", "lost": text or "the connection broke"}
        words["closed-mesh"] = f"it belongs to a closed mesh now; {shell.how_to_join(self._config.folder)}"
        name = _name(linked.hello)
        if reason == "protocol-error":
            self._breaches.add(node, text)
        level = logging.DEBUG if reason == "protocol-error" else logging.INFO
        logger.log(
            level, "lost %s (node %s) at %s: %s", name, node.id[:8], node.address, words.get(reason, text or reason)
        )
        self._left(node, reason, now)

    def on_members(self, node: Node, members: Members) -> None:
        """A peer tells who belongs to the mesh. What a read-only member tells counts as little as what it changes: it could
        name an identity of its own as one that may write, which would then be on the list of the next key."""
        if self._mesh is None or node.member is None or not self.is_link(node):
            return
        if self._mesh.may_write(node.member):
            self._mesh.told(members)

    def on_folders(self, node: Node, message: FolderList) -> None:
        """The peer shares these folders from now on."""
        linked = self._links.get(node.link)
        if linked is None:
            return
        linked.hello = linked.hello.with_folders(message.folders)
        if message.answer:
            linked.unanswered = max(0, linked.unanswered - 1)
        else:
            node.send(Outbound(FolderList(self._folders.indexes, True), 0))
        self.matching.match(linked, _now(), message.closed)

    def on_stalled(self, node: Node, now: Now) -> None:
        """The peer acknowledges nothing. End the link if another address of the peer may work better, or if it has
        dialled again."""
        if self.is_link(node) and self._roster.stalled(node.link, now.mono_ms, node.state.is_doubted):
            why = "it connected again" if node.state.is_doubted else "trying another one"
            node.give_up(f"no answer at this address; {why}")

    def on_dialled(self, dialled: Dialled, now: Now) -> None:
        address, port, link, text, _, tried = dialled
        self._roster.dialled(address, port, link, now.mono_ms)
        self.sought.dialled((address, port), link, text, tried)
        if link is None and (address, port) in self._config.peers and self._once.first(("dial", address, port, text)):
            logger.info("cannot connect to %s:%d yet (%s); trying again", address, port, text)

    def on_beacon(self, beacon: Beacon, address: str, now: Now) -> None:
        self._act(self._roster.heard(beacon, address, now.mono_ms))

    def _speed_changed(self) -> None:
        for linked in self._links.values():
            linked.connection.sends(linked.node.sends_per_s)

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self, now: Now) -> None:
        """Carry out the actions of the roster that are due."""
        self._act(self._roster.tick(now.mono_ms))
        self._breaches.tick(now.mono_ms)
        self.due_ms = self._roster.next_deadline()

    def happened(self) -> None:
        """Something has happened that the roster hears of: `tick` may have something to do at once."""
        self.due_ms = 0

    # --- parts of these ----------------------------------------------------------------------------------------------

    def _is_of_another(self, node: Node, hello: Hello) -> bool:
        """True if the id of that HELLO belongs to another machine, as both have proved who they are. The existing link
        stays; an honest copy of a folder takes an id of its own."""
        if node.member is None:
            return False
        linked = next((one.node for one in self._links.values() if one.node.id == hello.node), None)
        return linked is not None and linked.member is not None and linked.member.identity != node.member.identity

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
                case NewReplica(replicas):
                    self.matching.take_new_replicas(replicas)


def _now() -> Now:
    return Now(time.time_ns(), time.monotonic_ns() // 1_000_000)


def _name(hello: Hello) -> str:
    return show_text(hello.name)
