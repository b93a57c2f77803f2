"""Versions with their display names, and the selection among many.

In:   entries, newest first. Out: some of them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dir_sync.core.jobs import Cause, Version
from dir_sync.core.parents import parents_of

__all__ = ["Entry", "below", "by_id", "good", "newest_per_path", "there_at"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version, with its display names."""

    id: str  # of the content at its path: several versions may have the same
    version: Version
    by: str  # the node whose change displaced it
    on: str = "here"  # the node whose history has it
    holder: str = ""  # the id of that node; "": this one
    made_by: str = ""  # of the loser of a conflict, the node that made it; "": not known
    now_by: str = ""  # of the loser of a conflict, the node that made what is there now; "": not known


def good(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without those that had gone bad on a disk: they come back only if a person names one."""
    return [entry for entry in entries if entry.version.why is not Cause.ROTTEN]


def by_id(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The entries of each id, in the order of the first ones."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.id, []).append(entry)
    return found


def newest_per_path(entries: Iterable[Entry]) -> dict[bytes, Entry]:
    """The first entry of each path. Left out: a file whose path is a folder in earlier entries, or the other way
    round."""
    first: dict[bytes, Entry] = {}
    folders: set[bytes] = set()
    for entry in entries:
        path = entry.version.path
        above = parents_of(path)
        if path not in first and path not in folders and not any(parent in first for parent in above):
            first[path] = entry
            folders.update(above)
    return first


def there_at(entries: Iterable[Entry], at_ns: int) -> tuple[list[Entry], list[Entry]]:
    """For a point in time, from `entries` (newest first): the versions that may have been current then, the most likely
    first; and for each path where that is unknown, the oldest later version that was also modified later."""
    later = [entry for entry in entries if entry.version.time_ns > at_ns]
    later.reverse()  # the first version that was displaced after that time was current then
    first: dict[bytes, Entry] = {}
    for entry in later:
        first.setdefault(entry.version.path, entry)
    too_new = {path: entry for path, entry in first.items() if entry.version.mtime > at_ns}
    return [entry for entry in later if entry.version.path not in too_new], list(too_new.values())


def below(path: bytes, entries: Iterable[Entry]) -> list[Entry]:
    """The entries of a path and everything below it."""
    start = path + b"/"
    return [entry for entry in entries if entry.version.path == path or entry.version.path.startswith(start)]
