"""The basic values: path, record, stamp and version vector.

Values only. To add an attribute of files, begin with a field of `Record` here; `LATER_FIELDS` of `core.messages` sends and
stores it, `disk` reads it and `files.metadata` sets it. One that is kept on demand is a part of `core.attributes`.

Paths are bytes relative to the shared folder, parts joined by ``/``; the folder itself is ``b""``.
Times are integer nanoseconds since 1970 and may exceed 64 bits (ext4 holds the year 2446).
"""

from __future__ import annotations

import re
import struct
from enum import IntEnum

from dir_sync.core import attributes as kept
from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.named import NamedTuple

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
    "counter_of",
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
    "show_text",
    "size_of",
    "text_of_vector",
    "unstamped",
    "vector_of_text",
    "with_change",
]


class PeerError(Exception):
    """An error of a peer. It costs that peer its connection, and nobody else anything. The text is one line for
    people."""


class PathError(ValueError):
    """Not a path that may be used inside a shared folder."""


class Kind(IntEnum):
    """What is at a path. ABSENT is a tombstone: something was there, and was deleted. OTHER is never synchronized."""

    ABSENT = 0
    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    OTHER = 9


class Stamp(NamedTuple):
    """When a version was made, and by which maker. Stamps are totally ordered: nanoseconds first, then the maker's id.
    The maker is a replica, or the hash that a first scan uses as a name (`is_first_scan`)."""

    ns: int
    maker: str


Vector = tuple[tuple[str, int], ...]
"""A version vector: (maker, counter) pairs sorted by maker, each maker once."""


class Record(NamedTuple):
    """One version of one path. It is the same value on every node that has it."""

    path: bytes
    kind: Kind
    size: int  # bytes of a FILE, else 0
    content: bytes  # FILE: BLAKE3 digest, 32 bytes; SYMLINK: its target; else b""
    mtime: int  # ns; that of a DIRECTORY is transferred, but never compared
    mode: int  # rwx bits; 0 for ABSENT, 0o777 for SYMLINK
    stamp: Stamp
    vector: Vector  # all changes that this version includes: those it was made from, and those that lost to it
    lineage: Vector = ()  # only those it was made from, if it was joined with a loser; (): the same as `vector`
    attributes: Attributes | None = None  # owner and the like, as far as nodes keep them; None: nothing is said


def unstamped(path: bytes, kind: Kind, size: int, content: bytes, mtime: int, mode: int) -> Record:
    """What is or shall be at a path, before it is a version of its own: its stamp and its vector mean nothing."""
    return Record(path, kind, size, content, mtime, mode, _NO_STAMP, ())


_NO_STAMP = Stamp(1, "")


def text_of_vector(vector: Vector) -> str:
    """A vector as the index keeps it."""
    return " ".join([f"{maker}:{counter}" for maker, counter in vector]) if vector else ""


def vector_of_text(text: str) -> Vector:
    entries = []
    for entry in text.split(" ") if text else ():
        maker, _, counter = entry.partition(":")
        entries.append((maker, int(counter)))
    return tuple(entries)


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
    """True if the vector includes the record's own change, as it does in every record that is made here."""
    maker = record.stamp.maker
    for one, _ in record.vector:  # noqa: SIM110 - there is mostly one entry: a generator costs more than the loop
        if one == maker:
            return True
    return False


def leq(mine: Vector, theirs: Vector) -> bool:
    """True if `theirs` includes every change that `mine` includes. A full vector takes no more makers."""
    if mine == theirs:
        return True
    seen, is_full = dict(theirs), len(theirs) >= limits.VECTOR_ENTRIES_MAX
    # asked for each offer: a generator costs twice as much
    return not [node for node, counter in mine if seen.get(node, counter if is_full else 0) < counter]


