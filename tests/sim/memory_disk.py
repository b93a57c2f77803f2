"""A disk in memory: what dir_sync.disk.RealDisk does to a file system, done to inodes in one process.

In:   the verbs of ports.Disk from the program; the verbs of a user, who knows nothing of it; a clock, and dice.
Out:  the same answers and the same Troubles as the real disk (tests/disk/test_contract.py holds both to it), and a power cut.
Rule: one thread, and only the clock and the dice from outside: equal seeds give equal disks.

What a power cut leaves, as ext4 with data=ordered might, and no kinder:
  - Names, modes and times go through one journal, in order. Any sync of anything commits all of it; of what came
    later a cut keeps a part from the start, nothing out of order. So an fsync of a file keeps its name too.
  - Content is on the medium when that file was synced, or all was. Of a file written since, a cut leaves the content
    it had at its last sync, or nothing, or a piece from the start of the new content, or all of it. What was only
    appended to does not get shorter than it was at its last sync, and how long it is goes through the journal, too: what
    was appended after a name was made is lost with that name.
  - Open files are gone.
"""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from random import Random

from dir_sync.core.model import Kind, Stat
from dir_sync.ports import DiskError, NewFile, Reader, Trouble

__all__ = ["Before", "Fail", "MemoryDisk", "MemoryFile", "Tree"]

Tree = dict[bytes, tuple[Kind, bytes, int, int]]
"""path -> (kind, content or target, mode, mtime), sorted by path."""

Fail = Callable[[str, bytes], Trouble | None]
Before = Callable[[str, bytes], None]

_DEVICE = 1
_FOREIGN_DEVICE = 2
_PART_BYTES_MAX = 255
_TARGET_BYTES_MAX = 4095
_PLENTY_BYTES = 1 << 40  # free space where there is no capacity
_RESERVED = b".dir_sync"

_NO_NAMES = frozenset((b"", b".", b".."))

Folder = dict[bytes, "_Inode"]


class _Inode:
    """`entries` of a directory, `data` of a file and `target` of a link, nothing else of the others."""

    __slots__ = (
        "ctime", "data", "durable", "durable_times", "entries", "foreign", "handles", "kind", "links", "mode",
        "mtime", "number", "target",
    )  # fmt: skip

    def __init__(self, number: int, kind: Kind, mode: int, now: int) -> None:
        self.number = number
        self.kind = kind
        self.mode = mode
        self.mtime = self.ctime = now
        self.links = 0
        self.handles = 0
        self.data = bytearray()
        self.durable = b""  # content at the last sync; meaningful only while the inode is among the unsynced
        self.durable_times = now, now  # mtime and ctime then
        self.target = b""
        self.entries: Folder = {}
        self.foreign = False  # something else is mounted on it


