"""The jobs that workers carry out, by path.

In:   jobs that begin and end.
Out:  whether a path is free of jobs; what was ordered there.
Rule: a path has at most one job: a change of the tree, a move away from there, or a file that grows.
Used by: work, arrivals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem
from dir_sync.core.model import parent_of
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.attempts import Attempts
from dir_sync.engine.path_work import Applying, Growing, MovingAway, PathTable

__all__ = ["PathJobs"]

_new = tuple.__new__  # used thousands of times in a bulk


class PushedCounts:
    """By peer: how many pushed files are being installed, and their total size in bytes."""

    def __init__(self) -> None:
        self._by_peer: dict[str, tuple[int, int]] = {}

    def add(self, replica: str, files: int, size: int) -> None:
        """Add to a peer's counts; negative numbers subtract."""
        files_before, size_before = self._by_peer.get(replica, (0, 0))
        if files_before + files:
            self._by_peer[replica] = files_before + files, size_before + size
        else:
            del self._by_peer[replica]

    def of(self, replica: str) -> tuple[int, int]:
        """Number of files and bytes of one peer."""
        return self._by_peer.get(replica, (0, 0))

    def all(self) -> dict[str, tuple[int, int]]:
        return dict(self._by_peer)

    def __bool__(self) -> bool:
        return bool(self._by_peer)


