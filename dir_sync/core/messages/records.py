"""A record as a row of JSON, in both directions: single records, and many new files column by column.

The first eight fields of a record are encoded and decoded by hand. Each later field has a default and one entry in
`LATER_FIELDS`, which serves the rows here and the columns of the index: to add a field, add it to `Record` and add its
entry here. The decoder by columns passes a longer row to `checked_record`. Records arrive 100,000 at a time: on a slow
machine one should be decoded within 8 microseconds and encoded within 5 (JSON and zlib take about twice and four times
as long). At that speed each call and each attribute look-up counts, so names are bound once, and named tuples are made
by tuple's constructor.

May import of this package: checks. Imported by: state, update, history; from the package, core.peers.announce takes
`page_size`, and index takes `LATER_FIELDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain, repeat
from typing import Any, Final

from dir_sync.core import attributes, limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.messages.checks import (
    are_makers,
    checked_bytes,
    checked_digest,
    checked_int,
    checked_maker,
    checked_path,
    text_of,
    wrong,
)
from dir_sync.core.model import NS_PER_S, Kind, PeerError, Record, Stamp, Vector, text_of_vector, vector_of_text
from dir_sync.core.named import NamedTuple
from dir_sync.core.wire import LocalError

__all__ = [
    "LATER_DEFAULTS",
    "LATER_FIELDS",
    "MODE_MAX",
    "LaterField",
    "checked_attributes",
    "checked_content",
    "checked_record",
    "content_text",
    "new_file_records",
    "page_size",
    "record_row",
]

MODE_MAX: Final = 0o777
_KINDS: Final = {int(kind): kind for kind in (Kind.ABSENT, Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)}
_TARGET_BYTES_MAX: Final = limits.PATH_BYTES_MAX - 1

_new: Final = tuple.__new__
_FILE, _SYMLINK, _DIRECTORY = Kind.FILE, Kind.SYMLINK, Kind.DIRECTORY
_SIZE_MAX, _SEQUENCE_MAX, _STAMP_NS_MAX = limits.SIZE_MAX, limits.SEQUENCE_MAX, limits.STAMP_NS_MAX
_ENTRIES_MAX = limits.VECTOR_ENTRIES_MAX
_MTIME_S_MIN, _MTIME_S_MAX = limits.MTIME_S_MIN, limits.MTIME_S_MAX

_ROW_ITEMS: Final = 10  # of the first eight fields: a time and a stamp are two items each
_ROW_ITEMS_MAX: Final = _ROW_ITEMS + len(Record._field_defaults)
_FIRST_FIELDS: Final = 8
LATER_DEFAULTS: Final[tuple[Any, ...]] = tuple(Record._field_defaults.values())


# One record


def record_row(record: Record) -> list[Any]:
    """The row of a record. Raises LocalError for a record of something that is never shared."""
    path, kind, size, content, mtime, mode, (stamp_ns, stamp_maker), vector = record[:_FIRST_FIELDS]
    if kind == _FILE:
        number, text = 1, content.hex()
    elif kind == _SYMLINK:
        number, text = 3, content.decode("utf-8", "surrogateescape")
    elif kind in _KINDS:
        number, text = int(kind), ""
    else:
        raise LocalError(f"a record of kind {kind}")
    mtime_s, mtime_ns = divmod(mtime, NS_PER_S)
    row = [
        path.decode("utf-8", "surrogateescape"),
        number,
        size,
        text,
        mtime_s,
        mtime_ns,
        mode,
        stamp_ns,
        stamp_maker,
        [list(vector[0])] if len(vector) == 1 else [[maker, counter] for maker, counter in vector],
    ]
    later = record[_FIRST_FIELDS:]
    if later != LATER_DEFAULTS:
        for to_json, value in zip(_TO_JSON, later, strict=False):
            row.append(to_json(value) if value else None)
        while row[-1] is None:  # a default is null, and is left out at the end
            row.pop()
    return row


def checked_record(row: Any, makers: dict[str, str]) -> Record:
    """The record of a row. `makers`: see `checked_maker`. Raises PeerError for an invalid row."""
    if type(row) is not list or not _ROW_ITEMS <= len(row) <= _ROW_ITEMS_MAX:
        raise PeerError(f"a record that is not an array of {_ROW_ITEMS} to {_ROW_ITEMS_MAX}")
    text, number, size, content, mtime_s, mtime_ns, mode, stamp_ns, stamp_maker, entries, *more = row
    path = checked_path(text, "path")
    if (
        type(number) is not int
        or type(size) is not int
        or type(mtime_s) is not int
        or type(mtime_ns) is not int
        or type(mode) is not int
        or type(stamp_ns) is not int
        or not _MTIME_S_MIN <= mtime_s <= _MTIME_S_MAX
        or not 0 <= mtime_ns < NS_PER_S
        or not 0 <= mode <= MODE_MAX
        or not 1 <= stamp_ns <= _STAMP_NS_MAX
    ):
        raise PeerError("a record with a number that is wrong")
    kind = _KINDS.get(number)
    if kind is _FILE:
        if not 0 <= size <= _SIZE_MAX:
            raise PeerError("a record with a size that is wrong")
        body = checked_digest(content, "content")
    elif kind is None:
        raise PeerError("a record of an unknown kind")
    elif size != 0:
        raise PeerError("a record with a size that is not a file's")
    elif kind is _SYMLINK:
        body = checked_bytes(content, "target")
        if not 1 <= len(body) <= _TARGET_BYTES_MAX or 0 in body or mode != MODE_MAX:
            raise PeerError("a record of a symbolic link that cannot be")
    else:
        body = b""
        if content != "" or (mode != 0 and kind is not _DIRECTORY):
            raise PeerError("a record with content or mode where none can be")
    if type(stamp_maker) is not str or (maker := makers.get(stamp_maker)) is None:
        maker = checked_maker(stamp_maker, makers)
    stamp = _new(Stamp, (stamp_ns, maker))
    vector = _vector(entries, makers)
    first = path, kind, size, body, mtime_s * NS_PER_S + mtime_ns, mode, stamp, vector
    if not more:
        return _new(Record, first + LATER_DEFAULTS)
    record = _new(Record, first + _later(more, makers))
    if kind is Kind.ABSENT and record.attributes is not None:
        raise PeerError("a record of nothing that has attributes")
    if kind is not Kind.FILE and record.attributes is not None and record.attributes.file_id is not None:
        raise PeerError("a record of no file that is a name of one")
    return record


def _later(items: list[Any], makers: dict[str, str]) -> tuple[Any, ...]:
    if items[-1] is None:
        raise PeerError("a record with a default at its end")
    found = list(LATER_DEFAULTS)
    for at, item in enumerate(items):
        if item is not None:
            found[at] = _FROM_JSON[at](item, makers)
    return tuple(found)


def _vector(entries: Any, makers: dict[str, str]) -> Vector:
    if type(entries) is not list or not 1 <= len(entries) <= _ENTRIES_MAX:
        raise PeerError("a record with a vector that is wrong")
    vector = []
    before = ""
    for entry in entries:
        if type(entry) is not list or len(entry) != 2:
            raise PeerError("a vector with an entry that is not a pair")
        maker, counter = entry
        if type(maker) is not str or (maker := makers.get(maker) or checked_maker(maker, makers)) <= before:
            raise PeerError("a vector that is not sorted by its makers")
        if type(counter) is not int or not 1 <= counter <= _SEQUENCE_MAX:
            raise PeerError("a vector with a counter that is wrong")
        before = maker
        vector.append((maker, counter))
    return tuple(vector)


def page_size(record: Record) -> int:
    """The approximate size (bytes) of a record as JSON; at least an eighth of the real size."""
    path, content, vector, later = record.path, record.content, record.vector, record[_FIRST_FIELDS:]
    size = 130 + 2 * len(content) + len(path) if path.isascii() else 130 + 2 * len(content) + 6 * len(path)
    if later != LATER_DEFAULTS:
        size += sum(field.json_bytes(value) for field, value in zip(LATER_FIELDS, later, strict=True) if value)
    return size + len(vector) * (len(vector[0][0]) + 16) if vector else size


# What comes behind the first eight fields


class LaterField(NamedTuple):
    """A field of `Record` with a default, which is falsy: in JSON and as a column of the index."""

    name: str
    to_json: Callable[[Any], Any]
    from_json: Callable[[Any, dict[str, str]], Any]  # checked like `checked_record`; never the default
    json_bytes: Callable[[Any], int]  # about; see `page_size`
    to_text: Callable[[Any], str]  # never ""
    from_text: Callable[[str], Any]


def _vector_items(vector: Vector) -> list[Any]:
    return [list(vector[0])] if len(vector) == 1 else [[maker, counter] for maker, counter in vector]


def _vector_bytes(vector: Vector) -> int:
    return len(vector) * (len(vector[0][0]) + 16)


def checked_attributes(item: Any) -> Attributes:
    try:
        return attributes.checked(item)
    except ValueError as error:
        raise PeerError(f"a record with {error}") from None


def _attributes(item: Any, makers: dict[str, str]) -> Attributes:
    return checked_attributes(item)


LATER_FIELDS: Final = (
    LaterField("lineage", _vector_items, _vector, _vector_bytes, text_of_vector, vector_of_text),
    LaterField(
        "attributes", attributes.row, _attributes, attributes.json_bytes, attributes.text, attributes.value_of_text
    ),
)
assert tuple(field.name for field in LATER_FIELDS) == Record._fields[_FIRST_FIELDS:] == tuple(Record._field_defaults)
assert not any(LATER_DEFAULTS)
_TO_JSON: Final = tuple(field.to_json for field in LATER_FIELDS)
_FROM_JSON: Final = tuple(field.from_json for field in LATER_FIELDS)


# Many records at once: column by column, so that built-in functions do most of the work. Unusual rows are decoded one
# by one, which also produces the error text.

_to_stamp, _to_record = partial(_new, Stamp), partial(_new, Record)


def new_file_records(rows: list[Any], makers: dict[str, str]) -> list[Record] | None:
    """The records of new files with short ASCII paths, each changed by one node only; None if any row is something
    else. Raises TypeError or ValueError for values that cannot be compared or are no numbers."""
    count = len(rows)
    if set(map(type, rows)) != {list} or set(map(len, rows)) != {_ROW_ITEMS}:
        return None
    texts, kinds, sizes, digests, mtime_s, mtime_ns, modes, stamp_ns, stamp_makers, vectors = zip(*rows, strict=True)
    if set(map(type, chain(kinds, sizes, mtime_s, mtime_ns, modes, stamp_ns))) != {int}:
        return None
    if set(kinds) != {int(_FILE)} or set(map(type, vectors)) != {list} or set(map(len, vectors)) != {1}:
        return None
    entries = [entry for (entry,) in vectors]
    if set(map(type, entries)) != {list} or set(map(len, entries)) != {2}:
        return None
    changers, counters = zip(*entries, strict=True)
    if set(map(type, counters)) != {int} or set(map(type, chain(texts, digests, stamp_makers, changers))) != {str}:
        return None
    if (
        not 0 <= min(sizes) <= max(sizes) <= _SIZE_MAX
        or not _MTIME_S_MIN <= min(mtime_s) <= max(mtime_s) <= _MTIME_S_MAX
        or not 0 <= min(mtime_ns) <= max(mtime_ns) < NS_PER_S
        or not 0 <= min(modes) <= max(modes) <= MODE_MAX
        or not 1 <= min(stamp_ns) <= max(stamp_ns) <= _STAMP_NS_MAX
        or not 1 <= min(counters) <= max(counters) <= _SEQUENCE_MAX
    ):
        return None
    around = "/" + "/\0/".join(texts) + "/"
    if not around.isascii() or "/." in around or "//" in around or around.count("\0") != count - 1:
        return None
    lines = "\n".join((*stamp_makers, *changers, ""))
    if lines.count("\n") != 2 * count or not are_makers(lines):
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
        [seconds * NS_PER_S + rest for seconds, rest in zip(mtime_s, mtime_ns, strict=True)],
        modes,
        map(_to_stamp, zip(stamp_ns, map(share, stamp_makers, stamp_makers), strict=True)),
        zip(zip(shared, counters, strict=True), strict=True),
        *map(repeat, LATER_DEFAULTS),
        strict=False,
    )
    return list(map(_to_record, columns))


# The content of a version in the history, or of the loser of a conflict


def content_text(kind: Kind, content: bytes) -> str:
    return content.hex() if kind == _FILE else text_of(content)


def checked_content(number: Any, content: Any) -> tuple[Kind, bytes]:
    """The content of a version: the digest of a file, or the target of a link."""
    kind = _KINDS.get(checked_int(number, "kind", 1, 3))
    if kind is _FILE:
        return kind, checked_digest(content, "content")
    if kind is not _SYMLINK:
        raise wrong("kind")
    target = checked_bytes(content, "target")
    if not 1 <= len(target) <= _TARGET_BYTES_MAX or 0 in target:
        raise wrong("target")
    return kind, target
