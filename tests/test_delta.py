"""Signatures, deltas and applying them: round trips, the program `rdiff`, and what a hostile peer may send."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import example, given
from hypothesis import strategies as st

from dir_sync import delta
from dir_sync.core import limits
from dir_sync.core.model import Kind, Stat
from dir_sync.delta import (
    DeltaError,
    apply_delta,
    check_signature,
    librsync,
    make,
    make_delta,
    plain_signature,
    search,
    signature,
)

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


# --- Block lengths ------------------------------------------------------------------------------------------


@given(st.integers(0, 100 * 2**30))
@example(0)
@example(100 * 2**30)
def test_a_block_length_is_a_power_of_two_and_the_signature_fits(size: int) -> None:
    block = delta.block_bytes(size)
    assert block & (block - 1) == 0
    assert limits.SIGNATURE_BLOCK_BYTES_MIN <= block <= limits.SIGNATURE_BLOCK_BYTES_MAX
    blocks = -(-size // block)
    assert 12 + blocks * 36 + -(-blocks // 8) * 16 + 13 <= limits.SIGNATURE_BYTES_MAX
    assert block <= delta.block_bytes(size * 2 // 2 + 1)


def test_block_lengths_of_some_sizes() -> None:
    mib, gib = 2**20, 2**30
    sizes = {1: 1024, 4 * mib: 1024, 16 * mib: 2048, 64 * mib: 4096, 256 * mib: 8192, gib: 16384, 16 * gib: 2**18}
    assert {size: delta.block_bytes(size) for size in sizes} == sizes


def test_a_file_too_large_for_any_block_length_is_refused() -> None:
    with pytest.raises(DeltaError, match="too large"):
        delta.block_bytes(limits.SIZE_MAX)


# --- Signatures ---------------------------------------------------------------------------------------------


@needs_librsync
@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7])
def test_the_form_of_a_signature(size: int) -> None:
    data = noise(size)
    found = sign(data)
    blocks = [data[at : at + BLOCK] for at in range(0, size, BLOCK)]
    chunks = [data[at : at + CHUNK] for at in range(0, size, CHUNK)]
    plain = plain_signature(found)
    assert plain[:12] == struct.pack(">III", 0x72730147, BLOCK, 32)
    assert [plain[at + 4 : at + 36] for at in range(12, len(plain), 36)] == [
        blake2b(block, digest_size=32).digest() for block in blocks
    ]
    sums = b"".join(blake3(chunk).digest(16) for chunk in chunks)
    assert found[len(plain) :] == sums + struct.pack(">Q", size) + b"dsyn\x01"
    check_signature(found, size)
    check_signature(found)
    check_signature(plain, size)
    assert plain_signature(plain) == plain


@needs_librsync
@given(pieces, edits)
def test_sums_taken_from_an_earlier_signature_are_those_made_anew(base: bytes, changes: list) -> None:
    new = edited(base, changes)
    assert sign(new, earlier=sign(base)) == sign(new)


@needs_librsync
def test_an_earlier_signature_spares_the_library_and_keeps_the_block_length() -> None:
    base = noise(4 * 2**20)
    new = base + noise(CHUNK, 1)  # a longer block would be right for this size
    earlier = sign(base)
    found = sign(new, earlier=earlier)
    assert struct.unpack(">I", found[4:8])[0] == BLOCK < delta.block_bytes(len(new))
    assert plain_signature(found).startswith(plain_signature(earlier))
    check_signature(found, len(new))
    commands = made(found, new)
    assert commands is not None
    assert len(commands) < 20


@needs_librsync
@pytest.mark.parametrize("earlier", [b"", b"x" * 100, struct.pack(">III", 0x72730147, 2**20, 32)])
def test_an_earlier_signature_of_no_use_is_ignored(earlier: bytes) -> None:
    data = noise(3 * CHUNK)
    assert sign(data, earlier=earlier) == sign(data)
    assert sign(data, earlier=plain_signature(sign(data))) == sign(data)


@needs_librsync
def test_odd_signatures_are_refused() -> None:
    data = noise(10 * BLOCK + 5)
    whole = sign(data)
    plain = plain_signature(whole)
    odd = {
        "empty": b"",
        "short": whole[:11],
        "cut": whole[:-1],
        "longer": whole + b"\0",
        "one sum less": plain[:12] + plain[48:] + whole[len(plain) :],
        "md4": b"rs\x016" + whole[4:],
        "other weak sums": b"rs\x017" + whole[4:],
        "short sums": whole[:8] + struct.pack(">I", 8) + whole[12:],
        "no sums": whole[:8] + struct.pack(">I", 0) + whole[12:],
        "block of 0": whole[:4] + struct.pack(">I", 0) + whole[8:],
        "block of 64": whole[:4] + struct.pack(">I", 64) + whole[8:],
        "large block": whole[:4] + struct.pack(">I", 2**20 + 1) + whole[8:],
        "other size": whole[:-13] + struct.pack(">Q", 2**63) + whole[-5:],
        "too long": plain[:12] + bytes(36) * 200_000,
    }
    for name, bad in odd.items():
        with pytest.raises(DeltaError):
            check_signature(bad)
        with pytest.raises(DeltaError):
            make_delta(bad, MemoryFile(data), len(data), pytest.fail, NO_LIMIT)
        assert name
    for good in (plain, whole):
        check_signature(good, len(data))
        with pytest.raises(DeltaError, match="another size"):
            check_signature(good, len(data) + BLOCK)
    with pytest.raises(DeltaError, match="another size"):
        check_signature(whole, len(data) - 1)


@needs_librsync
def test_many_different_blocks_with_one_weak_sum_are_refused() -> None:
    head = plain_signature(sign(b""))
    weak = sign(bytes(BLOCK))[12:16]
    hostile = head + b"".join(weak + noise(32, seed) for seed in range(17))
    with pytest.raises(DeltaError, match="equal weak sums"):
        check_signature(hostile)
    data = bytes(200_000)
    with pytest.raises(DeltaError, match="equal weak sums"):
        make_delta(hostile, MemoryFile(data), len(data), lambda _: None, NO_LIMIT)
    check_signature(hostile[:-36])


@needs_librsync
def test_equal_blocks_are_no_reason_to_refuse() -> None:
    data = bytes(300 * BLOCK) + noise(BLOCK) * 300
    check_signature(sign(data), len(data))
    round_trip(data, data[5:])


# --- Round trips --------------------------------------------------------------------------------------------


@needs_librsync
@given(pieces, edits)
def test_a_delta_makes_the_new_file(base: bytes, changes: list) -> None:
    round_trip(base, edited(base, changes))


@needs_librsync
@given(pieces, pieces)
def test_a_delta_between_any_two_files(base: bytes, new: bytes) -> None:
    round_trip(base, new)


@needs_librsync
@pytest.mark.parametrize("unit", [b"\0", noise(BLOCK), noise(CHUNK), noise(BLOCK + 1)])
@pytest.mark.parametrize("base_units", [0, 1, 2, 7, 17])
@pytest.mark.parametrize("tail", [0, 1, 500])
def test_repeats_that_match_from_both_ends_never_overlap(unit: bytes, base_units: int, tail: int) -> None:
    base = unit * base_units + noise(tail, 9)
    for new_units in (0, 1, 2, 6, 16, 18, 40):
        round_trip(base, unit * new_units + noise(tail, 9))
        round_trip(base, unit * new_units)


@needs_librsync
@pytest.mark.parametrize("size", [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, CHUNK - 1, CHUNK, CHUNK + 1])
def test_sizes_around_the_edges(size: int) -> None:
    for other in (0, 1, BLOCK, CHUNK, size + 1, max(0, size - 1), size + BLOCK, size + CHUNK):
        round_trip(noise(size), noise(other))
        round_trip(noise(other), noise(size, 1))


@needs_librsync
def test_equal_files_need_one_copy() -> None:
    data = noise(5 * CHUNK + 77)
    assert round_trip(data, data) == MAGIC + b"\x46\0" + struct.pack(">H", len(data)) + b"\0"


@needs_librsync
def test_an_empty_file_needs_an_end_only() -> None:
    assert round_trip(noise(5000), b"") == MAGIC + b"\0"


@needs_librsync
@pytest.mark.parametrize(
    ("new", "cost"),
    [
        pytest.param(lambda d: d[:-1] + b"x", BLOCK, id="last byte"),
        pytest.param(lambda d: b"x" + d[1:], BLOCK, id="first byte"),
        pytest.param(lambda d: d + noise(1000, 1), 1000, id="append"),
        pytest.param(lambda d: noise(1000, 1) + d, 1000, id="prepend"),
        pytest.param(lambda d: d[:50_000] + noise(1000, 1) + d[50_000:], 1000 + BLOCK, id="insert"),
        pytest.param(lambda d: d[:50_000] + d[60_000:], 2 * BLOCK, id="remove"),
        pytest.param(lambda d: d[10_000:], BLOCK, id="remove the front"),
        pytest.param(lambda d: d[:-10_000], BLOCK, id="cut"),
        pytest.param(lambda d: d[:50_000] + noise(9000, 1) + d[59_000:], 9000 + 2 * BLOCK, id="overwrite"),
        pytest.param(lambda d: d[:9999] + b"x" + d[9999:90_000] + b"y" + d[90_000:], 4 * BLOCK, id="two places"),
        pytest.param(lambda d: d[60_000:] + d[:60_000], 2 * BLOCK, id="halves swapped"),
        pytest.param(lambda d: d + d, BLOCK, id="doubled"),
        pytest.param(
            lambda d: b"".join(b"x" + d[at + 1 : at + 20_000] for at in range(0, len(d), 20_000)),
            11 * BLOCK,
            id="pages",
        ),
    ],
)
def test_what_common_edits_cost(new, cost: int) -> None:
    base = noise(200_000 + 13)
    commands = round_trip(base, new(base))
    assert len(commands) < cost + 200


@needs_librsync
def test_long_runs_of_changes_and_moved_content() -> None:
    """More changed blocks in a row than are compared one by one."""
    base = noise(400 * BLOCK)
    new = base[: 20 * BLOCK + 7] + noise(100 * BLOCK, 1) + base[30 * BLOCK :] + base[10 * BLOCK : 100 * BLOCK]
    assert len(round_trip(base, new)) < 102 * BLOCK + 1000


@needs_librsync
def test_on_real_files(tmp_path: Path) -> None:
    base = noise(3 * 2**20 + 5)
    new = base[: 2**20] + noise(70_000, 1) + base[2**20 :]
    files = [RealFile(tmp_path / name) for name in ("base", "new", "delta", "out")]
    base_file, new_file, delta_file, out = files
    base_file.write(0, base)
    new_file.write(0, new)
    base_signature = signature(base_file, len(base))
    at = 0

    def write(data: bytes) -> None:
        nonlocal at
        delta_file.write(at, data)
        at += len(data)

    assert make_delta(base_signature, new_file, len(new), write, len(new)) == at < 75_000
    apply_delta(delta_file, base_file, out, len(new))
    for file in files:
        file.close()
    assert (tmp_path / "out").read_bytes() == new


# --- When a delta does not pay ------------------------------------------------------------------------------


@needs_librsync
def test_the_limit_is_kept_to_the_byte() -> None:
    base = noise(200_000)
    new = base[:90_000] + noise(5000, 1) + base[90_000:]
    whole = made(sign(base), new)
    assert whole is not None
    assert made(sign(base), new, len(whole)) == whole
    assert made(sign(base), new, len(whole) - 1) is None
    assert made(sign(base), new, 0) is None
    assert made(sign(b""), new, len(new) // 2) is None


@needs_librsync
def test_large_new_content_is_sampled_before_it_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "_SAMPLE_ABOVE_BYTES", 64 * BLOCK)
    monkeypatch.setattr(search, "_SAMPLES", 4)
    monkeypatch.setattr(search, "_SAMPLE_BLOCKS", 4)
    base, other = noise(2**20), noise(2**20, 1)
    # Nothing in common: given up before anything is written.
    assert make_delta(sign(base), MemoryFile(other), len(other), pytest.fail, len(other) // 2) is None
    # New content appended, within the limit: not searched in full.
    searched: list[int] = []
    commands = search.Search.commands

    def counted(self: search.Search, begin: int, end: int):
        searched.append(end - begin)
        return commands(self, begin, end)

    monkeypatch.setattr(search.Search, "commands", counted)
    appended = made(sign(base), base + other)
    assert appended is not None
    assert applied(appended, base, 2**21) == base + other
    assert sum(searched) <= 5 * 4 * BLOCK
    # Moved content is still found.
    moved = base[2**19 :] + base[: 2**19] + noise(5, 5)
    found = made(sign(base), moved)
    assert found is not None
    assert len(found) < 5 * BLOCK
    assert applied(found, base, len(moved)) == moved


@needs_librsync
def test_a_signature_that_costs_too_much_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One block with the weak sum of zeros and another strong sum makes librsync hash a block at each byte."""
    monkeypatch.setattr(search, "_CPU_S_MIN", 0.05)
    monkeypatch.setattr(search, "_CPU_BYTES_PER_S", 1e12)
    block = 4 * BLOCK
    hostile = struct.pack(">III", 0x72730147, block, 32) + weak_sum_of_zeros(block) + noise(32)
    data = bytes(64 * 2**20)  # some minutes in full
    begin = time.thread_time()
    assert make_delta(hostile, MemoryFile(data), len(data), lambda _: None, NO_LIMIT) is None
    assert time.thread_time() - begin < 10


