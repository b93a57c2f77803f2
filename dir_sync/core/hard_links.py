"""Names of one file: what a record says of it, and what a look makes of what it finds.

In:   records; what is known of the entry that a look found.
Out:  the file id that a record says; whether two records are two names of one file; the record that says so first.
Rule: a file id is a part of a record's attributes (core.attributes). Names with one id are names of one file where all
else about them is equal, too: an id never makes two contents one. A node that keeps no links passes the id on.

The id is made of the path and the version of one of the names. So nodes that give the same file another name at the same
time, and nodes that begin with equal trees, make the same id without a word between them; and a name that left its file,
and is linked again later, makes another one.
Used by: engine.
"""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.attributes import NOTHING, Attributes
from dir_sync.core.model import Kind, Record, Vector, same_content, same_meta
from dir_sync.core.reconcile import changed

__all__ = [
    "are_one_file",
    "file_id_of",
    "first_said",
    "id_now",
    "leading",
    "new_id",
    "same_but_id",
    "with_id",
]

_COUNTED_MAX = 1_000  # names of one file: with more, all count alike


def file_id_of(record: Record) -> str | None:
    """What a record says of the file: an id; "": this is its only name; None: nothing."""
    return None if record.attributes is None else record.attributes.file_id


def with_id(record: Record, file_id: str | None) -> Record:
    """The record with another file id."""
    attributes = (record.attributes or NOTHING)._replace(file_id=file_id)
    return record._replace(attributes=None if attributes == NOTHING else attributes)


def same_but_id(mine: Attributes | None, theirs: Attributes | None) -> bool:
    """True if two attributes differ in the file id at most."""
    if mine == theirs:
        return True
    return (mine or NOTHING)._replace(file_id=None) == (theirs or NOTHING)._replace(file_id=None)


def are_one_file(mine: Record, theirs: Record) -> bool:
    """True if these are two names of one file: all but the name is equal."""
    return (
        mine.kind is Kind.FILE
        and same_content(mine, theirs)
        and same_meta(mine, theirs)
        and bool(file_id_of(mine))
        and mine.attributes == theirs.attributes
    )


def new_id(name: Record) -> str:
    """The id of a file of which `name` is one name. Other nodes that have the same version there make the same one."""
    stamp_ns, maker = name.stamp
    return blake3(b"%b\0%d %b" % (name.path, stamp_ns, maker.encode())).hexdigest(12)


def leading(names: Iterable[Record]) -> Record:
    """The name after which a file without an id is called."""
    return min(names, key=lambda name: name.path)


def id_now(known: str | None, is_same_file: bool, others: Iterable[Record]) -> str | None:
    """The file id of a name at which a look found a file. `known`: what its version said. `is_same_file`: it is the file
    that was there before. `others`: the other names that the index has for this file.

    There are four cases: 1. It is the file that it was, or other names say an id: it has the smallest of these, so names that
    a user has changed and linked before all of them were looked at have one id in the end. (That the file of another name
    with this id is not this one is our doing, and is not looked at.) 2. The other names say none: the file gets an id.
    3. The file has no other name here: it has left the one that it was a name of. 4. It was a name of none."""
    records = list(others)
    said = {file_id for each in records if (file_id := file_id_of(each))}
    if known and is_same_file:
        said.add(known)
    if said:
        return min(said)
    if records:
        return new_id(leading(records))
    return "" if known else known


def first_said(record: Record, file_id: str, names: int) -> Record:
    """The record of a first scan, and that it is one of so many names of a file. It follows from that record alone, so nodes
    with equal trees make equal records. Where nodes begin with other names for it, the file with the most names wins, at
    each of its paths: their stamps are equal up to here, because they tell the time of the file."""
    maker = "=" + file_id
    vector: Vector = record.vector
    counter = next((count for node, count in vector if node == maker), 0) + 1
    after_ns = record.stamp.ns + min(names, _COUNTED_MAX)
    return changed(record, with_id(record, file_id), maker, counter, after_ns, limits.STAMP_NS_MAX)
