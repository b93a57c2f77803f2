"""The wire's vocabulary: one frozen value for each message of the protocol, and its way to bytes and back.

Each message is defined in one class: its fields, its name on the wire, when it may be said, to JSON, from JSON, and
what is attached to it. The classes stand by topic:

    link        HELLO, MEMBERS, PING, PONG, CLOSE         what concerns the connection itself
    state       STATE_REQUEST, STATE, ACKNOWLEDGE, LACKS  what a node has, and what it has heard
    update      MODIFICATION_UPDATE                       what has changed
    transfer    PULL, REFUSE, DELTA_REQUEST, ...          contents
    history     HISTORY_REQUEST, HISTORY, HAVE_REQUEST, HAVE, SETTLE    older versions
    brake       BRAKE, DECISION                           what the brake holds
    records     a record as a row of JSON, the hot path
    checks      single values: digests, paths, times
    base        what every message has; the phases of a connection

A new message is a class in one of them, a line in `JsonMessage` here, its row in docs/protocol.md with a test vector,
and a case in the engine. Rule: whatever comes out of `from_wire` has every field checked for type and range, so that
nobody above has to; unknown fields are skipped.

May import: core.wire, core.model, core.limits, core.transfers.growth. Imported by: core.session, and all who send or handle
messages; they import them from here.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from dir_sync.core.messages.base import Phase
from dir_sync.core.messages.brake import Brake, Decision, Held
from dir_sync.core.messages.history import Have, HaveRequest, History, HistoryRequest, Kept, Loser, Settle
from dir_sync.core.messages.link import (
    PROTOCOL,
    Close,
    FolderIndex,
    Hello,
    MemberRow,
    Members,
    Ping,
    Pong,
    ProtocolVersion,
)
from dir_sync.core.messages.records import page_size
from dir_sync.core.messages.state import Acknowledge, Lacks, State, StateRequest
from dir_sync.core.messages.transfer import (
    CHUNKS_SAID_IN,
    Delta,
    DeltaRequest,
    NeedSignature,
    Pull,
    PullItem,
    Refuse,
    Signature,
)
from dir_sync.core.messages.update import Change, DeltaOffer, ModificationUpdate
from dir_sync.core.model import PeerError
from dir_sync.core.wire import CHUNKS, Buffer, Chunks, LocalError, Piece, encode_pieces

__all__ = [
    "PROTOCOL",
    "SAID_IN",
    "Acknowledge",
    "Brake",
    "Change",
    "Chunks",
    "Close",
    "Decision",
    "Delta",
    "DeltaOffer",
    "DeltaRequest",
    "FolderIndex",
    "Have",
    "HaveRequest",
    "Held",
    "Hello",
    "History",
    "HistoryRequest",
    "JsonMessage",
    "Kept",
    "Lacks",
    "LocalError",
    "Loser",
    "MemberRow",
    "Members",
    "Message",
    "ModificationUpdate",
    "NeedSignature",
    "Phase",
    "Piece",
    "Ping",
    "Pong",
    "ProtocolVersion",
    "Pull",
    "PullItem",
    "Refuse",
    "Settle",
    "Signature",
    "State",
    "StateRequest",
    "encode",
    "from_wire",
    "page_size",
]

JsonMessage = (
    Hello
    | StateRequest
    | State
    | Acknowledge
    | ModificationUpdate
    | Pull
    | Refuse
    | DeltaRequest
    | NeedSignature
    | Signature
    | Delta
    | HistoryRequest
    | History
    | HaveRequest
    | Have
    | Brake
    | Decision
    | Settle
    | Lacks
    | Members
    | Ping
    | Pong
    | Close
)

Message = JsonMessage | Chunks

_BY_TYPE: Final[dict[str, type[JsonMessage]]] = {kind.TYPE: kind for kind in get_args(JsonMessage)}

SAID_IN: Final[dict[type, frozenset[Phase]]] = {
    **{kind: kind.SAID_IN for kind in get_args(JsonMessage)},
    Chunks: CHUNKS_SAID_IN,
}
"""In which phases of its direction a speaker may say each message."""


def from_wire(fields: dict[str, Any]) -> JsonMessage | None:
    """The message that a JSON object means; None if its type is unknown. A Signature has no data yet and a
    Change no content. PeerError names the field that is wrong; ProtocolVersion for a HELLO of another
    version."""
    name = fields.get("type")
    if type(name) is not str:
        raise PeerError("a message without a type")
    kind = _BY_TYPE.get(name)
    if kind is None:
        return None
    try:
        return kind.from_wire(fields)
    except ProtocolVersion:
        raise
    except PeerError as error:
        raise PeerError(f"{name}: {error}") from None


def encode(message: Message) -> list[Buffer]:
    """All bytes of a message with what is attached to it, to be sent one buffer after the other, and to as
    many peers as one likes. LocalError if no peer would take it."""
    if isinstance(message, Chunks):
        return encode_pieces(CHUNKS, message.pieces)
    return message.encode()
