"""NodeManager: owns all Nodes: accepts, dials, sends, disconnects.

In:   orders from the engine's thread. Out: events to one callback (`post`): finished dials, HELLOs, received messages,
ended links.
Rule: the roster decides which link stays; nothing here does. Strangers get few places, few bytes and little time.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from dir_sync.core.messages import Hello, Message
from dir_sync.core.model import PeerError
from dir_sync.core.named import NamedTuple
from dir_sync.core.overload.guard import Guard, Verdict, place_among
from dir_sync.network import tcp
from dir_sync.network.address_policy import AddressPolicy
from dir_sync.network.channel import Channel
from dir_sync.network.link_table import LinkTable
from dir_sync.network.pacing import Pacing
from dir_sync.network.throttle import Throttle
from dir_sync.node import Node

if TYPE_CHECKING:  # it imports cryptography, and open nodes do without
    from dir_sync.core.link_handshake import Member

__all__ = [
    "MUTE",
    "NO_ANSWER",
    "BytesSent",
    "Dialled",
    "HelloReceived",
    "Link",
    "LinkClosed",
    "MessageReceived",
    "NodeManager",
    "Sealing",
    "Stalled",
]

NO_ANSWER = "no answer in time"  # of a machine that was dialled; also if its name could not be looked up yet
MUTE = "closed the connection without a word: it may belong to a closed mesh, or have another key"  # of one without a HELLO
_DIAL_S = 5.0
_BACKLOG = 128
_VAIN_S = 0.000_1  # extra time charged for an announcement that changes nothing ...
_DEAR_S = 0.001  # ... and after too many of them


class Dialled(NamedTuple):
    """A dial has ended, with a link or without."""

    address: str
    port: int
    link: int | None
    text: str
    node: Node | None = None  # the new link
    tried: tuple[str, ...] = ()  # the addresses to which a name has led


class HelloReceived(NamedTuple):
    """A link has sent HELLO."""

    node: Node
    hello: Hello


class MessageReceived(NamedTuple):
    node: Node
    message: Message
    cost: int


class BytesSent(NamedTuple):
    node: Node
    size: int


class Stalled(NamedTuple):
    """The peer has acknowledged nothing for a moment, though there are unacknowledged bytes."""

    node: Node


class LinkClosed(NamedTuple):
    node: Node
    reason: str
    text: str


Link = Dialled | HelloReceived | MessageReceived | BytesSent | Stalled | LinkClosed


class Entrance(Protocol):
    """Accepts callers, on a thread of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Sealing(Protocol):
    """How links of a closed mesh come about."""

    def call(self, sock: socket.socket, address: str, port: int) -> tuple[Channel, Member]:
        """Prove ourselves on a socket that we have connected. PeerError or OSError if the other side is no member."""

    def gate(self, listener: socket.socket, host: NodeManager) -> Entrance:
        """What listens there, and tells `host` who has come in."""


