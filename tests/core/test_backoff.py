"""Waits that get longer."""

from __future__ import annotations

from dir_sync.core.backoff import backoff, longer


def test_a_wait_doubles_up_to_its_bound() -> None:
    assert [backoff(250, failures, 30_000) for failures in (0, 1, 2, 6, 7, 8, 10**6)] == [
        *(250, 500, 1_000, 16_000, 30_000, 30_000, 30_000)
    ]


def test_the_next_wait_follows_from_the_last() -> None:
    assert [longer(2, 30), longer(16.0, 30.0), longer(30, 30)] == [4, 30, 30]
