"""Everything that can happen to an engine (events) and everything it can ask for (effects).

In: nothing. Out: frozen values. Rule: nothing else crosses the boundary between deciding (engine) and doing (daemon,
files). Events are named in the past tense, effects in the imperative. A job is an effect that a disk worker performs
and answers with one event; jobs are in core/jobs.py.
"""

from enum import Enum

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
from dir_sync.core.named import NamedTuple
from dir_sync.core.notes import Note
from dir_sync.core.text_jobs import Merged, TextsRead
from dir_sync.core.transfers.connection import Connection
from dir_sync.core.verify import Verified

# Events


class Urgency(Enum):
    __hash__ = object.__hash__  # events are dict keys, by the thousand

    NOW = "now"  # closed after writing, or renamed
    ATTRIBUTES = "attributes"  # mode or times were set; a program may have the file open
    ARRIVED = "arrived"  # a file got this name, which was unused before; our own installations cause it, too
    CREATED = "created"
    WRITING = "writing"
    VANISHED = "vanished"
    FOLDER = "folder"  # a folder was made or moved here: its content is unknown


class Touched(NamedTuple):
    path: bytes
    urgency: Urgency


class Moved(NamedTuple):
    """The watcher saw both halves of a rename inside the folder."""

    source: bytes
    target: bytes
    is_directory: bool


class Blind(NamedTuple):
    """The watcher lost events below this path, or cannot watch it: only a scan tells what is there."""

    path: bytes
    reason: str


class Decided(NamedTuple):
    """A person decided about what the brake holds: to carry it out (`approve`), or to undo it. `paths`: only about what is
    held here at or below these; none: about everything, here and at the peers."""

    approve: bool
    paths: tuple[bytes, ...] = ()


class Overridden(NamedTuple):
    """A person at a send-only node wants everywhere what is here."""


class Reverted(NamedTuple):
    """A person at a node that keeps its changes to itself wants here what the mesh has."""


class ConflictsDismissed(NamedTuple):
    """A person at this node has seen these losers of conflicts, and our index marks them so. The peers need not list
    them any more."""

    losers: tuple[Loser, ...]


class RestoreRequested(NamedTuple):
    """A person wants paths back as they were. `holders`: for contents that are not here, the peers that have them."""

    wanted: tuple[Before, ...]
    holders: dict[bytes, tuple[str, ...]]


class Inquired(NamedTuple):
    """A person asks all peers something. The answer is a Report with the same id."""

    id: int
    questions: tuple[HistoryRequest | HaveRequest, ...]


class ExcerptWanted(NamedTuple):
    """A person wants to look at a content that only a peer keeps: a piece of it, at most 1 MiB. The answer is an Excerpt with
    the same id. `path`: where that content was."""

    id: int
    holder: str
    path: bytes
    content: bytes
    offset: int
    length: int


class VerifyWanted(NamedTuple):
    """A person wants everything to be read again, here and at the peers. `repair`: what is rotten is healed."""

    repair: bool


class VerifyEnded(NamedTuple):
    """That person has seen the result, or does not want it any more."""


class Ticked(NamedTuple):
    """A deadline is due."""


class RoomMeasured(NamedTuple):
    """So many bytes of contents may still come, by the limit of a person (negative: it is exceeded)."""

    room: int


class PeerUp(NamedTuple):
    """A peer is connected. `peer`: the id of its replica of this folder, the name of peers in all events and effects.
    `address`: the other end of the connection. `may_write`: its changes are accepted. `connection`: the state that all
    folders of this connection share; None: there is only this folder."""

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
    """So many bytes that we sent have left our outbox."""

    peer: str
    size: int


Event = (
    Touched | Moved | Blind | Decided | Overridden | Reverted | ConflictsDismissed | RestoreRequested | Inquired | ExcerptWanted
    | Ticked | Listed | RoomMeasured | Looked | Applied | Staged | ReadDone | DeltaDone | Signed | PeerUp | PeerDown | Received
    | Drained | Pruned | Rechecked | TextsRead | Merged | Verified | VerifyWanted | VerifyEnded
)  # fmt: skip


# Effects


class Send(NamedTuple):
    """Send after the commit: the message may announce what the index contains."""

    peers: tuple[str, ...]
    message: Message
    size: int  # approximate bytes; Drained reports them back


class Drop(NamedTuple):
    """End the connection with that peer. `reason` is a word of the protocol, `text` is for people."""

    peer: str
    reason: str
    text: str


class Report(NamedTuple):
    """The peers' answers to a question: peer, number of the question, answer."""

    id: int
    answers: tuple[tuple[str, int, History | Have], ...]


class Excerpt(NamedTuple):
    """A piece of a content that a peer keeps. `problem`: why there is none; "": it is here."""

    id: int
    data: bytes
    problem: str


class UselessAnnouncements(NamedTuple):
    """A peer made so many announcements that changed nothing here."""

    peer: str
    announcements: int


class NewReplica(NamedTuple):
    """The index has a new replica id: every link has to send a new HELLO."""


class Tell(NamedTuple):
    """Report this to people."""

    note: Note


Effect = Job | Send | Drop | UselessAnnouncements | NewReplica | Tell | Report | Excerpt
