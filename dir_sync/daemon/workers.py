"""A pool of disk workers: jobs wait by the peer for which they are done, and start in fair shares.

In:   jobs and their flows; flows that ended. Out: the next job for a free worker.
Rule: jobs of one address never occupy all workers. When a peer disconnects, its waiting jobs are not started, and its
running jobs are informed.
Used by: jobs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

from dir_sync.core.events import Event
from dir_sync.core.jobs import ApplyJob, DeltaDone, DeltaJob, Job, ReadDone, ReadJob, Signed, SignJob
from dir_sync.core.overload.fairness import FairQueue, Flow
from dir_sync.network.throttle import Throttle

__all__ = ["Pool", "Task", "given_up"]


_ACTIVE_S = 2.0


class Task:
    """One job in a pool."""

    __slots__ = ("answer", "began", "flow", "is_wanted", "job")

    def __init__(self, flow: Flow, job: Job, answer: Callable[[Event | None], None] | None = None) -> None:
        """`answer` is called with the result, if that is not for the engine of this folder."""
        self.answer = answer
        self.flow = flow
        self.job = job
        self.is_wanted = True  # False: the peer that asked for it has disconnected
        self.began = 0.0


class Pool:
    """The pool. All methods may be called from any thread."""

    def __init__(self, workers: int, throttle: Throttle | None = None) -> None:
        """Of `workers`, one is always kept free of the jobs of each single address, and all but one while other
        addresses have jobs from time to time."""
        self._ready = threading.Condition()
        self._throttle = throttle or Throttle()
        self._workers = workers
        self._queue: FairQueue[Task] = FairQueue(at_once_max=max(1, workers - 1))
        self._active: dict[Hashable, float] = {}
        self._running: set[Task] = set()
        self._is_over = False

    def put(self, flow: Flow, job: Job, answer: Callable[[Event | None], None] | None = None) -> None:
        with self._ready:
            self._queue.put(flow, Task(flow, job, answer))
            now = time.monotonic()
            self._active[flow.group] = now + _ACTIVE_S
            if len(self._active) > 1:
                self._active = {group: until for group, until in self._active.items() if until > now}
            self._queue.at_once_max = 1 if len(self._active) > 1 else max(1, self._workers - 1)
            self._ready.notify()

    def get(self) -> Task | None:
        """Wait for a job; None at the end. Call `done` after each."""
        with self._ready:
            while not self._is_over:
                resting = self._throttle.resting()
                taken = self._queue.take(resting)
                if taken is not None:
                    _, task = taken
                    task.began = time.monotonic()
                    self._running.add(task)
                    return task
                left = min(resting.values(), default=0.0) - time.monotonic()
                self._ready.wait(max(0.001, left) if resting and len(self._queue) else None)
        return None

    def done(self, task: Task) -> None:
        with self._ready:
            self._running.discard(task)
            seconds = max(1e-6, time.monotonic() - task.began)
            self._queue.charge(task.flow, seconds)
            if isinstance(task.job, ApplyJob):  # windows limit what is read for a peer
                self._throttle.spent(task.flow.group, seconds, bool(task.flow.group))
            if len(self._queue):
                self._ready.notify()  # a job that could not start while this one ran

    def leave(self, flow: Flow) -> list[Event]:
        """A peer disconnected. Returns the answers of its jobs that will not be started."""
        with self._ready:
            gone = self._queue.remove(flow, lambda task: given_up(task.job) is not None)
            for task in self._running:
                if task.flow.member == flow.member:
                    task.is_wanted = False
        answers = [given_up(task.job) for task in gone]
        return [answer for answer in answers if answer is not None]

    def stop(self) -> None:
        with self._ready:
            self._is_over = True
            self._ready.notify_all()


def given_up(job: Job) -> Event | None:
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
