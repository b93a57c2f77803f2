"""The pools of disk workers: shares of addresses and folders, and what is left when a peer has gone."""

from __future__ import annotations

import threading

import pytest

from dir_sync.core.events import Event
from dir_sync.core.jobs import DeltaDone, DeltaJob, ReadDone, ReadItem, ReadJob, Signed, SignJob, SweepJob
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon.workers import Jobs, Pool, Task

FLOOD, HONEST, HERE = Flow("10.0.0.66", "aa"), Flow("10.0.0.2", "bb"), Flow("")
LONG_S = 0.6


class Nobody:
    """Does nothing: these tests take the jobs themselves."""

    def perform(self, task: Task) -> Event | None: ...

    def answer(self, task: Task, event: Event | None) -> None: ...


class Bench:
    """A pool, its folders, and how many workers it has. The test does what the workers do, and moves the time."""

    def __init__(self, folders: int, workers: int = 3) -> None:
        self.time = 100.0
        self.hired = 0
        self.pool = Pool(workers, clock=lambda: self.time)
        self.folders = [self.pool.open(Nobody()) for _ in range(folders)]
        self.pool.start(self._hire)

    def _hire(self) -> None:
        self.hired += 1

    def put(self, folder: int, flow: Flow, count: int = 1) -> None:
        for number in range(count):
            self.pool.put(self.folders[folder], flow, delta_job(number))

    def take(self) -> Task | None:
        """What the next worker gets; None if it would wait."""
        with self.pool._ready:
            task = self.pool._take()
        self.pool._hire_missing()
        return task

    def take_all(self) -> list[int]:
        """The folders whose jobs can be started now."""
        taken = []
        while (task := self.take()) is not None:
            taken.append(self.folders.index(task.jobs))
        return taken


def delta_job(number: int, peer: str = "aa") -> DeltaJob:
    return DeltaJob(peer, 1, number, b"f", b"", b"d", b"b", b"signature")


def opened() -> tuple[Pool, Jobs]:
    pool = Pool(3)
    pool.start(lambda: None)
    return pool, pool.open(Nobody())


def taken(pool: Pool) -> Task:
    task = pool.get()
    assert task is not None
    return task


# --- addresses, in one folder ------------------------------------------------------------------------------------------


def test_one_worker_is_left_for_others() -> None:
    pool, jobs = opened()
    for number in range(40):
        pool.put(jobs, FLOOD, delta_job(number))
    first = [taken(pool), taken(pool)]
    pool.put(jobs, HONEST, delta_job(100, "bb"))
    assert taken(pool).flow == HONEST
    assert {task.flow for task in first} == {FLOOD}


def test_while_others_are_there_one_address_has_one_worker() -> None:
    pool, jobs = opened()
    pool.put(jobs, HONEST, delta_job(100, "bb"))
    for number in range(40):
        pool.put(jobs, FLOOD, delta_job(number))
    tasks = [taken(pool), taken(pool)]
    assert {task.flow for task in tasks} == {FLOOD, HONEST}
    pool.put(jobs, HONEST, delta_job(101, "bb"))
    for task in tasks:
        pool.done(task)
    assert {taken(pool).flow, taken(pool).flow} == {FLOOD, HONEST}


def test_what_a_peer_that_has_left_wanted_is_answered_and_not_done() -> None:
    pool, jobs = opened()
    pool.put(jobs, FLOOD, delta_job(0))
    running = taken(pool)
    for number in range(1, 40):
        pool.put(jobs, FLOOD, delta_job(number))
    pool.put(jobs, FLOOD, ReadJob("aa", 1, (ReadItem(5, b"f", b"", 0, 70),)))
    pool.put(jobs, FLOOD, SignJob("aa", 1, 9, b"f", b"", b"d"))
    pool.put(jobs, FLOOD, SweepJob(frozenset()))
    answers = pool.leave(jobs, FLOOD)
    assert not running.is_wanted
    assert DeltaDone("aa", 1, 39, None, False) in answers
    assert ReadDone("aa", 1, (), (), 70) in answers
    assert Signed("aa", 1, 9, None) in answers
    assert len(answers) == 41
    assert isinstance(taken(pool).job, SweepJob), "what is done for us all stays"


# --- several folders ---------------------------------------------------------------------------------------------------


def test_a_folder_alone_has_three_workers_however_long_its_jobs_take() -> None:
    bench = Bench(1)
    assert bench.hired == 3
    for flow in (HERE, FLOOD, HONEST):
        bench.put(0, flow, 5)
    assert len(bench.take_all()) == 3
    bench.time += LONG_S
    assert bench.take_all() == []
    assert bench.hired == 3


def test_many_folders_have_as_few_workers_as_two() -> None:
    assert Bench(2).hired == Bench(20).hired == 5


