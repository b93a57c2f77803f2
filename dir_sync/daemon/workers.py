"""A pool of disk workers for all folders of a node: jobs wait by folder and peer, and start in fair shares.

In:   jobs and their flows; folders that come and go; flows that ended. Out: the next job for a free worker, and how many
workers there have to be.
Rule: jobs of one address never occupy all workers, and neither do those of one folder beside others. A disk that hangs keeps
only its own folder waiting: a job that takes long does not count, and another worker takes its place. When a peer
disconnects, its waiting jobs are not started, and its running jobs are informed.
Used by: jobs.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Protocol

from dir_sync.core.events import Event
from dir_sync.core.jobs import ApplyJob, DeltaDone, DeltaJob, Job, ReadDone, ReadJob, Signed, SignJob
from dir_sync.core.overload.fairness import FairQueue, Flow
from dir_sync.network.throttle import Throttle

__all__ = ["Doer", "Jobs", "Pool", "Task", "given_up"]


_ACTIVE_S = 2.0
_LONG_S = 0.5  # a job that takes longer keeps no place from other folders: its disk may be slow, or hang


class Doer(Protocol):
    """Who does the jobs of a folder. Called on a worker's thread."""

    def perform(self, task: Task) -> Event | None: ...

    def answer(self, task: Task, event: Event | None) -> None: ...


class Task:
    """One job in a pool."""

    __slots__ = ("answer", "began", "flow", "is_wanted", "job", "jobs", "may_name")

    def __init__(
        self,
        jobs: Jobs,
        flow: Flow,
        job: Job | Callable[[], None],
        answer: Callable[[Event | None], None] | None = None,
        may_name: Callable[[], None] = lambda: None,
    ) -> None:
        """`answer` is called with the result, if that is not for the engine of this folder. `may_name`: see
        `FileSync.perform`."""
        self.jobs = jobs
        self.may_name = may_name
        self.answer = answer
        self.flow = flow
        self.job = job
        self.is_wanted = True  # False: the peer that asked for it has disconnected
        self.began = 0.0


class Jobs:
    """Those of one folder in one pool: which wait, and how many are being done."""

    def __init__(self, doer: Doer, workers: int) -> None:
        self.doer = doer
        self.waiting: FairQueue[Task] = FairQueue(at_once_max=max(1, workers - 1))
        self.running = 0
        self.spent = 0.0  # virtual time: what it got; while it was idle, it moved on with the others
        self._active: dict[Hashable, float] = {}  # addresses, until when they count as active
        self._workers = workers

    def put(self, task: Task, now: float) -> None:
        self.waiting.put(task.flow, task)
        self._active[task.flow.group] = now + _ACTIVE_S
        if len(self._active) > 1:
            self._active = {group: until for group, until in self._active.items() if until > now}
        self.waiting.at_once_max = 1 if len(self._active) > 1 else max(1, self._workers - 1)


