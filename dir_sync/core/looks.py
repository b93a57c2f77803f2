"""What a look at a path is asked for, and what it found; the same for the listing of a folder.

In: nothing. Out: frozen values. The engine makes LookItem and Folder with the help of core.watching.pending_looks; the
disk workers answer with Seen and Listing. They travel in jobs (core/jobs.py). May import:
core.attributes, core.ignore, core.model.
"""

from enum import Enum

from dir_sync.core.attributes import Attributes
from dir_sync.core.ignore import FolderRules
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stat
from dir_sync.core.named import NamedTuple

# Asked


class Hint(NamedTuple):
    """What was known under another name. If the file's stat still matches, the content need not be read again."""

    fp: bytes
    size: int
    content: bytes
    relaxed: bool  # ctime may differ (a rename changes it)


class LookItem(NamedTuple):
    path: bytes
    fp: bytes  # what our last look found there; b"": nothing
    base: bytes  # digest of the peers' version, if a delta from it is wanted; else b""
    hint: Hint | None
    want_bytes: bool  # return the content of a small file
    may_be_large: bool  # False: answer TOO_BIG for a large file, which would delay the others
    growing: bool = False  # the file kept changing: accept the part that stays the same while more is appended
    was: bytes = b""  # digest of the known version, to detect that the file only grew; b"": not wanted
    was_size: int = 0
    open_below: int = 0  # answer OPEN if it is open for writing, and is shorter than this or does not begin with `was`
    cut_below: int = 0  # although no event told so: answer OPEN if it is surely open for writing, and shorter than this
    attributes: Attributes | None = None  # of the version that is there so far; None: there is none, or nothing is kept


class Folder(NamedTuple):
    """A folder to list, and the fingerprints of its known entries by name. Entries that still match are not
    reported. Entries that the rules ignore are reported as such."""

    path: bytes
    known: dict[bytes, bytes]
    rules: FolderRules | None = None  # None: nothing is ignored
    generation: int = 0  # of the rules
    has_local: bool = False  # the rules of this machine are read, too
    attributes: Attributes | None = None  # of the folder itself, if it is asked whether they differ


# Found


class LookOutcome(Enum):
    SAME = "same"  # unchanged since `fp`
    FOUND = "found"
    ABSENT = "absent"
    UNSTABLE = "unstable"  # it changed while it was read
    OPEN = "open"  # a program is rewriting it and has not closed it
    TOO_BIG = "too big"
    UNKNOWN = "unknown"  # could not be read, which is not the same as absent


class MadeDelta(NamedTuple):
    """A delta in our staging folder."""

    name: bytes
    base: bytes
    digest: bytes
    size: int


class Grown(NamedTuple):
    """The file begins with the whole of an older version. `marks`: see core/transfers/growth.py."""

    base: bytes  # digest of that version
    size: int
    marks: tuple[bytes, ...]


RACY = b"?"
"""Appended to the fingerprint of a file that may have been written after it was read, without a trace in its times."""

UNPROVEN = b"?a"
"""In place of RACY: a look is due, and the disk may lack attributes that the version says (see `Index.keep`)."""

HALF_WAY = b"?half"
"""Appended to the fingerprint of an entry that has some attributes of a newer version, which is to replace it. If that is
not taken after all, a look counts them as changed here."""


def is_doubtful(fp: bytes) -> bool:
    """True if the content may be another one by now, so that a look is due before anything is copied from there."""
    return len(fp) > FINGERPRINT_BYTES and not fp.endswith(HALF_WAY)


MOUNTED = "another file system is mounted there"
"""The problem text for a path that is not part of the shared folder."""


class Seen(NamedTuple):
    """What a look found at one path.

    It has more fields than a class should have: it is a plain value, made by the thousand;
    to nest it would cost a second tuple for each file.
    """

    path: bytes
    look: LookOutcome
    kind: Kind = Kind.ABSENT
    size: int = 0
    content: bytes = b""
    mtime: int = 0
    mode: int = 0
    # longer than FINGERPRINT_BYTES: another write within the timestamp granularity would not show, so look again
    fp: bytes = b""
    data: bytes | None = None
    delta: MadeDelta | None = None
    problem: str = ""
    grown: Grown | None = None
    folder_mtime: int | None = None  # mtime of its folder, to be announced together with a change
    # ABSENT, because the disk takes the name for this other one (see ports.Disk.spelled)
    taken_for: bytes | None = None
    links: int = 0  # how many names the file has; 0: unknown
    attributes: Attributes | None = None  # those that are kept here


class RuleTexts(NamedTuple):
    """The texts of files with rules for paths that are not shared, in one folder."""

    own: bytes | None  # of its `.syncignore`; None: there is none
    local: bytes = b""  # of the file of this machine, if it is the shared folder itself


class Listing(NamedTuple):
    path: bytes
    entries: list[tuple[bytes, Stat]] | None  # entries that differ from the known ones; None: no such directory
    problem: str = ""
    folders: tuple[bytes, ...] = ()  # names of known folders that are unchanged
    gone: tuple[bytes, ...] = ()  # known names that no longer exist
    seen: tuple[Seen, ...] = ()  # new small files that were looked at immediately; not in `entries`
    mtime: int | None = None  # mtime of the folder, if asked for
    mounts: tuple[bytes, ...] = ()  # names among the entries where another file system begins
    ignored: tuple[tuple[bytes, Stat], ...] = ()  # entries that are not shared, by the rules of this generation
    generation: int = 0
    rules: RuleTexts | None = RuleTexts(None)  # None: they could not be read
    differs: bool = False  # the folder itself has other attributes than the known ones
