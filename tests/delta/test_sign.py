"""Block lengths, and signatures: made, taken over, refused."""

from __future__ import annotations

import struct
from hashlib import blake2b

import pytest
from blake3 import blake3
from hypothesis import example, given
from hypothesis import strategies as st

from dir_sync import delta
from dir_sync.core import limits
from dir_sync.delta import (
    DeltaError,
    check_signature,
    librsync,
    make_delta,
)
from tests.delta.tools import (
    BLOCK,
    CHUNK,
    NO_LIMIT,
    MemoryFile,
    edited,
    edits,
    made,
    needs_librsync,
    noise,
    pieces,
    plain_signature,
    round_trip,
    sign,
)

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


def test_the_sum_that_a_start_compares_is_right() -> None:
    assert blake2b(b"\0", digest_size=32).digest() == librsync._SUM_OF_ZERO
