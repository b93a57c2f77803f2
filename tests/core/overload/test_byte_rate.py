"""A limit of bytes per second, in simulated time."""

from __future__ import annotations

import random

import pytest

from dir_sync.core.overload.byte_rate import ByteRate


@pytest.mark.parametrize("per_s", [10_000, 1_000_000, 50_000_000])
def test_in_ten_seconds_bulk_uses_what_the_limit_allows_within_two_percent(per_s: int) -> None:
    rate, now, used = ByteRate(per_s, 0), 0, 0
    size = max(1_000, per_s // 100)
    while now < 10_000:
        now += rate.book(size, now)
        used += size
    assert used == pytest.approx(10 * per_s, rel=0.02)


def test_what_does_not_wait_is_paid_for_by_bulk() -> None:
    rate, now, used, rng = ByteRate(1_000_000, 0), 0, 0, random.Random(1)
    while now < 10_000:
        for _ in range(rng.randrange(4)):
            rate.count(2_000, now)
            used += 2_000
        now += max(1, rate.book(64_000, now))
        used += 64_000
    assert used == pytest.approx(10_000_000, rel=0.02)


def test_slots_are_given_in_order_of_arrival() -> None:
    rate = ByteRate(1_000, 0)
    waits = [rate.book(500, 0) for _ in range(4)]
    assert waits == [0, 501, 1_001, 1_501]


def test_a_pause_allows_a_short_burst_only() -> None:
    rate = ByteRate(1_000_000, 0)
    hour = 3_600_000
    assert rate.wait_ms(hour) == 0
    assert rate.book(50_000, hour) == 0
    assert rate.book(1, hour) == 0
    assert rate.book(1, hour) > 0


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    rate = ByteRate(1_000, 1_000)
    rate.count(1_000, 1_000)
    assert rate.wait_ms(500) == rate.wait_ms(1_000) == 1_001
