"""What is going on at each path: what is known, asked for, on its way, applied, or waited for.

In:   what machines begin, and what ends.
Out:  whether a path is free, and what it waits for.
Rule: no entry means that nothing is going on; then the index says all.
Used by: sources, versions, folder_times, own_losses, peer_losses, transfers, local_renames, look_queue, rows, uploader,
      applier, incoming_moves, growth_in, deltas_in, fetcher, bulk_install, acquire, planner, sync_report, intake, recorder,
      local_changes, scan, idle, router, engine.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem
from dir_sync.core.messages import DeltaOffer
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, Stamp, parent_of
from dir_sync.core.opened import Opened
from dir_sync.core.pace import Pace
from dir_sync.core.reconcile import Take
from dir_sync.core.transfer import Fetch
from dir_sync.engine.board import Board
from dir_sync.engine.constants import CHANGING, READY_BYTES_MAX, TROUBLE_RETRY_MS
from dir_sync.engine.values import Gift, Ready

__all__ = ["WorkTable"]


class WorkTable:
    """One table for each thing that can be going on at a path, keyed by path.

    It has more fields than a machine may have: together they are the state of a path, which several machines move on.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self.pace = Pace()
        self.opened = Opened()
        self.arrived: dict[bytes, bytes] = {}  # known name -> where a scan found most probably the same file
        self.busy: set[bytes] = set()
        # Names that cannot be had: something never synchronized has them (OTHER), or is in the folder that has them
        self.obstructed: dict[bytes, Kind] = {}
        self.leaving: set[bytes] = set()  # folders that should go, and were not empty
        self.applying: dict[bytes, tuple[ApplyItem, Take | None]] = {}
        self.pushed: dict[bytes, Gift] = {}
        self.listed_busy: dict[bytes, bytes] = {}  # path -> fingerprint that a listing saw while a job was out there
        self.waiting: dict[str, dict[bytes, int]] = {}  # peer -> path -> for so much room in its window
        self.blocked: dict[bytes, bytes] = {}  # path -> content that waits for its folder
        self.held_since: dict[bytes, tuple[Stamp, int]] = {}  # since when (ms) a grace is given to what is announced
        self.troubled: dict[bytes, tuple[int, str]] = {}  # path -> last wait after trouble, and what it was
        self.attempted: dict[bytes, Stamp] = {}  # path -> what a job was to put there, until a look has told if it did
        self.denied_in: dict[bytes, dict[bytes, None]] = {}  # folder -> what could not be done or seen in it
        self.not_before: dict[bytes, int] = {}  # path -> when the next try is due, however often it is looked at
        self.ready: dict[bytes, Ready] = {}
        self.ready_bytes = 0
        self.fetches: dict[bytes, Fetch] = {}
        self.arriving_at: dict[bytes, bytes] = {}  # content -> path that it is on its way to
        self.copies: dict[bytes, dict[bytes, None]] = {}  # that path -> others that want the same, and wait for it
        self.failed_holders: dict[bytes, set[str]] = {}  # holders that just could not give it
        self.failed_rounds: dict[bytes, int] = {}  # how often none of its holders could
        # path -> peer, base, digest, and the offer
        self.delta_offers: dict[bytes, tuple[str, bytes, bytes, DeltaOffer]] = {}
        self.short: dict[bytes, int] = {}  # path -> bytes that found no room on the disk

    def is_being_filled(self, folder: bytes) -> bool:
        """True if something is just being put into a folder: it may have been there already when its user removed both."""
        prefix = folder + b"/"
        return any(path.startswith(prefix) for path in self.applying)

    def deny(self, folder: bytes, path: bytes) -> None:
        """Something failed at `path`, and may be the fault of `folder`."""
        if len(self.denied_in) > limits.TODO_PATHS_MAX:
            self.denied_in.clear()  # they are tried again at their time
        self.denied_in.setdefault(folder, {})[path] = None

    def is_at_work(self, path: bytes) -> bool:
        return path in self.busy or path in self._board.looking or path in self._board.agenda

    def path_it_arrives_at(self, content: bytes) -> bytes | None:
        """The path that a content is on its way to."""
        path = self.arriving_at.get(content)
        if path is None:
            return None
        fetch, ready, doing = self.fetches.get(path), self.ready.get(path), self.applying.get(path)
        if (
            (fetch is not None and fetch.target.content == content)
            or (ready is not None and ready.digest == content and path not in self.troubled)
            or (doing is not None and doing[0].target.content == content)
        ):
            return path
        del self.arriving_at[content]
        return None

    def wake_copies(self, path: bytes) -> None:
        self._board.plan_queue.update(self.copies.pop(path, {}))

    def obstruct(self, path: bytes, kind: Kind) -> None:
        self.obstructed[path] = kind
        for below in [other for other in self.ready if other.startswith(path + b"/")]:
            self.unready(below)

    def is_obstructed(self, path: bytes) -> bool:
        """True if nothing can be had at or below this path for the time being."""
        while path and self.obstructed:
            if path in self.obstructed:
                return True
            path = parent_of(path)
        return False

    def is_unblocked(self, path: bytes) -> bool:
        """True if the folder of a path is here, to take a new name."""
        parent = parent_of(path)
        if not parent:
            return True
        above = self._board.index.get(parent)
        return above is not None and above.record.kind == Kind.DIRECTORY and above.fp != b""

    def wait_after(self, path: bytes, problem: str) -> int:
        """How long (ms) to leave a path alone after trouble on our own disk: longer each time. Said once."""
        first, most = TROUBLE_RETRY_MS
        before, told = self.troubled.get(path, (first // 2, CHANGING))
        if told == CHANGING:
            self._board.note("trouble", path, text=problem)
        wait = max(first, min(before * 2, most))
        self.troubled[path] = (wait, problem)
        return wait

    def make_ready(self, path: bytes, ready: Ready) -> None:
        self.unready(path)
        size = 0 if ready.data is None else len(ready.data)
        if self.ready_bytes + size > READY_BYTES_MAX:
            return  # it will be pulled when its turn comes
        self.ready[path] = ready
        self.ready_bytes += size
        self.arriving_at[ready.digest] = path

    def unready(self, path: bytes, keep_file: bool = False) -> None:
        ready = self.ready.pop(path, None)
        if ready is None:
            return
        self.wake_copies(path)
        if ready.data is not None:
            self.ready_bytes -= len(ready.data)
        if ready.staged is not None and not keep_file:
            self._board.order_discard((ready.staged,))

    def await_room(self, peer: str, path: bytes, size: int) -> None:
        """So much has to come free in that peer's window before the path is planned again."""
        self.waiting.setdefault(peer, {})[path] = size

    def grace_ms(self, path: bytes, announced: Record) -> int:
        """For how long this very version has been given a grace: the clock starts with the first call. A version that is
        announced later, also after this one was withdrawn, has a grace of its own."""
        stamp, since = self.held_since.setdefault(path, (announced.stamp, self._board.now.mono_ms))
        if stamp != announced.stamp:
            since = self._board.now.mono_ms
            self.held_since[path] = announced.stamp, since
        return self._board.now.mono_ms - since

    def has_just_grown(self, path: bytes | None) -> bool:
        """True for a file that has to be read once more before anything is made from it."""
        row = None if path is None else self._board.index.get(path)
        return row is not None and row.record.kind == Kind.FILE and len(row.fp) > FINGERPRINT_BYTES
