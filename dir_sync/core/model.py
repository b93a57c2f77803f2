"""The vocabulary: what a path, a record, a stamp and a version vector are.

Values only. A further attribute of files begins here, as a field of `Record` and `Stat`; `core.messages.records` carries it,
`index.codec` keeps it, `disk` reads it and `files.metadata` sets it.

Paths are bytes relative to the shared folder, parts joined by ``/``; the folder itself is ``b""``.
Times are integer nanoseconds since 1970 and may exceed 64 bits (ext4 holds the year 2446).
"""

from __future__ import annotations

import re
import struct
from enum import IntEnum
from typing import NamedTuple

from dir_sync.core import limits

__all__ = [
    "CTIME_BYTES",
    "FINGERPRINT_BYTES",
    "FIRST_CONTACT",
    "NS_PER_S",
    "Kind",
    "PathError",
    "PeerError",
    "Record",
    "Stamp",
    "Stat",
    "Vector",
    "beats",
    "check_path",
    "concurrent",
    "fingerprint",
    "from_shown",
    "has_seen",
    "inode_of",
    "is_first_scan",
    "join",
    "joined",
    "knows_itself",
    "leq",
    "lineage_of",
    "made_from",
    "meanings",
    "parent_of",
    "same_body",
    "same_content",
    "same_meta",
    "same_version",
    "show",
    "size_of",
    "with_change",
]


class PeerError(Exception):
    """They are wrong: that peer loses its connection, nobody anything else. The text is one line for people."""


class PathError(ValueError):
    """Not a path that may be used inside a shared folder."""


class Kind(IntEnum):
    """What a path is. ABSENT is a tombstone: it was something, and was deleted. OTHER is never synchronized."""

    ABSENT = 0
    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    OTHER = 9


class Stamp(NamedTuple):
    """When a version was made. Totally ordered: nanoseconds first, then the id of its maker: a replica,
    or the name that a first scan gives (`is_first_scan`)."""

    ns: int
    maker: str


Vector = tuple[tuple[str, int], ...]
"""A version vector: (maker, counter) pairs sorted by maker, each maker once."""


class Record(NamedTuple):
    """One version of one path, the same value on every node that has it."""

    path: bytes
    kind: Kind
    size: int  # bytes of a FILE, else 0
    content: bytes  # FILE: BLAKE3 digest, 32 bytes; SYMLINK: its target; else b""
    mtime: int  # ns; of a DIRECTORY it is only carried along, never compared
    mode: int  # rwx bits; 0 for ABSENT, 0o777 for SYMLINK
    stamp: Stamp
    vector: Vector  # all changes that this version stands above: those it was made from, and those that lost to it
    lineage: Vector = ()  # the former alone, where it was joined with one that lost; (): the same as `vector`


class Stat(NamedTuple):
    """What the disk says about a name (never following a link)."""

    kind: Kind
    size: int
    mtime: int  # ns
    ctime: int  # ns
    mode: int  # mode & 0o777
    inode: int
    device: int
    links: int


def knows_itself(record: Record) -> bool:
    """True if the vector says which change of its maker's the record is, as it does in every record that is made here."""
    return record.stamp.maker in dict(record.vector)


def leq(mine: Vector, theirs: Vector) -> bool:
    """True if every change that `mine` has seen, `theirs` has seen too. A vector that is full takes no more makers."""
    if mine == theirs:
        return True
    seen = dict(theirs)
    if len(theirs) >= limits.VECTOR_ENTRIES_MAX:
        return all(seen.get(node, counter) >= counter for node, counter in mine)
    return all(seen.get(node, 0) >= counter for node, counter in mine)


def join(mine: Vector, theirs: Vector) -> Vector:
    """The least vector above both. If it would be longer than a vector may be, `mine` keeps its makers, and those of
    `theirs` come in as far as there is room: so a vector only ever grows, and joining comes to an end."""
    if mine == theirs:
        return mine
    seen = dict(mine)
    for node, counter in theirs:
        if seen.get(node, 0) < counter and (node in seen or len(seen) < limits.VECTOR_ENTRIES_MAX):
            seen[node] = counter
    return tuple(sorted(seen.items()))


