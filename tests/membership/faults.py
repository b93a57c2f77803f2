"""Faults planted in the rules of membership, and the worlds that notice them.

That a member hands the key to whoever it met with the same key is no fault: the thief has that key then, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from unittest.mock import patch

from dir_sync.core import membership
from dir_sync.core.membership import Charter, Gate, Member, Membership

__all__ = ["FAULTS"]

Plant = Callable[[], AbstractContextManager[object]]


def _anyone_may_have_the_key() -> AbstractContextManager[object]:
    return patch.object(membership, "_may_have_key", lambda mine, peer: peer not in mine.charter.removed)


def _lists_outlive_their_key() -> AbstractContextManager[object]:
    real = membership.taken

    def taken(mine: Membership, charter: Charter, *more: object) -> Membership:
        union = replace(charter, members={**mine.everybody(), **charter.members})
        return real(mine, union, *more)  # type: ignore[arg-type]

    return patch.object(membership, "taken", taken)


def _lists_are_united() -> AbstractContextManager[object]:
    def on_both(mine: Mapping[str, Member], theirs: Mapping[str, Member]) -> dict[str, Member]:
        return {**theirs, **mine}

    return patch.object(membership, "_on_both", on_both)


@contextmanager
def _hearsay_counts() -> Iterator[None]:
    """Members tell each other who belongs to the mesh, and believe it: the first draft."""
    real = membership.taken

    def heard_of(mine: Membership, members: Iterable[Member]) -> Membership:
        more = {one.identity: one for one in members if one.identity not in mine.charter.removed}
        return replace(mine, charter=replace(mine.charter, members={**more, **mine.charter.members}))

    def taken(mine: Membership, *more: object) -> Membership:
        return replace(real(mine, *more), told=mine.everybody())  # type: ignore[arg-type]

    with patch.object(membership, "heard_of", heard_of), patch.object(membership, "taken", taken):
        yield


def _any_generation_is_taken() -> AbstractContextManager[object]:
    return patch.object(membership, "GENERATIONS_AHEAD_MAX", membership.GENERATION_MAX)


def _no_end_to_who_was_removed() -> AbstractContextManager[object]:
    return patch.object(membership, "_removed", lambda mine, more: mine.charter.removed | more)


def _newest_gates_only() -> AbstractContextManager[object]:
    def gates(mine: Membership, charter: Charter, secret: bytes, came: Iterable[Gate]) -> tuple[Gate, ...]:
        own = Gate(mine.charter.generation, mine.charter.key, secret)
        return tuple(sorted([own, *mine.older, *came], key=lambda gate: -gate.generation)[:8])

    return patch.object(membership, "_gates", gates)


FAULTS: dict[str, tuple[Plant, range]] = {
    "anyone may have the new key": (_anyone_may_have_the_key, range(10)),
    "lists outlive their key": (_lists_outlive_their_key, range(200)),
    "lists are united": (_lists_are_united, range(300)),
    "hearsay counts": (_hearsay_counts, range(300)),
    "any generation is taken": (_any_generation_is_taken, range(100)),
    "no end to who was removed": (_no_end_to_who_was_removed, range(100)),
    "the newest gates only": (_newest_gates_only, range(300)),
}
"""Name -> the fault, and worlds of which at least one notices it."""
