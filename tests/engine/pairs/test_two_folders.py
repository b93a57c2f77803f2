"""Two folders of two nodes on one connection: one window, one outbox, and every message comes to its folder."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.events import Drained, PeerDown, PeerUp, Received, Touched, Urgency
from dir_sync.core.messages import PROTOCOL, Chunks, FolderIndex, Hello, Message, Pull
from dir_sync.core.transfers.connection import Connection
from dir_sync.core.transfers.transfer import Window, folder_of
from tests.pair import Clock, OneNode

NAMES = ("docs", "music")
LARGE = 6 * limits.MIB  # of both folders together more than the window


class Side:
    """One node with both folders, and its end of the connection. The second node has them in the other order."""

    def __init__(self, name: str, clock: Clock, names: tuple[str, ...]) -> None:
        self.name = name
        self.folders = [OneNode(f"{name} {one}", clock, folder=one, number=at) for at, one in enumerate(names)]
        self.connection = Connection(1)

    def folder(self, name: str) -> OneNode:
        return next(one for one in self.folders if one.folder == name)

    def hello(self) -> Hello:
        has = tuple(
            FolderIndex(one.folder, one.index.identity.replica, one.index.sequences.last) for one in self.folders
        )
        return Hello(PROTOCOL, self.name.encode().hex(), self.name, "1", 6000, has)

    def deliver(self, message: Message, sender: str) -> None:
        """What a daemon with several folders does with a message."""
        if not isinstance(message, Chunks):
            to = self.folder(message.folder)  # type: ignore[union-attr]
            to.inbox.append(Received(sender, message))
            return
        for one in self.folders:
            pieces = tuple(piece for piece in message.pieces if folder_of(piece.key) == one.number)
            if pieces:
                one.inbox.append(Received(sender, Chunks(pieces)))


class TwoFolders:
    def __init__(self) -> None:
        self.clock = Clock()
        self.here, self.there = Side("here", self.clock, NAMES), Side("there", self.clock, NAMES[::-1])
        self.asked: dict[int, str] = {}  # the pulls of `there`: for which folder
        self.most_bytes = 0  # of its window
        self.most_at_once = 0  # pulls of both folders that were unanswered at the same time

    def link(self) -> None:
        for name in NAMES:
            for mine, other in ((self.here, self.there), (self.there, self.here)):
                peer = other.folder(name).index.identity.replica
                mine.folder(name).inbox.append(PeerUp(peer, other.hello(), connection=mine.connection))
        self.run()

    def run(self) -> None:
        quiet = 0
        while quiet < 100:
            quiet = 0 if self.step() else quiet + 1

    def step(self) -> bool:
        """One turn of each folder, and what they send. False: nothing happened."""
        busy = False
        for mine, other in ((self.here, self.there), (self.there, self.here)):
            for one in mine.folders:
                busy |= one.turn()
            for one in mine.folders:
                peer = other.folder(one.folder)
                for send in one.sends:
                    busy = True
                    self.note(mine, one, send.message)
                    other.deliver(send.message, one.index.identity.replica)
                    if isinstance(send.message, Chunks):  # the folder that it came for has a peer of its own
                        assert all(folder_of(piece.key) == peer.number for piece in send.message.pieces)
                    one.inbox.append(Drained(peer.index.identity.replica, send.size))
                one.sends.clear()
        self.clock.ms += 10
        return busy

    def note(self, mine: Side, folder: OneNode, message: Message) -> None:
        if mine is self.there and isinstance(message, Pull):
            for pull in message.pulls:
                assert pull.id not in self.asked, "an id names one pull of the whole connection"
                self.asked[pull.id] = folder.folder
        window = self.there.connection.window
        self.most_bytes = max(self.most_bytes, window.bytes)
        users = {folder_of(id_) for id_ in unanswered(window)}
        self.most_at_once = max(self.most_at_once, len(users))


def unanswered(window: Window) -> list[int]:
    """The ids of the pulls that the peer has not answered completely."""
    return list(window._pulls)


def save(node: OneNode, path: bytes, content: bytes) -> None:
    node.disk.write(path, content)
    node.inbox.append(Touched(path, Urgency.NOW))


@pytest.fixture
def both() -> TwoFolders:
    both = TwoFolders()
    for side in (both.here, both.there):
        for one in side.folders:
            save(one, f"of {side.name}".encode(), one.name.encode())  # neither is empty, so contents are pulled
    for one in both.here.folders:
        save(one, b"large", one.folder.encode() * (LARGE // len(one.folder)))
        for number in range(50):
            save(one, b"small %d" % number, f"{one.folder} {number}".encode() * 2_000)
    both.run()
    return both


def contents(node: OneNode) -> dict[bytes, bytes]:
    return {row.record.path: row.record.content for row in node.index.changes.after(0, 10_000)}


def test_each_folder_becomes_the_same_and_neither_gets_what_is_the_others(both: TwoFolders) -> None:
    both.link()
    for name in NAMES:
        here, there = both.here.folder(name), both.there.folder(name)
        assert contents(here) == contents(there)
        assert len(contents(here)) == 53
        assert [here.engine.is_busy, there.engine.is_busy] == [False, False]


def test_the_window_is_one_for_both(both: TwoFolders) -> None:
    both.link()
    assert set(both.asked.values()) == set(NAMES)
    assert both.most_at_once == 2, "they are asked for at the same time"
    assert limits.PULL_WINDOW_BYTES // 2 < both.most_bytes <= limits.PULL_WINDOW_BYTES
    window = both.there.connection.window
    assert (window.bytes, len(window)) == (0, 0)
    assert (both.here.connection.unread, both.here.connection.pulls) == (0, 0)


def test_the_outbox_is_one_for_both(both: TwoFolders) -> None:
    both.link()
    assert both.here.connection.queued == both.there.connection.queued == 0
    docs, music = both.here.folders
    for one in (docs, music):
        save(one, b"more", one.name.encode())
        one.turn()
    both.clock.ms += 1_000
    for one in (docs, music):
        one.turn()
    sizes = [sum(send.size for send in one.sends) for one in (docs, music)]
    assert min(sizes) > 0
    assert both.here.connection.queued == sum(sizes)


def test_a_folder_that_ends_gives_back_its_share_of_the_connection(both: TwoFolders) -> None:
    """Its pulls are under way, and the connection lives on for the other folder."""
    for name in NAMES:
        for mine, other in ((both.here, both.there), (both.there, both.here)):
            peer = other.folder(name).index.identity.replica
            mine.folder(name).inbox.append(PeerUp(peer, other.hello(), connection=mine.connection))
    here, there = both.here.connection, both.there.connection
    for _ in range(200):
        if here.pulls and set(map(folder_of, unanswered(there.window))) == {0, 1}:
            break
        both.step()
    assert here.pulls, "in the middle of it"
    for mine, other in ((both.here, both.there), (both.there, both.here)):
        mine.folder(NAMES[0]).inbox.append(PeerDown(other.folder(NAMES[0]).index.identity.replica, "bye"))
    both.run()
    assert contents(both.here.folder(NAMES[1])) == contents(both.there.folder(NAMES[1]))
    assert (here.unread, here.pulls, there.window.bytes, len(there.window)) == (0, 0, 0, 0)
    assert there.window.users == 1
