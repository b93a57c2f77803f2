"""Everything that can happen to an engine (events) and everything it can ask for (effects).

In: nothing. Out: frozen values. Rule: nothing else crosses the line between deciding and doing. Events are named in
the past tense, effects in the imperative. Jobs are effects that a disk worker performs and answers with one event:
both stand in core/jobs.py.
"""

from enum import Enum
from typing import NamedTuple

from dir_sync.core.jobs import (
    Applied,
    Before,
    DeltaDone,
    Job,
    Listed,
    Looked,
    Pruned,
    ReadDone,
    Rechecked,
    Signed,
    Staged,
)
from dir_sync.core.messages import Have, HaveRequest, Hello, History, HistoryRequest, Loser, Message
from dir_sync.core.notes import Note
from dir_sync.core.transfers.connection import Connection

# Events


class Urgency(Enum):
    __hash__ = object.__hash__  # events are kept in dicts, by the thousand

    NOW = "now"  # closed after writing, or moved
    ATTRIBUTES = "attributes"  # its mode or its times were set; a program may have it open
    ARRIVED = "arrived"  # a file got this name, and had none in the folder before: also what we install does
    CREATED = "created"
    WRITING = "writing"
    VANISHED = "vanished"
    FOLDER = "folder"  # a folder appeared (made, or moved here): what is in it is unknown


class Touched(NamedTuple):
    path: bytes
    urgency: Urgency


class Moved(NamedTuple):
    """Both halves of a rename inside the folder were seen."""

    source: bytes
    target: bytes
    is_directory: bool


class Blind(NamedTuple):
    """Events were lost or cannot be had below this path: only a scan knows."""

    path: bytes
    reason: str


class Decided(NamedTuple):
    """Somebody has decided about what the brake holds: it is meant (`approve`), or it is to come back from the others."""

    approve: bool


class ConflictsSettled(NamedTuple):
    """Somebody here has seen these losers of conflicts (in our index they are settled): no peer need name them any more."""

    losers: tuple[Loser, ...]


class Recalled(NamedTuple):
    """Somebody wants paths to be again what they were. `holders`: which peers have a content that is not here."""

    wanted: tuple[Before, ...]
    holders: dict[bytes, tuple[str, ...]]


class Inquired(NamedTuple):
    """Somebody wants to know something of all peers. Answer: Report with the same id."""

    id: int
    questions: tuple[HistoryRequest | HaveRequest, ...]


class Ticked(NamedTuple):
    """A deadline has come."""


class PeerUp(NamedTuple):
    """A node has a link with us. `peer`: its replica of this folder; so peers are called in all events and effects.
    `address`: of the other end of the connection. `may_write`: what it changes counts here. `connection`: what its folders share;
    None: there are no others."""

    peer: str
    hello: Hello
    address: str = ""
    may_write: bool = True
    connection: Connection | None = None


class PeerDown(NamedTuple):
    peer: str
    reason: str


class Received(NamedTuple):
    peer: str
    message: Message


class Drained(NamedTuple):
    """So many bytes of what we sent have left for the peer."""

    peer: str
    size: int


Event = (
    Touched | Moved | Blind | Decided | ConflictsSettled | Recalled | Inquired | Ticked | Listed | Looked | Applied
    | Staged | ReadDone | DeltaDone | Signed | PeerUp | PeerDown | Received | Drained | Pruned | Rechecked
)  # fmt: skip


# Effects


class Send(NamedTuple):
    """To be performed after the commit: it may tell what the index knows."""

    peers: tuple[str, ...]
    message: Message
    size: int  # roughly, in bytes: what Drained will give back


class Drop(NamedTuple):
    """That peer has lost its connection; `reason` is a word of the protocol, `text` for people."""

    peer: str
    reason: str
    text: str


class Report(NamedTuple):
    """What the peers said to a question: who, and the number of the question among those that were asked together."""

    id: int
    answers: tuple[tuple[str, int, History | Have], ...]


class InVain(NamedTuple):
    """So many announcements of that peer have changed nothing here."""

    peer: str
    announcements: int


class NewReplica(NamedTuple):
    """The index has taken a new replica id: every link has to say hello anew."""


class Tell(NamedTuple):
    """This has happened: people may want to know it."""

    note: Note


Effect = Job | Send | Drop | InVain | NewReplica | Tell | Report
