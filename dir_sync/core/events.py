"""Everything that can happen to an engine (events) and everything it can ask for (effects).

In: nothing. Out: frozen values. Rule: nothing else crosses the line between deciding and doing. Events are named in
the past tense, effects in the imperative. Jobs are effects that a disk worker performs and answers with one event.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from dir_sync.core.messages import Have, HaveRequest, Hello, History, HistoryRequest, Loser, Message, Piece
from dir_sync.core.model import Kind, Record, Stat

# --- what crosses with the disk workers ------------------------------------------------------------------------------


class Hint(NamedTuple):
    """What was known under another name: a file whose stat still says this need not be read again."""

    fp: bytes
    size: int
    content: bytes
    relaxed: bool  # ctime may differ (a rename changes it)


class LookItem(NamedTuple):
    path: bytes
    fp: bytes  # what we last saw there; b"" nothing
    base: bytes  # digest of the version that the peers hold, if a delta from it would be welcome, else b""
    hint: Hint | None
    want_bytes: bool  # bring small content along
    may_be_large: bool  # False: answer TOO_BIG for a large file, so that it does not delay the others
    growing: bool = False  # it never came to rest: take what stays the same while more is appended
    was: bytes = b""  # digest of the version that is known, to see whether the file only grew; b"": not wanted
    was_size: int = 0


class Look(Enum):
    SAME = "same"  # nothing was touched since `fp`
    FOUND = "found"
    ABSENT = "absent"
    UNSTABLE = "unstable"  # it changed while it was read
    TOO_BIG = "too big"
    UNKNOWN = "unknown"  # could not be read: not the same as absent


class MadeDelta(NamedTuple):
    """A delta in our staging folder."""

    name: bytes
    base: bytes
    digest: bytes
    size: int


class Grown(NamedTuple):
    """A file begins with an older version of it, whole. `marks`: see core/growth.py."""

    base: bytes  # digest of that version
    size: int
    marks: tuple[bytes, ...]


class Growing(NamedTuple):
    """A file of ours that is to grow: what it is, and what it will be."""

    path: bytes
    fp: bytes
    size: int
    content: bytes
    marks: tuple[bytes, ...]
    target: bytes
    target_size: int
    mode: int
    mtime: int


MOUNTED = "another file system is mounted there"
"""The problem of a path that is none of the shared folder's."""


class Seen(NamedTuple):
    """What a look found at one path."""

    path: bytes
    look: Look
    kind: Kind = Kind.ABSENT
    size: int = 0
    content: bytes = b""
    mtime: int = 0
    mode: int = 0
    fp: bytes = b""  # longer than FINGERPRINT_BYTES: another write within the clock's grain would not show, look again
    data: bytes | None = None
    delta: MadeDelta | None = None
    problem: str = ""
    grown: Grown | None = None
    folder_mtime: int | None = None  # of the folder it is in, to be carried along with a change
    taken_for: bytes | None = None  # ABSENT, and the disk takes the name for this other one (see ports.Disk.spelled)


class Folder(NamedTuple):
    """A folder to list, and the fingerprints of what we hold in it, by name: what still has its own need not be told."""

    path: bytes
    known: dict[bytes, bytes]


class Listing(NamedTuple):
    path: bytes
    entries: list[tuple[bytes, Stat]] | None  # what is not as known; None: not there, or not a directory
    problem: str = ""
    folders: tuple[bytes, ...] = ()  # names of folders that are as known
    gone: tuple[bytes, ...] = ()  # known names that are not there
    seen: tuple[Seen, ...] = ()  # new small files, looked at on the spot: they are not among the entries
    mtime: int | None = None  # of the folder, if wanted
    mounts: tuple[bytes, ...] = ()  # names among the entries where another file system begins


class Why(Enum):
    """Why a version went to the history."""

    REPLACED = "replaced"
    DELETED = "deleted"
    CONFLICT = "conflict"
    RECOVERED = "recovered"


class Act(Enum):
    INSTALL = "install"  # a file, link or folder takes the name
    REMOVE = "remove"  # what is there goes to the history; an empty folder is just removed
    MOVE = "move"  # our own file gets a new name
    META = "meta"  # mode and mtime only


