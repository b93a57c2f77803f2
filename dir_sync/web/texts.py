"""What a file is to a person who looks at it: text in UTF-8 or Latin-1, or neither.

In:   the bytes of a file, or of its beginning. Out: the text; None: it is no text.
Used by: routes.content, routes.history.
"""

from __future__ import annotations

import re

from dir_sync.core.merging import is_text
from dir_sync.core.named import NamedTuple

__all__ = ["BEGINNING_BYTES", "Decoded", "decoded"]

BEGINNING_BYTES = 8192  # tell whether a file is text
_NO_LETTERS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")  # of Latin-1; an escape may be in a log
_BEYOND_ASCII = re.compile(rb"[\xa0-\xff]")
_SHARE = 3  # at most a third of a text in Latin-1 is beyond ASCII: other bytes than letters are not as rare


class Decoded(NamedTuple):
    """A text, and how its bytes were read."""

    text: str
    encoding: str  # "utf-8", "latin-1"


def decoded(data: bytes, is_whole: bool) -> Decoded | None:
    """`is_whole`: otherwise the last letter may be cut in two."""
    for cut in range(1 if is_whole else 4):
        piece = data[: len(data) - cut]
        if is_text(piece):
            return Decoded(piece.decode("utf-8"), "utf-8")
    if _NO_LETTERS.search(data) or len(_BEYOND_ASCII.findall(data)) * _SHARE > len(data):
        return None
    return Decoded(data.decode("latin-1"), "latin-1")
