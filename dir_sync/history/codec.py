"""Versions as JSON for the control socket, and display names of versions and nodes.

In:   versions, ids of nodes. Out: JSON values, and versions again; short ids; names.
Rule: packing and unpacking a version changes nothing, even if its path is not text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from dir_sync.core import attributes
from dir_sync.core.jobs import Cause, Version
from dir_sync.core.mode import OWN
from dir_sync.core.model import FIRST_CONTACT, Kind
from dir_sync.network.control import Answer

__all__ = ["Names", "bytes_of", "id_of", "packed", "text_of", "unpacked"]


def id_of(version: Version) -> str:
    """Eight characters that identify a version: the same on every machine that has it."""
    what = version.content or version.name  # a version with unknown content is shown on this machine only
    digest: str = blake3(b"%d\0%b\0%b" % (version.kind, version.path, what)).hexdigest(4)
    return digest


def packed(version: Version) -> Answer:
    name, path, kind, size, content, mtime, mode, time_ns, why, maker, kept = version
    fields = (text_of(name), text_of(path), int(kind), size, content.hex(), mtime, mode, time_ns, why.value, maker)
    return dict(zip(Version._fields, (*fields, attributes.text(kept)), strict=True))


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
        Cause(fields["why"]),
        str(fields["maker"]),
        attributes.value_of_text(text) if isinstance(text := fields.get("attributes"), str) else None,
    )


def text_of(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Names:
    """The display names of nodes: the name, with the beginning of the id if two nodes have the same name."""

    def __init__(self, names: Mapping[str, object], own: str) -> None:
        self._names = names
        self._own = own
        self._often = Counter(names.values())

    def __call__(self, node: str) -> str:
        if node == self._own or node.startswith(OWN):  # a change that is not announced, or what undid one
            return "this node"
        if not node:
            return "-"
        if node.startswith("="):  # the maker of a record from a first scan is a content hash, not a node
            return FIRST_CONTACT
        name = self._names.get(node)
        if not name:
            return node[:8]
        return str(name) if self._often[name] == 1 else f"{name} ({node[:8]})"
