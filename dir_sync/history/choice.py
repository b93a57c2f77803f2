"""Versions as people see them, and which of many are meant.

In:   entries, newest first. Out: some of them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dir_sync.core.jobs import Version
from dir_sync.core.model import parent_of

__all__ = ["Entry", "below", "newest_per_path", "parents_of", "there_at"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version, and what people call it by."""

    id: str  # of what it is: several may have the same, all of one content at one path
    version: Version
    by: str  # whose change displaced it
    on: str = "here"  # whose history has it
    holder: str = ""  # the id of that node; "": ours


def newest_per_path(entries: Iterable[Entry]) -> dict[bytes, Entry]:
    """The first entry of each path; none of a file that was a folder in what comes before, or the other way round."""
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
    """Of `entries`, newest first: what may have been there at a time, the likeliest first; and for each path of which that
    cannot be said the oldest version after that time, which was last modified later, too."""
    later = [entry for entry in entries if entry.version.time_ns > at_ns]
    later.reverse()  # the first that was displaced after that time is what was there then
    first: dict[bytes, Entry] = {}
    for entry in later:
        first.setdefault(entry.version.path, entry)
    too_new = {path: entry for path, entry in first.items() if entry.version.mtime > at_ns}
    return [entry for entry in later if entry.version.path not in too_new], list(too_new.values())


def below(path: bytes, entries: Iterable[Entry]) -> list[Entry]:
    """Those of a path, and of all that was below it."""
    start = path + b"/"
    return [entry for entry in entries if entry.version.path == path or entry.version.path.startswith(start)]


def parents_of(path: bytes) -> list[bytes]:
    """The folders that a path is in, the innermost first."""
    found = []
    while path := parent_of(path):
        found.append(path)
    return found
