"""Versions as they cross the control socket, and what people call versions and nodes.

In:   versions, ids of nodes. Out: JSON values, and the same back; short ids; names.
Rule: what has been packed is the same when it is unpacked; a path that is no text survives, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from dir_sync.core.jobs import Version, Why
from dir_sync.core.model import FIRST_CONTACT, Kind
from dir_sync.network.control import Answer

__all__ = ["Names", "bytes_of", "id_of", "packed", "text_of", "unpacked"]


def id_of(version: Version) -> str:
    """Eight characters that name what it is: the same on every machine that has it, whenever it came into the history."""
    what = version.content or version.name  # where its content is unknown nobody else is told of it
    digest: str = blake3(b"%d\0%b\0%b" % (version.kind, version.path, what)).hexdigest(4)
    return digest


def packed(version: Version) -> Answer:
    name, path, kind, size, content, mtime, mode, time_ns, why, node = version
    fields = (text_of(name), text_of(path), int(kind), size, content.hex(), mtime, mode, time_ns, why.value, node)
    return dict(zip(Version._fields, fields, strict=True))


def unpacked(fields: dict[str, Any]) -> Version:
    return Version(
        bytes_of(fields["name"]),
        bytes_of(fields["path"]),
        Kind(fields["kind"]),
        int(fields["size"]),
        bytes.fromhex(fields["content"]),
        int(fields["mtime"]),
        int(fields["mode"]),
        int(fields["time_ns"]),
        Why(fields["why"]),
        str(fields["node"]),
    )


def text_of(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Names:
    """What people call the nodes: by name, with the beginning of the id where two have the same one."""

    def __init__(self, names: Mapping[str, object], own: str) -> None:
        self._names = names
        self._own = own
        self._often = Counter(names.values())

    def __call__(self, node: str) -> str:
        if node == self._own:
            return "this node"
        if not node:
            return "-"
        if node.startswith("="):  # the maker of a first scan's record is no node
            return FIRST_CONTACT
        name = self._names.get(node)
        if not name:
            return node[:8]
        return str(name) if self._often[name] == 1 else f"{name} ({node[:8]})"
