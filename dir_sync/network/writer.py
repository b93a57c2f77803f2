"""Writes the messages of one link: at once on the thread that hands one over, or later on a thread of its own.

In:   messages, from any thread. Out: frames on the channel; reports of how many bytes were sent.
Rule: `send` never waits. What is small, and before which nothing waits, goes to the socket on the calling thread, as far
as the socket takes it; the rest, and everything else, is sent by the writer's thread. One of them writes at a time.
Used by: node, reader.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from dir_sync.core import limits
from dir_sync.core.messages import Acknowledge, Close, Hello, ModificationUpdate, Pull
from dir_sync.core.session import Session
from dir_sync.core.wire import Buffer, LocalError
from dir_sync.network.channel import Channel
from dir_sync.network.outbox import Outbound, Outbox
from dir_sync.network.pacing import LinkPace

__all__ = ["Writer"]

_SENT_REPORT_BYTES = 256 * limits.KIB  # bytes sent before the engine gets a report ...
_SENT_AT_REST_BYTES = 64 * limits.KIB  # ... and this many if nothing else is to be sent: each report costs a turn
_LOOK_AGAIN_S = 0.5  # interval of checks for unacknowledged bytes
_AT_ONCE_BYTES = 16 * limits.KIB  # up to this size a message is encoded and sent by the thread that hands it over
_AT_ONCE = (ModificationUpdate, Acknowledge, Pull)  # a person waits for the change; another thread costs 0.1 to 0.2 ms


class Writer:
    """One link's way out."""

    def __init__(
        self,
        channel: Channel,
        session: Session,
        pace: LinkPace | None,
        report: Callable[[int], None],
        is_unacknowledged: Callable[[], bool],
        has_ended: Callable[[], bool],
    ) -> None:
        """`report`: so many bytes were sent; called on any thread, must not wait. `is_unacknowledged`: called now and then
        while there may be bytes that the peer has not acknowledged. `has_ended`: nothing more is sent than what waits."""
        self._channel = channel
        self._session = session
        self._pace = pace
        self._report = report
        self._is_unacknowledged = is_unacknowledged
        self._has_ended = has_ended
        self.waiting = Outbox(pace)
        self._turn = threading.Lock()  # who holds it writes to the channel
        self._sent = 0  # bytes that are not reported yet
        self._sleeps = False  # the writer's thread waits for a message, however long that takes

    def send(self, message: Outbound) -> None:
        """Any thread; never waits. Chunks wait for everything else."""
        if not self._send_at_once(message):
            self.waiting.put(message)

    def _send_at_once(self, parcel: Outbound) -> bool:
        """False if it has to wait its turn. Whatever the socket does not take is sent by the writer's thread, first."""
        if type(parcel.message) not in _AT_ONCE or parcel.size > _AT_ONCE_BYTES or self._pace is not None:
            return False
        if self.waiting.is_any or not self._turn.acquire(blocking=False):
            return False
        try:
            if self.waiting.is_any or self._channel.has_rest:
                return False
            is_all = self._channel.send_now(self._session.send(parcel.message, parcel.encoded()))
            self._sent += parcel.size
            self._report_what_was_sent()
        except (OSError, LocalError):
            return False  # the writer's thread meets it, too, and ends the link
        finally:
            self._turn.release()
        if self._sleeps or not is_all:
            self._sleeps = False
            self.waiting.wake()  # to send the rest, and to see whether the peer acknowledges
        return True

    def run(self) -> bool:
        """The body of the writer's thread: until CLOSE is sent (True), or the link has ended without one (False). Raises
        OSError, and LocalError if a message is not legal now."""
        owed = False  # what was sent is not paid yet, by the limit of bytes per second: the report waits
        while True:
            while not self.waiting.wait(self._next_look_s(owed)):
                if owed and not self._pace_s():
                    self._report(self._sent)
                    self._sent, owed = 0, False
            self._sleeps = False
            with self._turn:
                parcels = self.waiting.take()
                if not parcels:
                    if self._channel.has_rest:
                        self._channel.send_all((), self._is_unacknowledged)
                    if self._has_ended() and not self.waiting.control:
                        return False
                    continue
                if self._send(parcels):
                    return True
                owed = self._report_what_was_sent()

    def _send(self, parcels: list[Outbound]) -> bool:
        """True if that was the last that can be sent."""
        buffers: list[Buffer] = []
        closing = False
        for parcel in parcels:
            encoded = None if isinstance(parcel.message, (Hello, Close)) else parcel.encoded()
            buffers += self._session.send(parcel.message, encoded)
            self._sent += parcel.size
            closing |= isinstance(parcel.message, Close)
        self._channel.send_all(buffers, self._is_unacknowledged)
        return closing or self._session.closed

    def _report_what_was_sent(self) -> bool:
        """Report it, if that is worth a turn. True if the report is owed until it is paid, by the limit of bytes per second."""
        if self._sent < (_SENT_REPORT_BYTES if self.waiting.is_any else _SENT_AT_REST_BYTES):
            return False
        if self._pace_s() > 0:
            return True
        self._report(self._sent)
        self._sent = 0
        return False

    def _pace_s(self) -> float:
        return 0.0 if self._pace is None else self._pace.wait_s()

    def _next_look_s(self, owed: bool) -> float | None:
        """How long (s) to wait for a message, until something else has to be looked at; None: nothing has to."""
        self._sleeps = True  # before the question: what is sent after it wakes this thread
        look_s = _LOOK_AGAIN_S if self._is_unacknowledged() else None
        self._sleeps = look_s is None
        if not owed:
            return look_s
        return self._pace_s() if look_s is None else min(look_s, self._pace_s())
