"""What people are told of the mode of a node, and of paths that are not shared: a part of `core.notes`.

In:   nothing. Out: frozen values, one kind for each thing that happens.
Rule: everyone uses them through `core.notes`.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple

__all__ = ["Adopted", "BadRule", "NoRoom", "Reverted", "RoomAgain", "RulesChanged", "ScopeProgress"]


class Adopted(NamedTuple):
    """This run announces `paths` changes that an earlier one, in another mode, had kept on this node."""

    paths: int


class Reverted(NamedTuple):
    """What was changed here only was undone."""

    path: bytes


class NoRoom(NamedTuple):
    """Contents of other machines wait, so that enough of the disk stays free. `reason`: the limit, for people."""

    path: bytes  # of the first one
    reason: str


class RoomAgain(NamedTuple):
    """No content waits for room any more: all that waited may come, or are not wanted any more."""


class RulesChanged(NamedTuple):
    """Other paths are ignored than before: `ignored` paths are not shared any more, and `shared` are from now on."""

    ignored: int
    shared: int


class BadRule(NamedTuple):
    """A line in a file with rules cannot be used."""

    problem: str


ScopeProgress = Adopted | RulesChanged | BadRule | NoRoom | RoomAgain
