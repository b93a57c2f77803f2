"""What workers do at a path, and what they may have left there.

In:   jobs that are ordered and end; what listings saw meanwhile.
Out:  whether a path is free of jobs; what was ordered there; what may be on the disk.
Rule: a path has at most one job: a change of the tree, a move away from there, or a file that grows.
Used by: work, arrivals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dir_sync.core.jobs import ApplyItem
from dir_sync.core.model import Stamp, parent_of
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.path_work import Applying, Growing, MovingAway, PathTable

__all__ = ["PathJobs"]

_new = tuple.__new__  # what is made by the thousand


class PathJobs:
    """What workers do at a path, and what they may have left there."""

    def __init__(self, paths: PathTable) -> None:
        self._paths = paths
        self._busy: set[bytes] = set()  # paths with a job
        self._changes = 0  # of these, changes of the tree
        self._pushed: dict[
            str, tuple[int, int]
        ] = {}  # of these, new files that a peer pushed, and their bytes, by peer

    def begin_apply(self, item: ApplyItem, take: Take | None) -> None:
        self._paths.set_job(item.path, Applying(item, take))
        self._busy.add(item.path)
        self._changes += 1

    def end_apply(self, path: bytes) -> tuple[ApplyItem, Take | None]:
        """What was ordered there."""
        job = self._applying(path)
        assert job is not None, f"{path!r}: nothing was ordered"
        self._paths.set_job(path, None)
        self._busy.discard(path)
        self._changes -= 1
        if job.node:
            self._count_pushed(job.node, -1, -job.item.target.size)
        return job.item, job.take

    def begin_pushed(self, intent: int, node: str, items: list[ApplyItem]) -> None:
        """New files that came with their content: at none of these paths anything is going on."""
        self._paths.begin_jobs(_new(Applying, (item, _new(Take, (item.target, False)), node, intent)) for item in items)
        self._busy.update([item.path for item in items])
        self._changes += len(items)
        self._count_pushed(node, len(items), sum([item[2].size for item in items]))

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
        return self._changes > 0

    def folders_being_filled(self) -> set[bytes]:
        return {parent_of(path) for path, _ in self._all_applying()}

    def is_being_filled(self, folder: bytes) -> bool:
        """True if something is just being put into a folder: it may have been there already when its user removed both."""
        prefix = folder + b"/"
        return any(path.startswith(prefix) and self._applying(path) is not None for path in self._busy)

    def end_pushed(self, paths: Iterable[bytes]) -> dict[bytes, Applying]:
        """At these paths files were installed as they should be. Returns the jobs of those that were pushed, unless a
        listing saw something there meanwhile."""
        jobs: dict[bytes, Applying] = {}
        ended = []
        get = self._paths.get
        for path in paths:
            entry = get(path)
            if entry is not None and entry.listed is None:
                job = entry.job
                if type(job) is Applying and job.node:
                    jobs[path] = job
                    ended.append((path, entry))
        self._paths.end_jobs(ended)
        self._busy.difference_update(jobs)
        self._changes -= len(jobs)
        sizes: dict[str, list[int]] = {}
        for item, _, node, _ in jobs.values():
            sizes.setdefault(node, []).append(item[2].size)
        for node, of_node in sizes.items():
            self._count_pushed(node, -len(of_node), -sum(of_node))
        return jobs

    def _count_pushed(self, node: str, files: int, size: int) -> None:
        files_before, size_before = self._pushed.get(node, (0, 0))
        if files_before + files:
            self._pushed[node] = files_before + files, size_before + size
        else:
            del self._pushed[node]

    def pushed(self, path: bytes) -> Applying | None:
        """The job that installs what a peer pushed there."""
        job = self._applying(path)
        return job if job is not None and job.node else None

    def pushed_by(self, node: str) -> tuple[int, int]:
        """How many of the files that a peer pushed are being installed, and their bytes together."""
        return self._pushed.get(node, (0, 0))

    @property
    def has_pushed(self) -> bool:
        return bool(self._pushed)

    def begin_move_away(self, source: bytes, to: bytes) -> None:
        """What is here gets another name, by a job there."""
        self._paths.set_job(source, MovingAway(to))
        self._busy.add(source)

    def end_move_away(self, source: bytes) -> bytes | None:
        """The fingerprint that a listing saw meanwhile."""
        self._end(source)
        return self.take_listed(source)

    def begin_growth(self, fetch: Fetch) -> None:
        """The file itself is written to, so nothing else is done there until that is over."""
        self._paths.set_job(fetch.target.path, Growing(fetch))
        self._busy.add(fetch.target.path)

    def end_growth(self, path: bytes) -> None:
        self._end(path)
        self.take_listed(path)

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

    def note_listed(self, path: bytes, fp: bytes) -> None:
        """A listing saw this while a job was out here."""
        self._paths.at(path).listed = fp

    def take_listed(self, path: bytes) -> bytes | None:
        entry = self._paths.get(path)
        if entry is None or entry.listed is None:
            return None
        fp, entry.listed = entry.listed, None
        self._paths.touch(path)
        return fp

    def record_attempt(self, path: bytes, stamp: Stamp) -> None:
        """A job may have put this there, until a look has told."""
        self._paths.at(path).attempted = stamp

    def attempted(self, path: bytes) -> Stamp | None:
        entry = self._paths.get(path)
        return None if entry is None else entry.attempted

    def forget_attempt(self, path: bytes) -> None:
        entry = self._paths.get(path)
        if entry is not None and entry.attempted is not None:
            entry.attempted = None
            self._paths.touch(path)

    def await_listing(self, folder: bytes) -> None:
        """It should go, and was not empty: its listing decides what comes next."""
        self._paths.at(folder).leaving = True

    def awaits_listing(self, folder: bytes) -> bool:
        entry = self._paths.get(folder)
        return entry is not None and entry.leaving

    def end_listing_wait(self, folder: bytes) -> None:
        entry = self._paths.get(folder)
        if entry is not None and entry.leaving:
            entry.leaving = False
            self._paths.touch(folder)

    def uses(self, name: bytes) -> bool:
        """True if a staging file is just being put in its place."""
        return any(job.item.staged == name for _, job in self._all_applying())

    def check(self) -> Iterator[str]:
        """What is not as it must be between two turns."""
        changes = 0
        pushed: dict[str, tuple[int, int]] = {}
        for path, entry in self._paths.items():
            job = entry.job
            if (job is not None) != (path in self._busy):
                yield f"{path!r} has the job {job}, and is it in the list of jobs? {path in self._busy}"
            if isinstance(job, Applying):
                changes += 1
                if job.node:
                    files, size = pushed.get(job.node, (0, 0))
                    pushed[job.node] = files + 1, size + job.item.target.size
                if job.item.path != path:
                    yield f"the job at {path!r} is for {job.item.path!r}"
            elif isinstance(job, MovingAway) and ((mover := self.applying(job.to)) is None or mover.copy_path != path):
                yield f"{path!r} is moved away to {job.to!r}, and no job does that"
        if (changes, pushed) != (self._changes, self._pushed):
            yield f"{changes} changes, {pushed} of them pushed, are counted as {self._changes} and {self._pushed}"
