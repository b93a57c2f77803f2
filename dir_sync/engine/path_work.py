"""The state of one path, and the table of all of them.

In:   regions that begin and end. A region is one independent part of a path's state: its job, its transfer, its retry,
...
Out:  one `PathWork` for each path with at least one active region.
Rule: no entry means that nothing is active at the path; then its row says all. Code that ends a region touches the
path, and an entry without any region is dropped at the end of the turn.
Used by: path_jobs, arrivals, retries, work, attempts, expected, folder_waits, holders.

The regions of a path are independent of each other: its content may have arrived while its folder is missing, and an
old transfer may still run while another job writes the file. Within the job region one state follows another as
`MAY_FOLLOW` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dir_sync.core.declined import Reason
from dir_sync.core.frozen import mutable
from dir_sync.core.jobs import ApplyItem
from dir_sync.core.messages import DeltaOffer
from dir_sync.core.model import Stamp
from dir_sync.core.named import NamedTuple
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
    """A job changes the tree at this path."""

    item: ApplyItem
    take: Take | None  # the decision that the job carries out; None: a job without a decision, such as a repair
    peer: str = ""  # the peer that pushed the file with its content ...
    intent: int = 0  # ... and the number of the intent in the index


class MovingAway(NamedTuple):
    """A job at another path moves the file away from here."""

    to: bytes


class Growing(NamedTuple):
    """A job appends arriving bytes to the file itself."""

    fetch: Fetch


Job = Applying | MovingAway | Growing

MAY_FOLLOW: dict[type, frozenset[type]] = {
    type(None): frozenset((Applying, MovingAway, Growing)),
    Applying: frozenset((type(None),)),
    MovingAway: frozenset((type(None),)),
    Growing: frozenset((type(None),)),
}
"""The states of a path's job, and which state may follow which. A path has at most one job, so its result is true about
the row from which it was ordered."""


class Grace(NamedTuple):
    """Since when (ms) a version waits for something other than its transfer: a push of its maker, a rename, or children
    that must go before their folder."""

    stamp: Stamp
    since_ms: int


class OfferedDelta(NamedTuple):
    """A peer offered `content` as a delta from `base`."""

    peer: str
    base: bytes
    content: bytes
    offer: DeltaOffer


@mutable
class Retry:
    """What went wrong with the version that peers announce at present."""

    wait_ms: int = 0  # the last wait (ms) after a problem ...
    problem: str | None = None  # ... and its text; None: no problem
    reason: Reason | None = None  # ... and what kind of problem it is; None: it passes soon
    not_before_ms: int | None = None  # when (ms) the next try is due, however often the path is planned
    rounds: int = -1  # how often all holders have failed, after the first time ...
    round_at: tuple[bytes, int] | None = None  # ... to give which content, and when (ms) they are asked again
    failed: frozenset[str] = frozenset()  # holders that failed in this round
    whole: bool = False  # the next plan fetches the whole file: a delta was asked for, or a holder failed
    short: int | None = None  # bytes that did not fit on the disk
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


@mutable
class PathWork:
    """The state of one path: its regions. None or false: the region is not active."""

    job: Job | None = None
    fetch: Fetch | None = None  # a content is being fetched for this path
    ready: Ready | None = None  # a content has arrived for this path
    copies: dict[bytes, None] | None = None  # paths that want the same content, and wait until it is here
    folder_for: bytes | None = None  # the content that waits for the parent folder
    grace: Grace | None = None
    retry: Retry | None = None
    attempted: Stamp | None = None  # what a job tried to install here, until a look decides
    listed: bytes | None = None  # the fingerprint that a listing saw while a job was out
    leaving: bool = False  # a folder that should go and was not empty: its listing decides

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
    """All paths with an active region."""

    def __init__(self) -> None:
        self._paths: dict[bytes, PathWork] = {}
        # called some 30 times for each file that arrives
        self.get: Callable[[bytes], PathWork | None] = self._paths.get
        self.touched: list[bytes] = []  # paths with a region that ended in this turn

    def at(self, path: bytes) -> PathWork:
        """The entry of a path, created if missing, in order to begin a region."""
        entry = self._paths.get(path)
        if entry is None:
            entry = self._paths[path] = PathWork()
        return entry

    def among(self, paths: Iterable[bytes]) -> list[bytes]:
        """Those of `paths` that have an entry."""
        return [path for path in paths if path in self._paths]

    def items(self) -> Iterator[tuple[bytes, PathWork]]:
        return iter(self._paths.items())

    def touch(self, path: bytes) -> None:
        """A region has ended; it may have been the last one of the path."""
        self.touched.append(path)

    def set_job(self, path: bytes, job: Job | None) -> None:
        """Begin or end a job. Every job begins and ends here, or in the two bulk methods below."""
        entry = self.at(path)
        assert type(job) in MAY_FOLLOW[type(entry.job)], f"{path!r}: {job} after {entry.job}"
        entry.job = job
        if job is None:
            self.touched.append(path)

    def end_jobs(self, ended: Iterable[tuple[bytes, PathWork]]) -> None:
        """`set_job(path, None)` for many jobs that are known to be out."""
        for path, entry in ended:
            entry.job = None
            if entry.is_empty:
                del self._paths[path]

    def begin_jobs(self, jobs: Iterable[Applying]) -> None:
        """`set_job` for many changes of the tree; most of the paths have no entry."""
        paths = self._paths
        for job in jobs:
            path = job[0][0]
            if path in paths:
                self.set_job(path, job)
            else:
                paths[path] = PathWork(job)

    def drop_empty(self) -> None:
        for path in self.touched:
            entry = self._paths.get(path)
            if entry is not None and entry.is_empty:
                del self._paths[path]
        self.touched.clear()


class RetryEntries:
    """The retry region of paths."""

    def __init__(self, paths: PathTable) -> None:
        self._paths = paths

    def of(self, path: bytes) -> Retry | None:
        entry = self._paths.get(path)
        return None if entry is None else entry.retry

    def at(self, path: bytes) -> Retry:
        """The retry region of a path, created if missing."""
        entry = self._paths.at(path)
        if entry.retry is None:
            entry.retry = Retry()
        return entry.retry

    def all(self) -> list[tuple[bytes, Retry]]:
        return [(path, entry.retry) for path, entry in self._paths.items() if entry.retry is not None]

    def tidy(self, path: bytes, retry: Retry) -> None:
        """Part of a retry region has ended: drop the region if it is empty."""
        if retry.is_empty:
            self._paths.at(path).retry = None
            self._paths.touch(path)