class ApplyItem(NamedTuple):
    """One change of the tree. It does nothing, and says so, if it finds anything but what it expects."""

    path: bytes
    act: Act
    target: Record
    expect: bytes  # fingerprint of what is there now; b"" nothing
    why: Why
    data: bytes | None = None  # the content itself ...
    copy_path: bytes | None = None  # ... or a file of ours (in the tree, or in the history) that has it ...
    copy_fp: bytes = b""  # (its fingerprint; b"" in the history, where nothing changes)
    staged: bytes | None = None  # ... or a verified file in the staging folder
    mtime: int | None = None  # META of a folder: its mtime
    mode: int | None = None


class Result(Enum):
    DONE = "done"
    CHANGED = "changed"  # something unexpected is there (or came and went): look again
    MISSING = "missing"  # the source of the content is not what it was
    PROBLEM = "problem"  # the world's trouble: try again later
    REFUSED = "refused"  # a link or another file system is in the way
    IMPOSSIBLE = "impossible"  # this file system cannot hold it, however often it is tried


class Version(NamedTuple):
    """One content kept in the history."""

    name: bytes  # its path
    path: bytes  # where it was
    kind: Kind
    size: int
    content: bytes
    mtime: int
    mode: int
    time_ns: int
    why: Why
    node: str  # whose change displaced it


class Before(NamedTuple):
    """How a path was before a change, which `node` made and we heard of (or saw) at `time_ns`."""

    path: bytes
    kind: Kind
    size: int
    content: bytes
    mtime: int
    mode: int
    time_ns: int
    node: str


class ApplyResult(NamedTuple):
    path: bytes
    result: Result
    fp: bytes = b""
    version: Version | None = None
    problem: str = ""
    full: bool = False  # there was no room on the disk
    too_large: bool = False  # IMPOSSIBLE for its size, not for its name


class ReadItem(NamedTuple):
    id: int
    path: bytes
    fp: bytes  # b"": ours alone (history, staging)
    offset: int
    length: int
    kept: tuple[int, int] | None = None  # in the history: size and mtime; whoever has it open may go on writing
    grows: bool = False  # it may be longer by now: whoever asks checks what it gets


# --- events ----------------------------------------------------------------------------------------------------------


class Urgency(Enum):
    __hash__ = object.__hash__  # events are kept in dicts, by the thousand

    NOW = "now"  # closed after writing, moved, or mode changed
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


class Listed(NamedTuple):
    listings: tuple[Listing, ...]
    left: tuple[bytes, ...] = ()  # folders that have still to be listed: there was enough in the others


class Looked(NamedTuple):
    items: tuple[Seen, ...]


class Applied(NamedTuple):
    items: tuple[ApplyResult, ...]


class Staged(NamedTuple):
    """Bytes were written to a staging file."""

    token: int
    written: int  # the file's length now
    verified: bool  # it is complete and its digest is the announced one
    problem: str = ""
    ours: bool = False  # the problem is our disk's, not the content's
    base_changed: bool = False  # the file that a delta was made for is not what it was: nobody's problem
    full: bool = False  # there was no room on the disk
    fp: bytes = b""  # a file that grew in its place
    unfinished: bool = False  # with a problem: a file could not be cut back to what it was; it has to be given up again
    too_large: bool = False  # this file system has no room for a file of that size, however empty it is


class Pruned(NamedTuple):
    """These versions are no more in the history."""

    names: tuple[bytes, ...]


class Rechecked(NamedTuple):
    """Versions as they are now, and those that are gone; nothing of those that could not be read."""

    versions: tuple[Version, ...]
    gone: tuple[bytes, ...]


class ReadDone(NamedTuple):
    peer: str
    link: int
    pieces: tuple[Piece, ...]
    refused: tuple[tuple[int, bytes], ...]  # id, path: what is there is not what the index says
    asked: int  # bytes
    push: bool = False


class DeltaDone(NamedTuple):
    peer: str
    link: int
    id: int
    delta: MadeDelta | None
    need_signature: bool
    grown: Grown | None = None  # no delta is needed: the file begins with the base


class Signed(NamedTuple):
    """The signature of a content is in the cache; `data` only if a peer waits for it."""

    peer: str
    link: int
    id: int
    data: bytes | None


class PeerUp(NamedTuple):
    """`address`: of the other end of the connection."""

    peer: str
    hello: Hello
    address: str = ""


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

# --- effects ---------------------------------------------------------------------------------------------------------


