"""The disk workers of a node, and the jobs of each of its folders: two pools of threads that do the engines' jobs.

In:   jobs and their flows; flows that ended. Out: the event that answers each job, posted to the inbox of its folder.
Rule: small jobs never wait for large ones, and no folder waits for the disk of another. A search with a peer's signature is
done only while the budget of that address lasts.
Used by: share, sharing.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from dir_sync.core.events import Event
from dir_sync.core.jobs import ApplyJob, DeltaDone, DeltaJob, DiscardJob, Job, ReadJob
from dir_sync.core.overload.fairness import Flow
from dir_sync.core.verify import VerifyJob
from dir_sync.daemon.inbox import HERE, For, Post
from dir_sync.daemon.news import jobs_of
from dir_sync.daemon.priority import lower
from dir_sync.daemon.threads import DiskHangs, Threads
from dir_sync.daemon.workers import Jobs, Pool, Task, given_up
from dir_sync.file_sync import FileSync, Stopped
from dir_sync.network.throttle import Throttle

__all__ = ["DiskWorkers", "FolderJobs", "Searches"]

_PATIENCE_S = 10.0  # a stick may take seconds to write; all folders of the node wait meanwhile
_LOOK_S = 0.2
_WORKERS = 3  # of each pool, for a folder: jobs of one address never occupy all of them


class Searches(Protocol):
    """Counts the CPU time of searches with peers' signatures: the NodeManager."""

    def may_search(self, address: str) -> bool: ...

    def searched_in_vain(self, address: str, seconds: float) -> None: ...


class IndexGate:
    """Holds a job until the index says durably what it is about to do. The engine's thread opens it; a worker waits."""

    def __init__(self) -> None:
        self._closed = threading.Lock()
        self._closed.acquire()
        self._has_failed = False

    def open(self) -> None:
        self._closed.release()

    def fail(self) -> None:
        """The index could not be written: the job ends without a change of the tree."""
        self._has_failed = True
        self._closed.release()

    def wait(self) -> None:
        """Raises Stopped if the gate failed."""
        with self._closed:
            if self._has_failed:
                raise Stopped


class DiskWorkers:
    """The threads, and what the folders of the node put into their pools."""

    def __init__(self, throttle: Throttle) -> None:
        self.small = Pool(_WORKERS, throttle)
        self.bulk = Pool(_WORKERS, throttle)
        self.checks = Pool(1)  # is the folder still there: no other job delays the answer
        self.idle = Pool(
            1
        )  # reads everything again, when nobody else wants the disk; a thread comes with its first job
        self._all = {"disk": self.small, "bulk": self.bulk, "check": self.checks, "idle": self.idle}

    def start(self, searches: Searches, threads: Threads) -> None:
        self.searches = searches
        self._threads = threads
        for name, pool in self._all.items():
            pool.start(partial(self._hire, pool, name, itertools.count(1)))

    def _hire(self, pool: Pool, name: str, numbers: Iterator[int]) -> None:
        self._threads.start(f"{name}-{next(numbers)}", self._work, pool)

    def stop(self) -> None:
        """Workers end, each after its job."""
        for pool in self._all.values():
            pool.stop()

    def _work(self, pool: Pool) -> None:
        """The body of a worker's thread."""
        if pool is self.idle:
            lower()
        while not self._threads.is_ending and self._work_once(pool):
            pass

    @staticmethod
    def _work_once(pool: Pool) -> bool:
        """False at the end. A job is over when its answer is posted: who waits for the end of a job finds the answer. What both
        hold is not kept while the worker waits for the next one: these are the names of thousands of files."""
        task = pool.get()
        if task is None:
            return False
        try:
            task.jobs.doer.answer(task, task.jobs.doer.perform(task))
        except Stopped:
            pass
        finally:
            pool.done(task)
        return True


