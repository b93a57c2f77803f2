"""Lists folders, compares the listings with the index, and decides when the scan is over.

In:   folders to be listed; their listings. Out: list jobs; looks; the end of the scan.
Used by: engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core import limits, notes
from dir_sync.core.attributes import NOTHING
from dir_sync.core.jobs import ApplyItem, Cause, ListJob, TreeOp
from dir_sync.core.looks import Folder, Listing, LookOutcome, Seen
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stat, fingerprint, parent_of, unstamped
from dir_sync.core.reconcile import Take
from dir_sync.core.watching.pending_looks import PendingLook
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import BLIND, TROUBLE_RETRY_MS
from dir_sync.engine.hard_links import HardLinks
from dir_sync.engine.ignoring import Ignoring
from dir_sync.engine.intake import Intake
from dir_sync.engine.local_changes import LocalChanges
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.planner import Planner
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.recorder import LocalRecorder
from dir_sync.engine.rows import Rows
from dir_sync.engine.scope import Scope
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.work import WorkTable

__all__ = ["Scan"]

_LOOKS_FIRST_MS = 300  # looks at renamed files come before the listings of their folders for so long
_FOLDERS_MAX = 32  # in one list job


class Scan:
    """Lists folders, compares the listings with the index, and decides when the scan is over.

    It has more fields than a class should have: the machines below it, and how far the scan has come."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        scope: Scope,
        ignoring: Ignoring,
        brakes: Brakes,
        own_losses: OwnLosses,
        transfers: TransferTable,
        publisher: Publisher,
        local_renames: LocalRenames,
        echoes: OwnEchoes,
        look_queue: LookQueue,
        rows: Rows,
        applier: Applier,
        hard_links: HardLinks,
        planner: Planner,
        intake: Intake,
        recorder: LocalRecorder,
        local_changes: LocalChanges,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._scope = scope
        self._ignoring = ignoring
        self._brakes = brakes
        self._own_losses = own_losses
        self._transfers = transfers
        self._publisher = publisher
        self._local_renames = local_renames
        self._echoes = echoes
        self._look_queue = look_queue
        self._rows = rows
        self._applier = applier
        self._hard_links = hard_links
        self._planner = planner
        self._intake = intake
        self._recorder = recorder
        self._local_changes = local_changes
        self._going: dict[
            bytes, bytes
        ] = {}  # ignored folders that go with the one that they are in: their fingerprints

    def send_listings(self) -> None:
        self._board.listings.add_due(self._board.now.mono_ms)
        while (
            self._board.listings.waiting
            and not self._board.listings.out
            and len(self._board.pending_looks) < limits.DIRTY_BACKLOG_MAX
            and not (self._board.scan.is_on and (self._board.scan.waits or self._publisher.seeding_lags()))
            and not self._looks_come_first()
        ):
            some = self._board.listings.take(_FOLDERS_MAX, self._work.jobs.folders_being_filled())
            folders = tuple([self.folder(path) for path in dict.fromkeys(some)])
            self._board.order(ListJob(folders, self._look_queue.want_bytes()))
        if self._work.has_set_aside and self._board.listings.is_over:
            self._local_renames.judge_arrived()
        if self._brakes.own.missed and self._board.listings.is_over and not self._board.scan.unseen:
            self._own_losses.judge()
        unfinished = not self._board.listings.is_over or self._board.scan.unseen or b"" in self._board.listings.failed
        if self._board.scan.is_on and not unfinished:
            if self._work.disk.is_blind and self._board.index.notes.get(BLIND) is None:
                self._board.index.notes.put(BLIND, 1)
            if self._board.scan.is_first and not self._mode_rules.mode.announces:
                # (Also a folder that the scan found, and that was gone when it was to be listed.)
                get = self._board.index.rows.get
                unread = [
                    path
                    for path in self._board.pending_looks.paths()
                    if (row := get(path)) is None or row.record.kind is Kind.DIRECTORY
                ]
                self._mode_rules.first_scan_left({*unread, *self._board.listings.failed})
            was_first = self._board.scan.is_first
            self._board.scan.end()
            self._own_losses.all_decided()
            if self._hard_links.is_on:
                for row, record in list(self._hard_links.first_said()) if was_first else ():
                    self._recorder.record_change(record, row.record, row.fp, None)
                self._hard_links.look_for_all()
            count, size = self._board.index.rows.count_live()
            self._board.tell(notes.Scanned(count, size))
            if self._board.index.offers.any():
                self._board.plan_queue.add_all_offers()
            for replica in sorted(self._board.peers):
                self._intake.ask_state(self._board.peers[replica])
            self._board.run_once_more()

    def _looks_come_first(self) -> bool:
        """True for a moment while the looks at what was renamed are under way. A folder is listed after them: else each
        file in it is unknown to the listing, and is looked at twice."""
        if self._board.scan.is_on or not self._look_queue.looks_out or not self._local_renames.renames.targets:
            return False
        return self._board.listings.give_way(self._board.now.mono_ms, _LOOKS_FIRST_MS)

    def on_listed(self, listing: Listing) -> None:
        """Compare a folder's entries with the index: differences are looked at. A listing alone decides nothing."""
        folder = listing.path
        now = self._board.now.mono_ms
        if listing.entries is None:
            if listing.problem:
                self._list_later(folder, listing.problem)
            elif folder:
                self._board.listings.listed(folder)
                self._work.attempts.end_listing_wait(folder)
                # If the folder exists again, its content is unknown.
                self._board.scan.add(folder, self._board.now.mono_ms).listing = True
            return
        is_made = self._board.listings.listed(folder)
        if listing.differs:
            self._board.pending_looks.add(folder, now, now)
        if listing.rules is None:
            self._list_later(folder, "the rules in it cannot be read")
            return
        if self._ignoring.learn(folder, listing.rules) or listing.generation != self._scope.generation:
            self._board.listings.add(folder)  # what is in it is judged by the new rules
            return
        if folder in self._board.listings.put_in:
            # A file that was created and deleted before the folder was watched caused no event.
            self._board.listings.add_when_calm(folder)
        prefix = folder + b"/" if folder else b""
        self._list([prefix + name for name in listing.folders])
        if listing.seen:
            self._found_new(folder, listing.seen, listing.mtime)
        self._scope.mounts_found(folder, listing.mounts)
        if listing.entries:
            self._entered(folder, prefix, listing.entries, listing.mtime)
        for name in listing.gone:
            row = self._board.index.rows.get(prefix + name)
            if row is not None and (row.record.kind != Kind.ABSENT or row.fp):
                self._board.scan.add(prefix + name, now).removal_confirmed |= is_made  # as in a watched folder
        if self._brakes.own.held:
            gone = {prefix + name for name in listing.gone}
            gone |= {prefix + name for name, stat in listing.entries if stat.kind == Kind.OTHER}
            folders = {prefix + name for name, stat in listing.entries if stat.kind is Kind.DIRECTORY}
            folders.update(prefix + name for name in listing.folders)
            for path in [path for path in self._brakes.own.held if parent_of(path) == folder and path not in gone]:
                self._own_losses.no_longer_held(path, path in folders)
        if self._work.obstacles:
            there = {prefix + name for name, _ in listing.entries}
            for path in self._work.obstacles.not_among(folder, there):
                self._board.pending_looks.add(
                    path, now, now
                )  # the index has no row that would show that an unsynchronized entry vanished
        for path in self._work.unable.in_folder(folder) if self._work.unable else ():
            # the index may not know that the entry which kept them away vanished
            self._board.pending_looks.add(path, now, now)
        if folder in self._going:
            self._let_go(folder, listing.entries, listing.ignored)
        elif folder:
            here = self._board.index.rows.get(folder)
            left_over = here is not None and here.record.kind == Kind.ABSENT and here.fp
            is_awaited = self._work.attempts.awaits_listing(folder) or self._work.obstacles.is_at(folder)
            if (left_over or is_awaited) and self._work.jobs.is_at(folder):
                self._work.attempts.note_listed(folder, b"")  # after the job, another listing decides
            elif left_over or is_awaited:
                self._work.attempts.end_listing_wait(folder)
                self._work.obstacles.remove(folder)
                self._left_over(folder, listing.entries, listing.ignored)

    def _entered(
        self, folder: bytes, prefix: bytes, entries: list[tuple[bytes, Stat]], folder_mtime: int | None
    ) -> None:
        """Handle entries that differed from the index when their folder was to be listed. Some may have been looked at
        since."""
        self._board.index.rows.fetch([prefix + name for name, _ in entries])
        new_folders: list[Seen] = []
        for name, stat in entries:
            path = prefix + name
            if name == limits.RESERVED_NAME:
                if folder:
                    self._scope.skip(path, "the name is reserved")
                continue
            if not self._scope.is_ours(path):
                continue
            row = self._board.index.rows.get(path)
            if row is not None and row.fp == fingerprint(stat):
                if stat.kind == Kind.DIRECTORY:
                    self._list([path])
                continue
            if stat.kind == Kind.OTHER and (row is None or row.record.kind == Kind.ABSENT):
                self._scope.skip(path, "not a file, a folder or a link")
                continue
            if row is None:
                self._scope.found_new(path, stat.kind == Kind.DIRECTORY)
            if path in self._board.looking:  # that look is newer than this listing, or another one follows
                looked_at = self._board.looking[path]
                looked_at.listing |= stat.kind == Kind.DIRECTORY
                continue
            if row is None and stat.kind == Kind.DIRECTORY and not self._board.keeps:
                fp = fingerprint(stat)
                new_folders.append(Seen(path, LookOutcome.FOUND, stat.kind, 0, b"", stat.mtime, stat.mode, fp))
                continue
            pending = self._board.scan.add(path, self._board.now.mono_ms)
            pending.large = stat.kind == Kind.FILE and stat.size >= limits.LARGE_FILE_BYTES
            pending.listing |= stat.kind == Kind.DIRECTORY
            if row is not None or stat.kind != Kind.FILE:
                continue
            if (vanished := self._local_renames.renames.name_of(stat.inode)) is not None:
                pending.matched = True
                self._local_renames.pair(vanished, path, self._board.index.rows.get(vanished), is_seen=False)
            elif not self._board.scan.is_on:
                self._local_renames.renames.appeared(path, stat.inode)
        if new_folders:
            self._found_new(folder, new_folders, folder_mtime)

    def _list(self, folders: list[bytes]) -> None:
        """List folders that were found in another one."""
        if not self._board.scan.is_on:
            folders = [path for path in folders if not self._echoes.is_folder(path)]
        self._board.listings.add_all(folders)

    def _found_new(self, folder: bytes, found: Sequence[Seen], folder_mtime: int | None) -> None:
        """Handle files and folders that were unknown when the listing was ordered."""
        above = self._board.index.rows.get(folder) if folder else None
        is_here = not folder or (above is not None and above.record.kind == Kind.DIRECTORY and above.fp != b"")
        is_deep = len(folder) + 1 + limits.PART_BYTES_MAX > limits.PATH_BYTES_MAX or (
            folder.count(b"/") + 2 > limits.PATH_DEPTH_MAX
        )
        looking, pending_looks = self._board.looking, self._board.pending_looks
        looked = self._board.listings.looked  # looks that came back first: what they did not find may be gone by now
        index, jobs = self._board.index, self._work.jobs
        told = any(peer.has_asked for peer in self._board.peers.values())
        pending = PendingLook(b"", 0, 0)
        is_simple = self._board.scan.is_first and not (
            self._brakes.own.held or self._brakes.peers.is_on or self._work.obstacles
        )
        is_simple = is_simple and is_here and not is_deep
        unknown = index.unknown([seen.path for seen in found]) if is_simple else set[bytes]()
        new = self._work.not_at_work(unknown - looked)
        at_once: list[Seen] = []
        for seen in (*found[:-1], found[-1]._replace(folder_mtime=folder_mtime)):
            path = seen.path
            is_folder = seen.kind is Kind.DIRECTORY
            if path in new and seen.kind is Kind.FILE and len(seen.fp) <= FINGERPRINT_BYTES:
                at_once.append(seen)
            elif path in looking:
                looking[path].listing |= is_folder
            elif (
                jobs.is_at(path) and not self._board.scan.is_on and not is_folder
            ):  # a folder has to be listed, and thereby watched
                self._work.attempts.note_listed(path, seen.fp)
            elif (
                not is_here
                or path in pending_looks
                or path in looked
                or jobs.is_at(path)
                or self._work.obstacles.is_at(path)
                or index.rows.get(path) is not None
            ):
                self._board.scan.add(path, self._board.now.mono_ms).listing |= is_folder
            elif is_deep and not self._scope.is_ours(path):
                pass
            elif index.offers.of(path) or len(seen.fp) > FINGERPRINT_BYTES:
                if self._local_changes.found(seen, pending):
                    self._board.plan_queue.add(path)
                else:
                    self._board.scan.add(path, self._board.now.mono_ms).listing |= is_folder
            elif (moved := self._local_renames.new_name_of(path, seen.kind, seen.content, seen.fp)) is not None:
                self._local_renames.match(path, moved)
            else:
                self._recorder.new(seen, told)
                if self._hard_links.is_on and not is_folder and not self._board.scan.is_first:
                    self._hard_links.ask_others(path, seen.content, seen.fp)
        if at_once:
            self._recorder.new_files(at_once, told)

    def folder(self, path: bytes) -> Folder:
        """The rows that a listing of a folder need not report."""
        row = self._board.index.rows.get(path) if path else None
        if (
            self._work.attempts.awaits_listing(path)
            or self._work.obstacles.is_at(path)
            or (row is not None and row.record.kind == Kind.ABSENT)
        ):
            known = {}  # every entry is reported
        else:
            known = self._board.index.tree.known_in(path)
        kept = None
        if self._board.keeps and row is not None and row.record.kind == Kind.DIRECTORY:
            kept = row.record.attributes or NOTHING
        return Folder(
            path, known, self._scope.rules.of_folder(path), self._scope.generation, self._ignoring.reads(path), kept
        )

    def _list_later(self, folder: bytes, problem: str) -> None:
        """The content of a folder is unknown: list it again later."""
        first, most = TROUBLE_RETRY_MS
        if folder not in self._board.listings.failed:
            self._board.tell(notes.Unreadable(folder, problem))
        self._board.listings.list_later(folder, self._board.now.mono_ms, first, most)

    def _left_over(
        self, folder: bytes, entries: list[tuple[bytes, Stat]], ignored: tuple[tuple[bytes, Stat], ...]
    ) -> None:
        """A folder was listed that peers deleted. If it contains only unsynchronized entries, it stays here and counts
        as deleted; if it is empty, it is removed."""
        row = self._board.index.rows.get(folder)
        if row is None or not row.fp:
            return
        prefix = folder + b"/"
        self._board.plan_queue.add(folder)
        if any(self._keeps_folder(prefix + name, stat) for name, stat in entries):
            return  # a look has found it meanwhile; it keeps its folder
        decision = self._mode_rules.decision_at(folder, row)
        wanted = decision.record.kind if isinstance(decision, Take) else row.record.kind
        if row.record.kind == Kind.ABSENT and wanted == Kind.ABSENT and not entries and not ignored:
            self._applier.order_change(ApplyItem(folder, TreeOp.REMOVE, row.record, row.fp, Cause.DELETED), None)
        elif wanted == Kind.ABSENT and not entries and ignored and self._scope.are_disposable(folder, ignored):
            self._let_go(folder, entries, ignored)
        elif not (entries or ignored) or wanted == Kind.DIRECTORY or self._board.index.tree.has_live_child(folder):
            return
        elif wanted != Kind.ABSENT:
            self._work.obstruct(folder, Kind.DIRECTORY)
        elif isinstance(decision, Take):
            self._rows.accept(decision.record, row.fp)
            self._planner.block(folder)

    def _let_go(
        self, folder: bytes, entries: list[tuple[bytes, Stat]], ignored: tuple[tuple[bytes, Stat], ...]
    ) -> None:
        """What is ignored in a folder may go with it: into the history. Folders in it go when they are empty."""
        fp = self._going.pop(folder, b"")
        prefix = folder + b"/"
        for name, stat in ignored:
            path = prefix + name
            if self._work.is_at_work(path):
                continue
            if stat.kind is Kind.DIRECTORY:
                self._going[path] = fingerprint(stat)
                self._board.listings.add(path)
            elif stat.kind is not Kind.OTHER:
                self._remove(path, fingerprint(stat))
        if fp and not entries and not ignored and not self._work.is_at_work(folder):
            self._remove(folder, fp)
        elif fp and not entries:
            self._going[folder] = fp
            self._board.listings.add_when_calm(folder)  # when what is in it has gone

    def _remove(self, path: bytes, fp: bytes) -> None:
        gone = unstamped(path, Kind.ABSENT, 0, b"", 0, 0)
        self._applier.order_change(ApplyItem(path, TreeOp.REMOVE, gone, fp, Cause.RECOVERED), None)

    def _keeps_folder(self, path: bytes, stat: Stat) -> bool:
        """True if the listed entry is synchronized. A folder that itself only stayed behind is not."""
        row = self._board.index.rows.get(path)
        left_over = stat.kind == Kind.DIRECTORY and row is not None and row.record.kind == Kind.ABSENT and row.fp != b""
        return stat.kind != Kind.OTHER and not left_over and self._scope.is_ours(path)
