"""What every message has: its name on the wire, when it may be said, its JSON, its bytes.

May import of this package: nothing. Imported by: every module of this package that defines a message.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar, Final, Self

from dir_sync.core.wire import Buffer, Piece, encode_message

__all__ = ["ANY_TIME", "FIRST", "ONCE_ASKED", "ONCE_OPEN", "BaseMessage", "Phase"]


class Phase(Enum):
    """How far one direction of a connection is."""

    HELLO = "nothing was said yet"
    OPEN = "the speaker has said HELLO"
    ASKED = "... and the listener has sent a STATE_REQUEST"
    CLOSED = "one of them has said CLOSE"


# The state rules that a message may have: the phases in which its speaker may say it.
FIRST: Final = frozenset({Phase.HELLO})
ONCE_OPEN: Final = frozenset({Phase.OPEN, Phase.ASKED})
ONCE_ASKED: Final = frozenset({Phase.ASKED})
ANY_TIME: Final = frozenset({Phase.HELLO, Phase.OPEN, Phase.ASKED})


class BaseMessage:
    """A message that travels as a JSON object, perhaps with an attachment behind it.

    A message is a frozen value (core.frozen) derived from this one, and all that is known of it stands in that class. Here are
    the parts that most messages share. An abstract base class would make each `case` of a match slower.
    """

    __slots__ = ()

    TYPE: ClassVar[str]  # the "type" of its JSON object
    SAID_IN: ClassVar[frozenset[Phase]]  # the state rule; core.session applies it to both directions

    def to_wire(self) -> dict[str, Any]:
        """The JSON object, of plain types only, without what travels as attachment. LocalError for more entries than
        a message may have."""
        raise NotImplementedError

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        """The message that the JSON object means, with every field checked for type and range; unknown fields are
        skipped. PeerError names the field that is wrong."""
        raise NotImplementedError

    def encode(self) -> list[Buffer]:
        """All its bytes, to be sent one buffer after the other. LocalError if no peer would take it."""
        return [encode_message(self.to_wire())]

    def with_attachment(self, pieces: tuple[Piece, ...]) -> Self:
        """The message with what came behind it. An attachment of a message that knows of none is skipped, like an
        unknown field. PeerError for another attachment than the message names."""
        return self
