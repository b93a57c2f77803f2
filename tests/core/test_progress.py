"""Moving averages and the time that is left: in simulated time."""

from __future__ import annotations

from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.progress import Meter, Progress, Speed


def test_a_speed_follows_what_it_is_told() -> None:
    speed = Speed()
    assert speed.per_s == 0
    for second in range(60):
        speed.sample(second * 1_000, second * 1_000)
    assert round(speed.per_s) == 1_000
    for second in range(60, 90):
        speed.sample(60_000 + (second - 60) * 10, second * 1_000)
    assert 10 <= speed.per_s < 60, "what was half a minute ago hardly counts"
    assert speed.best > 500, "but it is remembered as the best"


def test_samples_that_follow_at_once_do_not_count() -> None:
    """Several programs may ask at the same moment."""
    speed = Speed()
    speed.sample(0, 0)
    speed.sample(50_000, 1)
    assert speed.per_s == 0
    speed.sample(50_000, 1_000)
    assert round(speed.per_s) == 50_000


def test_a_speed_after_a_long_gap_begins_anew() -> None:
    speed = Speed()
    speed.sample(0, 0)
    speed.sample(10_000, 1_000)
    speed.sample(10_000_000, 3_600_000)
    assert speed.per_s == 0
    speed.sample(10_002_000, 3_601_000)
    assert round(speed.per_s) == 2_000


def run(meter: Meter, *lacks: Lack, from_ms: int = 0) -> int:
    """One sample each second."""
    now_ms = from_ms
    for lack in lacks:
        meter.sample(lack, now_ms)
        now_ms += 1_000
    return now_ms - 1_000


def test_nothing_is_lacking() -> None:
    meter = Meter()
    assert meter.progress(run(meter, NOTHING, NOTHING)) is None


def test_a_large_file_has_a_speed_and_an_end() -> None:
    meter = Meter()
    now_ms = run(meter, *(Lack(1, 100_000 - 1_000 * second, 0) for second in range(11)))
    assert meter.progress(now_ms) == Progress(
        files=1, files_done=0, bytes=100_000, bytes_done=10_000, others=0, others_done=0,
        per_s=1_000, seconds=10, left_s=90,
    )  # fmt: skip


def test_many_small_files_take_time_by_their_number() -> None:
    meter = Meter()
    now_ms = run(meter, *(Lack(20_000 - 100 * second, 20_000 - 100 * second, 0) for second in range(20)))
    found = meter.progress(now_ms)
    assert found is not None
    assert (found.files, found.files_done) == (20_000, 1_900)
    assert found.left_s == 181


def test_small_files_do_not_make_the_estimate_for_a_large_one_behind_them() -> None:
    """Known from before: how fast bytes can come. Else the first estimate was half an hour, and it took minutes."""
    meter, size = Meter(), 500_000_000
    now_ms = run(meter, *(Lack(1_001, size + 50_000_000 - 10_000_000 * second, 0) for second in range(6)))
    now_ms = run(meter, *(Lack(1_001 - 200 * second, size, 0) for second in range(5)), from_ms=now_ms + 1_000)
    found = meter.progress(now_ms)
    assert found is not None
    assert found.left_s is not None
    assert found.left_s < 100


def test_what_is_added_makes_the_whole_larger_and_takes_nothing_back() -> None:
    meter = Meter()
    now_ms = run(meter, Lack(10, 1_000, 0), Lack(5, 500, 0), Lack(25, 2_500, 4))
    found = meter.progress(now_ms)
    assert found is not None
    assert (found.files_done, found.files, found.bytes_done, found.bytes, found.others) == (5, 30, 500, 3_000, 4)


def test_a_short_pause_is_no_end_and_a_long_one_is() -> None:
    meter = Meter()
    now_ms = run(meter, Lack(10, 1_000, 0), NOTHING, NOTHING, Lack(1, 10, 0))
    found = meter.progress(now_ms)
    assert found is not None
    assert (found.files_done, found.files) == (10, 11)
    now_ms = run(meter, *[NOTHING] * 5, Lack(3, 30, 0), from_ms=now_ms + 1_000)
    found = meter.progress(now_ms)
    assert found is not None
    assert (found.files_done, found.files, found.seconds) == (0, 3, 0)


