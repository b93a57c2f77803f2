"""Orders changes of the tree, and evaluates their results.

In:   decided changes; results of the disk workers.
Out:  apply jobs; rows, kept versions, retries.
Rule: an apply job names what it expects at its path. If it finds something else, it changes nothing, and a look
follows.
Used by: hard_links, incoming_moves, growth_in, fetcher, bulk_install, acquire, recorder, scan, healing.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.attributes import change_in_words
from dir_sync.core.events import Urgency
from dir_sync.core.hard_links import file_id_of
from dir_sync.core.jobs import ApplyItem, ApplyResult, Cause, Naming, Result, TreeOp, Version
from dir_sync.core.looks import RACY
from dir_sync.core.messages import Pull
from dir_sync.core.mode import THEIRS, is_own
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stamp, joined, parent_of, same_body, same_content, same_meta
from dir_sync.core.reconcile import Offer, Take
from dir_sync.core.unable import Unfit
from dir_sync.engine.apply_orders import ApplyOrders
from dir_sync.engine.board import Board
from dir_sync.engine.constants import MERGED, MOVE_ROWS_MAX, NOBODY, OURS
from dir_sync.engine.folder_times import FolderTimes
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.rows import Rows
from dir_sync.engine.scope import Scope
from dir_sync.engine.signatures import SignatureBacklog
from dir_sync.engine.sources import Sources
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import Displaced, Ready, holder_of
from dir_sync.engine.versions import VersionKeeper
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["Applier"]


class Applier:
    """Orders changes of the tree, and evaluates their results.

    It has more fields than a class should have: the machines below it, and the work that it orders."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        scope: Scope,
        sources: Sources,
        versions: VersionKeeper,
        signatures: SignatureBacklog,
        folder_times: FolderTimes,
        transfers: TransferTable,
        echoes: OwnEchoes,
        look_queue: LookQueue,
        rows: Rows,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._scope = scope
        self._sources = sources
        self._versions = versions
        self._signatures = signatures
        self._folder_times = folder_times
        self._transfers = transfers
        self._echoes = echoes
        self._look_queue = look_queue
        self._rows = rows
        self._intents: dict[int, int] = {}  # by intent: how many of its pushed files are still being installed
        self._orders = ApplyOrders()

    def order_change(self, item: ApplyItem, take: Take | None) -> None:
        if item.expect and not item.known:
            there = self._board.index.rows.get(item.path)
            if there is not None and there.record.kind is Kind.FILE and there.fp == item.expect:
                item = item._replace(known=there.record.content)
        self._work.jobs.begin_apply(item, take)
        if item.act is TreeOp.REMOVE:
            self._board.removal_begins()
        if take is not None:
            self.record_attempt(item.path, take.record.stamp)
        if item.act is TreeOp.MOVE and item.copy_path is not None and not _is_kept(item.copy_path):
            source = self._board.index.rows.get(item.copy_path)
            if source is not None and (gone := self._rows.announced_gone(source.record)) is not None:
                # We may have recorded the deletion of the old name already, whatever becomes of the new one.
                self._work.attempts.record_attempt(item.copy_path, gone.stamp)
        if item.copy_path is not None and item.target.kind is Kind.FILE:
            self._work.expected.add(item.target.content, item.path)
        self._echoes.expect_change(item)
        if item.act in (TreeOp.INSTALL, TreeOp.MOVE):
            self._board.listings.put_into(parent_of(item.path))
        is_large = item.act is TreeOp.INSTALL and item.target.size >= limits.LARGE_FILE_BYTES
        if item.staged is not None or (is_large and item.copy_path is not None):
            self._orders.add_large(self._board.plan_queue.owner, item)
        else:
            self._orders.add(self._board.plan_queue.owner, item)

    def record_attempt(self, path: bytes, stamp: Stamp) -> None:
        """From now on, this version may be on the disk. A look would have found what earlier jobs left."""
        self._work.attempts.record_attempt(path, stamp)
        earlier = self._board.index.offers.of_peer(path, NOBODY)
        if earlier is not None and earlier.record.stamp != stamp:
            self._board.index.offers.drop(path, NOBODY)

    def flush_jobs(self) -> None:
        if self._orders.waiting or self._orders.large:
            for job in self._orders.take(self._board.is_shared):
                self._board.order(job)
        for replica, pulls in self._transfers.take_pulls().items():
            if replica in self._board.peers:
                for at in range(0, len(pulls), 1_000):
                    some = tuple(pulls[at : at + 1_000])
                    self._board.send(replica, Pull(self._board.folder, some), 100 * len(some))

    def job_came_back(self, first: bytes) -> None:
        """The job whose first change is at this path was carried out; its results follow."""
        self._orders.came_back(first)

    def on_applied(self, result: ApplyResult) -> None:
        path = result.path
        if len(result.fp) == FINGERPRINT_BYTES and self._board.pending_looks.is_closed(path):
            # A program wrote to the file while the job was out. If that was between the rename and the stat, and the size
            # and mtime are as before (cp -p), the fingerprint is of what the program wrote: read it again.
            result = result._replace(fp=result.fp + RACY)
        pushed = self._work.jobs.pushed(path)
        if pushed is not None:  # the push failed: from now on it is an ordinary offer
            self.no_longer_intended(pushed.intent)
            self._work.attempts.record_attempt(path, pushed.item.target.stamp)
            if self._board.index.offers.of_peer(path, pushed.peer) is None:
                self._board.index.offers.put(Offer(pushed.peer, pushed.item.target, False))
        item, take = self._work.end_apply(path)
        self._echoes.change_ended(item, result.result is Result.DONE)
        if item.act is TreeOp.REMOVE:
            self._board.removal_ends()
        if item.act == TreeOp.MOVE and item.copy_path is not None:
            if self._work.jobs.end_move_away(item.copy_path) is not None:
                self._board.pending_looks.add(item.copy_path, self._board.now.mono_ms, self._board.now.mono_ms)
        listed = self._work.attempts.take_listed(path)
        if listed is not None and not (result.result == Result.DONE and result.fp == listed):
            look = self._board.pending_looks.add(path, self._board.now.mono_ms, self._board.now.mono_ms)
            look.listing |= self._work.attempts.awaits_listing(path)
        if take is None:
            self._board.plan_queue.add(path)
            if self._board.links.is_on:
                self._board.links.came_back(item, result)
            if result.version is not None:
                self._versions.rescued((result.version,))
            if result.result == Result.DONE:
                self._board.index.rows.set_fp(path, result.fp)
                if item.naming is Naming.JOIN:
                    self._look_queue.look_at_names(item.target.content, result.fp)
                if item.act is TreeOp.REMOVE:
                    self._board.tell(notes.Removed(path, self._board.name_of(item.target.stamp.maker)))
                    self._look_queue.let_folder_go(path)
            return
        row = self._board.index.rows.get(path)
        if result.version is not None:
            self._keep(result.version, item, take, row, result.is_unread)
            if (
                result.version.size > limits.MIB
                and self._board.pending_looks.is_closed(path)
                and (kept := self._board.index.versions.get(result.version.name)) is not None
            ):
                # A program wrote to the file while the job was out, maybe to the one that the job displaced. A small file
                # was read again when it came out.
                self._versions.doubt(kept)
        match result.result:
            case Result.DONE:
                self._work.retries.end_trouble(path)
                self._work.attempts.forget_attempt(path)
                self._work.attempts.end_listing_wait(path)
                self.installed(item, take, row, result)
            case Result.CHANGED:
                wait = self._work.retries.wait_after_change(path)
                self._board.plan_later(path, wait)
                self._board.pending_looks.add(
                    path, self._board.now.mono_ms + wait, self._board.now.mono_ms
                ).listing = True
                was = None if row is None or not row.fp else row.record.kind
                if was in (Kind.DIRECTORY, Kind.ABSENT) and item.target.kind != Kind.DIRECTORY:
                    self._work.attempts.await_listing(path)
                self._ready_again(item)
            case Result.MISSING:
                self._work.attempts.forget_attempt(path)
                if item.giver:
                    self._sources.was_bad(item.target, item.giver)
                if item.copy_path is not None:
                    if item.copy_fp and not _is_kept(item.copy_path):
                        self._board.pending_looks.add(item.copy_path, self._board.now.mono_ms, self._board.now.mono_ms)
                        self._sources.avoid_source(item.copy_path, item.copy_fp)
                    elif (version := self._board.index.versions.get(item.copy_path)) is not None:
                        self._versions.doubt(version)
                self._board.plan_queue.add(path)
            case Result.PROBLEM:
                if result.full:
                    self._work.retries.await_disk_room(path, item.target.size)
                else:
                    self._work.obstacles.deny(parent_of(path), path)
                    if item.copy_path is not None:
                        self._work.obstacles.deny(parent_of(item.copy_path), path)
                wait = self._work.retries.wait_after(path, result.problem)
                self._board.pending_looks.add(path, self._board.now.mono_ms + wait, self._board.now.mono_ms)
                self._ready_again(item)
            case Result.IMPOSSIBLE:
                self._work.attempts.forget_attempt(path)
                least = item.target.size if result.too_large else 0
                stamp = None if least else item.target.stamp
                self._work.unable.hold(path, Unfit(result.problem, least=least, stamp=stamp))
                self._board.plan_queue.add(path)
            case Result.REFUSED:
                self._scope.skip(path, result.problem)
                self._board.plan_later(path, self._work.retries.refuse(path, result.problem))
        if item.act == TreeOp.MOVE and item.copy_path is not None and result.result != Result.DONE:
            if not _is_kept(item.copy_path):
                self._board.pending_looks.add(item.copy_path, self._board.now.mono_ms, self._board.now.mono_ms)
            elif result.result in (Result.CHANGED, Result.PROBLEM):
                self._may_not_be_back(item.copy_path, path, result.result)

    def _keep(self, version: Version, item: ApplyItem, take: Take, row: Row | None, is_unread: bool) -> None:
        """List a displaced version. It is what our row says, or another user's file with the wanted content, which a
        copy of ours has replaced. (Such a file may have come without a row: by a move, by an installation that was not
        recorded, or by a user who made the same file.)"""
        if version.why is Cause.RECOVERED:  # no look has seen it
            self._versions.rescued((version,))
        elif version.kind == Kind.FILE and version.content and version.content == item.target.content:
            self._versions.keep(version, item.target, item.path, take.record.stamp)
        elif is_unread or row is None:  # nobody knows what it is
            self._versions.keep_unread(version, None if row is None else row.record)
        else:
            mine = row.record
            self._versions.keep(version, mine, item.path, take.record.stamp)
            if mine.kind == Kind.FILE and len(row.fp) == FINGERPRINT_BYTES and version.why != Cause.CONFLICT:
                kept = Displaced(version.name, row.fp, version.maker, self._board.now.mono_ms)
                self._sources.keep_displaced(mine.content, kept)

    def _may_not_be_back(self, name: bytes, path: bytes, result: Result) -> None:
        """A version that was to be moved to `path` is in the history again, or is not; and a program may have written into it
        while it had that name. After mere trouble, a large one is read only if a program wrote."""
        version = self._board.index.versions.get(name)
        if version is not None and (
            result is Result.CHANGED or version.size <= limits.MIB or self._board.pending_looks.is_closed(path)
        ):
            self._versions.doubt(version)

    def _ready_again(self, item: ApplyItem) -> None:
        """The content could not be installed now. It is kept, so that the next try need not fetch it again."""
        if item.staged is not None:
            self._transfers.parts.one_was_left()  # the staging file has its name again; another path may want it, or none
        if self._work.arrivals.ready(item.path) is not None:
            return  # a newer version arrived meanwhile
        if item.staged is not None:
            self._work.arrivals.make_ready(item.path, Ready(item.target.content, None, item.staged))
        elif item.data and not self._work.arrivals.is_half_full(len(item.data)):
            self._work.arrivals.make_ready(item.path, Ready(item.target.content, item.data, None, item.giver))

    def installed(self, item: ApplyItem, take: Take, row: Row | None, result: ApplyResult) -> None:
        path, target = item.path, take.record
        if row is not None and not is_own(row.record):
            target = joined(target, row.record)
        if row is not None and row.record.kind == Kind.DIRECTORY and target.kind != Kind.DIRECTORY:
            # The watcher may have reported what appeared in the folder during the job, and not that it vanished.
            now = self._board.now.mono_ms
            self._look_queue.look_below(path, self._board.pending_looks.add(path, now, now), replaced=True)
        source = item.copy_path if item.act == TreeOp.MOVE else None
        maker = target.stamp.maker
        offers = [
            one for one in self._board.index.offers.of(path) if one.peer != NOBODY and same_content(one.record, target)
        ]
        default = "" if maker == self._board.index.identity.replica or maker.startswith("=") else maker
        peer = next((offer.peer for offer in offers), default)
        old_name = item.copy_path or b""
        if _is_kept(old_name):
            version = self._board.index.versions.get(old_name)
            old_name = path if version is None else version.path
        if row is None or not same_content(row.record, target):
            self._versions.note_since(path)
        theirs = self._board.index.offers.of_peer(path, THEIRS)
        is_undone = theirs is not None and theirs.record.stamp == target.stamp
        self._rows.accept(target, result.fp)
        if len(result.fp) > FINGERPRINT_BYTES:
            self._board.pending_looks.add(
                path, self._board.now.mono_ms + limits.DEBOUNCE_MS_MAX // 4, self._board.now.mono_ms
            )
        if source is not None and _is_kept(source):
            self._board.index.versions.drop(source)
        elif source is not None:
            self._moved_away(source)
            if target.kind == Kind.DIRECTORY:
                self._moved_whole(source, path)
        if target.kind == Kind.DIRECTORY:
            self._folder_times.set_later(path, target.mtime)
        if item.act is TreeOp.META and row is not None and row.record.kind is not Kind.DIRECTORY:
            self._look_queue.look_at_links(row.fp, row.record)  # all names of a file have its mode and its time
        if self._board.links.is_on:
            self._names_changed(item, row, result.fp)
        self._signatures.sign_later(target, None if row is None else row.record)
        maker = peer if maker.startswith("=") else maker
        is_there = item.naming is not None and row is not None and same_content(row.record, target)
        match TreeOp.META if is_there else item.act:
            case _ if is_undone:
                self._board.tell(notes.Reverted(path))
            case _ if peer == MERGED:
                self._board.tell(notes.TextMerged(path))
            case TreeOp.REMOVE:
                self._board.tell(notes.Removed(path, self._name_of(maker)))
            case TreeOp.MOVE if old_name == path:
                # it came back out of the history
                self._board.tell(notes.Copied(path, self._name_of(peer), target.size))
            case TreeOp.MOVE:
                self._board.tell(notes.Renamed(path, self._name_of(maker), old_name))
            case TreeOp.META:
                if row is not None and row.record.attributes != target.attributes:
                    is_meta = not same_meta(row.record, target)
                    what = change_in_words(row.record.attributes, target.attributes, is_meta)
                    self._board.tell(notes.AttributesChanged(path, self._name_of(maker), what))
                elif row is None or not same_body(row.record, target):  # otherwise the disk only lacked what it says
                    self._board.tell(notes.MetaChanged(path, self._name_of(maker)))
            case TreeOp.INSTALL:
                local = item.copy_path is not None
                if not local and target.kind is Kind.FILE:
                    self._versions.came((target.content,))
                if peer == OURS:
                    self._board.tell(notes.Restored(path, target.size))
                else:
                    self._board.tell(
                        (notes.Copied if local else notes.Received)(path, self._name_of(peer), target.size)
                    )

    def _names_changed(self, item: ApplyItem, row: Row | None, fp: bytes) -> None:
        """A file may have got another name, or lost one: the fingerprints of its other names are others."""
        if item.naming is Naming.LINK:
            self._look_queue.look_at_names(item.target.content, fp)
        if row is not None and row.fp and row.record.kind is Kind.FILE and file_id_of(row.record):
            self._look_queue.look_at_names(row.record.content, row.fp)

    def _name_of(self, peer: str) -> str:
        """The display name of the node that made a change, or of the holder that offered the content."""
        return self._board.name_of(holder_of(peer))

    def _moved_whole(self, source: bytes, target: bytes) -> None:
        """A whole folder was renamed, as `respell` ordered. Move the rows of its content along with it; looks follow."""
        now = self._board.now.mono_ms
        self._look_queue.on_touched(target, Urgency.FOLDER)
        self._board.pending_looks.add(source, now, now)  # what was in the way in it is not there any more
        below = self._board.index.tree.live_below(source, MOVE_ROWS_MAX)
        for row in sorted(below, key=lambda row: row.record.path):
            child = row.record
            path = target + child.path[len(source) :]
            known = self._board.index.rows.get(path)
            take = self._mode_rules.decision_at(path, known)
            gone = self._mode_rules.decision_at(child.path, row)
            if (
                isinstance(take, Take)
                and isinstance(gone, Take)
                and gone.record.kind == Kind.ABSENT
                and same_content(take.record, child)
                and same_meta(take.record, child)
                and take.record.attributes == child.attributes
                and not self._work.is_at_work(path)
                and not self._work.is_at_work(child.path)
            ):
                self._transfers.drop_wanted(path)
                self._rows.accept(take.record, row.fp)
                self._rows.accept(gone.record, b"")
            self._board.pending_looks.add(path, now, now)
            self._board.pending_looks.add(child.path, now, now)

    def _moved_away(self, source: bytes) -> None:
        """A move took the file from its old name. Accept the tombstone that a peer announced for that name."""
        self._work.attempts.forget_attempt(source)
        row = self._board.index.rows.get(source)
        decision = self._mode_rules.decision_at(source, row)
        if isinstance(decision, Take) and decision.record.kind == Kind.ABSENT:
            self._rows.accept(decision.record, b"")
        else:
            self._board.pending_looks.add(source, self._board.now.mono_ms, self._board.now.mono_ms)

    def intend(self, intent: int, replica: str, items: list[ApplyItem]) -> None:
        """Count new files that a peer pushed with their content. They share one intent."""
        self._intents[intent] = len(items)
        self._orders.add(replica, *items)

    def no_longer_intended(self, intent: int, count: int = 1) -> None:
        left = self._intents[intent] - count
        if left:
            self._intents[intent] = left
        else:
            del self._intents[intent]
            self._board.index.intents.drop(intent)


def _is_kept(name: bytes) -> bool:
    """True for a name in the history, false for a path in the tree."""
    return name.startswith(limits.RESERVED_NAME)
