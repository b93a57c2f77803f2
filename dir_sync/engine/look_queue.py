"""Turns the hints of the watcher into look jobs: debounce, echoes of our own work, pace.

In:   paths at which something may have happened. Out: look jobs.
Rule: an event is never the truth, only a reason to look.
Used by: names, uploader, applier, recorder, local_changes, scan.
"""

from __future__ import annotations

from collections.abc import Iterator

from dir_sync.core import limits, notes
from dir_sync.core.events import Moved, Urgency
from dir_sync.core.jobs import LookJob
from dir_sync.core.looks import Hint, LookItem
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, inode_of, parent_of
from dir_sync.core.watching.linked import LinkedNames
from dir_sync.core.watching.pace import Span
from dir_sync.core.watching.pending_looks import PendingLook
from dir_sync.core.watching.renames import likely_originals, says_nothing
from dir_sync.engine.board import Board
from dir_sync.engine.constants import EMPTY_MS, MOVE_ROWS_MAX, REOPENED_MS
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.scope import Scope
from dir_sync.engine.versions import VersionKeeper
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["LookQueue"]

_NEIGHBOURS_MAX = 1_000  # files of a folder whose size is compared
_TURN_LOOKS_MAX = 4 * limits.LOOK_ITEMS_MAX
_PACED = (Urgency.NOW, Urgency.ATTRIBUTES, Urgency.ARRIVED, Urgency.CREATED)
_STILL_OPEN = (Urgency.WRITING, Urgency.ATTRIBUTES)  # events that do not mean that a program has closed the file


