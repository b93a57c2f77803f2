"""A file that keeps changing costs a small share of the time, and is looked at soon after it rests."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.events import Urgency
from dir_sync.core.watching.pace import REST, Pace
from dir_sync.core.watching.pending_looks import PendingLooks

READ_BYTES_PER_MS = 1_000_000
FILE = b"file"


class Desk:
    """One file, its agenda, and a clock. Reading takes time; a look during which somebody writes is in vain."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.known = 0  # its size in the index
        self.agenda, self.pace = PendingLooks(), Pace()
        self.now = 0
        self.looks: list[tuple[int, bool]] = []  # when each was over, and whether it found the file at rest
        self.busy_ms = 0
        self._changed_at = -1
        self._until: tuple[int, int] | None = None  # a look that is under way: began, ends

    def write(self, urgency: Urgency, grows: int = 0) -> None:
        self.size += grows
        self._changed_at = self.now
        span = None
        if urgency is Urgency.WRITING or self.pace.knows(FILE):
            span = self.pace.span(FILE, self.agenda.first_ms(FILE, self.now), self.known, self.now)
        self.agenda.touch(FILE, urgency, self.now, span)

    def run(self, ms: int) -> None:
        for _ in range(ms):
            if self._until is not None and self.now >= self._until[1]:
                began, _ = self._until
                self._until = None
                rests = self._changed_at <= began
                self.looks.append((self.now, rests))
                self.busy_ms += self.now - began
                self.known = self.size
                self.pace.looked(FILE, self.size, self.now - began, self.now, rests)
                self.agenda.postpone(FILE, self.pace.earliest(FILE, self.now))
                if not rests:
                    again = self.pace.earliest(FILE, self.now + limits.DEBOUNCE_MS)
                    self.agenda.put_back(self.pending, again)
            elif self._until is None and (due := self.agenda.take(self.now, 1)):
                self.pending = due[0]
                self._until = self.now, self.now + max(1, self.size // READ_BYTES_PER_MS)
            self.now += 1


def test_a_file_that_never_rests_does_not_cost_a_core_and_is_seen_soon_after_it_rests() -> None:
    desk = Desk(300_000_000)
    for _ in range(6_000):  # ten minutes, ten writes a second
        desk.write(Urgency.WRITING)
        desk.run(100)
    assert desk.busy_ms < 0.05 * desk.now
    assert desk.pace.is_restless(FILE)
    assert desk.pace.restless() == [FILE]
    rested = desk.now
    desk.run(30_000)
    when, rests = desk.looks[-1]
    assert rests
    assert when - rested < 20_000
    assert not desk.pace.is_restless(FILE)


@pytest.mark.parametrize("size", [100_000_000, 1_000_000_000])
def test_a_file_that_is_written_in_two_strokes_is_seen_soon(size: int) -> None:
    desk, cost = Desk(size), size // READ_BYTES_PER_MS
    desk.write(Urgency.NOW)
    desk.run(cost + 200)
    desk.write(Urgency.NOW, 1)
    written = desk.now
    desk.run(30 * cost)
    assert desk.looks[-1][0] - written <= 4 * cost


@pytest.mark.parametrize("size", [100_000_000, 1_000_000_000])
def test_a_log_that_is_opened_and_closed_for_each_line_costs_a_small_share(size: int) -> None:
    desk = Desk(size)
    for _ in range(1_200):
        desk.write(Urgency.NOW, 230)
        desk.run(100)
    assert len(desk.looks) >= 3
    assert desk.busy_ms < 0.07 * desk.now
    written = desk.now
    desk.run((REST + 5) * (size // READ_BYTES_PER_MS))
    assert desk.looks[-1][0] - written < (REST + 3) * (size // READ_BYTES_PER_MS)


def test_an_open_file_that_grows_is_looked_at_less_often_the_larger_it_is() -> None:
    desk = Desk(0)
    gaps: list[int] = []
    for _ in range(1_200):
        seen = len(desk.looks)
        desk.write(Urgency.WRITING, 1_000_000)
        desk.run(99)
        if len(desk.looks) > seen > 0:
            gaps.append(desk.looks[-1][0] - desk.looks[-2][0])
    desk.write(Urgency.NOW)
    desk.run(5_000)
    assert desk.looks[0][0] <= 2_000
    assert len(desk.looks) < 40
    assert gaps[-1] > 4 * gaps[0]


def test_a_save_now_and_then_is_looked_at_at_once() -> None:
    desk = Desk(60_000_000)
    for _ in range(10):
        saved = desk.now
        desk.write(Urgency.NOW)
        desk.run(5_000)
        assert desk.looks[-1][0] - saved < 100


def test_a_small_file_that_is_changed_all_the_time_is_looked_at_a_few_times_a_second() -> None:
    desk = Desk(1_000)
    for _ in range(20_000):
        desk.write(Urgency.NOW)
        desk.run(3)
    assert len(desk.looks) < 4 * desk.now // 1_000
    desk.run(600)
    assert desk.looks[-1][0] > 60_000, "its last state is seen"


def test_a_delete_waits_for_nothing() -> None:
    desk = Desk(100_000_000)
    desk.write(Urgency.NOW)
    desk.run(200)
    desk.write(Urgency.NOW)
    desk.agenda.touch(FILE, Urgency.VANISHED, desk.now)
    assert desk.agenda.next_due() == desk.now + limits.VANISHED_MS


def test_with_an_interval_a_file_is_announced_now_and_then_and_others_at_once() -> None:
    pace = Pace()
    pace.interval_ms = 10_000
    pace.looked(b"busy", 10, 0, 1_000, rests=True)
    pace.told(b"busy", 1_000)
    assert pace.earliest(b"busy", 1_500) == 11_000
    assert pace.earliest(b"busy", 1_500, is_close=True) == 11_000, "each save is a close"
    assert pace.span(b"busy", 1_200, 10, 1_500).earliest_ms == 11_000
    assert pace.earliest(b"other", 1_500) == 1_500
    pace.looked(b"busy", 10, 0, 9_000, rests=True)  # long after the look before: its counts begin anew
    assert pace.earliest(b"busy", 9_000) == 11_000
    assert pace.earliest(b"busy", 12_000) == 12_000


def test_without_an_interval_an_announcement_delays_nothing() -> None:
    pace = Pace()
    pace.looked(b"f", 10, 0, 1_000, rests=True)
    pace.told(b"f", 1_000)
    assert pace.earliest(b"f", 1_001) == 1_001
