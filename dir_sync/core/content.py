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

__all__ = ["SUMMED_COLUMNS", "Summed", "bucket_of", "first_scan_record", "in_doubt", "summarize"]

SUMMED_COLUMNS = "stamp_ns,stamp_maker,vector,kind,mode,mtime_s,mtime_ns,attributes,content"
"""What `summarize` takes of a record besides its path, by the names of the index."""
Summed = tuple[bytes, int, str, str, int, int, int, int, str, bytes]
_NAMED = struct.Struct(">BHqI")
_FILE = int(Kind.FILE)
_new = tuple.__new__  # half the cost of calling the named tuple


def first_scan_record(
    path: bytes, kind: Kind, size: int, content: bytes, mtime: int, mode: int, attributes: Attributes | None = None
) -> Record:
    """The record of something found by the very first scan. Its maker is a hash over kind, content, mode, mtime and
    attributes (docs/protocol.md, 3.2), not the finding node: so nodes that start with equal trees get equal records."""
    ns = 1 if kind is Kind.DIRECTORY else min(max(mtime, 1), limits.STAMP_NS_MADE_MAX)
    if kind is Kind.FILE and not attributes:  # nearly all: `_body` as it is for them
        body = _NAMED.pack(_FILE, mode, mtime // NS_PER_S, mtime % NS_PER_S) + content
    else:
        body = _body(kind, mode, mtime // NS_PER_S, mtime % NS_PER_S, kept.text(attributes), content)
    maker = "=" + blake3(body).hexdigest(12)
    stamp = _new(Stamp, (ns, maker))
    return _new(Record, (path, kind, size, content, mtime, mode, stamp, ((maker, 1),), (), attributes))


def summarize(records: Iterable[Summed]) -> bytes:
    """The summary of a state: for each bucket, the sum of the tags of its records modulo 2**64, big-endian.

    Two states with the same sum in a bucket hold the same records in it. Stamp and vector alone do not say so: a node that
    lost its index can give out one stamp for two contents, and who joins both has the larger one with all of the vector."""
    sums = [0] * limits.SUMMARY_BUCKETS
    unpack, pack = _TAG.unpack_from, _NAMED.pack
    for path, ns, maker, vector, kind, mode, seconds, fraction, attributes, content in records:
        if kind == _FILE and not attributes:  # nearly all: `_body` as it is for them
            body = pack(_FILE, mode, seconds, fraction) + content
        else:
            body = _body(kind, mode, seconds, fraction, attributes, content)
        (tag,) = unpack(blake3(b"%b\0%d %b %b\0%b" % (path, ns, maker.encode(), vector.encode(), body)).digest())
        sums[crc32(path) % limits.SUMMARY_BUCKETS] += tag
    return struct.pack(f">{limits.SUMMARY_BUCKETS}Q", *(one & 0xFFFF_FFFF_FFFF_FFFF for one in sums))


def _body(kind: int, mode: int, seconds: int, fraction: int, attributes: str, content: bytes) -> bytes:
    """What two records of one version have in common, if no stamp was given out twice (docs/protocol.md, 3.2)."""
    if kind == Kind.SYMLINK:
        mode = 0
    elif kind != Kind.FILE:
        seconds = fraction = 0
    named = _NAMED.pack(kind, mode, seconds, fraction)
    return b"%b%b\0%b" % (named, attributes.encode(), content) if attributes else named + content


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
