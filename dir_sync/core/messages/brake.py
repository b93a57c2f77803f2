"""Messages about the brake, which holds changes that look like a disaster: BRAKE, DECISION, REJECTED.

May import of this package: base, checks. Imported by: this package's __init__ alone; all others import the package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from dir_sync.core import limits
from dir_sync.core.frozen import frozen
from dir_sync.core.messages.base import ONCE_ASKED, BaseMessage, Handler, Phase, Taker
from dir_sync.core.messages.checks import (
    bounded,
    checked_array,
    checked_bool,
    checked_id,
    checked_int,
    checked_path,
    folder_of,
    text_of,
)
from dir_sync.core.named import NamedTuple

__all__ = ["Brake", "Decision", "Held", "Rejected"]


class Held(NamedTuple):
    """What the sender's brake holds of the changes by `maker` up to `counter`: number of files, and the path of one of
    them."""

    maker: str
    counter: int
    files: int
    path: bytes


@frozen
class Brake(BaseMessage):
    """Everything that the sender's brake holds now."""

    TYPE: ClassVar[str] = "BRAKE"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_brake")

    folder: str
    held: tuple[Held, ...]

    def to_wire(self) -> dict[str, Any]:
        held = bounded(self.held, 0, limits.LINKS_MAX)
        rows = [[maker, counter, files, text_of(path)] for maker, counter, files, path in held]
        return {"type": self.TYPE, "folder": self.folder, "held": rows}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        held = []
        for row in checked_array(fields.get("held"), "held", 0, limits.LINKS_MAX):
            maker, number, files, path = checked_array(row, "held", 4, 4)
            counter = checked_int(number, "counter", 0, limits.SEQUENCE_MAX)
            held.append(
                Held(
                    checked_id(maker, "maker"),
                    counter,
                    checked_int(files, "files", 0, limits.SEQUENCE_MAX),
                    checked_path(path, "path"),
                )
            )
        return cls(folder_of(fields), tuple(held))


@frozen
class Decision(BaseMessage):
    """A person decided: the changes by `maker` up to `counter` are to be carried out (`approve`), or to be undone."""

    TYPE: ClassVar[str] = "DECISION"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_decision")

    folder: str
    maker: str
    counter: int
    approve: bool

    def to_wire(self) -> dict[str, Any]:
        return {
            "type": self.TYPE,
            "folder": self.folder,
            "maker": self.maker,
            "counter": self.counter,
            "approve": self.approve,
        }

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        counter = checked_int(fields.get("counter"), "counter", 0, limits.SEQUENCE_MAX)
        return cls(
            folder_of(fields),
            checked_id(fields.get("maker"), "maker"),
            counter,
            checked_bool(fields.get("approve"), "approve"),
        )


@frozen
class Rejected(BaseMessage):
    """A person rejected what `maker` changed at these paths and below them. Whoever only sends learns by it that the versions
    that come from the others are wanted."""

    TYPE: ClassVar[str] = "REJECTED"
    SAID_IN: ClassVar[frozenset[Phase]] = ONCE_ASKED
    HANDLER: ClassVar[Handler] = Handler(Taker.ENGINE, "on_rejected")

    folder: str
    maker: str
    paths: tuple[bytes, ...]

    def to_wire(self) -> dict[str, Any]:
        paths = [text_of(path) for path in bounded(self.paths, 1, limits.REJECTED_PATHS_MAX)]
        return {"type": self.TYPE, "folder": self.folder, "maker": self.maker, "paths": paths}

    @classmethod
    def from_wire(cls, fields: dict[str, Any]) -> Self:
        paths = checked_array(fields.get("paths"), "paths", 1, limits.REJECTED_PATHS_MAX)
        maker = checked_id(fields.get("maker"), "maker")
        return cls(folder_of(fields), maker, tuple(checked_path(path, "path") for path in paths))
