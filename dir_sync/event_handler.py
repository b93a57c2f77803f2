"""ChangeHandler: turns the events of inotify into hints to look at a path.

In:   events of inotify, through watchdog's reader (`watchdog.observers.inotify_c.InotifyFD`).
Out:  Touched, Moved and Blind events, in batches.
Rule: nothing is looked at, stored or decided here. A folder is watched right before it is listed (`watch`), so that an
entry that appears in between is reported or listed. No event alone causes a new watch.

The higher layers of watchdog are not used: they delay every event for half a second after a file was moved out of the
tree, and add watches without listing what is below them (docs/decisions.md has the figures).
"""

from __future__ import annotations

import errno
import logging
import os
import select
import struct
import time
from collections.abc import Callable

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from dir_sync.core.events import Blind, Event, Moved, Touched, Urgency
from dir_sync.core.limits import KIB, RESERVED_NAME
from dir_sync.readable import Readable

__all__ = ["ChangeHandler"]

_PAIR_WITHIN_MS = 2  # one system call queues both halves of a rename
_CLOSE_WITHIN_MS = 1  # most programs close a new file right after they made it: one turn serves both events
_CLOSE_READS_MAX = 3  # a program that goes on writing is not waited for
_FLOOD = 100  # so many events ...
_FLOOD_S = 0.2  # ... within this are a flood, such as a bulk of new files; it ends after an equally long calm
_BREATH_S = 0.02
_BACKLOG_MAX = 2_000  # batches that wait; beyond that, a scan is cheaper
_CALLBACK = CallbackId(1)

_WATCHED = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
)
_IS_DIRECTORY = InotifyConstants.IN_ISDIR
_CREATE = InotifyConstants.IN_CREATE
_DELETE = InotifyConstants.IN_DELETE
_FROM = InotifyConstants.IN_MOVED_FROM
_TO = InotifyConstants.IN_MOVED_TO
_CLOSED = InotifyConstants.IN_CLOSE_WRITE
_ATTRIBUTES = InotifyConstants.IN_ATTRIB
_MODIFY = InotifyConstants.IN_MODIFY
_BEFORE_CLOSE = (Urgency.CREATED, Urgency.WRITING)
_NOT_OF_A_FILE = InotifyConstants.IN_IGNORED | InotifyConstants.IN_Q_OVERFLOW
_HEAD = struct.Struct("iIII")  # watch descriptor, mask, cookie, length of the name
_READ_BYTES = 64 * KIB
_READS_MAX = 1_000  # the system queues less than that; a program may go on writing while it is read


class _Reader(InotifyFD):
    """Watchdog's inotify, without its thread: `Readable` calls `read`. It hands over whole reads instead of single events."""

    def __init__(self, handler: ChangeHandler) -> None:
        super().__init__()
        self._handler = handler
        self._is_reading = False  # for watchdog: `close` need not wait for a thread that reads
        os.set_blocking(self._inotify_fd, False)

    @property
    def descriptor(self) -> int:
        return self._inotify_fd

    def add(self, path: bytes) -> int:
        """Watch a directory from now on. Returns the watch descriptor. Raises OSError."""
        with self._lock:
            if self._closed:
                raise OSError("the watcher has ended")
            watch = self._get_or_create_watch(path, _WATCHED)
            if watch.wd < 0:  # watchdog reports no error if the folder is not readable
                self._watch_for_wd.pop(watch.wd, None)
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
            watch.callbacks[_CALLBACK] = self._handler
            return int(watch.wd)

    def remove(self, wd: int) -> None:
        with self._lock:
            if not self._closed and wd in self._watch_for_wd:
                self._remove_callback(WatchDescriptor(wd), _CALLBACK)

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
        self._take(self._events())
        while self._handler.awaits_other_half and self._is_readable(_PAIR_WITHIN_MS):
            self._take(self._events())

    def _events(self) -> bytes:
        try:
            return os.read(self._inotify_fd, _READ_BYTES)
        except BlockingIOError:
            return b""

    def _take(self, raw: bytes) -> None:
        """Report the events of one read. Watchdog would make an object of each event and take a lock for each."""
        at, end = 0, len(raw)
        unpack, watched, tell = _HEAD.unpack_from, self._watch_for_wd, self._handler.happened
        while at + _HEAD.size <= end:
            wd, mask, cookie, length = unpack(raw, at)
            name = raw[at + _HEAD.size : at + _HEAD.size + length].rstrip(b"\0")
            at += _HEAD.size + length
            if mask & _NOT_OF_A_FILE:
                self.handle_event(InotifyEvent(WatchDescriptor(wd), Mask(mask), cookie, name))
            elif wd in watched:
                tell(wd, mask, cookie, name)

    def _is_readable(self, wait_ms: int) -> bool:
        with self._lock:
            if self._closed:
                return False
        readable, _, _ = select.select([self._inotify_fd], [], [], wait_ms / 1000)
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
        logging.getLogger("watchdog").setLevel(logging.CRITICAL)  # the same problems are reported here in better words
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

    def on_event(self, event: InotifyEvent) -> None:
        self.happened(event.wd, event.mask, event.cookie, event.name)

    def happened(self, wd: int, mask: int, cookie: int, name: bytes) -> None:
        self._flood.count += 1
        folder = self._folders.paths.get(wd)
        if folder is None or not name or (name == RESERVED_NAME and not folder):  # (in another folder it is in the way)
            if name or not mask & InotifyConstants.IN_ATTRIB:
                return
            if not folder:
                return
            path = folder
        else:
            path = folder + b"/" + name if folder else name
        is_directory = bool(mask & _IS_DIRECTORY)
        if self._half is not None and not (mask & _TO and cookie == self._half[0]):
            self._left()
        if mask & _FROM:
            self._half = (cookie, path, is_directory)
        elif mask & _TO:
            if self._half is not None:
                source = self._half[1]
                self._half = None
                if is_directory:
                    self._folders.move(source, path)
                self._add(Moved(source, path, is_directory))
            else:
                self._add(Touched(path, Urgency.FOLDER if is_directory else Urgency.ARRIVED))
        elif mask & _CREATE:
            self._add(Touched(path, Urgency.FOLDER if is_directory else Urgency.CREATED))
        elif mask & _DELETE:
            self._add(Touched(path, Urgency.VANISHED))
        elif mask & _CLOSED:
            self._batch.pop(Touched(path, Urgency.WRITING), None)  # what was written before is seen together
            self._add(Touched(path, Urgency.NOW))
        elif mask & _ATTRIBUTES:
            self._add(Touched(path, Urgency.ATTRIBUTES))
        elif mask & _MODIFY:
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
