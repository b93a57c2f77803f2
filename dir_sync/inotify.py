"""Inotify: its three system calls, which the standard library lacks, and what its events consist of (inotify(7)).

In:   folders to watch. Out: the bytes of events, as the kernel queues them; OSError.
Rule: any thread may call `add` and `remove`, also while another one calls `close`.
Used by: event_handler.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Iterator

__all__ = ["Inotify", "Mask", "parts"]


class Mask:
    """What happened, and what is to be reported."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    Q_OVERFLOW = 0x4000  # the kernel had no room for more events; it is about no folder
    IGNORED = (
        0x8000  # the folder is not watched any longer: it was deleted, its disk was unmounted, or `remove` was called
    )
    ONLYDIR = 0x1000000
    DONT_FOLLOW = 0x2000000
    ISDIR = 0x40000000  # it happened to a folder


_HEAD = struct.Struct("iIII")  # watch descriptor, mask, cookie, length of the name with the zeros behind it
_WORDS = {errno.ENOSPC: "inotify watch limit reached", errno.EMFILE: "inotify instance limit reached"}

_libc = ctypes.CDLL(None, use_errno=True)

_init = _libc["inotify_init1"]
_init.restype = ctypes.c_int
_init.argtypes = (ctypes.c_int,)

_add_watch = _libc["inotify_add_watch"]
_add_watch.restype = ctypes.c_int
_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)

_remove_watch = _libc["inotify_rm_watch"]
_remove_watch.restype = ctypes.c_int
_remove_watch.argtypes = (ctypes.c_int, ctypes.c_int)


def parts(raw: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The events of one read: watch descriptor, mask, cookie, and the name in the folder (empty: it is about the folder)."""
    at, head = 0, _HEAD.size
    while at + head <= len(raw):
        wd, mask, cookie, length = _HEAD.unpack_from(raw, at)
        at += head
        yield wd, mask, cookie, raw[at : at + length].rstrip(b"\0")
        at += length


class Inotify:
    """One queue of events."""

    def __init__(self) -> None:
        """Raises OSError, EMFILE if the user has as many of them as the system allows."""
        self.descriptor = _checked(_init(os.O_NONBLOCK | os.O_CLOEXEC))
        self._lock = threading.Lock()
        self._closed = False

    def add(self, path: bytes, mask: int) -> int:
        """Watch from now on. Returns the watch descriptor, the same one for each path of a folder. Raises OSError, ENOSPC if
        the user watches as many folders as the system allows."""
        with self._lock:
            if self._closed:
                raise OSError("the watcher has ended")
            return _checked(_add_watch(self.descriptor, path, mask))

    def remove(self, wd: int) -> None:
        """A descriptor that is unknown, or not watched any longer, counts as removed."""
        with self._lock:
            if not self._closed:
                _remove_watch(self.descriptor, wd)

    def read(self, size: int) -> bytes:
        """The events that are there, up to `size` bytes; empty if there are none. Nobody may call `close` meanwhile."""
        try:
            return os.read(self.descriptor, size)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self.descriptor)


def _checked(result: int) -> int:
    if result >= 0:
        return result
    number = ctypes.get_errno()
    raise OSError(number, _WORDS.get(number) or os.strerror(number))
