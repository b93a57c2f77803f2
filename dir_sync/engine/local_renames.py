"""Pairs the halves of renames made here, and decides how long a vanished file is not yet announced as deleted.

In:   names that appeared and names that vanished. Out: pairs, announced to the peers as renames.
Used by: look_queue, uploader, hard_links, recorder, local_changes, scan.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.attributes import NOTHING, Attributes, believed, merged
from dir_sync.core.looks import UNPROVEN, Hint, LookOutcome, Seen
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, inode_of
from dir_sync.core.watching.pending_looks import PendingLook
from dir_sync.core.watching.renames import Renames
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.scope import Scope
from dir_sync.engine.work import WorkTable
from dir_sync.index import UNPROVEN_PARTS, Row

__all__ = ["LocalRenames"]

_MOVED_FOLDERS_MAX = 1_000


class LocalRenames:
    """Pairs the halves of renames made here, and decides how long a vanished file is not yet announced as deleted."""

    def __init__(self, board: Board, work: WorkTable, scope: Scope, brakes: Brakes, publisher: Publisher) -> None:
        self._board = board
        self._work = work
        self._scope = scope
        self._brakes = brakes
        self._publisher = publisher
        self.renames = Renames()
        self._moved_folders: dict[bytes, Attributes] = {}  # new names of folders, until they are looked at
        self._unproven_folders: set[bytes] = set()  # those of them whose attributes the disk may lack
        self._is_listing = False  # a folder is about to be listed, which may show where a vanished file is

    def pair(self, source: bytes, target: bytes, row: Row | None, is_seen: bool = True) -> None:
        """The file that `row` describes at `source` is now at `target`. `is_seen`: the watcher reported the rename."""
        if not self._scope.is_ours(target):
            return
        for path in (source, target):
            self._work.opened.closed(path)
        now = self._board.now.mono_ms
        before = self._board.pending_looks.find(source) or self._board.looking.get(source)
        is_same = before is not None and not before.written and (before.rested or self.renames.sources_of(source))
        # otherwise another file was renamed to that name since
        hint = before.hint if before is not None and is_same else None
        if row is not None and row.record.kind == Kind.FILE and row.fp and (before is None or not before.written):
            relaxed = row.record.size >= limits.MIB  # small files are read again: that is cheap and certain
            hint = Hint(row.fp, row.record.size, row.record.content, relaxed)
        grace = 0
        if is_seen and row is not None and row.record.kind == Kind.FILE:
            grace = self.renames.grace_ms(source, target, now)
        self.renames.open(source, target, now)
        pending = self._board.pending_looks.add(target, max(now + grace, self._work.pace.earliest(target, now)), now)
        pending.hint = hint
        pending.watched |= is_seen
        pending.large = pending.open = False  # the look itself finds out whether it has to read
        pending = self._board.pending_looks.add(source, now + grace, now)
        pending.watched |= is_seen
        pending.large = False
        pending.gone = True
        pending.removal_confirmed |= not self._brakes.own.holds(
            source
        )  # what the brake holds was missing before the rename
        pending.patience_ms = now + grace if grace else 0

    def renamed_from(self, path: bytes) -> Row | None:
        """The row of the old name, while a rename is not completely handled."""
        for source in self.renames.sources_of(path):
            row = self._board.index.rows.get(source)
            if row is not None and row.record.kind == Kind.FILE:
                return row
        return None

    def attributes_before(self, path: bytes, row: Row | None) -> Attributes | None:
        """What is known of the attributes of the entry at a path: from the version there (`row`), or at its old name while
        a rename is not completely handled. NOTHING: its version says nothing. None: there is no version."""
        if row is not None and row.record.kind != Kind.ABSENT:
            if self._moved_folders:
                self._moved_folders.pop(path, None)
                self._unproven_folders.discard(path)
            return row.record.attributes or NOTHING
        if self.renames:
            rows = [self._board.index.rows.get(source) for source in self.renames.sources_of(path)]
            if (
                old := next((one for one in rows if one is not None and one.record.kind != Kind.ABSENT), None)
            ) is not None:
                return old.record.attributes or NOTHING
        return self._moved_folders.get(path)

    def attributes_now(self, seen: Seen, row: Row | None) -> tuple[Attributes | None, Attributes | None, bool]:
        """The attributes that a look found: those that this node keeps, those of the next version, and whether the disk is to be
        given some of them. `row`: of the version there, if it is of that kind. As long as the disk may lack what the version
        says, what is missing there was removed by nobody."""
        path, here = seen.path, seen.attributes
        is_unproven = self._is_unproven(path, row)
        before = self.attributes_before(path, row)
        if is_unproven and here is not None and before is not None:
            here = believed(before, here, self._board.index.notes.words(UNPROVEN_PARTS))
        now = here if before is None else merged(before, here, seen.kind is Kind.FILE)
        return here, now, here != seen.attributes

    def _is_unproven(self, path: bytes, row: Row | None) -> bool:
        """True if the disk may lack attributes that the version at a path says, or the one at its old name."""
        if not self._board.keeps:
            return False
        if row is not None:
            return row.fp.endswith(UNPROVEN) and len(row.fp) > FINGERPRINT_BYTES
        rows = map(self._board.index.rows.get, self.renames.sources_of(path) if self.renames else ())
        return path in self._unproven_folders or any(one is not None and self._is_unproven(path, one) for one in rows)

    def folder_moved(self, source: bytes, target: bytes) -> None:
        """The watcher reported the rename of a folder. Its record is made anew, with the attributes that it had."""
        row = self._board.index.rows.get(source)
        if row is not None and row.record.attributes is not None:
            if len(self._moved_folders) >= _MOVED_FOLDERS_MAX:
                self._moved_folders.clear()
                self._unproven_folders.clear()
            self._moved_folders[target] = row.record.attributes
            if self._is_unproven(source, row):
                self._unproven_folders.add(target)

    def began_too_early(self, seen: Seen, together: frozenset[bytes] | set[bytes]) -> bool:
        """True if the look at the new name began before the watcher reported the rename. Both names are then looked at
        together."""
        if seen.kind != Kind.FILE:
            return False
        row = self._board.index.rows.get(seen.path)
        if row is not None and row.record.kind != Kind.ABSENT:
            return False
        return any(
            one in self._board.pending_looks and one not in together for one in self.renames.sources_of(seen.path)
        )

    def new_name_of(self, path: bytes, kind: Kind, content: bytes, fp: bytes) -> Row | None:
        """The row of the old name of a file that was found under an unknown name: same inode, same content. None if
        there is none."""
        if kind is not Kind.FILE or self._board.scan.is_first:
            return None
        if self.renames and (old := self.renamed_from(path)) is not None:  # the watcher named it: no need to search
            if old.record.content == content and inode_of(old.fp) == inode_of(fp):
                return old
        for row in self._board.index.rows.by_content(content):
            is_other = row.record.path != path and not self._work.is_set_aside(row.record.path)
            if is_other and row.fp and inode_of(row.fp) == inode_of(fp):
                return row
        return None

    def match(self, path: bytes, row: Row) -> None:
        """The file found at `path` is probably the file of `row` under a new name. During a scan the pair waits until
        every folder is listed."""
        if self._board.scan.is_on:
            self._work.set_aside(row.record.path, path)
            return
        self.pair(row.record.path, path, row, is_seen=False)
        if (pending := self._board.pending_looks.find(path)) is not None:
            pending.matched = True

    def judge_arrived(self) -> None:
        """The scan has listed every folder. Decide whether the files found under new names have left their old
        names."""
        for source, path in self._work.take_set_aside().items():
            self._board.scan.add(path, self._board.now.mono_ms).matched = True
            self._brakes.own.find(source)
            self.pair(source, path, self._board.index.rows.get(source), is_seen=False)

    def expect_listing(self, is_listing: bool) -> None:
        """`is_listing`: a folder is about to be listed, which may show where a vanished file is."""
        self._is_listing = is_listing

    def waits_for_new_name(self, seen: Seen, together: frozenset[bytes] | set[bytes]) -> bool:
        """True while the file that vanished from this path may still appear under a new name, in a look or an event to
        come."""
        path = seen.path
        is_out = (
            target := self.renames.target_of(path, self._board.now.mono_ms)
        ) is not None and target in self._board.looking
        if is_out:
            target = self.renames.target_of(path, self._board.now.mono_ms, is_read=True)
        if target is not None and (
            target in self._board.pending_looks or (target in self._board.looking and target not in together)
        ):
            return True
        return seen.look is LookOutcome.ABSENT and self.renames.may_have_gone_on(path, self._board.now.mono_ms)

    def may_get_its_true_name(self, seen: Seen, pending: PendingLook) -> bool:
        """True for a large new file that a program has just closed, beside other files: it may be a new version of one
        of them, and a rename to that name may follow at once."""
        if seen.kind != Kind.FILE or seen.size < limits.LARGE_FILE_BYTES or pending.rested or not pending.watched:
            return False
        if (
            not self._board.peers
            or len(seen.fp) > FINGERPRINT_BYTES
            or seen.grown is not None
            or pending.hint is not None
        ):
            return False
        row = self._board.index.rows.get(seen.path)
        return row is None or row.record.kind == Kind.ABSENT

    def disbelief_ms(self, path: bytes, pending: PendingLook) -> int:
        """How many ms a vanished file is not yet announced as deleted: a program may be saving it, or a folder is about
        to be listed that may contain it."""
        row = self._board.index.rows.get(path)
        if row is None or row.record.kind != Kind.FILE:
            return 0
        now = self._board.now.mono_ms
        if pending.patience_ms > now:
            return pending.patience_ms - now
        newer = self._board.pending_looks.find(path)
        if pending.watched and not pending.gone and (newer is None or not newer.gone):
            # The look was faster than the watcher, which may report a rename in a moment.
            pending.gone, pending.patience_ms = True, now + limits.SAVE_GRACE_MS
            return limits.SAVE_GRACE_MS
        if newer is not None and (newer.written or newer.patience_ms > now or self.renames.sources_of(path)):
            return max(1, newer.due_ms - now)  # an event has arrived since
        if pending.watched and self._work.is_set_aside(path):
            return 20
        is_young = pending.watched and now - pending.first_ms < limits.RENAME_HOLD_MS
        if not (is_young and self._is_listing) or self._publisher.new_name_of(path) is not None:
            return 0
        return 20
