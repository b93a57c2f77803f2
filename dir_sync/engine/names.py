"""Names that this disk cannot tell apart from others.

In:   looks on a disk that ignores case or Unicode form. Out: names that are held back, and names that are looked at
again.
Used by: rows, local_changes.
"""

from __future__ import annotations

from dir_sync.core.events import Urgency
from dir_sync.core.looks import LookOutcome, Seen
from dir_sync.core.model import parent_of
from dir_sync.core.watching.pending_looks import PendingLook
from dir_sync.engine.board import Board
from dir_sync.engine.constants import BLIND
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.work import WorkTable

__all__ = ["Names"]


class Names:
    """Names that this disk cannot tell apart or cannot store: which are held back, and when they become possible."""

    def __init__(self, board: Board, work: WorkTable, look_queue: LookQueue) -> None:
        self._board = board
        self._work = work
        self._look_queue = look_queue

    def looked_at_name(self, seen: Seen, pending: PendingLook) -> None:
        """Note whether a name is free now on a disk that ignores case or Unicode form, or is taken by another one."""
        path = seen.path
        if seen.look not in (LookOutcome.FOUND, LookOutcome.SAME, LookOutcome.ABSENT):
            return
        if seen.taken_for is None:
            self._work.unable.release(path, only_names=True)
        else:
            self._work.unable.take_for(path, seen.taken_for)
            if pending.watched and seen.taken_for != path:
                # a program may have used that file by this name
                self._look_queue.on_touched(seen.taken_for, Urgency.NOW)
            elif pending.watched:
                # it has just appeared; a program may have removed or renamed another one by this name before
                self._board.listings.add_when_calm(parent_of(path))
        if seen.look is LookOutcome.ABSENT:
            self.look_behind(path)

    def found_on_blind_disk(self, seen: Seen, pending: PendingLook) -> None:
        """The disk takes this name for no other one. A program may have used it to remove or replace another name: list
        the folder when all is calm."""
        path = seen.path
        if seen.look is LookOutcome.ABSENT and self._board.index.offers.of(path):
            self._work.disk.name_is_free(path)
        row = self._board.index.rows.get(path)
        # A look may be faster than the watcher: what it finds new may have replaced another name just now.
        is_new = seen.look is LookOutcome.FOUND and not self._board.scan.is_on
        if (pending.watched or is_new) and (row is None or not row.fp):
            self._board.listings.add_when_calm(parent_of(path))

    def look_behind(self, path: bytes) -> None:
        """A name vanished: names that it kept away may be installed now, unless another one still keeps them away."""
        for other in self._work.unable.behind(path):
            self._board.pending_looks.add(other, self._board.now.mono_ms, self._board.now.mono_ms)

    def was_not_blind(self) -> bool:
        """True during the first scan on a disk that ignores case or Unicode form, if the index was made on another
        disk."""
        return (
            self._work.disk.is_blind
            and self._board.scan.is_on
            and not self._board.scan.is_first
            and self._board.index.notes.get(BLIND) is None
        )
