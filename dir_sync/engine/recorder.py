"""Records a change made at this node: in the index, and for the announcement.

In:   news that a look found. Out: rows, and what the peers need to know about them.
Used by: local_changes, scan.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core import limits, notes
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp, Version
from dir_sync.core.looks import Seen
from dir_sync.core.messages import DeltaOffer
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, inode_of, parent_of, same_content, unstamped
from dir_sync.core.peers.announce import Fresh
from dir_sync.core.reconcile import Take
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.constants import _new
from dir_sync.engine.deltas_out import DeltasForPeers
from dir_sync.engine.folder_times import FolderTimes
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.rows import Rows
from dir_sync.engine.scope import Scope
from dir_sync.engine.signatures import SignatureBacklog
from dir_sync.engine.silent import SilentChanges
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.values import got_meta
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["LocalRecorder"]

_GONE_MAX = 1_000


class LocalRecorder:
    """Records a change made at this node: in the index, and for the announcement.

    It has more fields than a class should have: a change of the user concerns many of the machines below it."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        scope: Scope,
        stamps: Stamps,
        signatures: SignatureBacklog,
        folder_times: FolderTimes,
        local_renames: LocalRenames,
        look_queue: LookQueue,
        rows: Rows,
        deltas_out: DeltasForPeers,
        applier: Applier,
        silent: SilentChanges,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._scope = scope
        self._stamps = stamps
        self._signatures = signatures
        self._folder_times = folder_times
        self._local_renames = local_renames
        self._look_queue = look_queue
        self._rows = rows
        self._deltas_out = deltas_out
        self._applier = applier
        self._silent = silent
        # path -> record of its row, record that had replaced it on the disk
        self._not_noted: dict[bytes, tuple[Record, Record]] = {}
        # what has lost its name without a note: inode -> content, mtime and mode
        self._gone: dict[int, tuple[bytes, tuple[int, int]]] = {}

    def looked_at(self, path: bytes) -> None:
        """A look confirmed the row: nothing was left unrecorded."""
        self._not_noted.pop(path, None)

    def find_not_noted(self, found: Sequence[Version]) -> None:
        """The last run displaced these versions without recording it, so the versions that peers wanted there had
        replaced them. A user who then removed or changed a file saw the wanted version. Only unambiguous cases
        count."""
        index = self._board.index
        wanted = set(index.offers.contents()) if found else set()
        for version in found:
            row = index.rows.get(version.path)
            if (
                row is None
                or row.record.kind != Kind.FILE
                or row.record.content != version.content
                or version.content in wanted  # it may have been on its way to another name
                or len(index.rows.by_content(version.content)) != 1
            ):
                continue
            decision = self._mode_rules.decision_at(version.path, row)
            if isinstance(decision, Take) and decision.record.kind != Kind.ABSENT:
                self._not_noted[version.path] = row.record, decision.record

    def as_installed(self, mine: Record) -> Record:
        """The record that a user saw before a change: the version that had replaced the row's on the disk, if there was
        one."""
        said, installed = self._not_noted.get(mine.path, (None, mine))
        return installed if said == mine else mine

    def half_moved(self, now: Record, mine: Record | None, fp: bytes) -> Record | None:
        """The version that peers want at a free name, if a file of ours is there that has just its content: it was moved
        there before a crash, and its mode or its time was still to be set. None: it is anything else. `now`: what is there,
        with the fingerprint `fp`."""
        index = self._board.index
        if now.kind not in (Kind.FILE, Kind.SYMLINK) or not index.offers.of(now.path):
            return None
        decision = self._mode_rules.decision_at(now.path, index.rows.get(now.path))
        if (mine is not None and mine.kind != Kind.ABSENT) or not isinstance(decision, Take):
            return None
        target, inode = decision.record, inode_of(fp)
        if not same_content(target, now):
            return None
        content, meta = self._gone.get(inode, (b"", (0, 0)))
        before = [meta] if content == now.content else []
        before += [
            got_meta(row.fp)
            for row in index.rows.names_of(now.content, inode, now.kind)
            if row.record.path != now.path and self._rows.announced_gone(row.record) is not None
        ]
        mtime, mode = got_meta(fp)
        is_ours = any(mtime in (one[0], target.mtime) and mode in (one[1], target.mode) for one in before)
        return target if is_ours else None

    def record_change(self, record: Record, previous: Record | None, fp: bytes, seen: Seen | None) -> None:
        """Write a change made here into the index, and queue it for the announcement."""
        delta = None
        known = self._board.index.rows.get(record.path) if previous is not None else None
        before = known.fp if known is not None else b""
        if seen is not None and seen.delta is not None:
            delta = DeltaOffer(seen.delta.base, seen.delta.size)
            self._deltas_out.keep_delta(seen.delta)
        elif seen is not None and record.size >= limits.LARGE_FILE_BYTES and self._deltas_out.deltas:
            made = next((made for made, _ in self._deltas_out.deltas.values() if made.digest == record.content), None)
            delta = None if made is None else DeltaOffer(made.base, made.size)
        only_meta = previous is not None and same_content(previous, record)
        data = None if seen is None or only_meta else seen.data
        if not only_meta:
            grown = self._grew_here(record, previous, seen)
            if grown is not None and (data is None or 2 * grown.size <= record.size):
                delta, data = grown, None
        if data and self._is_elsewhere(record):
            data = None  # a peer that has the other file copies its content
        self._silent.recorded(record, known, fp)
        row = self._rows.put(record, fp)
        folder_mtime = None if seen is None else seen.folder_mtime
        self._board.announcements.add_change(Fresh(row.record, previous, data, delta, None, folder_mtime))
        self._work.pace.told(record.path, self._board.now.mono_ms)
        if seen is not None:
            self._folder_times.mark_active(parent_of(record.path), folder_mtime)
        self._signatures.sign_later(record, previous, delta is not None and delta.marks is not None)
        if seen is not None and seen.links == 1:
            self._look_queue.linked.has_one_name(inode_of(fp), self._board.now.mono_ms)
        if seen is not None and previous is not None:
            if previous.kind is Kind.FILE or (only_meta and previous.kind is Kind.SYMLINK):
                self._look_queue.look_at_links(before, previous)

    def _grew_here(self, record: Record, previous: Record | None, seen: Seen | None) -> DeltaOffer | None:
        """What peers need to know about a file to which bytes were only appended; None for any other change."""
        grown = None if seen is None else seen.grown
        is_new = previous is None or previous.kind == Kind.ABSENT
        old = (
            self._local_renames.renamed_from(record.path)
            if is_new and self._local_renames.renames.targets and record.kind == Kind.FILE
            else None
        )
        if old is not None:
            self._deltas_out.growths.moved(old.record.path, record.path, old.record.content)
            previous = old.record
            if previous.content == record.content:
                return None
        if grown is None or previous is None or previous.content != grown.base:
            self._deltas_out.growths.forget(record.path)
            return None
        self._deltas_out.growths.grew(record.path, grown.base, grown.size, record.content, record.size, grown.marks)
        known = self._deltas_out.growths.offer(record.path, grown.base, record.content)
        return None if known is None else DeltaOffer(grown.base, record.size - grown.size, known[1])

    def _is_elsewhere(self, record: Record) -> bool:
        if self._board.scan.is_first:
            return self._board.index.contents.may_have(record.content)  # whether it really exists is checked later
        return any(row.record.path != record.path for row in self._board.index.rows.by_content(record.content))

    def new_files(self, found: Sequence[Seen], told: bool) -> None:
        """`new` for many files that the first scan found: no peer waits for them."""
        index, fresh = self._board.index, self._board.announcements.fresh
        records = self._stamps.first_scan_files(found)
        new = index.contents.may_not_have([record.content for record in records]) if told else set[bytes]()
        for seen, record in zip(found, records, strict=True):
            if self._board.journals:
                self._rows.journal(record)
            if record.size >= limits.DELTA_FILE_BYTES_MIN:
                self._signatures.sign_later(record, None)
            if told:
                data = seen.data
                if data and record.content not in new:
                    data = None  # a peer that has the other file copies its content
                new.discard(record.content)
                fresh[record.path] = _new(Fresh, (record, None, data, None, None, seen.folder_mtime))
        rows = index.rows.put_new(records, [seen.fp for seen in found])
        if told:
            self._board.announcements.add_rows(rows)
            self._folder_times.mark_active(parent_of(found[-1].path), found[-1].folder_mtime)

    def new(self, seen: Seen, told: bool) -> None:
        """Record something that is new to us and to all peers, as far as we know. `told`: a peer is connected that
        hears of it."""
        path, _, kind, size, content, mtime, mode, fp, *_, attributes = seen
        self._scope.found_new(path, kind is Kind.DIRECTORY)
        if self._board.scan.is_first or self._scope.is_shared_again(path):
            record = self._stamps.first_scan_record(path, kind, size, content, mtime, mode, attributes)
        else:
            now = unstamped(path, kind, size, content, mtime, mode)._replace(attributes=attributes)
            stamp_ns = min(mtime, self._board.now.wall_ns)
            record = self._stamps.changed_to(None, now, stamp_ns)
            if kind is not Kind.DIRECTORY:
                self._board.tell_later(notes.NewHere(path, size))
        if kind is Kind.DIRECTORY:
            self._board.listings.add(path)
        if told or kind is Kind.DIRECTORY or not self._mode_rules.mode.announces:
            self.record_change(record, None, fp, seen)
        else:
            self._rows.journal(record)
            self._silent.recorded(record, None, fp)
            self._board.index.rows.put(record, fp)
            self._signatures.sign_later(record, None)

    def revive_folder(self, row: Row) -> None:
        """A folder that only an unsynchronized entry had kept now contains a synchronized one."""
        above = self._board.index.rows.get(parent_of(row.record.path))
        if above is not None and above.record.kind == Kind.ABSENT and above.fp:
            self.revive_folder(above)
        _, mode = got_meta(row.fp)
        now_ns = self._board.now.wall_ns  # about the time at which something was put into it; a look says the true one
        folder = row.record._replace(kind=Kind.DIRECTORY, mode=mode, mtime=now_ns)
        record = self._stamps.changed_to(row.record, folder, now_ns)
        self.record_change(record, row.record, row.fp, None)
        self._folder_times.mark_active(record.path, now_ns)

    def give(self, record: Record, fp: bytes) -> bool:
        """Give an entry the attributes that its version says and that its disk never had. False if another job is active
        there."""
        mode = record.mode if record.kind is Kind.DIRECTORY else None
        expect = fp[:FINGERPRINT_BYTES]
        return self.redo(ApplyItem(record.path, TreeOp.META, record, expect, Cause.REPLACED, mode=mode))

    def redo(self, item: ApplyItem) -> bool:
        """Repeat a change that is on the disk already, to make it durable. False if another job is active there."""
        if self._work.jobs.is_at(item.path):
            return False
        row = self._board.index.rows.get(item.path) if item.act is TreeOp.REMOVE else None
        if row is not None and row.fp and row.record.kind in (Kind.FILE, Kind.SYMLINK):
            if len(self._gone) >= _GONE_MAX:
                self._gone.clear()
            self._gone[inode_of(row.fp)] = row.record.content, got_meta(row.fp)
        self._applier.order_change(item, Take(item.target, False))
        return True
