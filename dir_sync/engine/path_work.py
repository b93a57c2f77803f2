"""The state of one path, and the table of all of them.

In:   regions that begin and end.
Out:  one `PathWork` for each path at which anything is going on.
Rule: no entry means that nothing is going on; then the index says all. Who ends a region touches the path, and at the end of
      the turn an entry without any region goes.
Used by: path_jobs, arrivals, retries, work, attempts, expected, folder_waits, holders.

The regions of a path are independent of each other: content may have come while its folder is missing, an old transfer may
still run while the file is written by another job. Within a region one state follows another as `MAY_FOLLOW` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dir_sync.core.jobs import ApplyItem
from dir_sync.core.messages import DeltaOffer
from dir_sync.core.model import Stamp
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.values import Ready

__all__ = [
    "Applying",
    "Grace",
    "Growing",
    "Job",
    "MovingAway",
    "OfferedDelta",
    "PathTable",
    "PathWork",
    "Retry",
    "RetryEntries",
]


class Applying(NamedTuple):
    """A change of the tree is ordered here."""

    item: ApplyItem
    take: Take | None  # the decision that it carries out; None: a chore
    node: str = ""  # the peer that pushed it with its content, to be installed without further ado ...
    intent: int = 0  # ... and what the index calls that


class MovingAway(NamedTuple):
    """A job at another path takes what is here."""

    to: bytes


class Growing(NamedTuple):
    """What comes is appended to the file itself."""

    fetch: Fetch


Job = Applying | MovingAway | Growing

MAY_FOLLOW: dict[type, frozenset[type]] = {
    type(None): frozenset((Applying, MovingAway, Growing)),
    Applying: frozenset((type(None),)),
    MovingAway: frozenset((type(None),)),
    Growing: frozenset((type(None),)),
}
"""The jobs of a path: which one may come after which. At most one is out, so its answer is true about what it was made from."""


class Grace(NamedTuple):
    """Since when a version has been waited for in another way than by a transfer: by a push of its maker, a rename, children
    that go before their folder."""

    stamp: Stamp
    since_ms: int


class OfferedDelta(NamedTuple):
    """A peer can give `content` as a delta from `base`."""

    node: str
    base: bytes
    content: bytes
    offer: DeltaOffer


@dataclass(slots=True)
class Retry:
    """What went wrong with what is announced just now."""

    wait_ms: int = 0  # the last wait after trouble ...
    problem: str | None = None  # ... and what it was; None: no trouble
    not_before_ms: int | None = None  # when the next try is due, however often the path is looked at
    rounds: int = -1  # how often none of its holders could give it, after the first time
    failed: frozenset[str] = frozenset()  # holders that just could not give it
    whole: bool = False  # a delta was asked for, or a holder has failed: the next plan asks for the whole
    short: int | None = None  # bytes that found no room on the disk
    delta: OfferedDelta | None = None

    @property
    def is_empty(self) -> bool:
        return (
            self.problem is None
            and self.not_before_ms is None
            and self.rounds < 0
            and not self.whole
            and self.short is None
            and self.delta is None
        )


@dataclass(slots=True)
class PathWork:
    """What is going on at one path: its regions."""

    job: Job | None = None
    fetch: Fetch | None = None  # a content on its way here
    ready: Ready | None = None  # a content that has come
    copies: dict[bytes, None] | None = None  # paths that want the same content, and wait until it is here
    folder_for: bytes | None = None  # the content that waits for its folder
    grace: Grace | None = None
    retry: Retry | None = None
    attempted: Stamp | None = None  # what a job was to put here, until a look has told if it did
    listed: bytes | None = None  # the fingerprint that a listing saw while a job was out
    leaving: bool = False  # a folder that should go, and was not empty: its listing decides

    @property
    def is_empty(self) -> bool:
        return (
            self.job is None
            and self.fetch is None
            and self.ready is None
            and self.attempted is None
            and self.retry is None
            and self.grace is None
            and self.copies is None
            and self.folder_for is None
            and self.listed is None
            and not self.leaving
        )


class PathTable:
    """All paths at which anything is going on."""

    def __init__(self) -> None:
        self._paths: dict[bytes, PathWork] = {}
        self.get: Callable[[bytes], PathWork | None] = self._paths.get  # asked some 30 times for each file that comes
        self._touched: list[bytes] = []  # a region of these has ended in this turn

    def at(self, path: bytes) -> PathWork:
        """The entry of a path, to begin a region of it."""
        entry = self._paths.get(path)
        if entry is None:
            entry = self._paths[path] = PathWork()
        return entry

    def among(self, paths: Iterable[bytes]) -> list[bytes]:
        """Those of some paths at which anything is going on."""
        return [path for path in paths if path in self._paths]

    def items(self) -> Iterator[tuple[bytes, PathWork]]:
        return iter(self._paths.items())

    def touch(self, path: bytes) -> None:
        """A region has ended: maybe it was the last one."""
        self._touched.append(path)

    def set_job(self, path: bytes, job: Job | None) -> None:
        """The one way by which a job begins or ends."""
        entry = self.at(path)
        assert type(job) in MAY_FOLLOW[type(entry.job)], f"{path!r}: {job} after {entry.job}"
        entry.job = job
        if job is None:
            self._touched.append(path)

    def end_jobs(self, ended: Iterable[tuple[bytes, PathWork]]) -> None:
        """`set_job` for jobs that are known to be out."""
        for path, entry in ended:
            entry.job = None
            if entry.is_empty:
                del self._paths[path]

    def begin_jobs(self, jobs: Iterable[Applying]) -> None:
        """`set_job` for many changes of the tree; at most of these paths nothing is going on."""
        paths = self._paths
        for job in jobs:
            path = job[0][0]
            if path in paths:
                self.set_job(path, job)
            else:
                paths[path] = PathWork(job)

    def drop_empty(self) -> None:
        for path in self._touched:
            entry = self._paths.get(path)
            if entry is not None and entry.is_empty:
                del self._paths[path]
        self._touched.clear()


class RetryEntries:
    """The retry region of paths."""

    def __init__(self, paths: PathTable) -> None:
        self._paths = paths

    def of(self, path: bytes) -> Retry | None:
        entry = self._paths.get(path)
        return None if entry is None else entry.retry

    def at(self, path: bytes) -> Retry:
        """The region, to put something into it."""
        entry = self._paths.at(path)
        if entry.retry is None:
            entry.retry = Retry()
        return entry.retry

    def tidy(self, path: bytes, retry: Retry) -> None:
        """Something of it has ended."""
        if retry.is_empty:
            self._paths.at(path).retry = None
            self._paths.touch(path)
