"""Chooses the large files that are read for their signatures when nothing else is to be done.

In:   files that arrived or changed. Out: marks for the idle tasks. A file with a signature can travel as a delta.
Used by: applier, deltas_in, bulk_install, recorder, idle.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import DiscardJob, SignJob
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record
from dir_sync.engine.board import Board

__all__ = ["SignatureBacklog"]

# budget for files that were not changed: they are read once for their signatures
_SIGN_BYTES_MAX = 2 * 1024 * limits.MIB
# A file that grew gets a signature if it did not change for so long: first some 50 times as long as it takes to read it;
# whenever it grows again after that, so many times longer.
_GROWN_MS_MIN = 1_000
_GROWN_MS_PER_MIB = 15
_GROWN_MS_MAX = 60_000
_GROWS_AGAIN = 4
_GROWN_MAX = 1_000  # paths


class SignatureBacklog:
    """Chooses the large files that are read for their signatures when nothing else is to be done."""

    def __init__(self, board: Board, deltas: bool) -> None:
        self._board = board
        # files that grew -> when (ms) they get a signature, if they do not change until then; their content that had one
        self._grown: dict[bytes, tuple[int, bytes]] = {}
        self._rests: dict[bytes, int] = {}  # files that grew and got one -> how long (ms) they rest if they grow again
        self.grown_due_ms: int | None = None  # when (ms) `sign_rested` has something to do, at the earliest
        self.to_sign: dict[bytes, bytes] = {}  # path -> its previous content, whose signature speeds up the new one
        self.sign_after: bytes | None = b"" if deltas else None
        self.sign_budget = _SIGN_BYTES_MAX
        self.signing = False
        self.may_hold = False  # large files may be kept open until they have a signature (files/unsigned.py)

    def sign_later(self, record: Record, previous: Record | None, grown: bool = False) -> None:
        """`grown`: bytes were only appended. The next change is probably an append, too, and needs no signature, which
        takes 0.5 % of the file's size. After any other change, and if it rests, the file needs one."""
        self.may_hold |= max(record.size, 0 if previous is None else previous.size) >= limits.LARGE_FILE_BYTES
        if not self._board.with_deltas or len(self.to_sign) >= 1_000:
            return
        _, earlier = self._grown.pop(record.path, (0, b""))
        if record.kind != Kind.FILE or record.size < limits.DELTA_FILE_BYTES_MIN:
            return
        earlier = self.to_sign.pop(record.path, b"") or earlier
        if previous is not None and previous.kind == Kind.FILE:
            earlier = earlier or previous.content
        if grown:
            due = self._board.now.mono_ms + self._rest_ms(record)
            self._grown[record.path] = due, earlier
            self.grown_due_ms = due if self.grown_due_ms is None else min(self.grown_due_ms, due)
        else:
            self.to_sign[record.path] = earlier
            self._rests.pop(record.path, None)

    def _rest_ms(self, record: Record) -> int:
        longer = self._rests.get(record.path, _GROWN_MS_PER_MIB * record.size // limits.MIB)
        return max(_GROWN_MS_MIN, min(longer, _GROWN_MS_MAX))

    def sign_next(self) -> None:
        """Order the next signature, in the order of paths, as long as the budget lasts."""
        if not self.to_sign and self.sign_after is not None:
            rows = self._board.index.tree.files_from(self.sign_after, limits.DELTA_FILE_BYTES_MIN, 64)
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
            found = self._board.index.rows.get(path)
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
        """Sign files that grew and have not changed for a while."""
        now = self._board.now.mono_ms
        if self.grown_due_ms is None or now < self.grown_due_ms:
            return
        for path in [path for path, (due, _) in self._grown.items() if due <= now]:
            _, earlier = self._grown.pop(path)
            self.to_sign.setdefault(path, earlier)
            row = self._board.index.rows.get(path)
            if row is not None:
                if len(self._rests) >= _GROWN_MAX:
                    self._rests.clear()
                self._rests[path] = _GROWS_AGAIN * self._rest_ms(row.record)
        self.grown_due_ms = min([due for due, _ in self._grown.values()], default=None)
