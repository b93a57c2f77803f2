"""Node: one peer's socket, with its reader thread, writer and session.

In:   messages to send. Out: the peer's messages, to a callback, in order; at the end, that the link has ended.
Rule: the reader never waits for the writer, so two nodes that both push before they read cannot block each other.
Unread bytes are limited here; unsent bytes are limited by the engine, which gets reports of what was sent.
"""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from dir_sync.core import limits
from dir_sync.core.messages import Close, Hello, Message, Ping, ProtocolVersion
from dir_sync.core.model import PeerError
from dir_sync.core.overload.guard import Verdict
from dir_sync.core.session import Session
from dir_sync.core.wire import LocalError
from dir_sync.network import tcp
from dir_sync.network.backpressure import Backpressure
from dir_sync.network.channel import Channel, PlainChannel
from dir_sync.network.clock import ClockProbe, Measured
from dir_sync.network.outbox import Outbound
from dir_sync.network.pacing import LinkPace
from dir_sync.network.reader import CLOSE_LINGER_MS, LinkState, Reader, Told
from dir_sync.network.writer import Writer

if TYPE_CHECKING:  # it imports cryptography, and open nodes do without
    from dir_sync.core.link_handshake import Member

__all__ = ["Listener", "Node"]


class Listener(Protocol):
    """Receives the events of a link. Called on the reader's and writer's threads; must not wait."""

    def said_hello(self, node: Node, hello: Hello) -> None: ...
    def received(self, node: Node, message: Message, cost: int) -> None:
        """`cost` (bytes) is returned to `consumed` when the message was handled."""

    def left(self, node: Node, size: int) -> None: ...
    def asked(self, node: Node, kind: object, amount: float) -> Verdict:
        """The peer asks for something that has an allowance."""

    def rest(self, node: Node, seconds: float) -> float:
        """Reading and parsing its bytes took so many seconds. Returns how long (s) not to read more."""

    def stalled(self, node: Node) -> None:
        """The peer has acknowledged nothing for ACK_WITHIN_MS, though there are unacknowledged bytes. Called repeatedly
        while that lasts."""

    def ended(self, node: Node, reason: str, text: str) -> None:
        """The last call. `reason`: from the CLOSE that ended the link, or "lost"."""


