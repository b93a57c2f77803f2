"""What every message has: its name on the wire, the states in which it may be sent, its handler, its JSON, its bytes.

May import of this package: nothing. Imported by: every module of this package that defines a message.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar, Final, Self

from dir_sync.core.named import NamedTuple
from dir_sync.core.wire import Buffer, Piece, encode_message

__all__ = ["ANY_TIME", "FIRST", "ONCE_ASKED", "ONCE_OPEN", "BaseMessage", "Handler", "Phase", "Taker"]


class Phase(Enum):
    """The state of one direction of a connection."""

    HELLO = "nothing was said yet"
    OPEN = "the speaker has said HELLO"
    ASKED = "... and the listener has sent a STATE_REQUEST"
    CLOSED = "one of them has said CLOSE"


# State rules: the phases in which a speaker may send a message.
FIRST: Final = frozenset({Phase.HELLO})
ONCE_OPEN: Final = frozenset({Phase.OPEN, Phase.ASKED})
ONCE_ASKED: Final = frozenset({Phase.ASKED})
ANY_TIME: Final = frozenset({Phase.HELLO, Phase.OPEN, Phase.ASKED})


class Taker(Enum):
    """The class that handles a message from a peer. It has one method for each of its messages, and gets their table from
    `core.messages.handlers`."""

    CONNECTION = "network.reader.Reader"
    LINKS = "daemon.links.Neighbours"
    ENGINE = "engine.router.MessageRouter"
    OBSERVERS = "daemon.observers.Observers"


class Handler(NamedTuple):
    """The method that handles a message, and whose it is."""

    taker: Taker
    method: str


class BaseMessage:
    """A message that travels as a JSON object, perhaps with an attachment after it.

    Each message is a frozen value (core.frozen) and a subclass of this class; the subclass defines everything about it.
    This class has the parts that most messages share. It is no abstract base class, because that would slow down each
    `case` of a match.
    """

    __slots__ = ()

    TYPE: ClassVar[str]  # the "type" of its JSON object
    SAID_IN: ClassVar[frozenset[Phase]]  # the state rule; core.session applies it to both directions
    HANDLER: ClassVar[Handler]  # handles it when a peer has sent it

    def to_wire(self) -> dict[str, Any]:
        """The JSON object, of plain types only, without the attachment. Raises LocalError if a list exceeds its
        limit."""
        raise NotImplementedError

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        """The message for a JSON object. Checks type and range of every field, and skips unknown fields. Raises
        PeerError that names the wrong field."""
        raise NotImplementedError

    def encode(self) -> list[Buffer]:
        """All bytes of the message, as buffers to be sent in order. Raises LocalError if it violates a limit of the
        protocol."""
        return [encode_message(self.to_wire())]

    def with_attachment(self, pieces: tuple[Piece, ...]) -> Self:
        """The message with its attachment. A message that has no attachment ignores it, like an unknown field. Raises
        PeerError if the attachment is not the one that the message names."""
        return self
