"""Which large files are read for their signatures when nothing else is to be done.

In:   files that came or changed. Out: marks for the idle tasks: their next change then travels as a delta.
Used by: applier, deltas_in, bulk_install, recorder, idle.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import DiscardJob, SignJob
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record
from dir_sync.engine.board import Board

__all__ = ["SignatureBacklog"]

_SIGN_BYTES_MAX = 2 * 1024 * limits.MIB  # of files that only lie there: read once, to have their signatures
_SIGN_GROWN_MS = 60_000  # a file that grew has rested for so long


class SignatureBacklog:
    """Which large files are read for their signatures when nothing else is to be done."""

    def __init__(self, board: Board, deltas: bool) -> None:
        self._board = board
        self.sign_grown: dict[bytes, int] = {}  # files that grew -> when (ms) they get a signature, if they rest
        self.to_sign: dict[
            bytes, bytes
        ] = {}  # path -> content it had before, whose signature helps to make the new one
        self.sign_after: bytes | None = b"" if deltas else None
        self.sign_budget = _SIGN_BYTES_MAX
        self.signing = False
        self.may_hold = False  # large files may be held open until they have a signature (unsigned.py)

    def sign_later(self, record: Record, previous: Record | None, grown: bool = False) -> None:
        """`grown`: what comes next is probably appended, too, and needs no signature; each has 0.5 % of the file's size.
        A file that changed in any other way needs one for its next change."""
        self.may_hold |= max(record.size, 0 if previous is None else previous.size) >= limits.LARGE_FILE_BYTES
        if not self._board.with_deltas or len(self.to_sign) >= 1_000:
            return
        self.sign_grown.pop(record.path, None)
        if grown:
            self.sign_grown[record.path] = self._board.now.mono_ms + _SIGN_GROWN_MS
            return
        if record.kind == Kind.FILE and record.size >= limits.DELTA_FILE_BYTES_MIN:
            earlier = self.to_sign.pop(record.path, b"")
            if previous is not None and previous.kind == Kind.FILE:
                earlier = earlier or previous.content
            self.to_sign[record.path] = earlier

    def sign_next(self) -> None:
        """Nothing else is to be done: the next file is read. Found by path, as long as the budget lasts."""
        if not self.to_sign and self.sign_after is not None:
            rows = self._board.index.live_rows(self.sign_after, limits.DELTA_FILE_BYTES_MIN, 64)
            self.sign_after = rows[-1].record.path if rows else None
            for row in rows:
                self.sign_budget -= row.record.size
                if self.sign_budget < 0:
                    self.sign_after = None
                    break
                self.to_sign[row.record.path] = b""
        while self.to_sign:
            path = next(iter(self.to_sign))
            earlier = self.to_sign.pop(path)
            found = self._board.index.get(path)
            if found is not None and found.record.kind == Kind.FILE and len(found.fp) == FINGERPRINT_BYTES:
                self.signing = True
                self._board.order(SignJob("", 0, 0, path, found.fp, found.record.content, earlier))
                return
        if self.may_hold and self.sign_after is None:
            self.may_hold = False
            self._board.emit(DiscardJob((), unsigned=True))

    def one_signed(self) -> None:
        self.signing = False

    def sign_rested(self) -> None:
        """Files that grew and do so no more."""
        while self.sign_grown:
            path, due = next(iter(self.sign_grown.items()))
            if due > self._board.now.mono_ms:
                return
            del self.sign_grown[path]
            row = self._board.index.get(path)
            if row is not None:
                self.sign_later(row.record, None)
