"""What this node has otherwise than others on purpose, path by path.

In:   the mode, the rules and the limit of sizes of this node. Out: reasons, as in LACKS.
Rule: only what a person chose is a reason (`core.declined.CHOSEN`). What is merely not here yet has none.
Used by: verify_answers.
"""

from __future__ import annotations

from dir_sync.core.declined import Reason
from dir_sync.core.mode import THEIRS, is_own, is_own_large
from dir_sync.core.model import Kind
from dir_sync.core.reconcile import Refuse
from dir_sync.core.verify import Apart
from dir_sync.engine.board import Board
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.scope import Scope
from dir_sync.engine.work import WorkTable

__all__ = ["Aparts"]


class Aparts:
    """Why paths are otherwise here on purpose."""

    def __init__(self, board: Board, scope: Scope, mode_rules: ModeRules, work: WorkTable) -> None:
        self._board = board
        self._scope = scope
        self._mode_rules = mode_rules
        self._work = work

    def at(self, path: bytes) -> list[Apart]:
        """Empty: this node wants there what all have."""
        reason = self._reason(path)
        if reason is not None:
            return [Apart(path, reason)]
        as_file, as_folder = (self._scope.ignores(path, is_folder) for is_folder in (False, True))
        if as_file and as_folder:
            return [Apart(path, Reason.IGNORED)]
        kinds = (Kind.FILE, Kind.SYMLINK) if as_file else (Kind.DIRECTORY,) if as_folder else ()
        return [Apart(path, Reason.IGNORED, kind) for kind in kinds]

    def _reason(self, path: bytes) -> Reason | None:
        index = self._board.index
        row = index.rows.get(path)
        if row is not None and is_own(row.record):
            if index.offers.of_peer(path, THEIRS) is None:
                return None  # nobody else knows of it
            return Reason.TOO_LARGE if is_own_large(row.record) else Reason.DIVERGED
        if not self._mode_rules.mode.takes and isinstance(self._mode_rules.decision_at(path, row), Refuse):
            return Reason.SEND_ONLY
        for offer in index.offers.of(path):
            unfit = self._work.unable.why(offer.record)
            if unfit is not None and unfit.reason is Reason.TOO_LARGE:
                return Reason.TOO_LARGE
        return None
