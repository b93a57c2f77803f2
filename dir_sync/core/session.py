"""One connection's protocol: bytes in, legal and complete messages out; messages in, bytes out. Sans I/O.

What is legal when is one table, `LEGAL`, which both directions are checked by: what a peer says against it is
a PeerError, what we would say against it a LocalError. Rule: a message comes out only when it is whole, with
what is attached to it; after a CLOSE in either direction nothing comes out and nothing goes out any more.

One thread may receive while another one sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final, get_args

from dir_sync.core import limits
from dir_sync.core.messages import (
    Change,
    Chunks,
    Close,
    DeltaRequest,
    Hello,
    Message,
    ModificationUpdate,
    Ping,
    Pong,
    ProtocolVersion,
    Pull,
    Signature,
    StateRequest,
    from_wire,
    to_wire,
)
from dir_sync.core.model import Kind, PeerError
from dir_sync.core.wire import (
    ATTACHMENT,
    CHUNKS,
    Attachment,
    Buffer,
    Frame,
    FrameDecoder,
    Json,
    LocalError,
    Piece,
    Unknown,
    encode_message,
    encode_pieces,
)

_new: Final = tuple.__new__  # half the cost of a named tuple's own

__all__ = ["LEGAL", "LocalError", "Phase", "ProtocolVersion", "Session", "encode"]


class Phase(Enum):
    """How far one direction of a connection is."""

    HELLO = "nothing was said yet"
    OPEN = "the speaker has said HELLO"
    ASKED = "... and the listener has sent a STATE_REQUEST"
    CLOSED = "one of them has said CLOSE"


LEGAL: Final[dict[Phase, frozenset[type]]] = {
    Phase.HELLO: frozenset({Hello, Close}),
    Phase.OPEN: frozenset({StateRequest, Pull, DeltaRequest, Signature, Ping, Pong, Close}),
    Phase.ASKED: frozenset(get_args(Message)) - {Hello},
    Phase.CLOSED: frozenset(),
}
"""What the speaker may say in each phase of its direction."""


def encode(message: Message) -> list[Buffer]:
    """All bytes of a message with what is attached to it, to be sent one buffer after the other, and to as
    many peers as one likes. LocalError if no peer would take it."""
    match message:
        case Chunks(pieces):
            return encode_pieces(CHUNKS, pieces)
        case ModificationUpdate(changes=changes):
            contents = _attached(changes)
            frame = encode_message(to_wire(message), sum(len(piece.data) for piece in contents))
            return [frame, *encode_pieces(ATTACHMENT, contents)] if contents else [frame]
        case Signature(_, id_, data):
            if len(data) > limits.SIGNATURE_BYTES_MAX:
                raise LocalError(f"a signature of {len(data)} bytes")
            return [encode_message(to_wire(message)), *encode_pieces(ATTACHMENT, (Piece(id_, 0, data),))]
        case Hello():
            frame = encode_message(to_wire(message))
            if len(frame) - 8 > limits.HELLO_FRAME_BYTES_MAX:
                raise LocalError(f"a HELLO of {len(frame)} bytes")
            return [frame]
        case _:
            return [encode_message(to_wire(message))]


class Session:
    """The state of one connection. After a PeerError only a CLOSE can still be sent."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        # Set by receiving
        self.hello: Hello | None = None  # the peer's
        self._they_asked = False
        self._waiting: list[Message | None] = []  # the message whose attachment must come next
        self._deaf = False  # nothing is received any more
        self.text_bytes = 0  # of all messages so far
        self.skipped = 0  # frames so far that say nothing to us
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
        """What they may say now."""
        return self._phase(self.hello is not None, self._we_asked)

    @property
    def our_phase(self) -> Phase:
        """What we may say now."""
        return self._phase(self._we_said_hello, self._they_asked)

    def buffer(self) -> memoryview:
        """Where the next received bytes belong, never empty; valid until the next call of this or of
        `filled`."""
        return self._decoder.buffer()

    def filled(self, n: int) -> list[Message]:
        """The messages that are complete with the `n` bytes just received into `buffer()`."""
        return [] if self._deaf else self._receive_all(self._decoder.frames(n))

    def feed(self, data: Buffer) -> list[Message]:
        """The messages that are complete with `data`, of any length."""
        return [] if self._deaf else self._receive_all(self._decoder.frames_of(data))

    def receive(self, frame: Frame) -> list[Message]:
        """The messages, at most one, that are complete with `frame`. PeerError for what is wrong or not legal
        now; ProtocolVersion for a HELLO of another version."""
        if self._deaf or self._closed:
            return []  # what was under way when we closed
        try:
            return self._receive(frame)
        except PeerError:
            self._deaf = True
            raise

    def send(self, message: Message, encoded: list[Buffer] | None = None) -> list[Buffer]:
        """The bytes of `message`, which are `encoded` if that is given: none after a CLOSE in either
        direction. LocalError if it is not legal now."""
        if self._closed:
            return []  # not our fault: their CLOSE may have come a moment ago
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
            return [] if message is None else [_with_attachment(message, frame.pieces)]
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
        """PeerError unless `message` (None: of an unknown type) is legal now; takes note of it."""
        phase = self.their_phase
        if message is None:
            # A peer of another version says so first, in a HELLO that all versions understand.
            if phase is Phase.HELLO:
                raise PeerError("something unknown before HELLO")
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


def _attached(changes: tuple[Change, ...]) -> list[Piece]:
    pieces: list[Piece] = []
    for position, (_, record, _, attached, _, content) in enumerate(changes):
        if attached != (content is not None):
            raise LocalError("a change that is not as attached as its content")
        if content is not None:
            if record.kind != Kind.FILE or len(content) != record.size:
                raise LocalError(f"content of {len(content)} bytes for a record of size {record.size}")
            pieces.append(_new(Piece, (position, 0, content)))
    return pieces


def _with_attachment(message: Message, pieces: tuple[Piece, ...]) -> Message:
    """`message` with what came behind it. That of a message which knows of none is left out, like a field
    would be."""
    match message:
        case ModificationUpdate(folder, sequence, changes, times, attached):
            filled = list(changes)
            wanted = [position for position, change in enumerate(changes) if change.attached]
            if [piece.key for piece in pieces] != wanted:
                raise PeerError("an attachment of other contents than its update names")
            for position, offset, data in pieces:
                action, record, source, with_content, delta, _ = filled[position]
                if offset != 0 or len(data) != record.size:
                    raise PeerError("an attached content that is not as long as its record says")
                filled[position] = _new(Change, (action, record, source, with_content, delta, bytes(data)))
            return ModificationUpdate(folder, sequence, tuple(filled), times, attached)
        case Signature(folder, id_, _):
            (key, offset, data), *more = pieces
            if more or key != id_ or offset != 0 or len(data) > limits.SIGNATURE_BYTES_MAX:
                raise PeerError("an attachment that is not the signature's")
            return Signature(folder, id_, bytes(data))
        case _:
            return message
