"""Disks that find a name under another spelling (vfat, exFAT, NTFS, casefold folders): here a name is what the listing says.

In:   any disk.
Out:  the same disk; on one that ignores spelling, a name that is listed under another spelling does not exist.
Rule: the listing decides. An entry found by name counts only if its folder, and each folder above it, lists exactly
that name. There is no table of letters: each file system has its own rules for equal names.

A disk that distinguishes all names is returned unchanged, at no cost.
Only the package imports it, for `daemon` and `history`. It knows any Disk, and of the modules of disk/ `blindness` alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from dir_sync.core.attributes import Attributes
from dir_sync.core.limits import RESERVED_NAME
from dir_sync.core.model import Stat, parent_of
from dir_sync.core.preserve import Part
from dir_sync.disk.blindness import CASEFOLD, Blindness, RawDisk, probe
from dir_sync.ports import Disk, DiskError, NewFile, Reader, Trouble, Writer

__all__ = ["SpelledDisk", "truthful"]

_STRIPPED = (b".", b" ")  # FAT drops them at the end of a name


def truthful(disk: RawDisk) -> Disk:
    """The disk itself if it distinguishes all names; otherwise one that hides other spellings. Our own folder must
    exist."""
    blindness, keeps = probe(disk)
    return disk if blindness is Blindness.NONE else SpelledDisk(disk, blindness is Blindness.ALL, keeps)


class _Local(threading.local):
    """Listings that the batch of this thread has read; None: the folder distinguishes all names."""

    depth = 0
    known: dict[bytes, frozenset[bytes] | None] | None = None


class SpelledDisk:
    """ports.Disk. See the module.

    It has more methods than a class should have: each verb of ports.Disk is one method, which puts right the spelling of
    its paths and asks the disk below."""

    def __init__(self, disk: RawDisk, everywhere: bool, keeps: bool) -> None:
        """`everywhere`: any folder may ignore spelling, not only those with the casefold flag. `keeps`: new names are
        listed as they were given."""
        self._disk = disk
        self._everywhere = everywhere
        self._keeps = keeps
        self._local = _Local()

    # Whether a name is itself

    def spelled(self, path: bytes) -> bytes | None:
        """See ports.Disk."""
        real = b""
        is_other = False
        for part in path.split(b"/") if path else ():
            prefix = real + b"/" if real else b""
            names = self._disk.names(real)
            if names is None:
                return None
            if part not in names:
                found = self._disk.stat(prefix + part)
                if found is None:
                    return None
                part = self._listed_as(prefix, part, names, found)
                is_other = True
            real = prefix + part
        return real if is_other else None

    def _listed_as(self, prefix: bytes, part: bytes, names: Sequence[bytes], found: Stat) -> bytes:
        """The listed name of the entry found as `part`; `part` itself if that is unknown. Similar names are tried
        first: network and FUSE file systems may make up an inode number for each spelling."""
        key = _key(part)
        alike = [name for name in names if _key(name) == key]
        if len(alike) == 1:
            return alike[0]
        for name in (*alike, *names):
            try:
                stat = self._disk.stat(prefix + name)
            except DiskError:
                continue
            if stat is not None and (stat.inode, stat.device) == (found.inode, found.device):
                return name
        return part

    def _is_listed(self, path: bytes) -> bool:
        """True if the folders of `path` list it in exactly this spelling. The caller has found an entry by this
        name."""
        if not path or path == RESERVED_NAME or path.startswith(RESERVED_NAME + b"/"):
            return True
        folder = b""
        for part in path.split(b"/"):
            names = self._names(folder)
            if names is not None and part not in names:
                names = self._names(folder, afresh=True)
                if names is not None and part not in names:
                    return False
            folder = folder + b"/" + part if folder else part
        return True

    def _names(self, folder: bytes, afresh: bool = False) -> frozenset[bytes] | None:
        known = self._local.known
        if known is not None and folder in known and not afresh:
            return known[folder]
        names: frozenset[bytes] | None = None
        if self._everywhere or self._disk.folder_flags(folder) & CASEFOLD:
            names = frozenset(self._disk.names(folder) or ())
        if known is not None:
            known[folder] = names
        return names

    def _must_be_listed(self, path: bytes) -> None:
        if not self._is_listed(path):
            raise DiskError(Trouble.ABSENT, path, "the disk spells it otherwise")

    def _changes(self, *paths: bytes) -> None:
        """Forget what was known of these names and of everything below them."""
        known = self._local.known
        for path in paths if known else ():
            assert known is not None
            for folder in [each for each in known if each in (path, parent_of(path)) or each.startswith(path + b"/")]:
                del known[folder]

    @contextmanager
    def batch(self) -> Iterator[None]:
        local = self._local
        local.depth += 1
        if local.known is None:
            local.known = {}
        try:
            with self._disk.batch():
                yield
        finally:
            local.depth -= 1
            if not local.depth:
                local.known = None

    # Looking

    def stat(self, path: bytes) -> Stat | None:
        found = self._disk.stat(path)
        return found if found is not None and self._is_listed(path) else None

    def list(self, path: bytes) -> list[tuple[bytes, Stat]] | None:
        found = self._disk.list(path)
        return found if found is not None and self._is_listed(path) else None

    def read_link(self, path: bytes) -> bytes:
        target = self._disk.read_link(path)
        self._must_be_listed(path)
        return target

    def open(self, path: bytes) -> Reader:
        file = self._disk.open(path)
        if self._is_listed(path):
            return file
        file.close()
        raise DiskError(Trouble.ABSENT, path, "the disk spells it otherwise")

    def read_small(self, path: bytes, size_max: int) -> tuple[Stat, bytes] | None:
        found = self._disk.read_small(path, size_max)
        self._must_be_listed(path)
        return found

    def read_many(self, path: bytes, names: Iterable[bytes], size_max: int) -> Sequence[tuple[Stat, bytes] | None]:
        return self._disk.read_many(path, names, size_max)

    # Making

    def create(self, path: bytes) -> Writer:
        self._must_be_listed(parent_of(path))
        self._changes(path)
        return self._disk.create(path)

    def create_whole(self, path: bytes, data: bytes, mode: int, mtime: int, sync: bool) -> Stat:
        self._must_be_listed(parent_of(path))
        self._changes(path)
        return self._disk.create_whole(path, data, mode, mtime, sync)

    def create_many(self, path: bytes, files: Sequence[NewFile]) -> Sequence[Stat | DiskError]:
        self._changes(path)
        return self._disk.create_many(path, files)  # in our own folder

    def reopen(self, path: bytes) -> Writer:
        return self._disk.reopen(path)  # a file of ours

    def make_directory(self, path: bytes, mode: int) -> None:
        self._must_be_listed(parent_of(path))
        self._changes(path)
        self._disk.make_directory(path, mode)
        self._must_be_kept(path, self._disk.remove_directory)

    def make_link(self, path: bytes, target: bytes) -> None:
        self._must_be_listed(parent_of(path))
        self._changes(path)
        self._disk.make_link(path, target)

    def link(self, source: bytes, target: bytes) -> None:
        self._must_be_listed(source)
        self._must_be_listed(parent_of(target))
        self._changes(target)
        self._disk.link(source, target)
        self._must_be_kept(target, self._disk.remove_file)

    def _must_be_kept(self, path: bytes, undo: Callable[[bytes], None]) -> None:
        """On a disk that changes new names: undo if the listing shows another name than the one just given."""
        if (self._keeps and not path.endswith(_STRIPPED)) or path.startswith(RESERVED_NAME + b"/"):
            return
        if not self._is_listed(path):
            name = (self.spelled(path) or path).rpartition(b"/")[2].decode("utf-8", "replace")
            undo(path)
            raise DiskError(Trouble.NAME, path, f"it would be called {name!a} there")

    def append(self, path: bytes) -> Writer:
        self._must_be_listed(path)
        return self._disk.append(path)

    def is_closed(self, path: bytes) -> bool:
        return self._is_listed(path) and self._disk.is_closed(path)

    def is_open(self, path: bytes) -> bool:
        return self._is_listed(path) and self._disk.is_open(path)

    # Removing and moving

    def remove_directory(self, path: bytes) -> None:
        self._must_be_listed(path)
        self._changes(path)
        self._disk.remove_directory(path)

    def remove_file(self, path: bytes) -> None:
        self._must_be_listed(path)
        self._changes(path)
        self._disk.remove_file(path)

    def rename(self, source: bytes, target: bytes) -> None:
        self._must_be_listed(source)
        self._must_be_listed(parent_of(target))
        self._changes(source, target)
        self._disk.rename(source, target)
        self._must_be_kept(target, lambda path: self._disk.rename(path, source))

    def rename_many(self, moves: Sequence[tuple[bytes, bytes]]) -> Sequence[Stat | None | DiskError]:
        folders = {parent_of(target) for _, target in moves}
        if self._keeps and not any(target.endswith(_STRIPPED) for _, target in moves):
            if all(self._is_listed(folder) for folder in folders):
                for folder in folders:
                    self._changes(folder)
                return self._disk.rename_many(moves)
        moved: list[Stat | None | DiskError] = []
        for source, target in moves:
            try:
                self.rename(source, target)
                moved.append(self._disk.stat(target))
            except DiskError as error:
                moved.append(error)
        return moved

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        self._must_be_listed(mine)
        self._must_be_listed(theirs)
        self._changes(mine, theirs)
        self._disk.exchange(mine, theirs)

    def set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        self._must_be_listed(path)
        self._disk.set_meta(path, mode, mtime)

    def keep_attributes(self, of: bytes, on: bytes) -> None:
        self._disk.keep_attributes(of, on)

    @property
    def keeps(self) -> frozenset[Part]:
        return self._disk.keeps

    def read_attributes(self, path: bytes, known: Attributes | None) -> Attributes | None:
        return self._disk.read_attributes(path, known)

    def set_attributes(self, path: bytes, wanted: Attributes) -> None:
        self._disk.set_attributes(path, wanted)

    def inherit(self, folder: bytes, on: Sequence[bytes]) -> None:
        self._disk.inherit(folder, on)

    def make_plain(self, path: bytes) -> None:
        self._disk.make_plain(path)

    def is_only_replaceable(self, path: bytes) -> bool:
        return self._disk.is_only_replaceable(path)

    # The folder as a whole

    def sync_directory(self, path: bytes) -> None:
        self._must_be_listed(path)
        self._disk.sync_directory(path)

    def sync_all(self) -> None:
        self._disk.sync_all()

    def free_bytes(self) -> int:
        return self._disk.free_bytes()

    @property
    def grain_ns(self) -> int:
        return self._disk.grain_ns

    def is_root_here(self) -> bool:
        return self._disk.is_root_here()


def _key(name: bytes) -> str:
    """A key that is equal for most names that some file system takes for one."""
    import unicodedata  # imported late: on most disks no name is taken for another one

    text = name.decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).rstrip(". ")
