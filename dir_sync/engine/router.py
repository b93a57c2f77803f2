"""Hands each message of a peer to the machine that handles it.

Each message names its method here (`HANDLER` in core.messages), so this has one method for each message that the engine takes.

In:   a message that the session found correct in its state. Out: nothing; PeerError for a bad one.
Used by: engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dir_sync.core import limits
from dir_sync.core.messages import (
    Acknowledge,
    Brake,
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
    Lost,
    Message,
    ModificationUpdate,
    NeedSignature,
    Pull,
    Refuse,
    Rejected,
    Settle,
    Signature,
    State,
    StateRequest,
    Taker,
    VerifyReport,
    VerifyRequest,
    handlers,
)
from dir_sync.core.model import Kind
from dir_sync.core.peers.contact import Contact
from dir_sync.engine.board import Board
from dir_sync.engine.bulk_install import BulkInstall
from dir_sync.engine.constants import TIMES_MAX
from dir_sync.engine.contacts import Contacts
from dir_sync.engine.decisions import Decisions
from dir_sync.engine.deltas_in import DeltaRequests
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.fetcher import Fetcher
from dir_sync.engine.folder_times import FolderTimes
from dir_sync.engine.incoming_moves import IncomingMoves
from dir_sync.engine.intake import Intake
from dir_sync.engine.merging import Merging
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.queries import Queries
from dir_sync.engine.sync_report import SyncReport
from dir_sync.engine.uploader import Uploader
from dir_sync.engine.values import Ready
from dir_sync.engine.verify_answers import VerifyAnswers
from dir_sync.engine.verifying import Verifying
from dir_sync.engine.work import WorkTable

__all__ = ["MessageRouter"]


class MessageRouter:
    """Hands each message of a peer to the machine that handles it.

    It has more fields than a class should have: the machines that handle messages."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        contacts: Contacts,
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
        merging: Merging,
        decisions: Decisions,
        verify_answers: VerifyAnswers,
        verifying: Verifying,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._contacts = contacts
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
        self._merging = merging
        self._decisions = decisions
        self._verify_answers = verify_answers
        self._verifying = verifying

    def route(self, peer: Contact, message: Message) -> None:
        if peer.connection.queued > limits.OUTBOX_BYTES_BEHIND_MAX:
            self._contacts.drop(peer, "overload", "it asks for more than it takes")
            return
        peer.standing.came(message)
        _HANDLERS[type(message)](self, peer, message)

    # --- what a peer has, and what it has heard ---

    def on_state_request(self, peer: Contact, message: StateRequest) -> None:
        self._intake.on_state_request(peer, message)

    def on_state(self, peer: Contact, message: State) -> None:
        sequence, renames = message.sequence, message.renames
        self._board.index.rows.fetch(record.path for record in message.records)
        news = {}
        for record in message.records:
            if self._intake.on_announced(peer, record, sequence) and renames:
                news[record.path] = record
        for path, source in renames:
            if path in news and news[path].kind == Kind.FILE:
                self._incoming_moves.was_renamed_there(news[path], source)
        self._intake.advance_received(peer, sequence, message)
        if message.last:
            self._intake.on_last_state(peer, sequence)

    def on_acknowledge(self, peer: Contact, message: Acknowledge) -> None:
        self._intake.on_acknowledge(peer, message.held)
        self._intake.advance_received(peer, message.sequence)

    def on_lacks(self, peer: Contact, message: Lacks) -> None:
        self._sync_report.on_lacks(peer, message)

    # --- what has changed ---

    def on_update(self, peer: Contact, message: ModificationUpdate) -> None:
        changes: Sequence[Change] = message.changes
        sequence = message.sequence
        if message.attached:
            came = sum(change.record.size for change in message.changes if change.attached)
            peer.connection.window.count(came, self._board.now.mono_ms)
        if message.attached and not self._board.scan.is_on and self._mode_rules.mode.takes:
            changes = self._bulk_install.install_pushed(peer, message.changes)
        self._board.index.rows.fetch(change.record.path for change in changes)
        for change in changes:
            record = change.record
            if self._intake.on_announced(peer, record, sequence) and record.kind == Kind.FILE:
                if change.source is not None:
                    self._incoming_moves.renamed_there(record, change.source)
                if change.content is not None:
                    ready = Ready(record.content, bytes(change.content), None, peer.replica)
                    self._work.arrivals.make_ready(record.path, ready)
                elif change.delta is not None:
                    base, content = change.delta.base, record.content
                    self._work.holders.offer_delta(record.path, peer.replica, base, content, change.delta)
        for path, mtime in message.times:
            if path and self._mode_rules.mode.takes and len(self._folder_times.mtimes_to_set) < TIMES_MAX:
                self._folder_times.set_later(path, mtime)
        self._intake.advance_received(peer, sequence)

    # --- contents ---

    def on_chunks(self, peer: Contact, message: Chunks) -> None:
        self._fetcher.on_chunks(peer, message)

    def on_pull(self, peer: Contact, message: Pull) -> None:
        self._uploader.on_pull(peer, message)

    def on_refuse(self, peer: Contact, message: Refuse) -> None:
        for id_, reason in message.refused:
            self._fetcher.on_refuse(peer, id_, reason)

    def on_delta_request(self, peer: Contact, message: DeltaRequest) -> None:
        self._deltas_out.on_delta_request(peer, message, None)

    def on_need_signature(self, peer: Contact, message: NeedSignature) -> None:
        self._deltas_in.on_need_signature(peer, message.id)

    def on_signature(self, peer: Contact, message: Signature) -> None:
        self._deltas_out.on_signature(peer, message.id, message.data)

    def on_delta(self, peer: Contact, message: Delta) -> None:
        self._deltas_in.on_delta(peer, message)

    # --- older versions, and what the brake holds ---

    def on_history_request(self, peer: Contact, message: HistoryRequest) -> None:
        self._queries.on_history_request(peer, message)

    def on_history(self, peer: Contact, message: History) -> None:
        self._queries.inquiries.answered(peer.replica, message.id, message, message.last, self._board.now.mono_ms)

    def on_have_request(self, peer: Contact, message: HaveRequest) -> None:
        self._queries.on_have_request(peer, message)

    def on_have(self, peer: Contact, message: Have) -> None:
        self._queries.inquiries.answered(peer.replica, message.id, message, True, self._board.now.mono_ms)

    def on_settle(self, _: Contact, message: Settle) -> None:
        for loser in message.losers:
            self._board.index.versions.settle(*loser)

    def on_lost(self, peer: Contact, message: Lost) -> None:
        if self._merging.is_on:
            self._merging.on_lost(peer, message)

    def on_brake(self, peer: Contact, message: Brake) -> None:
        self._peer_losses.on_brake_news(peer, message.held)

    def on_decision(self, peer: Contact, message: Decision) -> None:
        self._decisions.decide_on(message.maker, message.counter, message.approve, peer.replica)

    def on_rejected(self, peer: Contact, message: Rejected) -> None:
        self._decisions.on_rejected(peer.replica, message)

    # --- everything is read again ---

    def on_verify_request(self, peer: Contact, message: VerifyRequest) -> None:
        self._verify_answers.on_request(peer, message)

    def on_verify_report(self, peer: Contact, message: VerifyReport) -> None:
        self._verifying.on_report(peer, message)


_HANDLERS: Final = handlers(Taker.ENGINE, MessageRouter)
