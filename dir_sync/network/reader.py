"""Reads the messages of one link, on a thread of its own, and answers those that are about the connection itself.

In:   bytes from the channel. Out: messages, to a callback, in order; PONG; why the connection ends.
Rule: it never waits for the writer. A peer that asks for more than synchronization needs is read more slowly; if that does not
help, the connection ends.
Used by: node.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

from dir_sync.core import limits
from dir_sync.core.messages import Close, Hello, Message, Ping, Pong, Taker, handlers
from dir_sync.core.named import NamedTuple
from dir_sync.core.overload.guard import ALLOWED, Verdict, demand, worth
from dir_sync.core.session import Session
from dir_sync.network import tcp
from dir_sync.network.backpressure import Backpressure, memory_of
from dir_sync.network.channel import Channel
from dir_sync.network.clock import ClockProbe
from dir_sync.network.outbox import Outbound
from dir_sync.network.writer import Writer

__all__ = ["CLOSE_LINGER_MS", "LinkState", "Reader", "Told"]

CLOSE_LINGER_MS = 1_000  # time from our CLOSE until the socket is closed, whatever the peer does
_TEXT_FREE_BYTES = 64 * limits.KIB  # between two checks whether the peer has to pause
_SLOW_BYTES = (
    8 * limits.KIB
)  # of one read while the peer is throttled: a larger one could contain several pages, parsed together


class LinkState:
    """What the threads of a connection tell each other: why and since when it ends, and whether it is in doubt."""

    def __init__(self) -> None:
        self.reason = ""  # why it ends; "": it goes on
        self.text = ""
        self.said_close = 0.0  # when our last byte was sent (monotonic, s); 0: more may follow
        self.flood = ""  # the kind of flood; set by the reader before it ends the link
        self.heard_s = time.time()  # when the peer's last byte came (Unix time); at first, when the link began
        self.is_doubted = False  # the peer has dialled again: a PING finds out whether this link is alive

    def has_ended(self) -> bool:
        return bool(self.reason)


class Told(NamedTuple):
    """What is told of a link, on the reader's thread: see `node.Listener`."""

    said_hello: Callable[[Hello], None]
    received: Callable[[Message, int], None]
    asked: Callable[[object, float], Verdict]
    rest: Callable[[float], float]


class Reader:
    """One link's way in."""

    def __init__(
        self,
        sock: socket.socket,
        channel: Channel,
        session: Session,
        state: LinkState,
        told: Told,
        out: Writer,
        ahead: Backpressure,
        clock: ClockProbe,
    ) -> None:
        """`ahead`: how far it may be ahead of the engine. `clock`: gets the answers to its questions."""
        self._socket = sock
        self._channel = channel
        self._session = session
        self._state = state
        self._told = told
        self._out = out
        self._ahead = ahead
        self._clock = clock
        self._began = time.monotonic()

    def run(self) -> tuple[str, str]:
        """The body of the reader's thread, until the connection ends: why, as a reason and as words. Raises PeerError and
        OSError."""
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
                if self._state.said_close:
                    return self._state.reason, self._state.text
                if session.hello is None:
                    return "timeout", "it did not introduce itself"
                if timeouts * limits.PING_EVERY_MS >= limits.DEAD_AFTER_MS:
                    return "timeout", f"no answer for {limits.DEAD_AFTER_MS // 1000} s"
                if not tcp.has_address(self._socket.getsockname()[0]):
                    return "lost", "this machine lost the address that the connection used"
                self._out.send(Outbound(Ping(timeouts), 0))
                continue
            finally:
                buffer.release()
            if n == 0:
                return self._state.reason or "lost", "it closed the connection"
            timeouts = 0
            self._state.heard_s = time.time()
            if self._state.said_close and (time.monotonic() - self._state.said_close) * 1000 > CLOSE_LINGER_MS:
                return self._state.reason, self._state.text
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
                if self._state.flood:
                    break
                handle = _HANDLERS.get(type(message))
                if handle is None:  # for others
                    cost += memory_of(message)
                    self._ahead.posted(cost)
                    self._told.received(message, cost)
                    cost = 0
                elif (end := handle(self, message)) is not None:
                    return end
            if self._state.flood:
                return "overload", f"it floods this node with {self._state.flood}"
            if unknown and session.hello is None and self._is_overdue():
                return "timeout", "it did not introduce itself in time"
            if unchecked > _TEXT_FREE_BYTES:
                rest_s = self._told.rest(decoded_s)
                unchecked, decoded_s = 0, 0.0
                most = _SLOW_BYTES if rest_s > 0 else None
                if rest_s > 0:
                    self._ahead.pause(rest_s)
                    self._ahead.wait(limits.INBOX_BYTES_RESTING_MAX)
            self._ahead.wait(limits.INBOX_BYTES_PER_LINK_MAX)

    # Messages about the connection itself: each returns why it ends, or None.

    def on_hello(self, message: Hello) -> None:
        tcp.set_patience(self._socket, limits.PING_EVERY_MS)
        self._told.said_hello(message)

    def on_ping(self, message: Ping) -> None:
        if len(self._out.waiting.control) < 10_000:
            self._out.send(Outbound(Pong(message.token, time.time_ns()), 0))

    def on_pong(self, message: Pong) -> None:
        self._state.is_doubted = False
        self._clock.answered(message.token, message.time_ns)

    def on_close(self, message: Close) -> tuple[str, str]:
        return message.reason, message.text

    def _slow(self, kind: object, amount: float) -> None:
        """Pause reading from a peer that asks for more than synchronization needs. Sets `flood` if that does not
        help."""
        if amount <= 0 or kind not in ALLOWED or self._state.flood:
            return
        verdict = self._told.asked(kind, amount)
        self._state.flood = verdict.words
        if verdict.wait_ms and not verdict.words:
            self._ahead.pause(verdict.wait_ms / 1000)

    def _is_overdue(self) -> bool:
        left_ms = limits.HELLO_WITHIN_MS - (time.monotonic() - self._began) * 1000
        if left_ms > 0:
            tcp.set_patience(self._socket, max(1, int(left_ms)))
        return left_ms <= 0


_HANDLERS: Final[dict[type, Callable[[Reader, object], tuple[str, str] | None]]] = handlers(Taker.CONNECTION, Reader)
