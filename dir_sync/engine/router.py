"""Hands each message of a peer to the machine that handles it.

In:   a message that the session found correct in its state. Out: nothing; PeerError for a bad one.
Used by: engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core.messages import (
    Acknowledge,
    Change,
    Chunks,
    Decision,
    Delta,
    DeltaRequest,
    Have,
    HaveRequest,
    History,
    HistoryRequest,
    Lacks,
    Message,
    ModificationUpdate,
    NeedSignature,
    Pull,
    Refuse,
    Settle,
    Signature,
    State,
    StateRequest,
)
from dir_sync.core.messages import Brake as BrakeNews
from dir_sync.core.model import Kind
from dir_sync.core.peers.contact import Contact
from dir_sync.engine.board import Board
from dir_sync.engine.bulk_install import BulkInstall
from dir_sync.engine.constants import TIMES_MAX
from dir_sync.engine.decisions import Decisions
from dir_sync.engine.deltas_in import DeltaRequests
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.fetcher import Fetcher
from dir_sync.engine.folder_times import FolderTimes
from dir_sync.engine.incoming_moves import IncomingMoves
from dir_sync.engine.intake import Intake
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.queries import Queries
from dir_sync.engine.sync_report import SyncReport
from dir_sync.engine.uploader import Uploader
from dir_sync.engine.values import Ready
from dir_sync.engine.work import WorkTable

__all__ = ["MessageRouter"]


class MessageRouter:
    """Hands each message of a peer to the machine that handles it."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        folder_times: FolderTimes,
        peer_losses: PeerLosses,
        deltas_out: DeltasForPeers,
        uploader: Uploader,
        incoming_moves: IncomingMoves,
        deltas_in: DeltaRequests,
        fetcher: Fetcher,
        bulk_install: BulkInstall,
        sync_report: SyncReport,
        intake: Intake,
        queries: Queries,
        decisions: Decisions,
    ) -> None:
        self._board = board
        self._work = work
        self._folder_times = folder_times
        self._peer_losses = peer_losses
        self._deltas_out = deltas_out
        self._uploader = uploader
        self._incoming_moves = incoming_moves
        self._deltas_in = deltas_in
        self._fetcher = fetcher
        self._bulk_install = bulk_install
        self._sync_report = sync_report
        self._intake = intake
        self._queries = queries
        self._decisions = decisions

    def route(self, peer: Contact, message: Message) -> None:
        peer.standing.came(message)
        match message:
            case StateRequest():
                self._intake.on_state_request(peer, message)
            case State(_, sequence, last, records, renames):
                self._board.index.fetch(record.path for record in records)
                news = {}
                for record in records:
                    if self._intake.on_announced(peer, record, sequence) and renames:
                        news[record.path] = record
                for path, source in renames:
                    if path in news and news[path].kind == Kind.FILE:
                        self._incoming_moves.was_renamed_there(news[path], source)
                self._intake.advance_received(peer, sequence)
                if last:
                    self._intake.on_last_state(peer, sequence)
            case Acknowledge(_, sequence, held):
                self._intake.on_acknowledge(peer, held)
                self._intake.advance_received(peer, sequence)
            case ModificationUpdate(_, sequence, told, times, attached):
                changes: Sequence[Change] = told
                if attached and not self._board.scanning:
                    changes = self._bulk_install.install_pushed(peer, told)
                self._board.index.fetch(change.record.path for change in changes)
                for change in changes:
                    record = change.record
                    if self._intake.on_announced(peer, record, sequence) and record.kind == Kind.FILE:
                        if change.source is not None:
                            self._incoming_moves.renamed_there(record, change.source)
                        if change.content is not None:
                            self._work.arrivals.make_ready(
                                record.path, Ready(record.content, bytes(change.content), None)
                            )
                        elif change.delta is not None:
                            base, content = change.delta.base, record.content
                            self._work.holders.offer_delta(record.path, peer.replica, base, content, change.delta)
                for path, mtime in times:
                    if path and len(self._folder_times.mtimes_to_set) < TIMES_MAX:
                        self._folder_times.set_later(path, mtime)
                self._intake.advance_received(peer, sequence)
            case Chunks():
                self._fetcher.on_chunks(peer, message)
            case Pull():
                self._uploader.on_pull(peer, message)
            case Refuse(_, refused):
                for id_, reason in refused:
                    self._fetcher.on_refuse(peer, id_, reason)
            case DeltaRequest():
                self._deltas_out.on_delta_request(peer, message, None)
            case NeedSignature(_, id_):
                self._deltas_in.on_need_signature(peer, id_)
            case Signature(_, id_, data):
                self._deltas_out.on_signature(peer, id_, data)
            case Delta():
                self._deltas_in.on_delta(peer, message)
            case HistoryRequest():
                self._queries.on_history_request(peer, message)
            case HaveRequest():
                self._queries.on_have_request(peer, message)
            case History(_, id_, last, _):
                self._queries.inquiries.answered(peer.replica, id_, message, last, self._board.now.mono_ms)
            case Have(_, id_, _):
                self._queries.inquiries.answered(peer.replica, id_, message, True, self._board.now.mono_ms)
            case BrakeNews(_, held):
                self._peer_losses.on_brake_news(peer, held)
            case Decision(_, maker, counter, approve):
                self._decisions.decide_on(maker, counter, approve, peer.replica)
            case Lacks():
                self._sync_report.on_lacks(peer, message)
            case Settle(_, losers):
                for loser in losers:
                    self._board.index.settle(*loser)
            case _:
                pass
