"""Hooks for a JSON decoder that accepts only text which every reader understands in the same way.

They are used for data from strangers: by core.wire (frames) and core.peers.beacon (datagrams).
May import: nothing.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["NotStrict", "no_duplicates", "no_such_number"]


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
