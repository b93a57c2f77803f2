"""Counts announcements of each peer that change nothing here.

In:   each useless announcement: its kind, and the peer that sent it.
Out:  at the end of a turn, an effect for each peer that sent such announcements.
Rule: repeating each record of an honest node once or twice per connection is free. Every further repetition counts. So
do the deletion of what is not here, an offer that its own peer replaced before it could be fetched, a pull of what is
not here, and the acknowledgement of what is not known.
Used by: acquire, planner, intake, uploader.
"""

from __future__ import annotations

from dir_sync.core.events import UselessAnnouncements
from dir_sync.core.reconcile import Offer
from dir_sync.engine.board import Board
from dir_sync.engine.values import holder_of

__all__ = ["VainCounter"]

_REPEATS_FREE = 10_000  # per connection: a record may arrive again, after a newer version came from another peer
_REPEATS_PER_ROW = 2  # at contact, and again from a peer that got the record from others


class VainCounter:
    """Counts announcements of each peer that change nothing here."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.repeats: dict[str, int] = {}  # by peer: records of this connection that were here already
        self.counts: dict[str, int] = {}  # by peer: useless announcements in this turn
        self._rows = 0  # rows of the index when they were last counted ...
        self._rows_as_of = 0  # ... and the sequence at that time

    def add_repeat(self, replica: str) -> None:
        """The peer announced a record that is here already."""
        self.repeats[replica] = count = self.repeats.get(replica, 0) + 1
        if count > _REPEATS_FREE and count > _REPEATS_FREE + _REPEATS_PER_ROW * self._rows_at_most():
            self.add(replica)

    def begin_anew(self, replica: str) -> None:
        """Start the count anew: the peer was asked for its whole state, or disconnected."""
        self.repeats.pop(replica, None)

    def add(self, replica: str) -> None:
        """The peer announced something that changes nothing."""
        self.counts[replica] = self.counts.get(replica, 0) + 1

    def add_all(self, offers: list[Offer]) -> None:
        """Count each of these offers against the peer that made it."""
        for offer in offers:
            self.add(holder_of(offer.peer))

    def tell(self) -> None:
        for replica, count in self.counts.items():
            if replica in self._board.peers:
                self._board.emit(UselessAnnouncements(replica, count))
        self.counts.clear()

    def _rows_at_most(self) -> int:
        """An upper bound of the number of rows: the last count, plus one for each sequence number since."""
        grown = self._board.index.sequences.last - self._rows_as_of
        if not self._rows_as_of or grown > self._rows + _REPEATS_FREE:
            lack = self._board.index.changes.come_to(0)
            self._rows, self._rows_as_of, grown = lack.files + lack.others, self._board.index.sequences.last, 0
        return self._rows + grown