class LookQueue:
    """Turns the hints of the watcher into look jobs: debounce, echoes of our own work, pace."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        scope: Scope,
        versions: VersionKeeper,
        publisher: Publisher,
        local_renames: LocalRenames,
        echoes: OwnEchoes,
    ) -> None:
        self._board = board
        self._work = work
        self._scope = scope
        self._versions = versions
        self._publisher = publisher
        self._local_renames = local_renames
        self._echoes = echoes
        self._restless_told: set[bytes] = set()  # files for which the "changes all the time" note was given
        self.linked = LinkedNames()
        self.looks_out = 0

    def on_touched(self, path: bytes, urgency: Urgency) -> None:
        if not self._scope.is_ours(path):
            if urgency is Urgency.VANISHED:
                self.let_folder_go(path)
            return
        if self._echoes.is_at(path, urgency):
            return
        now = self._board.now.mono_ms
        row = self._board.index.rows.get(path)
        if urgency is Urgency.VANISHED:
            self._vanished(path, row)
            return
        span = None
        if urgency is Urgency.WRITING or (urgency in _PACED and self._work.pace.knows(path)):
            size = 0 if row is None else row.record.size
            span = self._work.pace.span(
                path, self._board.pending_looks.first_ms(path, now), size, now, urgency is Urgency.NOW
            )
        if self._work.opened:
            if urgency in _STILL_OPEN:
                self._work.opened.wrote(path, now)
                if (until := self._work.opened.until(path)) is not None:
                    span = Span(until, 0, until)
            else:
                self._work.opened.closed(path)
        if urgency is not Urgency.FOLDER:
            is_new = row is None or row.record.kind == Kind.ABSENT
            self._local_renames.renames.written(path, is_new and urgency is Urgency.CREATED, now)
        pending = self._board.pending_looks.touch(path, urgency, now, span)
        if row is not None and row.record.size >= limits.LARGE_FILE_BYTES:
            pending.large = True
        pending.patience_ms = 0
        if urgency is Urgency.NOW and self._local_renames.renames.targets:
            for source in self._local_renames.renames.sources_of(path):
                if source in self._board.pending_looks:  # it was to wait as long as the open file
                    self._board.pending_looks.add(source, pending.due_ms, now)
        if (
            self._local_renames.renames
            and (target := self._local_renames.renames.target_of(path, now)) is not None
            and target in self._board.pending_looks
        ):
            self._board.pending_looks.add(
                target, pending.due_ms, now
            )  # the name is back: a program saved the file, and both names are announced now

    def _vanished(self, path: bytes, row: Row | None) -> None:
        """A name vanished, and the watcher saw no new name for it."""
        self._work.opened.closed(path)
        now = self._board.now.mono_ms
        grace = 0
        if row is not None and row.record.kind == Kind.FILE and row.fp:
            grace = self._local_renames.renames.grace_ms(path, None, now)
            found = self._local_renames.renames.appeared_as(inode_of(row.fp))
            if found is not None and found != path and self._work.is_at_work(found):
                self._local_renames.pair(path, found, row)
                return
            self._local_renames.renames.vanished(path, inode_of(row.fp))
        elif row is not None and row.record.kind == Kind.DIRECTORY:
            for below in self._board.index.tree.live_below(path, MOVE_ROWS_MAX):
                if below.record.kind == Kind.FILE and below.fp:
                    self._local_renames.renames.vanished(below.record.path, inode_of(below.fp))
        span = Span(now + grace, limits.DEBOUNCE_MS, now + grace) if grace else None
        pending = self._board.pending_looks.touch(path, Urgency.VANISHED, now, span)
        pending.large = False  # most probably there is nothing to read
        pending.patience_ms = now + grace if grace else 0  # the watcher has reported that the name vanished

    def let_folder_go(self, path: bytes) -> None:
        """List the folder of `path` if it was to go: what vanished there, shared or not, may have been the last thing that
        kept it here."""
        parent = parent_of(path)
        above = self._board.index.rows.get(parent)
        if above is not None and above.fp and (above.record.kind == Kind.ABSENT or self._work.obstacles.is_at(parent)):
            self._board.listings.add(parent)

    def look_came_back(self, pending: PendingLook) -> None:
        self.looks_out -= not pending.large

    def never_rests(self, path: bytes, size: int) -> None:
        """Log once that a file changes each time it is read."""
        if path not in self._restless_told:
            self._restless_told.add(path)
            self._board.tell(notes.Restless(path, size))

    def rests(self, path: bytes) -> None:
        self._restless_told.discard(path)

    def on_moved(self, event: Moved) -> None:
        """Look at both ends of a rename together, so that the peers receive one rename. The file is not read again."""
        if self._echoes.is_rename(event):
            return
        if not (self._scope.is_ours(event.source) and self._scope.is_ours(event.target)):
            for path in (event.source, event.target):
                self.on_touched(path, Urgency.FOLDER if event.is_directory else Urgency.NOW)
            self.let_folder_go(event.source)
            return
        if event.is_directory:
            self.on_touched(event.target, Urgency.FOLDER)
            self._local_renames.folder_moved(event.source, event.target)
            rows = self._board.index.tree.live_below(event.source, MOVE_ROWS_MAX)
            rows.sort(key=lambda row: (row.record.kind != Kind.DIRECTORY, row.record.path))
            for row in rows:
                path = row.record.path
                self._local_renames.pair(path, event.target + path[len(event.source) :], row)
            self._board.pending_looks.touch(event.source, Urgency.VANISHED, self._board.now.mono_ms)
        else:
            self._local_renames.pair(event.source, event.target, self._board.index.rows.get(event.source))

    def send_looks(self) -> None:
        now = self._board.now.mono_ms
        most = 1 if len(self._board.pending_looks) < _TURN_LOOKS_MAX else 3
        while self.looks_out < most:
            pending_looks = self._board.pending_looks.take(now, limits.LOOK_ITEMS_MAX)
            if not pending_looks:
                return
            small: list[LookItem] = []
            taken = {pending.path: pending for pending in pending_looks}
            while taken:
                pending = taken.pop(next(iter(taken)))
                if self._work.jobs.is_at(pending.path) or pending.path in self._board.looking:
                    self._board.pending_looks.put_back(pending, now + 10)
                elif pending.large or self._local_renames.renames.targets:
                    small += self._look_together(pending, taken)
                else:
                    pending.sent_ms = now
                    self._board.look_begins(pending)
                    small.append(self._look_item(pending))
            if small:
                self._board.order(LookJob(tuple(small)))
                self.looks_out += 1

    def _look_together(self, pending: PendingLook, taken: dict[bytes, PendingLook]) -> list[LookItem]:
        """Look at a path together with all others of the same rename, once all of them are due. Returns the items that
        are looked at together with other small files. `taken`: other paths that are due; those of the group are removed
        from it."""
        now = self._board.now.mono_ms
        group: list[PendingLook] = []
        for path in self._local_renames.renames.group_of(pending.path):
            each = pending if path == pending.path else taken.pop(path, None) or self._board.pending_looks.pull(path)
            if each is not None:
                group.append(each)
        due = max(each.due_ms for each in group)
        if any(self._work.jobs.is_at(each.path) or each.path in self._board.looking for each in group):
            due = max(due, now + 10)
        if due > now:
            for each in group:
                self._board.pending_looks.put_back(each, due)
            return []
        is_large = any(each.large for each in group)
        items = []
        for each in group:
            each.large, each.sent_ms = is_large, now
            items.append(self._look_item(each))
            self._board.look_begins(each)
        if is_large:
            self._board.order(LookJob(tuple(items), bulk=True))  # not counted as work: nothing waits for it
            return []
        return items

    def _look_item(self, pending: PendingLook) -> LookItem:
        row = self._board.index.rows.get(pending.path)
        fp = b"" if row is None else row.fp
        base, was, was_size = b"", b"", 0
        replaced = 0 if row is None or row.record.kind != Kind.FILE else row.record.size
        if self._board.peers and self._board.with_deltas:
            is_new = row is None or row.record.kind == Kind.ABSENT
            if is_new and pending.open and says_nothing(pending.path):
                # the file waits for its close, as if it were written under its final name
                largest = self._board.index.tree.largest_file(parent_of(pending.path), _NEIGHBOURS_MAX)
                replaced = max(replaced, largest if largest >= limits.LARGE_FILE_BYTES else 0)
            for one in self._likely_bases(pending, row, is_new):
                if one is not None and one.record.size >= limits.DELTA_FILE_BYTES_MIN and one.record.kind == Kind.FILE:
                    base, replaced = one.record.content, max(replaced, one.record.size)
                    break
        old = row
        if self._local_renames.renames.targets and (row is None or row.record.kind == Kind.ABSENT):
            old = self._local_renames.renamed_from(pending.path)
            replaced = replaced if old is None else max(replaced, old.record.size)
        if self._board.peers and old is not None and old.record.kind == Kind.FILE:
            if old.record.size >= limits.GROWTH_FILE_BYTES_MIN:
                was, was_size = old.record.content, old.record.size
        tried = pending.tries > 0
        pending.replaced = replaced
        below, cut_below = self.open_below(pending), self._cut_below(pending)
        bytes_too = self.want_bytes()
        kept = self._local_renames.attributes_before(pending.path, row) if self._board.keeps else None
        return LookItem(
            pending.path, fp, base, pending.hint, bytes_too, pending.large, tried, was, was_size, below, cut_below, kept
        )

    def _saved_for(self, pending: PendingLook) -> Row | None:
        """The neighbour of about the same size, whose next version a large new file under a temporary name most
        probably is. It becomes the base of a delta, however late the rename follows."""
        size = self._work.pace.size_of(pending.path)
        if not pending.large or pending.hint is not None or size < limits.LARGE_FILE_BYTES:
            return None
        return self._board.index.tree.file_of_size(parent_of(pending.path), size)

    def _likely_bases(self, pending: PendingLook, row: Row | None, is_new: bool) -> Iterator[Row | None]:
        """Rows of files whose next version may be at this path, the likeliest first."""
        get = self._board.index.rows.get
        yield row
        yield from map(get, self._local_renames.renames.sources_of(pending.path))
        if is_new:
            yield from map(get, likely_originals(pending.path))
            if says_nothing(pending.path):
                yield self._saved_for(pending)

    def want_bytes(self) -> bool:
        """True if the content of small files is announced right after the look, so the look should return it."""
        if self._board.scan.is_on:
            return any(self._publisher.check_seeding(replica) for replica in self._board.peers)
        return bool(self._board.peers)

    def look_below(self, path: bytes, pending: PendingLook, replaced: bool = False) -> bool:
        """A folder is no longer a folder. True if the index has rows below it: they are looked at first. If something
        else replaced the folder, that was no accident."""
        below = self._board.index.tree.live_below(path, limits.LOOK_ITEMS_MAX)
        for child in below:
            if child.record.path not in self._board.looking:
                found = self._board.pending_looks.add(
                    child.record.path, self._board.now.mono_ms, self._board.now.mono_ms
                )
                found.watched |= pending.watched
                found.gone = True
                found.removal_confirmed |= pending.removal_confirmed or replaced
        return bool(below)

    def look_at_links(self, before: bytes, previous: Record) -> None:
        """A file or a symbolic link was changed through one of its hard links; the watcher reports only that name.
        Look at the others.
        `before`: its fingerprint before the change. The others may have been looked at since the last change but one, so
        that they have another content by now: names that belonged together once are looked at, too."""
        inode, now = inode_of(before), self._board.now.mono_ms
        if not self.linked.may_have_others(inode, now):
            return
        if self._board.links.is_on or previous.kind is Kind.SYMLINK:
            rows = self._board.index.rows.names_of(previous.content, inode, previous.kind)
        else:
            rows = self._board.index.rows.by_content(previous.content)
        known = (self._board.index.rows.get(path) for path in self.linked.take(inode))
        rows += [row for row in known if row is not None]
        others = {row.record.path for row in rows if row.fp and inode_of(row.fp) == inode} - {previous.path}
        others.discard(self._publisher.new_name_of(previous.path) or b"")  # both were looked at together
        if not others:
            return
        for path in sorted(others):
            self._board.pending_looks.add(path, now, now)
        self.linked.keep(inode, others | {previous.path})

    def look_at_names(self, content: bytes, fp: bytes) -> None:
        """A file got another name, which changes nothing but its ctime: look at all of them. A large one is not read again."""
        now = self._board.now.mono_ms
        for row in self._board.index.rows.names_of(content, inode_of(fp)):
            pending = self._board.pending_looks.add(row.record.path, now, now)
            if row.record.size >= limits.LARGE_FILE_BYTES and len(row.fp) == FINGERPRINT_BYTES:
                pending.hint = Hint(row.fp, row.record.size, content, True)

    def differs(self, path: bytes) -> None:
        """A job found something else at a path than its row says: look at it."""
        if not path.startswith(limits.RESERVED_NAME + b"/"):
            now = self._board.now.mono_ms
            pending = self._board.pending_looks.add(path, now, now)
            if not pending.gone:  # the job was faster than the watcher, which may report a rename in a moment
                pending.patience_ms = max(pending.patience_ms, pending.first_ms + limits.SAVE_GRACE_MS)
        elif (version := self._board.index.versions.get(path)) is not None:
            self._versions.doubt(version)

    def restless(self) -> list[bytes]:
        """Files that changed each time while they were read. They are tried again, at growing intervals."""
        return self._work.pace.restless()

    def _cut_below(self, pending: PendingLook) -> int:
        """Size in bytes below which a file is not read before its close although the watcher has not reported that it is
        open: a program cuts it in the moment in which it got its name, and the look is faster than the event. After a
        close this holds for a moment only: the event of the next write comes within that, or another program has the
        file open for good, such as a log."""
        if not pending.replaced or pending.open or self._work.opened.until(pending.path) is not None:
            return 0
        is_old_close = pending.closed and self._board.now.mono_ms - pending.first_ms >= REOPENED_MS
        return 0 if is_old_close else pending.replaced

    def open_below(self, pending: PendingLook) -> int:
        """Size in bytes below which a file that a program has open is not read before its close; 0: it is read at
        once."""
        until = self._work.opened.until(pending.path)
        if until is None:
            is_long_new = not pending.replaced and self._board.now.mono_ms - pending.first_ms >= EMPTY_MS
            return max(pending.replaced, 1) if pending.open and not is_long_new else 0
        return limits.SIZE_MAX if until > self._board.now.mono_ms else 0
