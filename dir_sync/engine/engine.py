"""One node's decisions about one folder: the dispatch.

In:   `handle(event, now)`, as often as things happen; `end_turn(now)`, or its two halves, after one or several of them.
Out:  effects, to be performed in order after the index was committed.
Rule: it knows all machines, in the order of their layers, and no machine knows it. It hands each event to one machine,
runs the machines in a fixed order at the end of a turn, and says when it must be called again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dir_sync.core import notes
from dir_sync.core.events import (
    Blind,
    ConflictsDismissed,
    Decided,
    Drained,
    Effect,
    Event,
    ExcerptWanted,
    Inquired,
    Moved,
    Overridden,
    PeerDown,
    PeerUp,
    Received,
    Report,
    RestoreRequested,
    Reverted,
    RoomMeasured,
    Ticked,
    Touched,
    VerifyEnded,
    VerifyWanted,
)
from dir_sync.core.jobs import Applied, DeltaDone, Listed, Looked, Pruned, ReadDone, Rechecked, Signed, Staged, Version
from dir_sync.core.messages import Message
from dir_sync.core.mode import Mode
from dir_sync.core.model import PeerError
from dir_sync.core.peers.contact import Contact
from dir_sync.core.text_jobs import Merged, TextsRead
from dir_sync.core.verify import Verified
from dir_sync.engine.constants import CALM_MS, DELTA_KEEP_MS, RETRY_MS, TELL_TOGETHER_MS
from dir_sync.engine.machines import Machines
from dir_sync.engine.values import Now

__all__ = ["Engine", "Now"]


class Engine(Machines):
    """The machines of one folder. One thread only."""

    def start(self, now: Now, found: Sequence[Version] = ()) -> list[Effect]:
        """Begin the scan of the whole folder. `found`: versions that the last run displaced and did not record before
        it ended, under the paths where the index still lists their content."""
        self.board.begin(now)
        self.ignoring.start()
        self.own_changes.begin()
        self.mode_rules.adopt()
        self.board.scan.begin()
        self.own_losses.begin_to_look()
        self.board.listings.add(b"")
        if self.board.index.offers.any():
            self.board.plan_queue.add_all_offers()
        self.peer_losses.brake_again()
        self.recorder.find_not_noted(found)
        self.versions.begin(found)
        return self.board.out + self.end_turn(now)

    def without_echoes(self, events: Iterable[Event], now: Now) -> list[Event]:
        """The events of the watcher that are no echoes of our own work. Echoes arrive by the thousand, and need no turn."""
        self.board.begin(now)
        return [event for event in events if not self.echoes.is_echo(event)]

    def heard(self, events: Iterable[Event], now: Now) -> list[Effect]:
        """`handle` for several events."""
        effects: list[Effect] = []
        for event in events:
            effects += self.handle(event, now)
        return effects

    def handle(self, event: Event, now: Now) -> list[Effect]:
        """Handle one event. Returns the effects that cannot wait for `end_turn`."""
        self.board.begin(now)
        match event:
            case Touched(path, urgency):
                self.look_queue.on_touched(path, urgency)
            case Received(replica, message):
                self._received(replica, message)
            case Moved():
                self.look_queue.on_moved(event)
            case Blind(path, reason):
                self.own_losses.begin_to_look()
                if reason:
                    self.board.tell(notes.Rescanning(path, reason))
                    self.echoes.forget()
                self.board.listings.scan_begins()
                self.board.listings.add(path)
            case Decided(approve, paths):
                self.decisions.on_decided(approve, paths)
            case ConflictsDismissed(losers):
                self.queries.on_conflicts_settled(losers)
            case Overridden():
                self.own_changes.override()
            case Reverted():
                self.own_changes.revert()
            case RestoreRequested(wanted, holders):
                self.queries.on_restore(wanted, holders)
            case Inquired(id_, questions):
                self.queries.ask_peers(id_, questions)
            case ExcerptWanted():
                self.excerpts.begin(event)
            case Pruned(names):
                self.board.job_came_back()
                self.versions.on_pruned(names)
            case Rechecked(versions, gone):
                self.board.job_came_back()
                self.versions.on_rechecked(versions, gone)
            case Ticked():
                pass
            case RoomMeasured(room):
                self.planner.room_measured(room)
            case Listed(listings, left):
                self.board.job_came_back()
                self.board.listings.came_back(left)
                for listing in listings:
                    self.scan.on_listed(self.rotten_files.listed_as_recorded(listing))
            case Looked(items):
                self.look_queue.look_came_back(self.board.looking[items[0].path])
                self.board.job_came_back()
                self.board.index.rows.fetch(seen.path for seen in items)
                together = {seen.path for seen in items} if self.local_renames.renames.targets else frozenset[bytes]()
                is_soon = not self.board.listings.is_over
                self.local_renames.expect_listing(
                    is_soon or any(pending.listing for pending in self.board.looking.values())
                )
                for seen in items:
                    self.local_changes.on_looked(self.rotten_files.as_recorded(seen), together)
            case Applied(items, rescued):
                self.board.job_came_back()
                self.versions.rescued(rescued)
                self.applier.job_came_back(items[0].path)
                for result in self.bulk_install.on_pushed_installed(items) if self.work.jobs.pushed_counts else items:
                    self.applier.on_applied(result)
            case Staged():
                self.board.job_came_back()
                self.fetcher.on_staged(event)
            case ReadDone():
                self.board.job_came_back()
                self.uploader.on_read(event)
            case DeltaDone():
                self.board.job_came_back()
                self.deltas_out.on_delta_made(event)
            case Signed():
                self.board.job_came_back()
                self.deltas_in.on_signed(event)
            case TextsRead():
                self.board.job_came_back()
                self.merging.on_texts(event)
            case Merged():
                self.board.job_came_back()
                self.merging.on_merged(event)
            case Verified():
                self.rereads.on_verified(event)
            case VerifyWanted(repair):
                self.verifying.begin(repair)
            case VerifyEnded():
                self.verifying.end()
            case PeerUp():
                peer = self.intake.on_peer_up(event)
                if peer is not None:
                    self._peer_came(peer)
            case PeerDown(replica, _):
                self._peer_down(replica)
            case Drained(replica, size):
                peer = self.board.peers.get(replica)
                if peer is not None:
                    peer.connection.drained(size)
        while (leaver := self.contacts.next_gone()) is not None:
            self._peer_down(leaver)
        return self.board.out

    def look_at_once(self, now: Now) -> list[Effect]:
        """Order the looks that are due, before the turn ends. A look takes a fraction of a millisecond, so what it finds
        can belong to the same turn. The effects rely on nothing that is not committed."""
        self.board.begin(now)
        self.look_queue.send_looks()
        return self.board.out

    def end_turn(self, now: Now) -> list[Effect]:
        """`act`, then `tidy`."""
        return self.act(now) + self.tidy(now)

    def act(self, now: Now) -> list[Effect]:
        """Do what somebody waits for: looks, plans, messages to the peers. `tidy` follows in the same turn, when the effects
        are performed."""
        # Whether a machine has anything to do is asked here, without a call: a node that rests finds each function that it
        # runs in no cache, and most turns have work for few of them.
        board = self.board
        board.begin_turn(now)
        self.brakes.peers.sample(board.index.rows.count_live()[0], now.mono_ms)
        if board.pending_looks.looks:
            self.look_queue.send_looks()
        listings = board.listings
        is_any = listings.folders or listings.failed or listings.latest
        if is_any or board.scan.is_on or self.work.aside or self.brakes.own.missed:
            self.scan.send_listings()
        self.planner.run_timers()
        if self.brakes.peers.bursts:
            self.peer_losses.judge_peers()
        if self.own_losses.held_again_ms is not None:
            self.own_losses.judge_again()
        self.transfers.notice_room()
        if self.mode_rules.unseen or self.mode_rules.mode is Mode.MIRROR:
            self.own_changes.run_timers()
        if self.ignoring.leaving or self.ignoring.is_changing:
            self.ignoring.run_timers()
        if self.merging.is_on:
            self.merging.run()
        if self.rereads.is_on or self.rotten_files.again:
            self.verifying.heal()
        self.planner.plan_todo()
        if self.excerpts.wanted:
            self.excerpts.run()
        self.hard_links.run()
        self.applier.flush_jobs()
        if self.queries.questions or self.queries.histories:
            self.queries.answer_some()
        self.publisher.publish_when_due()
        if self.folder_times.mtimes_to_announce:
            self.folder_times.announce_mtimes()
        if not self.brakes.is_published:
            self.brakes.publish_when_due()
        for replica in sorted(board.peers):
            peer = board.peers[replica]
            if self.intake.declined:
                self.intake.acknowledge_declined(peer)
            if self.intake.asks_again:
                self.intake.ask_again_if_due(peer)
            self.uploader.serve_parked(peer)
        self.publisher.send_backlogs()
        if not board.journals:
            self.rows.begin_journal()
        return board.end_act()

    def tidy(self, now: Now) -> list[Effect]:
        """Do what is due and can wait until the effects of `act` are performed: the history, reports, words."""
        board, versions = self.board, self.versions
        board.begin(now)
        if versions.thin or now.mono_ms >= versions.prune_at or self.work.retries.short_paths:
            versions.prune_when_due()
        if versions.rechecks and versions.rechecks[0][0] <= now.mono_ms:
            versions.recheck_when_due()
        if self.deltas_out.deltas:
            self.deltas_out.drop_old_deltas()
        if self.signatures.grown_due_ms is not None:
            self.signatures.sign_rested()
        if not (board.has_acted or board.jobs_out):
            self.idle.when_calm()
        self.work.end_turn()
        if self.queries.inquiries.open:
            for id_, answers in self.queries.inquiries.over(now.mono_ms):
                board.emit(Report(id_, tuple(answers)))
        self.sync_report.tell_lacks()
        self.sync_report.note_in_sync()
        if self.vain.counts:
            self.vain.tell()
        if board.has_acted or board.out or board.jobs_out:
            board.something_happened()
        if self.rereads.is_on:
            self.verifying.run()
        return board.out

    def next_deadline(self) -> int | None:
        """The monotonic ms at which `end_turn` has to be called even without an event; None: never."""
        board = self.board
        now_ms = board.now.mono_ms
        if board.run_again:
            return now_ms
        due: list[int | None] = [
            self.own_losses.held_again_ms,
            self.sync_report.lacks_due_ms,
            self.sync_report.sync_due_ms,
            self.transfers.opens_ms(),
            self.hard_links.due_ms(),
        ]
        if board.plan_queue.timers:
            due.append(board.plan_queue.next_due_ms())
        if board.listings.failed or board.listings.latest:
            due.append(board.listings.next_due_ms())
        if self.brakes.peers.bursts:
            due.append(self.brakes.peers.due_ms())
        if self.queries.inquiries.open:
            due.append(self.queries.inquiries.due_ms())
        if board.announcements.rows:
            due.append(self.publisher.told_ms + TELL_TOGETHER_MS)
        if not self.brakes.is_published:
            due.append(self.brakes.publish_due_ms)
        if board.pending_looks.looks and not self.look_queue.looks_out:
            due.append(board.pending_looks.next_due())  # further looks are sent when the current ones return
        if self.versions.rechecks:
            due.append(self.versions.rechecks[0][0])
        if self.deltas_out.deltas:
            due.append(next(iter(self.deltas_out.deltas.values()))[1] + DELTA_KEEP_MS)
        if self.transfers.unfinished:
            due += [when for when, _ in self.transfers.unfinished.values()]
        due.append(self.signatures.grown_due_ms)
        if self.versions.retention is not None and not self.versions.pruning:
            due.append(now_ms if self.versions.thin else self.versions.prune_at)
        if self.idle.calm_work():
            due.append(max(board.moved_ms, now_ms) + CALM_MS)
        if self.merging.is_on and (when := self.merging.due_ms()) is not None:
            due.append(when)
        if self.rereads.is_on:
            due.append(self.verifying.due_ms())
        if self.uploader.has_parked or self.excerpts.wanted:
            due.append(now_ms + 20)
        if self.work.arrivals.fetching or self.ignoring.is_changing or self.publisher.waits_for_acknowledgements():
            due.append(now_ms + RETRY_MS)
        first: int | None = None
        for when in due:
            if when is not None and (first is None or when < first):
                first = when
        return first

    @property
    def is_busy(self) -> bool:
        """True while work is active, or while a wanted content is missing here that a peer can give."""
        return bool(
            self.board.jobs_out
            or len(self.board.pending_looks)
            or self.board.plan_queue
            or self.board.listings.waiting
            or self.work.is_bringing
            or self.board.links
            or self.board.scan.is_on
            or self.brakes.own.missed
        )

    @property
    def has_jobs_out(self) -> bool:
        """True while a job's result is not recorded yet."""
        return bool(self.board.jobs_out)

    def _peer_came(self, peer: Contact) -> None:
        self.sources.peer_came(peer)
        self.publisher.peer_came(peer)
        self.transfers.peer_came(peer)
        self.deltas_out.peer_came(peer)
        self.uploader.peer_came(peer)
        self.deltas_in.peer_came(peer)
        if self.merging.is_on:
            self.merging.peer_came()
        if self.rereads.is_on:
            self.verifying.peer_came()

    def _peer_down(self, replica: str) -> None:
        if not self.contacts.left(replica):
            return
        self.intake.peer_gone(replica)
        self.vain.begin_anew(replica)
        self.readers.peer_gone(replica)
        self.transfers.peer_gone(replica)
        self.deltas_in.peer_gone(replica)
        self.board.plan_queue.add_all(self.work.rooms.close(replica))  # another peer may have what these paths want
        self.uploader.peer_gone(replica)
        self.deltas_out.peer_gone(replica)
        self.publisher.peer_gone(replica)
        self.brakes.peer_gone(replica)
        self.sources.peer_gone(replica)
        self.queries.inquiries.gone(replica)
        self.excerpts.peer_gone(replica)
        if self.merging.is_on:
            self.merging.peer_gone(replica)
        if self.rereads.is_on:
            self.verifying.peer_gone(replica)

    def _received(self, replica: str, message: Message) -> None:
        peer = self.board.peers.get(replica)
        if peer is None:
            return
        if getattr(message, "folder", self.board.folder) != self.board.folder:
            return
        if not peer.may_write:
            allowed = self.readers.allowed(peer, message)
            if allowed is None:
                return
            message = allowed
        self.board.plan_queue.for_one(replica)
        try:
            self.router.route(peer, message)
        except PeerError as error:
            self.contacts.drop(peer, "protocol-error", str(error))
        self.board.plan_queue.for_all()