class Node:
    """One connection, from the moment its socket is connected.

    It has more fields than a machine may have: they are the parts that two threads use of one socket, and what the owner
    reads (whose link it is)."""

    def __init__(
        self,
        link: int,
        sock: socket.socket,
        address: str,
        dialled: bool,
        hello: Hello,
        listener: Listener,
        channel: Channel | None = None,
        member: Member | None = None,
        pace: LinkPace | None = None,
    ) -> None:
        """`channel`: carries the bytes, if the socket itself does not. `member`: the proven identity at the other end,
        in a closed mesh. `pace`: the limit of bytes per second for what is sent."""
        self.link = link
        self.address = address
        self.dialled = dialled
        self.id = ""  # of the peer, set when its HELLO is accepted
        self.said = hello  # by us
        self.member = member
        self.state = LinkState()
        self._socket = sock
        self._listener = listener
        self._session = Session()
        self._began = time.monotonic()
        self._pace = pace
        self._clock = ClockProbe()
        self._ahead = Backpressure(self.state.has_ended)
        channel = channel or PlainChannel(sock)
        self._out = Writer(channel, self._session, pace, self._report, self._is_unacknowledged, self.state.has_ended)
        told = Told(
            partial(listener.said_hello, self),
            partial(listener.received, self),
            partial(listener.asked, self),
            partial(listener.rest, self),
        )
        self._in = Reader(sock, channel, self._session, self.state, told, self._out, self._ahead, self._clock)
        tcp.tune(sock)
        self.send(Outbound(hello, 0))
        self._reader = threading.Thread(target=self._read, name=f"read-{link}", daemon=True)
        self._writer = threading.Thread(target=self._write, name=f"write-{link}", daemon=True)

    @property
    def is_mute(self) -> bool:
        """True if the peer has not sent HELLO."""
        return self._session.hello is None

    @property
    def version(self) -> str:
        """Of the peer's program; "": it does not say."""
        return "" if self._session.hello is None else self._session.hello.version

    @property
    def age_s(self) -> float:
        """How long it has been connected."""
        return time.monotonic() - self._began

    @property
    def heard_s(self) -> float:
        """When its last byte came, in Unix time; before the first one, when the link began."""
        return self.state.heard_s

    def traffic(self) -> tcp.Traffic | None:
        """The bytes on this connection, as the system counts them."""
        return tcp.traffic(self._socket)

    @property
    def sends_per_s(self) -> int:
        """The limit of bytes per second for what is sent; 0: none."""
        return 0 if self._pace is None else self._pace.per_s

    def start(self) -> None:
        self._writer.start()
        self._reader.start()

    def send(self, parcel: Outbound) -> None:
        """Any thread; never waits. A small message is mostly on its way when this returns. Chunks wait for everything else."""
        self._out.send(parcel)

    def close(self, reason: str, text: str) -> None:
        """Send CLOSE and end. Any thread; never waits."""
        if not self.state.reason:
            self.state.reason, self.state.text = reason, text
            self.send(Outbound(Close(reason, text[: limits.TEXT_CHARS_MAX]), 0))

    def end_flood(self, words: str) -> None:
        """Send CLOSE to a peer that floods this node. `words`: with what."""
        if not self.state.reason:
            self.state.flood = words
            self.close("overload", f"it floods this node with {words}")

    def ping(self) -> None:
        """Find out soon whether the peer is still alive."""
        self.state.is_doubted = True
        self.send(Outbound(Ping(int(time.monotonic() * 1000)), 0))

    def measure_clock(self) -> Measured | None:
        """What is known of the peer's clock; and ask it once more."""
        self.send(Outbound(Ping(self._clock.ask()), 0))
        return self._clock.last

    def abort(self) -> None:
        """End at once, without a CLOSE."""
        if not self.state.reason:
            self.state.reason = "lost"
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def give_up(self, text: str) -> None:
        """End at once, without a CLOSE, with that text as the reason. Any thread; never waits."""
        if not self.state.reason:
            self.state.text = text
        self.abort()

    def consumed(self, cost: int) -> None:
        """The engine has handled a message of that cost (bytes)."""
        self._ahead.consumed(cost)

    def join(self, timeout_s: float) -> bool:
        """Wait until both threads have ended. False if they have not within that time."""
        deadline = time.monotonic() + timeout_s
        for thread in (self._reader, self._writer):
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not (self._reader.is_alive() or self._writer.is_alive())

    # --- the reader's thread -----------------------------------------------------------------------------------------

    def _read(self) -> None:
        reason, text, last_word = "lost", "the connection broke", ""
        try:
            reason, text = self._in.run()
        except ProtocolVersion as error:
            reason, text, last_word = "protocol-version", str(error), error.said_there
        except PeerError as error:
            reason, text = "protocol-error", str(error)
        except OSError as error:
            text = error.strerror or str(error)
        mine = self.state.reason
        if reason in ("protocol-version", "protocol-error", "timeout", "overload"):
            self.close(reason, last_word or text)
            self._writer.join(1.0)
        else:
            self.state.reason = self.state.reason or reason
        self.abort()
        self._out.waiting.wake()
        self._writer.join(5.0)
        self._socket.close()
        self._listener.ended(self, mine or reason, self.state.text if mine else text)

    # --- the writer's thread -----------------------------------------------------------------------------------------

    def _write(self) -> None:
        try:
            if self._out.run():
                self._part(socket.SHUT_WR)
        except OSError:
            self._part(socket.SHUT_RDWR)  # the reader notices the end, too, and reports it
        except LocalError:
            self._part(socket.SHUT_RDWR)  # an error of ours: a new connection is better than one that sends nothing
            raise

    def _report(self, size: int) -> None:
        self._listener.left(self, size)

    def _part(self, how: int) -> None:
        """Shut down our side. Bytes sent before still arrive, and the peer has a moment to close its side."""
        self.state.said_close = time.monotonic()
        try:
            tcp.set_patience(self._socket, CLOSE_LINGER_MS)
            self._socket.shutdown(how)
        except OSError:
            pass  # it has ended already

    def _is_unacknowledged(self) -> bool:
        """True if the peer has unacknowledged bytes; if that lasts too long, the listener is informed."""
        silent = tcp.is_silent(self._socket)
        if silent and not self.state.reason:
            self._listener.stalled(self)
        return silent is not None
