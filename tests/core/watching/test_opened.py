"""An open file that is rewritten waits for its close, for a time that grows with what its states cost."""

from __future__ import annotations

import pytest

from dir_sync.core.watching.opened import Opened
from dir_sync.core.watching.pace import Pace

FILE = b"file"
MB = 1_000_000


def waits(opened: Opened, now_ms: int) -> int:
    until = opened.until(FILE)
    assert until is not None
    return until - now_ms


def test_the_larger_what_is_replaced_the_longer_an_emptied_file_waits() -> None:
    times = []
    for replaced in (10_000, 10 * MB, 100 * MB):
        opened = Opened()
        assert opened.until(FILE) is None
        times.append(opened.found(FILE, 0, replaced, 5_000) - 5_000)
    assert times == sorted(times)
    assert times[0] >= 3_000
    assert times[-1] > 2 * times[0]


def test_a_small_file_that_was_cut_waits_a_few_seconds_after_the_last_write() -> None:
    opened = Opened()
    opened.found(FILE, 5_000, 10_000, 0)
    for now in range(0, 6_000, 500):
        opened.wrote(FILE, now)
        assert 2_000 < waits(opened, now) < 5_000
    for now in range(6_000, 29_000, 500):
        opened.wrote(FILE, now)
    assert waits(opened, 29_000) < 1_100, "it does not wait for ever"


def test_a_close_ends_all_waiting() -> None:
    opened = Opened()
    opened.found(FILE, 0, 100 * MB, 0)
    opened.closed(FILE)
    assert opened.until(FILE) is None
    assert not opened


def test_a_look_that_had_to_wait_and_found_content_found_it_closed() -> None:
    opened = Opened()
    until = opened.found(FILE, 50 * MB, 100 * MB, 0)
    opened.announced(FILE, 100 * MB, until - 1, until)
    assert not opened


def states(opened: Opened, minutes: int, grows: int) -> list[int]:
    """The sizes of the states that are announced of a file that is rewritten each second and never closed."""
    size, told = 100 * MB, []
    for now in range(0, minutes * 60_000, 1_000):
        size += grows
        opened.wrote(FILE, now)
        until = opened.until(FILE)
        if until is None:
            opened.found(FILE, size, told[-1] if told else size, now)
        elif until <= now:
            opened.announced(FILE, size, now, now)
            told.append(size)
    return told


def test_an_image_that_is_written_all_the_time_is_announced_less_and_less_often() -> None:
    assert 4 <= len(states(Opened(), 60, 0)) <= 50


def test_all_states_of_a_recording_together_cost_little_more_than_the_last() -> None:
    told = states(Opened(), 9, MB)
    assert 1 <= len(told) <= 3
    assert told[0] < told[-1] / 2


@pytest.mark.parametrize("was_open", [True, False])
def test_the_first_close_does_not_wait_and_the_next_does(was_open: bool) -> None:
    pace = Pace()
    pace.looked(FILE, 500 * MB, 1_000, 10_000, True, was_open)
    assert pace.earliest(FILE, 10_100) > 11_000
    assert pace.earliest(FILE, 10_100, is_close=True) == (10_100 if was_open else pace.earliest(FILE, 10_100))
    assert pace.span(FILE, 10_100, 0, 10_100, is_close=True).earliest_ms == pace.earliest(FILE, 10_100, is_close=True)
