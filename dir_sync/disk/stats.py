"""Converts os.stat_result to Stat.

In:   an open parent and a name, or an open directory.
Out:  Stats. An entry beyond a mount is OTHER.
Used by: files, renames, unlocked, real.
"""

from __future__ import annotations

import errno
import os
import stat as st
import sys

from dir_sync.core.model import Kind, Stat
from dir_sync.disk.linux import PEEK, Kernel, openat2, os_error

__all__ = ["KINDS", "Stats", "names_in", "stat_of"]

KINDS = {st.S_IFREG: Kind.FILE, st.S_IFDIR: Kind.DIRECTORY, st.S_IFLNK: Kind.SYMLINK}

_ENCODING, _HANDLER = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

_new = tuple.__new__  # calling Stat() takes twice as long, and scans make millions


def stat_of(kind: Kind, found: os.stat_result) -> Stat:
    return _new(
        Stat,
        (
            kind,
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
            found.st_mode & 0o777,
            found.st_ino,
            found.st_dev,
            found.st_nlink,
        ),
    )


def names_in(handle: int) -> list[bytes]:
    return [name.encode(_ENCODING, _HANDLER) for name in os.listdir(handle)]


class Stats:
    """Examines entries as they are on the disk now. All methods raise OSError."""

    def __init__(self, kernel: Kernel, device: int) -> None:
        """`device`: the device of the shared folder."""
        self._kernel = kernel
        self._device = device

    def at(self, parent: int, leaf: bytes) -> Stat:
        found = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
        kind = KINDS.get(found.st_mode & 0o170000, Kind.OTHER)
        if found.st_dev != self._device:
            kind = self._foreign(kind, parent, leaf)
        return stat_of(kind, found)

    def kind_of(self, found: os.stat_result, parent: int, leaf: bytes) -> Kind:
        kind = KINDS.get(found.st_mode & 0o170000, Kind.OTHER)
        return kind if found.st_dev == self._device else self._foreign(kind, parent, leaf)

    def entries(self, handle: int) -> list[tuple[bytes, Stat]]:
        """The entries of an open directory. Those that vanish meanwhile are left out."""
        listing: list[tuple[bytes, Stat]] = []
        add, look, kinds, device = listing.append, os.stat, KINDS, self._device
        encoding, handler = _ENCODING, _HANDLER
        for text in os.listdir(handle):
            name = text.encode(encoding, handler)
            try:
                found = look(name, dir_fd=handle, follow_symlinks=False)
                kind = kinds.get(found.st_mode & 0o170000, Kind.OTHER)
                if found.st_dev != device:
                    kind = self._foreign(kind, handle, name)
            except FileNotFoundError:
                continue
            add((name, stat_of(kind, found)))
        return listing

    def _foreign(self, kind: Kind, parent: int, leaf: bytes) -> Kind:
        """The kind of an entry on another device than the folder: OTHER if it is a mount point. Raises EXDEV if it is
        below one.

        A directory counts as one: a mount, or a subvolume, into which nothing can be renamed. A file need not:
        overlayfs gives its files the devices of its layers. Of files only a mounted one counts."""
        if kind == Kind.DIRECTORY:
            return Kind.OTHER
        if os.fstat(parent).st_dev != self._device:
            raise os_error(errno.EXDEV)
        if self._kernel.has_openat2:
            try:
                os.close(openat2(parent, leaf, PEEK))
            except OSError as error:
                if error.errno == errno.EXDEV:
                    return Kind.OTHER
                raise
        return kind
