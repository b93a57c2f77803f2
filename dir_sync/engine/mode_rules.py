"""By which rule a path is decided: the mode of the folder, and what a person reverts.

In:   the mode; paths to be reverted; "a peer's state is complete". Out: the mode at a path, and the decision there.
Rule: `core.reconcile` decides; this module says by which mode. A mirror undoes nothing before the first contact is over.
Used by: publisher, peer_losses, stamps, transfers, rows, own_changes, applier, incoming_moves, deltas_in, acquire,
planner, sync_report, forecaster, recorder, scan, decisions, router, merging.
"""

from __future__ import annotations

from dir_sync.core.mode import Mode, is_own_large
from dir_sync.core.reconcile import Decision, decide
from dir_sync.engine.board import Board
from dir_sync.index import Row

__all__ = ["ModeRules"]

_MESH_KNOWN = "mesh known"  # index note: a peer has sent its complete state


class ModeRules:
    """`mode`: of the folder. `knows_mesh`: a peer's state was complete. `reverting`: paths that a person wants as the
    mesh has them."""

    def __init__(self, board: Board, mode: Mode) -> None:
        self._board = board
        self._index = board.index
        self.mode = mode
        self.knows_mesh = board.index.notes.get(_MESH_KNOWN) is not None
        self.reverting: set[bytes] = set()

    def mode_at(self, path: bytes, row: Row | None) -> Mode:
        """By which rule a path is decided. `row`: ours there."""
        taking = self._board.taking
        is_limited = taking is not None and taking.most > 0 and self.mode.announces
        if is_limited and row is not None and is_own_large(row.record):
            return Mode.APART
        if self.mode is Mode.TWO_WAY:
            return self.mode
        if path in self.reverting:
            return Mode.REVERT
        return self.mode if self.mode is not Mode.MIRROR or self.knows_mesh else Mode.RECEIVE_ONLY

    def decision_at(self, path: bytes, row: Row | None) -> Decision:
        """What `core.reconcile` says about a path. `row`: ours there."""
        return decide(None if row is None else row.record, self._index.offers.of(path), (), self.mode_at(path, row))

    @property
    def keeps_own(self) -> bool:
        """True if some changes made here stay here: because of the mode, or because a file is too large."""
        taking = self._board.taking
        return not self.mode.announces or (taking is not None and taking.most > 0)

    def mesh_is_known(self) -> None:
        """A peer's state is complete: from now on a mirror undoes what is changed here."""
        self.knows_mesh = True
        self._index.notes.put(_MESH_KNOWN, 1)
        self._board.plan_queue.add_all_offers()

    def revert(self, path: bytes) -> None:
        """Undo what was changed here only."""
        self.reverting.add(path)
        self._board.plan_queue.add(path)

    def revert_ends(self, path: bytes) -> None:
        """Something else is at this path from now on."""
        self.reverting.discard(path)
