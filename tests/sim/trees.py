"""What users see of a node's tree, and what of it must be equal on all nodes.

In:   trees of `MemoryDisk`, rows of an index, nodes.
Out:  the same as plain values that can be compared. Nothing here changes anything.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from blake3 import blake3

from dir_sync.core.jobs import Version
from dir_sync.core.mode import is_own
from dir_sync.core.model import Kind, Record, beats, leq
from dir_sync.index import Index
from tests.sim.memory_tree import Tree

if TYPE_CHECKING:
    from tests.sim.node import Node

__all__ = [
    "common",
    "fold",
    "folders_left_over",
    "has_below",
    "holds",
    "holds_something",
    "is_below",
    "is_gone_elsewhere",
    "is_in_the_way",
    "kept_since",
    "kind_of",
    "plain",
    "rows_of",
    "tells",
    "tokens_of",
    "wanted_of",
]

_TOKEN = b"<T"


def plain(tree: dict[bytes, tuple[Kind, bytes, int, int]]) -> dict[bytes, tuple[object, ...]]:
    """What must be equal everywhere."""
    return {
        path: (kind, content, mode if kind != Kind.SYMLINK else 0, 0 if kind == Kind.DIRECTORY else mtime)
        for path, (kind, content, mode, mtime) in tree.items()
    }


def common(node: Node) -> dict[bytes, tuple[object, ...]]:
    """What of a node's tree must be equal everywhere: not fifos, nor a folder that only such a thing keeps alive."""
    left_over = folders_left_over(node)
    others = node.world.at_rest.others()
    return {
        path: entry
        for path, entry in plain(node.disk.tree()).items()
        if not is_below(path, others) and not (entry[0] == Kind.DIRECTORY and path in left_over)
    }


def kept_since(node: Node, since_ns: int) -> list[Version]:
    """Files that the history was given since a time; not those that a start has found in it, or in the staging folder."""
    return [
        one
        for one in node.index.versions.oldest_first()
        if one.kind == Kind.FILE and not one.why.is_of_nobody and one.time_ns >= since_ns
    ]


def is_in_the_way(tree: dict[bytes, tuple[Kind, bytes, int, int]], path: bytes, kind: Kind) -> bool:
    """True if something that is never synchronized has this name, or is in the folder that has it."""
    below = path + b"/"
    inside = any(entry[0] == Kind.OTHER and other.startswith(below) for other, entry in tree.items())
    return path in tree and tree[path][0] == kind and (inside or kind == Kind.OTHER)


def folders_left_over(node: Node) -> set[bytes]:
    """Folders that are gone for everyone, and stay here for something in them that is never synchronized."""
    return {
        row.record.path for row in node.index.changes.after(0, 100_000) if row.fp and row.record.kind == Kind.ABSENT
    }


def wanted_of(node: Node, left_over: set[bytes]) -> dict[bytes, tuple[object, ...]]:
    """What a user sees and everyone should get, now that the engine has not looked yet. `left_over`: before the act."""
    tree = {path: entry for path, entry in plain(node.disk.tree()).items() if entry[0] != Kind.OTHER}
    kept = tree.keys() - left_over
    return {
        path: entry
        for path, entry in tree.items()
        if path in kept or any(other.startswith(path + b"/") for other in kept)
    }


def fold(name: bytes) -> bytes:
    return (
        unicodedata.normalize("NFC", name.decode("utf-8", "surrogateescape"))
        .casefold()
        .encode(errors="surrogateescape")
    )


def kind_of(tree: Tree, path: bytes) -> Kind:
    return tree[path][0] if path in tree else Kind.ABSENT


def is_gone_elsewhere(node: Node) -> bool:
    """True if others have removed some of what is gone with most others; the rest may be no disaster."""
    rows = [node.index.rows.get(path) for path in node.wiped]
    return any(
        row is not None and row.record.kind == Kind.ABSENT and row.record.stamp.maker != node.index.identity.replica
        for row in rows
    )


def holds_something(node: Node) -> bool:
    return bool(node.engine.brakes.own.held or node.engine.brakes.peers.held())


def is_below(path: bytes, others: list[bytes]) -> bool:
    return any(path == other or path.startswith(other + b"/") for other in others)


def has_below(path: bytes, others: list[bytes]) -> bool:
    return any(other.startswith(path + b"/") for other in others)


def rows_of(index: Index) -> dict[bytes, tuple[object, ...]]:
    rows = index.changes.after(0, 1_000_000)
    return {
        row.record.path: (row.record.kind, row.record.content, row.record.stamp, row.record.vector)
        for row in rows
        if row.record.kind != Kind.ABSENT or not is_own(row.record)  # what came and went at one node only
    }


def tells(record: Record, there: tuple[Kind, bytes, int, int] | None, only_content: bool = False) -> bool:
    """True if a record is what is on the disk."""
    if there is None:
        return record.kind == Kind.ABSENT
    kind, content, mode, mtime = there
    if kind != record.kind:
        return False
    if kind == Kind.DIRECTORY:
        return mode == record.mode
    if kind == Kind.FILE:
        same = blake3(content).digest() == record.content
        return (same and only_content) or (same and mode == record.mode and mtime == record.mtime)
    return content == record.content and mtime == record.mtime


def holds(node: Node, record: Record) -> bool:
    """True if a node has that record, or has moved on from it: then it need not be told (it sent a summary)."""
    row = node.index.rows.get(record.path)
    return row is not None and leq(record.vector, row.record.vector) and not beats(record, row.record)


def tokens_of(data: bytes) -> set[bytes]:
    """Each write of a user carries one: `<T` number `>`."""
    return {piece.split(b">", 1)[0] for piece in data.split(_TOKEN)[1:] if b">" in piece[:12]}