def weak_sum_of_zeros(block: int) -> bytes:
    """Rabin-Karp as librsync has it: seed 1, multiplier 0x08104225, modulo 2**32."""
    return struct.pack(">I", pow(0x08104225, block, 2**32))


@needs_librsync
def test_weak_sums_are_what_this_file_takes_them_for() -> None:
    assert sign(bytes(BLOCK))[12:16] == weak_sum_of_zeros(BLOCK)


# --- Troubles -----------------------------------------------------------------------------------------------


@needs_librsync
def test_a_file_that_becomes_shorter() -> None:
    data = noise(5 * CHUNK)
    base_signature = sign(data)
    with pytest.raises(DeltaError, match="shorter"):
        signature(MemoryFile(data), len(data) + 1)
    with pytest.raises(DeltaError, match="shorter"):
        make_delta(base_signature, MemoryFile(data), len(data) + 1, lambda _: None, NO_LIMIT)
    base = MemoryFile(data[:-1])
    base.reported_size = len(data)
    commands = made(base_signature, data)
    assert commands is not None
    with pytest.raises(DeltaError, match="shorter"):
        apply_delta(MemoryFile(commands), base, MemoryFile(room=len(data)), len(data))
    short = MemoryFile(commands[:-1])
    short.reported_size = len(commands)
    with pytest.raises(DeltaError, match="shorter"):
        apply_delta(short, MemoryFile(data), MemoryFile(room=len(data)), len(data))