class Pool:
    """Any thread may call all methods. Each worker calls `get` and `done` by turns, until `get` returns None."""

    def __init__(
        self,
        workers: int,
        throttle: Throttle | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A folder has at most `workers` workers, and one of them is always kept free of the jobs of each single address, and
        all but one while other addresses have jobs from time to time."""
        self._workers = workers
        self._throttle = throttle or Throttle()
        self._hire: Callable[[], None] = lambda: None
        self._clock = clock
        lock = threading.Lock()
        self._ready = threading.Condition(lock)
        self._freed = threading.Condition(lock)
        self._folders: list[Jobs] = []  # replaced as a whole
        self._served = 0.0  # virtual time of the folder that was served last
        self._running: set[Task] = set()
        self._hired = 0
        self._is_running = False
        self._closers = 0  # threads that wait for the last jobs of a folder

    # --- folders -----------------------------------------------------------------------------------------------------

    def start(self, hire: Callable[[], None]) -> None:
        """From now on there are workers. `hire` starts one more."""
        self._hire = hire
        with self._ready:
            self._is_running = True
        self._hire_missing()

    def open(self, doer: Doer) -> Jobs:
        """One more folder."""
        with self._ready:
            jobs = Jobs(doer, self._workers)
            self._folders = [*self._folders, jobs]
        self._hire_missing()
        return jobs

    def close(self, jobs: Jobs, within_s: float) -> None:
        """No further job of this folder is begun. Waits, at most so long, for those that are being done."""
        with self._ready:
            self._folders = [one for one in self._folders if one is not jobs]
            self._ready.notify_all()  # a worker may be too many
            self._closers += 1
            self._freed.wait_for(lambda: not jobs.running, within_s)
            self._closers -= 1

    def stop(self) -> None:
        """All workers end, each after its job."""
        with self._ready:
            self._is_running = False
            self._ready.notify_all()

    # --- jobs --------------------------------------------------------------------------------------------------------

    def put(
        self,
        jobs: Jobs,
        flow: Flow,
        job: Job | Callable[[], None],
        answer: Callable[[Event | None], None] | None = None,
        may_name: Callable[[], None] = lambda: None,
    ) -> None:
        with self._ready:
            if not jobs.waiting.count:
                jobs.spent = max(jobs.spent, self._served)
            jobs.put(Task(jobs, flow, job, answer, may_name), self._clock())
            self._ready.notify()

    def leave(self, jobs: Jobs, flow: Flow) -> list[Event]:
        """A peer disconnected. Returns the answers of its jobs that will not be started."""
        with self._ready:
            gone = jobs.waiting.remove(flow, lambda task: given_up(task.job) is not None)
            for task in self._running:
                if task.jobs is jobs and task.flow.member == flow.member:
                    task.is_wanted = False
        answers = [given_up(task.job) for task in gone]
        return [answer for answer in answers if answer is not None]

    # --- workers -----------------------------------------------------------------------------------------------------

    def get(self) -> Task | None:
        """Wait for a job; None if this worker is to end. Call `done` after each."""
        with self._ready:
            while True:
                if not self._is_running or self._hired > self.wanted():
                    self._hired -= 1
                    self._ready.notify()  # it may have been woken for a job
                    return None
                task = self._take()
                if task is not None:
                    break
                self._ready.wait(self._patience_s())
            is_short = self._is_running and self._hired < self.wanted()
        if is_short:
            self._hire_missing()
        return task

    def done(self, task: Task) -> None:
        with self._ready:
            self._running.discard(task)
            seconds = max(1e-6, self._clock() - task.began)
            task.jobs.running -= 1
            task.jobs.spent += seconds
            task.jobs.waiting.charge(task.flow, seconds)
            if isinstance(task.job, ApplyJob):  # windows limit what is read for a peer
                self._throttle.spent(task.flow.group, seconds, bool(task.flow.group))
            for jobs in self._folders:
                if jobs.waiting.count:
                    self._ready.notify()  # a job that could not start while this one ran
                    break
            if self._closers:
                self._freed.notify_all()

    def wanted(self) -> int:
        """How many workers there have to be: one for each place, and for each job that keeps none. With several folders one
        more, which finds nothing to do: it notices that a job takes long."""
        many = len(self._folders)
        if many == 1:
            return self._workers + len(self._running) - self._folders[0].running
        workers = self._workers * many if many < 2 else self._places() + 1
        return workers + len(self._running) - len(self._counted())

    def _hire_missing(self) -> None:
        while True:
            with self._ready:
                if not self._is_running or self._hired >= self.wanted():
                    return
                self._hired += 1
            self._hire()

    def _places(self) -> int:
        """How many jobs may be done at the same time, beside those that take long. A folder alone gets all; beside others,
        one more, so that it has as many as it would have alone, and never all."""
        return self._workers if len(self._folders) < 2 else self._workers + 1

    def _counted(self) -> list[Task]:
        """The running jobs that keep a place: none of a folder that was closed, whose disk may hang for good."""
        ours = [task for task in self._running if task.jobs in self._folders]
        if len(self._folders) < 2:
            return ours
        since = self._clock() - _LONG_S
        return [task for task in ours if task.began > since]

    def _take(self) -> Task | None:
        """The next job: of the folder that got least, in it of the address that got least."""
        if len(self._folders) == 1:
            jobs = self._folders[0]
            if not jobs.waiting.count or jobs.running >= self._workers:
                return None
            taken = jobs.waiting.take(self._throttle.resting() if self._throttle.pauses else {})
            return None if taken is None else self._begin(jobs, taken[1])
        counted = self._counted()
        if len(counted) >= self._places():
            return None
        passed = set(self._throttle.resting())
        if len(self._folders) > 1:
            passed.update(self._full(counted))
        for jobs in sorted(filter(_waits, self._folders), key=_got):
            taken = jobs.waiting.take(passed) if jobs.running < self._workers else None
            if taken is not None:
                return self._begin(jobs, taken[1])
        return None

    def _begin(self, jobs: Jobs, task: Task) -> Task:
        task.began = self._clock()
        jobs.running += 1
        self._served = max(self._served, jobs.spent)
        self._running.add(task)
        return task

    def _full(self, counted: list[Task]) -> list[Hashable]:
        """The addresses that have their share of the places, in all folders together: a peer half of them, this machine all
        but one."""
        places = self._places()
        numbers = Counter(task.flow.group for task in counted)
        return [group for group, number in numbers.items() if number >= (places // 2 if group else places - 1)]

    def _patience_s(self) -> float | None:
        """How long until a job may be taken that cannot be taken now; None: not before something happens."""
        if len(self._folders) == 1 and not self._folders[0].waiting.count:
            return None
        if not any(map(_waits, self._folders)):
            return None
        due = list(self._throttle.resting().values())
        now = self._clock()
        left = [when - time.monotonic() for when in due]
        if len(self._folders) > 1:
            left += [task.began + _LONG_S - now for task in self._counted()]
        return max(0.001, min(left)) if left else None


def _waits(jobs: Jobs) -> bool:
    return jobs.waiting.count > 0


def _got(jobs: Jobs) -> float:
    return jobs.spent


def given_up(job: Job | Callable[[], None]) -> Event | None:
    """The answer of a job that is not done because its peer disconnected; None if the job is not for that peer
    alone."""
    match job:
        case ReadJob(peer, link, items, push):
            return ReadDone(peer, link, (), (), sum(item.length for item in items), push)
        case DeltaJob(peer, link, id_):
            return DeltaDone(peer, link, id_, None, False)
        case SignJob(peer, link, id_) if peer:
            return Signed(peer, link, id_, None)
    return None
