"""Whoever takes most of the time gives way to small changes of others, and to nothing else."""

from __future__ import annotations

from typing import Any, cast

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


def shares(groups: list[str], threads: int, seconds: float = 40.0) -> dict[str, float]:
    """What each group gets of one second, if so many threads work for each all the time, while somebody else makes small
    changes."""
    clock = Clock()
    throttle = Throttle(clock)
    began = clock.now_s
    free = {(group, thread): began for group in groups for thread in range(threads)}  # when each is free again
    spent = dict.fromkeys(groups, 0.0)
    while min(free.values()) < began + seconds:
        clock.now_s = min(free.values())
        throttle.wants_soon(HONEST)
        throttle.spent(HONEST, 0.0001)
        for (group, thread), at in free.items():
            if at > clock.now_s:
                continue
            rest = throttle.until(group)
            if rest > clock.now_s:
                free[group, thread] = rest
                continue
            throttle.spent(group, 0.005)
            spent[group] += 0.005
            free[group, thread] = clock.now_s + 0.005
    return {group: amount / seconds for group, amount in spent.items()}


def test_many_threads_of_one_address_get_no_more_than_one() -> None:
    """Its links have a reader each; the engine and the workers work for it, too."""
    alone = shares([FLOOD], 1)[FLOOD]
    together = shares([FLOOD], 5)[FLOOD]
    assert 0.15 < alone < 0.4
    assert together < 1.5 * alone


def test_several_addresses_that_flood_get_together_what_one_gets() -> None:
    alone = shares([FLOOD], 1)[FLOOD]
    three = shares(["10.0.0.66", "10.0.0.67", "10.0.0.68"], 1)
    assert sum(three.values()) < 1.6 * alone
    assert min(three.values()) > 0.5 * max(three.values()), "and in equal parts"


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
    pool.start(lambda: None)
    jobs = pool.open(cast(Any, None))
    for address in (FLOOD, HONEST):
        pool.put(jobs, Flow(address), DeltaJob("aa", 1, 1, b"f", b"", b"d", b"b", b"signature"))
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


def test_a_turn_that_only_plans_is_charged_to_those_whose_paths_it_plans() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    throttle.wants_soon(HONEST)
    inbox = Inbox(throttle)
    inbox.turn_over(1.0, [(FLOOD, 40), (HONEST, 1)])
    assert list(inbox.resting()) == [FLOOD]


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
