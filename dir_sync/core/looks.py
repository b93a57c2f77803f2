"""What a look at a path is asked for, and what it finds; the same for a listing of a folder.

In: nothing. Out: frozen values. The engine and core.watching.pending_looks make LookItem and Folder, the disk workers answer with
Seen and Listing. They travel in jobs (core/jobs.py). May import: core.model.
"""

from enum import Enum
from typing import NamedTuple

from dir_sync.core.model import Kind, Stat

# Asked


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
    open_below: int = 0  # OPEN if it is open for writing, and either shorter than this or no continuation of `was`


class Folder(NamedTuple):
    """A folder to list, and the fingerprints of what we hold in it, by name: what still has its own need not be told."""

    path: bytes
    known: dict[bytes, bytes]


# Found


class Look(Enum):
    SAME = "same"  # nothing was touched since `fp`
    FOUND = "found"
    ABSENT = "absent"
    UNSTABLE = "unstable"  # it changed while it was read
    OPEN = "open"  # a program is rewriting it, and has not closed it
    TOO_BIG = "too big"
    UNKNOWN = "unknown"  # could not be read: not the same as absent


class MadeDelta(NamedTuple):
    """A delta in our staging folder."""

    name: bytes
    base: bytes
    digest: bytes
    size: int


class Grown(NamedTuple):
    """A file begins with an older version of it, whole. `marks`: see core/transfers/growth.py."""

    base: bytes  # digest of that version
    size: int
    marks: tuple[bytes, ...]


MOUNTED = "another file system is mounted there"
"""The problem of a path that is none of the shared folder's."""


class Seen(NamedTuple):
    """What a look found at one path.

    It has more fields than a class should have: it is a plain value, made by the thousand;
    to nest it would cost a second tuple for each file.
    """

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


class Listing(NamedTuple):
    path: bytes
    entries: list[tuple[bytes, Stat]] | None  # what is not as known; None: not there, or not a directory
    problem: str = ""
    folders: tuple[bytes, ...] = ()  # names of folders that are as known
    gone: tuple[bytes, ...] = ()  # known names that are not there
    seen: tuple[Seen, ...] = ()  # new small files, looked at on the spot: they are not among the entries
    mtime: int | None = None  # of the folder, if wanted
    mounts: tuple[bytes, ...] = ()  # names among the entries where another file system begins
