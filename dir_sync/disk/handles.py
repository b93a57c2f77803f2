"""Open handles for the verbs: of the parent of a name, kept during a batch, and of a folder itself.

In:   a path, and a function to call with its open parent and its last part.
Out:  the function's result, after a second call if a kept handle was stale or a mode denied it; or OSError.
Used by: attributes, kept, real, renames.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from dir_sync.core.model import parent_of
from dir_sync.disk.directories import NO_NAMES, NUL, PATH_MAX, Directories
from dir_sync.disk.errors import MISSING
from dir_sync.disk.folder import Folder
from dir_sync.disk.linux import HOLD, PEEK, READ, Kernel, openat2
from dir_sync.disk.unlocked import ENTER, Unlocked
from dir_sync.ports import DiskError, Trouble

__all__ = ["Batch", "Handles"]

_HANDLES_MAX = 64  # parents that one batch keeps open: neighbours in a tree share few, and descriptors are scarce

T = TypeVar("T")


class _Kept(threading.local):
    """The handles that the batch of this thread keeps."""

    depth = 0
    handles: dict[bytes, int] | None = None  # by path, the last used one at the end; None outside a batch
    names: set[bytes]  # at least the paths of handles, and all folders above them

    def make_room(self) -> None:
        handles = self.handles
        if handles is not None and len(handles) >= _HANDLES_MAX:
            os.close(handles.pop(next(iter(handles))))

    def clear(self) -> None:
        assert self.handles is not None
        while self.handles:
            os.close(self.handles.popitem()[1])
        self.names.clear()


class Batch:
    """A parent is opened once per thread and kept until the end of the batch; unlocked folders stay unlocked until
    then."""

    __slots__ = ("_kept", "_unlocked")

    def __init__(self, kept: _Kept, unlocked: Unlocked) -> None:
        self._kept = kept
        self._unlocked = unlocked

    def __enter__(self) -> None:
        kept = self._kept
        kept.depth += 1
        if kept.handles is None:
            kept.handles, kept.names = {}, set()
            self._unlocked.begin_batch()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kept = self._kept
        kept.depth -= 1
        if not kept.depth:
            kept.clear()
            kept.handles = None
            self._unlocked.end_batch()


class Handles:
    """Directories of the folder, opened for a verb."""

    def __init__(self, folder: Folder, kernel: Kernel, directories: Directories, unlocked: Unlocked) -> None:
        self._folder = folder
        self._kernel = kernel
        self._directories = directories
        self._unlocked = unlocked
        self._kept = _Kept()

    def batch(self) -> Batch:
        return Batch(self._kept, self._unlocked)

    def at(self, path: bytes, act: Callable[[int, bytes], T], *, making: bool = False, rights: int = ENTER) -> T:
        """Call act(handle of the parent, last part); again if the handle was a kept one and is stale, or if the parent
        denies us `rights`. `making`: a missing entry is no sign of a stale handle."""
        try:
            while True:
                parent, leaf = self.parent(path)
                try:
                    return act(parent, leaf)
                except OSError as error:
                    if not self.reopen_stale(error, path, making=making):
                        raise
                finally:
                    self.release(parent)
        except PermissionError as denied:
            if not rights:
                raise
            with self._unlocked.allow(denied, (parent_of(path), rights)):
                return self.at(path, act, making=making, rights=0)

    def parent(self, path: bytes) -> tuple[int, bytes]:
        """An open handle of the parent of `path`, and its last part. Call release() afterwards."""
        directory, slash, leaf = path.rpartition(b"/")
        if leaf in NO_NAMES or leaf.find(NUL) >= 0:
            raise DiskError(Trouble.NAME, path, "not a name inside the folder")
        if not directory:
            if slash:
                raise DiskError(Trouble.NAME, path, "not a path inside the folder")
            return self._folder.handle, leaf
        kept = self._kept
        handles = kept.handles
        if handles is None:
            return self._directories.open(directory, HOLD), leaf
        fd = handles.pop(directory, -1)
        if fd < 0:
            fd = self._directories.open(directory, HOLD)
            kept.make_room()
            kept.names.update(_and_above(directory))
        handles[directory] = fd  # at the end: the last used handle is closed last
        return fd, leaf

    def release(self, parent: int) -> None:
        if self._kept.handles is None and parent != self._folder.handle:
            os.close(parent)

    def reopen_stale(self, error: OSError, *paths: bytes, making: bool) -> bool:
        """True if `error` reports a missing entry in a kept parent whose path now names another folder: call again.
        OSError if that folder does not exist."""
        handles = self._kept.handles
        if handles is None or error.errno not in MISSING:
            return False
        if not making and self._kernel.has_openat2 and len(paths[0]) <= PATH_MAX:
            try:  # the fast path: usually the entry really is absent
                os.close(openat2(self._folder.handle, paths[0], PEEK))
            except OSError as absent:
                if absent.errno in MISSING:
                    return False
        stale = False
        for path in paths:
            directory = parent_of(path)
            kept = handles.pop(directory, -1)
            if kept < 0:
                continue
            try:
                handles[directory] = fresh = self._directories.open(directory, HOLD)
                stale = stale or not os.path.samestat(os.fstat(kept), os.fstat(fresh))
            finally:
                os.close(kept)
        return stale

    def forget(self, *paths: bytes) -> None:
        """These paths name something else now: handles that this thread opened through them are not used again."""
        kept = self._kept
        if kept.handles is not None and not kept.names.isdisjoint(paths):
            kept.clear()

    def hold(self, path: bytes) -> int:
        """A new handle of a folder, to act in it."""
        try:
            return self._directories.open(path, HOLD)
        except PermissionError as denied:
            with self._unlocked.allow(denied, (parent_of(path), ENTER)):
                return self._directories.open(path, HOLD)

    def open_to_read(self, path: bytes, rights: int) -> int:
        """A new handle of a folder, to list or sync it."""
        try:
            return self._directories.open(path, READ)
        except PermissionError as denied:
            with self._unlocked.allow(denied, (path, rights)):
                return self._directories.open(path, READ)


def _and_above(path: bytes) -> list[bytes]:
    paths = []
    while path:
        paths.append(path)
        path = parent_of(path)
    return paths
