"""How many files there were lately, and how many were lost."""

from __future__ import annotations

from dir_sync.core.safeguard.file_counts import WINDOW_MS, FileCounts

HOUR_MS = 3_600_000


def test_the_most_of_late_is_forgotten_after_a_while() -> None:
    counts = FileCounts()
    assert counts.most(100, 0) == 100
    assert counts.most(40, 1_000) == 100
    assert counts.most(50, WINDOW_MS) == 100
    assert counts.most(40, WINDOW_MS + 1) == 50


def test_what_was_lost_within_an_hour_counts_as_far_as_it_was_not_replaced() -> None:
    counts = FileCounts()
    counts.sample(100, 0)
    for _ in range(10):
        counts.removed_one(1_000)
    assert counts.lost_in_an_hour(90) == (10, 100)
    assert counts.lost_in_an_hour(97) == (3, 100)
    counts.sample(97, HOUR_MS + 60_000)
    assert counts.lost_in_an_hour(90) == (0, 97)


def test_a_new_minute_is_told() -> None:
    counts = FileCounts()
    assert counts.sample(1, 0)
    assert not counts.sample(2, 59_999)
    assert counts.sample(2, 60_000)


def test_how_many_there_were_at_a_time() -> None:
    counts = FileCounts()
    assert (counts.at(0), counts.at_first) == (0, 0)
    counts.sample(10, 1_000)
    counts.sample(20, 1_100)  # too soon after the last
    counts.sample(30, 2_000)
    assert (counts.at(999), counts.at(1_500), counts.at(2_000), counts.at_first, counts.changed_ms) == (
        0,
        10,
        30,
        10,
        2_000,
    )
