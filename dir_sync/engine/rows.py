"""The one writer of rows: put, accept an offered version, reassert ours, journal.

In:   records that are true here from now on.
Out:  rows of the index with their sequence; marks for the paths that waited for them.
Rule: no other machine writes a row.
Used by: own_changes, applier, incoming_moves, acquire, planner, recorder, local_changes, scan, merging, decisions,
path_decisions.
"""

from __future__ import annotations

from dir_sync.core.attributes import fits, is_between
from dir_sync.core.ignore import NAME as RULES_NAME
from dir_sync.core.looks import HALF_WAY
from dir_sync.core.mode import OWN_FIRST, THEIRS, Mode, is_own, nothing, own_change
from dir_sync.core.model import (
    Kind,
    Record,
    beats,
    has_seen,
    inode_of,
    joined,
    leq,
    parent_of,
    same_body,
    same_content,
    same_meta,
    same_version,
)
from dir_sync.core.peers.announce import Fresh
from dir_sync.core.reconcile import Offer, Take, answer, decide
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import PLAN_MAX, TROUBLE_RETRY_MS
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.names import Names
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import got_meta
from dir_sync.engine.work import WorkTable
from dir_sync.index import JOURNAL_SINCE, Row

__all__ = ["Rows"]


class Rows:
    """The one writer of rows: put, accept an offered version, reassert ours, journal."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
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
        self._mode_rules = mode_rules
        self._work = work
        self._stamps = stamps
        self._brakes = brakes
        self._own_losses = own_losses
        self._peer_losses = peer_losses
        self._publisher = publisher
        self._transfers = transfers
        self._names = names

    def put(self, record: Record, fp: bytes) -> Row:
        """Write a row. It is announced to the peers, and paths that depend on it are planned."""
        self.journal(record)
        self._mode_rules.note_here(record)
        if self._mode_rules.keeps_own:
            self._keep_theirs(record)
        if self._mode_rules.keeps_own and record.kind == Kind.ABSENT and b"/" in record.path:
            self._board.plan_queue.add(parent_of(record.path))  # it may have kept its folder here
        elif record.kind == Kind.ABSENT and b"/" in record.path and self._board.index.offers.of(parent_of(record.path)):
            self._board.plan_queue.add(parent_of(record.path))  # a peer deleted it, and it waited for this
        if not self._mode_rules.mode.takes and record.kind != Kind.ABSENT and b"/" in record.path:
            self._board.plan_queue.add(parent_of(record.path))  # peers may have deleted the folder
        if self._brakes.own.held:
            before = self._board.index.rows.get(record.path)
            # otherwise only its vector or stamp is new
            if before is None or fp != before.fp or record.kind == Kind.ABSENT:
                self._own_losses.no_longer_held(record.path, bool(fp) and record.kind is Kind.DIRECTORY)
        row = self._board.index.rows.put(record, fp)
        if self._board.links.is_on and record.attributes is not None and record.attributes.file_id:
            self._board.links.add(record.path)
        if record.path.endswith(RULES_NAME):
            self._board.listings.add(parent_of(record.path))  # that reads the rules
        self._board.announcements.add(row, record)
        self._board.plan_queue.add(record.path)
        if self._work.unable and record.kind == Kind.ABSENT:
            self._names.look_behind(record.path)
        if self._brakes.peers.is_on:
            self._peer_losses.settled_peers(record.path, record.stamp.maker)
        if self._work.obstacles and self._work.obstacles.is_at(parent_of(record.path)):
            self._board.plan_queue.add(parent_of(record.path))
        if fp and self._work.out_of_reach and record.kind == Kind.FILE:
            self._board.plan_queue.add_all(self._work.out_of_reach.take(record.content))
        if record.kind == Kind.DIRECTORY:
            if self._work.obstacles.has_denied or self._board.listings.failed:
                self._try_again_below(record.path)
            waiting = self._board.index.offers.paths_in(record.path, PLAN_MAX)
            self._board.plan_queue.add_all(waiting)
            if len(waiting) == PLAN_MAX:
                self._board.plan_queue.add_all_offers()  # also paths that waited for the brake
        return row

    def accept(self, record: Record, fp: bytes) -> None:
        """Record that we have `record` now: write its row, drop the offers that it satisfies, and acknowledge it to
        their peers."""
        path = record.path
        for offer in self._board.index.offers.of(path):
            theirs = offer.record
            if leq(theirs.vector, record.vector) and not beats(theirs, record):
                self._board.index.offers.drop(path, offer.peer)
                subscriber = self._publisher.subscribers.get(offer.peer)
                if subscriber is not None and same_version(theirs, record):
                    subscriber.taken_over(theirs)
        self._work.stop_waiting(path)
        self._transfers.forget_attempts(path)
        self._stamps.note_outdone(record)
        self.put(record, fp)

    def _keep_theirs(self, record: Record) -> None:
        """Keep what the mesh has at a path that is changed here only; drop it when the path is as in the mesh again."""
        self._mode_rules.revert_ends(record.path)
        if not is_own(record):
            self._board.index.offers.drop(record.path, THEIRS)
            return
        row, index = self._board.index.rows.get(record.path), self._board.index
        if row is not None and not is_own(row.record):
            index.offers.put(Offer(THEIRS, row.record, False))
        elif (
            self._mode_rules.mode is Mode.MIRROR
            and record.kind != Kind.ABSENT
            and index.offers.of_peer(record.path, THEIRS) is None
        ):
            index.offers.put(Offer(THEIRS, nothing(record), False))

    def reassert(self, row: Row, top: Record, is_meant: bool = False) -> None:
        """Our version stays, though peers announced `top`. `is_meant`: a person knows `top` and wants ours. That is announced
        in every mode: otherwise nobody else would have it, and a mirror would undo it. Where it may not be announced, and
        for what was changed here only, a mirror keeps it like what was here first."""
        announces = self._mode_rules.mode.announces or (is_meant and self._mode_rules.may_decide)
        if not announces or is_own(row.record):
            self.keep_own(row, top, is_first=is_meant and self._mode_rules.mode is Mode.MIRROR)
            return
        now_ns, latest_ns = self._board.now.wall_ns, self._stamps.latest_ns()
        record = answer(row.record, top, *self._stamps.maker(row.record, top), now_ns, latest_ns, is_meant)
        self._stamps.note_lowered(row.record, record)
        self.put(record, row.fp)
        self._board.announcements.add_change(Fresh(record, row.record, None, None, None, None))

    def keep_own(self, row: Row, top: Record, is_first: bool = False) -> None:
        """Our version stays on this node; the mesh has `top` there. `is_first`: it stays because of what the first scan
        found."""
        own = own_change(row.record, max(row.record.stamp.ns, top.stamp.ns) + 1, self._board.index.sequences.next())
        if is_first:
            own = own._replace(stamp=own.stamp._replace(maker=OWN_FIRST))
        self.put(own, row.fp)
        self._board.index.offers.put(Offer(THEIRS, top, False))

    def journal(self, record: Record) -> None:
        """Add the earlier state of a path to the journal, if the path changes."""
        if not self._board.journals:
            return
        row = self._board.index.rows.get(record.path)
        if row is None or row.record.kind == Kind.ABSENT:
            if record.kind != Kind.ABSENT:
                self._board.index.journal.write(record, None, self._board.now.wall_ns)
        elif not same_body(row.record, record):
            self._board.index.journal.write(record, row.record, self._board.now.wall_ns)

    def begin_journal(self) -> None:
        """Start the journal when the first peer's state is complete: an undo must not undo the first contact."""
        if (
            not any(peer.synced for peer in self._board.peers.values())
            or self._board.scan.is_on
            or self._board.plan_queue
        ):
            return
        if (
            self._work.jobs.pushed_counts
            or self._board.jobs_out
            or self._work.arrivals.is_fetching
            or self._work.arrivals.has_ready
            or self._waits_for_offers()
        ):
            return
        self._board.begin_journal()
        self._board.index.notes.put(JOURNAL_SINCE, self._board.now.wall_ns)

    def _waits_for_offers(self) -> bool:
        """True if something that peers announced is still to come."""
        return (
            self._mode_rules.mode.takes
            and self._board.index.offers.any()
            and self._board.index.offers.count_paths() > 0
        )

    def _try_again_below(self, folder: bytes) -> None:
        """The attributes of a folder changed, maybe its mode: operations below it that failed may succeed now."""
        now, first = self._board.now.mono_ms, TROUBLE_RETRY_MS[0]
        for path in self._work.retry_below(folder):
            if path in self._board.pending_looks:
                self._board.pending_looks.add(path, now, now)
            self._board.plan_queue.add(path)
        self._board.listings.try_again_below(folder, now, first)

    def announced_gone(self, mine: Record) -> Record | None:
        """A newer tombstone that a peer announced and that includes our version; None if there is none. Of what our mode
        keeps from the others nobody knows: there it includes the version that they have in its place."""
        if is_own(mine):
            offer = self._board.index.offers.of_peer(mine.path, THEIRS)
            if offer is None or offer.record.kind == Kind.ABSENT:
                return None if offer is None else offer.record
            mine = offer.record
        for offer in self._board.index.offers.of(mine.path):
            theirs = offer.record
            if theirs.kind == Kind.ABSENT and beats(theirs, mine) and has_seen(theirs, mine):
                return joined(theirs, mine)
        return None

    @staticmethod
    def is_as_was(row: Row, now: Record, fp: bytes) -> bool:
        """True if a look found what the version of a row says. `now`: what is there, with the fingerprint `fp`. A disk that
        cannot keep a time or a mode as the version says it has them as `row.fp` says."""
        mine = row.record
        if not row.fp or not same_content(mine, now) or now.attributes != mine.attributes:
            return False
        return same_meta(mine, now) if row.fp.endswith(HALF_WAY) else got_meta(row.fp) == got_meta(fp)

    def is_half_way(self, now: Record, mine: Record, fp: bytes) -> bool:
        """True if only attributes of an entry differ from the version here, because a newer one is on its way. `now`: what is
        there, with the fingerprint `fp` and the attributes that this node keeps."""
        return self.is_half_set(now, mine) or self.is_set_by_another_name(now, mine, fp)

    def is_half_set(self, now: Record, mine: Record) -> bool:
        """True if only attributes of an entry differ from the version here, as a change to a newer one leaves them that has
        failed half-way. `now`: what is there, with the attributes that this node keeps."""
        offers = self._board.index.offers.of(now.path) if self._board.keeps else []
        if not offers or not (same_content(mine, now) and same_meta(mine, now)):
            return False
        decision = self._mode_rules.decision_at(now.path, self._board.index.rows.get(now.path))
        return isinstance(decision, Take) and any(
            same_content(offer.record, mine)
            and beats(offer.record, mine)
            and is_between(mine.attributes, now.attributes, offer.record.attributes)
            for offer in offers
        )

    def is_set_by_another_name(self, now: Record, mine: Record, fp: bytes) -> bool:
        """True if a file that is to be removed or replaced differs from the version here only by the mode, the time and the
        attributes that a version of another of its names brought: they are those of all its names. `now`: what is there,
        with the fingerprint `fp` and the attributes that this node keeps."""
        index = self._board.index
        if now.kind not in (Kind.FILE, Kind.SYMLINK) or not index.offers.of(now.path) or not same_content(mine, now):
            return False
        decision = self._mode_rules.decision_at(now.path, index.rows.get(now.path))
        if not isinstance(decision, Take) or same_content(decision.record, now):
            return False
        return any(
            got_meta(row.fp) == got_meta(fp) and fits(now.attributes, row.record.attributes)
            for row in index.rows.names_of(now.content, inode_of(fp), now.kind)
            if row.record.path != now.path and not self._may_be_of_a_user(row.record)
        )

    def _may_be_of_a_user(self, record: Record) -> bool:
        """True if a user of this node may have made that version."""
        is_ours = record.stamp.maker == self._board.index.identity.replica
        return is_own(record) or (is_ours and self._mode_rules.mode.announces)

    def announced(self, now: Record, mine: Record | None) -> Record | None:
        """A record that a peer announced, that takes the place of ours, and that matches what is on the disk; None if there is
        none. `now`: what is there, with the attributes that this node keeps."""
        if mine is not None and is_own(mine):
            mine = None  # whatever the mesh has is newer than what stays here
        for offer in self._board.index.offers.of(now.path):
            theirs = offer.record
            is_here = same_content(theirs, now) and same_meta(theirs, now)
            if is_here and mine is not None and same_content(mine, now) and same_meta(mine, now):
                is_here = fits(now.attributes, theirs.attributes)  # otherwise a user may have changed them alone
            if is_here and (mine is None or beats(theirs, mine) or self._is_taken(theirs, mine)):
                return joined(theirs, mine) if mine is not None else theirs
        return None

    def _is_taken(self, theirs: Record, mine: Record) -> bool:
        """True if an offered version takes the place of ours: a job has tried to install it, or that is decided now. It need
        not beat ours. Where stamps were far ahead of a clock, ours may beat it and lose to a third version, which loses to
        it."""
        path, stamp = theirs.path, theirs.stamp
        if self._work.attempts.attempted(path) == stamp:
            return True
        offers, spent = self._board.index.offers.of(path), self._stamps.outdone.get(path, ())
        mode = self._mode_rules.mode_at(path, self._board.index.rows.get(path))
        decision = decide(mine, offers, spent, mode)  # as the planner does
        return isinstance(decision, Take) and decision.record.stamp == stamp
