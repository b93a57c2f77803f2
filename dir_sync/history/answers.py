"""The answers of a node when commands ask for its history.

In:   the index, and questions from the control socket. Out: answers as JSON values, or orders for the engine.
Rule: questions come from outside the process, so everything in them is checked here. Used by: daemon.requests, client, source.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from itertools import pairwise

from dir_sync.config import USAGE, ConfigError
from dir_sync.core.jobs import Before, Cause, Version
from dir_sync.core.merging import common_version
from dir_sync.core.messages import Have, History, Loser
from dir_sync.core.model import Kind, PathError, check_path, show, show_text
from dir_sync.core.named import NamedTuple
from dir_sync.history import undo_plan
from dir_sync.history.codec import Names, bytes_of, packed, text_of, unpacked
from dir_sync.history.sides import makers_of_losers
from dir_sync.index import KEEPS, Index
from dir_sync.network.control import Answer

__all__ = [
    "Wish",
    "common",
    "describe",
    "excerpt_asked",
    "keep",
    "listed",
    "listed_there",
    "path_asked",
    "restore_asked",
    "settle",
    "touched",
    "wish_of",
    "with_makers",
]

_CHANGES_MAX = 200  # of a path, that are looked at


def listed(index: Index, path: bytes, away: Iterable[str]) -> Answer:
    """All versions, oldest first; whether `path` was ever known here; whether a file there was replaced, and by a larger
    one; and the names of those that are not asked. `away`: their replicas."""
    versions = [packed(version) for version in index.versions.oldest_first()]
    known = not path or index.rows.get(path) is not None
    changes = _file_sizes(index, path) if path else []
    call = Names(index.notes.below("name "), index.identity.replica)
    return {
        "versions": versions,
        "keeps": index.notes.words(KEEPS),
        "names": index.notes.below("name "),
        "node": index.identity.replica,
        "known": known,
        "away": sorted({show_text(call(replica)) for replica in away}),
        "changed": len(changes) > 1,
        "grew": any(0 < before < after for before, after in pairwise(changes)),
    }


def _file_sizes(index: Index, path: bytes) -> list[int]:
    """The sizes of the files that had this name, and what is there now (0: no file), as far as the journal reaches back."""
    row = index.rows.get(path)
    sizes = [one.size for one in index.journal.of(path, _CHANGES_MAX) if one.kind is Kind.FILE]
    return [*sizes, row.record.size if row is not None and row.record.kind is Kind.FILE else 0]


def listed_there(answers: Iterable[tuple[str, int, History | Have]]) -> list[Answer]:
    """The versions in the histories of peers, from their answers."""
    found = []
    for peer, _, answer in answers:
        if isinstance(answer, History):
            versions = []
            for path, kind, size, content, mtime, mode, until, why, node, kept in answer.kept:
                version = Version(b"", path, kind, size, content, mtime, mode, until, Cause(why), node, kept)
                versions.append(packed(version))
            found.append({"node": peer, "versions": versions})
    return found


def with_makers(index: Index, answer: Answer) -> Answer:
    """The same answer, with who made the versions that lost a conflict, by their ids, and who made what is there now, by path.
    `answer`: of `listed`, with `peers`."""
    here = [unpacked(one) for one in answer["versions"] if one["why"] == Cause.CONFLICT.value]
    there = [unpacked(one) for peer in answer.get("peers", ()) for one in peer["versions"]]
    rows = {one.path: index.rows.get(one.path) for one in (*here, *there)}
    winners = {text_of(path): row.record.stamp.maker for path, row in rows.items() if row is not None}
    return answer | {"makers": makers_of_losers(index, here, there), "winners": winners}


def path_asked(question: Answer) -> bytes:
    """The path in a question; b"": the whole folder."""
    path = question.get("path")
    raw = bytes_of(path) if isinstance(path, str) else b""
    try:
        return check_path(raw) if raw else b""
    except PathError:
        raise ConfigError(f"{show(raw)} cannot be a path in a shared folder", USAGE) from None


def excerpt_asked(question: Answer) -> tuple[str, bytes, bytes, int, int]:
    """Of a question for a piece of a content: who keeps it, the path, the content's hash, offset and length."""
    holder, content, offset, length = (question.get(key) for key in ("holder", "content", "offset", "length"))
    is_right = isinstance(holder, str) and isinstance(content, str) and re.fullmatch("[0-9a-f]{64}", content)
    if not is_right or type(offset) is not int or type(length) is not int or offset < 0 or length < 1:
        raise ConfigError("which piece of which content? The question does not say it", USAGE)
    return str(holder), path_asked(question), bytes.fromhex(str(content)), offset, length


def meanings_asked(question: Answer) -> list[list[bytes]]:
    """The paths in a question: for each that a person typed, what it may mean."""
    typed = question.get("paths")
    if not isinstance(typed, list) or not typed or not all(isinstance(one, list) and one for one in typed):
        raise ConfigError("the question names no paths")
    return [[path_asked({"path": path}) for path in one] for one in typed]


