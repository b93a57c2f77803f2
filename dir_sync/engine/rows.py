"""The one writer of rows: put, accept an offered version, reassert ours, journal.

In:   records that hold here from now on.
Out:  rows of the index and their place in the sequence; marks for whoever waited for them.
Rule: no other machine writes a row.
Used by: applier, incoming_moves, acquire, planner, recorder, local_changes, scan, decisions.
"""

from __future__ import annotations

from dir_sync.core.model import (
    Kind,
    Record,
    beats,
    has_seen,
    joined,
    leq,
    parent_of,
    same_content,
    same_meta,
    same_version,
)
from dir_sync.core.peers.announce import Fresh
from dir_sync.core.reconcile import answer
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import PLAN_MAX, TROUBLE_RETRY_MS
from dir_sync.engine.names import Names
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.work import WorkTable
from dir_sync.index import JOURNAL_SINCE, Row

__all__ = ["Rows"]


class Rows:
    """The one writer of rows: put, accept an offered version, reassert ours, journal."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        stamps: Stamps,
        brakes: Brakes,
        own_losses: OwnLosses,
        peer_losses: PeerLosses,
        publisher: Publisher,
        transfers: TransferTable,
        names: Names,
    ) -> None:
        self._board = board
        self._work = work
        self._stamps = stamps
        self._brakes = brakes
        self._own_losses = own_losses
        self._peer_losses = peer_losses
        self._publisher = publisher
        self._transfers = transfers
        self._names = names

    def put(self, record: Record, fp: bytes) -> Row:
        """Every change of a row goes through here: it is told to the peers, and what depends on it is planned."""
        self.journal(record)
        if self._brakes.own.held:
            before = self._board.index.get(record.path)
            if before is None or fp != before.fp or record.kind == Kind.ABSENT:  # else only its vector or stamp is new
                self._own_losses.no_longer_held(record.path)
        row = self._board.index.put(record, fp)
        self._board.announcements.add(row, record)
        self._board.plan_queue.add(record.path)
        if self._transfers.unable and record.kind == Kind.ABSENT:
            self._names.look_behind(record.path)
        if self._brakes.peers.is_on:
            self._peer_losses.settled_peers(record.path)
        if self._work.obstacles and self._work.obstacles.is_at(parent_of(record.path)):
            self._board.plan_queue.add(parent_of(record.path))
        if fp and self._work.out_of_reach and record.kind == Kind.FILE:
            self._board.plan_queue.add_all(self._work.out_of_reach.take(record.content))
        if record.kind == Kind.DIRECTORY:
            if self._work.obstacles.has_denied or self._board.listings.failed:
                self._try_again_below(record.path)
            waiting = self._board.index.offered_below(record.path, PLAN_MAX)
            self._board.plan_queue.add_all(waiting)
            if len(waiting) == PLAN_MAX:
                self._board.plan_queue.add_all_offers()  # and more of them
        return row

    def accept(self, record: Record, fp: bytes) -> None:
        """We now have `record`: into the index, offers that it answers are dropped, who announced it is told in short."""
        path = record.path
        for offer in self._board.index.offers(path):
            theirs = offer.record
            if leq(theirs.vector, record.vector) and not beats(theirs, record):
                self._board.index.drop_offer(path, offer.peer)
                subscriber = self._publisher.subscribers.get(offer.peer)
                if subscriber is not None and same_version(theirs, record):
                    subscriber.taken_over(theirs)
        self._work.stop_waiting(path)
        self._transfers.forget_attempts(path)
        self._stamps.note_outdone(record)
        self.put(record, fp)

    def reassert(self, row: Row, top: Record, is_meant: bool = False) -> None:
        now_ns, latest_ns = self._board.now.wall_ns, self._stamps.latest_ns()
        record = answer(row.record, top, *self._stamps.maker(row.record, top), now_ns, latest_ns, is_meant)
        self._stamps.note_lowered(row.record, record)
        self.put(record, row.fp)
        self._board.announcements.add_change(Fresh(record, row.record, None, None, None, None))

    def journal(self, record: Record) -> None:
        """Note how the path was, if that changes."""
        if not self._board.journals:
            return
        row = self._board.index.get(record.path)
        if row is None or row.record.kind == Kind.ABSENT:
            if record.kind != Kind.ABSENT:
                self._board.index.journal(record, None, self._board.now.wall_ns)
        elif not (same_content(row.record, record) and same_meta(row.record, record)):
            self._board.index.journal(record, row.record, self._board.now.wall_ns)

    def begin_journal(self) -> None:
        """Once we have all that the first peer had: to undo what came by meeting it would undo the meeting."""
        if (
            not any(peer.synced for peer in self._board.peers.values())
            or self._board.scanning
            or self._board.plan_queue
        ):
            return
        if (
            self._work.jobs.pushed_counts
            or self._board.jobs_out
            or self._work.arrivals.is_fetching
            or self._work.arrivals.has_ready
            or self._board.index.any_offers()
        ):
            return
        self._board.begin_journal()
        self._board.index.note(JOURNAL_SINCE, self._board.now.wall_ns)

    def _try_again_below(self, folder: bytes) -> None:
        """A folder is not what it was: what could not be done in it may be by now (somebody has changed its mode)."""
        now, first = self._board.now.mono_ms, TROUBLE_RETRY_MS[0]
        for path in self._work.retry_below(folder):
            if path in self._board.pending_looks:
                self._board.pending_looks.add(path, now, now)
            self._board.plan_queue.add(path)
        self._board.listings.try_again_below(folder, now, first)

    def announced_gone(self, mine: Record) -> Record | None:
        """A newer tombstone that a peer announced, made in knowledge of what we held."""
        for offer in self._board.index.offers(mine.path):
            theirs = offer.record
            if theirs.kind == Kind.ABSENT and beats(theirs, mine) and has_seen(theirs, mine):
                return joined(theirs, mine)
        return None

    def announced(self, now: Record, mine: Record | None) -> Record | None:
        """A newer record that a peer announced and that is exactly what is there now."""
        for offer in self._board.index.offers(now.path):
            theirs = offer.record
            if same_content(theirs, now) and same_meta(theirs, now) and (mine is None or beats(theirs, mine)):
                return joined(theirs, mine) if mine is not None else theirs
        return None