@needs_librsync
def test_all_work_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    data, other = noise(5 * CHUNK), noise(5 * CHUNK, 1)
    base_signature = sign(data)
    commands = made(base_signature, data)
    assert commands is not None
    with pytest.raises(DeltaError, match="stopped"):
        signature(MemoryFile(data), len(data), lambda: True)
    with pytest.raises(DeltaError, match="stopped"):
        make_delta(base_signature, MemoryFile(other), len(other), lambda _: None, NO_LIMIT, lambda: True)
    monkeypatch.setattr(search, "_STEP_BYTES_MAX", BLOCK)
    for questions in range(20):  # the later ones are asked while librsync searches
        answers = iter([False] * questions)
        with pytest.raises(DeltaError, match="stopped"):
            make_delta(
                base_signature, MemoryFile(other), len(other), lambda _: None, NO_LIMIT, partial(next, answers, True)
            )
    with pytest.raises(DeltaError, match="stopped"):
        apply_delta(MemoryFile(commands), MemoryFile(data), MemoryFile(room=len(data)), len(data), lambda: True)


@needs_librsync
def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    data = noise(3 * CHUNK)
    base_signature = sign(data)
    monkeypatch.setattr(librsync, "load_library", lambda: None)
    assert not delta.available()
    with pytest.raises(DeltaError, match="librsync is missing"):
        sign(data)
    with pytest.raises(DeltaError, match="librsync is missing"):
        made(base_signature, noise(3 * CHUNK, 1))
    check_signature(base_signature)
    appended = made(base_signature, data + b"more")  # needs no search
    assert appended is not None
    assert applied(appended, data, len(data) + 4) == data + b"more"


