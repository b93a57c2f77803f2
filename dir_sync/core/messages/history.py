"""Messages about older versions: HISTORY_REQUEST, HISTORY, HAVE_REQUEST, HAVE, SETTLE, LOST.

May import of this package: base, checks, records. Imported by: this package's __init__ alone; all others import the package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.attributes import row as attributes_row
from dir_sync.core.frozen import frozen
from dir_sync.core.messages.base import ONCE_ASKED, BaseMessage, Handler, Phase, Taker
from dir_sync.core.messages.checks import (
    bounded,
    checked_array,
    checked_bool,
    checked_digest,
    checked_int,
    checked_maker,
    checked_path,
    checked_path_or_folder,
    checked_time,
    folder_of,
    id_of,
    text_of,
    wrong,
)
from dir_sync.core.messages.records import (
    MODE_MAX,
    checked_attributes,
    checked_content,
    checked_record,
    content_text,
    record_row,
)
from dir_sync.core.model import NS_PER_S, Kind, PeerError, Record
from dir_sync.core.named import NamedTuple
from dir_sync.core.wire import ATTACHMENT, Buffer, LocalError, Piece, encode_message, encode_pieces

__all__ = ["Have", "HaveRequest", "History", "HistoryRequest", "Kept", "Loser", "Lost", "Settle"]

_WHYS: Final = frozenset({"replaced", "deleted", "conflict", "recovered"})
_ROTTEN: Final = "rotten"  # a node of an older version knows only the others: it is told "recovered"


@frozen
class HistoryRequest(BaseMessage):
    """Ask for the `limit` newest versions in the peer's history."""

    TYPE: ClassVar[str] = "HISTORY_REQUEST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_history_request")

    folder: str
    id: int
    path: bytes  # this path and everything below it; b"": the whole folder
    limit: int
    conflicts: bool = False  # only losers of conflicts

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "type": self.TYPE,
            "folder": self.folder,
            "id": self.id,
            "path": text_of(self.path),
            "limit": self.limit,
        }
        return fields | {"conflicts": True} if self.conflicts else fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        path = checked_path_or_folder(fields.get("path"), "path")
        limit = checked_int(fields.get("limit"), "limit", 1, limits.HISTORY_ANSWER_MAX)
        conflicts = checked_bool(fields.get("conflicts", False), "conflicts")
        return cls(folder_of(fields), id_of(fields), path, limit, conflicts)


class Kept(NamedTuple):
    """A version in the sender's history: it was at `path` until `until` (ns), when a change by `maker` displaced it."""

    path: bytes
    kind: Kind  # FILE or SYMLINK
    size: int
    content: bytes
    mtime: int
    mode: int
    until: int
    why: str
    maker: str  # "": unknown
    attributes: Attributes | None = None


@frozen
class History(BaseMessage):
    """A part of the answer to a HISTORY_REQUEST, newest versions first."""

    TYPE: ClassVar[str] = "HISTORY"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_history")

    folder: str
    id: int
    last: bool
    kept: tuple[Kept, ...]

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "type": self.TYPE,
            "folder": self.folder,
            "id": self.id,
            "last": self.last,
            "kept": [_kept_row(one) for one in bounded(self.kept, 0, limits.PAGE_RECORDS_MAX)],
        }
        rotten = [number for number, one in enumerate(self.kept) if one.why == _ROTTEN]
        return fields | {"rotten": rotten} if rotten else fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        rows = checked_array(fields.get("kept"), "kept", 0, limits.PAGE_RECORDS_MAX)
        makers: dict[str, str] = {"": ""}
        last = checked_bool(fields.get("last"), "last")
        kept = [_checked_kept(row, makers) for row in rows]
        for position in checked_array(fields.get("rotten", []), "rotten", 0, len(kept)):
            number = checked_int(position, "rotten", 0, len(kept) - 1)
            kept[number] = kept[number]._replace(why=_ROTTEN)
        return cls(folder_of(fields), id_of(fields), last, tuple(kept))


def _kept_row(kept: Kept) -> list[Any]:
    path, kind, size, content, mtime, mode, until, why, node, attributes = kept
    text = content_text(kind, content)
    why = "recovered" if why == _ROTTEN else why
    row = [text_of(path), int(kind), size, text, *divmod(mtime, NS_PER_S), mode, *divmod(until, NS_PER_S), why, node]
    return row if attributes is None else [*row, attributes_row(attributes)]


