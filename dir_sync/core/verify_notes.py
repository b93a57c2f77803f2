"""What people are told of contents that went bad on a disk: a part of `core.notes`.

In:   nothing. Out: frozen values, one kind for each thing that happens.
Rule: everyone uses them through `core.notes`.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple

__all__ = ["Healed", "Rotten", "Scrubbed", "Suspicious", "VerifyNote"]


class Rotten(NamedTuple):
    """A file has another content than was recorded, and nobody has changed it."""

    path: bytes
    size: int


class Healed(NamedTuple):
    """A rotten file has its recorded content again, from `peer` ("": from another place here). The history has the other."""

    path: bytes
    size: int
    peer: str


class Suspicious(NamedTuple):
    """A file could not be verified."""

    path: bytes
    problem: str


class Scrubbed(NamedTuple):
    """The scrub has read everything; `rotten` files were rotten."""

    rotten: int


VerifyNote = Rotten | Healed | Suspicious | Scrubbed