def test_a_library_of_another_kind_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("cannot open shared object file")

    monkeypatch.setattr(librsync.ctypes, "CDLL", missing)
    assert librsync.load_library.__wrapped__() is None
    monkeypatch.setattr(librsync.ctypes, "CDLL", lambda _: object())
    assert librsync.load_library.__wrapped__() is None


# --- Hostile deltas -----------------------------------------------------------------------------------------


def copy(offset: int, length: int) -> bytes:
    return b"\x54" + struct.pack(">QQ", offset, length)


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (b"", "half-way"),
        (b"rs\x01", "half-way"),
        (b"rs\x016\0", "not a delta"),
        (MAGIC, "half-way"),
        (MAGIC + b"\0", "fewer bytes"),
        (MAGIC + b"\x03abc\0", "fewer bytes"),
        (MAGIC + b"\x03abc", "half-way"),
        (MAGIC + b"\x0aabc", "half-way"),
        (MAGIC + b"\x0aabcdefghij", "half-way"),
        (MAGIC + b"\x0aabcdefghij\0\0", "after its end"),
        (MAGIC + b"\x0babcdefghijk\0", "more bytes"),
        (MAGIC + b"\x55\0", "unknown command 85"),
        (MAGIC + b"\xff\0", "unknown command 255"),
        (MAGIC + b"\x41\0\0", "empty command"),
        (MAGIC + b"\x41\0" * 1_000_000, "empty command"),
        (MAGIC + b"\x44" + b"\xff" * 8, "more bytes"),
        (MAGIC + b"\x44\0\0\0", "half-way"),
        (MAGIC + copy(0, 0) + b"\0", "empty command"),
        (MAGIC + copy(0, 11) + b"\0", "more bytes"),
        (MAGIC + copy(0, 2**64 - 1) + b"\0", "more bytes"),
        (MAGIC + copy(2**64 - 1, 10) + b"\0", "beyond the end"),
        (MAGIC + copy(2**63, 1) + b"\0", "beyond the end"),
        (MAGIC + copy(91, 10) + b"\0", "beyond the end"),
        (MAGIC + copy(0, 10) * 2, "more bytes"),
        (MAGIC + copy(0, 9), "half-way"),
        (MAGIC + copy(0, 9)[:5], "half-way"),
    ],
)
def test_odd_deltas_are_refused(commands: bytes, reason: str) -> None:
    out = MemoryFile(room=10)
    with pytest.raises(DeltaError, match=reason):
        apply_delta(MemoryFile(commands), MemoryFile(noise(100)), out, 10)
    assert len(out.data) <= 10


