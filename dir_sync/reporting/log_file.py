"""The log file: it is kept below a size, and can be opened anew after another program has moved it away.

In:   a path, and lines as bytes. Out: a descriptor for appending. When the file would become too large, it becomes FILE.1, that
one FILE.2, and so on; the oldest goes.
Rule: rotation never loses a line. If the files cannot be renamed, the log goes on in the file that is open. Only a regular file
is rotated, and only while it still has its name: logrotate may have renamed it.
Used by: log.
"""

from __future__ import annotations

import os
import stat

__all__ = ["LogFile"]


class LogFile:
    """For one thread at a time. Raises OSError or ValueError if the file cannot be opened."""

    def __init__(self, path: str, max_bytes: int, kept: int) -> None:
        """`max_bytes`: 0 if the file may grow for ever. `kept`: how many older files stay."""
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self.descriptor = _open(path)
        self._again_bytes = max_bytes  # after a rotation that failed, the next try is not the next line

    def make_room(self, more_bytes: int) -> bool:
        """Rotate, if so many bytes more would make the file too large. True if there is another descriptor now."""
        if not self._max_bytes:
            return False
        try:
            found = os.fstat(self.descriptor)
        except OSError:
            return False
        if not stat.S_ISREG(found.st_mode) or not found.st_size or found.st_size + more_bytes <= self._max_bytes:
            self._again_bytes = self._max_bytes
            return False
        if found.st_size + more_bytes <= self._again_bytes:
            return False
        self._again_bytes = found.st_size + self._max_bytes
        try:
            return self._rotate(found)
        except OSError:
            return False

    def reopen(self) -> bool:
        """Open the path anew: what was the file may have another name by now. False if that is not possible: then the log goes
        on in the file that is open."""
        try:
            new = _open(self._path)
        except (OSError, ValueError):
            return False
        self._use(new)
        return True

    def close(self) -> None:
        try:
            os.close(self.descriptor)
        except OSError:
            pass

    def _rotate(self, found: os.stat_result) -> bool:
        if not self._is_named(found):
            return self.reopen()  # it has been rotated by another program, or by another node
        if not self._kept:
            os.ftruncate(self.descriptor, 0)
            return False
        for number in range(self._kept - 1, 0, -1):
            try:
                os.rename(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            except FileNotFoundError:
                pass
        os.rename(self._path, f"{self._path}.1")
        return self.reopen()

    def _is_named(self, found: os.stat_result) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), found)
        except FileNotFoundError:
            return False

    def _use(self, new: int) -> None:
        os.close(self.descriptor)
        self.descriptor = new
        self._again_bytes = self._max_bytes


def _open(path: str) -> int:
    """A descriptor for appending. Never waits: a fifo without a reader is an error, a full one loses lines."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    return os.open(path, flags, 0o600)  # 0600, because it contains names of the user's files
