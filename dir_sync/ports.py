"""Protocols for the seams: what the engine's helpers need from the world. The simulator replaces these, nothing else.

Every path is relative to the shared folder, bytes, parts joined by ``/``; ``b""`` is the folder itself. Paths into
``.dir_sync`` are as good as any here: who may name them is decided above. No verb follows a symbolic link, in no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import NamedTuple, Protocol

from dir_sync.core.model import Stat

__all__ = ["Disk", "DiskError", "NewFile", "Reader", "Signatures", "Trouble", "Watch", "Writer"]


class Trouble(Enum):
    """Why a verb of Disk failed, as far as anyone above needs to know."""

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
    IO = "input/output error"


class DiskError(Exception):
    """A verb failed; nothing was changed, unless the verb's docstring says otherwise."""

    def __init__(self, trouble: Trouble, path: bytes, detail: str = "") -> None:
        super().__init__(f"{trouble.value}{f' ({detail})' if detail else ''}")
        self.trouble = trouble
        self.path = path


class Reader(Protocol):
    """A regular file held open."""

    def stat(self) -> Stat: ...
    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer only at the end of the file."""

    def fileno(self) -> int:
        """The descriptor, for copies inside the kernel; -1 where there is none."""

    def again(self) -> Reader:
        """The same file, held open once more, whatever name it has by now."""

    def close(self) -> None: ...


class Writer(Reader, Protocol):
    """A regular file of ours, held open for reading and writing."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """All of `data`, or DiskError."""

    def copy_from(self, source: Reader, source_offset: int, offset: int, length: int) -> int:
        """Copy a range of another file here; returns the bytes copied, fewer than asked only at the source's end."""

    def lock(self) -> bool:
        """Nobody else opens the file until it is closed here: whoever tries waits. False if somebody has it open."""

    def truncate(self, length: int) -> None: ...
    def must_fit(self, length: int) -> None:
        """TOO_LARGE if the file can never have that length here, as far as that is known without trying."""

    def set_meta(self, mode: int, mtime: int) -> None:
        """rwx bits, and mtime in ns; the file system may round or clamp."""

    def start_flush(self, offset: int, length: int) -> None:
        """Begin to write a range to the medium, without waiting. A hint."""

    def sync(self) -> None:
        """Wait until content and metadata are on the medium."""


class NewFile(NamedTuple):
    name: bytes
    data: bytes
    mode: int
    mtime: int  # ns