@pytest.mark.parametrize("code", range(0x45, 0x55))
def test_all_widths_of_copies(code: int) -> None:
    offset_bytes, length_bytes = 1 << (code - 0x45) // 4, 1 << (code - 0x45) % 4
    command = bytes((code,)) + (7).to_bytes(offset_bytes, "big") + (50).to_bytes(length_bytes, "big")
    base = noise(100)
    assert applied(MAGIC + command + b"\0", base, 50) == base[7:57]


@pytest.mark.parametrize("head", [b"\x05", b"\x41\x05", b"\x42\0\x05", b"\x43\0\0\0\x05", b"\x44" + bytes(7) + b"\x05"])
def test_all_widths_of_literals(head: bytes) -> None:
    assert applied(MAGIC + head + b"hello\0", b"", 5) == b"hello"


def test_a_literal_longer_than_one_read() -> None:
    data = noise(3 * limits.CHUNK_BYTES + 17)
    assert applied(MAGIC + b"\x43" + struct.pack(">I", len(data)) + data + b"\0", b"", len(data)) == data


def test_a_bomb_stops_at_the_announced_size() -> None:
    base = MemoryFile(bytes(10**6))
    out = MemoryFile(room=5 * 10**6)
    with pytest.raises(DeltaError, match="more bytes"):
        apply_delta(MemoryFile(MAGIC + (copy(0, 10**6) + b"\x01x") * 3000 + b"\0"), base, out, 5 * 10**6)
    assert len(out.data) <= 5 * 10**6


def test_more_commands_than_any_honest_delta_has_are_refused() -> None:
    size = 1_000_000
    out = MemoryFile(room=size)
    with pytest.raises(DeltaError, match="too many commands"):
        apply_delta(MemoryFile(MAGIC + b"\x45\x00\x01" * size + b"\0"), MemoryFile(b"x"), out, size)
    assert len(out.data) < 10_000


