"""Faults planted on purpose in what keeps names of one file (see tests.sim.sabotage, which runs them)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

from dir_sync.core import attributes, hard_links, reconcile
from dir_sync.core.attributes import Attributes
from dir_sync.core.jobs import ApplyItem
from dir_sync.core.model import Record
from dir_sync.engine import local_renames
from dir_sync.engine.hard_links import HardLinks
from dir_sync.engine.look_queue import LookQueue
from dir_sync.files.replace import Replacer
from tests.sim.seams import patched

__all__ = ["PLANTED"]


def _never_joined() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.enter_context(patch.object(HardLinks, "_join", lambda self, path: None))
    stack.enter_context(patch.object(HardLinks, "link_to", lambda self, item, take: False))
    return stack


def _apart_is_told() -> AbstractContextManager[object]:
    """That we have not joined a name yet is taken for what its user did."""

    def id_now(known: str | None, is_same_file: bool, others: Iterable[Record]) -> str | None:
        return hard_links.id_now(known, False, others)

    return patched("id_now", id_now)


def _all_names_are_set() -> AbstractContextManager[object]:
    return patch.object(HardLinks, "stays_apart", lambda self, row, item, take: False)


def _equal_contents_are_one() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.enter_context(patched("new_id", lambda name: name.content.hex()[:24]))
    stack.enter_context(patch.object(hard_links, "new_id", lambda name: name.content.hex()[:24]))
    return stack


def _edits_of_one_name() -> AbstractContextManager[object]:
    return patch.object(LookQueue, "look_at_links", lambda self, before, previous: None)


def _ids_end_here() -> AbstractContextManager[object]:
    """A node that keeps no names does not pass on what others say of them."""

    def merged(before: Attributes | None, now: Attributes | None, of_file: bool = True) -> Attributes | None:
        found = attributes.merged(before, now, of_file)
        if found is None or (now is not None and now.file_id is not None):
            return found
        found = found._replace(file_id=None)
        return None if found == attributes.NOTHING else found

    stack = ExitStack()
    for module in (reconcile, local_renames):
        stack.enter_context(patch.object(module, "merged", merged))
    return stack


def _spare_is_anything() -> AbstractContextManager[object]:
    def take_out(self: Any, item: ApplyItem, swap: bytes, *more: Any) -> object:
        if item.naming is not None:
            self._disk.remove_file(swap)
            return None
        return original(self, item, swap, *more)

    original = Replacer.take_out
    return patch.object(Replacer, "take_out", take_out)


PLANTED: dict[str, tuple[Callable[[], AbstractContextManager[object]], int]] = {
    "names of one file are never joined": (_never_joined, 40),
    "what is not joined yet is told as a user's doing": (_apart_is_told, 60),
    "a mode is that of all names, whatever their versions say": (_all_names_are_set, 100),
    "equal contents are names of one file": (_equal_contents_are_one, 100),
    "an edit through one name is told of that one": (_edits_of_one_name, 60),
    "who keeps no names does not pass them on": (_ids_end_here, 60),
    "what a new name displaces is removed": (_spare_is_anything, 60),
}