def test_a_folder_beside_others_has_as_many_workers_as_alone_and_never_all() -> None:
    bench = Bench(2)
    for flow in (HERE, FLOOD, HONEST):
        bench.put(0, flow, 5)
    assert bench.take_all() == [0, 0, 0]
    bench.put(1, HERE)
    assert bench.take_all() == [1]


def test_folders_are_served_in_turn() -> None:
    bench = Bench(3)
    bench.put(0, HERE, 50)
    order = []
    for _ in range(3):
        bench.put(1, HERE, 2)
        bench.put(2, HERE, 2)
        for _ in range(3):
            task = bench.take()
            assert task is not None
            bench.time += 0.01
            bench.pool.done(task)
            order.append(bench.folders.index(task.jobs))
    assert order == [0, 1, 2] * 3


def test_an_address_does_not_get_all_workers_by_many_folders() -> None:
    bench = Bench(8)
    for folder in range(8):
        bench.put(folder, FLOOD, 5)
    assert len(bench.take_all()) == 2
    bench.put(7, HONEST)
    assert bench.take_all() == [7]
    for folder in range(8):
        bench.put(folder, HERE, 5)
    assert len(bench.take_all()) == 1


def test_disks_that_hang_stop_only_their_own_folders() -> None:
    bench = Bench(4)
    hang = []
    for folder in (0, 1):
        for flow in (HERE, FLOOD, HONEST):
            bench.put(folder, flow, 5)
    for _ in range(5):
        hang += bench.take_all()
        bench.time += LONG_S
    assert sorted(hang) == [0, 0, 0, 1, 1, 1], "a folder has no more workers than alone"
    for folder in (2, 3):
        bench.put(folder, HERE, 2)
    assert sorted(bench.take_all()) == [2, 2, 3]
    assert bench.hired == bench.pool.wanted() == 5 + 6, "each worker that hangs has another in its place"


def test_who_waits_while_all_places_are_taken_goes_on_when_a_job_takes_long() -> None:
    bench = Bench(3)
    for folder in (0, 1):
        for flow in (HERE, FLOOD):
            bench.put(folder, flow, 3)
    assert len(bench.take_all()) == 4
    bench.put(2, HERE)
    assert bench.take() is None
    patience = bench.pool._patience_s()
    assert patience is not None
    assert patience <= LONG_S, "a worker looks again in time"
    bench.time += patience + 0.001
    assert 2 in bench.take_all()


def test_workers_that_took_the_place_of_others_end_when_those_are_back() -> None:
    bench = Bench(2)
    bench.put(0, HERE, 1)
    task = bench.take()
    assert task is not None
    bench.time += LONG_S
    bench.put(1, HERE)
    assert bench.take_all() == [1]
    assert bench.hired == 6
    bench.pool.done(task)
    assert bench.pool.wanted() == 5
    assert bench.pool.get() is None, "the worker that comes back is one too many"
    assert bench.pool._hired == 5


def test_a_folder_that_is_closed_gets_no_worker_and_is_waited_for() -> None:
    bench = Bench(2)
    bench.put(0, HERE, 5)
    task = bench.take()
    assert task is not None
    waited = threading.Thread(target=bench.pool.close, args=(bench.folders[0], 30.0))
    waited.start()
    while bench.pool.wanted() > 3 + 1:
        waited.join(0.01)
    assert bench.take() is None
    assert waited.is_alive()
    bench.pool.done(task)
    waited.join(10)
    assert not waited.is_alive()
    assert bench.pool.get() is None, "one folder is left, and needs no more than three workers"


@pytest.mark.parametrize(("folders", "workers"), [(2, 1), (2, 3), (3, 1), (3, 3)])
def test_the_disk_of_a_folder_that_was_closed_keeps_no_place_from_those_that_are_left(
    folders: int, workers: int
) -> None:
    """Its job may never end."""
    bench = Bench(folders, workers)
    for flow in (HERE, FLOOD, HONEST):
        bench.put(0, flow, 2)
    hung = bench.take_all()
    assert hung == [0] * workers
    bench.pool.close(bench.folders[0], 0.0)
    for folder in range(1, folders):
        for flow in (HERE, FLOOD, HONEST):
            bench.put(folder, flow, 2)
    spare = folders > 2  # one more place beside several folders, and a worker that finds nothing to do
    assert len(bench.take_all()) == workers + spare
    assert bench.pool._hired >= bench.pool.wanted() == workers + 2 * spare + len(hung), "each is replaced"


def test_a_worker_that_waits_is_woken_and_ended() -> None:
    pool, jobs = opened()
    got: list[Task | None] = []
    worker = threading.Thread(target=lambda: got.extend((pool.get(), pool.get())))
    worker.start()
    pool.put(jobs, HONEST, delta_job(1, "bb"))
    while not got and worker.is_alive() and len(jobs.waiting):
        worker.join(0.01)
    pool.stop()
    worker.join(10)
    assert not worker.is_alive()
    assert got[-1] is None
