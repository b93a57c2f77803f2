"""The queues through which the machines ask each other for work: paths to decide, folders to list, changes to announce.

In:   what is to be done, from every machine. Out: the same, to the one machine that does it.
Rule: a queue decides nothing. To ask twice is to ask once.
Used by: board.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from dir_sync.core import limits
from dir_sync.core.backoff import longer
from dir_sync.core.model import Record
from dir_sync.core.notes import LocalChange
from dir_sync.core.overload.fairness import Backlog
from dir_sync.core.peers.announce import Fresh
from dir_sync.index import Row

__all__ = ["Announcements", "ListQueue", "PlanQueue"]


class PlanQueue(Backlog):
    """Paths to be decided, for the planner: now, or at a later time."""

    def __init__(self) -> None:
        super().__init__(limits.TODO_PATHS_MAX)
        self.cursor: bytes | None = None  # the offers above this path have still to be planned
        self.has_room_come = False
        self._timers: list[tuple[int, int, bytes, str]] = []  # when (ms), a number for the order, path, for whom
        self._timer_count = 0

    def add_all_offers(self) -> None:
        """Whatever peers announced is planned anew."""
        self.cursor = b""

    def add_offers(self, some: list[bytes], is_last: bool) -> None:
        """The next of them, in the order of their paths."""
        self.add_all(some)
        self.cursor = None if is_last else some[-1]

    def take_overflow(self) -> None:
        """Where some paths were not kept, all are planned."""
        if self.overflowed:
            self.overflowed = False
            self.add_all_offers()

    def room_came(self) -> None:
        """There is room in the window of a peer: some of those who wait for that are planned."""
        self.has_room_come = True

    def take_room(self) -> bool:
        """True if room has come since the last call."""
        came, self.has_room_come = self.has_room_come, False
        return came

    def add_at(self, when_ms: int, path: bytes) -> None:
        self._timer_count += 1
        heapq.heappush(self._timers, (when_ms, self._timer_count, path, self.owner))

    def add_due(self, now_ms: int) -> None:
        """Those whose time has come."""
        while self._timers and self._timers[0][0] <= now_ms:
            _, _, path, self.owner = heapq.heappop(self._timers)
            self.add(path)
        self.owner = ""

    def next_due_ms(self) -> int | None:
        return self._timers[0][0] if self._timers else None

    def timed(self) -> set[bytes]:
        """The paths to be planned at a later time."""
        return {path for _, _, path, _ in self._timers}


class ListQueue:
    """Folders to be listed, for the scan: now, when all is calm, or again after one could not be listed."""

    def __init__(self) -> None:
        self._folders: list[bytes] = []  # a stack: deep before wide keeps it short
        self.out = 0  # jobs that have not come back
        self.put_in: set[bytes] = set()  # folders that are being listed while something is being put into them
        self.when_calm: set[bytes] = set()  # events in these were believed to be ours
        self.failed: dict[bytes, tuple[int, int]] = {}  # folders that could not be listed: when, last wait (ms)

    @property
    def waiting(self) -> int:
        """How many are to be listed now."""
        return len(self._folders)

    @property
    def is_over(self) -> bool:
        """True if none is to be listed now, and none is being listed."""
        return not self._folders and not self.out

    def add(self, folder: bytes) -> None:
        self._folders.append(folder)

    def add_all(self, folders: Iterable[bytes]) -> None:
        self._folders += folders

    def add_when_calm(self, folder: bytes) -> None:
        self.when_calm.add(folder)

    def add_calm(self) -> bool:
        """All is calm. True if there were folders that waited for that."""
        were = sorted(self.when_calm)
        self._folders += were
        self.when_calm.clear()
        return bool(were)

    def add_due(self, now_ms: int) -> None:
        """Those that could not be listed, and whose time has come."""
        for folder, (due, wait) in list(self.failed.items()):
            if due <= now_ms:
                self.failed[folder] = (now_ms + wait, wait)
                self._folders.append(folder)

    def take(self, most: int, busy: set[bytes]) -> list[bytes]:
        """The next folders, for one job. `busy`: something is being put into these."""
        some = self._folders[-most:]
        del self._folders[-most:]
        self.out += 1
        self.put_in = busy.intersection(some)
        return some

    def came_back(self, left: Iterable[bytes]) -> None:
        """A job has come back; these it had no time for."""
        self.out -= 1
        self._folders += left

    def put_into(self, folder: bytes) -> None:
        """Something is being put into that folder."""
        if self.out:
            self.put_in.add(folder)

    def list_later(self, folder: bytes, now_ms: int, first_ms: int, most_ms: int) -> None:
        """It could not be listed: it is tried again after `first_ms`, twice as long each time, up to `most_ms`."""
        known = self.failed.get(folder)
        wait = first_ms if known is None else longer(known[1], most_ms)
        self.failed[folder] = (now_ms + wait, wait)

    def listed(self, folder: bytes) -> None:
        self.failed.pop(folder, None)

    def try_again_below(self, folder: bytes, now_ms: int, wait_ms: int) -> None:
        """Those at and below `folder` that could not be listed are tried now."""
        for each in self.failed:
            if each == folder or each.startswith(folder + b"/"):
                self.failed[each] = (now_ms, wait_ms)

    def next_due_ms(self) -> int | None:
        return min((when for when, _ in self.failed.values()), default=None)


class Announcements:
    """What changed here in this turn, for the publisher: to be told to the peers, and to people."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Record]] = []  # in ascending sequence
        self.fresh: dict[bytes, Fresh] = {}  # of those the changes that were made here
        self.unlogged: dict[tuple[bytes, type], LocalChange] = {}  # what a user did to a path, not told to people yet

    def add(self, row: Row, record: Record) -> None:
        self.rows.append((row.seq, record))

    def add_rows(self, rows: Iterable[Row]) -> None:
        self.rows += [(row.seq, row.record) for row in rows]

    def add_change(self, change: Fresh) -> None:
        self.fresh[change.record.path] = change

    def log(self, note: LocalChange) -> None:
        """A user did this here."""
        self.unlogged[note.path, type(note)] = note

    def take(self) -> list[tuple[int, Record]]:
        """The rows; from now on nothing is to be announced."""
        rows, self.rows, self.fresh = self.rows, [], {}
        return rows

    def take_unlogged(self) -> list[LocalChange]:
        """What people are to be told; from now on there is nothing."""
        unlogged, self.unlogged = self.unlogged, {}
        return list(unlogged.values())
