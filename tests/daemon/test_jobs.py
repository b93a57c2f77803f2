"""Disk workers: a job goes to the right pool, its answer to the inbox; a search has a budget."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, current_thread
from typing import Any, cast

import pytest

from dir_sync.core.jobs import (
    Applied,
    ApplyJob,
    DeltaDone,
    DeltaJob,
    DiscardJob,
    Job,
    Pruned,
    PruneJob,
    ReadDone,
    ReadItem,
    ReadJob,
)
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon import jobs
from dir_sync.daemon.inbox import HERE, Inbox
from dir_sync.daemon.jobs import DiskWorkers, FolderJobs
from dir_sync.daemon.threads import DiskHangs, Threads
from dir_sync.daemon.workers import Task
from dir_sync.network.throttle import Throttle

BOB = Flow("10.0.0.2", "bb")


class Sync:
    """Stands where FileSync is: does nothing, and answers what the test says."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.jobs: list[Job] = []

    def perform(
        self, job: Job, is_unwanted: Callable[[], bool] = lambda: False, may_name: Callable[[], None] = lambda: None
    ) -> Any:
        self.jobs.append(job)
        may_name()
        return self.answer


class Budget:
    def __init__(self, is_left: bool) -> None:
        self.is_left = is_left
        self.in_vain: list[str] = []

    def may_search(self, address: str) -> bool:
        return self.is_left

    def searched_in_vain(self, address: str, seconds: float) -> None:
        self.in_vain.append(address)


class Bench:
    """The workers of a node with one folder."""

    def __init__(self, answer: object, is_left: bool = True) -> None:
        self.sync = Sync(answer)
        self.budget = Budget(is_left)
        self.inbox = Inbox()
        self.threads = Threads(lambda: None)
        self.workers = DiskWorkers(Throttle())
        self.jobs = self.folder(self.sync, self.inbox)

    def folder(self, sync: Sync, inbox: Inbox) -> FolderJobs:
        return FolderJobs(cast(Any, sync), inbox, self.workers, lambda: self.threads.is_ending)

    @contextmanager
    def working(self) -> Iterator[None]:
        self.workers.start(self.budget, self.threads)
        try:
            yield
        finally:
            self.threads.is_ending = True
            self.workers.stop()
            self.threads.join(5)

    def answer_to(self, flow: Flow, job: Job) -> object:
        """What comes of it with workers that run."""
        with self.working():
            self.jobs.put(flow, job)
            return self.inbox.get(10)


def delta_job(signature: bytes | None) -> DeltaJob:
    return DeltaJob("bb", 1, 9, b"f", b"", b"d", b"b", signature)


def test_a_job_is_done_and_its_answer_posted() -> None:
    bench = Bench(Pruned((b"v",)))
    assert bench.answer_to(BOB, PruneJob((b"v",))) == Pruned((b"v",))
    assert bench.sync.jobs == [PruneJob((b"v",))]


def test_a_search_in_vain_is_charged_to_its_address() -> None:
    bench = Bench(DeltaDone("bb", 1, 9, None, False))
    bench.answer_to(BOB, delta_job(b"signature"))
    assert bench.budget.in_vain == ["10.0.0.2"]


def test_an_address_that_has_used_up_its_searches_gets_no_delta() -> None:
    bench = Bench(DeltaDone("bb", 1, 9, b"delta", False), is_left=False)
    assert bench.answer_to(BOB, delta_job(b"signature")) == DeltaDone("bb", 1, 9, None, False)
    assert not bench.sync.jobs


def test_a_delta_to_a_signature_of_ours_costs_no_budget() -> None:
    bench = Bench(DeltaDone("bb", 1, 9, None, False), is_left=False)
    bench.answer_to(BOB, delta_job(None))
    assert bench.sync.jobs
    assert not bench.budget.in_vain


def test_what_a_peer_wanted_that_has_left_is_answered_and_not_done() -> None:
    bench = Bench(None)
    bench.jobs.put(BOB, ReadJob("bb", 1, (ReadItem(5, b"f", b"", 0, 70),)))
    bench.jobs.put(BOB, DiscardJob((b"part-1",)))
    bench.jobs.leave(BOB)
    assert isinstance(bench.inbox.get(0), ReadDone)
    assert bench.inbox.get(0) is None, "our own clearing up goes on"
    assert not bench.sync.jobs


class Hanging(Sync):
    """A disk that does not answer before the test says so."""

    def __init__(self) -> None:
        super().__init__(Pruned((b"late",)))
        self.is_back = Event()

    def perform(self, job: Job, *more: Callable[[], Any]) -> Any:
        answer = super().perform(job, *more)
        assert self.is_back.wait(30)
        return answer