class NodeManager:
    """Owns the listening socket and every Node.

    It has more fields than a machine may have: beside the links and the guard it keeps what its owner gave it to
    call."""

    def __init__(
        self,
        port: int | None,
        address: str,
        our_hello: Callable[[], Hello],
        post: Callable[[Link], None],
        report: Callable[[str], None],
        is_near: Callable[[str], bool],
        trusted: frozenset[str] = frozenset(),
        throttle: Throttle | None = None,
        sealing: Sealing | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        """Listen on `address` ("": all) and `port`; None: nobody can connect to this node. `our_hello` is called on several
        threads. `is_near`: the address is on a network of this machine. `trusted`: addresses that the user named, which may
        be anywhere. `sealing`: of a closed mesh; without it links are open. `pacing`: limits of what is sent.
        Raises OSError if the port is not available."""
        self._our_hello = our_hello
        self._post = post
        self._report = report
        self._policy = AddressPolicy(is_near, trusted, report)
        self._throttle = throttle or Throttle()
        self._lock = threading.Lock()
        # Under _lock.
        self._guard = Guard()
        self._links = LinkTable(self._guard.calls_left)
        self._stopping = False
        self.folders = 1  # that this node shares
        self._listener = None if port is None else socket.create_server((address, port), backlog=_BACKLOG)
        self.port: int = 0 if self._listener is None else self._listener.getsockname()[1]
        self._sealing = sealing
        self._pacing = pacing
        self._gate = None if sealing is None or self._listener is None else sealing.gate(self._listener, self)
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), name="accept", daemon=True)

    def start(self) -> None:
        if self._gate is not None:
            self._gate.start()
        elif self._listener is not None:
            self._acceptor.start()

    # --- orders ------------------------------------------------------------------------------------------------------

    def dial(self, address: str, port: int) -> None:
        """Connect; a Dialled event reports the result."""
        threading.Thread(target=self._dial, args=(address, port), name="dial", daemon=True).start()

    def drop(self, link: int, reason: str, text: str = "") -> None:
        """Send CLOSE and end that link."""
        node = self._links.nodes.get(link)
        if node is not None:
            node.close(reason, text)

    def drop_all(self, reason: str, text: str = "") -> None:
        """Send CLOSE on every link, with or without HELLO."""
        with self._lock:
            nodes = list(self._links.nodes.values())
        for node in nodes:
            node.close(reason, text)

    def ping(self, link: int) -> None:
        node = self._links.nodes.get(link)
        if node is not None:
            node.ping()

    def stop(self, reason: str = "bye", text: str = "") -> None:
        """Say good-bye to everybody, for that reason, and wait, not long, for all threads."""
        with self._lock:
            self._stopping = True
            nodes = list(self._links.nodes.values())
        if self._gate is not None:
            self._gate.stop()
        if self._listener is not None:
            try:
                self._listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # not every system can shut down a listener; closing it has the same effect
            self._listener.close()
        for node in nodes:
            node.close(reason, text)
        for node in nodes:
            if not node.join(0.3):
                node.abort()
        for node in nodes:
            node.join(0.5)
        if self._acceptor.ident is not None:
            self._acceptor.join(1.0)

    # --- accepting and dialling --------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, (address, _) = listener.accept()
            except OSError:
                if self._stopping:
                    return
                # Out of descriptors, or the peer was gone before it was accepted: try again.
                if self._wait_a_moment():
                    return
                continue
            if not self.admits(address) or not self._take_in(sock, address, False):
                sock.close()

    def _wait_a_moment(self) -> bool:
        threading.Event().wait(0.2)
        return self._stopping

    def admits(self, address: str) -> bool:
        """False if calls from this address are refused without an answer."""
        with self._lock:
            is_admitted = self._guard.admits(address, _mono_ms())
        return is_admitted and self._policy.allows(address)

    def _take_in(
        self,
        sock: socket.socket,
        address: str,
        dialled: bool,
        channel: Channel | None = None,
        member: Member | None = None,
    ) -> Node | None:
        with self._lock:
            if self._stopping or self._links.is_full:
                return None
            giving_way: Node | None = None
            if not dialled:
                has_place, giving_way = self._links.make_place(address)
                if not has_place:
                    return None
            number = self._links.new_number()
            try:
                pace = None if self._pacing is None else self._pacing.of_link()
                node = Node(number, sock, address, dialled, self._our_hello(), self, channel, member, pace)
            except OSError:
                return None
            self._links.add(node)
        if giving_way is not None:
            giving_way.abort()
        if not dialled:
            node.start()
        return node

    def _dial(self, address: str, port: int) -> None:
        text = ""
        node: Node | None = None
        tried: list[str] = []
        with self._lock:
            if self._guard.is_kept_away(address, _mono_ms()):
                text = "it has flooded this node"
        if text:
            self._post(Dialled(address, port, None, text))
            return
        try:
            sock = tcp.connected(address, port, _DIAL_S, tried)
        except (OSError, UnicodeError) as error:
            text = getattr(error, "strerror", None) or str(error)
        else:
            try:
                channel, member = (None, None) if self._sealing is None else self._sealing.call(sock, address, port)
                node = self._take_in(sock, sock.getpeername()[0], True, channel, member)
            except (OSError, PeerError) as error:
                text = getattr(error, "strerror", None) or str(error)
            if node is None:
                sock.close()
        # Posted before any other event of that link: its threads start afterwards.
        self._post(Dialled(address, port, None if node is None else node.link, text, node, tuple(tried)))
        if node is not None:
            node.start()

    # --- what the gate of a closed mesh asks and tells (on its thread) ------------------------------------------------

    def gives_way(self, strangers: dict[int, str], address: str) -> tuple[bool, int | None]:
        with self._lock:
            return place_among(strangers, address, self._guard.calls_left)

    def came_in(self, sock: socket.socket, address: str, channel: Channel, member: Member) -> bool:
        return self._take_in(sock, address, False, channel, member) is not None

    def was_refused(self, address: str, text: str) -> None:
        self._report(f"refused {address}: {text}")

    # --- what nodes tell (on their threads) --------------------------------------------------------------------------

    def said_hello(self, node: Node, hello: Hello) -> None:
        with self._lock:
            self._links.has_introduced_itself(node.link)
        self._post(HelloReceived(node, hello))

    def received(self, node: Node, message: Message, cost: int) -> None:
        self._post(MessageReceived(node, message, cost))

    def left(self, node: Node, size: int) -> None:
        self._post(BytesSent(node, size))

    def stalled(self, node: Node) -> None:
        self._post(Stalled(node))

    def asked(self, node: Node, kind: object, amount: float) -> Verdict:
        if isinstance(kind, type):  # a message about one folder: each folder has the same allowance
            amount /= self.folders
        with self._lock:
            return self._guard.asked(node.address, kind, amount, _mono_ms())

    def rest(self, node: Node, seconds: float) -> float:
        self._throttle.spent(node.address, seconds)
        return self._throttle.until(node.address) - time.monotonic()

    def may_search(self, address: str) -> bool:
        """False if searches for that address have used too much time in vain."""
        with self._lock:
            return self._guard.may_ask(address, "search", _mono_ms())

    def searched_in_vain(self, address: str, seconds: float) -> None:
        """A search with a signature of that address used so many seconds of CPU time, and found nothing."""
        with self._lock:
            self._guard.asked(address, "search", seconds, _mono_ms())

    def announced_in_vain(self, node: Node, announcements: int) -> None:
        """So many announcements of the peer changed nothing. They are charged to its address, which is disconnected in
        the end."""
        with self._lock:
            verdict = self._guard.asked(node.address, "vain", announcements, _mono_ms())
        self._throttle.spent(node.address, announcements * (_DEAR_S if verdict.wait_ms else _VAIN_S))
        if verdict.words:
            node.end_flood(verdict.words)

    def ended(self, node: Node, reason: str, text: str) -> None:
        with self._lock:
            if reason == "protocol-error":
                wait_ms, node.state.flood = self._guard.erred(node.address, _mono_ms())
                if node.state.flood:
                    text = f"it floods this node with {node.state.flood}; it may come back in {wait_ms // 1000} s"
            elif node.state.flood:
                wait_ms = self._guard.keep_away(node.address, _mono_ms())
                text += f"; it may come back in {wait_ms // 1000} s" if wait_ms else ""
            self._links.remove(node.link)
        self._post(LinkClosed(node, reason, text))


def _mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000