class Disk(Protocol):
    """One shared folder, held open. All verbs raise DiskError.

    What its mode forbids the owner of a folder is no trouble, if we are its owner: a verb opens it for the moment, and no
    stat tells so."""

    def batch(self) -> AbstractContextManager[None]:
        """Inside `with disk.batch():` this thread may look up a parent directory once for all verbs below it: faster
        for many. A parent that another program moves meanwhile may be followed to its new place, and a folder that had to be
        opened stays so. May be nested."""

    def stat(self, path: bytes) -> Stat | None:
        """None if there is no such name (or a parent is missing or is not a directory; a link is none)."""

    def list(self, path: bytes) -> list[tuple[bytes, Stat]] | None:
        """Names and stats of a directory's entries, unordered; None if it is not there or is not a directory. A name
        that vanishes while listing is left out. The root's own `.dir_sync` is listed as any name."""

    def spelled(self, path: bytes) -> bytes | None:
        """The path of what this disk takes for `path`, though its folders list it under another spelling (blind to case, to
        Unicode forms, to dots at the end); None if there is no such thing. For every other verb it is not there; but no
        new name can be made of `path`: EXISTS. `path` itself: something that is not told which."""

    def read_link(self, path: bytes) -> bytes: ...
    def open(self, path: bytes) -> Reader:
        """A regular file, for reading. WRONG_TYPE for anything else; never blocks (fifo), never triggers a device."""

    def read_small(self, path: bytes, size_max: int) -> tuple[Stat, bytes] | None:
        """A regular file of at most `size_max` bytes, whole: open, stat, read, stat and close in one. None if it is
        larger, or the two stats or the length differ; WRONG_TYPE for anything else, as `open`."""

    def read_many(self, path: bytes, names: Iterable[bytes], size_max: int) -> Sequence[tuple[Stat, bytes] | None]:
        """read_small for names in a directory that were regular files a moment ago, as the caller has seen. None also for
        any trouble."""

    def create(self, path: bytes) -> Writer:
        """A new, empty regular file of mode 0600; EXISTS if the name is taken."""

    def create_whole(self, path: bytes, data: bytes, mode: int, mtime: int, sync: bool) -> Stat:
        """A new regular file, written, with rwx bits and mtime (ns), on the medium if `sync`, and closed: create, write,
        set_meta, sync, stat and close in one. If it fails, nothing is left."""

    def create_many(self, path: bytes, files: Sequence[NewFile]) -> Sequence[Stat | DiskError]:
        """create_whole for each, in one directory, not yet on the medium."""

    def reopen(self, path: bytes) -> Writer:
        """An existing regular file (ours), for going on."""

    def append(self, path: bytes) -> Writer:
        """An existing regular file, whosever it is: what is written goes to its end, whatever the offset says."""

    def is_closed(self, path: bytes) -> bool:
        """True if nobody has this regular file open for writing. False also where that cannot be told."""

    def make_directory(self, path: bytes, mode: int) -> None: ...
    def make_link(self, path: bytes, target: bytes) -> None: ...
    def remove_directory(self, path: bytes) -> None: ...
    def remove_file(self, path: bytes) -> None:
        """Unlink a non-directory."""

    def rename(self, source: bytes, target: bytes) -> None:
        """Atomic, never replaces: EXISTS if the target name is taken."""

    def rename_many(self, moves: Sequence[tuple[bytes, bytes]]) -> Sequence[Stat | None | DiskError]:
        """rename for each, and the stat of its new name then (None: it is gone again)."""

    def exchange(self, mine: bytes, theirs: bytes) -> None:
        """Swap two names atomically, whatever they are; ABSENT if one is missing. Whoever watches their folders hears that
        `mine` became `theirs`, and then that `theirs` became `mine`: so the last that is heard of `mine` is that it is there,
        and of `theirs` that it has left."""

    def set_meta(self, path: bytes, mode: int | None, mtime: int | None) -> None:
        """rwx bits (not of links) and mtime (ns), without following."""

    def sync_directory(self, path: bytes) -> None:
        """Wait until the names in a directory are on the medium."""

    def sync_all(self) -> None:
        """Wait until everything written to this file system is on the medium (syncfs)."""

    def free_bytes(self) -> int: ...
    def keep_attributes(self, of: bytes, on: bytes) -> None:
        """Give the file `on` the owner, group, ACL and extended attributes of the file `of`, as far as we may. Never
        fails."""

    def inherit(self, folder: bytes, on: Sequence[bytes]) -> None:
        """Give what lies ready elsewhere, and is to be renamed into `folder`, what it would have if it had been made there:
        the group of a setgid folder, its default ACL. As far as we may. Never fails."""

    def make_plain(self, path: bytes) -> None:
        """What is made in this folder of ours from now on gets neither group nor ACL from it. Never fails."""

    def is_only_replaceable(self, path: bytes) -> bool:
        """True for what is another user's, in a folder that we may change: only its owner may set its mode and times, but
        we may put something else in its place. Never fails."""

    @property
    def grain_ns(self) -> int:
        """Two writes closer together than this may leave the same times behind; 0: never, once the first was looked
        at."""

    def is_root_here(self) -> bool:
        """True while the folder that was opened is still what its path names."""


class Signatures(Protocol):
    """A cache of block signatures by content digest; it may forget anything at any time. Any thread may call it."""

    def get(self, digest: bytes) -> bytes | None: ...
    def put(self, digest: bytes, signature: bytes) -> None: ...


Watch = Callable[[bytes], bool]
"""Watch a directory for changes, from now on; false if it cannot be watched. Called before the directory is listed."""
