"""What people are told of changes that look like a disaster and are held: a part of `core.notes`.

In:   nothing. Out: frozen values, one kind for each thing that happens.
Rule: everyone uses them through `core.notes`, where the fields that several kinds have are explained.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple

__all__ = ["Decided", "HeldThere", "LossHeld", "LossHeldThere", "NothingHeld", "PeerHeld", "Safeguard", "StillHeld"]


class LossHeld(NamedTuple):
    """`files` files vanished here while no node was running: `paths` paths are held, `path` is the first of them."""

    path: bytes
    files: int
    paths: int


class PeerHeld(NamedTuple):
    """Changes that came through `peer` are held here: `held` of `files` files would go or be replaced, `path` first.
    `removed` of the held ones would go."""

    path: bytes
    peer: str
    held: int
    files: int
    removed: int


class StillHeld(NamedTuple):
    """Changes that came through `peer` were held when this node ended, and still are."""

    peer: str


class LossHeldThere(NamedTuple):
    """`peer` holds the loss of `files` files that vanished in its own folder; `path` is the first of them."""

    path: bytes
    peer: str
    files: int


class HeldThere(NamedTuple):
    """`peer` holds changes by `maker` to `files` files; `path` is the first. `maker` None: this node made them."""

    path: bytes
    peer: str
    maker: str | None
    files: int


class Decided(NamedTuple):
    """A person approved or rejected changes by `maker` to `files` files; `path` is the first."""

    path: bytes
    maker: str
    files: int
    is_approved: bool


class NothingHeld(NamedTuple):
    """So few changes are still held that they no longer look like a disaster; they are carried out."""


Safeguard = LossHeld | PeerHeld | StillHeld | LossHeldThere | HeldThere | Decided | NothingHeld
