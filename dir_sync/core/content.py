"""Values derived by hashing: records of first scans, and the summary of an index.

In:   what a scan found; the records of an index.
Out:  records and sums that are equal on all nodes with equal content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from zlib import crc32

from blake3 import blake3

from dir_sync.core import attributes as kept
from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.model import NS_PER_S, Kind, Record, Stamp

__all__ = ["bucket_of", "first_scan_record", "in_doubt", "summarize"]

_NAMED = struct.Struct(">BHqI")
_new = tuple.__new__  # half the cost of calling the named tuple


def first_scan_record(
    path: bytes, kind: Kind, size: int, content: bytes, mtime: int, mode: int, attributes: Attributes | None = None
) -> Record:
    """The record of something found by the very first scan. Its maker is a hash over kind, content, mode, mtime and
    attributes (docs/protocol.md, 3.2), not the finding node: so nodes that start with equal trees get equal records."""
    if kind is Kind.DIRECTORY:
        named, ns = _NAMED.pack(kind, mode, 0, 0), 1
    else:
        named = _NAMED.pack(kind, 0 if kind is Kind.SYMLINK else mode, mtime // NS_PER_S, mtime % NS_PER_S)
        ns = min(max(mtime, 1), limits.STAMP_NS_MADE_MAX)
    if attributes is not None:
        named += kept.text(attributes).encode() + b"\0"
    maker = "=" + blake3(named + content).hexdigest(12)
    stamp = _new(Stamp, (ns, maker))
    return _new(Record, (path, kind, size, content, mtime, mode, stamp, ((maker, 1),), (), attributes))


def summarize(versions: Iterable[tuple[bytes, int, str, str]]) -> bytes:
    """The summary of a state: for each bucket, the sum of the tags of its records modulo 2**64, big-endian.

    `versions`: path, stamp (ns, maker) and vector (as "maker:counter maker:counter"). Stamps name versions, so these say
    everything. Two states with the same sum in a bucket hold the same records in it."""
    sums = [0] * limits.SUMMARY_BUCKETS
    unpack = _TAG.unpack_from
    for path, ns, maker, vector in versions:
        (tag,) = unpack(blake3(b"%b\0%d %b %b" % (path, ns, maker.encode(), vector.encode())).digest())
        sums[bucket_of(path)] += tag
    return struct.pack(f">{limits.SUMMARY_BUCKETS}Q", *(one & 0xFFFF_FFFF_FFFF_FFFF for one in sums))


def in_doubt(summary: bytes, paths: Iterable[bytes]) -> bytes:
    """A summary with other numbers in the buckets of these paths: whoever holds the same as it says there announces it all
    the same."""
    numbers = list(struct.unpack(f">{limits.SUMMARY_BUCKETS}Q", summary))
    for bucket in {bucket_of(path) for path in paths}:
        numbers[bucket] ^= 0xFFFF_FFFF_FFFF_FFFF
    return struct.pack(f">{limits.SUMMARY_BUCKETS}Q", *numbers)


def bucket_of(path: bytes) -> int:
    return crc32(path) % limits.SUMMARY_BUCKETS


_TAG = struct.Struct(">Q")
