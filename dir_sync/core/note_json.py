"""Events as JSON objects, and back: what the stream of events carries.

In:   an Event. Out: an object with `event`, the name of its kind, and a key for each field.
Rule: pure; it may import core only. Paths are escaped as everywhere, but never cut: a path can be typed again, and read back.
A new kind of note needs nothing here.
Used by: cli.hook_options, cli.watching, daemon, web.activity.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from dir_sync.core import limits
from dir_sync.core.live_notes import Event
from dir_sync.core.model import from_shown, show
from dir_sync.core.notes import NotTakenThere

__all__ = ["KINDS", "from_json", "kind_of", "to_json"]


def kind_of(kind: type[Event]) -> str:
    """`ReceivedMany` is called `received_many`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


KINDS: dict[str, type[Event]] = {kind_of(kind): kind for kind in get_args(Event)}
"""All kinds by their names."""

_NAMES = {kind: name for name, kind in KINDS.items()}


def to_json(event: Event) -> dict[str, Any]:
    """The object. `files` becomes a list of objects with `path` and `size`, `apart` one of objects with the keys of
    `not_taken_there`."""
    return {"event": _NAMES[type(event)]} | {key: _plain(value) for key, value in event._asdict().items()}


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return show(value, limits.SHOWN_PATH_CHARS_MAX)
        case ((bytes(), int()), *_):
            return [{"path": show(path, limits.SHOWN_PATH_CHARS_MAX), "size": size} for path, size in value]
        case (NotTakenThere(), *_):
            return [{key: _plain(part) for key, part in one._asdict().items()} for one in value]
        case tuple():
            return list(value)
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case _:
            return value


def from_json(event: dict[str, Any]) -> Event | None:
    """The event; None if this version of the program does not know it. Keys that are no fields are left out."""
    kind = KINDS.get(str(event.get("event")))
    if kind is None:
        return None
    try:
        return kind(**{field: _typed(field, event[field]) for field in kind._fields if field in event})
    except (KeyError, TypeError, AttributeError):
        return None


def _typed(field: str, value: Any) -> Any:
    if field in ("path", "source", "version"):
        return _path(value)
    if field == "files" and isinstance(value, list):
        return tuple((_path(one["path"]), one["size"]) for one in value)
    if field == "apart" and isinstance(value, list):
        return tuple(NotTakenThere(*(one[key] for key in NotTakenThere._fields)) for one in value)
    return tuple(value) if isinstance(value, list) else value


def _path(text: str) -> bytes:
    meant = from_shown(text)
    return text.encode("utf-8", "surrogateescape") if meant is None else meant
