"""The pools of disk workers: shares, and what is left when a peer has gone."""

from __future__ import annotations

import threading

from dir_sync.core.jobs import DeltaDone, DeltaJob, ReadDone, ReadItem, ReadJob, Signed, SignJob, SweepJob
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon.workers import Pool, Task

FLOOD, HONEST = Flow("10.0.0.66", "aa"), Flow("10.0.0.2", "bb")


def delta_job(number: int, peer: str = "aa") -> DeltaJob:
    return DeltaJob(peer, 1, number, b"f", b"", b"d", b"b", b"signature")


def taken(pool: Pool) -> Task:
    task = pool.get()
    assert task is not None
    return task


def test_one_worker_is_left_for_others() -> None:
    pool = Pool(3)
    for number in range(40):
        pool.put(FLOOD, delta_job(number))
    first = [taken(pool), taken(pool)]
    pool.put(HONEST, delta_job(100, "bb"))
    assert taken(pool).flow == HONEST
    assert {task.flow for task in first} == {FLOOD}


def test_while_others_are_there_one_address_has_one_worker() -> None:
    pool = Pool(3)
    pool.put(HONEST, delta_job(100, "bb"))
    for number in range(40):
        pool.put(FLOOD, delta_job(number))
    tasks = [taken(pool), taken(pool)]
    assert {task.flow for task in tasks} == {FLOOD, HONEST}
    pool.put(HONEST, delta_job(101, "bb"))
    for task in tasks:
        pool.done(task)
    assert {taken(pool).flow, taken(pool).flow} == {FLOOD, HONEST}


def test_what_a_peer_that_has_left_wanted_is_answered_and_not_done() -> None:
    pool = Pool(3)
    pool.put(FLOOD, delta_job(0))
    running = taken(pool)
    for number in range(1, 40):
        pool.put(FLOOD, delta_job(number))
    pool.put(FLOOD, ReadJob("aa", 1, (ReadItem(5, b"f", b"", 0, 70),)))
    pool.put(FLOOD, SignJob("aa", 1, 9, b"f", b"", b"d"))
    pool.put(FLOOD, SweepJob(frozenset()))
    answers = pool.leave(FLOOD)
    assert not running.is_wanted
    assert DeltaDone("aa", 1, 39, None, False) in answers
    assert ReadDone("aa", 1, (), (), 70) in answers
    assert Signed("aa", 1, 9, None) in answers
    assert len(answers) == 41
    assert isinstance(taken(pool).job, SweepJob), "what is done for us all stays"


def test_a_worker_that_waits_is_woken_and_ended() -> None:
    pool = Pool(3)
    got: list[Task | None] = []
    worker = threading.Thread(target=lambda: got.extend((pool.get(), pool.get())))
    worker.start()
    pool.put(HONEST, delta_job(1, "bb"))
    while not got and worker.is_alive() and len(pool._queue):
        worker.join(0.01)
    pool.stop()
    worker.join(10)
    assert not worker.is_alive()
    assert got[-1] is None
