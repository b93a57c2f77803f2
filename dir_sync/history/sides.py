"""Who made the versions that lost conflicts, as far as this node knows.

In:   the index, versions that lost. Out: the replica that made each. It only reads.
Used by: history.answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from dir_sync.core.attributes import NOTHING
from dir_sync.core.jobs import Before, Cause, Version
from dir_sync.history.codec import id_of
from dir_sync.index import Index

__all__ = ["makers_of_losers"]

_PATHS_MAX = 500  # that are looked up; of further ones nothing is said


def makers_of_losers(index: Index, here: Iterable[Version], elsewhere: Iterable[Version]) -> dict[str, str]:
    """By the id of the version. There are two ways to know it:

    1. The journal says which change brought the path to that version: its content, time, permissions and attributes. Of what is
       kept here the content alone is enough, if no change fits in all.
    2. It is kept on another machine, the journal here does not know it, and only one other machine was ever here: so it is
       of that one. That holds, too, if only its time, permissions or attributes are not those of a version known here."""
    losers = [one for one in (*here, *elsewhere) if one.why is Cause.CONFLICT and one.content]
    known_here = {id_of(one) for one in here}
    paths = list(dict.fromkeys(one.path for one in losers))[:_PATHS_MAX]
    entries: dict[bytes, list[Before]] = {path: [] for path in paths}
    for entry in index.journal.of_some(paths) if paths else ():
        entries[entry.path].append(entry)
    others = list(index.peers.replicas())
    found = {}
    for one in losers:
        id_ = id_of(one)
        made = [
            (change.maker, _is_version(after, one))
            for change, after in pairwise(entries.get(one.path, ()))
            if (after.kind, after.content) == (one.kind, one.content)
        ]
        exactly = [maker for maker, is_it in made if is_it]
        if exactly:
            found[id_] = exactly[-1]
        elif made and id_ in known_here:
            found[id_] = made[-1][0]
        elif id_ not in known_here and len(others) == 1:
            found[id_] = others[0]
    return found


def _is_version(state: Before, version: Version) -> bool:
    """True if a path with the same content was also otherwise as the version, in what both say."""
    if (state.mtime, state.mode) != (version.mtime, version.mode):
        return False
    pairs = zip(state.attributes or NOTHING, version.attributes or NOTHING, strict=True)
    return all(mine == theirs for mine, theirs in pairs if mine is not None and theirs is not None)