class ListJob(NamedTuple):
    """Watch, then list, and look at small files that are new. Answer: Listed."""

    folders: tuple[Folder, ...]
    want_bytes: bool = False  # bring their content along
    bulk: bool = False


class LookJob(NamedTuple):
    """Answer: Looked, one Seen for each item, in order."""

    items: tuple[LookItem, ...]
    bulk: bool = False


class ApplyJob(NamedTuple):
    """Answer: Applied, one result for each item, in order."""

    items: tuple[ApplyItem, ...]
    bulk: bool = False
    peer: str = ""  # here and below: for whose changes it is done, "": for none of a peer's


class StageJob(NamedTuple):
    """Append to a staging file; without chunks: open it (again) and tell its length. Answer: Staged."""

    token: int
    name: bytes
    chunks: tuple[tuple[int, bytes | memoryview], ...]
    size: int
    digest: bytes  # b"": a delta, nothing to verify
    bulk: bool = True
    peer: str = ""
    grows: Growing | None = (
        None  # what comes is appended to a file of ours; the staging file is for where that cannot be
    )
    give_up: bool = False  # no more comes: as it was before


class PatchJob(NamedTuple):
    """Make a file from a base and a staged delta. Answer: Staged."""

    token: int
    name: bytes
    delta_name: bytes
    base_path: bytes
    base_fp: bytes
    size: int
    digest: bytes
    bulk: bool = True
    peer: str = ""


class ReadJob(NamedTuple):
    """Answer: ReadDone. `link`, here and below: which of the peer's links asked; an answer is for no later one."""

    peer: str
    link: int
    items: tuple[ReadItem, ...]
    push: bool = False  # nobody asked: the contents of a page that the peer lacks
    bulk: bool = False


class DeltaJob(NamedTuple):
    """Make a delta from `base` to what is at `path`. Answer: DeltaDone."""

    peer: str
    link: int
    id: int
    path: bytes
    fp: bytes
    digest: bytes
    base: bytes
    signature: bytes | None
    base_size: int = 0  # 0: unknown
    only_growth: bool = False  # no delta where the base is not its beginning
    bulk: bool = True


class SignJob(NamedTuple):
    """Answer: Signed."""

    peer: str  # "": only for the cache
    link: int
    id: int
    path: bytes
    fp: bytes
    digest: bytes
    earlier: bytes = b""  # a content whose signature, if it is in the cache, says much of this one
    bulk: bool = True


class DiscardJob(NamedTuple):
    """Let go of stages and remove staging files of ours. No answer."""

    names: tuple[bytes, ...]
    bulk: bool = False
    tokens: tuple[int, ...] = ()
    unsigned: bool = False  # and let go of the files that are held open until they have a signature


class RecheckJob(NamedTuple):
    """Look at versions again: a program that had one open may have gone on writing into it. Answer: Rechecked."""

    versions: tuple[Version, ...]
    closely: bool = False  # read them, whatever their times say
    bulk: bool = True


class SweepJob(NamedTuple):
    """Remove all partial downloads but these. No answer."""

    keep: frozenset[bytes]  # names of staging files
    bulk: bool = False


class PruneJob(NamedTuple):
    """Remove versions from the history. Answer: Pruned, with those that are gone."""

    names: tuple[bytes, ...]
    bulk: bool = True
    young: frozenset[bytes] = frozenset()  # of these, those that stay while somebody has them open for writing
    thins: bool = False  # they go because later states of the same work are there


Job = (
    ListJob
    | LookJob
    | ApplyJob
    | StageJob
    | PatchJob
    | ReadJob
    | DeltaJob
    | SignJob
    | DiscardJob
    | PruneJob
    | SweepJob
    | RecheckJob
)


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


class NewIdentity(NamedTuple):
    """The index has taken new ids: every link has to say hello anew."""

    reason: str


class Note(NamedTuple):
    """Something a person may want to read. `what` selects the sentence; the narrator groups what comes in crowds."""

    what: str
    path: bytes = b""
    peer: str = ""
    size: int = 0
    wire: int = 0
    text: str = ""
    crowd: int = 1  # so many of the same kind, together `size` bytes
    each: tuple[tuple[bytes, int], ...] = ()  # path and size of all of a crowd, for who wants every name


Effect = Job | Send | Drop | NewIdentity | Note | Report
