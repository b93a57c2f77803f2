"""Holes of sparse files: content without data takes no room, and what is read is the same."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dir_sync.core.model import Kind
from dir_sync.delta.apply import apply_delta
from dir_sync.delta.format import DELTA_MAGIC, END
from dir_sync.disk import RealDisk
from dir_sync.disk.holes import BLOCK_BYTES, zero_runs
from dir_sync.ports import NewFile
from tests.disk.worlds import T0, RealWorld, refuse

MIB = 1 << 20
DATA = random.Random(1).randbytes(5000)


@pytest.fixture
def real(tmp_path: Path) -> RealWorld:
    world = RealWorld(tmp_path)
    with open(world.at(b"probe"), "wb") as file:
        file.truncate(MIB)
    if os.stat(world.at(b"probe")).st_blocks:
        pytest.skip("this file system has no holes")
    return world


def room(world: RealWorld, path: bytes) -> int:
    """Bytes that a file takes on the disk."""
    return os.stat(world.at(path)).st_blocks * 512


def sparse(world: RealWorld, path: bytes) -> bytes:
    """A file with two pieces of data and a hole before, between and after them. Returns its content."""
    with open(world.at(path), "wb") as file:
        for offset in (MIB, 3 * MIB):
            file.seek(offset)
            file.write(DATA)
        file.truncate(5 * MIB + 77)
    return world.read(path)


BOUND = 4 * BLOCK_BYTES + 4096  # two blocks for each piece; ext4 may need one more for its map


@given(some.integers(0, 9000), some.lists(some.tuples(some.booleans(), some.integers(0, 9000)), max_size=8))
def test_runs_are_all_blocks_of_zeros(offset: int, pieces: list[tuple[bool, int]]) -> None:
    data = b"".join(bytes(length) if is_zero else b"\0x" * (length // 2) for is_zero, length in pieces)
    runs = zero_runs(offset, data)
    edges = [0, *range(-offset % BLOCK_BYTES or BLOCK_BYTES, len(data), BLOCK_BYTES), len(data)]
    blocks = [pair for pair in pairwise(edges) if not any(data[slice(*pair)])] if len(data) >= BLOCK_BYTES else []
    assert [at for run in runs for at in range(*run)] == [at for block in blocks for at in range(*block)]
    assert runs == zero_runs(offset, memoryview(data))
    assert all(end < begin for (_, end), (begin, _) in pairwise(runs)), "runs that touch are one"


@pytest.mark.parametrize("piece", [4096, 65_537, 262_144, 10 * MIB])
def test_what_arrives_in_pieces_has_holes(real: RealWorld, piece: int) -> None:
    content = sparse(real, b"source")
    writer = real.disk.create(b"new")
    for offset in range(0, len(content), piece):
        writer.write(offset, content[offset : offset + piece])
        assert writer.stat().size == min(offset + piece, len(content)), "a download goes on where it ended"
    writer.close()
    assert real.read(b"new") == content
    assert room(real, b"new") <= BOUND


def test_a_copy_has_the_holes_of_its_source(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    content = sparse(real, b"source")
    for name in (b"in the kernel", b"by hand"):
        reader, writer = real.disk.open(b"source"), real.disk.create(name)
        assert writer.copy_from(reader, 0, 0, 99 * MIB) == len(content)
        assert writer.copy_from(reader, len(content), len(content), 5) == 0
        reader.close()
        writer.close()
        assert real.read(name) == content
        assert room(real, name) <= BOUND
        monkeypatch.setattr(os, "copy_file_range", refuse(errno.EXDEV))


@pytest.mark.parametrize("offset", [0, 5, MIB - 1, MIB + 1, 3 * MIB, 5 * MIB])
def test_a_copy_of_a_part(real: RealWorld, offset: int) -> None:
    content = sparse(real, b"source")
    reader, writer = real.disk.open(b"source"), real.disk.create(b"copy")
    writer.write(0, b"before")
    assert writer.copy_from(reader, offset, 6, 2 * MIB) == len(content[offset : offset + 2 * MIB])
    assert writer.copy_from(reader, 0, 2, MIB) == MIB, "bytes that are there already become zeros, not a hole"
    writer.close()
    reader.close()
    expected = bytearray(b"before" + content[offset : offset + 2 * MIB])
    expected[2 : 2 + MIB] = bytes(MIB)
    assert real.read(b"copy") == expected


def test_zeros_over_data_are_written(real: RealWorld) -> None:
    real.write(b"file", b"x" * 3 * BLOCK_BYTES)
    writer = real.disk.reopen(b"file")
    writer.write(BLOCK_BYTES, bytes(BLOCK_BYTES))
    writer.write(2 * BLOCK_BYTES, bytes(2 * BLOCK_BYTES))
    writer.close()
    assert real.read(b"file") == b"x" * BLOCK_BYTES + bytes(3 * BLOCK_BYTES)


def test_small_files_have_holes(real: RealWorld) -> None:
    content = DATA + bytes(50_000) + DATA
    files = [
        NewFile(b"a", content, 0o640, T0),
        NewFile(b"b", bytes(15 * BLOCK_BYTES), 0o600, T0),
        NewFile(b"c", b"", 0o600, T0),
    ]
    for file, made in zip(files, real.disk.create_many(b"", files), strict=True):
        assert not isinstance(made, Exception)
        assert (made.kind, made.size, made.mode, made.mtime) == (Kind.FILE, len(file.data), file.mode, T0)
        assert real.read(file.name) == file.data
        assert room(real, file.name) <= (BOUND if file.name == b"a" else 0)
    real.disk.create_whole(b"d", content, 0o600, T0, True)
    assert real.read(b"d") == content
    assert room(real, b"d") <= BOUND


def test_a_delta_keeps_the_holes_of_its_base(real: RealWorld) -> None:
    content = sparse(real, b"base")

    def copy(offset: int, length: int) -> bytes:
        return bytes([0x45 + 10]) + offset.to_bytes(4, "big") + length.to_bytes(4, "big")

    zeros = bytes([0x43]) + (100_000).to_bytes(4, "big") + bytes(100_000)
    steps = DELTA_MAGIC + copy(0, 2 * MIB) + zeros + copy(2 * MIB, len(content) - 2 * MIB) + END
    real.write(b"delta", steps)
    delta, base, out = real.disk.open(b"delta"), real.disk.open(b"base"), real.disk.create(b"new")
    apply_delta(delta, base, out, len(content) + 100_000)
    for file in (delta, base, out):
        file.close()
    assert real.read(b"new") == content[: 2 * MIB] + bytes(100_000) + content[2 * MIB :]
    assert room(real, b"new") <= BOUND + 2 * BLOCK_BYTES


@pytest.mark.parametrize("more", [bytes(3 * MIB), DATA + bytes(MIB) + DATA], ids=["zeros", "mixed"])
def test_what_is_appended_to_a_users_file_has_holes(real: RealWorld, more: bytes) -> None:
    real.write(b"file", DATA)
    writer = real.disk.append(b"file")
    writer.write(len(DATA), more)
    assert real.disk.is_open(b"file"), "the lock is gone: nobody has to wait"
    writer.close()
    assert real.read(b"file") == DATA + more
    assert room(real, b"file") <= BOUND


def test_a_copy_that_is_appended_to_a_users_file_has_its_holes_where_they_belong(real: RealWorld) -> None:
    content = sparse(real, b"source")
    real.write(b"file", DATA)
    reader, writer = real.disk.open(b"source"), real.disk.append(b"file")
    assert writer.copy_from(reader, 0, len(DATA), len(content)) == len(content)
    reader.close()
    writer.close()
    assert real.read(b"file") == DATA + content
    assert room(real, b"file") <= BOUND + 3 * BLOCK_BYTES


def test_what_another_program_appends_meanwhile_is_not_cut_off(real: RealWorld) -> None:
    """No hole is made while somebody else has the file open, nor if it has another length than was thought."""
    real.write(b"file", DATA)
    writer = real.disk.append(b"file")
    with open(real.at(b"file"), "ab", buffering=0) as other:
        writer.write(len(DATA), bytes(BLOCK_BYTES * 4))
        other.write(b"mine")
    writer.write(len(DATA), bytes(BLOCK_BYTES * 4))
    writer.close()
    assert real.read(b"file") == DATA + bytes(BLOCK_BYTES * 4) + b"mine" + bytes(BLOCK_BYTES * 4)


@pytest.mark.parametrize("way", ["written", "copied", "whole"])
def test_without_the_option_zeros_take_room(real: RealWorld, way: str) -> None:
    content = sparse(real, b"source")
    disk = RealDisk(real.root, makes_holes=False)
    makes: dict[str, Callable[[], object]] = {
        "written": lambda: disk.create(b"new").write(0, content),
        "copied": lambda: disk.create(b"new").copy_from(disk.open(b"source"), 0, 0, len(content)),
        "whole": lambda: disk.create_many(b"", [NewFile(b"new", content, 0o600, T0)]),
    }
    makes[way]()
    disk.close()
    assert real.read(b"new") == content
    if way != "copied":  # btrfs and xfs share the extents of the source
        assert room(real, b"new") >= len(content)
