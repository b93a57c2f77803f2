"""The beacon, as a value and as the bytes of one UDP datagram (docs/protocol.md, section 1).

In:   a Beacon, or bytes that anybody may have sent.
Out:  the datagram; a Beacon; None for anything that is no valid beacon of this mesh; or, for a node of another mesh, a
text for people.
Rule: an open beacon of another protocol version is accepted if its fields are valid. Its sender is dialled, so that
both sides report which of them has to be upgraded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Final

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.messages import PROTOCOL
from dir_sync.core.named import NamedTuple
from dir_sync.core.strict_json import no_duplicates, no_such_number

__all__ = [
    "CLOSED",
    "MESH",
    "Beacon",
    "Foreign",
    "OpenPresence",
    "beacon_of",
    "encode_beacon",
    "fields_of",
    "folder_tags",
    "json_fields",
]

MESH: Final = "open"
CLOSED: Final = "closed"
CLOSED_TO_US: Final = "belongs to a closed mesh, and this node is open: they do not connect"
FOLDER_TAGS_MAX = 16  # folders that a beacon names; beyond that there is no room beside two long ids, and it names none

_ID = re.compile(r"[0-9a-f]{1,64}")
_TAG = re.compile(r"[0-9a-f]{8}")


class Beacon(NamedTuple):
    """What a node announces to the local network."""

    node: str
    instance: str
    port: int
    ask: bool  # nodes that do not know this instance yet should answer with their beacon
    folders: tuple[str, ...] | None = None  # tags of the folders it shares, ascending; None: not included


class Foreign(NamedTuple):
    """A nearby node of another mesh."""

    words: str  # for people
    who: str  # people are told once of each: an address, or all of a kind


def folder_tags(names: Iterable[str]) -> tuple[str, ...] | None:
    """The tags of the folders that a node shares: the first 4 bytes of BLAKE3 of each name, in hex. None if there are
    too many for one datagram."""
    tags = {blake3(name.encode("utf-8", "surrogateescape")).hexdigest(length=4) for name in names}
    return tuple(sorted(tags)) if len(tags) <= FOLDER_TAGS_MAX else None


def encode_beacon(beacon: Beacon) -> bytes:
    """The datagram; at most BEACON_BYTES_MAX bytes."""
    fields: dict[str, object] = {"dir_sync": PROTOCOL, "mesh": MESH, **fields_of(beacon)}
    data = json.dumps(fields, separators=(",", ":")).encode("ascii")
    assert len(data) <= limits.BEACON_BYTES_MAX
    return data


def fields_of(beacon: Beacon) -> dict[str, object]:
    """The JSON fields of a beacon."""
    fields: dict[str, object] = {
        "node": beacon.node,
        "instance": beacon.instance,
        "port": beacon.port,
        "ask": beacon.ask,
    }
    if beacon.folders is not None:
        fields["folders"] = beacon.folders
    return fields


def json_fields(data: bytes, of_any_version: bool = False) -> dict[str, object] | None:
    """The JSON object of a datagram of this protocol version, of any mesh; None if there is none. Never raises."""
    if len(data) > limits.BEACON_BYTES_MAX:
        return None
    try:
        fields = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=no_duplicates,
            parse_constant=no_such_number,
            parse_float=no_such_number,
        )
    except (ValueError, RecursionError):  # RecursionError: 512 brackets, when the caller's stack is deep already
        return None
    if not isinstance(fields, dict):
        return None
    protocol = fields.get("dir_sync")
    if type(protocol) is not int or not 0 <= protocol <= limits.SEQUENCE_MAX:
        return None
    return fields if of_any_version or protocol == PROTOCOL else None


def beacon_of(fields: dict[str, object]) -> Beacon | None:
    """The beacon for these fields; None if they are invalid."""
    node, instance = fields.get("node"), fields.get("instance")
    port, ask = fields.get("port"), fields.get("ask")
    if not isinstance(node, str) or not isinstance(instance, str) or not isinstance(ask, bool):
        return None
    if type(port) is not int or not 1 <= port <= 65535:
        return None
    if not _ID.fullmatch(node) or not _ID.fullmatch(instance):
        return None
    folders = fields.get("folders")
    if folders is not None:
        if not isinstance(folders, list) or len(folders) > FOLDER_TAGS_MAX:
            return None
        if not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in folders):
            return None
        return Beacon(node, instance, port, ask, tuple(folders))
    return Beacon(node, instance, port, ask)


class OpenPresence:
    """Beacons of an open mesh: every node can read them."""

    def __init__(
        self, advice: Callable[[], str] = lambda: "to join it: 'invite DIR' there, and 'join DIR CODE' here"
    ) -> None:
        """`advice`: what people can do about a closed mesh nearby, at that moment; called on the listening thread."""
        self._advice = advice

    def datagrams(self, beacon: Beacon, at: str, now_ms: int) -> list[bytes]:
        """The datagrams to send from the address `at`."""
        return [encode_beacon(beacon)]

    def heard(self, data: bytes, source: str) -> Beacon | Foreign | None:
        """The beacon or foreign node in a datagram from `source`; None if it is invalid. Never raises."""
        fields = json_fields(data, of_any_version=True)
        if fields is None:
            return None
        if fields.get("mesh") == CLOSED:
            return Foreign(f"{source} {CLOSED_TO_US}; {self._advice()}", CLOSED)  # its members look alike
        return beacon_of(fields) if fields.get("mesh") == MESH else None
