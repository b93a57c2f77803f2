"""Converts records, rows and versions to columns of the database, and back.

In:   tuples as SQLite returns them, in the order of `schema.sql`.
Out:  values of `core`, and tuples to be inserted.
Rule: pure; imports only `core`. A path is stored as (parent, name), a time as seconds and nanoseconds, a vector as text.
"""

from __future__ import annotations

from typing import Any

from dir_sync.core import attributes as kept
from dir_sync.core.jobs import Cause, Version
from dir_sync.core.messages import LATER_DEFAULTS, LATER_FIELDS
from dir_sync.core.model import NS_PER_S, Kind, Record, Stamp, text_of_vector, vector_of_text

__all__ = [
    "KINDS",
    "RECORD_COLUMNS",
    "RECORD_WIDTH",
    "columns_of_record",
    "columns_of_version",
    "joined",
    "later_columns",
    "record_of",
    "version_of",
]

KINDS = {int(kind): kind for kind in Kind}
_FIRST_COLUMNS = "parent,name,kind,size,content,mtime_s,mtime_ns,mode,stamp_ns,stamp_maker,vector"
_FIRST = _FIRST_COLUMNS.count(",") + 1
_NO_LATER = ("",) * len(LATER_FIELDS)
RECORD_COLUMNS = ",".join((_FIRST_COLUMNS, *(field.name for field in LATER_FIELDS)))
"""The columns that `record_of` reads, in this order."""
RECORD_WIDTH = _FIRST + len(LATER_FIELDS)


def joined(parent: bytes, name: bytes) -> bytes:
    """The path of a name in a folder; b"" is the shared folder itself."""
    return parent + b"/" + name if parent else name


def record_of(columns: tuple[object, ...]) -> Record:
    """The record in the first columns, which are RECORD_COLUMNS."""
    parent, name, kind, size, content, mtime_s, mtime_ns, mode, stamp_ns, stamp_maker, vector = columns[:_FIRST]
    later = columns[_FIRST:RECORD_WIDTH]
    return Record(
        parent + b"/" + name if parent else name,  # type: ignore[operator,arg-type]
        KINDS[kind],  # type: ignore[index]
        size,  # type: ignore[arg-type]
        content,  # type: ignore[arg-type]
        mtime_s * NS_PER_S + mtime_ns,  # type: ignore[operator]
        mode,  # type: ignore[arg-type]
        Stamp(stamp_ns, stamp_maker),  # type: ignore[arg-type]
        vector_of_text(vector),  # type: ignore[arg-type]
        *(LATER_DEFAULTS if later == _NO_LATER else _later_of(later)),
    )


def _later_of(texts: tuple[Any, ...]) -> list[Any]:
    fields = zip(LATER_FIELDS, texts, LATER_DEFAULTS, strict=True)
    return [field.from_text(text) if text else default for field, text, default in fields]


def later_columns(record: Record) -> tuple[str, ...]:
    """The columns of LATER_FIELDS: the last ones of each table with records."""
    if record[-len(LATER_FIELDS) :] == LATER_DEFAULTS:
        return _NO_LATER
    values = zip(LATER_FIELDS, record[-len(LATER_FIELDS) :], strict=True)
    return tuple([field.to_text(value) if value else "" for field, value in values])


def columns_of_record(record: Record) -> tuple[object, ...]:
    """All RECORD_COLUMNS except the `later_columns`."""
    path, kind, size, content, mtime, mode, (stamp_ns, stamp_maker), vector, *_ = record
    parent, _, name = path.rpartition(b"/")
    if len(vector) == 1:
        ((maker, counter),) = vector
        text = f"{maker}:{counter}"
    else:
        text = text_of_vector(vector)
    return (
        parent, name, int(kind), size, content, mtime // NS_PER_S, mtime % NS_PER_S, mode, stamp_ns, stamp_maker, text
    )  # fmt: skip


def version_of(columns: tuple[object, ...]) -> Version:
    name, path, kind, size, content, mtime_s, mtime_ns, mode, time_ns, why, maker, attributes = columns
    return Version(
        name,  # type: ignore[arg-type]
        path,  # type: ignore[arg-type]
        KINDS[kind],  # type: ignore[index]
        size,  # type: ignore[arg-type]
        content,  # type: ignore[arg-type]
        mtime_s * NS_PER_S + mtime_ns,  # type: ignore[operator]
        mode,  # type: ignore[arg-type]
        time_ns,  # type: ignore[arg-type]
        Cause(why),
        maker,  # type: ignore[arg-type]
        kept.value_of_text(attributes),  # type: ignore[arg-type]
    )


def columns_of_version(version: Version) -> tuple[object, ...]:
    mtime_s, mtime_ns = divmod(version.mtime, NS_PER_S)
    return (
        version.name, version.path, int(version.kind), version.size, version.content, mtime_s, mtime_ns,
        version.mode, version.time_ns, version.why.value, version.maker, kept.text(version.attributes),
    )  # fmt: skip
