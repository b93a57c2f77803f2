"""What workers do at a path, and what they may have left there.

In:   jobs that are ordered and end; what listings saw meanwhile.
Out:  whether a path is free of jobs; what was ordered there; what may be on the disk.
Rule: a path has at most one job: a change of the tree, a move away from there, or a file that grows.
Used by: work, arrivals.
"""

from __future__ import annotations

from dir_sync.core.jobs import ApplyItem
from dir_sync.core.model import Record, Stamp, parent_of
from dir_sync.core.reconcile import Take
from dir_sync.engine.values import Gift

__all__ = ["PathJobs"]


class PathJobs:
    """What workers do at a path, and what they may have left there."""

    def __init__(self) -> None:
        self._busy: set[bytes] = set()
        self._applying: dict[bytes, tuple[ApplyItem, Take | None]] = {}
        self._pushed: dict[bytes, Gift] = {}
        self._listed: dict[bytes, bytes] = {}  # path -> fingerprint that a listing saw while a job was out there
        self._attempted: dict[bytes, Stamp] = {}  # path -> what a job was to put there, until a look has told if it did
        self._leaving: set[bytes] = set()  # folders that should go, and were not empty

    def begin_apply(self, item: ApplyItem, take: Take | None) -> None:
        self._busy.add(item.path)
        self._applying[item.path] = (item, take)

    def end_apply(self, path: bytes) -> tuple[ApplyItem, Take | None]:
        """What was ordered there."""
        self._pushed.pop(path, None)
        job = self._applying.pop(path)
        self._busy.discard(path)
        return job

    def begin_pushed(self, intent: int, node: str, jobs: list[tuple[ApplyItem, Take]]) -> None:
        """New files that came with their content: at none of these paths anything is going on."""
        for job in jobs:
            path = job[0].path
            self._applying[path] = job
            self._pushed[path] = Gift(intent, node, job[0].target)
            self._busy.add(path)

    def applying(self, path: bytes) -> ApplyItem | None:
        job = self._applying.get(path)
        return None if job is None else job[0]

    def all(self) -> list[bytes]:
        """Paths that are free of jobs no more, in order."""
        return sorted(self._busy)

    @property
    def is_applying(self) -> bool:
        return bool(self._applying)

    def folders_being_filled(self) -> set[bytes]:
        return {parent_of(path) for path in self._applying}

    def is_being_filled(self, folder: bytes) -> bool:
        """True if something is just being put into a folder: it may have been there already when its user removed both."""
        prefix = folder + b"/"
        return any(path.startswith(prefix) for path in self._applying)

    def pushed(self, path: bytes) -> Gift | None:
        return self._pushed.get(path)

    def pushed_by(self, node: str) -> list[Record]:
        return [gift.record for gift in self._pushed.values() if gift.peer == node]

    @property
    def has_pushed(self) -> bool:
        return bool(self._pushed)

    def end_pushed(self, path: bytes) -> None:
        """It was installed as it should be."""
        del self._pushed[path], self._applying[path]
        self._busy.discard(path)

    def begin_move_away(self, source: bytes) -> None:
        """What is here gets another name, by a job there."""
        self._busy.add(source)

    def end_move_away(self, source: bytes) -> bytes | None:
        """The fingerprint that a listing saw meanwhile."""
        self._busy.discard(source)
        return self.take_listed(source)

    def begin_growth(self, path: bytes) -> None:
        """The file itself is written to, so nothing else is done there until that is over."""
        self._busy.add(path)

    def end_growth(self, path: bytes) -> None:
        self._busy.discard(path)
        self._listed.pop(path, None)

    def is_at(self, path: bytes) -> bool:
        """True while a job may change what is at this path."""
        return path in self._busy

    def is_below(self, folder: bytes) -> bool:
        prefix = folder + b"/"
        return any(path.startswith(prefix) for path in self._busy)

    def note_listed(self, path: bytes, fp: bytes) -> None:
        """A listing saw this while a job was out here."""
        self._listed[path] = fp

    def was_listed(self, path: bytes) -> bool:
        return path in self._listed

    def take_listed(self, path: bytes) -> bytes | None:
        return self._listed.pop(path, None)

    def record_attempt(self, path: bytes, stamp: Stamp) -> None:
        """A job may have put this there, until a look has told."""
        self._attempted[path] = stamp

    def attempted(self, path: bytes) -> Stamp | None:
        return self._attempted.get(path)

    def forget_attempt(self, path: bytes) -> None:
        self._attempted.pop(path, None)

    def await_listing(self, folder: bytes) -> None:
        """It should go, and was not empty: its listing decides what comes next."""
        self._leaving.add(folder)

    def awaits_listing(self, folder: bytes) -> bool:
        return folder in self._leaving

    def end_listing_wait(self, folder: bytes) -> None:
        self._leaving.discard(folder)

    def uses(self, name: bytes) -> bool:
        """True if a staging file is just being put in its place."""
        return any(item.staged == name for item, _ in self._applying.values())
