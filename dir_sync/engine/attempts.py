"""What a job may have left at a path, and what listings saw there while a job was out.

In:   versions that jobs try to install; fingerprints that listings saw during a job; folders that were not empty.
Out:  what may be on the disk until a look or a listing decides.
Used by: work, path_jobs.
"""

from __future__ import annotations

from dir_sync.core.model import Stamp
from dir_sync.engine.path_work import PathTable

__all__ = ["Attempts"]


class Attempts:
    """What a job may have left at a path, and what listings saw there while a job was out."""

    def __init__(self, paths: PathTable) -> None:
        self._paths = paths

    def note_listed(self, path: bytes, fp: bytes) -> None:
        """A listing saw this fingerprint while a job was out at this path."""
        self._paths.at(path).listed = fp

    def take_listed(self, path: bytes) -> bytes | None:
        entry = self._paths.get(path)
        if entry is None or entry.listed is None:
            return None
        fp, entry.listed = entry.listed, None
        self._paths.touch(path)
        return fp

    def record_attempt(self, path: bytes, stamp: Stamp) -> None:
        """A job may have installed this version here. That is unknown until a look."""
        self._paths.at(path).attempted = stamp

    def attempted(self, path: bytes) -> Stamp | None:
        entry = self._paths.get(path)
        return None if entry is None else entry.attempted

    def forget_attempt(self, path: bytes) -> None:
        entry = self._paths.get(path)
        if entry is not None and entry.attempted is not None:
            entry.attempted = None
            self._paths.touch(path)

    def await_listing(self, folder: bytes) -> None:
        """This folder should go and was not empty: its next listing decides."""
        self._paths.at(folder).leaving = True

    def awaits_listing(self, folder: bytes) -> bool:
        entry = self._paths.get(folder)
        return entry is not None and entry.leaving

    def end_listing_wait(self, folder: bytes) -> None:
        entry = self._paths.get(folder)
        if entry is not None and entry.leaving:
            entry.leaving = False
            self._paths.touch(folder)
