"""The plan of an undo, made from the journal.

In:   the index, a time, and optionally the node whose changes to undo.
Out:  the wanted state of paths. Nothing is changed here.
Rule: a path that another node has changed since is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from dir_sync.core import limits
from dir_sync.core.attributes import fits
from dir_sync.core.jobs import Before
from dir_sync.core.messages import Have, HaveRequest, History
from dir_sync.core.model import NS_PER_S, Kind, Record, counter_of, parent_of, same_content, same_meta, unstamped
from dir_sync.core.named import NamedTuple
from dir_sync.core.parents import parents_of
from dir_sync.index import Index

__all__ = ["Plan", "beginnings", "holders", "missing", "plan", "questions", "removed", "rewritten", "with_parents"]


_SOURCES_MAX = 8  # files that are read to find the beginning of one


class Plan(NamedTuple):
    wanted: list[Before]  # folders before their content
    left: list[tuple[bytes, str]]  # paths that `by` changed, and another node after it


def plan(index: Index, since_ns: int, by: str | None) -> Plan:
    """The state of paths before their first change since `since_ns` (wall clock, by this node's journal). With `by` (a
    node id): only paths that this node changed last, before its last uninterrupted series of changes."""
    first: dict[bytes, Before] = {}
    last: dict[bytes, str] = {}
    for entry in index.journal.since(since_ns):
        if by is None:
            first.setdefault(entry.path, entry)
        elif entry.maker == by and last.get(entry.path) != by:
            first[entry.path] = entry
        last[entry.path] = entry.maker
    wanted = []
    left = []
    for path, entry in sorted(first.items()):
        if by is not None and last[path] != by:
            left.append((path, last[path]))
        elif not _is_so(index, entry):
            wanted.append(entry)
    return Plan(wanted, left)


def removed(index: Index, since_ns: int, by: str) -> list[Before]:
    """What a node has removed since, as it was then; also files that it had made just before. A file that it only renamed
    is left out."""
    last = {entry.path: entry for entry in index.journal.since(since_ns)}
    gone = [
        entry
        for path, entry in sorted(last.items())
        if entry.maker == by and entry.kind != Kind.ABSENT and _is_gone(index, path)
    ]
    return _without_renamed(index, gone, last, by)


def rewritten(index: Index, since_ns: int, by: str) -> list[Before]:
    """What a node has changed or removed since, as it was before; nothing for what it has made. A file that it only renamed
    is left out."""
    last = {entry.path: entry for entry in index.journal.since(since_ns)}
    wanted = [entry for entry in plan(index, since_ns, by).wanted if entry.kind != Kind.ABSENT]
    return _without_renamed(index, wanted, last, by)


def _without_renamed(index: Index, wanted: list[Before], last: dict[bytes, Before], by: str) -> list[Before]:
    """`wanted` without the removed files that are there under a name that `by` gave them in its change just before. A copy
    made earlier is no rename, also if both changes arrived here together: the counters of `by` are compared. In doubt,
    a file was removed. `last`: the last entry of each path."""
    made: dict[int, tuple[Record, int]] = {}  # by counter: new files that are still as they were made, and since when
    for path, entry in last.items():
        row = index.rows.get(path) if entry.maker == by and entry.kind == Kind.ABSENT else None
        if row is not None and row.record.kind == Kind.FILE and row.record.stamp.maker == by:
            made[counter_of(row.record.vector, by) or 0] = row.record, entry.time_ns

    def is_renamed(entry: Before) -> bool:
        row = index.rows.get(entry.path)
        if entry.kind != Kind.FILE or not entry.size or row is None or row.record.kind != Kind.ABSENT:
            return False
        counter = counter_of(row.record.vector, by)
        if not counter or row.record.stamp.maker != by or counter - 1 not in made:
            return False
        new, time_ns = made[counter - 1]
        is_same = (new.content, new.mtime, new.mode) == (entry.content, entry.mtime, entry.mode)
        return is_same and abs(time_ns - entry.time_ns) <= NS_PER_S

    return [entry for entry in wanted if not is_renamed(entry)]


def _is_gone(index: Index, path: bytes) -> bool:
    row = index.rows.get(path)
    return row is None or row.record.kind == Kind.ABSENT


def _is_so(index: Index, entry: Before) -> bool:
    row = index.rows.get(entry.path)
    if row is None:
        return entry.kind == Kind.ABSENT
    path, kind, size, content, mtime, mode, _, _, attributes = entry
    was = unstamped(path, kind, size, content, mtime, mode)
    is_same = same_content(row.record, was)
    return is_same and (kind == Kind.ABSENT or (same_meta(row.record, was) and fits(attributes, row.record.attributes)))


def missing(index: Index, wanted: Iterable[Before]) -> list[bytes]:
    """The contents that are neither in our folder nor in its history."""
    contents = dict.fromkeys(one.content for one in wanted if one.kind == Kind.FILE and one.size)
    return [content for content in contents if not index.has_content(content)]


def beginnings(
    index: Index, wanted: Iterable[Before], contents: set[bytes], since_ns: int
) -> dict[bytes, tuple[bytes, ...]]:
    """The paths whose wanted state has one of these contents, and the files of ours that may begin with it, likeliest
    first: the history does not keep a version to which bytes were only appended. That is the file at the path itself, or,
    if it was renamed since, the one that it has become, in the folder or in the history. Reading the file decides."""
    some = [one for one in wanted if one.kind == Kind.FILE and one.size and one.content in contents]
    followed = _followed(index, since_ns) if some else {}
    found = {}
    for one in some:
        row = index.rows.get(one.path)
        names: dict[bytes, None] = {}
        if row is not None and row.record.kind == Kind.FILE and one.size < row.record.size:
            names[one.path] = None
        reached = {one.content}
        ahead = [one.content]
        for content in ahead:
            for row in index.rows.by_content(content) if content != one.content else ():
                names[row.record.path] = None
            version = index.versions.with_content(content)
            if version is not None:
                names[version.name] = None
            if len(names) >= _SOURCES_MAX:
                break
            new = followed.get(content, set()) - reached
            reached |= new
            ahead += sorted(new)
        if names:
            found[one.path] = tuple(names)[:_SOURCES_MAX]
    return found


def _followed(index: Index, since_ns: int) -> dict[bytes, set[bytes]]:
    """For each content that a file has had since: the longer contents by which it was replaced."""
    followed: dict[bytes, set[bytes]] = {}
    last: dict[bytes, Before] = {}

    def note(path: bytes, kind: Kind, size: int, content: bytes) -> None:
        before = last.get(path)
        if before is not None and before.kind == kind == Kind.FILE and 0 < before.size < size:
            followed.setdefault(before.content, set()).add(content)

    for entry in index.journal.since(since_ns):
        note(entry.path, entry.kind, entry.size, entry.content)
        last[entry.path] = entry
    for path in last:
        row = index.rows.get(path)
        if row is not None:
            note(path, row.record.kind, row.record.size, row.record.content)
    return followed


def questions(digests: list[bytes]) -> tuple[HaveRequest, ...]:
    """The questions for the peers: which of them have these contents?"""
    most = limits.PULLS_MAX
    return tuple(HaveRequest("", 0, tuple(digests[at : at + most])) for at in range(0, len(digests), most))


def holders(
    asked: tuple[HaveRequest, ...], answers: Iterable[tuple[str, int, History | Have]]
) -> dict[bytes, tuple[str, ...]]:
    """Content -> the peers that reported to have it."""
    found: dict[bytes, tuple[str, ...]] = {}
    for peer, number, answer in answers:
        if isinstance(answer, Have):
            digests = asked[number].digests
            for position in answer.which:
                if position < len(digests):
                    found[digests[position]] = (*found.get(digests[position], ()), peer)
    return found


def with_parents(index: Index, wanted: Iterable[Before]) -> list[Before]:
    """`wanted`, preceded by the missing folders that it needs. A file that had the name of such a folder at another time is
    left out: both cannot have that name."""
    wanted = list(wanted)
    needed = {folder for one in wanted if one.kind != Kind.ABSENT for folder in parents_of(one.path)}
    out: dict[bytes, Before] = {}
    for one in wanted:
        if one.kind != Kind.DIRECTORY and one.path in needed:
            continue
        above = []
        path = one.path
        while one.kind != Kind.ABSENT and (path := parent_of(path)) and path not in out:
            row = index.rows.get(path)
            if row is None or row.record.kind != Kind.DIRECTORY:
                above.append(Before(path, Kind.DIRECTORY, 0, b"", 0, 0o755, one.time_ns, ""))
        out.update((folder.path, folder) for folder in reversed(above))
        out[one.path] = one
    return list(out.values())
