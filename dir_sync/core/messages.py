"""The wire's vocabulary: one frozen value for each message of the protocol, and its way to JSON and back.

In and out: JSON objects as docs/protocol.md describes them. Here digests are 32 raw bytes, paths and targets
are bytes, and times are integer nanoseconds. Rule: whatever comes out of `from_wire` has every field checked
for type and range, so that nobody above has to; unknown fields are skipped. Decoding a record takes some 6
microseconds and encoding one some 2.5 on a slow machine, with JSON and zlib about twice and four times that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar, assert_never

from dir_sync.core import limits
from dir_sync.core.growth import MARK_BYTES
from dir_sync.core.model import Kind, PathError, PeerError, Record, Stamp, Vector, check_path
from dir_sync.core.wire import Chunks, LocalError, Piece

__all__ = [
    "PROTOCOL",
    "Acknowledge",
    "Brake",
    "Change",
    "Chunks",
    "Close",
    "Decision",
    "Delta",
    "DeltaOffer",
    "DeltaRequest",
    "FolderIndex",
    "Have",
    "HaveRequest",
    "Held",
    "Hello",
    "History",
    "HistoryRequest",
    "Kept",
    "Lacks",
    "LocalError",
    "Loser",
    "Message",
    "ModificationUpdate",
    "NeedSignature",
    "Piece",
    "Ping",
    "Pong",
    "ProtocolVersion",
    "Pull",
    "PullItem",
    "Refuse",
    "Settle",
    "Signature",
    "State",
    "StateRequest",
    "from_wire",
    "page_size",
    "to_wire",
]

PROTOCOL: Final = 1


class ProtocolVersion(PeerError):
    """The peer speaks another version of the protocol: `version`."""

    def __init__(self, version: int) -> None:
        super().__init__(f"speaks protocol {version}, we speak {PROTOCOL}")
        self.version = version


class FolderIndex(NamedTuple):
    """One folder of a HELLO: its name, the id of the sender's index of it, and the last sequence that has."""

    name: str
    index_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Hello:
    protocol: int
    node: str
    name: str
    instance: str
    port: int
    folders: tuple[FolderIndex, ...]


@dataclass(frozen=True, slots=True)
class StateRequest:
    folder: str
    index: str
    after: int
    sequence: int = 0  # the sender's own last one: 0, it has nothing
    summary: bytes = b""  # at first contact: sums of the tags of its records, by bucket (protocol, 3.4)


@dataclass(frozen=True, slots=True)
class State:
    folder: str
    sequence: int
    last: bool
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    folder: str
    sequence: int
    held: tuple[tuple[bytes, Stamp], ...]


class DeltaOffer(NamedTuple):
    """A delta from the content `base` (digest) can be pulled; it has `size` bytes."""

    base: bytes
    size: int
    marks: tuple[bytes, ...] | None = (
        None  # not None: no delta, the content begins with the base, `size` bytes come after
    )


class Change(NamedTuple):
    """One change of an update. `content` is the whole file where `attached` is true, else None."""

    action: str  # "create", "modify", "delete" or "rename"
    record: Record
    source: bytes | None = None  # the old path of a rename, else None
    attached: bool = False
    delta: DeltaOffer | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class ModificationUpdate:
    folder: str
    sequence: int
    changes: tuple[Change, ...]
    times: tuple[tuple[bytes, int], ...] = ()  # (folder, mtime in ns); b"" is the shared folder itself
    attached: bool = False  # true exactly if one of the changes is


