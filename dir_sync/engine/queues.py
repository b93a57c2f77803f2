"""The queues through which the machines ask each other for work: paths to decide, folders to list, changes to tell, losers.

In:   requests of every machine. Out: the same, to the one machine that carries them out.
Rule: a queue decides nothing. To request something twice is the same as to request it once.
Used by: board.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from dir_sync.core import limits
from dir_sync.core.backoff import longer
from dir_sync.core.jobs import ApplyItem, ApplyResult
from dir_sync.core.model import Record
from dir_sync.core.notes import LocalChange
from dir_sync.core.overload.fairness import Backlog
from dir_sync.core.peers.announce import Fresh
from dir_sync.index import Row

__all__ = ["Announcements", "LinkQueue", "ListQueue", "Losers", "PlanQueue"]


class PlanQueue(Backlog):
    """Paths to be planned: now, or at a later time."""

    def __init__(self) -> None:
        super().__init__(limits.TODO_PATHS_MAX)
        self.cursor: bytes | None = None  # offers at paths above this one are not planned yet
        self.has_room_come = False
        self.timers: list[tuple[int, int, bytes, str]] = []  # due time (ms), a number that keeps the order, path, peer
        self._timer_count = 0

    def add_all_offers(self) -> None:
        """Plan every path with an offer again."""
        self.cursor = b""

    def add_offers(self, some: list[bytes], is_last: bool) -> None:
        """Add the next paths with offers, in the order of paths."""
        self.add_all(some)
        self.cursor = None if is_last else some[-1]

    def take_overflow(self) -> None:
        """If the queue dropped paths because it was full, plan every path with an offer."""
        if self.overflowed:
            self.overflowed = False
            self.add_all_offers()

    def room_came(self) -> None:
        """The window of a peer has room: some of the paths that wait for it are planned."""
        self.has_room_come = True

    def take_room(self) -> bool:
        """True if room has come since the last call."""
        came, self.has_room_come = self.has_room_come, False
        return came

    def add_at(self, when_ms: int, path: bytes) -> None:
        self._timer_count += 1
        heapq.heappush(self.timers, (when_ms, self._timer_count, path, self.owner))

    def add_due(self, now_ms: int) -> None:
        """Add the paths whose timer is due."""
        while self.timers and self.timers[0][0] <= now_ms:
            _, _, path, self.owner = heapq.heappop(self.timers)
            self.add(path)
        self.owner = ""

    def next_due_ms(self) -> int | None:
        return self.timers[0][0] if self.timers else None

    def due_ms(self, path: bytes) -> int | None:
        """When (ms) the first timer of a path is due; None: it has none. Looks at all timers."""
        return min((when for when, _, other, _ in self.timers if other == path), default=None)

    def timed(self) -> set[bytes]:
        """The paths to be planned at a later time."""
        return {path for _, _, path, _ in self.timers}


_FIT_MAX = 1_000  # folders in one job


class ListQueue:
    """Folders to be listed: now, when all is calm, or again after a failure."""

    def __init__(self) -> None:
        self.folders: list[bytes] = []  # a stack: depth-first order keeps it short
        self.out = 0  # jobs that have not come back
        self._taken = 0  # folders in the last job
        self._fit = _FIT_MAX  # as many folders as a job probably has time for
        self.put_in: set[bytes] = set()  # folders being listed while a job puts something into them
        self.looked: set[bytes] = set()  # paths at which a look ended since the last job began: it may be the newer one
        self.when_calm: set[bytes] = set()  # folders in which events were treated as echoes
        self.made: set[bytes] = set()  # folders of a bulk that we made since the last scan, and nobody watches yet
        self.latest: dict[
            bytes, int
        ] = {}  # ... and when (ms) some of them are listed at the latest; the first ones first
        self.failed: dict[bytes, tuple[int, int]] = {}  # folders that could not be listed: due time, last wait (ms)
        self._held_ms: int | None = None  # since when others go first

    @property
    def waiting(self) -> int:
        """How many folders are to be listed now."""
        return len(self.folders)

    @property
    def is_over(self) -> bool:
        """True if no folder waits to be listed now, and none is being listed."""
        return not self.folders and not self.out

    def add(self, folder: bytes) -> None:
        self.folders.append(folder)

    def add_all(self, folders: Iterable[bytes]) -> None:
        self.folders += folders

    def add_when_calm(self, folder: bytes, latest_ms: int | None = None) -> None:
        """`latest_ms`: list it then, even if all is not calm. It is never less than that of an earlier call."""
        self.when_calm.add(folder)
        if latest_ms is not None:
            self.latest.setdefault(folder, latest_ms)

    def add_calm(self) -> bool:
        """All is calm: list the folders that waited for that. True if there were any."""
        were = sorted(self.when_calm)
        self.folders += were
        self.when_calm.clear()
        self.latest.clear()
        return bool(were)

    def add_due(self, now_ms: int) -> None:
        """Add folders whose timer is due."""
        while self.latest and next(iter(self.latest.values())) <= now_ms:
            folder = next(iter(self.latest))
            del self.latest[folder]
            self.when_calm.discard(folder)
            self.folders.append(folder)
        for folder, (due, wait) in list(self.failed.items()):
            if due <= now_ms:
                self.failed[folder] = (now_ms + wait, wait)
                self.folders.append(folder)

    def take(self, most: int, busy: set[bytes]) -> list[bytes]:
        """The next folders, for one job: as many as it probably has time for, because what a job needs is collected for all
        of its folders. `busy`: folders into which a job is putting something."""
        most = min(most, self._fit)
        some = self.folders[-most:]
        del self.folders[-most:]
        self._taken = len(some)
        self.out += 1
        self._held_ms = None
        self.put_in = busy.intersection(some)
        self.looked.clear()
        return some

    def give_way(self, now_ms: int, most_ms: int) -> bool:
        """True if others may go first: they have done so for less than `most_ms`."""
        if self._held_ms is None:
            self._held_ms = now_ms
        return now_ms - self._held_ms < most_ms

    def came_back(self, left: Iterable[bytes]) -> None:
        """The last job has returned. `left`: folders for which it had no time."""
        before = len(self.folders)
        self.out -= 1
        self.folders += left
        listed = self._taken - (len(self.folders) - before)
        self._fit = max(1, listed) if listed < self._taken else min(self._fit + self._fit // 4 + 1, _FIT_MAX)

    def put_into(self, folder: bytes) -> None:
        """A job puts something into that folder."""
        if self.out:
            self.put_in.add(folder)

    def look_ended(self, path: bytes) -> None:
        """A look at that path has come back. What a job that is out has seen there may be older."""
        if self.out:
            self.looked.add(path)

    def list_later(self, folder: bytes, now_ms: int, first_ms: int, most_ms: int) -> None:
        """A folder could not be listed: try again after `first_ms`, then after twice the last wait, up to `most_ms`."""
        known = self.failed.get(folder)
        wait = first_ms if known is None else longer(known[1], most_ms)
        self.failed[folder] = (now_ms + wait, wait)

    def note_made(self, folder: bytes) -> None:
        """This node has made a folder for a bulk, and nobody watches it until it is listed."""
        self.made.add(folder)

    def scan_begins(self) -> None:
        """What is missing anywhere is judged as by a scan from now on."""
        self.made.clear()

    def listed(self, folder: bytes) -> bool:
        """A folder was listed. True if this node had made it for a bulk, and nobody was watching it before."""
        self.failed.pop(folder, None)
        was_made = folder in self.made
        if folder not in self.put_in:
            self.made.discard(folder)
        return was_made

    def try_again_below(self, folder: bytes, now_ms: int, wait_ms: int) -> None:
        """Try the folders at and below `folder` again that could not be listed."""
        for each in self.failed:
            if each == folder or each.startswith(folder + b"/"):
                self.failed[each] = (now_ms, wait_ms)

    def next_due_ms(self) -> int | None:
        due = [when for when, _ in self.failed.values()]
        due += list(self.latest.values())[:1]
        return min(due, default=None)


class Announcements:
    """Changes of this turn, for the publisher: to be announced to the peers and logged."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Record]] = []  # in ascending sequence
        self.fresh: dict[bytes, Fresh] = {}  # of these, the changes made here
        self.unlogged: dict[tuple[bytes, type], LocalChange] = {}  # a user's changes that are not logged yet

    def add(self, row: Row, record: Record) -> None:
        self.rows.append((row.seq, record))

    def add_rows(self, rows: Iterable[Row]) -> None:
        self.rows += [(row.seq, row.record) for row in rows]

    def add_change(self, change: Fresh) -> None:
        self.fresh[change.record.path] = change

    def log(self, note: LocalChange) -> None:
        """A user made this change here."""
        self.unlogged[note.path, type(note)] = note

    def take(self) -> list[tuple[int, Record]]:
        """Remove and return the rows."""
        rows, self.rows, self.fresh = self.rows, [], {}
        return rows

    def take_unlogged(self) -> list[LocalChange]:
        """Remove and return the notes to be logged."""
        unlogged, self.unlogged = self.unlogged, {}
        return list(unlogged.values())


