"""The format of signatures and deltas: constants, sums, and the parsing of a signature.

In:   a signature, maybe a hostile one. Out: its sums, or DeltaError.
Rule: every signature from a peer passes through this module first. Imports nothing of the package; all others import
it.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections import Counter

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.frozen import frozen

__all__ = [
    "APPENDIX",
    "APPENDIX_MAGIC",
    "BLOCK_SUM_BYTES",
    "CHUNK_BLOCKS",
    "COPY",
    "DELTA_MAGIC",
    "END",
    "HEADER",
    "LITERAL",
    "SIGNATURE_MAGIC",
    "STRONG_BYTES",
    "DeltaError",
    "Sums",
    "block_bytes",
    "check_signature",
    "chunk_sum",
    "copy_command",
    "literal_command",
    "parse_signature",
    "signature_bytes",
    "strong_sum",
]

SIGNATURE_MAGIC = 0x72730147  # Rabin-Karp and BLAKE2; librsync would also accept MD4 and shorter sums
STRONG_BYTES = 32
HEADER = struct.Struct(">III")  # magic, block length, strong length
BLOCK_SUM_BYTES = 4 + STRONG_BYTES
CHUNK_BLOCKS = 8  # blocks under one BLAKE3: makes a signature 5 % longer
_CHUNK_SUM_BYTES = 16  # short, because the whole result is verified anyway
APPENDIX = struct.Struct(">Q5s")  # the file's size, magic and version
APPENDIX_MAGIC = b"dsyn\x01"
_CROWD_ABOVE = 8_192  # blocks; with fewer, no choice of weak sums makes the library's table slow
_CROWD_MAX = 256  # different weak sums for one slot of a table of 65,536; 100,000 honest ones have about 12
_SAME_WEAK_MAX = 16  # different blocks with one weak sum: 100,000 honest ones have 3, and the cost is quadratic

DELTA_MAGIC = b"rs\x026"
END = b"\0"
# Commands: 1 to 0x40 are a literal of so many bytes. LITERAL and the next 3: a literal, by the width of its length.
# COPY and the next 15: a copy, by the widths of its offset and its length.
LITERAL, COPY = 0x41, 0x45


class DeltaError(Exception):
    """A signature or a delta is invalid, or cannot be made. The text is one line for people."""


@frozen
class Sums:
    """A parsed signature."""

    data: bytes
    block: int
    count: int  # blocks
    size: int | None  # of the base; None without the appendix

    @property
    def plain_bytes(self) -> int:
        return HEADER.size + self.count * BLOCK_SUM_BYTES

    @property
    def chunk(self) -> int:
        return self.block * CHUNK_BLOCKS

    def strong_sum(self, block: int) -> bytes:
        begin = HEADER.size + block * BLOCK_SUM_BYTES + 4
        return self.data[begin : begin + STRONG_BYTES]

    def chunk_sum(self, chunk: int) -> bytes:
        begin = self.plain_bytes + chunk * _CHUNK_SUM_BYTES
        return self.data[begin : begin + _CHUNK_SUM_BYTES]

    def block_sums(self, chunk: int) -> bytes:
        """The sums of all blocks of a chunk."""
        begin = HEADER.size + chunk * CHUNK_BLOCKS * BLOCK_SUM_BYTES
        return self.data[begin : min(begin + CHUNK_BLOCKS * BLOCK_SUM_BYTES, self.plain_bytes)]


def signature_bytes(size: int, block: int) -> int:
    blocks = -(-size // block)
    chunks = -(-blocks // CHUNK_BLOCKS)
    return HEADER.size + blocks * BLOCK_SUM_BYTES + chunks * _CHUNK_SUM_BYTES + APPENDIX.size


def block_bytes(size: int) -> int:
    """The block length for a file of `size` bytes: a power of two, about sqrt(size) / 2, at least 1 KiB; more if the
    signature would exceed SIGNATURE_BYTES_MAX. Raises DeltaError above some 100 GiB, where no length fits.

    It is half the usual value, because signatures mostly stay in a cache and do not travel, and most changes are small:
    4 KiB (a page) for 64 MiB; 8 KiB for 256 MiB, with a signature of 0.5 % of the file.
    """
    block = limits.SIGNATURE_BLOCK_BYTES_MIN
    while 4 * block * block < size or signature_bytes(size, block) > limits.SIGNATURE_BYTES_MAX:
        if block == limits.SIGNATURE_BLOCK_BYTES_MAX:
            if signature_bytes(size, block) > limits.SIGNATURE_BYTES_MAX:
                raise DeltaError(f"too large for a delta: {size} bytes")
            break
        block *= 2
    return block


def parse_signature(data: bytes, base_size: int | None) -> Sums:
    """Parse a signature, and check everything except the sums. Raises DeltaError."""
    if not HEADER.size <= len(data) <= limits.SIGNATURE_BYTES_MAX:
        raise DeltaError(f"a signature of {len(data)} bytes")
    magic, block, strong_bytes = HEADER.unpack_from(data)
    if magic != SIGNATURE_MAGIC:
        raise DeltaError(f"a signature with the unknown magic {magic:#x}")
    if strong_bytes != STRONG_BYTES:
        raise DeltaError(f"a signature with strong sums of {strong_bytes} bytes")
    if not limits.SIGNATURE_BLOCK_BYTES_MIN <= block <= limits.SIGNATURE_BLOCK_BYTES_MAX:
        raise DeltaError(f"a signature with blocks of {block} bytes")
    count, rest = divmod(len(data) - HEADER.size, BLOCK_SUM_BYTES)
    size = None
    if rest:
        size, ending = APPENDIX.unpack(data[-APPENDIX.size :].rjust(APPENDIX.size, b"\0"))
        if ending != APPENDIX_MAGIC or size > limits.SIZE_MAX or signature_bytes(size, block) != len(data):
            raise DeltaError("a signature of an impossible length")
        count = -(-size // block)
    if base_size is not None and (size not in (None, base_size) or count != -(-base_size // block)):
        raise DeltaError("a signature of a file of another size")
    return Sums(data, block, count, size)


def check_signature(data: bytes, base_size: int | None = None) -> None:
    """Raise DeltaError unless `data` is a signature, plain or with appendix, that is safe to use, of a file of
    `base_size` bytes if that is given. Checks magic, lengths, total length, and weak sums that are equal or would
    collide in the library's table."""
    sums = parse_signature(data, base_size)
    words = array("I", data[HEADER.size : sums.plain_bytes])
    weak = words[:: BLOCK_SUM_BYTES // words.itemsize]
    if sys.byteorder == "little":
        weak.byteswap()
    distinct = set(weak)
    if len(distinct) > _CROWD_ABOVE:
        for places in (Counter(value & 0xFFFF for value in distinct), Counter(_mixed(value) for value in distinct)):
            if max(places.values()) > _CROWD_MAX:
                raise DeltaError("a signature whose weak sums crowd")
    if len(weak) - len(distinct) < _SAME_WEAK_MAX:
        return
    suspects = {value for value, count in Counter(weak).items() if count > _SAME_WEAK_MAX}
    # Equal blocks (zeros) are common and harmless: the library keeps one of them.
    strong: dict[int, set[bytes]] = {value: set() for value in suspects}
    for number, value in enumerate(weak):
        if value in suspects:
            strong[value].add(sums.strong_sum(number))
            if len(strong[value]) > _SAME_WEAK_MAX:
                raise DeltaError("a signature with too many equal weak sums")


def _mixed(value: int) -> int:
    """The slot of a weak sum in a table of 65,536, for library versions that mix its bits first (MurmurHash3)."""
    value ^= value >> 16
    value = value * 0x85EBCA6B & 0xFFFFFFFF
    value ^= value >> 13
    value = value * 0xC2B2AE35 & 0xFFFFFFFF
    return (value ^ value >> 16) & 0xFFFF


def _number(value: int) -> tuple[int, bytes]:
    """A number as it stands in a command: the logarithm of its width (1, 2, 4 or 8 bytes), and its bytes."""
    width = next(width for width in range(4) if value < 1 << (8 << width))
    return width, value.to_bytes(1 << width, "big")


def copy_command(offset: int, length: int) -> bytes:
    offset_width, offset_bytes = _number(offset)
    length_width, length_bytes = _number(length)
    return bytes((COPY + 4 * offset_width + length_width,)) + offset_bytes + length_bytes


def literal_command(length: int) -> bytes:
    """The command for a literal; its `length` bytes follow."""
    width, length_bytes = _number(length)
    return bytes((LITERAL + width,)) + length_bytes


def chunk_sum(data: bytes | memoryview) -> bytes:
    digest: bytes = blake3(data).digest(_CHUNK_SUM_BYTES)
    return digest


def strong_sum(data: bytes | memoryview) -> bytes:
    from hashlib import blake2b  # imported late: it loads OpenSSL, and most starts need no delta

    return blake2b(data, digest_size=STRONG_BYTES).digest()
