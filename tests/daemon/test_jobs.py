"""Disk workers: a job goes to the right pool, its answer to the inbox; a search has a budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from dir_sync.core.jobs import DeltaDone, DeltaJob, DiscardJob, Job, Pruned, PruneJob, ReadDone, ReadItem, ReadJob
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon.inbox import Inbox
from dir_sync.daemon.jobs import DiskWorkers
from dir_sync.daemon.threads import Threads
from dir_sync.network.throttle import Throttle

BOB = Flow("10.0.0.2", "bb")


class Sync:
    """Stands where FileSync is: does nothing, and answers what the test says."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.jobs: list[Job] = []

    def perform(self, job: Job, is_unwanted: Callable[[], bool]) -> Any:
        self.jobs.append(job)
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
    def __init__(self, answer: object, is_left: bool = True) -> None:
        self.sync = Sync(answer)
        self.budget = Budget(is_left)
        self.inbox = Inbox()
        self.threads = Threads(lambda: None)
        self.workers = DiskWorkers(cast(Any, self.sync), self.inbox, Throttle(), self.threads)

    def answer_to(self, flow: Flow, job: Job) -> object:
        """What comes of it with workers that run."""
        self.workers.start(self.budget)
        try:
            self.workers.put(flow, job)
            return self.inbox.get(10)
        finally:
            self.threads.is_ending = True
            self.workers.stop(5)
            self.threads.join(5)


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
    bench.workers.put(BOB, ReadJob("bb", 1, (ReadItem(5, b"f", b"", 0, 70),)))
    bench.workers.put(BOB, DiscardJob((b"part-1",)))
    bench.workers.leave(BOB)
    assert isinstance(bench.inbox.get(0), ReadDone)
    assert bench.inbox.get(0) is None, "our own clearing up goes on"
    assert not bench.sync.jobs
