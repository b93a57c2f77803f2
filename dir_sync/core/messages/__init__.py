"""The messages of the protocol: one frozen value for each, with its encoding and decoding.

Each message is defined in one class: its fields, its name on the wire, the states in which it may be sent, its
handler, its JSON form in both directions, and its attachment. The classes are grouped by topic:

    link        HELLO, FOLDERS, MEMBERS, PING, PONG, CLOSE         what concerns the connection itself
    state       STATE_REQUEST, STATE, ACKNOWLEDGE, LACKS  what a node has, and what it has heard
    update      MODIFICATION_UPDATE                       what has changed
    transfer    PULL, REFUSE, DELTA_REQUEST, ...          contents
    history     HISTORY_REQUEST, HISTORY, HAVE_REQUEST, HAVE, SETTLE, LOST    older versions
    brake       BRAKE, DECISION, REJECTED                 what the brake holds
    observe     ROWS_REQUEST, ROWS, FORECAST_REQUEST, FORECAST    a dry run, which asks and changes nothing
    verify      VERIFY_REQUEST, VERIFY_REPORT             everything is read again
    records     a record as a row of JSON, the hot path
    checks      single values: digests, paths, times
    base        what every message has; the phases of a connection

To add a message: write its class in one of these modules, add it to `JsonMessage` here, add its row and a test vector
to docs/protocol.md, and write the method that its `HANDLER` names. Rule: `from_wire` checks type and range of every field,
so that no caller has to; unknown fields are skipped.

May import: core.wire, core.model, core.limits, core.declined, core.transfers.growth, core.verify. Imported by: core.session,
and all modules that send or handle messages; they import the messages from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, get_args

from dir_sync.core.messages.base import Handler, Phase, Taker
from dir_sync.core.messages.brake import Brake, Decision, Held, Rejected
from dir_sync.core.messages.history import Have, HaveRequest, History, HistoryRequest, Kept, Loser, Lost, Settle
from dir_sync.core.messages.link import (
    PROTOCOL,
    Close,
    FolderIndex,
    Folders,
    Hello,
    MemberRow,
    Members,
    Ping,
    Pong,
    ProtocolVersion,
)
from dir_sync.core.messages.observe import Forecast, ForecastRequest, Rows, RowsRequest
from dir_sync.core.messages.records import LATER_DEFAULTS, LATER_FIELDS, page_size
from dir_sync.core.messages.state import Acknowledge, Lacks, State, StateRequest
from dir_sync.core.messages.transfer import (
    CHUNKS_HANDLER,
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
from dir_sync.core.messages.verify import VerifyReport, VerifyRequest
from dir_sync.core.model import PeerError
from dir_sync.core.wire import CHUNKS, Buffer, Chunks, LocalError, Piece, encode_pieces

__all__ = [
    "HANDLERS",
    "LATER_DEFAULTS",
    "LATER_FIELDS",
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
    "Folders",
    "Forecast",
    "ForecastRequest",
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
    "Lost",
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
    "Rejected",
    "Rows",
    "RowsRequest",
    "Settle",
    "Signature",
    "State",
    "StateRequest",
    "Taker",
    "VerifyReport",
    "VerifyRequest",
    "encode",
    "from_wire",
    "handlers",
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
    | Rejected
    | Settle
    | Lost
    | Lacks
    | Folders
    | Members
    | RowsRequest
    | Rows
    | ForecastRequest
    | Forecast
    | VerifyRequest
    | VerifyReport
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
"""In which phases of its direction a speaker may send each message."""

HANDLERS: Final[dict[type, Handler]] = {
    **{kind: kind.HANDLER for kind in get_args(JsonMessage)},
    Chunks: CHUNKS_HANDLER,
}
"""The handler of each message."""


def handlers(taker: Taker, owner: type) -> dict[type, Callable[..., Any]]:
    """The methods of `owner` for the messages that it handles. AttributeError if it lacks one: modules call this at import."""
    return {kind: getattr(owner, method) for kind, (who, method) in HANDLERS.items() if who is taker}


def from_wire(fields: dict[str, Any]) -> JsonMessage | None:
    """The message for a JSON object; None if its type is unknown. A Signature has no data yet, and a Change no content.
    Raises PeerError that names the wrong field, or ProtocolVersion for a HELLO of another version."""
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
    """All bytes of a message and its attachment, as buffers to be sent in order, to any number of peers. Raises
    LocalError if the message violates a limit of the protocol."""
    if isinstance(message, Chunks):
        return encode_pieces(CHUNKS, message.pieces)
    return message.encode()
