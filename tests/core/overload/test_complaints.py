"""One line a minute for each address that breaks the protocol."""

from __future__ import annotations

from dir_sync.core.overload.complaints import Complaints


def test_one_line_a_minute_tells_how_many_there_were() -> None:
    complaints = Complaints()
    told = [complaints.add("10.0.0.66", second / 10) for second in range(1_300)]
    assert [count for count in told if count is not None] == [0, 599, 599]
    assert complaints.add("10.0.0.2", 5.0) == 0, "another address has a line of its own"


def test_that_it_comes_again_is_news_after_a_minute() -> None:
    complaints = Complaints()
    assert not complaints.is_recent("10.0.0.66", 0.0)
    complaints.add("10.0.0.66", 1.0)
    assert complaints.is_recent("10.0.0.66", 60.0)
    assert not complaints.is_recent("10.0.0.66", 62.0)


def test_a_flood_of_addresses_is_forgotten() -> None:
    complaints = Complaints()
    for number in range(5_000):
        complaints.add(f"10.0.{number // 256}.{number % 256}", 1.0)
    assert len(complaints._told) <= 1_024


def test_what_had_no_line_is_told_when_it_has_stopped() -> None:
    complaints = Complaints()
    for second in range(30):
        complaints.add("10.0.0.66", float(second))
    complaints.add("10.0.0.2", 20.0)
    assert complaints.left(59.0) == []
    assert complaints.left(61.0) == [("10.0.0.66", 29)]
    assert complaints.left(200.0) == [], "once"
    assert complaints.add("10.0.0.66", 201.0) == 0
