"""Classifies what a look found: an echo of our own work, an installation that was not recorded, or a user's change.

In:   results of look jobs. Out: changes for the recorder; looks to be made again.
Used by: scan.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.backoff import backoff
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.looks import HALF_WAY, MOUNTED, UNPROVEN, Hint, LookOutcome, Seen
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, beats, parent_of, unstamped
from dir_sync.core.watching.pending_looks import PendingLook
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import EMPTY_MS, NOBODY, REOPENED_MS, TROUBLE_RETRY_MS
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.folder_times import FolderTimes
from dir_sync.engine.hard_links import HardLinks
from dir_sync.engine.intake import Intake, ask_all_again
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.names import Names
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.recorder import LocalRecorder
from dir_sync.engine.rows import Rows
from dir_sync.engine.scope import Scope
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.work import WorkTable

__all__ = ["LocalChanges"]


class LocalChanges:
    """Classifies what a look found: an echo of our own work, an unrecorded installation, or a user's change.

    It has more fields than a class should have: what a look found concerns almost every machine below it."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        scope: Scope,
        stamps: Stamps,
        folder_times: FolderTimes,
        brakes: Brakes,
        own_losses: OwnLosses,
        transfers: TransferTable,
        publisher: Publisher,
        local_renames: LocalRenames,
        look_queue: LookQueue,
        names: Names,
        rows: Rows,
        deltas_out: DeltasForPeers,
        hard_links: HardLinks,
        intake: Intake,
        recorder: LocalRecorder,
    ) -> None:
        self._board = board
        self._work = work
        self._scope = scope
        self._stamps = stamps
        self._folder_times = folder_times
        self._brakes = brakes
        self._own_losses = own_losses
        self._transfers = transfers
        self._publisher = publisher
        self._local_renames = local_renames
        self._look_queue = look_queue
        self._names = names
        self._rows = rows
        self._deltas_out = deltas_out
        self._hard_links = hard_links
        self._intake = intake
        self._recorder = recorder

    def _forget_taken(self, path: bytes) -> None:
        """The disk takes this name for another one, so its row is dropped. No user deleted it, so no tombstone is
        announced; the path is held back when peers announce it."""
        for lost in self._board.index.tree.live_paths(path):
            self._board.index.rows.forget(lost)
        ask_all_again(self._board, self._intake)

    def on_looked(self, seen: Seen, together: frozenset[bytes] | set[bytes] = frozenset()) -> None:
        """Handle the result of a look. `together`: the paths of the same job, some of which may be halves of one
        rename."""
        path = seen.path
        pending = self._board.look_ends(path)
        now = self._board.now.mono_ms
        self._board.plan_queue.add(path)
        if seen.look in (LookOutcome.FOUND, LookOutcome.SAME) and self._scope.ignores(
            path, seen.kind is Kind.DIRECTORY
        ):
            row = self._board.index.rows.get(path)
            if row is None or row.record.kind in (Kind.ABSENT, seen.kind):
                if self._board.index.offers.of(path):
                    self._work.obstruct(path, Kind.OTHER)  # something else is wanted there
                self._deltas_out.drop_delta(seen.delta)
                self._done(path)
                return
            # Something that is ignored has taken the place of something that is not.
            seen = Seen(path, LookOutcome.ABSENT)
            pending.removal_confirmed = True
        if (
            self._local_renames.renames
            and seen.look in (LookOutcome.FOUND, LookOutcome.ABSENT)
            and self._local_renames.waits_for_new_name(seen, together)
        ):
            self._deltas_out.drop_delta(seen.delta)
            self._board.pending_looks.put_back(pending, now + 20)
            return
        if (
            self._local_renames.renames
            and seen.look is LookOutcome.FOUND
            and self._local_renames.began_too_early(seen, together)
        ):
            self._deltas_out.drop_delta(seen.delta)
            self._board.pending_looks.put_back(pending, now)
            newer = self._board.pending_looks.add(path, now, now)
            old = self._local_renames.renamed_from(path)
            is_settled = len(seen.fp) <= FINGERPRINT_BYTES  # otherwise it may change without a trace, and is read
            if is_settled and (old is None or old.record.content == seen.content):  # otherwise it may have grown
                newer.hint = Hint(seen.fp, seen.size, seen.content, True)
            return
        if self._work.obstacles and seen.look in (LookOutcome.FOUND, LookOutcome.ABSENT):
            self._board.plan_queue.add_all(dict.fromkeys(self._work.obstacles.found(path, seen.kind)))
        again = now
        if self._brakes.own.held and seen.look in (LookOutcome.FOUND, LookOutcome.SAME) and seen.kind != Kind.OTHER:
            self._own_losses.no_longer_held(path, seen.kind is Kind.DIRECTORY)
        if seen.look in (LookOutcome.FOUND, LookOutcome.UNSTABLE) and pending.watched:
            is_open = pending.open and not pending.closed
            self._work.pace.looked(path, seen.size, now - pending.sent_ms, now, seen.look is LookOutcome.FOUND, is_open)
            self._board.pending_looks.postpone(path, self._work.pace.earliest(path, now), is_open)
        if self._work.unable or seen.taken_for is not None:
            self._names.looked_at_name(seen, pending)
        if self._work.disk.is_blind and seen.taken_for is None and seen.look in (LookOutcome.ABSENT, LookOutcome.FOUND):
            self._names.found_on_blind_disk(seen, pending)
        match seen.look:
            case LookOutcome.SAME:
                self._recorder.looked_at(path)
                self._joined(path)
                if pending.check_mtime:
                    self._folder_times.checked(path, seen.mtime)
                if pending.listing and seen.kind == Kind.DIRECTORY:
                    self._board.listings.add(path)
                self._done(path)
                return
            case LookOutcome.ABSENT:
                wait = self._local_renames.disbelief_ms(path, pending)
                if not wait:
                    self._work.pace.forget(path)
                if not wait and self.absent(seen, pending):
                    self._done(path, is_there=False)
                    return
                again = now + (wait or 20)
            case LookOutcome.OPEN:
                again = self._look_again_at_open(seen, pending)
            case LookOutcome.FOUND:
                if self._work.opened:
                    self._work.opened.announced(path, seen.size, pending.sent_ms, now)
                if self._local_renames.may_get_its_true_name(seen, pending):
                    pending.rested = True
                    pending.written = False
                    pending.hint = Hint(seen.fp, seen.size, seen.content, True)
                    self._board.pending_looks.put_back(pending, now + limits.TRUE_NAME_MS)
                    if seen.delta is not None:
                        self._deltas_out.keep_delta(seen.delta)
                    return
                if self.found(seen, pending):
                    self._recorder.looked_at(path)
                    self._look_queue.rests(path)
                    self._deltas_out.drop_delta(seen.delta)
                    self._done(path)
                    return
                again = now + 15
            case LookOutcome.TOO_BIG:
                pending.large = True
                self._work.pace.note_size(path, seen.size)
                if pending.open:
                    span = self._work.pace.span(path, pending.first_ms, seen.size, now)
                    again = min(max(now + span.settle_ms, span.earliest_ms), span.latest_ms)
            case LookOutcome.UNSTABLE:
                pending.tries += 1
                again = self._work.pace.earliest(path, now + limits.DEBOUNCE_MS)
                if self._work.pace.is_restless(path):
                    self._look_queue.never_rests(path, seen.size)
            case LookOutcome.UNKNOWN:
                pending.tries += 1
                if pending.tries == 1:
                    self._board.tell(notes.Unreadable(path, seen.problem))
                first, most = TROUBLE_RETRY_MS
                again = now + backoff(first, pending.tries, most)
                self._work.obstacles.deny(parent_of(path), path)
                self._board.scan.not_read(path)  # the file may never become readable
        self._deltas_out.drop_delta(seen.delta)
        self._board.pending_looks.put_back(pending, again)

    def _look_again_at_open(self, seen: Seen, pending: PendingLook) -> int:
        """When (ms) to look again at a file that a program has open."""
        now = self._board.now.mono_ms
        newer = self._board.pending_looks.find(pending.path)
        self._board.scan.not_read(pending.path)
        if newer is not None and newer.closed:
            return now
        if pending.closed:  # a program has opened it anew; the watcher reports that in a moment
            return max(now, pending.first_ms + REOPENED_MS)
        if pending.replaced:
            return self._work.opened.found(pending.path, seen.size, pending.replaced, now)
        return pending.first_ms + EMPTY_MS  # a new empty file

    def _done(self, path: bytes, is_there: bool = True) -> None:
        if self._local_renames.renames.targets and (sources := self._local_renames.renames.close(path, is_there)):
            self._publisher.renamed(path, sources)
        self._board.scan.looked_at(path)
        if path not in self._board.pending_looks:
            self._board.scan.need_not_wait(path)
            if not self._work.jobs.is_at(path):
                self._work.attempts.forget_attempt(path)
                if self._board.listings.failed:
                    # see `Planner._may_be_unseen`: a look has seen the path now
                    self._board.index.offers.drop(path, NOBODY)

    def absent(self, seen: Seen, pending: PendingLook) -> bool:
        """The look found nothing. True if that is final; false if the path is looked at again, after its children."""
        path = seen.path
        row = self._board.index.rows.get(path)
        if row is not None and row.record.kind != Kind.ABSENT and self._scope.ignores_record(row.record):
            self._board.index.rows.forget(path)  # the rules came before this look was over: nothing is told of it
            row = None
        if (row is None or row.record.kind == Kind.ABSENT) and seen.taken_for is None:
            # (A name that the disk takes for another one has not vanished; a look at it would repeat without end.)
            self._look_queue.let_folder_go(path)
        if row is None:
            if pending.watched:  # a file of another program may have come and gone here
                self._folder_times.mark_active(parent_of(path), None)
            return True
        mine = row.record
        if mine.kind == Kind.ABSENT:
            self._board.index.rows.set_fp(path, b"")
            return True
        if seen.taken_for is not None and self._names.was_not_blind():
            self._forget_taken(path)
            return True
        best = self._rows.announced_gone(mine)
        is_known_gone = best is not None and (mine.kind != Kind.DIRECTORY or self._is_all_known_gone(path))
        is_seen_gone = pending.watched and not self._brakes.own.holds(path)  # what is held was missing before that
        if not is_seen_gone and not pending.removal_confirmed and not is_known_gone:
            if not self._brakes.own.holds(path):
                self._brakes.own.miss(path)
                return True
            newer = any(beats(offer.record, mine) for offer in self._board.index.offers.of(path))
            is_wanted = mine.kind != Kind.DIRECTORY and path in self._brakes.own.held and newer
            if not is_wanted:  # a wanted file is fetched again, or was deleted elsewhere as well
                return True
        if mine.kind == Kind.DIRECTORY and self._brakes.own.held:
            below = self._board.index.tree.live_below(path, limits.LOOK_ITEMS_MAX)
            if below and all(self._brakes.own.holds_in(path, child.record.path) for child in below):
                self._brakes.own.hold_with(path)
                return True
        if mine.kind == Kind.DIRECTORY and (
            self._look_queue.look_below(path, pending) or self._work.jobs.is_being_filled(path)
        ):
            return False
        if best is not None and seen.kind == Kind.OTHER:
            self._rows.accept(best, b"")  # nothing of ours is there any more
            return True
        if best is not None:
            # We removed it before a crash: the removal was not recorded, or is not durable yet.
            return self._recorder.redo(ApplyItem(path, TreeOp.REMOVE, best, b"", Cause.DELETED))
        mine = self._recorder.as_installed(mine)
        stamp_ns = self._board.now.wall_ns if pending.watched else 0
        gone = mine._replace(kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0, attributes=None)
        record = self._stamps.changed_to(mine, gone, stamp_ns)
        self._recorder.record_change(record, mine, b"", seen)
        self._board.tell_later(notes.DeletedHere(path))
        return True

    def _is_all_known_gone(self, folder: bytes) -> bool:
        """True if peers announced the deletion of everything (of the first rows) that we know below a folder."""
        below = self._board.index.tree.live_below(folder, limits.LOOK_ITEMS_MAX)
        return all(self._rows.announced_gone(child.record) is not None for child in below)

    def found(self, seen: Seen, pending: PendingLook) -> bool:
        """The look found something. True if that is final; false if the path is looked at again, after its parent
        folder."""
        path = seen.path
        row = self._board.index.rows.get(path)
        mine = None if row is None else row.record
        if seen.kind == Kind.OTHER:
            self._scope.skip(path, seen.problem or "not a file, a folder or a link")
            self._work.obstruct(path, Kind.OTHER)
            if seen.problem == MOUNTED:
                self._scope.note_mount(path)
            if mine is not None and mine.kind == Kind.DIRECTORY and seen.problem == MOUNTED:
                return self._hidden(mine)
            if mine is not None and mine.kind != Kind.ABSENT:
                return self.absent(seen, pending)
            return True
        parent = parent_of(path)
        if parent:
            above = self._board.index.rows.get(parent)
            if above is None or above.record.kind != Kind.DIRECTORY or not above.fp:
                if parent not in self._board.looking:
                    if above is not None and above.record.kind == Kind.ABSENT and above.fp:
                        self._recorder.revive_folder(above)
                        return self.found(seen, pending)
                    self._board.pending_looks.add(parent, self._board.now.mono_ms, self._board.now.mono_ms)
                pending.tries += 1
                return pending.tries > 200  # the parent folder keeps vanishing: its next listing finds this path
        if seen.kind == Kind.DIRECTORY and (pending.listing or mine is None or mine.kind != Kind.DIRECTORY):
            self._board.listings.add(path)
        elif seen.kind != Kind.DIRECTORY and mine is not None and mine.kind == Kind.DIRECTORY:
            if self._look_queue.look_below(path, pending, replaced=True):
                return False
        fp = seen.fp
        if len(fp) > FINGERPRINT_BYTES:
            again = self._work.pace.earliest(path, self._board.now.mono_ms + limits.DEBOUNCE_MS_MAX // 4)
            if pending.open:
                again = max(again, self._work.pace.span(path, self._board.now.mono_ms, seen.size, again).latest_ms)
            self._board.pending_looks.add(path, again, self._board.now.mono_ms).watched = True
        is_same_kind = mine is not None and mine.kind is seen.kind
        here, attributes, is_owed = self._local_renames.attributes_now(seen, row if is_same_kind else None)
        as_seen = unstamped(path, seen.kind, seen.size, seen.content, seen.mtime, seen.mode)._replace(attributes=here)
        now = as_seen._replace(attributes=attributes)
        fp = fp[:FINGERPRINT_BYTES] + UNPROVEN if is_owed else fp  # until the disk has them
        others_differ = False
        if self._hard_links.is_on and seen.kind is Kind.FILE and not self._board.scan.is_first:
            now, as_seen, others_differ = self._hard_links.named(now, as_seen, fp, row if is_same_kind else None)
        if row is not None and mine is not None:
            if mine.kind == Kind.ABSENT and seen.kind == Kind.DIRECTORY and row.fp:
                self._board.index.rows.set_fp(
                    path, fp
                )  # the folder stays only because of an entry that is not synchronized
                return True
            if self._rows.is_as_was(row, now, fp):
                if is_owed:
                    return self._recorder.give(mine, fp)
                self._board.index.rows.set_fp(path, fp)
                if others_differ:
                    self._hard_links.ask_others(path, now.content, fp)
                return True
        best = self._rows.announced(as_seen, mine) or self._recorder.half_moved(as_seen, mine, fp)
        if best is None and mine is not None and self._rows.is_half_way(as_seen, mine, fp):
            self._board.index.rows.set_fp(path, seen.fp[:FINGERPRINT_BYTES] + HALF_WAY)
            return True  # the rest of the newer version follows
        if best is not None:
            # We installed it before a crash, and did not record it, or the name is not durable yet. Announce it when it is.
            mode = best.mode if best.kind == Kind.DIRECTORY else None
            return self._recorder.redo(
                ApplyItem(path, TreeOp.META, best, fp[:FINGERPRINT_BYTES], Cause.REPLACED, mode=mode)
            )
        if not pending.matched and (mine is None or mine.kind == Kind.ABSENT):
            sources = self._local_renames.renames.sources_of(path)
            moved = self._local_renames.new_name_of(path, seen.kind, seen.content, fp)
            if moved is not None and moved.record.path not in sources:
                pending.matched = True
                self._local_renames.match(path, moved)
                return self._board.scan.is_on
        if mine is not None:
            mine = self._recorder.as_installed(mine)
        if mine is None:
            self._scope.found_new(path, seen.kind is Kind.DIRECTORY)
        if mine is None and (self._board.scan.is_first or self._scope.is_shared_again(path)):
            record = self._stamps.first_scan_record(
                path, seen.kind, seen.size, seen.content, seen.mtime, seen.mode, now.attributes
            )
        else:
            stamp_ns = min(seen.mtime, self._board.now.wall_ns)
            record = self._stamps.changed_to(mine, now, stamp_ns)
        self._recorder.record_change(record, mine, fp, seen)
        if is_owed and not self._recorder.give(record, fp):
            self._board.pending_looks.add(path, self._board.now.mono_ms + 15, self._board.now.mono_ms)
        if others_differ:
            self._hard_links.ask_others(path, record.content, fp)
        if not self._board.scan.is_first and record.kind != Kind.DIRECTORY:
            is_new = mine is None or mine.kind == Kind.ABSENT
            self._board.tell_later((notes.NewHere if is_new else notes.ChangedHere)(path, seen.size))
        return True

    def _joined(self, path: bytes) -> None:
        if (joined := self._hard_links.looked_at(path)) is not None:
            row, now = joined
            self._recorder.record_change(self._stamps.changed_to(row.record, now, 1), row.record, row.fp, None)
            self._hard_links.ask_others(path, now.content, row.fp)

    def _hidden(self, mine: Record) -> bool:
        """Another file system is mounted on a folder of ours: its content is hidden, not deleted. If peers deleted the
        folder and nothing is known in it, its row becomes that of a folder that stayed behind; it is removed when it is
        visible again."""
        row = self._board.index.rows.get(mine.path)
        best = self._rows.announced_gone(mine)
        if row is not None and best is not None and not self._board.index.tree.has_live_child(mine.path):
            self._rows.accept(best, row.fp)
        return True
