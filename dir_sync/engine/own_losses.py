"""The brake on files that vanished here: too many losses at once are not announced without a decision of a person.

In:   paths that a look found gone. Out: held paths, which are not announced until a person decides.
Used by: rows, local_changes, ignoring, scan, decisions, path_decisions.
"""

from __future__ import annotations

from collections.abc import Iterable

from dir_sync.core import notes
from dir_sync.core.model import Record
from dir_sync.core.safeguard.brake import covers
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.work import WorkTable

__all__ = ["STAYS", "OwnLosses"]

_CHILDREN_MAX = 1_000_000
_SHRUNK_MS = 2_000  # no held file came back for so long
STAYS = (
    "losses stay held"  # index note: a person decided about some of them, and what else is missing waits for a person
)


class OwnLosses:
    """The brake on files that vanished here."""

    def __init__(self, board: Board, work: WorkTable, brakes: Brakes) -> None:
        self._board = board
        self._work = work
        self._brakes = brakes
        self.held_again_ms: int | None = None  # when (ms) to check again whether the held losses are too many

    def begin_to_look(self) -> None:
        self._brakes.own.begin_to_look(self._board.index.rows.count_live()[0])

    def judge(self) -> None:
        """The scan is over. Announce the files that it missed as deleted, or hold them if they are too many."""
        missed = self._brakes.own.missed
        stays = bool(self._board.index.notes.get(STAYS)) and not self._brakes.own.held  # before the last start
        if stays or self.is_disaster():
            amounts = {path: self._board.index.tree.measure(path) for path in missed}
            self._brakes.own.hold(amounts, self._board.index.sequences.reserve())
            held = self._brakes.own.held
            if stays:
                self._brakes.own.stay_held()
            self._board.tell(notes.LossHeld(next(iter(held)), self._brakes.own.held_files, len(held)))
            self._brakes.publish()
            return
        self.release(list(missed))
        missed.clear()

    def is_disaster(self) -> bool:
        """True if what the scan missed is too much, together with what is held already: a folder that is made anew
        shows only then that the files in it are missing as well."""
        limits_, missed = self._brakes.own.limits, self._brakes.own.missed
        if not limits_.files:
            return False
        gone = self._count_files(missed) + self._brakes.own.held_files
        if gone < limits_.files:
            return False
        before = max(self._brakes.own.before, gone)  # files that are new since then do not make up for losses
        if not limits_.is_disaster(gone, before):
            return False
        moved = sum(self.is_moved(row.record) for path in missed for row in self._board.index.tree.live_files(path))
        return limits_.is_disaster(gone - moved, before - moved)

    def _count_files(self, paths: Iterable[bytes]) -> int:
        return sum(self._board.index.tree.measure(path)[0] for path in paths)

    def is_moved(self, record: Record) -> bool:
        """True if the content of a missing file exists under another name. What a file had that was changed and
        cannot be read, such as one that a program has open, is no proof of that."""
        if self._work.is_set_aside(record.path):
            return True
        others = self._board.index.rows.by_content(record.content)
        return any(
            row.record.path != record.path
            and row.record.path not in self._board.scan.unread
            and not covers(self._brakes.own.missed, row.record.path)
            and not self._brakes.own.holds(row.record.path)
            for row in others
        )

    def release(self, paths: list[bytes]) -> None:
        for path in paths:
            pending = self._board.scan.add(path, self._board.now.mono_ms)
            pending.removal_confirmed = True

    def no_longer_held(self, path: bytes, is_folder: bool = False) -> None:
        """A held path exists again, or was settled in another way. `is_folder`: a folder has the name again. What was held
        with it stays held until it is found in it, too: an empty folder says nothing about the files."""
        if path in self._brakes.own.held:
            if is_folder and self._brakes.own.held[path][0]:
                tree = self._board.index.tree
                below = [row.record.path for row in tree.live_children(path, _CHILDREN_MAX)]
                self._brakes.own.split(path, {child: tree.measure(child) for child in below})
                self._board.listings.add(path)
            self._board.plan_queue.add_all_offers()  # paths that waited for the decision
            self._brakes.publish_later()
            self.held_again_ms = self._board.now.mono_ms + _SHRUNK_MS
        if self._brakes.own.is_back(path):
            self.all_decided()
            self._board.tell(notes.NothingHeld())

    def decided(self, paths: Iterable[bytes]) -> None:
        """A person decided about these held paths alone: what else is held stays so, however little it is."""
        self._brakes.own.stay_held()
        self._board.index.notes.put(STAYS, 1)
        for path in paths:
            if self._brakes.own.is_back(path):
                self.all_decided()

    def all_decided(self) -> None:
        """Nothing is held any more, or nothing is missing after a scan."""
        if not self._brakes.own.held and self._board.index.notes.get(STAYS):
            self._board.index.notes.put(STAYS, 0)

    def judge_again(self) -> None:
        """Many of the files that a scan missed are back. If the rest is few enough, announce it as deleted."""
        if self.held_again_ms is None or self.held_again_ms > self._board.now.mono_ms or self._board.scan.is_on:
            return
        self.held_again_ms = None
        if self._brakes.own.stays:
            return
        gone = self._count_files(self._brakes.own.held)
        if self._brakes.own.held and not self._brakes.own.limits.is_disaster(gone, max(self._brakes.own.before, gone)):
            paths = self._brakes.own.release()
            self._board.tell(notes.NothingHeld())
            self._brakes.publish()
            self._board.plan_queue.add_all_offers()
            self.release(paths)