class PathJobs:
    """The jobs that workers carry out, by path."""

    def __init__(self, paths: PathTable, attempts: Attempts) -> None:
        self._paths = paths
        self._attempts = attempts
        self._busy: set[bytes] = set()  # paths with a job
        self.changes = 0  # how many of these jobs change the tree
        self.bytes = 0  # of contents in memory that they install, without the pushed ones
        self.pushed_counts = PushedCounts()

    def begin_apply(self, item: ApplyItem, take: Take | None) -> None:
        self._paths.set_job(item.path, Applying(item, take))
        self._busy.add(item.path)
        self.changes += 1
        if item.data:
            self.bytes += len(item.data)

    def end_apply(self, path: bytes) -> tuple[ApplyItem, Take | None]:
        """End the job at a path. Returns what was ordered there."""
        job = self._applying(path)
        assert job is not None, f"{path!r}: nothing was ordered"
        self._paths.set_job(path, None)
        self._busy.discard(path)
        self.changes -= 1
        if job.peer:
            self.pushed_counts.add(job.peer, -1, -job.item.target.size)
        elif job.item.data:
            self.bytes -= len(job.item.data)
        return job.item, job.take

    def begin_pushed(self, intent: int, replica: str, items: list[ApplyItem]) -> None:
        """Begin jobs for files that a peer pushed with their content. Nothing is active at any of these paths."""
        self._paths.begin_jobs(
            _new(Applying, (item, _new(Take, (item.target, False)), replica, intent)) for item in items
        )
        self._busy.update([item.path for item in items])
        self.changes += len(items)
        self.pushed_counts.add(replica, len(items), sum([item[2].size for item in items]))

    def _applying(self, path: bytes) -> Applying | None:
        entry = self._paths.get(path)
        return entry.job if entry is not None and type(entry.job) is Applying else None

    def _all_applying(self) -> Iterator[tuple[bytes, Applying]]:
        for path in self._busy:
            job = self._applying(path)
            if job is not None:
                yield path, job

    def applying(self, path: bytes) -> ApplyItem | None:
        job = self._applying(path)
        return None if job is None else job.item

    def all(self) -> list[bytes]:
        """Paths with a job, in order."""
        return sorted(self._busy)

    @property
    def is_applying(self) -> bool:
        return self.changes > 0

    @property
    def are_full(self) -> bool:
        """True if so many bytes wait for the disk that nothing more is asked for. The end of a job changes that."""
        return self.bytes >= limits.INSTALLING_BYTES_MAX

    def folders_being_filled(self) -> set[bytes]:
        return {parent_of(path) for path, _ in self._all_applying()}

    def is_being_filled(self, folder: bytes) -> bool:
        """True if a job is putting something into a folder. Its user may have seen that before removing both."""
        prefix = folder + b"/"
        return any(path.startswith(prefix) and self._applying(path) is not None for path in self._busy)

    def end_pushed(self, paths: Iterable[bytes]) -> dict[bytes, Applying]:
        """Pushed files were installed as ordered. Returns their jobs, except those at whose paths a listing saw
        something meanwhile."""
        jobs: dict[bytes, Applying] = {}
        ended = []
        get = self._paths.get
        for path in paths:
            entry = get(path)
            if entry is not None and entry.listed is None:
                job = entry.job
                if type(job) is Applying and job.peer:
                    jobs[path] = job
                    ended.append((path, entry))
        self._paths.end_jobs(ended)
        self._busy.difference_update(jobs)
        self.changes -= len(jobs)
        for replica in {replica for _, _, replica, _ in jobs.values()}:
            sizes = [item[2].size for item, _, its_node, _ in jobs.values() if its_node == replica]
            self.pushed_counts.add(replica, -len(sizes), -sum(sizes))
        return jobs

    def pushed(self, path: bytes) -> Applying | None:
        """The job that installs a pushed file at this path; None if there is none."""
        job = self._applying(path)
        return job if job is not None and job.peer else None

    def begin_move_away(self, source: bytes, to: bytes) -> None:
        """A job at `to` moves the file away from here."""
        self._paths.set_job(source, MovingAway(to))
        self._busy.add(source)

    def end_move_away(self, source: bytes) -> bytes | None:
        """End the move. Returns the fingerprint that a listing saw here meanwhile, or None."""
        self._end(source)
        return self._attempts.take_listed(source)

    def begin_growth(self, fetch: Fetch) -> None:
        """A job appends to the file itself, so nothing else happens at this path until it ends."""
        self._paths.set_job(fetch.target.path, Growing(fetch))
        self._busy.add(fetch.target.path)

    def end_growth(self, path: bytes) -> None:
        self._end(path)
        self._attempts.take_listed(path)

    def _end(self, path: bytes) -> None:
        if path in self._busy:
            self._paths.set_job(path, None)
            self._busy.discard(path)

    def is_at(self, path: bytes) -> bool:
        """True while a job may change what is at this path."""
        return path in self._busy

    def not_at(self, paths: set[bytes]) -> set[bytes]:
        """Those of some paths for which `is_at` is false."""
        return paths.difference(self._busy)

    def is_below(self, folder: bytes) -> bool:
        prefix = folder + b"/"
        return any(path.startswith(prefix) for path in self._busy)

    def uses(self, name: bytes) -> bool:
        """True if a job is installing this staging file."""
        return any(job.item.staged == name for _, job in self._all_applying())

    def check(self) -> Iterator[str]:
        """Yield each invariant that is violated between two turns."""
        changes = data = 0
        pushed: dict[str, tuple[int, int]] = {}
        for path, entry in self._paths.items():
            job = entry.job
            if (job is not None) != (path in self._busy):
                yield f"{path!r} has the job {job}, and is it in the list of jobs? {path in self._busy}"
            if isinstance(job, Applying):
                changes += 1
                if job.peer:
                    files, size = pushed.get(job.peer, (0, 0))
                    pushed[job.peer] = files + 1, size + job.item.target.size
                elif job.item.data:
                    data += len(job.item.data)
                if job.item.path != path:
                    yield f"the job at {path!r} is for {job.item.path!r}"
            elif isinstance(job, MovingAway) and ((mover := self.applying(job.to)) is None or mover.copy_path != path):
                yield f"{path!r} is moved away to {job.to!r}, and no job does that"
        if data != self.bytes:
            yield f"{data} bytes are being installed, and are counted as {self.bytes}"
        if (changes, pushed) != (self.changes, self.pushed_counts.all()):
            yield f"{changes} changes, {pushed} of them pushed, are counted as {self.changes} and {self.pushed_counts.all()}"
