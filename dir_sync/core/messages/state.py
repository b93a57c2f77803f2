"""Messages about the state of a node and what it received: STATE_REQUEST, STATE, ACKNOWLEDGE, LACKS.

May import of this package: base, checks, records. Imported by: this package's __init__ alone; all others import the package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from dir_sync.core import limits
from dir_sync.core.declined import REASONS, Declined, Reason
from dir_sync.core.frozen import frozen
from dir_sync.core.messages.base import ONCE_ASKED, ONCE_OPEN, BaseMessage, Handler, Phase, Taker
from dir_sync.core.messages.checks import (
    bounded,
    checked_array,
    checked_bool,
    checked_hex,
    checked_id,
    checked_int,
    checked_maker,
    checked_path,
    checked_text,
    folder_of,
    sequence_of,
    text_of,
    wrong,
)
from dir_sync.core.messages.records import checked_record, record_row
from dir_sync.core.model import Record, Stamp

__all__ = ["Acknowledge", "Lacks", "State", "StateRequest"]


@frozen
class StateRequest(BaseMessage):
    """Ask for the rows of replica `replica` of this folder after the sequence `after`."""

    TYPE: ClassVar[str] = "STATE_REQUEST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_state_request")

    folder: str
    replica: str
    after: int
    sequence: int = 0  # the last sequence of the sender; 0: its index is empty
    summary: bytes = b""  # at first contact: sums of the tags of its records, by bucket (docs/protocol.md, 3.4)
    pulls: bool = False  # the sender asks for the contents that it wants: none is sent unasked at first contact

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "type": self.TYPE,
            "folder": self.folder,
            "replica": self.replica,
            "after": self.after,
            "sequence": self.sequence,
        }
        if self.summary:
            fields["summary"] = self.summary.hex()
        if self.pulls:
            fields["pulls"] = True
        return fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        after = checked_int(fields.get("after"), "after", 0, limits.SEQUENCE_MAX)
        summary = b""
        if "summary" in fields:
            summary = checked_hex(fields["summary"], "summary", limits.SUMMARY_BYTES)
        pulls = checked_bool(fields.get("pulls", False), "pulls")
        replica = checked_id(fields.get("replica"), "replica")
        return cls(folder_of(fields), replica, after, sequence_of(fields), summary, pulls)


@frozen
class State(BaseMessage):
    """A page of the sender's index in ascending sequence, up to `sequence`. `last`: there is no more to send.
    `renames`: new and old name of renamed files in the page; the receiver's file under the old name is a good base for
    a delta."""

    TYPE: ClassVar[str] = "STATE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_state")

    folder: str
    sequence: int
    last: bool
    records: tuple[Record, ...]
    renames: tuple[tuple[bytes, bytes], ...] = ()

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "type": self.TYPE,
            "folder": self.folder,
            "sequence": self.sequence,
            "last": self.last,
            "records": [record_row(record) for record in bounded(self.records, 0, limits.PAGE_RECORDS_MAX)],
        }
        if self.renames:
            renames = bounded(self.renames, 0, limits.PAGE_RECORDS_MAX)
            fields["renames"] = [[text_of(path), text_of(source)] for path, source in renames]
        return fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        rows = checked_array(fields.get("records"), "records", 0, limits.PAGE_RECORDS_MAX)
        makers: dict[str, str] = {}
        renames = []
        for pair in checked_array(fields.get("renames", []), "renames", 0, limits.PAGE_RECORDS_MAX):
            path, source = checked_array(pair, "renames", 2, 2)
            renames.append((checked_path(path, "path"), checked_path(source, "path")))
        return cls(
            folder_of(fields),
            sequence_of(fields),
            checked_bool(fields.get("last"), "last"),
            tuple([checked_record(row, makers) for row in rows]),
            tuple(renames),
        )


@frozen
class Acknowledge(BaseMessage):
    """Like a STATE, for rows that now equal what the receiver announced: path and stamp of each."""

    TYPE: ClassVar[str] = "ACKNOWLEDGE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_acknowledge")

    folder: str
    sequence: int
    held: tuple[tuple[bytes, Stamp], ...]

    def to_wire(self) -> dict[str, Any]:
        held = bounded(self.held, 0, limits.PAGE_RECORDS_MAX)
        return {
            "type": self.TYPE,
            "folder": self.folder,
            "sequence": self.sequence,
            "held": [[text_of(path), stamp.ns, stamp.maker] for path, stamp in held],
        }

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        held = []
        makers: dict[str, str] = {}
        for row in checked_array(fields.get("held"), "held", 0, limits.PAGE_RECORDS_MAX):
            path, stamp_ns, stamp_maker = checked_array(row, "held", 3, 3)
            ns = checked_int(stamp_ns, "stamp", 1, limits.STAMP_NS_MAX)
            stamp = Stamp(ns, checked_maker(stamp_maker, makers))
            held.append((checked_path(path, "path"), stamp))
        return cls(folder_of(fields), sequence_of(fields), tuple(held))


@frozen
class Lacks(BaseMessage):
    """What the sender lacks of the announcements that it received up to `sequence`: number of files, their missing
    bytes, and number of other changes. `declined`: what of it the sender does not take, and why."""

    TYPE: ClassVar[str] = "LACKS"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_lacks")

    folder: str
    sequence: int
    files: int
    bytes: int
    others: int
    declined: tuple[Declined, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "type": self.TYPE,
            "folder": self.folder,
            "sequence": self.sequence,
            "files": self.files,
            "bytes": self.bytes,
            "others": self.others,
        }
        if self.declined:
            fields["declined"] = {one.reason.value: _declined_row(one) for one in self.declined}
        return fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        names = ("sequence", "files", "bytes", "others")
        numbers = [checked_int(fields.get(name), name, 0, limits.SEQUENCE_MAX) for name in names]
        sequence, files, size, others = numbers
        declined = _checked_declined(fields.get("declined", {}))
        return cls(folder_of(fields), sequence, files, size, others, declined)


def _declined_row(one: Declined) -> dict[str, int]:
    row = {"files": one.files, "bytes": one.bytes, "others": one.others}
    return row | {"limit": one.limit} if one.limit else row


def _checked_declined(value: Any) -> tuple[Declined, ...]:
    """Reasons that this version does not know are left out."""
    if type(value) is not dict or len(value) > limits.DECLINED_REASONS_MAX:
        raise wrong("declined")
    found: dict[Reason, Declined] = {}
    for name, row in value.items():
        checked_text(name, "reason", 1, limits.REASON_CHARS_MAX)
        if type(row) is not dict:
            raise wrong("declined")
        files, size, others = [
            checked_int(row.get(key), key, 0, limits.SEQUENCE_MAX) for key in ("files", "bytes", "others")
        ]
        limit = checked_int(row.get("limit", 0), "limit", 0, limits.SEQUENCE_MAX)
        if (reason := REASONS.get(name)) is not None:
            found[reason] = Declined(reason, files, size, others, limit)
    return tuple(found[reason] for reason in Reason if reason in found)
