"""MODIFICATION_UPDATE: what changed at the sender, with the contents of small files.

May import of this package: base, checks, records. Imported by: this package's __init__ alone; all others import the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import compress, repeat
from operator import itemgetter
from typing import Any, ClassVar, Final, Self

from dir_sync.core import limits
from dir_sync.core.frozen import frozen
from dir_sync.core.messages.base import ONCE_ASKED, BaseMessage, Handler, Phase, Taker
from dir_sync.core.messages.checks import (
    bounded,
    checked_array,
    checked_bool,
    checked_digest,
    checked_int,
    checked_marks,
    checked_path,
    checked_path_or_folder,
    checked_time,
    folder_of,
    marks_text,
    sequence_of,
    text_of,
    wrong,
)
from dir_sync.core.messages.records import checked_record, new_file_records, record_row
from dir_sync.core.model import NS_PER_S, Kind, PeerError, Record
from dir_sync.core.named import NamedTuple
from dir_sync.core.wire import ATTACHMENT, Buffer, LocalError, Piece, encode_message, encode_pieces

__all__ = ["Change", "DeltaOffer", "ModificationUpdate"]

_ACTIONS: Final = frozenset({"create", "modify", "delete", "rename"})
_new: Final = tuple.__new__  # half the cost of calling the named tuple


class DeltaOffer(NamedTuple):
    """A delta of `size` bytes from the content `base` (digest) can be pulled."""

    base: bytes
    size: int
    marks: tuple[bytes, ...] | None = (
        None  # not None: no delta, the content begins with the base, `size` bytes come after
    )


class Change(NamedTuple):
    """One change of an update. `content` is the whole file if `attached` is true, else None."""

    action: str  # "create", "modify", "delete" or "rename"
    record: Record
    source: bytes | None = None  # the old path of a rename, else None
    attached: bool = False
    delta: DeltaOffer | None = None
    content: bytes | None = None


@frozen
class ModificationUpdate(BaseMessage):
    """Changes in ascending sequence, up to `sequence`, and mtimes of folders. The attachment has the contents, in the
    order of the changes."""

    TYPE: ClassVar[str] = "MODIFICATION_UPDATE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_update")

    folder: str
    sequence: int
    changes: tuple[Change, ...]
    times: tuple[tuple[bytes, int], ...] = ()  # (folder, mtime in ns); b"" is the shared folder itself
    attached: bool = False  # true if a change has an attached content

    def to_wire(self) -> dict[str, Any]:
        if self.attached != any(change.attached for change in self.changes):
            raise LocalError("an update that is not as attached as its changes")
        return {
            "type": self.TYPE,
            "folder": self.folder,
            "sequence": self.sequence,
            "changes": [_change_fields(change) for change in bounded(self.changes, 0, limits.CHANGES_MAX)],
            "times": [
                [text_of(path), *divmod(mtime, NS_PER_S)] for path, mtime in bounded(self.times, 0, limits.CHANGES_MAX)
            ],
            "attached": self.attached,
        }

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        makers: dict[str, str] = {}
        rows = checked_array(fields.get("changes"), "changes", 0, limits.CHANGES_MAX)
        changes = _checked_changes(rows, makers)
        times = []
        for row in checked_array(fields.get("times"), "times", 0, limits.CHANGES_MAX):
            path, mtime_s, mtime_ns = checked_array(row, "times", 3, 3)
            mtime = checked_time(mtime_s, mtime_ns, "mtime")
            times.append((checked_path_or_folder(path, "path"), mtime))
        attached = checked_bool(fields.get("attached"), "attached")
        if attached != any(change.attached for change in changes):
            raise PeerError("attached is not what the changes say")
        return cls(folder_of(fields), sequence_of(fields), changes, tuple(times), attached)

    def encode(self) -> list[Buffer]:
        contents = self._contents()
        frame = encode_message(self.to_wire(), sum(len(piece.data) for piece in contents))
        return [frame, *encode_pieces(ATTACHMENT, contents)] if contents else [frame]

    def _contents(self) -> list[Piece]:
        pieces: list[Piece] = []
        for position, (_, record, _, attached, _, content) in enumerate(self.changes):
            if attached != (content is not None):
                raise LocalError("a change that is not as attached as its content")
            if content is not None:
                if record.kind != Kind.FILE or len(content) != record.size:
                    raise LocalError(f"content of {len(content)} bytes for a record of size {record.size}")
                pieces.append(_new(Piece, (position, 0, content)))
        return pieces

    def with_attachment(self, pieces: tuple[Piece, ...]) -> ModificationUpdate:
        filled = list(self.changes)
        wanted = [position for position, change in enumerate(self.changes) if change.attached]
        if [piece.key for piece in pieces] != wanted:
            raise PeerError("an attachment of other contents than its update names")
        for position, offset, data in pieces:
            action, record, source, with_content, delta, _ = filled[position]
            if offset != 0 or len(data) != record.size:
                raise PeerError("an attached content that is not as long as its record says")
            filled[position] = _new(Change, (action, record, source, with_content, delta, bytes(data)))
        return ModificationUpdate(self.folder, self.sequence, tuple(filled), self.times, self.attached)


# One change


def _change_fields(change: Change) -> dict[str, Any]:
    fields: dict[str, Any] = {"action": change.action, "record": record_row(change.record)}
    if change.source is not None:
        fields["from"] = text_of(change.source)
    if change.attached:
        fields["content"] = "attached"
    if change.delta is not None:
        fields["delta"] = {"base": change.delta.base.hex(), "size": change.delta.size}
        if change.delta.marks is not None:
            fields["delta"]["marks"] = marks_text(change.delta.marks)
    return fields


def _checked_change(fields: Any, makers: dict[str, str]) -> Change:
    if type(fields) is not dict:
        raise PeerError("a change that is not an object")
    action = fields.get("action")
    if type(action) is not str or action not in _ACTIONS:
        raise wrong("action")
    record = checked_record(fields.get("record"), makers)
    if (action == "delete") != (record.kind is Kind.ABSENT):
        raise PeerError(f"a change {action} to a record of another kind")
    source = None
    if action == "rename":
        source = checked_path(fields.get("from"), "from")
    elif "from" in fields:
        raise PeerError(f"a change {action} with a from")
    attached = "content" in fields
    if attached and fields["content"] != "attached":
        raise wrong("content")
    offer = None
    if "delta" in fields:
        delta = fields["delta"]
        if type(delta) is not dict:
            raise wrong("delta")
        size = checked_int(delta.get("size"), "size", 0, limits.SIZE_MAX)
        offer = DeltaOffer(checked_digest(delta.get("base"), "base"), size, checked_marks(delta))
    if (attached or offer is not None) and record.kind is not Kind.FILE:
        raise PeerError("content of what is not a file")
    return Change(action, record, source, attached, offer)


# Many new files at once: the bulk of a first contact, so they are decoded column by column (see records)

_COLUMNS_MIN: Final = 8  # below, columns cost more than they save
_action_of, _content_of, _record_of = itemgetter("action"), itemgetter("content"), itemgetter("record")
_to_change = partial(_new, Change)


def _checked_changes(rows: list[Any], makers: dict[str, str]) -> tuple[Change, ...]:
    """All changes of an update. Large files, which have no content attached, and others may be among many small ones."""
    if len(rows) < _COLUMNS_MIN:
        return tuple([_checked_change(row, makers) for row in rows])
    lengths = [len(row) if type(row) is dict else 0 for row in rows]
    by_column = {
        length: _new_files(list(compress(rows, map(length.__eq__, lengths))), makers, length) for length in (2, 3)
    }
    changes: list[Change] = []
    for row, length in zip(rows, lengths, strict=True):
        known = by_column.get(length)
        changes.append(_checked_change(row, makers) if known is None else next(known))
    return tuple(changes)


def _new_files(rows: list[dict[str, Any]], makers: dict[str, str], length: int) -> Iterator[Change] | None:
    """The changes, if all of them are new files; None: they have to be decoded one by one. `length`: of each row; 3 with the
    content, 2 without."""
    if len(rows) < _COLUMNS_MIN:
        return None
    attached = length == 3
    try:
        if set(map(_action_of, rows)) != {"create"} or (attached and set(map(_content_of, rows)) != {"attached"}):
            return None
        records = new_file_records(list(map(_record_of, rows)), makers)
    except (KeyError, TypeError, ValueError):
        return None
    if records is None:
        return None
    no = repeat(None)
    return map(_to_change, zip(repeat("create"), records, no, repeat(attached), no, no, strict=False))
