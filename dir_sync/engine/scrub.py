"""Reads everything again in the background, within a given time, and heals what is rotten without being asked.

In:   the time for a pass; the clock; what was found. Out: a walk that goes on while nothing else is to be done.
Rule: it waits for all other work, takes a small share of the time, and remembers in the index where it was.
Used by: verifying.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.model import NS_PER_S, Kind
from dir_sync.core.verify import Outcome
from dir_sync.engine.board import Board
from dir_sync.engine.constants import CALM_MS
from dir_sync.engine.rereads import SCRUB, Rereads, Walk
from dir_sync.engine.verify_answers import VerifyAnswers
from dir_sync.engine.work import WorkTable

__all__ = ["Scrub"]

_NOTE = "scrub"  # index note: when the pass began (wall clock, ns), what was read, the path that was read last
_SHARE = 5  # it takes at most one part in so many of the time, also if it is late
_FILE_BYTES = 64 * limits.KIB  # what a file costs beside its content, in bytes that could be read meanwhile
_BUSY_MS = 1_000  # after this it sees whether there is still other work


class Scrub:
    """`last_ns`: when the last pass ended (wall clock); 0: none has. `found`: rotten files of this pass."""

    def __init__(self, board: Board, work: WorkTable, rereads: Rereads, answers: VerifyAnswers, period_s: int) -> None:
        """`period_s`: in which everything is read; 0: there is no scrub."""
        self._board = board
        self._work = work
        self._rereads = rereads
        self._answers = answers
        self.period_ns = period_s * NS_PER_S
        self.begun_ns = 0
        self.done = 0  # bytes, with `_FILE_BYTES` for each file
        self.last_ns = 0
        self.found = 0
        if period_s:
            self._remember()

    def _remember(self) -> None:
        """Continue where the last run was."""
        words = str(self._board.index.notes.get(_NOTE) or "").split(" ")
        after = b""
        if len(words) == 4:
            begun, done, last = words[:3]
            self.begun_ns, self.done, self.last_ns = int(begun), int(done), int(last)
            after = bytes.fromhex(words[3])
        is_over = self.last_ns > self.begun_ns
        self._rereads.begin(Walk(SCRUB, after, share=_SHARE, is_over=is_over))

    @property
    def is_on(self) -> bool:
        return self.period_ns > 0

    @property
    def total(self) -> int:
        """What a pass has to do, in the units of `done`."""
        files, size = self._board.index.rows.count_live()
        return size + files * _FILE_BYTES

    def due_ms(self) -> int | None:
        """When (ms) the next piece is due; None: while it is being read, or others wait."""
        walk = self._rereads.walk(SCRUB)
        if walk is None or not self._rereads.is_scrub_alone or self._rereads.is_out:
            return None
        now = self._board.now
        ahead_ms = (self._due_ns() - now.wall_ns) // 1_000_000
        return max(walk.not_before_ms, now.mono_ms + max(ahead_ms, _BUSY_MS if not self.is_calm() else 0))

    def _due_ns(self) -> int:
        """When (wall clock) the next piece has to be read, so that the pass takes its time."""
        walk = self._rereads.walk(SCRUB)
        if walk is not None and walk.is_over:
            return self.begun_ns + self.period_ns
        done = self.done + (0 if walk is None else walk.partly)
        return self.begun_ns + self.period_ns * done // max(self.total, done, 1)

    def is_calm(self) -> bool:
        """True if there is nothing else to do."""
        board = self._board
        soon = board.pending_looks.next_due()
        return not (
            board.jobs_out
            or board.plan_queue
            or board.listings.waiting
            or board.scan.is_on
            or self._work.arrivals.is_fetching
            or (soon is not None and soon < board.now.mono_ms + CALM_MS)
            or board.now.mono_ms - board.moved_ms < CALM_MS
        )

    def is_wanted(self) -> bool:
        """True if the next piece may be read now."""
        return self.is_on and self.is_calm() and self._due_ns() <= self._board.now.wall_ns

    def run(self) -> None:
        """Take what was found, and begin the next pass when its time has come."""
        if not self.is_on:
            return
        now_ns = self._board.now.wall_ns
        if not self.begun_ns or self.begun_ns > now_ns:  # the clock was set back: only the speed depends on it
            self.begun_ns = now_ns
        walk = self._rereads.walk(SCRUB)
        if walk is None:
            return
        found = walk.take()
        if found:
            self.done += sum(_FILE_BYTES + one.item.size for one in found if one.item.kind is Kind.FILE)
            self.found += sum(one.outcome is Outcome.ROTTEN for one in found)
            self._answers.act(found, repair=True)
            for one in found:
                if one.outcome in (Outcome.UNREADABLE, Outcome.DOUBTFUL):
                    words = (
                        one.problem
                        or "its content is another one than recorded, and its times say that nobody changed it"
                    )
                    self._board.tell(notes.Suspicious(one.item.path, words))
        if walk.is_over and not self.last_ns > self.begun_ns:
            self.last_ns = max(now_ns, self.begun_ns + 1)
            self._board.tell(notes.Scrubbed(self.found))
        elif walk.is_over and now_ns >= self.begun_ns + self.period_ns:
            self.begun_ns, self.done, self.found = now_ns, 0, 0
            self._rereads.begin(walk := Walk(SCRUB, share=_SHARE))
        elif not found:
            return
        after = b"" if walk.is_over and self.last_ns <= self.begun_ns else walk.after
        self._board.index.notes.put(_NOTE, f"{self.begun_ns} {self.done} {self.last_ns} {after.hex()}")
