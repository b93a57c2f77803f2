"""Brings a wanted version here: as an operation on the tree, as a local copy, or as a transfer.

In:   a path for which a peer announced a better version than ours. Out: exactly one step towards that version.
Used by: planner.
"""

from __future__ import annotations

from collections.abc import Collection

from dir_sync.core import limits, notes
from dir_sync.core.hard_links import same_but_id
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp
from dir_sync.core.looks import is_doubtful
from dir_sync.core.mode import is_own, is_own_first, nothing
from dir_sync.core.model import Kind, Record, parent_of, same_content, same_meta
from dir_sync.core.reconcile import Offer, Refuse, Take
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import RETRY_MS
from dir_sync.engine.fetcher import Fetcher
from dir_sync.engine.hard_links import HardLinks
from dir_sync.engine.in_vain import VainCounter
from dir_sync.engine.incoming_moves import IncomingMoves
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.rows import Rows
from dir_sync.engine.sources import Sources
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import holder_of
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["Acquire"]

_LINGER_MS = 400  # a folder's tombstone may arrive this long before those of its children
_MAKERS_MS = 10_000  # within this time, those who made what is in a deleted folder bring it back


class Acquire:
    """Brings a wanted version here: as an operation on the tree, as a local copy, or as a transfer."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        vain: VainCounter,
        sources: Sources,
        brakes: Brakes,
        peer_losses: PeerLosses,
        transfers: TransferTable,
        rows: Rows,
        applier: Applier,
        hard_links: HardLinks,
        incoming_moves: IncomingMoves,
        fetcher: Fetcher,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._vain = vain
        self._sources = sources
        self._brakes = brakes
        self._peer_losses = peer_losses
        self._transfers = transfers
        self._rows = rows
        self._applier = applier
        self._hard_links = hard_links
        self._incoming_moves = incoming_moves
        self._fetcher = fetcher

    def step_towards(self, path: bytes, row: Row | None, offers: list[Offer], take: Take) -> None:
        """Take one step towards `take.record`. It is newer than our record, and no job or wait is active at this
        path."""
        target = take.record
        mine = None if row is None else row.record
        there = b"" if row is None else row.fp
        self._work.folders.end_wait(path)
        if is_doubtful(there):
            again = self._work.pace.earliest(path, self._board.now.mono_ms + limits.DEBOUNCE_MS)
            self._board.pending_looks.add(path, again, self._board.now.mono_ms)
            return
        if self._work.unable and target.kind == Kind.ABSENT and self._incoming_moves.respell(path):
            return
        is_folder = mine is not None and mine.kind == Kind.DIRECTORY
        if is_folder and target.kind != Kind.DIRECTORY and not self.try_to_leave(path, row, target):
            return
        if target.kind == Kind.ABSENT:
            self._transfers.hand_over(path)
            self._transfers.cancel(path)
            self._work.arrivals.unready(path)
            if mine is None or mine.kind == Kind.ABSENT:
                self._vain.add_all(offers)
            if mine is None and self._peer_losses.count_hearsay(offers):
                for offer in offers:
                    self._board.index.offers.drop(path, offer.peer)
                self._transfers.drop_wanted(path)
            elif mine is None or mine.kind == Kind.ABSENT:
                self._rows.accept(target, there)
            elif not self.give_grace(path, mine, target) and not self._peer_losses.hold_if_disaster(mine, target):
                why = Cause.CONFLICT if self.is_conflict(mine, take) else Cause.DELETED
                self._applier.order_change(ApplyItem(path, TreeOp.REMOVE, target, there, why), take)
            return
        parent = parent_of(path)
        if parent:
            above = self._board.index.rows.get(parent)
            if above is None or above.record.kind != Kind.DIRECTORY or not above.fp:
                self._work.folders.begin_wait(path, target.content)
                if above is not None and is_own(above.record):
                    self._mode_rules.revert(parent)  # the folder was removed here only, and has something new
                if self._work.obstacles.is_at_or_above(parent):
                    self._transfers.drop_wanted(path)
                elif target.kind is Kind.FILE and target.size:
                    self._ask_without_folder(row, offers, target)
                return
        why = Cause.CONFLICT if self.is_conflict(mine, take) else Cause.REPLACED
        if mine is not None and mine.kind != Kind.ABSENT and same_content(mine, target):
            self._transfers.cancel(path)
            self._work.arrivals.unready(path)
            mode = target.mode if target.kind == Kind.DIRECTORY else None
            item = ApplyItem(path, TreeOp.META, target, there, why, mode=mode)
            if self._hard_links.is_on and row is not None and mine.kind is Kind.FILE:
                if self._hard_links.stays_apart(row, item, take):
                    return
            is_as_it_is = not self._board.keeps or same_but_id(mine.attributes, target.attributes)
            if same_meta(mine, target) and is_as_it_is:
                self._rows.accept(target, there)
            else:
                self._applier.order_change(item, take)
            return
        if mine is not None and self._peer_losses.hold_if_disaster(mine, target):
            self._transfers.cancel(path)
            return
        if target.kind == Kind.DIRECTORY and there and mine is not None and mine.kind == Kind.ABSENT:
            self._applier.order_change(
                ApplyItem(path, TreeOp.META, target, there, why, mode=target.mode), take
            )  # the folder had stayed behind
            return
        if there and mine is not None and mine.kind == Kind.ABSENT and self._work.attempts.awaits_listing(path):
            return  # the folder had stayed behind and is not empty: its next listing decides
        if target.kind != Kind.FILE:
            self._transfers.cancel(path)
            self._applier.order_change(ApplyItem(path, TreeOp.INSTALL, target, there, why), take)
            return
        self.bring_file(path, row, offers, take, ApplyItem(path, TreeOp.INSTALL, target, there, why))

    def _ask_without_folder(self, row: Row | None, offers: list[Offer], target: Record) -> None:
        """The folder of a file does not come. Perhaps nobody has the file any more, so in the end those who announced it are
        asked: who has forgotten it says so."""
        path = target.path
        if self._work.arrivals.ready(path) is not None or self._work.arrivals.fetch(path) is not None:
            return
        left = _MAKERS_MS - self._work.grace_ms(path, target)
        if left > 0:
            self._board.plan_later(path, left)
            return
        self._work.end_grace(path)
        is_near = self._sources.where_is(target.content, path) is not None
        if is_near or self._work.arrivals.path_it_arrives_at(target.content) is not None:
            return
        avoid = self._work.holders.failed_holders(path)
        if holders := self._holders(offers, target, avoid):
            self._fetcher.fetch(path, row, target, holders, is_conflict=True)

    def _holders(self, offers: list[Offer], target: Record, avoid: Collection[str]) -> list[str]:
        """The peers that can be asked for a content. `avoid`: those that failed to give it."""
        holders = [holder_of(offer.peer) for offer in offers if self._sources.has(offer, target)]
        return [replica for replica in holders if replica not in avoid]

    def is_conflict(self, mine: Record | None, take: Take) -> bool:
        """True if the author of the wanted version had not seen ours. Ours then has to be kept as the loser of a
        conflict."""
        if mine is None or mine.kind not in (Kind.FILE, Kind.SYMLINK):
            return False
        return take.conflict

    def try_to_leave(self, path: bytes, row: Row | None, target: Record) -> bool:
        """Remove a folder of ours that a peer deleted. Its children go first; if one of them stays, the folder stays,
        too."""
        assert row is not None
        if self._work.attempts.awaits_listing(path):
            return False  # the folder was not empty: its next listing decides
        pending = self._work.jobs.is_below(path)
        children = [] if pending else self._board.index.tree.live_children(path, limits.LOOK_ITEMS_MAX)
        for child in children:
            name = child.record.path
            if self._brakes.peers.holds(name):
                return False  # when that is decided, all offers are planned again
            if self._work.is_at_work(name):
                pending = True
                continue
            decision = self._mode_rules.decision_at(name, child)
            if isinstance(decision, Refuse) and decision.record.kind == Kind.ABSENT:
                continue  # it is gone elsewhere, too
            if isinstance(decision, Take) and decision.record.kind == Kind.ABSENT:
                self._board.plan_queue.add(name)
                pending = True
                continue
            # The child is alive in our index. Its tombstone may still arrive after that of the folder.
            may_announce = self._mode_rules.mode.announces
            is_decided = not may_announce and self._is_decided_here(child.record)
            wait_ms = _LINGER_MS if may_announce or is_decided or is_own(child.record) else _MAKERS_MS
            if self._work.grace_ms(path, target) < wait_ms or self._board.is_being_told(path):
                pending = True
                continue
            if not may_announce and not is_decided and not is_own(child.record):
                # Nobody brings it back: its maker is away, or has lost its index. So it is here only.
                self._rows.keep_own(child, nothing(child.record))
                if path in self._mode_rules.reverting:
                    self._mode_rules.revert(name)  # it is in a folder that a person wants as the mesh has it
                pending = True
                continue
            self._work.end_grace(path)
            if may_announce:
                self._rows.reassert(row, target)
            elif is_decided:
                self._rows.reassert(row, target, is_meant=True)
            else:
                self._rows.keep_own(row, target, is_own_first(child.record))
            self._board.tell(notes.Kept(path))
            return False
        if pending:
            self._board.plan_later(path, RETRY_MS if self._brakes.peers.is_on else 50)
        else:
            self._work.end_grace(path)
        return not pending

    def _is_decided_here(self, record: Record) -> bool:
        """True for a version of a node that keeps its changes to itself, which it has made for all machines: a person
        decided so."""
        return self._mode_rules.may_decide and record.stamp.maker == self._board.index.identity.replica

    def give_grace(self, path: bytes, mine: Record, target: Record) -> bool:
        """True while the file may still be wanted here: a new name for this content is about to be made, so it is moved
        there instead; or the file is the base of a delta that is under way."""
        if mine.kind != Kind.FILE or not mine.size:
            return False
        is_base = mine.size >= limits.DELTA_FILE_BYTES_MIN and mine.content in self._sources.bases.values()
        if not is_base and not self._work.folders.is_content_awaited(mine.content):
            self._work.end_grace(path)
            return False
        if self._work.grace_ms(path, target) > limits.RENAME_HOLD_MS:
            self._work.end_grace(path)
            return False
        self._board.plan_later(path, 20)
        return True

    def bring_file(self, path: bytes, row: Row | None, offers: list[Offer], take: Take, item: ApplyItem) -> None:
        """Get the content from the cheapest source: already here, elsewhere in the tree or the history, a delta, the
        whole file."""
        target = take.record
        if self._hard_links.is_on and self._hard_links.link_to(item, take):
            self._work.arrivals.unready(path)
            self._transfers.cancel(path)
            return
        ready = self._work.arrivals.ready(path)
        if ready is not None and ready.digest == target.content:
            self._work.arrivals.unready(path, keep_file=True)
            self._transfers.cancel(path)
            self._applier.order_change(item._replace(data=ready.data, staged=ready.staged, giver=ready.giver), take)
            return
        self._work.arrivals.unready(path)
        if target.size == 0:
            self._transfers.cancel(path)
            self._applier.order_change(item._replace(data=b""), take)
            return
        if self.copy_or_move(item, take):
            return
        if self.wait_for_copy(path, target.content):
            self._transfers.cancel(path)
            return
        fetch = self._work.arrivals.fetch(path)
        if fetch is not None:
            if fetch.target.content == target.content:
                fetch.target = target
                return
            if self._transfers.go_on_with(fetch, target):
                return
            self._transfers.cancel(path)
        elif (
            before := self._work.arrivals.fetch(self._sources.origins.get(path, b""))
        ) is not None and self._transfers.go_on_with(before, target):
            return
        now = self._board.now.mono_ms
        is_round = self._work.holders.begin_round(path, target.content, now)
        avoid = self._work.holders.failed_holders(path)
        holders = self._holders(offers, target, avoid)
        if not holders:
            if avoid:
                if is_round:
                    self._board.plan_later(path, self._work.holders.end_round(path, target.content, now))
            elif any(
                self._work.is_at_work(row.record.path) for row in self._board.index.rows.by_content(target.content)
            ):
                self._board.plan_later(path, 100)  # the local source is being moved or looked at
            elif (wait := self._sources.avoided_ms(target.content)) is not None:
                self._board.plan_later(path, wait + 1)  # the local copy failed, and no peer has the content
            return  # the offer stays until a peer with this content connects
        maker = target.stamp.maker
        if (
            self._sources.may_be_asked(maker, target.content)
            and maker not in holders
            and maker not in avoid
            and self._wait_for_maker(target)
        ):
            return
        if self._work.disk.is_blind and (row is None or not row.fp) and not self._work.disk.has_free_name(path):
            self._board.pending_looks.add(
                path, self._board.now.mono_ms, self._board.now.mono_ms
            )  # has this disk a free name for it?
            return
        self._work.disk.use_name(path)
        self._fetcher.fetch(path, row, target, holders, item.why is Cause.CONFLICT)
        fetch = self._work.arrivals.fetch(path)
        if fetch is not None and (fetch.is_small or fetch.grows is not None):
            fetch.plan = (row, offers, item, take)

    def wait_for_copy(self, path: bytes, content: bytes) -> bool:
        """True while the same content is being fetched for another path: it is copied from there afterwards."""
        other = self._work.arrivals.path_it_arrives_at(content)
        if other is None or other == path:
            return False
        self._work.copies.begin_wait(path, other)
        return True

    def _wait_for_maker(self, target: Record) -> bool:
        """Give the maker of a change a moment to push it before another holder is asked."""
        left = limits.ORIGIN_GRACE_MS - self._work.grace_ms(target.path, target)
        if left <= 0:
            self._work.end_grace(target.path)
            return False
        self._board.plan_later(target.path, left)
        return True

    def copy_or_move(self, item: ApplyItem, take: Take) -> bool:
        target = take.record
        source = self._sources.origins.get(item.path)
        origin = None if source is None else self._board.index.rows.get(source)
        if origin is not None and not same_content(origin.record, target):
            origin = None
        leaving: Row | None = None  # its maker named it, and it leaves: no need to search
        if (
            origin is not None
            and origin.fp
            and same_meta(origin.record, target)
            and self._incoming_moves.is_leaving(origin)
        ):
            leaving, rows = origin, [origin]
        else:
            rows = self._board.index.rows.by_content(target.content)
            if origin is not None and origin not in rows:
                rows.append(origin)
        is_at_work = False
        if len(rows) > 1:  # of several files with this content, one that leaves, and best with this mode and mtime
            rows.sort(key=lambda row: (not self._incoming_moves.is_leaving(row), not same_meta(row.record, target)))
        for row in rows:
            source = row.record.path
            if source == item.path or not row.fp or self._sources.is_avoided(source, row.fp):
                continue
            if is_doubtful(row.fp):
                is_at_work = True  # the source grew a moment ago: it is read again before anything is copied from it
                continue
            if self._work.is_at_work(source):
                doing = self._work.jobs.applying(source)
                if doing is not None and doing.act is not TreeOp.META and doing.target.content != target.content:
                    # the source is on its way into the history, and is copied from there
                    self._board.plan_later(item.path, 20)
                    return True
                is_at_work = True
                continue
            is_leaving = row is leaving or self._incoming_moves.is_leaving(row)
            if is_leaving and self._hard_links.is_on:
                is_leaving = self._hard_links.may_be_moved(row, target)
            if not is_leaving and self._incoming_moves.take_back_moved(item, take):
                return True
            self._transfers.cancel(item.path)
            if is_leaving:
                self._work.jobs.begin_move_away(source, item.path)
                moved = item._replace(act=TreeOp.MOVE, copy_path=source, copy_fp=row.fp)
                self._applier.order_change(moved, take)
            else:
                self._applier.order_change(item._replace(copy_path=source, copy_fp=row.fp), take)
            return True
        if self._incoming_moves.take_back_moved(item, take):
            return True
        if is_at_work and self._incoming_moves.wait_a_moment(target):
            return True
        version = self._board.index.versions.with_content(target.content)
        if version is not None and not self._sources.is_avoided(version.name):
            self._transfers.cancel(item.path)
            self._applier.order_change(item._replace(copy_path=version.name), take)
            return True
        longer = self._sources.begins_here(target)
        if longer is not None:
            self._applier.order_change(item._replace(copy_path=item.path, copy_fp=longer.fp), take)
            return True
        return False
