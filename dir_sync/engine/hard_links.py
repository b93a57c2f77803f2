"""Names of one file: which of them a look finds, and how they become names of one file here.

In:   rows and wanted versions with file ids (core.hard_links); the queue of names that may have to be joined.
Out:  the file id of what a look found; jobs that make a path another name of a file, or give it a file of its own.
Rule: what a name was made of by this program is known from its row: as long as the file is the one of the row, its id is
that of the row, whatever other names it shares the file with. So what is still to be joined follows from the rows at any
time, also after a crash. A job never changes a file in place that has a name whose version wants it otherwise.
Used by: acquire, local_changes, scan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from dir_sync.core.backoff import backoff
from dir_sync.core.hard_links import are_one_file, file_id_of, first_said, id_now, leading, new_id, same_but_id, with_id
from dir_sync.core.jobs import ApplyItem, ApplyResult, Cause, Naming, Result, TreeOp
from dir_sync.core.mode import is_own
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record, inode_of, same_meta
from dir_sync.core.reconcile import Take
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.local_renames import LocalRenames
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.rotten import RottenFiles
from dir_sync.engine.sources import Sources
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["HardLinks"]

_AT_ONCE = 100  # names that are looked after in one turn
_BUSY_MS = 100  # until a name at which something else happens is looked after again
_RETRY_MS = 1_000, 60_000  # after a failure: at first, at most
_TRIES_MAX = 8  # then it stays as it is, until its version changes or the next start


class HardLinks:
    """`_asked`: names at which a look is under way because another name of their file has an id that they lack.
    `_tries`: how often a name could not be joined. `_mates`: paths that jobs make names of a file -> another name of it."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        sources: Sources,
        brakes: Brakes,
        local_renames: LocalRenames,
        applier: Applier,
        rotten_files: RottenFiles,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._sources = sources
        self._brakes = brakes
        self._local_renames = local_renames
        self._applier = applier
        self._rotten_files = rotten_files
        self._asked: set[bytes] = set()
        self._tries: dict[bytes, int] = {}
        self._mates: dict[bytes, bytes] = {}

    @property
    def is_on(self) -> bool:
        return self._board.links.is_on

    # What looks find

    def id_at(self, now: Record, fp: bytes, row: Row | None, is_known: bool = False) -> tuple[str | None, bool]:
        """The file id of a file that a look found; true if other names of the file have another one. `now`: with what its
        version said, or that of its old name. `row`: what was there; None: something else, or nothing. `is_known`: the file
        is the one of the row, so it has not come from another name."""
        path, content, known = now.path, now.content, file_id_of(now)
        was = row if row is not None else self._local_renames.renamed_from(path)
        renames = self._local_renames.renames
        gone = renames.sources_of(path) if renames else ()
        names = self._board.index.rows.names_of(content, inode_of(fp))
        names = [row for row in names if row.record.path != path]
        others = [row.record for row in names if is_known or not self._has_left(row.record.path, gone)]
        is_same_file = was is not None and was.fp != b"" and inode_of(was.fp) == inode_of(fp)
        found = id_now(known, is_same_file, others)
        if found and found != known and not any(file_id_of(other) == found for other in others):
            found = found if self._mode_rules.mode.announces else known
        return found, any(file_id_of(row.record) != found or not found for row in names)

    def _has_left(self, path: bytes, gone: Collection[bytes]) -> bool:
        """True if the file may have left this path, and the index does not know it yet. `gone`: old names of a rename."""
        own = self._brakes.own
        if path in gone or path in self._board.looking or path in own.missed or path in own.held:
            return True
        pending = self._board.pending_looks.find(path)
        return pending is not None and (pending.gone or pending.patience_ms > self._board.now.mono_ms)

    def named(self, now: Record, as_seen: Record, fp: bytes, row: Row | None) -> tuple[Record, Record, bool]:
        """What a look found, with its file id. `as_seen`: the same, with what can be seen only; that a user has made it a name
        of a file can be. The rest as in `id_at`."""
        file_id, others_differ = self.id_at(now, fp, row)
        if file_id and file_id != file_id_of(now):
            as_seen = with_id(as_seen, file_id)
        return with_id(now, file_id), as_seen, others_differ

    def ask_others(self, path: bytes, content: bytes, fp: bytes) -> None:
        """A name got another file id, or is new: look at the other names of the file that have none, or a larger one."""
        now, row = self._board.now.mono_ms, self._board.index.rows.get(path)
        file_id = None if row is None else file_id_of(row.record)
        for other in self._board.index.rows.names_of(content, inode_of(fp)):
            name, theirs = other.record.path, file_id_of(other.record)
            if name != path and (not file_id or not theirs or file_id < theirs):
                self._asked.add(name)
                self._board.pending_looks.add(name, now, now)

    def looked_at(self, path: bytes) -> tuple[Row, Record] | None:
        """A look at a name has found the file of its row. If another name of it has an id: the row, and its version with that
        id, not stamped; else None."""
        if path not in self._asked:
            return None
        self._asked.discard(path)
        row = self._board.index.rows.get(path)
        if row is None or row.record.kind is not Kind.FILE:
            return None
        found, others_differ = self.id_at(row.record, row.fp, row, is_known=True)
        if others_differ and found and found == file_id_of(row.record):
            self.ask_others(path, row.record.content, row.fp)
        return None if found is None or found == file_id_of(row.record) else (row, with_id(row.record, found))

    def first_said(self) -> Iterator[tuple[Row, Record]]:
        """The first scan is over: the names of files with several names, each with the record that says so."""
        if not self._mode_rules.mode.announces:
            return
        for rows in self._board.index.rows.several_names():
            names = [row for row in rows if not file_id_of(row.record) and not is_own(row.record)]
            if len(names) > 1:
                file_id = new_id(leading(row.record for row in names))
                for row in names:
                    yield row, first_said(row.record, file_id, len(names))

    # Wanted versions

    def others_of(self, row: Row) -> list[Row]:
        """The other names of the file of this row, as far as the index knows."""
        names = self._board.index.rows.names_of(row.record.content, inode_of(row.fp))
        return [one for one in names if one.record.path != row.record.path]

    def _may_share(self, target: Record, other: Row) -> bool:
        """True if a name whose version is to be `target` may be a name of the file of `other`. If nothing is said of both,
        nobody keeps them apart."""
        wanted = self._wanted(other)
        if file_id_of(target) is None and file_id_of(wanted) is None:
            return True
        return are_one_file(target, wanted)

    def _wanted(self, row: Row) -> Record:
        """The version that will be at the path of a row, as far as it is known now."""
        decision = self._mode_rules.decision_at(row.record.path, row)
        return decision.record if isinstance(decision, Take) else row.record

    def stays_apart(self, row: Row, item: ApplyItem, take: Take) -> bool:
        """True if a version with the content that is there (`item` sets the rest) is brought about here, or has to wait: the
        file has other names, which are to be otherwise. The path then leaves that file. False: it can be done in place."""
        path, others = item.path, self.others_of(row)
        if self._is_being_linked(path):
            self._board.plan_later(path, 20)
            return True
        if not others:
            return False
        if any(self._work.jobs.is_at(other.record.path) for other in others):
            self._board.plan_later(path, 20)
            return True
        if all(self._may_share(take.record, other) for other in others):
            return False
        if not self.link_to(item._replace(act=TreeOp.INSTALL, mode=None), take):
            apart = item._replace(act=TreeOp.INSTALL, mode=None, copy_path=path, copy_fp=row.fp, naming=Naming.APART)
            self._applier.order_change(apart, take)
        return True

    def _is_being_linked(self, path: bytes) -> bool:
        """True while a job gives the file at a path another name, because of what the versions of both said."""
        return any(mate == path and self._work.jobs.is_at(target) for target, mate in self._mates.items())

    def _link(self, item: ApplyItem, take: Take | None, mate: Row, naming: Naming) -> None:
        self._mates = {target: its for target, its in self._mates.items() if self._work.jobs.is_at(target)}
        self._mates[item.path] = mate.record.path
        self._applier.order_change(item._replace(copy_path=mate.record.path, copy_fp=mate.fp, naming=naming), take)

    def link_to(self, item: ApplyItem, take: Take) -> bool:
        """True if the wanted version is another name of a file that is here, and that was ordered."""
        target = take.record
        file_id = file_id_of(target)
        if not file_id:
            return False
        names = self._board.index.rows.with_file_id(target.content, file_id)
        mates = [row for row in names if row.record.path != item.path and are_one_file(row.record, target)]
        if any(self._wanted(row).kind is Kind.ABSENT for row in mates):
            return False  # one of them leaves: it may be moved here
        by_inode = Counter(inode_of(row.fp) for row in mates)
        mates.sort(key=lambda row: (-by_inode[inode_of(row.fp)], row.record.path))
        for mate in mates:
            if self._can_be_linked(mate):
                self._link(item, take, mate, Naming.LINK)
                return True
        return False

    def _can_be_linked(self, mate: Row) -> bool:
        path, fp = mate.record.path, mate.fp
        return (
            len(fp) == FINGERPRINT_BYTES
            and self._may_have_more(mate)
            and not self._work.jobs.is_at(path)
            and not self._sources.is_avoided(path, fp)
        )

    def _may_have_more(self, row: Row) -> bool:
        """True if the file of a row may get another name: it can have one more, and it is not known to have gone bad."""
        return inode_of(row.fp) not in self._board.links.refused and not self._rotten_files.is_bad(row.fp)

    def may_be_moved(self, row: Row, target: Record) -> bool:
        """True if the file of a row may be renamed to the path of `target`: it is not changed for its other names."""
        others = [other for other in self.others_of(row) if other.record.path != target.path]
        if not others:
            return True
        is_as_it_is = same_meta(row.record, target) and same_but_id(row.record.attributes, target.attributes)
        return is_as_it_is and all(self._may_share(target, other) for other in others)

    # Names that are to be joined

    def look_for_all(self) -> None:
        """The program has started: some names may not be joined yet."""
        for path in self._board.index.rows.with_any_file_id():
            self._board.links.add(path)

    def due_ms(self) -> int | None:
        return None if self._board.scan.is_on else self._board.links.next_due_ms()

    def run(self) -> None:
        if not self._board.links:
            return
        for item, result in self._board.links.take_results():
            self._came_back(item, result)
        if self._board.scan.is_on:
            return
        for path in self._board.links.take(self._board.now.mono_ms, _AT_ONCE):
            self._join(path)
        if (due := self._board.links.next_due_ms()) is not None and due <= self._board.now.mono_ms:
            self._board.run_once_more()

    def _came_back(self, item: ApplyItem, result: ApplyResult) -> None:
        """A path was to become a name of a file, or has its recorded content again: is it a name by now?"""
        now = self._board.now.mono_ms
        is_tried_later = result.result not in (Result.DONE, Result.IMPOSSIBLE)
        self._board.links.add(item.path, now + _RETRY_MS[0] if is_tried_later else now)
        if item.naming is not Naming.JOIN or item.copy_path is None:
            return
        if result.result is Result.IMPOSSIBLE:
            self._board.links.refuse(inode_of(item.copy_fp))
        elif is_tried_later:
            if result.result is Result.MISSING:
                self._sources.avoid_source(item.copy_path, item.copy_fp)
            for path in (item.path, item.copy_path):
                self._board.pending_looks.add(path, now, now)

    def _join(self, path: bytes) -> None:
        """Make a path a name of the file of which it is to be one. All names go to the file that has the most."""
        row, now = self._board.index.rows.get(path), self._board.now.mono_ms
        file_id = None if row is None else file_id_of(row.record)
        if row is None or row.record.kind is not Kind.FILE or not row.fp or not file_id:
            self._tries.pop(path, None)
            return
        is_free = not self._work.is_at_work(path)
        if is_free and isinstance(self._mode_rules.decision_at(path, row), Take):
            return  # that version comes back here
        if not is_free or len(row.fp) != FINGERPRINT_BYTES:
            self._board.links.add(path, now + _BUSY_MS)
            return
        names = self._board.index.rows.with_file_id(row.record.content, file_id)
        names = [one for one in names if one.fp and are_one_file(one.record, row.record)]
        by_inode = Counter(inode_of(one.fp) for one in names)
        mine = inode_of(row.fp)
        names.sort(key=lambda one: (-by_inode[inode_of(one.fp)], one.record.path))
        free = [inode_of(one.fp) for one in names if self._may_have_more(one)]
        if len(by_inode) < 2 or not free or not self._may_have_more(row):
            self._tries.pop(path, None)
            return
        if free[0] == mine:
            self._tries.pop(path, None)
            for other in names:
                if inode_of(other.fp) != mine and other.record.path not in self._board.links:
                    self._board.links.add(other.record.path)
            return
        mate = next((one for one in names if inode_of(one.fp) == free[0] and self._can_be_linked(one)), None)
        tries = self._tries.get(path, 0)
        if tries >= _TRIES_MAX:
            del self._tries[path]
            return
        if mate is None:
            self._tries[path] = tries + 1
            self._board.links.add(path, now + backoff(_RETRY_MS[0], tries + 1, _RETRY_MS[1]))
            return
        self._tries[path] = tries + 1
        self._link(ApplyItem(path, TreeOp.INSTALL, row.record, row.fp, Cause.REPLACED), None, mate, Naming.JOIN)
