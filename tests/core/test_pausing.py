"""Whether a folder is paused: what a person said last, for as long as it counts, then the schedule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.pausing import NO_END, Pause, Wish, judge, read_wish

NOW_S = 1_700_000_000


def test_a_pause_without_an_end_lasts() -> None:
    wish = Wish(True, NO_END)
    for now_s in (0, NOW_S, 10**12):
        assert judge(wish, None, now_s) == Pause(NO_END)


def test_a_pause_with_an_end_is_over_then() -> None:
    wish = Wish(True, NOW_S + 60)
    assert judge(wish, None, NOW_S + 59.9) == Pause(NOW_S + 60)
    assert judge(wish, None, NOW_S + 60) is None


def test_without_a_wish_the_schedule_decides() -> None:
    assert judge(None, None, NOW_S) is None
    assert judge(None, NOW_S + 5, NOW_S) == Pause(NOW_S + 5, scheduled=True)


def test_a_person_counts_more_than_the_schedule() -> None:
    assert judge(Wish(True, NO_END), NOW_S + 5, NOW_S) == Pause(NO_END)
    resumed = Wish(False, NOW_S + 5)
    assert judge(resumed, NOW_S + 5, NOW_S) is None
    assert judge(resumed, NOW_S + 99, NOW_S + 5) == Pause(NOW_S + 99, scheduled=True), "it counts until the next change"


@given(st.booleans(), st.integers(0, 1 << 40))
def test_a_wish_survives_as_text(pauses: bool, until_s: int) -> None:
    wish = Wish(pauses, until_s)
    assert read_wish(wish.to_text()) == wish


@pytest.mark.parametrize(
    "text", [None, "", 5, "pause", "pause ", "pause x", "pause -1", "pause 1 2", "wait 5", f"pause {10**30}"]
)
def test_a_damaged_note_is_no_wish(text: object) -> None:
    assert read_wish(text) is None