class MemoryDisk:
    """ports.Disk, and a user beside it.

    `clock` gives ns. `grain_ns` 0: two changes of one file never have the same times; else all times are rounded
    down to a multiple of it. `mtimes` is what the file system can hold: what is outside is clamped.
    `capacity` in bytes of content; None: no end. `cruel`: see crash(). `fold`: the disk is blind: names that it makes equal
    are one name, which is listed as it was first given; as on vfat, whoever looks by another spelling finds it.

    `before(verb, path)` is called at each verb of the program, before anything is done, and may change the disk with
    the user's verbs. `fail(verb, path)` is called next, and what it returns is raised. Rename, exchange and
    keep_attributes call both for each of their two paths. The verbs of open files are "file.read", "file.write" and
    so on, with the path they were opened by. `counts` counts all verbs of the program.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        dice: Random,
        *,
        grain_ns: int = 0,
        capacity: int | None = None,
        mtimes: tuple[int, int] | None = None,
        cruel: bool = False,
        fold: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.clock = clock
        self.dice = dice
        self.grain_ns = grain_ns
        self.capacity = capacity
        self.mtimes = mtimes
        self.cruel = cruel
        self.fold = fold
        self.before: Before | None = None
        self.fail: Fail | None = None
        self.counts: Counter[str] = Counter()
        self.root_here = True
        self.supports_exchange = True
        self.generation = 0  # one more at each crash; files opened before are gone
        self.locked: int | None = None  # an inode that no user can open at this moment
        self.unreadable: set[int] = set()  # inodes whose content the program cannot read
        self.others: set[int] = set()  # inodes of another user: only they may set mode and times
        self._never_synced: set[int] = set()  # of ours: their sync failed, and no later one makes up for it
        self._away: _Inode | None = None  # the root, while it is gone

        self._used = 0
        self._numbers = 1
        self._root = self._inode(Kind.DIRECTORY, 0o755)
        self._root.links = 2
        self._unsynced: dict[int, _Inode] = {}  # files written since their last sync, by number
        self._journal: builtins.list[_Entry] = []  # what would undo each change of a name or of times, oldest first

    # --- ports.Disk -------------------------------------------------------------------------------------------------

    def batch(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stat(self, path: bytes) -> Stat | None:
        self._enter("stat", path)
        inode = self._find(path)
        return None if inode is None else _stat(inode)

    def list(self, path: bytes) -> builtins.list[tuple[bytes, Stat]] | None:
        self._enter("list", path)
        inode = self._find(path)
        if inode is None or inode.kind != Kind.DIRECTORY:
            return None
        if inode.foreign:
            raise DiskError(Trouble.BOUNDARY, path)
        return [(name, _stat(entry)) for name, entry in inode.entries.items()]

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
        return MemoryFile(self, self._file(path), path, hooked=True)

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
        return inode is not None and inode.kind == Kind.FILE and not inode.handles

    def make_directory(self, path: bytes, mode: int) -> None:
        self._enter("make_directory", path)
        self._make(path, Kind.DIRECTORY, mode & 0o777)

    def make_link(self, path: bytes, target: bytes) -> None:
        self._enter("make_link", path)
        self._make_link(path, target)

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
        if _is_below(self.real(mine), self.real(theirs)) or _is_below(self.real(theirs), self.real(mine)):
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
        """Counted and hooked; there are no attributes here."""
        self._enter("keep_attributes", of, on)

    def inherit(self, folder: bytes, on: Sequence[bytes]) -> None:
        """There are no groups and no ACLs here."""

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
            staging = self._find(_RESERVED + b"/staging")
            ours = staging.entries.values() if staging is not None else ()
            self._never_synced.update(inode.number for inode in ours if inode.number in self._unsynced)
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

    # --- the user ---------------------------------------------------------------------------------------------------

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
            if _is_below(self.real(target), self.real(source)):
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

    def link(self, source: bytes, target: bytes) -> None:
        """A hard link: a second name of one file."""
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

    def tree(self) -> Tree:
        """All that a user sees; not what is named `.dir_sync`, nor what is below it."""
        found: Tree = {}
        ahead = [(b"", self._root)]
        while ahead:
            above, folder = ahead.pop()
            for name, inode in folder.entries.items():
                if name == _RESERVED:
                    continue
                path = above + name
                kind = Kind.OTHER if inode.foreign else inode.kind
                content = bytes(inode.data) if kind == Kind.FILE else inode.target
                found[path] = kind, content, inode.mode, inode.mtime
                if kind == Kind.DIRECTORY:
                    ahead.append((path + b"/", inode))
        return dict(sorted(found.items()))

    def content(self, path: bytes) -> bytes | None:
        """Of a file, `.dir_sync` not excepted; None if there is no such file."""
        inode = self._find(path)
        return None if inode is None or inode.kind != Kind.FILE else bytes(inode.data)

    def settle(self) -> None:
        """All that was written reaches the medium, as it does by itself after half a minute."""
        self._unsynced = {number: self._unsynced[number] for number in self._never_synced & self._unsynced.keys()}
        self._journal.clear()

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
            inode.handles = 0

    # --- the power cut ----------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """The power fails: what was not synced may be lost (see the top of this module). The disk is used on.

        Where old content comes back, its times come back; where it does not, nor do they. A `cruel` disk may mix them, as
        ext4 may: then, if the size is the same, no stat can tell, and only reading does."""
        dice = self.dice
        written = {number: (inode.mtime, inode.ctime) for number, inode in self._unsynced.items()}
        kept = dice.randint(0, len(self._journal))
        lengths: dict[int, int] = {}  # what was appended to is not longer than the journal says
        while len(self._journal) > kept:
            entry = self._journal.pop()
            entry.undo()
            if isinstance(entry, _Meta):
                lengths[entry.inode.number] = entry.length
        for number in sorted(self._unsynced):
            inode = self._unsynced[number]
            match dice.randrange(4):
                case 0:
                    inode.data = bytearray(inode.durable)
                    if not self.cruel:
                        inode.mtime, inode.ctime = inode.durable_times
                case 1 if not inode.data.startswith(inode.durable):
                    inode.data = bytearray()
                case 1 | 2:
                    least = len(inode.durable) if inode.data.startswith(inode.durable) else 0
                    del inode.data[dice.randint(least, len(inode.data)) :]
                case _:
                    pass
            if inode.data.startswith(inode.durable) and len(inode.data) > lengths.get(number, len(inode.data)):
                del inode.data[max(len(inode.durable), lengths[number]) :]
            if inode.data != inode.durable and not self.cruel:
                inode.mtime, inode.ctime = written[number]
        self._never_synced.clear()
        self.locked = None
        self.settle()
        self.generation += 1
        self._count_again()

    def _count_again(self) -> None:
        """Links and space in use, from what is there."""
        names: Counter[int] = Counter()
        inodes: dict[int, _Inode] = {self._root.number: self._root}
        for inode in self._walk(self._root):
            names[inode.number] += 1
            inodes[inode.number] = inode
        self._used = 0
        for number, inode in inodes.items():
            inode.handles = 0
            if inode.kind == Kind.DIRECTORY:
                inode.links = 2 + sum(entry.kind == Kind.DIRECTORY for entry in inode.entries.values())
            else:
                inode.links = names[number]
                self._used += len(inode.data)

    def _walk(self, folder: _Inode) -> Iterator[_Inode]:
        ahead = [folder]
        while ahead:
            for inode in ahead.pop().entries.values():
                yield inode
                if inode.kind == Kind.DIRECTORY:
                    ahead.append(inode)

    # --- names ------------------------------------------------------------------------------------------------------

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

    def _parent(self, path: bytes) -> tuple[_Inode, bytes]:
        """The folder that `path` is in, and its last part. DiskError unless it is a folder of ours."""
        parts = _parts(path)
        if not parts:
            raise DiskError(Trouble.NAME, path)
        name = parts[-1]
        at = self._root
        for part in parts[:-1]:
            below = at.entries.get(self._listed(at, part))
            if below is None:
                raise DiskError(Trouble.NAME if len(part) > _PART_BYTES_MAX else Trouble.ABSENT, path)
            if below.kind is not Kind.DIRECTORY:
                raise DiskError(Trouble.BOUNDARY if below.kind is Kind.SYMLINK else Trouble.ABSENT, path)
            if below.foreign:
                raise DiskError(Trouble.BOUNDARY, path)
            at = below
        if len(name) > _PART_BYTES_MAX:
            raise DiskError(Trouble.NAME, path)
        return at, self._listed(at, name)

    def _listed(self, folder: _Inode, name: bytes) -> bytes:
        """How a folder lists what is found as `name`; `name` if nothing is."""
        if self.fold is None or name in folder.entries or folder.kind is not Kind.DIRECTORY:
            return name
        key = self.fold(name)
        return next((other for other in folder.entries if self.fold(other) == key), name)

    def real(self, path: bytes) -> bytes:
        """How its folders list a path, as far as it is there."""
        at, real = self._root, []
        for part in _parts(path):
            name = self._listed(at, part)
            real.append(name)
            below = at.entries.get(name)
            if below is not None:
                at = below
        return b"/".join(real)

    def _find(self, path: bytes) -> _Inode | None:
        """None if it is not there, also if a part of the path is a file or a link."""
        if not path:
            return self._root
        parts = _parts(path)
        if not parts:
            raise DiskError(Trouble.NAME, path)
        at = self._root
        for part in parts:
            if at.foreign:
                raise DiskError(Trouble.BOUNDARY, path)
            if at.kind is not Kind.DIRECTORY:
                return None
            below = at.entries.get(self._listed(at, part))
            if below is None:
                if len(part) > _PART_BYTES_MAX:
                    raise DiskError(Trouble.NAME, path)
                return None
            at = below
        return at

    def _existing(self, path: bytes) -> tuple[_Inode, bytes, _Inode]:
        parent, name = self._parent(path)
        inode = parent.entries.get(name)
        if inode is None:
            raise DiskError(Trouble.ABSENT, path)
        return parent, name, inode

    def _file(self, path: bytes) -> _Inode:
        _, _, inode = self._existing(path)
        if inode.kind != Kind.FILE:
            raise DiskError(Trouble.WRONG_TYPE, path)
        return inode

    # --- changes ----------------------------------------------------------------------------------------------------

    def _inode(self, kind: Kind, mode: int) -> _Inode:
        number = self._numbers
        self._numbers += 1
        return _Inode(number, kind, mode, self._now())

    def _now(self) -> int:
        now = self.clock()
        return now - now % self.grain_ns if self.grain_ns else now

    def _stamp(self, inode: _Inode, content: bool = True) -> None:
        """The inode was changed now, its content too or only what is known about it."""
        now = self._now()
        if not self.grain_ns and now <= inode.ctime and now > inode.ctime - 1_000_000_000:
            now = inode.ctime + 1  # not if the clock was set back
        inode.ctime = now
        if content:
            inode.mtime = now

    def _make(self, path: bytes, kind: Kind, mode: int) -> _Inode:
        parent, name = self._parent(path)
        if name in parent.entries:
            raise DiskError(Trouble.EXISTS, path)
        inode = self._inode(kind, mode)
        self._enter_name(parent, name, inode)
        return inode

    def _make_link(self, path: bytes, target: bytes) -> None:
        if not target or b"\0" in target or len(target) > _TARGET_BYTES_MAX:
            raise DiskError(Trouble.NAME, path)
        self._make(path, Kind.SYMLINK, 0o777).target = target

    def _enter_name(self, parent: _Inode, name: bytes, inode: _Inode) -> None:
        """`name` is `inode` now; what it was before has one name less."""
        self._log(parent, name)
        old = parent.entries.get(name)
        parent.entries[name] = inode
        if inode.kind == Kind.DIRECTORY:
            inode.links = 2
            parent.links += 1
        else:
            inode.links += 1
        self._stamp(parent)
        if old is not None:
            self._lose_name(parent, old)

    def _lose_name(self, parent: _Inode, inode: _Inode) -> None:
        if inode.kind == Kind.DIRECTORY:
            inode.links = 0
            parent.links -= 1
            return
        inode.links -= 1
        self._stamp(inode, content=False)
        self._free(inode)

    def _free(self, inode: _Inode) -> None:
        if not inode.links and not inode.handles:
            self._used -= len(inode.data)

    def _remove_directory(self, path: bytes) -> None:
        parent, name, inode = self._existing(path)
        if inode.foreign:
            raise DiskError(Trouble.BOUNDARY, path)
        if inode.kind != Kind.DIRECTORY:
            raise DiskError(Trouble.WRONG_TYPE, path)
        if inode.entries:
            raise DiskError(Trouble.NOT_EMPTY, path)
        self._log(parent, name)
        del parent.entries[name]
        self._stamp(parent)
        self._lose_name(parent, inode)

    def _remove_file(self, path: bytes) -> None:
        parent, name, inode = self._existing(path)
        if inode.kind == Kind.DIRECTORY:
            raise DiskError(Trouble.WRONG_TYPE, path)
        self._log(parent, name)
        del parent.entries[name]
        self._stamp(parent)
        self._lose_name(parent, inode)

    def _rename(self, source: bytes, target: bytes, replace: bool = False) -> None:
        here, name = self._parent(source)
        there, other = self._parent(target)
        inode, old = here.entries.get(name), there.entries.get(other)
        if inode is None:
            raise DiskError(Trouble.ABSENT, source)
        if old is not None and not replace:
            raise DiskError(Trouble.EXISTS, target)
        if _is_below(self.real(target), self.real(source)):
            raise DiskError(Trouble.NAME, source)
        if inode.foreign:
            raise DiskError(Trouble.BOUNDARY, source)
        if old is inode:
            other = _parts(target)[-1]
            if here is not there or other in here.entries:
                return  # two names of one file: nothing happens
            old = None  # another spelling of its name
        self._log(here, name, there, other)
        del here.entries[name]
        there.entries[other] = inode
        if inode.kind == Kind.DIRECTORY and here is not there:
            here.links -= 1
            there.links += 1
        self._stamp(here)
        self._stamp(there)
        self._stamp(inode, content=False)
        if old is not None:
            self._lose_name(there, old)

    def _set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        inode = self._find(path) if not path else self._existing(path)[2]
        assert inode is not None
        if inode.kind == Kind.OTHER or inode.foreign:
            raise DiskError(Trouble.WRONG_TYPE, path)
        self._log_times(inode)
        if mode is not None and inode.kind != Kind.SYMLINK and mode & 0o777 != inode.mode:
            inode.mode = mode & 0o777
            self._stamp(inode, content=False)
        if mtime is not None and mtime != inode.mtime:
            self._set_times(inode, mtime)

    def _set_times(self, inode: _Inode, mtime: int) -> None:
        if self.mtimes is not None:
            mtime = min(max(mtime, self.mtimes[0]), self.mtimes[1])
        if self.grain_ns:
            mtime -= mtime % self.grain_ns
        self._log_times(inode)
        self._stamp(inode, content=False)
        inode.mtime = mtime

    def _put(self, inode: _Inode, offset: int, data: bytes | memoryview, path: bytes) -> None:
        """As much as there is room for; FULL if that is not all."""
        self._soil(inode)
        content = inode.data
        size = len(content)
        more = offset + len(data) - size
        full = False
        if more > 0:
            if self.capacity is not None and self._used + more > self.capacity:
                full = True
                more = max(0, self.capacity - self._used)
                data = data[: max(0, size + more - offset)]
                more = max(0, offset + len(data) - size) if data else 0
            self._used += more
        if data:
            if offset > size:
                content.extend(bytes(offset - size))
            content[offset : offset + len(data)] = data
            self._stamp(inode)
        if full:
            raise DiskError(Trouble.FULL, path)

    def _cut(self, inode: _Inode, length: int) -> None:
        self._soil(inode)
        size = len(inode.data)
        if length < size:
            del inode.data[length:]
        else:
            inode.data.extend(bytes(length - size))
        self._used += length - size
        self._stamp(inode)

    def _soil(self, inode: _Inode) -> None:
        """Its content is about to change."""
        if inode.number not in self._unsynced:
            inode.durable = bytes(inode.data)
            inode.durable_times = inode.mtime, inode.ctime
            self._unsynced[inode.number] = inode
        self._log_times(inode)

    # --- the journal ------------------------------------------------------------------------------------------------

    def _log(self, parent: _Inode, name: bytes, other_parent: _Inode | None = None, other: bytes = b"") -> None:
        """These one or two names are about to change, at once."""
        slots = [(parent.entries, name, parent.entries.get(name))]
        if other_parent is not None:
            slots.append((other_parent.entries, other, other_parent.entries.get(other)))
        self._journal.append(_Names(slots))

    def _log_times(self, inode: _Inode) -> None:
        """Mode and times are about to change. Many changes of one inode in a row are one."""
        journal = self._journal
        if journal and isinstance(last := journal[-1], _Meta) and last.inode is inode:
            return
        journal.append(_Meta(inode))


class MemoryFile:
    """ports.Writer, and so ports.Reader. With `hooked`, the verbs are counted, hooked and may be made to fail."""

    __slots__ = ("_appends", "_closed", "_disk", "_generation", "_hooked", "_inode", "_path")

    def __init__(self, disk: MemoryDisk, inode: _Inode, path: bytes, hooked: bool, appends: bool = False) -> None:
        self._appends = appends
        self._disk = disk
        self._inode = inode
        self._path = path
        self._hooked = hooked
        self._generation = disk.generation
        self._closed = False
        inode.handles += 1

    def stat(self) -> Stat:
        self._enter("file.stat")
        return _stat(self._inode)

    def read(self, offset: int, length: int) -> bytes:
        self._enter("file.read")
        if self._hooked and self._inode.number in self._disk.unreadable:
            raise DiskError(Trouble.IO, self._path, "a bad sector")
        return bytes(self._inode.data[offset : offset + length])

    def fileno(self) -> int:
        return -1

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self._enter("file.write")
        if self._appends:
            offset = len(self._inode.data)
        self._disk._put(self._inode, offset, data, self._path)

    def copy_from(self, source: Reader, source_offset: int, offset: int, length: int) -> int:
        self._enter("file.copy_from")
        data = source.read(source_offset, length)
        self._disk._put(self._inode, offset, data, self._path)
        return len(data)

    def lock(self) -> bool:
        self._enter("file.lock")
        if self._inode.handles > 1:
            return False
        self._disk.locked = self._inode.number
        return True

    def must_fit(self, length: int) -> None:
        self._enter("file.must_fit")

    def truncate(self, length: int) -> None:
        self._enter("file.truncate")
        self._disk._cut(self._inode, length)

    def set_meta(self, mode: int, mtime: int) -> None:
        self._enter("file.set_meta")
        self._disk._log_times(self._inode)
        self._inode.mode = mode & 0o777
        self._disk._set_times(self._inode, mtime)

    def start_flush(self, offset: int, length: int) -> None:
        self._enter("file.start_flush")

    def sync(self) -> None:
        try:
            self._enter("file.sync")
        except DiskError:
            self._disk._never_synced.add(self._inode.number)  # its pages count as clean now
            raise
        if self._inode.number not in self._disk._never_synced:
            self._disk._unsynced.pop(self._inode.number, None)
        self._disk._journal.clear()

    def close(self) -> None:
        """Never fails, and does nothing after a crash."""
        if self._closed:
            return
        self._closed = True
        if self._disk.locked == self._inode.number:
            self._disk.locked = None
        if self._generation == self._disk.generation:
            if self._hooked:
                self._disk.counts["file.close"] += 1
            self._inode.handles -= 1
            self._disk._free(self._inode)

    def _enter(self, verb: str) -> None:
        assert not self._closed, "a file was used after its close"
        if self._generation != self._disk.generation:
            raise DiskError(Trouble.IO, self._path, "the power failed")
        if self._hooked:
            self._disk._enter(verb, self._path)


class _Names:
    """What some names were."""

    __slots__ = ("slots",)

    def __init__(self, slots: list[tuple[Folder, bytes, _Inode | None]]) -> None:
        self.slots = slots

    def undo(self) -> None:
        for entries, name, inode in self.slots:
            if inode is None:
                entries.pop(name, None)
            else:
                entries[name] = inode


class _Meta:
    """What mode and times of an inode were, and how long it was."""

    __slots__ = ("ctime", "inode", "length", "mode", "mtime")

    def __init__(self, inode: _Inode) -> None:
        self.inode = inode
        self.mode, self.mtime, self.ctime = inode.mode, inode.mtime, inode.ctime
        self.length = len(inode.data)

    def undo(self) -> None:
        self.inode.mode, self.inode.mtime, self.inode.ctime = self.mode, self.mtime, self.ctime


_Entry = _Names | _Meta

_new = tuple.__new__


def _stat(inode: _Inode) -> Stat:
    kind = inode.kind
    size = len(inode.data) if kind is Kind.FILE else len(inode.target)
    device = _DEVICE
    if inode.foreign:
        kind, device = Kind.OTHER, _FOREIGN_DEVICE
    return _new(Stat, (kind, size, inode.mtime, inode.ctime, inode.mode, inode.number, device, inode.links))


@lru_cache(maxsize=1 << 16)
def _parts(path: bytes) -> tuple[bytes, ...]:
    """Empty if it is not a path inside the folder. Remembered: a mesh has few paths and asks for them often."""
    parts = tuple(path.split(b"/"))
    return parts if _NO_NAMES.isdisjoint(parts) and path.find(b"\0") < 0 else ()


def _is_below(path: bytes, folder: bytes) -> bool:
    return path.startswith(folder + b"/")