def _checked_kept(row: Any, makers: dict[str, str]) -> Kept:
    (text, number, size, content, mtime_s, mtime_ns, mode, until_s, until_ns, why, node, *more) = checked_array(
        row, "kept", 11, 12
    )  # the last one came later, and is left out if nothing is said
    kind, body = checked_content(number, content)
    if type(why) is not str or why not in _WHYS:
        raise wrong("why")
    return Kept(
        checked_path(text, "path"),
        kind,
        checked_int(size, "size", 0, limits.SIZE_MAX if kind is Kind.FILE else 0),
        body,
        checked_time(mtime_s, mtime_ns, "mtime"),
        checked_int(mode, "mode", 0, MODE_MAX),
        checked_time(until_s, until_ns, "until"),
        why,
        checked_maker(node, makers),
        checked_attributes(more[0]) if more else None,
    )


@frozen
class HaveRequest(BaseMessage):
    """Ask which of these contents the peer has."""

    TYPE: ClassVar[str] = "HAVE_REQUEST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_have_request")

    folder: str
    id: int
    digests: tuple[bytes, ...]

    def to_wire(self) -> dict[str, Any]:
        digests = [one.hex() for one in bounded(self.digests, 1, limits.PULLS_MAX)]
        return {"type": self.TYPE, "folder": self.folder, "id": self.id, "digests": digests}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        digests = checked_array(fields.get("digests"), "digests", 1, limits.PULLS_MAX)
        return cls(folder_of(fields), id_of(fields), tuple([checked_digest(one, "digest") for one in digests]))


@frozen
class Have(BaseMessage):
    """The answer to a HAVE_REQUEST."""

    TYPE: ClassVar[str] = "HAVE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_have")

    folder: str
    id: int
    which: tuple[int, ...]  # positions in the request, ascending

    def to_wire(self) -> dict[str, Any]:
        which = list(bounded(self.which, 0, limits.PULLS_MAX))
        return {"type": self.TYPE, "folder": self.folder, "id": self.id, "which": which}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        before = -1
        which = []
        for one in checked_array(fields.get("which"), "which", 0, limits.PULLS_MAX):
            before = checked_int(one, "position", before + 1, limits.PULLS_MAX - 1)
            which.append(before)
        return cls(folder_of(fields), id_of(fields), tuple(which))


class Loser(NamedTuple):
    """A content that lost in a conflict."""

    path: bytes
    kind: Kind  # FILE or SYMLINK
    content: bytes


@frozen
class Settle(BaseMessage):
    """A person has seen these losers of conflicts: from now on they are ordinary versions."""

    TYPE: ClassVar[str] = "SETTLE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_settle")

    folder: str
    losers: tuple[Loser, ...]

    def to_wire(self) -> dict[str, Any]:
        return {
            "type": self.TYPE,
            "folder": self.folder,
            "losers": [
                [text_of(path), int(kind), content_text(kind, content)]
                for path, kind, content in bounded(self.losers, 1, limits.PAGE_RECORDS_MAX)
            ],
        }

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        losers = []
        for row in checked_array(fields.get("losers"), "losers", 1, limits.PAGE_RECORDS_MAX):
            path, number, content = checked_array(row, "losers", 3, 3)
            losers.append(Loser(checked_path(path, "path"), *checked_content(number, content)))
        return cls(folder_of(fields), tuple(losers))


@frozen
class Lost(BaseMessage):
    """A text of the sender has lost a conflict. The node that made the winner merges the two, if it was asked to merge
    texts; a node between them passes this on to it. The attachment is the text."""

    TYPE: ClassVar[str] = "LOST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_lost")

    folder: str
    record: Record
    to: str  # the replica that merges
    text: bytes  # travels as the attachment

    def to_wire(self) -> dict[str, Any]:
        return {
            "type": self.TYPE,
            "folder": self.folder,
            "record": record_row(self.record),
            "to": self.to,
            "attached": True,
        }

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        makers: dict[str, str] = {}
        record = checked_record(fields.get("record"), makers)
        if record.kind is not Kind.FILE or not 0 < record.size <= limits.MERGE_BYTES_MAX:
            raise PeerError("a loser that is no small file")
        if fields.get("attached") is not True:
            raise wrong("attached")
        return cls(folder_of(fields), record, checked_maker(fields.get("to"), makers), b"")

    def encode(self) -> list[Buffer]:
        if len(self.text) != self.record.size or len(self.text) > limits.MERGE_BYTES_MAX:
            raise LocalError(f"a text of {len(self.text)} bytes for a record of size {self.record.size}")
        frame = encode_message(self.to_wire(), len(self.text))
        return [frame, *encode_pieces(ATTACHMENT, (Piece(0, 0, self.text),))]

    def with_attachment(self, pieces: tuple[Piece, ...]) -> Lost:
        (key, offset, data), *more = pieces
        if more or key or offset or len(data) != self.record.size:
            raise PeerError("an attachment that is not the text of the loser")
        return Lost(self.folder, self.record, self.to, bytes(data))
