"""Says what this node has, and what it would do with what it is told, without doing it.

In:   questions of a dry run: which rows are here; what would happen to these records. Out: the answers.
Rule: nothing is changed, neither the index nor a mark: whoever asks leaves no trace. The decision is that of
`core.reconcile`, with the mode, the rules and the obstacles of this folder.
Used by: engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core import limits
from dir_sync.core.forecast import Fate, Outcome, Room, Told
from dir_sync.core.messages import page_size
from dir_sync.core.mode import Mode, is_own
from dir_sync.core.model import Kind, Record, parent_of, same_body, same_content, show
from dir_sync.core.reconcile import Answer, Join, Offer, Refuse, Take, answer, decide
from dir_sync.engine.board import Board
from dir_sync.engine.intake import Intake
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.scope import Scope
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.work import WorkTable

__all__ = ["Forecaster"]


class Forecaster:
    """Answers dry runs."""

    def __init__(
        self, board: Board, mode_rules: ModeRules, work: WorkTable, scope: Scope, stamps: Stamps, intake: Intake
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._scope = scope
        self._stamps = stamps
        self._intake = intake

    @property
    def is_ready(self) -> bool:
        """False while it is not known yet what is here."""
        return not self._board.scan.is_on

    @property
    def room(self) -> Room | None:
        """How many bytes may come by --min-free; None: any number."""
        taking = self._board.taking
        return None if taking is None or taking.room is None else (max(0, taking.room), taking.full)

    def rows(self, after: int, most: int, with_own: bool = False) -> tuple[list[Record], int, bool]:
        """What is here behind that sequence, at most `most` records and as much as one message takes: the records, the sequence
        up to which they reach, and whether these are all. `with_own`: also what stays on this node because of its mode."""
        index, size = self._board.index, 0
        rows = index.changes.after(after, most)
        is_last = len(rows) < most
        for at, row in enumerate(rows):
            size += page_size(row.record)
            if at and size > limits.PAGE_BYTES_MAX:
                rows, is_last = rows[:at], False
                break
        records = [row.record for row in rows if with_own or not is_own(row.record)]
        return records, rows[-1].seq if rows else max(after, index.sequences.last), is_last

    def outcome(self, path: bytes, told: Sequence[Told]) -> Outcome:
        """What would happen at a path, if these replicas announced what they have there."""
        index = self._board.index
        row = index.rows.get(path)
        mine = None if row is None else row.record
        shared = [(replica, record) for replica, record in told if not self._scope.ignores_record(record)]
        if told and not shared:
            return Outcome(Fate.IGNORED, mine)
        news = {replica for replica, _ in shared}
        offers = [offer for offer in index.offers.of(path) if offer.peer not in news]
        offers += [
            Offer(replica, record, self._intake.is_foreign(record, row, self._is_first(replica)))
            for replica, record in shared
        ]
        mode = self._mode_rules.mode
        if mode is not Mode.MIRROR:
            mode = self._mode_rules.mode_at(path, row)  # a mirror will have met the mesh when it decides
        decision = decide(mine, offers, self._stamps.outdone.get(path, ()), mode)
        match decision:
            case Take(record, conflict):
                return self._taken(mine, record, conflict)
            case Answer(top):
                assert mine is not None
                counter = index.sequences.last + 1
                return Outcome(Fate.ANSWER, answer(mine, top, index.identity.replica, counter, self._board.now.wall_ns))
            case Refuse():
                return Outcome(Fate.REFUSE, mine)
            case Join(record):
                return Outcome(Fate.KEEP, record)
        return Outcome(Fate.KEEP, mine)

    def _taken(self, mine: Record | None, record: Record, conflict: bool) -> Outcome:
        path = record.path
        if mine is not None and same_body(mine, record):
            return Outcome(Fate.SAME, record)
        if record.kind is not Kind.ABSENT:
            unfit = self._work.unable.why(record) if self._work.unable else None
            if unfit is not None:
                return Outcome(Fate.BLOCKED, mine, unfit.text)
            taking, is_here = self._board.taking, mine is not None and same_content(mine, record)
            if taking is not None and not is_here and taking.is_too_large(record):
                return Outcome(Fate.BLOCKED, mine, taking.large)
            in_the_way = self._obstacle(path)
            if in_the_way is not None:
                return Outcome(Fate.BLOCKED, mine, f"{show(in_the_way)} is in the way, and is not synchronized")
        return Outcome(Fate.CONFLICT if conflict else Fate.TAKE, record)

    def _obstacle(self, path: bytes) -> bytes | None:
        """What is never synchronized and is at a path, or at a folder above it."""
        at = path
        while at:
            if at in self._scope.named or self._work.obstacles.is_at(at):
                return at
            at = parent_of(at)
        return None

    def _is_first(self, replica: str) -> bool:
        known = self._board.index.peers.get(replica)
        return known is None or known.first is None
