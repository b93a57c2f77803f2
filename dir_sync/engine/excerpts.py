"""Pieces of contents that only a peer keeps, for a person who wants to look at an old version without taking it back.

In:   a piece that is wanted, CHUNKS and REFUSE for it, a peer that disconnects, the time.
Out:  pulls within the window of the peer; an Excerpt with the bytes, or with why there are none.
Rule: nothing of it is written here. Whoever asked puts the pieces together and verifies the hash of the whole.
Used by: fetcher.
"""

from __future__ import annotations

from dir_sync.core.events import Excerpt, ExcerptWanted
from dir_sync.core.model import Kind, unstamped
from dir_sync.core.named import NamedTuple
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.board import Board
from dir_sync.engine.transfers import TransferTable

__all__ = ["Excerpts"]

_PATIENCE_MS = 20_000


class _Open(NamedTuple):
    id: int
    fetch: Fetch
    until_ms: int


class Excerpts:
    """Pieces of contents that only a peer keeps."""

    def __init__(self, board: Board, transfers: TransferTable) -> None:
        self._board = board
        self._transfers = transfers
        self.wanted: dict[int, _Open] = {}  # by the token of the transfer

    def begin(self, wanted: ExcerptWanted) -> None:
        """Ask the holder for a piece."""
        if wanted.holder not in self._transfers.holders:
            self._board.emit(Excerpt(wanted.id, b"", "that machine is not connected"))
            return
        until = wanted.offset + wanted.length
        target = unstamped(wanted.path, Kind.FILE, until, wanted.content, 0, 0)
        fetch = Fetch(self._transfers.parts.new_token(), target, wanted.holder, None, until, b"")
        fetch.asked = fetch.received = fetch.written = wanted.offset
        self.wanted[fetch.token] = _Open(wanted.id, fetch, self._board.now.mono_ms + _PATIENCE_MS)
        self._transfers.pull(fetch)

    def run(self) -> None:
        """Ask for what there was no room for, and give up what takes too long."""
        for token, one in list(self.wanted.items()):
            if one.until_ms <= self._board.now.mono_ms:
                self._transfers.forget_pulls(one.fetch)
                self._end(token, b"", "that machine did not answer in time")
            elif one.fetch.asked < one.fetch.size:
                self._transfers.pull(one.fetch)

    def took(self, fetch: Fetch) -> bool:
        """All bytes of a transfer are here. False if it is no piece of ours."""
        if fetch.token not in self.wanted:
            return False
        self._end(fetch.token, b"".join(data for _, data in fetch.waiting), "")
        return True

    def refused(self, fetch: Fetch) -> bool:
        """The peer does not give it. False if it is no piece of ours."""
        if fetch.token not in self.wanted:
            return False
        self._transfers.forget_pulls(fetch)
        self._end(fetch.token, b"", "that machine does not have it any more")
        return True

    def peer_gone(self, replica: str) -> None:
        for token, one in list(self.wanted.items()):
            if one.fetch.peer == replica:
                self._end(token, b"", "that machine is not connected any more")

    def _end(self, token: int, data: bytes, problem: str) -> None:
        self._board.emit(Excerpt(self.wanted.pop(token).id, data, problem))
