"""Walks through the folder in which everything is read again: of a person here, of peers, and of the scrub.

In:   walks; results of jobs. Out: one job at a time; what was found of each entry, in order.
Rule: a walk only reads. What somebody changed meanwhile is looked at, as after a hint of the watcher.
Used by: healing, verify_answers, scrub, verifying.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.frozen import field, mutable
from dir_sync.core.mode import is_own
from dir_sync.core.model import FINGERPRINT_BYTES, Kind
from dir_sync.core.verify import Checked, Item, Outcome, Verified, VerifyJob, key_of
from dir_sync.engine.board import Board
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["SCRUB", "Rereads", "Walk"]

SCRUB = "scrub"  # the asker of the walk that nobody waits for
_ROWS = 64  # entries of one job


@mutable
class Walk:
    """One walk. `checked`: what was found and its asker has not taken yet."""

    asker: str  # "": a person here; SCRUB; or the replica of a peer
    after: bytes = b""
    until: bytes = b""  # b"": to the end
    paths: tuple[bytes, ...] = ()  # if any: only these, instead of a range
    share: int = 1  # it takes at most one part in so many of the time
    checked: list[Checked] = field(default_factory=list)
    read: int = 0  # bytes, with those of a file that is not read to its end yet ...
    partly: int = 0  # ... which are so many of these
    is_over: bool = False
    not_before_ms: int = 0

    def take(self) -> list[Checked]:
        """Remove and return what was found."""
        found, self.checked = self.checked, []
        return found


class Rereads:
    """The walks, and the one job that is out. `is_on`: there is something to do for the machines that read again."""

    def __init__(self, board: Board, work: WorkTable) -> None:
        self._board = board
        self._work = work
        self._walks: dict[str, Walk] = {}  # the one that was served last is the last one
        self._out: tuple[Walk, int] | None = None  # walk and time (ms) of the job that is out
        self.is_on = False

    def wake(self) -> None:
        """There is something to do from now on."""
        self.is_on = True

    def rest(self) -> None:
        """There is nothing to do for anybody."""
        self.is_on = bool(self._walks) or self._out is not None

    def begin(self, walk: Walk) -> None:
        """Begin a walk; it takes the place of an earlier one of that asker."""
        self._walks[walk.asker] = walk
        self.wake()

    def end(self, asker: str) -> None:
        self._walks.pop(asker, None)

    def walk(self, asker: str) -> Walk | None:
        return self._walks.get(asker)

    @property
    def is_scrub_alone(self) -> bool:
        """True if nobody waits for a walk."""
        return not self._walks.keys() - {SCRUB}

    def due_ms(self) -> int | None:
        """When (ms) the next job may be ordered; None: not before something happens."""
        if self._out is not None:
            return None
        walks = (one for one in self._walks.values() if one.asker != SCRUB and self._may_go_on(one))
        return min((one.not_before_ms for one in walks), default=None)

    @property
    def is_out(self) -> bool:
        """True while a job is out."""
        return self._out is not None

    def _may_go_on(self, walk: Walk) -> bool:
        return not walk.is_over and len(walk.checked) < limits.VERIFY_ENTRIES_MAX

    def run(self, may_scrub: bool) -> None:
        """Order the next job, for who has waited longest."""
        if self._out is not None or self._board.scan.is_on:
            return
        may_scrub = may_scrub and self.is_scrub_alone
        now = self._board.now.mono_ms
        for asker, walk in list(self._walks.items()):
            if not self._may_go_on(walk) or walk.not_before_ms > now or (asker == SCRUB and not may_scrub):
                continue
            items = self._next_items(walk)
            if items:
                self._walks[asker] = self._walks.pop(asker)
                self._out = walk, now
                self._board.emit(VerifyJob(asker, tuple(items), limits.VERIFY_SLICE_BYTES))
                return

    def _next_items(self, walk: Walk) -> list[Item]:
        """The next entries to be read; what cannot be read now is found to be changing. []: the walk is over, or its
        asker has to take something first."""
        items: list[Item] = []
        while len(walk.checked) < limits.VERIFY_ENTRIES_MAX:
            rows = self._next_rows(walk)
            for row in rows:
                record = row.record
                item = Item(record.path, record.kind, row.fp, record.size, record.content)
                if len(row.fp) != FINGERPRINT_BYTES or self._work.is_at_work(record.path):
                    if items:
                        return items
                    walk.checked.append(Checked(item, Outcome.CHANGED))
                elif is_own(record) and walk.asker not in ("", SCRUB):
                    if items:
                        return items  # nobody else knows of it
                else:
                    items.append(item)
                    if sum(one.size for one in items) >= limits.VERIFY_SLICE_BYTES:
                        return items
                    continue
                self._go_on(walk, record.path)
            if items or walk.is_over:
                return items
            if len(rows) < _ROWS and not walk.paths:
                walk.is_over = True
                return items
        return items

    def _next_rows(self, walk: Walk) -> list[Row]:
        rows_of = self._board.index.rows
        if walk.paths:
            rows = []
            for path in walk.paths[:_ROWS]:
                row = rows_of.get(path)
                if row is not None and row.record.kind is not Kind.ABSENT:
                    rows.append(row)
                elif not rows:
                    self._go_on(walk, path)
            walk.is_over = not walk.paths
            return rows
        rows = self._board.index.tree.live_from(walk.after, _ROWS)
        if walk.until:
            last = key_of(walk.until)
            rows = [row for row in rows if key_of(row.record.path) <= last]
        return rows

    def _go_on(self, walk: Walk, path: bytes) -> None:
        """The entry at `path` is checked."""
        walk.partly = 0
        if not walk.paths:
            walk.after = path
            return
        walk.paths = walk.paths[walk.paths.index(path) + 1 :]
        walk.is_over = not walk.paths

    def on_verified(self, event: Verified) -> None:
        """A job came back."""
        assert self._out is not None
        walk, since = self._out
        self._out = None
        if self._walks.get(walk.asker) is not walk:
            return  # its asker has ended it, or begun another one
        now = self._board.now.mono_ms
        walk.read += event.read
        walk.not_before_ms = now + (now - since) * (walk.share - 1)
        for checked in event.checked:
            path = checked.item.path
            row = self._board.index.rows.get(path)
            is_known = row is not None and (row.fp, row.record.content) == (checked.item.fp, checked.item.content)
            if not is_known or self._work.is_at_work(path):
                checked = checked._replace(outcome=Outcome.CHANGED)
            elif checked.outcome is Outcome.CHANGED:
                self._board.pending_looks.add(path, now, now)
            walk.checked.append(checked)
            self._go_on(walk, path)
        walk.partly = event.partly
