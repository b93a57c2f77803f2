"""The disk workers of one folder: two pools of threads that do the engine's jobs.

In:   jobs and their flows; flows that ended. Out: the event that answers each job, posted to the inbox.
Rule: small jobs never wait for large ones. A search with a peer's signature is done only while the budget of that
address lasts.
Used by: share.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from dir_sync.core.events import Event
from dir_sync.core.jobs import DeltaDone, DeltaJob, DiscardJob, Job, ReadJob
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon.inbox import HERE, For, Post
from dir_sync.daemon.news import jobs_of
from dir_sync.daemon.threads import Threads
from dir_sync.daemon.workers import Pool, Task, given_up
from dir_sync.file_sync import FileSync, Stopped
from dir_sync.network.throttle import Throttle

__all__ = ["DiskWorkers", "Searches"]

_WORKERS = 3  # of each pool: jobs of one address never occupy all of them


class Searches(Protocol):
    """Counts the CPU time of searches with peers' signatures: the NodeManager."""

    def may_search(self, address: str) -> bool: ...

    def searched_in_vain(self, address: str, seconds: float) -> None: ...


class DiskWorkers:
    """Any thread may add jobs and remove them."""

    def __init__(self, sync: FileSync, inbox: Post, throttle: Throttle, threads: Threads) -> None:
        self._sync = sync
        self._inbox = inbox
        self._threads = threads
        self._small = Pool(_WORKERS, throttle)
        self._bulk = Pool(_WORKERS, throttle)
        self._running: list[threading.Thread] = []

    def start(self, searches: Searches) -> None:
        for pool, name in ((self._small, "disk"), (self._bulk, "bulk")):
            for number in range(_WORKERS):
                self._running.append(self._threads.start(f"{name}-{number + 1}", self._work, pool, searches))

    def stop(self, within_s: float) -> None:
        """No further job is begun. Waits, at most so long, for the answers of those that are being done."""
        self._small.stop()
        self._bulk.stop()
        until = time.monotonic() + within_s
        for thread in self._running:
            thread.join(max(0.0, until - time.monotonic()))

    def put(self, flow: Flow, job: Job) -> None:
        """Queue a job in the share of `flow`; cleanup jobs always belong to this machine's share."""
        if isinstance(job, DiscardJob):
            self._small.put(HERE, job)
        else:
            (self._bulk if job.bulk else self._small).put(flow, job)

    def lend(self, job: ReadJob, answer: Callable[[Event | None], None]) -> None:
        """Read for another folder. `answer` is called with the result, on the worker's thread."""
        self._small.put(Flow(HERE.group, "lent"), job, answer)

    def leave(self, flow: Flow) -> None:
        """A peer disconnected: answer the jobs that only it wanted without doing them."""
        for pool in (self._small, self._bulk):
            for answer in pool.leave(flow):
                self._inbox.put(For(jobs_of(flow), answer))

    def _work(self, pool: Pool, searches: Searches) -> None:
        """The body of a worker's thread."""
        while (task := pool.get()) is not None and not self._threads.is_ending:
            try:
                event = self._perform(task, searches)
            except Stopped:
                return
            pool.done(task)
            if task.answer is not None:
                task.answer(event)
            elif event is not None:
                self._inbox.put(For(jobs_of(task.flow), event))

    def _perform(self, task: Task, searches: Searches) -> Event | None:
        job, address = task.job, str(task.flow.group)
        is_foreign = isinstance(job, DeltaJob) and job.signature is not None
        if is_foreign and not searches.may_search(address):
            return given_up(job)  # its content is fetched as a whole
        begun = time.thread_time()
        event = self._sync.perform(job, lambda: not task.is_wanted)
        if is_foreign and isinstance(event, DeltaDone) and event.delta is None:
            searches.searched_in_vain(address, time.thread_time() - begun)
        return event
