"""Windows and ranges: nothing comes that was not asked for, nothing is asked for beyond the window."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.messages import PullItem
from dir_sync.core.model import Kind, PeerError, Record, Stamp
from dir_sync.core.overload.byte_rate import ByteRate
from dir_sync.core.transfers.transfer import Fetch, Window, folder_of


def fetch_of(size: int, name: bytes = b"x") -> Fetch:
    record = Record(b"f", Kind.FILE, size, bytes(32), 0, 0o644, Stamp(1, "01"), (("01", 1),))
    return Fetch(1, record, "01", None, size, name)


@given(st.integers(1, 40 * limits.MIB), st.integers(0, 2**32))
def test_everything_comes_once_in_whatever_order_it_is_answered(size: int, seed: int) -> None:
    rng = random.Random(seed)
    window, fetch = Window(), fetch_of(size)
    asked: list[tuple[int, int, int]] = []
    got = 0
    while True:
        for offset, length in fetch.next_ranges(window, 0):
            pull = window.ask(fetch, offset, length)
            asked.append((pull.id, pull.offset, pull.length))
        assert window.bytes <= limits.PULL_WINDOW_BYTES
        if not asked:
            break
        id_, offset, length = asked.pop(rng.randrange(len(asked)))
        cut = rng.randrange(length + 1) if rng.random() < 0.2 else length
        for start, end in ((0, cut), (cut, length)) if 0 < cut < length else ((0, length),):
            assert window.arrived(id_, offset + start, end - start, 0) is fetch
            fetch.take(offset + start, memoryview(bytes(end - start)))
        for start, data in fetch.waiting:
            assert start == got
            got += len(data)
        fetch.waiting.clear()
        fetch.written = got
    assert got == fetch.received == size
    assert window.bytes == 0
    assert len(window) == 0


def test_bytes_that_nobody_asked_for_cost_the_connection() -> None:
    window = Window()
    with pytest.raises(PeerError):
        window.arrived(7, 0, 1, 0)


@pytest.mark.parametrize(("offset", "length"), [(1, 10), (0, 101), (50, 10), (0, 0)])
def test_other_bytes_than_were_asked_for_cost_the_connection(offset: int, length: int) -> None:
    window, fetch = Window(), fetch_of(100)
    pull = window.ask(fetch, 0, 100)
    with pytest.raises(PeerError):
        window.arrived(pull.id, offset, length, 0)


def test_what_still_comes_for_a_cancelled_transfer_is_let_pass() -> None:
    window, fetch = Window(), fetch_of(100)
    pull = window.ask(fetch, 0, 100)
    window.cancel(fetch)
    assert window.arrived(pull.id, 0, 40, 0) is None
    assert window.arrived(pull.id, 40, 60, 0) is None
    assert (window.bytes, len(window)) == (0, 0)


def test_what_was_cancelled_takes_room_until_it_is_answered() -> None:
    """The peer may have read none of it, and counts all that it was asked for."""
    window, fetch = Window(), fetch_of(limits.PULL_WINDOW_BYTES)
    first, second = (
        window.ask(fetch, 0, limits.MIB),
        window.ask(fetch, limits.MIB, limits.PULL_WINDOW_BYTES - limits.MIB),
    )
    window.cancel(fetch)
    assert not fetch.pulls
    assert not window.has_room(1, 0)
    freed = window.freed
    assert window.refused(first.id) is None
    assert window.bytes == second.length
    assert window.freed > freed, "somebody may wait for that room"
    assert window.has_room(first.length, 0)


def test_what_a_peer_does_not_answer_in_time_takes_no_room() -> None:
    window, silent, other = Window(), fetch_of(100), fetch_of(100)
    pull = window.ask(silent, 0, 100)
    window.ask(other, 0, 30)
    window.unanswered(silent)
    assert (window.bytes, silent.pulls) == (30, set())
    assert window.arrived(pull.id, 0, 100, 0) is None


def test_nothing_of_a_folder_that_is_not_shared_any_more_takes_room() -> None:
    window, mine, other = Window(), fetch_of(100), fetch_of(100)
    window.ask(mine, 0, 60, folder=1)
    window.cancel(mine)
    window.ask(mine, 60, 40, folder=1)
    window.ask(other, 0, 30, folder=2)
    window.leave(1)
    assert (window.bytes, len(window)) == (30, 1)


def test_a_refusal_frees_the_room_and_names_the_transfer() -> None:
    window, fetch = Window(), fetch_of(100)
    pull = window.ask(fetch, 0, 100)
    assert window.refused(pull.id) is fetch
    assert window.refused(pull.id) is None
    assert window.bytes == 0


def test_one_transfer_leaves_room_for_others() -> None:
    window, fetch = Window(), fetch_of(100 * limits.MIB)
    for offset, length in fetch.next_ranges(window, 0):
        window.ask(fetch, offset, length)
    assert window.has_room(limits.CHUNK_BYTES, 0)
    assert window.room() > 0


@pytest.mark.parametrize(
    ("bytes_per_ms", "chunk"),
    [(1, limits.CHUNK_BYTES_MIN), (25_000, 64 * limits.KIB), (120_000, 448 * limits.KIB), (10**7, limits.MIB)],
)
def test_a_chunk_takes_the_link_some_milliseconds(bytes_per_ms: int, chunk: int) -> None:
    window, fetch = Window(), fetch_of(1 << 40)
    assert window.chunk == limits.CHUNK_BYTES
    asked = []
    now = 0.0
    for _ in range(2_000):
        asked += [window.ask(fetch, *piece) for piece in fetch.next_ranges(window, 0)]
        pull = asked.pop(0)
        now += pull.length / bytes_per_ms
        assert window.arrived(pull.id, pull.offset, pull.length, int(now)) is fetch
        fetch.written = pull.offset + pull.length
    assert window.chunk == chunk


def test_a_pause_says_nothing_about_the_link() -> None:
    window, fetch = Window(), fetch_of(1 << 40)
    for second in range(100):
        pull = window.ask(fetch, second * 4096, 4096)
        assert window.arrived(pull.id, pull.offset, pull.length, second * 1_000) is fetch
    assert window.chunk == limits.CHUNK_BYTES


def test_an_id_says_for_which_folder_it_is_and_is_given_out_once() -> None:
    window = Window()
    asked = [window.ask(fetch_of(10), 0, 10, folder).id for folder in (0, 63, 0, 1)]
    assert [folder_of(id_) for id_ in asked] == [0, 63, 0, 1]
    assert len(set(asked)) == 4
    assert max(asked) < 2**32
    with pytest.raises(PeerError, match="nobody asked"):
        window.arrived(max(asked) + 4, 0, 10, 0)


def test_ids_begin_anew_without_those_that_are_in_use() -> None:
    """After 67 million of them. What comes late for one that was given up costs nobody a connection."""
    window = Window()
    long = window.ask(fetch_of(10), 0, 10).id
    window._count = 2**limits.FOLDER_ID_SHIFT - 1
    last = window.ask(fetch_of(10), 0, 10).id
    assert window.new_id() == 0
    assert window.new_id() not in (long, last)
    assert window.arrived(last - 5, 0, 10, 0) is None


def test_a_limit_of_bytes_per_second_closes_the_window_for_bulk_and_not_for_what_is_small() -> None:
    window = Window([ByteRate(1_000_000, 0)])
    assert window.has_limits
    bulk = fetch_of(limits.PULL_WINDOW_BYTES)
    now, asked = 0, 0
    while now < 2_000:
        asked += sum(window.ask(bulk, *piece, now_ms=now).length for piece in bulk.next_ranges(window, now))
        assert window.has_room(1_000, now), "a small content does not wait"
        wait_ms = window.wait_ms(limits.CHUNK_BYTES, now)
        assert wait_ms > 0
        assert not window.has_room(limits.CHUNK_BYTES, now)
        now += wait_ms
    assert asked == pytest.approx(2_000_000, rel=0.2)


def test_a_slow_peer_is_asked_for_less_at_once() -> None:
    window = Window()
    slow = fetch_of(limits.PULL_WINDOW_BYTES * 4)
    now = 0
    asked: list[PullItem] = []
    for _ in range(100):
        asked += [window.ask(slow, *piece) for piece in slow.next_ranges(window, now)]
        pull = asked.pop(0)
        now += pull.length // 100  # 100 kB a second
        window.arrived(pull.id, pull.offset, pull.length, now)
        slow.written += pull.length
    assert window.most == limits.CHUNK_BYTES
    assert window.room() <= limits.CHUNK_BYTES
