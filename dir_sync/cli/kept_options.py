"""The options of a node that is started again with others: those that were typed count, all the rest stay.

In:   the words of the running node, and those that were typed. Out: the words of the new node; what is said about them.
Rule: nothing is dropped without a word. An option that was typed takes the place of all values that it had.
Used by: background, service.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from dir_sync.cli.absolute import FOR_ONE_START, Words
from dir_sync.core.named import NamedTuple
from dir_sync.network.control import Answer
from dir_sync.reporting import shell

__all__ = ["Kept", "not_in", "with_typed"]

_INSTEAD = {"quiet": "verbose", "verbose": "quiet"}
"""Options that say the opposite of another one."""


class Kept(NamedTuple):
    """`words`: of the new node. `changed`: options that are otherwise than before: before ("": not given), now ("": dropped).
    `same`: those that the node had, and keeps. `before_is_known`: False if the command line of the node cannot be seen."""

    words: Words
    changed: tuple[tuple[str, str], ...] = ()
    same: tuple[str, ...] = ()
    before_is_known: bool = True

    @property
    def answer(self) -> Answer:
        """For programs."""
        return {"changed": [{"before": before, "now": now} for before, now in self.changed], "kept": list(self.same)}

    @property
    def lines(self) -> list[str]:
        """For people: nothing if no option was typed."""
        if not self.before_is_known:
            return ["the options that it had are not known: only those that were given now count"]
        lines = [f"changed: {', '.join(_change(*one) for one in self.changed)}"] if self.changed else []
        if self.changed and self.same:
            lines.append(f"kept: {' '.join(self.same)} (to drop options: stop, then start with those you want)")
        return lines


def with_typed(before: Words, typed: Words, shared: Sequence[str]) -> Kept:
    """`before`: of the node, without what counts for one start only; `shared`: the real paths of its folders."""
    dropped = {_INSTEAD[name] for name in typed.options if name in _INSTEAD} - typed.options.keys()
    options = {name: values for name, values in before.options.items() if name not in dropped} | typed.options
    words = Words(_folders(before, typed, shared), options)
    changed, same = [], []
    for name in {**before.options, **options}:
        if name in FOR_ONE_START or (name == "log_file" and name not in typed.options):  # the log is named anyway
            continue
        old, new = _shown(before, name), _shown(words, name)
        if old == new:
            same.append(new)
        else:
            changed.append((old, new))
    return Kept(words, tuple(changed), tuple(same))


def not_in(words: Words, before: Words) -> list[str]:
    """The options of a node that `words` does not have at all, as they can be typed."""
    return [_shown(before, name) for name in before.options if name not in words.options]


def _folders(before: Words, typed: Words, shared: Sequence[str]) -> list[str]:
    """Those of the node, by the names that are given to them now, and those that it does not share yet. Of a configuration file:
    the latter alone."""
    folders = {os.path.realpath(path): word for path, word in zip(before.paths, before.folders, strict=True)}
    for path, word in zip(typed.paths, typed.folders, strict=True):
        real = os.path.realpath(path)
        if real not in shared or (real in folders and not word.startswith("/")):
            folders[real] = word
    return list(folders.values())


def _shown(words: Words, name: str) -> str:
    """An option with all its values, as it can be typed; "": it is not given."""
    return " ".join(shell.quoted(one) for one in words.options.get(name, ()))


def _change(before: str, now: str) -> str:
    if not before:
        return f"{now} (new)"
    return f"{now} (was {before})" if now else f"no {before}"