class PullItem(NamedTuple):
    """Bytes of the content `digest` announced at `path`, or, with `base`, of the delta from `base` to it."""

    id: int
    path: bytes
    digest: bytes
    base: bytes | None
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Pull:
    folder: str
    pulls: tuple[PullItem, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    folder: str
    refused: tuple[tuple[int, str], ...]  # (pull id, one of _REASONS)


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    folder: str
    id: int
    path: bytes
    digest: bytes
    base: bytes
    size: int = 0  # of the base; 0: not told


@dataclass(frozen=True, slots=True)
class NeedSignature:
    folder: str
    id: int


@dataclass(frozen=True, slots=True)
class Signature:
    folder: str
    id: int
    data: bytes  # travels as the attachment


@dataclass(frozen=True, slots=True)
class Delta:
    folder: str
    id: int
    size: int
    marks: tuple[bytes, ...] | None = None  # as in DeltaOffer


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    folder: str
    id: int
    path: bytes  # this path and all below it; b"": all of the folder
    limit: int
    conflicts: bool = False  # only losers of conflicts


class Kept(NamedTuple):
    """A content in the sender's history: what was at `path` until `until` (ns), when a change by `node` displaced it."""

    path: bytes
    kind: Kind  # FILE or SYMLINK
    size: int
    content: bytes
    mtime: int
    mode: int
    until: int
    why: str
    node: str  # "": nobody knows


@dataclass(frozen=True, slots=True)
class History:
    folder: str
    id: int
    last: bool
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class HaveRequest:
    folder: str
    id: int
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Have:
    folder: str
    id: int
    which: tuple[int, ...]  # positions in the request, ascending


class Held(NamedTuple):
    """What the sender's brake holds of the changes that `maker` made, up to its `counter`: `files` files, `path` is one."""

    maker: str
    counter: int
    files: int
    path: bytes


@dataclass(frozen=True, slots=True)
class Brake:
    folder: str
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Somebody has decided: changes by `maker` up to its `counter` are meant (`approve`), or are to be undone."""

    folder: str
    maker: str
    counter: int
    approve: bool


class Loser(NamedTuple):
    """A content that lost in a conflict."""

    path: bytes
    kind: Kind  # FILE or SYMLINK
    content: bytes


@dataclass(frozen=True, slots=True)
class Lacks:
    """What the sender has heard of from us up to `sequence`, and does not hold yet: files, their bytes that are still to come,
    and other changes."""

    folder: str
    sequence: int
    files: int
    bytes: int
    others: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Somebody has seen these losers of conflicts: they are ordinary versions from now on."""

    folder: str
    losers: tuple[Loser, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    token: int


@dataclass(frozen=True, slots=True)
class Close:
    reason: str
    text: str


Message = (
    Hello
    | StateRequest
    | State
    | Acknowledge
    | ModificationUpdate
    | Pull
    | Refuse
    | DeltaRequest
    | NeedSignature
    | Signature
    | Delta
    | HistoryRequest
    | History
    | HaveRequest
    | Have
    | Brake
    | Decision
    | Settle
    | Lacks
    | Ping
    | Pong
    | Close
    | Chunks
)


def to_wire(message: Message) -> dict[str, Any]:
    """The JSON object of a message, of plain types only. Contents of an update and the data of a signature
    are not in it. LocalError for more entries than a message may have, and for chunks, which are not JSON."""
    match message:
        case State(folder, sequence, last, records):
            return {
                "type": "STATE",
                "folder": folder,
                "sequence": sequence,
                "last": last,
                "records": [_row(record) for record in _bounded(records, 0, limits.PAGE_RECORDS_MAX)],
            }
        case Acknowledge(folder, sequence, held):
            return {
                "type": "ACKNOWLEDGE",
                "folder": folder,
                "sequence": sequence,
                "held": [
                    [_text_of(path), stamp.ns, stamp.node] for path, stamp in _bounded(held, 0, limits.PAGE_RECORDS_MAX)
                ],
            }
        case ModificationUpdate(folder, sequence, changes, times, attached):
            if attached != any(change.attached for change in changes):
                raise LocalError("an update that is not as attached as its changes")
            return {
                "type": "MODIFICATION_UPDATE",
                "folder": folder,
                "sequence": sequence,
                "changes": [_change_fields(change) for change in _bounded(changes, 0, limits.CHANGES_MAX)],
                "times": [
                    [_text_of(path), *divmod(mtime, _SECOND)] for path, mtime in _bounded(times, 0, limits.CHANGES_MAX)
                ],
                "attached": attached,
            }
        case Pull(folder, pulls):
            return {
                "type": "PULL",
                "folder": folder,
                "pulls": [
                    [id_, _text_of(path), digest.hex(), None if base is None else base.hex(), offset, length]
                    for id_, path, digest, base, offset, length in _bounded(pulls, 1, limits.PULLS_MAX)
                ],
            }
        case Refuse(folder, refused):
            return {
                "type": "REFUSE",
                "folder": folder,
                "refused": [[id_, reason] for id_, reason in _bounded(refused, 1, limits.PULLS_MAX)],
            }
        case DeltaRequest(folder, id_, path, digest, base, size):
            request: dict[str, Any] = {
                "type": "DELTA_REQUEST",
                "folder": folder,
                "id": id_,
                "path": _text_of(path),
                "digest": digest.hex(),
                "base": base.hex(),
            }
            return request | {"size": size} if size else request
        case NeedSignature(folder, id_):
            return {"type": "NEED_SIGNATURE", "folder": folder, "id": id_}
        case Signature(folder, id_, _):
            return {"type": "SIGNATURE", "folder": folder, "id": id_, "attached": True}
        case Delta(folder, id_, size, marks):
            delta: dict[str, Any] = {"type": "DELTA", "folder": folder, "id": id_, "size": size}
            return delta if marks is None else delta | {"marks": b"".join(marks).hex()}
        case StateRequest(folder, index, after, sequence, summary):
            fields: dict[str, Any] = {
                "type": "STATE_REQUEST",
                "folder": folder,
                "index": index,
                "after": after,
                "sequence": sequence,
            }
            if summary:
                fields["summary"] = summary.hex()
            return fields
        case HistoryRequest(folder, id_, path, limit, conflicts):
            fields = {"type": "HISTORY_REQUEST", "folder": folder, "id": id_, "path": _text_of(path), "limit": limit}
            return fields | {"conflicts": True} if conflicts else fields
        case History(folder, id_, last, kept):
            return {
                "type": "HISTORY",
                "folder": folder,
                "id": id_,
                "last": last,
                "kept": [_kept_row(one) for one in _bounded(kept, 0, limits.PAGE_RECORDS_MAX)],
            }
        case HaveRequest(folder, id_, digests):
            some = _bounded(digests, 1, limits.PULLS_MAX)
            return {"type": "HAVE_REQUEST", "folder": folder, "id": id_, "digests": [one.hex() for one in some]}
        case Have(folder, id_, which):
            return {"type": "HAVE", "folder": folder, "id": id_, "which": list(_bounded(which, 0, limits.PULLS_MAX))}
        case Brake(folder, held):
            return {
                "type": "BRAKE",
                "folder": folder,
                "held": [
                    [maker, counter, files, _text_of(path)]
                    for maker, counter, files, path in _bounded(held, 0, limits.LINKS_MAX)
                ],
            }
        case Decision(folder, maker, counter, approve):
            return {"type": "DECISION", "folder": folder, "maker": maker, "counter": counter, "approve": approve}
        case Lacks(folder, sequence, files, size, others):
            return {
                "type": "LACKS",
                "folder": folder,
                "sequence": sequence,
                "files": files,
                "bytes": size,
                "others": others,
            }
        case Settle(folder, losers):
            return {
                "type": "SETTLE",
                "folder": folder,
                "losers": [
                    [_text_of(path), int(kind), content.hex() if kind is _FILE else _text_of(content)]
                    for path, kind, content in _bounded(losers, 1, limits.PAGE_RECORDS_MAX)
                ],
            }
        case Hello(protocol, node, name, instance, port, folders):
            return {
                "type": "HELLO",
                "protocol": protocol,
                "node": node,
                "name": name,
                "instance": instance,
                "port": port,
                "folders": [list(folder) for folder in _bounded(folders, 0, limits.FOLDERS_MAX)],
            }
        case Ping(token):
            return {"type": "PING", "token": token}
        case Pong(token):
            return {"type": "PONG", "token": token}
        case Close(reason, text):
            # Cut, not refused: the text may be made of anything, and the last word should be heard.
            said = text[: limits.TEXT_CHARS_MAX].encode("utf-8", "replace").decode("utf-8")
            return {"type": "CLOSE", "reason": reason, "text": said}
        case Chunks():
            raise LocalError("chunks are not JSON")
        case _:
            assert_never(message)


def from_wire(fields: dict[str, Any]) -> Message | None:
    """The message that a JSON object means; None if its type is unknown. A Signature has no data yet and a
    Change no content. PeerError names the field that is wrong; ProtocolVersion for a HELLO of another
    version."""
    name = fields.get("type")
    if type(name) is not str:
        raise PeerError("a message without a type")
    decode = _DECODERS.get(name)
    if decode is None:
        return None
    try:
        return decode(fields)
    except ProtocolVersion:
        raise
    except PeerError as error:
        raise PeerError(f"{name}: {error}") from None


def page_size(record: Record) -> int:
    """About how many bytes of JSON a record becomes; never less than an eighth of the truth."""
    path, _, _, content, _, _, _, vector, lineage = record
    size = 130 + 2 * len(content) + len(path) if path.isascii() else 130 + 2 * len(content) + 6 * len(path)
    return size + (len(vector) + len(lineage)) * (len(vector[0][0]) + 16) if vector else size


_SECOND: Final = 1_000_000_000
_KINDS: Final = {int(kind): kind for kind in (Kind.ABSENT, Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)}
_ACTIONS: Final = frozenset({"create", "modify", "delete", "rename"})
_REASONS: Final = frozenset({"gone", "later", "forgotten"})
_WHYS: Final = frozenset({"replaced", "deleted", "conflict", "recovered"})
_PULL_ID_MAX: Final = 2**32 - 1
_TARGET_BYTES_MAX: Final = limits.PATH_BYTES_MAX - 1
_MODE_MAX: Final = 0o777

# Records come 100,000 at a time, and one should be decoded within 8 microseconds and encoded within 5. There
# each call and each look into a module or an enum shows: so names are bound once, and named tuples made by
# tuple's constructor.
_new: Final = tuple.__new__
_FILE, _SYMLINK, _DIRECTORY = Kind.FILE, Kind.SYMLINK, Kind.DIRECTORY
_SIZE_MAX, _SEQUENCE_MAX, _STAMP_NS_MAX = limits.SIZE_MAX, limits.SEQUENCE_MAX, limits.STAMP_NS_MAX
_MTIME_S_MIN, _MTIME_S_MAX = limits.MTIME_S_MIN, limits.MTIME_S_MAX

_is_id = re.compile("[0-9a-f]{1,64}").fullmatch
_is_maker = re.compile("[0-9a-f]{1,64}|=[0-9a-f]{1,63}").fullmatch
_are_makers = re.compile("(?:(?:[0-9a-f]{1,64}|=[0-9a-f]{1,63})\n)*").fullmatch

_T = TypeVar("_T")


# Out


def _bounded(items: tuple[_T, ...], least: int, most: int) -> tuple[_T, ...]:
    if not least <= len(items) <= most:
        raise LocalError(f"{len(items)} entries in one message, {least} to {most} are allowed")
    return items


def _text_of(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _row(record: Record) -> list[Any]:
    path, kind, size, content, mtime, mode, (stamp_ns, stamp_node), vector, lineage = record
    if kind == _FILE:
        text = content.hex()
    elif kind == _SYMLINK:
        text = content.decode("utf-8", "surrogateescape")
    elif kind in _KINDS:
        text = ""
    else:
        raise LocalError(f"a record of kind {kind}")
    mtime_s, mtime_ns = divmod(mtime, _SECOND)
    row = [
        path.decode("utf-8", "surrogateescape"),
        int(kind),
        size,
        text,
        mtime_s,
        mtime_ns,
        mode,
        stamp_ns,
        stamp_node,
        [[maker, counter] for maker, counter in vector],
    ]
    if lineage:
        row.append([[maker, counter] for maker, counter in lineage])
    return row


def _kept_row(kept: Kept) -> list[Any]:
    path, kind, size, content, mtime, mode, until, why, node = kept
    text = content.hex() if kind == _FILE else _text_of(content)
    return [_text_of(path), int(kind), size, text, *divmod(mtime, _SECOND), mode, *divmod(until, _SECOND), why, node]


def _change_fields(change: Change) -> dict[str, Any]:
    fields: dict[str, Any] = {"action": change.action, "record": _row(change.record)}
    if change.source is not None:
        fields["from"] = _text_of(change.source)
    if change.attached:
        fields["content"] = "attached"
    if change.delta is not None:
        fields["delta"] = {"base": change.delta.base.hex(), "size": change.delta.size}
        if change.delta.marks is not None:
            fields["delta"]["marks"] = b"".join(change.delta.marks).hex()
    return fields


# In: single values. Each takes what JSON gave and what to call it, and raises PeerError.


def _wrong(what: str) -> PeerError:
    return PeerError(f"{what} is missing or wrong")


def _int(value: Any, what: str, least: int, most: int) -> int:
    # Not isinstance: true is an int, too.
    if type(value) is not int or not least <= value <= most:
        raise _wrong(what)
    return value


def _bool(value: Any, what: str) -> bool:
    if type(value) is not bool:
        raise _wrong(what)
    return value


def _plain(value: Any, what: str, least: int, most: int) -> str:
    """Text without surrogates, so that it can be shown."""
    if type(value) is not str or not least <= len(value) <= most:
        raise _wrong(what)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _wrong(what) from None
    return value


def _name(value: Any, what: str) -> str:
    return _plain(value, what, 1, limits.NAME_CHARS_MAX)


def _id(value: Any, what: str) -> str:
    if type(value) is not str or not _is_id(value):
        raise _wrong(what)
    return value


def _array(value: Any, what: str, least: int, most: int) -> list[Any]:
    if type(value) is not list or not least <= len(value) <= most:
        raise _wrong(what)
    return value


def _digest(value: Any, what: str) -> bytes:
    return _hex(value, what, 32)


def _hex(value: Any, what: str, size: int) -> bytes:
    if type(value) is str and len(value) == 2 * size:
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            raise _wrong(what) from None
        if raw.hex() == value:  # fromhex takes blanks and capitals
            return raw
    raise _wrong(what)


def _encoded(value: Any, what: str) -> bytes:
    """The bytes of a text in which surrogates stand for bytes that are not UTF-8, and only for those."""
    if type(value) is not str:
        raise _wrong(what)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        pass
    try:
        raw = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise PeerError(f"{what} with a surrogate that stands for no byte") from None
    if raw.decode("utf-8", "surrogateescape") != value:
        raise PeerError(f"{what} with surrogates in place of UTF-8")
    return raw


def _path(value: Any, what: str) -> bytes:
    if type(value) is str and value.isascii() and len(value) <= limits.PART_BYTES_MAX:
        around = f"/{value}/"
        if "/." not in around and "//" not in around and "\0" not in value:
            return value.encode("ascii")  # as nearly all are, and found good at a fifth of the cost
    raw = _encoded(value, what)
    try:
        return check_path(raw)
    except PathError as error:
        raise PeerError(str(error)) from None


# In: records


def _record(row: Any, makers: dict[str, str]) -> Record:
    """`makers`: those that were found good in this message, each once, so that its records share them."""
    if type(row) is not list or not 10 <= len(row) <= 11:
        raise PeerError("a record that is not an array of 10 or 11")
    text, number, size, content, mtime_s, mtime_ns, mode, stamp_ns, node, entries, *more = row
    path = _path(text, "path")
    if (
        type(number) is not int
        or type(size) is not int
        or type(mtime_s) is not int
        or type(mtime_ns) is not int
        or type(mode) is not int
        or type(stamp_ns) is not int
        or not _MTIME_S_MIN <= mtime_s <= _MTIME_S_MAX
        or not 0 <= mtime_ns < _SECOND
        or not 0 <= mode <= _MODE_MAX
        or not 1 <= stamp_ns <= _STAMP_NS_MAX
    ):
        raise PeerError("a record with a number that is wrong")
    kind = _KINDS.get(number)
    if kind is _FILE:
        if not 0 <= size <= _SIZE_MAX:
            raise PeerError("a record with a size that is wrong")
        body = _digest(content, "content")
    elif kind is None:
        raise PeerError("a record of an unknown kind")
    elif size != 0:
        raise PeerError("a record with a size that is not a file's")
    elif kind is _SYMLINK:
        body = _encoded(content, "target")
        if not 1 <= len(body) <= _TARGET_BYTES_MAX or 0 in body or mode != _MODE_MAX:
            raise PeerError("a record of a symbolic link that cannot be")
    else:
        body = b""
        if content != "" or (mode != 0 and kind is not _DIRECTORY):
            raise PeerError("a record with content or mode where none can be")
    stamp = _new(Stamp, (stamp_ns, _maker(node, makers)))
    vector = _vector(entries, makers)
    lineage: Vector = ()
    if more:
        lineage = _vector(more[0], makers)
    return _new(Record, (path, kind, size, body, mtime_s * _SECOND + mtime_ns, mode, stamp, vector, lineage))


def _vector(entries: Any, makers: dict[str, str]) -> Vector:
    if type(entries) is not list or not 1 <= len(entries) <= limits.VECTOR_ENTRIES_MAX:
        raise PeerError("a record with a vector that is wrong")
    vector = []
    before = ""
    for entry in entries:
        if type(entry) is not list or len(entry) != 2:
            raise PeerError("a vector with an entry that is not a pair")
        maker, counter = entry
        if type(maker) is not str or (maker := makers.get(maker) or _maker(maker, makers)) <= before:
            raise PeerError("a vector that is not sorted by its makers")
        if type(counter) is not int or not 1 <= counter <= _SEQUENCE_MAX:
            raise PeerError("a vector with a counter that is wrong")
        before = maker
        vector.append((maker, counter))
    return tuple(vector)


def _maker(value: Any, makers: dict[str, str]) -> str:
    if type(value) is not str:
        raise _wrong("maker")
    known = makers.get(value)
    if known is None:
        if not _is_maker(value):
            raise _wrong("maker")
        known = makers[value] = value
    return known


# In: many new files at once. Column by column, so that the work is done by functions that are not Python's; what is
# unusual in any way goes one by one, which also says what is wrong.

_COLUMNS_MIN: Final = 8  # below, columns cost more than they save
_action_of, _content_of, _record_of = itemgetter("action"), itemgetter("content"), itemgetter("record")
_to_stamp, _to_record, _to_change = partial(_new, Stamp), partial(_new, Record), partial(_new, Change)


def _new_files(rows: list[Any], makers: dict[str, str]) -> tuple[Change, ...] | None:
    """The changes, if all of them are new files with their content; None: decode them one by one."""
    if len(rows) < _COLUMNS_MIN or set(map(type, rows)) != {dict} or set(map(len, rows)) != {3}:
        return None
    try:
        if set(map(_action_of, rows)) != {"create"} or set(map(_content_of, rows)) != {"attached"}:
            return None
        records = _file_records(list(map(_record_of, rows)), makers)
    except (KeyError, TypeError, ValueError):
        return None
    if records is None:
        return None
    nothing = repeat(None)
    return tuple(map(_to_change, zip(repeat("create"), records, nothing, repeat(True), nothing, nothing, strict=False)))


def _file_records(rows: list[Any], makers: dict[str, str]) -> list[Record] | None:
    """Records of files with short ASCII paths that one node has changed each; None if that is not all of them.
    TypeError or ValueError for what cannot be compared or is no number."""
    count = len(rows)
    if set(map(type, rows)) != {list} or set(map(len, rows)) != {10}:
        return None
    texts, kinds, sizes, digests, mtime_s, mtime_ns, modes, stamp_ns, nodes, vectors = zip(*rows, strict=True)
    if set(map(type, chain(kinds, sizes, mtime_s, mtime_ns, modes, stamp_ns))) != {int}:
        return None
    if set(kinds) != {int(_FILE)} or set(map(type, vectors)) != {list} or set(map(len, vectors)) != {1}:
        return None
    entries = [entry for (entry,) in vectors]
    if set(map(type, entries)) != {list} or set(map(len, entries)) != {2}:
        return None
    changers, counters = zip(*entries, strict=True)
    if set(map(type, counters)) != {int} or set(map(type, chain(texts, digests, nodes, changers))) != {str}:
        return None
    if (
        not 0 <= min(sizes) <= max(sizes) <= _SIZE_MAX
        or not _MTIME_S_MIN <= min(mtime_s) <= max(mtime_s) <= _MTIME_S_MAX
        or not 0 <= min(mtime_ns) <= max(mtime_ns) < _SECOND
        or not 0 <= min(modes) <= max(modes) <= _MODE_MAX
        or not 1 <= min(stamp_ns) <= max(stamp_ns) <= _STAMP_NS_MAX
        or not 1 <= min(counters) <= max(counters) <= _SEQUENCE_MAX
    ):
        return None
    around = "/" + "/\0/".join(texts) + "/"
    if not around.isascii() or "/." in around or "//" in around or around.count("\0") != count - 1:
        return None
    lines = "\n".join((*nodes, *changers, ""))
    if lines.count("\n") != 2 * count or not _are_makers(lines):
        return None
    text = "".join(digests)
    raw = bytes.fromhex(text)
    if set(map(len, digests)) != {64} or raw.hex() != text or max(map(len, texts)) > limits.PART_BYTES_MAX:
        return None
    share = makers.setdefault
    shared = list(map(share, changers, changers))
    columns = zip(
        map(str.encode, texts),
        repeat(_FILE),
        sizes,
        [raw[at : at + 32] for at in range(0, 32 * count, 32)],
        [seconds * _SECOND + rest for seconds, rest in zip(mtime_s, mtime_ns, strict=True)],
        modes,
        map(_to_stamp, zip(stamp_ns, map(share, nodes, nodes), strict=True)),
        zip(zip(shared, counters, strict=True), strict=True),
        repeat(()),
        strict=False,
    )
    return list(map(_to_record, columns))


# In: messages


def _hello(fields: dict[str, Any]) -> Hello:
    protocol = _int(fields.get("protocol"), "protocol", 0, _SEQUENCE_MAX)
    if protocol != PROTOCOL:
        raise ProtocolVersion(protocol)
    folders = []
    names = set()
    for row in _array(fields.get("folders"), "folders", 0, limits.FOLDERS_MAX):
        name, index, sequence = _array(row, "folder", 3, 3)
        folder = FolderIndex(_name(name, "folder"), _id(index, "index"), _int(sequence, "sequence", 0, _SEQUENCE_MAX))
        if folder.name in names:
            raise PeerError("a folder that comes twice")
        names.add(folder.name)
        folders.append(folder)
    return Hello(
        protocol,
        _id(fields.get("node"), "node"),
        _name(fields.get("name"), "name"),
        _id(fields.get("instance"), "instance"),
        _int(fields.get("port"), "port", 0, 65535),
        tuple(folders),
    )


def _folder(fields: dict[str, Any]) -> str:
    return _name(fields.get("folder"), "folder")


def _sequence(fields: dict[str, Any]) -> int:
    return _int(fields.get("sequence"), "sequence", 0, _SEQUENCE_MAX)


def _pull_id(fields: dict[str, Any]) -> int:
    return _int(fields.get("id"), "id", 0, _PULL_ID_MAX)


def _state_request(fields: dict[str, Any]) -> StateRequest:
    after = _int(fields.get("after"), "after", 0, _SEQUENCE_MAX)
    summary = b""
    if "summary" in fields:
        summary = _hex(fields["summary"], "summary", limits.SUMMARY_BYTES)
    return StateRequest(_folder(fields), _id(fields.get("index"), "index"), after, _sequence(fields), summary)


def _state(fields: dict[str, Any]) -> State:
    rows = _array(fields.get("records"), "records", 0, limits.PAGE_RECORDS_MAX)
    makers: dict[str, str] = {}
    return State(
        _folder(fields),
        _sequence(fields),
        _bool(fields.get("last"), "last"),
        tuple([_record(row, makers) for row in rows]),
    )


def _acknowledge(fields: dict[str, Any]) -> Acknowledge:
    held = []
    makers: dict[str, str] = {}
    for row in _array(fields.get("held"), "held", 0, limits.PAGE_RECORDS_MAX):
        path, stamp_ns, stamp_node = _array(row, "held", 3, 3)
        stamp = Stamp(_int(stamp_ns, "stamp", 1, _STAMP_NS_MAX), _maker(stamp_node, makers))
        held.append((_path(path, "path"), stamp))
    return Acknowledge(_folder(fields), _sequence(fields), tuple(held))


def _change(fields: Any, makers: dict[str, str]) -> Change:
    if type(fields) is not dict:
        raise PeerError("a change that is not an object")
    action = fields.get("action")
    if type(action) is not str or action not in _ACTIONS:
        raise _wrong("action")
    record = _record(fields.get("record"), makers)
    if (action == "delete") != (record.kind is Kind.ABSENT):
        raise PeerError(f"a change {action} to a record of another kind")
    source = None
    if action == "rename":
        source = _path(fields.get("from"), "from")
    elif "from" in fields:
        raise PeerError(f"a change {action} with a from")
    attached = "content" in fields
    if attached and fields["content"] != "attached":
        raise _wrong("content")
    offer = None
    if "delta" in fields:
        delta = fields["delta"]
        if type(delta) is not dict:
            raise _wrong("delta")
        size = _int(delta.get("size"), "size", 0, _SIZE_MAX)
        offer = DeltaOffer(_digest(delta.get("base"), "base"), size, _marks(delta))
    if (attached or offer is not None) and record.kind is not _FILE:
        raise PeerError("content of what is not a file")
    return Change(action, record, source, attached, offer)


def _modification_update(fields: dict[str, Any]) -> ModificationUpdate:
    makers: dict[str, str] = {}
    rows = _array(fields.get("changes"), "changes", 0, limits.CHANGES_MAX)
    changes = _new_files(rows, makers) or tuple([_change(row, makers) for row in rows])
    times = []
    for row in _array(fields.get("times"), "times", 0, limits.CHANGES_MAX):
        path, mtime_s, mtime_ns = _array(row, "times", 3, 3)
        mtime = _int(mtime_s, "mtime", _MTIME_S_MIN, _MTIME_S_MAX) * _SECOND
        mtime += _int(mtime_ns, "mtime", 0, _SECOND - 1)
        times.append((b"" if path == "" else _path(path, "path"), mtime))
    attached = _bool(fields.get("attached"), "attached")
    if attached != any(change.attached for change in changes):
        raise PeerError("attached is not what the changes say")
    return ModificationUpdate(_folder(fields), _sequence(fields), changes, tuple(times), attached)


def _pull(fields: dict[str, Any]) -> Pull:
    pulls = []
    for row in _array(fields.get("pulls"), "pulls", 1, limits.PULLS_MAX):
        id_, path, digest, base, offset, length = _array(row, "pull", 6, 6)
        pulls.append(
            PullItem(
                _int(id_, "id", 0, _PULL_ID_MAX),
                _path(path, "path"),
                _digest(digest, "digest"),
                None if base is None else _digest(base, "base"),
                _int(offset, "offset", 0, _SIZE_MAX),
                _int(length, "length", 0, _SIZE_MAX),
            )
        )
    return Pull(_folder(fields), tuple(pulls))


def _refuse(fields: dict[str, Any]) -> Refuse:
    refused = []
    for row in _array(fields.get("refused"), "refused", 1, limits.PULLS_MAX):
        id_, reason = _array(row, "refused", 2, 2)
        if type(reason) is not str or reason not in _REASONS:
            raise _wrong("reason")
        refused.append((_int(id_, "id", 0, _PULL_ID_MAX), reason))
    return Refuse(_folder(fields), tuple(refused))


def _delta_request(fields: dict[str, Any]) -> DeltaRequest:
    return DeltaRequest(
        _folder(fields),
        _pull_id(fields),
        _path(fields.get("path"), "path"),
        _digest(fields.get("digest"), "digest"),
        _digest(fields.get("base"), "base"),
        _int(fields.get("size", 0), "size", 0, _SIZE_MAX),
    )


def _marks(fields: dict[str, Any]) -> tuple[bytes, ...] | None:
    if "marks" not in fields:
        return None
    text = fields["marks"]
    if type(text) is not str or len(text) > 2 * MARK_BYTES * limits.GROWTH_MARKS_MAX or len(text) % (2 * MARK_BYTES):
        raise _wrong("marks")
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise _wrong("marks") from error
    if 2 * len(data) != len(text):  # white space was in it
        raise _wrong("marks")
    return tuple(data[at : at + MARK_BYTES] for at in range(0, len(data), MARK_BYTES))


def _need_signature(fields: dict[str, Any]) -> NeedSignature:
    return NeedSignature(_folder(fields), _pull_id(fields))


def _signature(fields: dict[str, Any]) -> Signature:
    if fields.get("attached") is not True:
        raise _wrong("attached")
    return Signature(_folder(fields), _pull_id(fields), b"")


def _delta(fields: dict[str, Any]) -> Delta:
    return Delta(_folder(fields), _pull_id(fields), _int(fields.get("size"), "size", 0, _SIZE_MAX), _marks(fields))


def _path_or_folder(value: Any, what: str) -> bytes:
    return b"" if value == "" else _path(value, what)


def _history_request(fields: dict[str, Any]) -> HistoryRequest:
    path = _path_or_folder(fields.get("path"), "path")
    limit = _int(fields.get("limit"), "limit", 1, limits.HISTORY_ANSWER_MAX)
    conflicts = _bool(fields.get("conflicts", False), "conflicts")
    return HistoryRequest(_folder(fields), _pull_id(fields), path, limit, conflicts)


def _history(fields: dict[str, Any]) -> History:
    rows = _array(fields.get("kept"), "kept", 0, limits.PAGE_RECORDS_MAX)
    makers: dict[str, str] = {"": ""}
    last = _bool(fields.get("last"), "last")
    return History(_folder(fields), _pull_id(fields), last, tuple([_kept(row, makers) for row in rows]))


def _kept(row: Any, makers: dict[str, str]) -> Kept:
    text, number, size, content, mtime_s, mtime_ns, mode, until_s, until_ns, why, node = _array(row, "kept", 11, 11)
    kind, body = _body(number, content)
    if type(why) is not str or why not in _WHYS:
        raise _wrong("why")
    return Kept(
        _path(text, "path"),
        kind,
        _int(size, "size", 0, _SIZE_MAX if kind is _FILE else 0),
        body,
        _time(mtime_s, mtime_ns, "mtime"),
        _int(mode, "mode", 0, _MODE_MAX),
        _time(until_s, until_ns, "until"),
        why,
        _maker(node, makers),
    )


def _body(number: Any, content: Any) -> tuple[Kind, bytes]:
    """What has a content: the digest of a file, the target of a link."""
    kind = _KINDS.get(_int(number, "kind", 1, 3))
    if kind is _FILE:
        return kind, _digest(content, "content")
    if kind is not _SYMLINK:
        raise _wrong("kind")
    target = _encoded(content, "target")
    if not 1 <= len(target) <= _TARGET_BYTES_MAX or 0 in target:
        raise _wrong("target")
    return kind, target


def _time(seconds: Any, ns: Any, what: str) -> int:
    return _int(seconds, what, _MTIME_S_MIN, _MTIME_S_MAX) * _SECOND + _int(ns, what, 0, _SECOND - 1)


def _have_request(fields: dict[str, Any]) -> HaveRequest:
    digests = _array(fields.get("digests"), "digests", 1, limits.PULLS_MAX)
    return HaveRequest(_folder(fields), _pull_id(fields), tuple([_digest(one, "digest") for one in digests]))


def _have(fields: dict[str, Any]) -> Have:
    before = -1
    which = []
    for one in _array(fields.get("which"), "which", 0, limits.PULLS_MAX):
        before = _int(one, "position", before + 1, limits.PULLS_MAX - 1)
        which.append(before)
    return Have(_folder(fields), _pull_id(fields), tuple(which))


def _brake(fields: dict[str, Any]) -> Brake:
    held = []
    for row in _array(fields.get("held"), "held", 0, limits.LINKS_MAX):
        maker, number, files, path = _array(row, "held", 4, 4)
        counter = _int(number, "counter", 0, _SEQUENCE_MAX)
        held.append(Held(_id(maker, "maker"), counter, _int(files, "files", 0, _SEQUENCE_MAX), _path(path, "path")))
    return Brake(_folder(fields), tuple(held))


def _decision(fields: dict[str, Any]) -> Decision:
    counter = _int(fields.get("counter"), "counter", 0, _SEQUENCE_MAX)
    return Decision(
        _folder(fields), _id(fields.get("maker"), "maker"), counter, _bool(fields.get("approve"), "approve")
    )


def _settle(fields: dict[str, Any]) -> Settle:
    losers = []
    for row in _array(fields.get("losers"), "losers", 1, limits.PAGE_RECORDS_MAX):
        path, number, content = _array(row, "losers", 3, 3)
        losers.append(Loser(_path(path, "path"), *_body(number, content)))
    return Settle(_folder(fields), tuple(losers))


def _lacks(fields: dict[str, Any]) -> Lacks:
    numbers = [_int(fields.get(name), name, 0, _SEQUENCE_MAX) for name in ("sequence", "files", "bytes", "others")]
    return Lacks(_folder(fields), *numbers)


def _ping(fields: dict[str, Any]) -> Ping:
    return Ping(_int(fields.get("token"), "token", 0, _SEQUENCE_MAX))


def _pong(fields: dict[str, Any]) -> Pong:
    return Pong(_int(fields.get("token"), "token", 0, _SEQUENCE_MAX))


def _close(fields: dict[str, Any]) -> Close:
    reason = _name(fields.get("reason"), "reason")
    return Close(reason, _plain(fields.get("text"), "text", 0, limits.TEXT_CHARS_MAX))


_DECODERS: Final[dict[str, Callable[[dict[str, Any]], Message]]] = {
    "HELLO": _hello,
    "STATE_REQUEST": _state_request,
    "STATE": _state,
    "ACKNOWLEDGE": _acknowledge,
    "MODIFICATION_UPDATE": _modification_update,
    "PULL": _pull,
    "REFUSE": _refuse,
    "DELTA_REQUEST": _delta_request,
    "NEED_SIGNATURE": _need_signature,
    "SIGNATURE": _signature,
    "DELTA": _delta,
    "HISTORY_REQUEST": _history_request,
    "HISTORY": _history,
    "HAVE_REQUEST": _have_request,
    "HAVE": _have,
    "BRAKE": _brake,
    "DECISION": _decision,
    "SETTLE": _settle,
    "LACKS": _lacks,
    "PING": _ping,
    "PONG": _pong,
    "CLOSE": _close,
}
