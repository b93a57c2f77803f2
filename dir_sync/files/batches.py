"""Performs a batch of changes: makes the contents durable, then gives the names, then makes the names durable.

In:   `ApplyItem`s, of different paths.
Out:  `Applied`: one result for each, in the same order. For four or more one syncfs replaces single fsyncs.
Used by: `file_sync`.
"""

from __future__ import annotations

from collections.abc import Callable

from blake3 import blake3

from dir_sync.core.jobs import Applied, ApplyItem, ApplyResult, Cause, Result, TreeOp, Version
from dir_sync.core.model import Kind, Stat, fingerprint, parent_of
from dir_sync.core.names import NEW, STAGING
from dir_sync.files.fingerprints import Fingerprints
from dir_sync.files.hashing import Stopped
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.install import Installer
from dir_sync.files.kept import Keeper
from dir_sync.files.metadata import Metadata
from dir_sync.files.move import Mover
from dir_sync.files.outcomes import Missing, Unexpected, failed, problem
from dir_sync.files.prepare import Preparer
from dir_sync.files.staging import Staging
from dir_sync.files.unsigned import Unsigned
from dir_sync.ports import Disk, DiskError, NewFile, Trouble, Writer

__all__ = ["SYNC_ALL_FROM", "Batches", "is_new_file"]

SYNC_ALL_FROM = 4  # a batch with so many files or folders is made durable with one syncfs

_new = tuple.__new__  # half the cost of calling the named tuple


