"""ChangeHandler: turns the events of inotify into hints to look at a path.

In:   events of inotify.
Out:  Touched, Moved and Blind events, in batches.
Rule: nothing is looked at, stored or decided here. A folder is watched right before it is listed (`watch`), so that an
entry that appears in between is reported or listed. No event alone causes a new watch.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Callable

from dir_sync.core.events import Blind, Event, Moved, Touched, Urgency
from dir_sync.core.limits import KIB, RESERVED_NAME
from dir_sync.inotify import Inotify, Mask, parts
from dir_sync.readable import Readable

__all__ = ["ChangeHandler"]

_PAIR_WITHIN_MS = 2  # one system call queues both halves of a rename
_CLOSE_WITHIN_MS = 1  # most programs close a new file right after they made it: one turn serves both events
_CLOSE_READS_MAX = 3  # a program that goes on writing is not waited for
_FLOOD = 100  # so many events ...
_FLOOD_S = 0.2  # ... within this are a flood, such as a bulk of new files; it ends after an equally long calm
_BREATH_S = 0.02
_BACKLOG_MAX = 2_000  # batches that wait; beyond that, a scan is cheaper

_WATCHED = (
    Mask.CREATE
    | Mask.DELETE
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.CLOSE_WRITE
    | Mask.MODIFY
    | Mask.ATTRIB
    | Mask.ONLYDIR
    | Mask.DONT_FOLLOW
)
_BEFORE_CLOSE = (Urgency.CREATED, Urgency.WRITING)
_READ_BYTES = 64 * KIB
_READS_MAX = 1_000  # the system queues less than that; a program may go on writing while it is read


class _Reader:
    """Reads the queue of inotify for a handler."""

    def __init__(self, handler: ChangeHandler) -> None:
        self._handler = handler
        self._inotify = Inotify()
        self.descriptor = self._inotify.descriptor
        self.remove = self._inotify.remove
        self.close = self._inotify.close

    def add(self, path: bytes) -> int:
        """Watch a directory from now on. Returns the watch descriptor. Raises OSError."""
        return self._inotify.add(path, _WATCHED)

    def read(self) -> float:
        """Take what there is. Returns for how long (s) to let more come together."""
        self._take_some()
        for _ in range(_CLOSE_READS_MAX):
            if not self._handler.awaits_close or not self._is_readable(_CLOSE_WITHIN_MS):
                break
            self._take_some()
        self._handler.end_of_batch()
        # the next read returns many events at once, which costs a fraction of single ones
        return _BREATH_S if self._handler.is_flooded() else 0.0

    def read_all(self) -> None:
        """Take everything that has happened until now."""
        for _ in range(_READS_MAX):
            if not self._is_readable(0):
                break
            self._take_some()
        self._handler.end_of_batch()

    def _take_some(self) -> None:
        """One read, and the other half of a rename that it ends with."""
        self._take(self._inotify.read(_READ_BYTES))
        while self._handler.awaits_other_half and self._is_readable(_PAIR_WITHIN_MS):
            self._take(self._inotify.read(_READ_BYTES))

    def _take(self, raw: bytes) -> None:
        """Report the events of one read."""
        tell = self._handler.happened
        for wd, mask, cookie, name in parts(raw):
            if mask & Mask.Q_OVERFLOW:
                self._handler.on_queue_overflow()
            elif mask & Mask.IGNORED:
                self._handler.on_watch_deleted(wd)
            else:
                tell(wd, mask, cookie, name)

    def _is_readable(self, wait_ms: int) -> bool:
        readable, _, _ = select.select([self.descriptor], [], [], wait_ms / 1000)
        return bool(readable)


class _FloodMeter:
    """Detects events by the hundred."""

    def __init__(self) -> None:
        self.count = 0  # events since `_from_s`
        self._from_s = 0.0
        self._was_flooded = False

    def is_flooded(self) -> bool:
        now = time.monotonic()
        if now - self._from_s > _FLOOD_S:
            self._was_flooded = self.count > _FLOOD and now - self._from_s < 2 * _FLOOD_S
            self._from_s, self.count = now, 0
        return self._was_flooded or self.count > _FLOOD


class _WatchedFolders:
    """Maps watch descriptors to folders."""

    def __init__(self) -> None:
        self.paths: dict[int, bytes] = {}
        self._descriptors: dict[bytes, int] = {}

    def add(self, wd: int, path: bytes) -> None:
        self.paths[wd] = path
        self._descriptors[path] = wd

    def remove(self, wd: int) -> None:
        path = self.paths.pop(wd, None)
        if path is not None and self._descriptors.get(path) == wd:
            del self._descriptors[path]

    def below(self, path: bytes) -> list[int]:
        """The descriptors of a folder and of all folders below it."""
        prefix = path + b"/"
        return [wd for known, wd in list(self._descriptors.items()) if known == path or known.startswith(prefix)]

    def move(self, source: bytes, target: bytes) -> None:
        """A folder was renamed."""
        for wd in self.below(source):
            old = self.paths[wd]
            self._descriptors.pop(old, None)
            self.add(wd, target + old[len(source) :])


class ChangeHandler:
    """Watches the folders of one tree. Any thread may call `watch`; everything else runs on the thread of `Readable`.

    It has more fields than a class should have: what is watched, what was read of one batch, and where it goes."""

    def __init__(
        self, root: bytes, readable: Readable, post: Callable[[list[Event]], None], backlog: Callable[[], int]
    ) -> None:
        """`post` must not wait; `backlog()` is the number of batches that wait. Raises OSError if the system's limit of
        inotify instances is reached."""
        self._root = root
        self._readable = readable
        self._post = post
        self._backlog = backlog
        self._folders = _WatchedFolders()
        self._batch: dict[Event, None] = {}
        self._half: tuple[int, bytes, bool] | None = None  # cookie, path, is directory: the first half of a rename
        self._lost = False
        self._flood = _FloodMeter()
        self.unwatched: dict[bytes, str] = {}  # folders that cannot be watched, and why; read by other threads
        self._is_over = False
        self._reader = _Reader(self)

    def start(self) -> None:
        self._readable.add(self._reader.descriptor, self._reader.read)

    def stop(self) -> None:
        """May be called whether or not it was started, and again."""
        if not self._is_over:
            self._is_over = True
            self._readable.remove(self._reader.descriptor)
            self._reader.close()

    def watch(self, path: bytes) -> bool:
        """Report all events directly in a folder from now on; false if it cannot be watched."""
        full = self._root + b"/" + path if path else self._root
        try:
            wd = self._reader.add(full)
        except OSError as error:
            # If we may not enter a folder above it, we cannot see whether it exists.
            if error.errno == errno.EACCES or (error.errno is not None and os.path.isdir(full)):
                self.unwatched[path] = error.strerror or str(error)
            else:
                self.unwatched.pop(path, None)
            return False
        self.unwatched.pop(path, None)
        self._folders.add(wd, path)
        return True

    def catch_up(self) -> bool:
        """Post everything that has happened until now. False if there is too much: call it again later. Not on the thread that
        takes what is posted."""
        with self._readable.alone():
            if not self._is_over:
                self._reader.read_all()
            return not self._lost

    # --- the thread of Readable ----------------------------------------------------------------------------------------

    def is_flooded(self) -> bool:
        """True while events arrive by the hundred."""
        return self._flood.is_flooded()

    @property
    def awaits_other_half(self) -> bool:
        return self._half is not None

    @property
    def awaits_close(self) -> bool:
        """True if all that happened is that files were made or written, so nothing is looked at before they are closed."""
        return bool(self._batch) and all(
            type(event) is Touched and event.urgency in _BEFORE_CLOSE for event in self._batch
        )

    def happened(self, wd: int, mask: int, cookie: int, name: bytes) -> None:
        self._flood.count += 1
        folder = self._folders.paths.get(wd)
        if folder is None or not name or name == RESERVED_NAME:
            if name or not mask & Mask.ATTRIB:
                return
            if not folder:
                return
            path = folder
        else:
            path = folder + b"/" + name if folder else name
        is_directory = bool(mask & Mask.ISDIR)
        if self._half is not None and not (mask & Mask.MOVED_TO and cookie == self._half[0]):
            self._left()
        if mask & Mask.MOVED_FROM:
            self._half = (cookie, path, is_directory)
        elif mask & Mask.MOVED_TO:
            if self._half is not None:
                source = self._half[1]
                self._half = None
                if is_directory:
                    self._folders.move(source, path)
                self._add(Moved(source, path, is_directory))
            else:
                self._add(Touched(path, Urgency.FOLDER if is_directory else Urgency.ARRIVED))
        elif mask & Mask.CREATE:
            self._add(Touched(path, Urgency.FOLDER if is_directory else Urgency.CREATED))
        elif mask & Mask.DELETE:
            self._add(Touched(path, Urgency.VANISHED))
        elif mask & Mask.CLOSE_WRITE:
            self._batch.pop(Touched(path, Urgency.WRITING), None)  # what was written before is seen together
            self._add(Touched(path, Urgency.NOW))
        elif mask & Mask.ATTRIB:
            self._add(Touched(path, Urgency.ATTRIBUTES))
        elif mask & Mask.MODIFY:
            self._add(Touched(path, Urgency.WRITING))

    def on_watch_deleted(self, wd: int) -> None:
        self._folders.remove(wd)

    def on_queue_overflow(self) -> None:
        self._half = None
        self._add(Blind(b"", "more files changed at once than the system could report"))

    def end_of_batch(self) -> None:
        """Everything available was read."""
        if self._half is not None:
            self._left()
        if self._backlog() > _BACKLOG_MAX:
            self._lost = True
            self._batch.clear()
            return
        if self._lost:
            self._lost = False
            self._batch[Blind(b"", "more files changed at once than could be followed")] = None
        if self._batch:
            self._post(list(self._batch))
            self._batch.clear()

    def _add(self, event: Event) -> None:
        # Twice in one read counts once, in the position of the last one.
        self._batch.pop(event, None)
        self._batch[event] = None

    def _left(self) -> None:
        """The file of the pending first half was moved out of the tree."""
        assert self._half is not None
        _, path, is_directory = self._half
        self._half = None
        self._add(Touched(path, Urgency.VANISHED))
        if is_directory:
            for wd in self._folders.below(path):
                self._reader.remove(wd)
                self._folders.remove(wd)
