"""How much each peer announces that changes nothing here.

In:   each announcement that turned out to be of no use: its kind, and by whom it came.
Out:  an effect at the end of the turn, for each peer that has made such ones.
Rule: what an honest node says on one connection is free: each of its records once or twice. More of that changes nothing, and
      neither does a deletion of what is not here, nor what its own peer has replaced before it could be had.
Used by: acquire, planner, intake.
"""

from __future__ import annotations

from dir_sync.core.events import InVain
from dir_sync.core.reconcile import Offer
from dir_sync.engine.board import Board
from dir_sync.engine.values import holder_of

__all__ = ["VainCounter"]

_REPEATS_FREE = 10_000  # on one connection; what changes quickly may be told after something newer has come by another
_REPEATS_PER_ROW = 2  # at contact, and once more by who has taken it over from others


class VainCounter:
    """How much each peer announces that changes nothing here."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.repeats: dict[str, int] = {}  # on the connections that there are: what was here already, by peer
        self._counts: dict[str, int] = {}  # in this turn, by peer
        self._rows = 0  # of the index, when they were last counted ...
        self._rows_as_of = 0  # ... which was at this sequence

    def add_repeat(self, node: str) -> None:
        """It has told what is here already."""
        self.repeats[node] = count = self.repeats.get(node, 0) + 1
        if count > _REPEATS_FREE and count > _REPEATS_FREE + _REPEATS_PER_ROW * self._rows_at_most():
            self.add(node)

    def begin_anew(self, node: str) -> None:
        """It is asked for all it has, or has gone."""
        self.repeats.pop(node, None)

    def add(self, node: str) -> None:
        """It has told what changes nothing."""
        self._counts[node] = self._counts.get(node, 0) + 1

    def add_all(self, offers: list[Offer]) -> None:
        """The same, for all who have told that."""
        for offer in offers:
            self.add(holder_of(offer.peer))

    def tell(self) -> None:
        for node, count in self._counts.items():
            if node in self._board.peers:
                self._board.emit(InVain(node, count))
        self._counts.clear()

    def _rows_at_most(self) -> int:
        """Each row has a sequence of its own, so there are no more than when they were counted, and one for each since."""
        grown = self._board.index.sequence - self._rows_as_of
        if not self._rows_as_of or grown > self._rows + _REPEATS_FREE:
            lack = self._board.index.rows_come_to(0)
            self._rows, self._rows_as_of, grown = lack.files + lack.others, self._board.index.sequence, 0
        return self._rows + grown
