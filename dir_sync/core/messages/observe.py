"""Messages of a dry run, which asks and changes nothing: ROWS_REQUEST, ROWS, FORECAST_REQUEST, FORECAST.

May import of this package: base, checks, records. Imported by: this package's __init__ alone; all others import the package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from dir_sync.core import limits
from dir_sync.core.forecast import Fate, Room
from dir_sync.core.frozen import frozen
from dir_sync.core.messages.base import ONCE_OPEN, BaseMessage, Handler, Phase, Taker
from dir_sync.core.messages.checks import (
    bounded,
    checked_array,
    checked_bool,
    checked_id,
    checked_int,
    checked_text,
    folder_of,
    sequence_of,
    wrong,
)
from dir_sync.core.messages.records import checked_record, record_row
from dir_sync.core.mode import CHOICES, Mode
from dir_sync.core.model import PeerError, Record

__all__ = ["Forecast", "ForecastRequest", "Rows", "RowsRequest"]

_FATES: Final = {fate.value: fate for fate in Fate}
_MODES: Final = {mode.value: mode for mode in CHOICES}


@frozen
class RowsRequest(BaseMessage):
    """Ask for what the receiver has after the sequence `after`: one page, without any other effect."""

    TYPE: ClassVar[str] = "ROWS_REQUEST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.OBSERVERS, "on_rows_request")

    folder: str
    after: int

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.TYPE, "folder": self.folder, "after": self.after}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        return cls(folder_of(fields), checked_int(fields.get("after"), "after", 0, limits.SEQUENCE_MAX))


@frozen
class Rows(BaseMessage):
    """The answer: a page of the sender's index, up to `sequence`. `ready` false: the sender does not know yet what it has, and
    may be asked again in a moment. `mode`: what it announces and takes."""

    TYPE: ClassVar[str] = "ROWS"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.OBSERVERS, "on_rows")

    folder: str
    replica: str
    mode: Mode
    ready: bool
    sequence: int
    last: bool
    records: tuple[Record, ...]
    room: Room | None = None  # how many bytes of contents it would take, and why no more; None: any number

    def to_wire(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "type": self.TYPE,
            "folder": self.folder,
            "replica": self.replica,
            "mode": self.mode.value,
            "ready": self.ready,
            "sequence": self.sequence,
            "last": self.last,
            "records": [record_row(record) for record in bounded(self.records, 0, limits.PAGE_RECORDS_MAX)],
        }
        if self.room is not None:
            fields["room"] = [min(self.room[0], limits.SIZE_MAX), self.room[1][: limits.TEXT_CHARS_MAX]]
        return fields

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        rows = checked_array(fields.get("records"), "records", 0, limits.PAGE_RECORDS_MAX)
        mode = fields.get("mode")
        if type(mode) is not str or mode not in _MODES:
            raise wrong("mode")
        makers: dict[str, str] = {}
        return cls(
            folder_of(fields),
            checked_id(fields.get("replica"), "replica"),
            _MODES[mode],
            checked_bool(fields.get("ready"), "ready"),
            sequence_of(fields),
            checked_bool(fields.get("last"), "last"),
            tuple([checked_record(row, makers) for row in rows]),
            _checked_room(fields["room"]) if "room" in fields else None,
        )


def _checked_room(item: Any) -> Room:
    size, reason = checked_array(item, "room", 2, 2)
    return checked_int(size, "room", 0, limits.SIZE_MAX), checked_text(reason, "room", 0, limits.TEXT_CHARS_MAX)


@frozen
class ForecastRequest(BaseMessage):
    """Ask what the receiver would do if `replica` announced these records."""

    TYPE: ClassVar[str] = "FORECAST_REQUEST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.OBSERVERS, "on_forecast_request")

    folder: str
    replica: str
    records: tuple[Record, ...]

    def to_wire(self) -> dict[str, Any]:
        rows = [record_row(record) for record in bounded(self.records, 1, limits.CHANGES_MAX)]
        return {"type": self.TYPE, "folder": self.folder, "replica": self.replica, "records": rows}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        rows = checked_array(fields.get("records"), "records", 1, limits.CHANGES_MAX)
        makers: dict[str, str] = {}
        replica = checked_id(fields.get("replica"), "replica")
        return cls(folder_of(fields), replica, tuple([checked_record(row, makers) for row in rows]))


@frozen
class Forecast(BaseMessage):
    """The answer, in the order of the records: for each what would happen, and for people why."""

    TYPE: ClassVar[str] = "FORECAST"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_OPEN
    HANDLER: ClassVar[Handler] = Handler(Taker.OBSERVERS, "on_forecast")

    folder: str
    outcomes: tuple[tuple[Fate, str], ...]

    def to_wire(self) -> dict[str, Any]:
        rows = [
            [fate.value, reason[: limits.TEXT_CHARS_MAX].encode("utf-8", "replace").decode("utf-8")]
            for fate, reason in bounded(self.outcomes, 1, limits.CHANGES_MAX)
        ]
        return {"type": self.TYPE, "folder": self.folder, "outcomes": rows}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        outcomes = []
        for row in checked_array(fields.get("outcomes"), "outcomes", 1, limits.CHANGES_MAX):
            fate, reason = checked_array(row, "outcome", 2, 2)
            if type(fate) is not str or fate not in _FATES:
                raise PeerError("an outcome that is none")
            outcomes.append((_FATES[fate], checked_text(reason, "reason", 0, limits.TEXT_CHARS_MAX)))
        return cls(folder_of(fields), tuple(outcomes))
