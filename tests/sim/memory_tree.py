"""What is in a file system in memory: inodes, names, a journal of what would undo each change, and the power cut.

In:   changes of names, contents and times. Out: what is there; after `crash`, what a medium might hold.
Rule: one thread, and only the clock and the random generator from outside: equal seeds give equal disks.

What a power cut leaves, as ext4 with data=ordered might, and no kinder:
  - Names, modes and times go through one journal, in order. Any sync of anything commits all of it; of what came
    later a cut keeps a part from the start, nothing out of order. So an fsync of a file keeps its name too.
  - Content is on the medium when that file was synced, or all was. Of a file written since, a cut leaves the content
    it had at its last sync, or nothing, or a piece from the start of the new content, or all of it. What was only
    appended to does not get shorter than it was at its last sync, nor does what was only cut get shorter than the cut:
    nobody wrote to those bytes. How long a file is goes through the journal, too: what was appended after a name was made
    is lost with that name.
  - What a sync failed to write counts as clean: no later sync brings it to the medium. Once it is cut off, nothing is left
    to bring there, and later syncs prove what they say.
  - Open files are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random

from dir_sync.core.attributes import Attributes, Owner
from dir_sync.core.model import Kind, Stat
from dir_sync.ports import DiskError, Trouble

__all__ = ["RESERVED", "Inode", "MemoryTree", "Tree", "is_below", "parts_of", "stat_of"]

Tree = dict[bytes, tuple[Kind, bytes, int, int]]
"""path -> (kind, content or target, mode, mtime), sorted by path."""

_DEVICE = 1
_FOREIGN_DEVICE = 2
_PART_BYTES_MAX = 255
_TARGET_BYTES_MAX = 4095
RESERVED = b".dir_sync"

_NO_NAMES = frozenset((b"", b".", b".."))

Folder = dict[bytes, "Inode"]

OWNER = Owner("us", 1000, "us", 1000)
"""Of new entries."""


class Inode:
    """`entries` of a directory, `data` of a file and `target` of a link, nothing else of the others."""

    __slots__ = (
        "attributes", "ctime", "data", "durable", "durable_times", "entries", "foreign", "handles", "kept", "kind", "links",
        "mode", "mtime", "number", "target", "writers",
    )  # fmt: skip

    def __init__(self, number: int, kind: Kind, mode: int, now: int) -> None:
        self.number = number
        self.kind = kind
        self.mode = mode
        self.mtime = self.ctime = now
        self.links = 0
        self.handles = 0
        self.writers = 0  # of the handles, those that may write
        self.data = bytearray()
        self.durable = b""  # content at the last sync; meaningful only while the inode is among the unsynced
        self.durable_times = now, now  # mtime and ctime then
        self.kept = 0  # so many bytes from the start were neither written nor cut off since then
        self.target = b""
        self.entries: Folder = {}
        self.foreign = False  # something else is mounted on it
        self.attributes = Attributes(OWNER, ((), ()), ())


class MemoryTree:
    """`clock` gives ns. `grain_ns` 0: two changes of one file never have the same times; else all times are rounded
    down to a multiple of it. `mtimes` is what the file system can hold: what is outside is clamped.
    `capacity` in bytes of content; None: no end. `cruel`: see crash(). `fold`: the disk is blind: names that it makes equal
    are one name, which is listed as it was first given; as on vfat, whoever looks by another spelling finds it.
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
        self.clock = clock
        self.rng = rng
        self.grain_ns = grain_ns
        self.capacity = capacity
        self.mtimes = mtimes
        self.cruel = cruel
        self.fold = fold
        self.generation = 0  # one more at each crash; files opened before are gone
        self.locked: int | None = None  # an inode that no user can open at this moment
        self._never_synced: set[int] = set()  # their sync failed with bytes to write, and no later one makes up for it
        self._used = 0
        self._numbers = 1
        self._root = self._inode(Kind.DIRECTORY, 0o755)
        self._root.links = 2
        self._unsynced: dict[int, Inode] = {}  # files written since their last sync, by number
        self._alike: set[int] = set()  # of those, the ones that were since then as large and as old as at that sync
        self._journal: list[_Entry] = []  # what would undo each change of a name or of times, oldest first

    def tree(self) -> Tree:
        """All that a user sees; not what is named `.dir_sync`, nor what is below it."""
        found: Tree = {}
        ahead = [(b"", self._root)]
        while ahead:
            above, folder = ahead.pop()
            for name, inode in folder.entries.items():
                if name == RESERVED:
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

    # --- the power cut --------------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """The power fails: what was not synced may be lost (see the top of this module). The disk is used on.

        Where old content comes back, its times come back; where it does not, nor do they. So a stat tells which one is there.
        Where it could not (the new content was as large, and had those very times, as after a cp -p within the grain), no old
        content comes back. A `cruel` disk may mix them, as ext4 may: then, if the size is the same, no stat can tell, and only
        reading does."""
        rng = self.rng
        for inode in self._unsynced.values():
            self._compare_with_synced(inode)
        written = {number: (inode.mtime, inode.ctime) for number, inode in self._unsynced.items()}
        kept = rng.randint(0, len(self._journal))
        lengths: dict[int, int] = {}  # what was appended to is not longer than the journal says
        while len(self._journal) > kept:
            entry = self._journal.pop()
            entry.undo()
            if isinstance(entry, _Meta):
                lengths[entry.inode.number] = entry.length
        for number in sorted(self._unsynced):
            inode = self._unsynced[number]
            match rng.randrange(4):
                case 0 if self.cruel or number not in self._alike:
                    inode.data = bytearray(inode.durable)
                    if not self.cruel:
                        inode.mtime, inode.ctime = inode.durable_times
                case 1 if not inode.data.startswith(inode.durable):
                    del inode.data[inode.kept :]
                case 1 | 2:
                    least = len(inode.durable) if inode.data.startswith(inode.durable) else inode.kept
                    del inode.data[rng.randint(least, len(inode.data)) :]
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
        inodes: dict[int, Inode] = {self._root.number: self._root}
        for inode in self._walk(self._root):
            names[inode.number] += 1
            inodes[inode.number] = inode
        self._used = 0
        for number, inode in inodes.items():
            inode.handles = inode.writers = 0
            if inode.kind == Kind.DIRECTORY:
                inode.links = 2 + sum(entry.kind == Kind.DIRECTORY for entry in inode.entries.values())
            else:
                inode.links = names[number]
                self._used += len(inode.data)

    def _walk(self, folder: Inode) -> Iterator[Inode]:
        ahead = [folder]
        while ahead:
            for inode in ahead.pop().entries.values():
                yield inode
                if inode.kind == Kind.DIRECTORY:
                    ahead.append(inode)

    # --- names ----------------------------------------------------------------------------------------------------------

    def _parent(self, path: bytes) -> tuple[Inode, bytes]:
        """The folder that `path` is in, and its last part. DiskError unless it is a folder of ours."""
        parts = parts_of(path)
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

    def _listed(self, folder: Inode, name: bytes) -> bytes:
        """How a folder lists what is found as `name`; `name` if nothing is."""
        if self.fold is None or name in folder.entries or folder.kind is not Kind.DIRECTORY:
            return name
        key = self.fold(name)
        return next((other for other in folder.entries if self.fold(other) == key), name)

    def real(self, path: bytes) -> bytes:
        """How its folders list a path, as far as it is there."""
        at, real = self._root, []
        for part in parts_of(path):
            name = self._listed(at, part)
            real.append(name)
            below = at.entries.get(name)
            if below is not None:
                at = below
        return b"/".join(real)

    def _find(self, path: bytes) -> Inode | None:
        """None if it is not there, also if a part of the path is a file or a link."""
        if not path:
            return self._root
        parts = parts_of(path)
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

    def _existing(self, path: bytes) -> tuple[Inode, bytes, Inode]:
        parent, name = self._parent(path)
        inode = parent.entries.get(name)
        if inode is None:
            raise DiskError(Trouble.ABSENT, path)
        return parent, name, inode

    def _file(self, path: bytes) -> Inode:
        _, _, inode = self._existing(path)
        if inode.kind != Kind.FILE:
            raise DiskError(Trouble.WRONG_TYPE, path)
        return inode

    # --- changes --------------------------------------------------------------------------------------------------------

    def _inode(self, kind: Kind, mode: int) -> Inode:
        number = self._numbers
        self._numbers += 1
        return Inode(number, kind, mode, self._now())

    def _now(self) -> int:
        now = self.clock()
        return now - now % self.grain_ns if self.grain_ns else now

    def _stamp(self, inode: Inode, content: bool = True) -> None:
        """The inode was changed now, its content too or only what is known about it."""
        now = self._now()
        if not self.grain_ns and now <= inode.ctime and now > inode.ctime - 1_000_000_000:
            now = inode.ctime + 1  # not if the clock was set back
        inode.ctime = now
        if content:
            inode.mtime = now

    def _make(self, path: bytes, kind: Kind, mode: int) -> Inode:
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

    def _enter_name(self, parent: Inode, name: bytes, inode: Inode) -> None:
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

    def _lose_name(self, parent: Inode, inode: Inode) -> None:
        if inode.kind == Kind.DIRECTORY:
            inode.links = 0
            parent.links -= 1
            return
        inode.links -= 1
        self._stamp(inode, content=False)
        self._free(inode)

    def _free(self, inode: Inode) -> None:
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
        if is_below(self.real(target), self.real(source)):
            raise DiskError(Trouble.NAME, source)
        if inode.foreign:
            raise DiskError(Trouble.BOUNDARY, source)
        if old is inode:
            other = parts_of(target)[-1]
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

    def _set_times(self, inode: Inode, mtime: int) -> None:
        if self.mtimes is not None:
            mtime = min(max(mtime, self.mtimes[0]), self.mtimes[1])
        if self.grain_ns:
            mtime -= mtime % self.grain_ns
        self._log_times(inode)
        self._stamp(inode, content=False)
        inode.mtime = mtime

    def _put(self, inode: Inode, offset: int, data: bytes | memoryview, path: bytes) -> None:
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
            inode.kept = min(inode.kept, offset)
            self._stamp(inode)
        if full:
            raise DiskError(Trouble.FULL, path)

    def _cut(self, inode: Inode, length: int) -> None:
        self._soil(inode)
        size = len(inode.data)
        inode.kept = min(inode.kept, length)
        if inode.kept == length:
            self._never_synced.discard(inode.number)  # what is left was on the medium before
        if length < size:
            del inode.data[length:]
        else:
            inode.data.extend(bytes(length - size))
        self._used += length - size
        self._stamp(inode)

    def _soil(self, inode: Inode) -> None:
        """Its content is about to change."""
        if inode.number not in self._unsynced:
            inode.durable = bytes(inode.data)
            inode.durable_times = inode.mtime, inode.ctime
            inode.kept = len(inode.data)
            self._unsynced[inode.number] = inode
            self._alike.discard(inode.number)
        self._log_times(inode)

    def _sync_failed(self, inode: Inode) -> None:
        """The pages that it was to write count as clean now. (A file that was only cut has none.)"""
        if inode.number in self._unsynced and len(inode.data) > inode.kept:
            self._never_synced.add(inode.number)

    # --- the journal ----------------------------------------------------------------------------------------------------

    def _log(self, parent: Inode, name: bytes, other_parent: Inode | None = None, other: bytes = b"") -> None:
        """These one or two names are about to change, at once."""
        slots = [(parent.entries, name, parent.entries.get(name))]
        if other_parent is not None:
            slots.append((other_parent.entries, other, other_parent.entries.get(other)))
        self._journal.append(_Names(slots))

    def _log_times(self, inode: Inode) -> None:
        """Mode and times are about to change. Many changes of one inode in a row are one."""
        self._compare_with_synced(inode)
        journal = self._journal
        if journal and isinstance(last := journal[-1], _Meta) and last.inode is inode:
            return
        journal.append(_Meta(inode))

    def _compare_with_synced(self, inode: Inode) -> None:
        """Remember of an unsynced file if no stat tells what it has now from what it had at its last sync."""
        if inode.number not in self._unsynced or (inode.mtime, inode.ctime) != inode.durable_times:
            return
        if len(inode.data) == len(inode.durable) and inode.data != inode.durable:
            self._alike.add(inode.number)


class _Names:
    """What some names were."""

    __slots__ = ("slots",)

    def __init__(self, slots: list[tuple[Folder, bytes, Inode | None]]) -> None:
        self.slots = slots

    def undo(self) -> None:
        for entries, name, inode in self.slots:
            if inode is None:
                entries.pop(name, None)
            else:
                entries[name] = inode


class _Meta:
    """What mode, times and attributes of an inode were, and how long it was."""

    __slots__ = ("attributes", "ctime", "inode", "length", "mode", "mtime")

    def __init__(self, inode: Inode) -> None:
        self.inode = inode
        self.mode, self.mtime, self.ctime = inode.mode, inode.mtime, inode.ctime
        self.attributes = inode.attributes
        self.length = len(inode.data)

    def undo(self) -> None:
        self.inode.mode, self.inode.mtime, self.inode.ctime = self.mode, self.mtime, self.ctime
        self.inode.attributes = self.attributes


_Entry = _Names | _Meta

_new = tuple.__new__


def stat_of(inode: Inode) -> Stat:
    kind = inode.kind
    size = len(inode.data) if kind is Kind.FILE else len(inode.target)
    device = _DEVICE
    if inode.foreign:
        kind, device = Kind.OTHER, _FOREIGN_DEVICE
    return _new(Stat, (kind, size, inode.mtime, inode.ctime, inode.mode, inode.number, device, inode.links))


@lru_cache(maxsize=1 << 16)
def parts_of(path: bytes) -> tuple[bytes, ...]:
    """Empty if it is not a path inside the folder. Remembered: a mesh has few paths and asks for them often."""
    parts = tuple(path.split(b"/"))
    return parts if _NO_NAMES.isdisjoint(parts) and path.find(b"\0") < 0 else ()


def is_below(path: bytes, folder: bytes) -> bool:
    return path.startswith(folder + b"/")