def join(mine: Vector, theirs: Vector) -> Vector:
    """The least vector that includes both. If it would exceed the limit, `mine` keeps its makers, and those of `theirs`
    are added while there is room. So a vector only grows, and repeated joins reach an end."""
    if mine == theirs:
        return mine
    seen = dict(mine)
    more = [entry for entry in theirs if seen.get(entry[0], 0) < entry[1]]
    for node, counter in more:
        if node in seen or len(seen) < limits.VECTOR_ENTRIES_MAX:
            seen[node] = counter
    return tuple(sorted(seen.items())) if more else mine


def with_change(vector: Vector, node: str, counter: int, *makers: str) -> Vector:
    """The vector with one more change. If it is full, half of it is dropped, but never the entries of `makers`, whose
    versions the change replaces."""
    if len(vector) >= limits.VECTOR_ENTRIES_MAX and all(maker != node for maker, _ in vector):
        kept = [entry for entry in vector if entry[0] in makers]
        others = [entry for entry in vector if entry[0] not in makers]
        vector = tuple(sorted(kept + others[: limits.VECTOR_ENTRIES_MAX // 2]))
    return join(((node, counter),), vector)


def counter_of(vector: Vector, maker: str) -> int | None:
    """The latest change of a node that a vector includes; None: there is none."""
    for node, counter in vector:  # asked several times for each decision: a generator costs twice as much
        if node == maker:
            return counter
    return None


def has_seen(mine: Record, theirs: Record) -> bool:
    """True if `mine` was made with knowledge of the change that made `theirs`.

    Only the entry of `theirs`' own maker is compared. The rest of its vector may come from losers that it was joined
    with, and says nothing about its content. (A version with a higher entry of that maker cannot have lost to it,
    because stamps rise.)"""
    maker = theirs.stamp.maker
    made = counter_of(theirs.vector, maker)
    if made is None:
        return leq(theirs.vector, mine.vector)
    if mine.vector == theirs.vector and mine.stamp != theirs.stamp:
        return False
    return (counter_of(mine.vector, maker) or 0) >= made


def beats(theirs: Record, mine: Record) -> bool:
    """True if `theirs` replaces `mine`. There are three cases:

    1. Equal stamps: the versions are equal; or a node used one stamp twice, and then the larger body wins.
    2. The version with the lower stamp was made with knowledge of the other one, whose stamp lay far ahead of the clock
    of the node that replaced it (`reconcile.changed`): the version with the knowledge wins.
    3. Otherwise the larger stamp wins, as between all versions with stamps of correct clocks."""
    if theirs.stamp == mine.stamp:
        return not same_body(theirs, mine) and _body(theirs) > _body(mine)
    higher, lower = (theirs, mine) if theirs.stamp > mine.stamp else (mine, theirs)
    if higher.stamp.ns - lower.stamp.ns > limits.STAMP_GAP_NS and has_seen(lower, higher):
        return (lower if not has_seen(higher, lower) else higher) is theirs
    return higher is theirs


def same_body(mine: Record, theirs: Record) -> bool:
    """Equal content, mode, mtime and attributes."""
    return same_content(mine, theirs) and same_meta(mine, theirs) and mine.attributes == theirs.attributes


def _body(record: Record) -> tuple[int, bytes, int, int, str]:
    return record.kind, record.content, record.mode, record.mtime, kept.text(record.attributes)


def joined(record: Record, other: Record) -> Record:
    """`record` with a vector that includes `other`. The lineage stays as it is, because `record` was not made from
    `other`; only if both have the same content does a later change count as made from both."""
    vector = join(record.vector, other.vector)
    if vector == record.vector:
        return record
    lineage = lineage_of(record)
    if record.kind in (Kind.FILE, Kind.SYMLINK) and same_content(record, other):
        lineage = join(lineage, lineage_of(other))
    return record._replace(vector=vector, lineage=() if lineage == vector else lineage)


def lineage_of(record: Record) -> Vector:
    """The changes that a version was made from, including its own."""
    return record.lineage or record.vector


def made_from(mine: Record, theirs: Record) -> bool:
    """True if `mine` was made from `theirs` or from a successor of it: then `theirs` was replaced on purpose. If
    neither was made from the other, the loser is a conflict. (`has_seen` is weaker: it only says that the content need
    not be kept alive.)"""
    before = lineage_of(mine)
    maker = theirs.stamp.maker
    made = counter_of(lineage_of(theirs), maker)
    if made is None:
        return leq(lineage_of(theirs), before)
    if mine.stamp != theirs.stamp and before == lineage_of(theirs):
        return False
    return (counter_of(before, maker) or 0) >= made


def same_content(mine: Record, theirs: Record) -> bool:
    return mine.kind == theirs.kind and mine.content == theirs.content


def same_meta(mine: Record, theirs: Record) -> bool:
    """Equal mode and, except for directories, equal mtime. Only meaningful for equal kinds."""
    if mine.kind == Kind.SYMLINK:
        return mine.mtime == theirs.mtime
    return mine.mode == theirs.mode and (mine.kind != Kind.FILE or mine.mtime == theirs.mtime)


def same_version(mine: Record, theirs: Record) -> bool:
    """True for the same version. A stamp names one version on every node; the rest is compared in case a node used one
    stamp twice."""
    return mine.stamp == theirs.stamp and mine.vector == theirs.vector and same_body(mine, theirs)


FIRST_CONTACT = "first contact"
"""In texts for people, the maker of records of first scans: no node made a change; two folders met, and the newer file
won."""


def meanings(given: bytes, encoding: str) -> list[bytes]:
    """The paths that a typed name may mean, the most likely first: the name itself; the path that `show` prints so;
    and, if it is not UTF-8, the name decoded with the terminal's `encoding`."""
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
    """True if no node has changed the path since first scans found it."""
    return all(maker.startswith("=") for maker, _ in record.vector)


def parent_of(path: bytes) -> bytes:
    """The folder a path is in; b"" is the shared folder itself."""
    return path.rpartition(b"/")[0]


def check_path(path: bytes) -> bytes:
    """Return `path` if it may be used inside a shared folder; otherwise raise PathError with one line of reason."""
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
CTIME_BYTES = 12  # the last bytes of a fingerprint: a rename changes ctime and nothing else


def fingerprint(stat: Stat) -> bytes:
    """What a look stores in order to detect changes. Equal fingerprints mean that nothing was touched.

    A directory's times change with every child, so only its mode is included."""
    kind, size, mtime, ctime, mode, inode, _, _ = stat
    if kind is Kind.DIRECTORY:
        return _FINGERPRINT.pack(kind, mode, 0, 0, 0, 0, 0, 0)
    return _FINGERPRINT.pack(
        kind, mode, inode, size, mtime // NS_PER_S, mtime % NS_PER_S, ctime // NS_PER_S, ctime % NS_PER_S
    )


def inode_of(fp: bytes) -> int:
    """The inode number in a file's fingerprint; 0 for a folder, and for an empty fingerprint."""
    return int.from_bytes(fp[3:11], "little")


def size_of(fp: bytes) -> int:
    """The size (bytes) in a file's fingerprint."""
    return int.from_bytes(fp[11:19], "little")


def show(path: bytes, width: int = 200) -> str:
    """A path in printable form: every character that could forge a log line or move a cursor is escaped, and the text
    is cut at `width` characters. Bytes that are not UTF-8 become \\xff."""
    text = path.decode("utf-8", "surrogateescape")
    if not text.isprintable() or "\\" in text:
        text = "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def show_text(text: str) -> str:
    """As `show`, for a name or a path that is text already. Surrogates stand for bytes that are not UTF-8."""
    return show(text.encode("utf-8", "surrogateescape"))


def from_shown(text: str) -> bytes | None:
    """The path that `show` prints as `text`; None if there is none, or if nothing in it is escaped, so that it means
    itself."""
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
        # \x9b would be read as a byte that is not UTF-8; each printed form has to name one path
        return f"\\u{ord(c):04x}"
    return c.encode("unicode_escape", "surrogatepass").decode("ascii")
