"""What people are told of contents that went bad on a disk: a part of `core.notes`.

In:   nothing. Out: frozen values, one kind for each thing that happens.
Rule: everyone uses them through `core.notes`.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple

__all__ = ["Healed", "Rotten", "Scrubbed", "SilentChange", "Suspicious", "VerifyNote"]


class Rotten(NamedTuple):
    """A file has another content than was recorded, and nobody has changed it."""

    path: bytes
    size: int


class Healed(NamedTuple):
    """A rotten file has its recorded content again, from `peer` ("": from another place here). The history has the other."""

    path: bytes
    size: int
    peer: str


class SilentChange(NamedTuple):
    """A file was announced with another content, though its size and the time of its last write are as before: a program has
    put the time back, or the disk goes bad. Other machines keep the former version."""

    path: bytes
    size: int


class Suspicious(NamedTuple):
    """A file could not be verified."""

    path: bytes
    problem: str


class Scrubbed(NamedTuple):
    """The scrub has read everything; `rotten` files were rotten."""

    rotten: int


VerifyNote = Rotten | Healed | SilentChange | Suspicious | Scrubbed
