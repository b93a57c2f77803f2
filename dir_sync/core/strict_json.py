"""Hooks for a JSON decoder that takes only text which every reader understands in the same way.

Whoever decodes what a stranger may have sent hands them to the decoder: core.wire (frames) and core.peers.beacon (datagrams).
May import: nothing.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["NotStrict", "no_duplicates", "no_such_number"]


class NotStrict(ValueError):
    """The text holds something that readers of JSON understand in different ways; it says what."""


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """`object_pairs_hook`: some readers take the first of two equal keys, some the last."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotStrict("a key that comes twice")
    return fields


def no_such_number(text: str) -> NoReturn:
    """`parse_constant` (NaN and the infinities are no JSON) and, where only integers are meant, `parse_float`."""
    raise NotStrict(text[:20])