def test_copies_that_go_on_are_made_at_once() -> None:
    base = noise(100_000)
    pieces = b"".join(copy(at, 1000) for at in range(0, 100_000, 1000))
    commands = MAGIC + pieces + copy(5, 10) + b"\x01x" + copy(15, 10) + copy(25, 10) + b"\0"
    size = 100_000 + 10 + 1 + 20
    assert applied(commands, base, size) == base + base[5:15] + b"x" + base[15:35]
    assert copied(commands, base, size) == [(0, 0, 100_000), (5, 100_000, 10), (15, 100_011, 20)]


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, float, bytes]]:
    what = st.sampled_from(["replace", "insert", "remove", "cut", "repeat"])
    return draw(st.lists(st.tuples(what, st.floats(0, 1), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4))


def mutated(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for what, where, new in changes:
        at = int(where * len(data))
        if what == "replace":
            data = data[:at] + new + data[at + len(new) :]
        elif what == "insert":
            data = data[:at] + new + data[at:]
        elif what == "remove":
            data = data[:at] + data[at + len(new) :]
        elif what == "cut":
            data = data[:at]
        else:
            data = data[:at] + data[at : at + 40] * len(new) + data[at + 40 :]
    return data


BASE = noise(20 * BLOCK + 100)
NEW = BASE[: 3 * BLOCK] + noise(60, 1) + BASE[9 * BLOCK :] + BASE[: 5 * BLOCK]


@cache
def good_signature() -> bytes:
    return sign(BASE)


@cache
def good_delta() -> bytes:
    commands = made(good_signature(), NEW)
    assert commands is not None
    return commands


@needs_librsync
@given(mutations())
def test_a_mutated_delta_is_refused_or_makes_something_of_the_right_size(changes: list) -> None:
    try:
        result = applied(mutated(good_delta(), changes), BASE, len(NEW))
    except DeltaError:
        return
    assert len(result) == len(NEW)


@given(st.lists(st.sampled_from([b"\0", b"\x01", b"\x41", b"\x45\x01\x02", b"\x54", b"\xff", copy(0, 9)])))
def test_any_bytes_are_refused_or_applied(commands: list[bytes]) -> None:
    try:
        assert len(applied(MAGIC + b"".join(commands), BASE, 100)) == 100
    except DeltaError:
        pass


@needs_librsync
@given(mutations(), st.booleans())
def test_a_mutated_signature_is_refused_or_makes_a_clean_delta(changes: list, plain: bool) -> None:
    whole = good_signature()
    bad = mutated(plain_signature(whole) if plain else whole, changes)
    try:
        commands = made(bad, NEW)
    except DeltaError:
        return
    assert commands is not None
    try:
        assert len(applied(commands, BASE, len(NEW))) == len(NEW)
    except DeltaError:
        pass  # it names blocks that the base does not have


# --- The program rdiff --------------------------------------------------------------------------------------


def rdiff(*arguments: object) -> None:
    subprocess.run(["rdiff", *map(str, arguments)], check=True, timeout=20, capture_output=True)


@needs_rdiff
@pytest.mark.parametrize("size", [0, 1, 5000, 300_000])
def test_rdiff_reads_our_signatures_and_we_apply_its_deltas(tmp_path: Path, size: int) -> None:
    base = noise(size)
    new = base[: size // 2] + noise(100, 1) + base[size // 2 :]
    (tmp_path / "new").write_bytes(new)
    (tmp_path / "signature").write_bytes(plain_signature(sign(base)))
    rdiff("delta", tmp_path / "signature", tmp_path / "new", tmp_path / "delta")
    commands = (tmp_path / "delta").read_bytes()
    assert applied(commands, base, len(new)) == new
    assert len(commands) < len(new) // 4 + 6000


@needs_rdiff
@pytest.mark.parametrize("size", [1, 5000, 300_000])
def test_we_read_signatures_of_rdiff_and_it_applies_our_deltas(tmp_path: Path, size: int) -> None:
    base = noise(size)
    new = base[: size // 2] + noise(100, 1) + base[size // 2 :]
    (tmp_path / "base").write_bytes(base)
    rdiff("--block-size=2048", "signature", tmp_path / "base", tmp_path / "signature")
    theirs = (tmp_path / "signature").read_bytes()
    check_signature(theirs, size)
    for base_signature in (theirs, sign(base)):
        commands = made(base_signature, new)
        assert commands is not None
        (tmp_path / "delta").write_bytes(commands)
        rdiff("--force", "patch", tmp_path / "base", tmp_path / "delta", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == new


@needs_rdiff
def test_our_signatures_are_those_of_rdiff(tmp_path: Path) -> None:
    base = noise(100_001)
    (tmp_path / "base").write_bytes(base)
    rdiff(f"--block-size={BLOCK}", "signature", tmp_path / "base", tmp_path / "signature")
    assert plain_signature(sign(base)) == (tmp_path / "signature").read_bytes()


@needs_rdiff
@pytest.mark.parametrize("options", [["-H", "md4"], ["-R", "rollsum"], ["-S", "8"], ["-b", "256"]])
def test_weaker_signatures_of_rdiff_are_refused(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "base").write_bytes(noise(10_000))
    rdiff("-b", "2048", *options, "signature", tmp_path / "base", tmp_path / "signature")
    with pytest.raises(DeltaError):
        check_signature((tmp_path / "signature").read_bytes())
