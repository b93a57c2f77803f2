"""A JSON decoder, and hooks for one, that accepts only text which every reader understands in the same way.

They are used for data from strangers: by core.wire (frames) and core.peers.beacon (datagrams).
May import: `dir_sync.core.limits`.
"""

from __future__ import annotations

import json
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any, NoReturn

from dir_sync.core import limits

__all__ = ["NotStrict", "StepByStep", "has_too_many_values", "is_quick", "no_duplicates", "no_such_number"]

_VALUES_MAX = 160 * 1024  # in one message: twice those of the fullest page; each costs up to 0.3 us to parse
_COUNTED_BYTES = 32 * limits.KIB
_QUICK_BYTES = 640 * limits.KIB  # a text that is longer, or has more keys or values than these, ...
_QUICK_KEYS = 12 * 1024
_QUICK_VALUES = 48 * 1024  # ... is not from a node of this kind: it is parsed step by step


class NotStrict(ValueError):
    """The text contains something that JSON readers interpret differently; the message says what."""


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `object_pairs_hook`: of two equal keys, some readers take the first, some the last."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotStrict("a key that comes twice")
    return fields


def no_such_number(text: str) -> NoReturn:
    """For `parse_constant` (NaN and the infinities are not JSON) and, where only integers are allowed,
    `parse_float`."""
    raise NotStrict(text[:20])


class StepByStep(json.JSONDecoder):
    """The strict decoder without its part in C. It takes ten times as long, but other threads run meanwhile: the part in
    C keeps the interpreter until the whole text is parsed."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=no_duplicates, parse_constant=no_such_number)
        self.scan_once = py_make_scanner(self)


def has_too_many_values(text: bytes) -> bool:
    """True if there are more values than any node sends in one message. Parsing blocks everything else, and 4 MB of small
    lists would take half a second."""
    if len(text) <= _VALUES_MAX:
        return False
    if not _has_more(text, b'"', 4 * _VALUES_MAX):
        if not _has_more(text, b"[{,", _VALUES_MAX):
            return False
        bare = text.replace(b"\\\\", b"").replace(b'\\"', b"")  # names may contain escaped quotes
        if not _has_more(_outside_strings(bare), b"[{,", _VALUES_MAX):
            return False
    return True


def _outside_strings(bare: bytes) -> bytes:
    """What is not between quotes in a text without escaped quotes."""
    outside: list[bytes] = []
    is_inside = False
    for at in range(0, len(bare), _COUNTED_BYTES):
        pieces = bare[at : at + _COUNTED_BYTES].split(b'"')
        outside += pieces[is_inside::2]
        is_inside ^= len(pieces) % 2 == 0
    return b"".join(outside)


def _has_more(text: bytes, marks: bytes, most: int) -> bool:
    """True if `text` has more than `most` of these bytes; stops as soon as that is known."""
    count = 0
    for at in range(0, len(text), _COUNTED_BYTES):
        count += sum(text.count(mark, at, at + _COUNTED_BYTES) for mark in marks)
        if count > most:
            return True
    return False


def is_quick(text: bytes) -> bool:
    """True if the decoder of the standard library, which lets no other thread run meanwhile, takes some milliseconds at
    most. Fast for normal messages."""
    if len(text) <= _COUNTED_BYTES:
        return True
    is_long = len(text) > _QUICK_BYTES or text.count(b'":') > _QUICK_KEYS
    return not is_long and sum(text.count(mark) for mark in (b",", b"[", b"{")) <= _QUICK_VALUES
