"""A schedule in local time: limits that change, `off`, and clocks that are set forward and back."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator

import pytest

from dir_sync.config import checked_rule
from dir_sync.core.overload.byte_rate import NO_LIMIT, SpeedLimits
from dir_sync.daemon.timetable import Timetable

MIB = 1 << 20


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """By a rule, so that no data about time zones are needed."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(*moment: int) -> int:
    return calendar.timegm((*moment, 0, 0, 0))


MONDAY = (2026, 11, 23)


def table(now_s: float, *rules: str, speed: SpeedLimits = SpeedLimits()) -> Timetable:  # noqa: B008
    return Timetable([checked_rule(rule) for rule in rules], speed, now_s)


def test_a_rule_holds_in_local_time_and_then_the_limits_of_before_do() -> None:
    before = utc(*MONDAY, 6, 59)  # 07:59 there
    found = table(before, "mo-fr 08:00-18:00 up=1M", speed=SpeedLimits(up=5_000_000, down=3_000_000))
    pace = found.sending.of_link()
    (asking,) = found.asking.of_link(0)
    assert pace is not None
    changes: list[int] = []
    found.when_changed(lambda: changes.append(pace.per_s))
    for now_s, per_s in ((before, 5_000_000), (before + 60, 1_000_000), (utc(*MONDAY, 17, 0), 5_000_000)):
        found.look(now_s)
        assert pace.per_s == per_s
        assert asking.per_s == 3_000_000, "the rule does not name it"
        assert found.limits == SpeedLimits(up=per_s, down=3_000_000)
    assert changes == [1_000_000, 5_000_000], "once for each change"


def test_a_limit_can_come_where_there_is_none() -> None:
    found = table(utc(*MONDAY, 6, 0), "08:00-18:00 up=1M down=2M")
    pace = found.sending.of_link()
    assert pace is not None
    (asking,) = found.asking.of_link(0)
    assert pace.per_s == asking.per_s == NO_LIMIT
    assert pace.book(100 * MIB) <= time.monotonic() + 1
    found.look(utc(*MONDAY, 7, 0))
    assert (pace.per_s, asking.per_s) == (1_000_000, 2_000_000)
    assert pace.book(MIB) - time.monotonic() < 1.0, "what went before without a limit is not owed"
    assert pace.book(1) - time.monotonic() > 0.5
    found.look(utc(*MONDAY, 17, 0))
    assert pace.per_s == NO_LIMIT


def test_without_rules_nothing_limits_anything() -> None:
    found = table(utc(*MONDAY, 6, 0))
    assert found.sending.of_link() is None
    assert not found.asking.of_link(0)
    assert found.status is None
    assert found.off_until_s is None


def test_off_says_until_when() -> None:
    found = table(utc(*MONDAY, 20, 30), "22:00-06:00 off")
    assert found.off_until_s is None
    status = found.status
    assert status is not None
    assert (status.holds, status.until_s) == ("", utc(*MONDAY, 21, 0))
    found.look(utc(*MONDAY, 22, 0))
    assert found.off_until_s == utc(2026, 11, 24, 5, 0)
    assert table(0, "off").off_until_s == 0, "it never ends"


def test_the_night_in_which_the_clock_is_set_forward_is_an_hour_shorter() -> None:
    """Sunday, 29 March 2026: 02:00 becomes 03:00."""
    found = table(utc(2026, 3, 28, 21, 0), "22:00-06:00 off", "su 02:00-03:00 up=1M")
    assert found.off_until_s == utc(2026, 3, 29, 1, 0), "02:00 there is 03:00 already"
    found.look(utc(2026, 3, 29, 1, 0))
    assert found.off_until_s == utc(2026, 3, 29, 4, 0), "the hour of the other rule does not come"
    found.look(utc(2026, 3, 29, 4, 0))
    assert found.off_until_s is None


def test_an_hour_that_comes_twice_counts_twice() -> None:
    """Sunday, 25 October 2026: 03:00 becomes 02:00."""
    found = table(utc(2026, 10, 25, 0, 0), "02:00-03:00 off")
    for hour, is_off in ((0, True), (1, True), (2, False)):
        found.look(utc(2026, 10, 25, hour, 30))
        assert (found.off_until_s is not None) == is_off, hour