class Losers:
    """Versions that lost a conflict here. They are kept only if somebody merges them."""

    def __init__(self) -> None:
        self._lost: list[tuple[Record, bytes]] | None = None  # None: nobody takes them

    def begin(self) -> None:
        """From now on, what loses a conflict is kept for `take`."""
        self._lost = []

    def add(self, record: Record, version: bytes) -> None:
        """A version lost a conflict, and is in the history under that name."""
        if self._lost is not None:
            self._lost.append((record, version))

    def take(self) -> list[tuple[Record, bytes]]:
        """The versions that lost since the last call."""
        lost, self._lost = self._lost or [], []
        return lost


class LinkQueue:
    """Paths whose version says that they are a name of a file with several names: are they that on the disk, too?

    `is_on`: this node keeps names of one file. `refused`: inodes that can have no other name here."""

    def __init__(self) -> None:
        self.is_on = False
        self.refused: set[int] = set()
        self._results: list[tuple[ApplyItem, ApplyResult]] = []  # of jobs that no version asked for
        self._due: dict[bytes, int] = {}  # path -> when (ms)

    def add(self, path: bytes, due_ms: int = 0) -> None:
        self._due[path] = due_ms

    def came_back(self, item: ApplyItem, result: ApplyResult) -> None:
        self._results.append((item, result))

    def take_results(self) -> list[tuple[ApplyItem, ApplyResult]]:
        results, self._results = self._results, []
        return results

    def refuse(self, inode: int) -> None:
        self.refused.add(inode)

    def take(self, now_ms: int, most: int) -> list[bytes]:
        """Remove and return paths that are due, at most so many."""
        due = [path for path, when in self._due.items() if when <= now_ms][:most]
        for path in due:
            del self._due[path]
        return due

    def next_due_ms(self) -> int | None:
        return 0 if self._results else min(self._due.values(), default=None)

    def __contains__(self, path: bytes) -> bool:
        return path in self._due

    def __bool__(self) -> bool:
        return bool(self._due or self._results)
