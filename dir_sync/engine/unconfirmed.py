"""Versions that may be on the disk although no row says so: this run, or the last one, was installing them.

In:   offers that peers replace. Out: offers of nobody, so that a look that finds such a version knows what it is.
Rule: of each path one version is kept, until a look. One that was certainly being installed is worth more than a guess.
Used by: intake.
"""

from __future__ import annotations

from dir_sync.core.mode import is_own
from dir_sync.core.model import Stamp, beats
from dir_sync.core.reconcile import Offer
from dir_sync.engine.board import Board
from dir_sync.engine.constants import NOBODY
from dir_sync.engine.work import WorkTable

__all__ = ["Unconfirmed"]


class Unconfirmed:
    """Versions that a look may still find."""

    def __init__(self, board: Board, work: WorkTable) -> None:
        self._board = board
        self._work = work
        self._guessed: set[bytes] = set()  # paths at which this run has kept what the last one may have been installing

    def replaced(self, path: bytes, replica: str, stamp: Stamp) -> None:
        """A peer replaces its offer by one with `stamp`. Keep the old offer as one of nobody, if a look may still find
        that version on the disk: because it is being installed, or a failed job or a job of the last run may have
        installed it."""
        offers = self._board.index.offers
        pushed = self._work.jobs.pushed(path)
        if pushed is not None and offers.of_peer(path, NOBODY) is None:
            offers.put(Offer(NOBODY, pushed.item.target, False))
        tried = self._work.attempts.attempted(path)
        offer = None
        if tried is not None:
            offer = next((offer for offer in offers.of(path) if offer.record.stamp == tried != stamp), None)
            self._guessed.discard(path)
        if offer is None:  # what this run has tried says nothing about the last one
            offer = self._guess(path, replica, stamp, tried)
        if offer is not None and not is_own(offer.record):
            offers.put(Offer(NOBODY, offer.record, offer.foreign))

    def _guess(self, path: bytes, replica: str, stamp: Stamp, tried: Stamp | None) -> Offer | None:
        """What the last run may have been installing: of what several peers had then, it has tried the best."""
        unseen = self._board.scan.is_on or bool(self._board.listings.failed)  # not every folder has been listed yet
        if not unseen:
            self._guessed.clear()
            if tried is not None or not self._work.is_at_work(path):
                return None
        offer = self._board.index.offers.of_peer(path, replica)
        if offer is None or offer.record.stamp == stamp:
            return None
        kept = self._board.index.offers.of_peer(path, NOBODY)
        if kept is not None and not (path in self._guessed and beats(offer.record, kept.record)):
            return None  # the last run has kept that, because it was being installed; or it is the better guess
        self._guessed.add(path)
        return offer
