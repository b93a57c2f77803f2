"""Decides which paths are synchronized, and remembers which exclusions were reported.

In:   paths from looks, listings and peers. Out: whether they are synchronized.
Rule: every path passes this gate. What is ignored is said by `core.ignore`; who follows the files with rules is `ignoring`.
Used by: local_renames, look_queue, applier, bulk_install, planner, intake, forecaster, recorder, local_changes,
ignoring, scan, queries, apart, verifying.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dir_sync.core import limits, notes
from dir_sync.core.ignore import Rules
from dir_sync.core.looks import MOUNTED
from dir_sync.core.model import Kind, PathError, Record, Stat, check_path, parent_of
from dir_sync.core.parents import parents_of
from dir_sync.engine.board import Board

__all__ = ["Scope"]

_EXCUSED_MAX = 1_000_000


class Scope:
    """Decides which paths are synchronized, and remembers which exclusions were reported."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.mounted: set[bytes] = set()  # mount points of other file systems: no event reports an unmount
        self.rules = Rules({}, defaults=False)
        self.generation = 0  # of the rules: each change counts
        self.newly_shared: set[bytes] = set()  # paths that a change of the rules lets in; while it is carried out
        self._excused: set[bytes] = set()  # the same, from then on: no earlier deletion elsewhere counts for them
        self._is_resumed = False
        self._before: list[Rules] = []  # the rules before that change, and those meanwhile
        self.unlisted: frozenset[bytes] = frozenset()  # folders that could not be listed until that change was over
        self.named: set[bytes] = set()  # skipped entries that were reported to people

    def is_ours(self, path: bytes) -> bool:
        """True if the path may be synchronized. A path that never can be is reported once."""
        if not path:
            return False
        if limits.RESERVED_NAME in path and limits.RESERVED_NAME in path.split(b"/"):
            return False
        try:
            check_path(path)
        except PathError as error:
            self.skip(path, str(error))
            return False
        return not self.rules.ignores(path, None)

    def ignores(self, path: bytes, is_folder: bool) -> bool:
        """True if the rules say that a file or a folder of this name is not shared."""
        return self.rules.ignores(path, is_folder)

    def ignored_files(self, paths: Iterable[bytes]) -> set[bytes]:
        """Those of `paths`, all of files, that are not shared."""
        return self.rules.ignored_files(paths)

    def ignores_record(self, record: Record) -> bool:
        """True if what a record is about is not shared. A deletion is about what was there."""
        if record.kind != Kind.ABSENT:
            return self.rules.ignores(record.path, record.kind is Kind.DIRECTORY)
        row = self._board.index.rows.get(record.path)
        if row is not None and row.record.kind != Kind.ABSENT:
            return self.rules.ignores(record.path, row.record.kind is Kind.DIRECTORY)
        return self.rules.ignores(record.path, None)

    def are_disposable(self, folder: bytes, entries: Collection[tuple[bytes, Stat]]) -> bool:
        """True if everything of this that is ignored in a folder may go with it."""
        rules = self.rules.of_folder(folder)
        found = [rules.rule_for(name, stat.kind is Kind.DIRECTORY) for name, stat in entries]
        return all(rule is not None and rule.is_disposable for rule in found)

    def set_rules(self, rules: Rules) -> None:
        """Other rules hold from now on."""
        if self.generation:
            self._before.append(self.rules)
        self.unlisted = frozenset()  # now it counts everywhere what was ignored
        self.rules = rules
        self.generation += 1

    def found_new(self, path: bytes, is_folder: bool) -> None:
        """Something was found here that is shared and was not known."""
        if self.unlisted and not self.unlisted.intersection((b"", *parents_of(path))):
            return
        if self._is_resumed or any(rules.ignores(path, is_folder) for rules in self._before):
            self.newly_shared.add(path)

    def resume_change(self) -> None:
        """The last run ended before a change was carried out: whatever is found now may be newly shared."""
        self._is_resumed = True

    def change_is_over(self, unlisted: Iterable[bytes] = ()) -> None:
        """Everything was listed by the new rules but these folders: what is found below them may still be newly shared."""
        self.unlisted = frozenset(unlisted)
        if not self.unlisted:
            self._before.clear()
            self._is_resumed = False
        if len(self._excused) < _EXCUSED_MAX:
            self._excused |= self.newly_shared
        self.newly_shared.clear()

    def is_shared_again(self, path: bytes) -> bool:
        """True if a change of the rules lets this path in: it is merged like at a first contact."""
        return path in self.newly_shared or path in self._excused

    def note_mount(self, path: bytes) -> None:
        """Another file system is mounted at `path`."""
        self.mounted.add(path)

    def mounts_found(self, folder: bytes, names: Collection[bytes]) -> None:
        """A listing found mount points in `folder` at exactly these names."""
        prefix = folder + b"/" if folder else b""
        for name in names:
            self.skip(prefix + name, MOUNTED)
            self.mounted.add(prefix + name)
        for path in [path for path in self.mounted if parent_of(path) == folder]:
            if path[len(prefix) :] not in names:
                self.mounted.discard(path)

    def skip(self, path: bytes, reason: str) -> None:
        if path not in self.named and len(self.named) < 10_000:
            self.named.add(path)
            self._board.tell(notes.Skipped(path, reason))
