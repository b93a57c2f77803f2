"""Messages about reading everything again: VERIFY_REQUEST, VERIFY_REPORT.

May import of this package: base, checks, records. Imported by: this package's __init__ alone; all others import the package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from dir_sync.core import limits
from dir_sync.core.declined import REASONS
from dir_sync.core.frozen import frozen
from dir_sync.core.messages.base import ONCE_ASKED, BaseMessage, Handler, Phase, Taker
from dir_sync.core.messages.checks import (
    bounded,
    checked_array,
    checked_bool,
    checked_bytes,
    checked_int,
    checked_path,
    checked_path_or_folder,
    folder_of,
    id_of,
    text_of,
    wrong,
)
from dir_sync.core.messages.records import checked_content, content_text
from dir_sync.core.model import Kind
from dir_sync.core.verify import Apart, Entry, Outcome

__all__ = ["VerifyReport", "VerifyRequest"]

_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
_LIVE: Final = {int(kind): kind for kind in (Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)}


@frozen
class VerifyRequest(BaseMessage):
    """Ask the peer to read a part of the folder again: what lies after one path and not after another, or some paths."""

    TYPE: ClassVar[str] = "VERIFY_REQUEST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_verify_request")

    folder: str
    id: int
    after: bytes  # b"": from the beginning
    until: bytes  # the last path; b"": to the end
    paths: tuple[bytes, ...] = ()  # if any: only these
    repair: bool = False  # heal what is rotten there

    def to_wire(self) -> dict[str, Any]:
        return {
            "type": self.TYPE,
            "folder": self.folder,
            "id": self.id,
            "after": text_of(self.after),
            "until": text_of(self.until),
            "paths": [text_of(path) for path in bounded(self.paths, 0, limits.VERIFY_ENTRIES_MAX)],
            "repair": self.repair,
        }

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        paths = checked_array(fields.get("paths"), "paths", 0, limits.VERIFY_ENTRIES_MAX)
        return cls(
            folder_of(fields),
            id_of(fields),
            checked_path_or_folder(fields.get("after"), "after"),
            checked_path_or_folder(fields.get("until"), "until"),
            tuple([checked_path(path, "path") for path in paths]),
            checked_bool(fields.get("repair"), "repair"),
        )


@frozen
class VerifyReport(BaseMessage):
    """A part of the answer to a VERIFY_REQUEST, in the order of the request."""

    TYPE: ClassVar[str] = "VERIFY_REPORT"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_verify_report")

    folder: str
    id: int
    entries: tuple[Entry, ...]
    read: int  # bytes since the request
    last: bool
    refused: bool = False  # the sender was asked to read too much lately
    apart: tuple[Apart, ...] = ()  # of the paths of the request: what the sender has otherwise on purpose

    def to_wire(self) -> dict[str, Any]:
        return {
            "type": self.TYPE,
            "folder": self.folder,
            "id": self.id,
            "entries": [_row(one) for one in bounded(self.entries, 0, limits.VERIFY_ENTRIES_MAX)],
            "read": self.read,
            "last": self.last,
            "refused": self.refused,
        } | (
            {"apart": [_apart_row(one) for one in bounded(self.apart, 0, limits.VERIFY_ENTRIES_MAX)]}
            if self.apart
            else {}
        )

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        entries = checked_array(fields.get("entries"), "entries", 0, limits.VERIFY_ENTRIES_MAX)
        return cls(
            folder_of(fields),
            id_of(fields),
            tuple([_checked(row) for row in entries]),
            checked_int(fields.get("read"), "read", 0, limits.SIZE_MAX),
            checked_bool(fields.get("last"), "last"),
            checked_bool(fields.get("refused"), "refused"),
            _apart_in(checked_array(fields.get("apart", []), "apart", 0, limits.VERIFY_ENTRIES_MAX)),
        )


def _apart_row(one: Apart) -> list[Any]:
    row: list[Any] = [text_of(one.path), one.reason.value]
    return row if one.kind is None else [*row, int(one.kind)]


def _apart_in(rows: list[Any]) -> tuple[Apart, ...]:
    """Reasons that this version does not know are left out."""
    found = []
    for row in rows:
        text, reason, *more = checked_array(row, "apart", 2, 3)
        kind = _LIVE.get(more[0]) if more and type(more[0]) is int else None
        if type(reason) is not str or (more and kind is None):
            raise wrong("apart")
        path = checked_path(text, "path")
        if reason in REASONS:
            found.append(Apart(path, REASONS[reason], kind))
    return tuple(found)


def _row(entry: Entry) -> list[Any]:
    row: list[Any] = [text_of(entry.path), int(entry.kind), entry.size, content_text(entry.kind, entry.content)]
    return row if entry.outcome is Outcome.SAME else [*row, entry.outcome.value]


def _checked(row: Any) -> Entry:
    text, number, size, content, *more = checked_array(row, "entry", 4, 5)
    kind = _LIVE.get(number) if type(number) is int else None
    if kind is None:
        raise wrong("kind")
    body = b""
    if kind is Kind.DIRECTORY:
        if checked_bytes(content, "content"):
            raise wrong("content")
    else:
        body = checked_content(number, content)[1]
    outcome = _OUTCOMES.get(more[0]) if more and type(more[0]) is str else Outcome.SAME
    if outcome is None or (more and (type(more[0]) is not str or outcome is Outcome.SAME)):
        raise wrong("outcome")
    most = limits.SIZE_MAX if kind is Kind.FILE else 0
    return Entry(checked_path(text, "path"), kind, checked_int(size, "size", 0, most), body, outcome)