def with_change(vector: Vector, node: str, counter: int, *makers: str) -> Vector:
    """A vector that has seen one more change. If it is full, half of it is forgotten, but never the entries of `makers`,
    whose versions the change replaces."""
    if len(vector) >= limits.VECTOR_ENTRIES_MAX and all(maker != node for maker, _ in vector):
        kept = [entry for entry in vector if entry[0] in makers]
        others = [entry for entry in vector if entry[0] not in makers]
        vector = tuple(sorted(kept + others[: limits.VECTOR_ENTRIES_MAX // 2]))
    return join(((node, counter),), vector)


def concurrent(mine: Record, theirs: Record) -> bool:
    """True if neither was made in knowledge of the other. Equal vectors with different stamps count as concurrent."""
    below, above = leq(mine.vector, theirs.vector), leq(theirs.vector, mine.vector)
    if below and above:
        return mine.stamp != theirs.stamp
    return not below and not above


def has_seen(mine: Record, theirs: Record) -> bool:
    """True if `mine` was made in knowledge of the change that made `theirs`.

    That change is the entry of `theirs`' own maker; the rest of its vector may have come from losers it was joined with,
    and says nothing about its content. (Nothing with a higher entry of that maker can have lost to it: stamps rise.)"""
    maker = theirs.stamp.maker
    made = next((counter for node, counter in theirs.vector if node == maker), None)
    if made is None:
        return leq(theirs.vector, mine.vector)
    if mine.vector == theirs.vector and mine.stamp != theirs.stamp:
        return False
    return any(node == maker and counter >= made for node, counter in mine.vector)


def beats(theirs: Record, mine: Record) -> bool:
    """True if `theirs` takes the place of `mine`. There are three cases:

    1. The same stamp: equal versions; or somebody has given out one stamp twice, and then the larger body wins.
    2. The version with the lower stamp was made in knowledge of the other one, which was dated far ahead of the clock
       of whoever replaced it (`reconcile.changed`): what was made in its knowledge wins.
    3. Else the larger stamp wins, as between all versions that honest clocks have dated."""
    if theirs.stamp == mine.stamp:
        return not same_body(theirs, mine) and _body(theirs) > _body(mine)
    higher, lower = (theirs, mine) if theirs.stamp > mine.stamp else (mine, theirs)
    if higher.stamp.ns - lower.stamp.ns > limits.STAMP_GAP_NS and has_seen(lower, higher):
        return (lower if not has_seen(higher, lower) else higher) is theirs
    return higher is theirs


def same_body(mine: Record, theirs: Record) -> bool:
    return same_content(mine, theirs) and same_meta(mine, theirs)


def _body(record: Record) -> tuple[int, bytes, int, int]:
    return record.kind, record.content, record.mode, record.mtime


def joined(record: Record, other: Record) -> Record:
    """`record`, standing above `other` as well. That does not say that it was made from it; unless both are the same content,
    so that whoever goes on from here has known the other, too."""
    vector = join(record.vector, other.vector)
    if vector == record.vector:
        return record
    lineage = lineage_of(record)
    if record.kind in (Kind.FILE, Kind.SYMLINK) and same_content(record, other):
        lineage = join(lineage, lineage_of(other))
    return record._replace(vector=vector, lineage=() if lineage == vector else lineage)


def lineage_of(record: Record) -> Vector:
    """The changes that a version was made from, its own included."""
    return record.lineage or record.vector


def made_from(mine: Record, theirs: Record) -> bool:
    """True if whoever made `mine` had `theirs` before him, or what was made from it: then `theirs` was replaced on purpose. If
    not, the one that loses is a conflict. (`has_seen` says less: that its content need not be kept alive.)"""
    before = lineage_of(mine)
    maker = theirs.stamp.maker
    made = next((counter for node, counter in lineage_of(theirs) if node == maker), None)
    if made is None:
        return leq(lineage_of(theirs), before)
    if mine.stamp != theirs.stamp and before == lineage_of(theirs):
        return False
    return any(node == maker and counter >= made for node, counter in before)


def same_content(mine: Record, theirs: Record) -> bool:
    return mine.kind == theirs.kind and mine.content == theirs.content


def same_meta(mine: Record, theirs: Record) -> bool:
    """Equal mode and, but for directories, equal mtime. Only meaningful when the kinds are equal."""
    if mine.kind == Kind.SYMLINK:
        return mine.mtime == theirs.mtime
    return mine.mode == theirs.mode and (mine.kind != Kind.FILE or mine.mtime == theirs.mtime)


def same_version(mine: Record, theirs: Record) -> bool:
    """Stamps name versions: equal stamps mean equal content, on every node and for ever; unless somebody gives out one
    stamp for two contents."""
    return mine.stamp == theirs.stamp and mine.vector == theirs.vector and same_body(mine, theirs)


FIRST_CONTACT = "first contact"
"""For people, the maker of records of first scans: no node changed anything, two folders met and the newer file won."""


def meanings(given: bytes, encoding: str) -> list[bytes]:
    """The paths that a user may mean by a name, the likeliest first: the name itself; what `show` printed so; and if it is no
    UTF-8, what a terminal with another `encoding` printed so."""
    texts = [given.decode("utf-8", "surrogateescape")]
    try:
        given.decode("utf-8")
    except UnicodeDecodeError:
        try:
            texts.append(given.decode(encoding))
        except (LookupError, UnicodeDecodeError):
            pass
    found = [given]
    for text in texts:
        plain = text.encode("utf-8", "surrogateescape")
        found += [plain, from_shown(text) or plain]
    return list(dict.fromkeys(found))


def is_first_scan(record: Record) -> bool:
    """True if no node has changed this since first scans found it."""
    return all(maker.startswith("=") for maker, _ in record.vector)


def parent_of(path: bytes) -> bytes:
    """The folder a path is in; b"" is the shared folder itself."""
    return path.rpartition(b"/")[0]


def check_path(path: bytes) -> bytes:
    """`path` itself if it may be used inside a shared folder, else PathError with one line of reason."""
    if not path or len(path) > limits.PATH_BYTES_MAX:
        raise PathError(f"a path of {len(path)} bytes")
    if b"\0" in path:
        raise PathError("a path with a NUL byte")
    parts = path.split(b"/")
    if len(parts) > limits.PATH_DEPTH_MAX:
        raise PathError(f"a path of {len(parts)} parts")
    for part in parts:
        if part in (b"", b".", b".."):
            raise PathError(f"a path with the part {show(part)}")
        if len(part) > limits.PART_BYTES_MAX:
            raise PathError(f"a name of {len(part)} bytes")
        if part == limits.RESERVED_NAME:
            raise PathError("a path into .dir_sync")
    return path


NS_PER_S = 1_000_000_000
_FINGERPRINT = struct.Struct("<BHQQqIqI")
FINGERPRINT_BYTES = _FINGERPRINT.size
CTIME_BYTES = 12  # at its end: a rename changes ctime and nothing else


def fingerprint(stat: Stat) -> bytes:
    """What a look remembers to see whether anything was touched since. Equal fingerprints: nothing was.

    A directory's times change with every child, so only its mode counts."""
    kind, size, mtime, ctime, mode, inode, _, _ = stat
    if kind is Kind.DIRECTORY:
        return _FINGERPRINT.pack(kind, mode, 0, 0, 0, 0, 0, 0)
    return _FINGERPRINT.pack(
        kind, mode, inode, size, mtime // NS_PER_S, mtime % NS_PER_S, ctime // NS_PER_S, ctime % NS_PER_S
    )


def inode_of(fp: bytes) -> int:
    """The inode number in the fingerprint of a file (0 in that of a folder, and of nothing)."""
    return int.from_bytes(fp[3:11], "little")


def size_of(fp: bytes) -> int:
    """The size in the fingerprint of a file."""
    return int.from_bytes(fp[11:19], "little")


def show(path: bytes, width: int = 200) -> str:
    """A path for people: everything that could forge a log line or move a cursor is escaped, and it is cut at `width`. Bytes
    that are no UTF-8 are written as \\xff."""
    text = path.decode("utf-8", "surrogateescape")
    if not text.isprintable() or "\\" in text:
        text = "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def from_shown(text: str) -> bytes | None:
    """The path that `show` printed so; None if it is not one, or was not escaped: it stands for itself then."""
    if "\\" not in text or not _SHOWN.fullmatch(text):
        return None
    return _ESCAPE.sub(_meant, text).encode("utf-8", "surrogateescape")


def _meant(found: re.Match[str]) -> str:
    word = found[0]
    if word in _PLAIN:
        return _PLAIN[word]
    number = int(word[2:], 16)
    return chr(number + 0xDC00 if word[1] == "x" and number > 0x7F else number)


_ESCAPE = re.compile(r"\\(?:[\\nrt]|x[0-9a-f]{2}|u(?!d[89a-f])[0-9a-f]{4}|U000[0-9a-f]{5}|U0010[0-9a-f]{4})")
_SHOWN = re.compile(rf"(?:[^\\]|{_ESCAPE.pattern})*", re.DOTALL)
_PLAIN = {r"\\": "\\", r"\n": "\n", r"\r": "\r", r"\t": "\t"}


def _escaped(c: str) -> str:
    if "\udc80" <= c <= "\udcff":
        return f"\\x{ord(c) - 0xDC00:02x}"
    if "\x80" <= c <= "\xff":
        return f"\\u{ord(c):04x}"  # \x9b is a byte that is no UTF-8: what is printed names one path
    return c.encode("unicode_escape", "surrogatepass").decode("ascii")
