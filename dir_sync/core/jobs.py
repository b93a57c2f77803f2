"""Jobs for the disk workers: each job, its parts, and the event that answers it.

In: nothing. Out: frozen values. The engine orders jobs (as effects), `file_sync` and the modules in `files` perform
them, and the answer returns to the engine as an event. A job without an answer says so. Those about texts that are merged
are in `text_jobs`. May import: core.attributes, core.looks, core.model, core.text_jobs, core.verify, and of core.wire the
pieces of content that a read returns.
"""

from enum import Enum

from dir_sync.core.attributes import Attributes
from dir_sync.core.looks import Folder, Grown, Listing, LookItem, MadeDelta, Seen
from dir_sync.core.model import Kind, Record
from dir_sync.core.named import NamedTuple
from dir_sync.core.text_jobs import KeepTextsJob, MergeJob
from dir_sync.core.verify import VerifyJob
from dir_sync.core.wire import Piece


class ListJob(NamedTuple):
    """Watch each folder, then list it, and look at its new small files. Answer: Listed."""

    folders: tuple[Folder, ...]
    want_bytes: bool = False  # return the content of these files, too
    bulk: bool = False


class Listed(NamedTuple):
    listings: tuple[Listing, ...]
    left: tuple[bytes, ...] = ()  # folders not listed yet, because the others had many entries


class LookJob(NamedTuple):
    """Answer: Looked, one Seen for each item, in order."""

    items: tuple[LookItem, ...]
    bulk: bool = False


class Looked(NamedTuple):
    items: tuple[Seen, ...]


# Change the tree; displaced content goes into the history


class Cause(Enum):
    """Why a version was moved into the history."""

    REPLACED = "replaced"
    DELETED = "deleted"
    CONFLICT = "conflict"
    RECOVERED = "recovered"
    ROTTEN = "rotten"  # it had gone bad on the disk: what was recorded has taken its place

    @property
    def is_of_nobody(self) -> bool:
        """True if no change of a user or of a peer displaced it."""
        return self in (Cause.RECOVERED, Cause.ROTTEN)


class Version(NamedTuple):
    """One version kept in the history."""

    name: bytes  # its path in the history
    path: bytes  # where it was in the tree
    kind: Kind
    size: int
    content: bytes
    mtime: int
    mode: int
    time_ns: int
    why: Cause
    maker: str  # the replica whose change displaced it
    attributes: Attributes | None = None  # owner and the like, as its version said; None: nothing


class Before(NamedTuple):
    """How a path was before a change. `maker` made the change; this node learned of it at `time_ns`."""

    path: bytes
    kind: Kind
    size: int
    content: bytes
    mtime: int
    mode: int
    time_ns: int
    maker: str
    attributes: Attributes | None = None


class TreeOp(Enum):
    INSTALL = "install"  # a file, link or folder gets the name
    REMOVE = "remove"  # the entry goes into the history; an empty folder is just removed
    MOVE = "move"  # a file of ours is renamed
    META = "meta"  # mode and mtime only


class Naming(Enum):
    """How an INSTALL makes names of one file, or of several."""

    LINK = "link"  # the path becomes another name of `copy_path`; if that can have none, a copy of it
    JOIN = "join"  # the same; if that can have none, the path, which has the content already, stays as it is
    APART = "apart"  # the path, one of several names of a file, gets a file of its own with the same content


class ApplyItem(NamedTuple):
    """One change of the tree. If it finds anything but what it expects, it changes nothing and reports CHANGED.

    It has more fields than a class should have: it is a plain value, made by the thousand."""

    path: bytes
    act: TreeOp
    target: Record
    expect: bytes  # fingerprint of what is there now; b"": nothing
    why: Cause
    data: bytes | None = None  # the content itself ...
    copy_path: bytes | None = None  # ... or a file of ours with that content, in the tree or in the history ...
    copy_fp: bytes = b""  # (its fingerprint; b"" in the history, where nothing changes)
    staged: bytes | None = None  # ... or a verified file in the staging folder
    mtime: int | None = None  # META of a folder: its mtime
    mode: int | None = None
    known: bytes = b""  # the digest of the file that is there now; b"": it is no file, or not compared
    naming: Naming | None = None
    giver: str = ""  # the peer from which `data` came; "": none


class ApplyJob(NamedTuple):
    """Answer: Applied, one result for each item, in order."""

    items: tuple[ApplyItem, ...]
    bulk: bool = False
    peer: str = ""  # here and below: the peer whose changes it carries out; "": none


