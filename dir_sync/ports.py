"""Protocols for what the engine's helpers need from the outside world. The simulator replaces these, and nothing else.

Every path is relative to the shared folder, bytes, parts joined by ``/``; ``b""`` is the folder itself. Paths in
``.dir_sync`` are allowed: callers decide who may use them. No verb follows a symbolic link, in any part of a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol

from dir_sync.core.attributes import Attributes
from dir_sync.core.model import Stat
from dir_sync.core.named import NamedTuple
from dir_sync.core.preserve import Part

__all__ = ["Disk", "DiskError", "NewFile", "Reader", "Signatures", "Trouble", "Watch", "Writer"]


class Trouble(Enum):
    """Why a verb of Disk failed, as far as its callers need to know."""

    ABSENT = "it is not there"
    EXISTS = "something is there already"
    NOT_EMPTY = "the folder is not empty"
    WRONG_TYPE = "it is of another type"
    FULL = "no room on the disk"
    TOO_LARGE = "larger than a file may be on this disk"
    DENIED = "no permission"
    READ_ONLY = "the file system is read-only"
    BOUNDARY = "a symbolic link or a mount point is in the way"
    NAME = "this file system cannot hold such a name"
    LIMIT = "too many open files"
    NO_LINK = "it can have no other name here"
    IO = "input/output error"


class DiskError(Exception):
    """A verb failed; nothing was changed, unless the verb's docstring says otherwise."""

    def __init__(self, trouble: Trouble, path: bytes, detail: str = "") -> None:
        super().__init__(f"{trouble.value}{f' ({detail})' if detail else ''}")
        self.trouble = trouble
        self.path = path


class Reader(Protocol):
    """An open regular file."""

    def stat(self) -> Stat: ...
    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer only at the end of the file."""

    def fileno(self) -> int:
        """The descriptor, for copies inside the kernel; -1 if there is none."""

    def again(self) -> Reader:
        """The same file, opened once more, even if it was renamed."""

    def close(self) -> None: ...


class Writer(Reader, Protocol):
    """An open regular file of ours, for reading and writing."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data`, or raise DiskError."""

    def copy_from(self, source: Reader, source_offset: int, offset: int, length: int) -> int:
        """Copy a range of another file here. Returns the number of bytes, fewer than requested only at the source's
        end."""

    def lock(self) -> bool:
        """Nobody else can open the file until it is closed here; a program that tries waits. False if another one has
        it open."""

    def truncate(self, length: int) -> None: ...
    def must_fit(self, length: int) -> None:
        """TOO_LARGE if the file can never have that length here, as far as that is known without trying."""

    def set_meta(self, mode: int, mtime: int) -> None:
        """rwx bits, and mtime in ns; the file system may round or clamp."""

    def start_flush(self, offset: int, length: int) -> None:
        """Start writing a range to the medium, without waiting. Only a hint."""

    def sync(self) -> None:
        """Wait until content and metadata are durable."""


class NewFile(NamedTuple):
    name: bytes
    data: bytes
    mode: int
    mtime: int  # ns


