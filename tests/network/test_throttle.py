"""Whoever takes most of the time gives way to small changes of others, and to nothing else."""

from __future__ import annotations

from dir_sync.core.jobs import DeltaJob
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon.inbox import For, Inbox
from dir_sync.daemon.workers import Pool
from dir_sync.network.throttle import Throttle

FLOOD, HONEST = "10.0.0.66", "10.0.0.2"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def busy(throttle: Throttle, clock: Clock, group: str = FLOOD, seconds: float = 1.0) -> None:
    """Something is done for a group all the time."""
    end = clock.now_s + seconds
    while clock.now_s < end:
        clock.now_s = max(clock.now_s, throttle.until(group))
        clock.now_s += 0.01
        throttle.spent(group, 0.01)


def test_a_flood_rests_while_somebody_makes_small_changes() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    spent = 0.0
    end = clock.now_s + 20
    while clock.now_s < end:
        throttle.wants_soon(HONEST)
        throttle.spent(HONEST, 0.0005)
        clock.now_s = max(clock.now_s, throttle.until(FLOOD)) + 0.01
        throttle.spent(FLOOD, 0.01)
        spent += 0.01
    assert 20 * 0.2 < spent < 20 * 0.4
    assert throttle.until(HONEST) == 0.0


def test_nobody_rests_for_nobody() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    busy(throttle, clock)
    assert not throttle.resting()
    throttle.wants_soon(FLOOD)
    busy(throttle, clock)
    assert not throttle.resting(), "nor for itself"
    throttle.wants_soon(HONEST)
    clock.now_s += 5.0
    busy(throttle, clock)
    assert not throttle.resting(), "nor for what was long ago"


def test_two_that_seed_do_not_stop_each_other() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(100):
        for group in (FLOOD, HONEST):
            throttle.wants_soon(group)
            clock.now_s += 0.01
            throttle.spent(group, 0.01)
    assert not throttle.resting()


def test_what_is_done_for_this_machine_itself_never_rests() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(100):
        throttle.wants_soon(HONEST)
        throttle.spent("", 0.1, may_rest=False)
    assert not throttle.resting()


def resting(throttle: Throttle, clock: Clock) -> None:
    throttle.wants_soon(HONEST)
    throttle.spent(FLOOD, 1.0)
    assert list(throttle.resting()) == [FLOOD]


def test_a_worker_begins_nothing_for_who_rests() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    resting(throttle, clock)
    pool = Pool(3, throttle)
    for address in (FLOOD, HONEST):
        pool.put(Flow(address), DeltaJob("aa", 1, 1, b"f", b"", b"d", b"b", b"signature"))
    task = pool.get()
    assert task is not None
    assert task.flow.group == HONEST
    pool.done(task)
    clock.now_s += 1.0
    task = pool.get()
    assert task is not None
    assert task.flow.group == FLOOD


def test_news_of_who_rests_wait() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    resting(throttle, clock)
    inbox = Inbox(throttle)
    inbox.put(For(Flow(FLOOD), "flood"))
    inbox.put(For(Flow(HONEST), "honest"))
    assert inbox.get(0) == "honest"
    assert inbox.get(0) is None
    assert inbox.get(0.01) is None
    clock.now_s += 1.0
    assert inbox.get(0) == "flood"


def test_a_turn_is_charged_to_those_it_was_for() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    throttle.wants_soon(HONEST)
    inbox = Inbox(throttle)
    inbox.put(For(Flow(FLOOD), "flood"))
    assert inbox.get(0) == "flood"
    inbox.over()
    inbox.turn_over(1.0)
    assert list(throttle.resting()) == [FLOOD]
