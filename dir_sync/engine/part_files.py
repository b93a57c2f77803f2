"""The staging files of transfers: their names, who uses them, and whether some are left that nobody wants.

In:   large transfers that begin and end, or are given up while a job writes their file.
Out:  names for new files; whether unwanted files have to be looked for.
Rule: two transfers never have the same staging file. Only one that was given up may still write the bytes of the content with
which another one continues.
Used by: transfers.
"""

from __future__ import annotations

from dir_sync.core.names import part_name
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.board import Board
from dir_sync.engine.work import WorkTable

__all__ = ["PartFiles"]


class PartFiles:
    """The staging files of transfers."""

    def __init__(self, board: Board, work: WorkTable) -> None:
        self._board = board
        self._work = work
        self._token = 0
        self.large: dict[int, Fetch] = {}  # transfers that use the staging folder, by token
        # transfers given up while a job wrote their files; and whether to remove the file
        self._orphans: dict[int, tuple[Fetch, bool]] = {}
        self._are_left = True  # there may be partial downloads that are no longer wanted
        self._are_kept = False  # ... or that will not be wanted when the offers change

    def new_token(self) -> int:
        """The number of a new transfer."""
        self._token += 1
        return self._token

    def name_for(self, content: bytes) -> bytes:
        """The staging file for a content. It is the same each time, so that an interrupted transfer continues. Never a
        file that is about to be removed, that is complete and waits for its installation at another path, or into which
        a job still writes something else."""
        name = part_name(content)
        is_free = name not in self._board.discarded and not self.is_staged(name) and not self._is_spoilt(name, content)
        return name if is_free else name + b"-%s-%d" % (self._board.tag, self._token)

    def is_staged(self, name: bytes) -> bool:
        """True if a staging file is in use, or will be."""
        return self._work.arrivals.is_staged(name) or any(fetch.name == name for fetch in self.large.values())

    def _is_spoilt(self, name: bytes, content: bytes) -> bool:
        """True if a transfer that was given up still writes something else into this file: what the content had become
        meanwhile, or what a delta makes."""
        writers = (fetch for fetch, _ in self._orphans.values() if fetch.name == name)
        return any(fetch.base is not None or fetch.target.content != content for fetch in writers)

    def begin(self, fetch: Fetch) -> None:
        self.large[fetch.token] = fetch

    def end(self, fetch: Fetch) -> None:
        del self.large[fetch.token]

    def orphan(self, fetch: Fetch, remove: bool) -> None:
        """The transfer is given up, but a job still writes its file. `remove`: remove the file then."""
        self._orphans[fetch.token] = (fetch, remove)

    def take_orphan(self, token: int) -> tuple[Fetch, bool] | None:
        """The transfer that was given up while this job wrote its file, and whether to remove the file; None if there
        is none."""
        orphan = self._orphans.pop(token, None)
        if orphan is not None:
            self.one_was_left()
        return orphan

    def one_was_left(self) -> None:
        """There may be a partial download that is no longer wanted."""
        self._are_left = True

    @property
    def must_sweep(self) -> bool:
        return self._are_left or (self._are_kept and self._board.index.offers.went)

    def swept(self, are_kept: bool) -> None:
        """Unwanted partial downloads are removed now. `are_kept`: others are still wanted."""
        self._are_left = False
        self._board.index.offers.reset_went()
        self._are_kept = are_kept