class Batches:
    """Changes of the tree, many at once. Fields: the disk and the modules below."""

    def __init__(
        self,
        disk: Disk,
        staging: Staging,
        fingerprints: Fingerprints,
        preparer: Preparer,
        installer: Installer,
        mover: Mover,
        meta: Metadata,
        history: HistoryStore,
        unsigned: Unsigned,
        keeper: Keeper,
    ) -> None:
        self._disk = disk
        self._staging = staging
        self._fingerprints = fingerprints
        self._preparer = preparer
        self._installer = installer
        self._mover = mover
        self._meta = meta
        self._history = history
        self._unsigned = unsigned
        self._keeper = keeper

    def apply(self, items: tuple[ApplyItem, ...], may_name: Callable[[], None] = lambda: None) -> Applied:
        """Perform all changes of a batch. A staging file that was not installed is kept, to be used again. `may_name` is
        called when the contents are durable, before anything in the tree changes: it may wait, and raise Stopped."""
        results: dict[int, ApplyResult] = {}
        staged: dict[int, tuple[bytes, Stat]] = {}
        unsynced: list[Writer] = []
        together = len(items) >= SYNC_ALL_FROM
        self._refuse_what_has_no_room(items, results)
        new = [n for n, item in enumerate(items) if n not in results and is_new_file(item)] if together else []
        self._stage_new(items, new, staged, results)
        try:
            for number, item in enumerate(items):
                if number in staged or number in results:
                    continue
                try:
                    ready = self._preparer.prepare(item, unsynced, together)
                    if ready is not None:
                        staged[number] = ready
                except (DiskError, Missing, Unexpected) as error:
                    results[number] = failed(item, error)
            synced = self._sync_files(items, unsynced, staged, results, together)
        finally:
            for writer in unsynced:
                writer.close()
        may_name()
        folders: dict[bytes, None] = {}
        self._name_new(items, new, staged, results, folders)
        for number, item in enumerate(items):
            if number in results:
                continue
            try:
                results[number] = self._change(item, staged.get(number), folders)
                if results[number].result == Result.DONE:
                    staged.pop(number, None)
            except (DiskError, Missing, Unexpected) as error:
                results[number] = failed(item, error)
                if item.act is TreeOp.META:
                    # A part of it may be there, and the next look takes it for what a user did. A power cut must not undo it:
                    # that would look like one more change of a user.
                    folders[parent_of(item.path)] = None
            except Stopped:
                # What was done before is reported. This change and the rest are looked at again by the next start.
                rest = [left for left in range(number, len(items)) if left not in results]
                results.update({left: ApplyResult(items[left].path, Result.CHANGED) for left in rest})
                break
        rescued = self._report_filed(items, results, folders) if self._history.has_filed else ()
        self._sync_folders(folders, items, results)
        for number, (name, made) in staged.items():
            self._staging.release(items[number].staged if synced else None, name, made.inode)
        return Applied(tuple(results[number] for number in range(len(items))), rescued)

    def _refuse_what_has_no_room(self, items: tuple[ApplyItem, ...], results: dict[int, ApplyResult]) -> None:
        """The last space of a disk is reserved for the index: without it nothing could be recorded."""
        if not any(item.data for item in items):
            return
        try:
            room = self._disk.free_bytes()
        except DiskError:
            return  # the attempt itself will show it
        for number, item in enumerate(items):
            size = len(item.data or b"")
            if size > room:
                results[number] = failed(item, DiskError(Trouble.FULL, item.path))
            else:
                room -= size

    def _stage_new(
        self,
        items: tuple[ApplyItem, ...],
        new: list[int],
        staged: dict[int, tuple[bytes, Stat]],
        results: dict[int, ApplyResult],
    ) -> None:
        """Prepare the new files of a batch, complete and verified, in the staging folder."""
        files = []
        for number, name in zip(new, self._staging.last_parts(NEW, len(new)), strict=True):
            _, _, target, _, _, data, *_ = items[number]
            if data is None or len(data) != target.size or blake3(data).digest() != target.content:
                results[number] = ApplyResult(target.path, Result.MISSING)
            else:
                files.append((number, _new(NewFile, (name, data, target.mode, target.mtime))))
        made = self._disk.create_many(STAGING, [file for _, file in files])
        for (number, file), ready in zip(files, made, strict=True):
            if isinstance(ready, DiskError):
                results[number] = failed(items[number], ready)
            else:
                staged[number] = (STAGING + b"/" + file.name, ready)

    def _name_new(
        self,
        items: tuple[ApplyItem, ...],
        new: list[int],
        staged: dict[int, tuple[bytes, Stat]],
        results: dict[int, ApplyResult],
        folders: dict[bytes, None],
    ) -> None:
        """Give the new files of a batch their names; none of them replaces anything."""
        parents = {n: parent_of(items[n].path) for n in new if n in staged and n not in results}
        together: dict[bytes, list[int]] = {}
        for number, parent in parents.items():
            together.setdefault(parent, []).append(number)
        for parent, numbers in together.items():
            self._give_attributes(parent, {number: staged[number][0] for number in numbers}, items, results)
        ready = [number for number in parents if number not in results]
        moved = self._disk.rename_many([(staged[number][0], items[number].path) for number in ready])
        rounded = self._disk.grain_ns
        for number, stat in zip(ready, moved, strict=True):
            path = items[number].path
            if isinstance(stat, DiskError):
                results[number] = failed(items[number], stat)
                continue
            _, made = staged.pop(number)
            if not rounded and stat is not None and stat[:3] == made[:3] and stat[4:] == made[4:]:
                fp = fingerprint(stat)  # unchanged since it was prepared
            else:
                fp = self._fingerprints.of_new(stat, made)
            results[number] = _new(ApplyResult, (path, Result.DONE, fp, None, "", False, False, False))
            folders[parents[number]] = None

    def _give_attributes(
        self, folder: bytes, names: dict[int, bytes], items: tuple[ApplyItem, ...], results: dict[int, ApplyResult]
    ) -> None:
        """Prepared files of one folder get what they inherit there, and the attributes of their versions. Those for which
        that fails get no name. `names`: of the prepared files, by number of their change."""
        try:
            self._disk.inherit(folder, list(names.values()))
        except DiskError as error:
            results.update({number: failed(items[number], error) for number in names})
            return
        for number, name in names.items() if self._keeper.is_on else ():
            try:
                self._keeper.give(name, items[number].target)
            except DiskError as error:
                results[number] = failed(items[number], error)

    def _sync_files(
        self,
        items: tuple[ApplyItem, ...],
        unsynced: list[Writer],
        staged: dict[int, tuple[bytes, Stat]],
        results: dict[int, ApplyResult],
        together: bool,
    ) -> bool:
        """Make the contents durable before they get their names. False if that failed. A second sync would not help: it
        may report success, because the kernel marks pages that could not be written as clean."""
        try:
            if together:
                if staged:
                    self._disk.sync_all()
            else:
                for writer in unsynced:
                    writer.sync()
        except DiskError as error:
            for number in staged:
                results[number] = problem(items[number].path, error)
            return False
        return True

    def _sync_folders(
        self, folders: dict[bytes, None], items: tuple[ApplyItem, ...], results: dict[int, ApplyResult]
    ) -> None:
        """Make the names durable before the changes are reported."""
        try:
            if len(folders) >= SYNC_ALL_FROM:
                self._disk.sync_all()
            else:
                for folder in folders:
                    try:
                        self._disk.sync_directory(folder)
                    except DiskError as error:
                        if error.trouble not in (Trouble.ABSENT, Trouble.BOUNDARY, Trouble.WRONG_TYPE):
                            raise  # otherwise it is no longer a folder, and has no names of ours
        except DiskError as error:
            for number in range(len(items)):
                if results[number].result == Result.DONE:
                    # the version is there, whatever else has to be done once more
                    results[number] = results[number]._replace(result=Result.PROBLEM, fp=b"", problem=str(error))

    def _report_filed(
        self, items: tuple[ApplyItem, ...], results: dict[int, ApplyResult], folders: dict[bytes, None]
    ) -> tuple[Version, ...]:
        """Whatever went into the history is reported, also if the change failed afterwards. Returns users' files that no
        look has seen."""
        rescued: list[Version] = []
        for number, item in enumerate(items):
            result = results[number]
            filed = self._history.take_filed(item.path)
            if item.act is TreeOp.MOVE and item.copy_path is not None:
                # Only a move works on its source. What was displaced at the source of a copy is another change's.
                filed += self._history.take_filed(item.copy_path)
            for version in filed:
                folders[parent_of(version.name)] = None
                if version.why is Cause.RECOVERED:
                    rescued.append(version)
                elif result.version in (None, version):
                    is_unread = self._history.take_unread(version)
                    results[number] = result = result._replace(version=version, is_unread=is_unread)
        return tuple(rescued)

    def _change(self, item: ApplyItem, staged: tuple[bytes, Stat] | None, folders: dict[bytes, None]) -> ApplyResult:
        match item.act:
            case TreeOp.INSTALL:
                result = self._installer.install(item, staged)
                if item.staged is not None and item.target.kind is Kind.FILE:
                    self._unsigned.hold(item.path, result.fp, item.target.content, item.target.size, item.known)
            case TreeOp.REMOVE:
                result = self._installer.remove(item)
            case TreeOp.MOVE:
                result = self._mover.move(item)
                assert item.copy_path is not None
                folders[parent_of(item.copy_path)] = None
            case TreeOp.META:
                result = self._meta.set_meta(item)
        folders[parent_of(item.path)] = None
        return result


def is_new_file(item: ApplyItem) -> bool:
    """True for a file whose content came with the job and which replaces nothing."""
    _, act, target, expect, _, data, *_ = item
    return data is not None and not expect and act is TreeOp.INSTALL and target.kind is Kind.FILE
