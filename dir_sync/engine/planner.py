"""Decides what to do at each path, and checks first whether a decision is possible now.

In:   the plan queue and the offers of the peers.
Out:  for each path: nothing to do, joined histories, our version reasserted, or a step by `acquire`.
Rule: a path with an active job or wait is not planned; when that ends, the path is put on the queue again.
Used by: scan.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.declined import Reason
from dir_sync.core.looks import HALF_WAY
from dir_sync.core.mode import THEIRS, is_own
from dir_sync.core.model import Kind, Record, beats, has_seen, leq, parent_of, same_content, show
from dir_sync.core.reconcile import Answer, Join, Nothing, Offer, Rebase, Refuse, Take, decide
from dir_sync.core.taking import Taking
from dir_sync.core.unable import Unfit
from dir_sync.engine.acquire import Acquire
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import MERGED, NOBODY, OURS, PLAN_MAX, RETRY_MS, STALLED_MS
from dir_sync.engine.fetcher import Fetcher
from dir_sync.engine.in_vain import VainCounter
from dir_sync.engine.incoming_moves import IncomingMoves
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.own_changes import OwnChanges
from dir_sync.engine.rows import Rows
from dir_sync.engine.scope import Scope
from dir_sync.engine.sources import Sources
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import holder_of
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["Planner"]

_SWEEP = "*"  # the peer name under which paths of a sweep over all offers are queued
_OUTDONE_MS = 10_000  # two peers that connect have told each other of a path by then
_PLAN_SHARED_MAX = 40  # ... while several peers compete: some 2 ms of work


class Planner:
    """Decides what to do at each path, and checks first whether a decision is possible now.

    It has more fields than a class should have: a decision about a path concerns almost every machine below it."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        scope: Scope,
        stamps: Stamps,
        vain: VainCounter,
        sources: Sources,
        brakes: Brakes,
        transfers: TransferTable,
        rows: Rows,
        own_changes: OwnChanges,
        incoming_moves: IncomingMoves,
        fetcher: Fetcher,
        acquire: Acquire,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._scope = scope
        self._stamps = stamps
        self._vain = vain
        self._sources = sources
        self._brakes = brakes
        self._transfers = transfers
        self._rows = rows
        self._own_changes = own_changes
        self._incoming_moves = incoming_moves
        self._fetcher = fetcher
        self._acquire = acquire
        self._next_stall_check = 0
        self._blocked_told: set[bytes] = set()
        self._is_short = False  # contents wait for room, by the limit of a person

    def run_timers(self) -> None:
        if self._board.plan_queue.timers:
            self._board.plan_queue.add_due(self._board.now.mono_ms)
        if self._transfers.unfinished:
            self._transfers.undo_growths()
        if self._board.now.mono_ms < self._next_stall_check:
            return
        self._next_stall_check = self._board.now.mono_ms + RETRY_MS
        for path, fetch in self._work.arrivals.fetches():
            if self._board.now.mono_ms - fetch.moved_ms > STALLED_MS:
                self._transfers.stalled(fetch, path)
                self._board.plan_later(path, RETRY_MS)

    def plan_todo(self) -> None:
        if self._board.scan.is_on:
            if len(self._board.plan_queue) > limits.TODO_PATHS_MAX:
                self._board.plan_queue.clear()
            return  # what is here is not known yet; the end of the scan plans everything
        queue = self._board.plan_queue
        if queue.cursor is not None:
            queue.for_one(_SWEEP)
            if queue.waiting < PLAN_MAX:
                some = self._board.index.offers.paths(queue.cursor or None, PLAN_MAX)
                queue.add_offers(some, is_last=len(some) < PLAN_MAX)
        if queue.owner:
            queue.for_all()
        has_room_come = queue.has_room_come and queue.take_room()
        if has_room_come or (self._work.rooms.queues and not self._work.arrivals.fetching):
            self._fetcher.wake_waiting()
        if not queue.queues:
            return
        queue.take_overflow()
        most = min(PLAN_MAX, _PLAN_SHARED_MAX) if self._board.is_shared else PLAN_MAX
        for owner, paths in self._board.plan_queue.take(most, self._board.resting):
            self._board.plan_queue.for_one(owner)
            self._plan_some(paths)
        self._board.plan_queue.for_all()
        # Paths that were given room may not have used it. Then no arriving content would wake the next ones.
        is_room_left = bool(self._work.rooms) and not (self._work.arrivals.is_fetching or self._work.jobs.are_full)
        is_more = self._board.plan_queue.waits_beside(self._board.resting)
        if is_more or self._board.plan_queue.cursor is not None or is_room_left:
            self._board.run_once_more()

    def _plan_some(self, paths: list[bytes]) -> None:
        arrivals, rooms = self._work.arrivals, self._work.rooms
        offered = []
        others = []
        for path in paths:
            if offers := self._board.index.offers.of(path):
                offered.append((path, offers))
            else:
                others.append(path)
        for path in others if self._board.taking is not None else ():
            self._needs_no_room(path)
        for path in self._with_traces(others):
            if not self._work.jobs.is_at(path):
                self._transfers.drop_wanted(path)
                self._transfers.forget_attempts(path)
        self._board.index.rows.fetch(path for path, _ in offered)
        live: list[tuple[bytes, list[Offer]]] = []
        dead: list[tuple[bytes, list[Offer]]] = []
        for entry in offered:
            (dead if _best_kind(entry[1]) is Kind.ABSENT else live).append(entry)
        for path, offers in sorted(live, key=_path_of):
            is_coming = arrivals.is_ready(path) or arrivals.fetch(path) is not None
            if not is_coming and self._is_new_file(path, offers):
                holder = holder_of(offers[0].peer)
                if self._work.jobs.are_full or self._transfers.holders[holder].window.room() < limits.CHUNK_BYTES:
                    rooms.enter(holder, path, min(offers[0].record.size, limits.CHUNK_BYTES))
                    continue
            self._plan(path, offers)
        for path, offers in sorted(dead, key=_path_of, reverse=True):  # children before their folders
            self._plan(path, offers)

    def _with_traces(self, paths: list[bytes]) -> list[bytes]:
        """Those of `paths` at which something may have been wanted. Where nothing is announced, mostly nothing was."""
        if self._brakes.peers.is_on:
            return paths
        return self._work.with_traces(paths, self._sources.origins, self._sources.bases)

    def _is_new_file(self, path: bytes, offers: list[Offer]) -> bool:
        return (
            len(offers) == 1
            and offers[0].record.kind == Kind.FILE
            and offers[0].record.size > 0
            and self._sources.may_be_asked(offers[0].peer, offers[0].record.content)
            and self._board.index.rows.get(path) is None
        )

    def _plan(self, path: bytes, offers: list[Offer]) -> None:
        if not self._work.is_free(path):
            return  # its timer, the end of its job, or the end of its look plans it again
        if self._brakes.own.held and path not in self._brakes.own.held and self._brakes.own.holds(path):
            return  # its parent folder is missing, and is not decided yet
        if self._board.listings.failed and self._may_be_unseen(path):
            self._board.pending_looks.add(path, self._board.now.mono_ms, self._board.now.mono_ms)
            return
        row = self._board.index.rows.get(path)
        spent = self._stamps.outdone.get(path, ())
        mode = self._mode_rules.mode_at(path, row)
        decision = decide(None if row is None else row.record, offers, spent, mode)
        if isinstance(decision, Take) and row is not None and is_own(row.record):
            offers = self._own_changes.ask_holders(decision.record)
        is_far = isinstance(decision, Take) and not self._sources.is_within_reach(decision.record, offers)
        if isinstance(decision, Take) and is_far:
            if self._board.index.offers.of_peer(path, MERGED) is not None:
                self._board.index.offers.drop(path, MERGED)  # it was not installed before the last run ended
                self._board.plan_queue.add(path)
                return
            if (
                decision.record.stamp.maker == self._board.index.identity.replica
                and self._board.index.offers.of_peer(path, OURS) is not None
            ):
                # the version to be restored was in the history, and is no longer there
                self._board.index.offers.drop(path, OURS)
                self._board.tell(notes.CannotRestore(path))
                self._board.plan_queue.add(path)
                return
            self._work.out_of_reach.enter(path, decision.record.content)
        if isinstance(decision, Take) and (is_far or self._is_homeless(decision.record, offers)):
            near = [
                offer
                for offer in offers
                if offer.peer == THEIRS or self._sources.may_be_asked(offer.peer, offer.record.content)
            ]
            second = decide(None if row is None else row.record, near, spent, mode)
            if not isinstance(second, Nothing):
                decision, offers = second, near  # until a peer with the best version connects
                if isinstance(decision, Take) and row is not None and is_own(row.record):
                    offers = self._own_changes.ask_holders(decision.record)
        obstacle = self._work.obstacles.kind(path)
        if obstacle is not None:
            wanted = decision.record.kind if isinstance(decision, Take) else Kind.ABSENT
            may_be_folder = wanted in (Kind.ABSENT, Kind.DIRECTORY) or self._board.index.tree.has_live_child(path)
            if obstacle == Kind.DIRECTORY and may_be_folder:
                self._work.obstacles.remove(path)  # the folder may stay, or its listing decides; the peers have to know
            elif wanted != Kind.ABSENT:
                self._transfers.drop_wanted(path)
                self.block(path)
                return  # a look that finds the way free plans the path again
        if self._work.unable and isinstance(decision, Take) and self.hold_back(decision):
            return
        if not isinstance(decision, Take):
            self._needs_no_room(path)
            if row is not None and row.fp.endswith(HALF_WAY):  # nothing newer follows: a look counts that as changed
                self._board.pending_looks.add(path, self._board.now.mono_ms, self._board.now.mono_ms)
        elif self._board.taking is not None and self._stays_away(self._board.taking, row, decision):
            return
        match decision:
            case Nothing():
                self.drop_stale_offers(path, offers)
            case Join(record):
                assert row is not None
                if path in self._board.announcements.fresh:
                    # first announce our version as it was made: without knowledge of the other one
                    self._board.plan_later(path, 1)
                else:
                    for offer in offers:
                        if offer.peer in self._board.peers:
                            self._vain.add_repeat(offer.peer)
                    self._rows.accept(record, row.fp)
            case Answer(top):
                assert row is not None
                self._rows.reassert(row, top)
                self._board.tell(notes.Kept(path))
            case Refuse(record):
                self._transfers.drop_wanted(path)
                if row is not None and row.record.kind == Kind.DIRECTORY != record.kind:
                    self._acquire.try_to_leave(path, row, record)  # something new in it brings it back elsewhere
            case Rebase(record):
                if row is None or not self._wait_for_better(row, record):
                    self._own_changes.rebase(record)
                    self._transfers.drop_wanted(path)
            case Take():
                self._acquire.step_towards(path, row, offers, decision)

    def _is_homeless(self, wanted: Record, offers: list[Offer]) -> bool:
        """True if the folder of a wanted version is not here, and nobody who announced that version is connected: perhaps
        nobody will bring the folder. What others announced meanwhile counts until it comes."""
        parent = parent_of(wanted.path)
        if len(offers) < 2 or not parent or wanted.kind is Kind.ABSENT:
            return False
        makers = [offer.peer for offer in offers if offer.record.stamp == wanted.stamp]
        if any(peer == THEIRS or peer.startswith(OURS) or peer in self._board.peers for peer in makers):
            return False
        above = self._board.index.rows.get(parent)
        return above is None or above.record.kind is not Kind.DIRECTORY

    def _wait_for_better(self, row: Row, now: Record) -> bool:
        """Give peers a moment to announce that they have the version that was known at the path of an own change. `now`:
        what others have there; its maker may not have known that version."""
        known = self._own_changes.shared_version(row)
        if known is None or has_seen(now, known):
            return False
        left = _OUTDONE_MS - self._work.grace_ms(now.path, now)
        if left <= 0:
            self._work.end_grace(now.path)
            return False
        self._board.plan_later(now.path, left)
        return True

    def _may_be_unseen(self, path: bytes) -> bool:
        """True if a version that was being installed when the program ended may be at this path, its peer has replaced
        it since, and the folder could not be listed yet. Accepting a newer version would lose that knowledge, so a look
        comes first."""
        if self._board.index.offers.of_peer(path, NOBODY) is None:
            return False
        folder = path
        while folder:
            folder = parent_of(folder)
            if folder in self._board.listings.failed:
                return True
        return False

    def hold_back(self, take: Take) -> bool:
        """True if this disk cannot store the wanted version. People are told once; a look that finds it possible plans
        it again."""
        path = take.record.path
        unfit = self._work.unable.why(take.record)
        if unfit is None:
            return False
        if unfit.by is not None and self._incoming_moves.respell(unfit.by):
            return True
        self._needs_no_room(path)
        self._transfers.drop_wanted(path)
        if self._work.unable.is_news(path):
            size, limit = take.record.size, unfit.limit
            self._board.tell(notes.NotTaken(path, size, limit) if limit else notes.Unfit(path, unfit.text))
        return True

    def _stays_away(self, taking: Taking, row: Row | None, take: Take) -> bool:
        """True if the limits of a person do not let the wanted content come, or not now."""
        wanted = take.record
        path, content = wanted.path, wanted.content
        is_known = wanted.kind != Kind.FILE or (row is not None and same_content(row.record, wanted))
        if not is_known and taking.is_too_large(wanted):
            self._work.unable.hold(path, Unfit(taking.large, limit=taking.most))
            return self.hold_back(take)
        ready, index = self._work.arrivals.ready(path), self._board.index
        merged = index.offers.of_peer(path, MERGED)  # it was made here, and nobody would make it again
        is_here = (ready is not None and ready.digest == content and ready.staged is not None) or (
            merged is not None and merged.record.content == content
        )
        if is_known or not wanted.size or is_here or index.rows.by_content(content):
            self._needs_no_room(path)
            return False
        if taking.take_room(wanted):
            self._tell_room_again(taking)
            return False
        if not self._is_short:
            self._is_short = True
            self._board.tell(notes.NoRoom(path, taking.full))
        self._work.retries.note_trouble(path, taking.full, Reason.MIN_FREE)
        self._transfers.drop_wanted(path)
        return True

    def room_measured(self, room: int) -> None:
        """The room for contents is this now: plan what waited for it."""
        taking, work = self._board.taking, self._work
        if taking is None:
            return
        coming = {path: max(0, fetch.size - fetch.written) for path, fetch in work.arrivals.fetches()}
        coming |= {path: len(ready.data or b"") for path, ready in work.arrivals.all_ready()}
        for path in taking.measured(room, coming):
            work.retries.end_trouble(path)
            self._board.plan_queue.add(path)
        self._tell_room_again(taking)

    def _needs_no_room(self, path: bytes) -> None:
        """Nothing of this path waits for room: what waited is not wanted any more, is here, or cannot come for another reason."""
        taking = self._board.taking
        if taking is None:
            return
        taking.end_grant(path)
        if taking.forget(path):
            self._work.retries.end_trouble(path)
            self._tell_room_again(taking)

    def _tell_room_again(self, taking: Taking) -> None:
        if self._is_short and not taking.waiting:
            self._is_short = False
            self._board.tell(notes.RoomAgain())

    def block(self, path: bytes) -> None:
        """A newer version cannot be installed here. People are told once."""
        near = next((other for other in self._scope.named if other == path or other.startswith(path + b"/")), None)
        what = "something in it or in its place" if near is None else show(near)
        self._needs_no_room(path)
        self._work.retries.note_trouble(path, f"{what} is in the way, and is not synchronized", Reason.BLOCKED)
        if path not in self._blocked_told:
            self._blocked_told.add(path)
            self._board.tell(notes.Blocked(path))

    def drop_stale_offers(self, path: bytes, offers: list[Offer]) -> None:
        """Our version is the best: drop the offers that add nothing to it."""
        row = self._board.index.rows.get(path)
        assert row is not None
        best = self._own_changes.shared_version(row) if is_own(row.record) else row.record
        for offer in offers:
            is_known = best is not None and leq(offer.record.vector, best.vector) and not beats(offer.record, best)
            if is_known and offer.peer != THEIRS:
                self._board.index.offers.drop(path, offer.peer)
        self._transfers.drop_wanted(path)
        if not self._board.index.offers.of(path):
            self._transfers.forget_attempts(path)


def _best_kind(offers: list[Offer]) -> Kind:
    if len(offers) == 1:
        return offers[0].record.kind
    return max(offers, key=lambda offer: offer.record.stamp).record.kind


def _path_of(entry: tuple[bytes, list[Offer]]) -> bytes:
    return entry[0]
