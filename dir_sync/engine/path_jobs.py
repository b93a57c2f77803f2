"""What workers do at a path, and what they may have left there.

In:   jobs that are ordered and end; what listings saw meanwhile.
Out:  whether a path is free of jobs; what was ordered there; what may be on the disk.
Rule: a path has at most one job: a change of the tree, a move away from there, or a file that grows.
Used by: work, arrivals.
"""

from __future__ import annotations

from collections.abc import Iterator

from dir_sync.core.jobs import ApplyItem
from dir_sync.core.model import Record, Stamp, parent_of
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
        self._changes = 0  # of these, changes of the tree ...
        self._pushed = 0  # ... that came with their content

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
        self._pushed -= job.node != ""
        return job.item, job.take

    def begin_pushed(self, intent: int, node: str, items: list[ApplyItem]) -> None:
        """New files that came with their content: at none of these paths anything is going on."""
        self._paths.begin_jobs(_new(Applying, (item, _new(Take, (item.target, False)), node, intent)) for item in items)
        self._busy.update([item.path for item in items])
        self._changes += len(items)
        self._pushed += len(items)

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

    def end_pushed(self, path: bytes) -> Applying | None:
        """A pushed file was installed as it should be; None: it was not pushed, or a listing saw something there meanwhile."""
        entry = self._paths.get(path)
        if entry is None or entry.listed is not None:
            return None
        job = entry.job
        if type(job) is not Applying or not job.node:
            return None
        self._paths.end_job(path, entry)
        self._busy.discard(path)
        self._changes -= 1
        self._pushed -= 1
        return job

    def pushed(self, path: bytes) -> Applying | None:
        """The job that installs what a peer pushed there."""
        job = self._applying(path)
        return job if job is not None and job.node else None

    def pushed_by(self, node: str) -> list[Record]:
        if not self._pushed:
            return []
        return [job.item.target for _, job in self._all_applying() if job.node == node]

    @property
    def has_pushed(self) -> bool:
        return self._pushed > 0

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
        changes = pushed = 0
        for path, entry in self._paths.items():
            job = entry.job
            if (job is not None) != (path in self._busy):
                yield f"{path!r} has the job {job}, and is it in the list of jobs? {path in self._busy}"
            if isinstance(job, Applying):
                changes, pushed = changes + 1, pushed + (job.node != "")
                if job.item.path != path:
                    yield f"the job at {path!r} is for {job.item.path!r}"
            elif isinstance(job, MovingAway) and ((mover := self.applying(job.to)) is None or mover.copy_path != path):
                yield f"{path!r} is moved away to {job.to!r}, and no job does that"
        if (changes, pushed) != (self._changes, self._pushed):
            yield f"{changes} changes, {pushed} of them pushed, are counted as {self._changes} and {self._pushed}"
