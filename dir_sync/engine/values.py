"""Small values and questions that several machines of the engine share."""

from __future__ import annotations

import struct

from dir_sync.core.declined import Reason
from dir_sync.core.model import CTIME_BYTES, FINGERPRINT_BYTES
from dir_sync.core.named import NamedTuple
from dir_sync.engine.constants import OURS

__all__ = ["META", "Displaced", "Now", "Ready", "Troubled", "file_of", "fp_of_file", "got_meta", "holder_of"]


class Now(NamedTuple):
    """The time of one turn: wall clock for stamps, monotonic clock for deadlines."""

    wall_ns: int
    mono_ms: int


class Ready(NamedTuple):
    """A content that has arrived and is not installed yet: in memory, or in the staging folder."""

    digest: bytes
    data: bytes | None
    staged: bytes | None
    giver: str = ""  # the peer from which `data` came; "": none


class Displaced(NamedTuple):
    """A content that a peer's change just displaced. If the same peer wants it under another name, the file was only
    moved."""

    version: bytes
    fp: bytes  # of the file while it had its name
    node: str
    when_ms: int


class Troubled(NamedTuple):
    """A path with a newer version elsewhere that is not here."""

    path: bytes
    problem: str  # for people
    reason: Reason | None  # None: it passes soon
    again: bool  # it is tried again


META = struct.Struct("<BHQQqI")
_MODE_BYTES = 3  # the kind and the mode at the beginning of a fingerprint


def got_meta(fp: bytes) -> tuple[int, int]:
    """mtime (ns; 0 for folders) and mode of the file when the fingerprint was taken."""
    _, mode, _, _, mtime_s, mtime_ns = META.unpack_from(fp)
    return mtime_s * 1_000_000_000 + mtime_ns, mode


def file_of(fp: bytes) -> bytes:
    """Of a fingerprint: the inode, the size and the time of the last write, which no chmod, rename or further name changes."""
    return fp[_MODE_BYTES : FINGERPRINT_BYTES - CTIME_BYTES]


def fp_of_file(file: bytes) -> bytes:
    """A fingerprint with that `file_of`."""
    return bytes(_MODE_BYTES) + file + bytes(CTIME_BYTES)


def holder_of(peer: str) -> str:
    """The name of the peer that has the content of an offer."""
    return peer.removeprefix(OURS)
