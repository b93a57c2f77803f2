"""The staging folder: names for new files, and the removal of unneeded ones.

In:   prefixes, names, the names that the engine still needs.
Out:  paths that were not used before in this run; files that are removed, or renamed so that they can be used again.
Used by: `history_store`, `kept`, `prepare`, `install`, `metadata`, `move`, `batches`, `appends`, `downloads`, `patch`,
      `deltas`, `recovery`, `file_sync`.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from dir_sync.core.model import Kind
from dir_sync.core.names import NEW, PART, STAGING, staging_name
from dir_sync.ports import Disk, DiskError

__all__ = ["Staging"]


class Staging:
    """The staging folder of one shared folder. All methods may be called from any thread. Fields: the disk; the parts
    that make names unique."""

    def __init__(self, disk: Disk, tag: bytes) -> None:
        """`tag`: part of each name, different at each start."""
        self._disk = disk
        self._tag = tag
        self._numbers = itertools.count(1)

    def new_name(self, prefix: bytes) -> bytes:
        """A path that was not used before in this run."""
        return staging_name(prefix, self._tag, next(self._numbers))

    @contextlib.contextmanager
    def trial(self, kind: Kind, mode: int = 0o700) -> Iterator[bytes]:
        """A new entry of ours, which shows what this file system makes of what is set on it. It is removed at the end.
        `mode`: of a folder."""
        name = self.new_name(NEW)
        match kind:
            case Kind.FILE:
                self._disk.create(name).close()
            case Kind.DIRECTORY:
                self._disk.make_directory(name, mode)
            case _:
                self._disk.make_link(name, b"x")
        try:
            yield name
        finally:
            if kind is Kind.DIRECTORY:
                self._disk.remove_directory(name)
            else:
                self._disk.remove_file(name)

    def last_parts(self, prefix: bytes, count: int) -> list[bytes]:
        """New names without the folder, for calls that name the folder once."""
        tag = self._tag
        return [prefix + b"%s-%d" % (tag, number) for number in itertools.islice(self._numbers, count)]

    def sweep(self, keep: frozenset[bytes]) -> None:
        """Remove the partial downloads that are no longer wanted."""
        try:
            names = [STAGING + b"/" + name for name, _ in self._disk.list(STAGING) or [] if name.startswith(PART)]
        except DiskError:
            return
        self.discard(tuple(name for name in names if name not in keep))

    def discard(self, names: tuple[bytes, ...]) -> None:
        """Remove staging files."""
        for name in names:
            try:
                self._disk.remove_file(name)
            except DiskError:
                pass  # removed already, or removed by the next start

    def release(self, staged: bytes | None, name: bytes, inode: int) -> None:
        """Give a prepared entry that was not installed its name `staged` again, if it can be used later. If it is not
        the one we made, it may be a user's: it stays, and the next start files it away."""
        try:
            stat = self._disk.stat(name)
            if stat is None or stat.inode != inode:
                return
            if staged is not None:
                self._disk.set_meta(name, 0o600, None)  # otherwise a read-only file could not be opened again
                self._disk.rename(name, staged)  # its bytes need not be fetched again
            elif stat.kind == Kind.DIRECTORY:
                self._disk.remove_directory(name)
            else:
                self._disk.remove_file(name)
        except DiskError:
            pass  # removed already, or removed by the next start
