"""A disk in memory: what dir_sync.disk.RealDisk does to a file system, done to inodes in one process.

In:   the verbs of ports.Disk from the program; the verbs of a user, who knows nothing of it; a clock, and a random generator.
Out:  the same answers and the same Troubles as the real disk (tests/disk/test_contract.py holds both to it), and a power cut.
Rule: one thread, and only the clock and the random generator from outside: equal seeds give equal disks.
Below it: memory_tree, which says what a power cut leaves; memory_file has the open files.
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from random import Random
from typing import Any

from dir_sync.core.attributes import Attributes
from dir_sync.core.model import Kind, Stat
from dir_sync.core.preserve import Part
from dir_sync.ports import DiskError, NewFile, Trouble
from tests.sim.memory_file import MemoryFile
from tests.sim.memory_tree import OWNER, RESERVED, Inode, MemoryTree, is_below, stat_of

__all__ = ["Before", "Fail", "MemoryDisk", "MemoryFile"]

Fail = Callable[[str, bytes], Trouble | None]
Before = Callable[[str, bytes], None]
Xattrs = tuple[tuple[bytes, bytes], ...]

FIELDS = {Part.OWNER: "owner", Part.ACLS: "acls", Part.XATTRS: "xattrs"}

_PLENTY_BYTES = 1 << 40  # free space where there is no capacity


class MemoryDisk(MemoryTree):
    """ports.Disk, and a user beside it. See MemoryTree for the arguments.

    `before(verb, path)` is called at each verb of the program, before anything is done, and may change the disk with
    the user's verbs. `fail(verb, path)` is called next, and what it returns is raised. Rename, exchange and
    keep_attributes call both for each of their two paths. The verbs of open files are "file.read", "file.write" and
    so on, with the path they were opened by. `counts` counts all verbs of the program.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        rng: Random,
        *,
        grain_ns: int = 0,
        capacity: int | None = None,
        mtimes: tuple[int, int] | None = None,
        cruel: bool = False,
        fold: Callable[[bytes], bytes] | None = None,
    ) -> None:
        super().__init__(clock, rng, grain_ns=grain_ns, capacity=capacity, mtimes=mtimes, cruel=cruel, fold=fold)
        self.before: Before | None = None
        self.fail: Fail | None = None
        self.counts: Counter[str] = Counter()
        self.root_here = True
        self.supports_exchange = True
        self.unreadable: set[int] = set()  # inodes whose content the program cannot read
        self.others: set[int] = set()  # inodes of another user: only they may set mode and times
        self._away: Inode | None = None  # the root, while it is gone
        self.names_max = 65_000  # of one file
        self.kept_parts: frozenset[Part] = frozenset()  # the attributes that the program keeps here

    # --- ports.Disk -----------------------------------------------------------------------------------------------------

    def batch(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stat(self, path: bytes) -> Stat | None:
        self._enter("stat", path)
        inode = self._find(path)
        return None if inode is None else stat_of(inode)

    def list(self, path: bytes) -> builtins.list[tuple[bytes, Stat]] | None:
        self._enter("list", path)
        inode = self._find(path)
        if inode is None or inode.kind != Kind.DIRECTORY:
            return None
        if inode.foreign:
            raise DiskError(Trouble.BOUNDARY, path)
        return [(name, stat_of(entry)) for name, entry in inode.entries.items()]

    def names(self, path: bytes) -> builtins.list[bytes] | None:
        found = self.list(path)
        return None if found is None else [name for name, _ in found]

    def folder_flags(self, path: bytes, add: int = 0) -> int:
        if add:
            raise DiskError(Trouble.NAME, path, "no such flag")
        return 0

    def spelled(self, path: bytes) -> bytes | None:
        """As the real disk: what is blind is wrapped by whoever uses it (disk.spelling)."""
        return None

    def read_link(self, path: bytes) -> bytes:
        self._enter("read_link", path)
        _, _, inode = self._existing(path)
        if inode.kind != Kind.SYMLINK:
            raise DiskError(Trouble.WRONG_TYPE, path)
        return inode.target

    def open(self, path: bytes) -> MemoryFile:
        self._enter("open", path)
        return MemoryFile(self, self._file(path), path, hooked=True, writes=False)

    def create(self, path: bytes) -> MemoryFile:
        self._enter("create", path)
        return MemoryFile(self, self._make(path, Kind.FILE, 0o600), path, hooked=True)

    def read_small(self, path: bytes, size_max: int) -> tuple[Stat, bytes] | None:
        reader = self.open(path)
        try:
            before = reader.stat()
            if before.size > size_max:
                return None
            data = reader.read(0, before.size + 1)
            return (before, data) if len(data) == before.size and reader.stat() == before else None
        finally:
            reader.close()

    def read_many(self, path: bytes, names: Iterable[bytes], size_max: int) -> list[tuple[Stat, bytes] | None]:
        found: list[tuple[Stat, bytes] | None] = []
        for name in names:
            try:
                found.append(self.read_small(path + b"/" + name if path else name, size_max))
            except DiskError:
                found.append(None)
        return found

    def create_whole(self, path: bytes, data: bytes, mode: int, mtime: int, sync: bool) -> Stat:
        file = self.create(path)
        try:
            if data:
                file.write(0, data)
            file.set_meta(mode, mtime)
            if sync:
                file.sync()
            return file.stat()
        except DiskError:
            try:
                self.remove_file(path)
            except DiskError:
                pass  # the first trouble is the one to tell
            raise
        finally:
            file.close()

    def create_many(self, path: bytes, files: Sequence[NewFile]) -> list[Stat | DiskError]:
        made: list[Stat | DiskError] = []
        for name, data, mode, mtime in files:
            try:
                made.append(self.create_whole(path + b"/" + name, data, mode, mtime, False))
            except DiskError as error:
                made.append(error)
        return made

    def reopen(self, path: bytes) -> MemoryFile:
        self._enter("reopen", path)
        return MemoryFile(self, self._file(path), path, hooked=True)

    def append(self, path: bytes) -> MemoryFile:
        self._enter("append", path)
        return MemoryFile(self, self._file(path), path, hooked=True, appends=True)

    def is_closed(self, path: bytes) -> bool:
        self._enter("is_closed", path)
        inode = self._find(path)
        return inode is not None and inode.kind == Kind.FILE and not inode.writers

    def is_open(self, path: bytes) -> bool:
        self._enter("is_open", path)
        inode = self._find(path)
        return inode is not None and inode.kind == Kind.FILE and inode.writers > 0

    def make_directory(self, path: bytes, mode: int) -> None:
        self._enter("make_directory", path)
        self._make(path, Kind.DIRECTORY, mode & 0o777)

    def make_link(self, path: bytes, target: bytes) -> None:
        self._enter("make_link", path)
        self._make_link(path, target)

    def link(self, source: bytes, target: bytes) -> None:
        self._enter("link", source, target)
        inode = self._file(source)
        if inode.links >= self.names_max:
            raise DiskError(Trouble.NO_LINK, source)
        self._give_name(source, target)

    def remove_directory(self, path: bytes) -> None:
        self._enter("remove_directory", path)
        self._remove_directory(path)

    def remove_file(self, path: bytes) -> None:
        self._enter("remove_file", path)
        self._remove_file(path)

    def rename(self, source: bytes, target: bytes) -> None:
        self._enter("rename", source, target)
        self._rename(source, target)

    def rename_many(self, moves: Sequence[tuple[bytes, bytes]]) -> list[Stat | None | DiskError]:
        moved: list[Stat | None | DiskError] = []
        for source, target in moves:
            try:
                self.rename(source, target)
                moved.append(self.stat(target))
            except DiskError as error:
                moved.append(error)
        return moved

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        self._enter("exchange", mine, theirs)
        here, name = self._parent(mine)
        there, other = self._parent(theirs)
        first, second = here.entries.get(name), there.entries.get(other)
        if first is None or second is None:
            raise DiskError(Trouble.ABSENT, mine)
        if is_below(self.real(mine), self.real(theirs)) or is_below(self.real(theirs), self.real(mine)):
            raise DiskError(Trouble.NAME, mine)
        if first.foreign or second.foreign:
            raise DiskError(Trouble.BOUNDARY, mine)
        if first is second:
            return
        self._log(here, name, there, other)
        here.entries[name] = second
        there.entries[other] = first
        moved = (first.kind == Kind.DIRECTORY) - (second.kind == Kind.DIRECTORY)
        here.links -= moved
        there.links += moved
        for inode in (here, there):
            self._stamp(inode)
        for inode in (first, second):
            self._stamp(inode, content=False)

    def set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        self._enter("set_meta", path)
        if self._is_others(path):
            raise DiskError(Trouble.DENIED, path)
        self._set_meta(path, mode, mtime)

    def keep_attributes(self, of: bytes, on: bytes) -> None:
        self._enter("keep_attributes", of, on)
        old, new = self._find(of), self._find(on)
        if old is not None and new is not None:
            new.attributes = old.attributes

    @property
    def keeps(self) -> frozenset[Part]:
        return self.kept_parts

    def read_attributes(self, path: bytes, known: Attributes | None) -> Attributes | None:
        if not self.kept_parts:
            return None
        self._enter("read_attributes", path)
        inode = self._existing(path)[2]
        there = {field: getattr(inode.attributes, field) for part, field in FIELDS.items() if part in self.kept_parts}
        if inode.kind is Kind.SYMLINK:
            there = {field: value for field, value in there.items() if field == "owner"}
        if known is not None:
            for field, plain in (("owner", OWNER), ("acls", ((), ())), ("xattrs", ())):
                if getattr(known, field) is None and there.get(field) == plain:
                    there[field] = None
        return Attributes(**there) if any(value is not None for value in there.values()) else None

    def set_attributes(self, path: bytes, wanted: Attributes) -> None:
        if not self.kept_parts:
            return
        self._enter("set_attributes", path)
        inode = self._existing(path)[2]
        given = {field: getattr(wanted, field) for part, field in FIELDS.items() if part in self.kept_parts}
        if inode.kind is Kind.SYMLINK:
            given = {field: value for field, value in given.items() if field == "owner"}
        for field in [field for field, value in given.items() if value is not None]:
            steps = [given[field]]
            if field == "xattrs" and inode.attributes.xattrs != given[field]:
                steps = list(_steps(inode.attributes.xattrs or (), given[field]))
            for step in steps:
                self._enter("set_attributes", path)
                inode = self._existing(path)[2]
                self._set_attributes(inode, inode.attributes._replace(**{field: step}))

    def change_attributes(self, path: bytes, **given: Any) -> None:
        """A user does."""
        inode = self._existing(path)[2]
        self._set_attributes(inode, inode.attributes._replace(**given))

    def _set_attributes(self, inode: Inode, attributes: Attributes) -> None:
        if attributes != inode.attributes:
            self._log_times(inode)
            inode.attributes = attributes
            self._stamp(inode, content=False)

    def inherit(self, folder: bytes, on: Sequence[bytes]) -> None:
        """No folder has anything to inherit here."""

    def make_plain(self, path: bytes) -> None:
        """As `inherit`."""

    def is_only_replaceable(self, path: bytes) -> bool:
        return self._is_others(path)

    def _is_others(self, path: bytes) -> bool:
        inode = self._find(path)
        return inode is not None and inode.number in self.others

    def sync_directory(self, path: bytes) -> None:
        self._enter("sync_directory", path)
        if path:
            inode = self._existing(path)[2]
            if inode.kind == Kind.SYMLINK or inode.foreign:
                raise DiskError(Trouble.BOUNDARY, path)
            if inode.kind != Kind.DIRECTORY:
                raise DiskError(Trouble.ABSENT, path)
        self._journal.clear()

    def sync_all(self) -> None:
        try:
            self._enter("sync_all", b"")
        except DiskError:
            staging = self._find(RESERVED + b"/staging")
            for inode in staging.entries.values() if staging is not None else ():
                self._sync_failed(inode)
            raise
        self.settle()

    def free_bytes(self) -> int:
        self._enter("free_bytes", b"")
        return _PLENTY_BYTES if self.capacity is None else max(0, self.capacity - self._used)

    def is_root_here(self) -> bool:
        self._enter("is_root_here", b"")
        return self.root_here

    def close(self) -> None:
        """Nothing is held."""

    # --- the user -------------------------------------------------------------------------------------------------------

    def write(
        self, path: bytes, data: bytes, mtime: int | None = None, *, replace: bool = False, mode: int = 0o644
    ) -> None:
        """Save a file: a new one (of `mode`), else in place, or as editors do it, with a new file renamed over the
        old one. Parents must be there."""
        old = self._find(path)
        if old is not None and old.kind == Kind.DIRECTORY:
            raise DiskError(Trouble.WRONG_TYPE, path)
        if old is None or replace or old.kind != Kind.FILE:
            parent, name = self._parent(path)
            inode = self._inode(Kind.FILE, mode if old is None or old.kind != Kind.FILE else old.mode)
            try:
                self._put(inode, 0, data, path)
            except DiskError:
                self._unsynced.pop(inode.number)
                self._free(inode)
                raise
            self._enter_name(parent, name, inode)
        else:
            inode = old
            self._cut(inode, 0)
            self._put(inode, 0, data, path)
        if mtime is not None:
            self._set_times(inode, mtime)

    def hold(self, path: bytes) -> MemoryFile:
        """A user's program has the file open, for reading and writing, whatever becomes of its name. No hooks."""
        return MemoryFile(self, self._file(path), path, hooked=False)

    def delete(self, path: bytes) -> None:
        """A file, or a folder with all that is in it, one name after the other."""
        _, _, inode = self._existing(path)
        if inode.kind != Kind.DIRECTORY or inode.foreign:
            self._remove_file(path)
            return
        for name in [*inode.entries]:
            self.delete(path + b"/" + name)
        self._remove_directory(path)

    def move(self, source: bytes, target: bytes) -> None:
        """rename(2): may replace a file with a file, and an empty folder with a folder."""
        _, _, inode = self._existing(source)
        taken = self._find(target)
        if taken is not None and taken is not inode:
            if taken.kind != Kind.DIRECTORY and inode.kind != Kind.DIRECTORY:
                self._rename(source, target, replace=True)
                return
            if taken.kind != Kind.DIRECTORY or inode.kind != Kind.DIRECTORY:
                raise DiskError(Trouble.WRONG_TYPE, target)
            if taken.entries:
                raise DiskError(Trouble.NOT_EMPTY, target)
            if is_below(self.real(target), self.real(source)):
                raise DiskError(Trouble.NAME, target)
            self._remove_directory(target)
        if taken is not inode:
            self._rename(source, target)
        elif self.fold is not None and target != source:
            self._rename(source, target, replace=True)

    def mkdir(self, path: bytes, mode: int = 0o755) -> None:
        """With all parents that are missing; nothing happens if it is there."""
        missing = []
        while path and self._find(path) is None:
            missing.append(path)
            path = path.rpartition(b"/")[0]
        for folder in reversed(missing):
            self._make(folder, Kind.DIRECTORY, mode & 0o777)

    def symlink(self, path: bytes, target: bytes) -> None:
        self._make_link(path, target)

    def give_name(self, source: bytes, target: bytes) -> None:
        """A hard link: a second name of one file."""
        self._give_name(source, target)

    def _give_name(self, source: bytes, target: bytes) -> None:
        _, _, inode = self._existing(source)
        if inode.kind == Kind.DIRECTORY:
            raise DiskError(Trouble.DENIED, source)
        parent, name = self._parent(target)
        if name in parent.entries:
            raise DiskError(Trouble.EXISTS, target)
        self._enter_name(parent, name, inode)
        self._stamp(inode, content=False)

    def mkfifo(self, path: bytes) -> None:
        self._make(path, Kind.OTHER, 0o644)

    def chmod(self, path: bytes, mode: int) -> None:
        self._set_meta(path, mode, None)

    def touch(self, path: bytes, mtime: int | None = None) -> None:
        _, _, inode = self._existing(path)
        if mtime is None:
            self._log_times(inode)
            self._stamp(inode)
        else:
            self._set_meta(path, None, mtime)

    def mount(self, path: bytes) -> None:
        """Another file system is mounted on this folder: what is below is out of reach until unmount()."""
        _, _, inode = self._existing(path)
        assert inode.kind == Kind.DIRECTORY
        inode.foreign = True

    def unmount(self, path: bytes) -> None:
        _, _, inode = self._existing(path)
        inode.foreign = False

    def go_away(self) -> None:
        """The folder is gone: what is there instead is empty."""
        if self._away is None:
            self._away, self._root = self._root, self._inode(Kind.DIRECTORY, 0o755)
            self._root.links = 2
            self.root_here = False

    def come_back(self) -> None:
        if self._away is not None:
            self._root, self._away = self._away, None
            self.root_here = True

    def end_programs(self) -> None:
        """All programs end, and so close what they have open."""
        self.generation += 1
        self.locked = None
        for inode in self._walk(self._root if self._away is None else self._away):
            inode.handles = inode.writers = 0

    @contextmanager
    def calm(self) -> Iterator[None]:
        """For who only watches: nothing fails, and nobody acts before a verb."""
        before, fail = self.before, self.fail
        self.before = self.fail = None
        try:
            yield
        finally:
            self.before, self.fail = before, fail

    def _enter(self, verb: str, *paths: bytes) -> None:
        self.counts[verb] += 1
        if self.before is not None:
            for path in paths:
                self.before(verb, path)
        if self.fail is not None:
            for path in paths:
                trouble = self.fail(verb, path)
                if trouble is not None:
                    raise DiskError(trouble, path, "as ordered")


def _steps(now: Xattrs, wanted: Xattrs) -> Iterator[Xattrs]:
    """Extended attributes are removed and set one by one; what is there after each step."""
    has, shall = dict(now), dict(wanted)
    for name in sorted(has.keys() - shall.keys()):
        del has[name]
        yield tuple(sorted(has.items()))
    for name, value in wanted:
        has[name] = value
        yield tuple(sorted(has.items()))
