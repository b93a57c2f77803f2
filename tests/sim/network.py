"""The network of a world: links between nodes, with real sessions and real bytes, which are late, cut and lost.

In:   messages of a node. Out: the same as messages to another one, piece by piece; PeerUp and PeerDown.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from dir_sync.core.events import Drained, Event, PeerDown, PeerUp, Received
from dir_sync.core.messages import PROTOCOL, Close, FolderIndex, Hello, Message, encode
from dir_sync.core.model import PeerError
from dir_sync.core.wire import Buffer
from tests.receiving import feed
from tests.sim.broken import Broken
from tests.sim.node import FOLDER, Link, Node
from tests.sim.sealed import End
from tests.sim.words import describe_message

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["Network"]


class Network:
    """All links."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.links: dict[tuple[int, int], Link] = {}
        self.cut_for_long: set[tuple[int, int]] = set()
        self._link_count = 0

    def connect(self, pair: tuple[int, int]) -> None:
        ends = self.world.nodes[pair[0]], self.world.nodes[pair[1]]
        if pair in self.links or pair in self.cut_for_long or not (ends[0].alive and ends[1].alive):
            return
        self._link_count += 1
        seals = {}
        if self.world.options.sealed:
            rng = Random(f"sealed {self.world.options.seed} {self._link_count}")
            seals = {node.name: End(node.number, node is ends[0], rng) for node in ends}
        link = Link(self._link_count, ends, seals)
        self.links[pair] = link
        self.world.note(f"{ends[0].name}-{ends[1].name} connect")
        for name, end in seals.items():
            self._pass_on(link, next(node for node in ends if node.name == name), end.begin())
        for node in ends:
            folder = FolderIndex(FOLDER, node.index.identity.replica, node.committed)
            hello = Hello(PROTOCOL, node.node_id, node.name, f"{node.instance:x}", 6000, (folder,))
            self._transmit(link, node, b"".join(bytes(part) for part in link.sessions[node.name].send(hello)))

    def cut(self, link: Link) -> None:
        """What is in flight is lost; both ends hear of it, not at the same time."""
        if link.dead:
            return
        link.dead = True
        self.world.stats["cuts"] += 1
        self.world.note(f"{link.ends[0].name}-{link.ends[1].name} is cut")
        last = 0
        for node in link.ends:
            delay = self.world.rng.choice([10, 2_000, 30_000])
            last = max(last, delay)
            self.world.at(delay, self._down, link, node, node.epoch)
        self.world.at(last + 1, self._gone, link)

    def _down(self, link: Link, node: Node, epoch: int) -> None:
        peer = link.peer_of.get(node.name)
        if peer is not None and node.links.get(peer) is link:
            del node.links[peer]
            self.world.loop.post(node, epoch, PeerDown(peer, "lost"), link)

    def _gone(self, link: Link) -> None:
        pair = link.ends[0].number, link.ends[1].number
        if self.links.get(pair) is link:
            del self.links[pair]
        self.world.at(self.world.rng.choice([1_000, 50_000, 800_000]), self.connect, pair)

    def send(self, node: Node, peers: tuple[str, ...], message: Message, size: int) -> None:
        encoded = encode(message)
        for peer in peers:
            link = node.links.get(peer)
            if link is None or link.dead or node.greeted.get(peer) is not link:
                continue
            if delay_us := self.world.rating.delay_us(node, link, message, size):
                self.world.at(delay_us, self._send_later, node, node.epoch, peer, link, message, size)
            else:
                self._send(node, peer, link, message, encoded, size)

    def _send_later(self, node: Node, epoch: int, peer: str, link: Link, message: Message, size: int) -> None:
        if node.alive and node.epoch == epoch and not link.dead and node.greeted.get(peer) is link:
            self._send(node, peer, link, message, encode(message), size)

    def _send(self, node: Node, peer: str, link: Link, message: Message, encoded: list[Buffer], size: int) -> None:
        self.world.note(f"{node.name} -> {link.other(node).name} {describe_message(message)}")
        self.world.sent_messages += 1
        self.world.promises.check_words(node, link, message)
        self.world.rating.passes(node, link, message, size)
        self.world.limiting.asks(node, message)
        parts = link.sessions[node.name].send(message, encoded)
        self._transmit(link, node, b"".join(bytes(part) for part in parts))
        self.world.at(self.world.rng.randint(10, 2_000), self._drained, node, node.epoch, link, Drained(peer, size))

    def _drained(self, node: Node, epoch: int, link: Link, event: Event) -> None:
        if not link.dead:
            self.world.loop.post(node, epoch, event, link)

    def _transmit(self, link: Link, sender: Node, data: bytes) -> None:
        end = link.seals.get(sender.name)
        self._pass_on(link, sender, data if end is None else end.say(data))

    def _pass_on(self, link: Link, sender: Node, data: bytes) -> None:
        """The bytes on their way, in one or two pieces."""
        receiver = link.other(sender)
        cut = self.world.rng.randint(0, len(data)) if len(data) and self.world.rng.random() < 0.2 else len(data)
        for piece in (data[:cut], data[cut:]):
            if piece:
                arrives = max(
                    link.arrives[receiver.name],
                    self.world.us + self.world.rng.randint(50, self.world.options.latency_us),
                )
                link.arrives[receiver.name] = arrives
                self.world.at(arrives - self.world.us, self._arrive, link, receiver, receiver.epoch, piece)

    def _arrive(self, link: Link, node: Node, epoch: int, data: bytes) -> None:
        if link.dead or not node.alive or node.epoch != epoch:
            return
        try:
            end = link.seals.get(node.name)
            if end is not None:
                data, answer = end.hear(data)
                self._pass_on(link, node, answer)
            messages = feed(link.sessions[node.name], data)
        except PeerError as error:
            raise Broken(f"{node.name} does not understand {link.other(node).name}: {error}") from error
        for message in messages:
            if isinstance(message, Hello):
                (folder,) = message.folders
                assert message.node == link.other(node).node_id
                assert folder.replica not in node.links
                link.peer_of[node.name] = folder.replica
                node.links[folder.replica] = link
                connection = self.world.rating.connection(node, link)
                self.world.loop.post(node, epoch, PeerUp(folder.replica, message, connection=connection), link)
            elif isinstance(message, Close):
                self.cut(link)
                return
            else:
                self.world.loop.post(node, epoch, Received(link.peer_of[node.name], message), link)
