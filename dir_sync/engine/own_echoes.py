"""Keeps the events that our own work causes away from the look queue.

In:   changes of the tree that are ordered and carried out; events of the watcher.
Out:  which events are echoes. What they are about is looked at a moment later, or its folder is listed.
Rule: an echo is never ignored: whatever a user did at the same name in the same moment is found by that look or listing.
Used by: look_queue, applier, bulk_install, scan, idle.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.events import Event, Moved, Touched, Urgency
from dir_sync.core.jobs import ApplyItem, TreeOp
from dir_sync.core.model import Kind
from dir_sync.core.watching.echoes import Echoes, both_names
from dir_sync.engine.board import Board
from dir_sync.engine.constants import ECHO_LOOK_MS, ECHO_MS, FOLDER_ECHO_MS

__all__ = ["OwnEchoes"]


class OwnEchoes(Echoes):
    """The echoes of one engine. `bulk_min`: from so many new names on, the events of one folder are treated as a bulk."""

    def __init__(self, board: Board) -> None:
        super().__init__(ECHO_MS)
        self._board = board
        self.bulk_min = 16

    def expect_change(self, item: ApplyItem) -> None:
        """A change is about to be ordered: the event of a new name, or of a rename, is an echo of it."""
        if item.act is TreeOp.INSTALL and not item.expect:
            self.expect((item.path,))
        elif item.act is TreeOp.MOVE and item.copy_path and not item.copy_path.startswith(limits.RESERVED_NAME):
            self.expect_rename(item.copy_path, item.path)

    def change_ended(self, item: ApplyItem, is_done: bool) -> None:
        """A change was carried out, or failed."""
        self.ended(item.path, is_done, self._board.now.mono_ms)
        if item.act is TreeOp.MOVE and item.copy_path is not None:
            self.ended(both_names(item.copy_path, item.path), is_done, self._board.now.mono_ms)

    def is_echo(self, event: Event) -> bool:
        """True if an event of the watcher is most probably an echo of our own work; it is then dealt with."""
        if type(event) is Moved:
            return self.is_rename(event)
        return type(event) is Touched and self.is_at(event.path, event.urgency)

    def is_at(self, path: bytes, urgency: Urgency) -> bool:
        """True if the event that a name has come, or has left, is most probably an echo. A name leaves alone by a rename of
        ours into a folder that is not watched yet."""
        if urgency is Urgency.FOLDER:
            return self.is_folder(path)
        if urgency is Urgency.VANISHED:
            target = self.take_left(path, self._board.now.mono_ms)
            if target is None:
                return False
            self._look_at(target)
        elif urgency is not Urgency.ARRIVED or not self.take(path, self._board.now.mono_ms):
            return False
        self._look_at(path)
        return True

    def is_rename(self, event: Moved) -> bool:
        """True if a rename is most probably one of ours: its event names both names of it."""
        if event.is_directory or not self.take_rename(event.source, event.target, self._board.now.mono_ms):
            return False
        self._look_at(event.source)
        self._look_at(event.target)
        return True

    def is_folder(self, path: bytes) -> bool:
        """True if a folder that was found was made most probably by us, for a bulk of files. It is listed, and watched from
        then on, when most of them are in it: so they cause no event. Not if the folder is gone again by what is known here: our
        own may have caused no event, because it was made in a folder that was not watched yet."""
        now = self._board.now.mono_ms
        if not self._is_bulk() or self._is_known_gone(path) or not self.take(path, now):
            return False
        self._board.listings.add_when_calm(path, now + FOLDER_ECHO_MS)
        self._board.listings.note_made(path)
        return True

    def _is_known_gone(self, path: bytes) -> bool:
        row = self._board.index.rows.get(path)
        return row is not None and row.record.kind is Kind.ABSENT

    def _is_bulk(self) -> bool:
        return bool(self._board.listings.when_calm) or len(self) >= self.bulk_min

    def _look_at(self, path: bytes) -> None:
        """A bulk of new files causes thousands of echoes; their folders are listed when all is calm, which costs less than a
        look at each file. Single files are looked at together with all others of a short span: a look for each costs as
        much as its installation."""
        if self._is_bulk():
            self._board.listings.add_when_calm(path.rpartition(b"/")[0])
            return
        now = self._board.now.mono_ms
        self._board.pending_looks.add(path, now - now % ECHO_LOOK_MS + ECHO_LOOK_MS, now).watched = True
