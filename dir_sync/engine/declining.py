"""Why this node does not take what it lacks: how much of each peer's announcements each reason keeps away.

In:   paths that are in trouble, or that this disk or a person does not let in. Out: for each peer, what LACKS says of them.
Rule: counted at most once a second, and the more seldom the more such paths there are; of very many only the first ones.
Used by: sync_report.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dir_sync.core import limits
from dir_sync.core.declined import Declined, Reason
from dir_sync.core.model import Kind
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.unable import Unfit
from dir_sync.engine.board import Board
from dir_sync.engine.work import WorkTable

__all__ = ["Declining"]

_EVERY_MS = 1_000
_PER_PATH_MS = 5


class Declining:
    """Why this node does not take what it lacks."""

    def __init__(self, board: Board, work: WorkTable) -> None:
        self._board = board
        self._work = work
        self._counted: dict[str, tuple[Declined, ...]] = {}  # by peer
        self._counted_ms: int | None = None
        self._interval_ms = _EVERY_MS
        self.due_ms: int | None = None  # when (ms) the count is made again; None: it is as things are

    def of(self, replica: str) -> tuple[Declined, ...]:
        """What of this peer's announcements is not taken here, as counted a moment ago."""
        self.due_ms = None
        if not (self._work.unable or self._work.retries.has_troubles):
            self._counted, self._counted_ms = {}, None
            return ()
        now_ms = self._board.now.mono_ms
        if self._counted_ms is None or now_ms >= self._counted_ms + self._interval_ms:
            self._count()
        elif now_ms != self._counted_ms:
            self.due_ms = self._counted_ms + self._interval_ms
        return self._counted.get(replica, ())

    def _count(self) -> None:
        found: dict[str, dict[Reason, Lack]] = {}
        most = 0 if self._board.taking is None else self._board.taking.most
        looked_at = 0
        for path, reason, unfit in islice(self._troubled(), limits.DECLINED_PATHS_MAX):
            looked_at += 1
            for offer in self._board.index.offers.of(path):
                record = offer.record
                if offer.peer not in self._board.peers or (unfit is not None and self._work.unable.why(record) is None):
                    continue
                counts = found.setdefault(offer.peer, {})
                one = Lack(1, record.size, 0) if record.kind is Kind.FILE else Lack(0, 0, 1)
                counts[reason] = counts.get(reason, NOTHING).plus(one)
        self._counted = {
            peer: tuple(
                Declined(reason, *counts[reason], most if reason is Reason.TOO_LARGE else 0)
                for reason in Reason
                if reason in counts
            )
            for peer, counts in found.items()
        }
        self._counted_ms = self._board.now.mono_ms
        self._interval_ms = _EVERY_MS + looked_at * _PER_PATH_MS

    def _troubled(self) -> Iterator[tuple[bytes, Reason, Unfit | None]]:
        unable = self._work.unable
        for path, unfit in unable.all():
            yield path, unfit.reason, unfit
        for path, _, reason in self._work.retries.troubles():
            if reason is not None and unable.unfit_at(path) is None:
                yield path, reason, None
