"""Converts records, rows and versions to columns of the database, and back.

In:   tuples as SQLite returns them, in the order of `schema.sql`.
Out:  values of `core`, and tuples to be inserted.
Rule: pure; imports only `core`. A path is stored as (parent, name), a time as seconds and nanoseconds, a vector as text.
"""

from __future__ import annotations

from dir_sync.core.jobs import Version, Why
from dir_sync.core.model import NS_PER_S, Kind, Record, Stamp, Vector

__all__ = [
    "KINDS",
    "RECORD_COLUMNS",
    "columns_of_record",
    "columns_of_version",
    "joined",
    "record_of",
    "text_of_vector",
    "version_of",
]

KINDS = {int(kind): kind for kind in Kind}
RECORD_COLUMNS = "parent,name,kind,size,content,mtime_s,mtime_ns,mode,stamp_ns,stamp_node,vector,lineage"
"""The columns that `record_of` reads, in this order."""


def joined(parent: bytes, name: bytes) -> bytes:
    """The path of a name in a folder; b"" is the shared folder itself."""
    return parent + b"/" + name if parent else name


def text_of_vector(vector: Vector) -> str:
    return " ".join([f"{maker}:{counter}" for maker, counter in vector]) if vector else ""


def _vector_of(text: str) -> Vector:
    entries = []
    for entry in text.split(" ") if text else ():
        maker, _, counter = entry.partition(":")
        entries.append((maker, int(counter)))
    return tuple(entries)


def record_of(columns: tuple[object, ...]) -> Record:
    """The record in the first columns, which are RECORD_COLUMNS."""
    parent, name, kind, size, content, mtime_s, mtime_ns, mode, stamp_ns, stamp_node, vector, lineage = columns[:12]
    return Record(
        parent + b"/" + name if parent else name,  # type: ignore[operator,arg-type]
        KINDS[kind],  # type: ignore[index]
        size,  # type: ignore[arg-type]
        content,  # type: ignore[arg-type]
        mtime_s * NS_PER_S + mtime_ns,  # type: ignore[operator]
        mode,  # type: ignore[arg-type]
        Stamp(stamp_ns, stamp_node),  # type: ignore[arg-type]
        _vector_of(vector),  # type: ignore[arg-type]
        _vector_of(lineage) if lineage else (),  # type: ignore[arg-type]
    )


def columns_of_record(record: Record) -> tuple[object, ...]:
    """All RECORD_COLUMNS except the last: `lineage` is the last column of each table, after other columns."""
    path, kind, size, content, mtime, mode, (stamp_ns, stamp_node), vector, _ = record
    parent, _, name = path.rpartition(b"/")
    if len(vector) == 1:
        ((maker, counter),) = vector
        text = f"{maker}:{counter}"
    else:
        text = text_of_vector(vector)
    return (
        parent, name, int(kind), size, content, mtime // NS_PER_S, mtime % NS_PER_S, mode, stamp_ns, stamp_node, text
    )  # fmt: skip


def version_of(columns: tuple[object, ...]) -> Version:
    name, path, kind, size, content, mtime_s, mtime_ns, mode, time_ns, why, node = columns
    return Version(
        name,  # type: ignore[arg-type]
        path,  # type: ignore[arg-type]
        KINDS[kind],  # type: ignore[index]
        size,  # type: ignore[arg-type]
        content,  # type: ignore[arg-type]
        mtime_s * NS_PER_S + mtime_ns,  # type: ignore[operator]
        mode,  # type: ignore[arg-type]
        time_ns,  # type: ignore[arg-type]
        Why(why),
        node,  # type: ignore[arg-type]
    )


def columns_of_version(version: Version) -> tuple[object, ...]:
    mtime_s, mtime_ns = divmod(version.mtime, NS_PER_S)
    return (
        version.name, version.path, int(version.kind), version.size, version.content, mtime_s, mtime_ns,
        version.mode, version.time_ns, version.why.value, version.node,
    )  # fmt: skip