def restore_asked(question: Answer) -> list[Before]:
    """The versions to restore, from the question."""
    try:
        version = unpacked(question["version"])
        check_path(version.path)
    except (KeyError, TypeError, ValueError):
        raise ConfigError("the question names no version") from None
    _, path, kind, size, content, mtime, mode, _, _, _, attributes = version
    return [Before(path, kind, size, content, mtime, mode, 0, "", attributes)]


class Wish(NamedTuple):
    """The request for an undo."""

    since_ns: int  # not before the journal begins
    by: str | None
    dry_run: bool


def wish_of(index: Index, question: Answer, now_ns: int, begin: object) -> Wish:
    """`begin`: the index note of when the journal begins. ConfigError for an impossible request."""
    since, by = question.get("since_ns"), question.get("by")
    if not isinstance(since, int):
        raise ConfigError("the question names no time")
    if since > now_ns:
        raise ConfigError("that time is in the future", USAGE)
    if not isinstance(begin, int):
        raise ConfigError("no changes are known here yet: this node has not met another one")
    return Wish(max(since, begin), None if by is None else _node_of(index, str(by)), question.get("dry_run") is True)


def _node_of(index: Index, text: str) -> str:
    """The id of a node, by its name or the beginning of its id. ConfigError if there is none, or more than one."""
    nodes = {node: str(name) for node, name in index.notes.below("name ").items()}
    nodes.setdefault(index.identity.replica, "this node")
    named = [node for node, name in nodes.items() if text in (name, show(bytes_of(name)))]
    found = named or [node for node in nodes if len(text) >= 4 and node.startswith(text)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{show(name.encode('utf-8', 'surrogateescape'))} ({node[:8]})" for node, name in nodes.items())
    what = (
        "no node has that name or id" if not found else "more than one node has that name: give the beginning of its id"
    )
    raise ConfigError(f"{what}; known here: {known}", USAGE)


def describe(
    index: Index, wish: Wish, plan: undo_plan.Plan, nowhere: set[bytes], unsure: dict[bytes, tuple[bytes, ...]]
) -> Answer:
    """An undo as an answer. `nowhere`: contents that are in no file and no history. `unsure`: for paths, the files that
    may begin with one of them."""
    changes = []
    for one in plan.wanted:
        row = index.rows.get(one.path)
        is_there = row is not None and row.record.kind != Kind.ABSENT
        changes.append(
            {
                "path": text_of(one.path),
                "kind": int(one.kind),
                "size": one.size,
                "replaces": is_there,
                "lost": one.content in nowhere and one.path not in unsure,
                "unsure": one.path in unsure,
                "sources": [text_of(source) for source in unsure.get(one.path, ())],
                "version": packed(Version(b"", *one[:6], 0, Cause.REPLACED, "", one.attributes))
                if one.path in unsure
                else None,
            }
        )
    call = Names(index.notes.below("name "), index.identity.replica)
    left = [{"path": text_of(path), "by": call(node)} for path, node in plan.left]
    return {
        "changes": changes,
        "left": left,
        "since_ns": wish.since_ns,
        "keeps": index.notes.words(KEEPS),
        "node": index.identity.replica,
    }


def keep(index: Index, question: Answer) -> Answer:
    """Record a version that another process put into the history."""
    try:
        version = unpacked(question["version"])
    except (KeyError, TypeError, ValueError):
        return {"error": "the question names no version"}
    row = index.rows.get(version.path)
    is_told = bool(version.content) or version.why is Cause.RECOVERED
    if row is not None and row.record.kind == Kind.FILE == version.kind and not is_told:
        if (row.record.size, row.record.mtime) == (version.size, version.mtime):
            version = version._replace(content=row.record.content)
    if row is not None and row.record.kind is version.kind and row.record.content == version.content:
        version = version._replace(attributes=row.record.attributes)
    index.versions.put(version)
    return {}


def touched(question: Answer) -> list[bytes]:
    """The paths that a command changed without the node."""
    path = question.get("path")
    return [bytes_of(path)] if isinstance(path, str) else []


def settle(index: Index, question: Answer) -> list[Loser]:
    """Losers of conflicts become ordinary versions, here at once. Returns those about which the peers are to be
    told."""
    try:
        versions = [unpacked(fields) for fields in question["versions"]]
    except (KeyError, TypeError, ValueError):
        raise ConfigError("the question names no versions") from None
    for version in versions:
        known = index.versions.get(version.name)
        if known is not None and known.why == Cause.CONFLICT:
            index.versions.put(known._replace(why=Cause.REPLACED))
    kinds = (Kind.FILE, Kind.SYMLINK)
    return [Loser(one.path, one.kind, one.content) for one in versions if one.content and one.kind in kinds]


def common(index: Index, question: Answer) -> Answer:
    """The text from which the loser of a conflict and what is there now were made, if it is kept here."""
    try:
        version = unpacked(question["version"])
    except (KeyError, TypeError, ValueError):
        raise ConfigError("the question names no version") from None
    row = index.rows.get(version.path)
    lost = next((one.record for one in index.bases.losers() if one.version == version.name), None)
    if row is None or lost is None:
        return {}
    base = common_version(row.record, lost, index.bases.of(version.path))
    kept = None if base is None else index.bases.content(base)
    return {"text": text_of(zlib.decompress(kept))} if kept else {}
