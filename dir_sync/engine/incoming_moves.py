"""Recognizes renames made at a peer: a content that left one name may be wanted under another.

In:   offers, and files that were displaced a moment ago. Out: moves instead of a removal and a copy.
Used by: fetcher, acquire, planner, router.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.model import Kind, Record, same_body, same_content
from dir_sync.core.reconcile import Take
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import MOVE_ROWS_MAX
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.rows import Rows
from dir_sync.engine.sources import Sources
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["IncomingMoves"]

_DISPLACED_MS = 60_000  # a displaced file is a candidate for a move this long


class IncomingMoves:
    """Recognizes renames made at a peer: a content that left one name may be wanted under another."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        sources: Sources,
        brakes: Brakes,
        transfers: TransferTable,
        rows: Rows,
        applier: Applier,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._sources = sources
        self._brakes = brakes
        self._transfers = transfers
        self._rows = rows
        self._applier = applier

    def _moves_whole(self, source: bytes, target: bytes) -> bool:
        """True if everything that the index knows below `source` is wanted below `target`, as it is, and nowhere else."""
        below = self._board.index.tree.live_below(source, MOVE_ROWS_MAX)
        if len(below) == MOVE_ROWS_MAX or self._work.jobs.is_below(source):
            return False
        for child in below:
            path = target + child.record.path[len(source) :]
            known = self._board.index.rows.get(path)
            take = self._mode_rules.decision_at(path, known)
            # A file with another time would be found below the new name as nobody announced it: as an edit of a user.
            is_wanted = isinstance(take, Take) and same_body(take.record, child.record)
            if not is_wanted or self._rows.announced_gone(child.record) is None:
                return False
        return True

    def take_back_moved(self, item: ApplyItem, take: Take) -> bool:
        """True if the same peer displaced this content a moment ago, because the removal of the old name arrived first.
        The file is moved out of the history again, where it would use space twice."""
        kept = self._sources.take_displaced(take.record.content)
        if kept is None:
            return False
        if kept.node != take.record.stamp.maker or self._board.now.mono_ms - kept.when_ms > _DISPLACED_MS:
            return False
        version = self._board.index.versions.get(kept.version)
        if version is None or version.why is Cause.CONFLICT or self._sources.is_avoided(version.name):
            return False
        self._transfers.cancel(item.path)
        self._applier.order_change(item._replace(act=TreeOp.MOVE, copy_path=kept.version, copy_fp=kept.fp), take)
        return True

    def is_leaving(self, row: Row) -> bool:
        """True if a peer deleted this file of ours, and the file is not kept as the loser of a conflict."""
        decision = self._mode_rules.decision_at(row.record.path, row)
        return isinstance(decision, Take) and decision.record.kind == Kind.ABSENT and not decision.conflict

    def renamed_there(self, record: Record, source: bytes) -> None:
        """A peer renamed a file and maybe changed it: the file under the old name here is a good base for a delta."""
        self._sources.came_from(record.path, source)
        row = self._board.index.rows.get(source)
        if row is None or row.record.kind != Kind.FILE or row.record.content == record.content:
            return
        if min(row.record.size, record.size) >= limits.DELTA_FILE_BYTES_MIN:
            self._sources.begin_with(record.path, row.record.content)

    def was_renamed_there(self, record: Record, source: bytes) -> None:
        """Like `renamed_there`, for an older rename: `source` is one of several earlier names of the file."""
        row = self._board.index.rows.get(source)
        if row is not None and row.record.kind == Kind.FILE:
            self.renamed_there(record, source)

    def respell(self, source: bytes) -> bool:
        """True if a name that should go differs from a wanted name only in case or Unicode form. The name is then
        changed by a rename, not by a removal and a new file."""
        row = self._board.index.rows.get(source)
        if row is None or not row.fp or self._work.is_at_work(source) or self._brakes.peers.holds(source):
            return False
        mine = row.record
        if mine.kind not in (Kind.FILE, Kind.DIRECTORY):
            return False
        gone = self._mode_rules.decision_at(source, row)
        if not isinstance(gone, Take) or gone.record.kind != Kind.ABSENT:
            return False
        for path in self._work.unable.behind(source):
            known = self._board.index.rows.get(path)
            take = self._mode_rules.decision_at(path, known)
            is_here = (
                self._work.is_unblocked(path) and not self._work.is_at_work(path) and (known is None or not known.fp)
            )
            if not isinstance(take, Take) or not same_content(take.record, mine) or not is_here:
                continue
            if mine.kind == Kind.DIRECTORY and not self._moves_whole(source, path):
                continue
            self._work.arrivals.unready(path)
            self._transfers.cancel(path)
            self._work.jobs.begin_move_away(source, path)
            why = Cause.REPLACED
            self._applier.order_change(
                ApplyItem(path, TreeOp.MOVE, take.record, b"", why, copy_path=source, copy_fp=row.fp), take
            )
            return True
        return False

    def wait_a_moment(self, target: Record) -> bool:
        """True for a moment while a look is under way at a file that may have this content: it then need not be
        fetched."""
        if self._work.grace_ms(target.path, target) > limits.RENAME_HOLD_MS:
            return False
        self._board.plan_later(target.path, 20)
        return True
