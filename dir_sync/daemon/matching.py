"""Which folders are exchanged on which link: those that both sides share and no side has paused.

In:   links that were accepted, lists of folders (FOLDERS), changes of the folders of this node. Out: peers that came and left,
for each folder; our lists; orders to the NodeManager.
Rule: a folder that we have just begun to share waits until the peer has answered our list.
Used by: links.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from dir_sync.core.messages import Folders as FolderList
from dir_sync.core.messages import Members
from dir_sync.core.peers.beacon import folder_tags
from dir_sync.core.peers.roster import NOTHING_IN_COMMON, Roster
from dir_sync.daemon.folder import Folder, Folders
from dir_sync.daemon.linked import NEW_FOLDERS, Linked, in_common, says_the_same
from dir_sync.engine import Now
from dir_sync.network.outbox import Outbound
from dir_sync.node import Node
from dir_sync.reporting.log import logger

if TYPE_CHECKING:  # it imports cryptography, and open nodes do without
    from dir_sync.core.link_handshake import Member

__all__ = ["Manager", "Matching", "Mesh"]


class Manager(Protocol):
    """The orders that the NodeManager takes."""

    folders: int  # that this node shares: each has an allowance of its own

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


class Matching:
    """Engine thread only."""

    def __init__(
        self, folders: Folders, manager: Manager, roster: Roster, links: Mapping[int, Linked], mesh: Mesh | None = None
    ) -> None:
        """`links`: those that were accepted, as they are at any time. `mesh`: the closed mesh to which the folders belong."""
        self._folders = folders
        self._manager = manager
        self._roster = roster
        self._links = links
        self._mesh = mesh

    def begin(self, mono_ms: int) -> None:
        """The folders with which this node starts are known now."""
        self._count(mono_ms)

    def came(self, linked: Linked, common: list[tuple[Folder, str]], now: Now) -> None:
        """A link was accepted; both sides share the folders in `common`, each with the replica of the other side."""
        node = linked.node
        linked.note_common(common, self._folders)
        linked.note_pauses(self._folders)
        may_write = self._may_write(node)
        for folder, replica in linked.used(common, node.said):
            folder.came(node, linked.hello, replica, may_write, linked.connection, now)
        if not says_the_same(node.said.folders, self._folders.indexes):
            self._tell(linked)  # they have changed since our HELLO

    def renewed(self) -> None:
        """A folder has a new replica id: all links have to send a new HELLO."""
        self._manager.drop_all("new-replica")  # also links that sent HELLO with the old id and were not accepted yet
        self._count(time.monotonic_ns() // 1_000_000)

    def take_new_replicas(self, replicas: Collection[str]) -> None:
        """Another machine has copies of the folders with these replicas: from now on those of this node are others."""
        for folder in self._folders:
            if folder.index.replica in replicas:
                folder.share.index.identity.take_new_id()
                folder.peers.note_name()
                folder.share.index.commit()
                logger.warning(
                    "another machine has the same identity of this folder (a copied folder?): this node takes a new one"
                )
        self.renewed()

    def folders_changed(self, now: Now, closed: tuple[str, ...] = ()) -> None:
        """This node shares other folders than before: say so on each link. `closed`: those that it shares no longer, because they
        belong to a closed mesh now."""
        self._count(now.mono_ms)
        self._roster.shares(folder_tags([index.name for index in self._folders.indexes]), now.mono_ms)
        self._say_folders(now, closed)

    def pauses_changed(self, now: Now) -> None:
        """A folder is paused from now on, or goes on: say so on each link."""
        self._say_folders(now)

    def _say_folders(self, now: Now, closed: tuple[str, ...] = ()) -> None:
        for linked in list(self._links.values()):
            self._tell(linked, closed)
            self.match(linked, now)

    def forget(self, folder: Folder, now: Now) -> None:
        """This node does not share that folder any more."""
        for linked in self._links.values():
            if folder.peers.replica_on(linked.node) is not None:
                folder.left(linked.node, "bye", now)

    def _count(self, mono_ms: int) -> None:
        """How many folders there are, and which replicas they have."""
        indexes = self._folders.indexes
        self._manager.folders = max(1, len(indexes))
        self._roster.has_replicas([index.replica for index in indexes], mono_ms)

    def _tell(self, linked: Linked, closed: tuple[str, ...] = ()) -> None:
        linked.unanswered += 1
        linked.node.send(Outbound(FolderList(self._folders.indexes, False, closed), 0))

    def match(self, linked: Linked, now: Now, closed: Collection[str] = ()) -> None:
        """Bring the peers of each folder to what both sides share on that link now, and do not pause. A folder that we have
        just begun to share waits until the peer has answered: what it said of it before is about an earlier time. `closed`: the
        names of those that have just gone over to a closed mesh there."""
        node, hello = linked.node, linked.hello
        common = in_common(self._folders, hello)
        used = linked.used(common)
        theirs = {folder.name: replica for folder, replica in used}
        for folder in self._folders:
            before = folder.peers.replica_on(node)
            if before is not None and before != theirs.get(folder.name):
                folder.left(node, "closed-mesh" if folder.name in closed else "bye", now)
        linked.note_common(common, self._folders, closed)
        linked.note_pauses(self._folders)
        if not common:
            self._manager.drop(node.link, NOTHING_IN_COMMON)
            return
        if not self._roster.share_on(node.link, tuple(replica for _, replica in common)):
            # A copy of a folder is among them: HELLO finds out whose it is.
            self._manager.drop(node.link, NEW_FOLDERS)
            return
        may_write = self._may_write(node)
        for folder, replica in used if not linked.unanswered else ():
            if folder.peers.replica_on(node) is None:
                folder.came(node, hello, replica, may_write, linked.connection, now)

    def _may_write(self, node: Node) -> bool:
        return self._mesh is None or node.member is None or self._mesh.may_write(node.member)
