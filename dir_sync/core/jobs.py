"""What crosses with the disk workers: each job, what it is made of, and the event that answers it.

In: nothing. Out: frozen values. The engine orders jobs (as effects), `file_sync` and the rooms in `files` perform them, and the
answer goes back to the engine (as an event). A job that has no answer says so. May import: core.looks, core.model,
and of core.wire the pieces of content that a read brings.
"""

from enum import Enum
from typing import NamedTuple

from dir_sync.core.looks import Folder, Grown, Listing, LookItem, MadeDelta, Seen
from dir_sync.core.model import Kind, Record
from dir_sync.core.wire import Piece

# Look and list: see core/looks.py


class ListJob(NamedTuple):
    """Watch, then list, and look at small files that are new. Answer: Listed."""

    folders: tuple[Folder, ...]
    want_bytes: bool = False  # bring their content along
    bulk: bool = False


class Listed(NamedTuple):
    listings: tuple[Listing, ...]
    left: tuple[bytes, ...] = ()  # folders that have still to be listed: there was enough in the others


class LookJob(NamedTuple):
    """Answer: Looked, one Seen for each item, in order."""

    items: tuple[LookItem, ...]
    bulk: bool = False


class Looked(NamedTuple):
    items: tuple[Seen, ...]


# Change the tree; what that displaces goes to the history


class Why(Enum):
    """Why a version went to the history."""

    REPLACED = "replaced"
    DELETED = "deleted"
    CONFLICT = "conflict"
    RECOVERED = "recovered"


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


class ApplyJob(NamedTuple):
    """Answer: Applied, one result for each item, in order."""

    items: tuple[ApplyItem, ...]
    bulk: bool = False
    peer: str = ""  # here and below: for whose changes it is done, "": for none of a peer's


class Result(Enum):
    DONE = "done"
    CHANGED = "changed"  # something unexpected is there (or came and went): look again
    MISSING = "missing"  # the source of the content is not what it was
    PROBLEM = "problem"  # the world's trouble: try again later
    REFUSED = "refused"  # a link or another file system is in the way
    IMPOSSIBLE = "impossible"  # this file system cannot hold it, however often it is tried


class ApplyResult(NamedTuple):
    path: bytes
    result: Result
    fp: bytes = b""
    version: Version | None = None
    problem: str = ""
    full: bool = False  # there was no room on the disk
    too_large: bool = False  # IMPOSSIBLE for its size, not for its name


class Applied(NamedTuple):
    items: tuple[ApplyResult, ...]


# Bring a content into the staging folder


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


class Beginning(NamedTuple):
    """A file of ours with which a content that is to come begins."""

    path: bytes
    fp: bytes  # b"": in the history
    size: int


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
    begins: Beginning | None = None  # if the staging file is new, this is copied into it first


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


class DiscardJob(NamedTuple):
    """Let go of stages and remove staging files of ours. No answer."""

    names: tuple[bytes, ...]
    bulk: bool = False
    tokens: tuple[int, ...] = ()
    unsigned: bool = False  # and let go of the files that are held open until they have a signature


class SweepJob(NamedTuple):
    """Remove all partial downloads but these. No answer."""

    keep: frozenset[bytes]  # names of staging files
    bulk: bool = False


# Read for peers


class ReadItem(NamedTuple):
    id: int
    path: bytes
    fp: bytes  # b"": ours alone (history, staging)
    offset: int
    length: int
    kept: tuple[int, int] | None = None  # in the history: size and mtime; whoever has it open may go on writing
    grows: bool = False  # it may be longer by now: whoever asks checks what it gets


class ReadJob(NamedTuple):
    """Answer: ReadDone. `link`, here and below: which of the peer's links asked; an answer is for no later one."""

    peer: str
    link: int
    items: tuple[ReadItem, ...]
    push: bool = False  # nobody asked: the contents of a page that the peer lacks
    bulk: bool = False


class ReadDone(NamedTuple):
    peer: str
    link: int
    pieces: tuple[Piece, ...]
    refused: tuple[tuple[int, bytes], ...]  # id, path: what is there is not what the index says
    asked: int  # bytes
    push: bool = False


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


class DeltaDone(NamedTuple):
    peer: str
    link: int
    id: int
    delta: MadeDelta | None
    need_signature: bool
    grown: Grown | None = None  # no delta is needed: the file begins with the base


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


class Signed(NamedTuple):
    """The signature of a content is in the cache; `data` only if a peer waits for it."""

    peer: str
    link: int
    id: int
    data: bytes | None


# Versions in the history


class PruneJob(NamedTuple):
    """Remove versions from the history. Answer: Pruned, with those that are gone."""

    names: tuple[bytes, ...]
    bulk: bool = True
    young: frozenset[bytes] = frozenset()  # of these, those that stay while somebody has them open for writing
    thins: bool = False  # they go because later states of the same work are there


class Pruned(NamedTuple):
    """These versions are no more in the history."""

    names: tuple[bytes, ...]


class RecheckJob(NamedTuple):
    """Look at versions again: a program that had one open may have gone on writing into it. Answer: Rechecked."""

    versions: tuple[Version, ...]
    closely: bool = False  # read them, whatever their times say
    bulk: bool = True


class Rechecked(NamedTuple):
    """Versions as they are now, and those that are gone; nothing of those that could not be read."""

    versions: tuple[Version, ...]
    gone: tuple[bytes, ...]


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