class FolderJobs:
    """Those of one folder. Any thread may add jobs and remove them."""

    def __init__(self, sync: FileSync, inbox: Post, workers: DiskWorkers, is_ending: Callable[[], bool]) -> None:
        """`is_ending`: from now on errors do not count, because everything is being closed."""
        self._sync = sync
        self._inbox = inbox
        self._workers = workers
        self._is_ending = is_ending
        self._jobs: dict[Pool, Jobs] = {pool: pool.open(self) for pool in (workers.small, workers.bulk, workers.checks)}

    def stop(self, within_s: float) -> None:
        """No further job is begun. Waits, at most so long, for the answers of those that are being done."""
        until = time.monotonic() + within_s
        for pool, jobs in self._jobs.items():
            pool.close(jobs, max(0.0, until - time.monotonic()))

    def put(self, flow: Flow, job: Job) -> None:
        """Queue a job in the share of `flow`; cleanup jobs always belong to this machine's share."""
        if isinstance(job, DiscardJob):
            self._put(self._workers.small, HERE, job)
        else:
            self._put(self._workers.bulk if job.bulk else self._workers.small, flow, job)

    def put_idle(self, job: VerifyJob) -> None:
        """Queue a job that waits for everything else on this machine."""
        pool = self._workers.idle
        if pool not in self._jobs:
            self._jobs[pool] = pool.open(self)
        self._put(pool, HERE, job)

    def put_early(self, flow: Flow, job: ApplyJob) -> IndexGate:
        """Queue a job whose contents came with it, before the index is durable: it writes them meanwhile, and changes
        nothing in the tree until the gate opens."""
        gate = IndexGate()
        self._workers.small.put(self._jobs[self._workers.small], flow, job, may_name=gate.wait)
        return gate

    def check(self, work: Callable[[], None]) -> None:
        """Call this on a worker's thread, at once."""
        self._put(self._workers.checks, HERE, work)

    def wait_for(self, work: Callable[[], None]) -> None:
        """Have this done by a worker, and wait for it. Raises what it raises; DiskHangs after a while without an end. Then it is
        not begun any more, and what it uses must not be used before it has ended."""
        turn = threading.Lock()  # who gets it does the work
        done = threading.Event()
        failed: list[Exception] = []

        def do() -> None:
            if turn.acquire(blocking=False):
                try:
                    work()
                except Exception as error:
                    failed.append(error)
                finally:
                    done.set()

        self.check(do)
        until = time.monotonic() + _PATIENCE_S
        while not done.wait(_LOOK_S):
            if self._is_ending() and turn.acquire(blocking=False):  # no worker begins it any more
                work()
                return
            if time.monotonic() >= until:
                turn.acquire(blocking=False)
                raise DiskHangs
        if failed:
            raise failed[0]

    def lend(self, job: ReadJob, answer: Callable[[Event | None], None]) -> None:
        """Read for another folder. `answer` is called with the result, on a worker's thread."""
        self._put(self._workers.small, Flow(HERE.group, "lent"), job, answer)

    def _put(
        self,
        pool: Pool,
        flow: Flow,
        job: Job | Callable[[], None],
        answer: Callable[[Event | None], None] | None = None,
    ) -> None:
        pool.put(self._jobs[pool], flow, job, answer)

    def leave(self, flow: Flow) -> None:
        """A peer disconnected: answer the jobs that only it wanted without doing them."""
        for pool, jobs in self._jobs.items():
            for answer in pool.leave(jobs, flow):
                self._inbox.put(For(jobs_of(flow), answer))

    # --- on a worker's thread ----------------------------------------------------------------------------------------

    def perform(self, task: Task) -> Event | None:
        """Raises Stopped at the end."""
        try:
            return self._perform(task)
        except Exception as error:
            if self._is_ending():
                raise Stopped from error
            raise

    def answer(self, task: Task, event: Event | None) -> None:
        if task.answer is not None:
            task.answer(event)
        elif event is not None:
            self._inbox.put(For(jobs_of(task.flow), event))

    def _perform(self, task: Task) -> Event | None:
        job, address, searches = task.job, str(task.flow.group), self._workers.searches
        if callable(job):
            job()
            return None
        is_foreign = isinstance(job, DeltaJob) and job.signature is not None
        if is_foreign and not searches.may_search(address):
            return given_up(job)  # its content is fetched as a whole
        begun = time.thread_time()
        event = self._sync.perform(job, lambda: not task.is_wanted, task.may_name)
        if is_foreign and isinstance(event, DeltaDone) and event.delta is None:
            searches.searched_in_vain(address, time.thread_time() - begun)
        return event
