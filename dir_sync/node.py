"""Node: one peer's socket, with its reader thread, writer and session.

In:   messages to send. Out: the peer's messages, to a callback, in order; at the end, that the link has ended.
Rule: the reader never waits for the writer, so two nodes that both push before they read cannot block each other.
Unread bytes are limited here; unsent bytes are limited by the engine, which gets reports of what was sent.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from dir_sync.core import limits
from dir_sync.core.messages import (
    Close,
    Hello,
    Message,
    Ping,
    Pong,
    ProtocolVersion,
    Taker,
    handlers,
)
from dir_sync.core.model import PeerError
from dir_sync.core.overload.guard import ALLOWED, Verdict, demand, worth
from dir_sync.core.session import Session
from dir_sync.core.wire import LocalError
from dir_sync.network import tcp
from dir_sync.network.backpressure import Backpressure, memory_of
from dir_sync.network.channel import Channel, PlainChannel
from dir_sync.network.clock import ClockProbe, Measured
from dir_sync.network.outbox import Outbound
from dir_sync.network.pacing import LinkPace
from dir_sync.network.writer import Writer

if TYPE_CHECKING:  # it imports cryptography, and open nodes do without
    from dir_sync.core.link_handshake import Member

__all__ = ["Listener", "Node"]

_CLOSE_LINGER_MS = 1_000  # time from our CLOSE until the socket is closed, whatever the peer does
_TEXT_FREE_BYTES = 64 * limits.KIB  # between two checks whether the peer has to pause
_SLOW_BYTES = (
    8 * limits.KIB
)  # of one read while the peer is throttled: a larger one could contain several pages, parsed together


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

    It has more fields than a machine may have: two threads share one socket, and what is left here is what one of them
    tells the other (why and since when the connection ends) and what the owner reads (whose link it is)."""

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
        self._socket = sock
        self._channel: Channel = channel or PlainChannel(sock)
        self._listener = listener
        self._session = Session()
        self._began = time.monotonic()
        # --- any thread ---
        self._pace = pace
        self._reason = ""
        self._text = ""
        self._said_close = 0.0
        self._ahead = Backpressure(lambda: bool(self._reason))
        self._clock = ClockProbe()
        self.flood = ""  # the kind of flood; set by the reader before it ends the link
        self.is_doubted = False  # the peer has dialled again: a PING finds out whether this link is alive
        self._out = Writer(
            self._channel, self._session, pace, self._report, self._is_unacknowledged, lambda: bool(self._reason)
        )
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
        if not self._reason:
            self._reason, self._text = reason, text
            self.send(Outbound(Close(reason, text[: limits.TEXT_CHARS_MAX]), 0))

    def end_flood(self, words: str) -> None:
        """Send CLOSE to a peer that floods this node. `words`: with what."""
        if not self._reason:
            self.flood = words
            self.close("overload", f"it floods this node with {words}")

    def ping(self) -> None:
        """Find out soon whether the peer is still alive."""
        self.is_doubted = True
        self.send(Outbound(Ping(int(time.monotonic() * 1000)), 0))

    def measure_clock(self) -> Measured | None:
        """What is known of the peer's clock; and ask it once more."""
        self.send(Outbound(Ping(self._clock.ask()), 0))
        return self._clock.last

    def abort(self) -> None:
        """End at once, without a CLOSE."""
        if not self._reason:
            self._reason = "lost"
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def give_up(self, text: str) -> None:
        """End at once, without a CLOSE, with that text as the reason. Any thread; never waits."""
        if not self._reason:
            self._text = text
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
            reason, text = self._read_all()
        except ProtocolVersion as error:
            reason, text, last_word = "protocol-version", str(error), error.said_there
        except PeerError as error:
            reason, text = "protocol-error", str(error)
        except OSError as error:
            text = error.strerror or str(error)
        mine = self._reason
        if reason in ("protocol-version", "protocol-error", "timeout", "overload"):
            self.close(reason, last_word or text)
            self._writer.join(1.0)
        else:
            self._reason = self._reason or reason
        self.abort()
        self._out.waiting.wake()
        self._writer.join(5.0)
        self._socket.close()
        self._listener.ended(self, mine or reason, self._text if mine else text)

    def _read_all(self) -> tuple[str, str]:
        session = self._session
        recv_into = self._channel.recv_into
        timeouts = cost = unchecked = 0
        decoded_s = 0.0
        most: int | None = None  # limit of bytes in one read
        while True:
            buffer = session.buffer()
            try:
                n = recv_into(buffer if most is None else buffer[:most])
            except (BlockingIOError, TimeoutError):
                timeouts += 1
                if self._said_close:
                    return self._reason, self._text
                if session.hello is None:
                    return "timeout", "it did not introduce itself"
                if timeouts * limits.PING_EVERY_MS >= limits.DEAD_AFTER_MS:
                    return "timeout", f"no answer for {limits.DEAD_AFTER_MS // 1000} s"
                if not tcp.has_address(self._socket.getsockname()[0]):
                    return "lost", "this machine lost the address that the connection used"
                self.send(Outbound(Ping(timeouts), 0))
                continue
            finally:
                buffer.release()
            if n == 0:
                return self._reason or "lost", "it closed the connection"
            timeouts = 0
            if self._said_close and (time.monotonic() - self._said_close) * 1000 > _CLOSE_LINGER_MS:
                return self._reason, self._text
            unknown = session.hello is None
            cost += n
            text_bytes, skipped = session.text_bytes, session.skipped
            begun = time.thread_time()
            messages = session.filled(n)
            said_bytes = session.text_bytes - text_bytes
            unchecked += said_bytes
            decoded_s += time.thread_time() - begun
            if messages or session.skipped > skipped:
                self._slow("unknown", session.skipped - skipped)
                if said_bytes > _TEXT_FREE_BYTES:
                    self._slow("waste", said_bytes - sum(map(worth, messages)))
            for message in messages:
                self._slow(*demand(message))
                if self.flood:
                    break
                handle = _HANDLERS.get(type(message))
                if handle is None:  # for others
                    cost += memory_of(message)
                    self._ahead.posted(cost)
                    self._listener.received(self, message, cost)
                    cost = 0
                elif (end := handle(self, message)) is not None:
                    return end
            if self.flood:
                return "overload", f"it floods this node with {self.flood}"
            if unknown and session.hello is None and self._is_overdue():
                return "timeout", "it did not introduce itself in time"
            if unchecked > _TEXT_FREE_BYTES:
                rest_s = self._listener.rest(self, decoded_s)
                unchecked, decoded_s = 0, 0.0
                most = _SLOW_BYTES if rest_s > 0 else None
                if rest_s > 0:
                    self._ahead.pause(rest_s)
                    self._ahead.wait(limits.INBOX_BYTES_RESTING_MAX)
            self._ahead.wait(limits.INBOX_BYTES_PER_LINK_MAX)

    # Messages about the connection itself: each returns why it ends, or None.

    def on_hello(self, message: Hello) -> None:
        self._patience(limits.PING_EVERY_MS)
        self._listener.said_hello(self, message)

    def on_ping(self, message: Ping) -> None:
        if len(self._out.waiting.control) < 10_000:
            self.send(Outbound(Pong(message.token, time.time_ns()), 0))

    def on_pong(self, message: Pong) -> None:
        self.is_doubted = False
        self._clock.answered(message.token, message.time_ns)

    def on_close(self, message: Close) -> tuple[str, str]:
        return message.reason, message.text

    def _slow(self, kind: object, amount: float) -> None:
        """Pause reading from a peer that asks for more than synchronization needs. Sets `flood` if that does not
        help."""
        if amount <= 0 or kind not in ALLOWED or self.flood:
            return
        verdict = self._listener.asked(self, kind, amount)
        self.flood = verdict.words
        if verdict.wait_ms and not verdict.words:
            self._ahead.pause(verdict.wait_ms / 1000)

    def _is_overdue(self) -> bool:
        left_ms = limits.HELLO_WITHIN_MS - (time.monotonic() - self._began) * 1000
        if left_ms > 0:
            self._patience(max(1, int(left_ms)))
        return left_ms <= 0

    def _patience(self, ms: int) -> None:
        tcp.set_patience(self._socket, ms)

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
        self._said_close = time.monotonic()
        try:
            self._patience(_CLOSE_LINGER_MS)
            self._socket.shutdown(how)
        except OSError:
            pass  # it has ended already

    def _is_unacknowledged(self) -> bool:
        """True if the peer has unacknowledged bytes; if that lasts too long, the listener is informed."""
        silent = tcp.is_silent(self._socket)
        if silent and not self._reason:
            self._listener.stalled(self)
        return silent is not None


_HANDLERS: Final[dict[type, Callable[[Node, object], tuple[str, str] | None]]] = handlers(Taker.CONNECTION, Node)
