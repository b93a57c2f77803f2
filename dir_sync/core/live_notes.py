"""What the stream of events says beside the notes: what the log says in other ways, and what counts for the moment only.

In:   nothing. Out: frozen values, one kind for each thing that happens; `Event` is any of them, or a note.
Rule: as for `core.notes`: facts in plain units and in names that people know. It may import core only.
Used by: core.note_json, daemon, reporting.event_words, web.activity.
"""

from dir_sync.core.named import NamedTuple
from dir_sync.core.notes import Note

__all__ = [
    "Begun",
    "Ended",
    "Event",
    "LiveNote",
    "Missed",
    "PauseBegan",
    "PauseOver",
    "PeerCame",
    "PeerLeft",
    "TransferBegan",
    "TransferEnded",
    "TransferMoved",
]


class Begun(NamedTuple):
    """The stream begins: the node `name` shares the folder under the name `folder`."""

    name: str
    folder: str


class Ended(NamedTuple):
    """The node does not share the folder any more: the last event."""


class Missed(NamedTuple):
    """The reader was too slow, or came too late: `events` events are missing here."""

    events: int


class PeerCame(NamedTuple):
    """The node `peer` is connected, and shares the folder."""

    peer: str
    address: str


class PeerLeft(NamedTuple):
    """The node `peer` is not connected any more, or does not share the folder any more."""

    peer: str


class PauseBegan(NamedTuple):
    """The folder is paused here. `until_s`: Unix time; 0: until `resume`."""

    until_s: int


class PauseOver(NamedTuple):
    """The folder is not paused here any more."""


class TransferBegan(NamedTuple):
    """A large content begins to move. `direction`: `receive` or `send`. `done`: bytes that were there already."""

    path: bytes
    peer: str
    direction: str
    size: int
    done: int


class TransferMoved(NamedTuple):
    """`done` bytes of a large content are there now, at `per_s` bytes a second since the event before. At most one in a second
    for each content; it is not kept for who comes later."""

    path: bytes
    peer: str
    direction: str
    size: int
    done: int
    per_s: int


class TransferEnded(NamedTuple):
    """Nothing more of a large content moves. `done`: when it was last looked at. If it is complete, `Received` or `Sent` says
    that."""

    path: bytes
    peer: str
    direction: str
    size: int
    done: int


LiveNote = (
    Begun
    | Ended
    | Missed
    | PeerCame
    | PeerLeft
    | PauseBegan
    | PauseOver
    | TransferBegan
    | TransferMoved
    | TransferEnded
)
Event = Note | LiveNote
