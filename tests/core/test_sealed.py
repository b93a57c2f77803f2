"""Records: whatever is sent comes out, however it is cut; one bit changed anywhere breaks the link."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.noise import Cipher, Suite
from dir_sync.core.sealed import RECORD_BYTES_MAX, Opener, SealBroken, Sealer
from dir_sync.core.wire import Buffer

KEY = b"k" * 32
DATA_MAX = RECORD_BYTES_MAX - 16


def sealer(suite: Suite = "AESGCM", rekey_every: int = 2**24) -> Sealer:
    return Sealer(Cipher(KEY, suite), rekey_every)


def opener(suite: Suite = "AESGCM", rekey_every: int = 2**24) -> Opener:
    return Opener(Cipher(KEY, suite), rekey_every)


def sealed(buffers: Iterable[Buffer], by: Sealer | None = None) -> bytes:
    return b"".join(map(bytes, (by or sealer()).records(buffers)))


def opened(data: bytes, cuts: Iterable[int] = (), by: Opener | None = None, room: int = 70_000) -> bytes:
    """What comes out if the link brings pieces of these sizes, and the reader has so much room."""
    by = by or opener()
    out = bytearray()
    sizes = itertools.chain(cuts, itertools.repeat(2**30))
    while data:
        place = by.buffer()
        assert len(place)
        n = min(next(sizes), len(place), len(data))
        place[:n] = data[:n]
        by.filled(n)
        data = data[n:]
        into = bytearray(room)
        while got := by.open_into(memoryview(into)):
            out += into[:got]
    return bytes(out)


@given(
    st.lists(st.one_of(st.binary(max_size=50), st.integers(0, 100_000).map(bytes)), max_size=8),
    st.lists(st.integers(1, 40_000), max_size=30),
    st.integers(1, 70_000),
    st.sampled_from(["AESGCM", "ChaChaPoly"]),
)
def test_what_is_sealed_comes_out_however_it_is_cut(
    buffers: list[bytes], cuts: list[int], room: int, suite: Suite
) -> None:
    data = sealed(buffers, sealer(suite))
    assert opened(data, cuts, opener(suite), room) == b"".join(buffers)


def test_records_have_the_form_of_the_protocol() -> None:
    data = sealed([b"a" * 10, b"b" * (2 * DATA_MAX), b"c"])
    sizes = []
    while data:
        sizes.append(int.from_bytes(data[:4], "big"))
        data = data[4 + sizes[-1] :]
    assert sizes == [RECORD_BYTES_MAX, RECORD_BYTES_MAX, 11 + 16]


def test_what_is_handed_over_at_once_is_bounded() -> None:
    pieces = [len(piece) for piece in sealer().records([bytes(1_000_000)])]
    assert max(pieces) <= 4 * (4 + RECORD_BYTES_MAX)
    assert len(list(sealer().records([b"x"] * 1000))) == 1, "small buffers are joined"
    assert list(sealer().records([])) == list(sealer().records([b""])) == []


def test_streams_go_on_over_many_calls() -> None:
    ours, theirs = sealer(), opener()
    for number in range(100):
        text = b"%d" % number * number
        assert opened(sealed([text], ours), by=theirs) == text


@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
def test_the_key_changes_at_both_ends_at_the_same_record(suite: Suite) -> None:
    ours, theirs = sealer(suite, 3), opener(suite, 3)
    for number in range(20):
        assert opened(sealed([b"%d" % number], ours), by=theirs) == b"%d" % number
    stale = sealed([b"1"], ours)
    with pytest.raises(SealBroken):
        opened(stale, by=opener(suite, 3))
    late = opener(suite, 4)
    again = sealer(suite, 3)
    stream = b"".join(sealed([b"%d" % number], again) for number in range(5))
    with pytest.raises(SealBroken):
        opened(stream, by=late)


@given(st.data())
def test_one_bit_changed_anywhere_is_noticed(data: st.DataObject) -> None:
    ours = sealer()
    stream = bytearray(sealed([b"first"], ours) + sealed([b"second, and longer"], ours))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= 1 << data.draw(st.integers(0, 7))
    theirs = opener()
    try:
        got = opened(bytes(stream) + b"\0" * 40_000, by=theirs)
    except SealBroken:
        return
    raise AssertionError(got)


def test_a_record_that_is_dropped_repeated_or_moved_is_noticed() -> None:
    ours = sealer()
    records = [sealed([b"%d" % number], ours) for number in range(4)]
    for order in ([1], [0, 0], [0, 2], [1, 0], [0, 1, 1], [0, 1, 0], [3, 2, 1, 0]):
        with pytest.raises(SealBroken):
            opened(b"".join(records[number] for number in order))
    assert opened(b"".join(records)) == b"0123"
    assert opened(records[0] + records[1][:-1]) == b"0", "the end is missing: the link ends without CLOSE"


@pytest.mark.parametrize("size", [0, 1, 15, 16, RECORD_BYTES_MAX + 1, 2**31, 2**32 - 1])
def test_a_length_that_none_has_is_refused_at_once(size: int) -> None:
    with pytest.raises(SealBroken):
        opened(size.to_bytes(4, "big"))


def test_random_bytes_are_refused() -> None:
    rng = random.Random(7)
    for _ in range(200):
        with pytest.raises(SealBroken):
            opened(rng.randbytes(70_000))
