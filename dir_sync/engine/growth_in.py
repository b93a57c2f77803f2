"""A file grew at a peer: the appended bytes are fetched and appended here.

In:   offers of a file that begins with our version. Out: transfers that append.
Used by: fetcher.
"""

from __future__ import annotations

from dir_sync.core.jobs import ApplyResult, Growing, Result, Staged
from dir_sync.core.model import Record
from dir_sync.core.names import NEW_GROW, staging_name
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import Ready
from dir_sync.engine.work import WorkTable
from dir_sync.index import Row

__all__ = ["GrowthInstaller"]


class GrowthInstaller:
    """A file grew at a peer: the appended bytes are fetched and appended here."""

    def __init__(self, board: Board, work: WorkTable, transfers: TransferTable, applier: Applier) -> None:
        self._board = board
        self._work = work
        self._transfers = transfers
        self._applier = applier

    def begin_growth(self, row: Row, target: Record, replica: str, marks: tuple[bytes, ...]) -> None:
        """Our version is the beginning of the wanted one. The job writes into the file itself, so nothing else happens
        at this path until it ends."""
        path, mine = target.path, row.record
        token = self._transfers.parts.new_token()
        now, size = self._board.now.mono_ms, mine.size
        name = staging_name(NEW_GROW, self._board.tag, token)
        fetch = Fetch(
            token,
            target,
            replica,
            None,
            target.size,
            name,
            size,
            size,
            size,
            True,
            True,
            moved_ms=now,
            started_ms=now,
            began_at=size,
        )
        fetch.grows = Growing(
            path, row.fp, size, mine.content, marks, target.content, target.size, target.mode, target.mtime
        )
        self._transfers.begin(fetch)
        self._work.begin_growth(fetch)
        self._applier.record_attempt(path, target.stamp)
        self._transfers.order_growth(fetch, ())
        self._transfers.pull(fetch)

    def on_grown(self, fetch: Fetch, event: Staged) -> None:
        """A job appended more bytes, or failed."""
        path = fetch.target.path
        if not event.problem and not event.verified:
            fetch.written = event.written
            self._transfers.pull(fetch)
            self._transfers.write(fetch)
            return
        if event.unfinished:
            self._transfers.forget(fetch)
            self._work.retries.wait_after(path, event.problem)
            self._transfers.cut_back_later(fetch)
            return
        self._transfers.growth_ends(fetch)
        if event.problem:
            self._board.pending_looks.add(
                path, self._board.now.mono_ms, self._board.now.mono_ms
            )  # a look at the file decides what comes next
            if event.full:
                self._work.retries.await_disk_room(path, fetch.target.size)
            if event.base_changed:
                self._transfers.forget(fetch)
                self._work.holders.drop_delta_offer(path)
            else:
                self._transfers.failed_fetch(fetch, event)
                self._work.holders.want_whole(path)
            return
        self._transfers.forget(fetch)
        self._transfers.tell_fetched(fetch)
        if not event.fp:
            self._work.arrivals.make_ready(path, Ready(fetch.target.content, None, fetch.name))
            return
        _, _, item, take = fetch.plan
        self._work.attempts.forget_attempt(path)
        self._work.retries.end_trouble(path)
        row = self._board.index.rows.get(path)
        self._applier.installed(item, take, row, ApplyResult(path, Result.DONE, event.fp))
