"""A link that was accepted, and the folders that it serves.

In:   the folders of this node, and what both sides have said of theirs (HELLO, FOLDERS). Out: those that both share, those
of them that no side has paused; log lines about what changes there.
Rule: a folder that one side has paused stays on the link, so that it is known to be paused; nothing of it is exchanged.
Used by: links, matching.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from dir_sync.core.messages import FolderIndex, Hello
from dir_sync.core.model import show_text
from dir_sync.core.overload.byte_rate import ByteRate
from dir_sync.core.transfers.connection import Connection
from dir_sync.daemon.folder import Folder, Folders
from dir_sync.node import Node
from dir_sync.reporting import shell
from dir_sync.reporting.log import logger

__all__ = ["NEW_FOLDERS", "Linked", "in_common", "says_the_same"]

NEW_FOLDERS = "new-folders"  # of a CLOSE: what one side shares has changed, and the next HELLO decides


class Linked:
    """Engine thread only."""

    __slots__ = ("_common", "_had", "connection", "hello", "node", "unanswered")

    def __init__(self, node: Node, hello: Hello, rates: Sequence[ByteRate]) -> None:
        self.node = node
        self.hello = hello  # with the folders that the peer shares now
        self.connection = Connection(node.link, rates, node.sends_per_s)
        self.unanswered = 0  # our lists of folders that the peer has not answered yet
        self._common: frozenset[str] | None = None  # the names of those that both share, paused or not
        self._had: frozenset[str] = frozenset()  # of those that both have shared on this link at some time

    def used(self, common: Sequence[tuple[Folder, str]], said: Hello | None = None) -> list[tuple[Folder, str]]:
        """Those of `common` that no side has paused. `said`: our HELLO, which the peer has heard, if nothing else."""
        paused = {one.name for one in (*self.hello.folders, *(said.folders if said is not None else ())) if one.paused}
        return [(folder, replica) for folder, replica in common if not folder.is_paused and folder.name not in paused]

    def note_common(self, common: Sequence[tuple[Folder, str]], folders: Folders, closed: Collection[str] = ()) -> None:
        """Tell people which folders the peer shares with us by now, and did not at the last call. `closed`: see `match`."""
        names = frozenset(folder.name for folder, _ in common)
        before, self._common = self._common, names
        had, self._had = self._had, self._had | names
        if before is None:
            return
        peer = show_text(self.hello.name)
        for name in sorted(names - before):
            logger.info("%s shares %s%s", peer, name, " again" if name in had else ", too")
        for name in sorted(before - names):
            folder = folders.named(name)
            if folder is None:
                continue
            if name in closed:
                joining = shell.how_to_join(os.fsdecode(folder.share.path))
                logger.info("%s shares %s no longer: it belongs to a closed mesh there now; %s", peer, name, joining)
                continue
            # Which of the two it is, nobody says: with another option, a folder goes and comes back a moment later.
            logger.info("%s has stopped sharing %s, or begins anew with it", peer, name)

    def note_pauses(self, folders: Folders) -> None:
        """Note which folders the peer has paused, and tell people what is new of that. One that it does not share any more goes
        on nowhere."""
        paused = {one.name for one in self.hello.folders if one.paused}
        going = {one.name for one in self.hello.folders if not one.paused}
        name = show_text(self.hello.name)
        for folder in folders:
            if folder.name in paused:
                if folder.peers.has_paused(self.node, name):
                    logger.info("%s has paused %s: nothing is exchanged with it", name, folder.name)
            elif folder.peers.goes_on(self.node) and folder.name in going:
                logger.info("%s goes on with %s", name, folder.name)


def in_common(folders: Folders, hello: Hello) -> list[tuple[Folder, str]]:
    """The folders that both sides share, each with the replica of the other side."""
    found = [(folders.named(one.name), one.replica) for one in hello.folders]
    return [(folder, replica) for folder, replica in found if folder is not None]


def says_the_same(one: Sequence[FolderIndex], other: Sequence[FolderIndex]) -> bool:
    """True if both lists have the same folders, and the same of them are paused."""
    return {(index.name, index.paused) for index in one} == {(index.name, index.paused) for index in other}