class Disk(Protocol):
    """One shared folder, held open. All verbs raise DiskError.

    It has more methods than a class should have: each is what a system call or two can do to an entry, and a smaller
    interface would have to be put together again by every room that makes a change safe.

    If the mode of a folder of ours denies its owner what a verb needs, the verb unlocks the folder temporarily, and no
    stat shows that."""

    def batch(self) -> AbstractContextManager[None]:
        """Inside `with disk.batch():` this thread may look up a parent directory once for all verbs below it, which is
        faster for many. A parent that another program moves meanwhile may be followed to its new place, and an unlocked
        folder stays unlocked. May be nested."""

    def stat(self, path: bytes) -> Stat | None:
        """None if there is no such name (or a parent is missing or is not a directory; a link is not a directory)."""

    def list(self, path: bytes) -> list[tuple[bytes, Stat]] | None:
        """Names and stats of a directory's entries, unordered; None if it does not exist or is not a directory. A name
        that vanishes while listing is left out. The root's own `.dir_sync` is listed as well."""

    def spelled(self, path: bytes) -> bytes | None:
        """The path of the entry that this disk takes for `path`, though its folders list it under another spelling
        (case, Unicode form, dots at the end); None if there is none. For every other verb `path` does not exist; but no
        new name can be made of it: EXISTS. `path` itself: the other name is unknown."""

    def read_link(self, path: bytes) -> bytes: ...
    def open(self, path: bytes) -> Reader:
        """A regular file, for reading. WRONG_TYPE for anything else; never blocks (fifo), never triggers a device."""

    def read_small(self, path: bytes, size_max: int) -> tuple[Stat, bytes] | None:
        """The stat and whole content of a regular file of at most `size_max` bytes. None if it is larger, or changed
        meanwhile; WRONG_TYPE for anything else, as `open`."""

    def read_many(self, path: bytes, names: Iterable[bytes], size_max: int) -> Sequence[tuple[Stat, bytes] | None]:
        """read_small for names in a directory that were regular files a moment ago. None also for any error."""

    def create(self, path: bytes) -> Writer:
        """A new, empty regular file of mode 0600; EXISTS if the name is taken."""

    def create_whole(self, path: bytes, data: bytes, mode: int, mtime: int, sync: bool) -> Stat:
        """A new regular file, written, with rwx bits and mtime (ns), durable if `sync`, and closed. If it fails,
        nothing is left."""

    def create_many(self, path: bytes, files: Sequence[NewFile]) -> Sequence[Stat | DiskError]:
        """create_whole for each, in one directory, not durable yet."""

    def reopen(self, path: bytes) -> Writer:
        """An existing regular file of ours, to continue writing it."""

    def append(self, path: bytes) -> Writer:
        """An existing regular file of any owner: writes go to its end, whatever the offset is."""

    def is_closed(self, path: bytes) -> bool:
        """True if nobody has this regular file open for writing. False also if that is unknown."""

    def is_open(self, path: bytes) -> bool:
        """True if somebody has this regular file open for writing. False also if that is unknown."""

    def make_directory(self, path: bytes, mode: int) -> None: ...
    def make_link(self, path: bytes, target: bytes) -> None: ...
    def link(self, source: bytes, target: bytes) -> None:
        """Give a file another name; EXISTS if that is taken. NO_LINK if this file system, or this user, can give it none."""

    def remove_directory(self, path: bytes) -> None: ...
    def remove_file(self, path: bytes) -> None:
        """Unlink a non-directory."""

    def rename(self, source: bytes, target: bytes) -> None:
        """Atomic, never replaces: EXISTS if the target name is taken."""

    def rename_many(self, moves: Sequence[tuple[bytes, bytes]]) -> Sequence[Stat | None | DiskError]:
        """rename for each, and the stat of its new name afterwards (None: it is gone again)."""

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        """Swap two names atomically, of any kind; ABSENT if one is missing. A watcher reports first that `mine` was
        renamed to `theirs`, then that `theirs` was renamed to `mine`: so the last event of `mine` is that it exists,
        and of `theirs` that it has left."""

    def set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        """Set rwx bits (not of links) and mtime (ns), without following a link."""

    def sync_directory(self, path: bytes) -> None:
        """Wait until the names in a directory are durable."""

    def sync_all(self) -> None:
        """Wait until everything written to this file system is durable (syncfs)."""

    def free_bytes(self) -> int: ...
    def keep_attributes(self, of: bytes, on: bytes) -> None:
        """Give the file `on` the owner, group, ACL and extended attributes of the file `of`, as far as this user may and this
        file system can. If it fails, some of them may be set: it may be called again."""

    def inherit(self, folder: bytes, on: Sequence[bytes]) -> None:
        """Give prepared entries, which will be renamed into `folder`, what they would inherit there: the group of a
        setgid folder, its default ACL. As far as this user may and the file system can. DiskError if something could
        not be given, and may be later."""

    def make_plain(self, path: bytes) -> None:
        """Entries made in this folder of ours from now on inherit neither group nor ACL. Never fails."""

    @property
    def keeps(self) -> frozenset[Part]:
        """The attributes that are kept here (of ON_ENTRIES). For the other parts the two verbs below do nothing."""

    def read_attributes(self, path: bytes, known: Attributes | None) -> Attributes | None:
        """The kept attributes of an entry, in the words of `known`, those of its version, as far as they mean the same
        here. What `known` does not say is left out, unless the entry has more than each new one. None: everything is
        read as it is."""

    def set_attributes(self, path: bytes, wanted: Attributes) -> None:
        """Give an entry the kept attributes of a version, as far as this user may and this file system can. Its mode stays.
        If it fails, some of them may be set: it may be called again."""

    def is_only_replaceable(self, path: bytes) -> bool:
        """True for an entry of another user in a folder that we may change: only its owner may set its mode and times,
        but we may replace it. Never fails."""

    @property
    def grain_ns(self) -> int:
        """Two writes within this time may get equal timestamps; 0: never, if the first one was seen before the
        second."""

    def is_root_here(self) -> bool:
        """True while the path still names the folder that was opened."""


class Signatures(Protocol):
    """A cache of block signatures by content digest; it may lose anything at any time. Any thread may call it."""

    def get(self, digest: bytes) -> bytes | None: ...
    def put(self, digest: bytes, signature: bytes) -> None: ...


Watch = Callable[[bytes], bool]
"""Watch a directory for changes, from now on; false if it cannot be watched. Called before the directory is listed."""