class Result(Enum):
    DONE = "done"
    CHANGED = "changed"  # something unexpected is or was there: look again
    MISSING = "missing"  # the source of the content has changed
    PROBLEM = "problem"  # an error of the disk: try again later
    REFUSED = "refused"  # a link or another file system is in the way
    IMPOSSIBLE = "impossible"  # this file system can never hold it


class ApplyResult(NamedTuple):
    path: bytes
    result: Result
    fp: bytes = b""
    version: Version | None = None
    problem: str = ""
    full: bool = False  # the disk was full
    too_large: bool = False  # IMPOSSIBLE for its size, not for its name
    is_unread: bool = False  # the version could not be read when it came out: nobody knows what its content is


class Applied(NamedTuple):
    items: tuple[ApplyResult, ...]
    # Users' files that could not have their names back, and are in the history now: changes that came in between.
    rescued: tuple[Version, ...] = ()


# Bring a content into the staging folder


class Growing(NamedTuple):
    """A file of ours to which bytes are appended: what it is now, and what it will be."""

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
    """A file of ours that is the beginning of a content to come."""

    path: bytes
    fp: bytes  # b"": in the history
    size: int


class StageJob(NamedTuple):
    """Append to a staging file; without chunks: open it (again) and report its length. Answer: Staged."""

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
    give_up: bool = False  # no more bytes come: restore the old state
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
    """The state of a staging file after a job."""

    token: int
    written: int  # the file's length now
    verified: bool  # it is complete, and its digest is the announced one
    problem: str = ""
    ours: bool = False  # the problem is one of our disk, not of the content
    base_changed: bool = False  # the base of the delta has changed since: nobody's error
    full: bool = False  # the disk was full
    fp: bytes = b""  # of a file to which the bytes were appended directly
    unfinished: bool = False  # the file could not be cut back to its old size; try again later
    too_large: bool = False  # the file system does not allow a file of that size


class DiscardJob(NamedTuple):
    """Close and remove staging files. No answer."""

    names: tuple[bytes, ...]
    bulk: bool = False
    tokens: tuple[int, ...] = ()
    unsigned: bool = False  # also close the files that are kept open until they have a signature


class SweepJob(NamedTuple):
    """Remove all partial downloads except `keep`. No answer."""

    keep: frozenset[bytes]  # names of staging files
    bulk: bool = False


# Read for peers


class ReadItem(NamedTuple):
    id: int
    path: bytes
    fp: bytes  # b"": a file that only this node changes (history, staging)
    offset: int
    length: int
    # size and mtime of a version in the history: a program may still be writing into it
    kept: tuple[int, int] | None = None
    # Digest and size of what the file may begin with: bytes may have been appended to it.
    grows: tuple[bytes, int] | None = None


class ReadJob(NamedTuple):
    """Answer: ReadDone. `link`, here and below: the connection on which the peer asked. A later connection gets no
    answer."""

    peer: str
    link: int
    items: tuple[ReadItem, ...]
    push: bool = False  # not asked for: the contents of a page with which the peer is seeded
    bulk: bool = False


class ReadDone(NamedTuple):
    peer: str
    link: int
    pieces: tuple[Piece, ...]
    refused: tuple[tuple[int, bytes], ...]  # id, path: the file is not what the index says
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
    only_growth: bool = False  # make no delta unless the file begins with the base
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
    earlier: bytes = b""  # a content whose cached signature covers much of this one
    bulk: bool = True


class Signed(NamedTuple):
    """The signature of a content is in the cache; `data` only if a peer asked for it."""

    peer: str
    link: int
    id: int
    data: bytes | None


# Versions in the history


class PruneJob(NamedTuple):
    """Remove versions from the history. Answer: Pruned, with those that were removed."""

    names: tuple[bytes, ...]
    bulk: bool = True
    young: frozenset[bytes] = frozenset()  # of these, the ones to keep while a program has them open for writing
    thins: bool = False  # these are passing states of a file that was saved repeatedly


class Pruned(NamedTuple):
    """These versions are no longer in the history."""

    names: tuple[bytes, ...]


class RecheckJob(NamedTuple):
    """Check versions again: a program that had one open may have written into it. Answer: Rechecked."""

    versions: tuple[Version, ...]
    closely: bool = False  # read the content, even if the times are unchanged
    bulk: bool = True


class Rechecked(NamedTuple):
    """Versions as they are now, and versions that no longer exist. Those that could not be read are in neither."""

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
    | KeepTextsJob
    | MergeJob
    | VerifyJob
)