def test_a_lost_connection_neither_brings_what_is_lacking_nor_makes_the_whole_larger() -> None:
    meter = Meter()
    now_ms = run(meter, Lack(1, 300, 0), Lack(1, 200, 0))
    for lost in range(3):
        now_ms += 1_000
        meter.sample(NOTHING, now_ms, went=True)
        assert meter.progress(now_ms) is None
        now_ms += 10_000
        meter.sample(Lack(1, 300, 0), now_ms, came=True)  # it is not known yet that a part of it is here
        found = meter.progress(now_ms)
        assert found is not None
        assert (found.files, found.bytes, found.bytes_done) == (1, 300, 0)
        now_ms += 1_000
        meter.sample(Lack(1, 200, 0), now_ms)
        found = meter.progress(now_ms)
        assert found is not None
        assert (found.files, found.files_done, found.bytes, found.bytes_done) == (1, 0, 300, 100), lost
        assert found.per_s <= 100, "what was here before did not fly in a moment"


def test_a_connection_that_is_there_again_at_the_next_look_makes_the_whole_not_larger_either() -> None:
    meter = Meter()
    now_ms = run(meter, Lack(1, 300, 0), Lack(1, 200, 0))
    meter.sample(Lack(1, 300, 0), now_ms + 1_000, went=True, came=True)
    meter.sample(Lack(1, 200, 0), now_ms + 2_000)
    found = meter.progress(now_ms + 2_000)
    assert found is not None
    assert (found.bytes, found.bytes_done) == (300, 100)


def test_what_a_machine_brings_that_was_never_here_makes_the_whole_larger() -> None:
    meter = Meter()
    now_ms = run(meter, Lack(1, 300, 0), Lack(1, 200, 0))
    meter.sample(Lack(2, 700, 0), now_ms + 1_000, came=True)
    found = meter.progress(now_ms + 1_000)
    assert found is not None
    assert (found.files, found.bytes, found.bytes_done) == (2, 800, 100)


def test_who_is_back_after_a_long_time_begins_anew() -> None:
    meter = Meter()
    now_ms = run(meter, Lack(1, 300, 0), Lack(1, 200, 0))
    meter.sample(NOTHING, now_ms + 1_000, went=True)
    meter.sample(Lack(1, 200, 0), now_ms + 100_000, came=True)
    found = meter.progress(now_ms + 100_000)
    assert found is not None
    assert (found.bytes, found.bytes_done) == (200, 0)


def test_what_stands_still_has_no_end() -> None:
    meter = Meter()
    assert meter.progress(run(meter, *[Lack(1, 1_000, 0)] * 10)) == Progress(1, 0, 1_000, 0, 0, 0, 0, 9, None)


def test_what_came_to_a_stop_has_no_end_until_it_goes_on() -> None:
    """An average that only fades would tell of hours, then of years."""
    meter = Meter()
    now_ms = run(meter, *(Lack(0, 0, 300 - 10 * second) for second in range(6)))
    found = meter.progress(now_ms)
    assert found is not None
    assert found.left_s == 25
    now_ms = run(meter, *[Lack(0, 0, 250)] * 10, from_ms=now_ms + 1_000)
    found = meter.progress(now_ms)
    assert found is not None
    assert found.left_s is None
    now_ms = run(meter, Lack(0, 0, 240), Lack(0, 0, 230), from_ms=now_ms + 1_000)
    found = meter.progress(now_ms)
    assert found is not None
    assert found.left_s is not None


def test_only_folders_and_deletions_are_left() -> None:
    meter = Meter()
    found = meter.progress(run(meter, *(Lack(0, 0, 1_000 - 100 * second) for second in range(6))))
    assert found is not None
    assert (found.others, found.others_done, found.left_s) == (1_000, 500, 5)
