"""Files in memory and on disk, and a signature, a delta or its result in one call: what all tests of deltas share."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import strategies as st

from dir_sync import delta
from dir_sync.core import limits
from dir_sync.core.model import Kind, Stat
from dir_sync.delta import (
    apply_delta,
    make_delta,
    signature,
)
from dir_sync.delta.format import parse_signature

BLOCK = limits.SIGNATURE_BLOCK_BYTES_MIN
CHUNK = BLOCK * 8
MAGIC = b"rs\x026"
NO_LIMIT = 2**60

needs_librsync = pytest.mark.skipif(not delta.available(), reason=delta.MISSING)
needs_rdiff = pytest.mark.skipif(
    shutil.which("rdiff") is None or not delta.available(), reason="the program rdiff is not installed"
)


def noise(length: int, seed: int = 0) -> bytes:
    """Incompressible, without repeats, the same each time."""
    return blake3(struct.pack(">Q", seed)).digest(length)


def plain_signature(data: bytes) -> bytes:
    """A signature without our appendix, as librsync and `rdiff` read it. Raises DeltaError if `data` is none."""
    return data[: parse_signature(data, None).plain_bytes]


def stat_of(size: int) -> Stat:
    return Stat(Kind.FILE, size, 0, 0, 0o600, 1, 1, 1)


class MemoryFile:
    """ports.Writer in memory. A write beyond `room` fails the test."""

    def __init__(self, data: bytes = b"", room: int = 0) -> None:
        self.data = bytearray(data)
        self.room = room
        self.copies: list[tuple[int, int, int]] = []
        self.reported_size: int | None = None

    def stat(self) -> Stat:
        return stat_of(len(self.data) if self.reported_size is None else self.reported_size)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass

    def write(self, offset: int, data: bytes | memoryview) -> None:
        assert offset + len(data) <= self.room
        self.data.extend(bytes(max(0, offset + len(data) - len(self.data))))
        self.data[offset : offset + len(data)] = data

    def copy_from(self, source: MemoryFile, source_offset: int, offset: int, length: int) -> int:
        assert offset + length <= self.room
        data = source.read(source_offset, length)
        self.copies.append((source_offset, offset, len(data)))
        self.write(offset, data)
        return len(data)

    def truncate(self, length: int) -> None: ...
    def set_meta(self, mode: int, mtime: int) -> None: ...
    def start_flush(self, offset: int, length: int) -> None: ...
    def sync(self) -> None: ...


class RealFile(MemoryFile):
    """The same on a descriptor."""

    def __init__(self, path: Path) -> None:
        super().__init__(room=NO_LIMIT)
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT)

    def stat(self) -> Stat:
        return stat_of(os.fstat(self.descriptor).st_size)

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self.descriptor, length, offset)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        assert os.pwrite(self.descriptor, data, offset) == len(data)

    def copy_from(self, source: MemoryFile, source_offset: int, offset: int, length: int) -> int:
        data = source.read(source_offset, length)
        self.write(offset, data)
        return len(data)

    def close(self) -> None:
        os.close(self.descriptor)


def sign(data: bytes, *, earlier: bytes | None = None) -> bytes:
    return signature(MemoryFile(data), len(data), earlier=earlier)


def made(base_signature: bytes, new: bytes, limit_bytes: int = NO_LIMIT) -> bytes | None:
    pieces: list[bytes] = []
    count = make_delta(base_signature, MemoryFile(new), len(new), pieces.append, limit_bytes)
    if count is None:
        return None
    assert count == sum(map(len, pieces))
    return b"".join(pieces)


def applied(commands: bytes, base: bytes, size: int) -> bytes:
    out = MemoryFile(room=size)
    apply_delta(MemoryFile(commands), MemoryFile(base), out, size)
    return bytes(out.data)


def round_trip(base: bytes, new: bytes) -> bytes:
    """The delta with the appendix; that without it is tried, too."""
    whole = sign(base)
    for base_signature in (plain_signature(whole), whole):
        commands = made(base_signature, new)
        assert commands is not None
        assert applied(commands, base, len(new)) == new
    return commands


def copied(commands: bytes, base: bytes, size: int) -> list[tuple[int, int, int]]:
    out = MemoryFile(room=size)
    apply_delta(MemoryFile(commands), MemoryFile(base), out, size)
    return out.copies


# Pieces of few sorts, so that content repeats at many alignments.
pieces = st.lists(
    st.one_of(
        st.builds(lambda seed, blocks: noise(BLOCK, seed) * blocks, st.integers(0, 3), st.integers(1, 12)),
        st.builds(lambda seed, length: noise(length, seed), st.integers(0, 5), st.integers(0, 3 * CHUNK)),
        st.builds(lambda length: bytes(length), st.integers(0, 2 * CHUNK)),
    ),
    max_size=6,
).map(b"".join)

edits = st.lists(
    st.tuples(
        st.sampled_from(["insert", "remove", "replace", "repeat"]),
        st.floats(0, 1),
        st.one_of(st.integers(0, 3 * CHUNK), st.sampled_from([1, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK, 2 * CHUNK])),
        st.integers(10, 13),
    ),
    max_size=4,
)


def edited(data: bytes, changes: list[tuple[str, float, int, int]]) -> bytes:
    for what, where, length, seed in changes:
        at = int(where * len(data))
        if what == "insert":
            data = data[:at] + noise(length, seed) + data[at:]
        elif what == "remove":
            data = data[:at] + data[at + length :]
        elif what == "replace":
            data = data[:at] + noise(len(data[at : at + length]), seed) + data[at + length :]
        else:
            data = data[:at] + data[at : at + length] * 2 + data[at + length :]
    return data
