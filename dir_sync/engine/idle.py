"""Low-priority work: removal of unused staging files, folder mtimes, signatures.

In:   marks of the machines. Out: one task at a time.
Used by: engine.
"""

from __future__ import annotations

from dir_sync.core.jobs import SweepJob
from dir_sync.core.names import part_name
from dir_sync.engine.board import Board
from dir_sync.engine.constants import CALM_MS
from dir_sync.engine.folder_times import FolderTimes
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.signatures import SignatureBacklog
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.work import WorkTable

__all__ = ["IdleTasks"]

# A folder that was deleted here comes back within this time if its peers have something in it that stays: they wait
# for the tombstones of its children before they announce it again.
_FOLDER_MS = 1_000


class IdleTasks:
    """Low-priority work, done when nothing else is to be done."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        signatures: SignatureBacklog,
        folder_times: FolderTimes,
        transfers: TransferTable,
        echoes: OwnEchoes,
    ) -> None:
        self._board = board
        self._work = work
        self._signatures = signatures
        self._folder_times = folder_times
        self._transfers = transfers
        self._echoes = echoes

    def calm_work(self) -> bool:
        if self._signatures.signing:
            return False
        return bool(
            self._board.listings.when_calm
            or self._folder_times.mtimes_to_set
            or self._folder_times.active_folders
            or self._signatures.to_sign
            or self._signatures.may_hold
            or self._signatures.sign_after is not None
            or self._transfers.parts.must_sweep
            or (self._work.folders.waiting and self._work.folders.has_ready())
        )

    def when_calm(self) -> None:
        """Set folder mtimes and make signatures."""
        is_calm = self._board.now.mono_ms - self._board.moved_ms >= CALM_MS
        if (
            not is_calm
            or self._board.has_acted
            or self._board.out
            or self._board.jobs_out
            or self._board.plan_queue.queues
            or self._board.listings.folders
            or self._work.arrivals.fetching
            or self._board.scan.is_on
            or self._signatures.signing
            or not self.calm_work()
        ):
            return
        due = self._board.pending_looks.next_due()
        if due is not None and due < self._board.now.mono_ms + CALM_MS:
            return
        if self._board.listings.add_calm():
            self._echoes.forget()
            self._board.run_once_more()
            return
        if self._board.now.mono_ms - self._board.moved_ms >= _FOLDER_MS:
            for path in self._work.folders.ready():
                self._work.arrivals.unready(
                    path
                )  # the parent folder does not arrive: paths that wait for this content fetch it themselves
                self._board.run_once_more()
        if self._transfers.parts.must_sweep:
            wanted = {part_name(content) for content in self._board.index.offers.contents()}
            self._transfers.parts.swept(bool(wanted))
            wanted |= self._work.arrivals.staged_names()
            self._board.emit(SweepJob(frozenset(wanted)))
        if self._folder_times.active_folders:
            checks = self._folder_times.begin_checks()
            for path in checks if self._board.peers else ():
                self._board.pending_looks.add(path, self._board.now.mono_ms, self._board.now.mono_ms).check_mtime = True
            self._board.run_once_more()
            return
        if self._folder_times.mtimes_to_set:
            self._folder_times.set_mtimes()
            return
        self._signatures.sign_next()