def test_a_disk_that_hangs_stops_its_folder_alone() -> None:
    bench = Bench(Pruned((b"v",)))
    away = [(Hanging(), Inbox()) for _ in range(4)]
    with bench.working():
        for sync, inbox in away:
            jobs = bench.folder(sync, inbox)
            for number in range(10):
                for flow in (HERE, BOB, Flow("10.0.0.3", "cc")):
                    jobs.put(flow, PruneJob((b"%d" % number,)))
        try:
            for number in range(20):
                bench.jobs.put(HERE, PruneJob((b"%d" % number,)))
                assert bench.inbox.get(10) == Pruned((b"v",))
            assert all(len(sync.jobs) <= 3 for sync, _ in away)
        finally:
            for sync, _ in away:
                sync.is_back.set()
        assert away[0][1].get(10) == Pruned((b"late",)), "it goes on when its disk is back"


def test_a_worker_that_waits_keeps_nothing_of_its_last_job() -> None:
    """A job to list folders knows all names in them. Here the task keeps a function, because that can be observed."""
    bench = Bench(None)
    done = Event()

    def answer(event: object) -> None:
        done.set()

    kept = weakref.ref(answer)
    with bench.working():
        bench.jobs.lend(ReadJob("bb", 1, ()), answer)
        assert done.wait(10)
        del answer
        until = time.monotonic() + 10
        while kept() is not None and time.monotonic() < until:
            time.sleep(0.001)
        assert kept() is None


def test_what_is_waited_for_is_done_and_its_error_raised() -> None:
    bench = Bench(None)
    done: list[str] = []
    with bench.working():
        bench.jobs.wait_for(lambda: done.append(current_thread().name))
        with pytest.raises(ZeroDivisionError):
            bench.jobs.wait_for(lambda: done.append(str(1 // 0)))
    assert [name.partition("-")[0] for name in done] == ["check"]


def test_a_disk_that_hangs_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was asked before goes on when it is back; what has not begun by then never begins."""
    monkeypatch.setattr(jobs, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(jobs, "_LOOK_S", 0.01)
    bench = Bench(None)
    back, ended, begun = Event(), Event(), Event()

    def hang() -> None:
        assert back.wait(30)
        ended.set()

    with bench.working():
        for work in (hang, begun.set):
            with pytest.raises(DiskHangs):
                bench.jobs.wait_for(work)
        back.set()
        assert ended.wait(10)
        bench.jobs.wait_for(lambda: None)
    assert not begun.is_set()


def test_what_is_waited_for_at_the_end_is_done_without_a_worker() -> None:
    bench = Bench(None)
    bench.jobs.stop(0)
    bench.threads.is_ending = True
    done: list[int] = []
    bench.jobs.wait_for(lambda: done.append(1))
    assert done == [1]


def test_who_waits_for_the_end_of_a_job_finds_its_answer() -> None:
    """At a clean stop the index takes in what is on the disk."""
    bench = Bench(Pruned((b"v",)))
    pool = bench.workers.bulk
    pool.start(lambda: None)
    bench.workers.searches = bench.budget
    done, posted = pool.done, list[int]()

    def note(task: Task) -> None:
        posted.append(bench.inbox.qsize())
        done(task)

    pool.done = note  # type: ignore[method-assign]
    bench.jobs.put(BOB, PruneJob((b"v",)))
    assert DiskWorkers._work_once(pool)
    assert posted == [1]


def test_a_fault_of_a_folder_that_is_being_closed_ends_nothing() -> None:
    bench = Bench(None)
    bench.sync.perform = fail  # type: ignore[method-assign]
    with bench.working():
        bench.threads.is_ending = True
        bench.jobs.put(HERE, PruneJob((b"name",)))
        bench.jobs.stop(10)
    assert bench.threads.failed is None


def fail(job: Job, is_unwanted: Callable[[], bool]) -> Any:
    raise OSError("the disk is closed")


@pytest.mark.parametrize("is_durable", [True, False])
def test_a_job_that_began_early_waits_for_the_index(is_durable: bool) -> None:
    bench = Bench(Applied(()))
    with bench.working():
        gate = bench.jobs.put_early(BOB, ApplyJob(()))
        until = time.monotonic() + 30
        while not bench.sync.jobs and time.monotonic() < until:
            pass
        assert bench.inbox.get(0.01) is None, "it has begun, and waits"
        if is_durable:
            gate.open()
            assert bench.inbox.get(30.0) == Applied(())
        else:
            gate.fail()
            assert bench.inbox.get(0.05) is None, "it ended without an answer"
