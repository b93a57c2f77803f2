"""The search for what moved: hostile signatures cannot hold it up at its end, nor by a crowd in the library's table."""

from __future__ import annotations

import struct
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.delta import DeltaError, apply_delta, check_signature, make_delta, signature
from dir_sync.delta.format import DELTA_MAGIC, END, copy_command, literal_command
from dir_sync.delta.search import _Front
from tests.delta.tools import BLOCK, NO_LIMIT, MemoryFile, needs_librsync, noise, plain_signature

MULTIPLIER = 0x08104225  # of librsync's Rabin-Karp


def hostile(block: int, weak_sums: list[int]) -> bytes:
    """A signature with these weak sums, and strong sums that nothing has."""
    strong = noise(32 * len(weak_sums), 7)
    sums = (struct.pack(">I", weak) + strong[32 * at : 32 * at + 32] for at, weak in enumerate(weak_sums))
    return struct.pack(">III", 0x72730147, block, 32) + b"".join(sums)


@needs_librsync
def test_the_end_of_a_search_is_not_dear_whatever_the_signature() -> None:
    """Weak sums of the last bytes of a file, a window for each length below a block. 20,000 cost half a minute."""
    block = limits.SIGNATURE_BLOCK_BYTES_MAX
    weak, sums = 1, []
    for _ in range(block - 1):
        weak = weak * MULTIPLIER % 2**32  # of so many zeros
        sums.append(weak)
    data = bytes(2 * block + 1000)
    looks: list[float] = []

    def looked() -> bool:
        looks.append(time.thread_time())
        return False

    begin = time.thread_time()
    assert make_delta(hostile(block, sums[-20_000:]), MemoryFile(data), len(data), lambda _: None, NO_LIMIT, looked)
    end = time.thread_time()
    assert end - begin < 5
    times = [begin, *looks, end]
    assert max(later - earlier for earlier, later in pairwise(times)) < 2


def unmixed(value: int) -> int:
    """What MurmurHash3's last step makes `value` of."""
    value ^= value >> 16
    value = value * pow(0xC2B2AE35, -1, 2**32) % 2**32
    value ^= value >> 13 ^ value >> 26
    value = value * pow(0x85EBCA6B, -1, 2**32) % 2**32
    return value ^ value >> 16


@pytest.mark.parametrize("chosen", [lambda value: value, unmixed])
def test_weak_sums_that_crowd_in_a_table_are_refused(chosen: object) -> None:
    assert callable(chosen)
    crowd = [chosen(high << 16 | low) for high in range(2**14) for low in (5, 6, 7)]
    with pytest.raises(DeltaError, match="crowd"):
        check_signature(hostile(BLOCK, crowd))
    check_signature(hostile(BLOCK, crowd[:8_000]))


def test_many_honest_weak_sums_do_not_crowd() -> None:
    count = (limits.SIGNATURE_BYTES_MAX - 12) // 36
    random = noise(4 * count)
    check_signature(hostile(BLOCK, [int.from_bytes(random[4 * at : 4 * at + 4], "big") for at in range(count)]))
    powers, weak = [], 1
    for _ in range(count):  # blocks that differ in the place of one byte
        weak = weak * MULTIPLIER % 2**32
        powers.append(weak)
    check_signature(hostile(BLOCK, powers))


@needs_librsync
@pytest.mark.parametrize("tail", [0, 1, 500, BLOCK - 1])
@pytest.mark.parametrize("extra", [0, 3])
def test_what_moved_is_found_up_to_the_last_whole_block(tail: int, extra: int) -> None:
    """Also where nothing but the search can find it: in a signature without the appendix."""
    base = noise(8 * BLOCK + tail)
    new = b"abc" + base + noise(extra, 2)
    made = bytearray()
    for signed in (plain_signature(signature(MemoryFile(base), len(base))), signature(MemoryFile(base), len(base))):
        made.clear()
        assert make_delta(signed, MemoryFile(new), len(new), made.extend, NO_LIMIT)
        out = MemoryFile(room=len(new))
        apply_delta(MemoryFile(bytes(made)), MemoryFile(base), out, len(new))
        assert out.data == new
        assert len(made) < 100 + tail + extra
    if not extra:
        assert len(made) < 100, "the short last block is found where the size of the base is known"


commands_of_a_delta = st.lists(
    st.one_of(
        st.tuples(st.just("literal"), st.integers(1, 0x40)),
        st.tuples(st.just("long literal"), st.integers(1, 400)),
        st.tuples(st.just("copy"), st.integers(1, 2**33)),
    ),
    max_size=8,
)


@given(commands_of_a_delta, st.data())
def test_the_front_of_a_delta(commands: list[tuple[str, int]], data: st.DataObject) -> None:
    """However it is cut into pieces, and wherever the front ends."""
    total = sum(length for _, length in commands)
    length = data.draw(st.integers(0, total))
    whole, front, left = bytearray(DELTA_MAGIC), bytearray(), length
    for number, (kind, size) in enumerate(commands):
        kept = min(size, left)
        left -= kept
        if kind == "copy":
            whole += copy_command(number, size)
            front += copy_command(number, kept) if kept else b""
            continue
        head = bytes((size,)) if kind == "literal" else literal_command(size)
        whole += head + noise(size, number)
        if kept:
            front += (head if kept == size else literal_command(kept)) + noise(size, number)[:kept]
    whole += END
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    taken = _Front(length)
    got = b"".join(taken.of(bytes(whole[a:b])) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True))
    assert got == front
    assert taken.is_complete
