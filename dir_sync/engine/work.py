"""The state of each path: what is fetched, installed, retried or waited for.

In:   activities that begin and end.
Out:  whether a path is free, and what it waits for.
Rule: no entry means that nothing is active at the path; then its row says all.
Used by: sources, versions, folder_times, own_losses, peer_losses, part_files, transfers, local_renames, look_queue,
names, rows, uploader, applier, hard_links, incoming_moves, growth_in, deltas_in, fetcher, bulk_install, acquire,
planner, declining, sync_report, unconfirmed, intake, forecaster, recorder, local_changes, ignoring, scan, merging, idle, router,
rereads, healing, apart,
scrub.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem
from dir_sync.core.looks import is_doubtful
from dir_sync.core.model import Kind, Record, parent_of
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.core.unable import BlindDisk, Unable
from dir_sync.core.watching.opened import Opened
from dir_sync.core.watching.pace import Pace
from dir_sync.engine.arrivals import Arrivals
from dir_sync.engine.attempts import Attempts
from dir_sync.engine.board import Board
from dir_sync.engine.expected import Copies, Expected
from dir_sync.engine.folder_waits import FolderWaits
from dir_sync.engine.holders import Holders
from dir_sync.engine.obstacles import Obstacles
from dir_sync.engine.out_of_reach import OutOfReach
from dir_sync.engine.path_jobs import PathJobs
from dir_sync.engine.path_work import Grace, PathTable, PathWork
from dir_sync.engine.retries import Retries
from dir_sync.engine.room_queues import RoomQueues

__all__ = ["WorkTable"]


class WorkTable:
    """The state of each path, by region: jobs, arrivals, retries, waits. Rules about several regions are methods here.

    It has more fields than a machine may have: each is one region with verbs of its own, and all of them are about one path."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.pace = Pace()
        self.opened = Opened()
        self.unable = Unable()
        self.disk = BlindDisk()
        self.obstacles = Obstacles()
        self.rooms = RoomQueues()
        self.out_of_reach = OutOfReach()
        self._paths = PathTable()
        self.attempts = Attempts(self._paths)
        self.jobs = PathJobs(self._paths, self.attempts)
        self.retries = Retries(board, self._paths)
        self.holders = Holders(self._paths)
        self.expected = Expected()
        self.copies = Copies(board, self._paths)
        self.arrivals = Arrivals(board, self._paths, self.jobs, self.retries, self.expected, self.copies)
        self.folders = FolderWaits(self._paths, self.arrivals)
        self.aside: dict[bytes, bytes] = {}  # known name -> the path at which a scan found probably the same file

    def is_free(self, path: bytes) -> bool:
        """The gate of the planner: no job is out at this path, no look is pending, and no wait is set."""
        return self.retries.is_due(path) and not self.is_at_work(path)

    def is_at_work(self, path: bytes) -> bool:
        """True while a job is out at this path, or a look is out or pending."""
        return self.jobs.is_at(path) or path in self._board.looking or path in self._board.pending_looks

    def regions_of(self, path: bytes) -> PathWork | None:
        """What is going on at a path, to be read only; None: nothing."""
        return self._paths.get(path)

    def not_at_work(self, paths: set[bytes]) -> set[bytes]:
        """Those of `paths` at which no job is out, and no look is out or pending."""
        return self._board.pending_looks.lacks(self.jobs.not_at(paths).difference(self._board.looking))

    def end_apply(self, path: bytes) -> tuple[ApplyItem, Take | None]:
        """End the job at a path. Returns what was ordered; paths that wait for its content are planned."""
        item, take = self.jobs.end_apply(path)
        self.copies.wake(path)
        if item.data and self.rooms.queues:
            self._board.plan_queue.room_came()
        return item, take

    def may_be_pushed(self, paths: set[bytes]) -> set[bytes]:
        """Those of `paths` at which nothing is active and no obstacle exists."""
        return self.obstacles.not_at(self.not_at_work(paths))

    def begin_pushed(self, intent: int, replica: str, items: list[ApplyItem]) -> None:
        """Begin jobs for files that a peer pushed with their content."""
        self.jobs.begin_pushed(intent, replica, items)
        self.expected.add_all(items)

    def set_aside(self, source: bytes, path: bytes) -> None:
        """A scan found at `path` probably the file that was known as `source`."""
        self.aside[source] = path

    def is_set_aside(self, source: bytes) -> bool:
        return source in self.aside

    @property
    def has_set_aside(self) -> bool:
        return bool(self.aside)

    def take_set_aside(self) -> dict[bytes, bytes]:
        found, self.aside = self.aside, {}
        return found

    def retry_below(self, folder: bytes) -> list[bytes]:
        """A folder changed: what failed in it is tried again, as after a first failure."""
        paths = self.obstacles.take_denied(folder)
        for path in paths:
            self.retries.begin_anew(path)
        return paths

    def grace_ms(self, path: bytes, announced: Record) -> int:
        """For how long (ms) this version has had its grace: the clock starts with the first call. A version that is
        announced later, even after this one was withdrawn, gets a grace of its own."""
        entry, now = self._paths.at(path), self._board.now.mono_ms
        if entry.grace is None or entry.grace.stamp != announced.stamp:
            entry.grace = Grace(announced.stamp, now)
        return now - entry.grace.since_ms

    def end_grace(self, path: bytes) -> None:
        entry = self._paths.get(path)
        if entry is not None and entry.grace is not None:
            entry.grace = None
            self._paths.touch(path)

    def begin_growth(self, fetch: Fetch) -> None:
        """A job appends to the file itself: nothing else happens at this path until it ends."""
        self.arrivals.begin_fetch(fetch)
        self.jobs.begin_growth(fetch)

    def stop_waiting(self, path: bytes) -> None:
        entry = self._paths.get(path)
        if entry is None:
            return
        if entry.retry is not None:
            self.holders.forget_rounds(path)
        if entry.folder_for is not None:
            self.folders.end_wait(path)

    def with_traces(self, paths: list[bytes], some: Container[bytes], more: Container[bytes]) -> list[bytes]:
        """Those of `paths` at which something is going on or waits, or that are in one of the other two."""
        if self.rooms.queues or self.out_of_reach:
            return paths
        get = self._paths.get
        return [path for path in paths if path in some or path in more or get(path) is not None]

    def forget_announced(self, path: bytes) -> None:
        """Nothing newer is announced for this path any more: forget its attempts, retries and waits, which belong to
        that announcement. (`attempted`, what may be on the disk, is kept until a look.)"""
        if self.rooms.queues:
            self.rooms.leave(path)
        if self.out_of_reach:
            self.out_of_reach.leave(path)
        entry = self._paths.get(path)
        if entry is not None:
            if entry.grace is not None:
                self.end_grace(path)
            if entry.retry is not None:
                self.retries.forget(path)

    def end_turn(self) -> None:
        """End the turn: drop empty entries. Called when everything due is done."""
        if self.expected.paths and not self.jobs.changes:
            self.arrivals.forget_those_that_came()
        if self._paths.touched:
            self._paths.drop_empty()

    def check(self) -> Iterator[str]:
        """Yield each invariant that is violated between two turns: above all, each wait has an event that ends it."""
        board = self._board
        timers = board.plan_queue.timed()
        yield from self.jobs.check()
        yield from self.arrivals.check()
        yield from self.retries.check(timers)
        if self.jobs.is_applying and not board.jobs_out:
            yield f"{self.jobs.all()} wait for the end of a job, and none is out"
        waiting_for_room = self.rooms.paths()
        for path, entry in self._paths.items():
            if entry.is_empty:
                yield f"{path!r} has an entry, and nothing is going on there"
            if (entry.folder_for is not None) != (self.folders.is_waiting(path)):
                yield f"{path!r} waits for its folder, and is not in the list, or the other way round"
            if self._is_planned(path, timers) or self.is_at_work(path):
                continue
            if entry.folder_for is not None and self.is_unblocked(path) and path not in waiting_for_room:
                yield f"{path!r} waits for its folder, which is here"
            is_wanted = entry.grace is not None or entry.retry is not None or entry.folder_for is not None
            if is_wanted and not board.index.offers.of(path):
                yield f"of {path!r} something is remembered for what is announced, and nothing is: {entry}"
        for path in self.out_of_reach.paths():
            if not (self._is_planned(path, timers) or self.is_at_work(path) or board.index.offers.of(path)):
                yield f"{path!r} waits for a content, and nobody announces anything there"
        for replica in self.rooms.peers():
            if replica not in board.peers:
                yield f"paths wait for room at {replica}, who is not connected"
        windows = [board.peers[one].connection.window for one in self.rooms.peers() if one in board.peers]
        is_limited = any(one.bytes or one.wait_ms(limits.CHUNK_BYTES, board.now.mono_ms) for one in windows)
        if self.rooms and not (
            self.arrivals.is_fetching
            or board.run_again
            or board.plan_queue.has_room_come
            or self.jobs.are_full
            or board.scan.is_on
            or is_limited
        ):
            yield f"{sorted(self.rooms.paths())} wait for room in a window, and nothing is on its way"

    def _is_planned(self, path: bytes, timers: Container[bytes]) -> bool:
        """True if a path is about to be planned, now or by a timer. `timers`: those of the plan queue."""
        queue = self._board.plan_queue
        return path in queue or path in timers or queue.cursor is not None or self._board.scan.is_on

    @property
    def is_bringing(self) -> bool:
        """True while a content is being fetched, has arrived and is not installed, or waits for room in a window."""
        return bool(self.arrivals.is_fetching or self.arrivals.has_ready or self.rooms)

    def obstruct(self, path: bytes, kind: Kind) -> None:
        """An entry that is never synchronized is at `path`, or in the folder there."""
        self.obstacles.add(path, kind)
        self.arrivals.drop_below(path)

    def is_unblocked(self, path: bytes) -> bool:
        """True if the parent folder exists and can take a new name."""
        parent = parent_of(path)
        if not parent:
            return True
        above = self._board.index.rows.get(parent)
        return above is not None and above.record.kind == Kind.DIRECTORY and above.fp != b""

    def has_just_grown(self, path: bytes | None) -> bool:
        """True for a file that has to be read again before anything is copied from it."""
        row = None if path is None else self._board.index.rows.get(path)
        return row is not None and row.record.kind == Kind.FILE and is_doubtful(row.fp)
