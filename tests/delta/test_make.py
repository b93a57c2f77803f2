"""Round trips, when a delta does not pay, and troubles on the way."""

from __future__ import annotations

import struct
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given

from dir_sync import delta
from dir_sync.delta import (
    DeltaError,
    apply_delta,
    check_signature,
    librsync,
    make,
    make_delta,
    search,
    signature,
)
from tests.delta.tools import (
    BLOCK,
    CHUNK,
    MAGIC,
    NO_LIMIT,
    MemoryFile,
    RealFile,
    applied,
    edited,
    edits,
    made,
    needs_librsync,
    noise,
    pieces,
    round_trip,
    sign,
)

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
