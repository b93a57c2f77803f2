"""The protocol of one connection: bytes in, legal and complete messages out; messages in, bytes out. Sans I/O.

One table, `LEGAL`, says which message is legal when; it is made of each message's `SAID_IN`. Both directions are
checked: an illegal message of the peer is a PeerError, one of ours a LocalError. Rule: a message is returned only when
it and its attachment are complete; after a CLOSE in either direction nothing is received or sent any more.

One thread may receive while another one sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dir_sync.core.messages import (
    SAID_IN,
    Chunks,
    Close,
    Hello,
    JsonMessage,
    Message,
    Phase,
    ProtocolVersion,
    StateRequest,
    encode,
    from_wire,
)
from dir_sync.core.model import PeerError
from dir_sync.core.wire import Attachment, Buffer, Frame, FrameDecoder, Json, LocalError, Unknown

__all__ = ["LEGAL", "LocalError", "Phase", "ProtocolVersion", "Session"]

LEGAL: Final[dict[Phase, frozenset[type]]] = {
    phase: frozenset(kind for kind, phases in SAID_IN.items() if phase in phases) for phase in Phase
}
"""The messages that a speaker may send in each phase of its direction."""


class Session:
    """The state of one connection. After a PeerError only a CLOSE can still be sent."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        # Set by receiving
        self.hello: Hello | None = None  # the peer's
        self._they_asked = False
        self._waiting: list[JsonMessage | None] = []  # the message whose attachment must come next
        self._deaf = False  # nothing is received any more
        self.text_bytes = 0  # of all messages so far
        self.skipped = 0  # unknown frames and messages so far
        # Set by sending
        self._we_said_hello = False
        self._we_asked = False
        # Set by both
        self._closed = False

    @property
    def closed(self) -> bool:
        """A CLOSE was sent or received."""
        return self._closed

    @property
    def their_phase(self) -> Phase:
        """The phase of the peer's direction."""
        return self._phase(self.hello is not None, self._we_asked)

    @property
    def our_phase(self) -> Phase:
        """The phase of our direction."""
        return self._phase(self._we_said_hello, self._they_asked)

    def buffer(self) -> memoryview:
        """Where to put the next received bytes; never empty. Valid until the next call of this or of `filled`."""
        return self._decoder.buffer()

    def filled(self, n: int) -> list[Message]:
        """The messages that are complete with the `n` bytes just received into `buffer()`."""
        return [] if self._deaf else self._receive_all(self._decoder.frames(n))

    def receive(self, frame: Frame) -> list[Message]:
        """The message, if any, that is complete with `frame`. Raises PeerError for an invalid or illegal message,
        ProtocolVersion for a HELLO of another version."""
        if self._deaf or self._closed:
            return []  # data that was under way when we closed
        try:
            return self._receive(frame)
        except PeerError:
            self._deaf = True
            raise

    def send(self, message: Message, encoded: list[Buffer] | None = None) -> list[Buffer]:
        """The bytes of `message` (`encoded`, if given): none after a CLOSE in either direction. Raises LocalError if it
        is not legal now."""
        if self._closed:
            return []  # no error of ours: the peer's CLOSE may have arrived a moment ago
        phase = self.our_phase
        if type(message) not in LEGAL[phase]:
            raise LocalError(f"{type(message).__name__} must not be sent: {phase.value}")
        if encoded is None:
            encoded = encode(message)
        match message:
            case Hello():
                self._we_said_hello = True
            case StateRequest():
                self._we_asked = True
            case Close():
                self._closed = True
        return encoded

    def _phase(self, said_hello: bool, asked: bool) -> Phase:
        if self._closed:
            return Phase.CLOSED
        if not said_hello:
            return Phase.HELLO
        return Phase.ASKED if asked else Phase.OPEN

    def _receive_all(self, frames: Iterable[Frame]) -> list[Message]:
        messages: list[Message] = []
        try:
            for frame in frames:
                messages += self.receive(frame)
                if self._closed:
                    self._deaf = True
                    break
        except PeerError:
            self._deaf = True
            raise
        return messages

    def _receive(self, frame: Frame) -> list[Message]:
        if self._waiting:
            if type(frame) is not Attachment:
                raise PeerError("a message without its attachment")
            message = self._waiting.pop()
            return [] if message is None else [message.with_attachment(frame.pieces)]
        match frame:
            case Json(fields, size):
                message = from_wire(fields)
                self._admit(message)
                self.text_bytes += size
                self.skipped += message is None
                if fields.get("attached") is True:
                    self._waiting.append(message)
                    return []
                return [] if message is None else [message]
            case Chunks():
                self._admit(frame)
                return [frame]
            case Attachment():
                raise PeerError("an attachment to nothing")
            case Unknown():
                self._admit(None)
                self.skipped += 1
                return []

    def _admit(self, message: Message | None) -> None:
        """Raise PeerError unless `message` (None: of an unknown type) is legal now; otherwise note it."""
        phase = self.their_phase
        if message is None:
            # A peer of another version reports that first, in a HELLO that all versions understand.
            if phase is Phase.HELLO:
                raise PeerError("it begins with something unknown: it may belong to a closed mesh, or be no dir_sync")
            return
        if type(message) not in LEGAL[phase]:
            raise PeerError(f"{type(message).__name__} is not legal now: {phase.value}")
        match message:
            case Hello():
                self.hello = message
                self._decoder.open()
            case StateRequest():
                self._they_asked = True
            case Close():
                self._closed = True
