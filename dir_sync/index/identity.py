"""Who this replica is, and the numbers that it gives to its changes.

In:   the notes `replica` and `sequence`; random numbers.
Out:  the replica id, and sequences, each of which is handed out once.
Rule: an id is random and never reused. Sequences rise; a sequence that somebody may have heard of is never given to
      something else, also if the file is a backup (`skip_sequences`).
"""

from __future__ import annotations

from dir_sync.core.rng import Rng
from dir_sync.index.notes import Notes

__all__ = ["Identity", "Sequences"]

_SKIP_MAX = 2**52  # microseconds since 1970 until the year 2112; sequences end far above


class Identity:
    """The id under which this index announces what the folder has: the maker in version vectors. Which node has the index,
    it does not know."""

    def __init__(self, notes: Notes, rng: Rng) -> None:
        self._notes = notes
        self._rng = rng
        self.replica = str(notes.noted("replica") or "")
        self.is_new = not self.replica  # the file was empty when it was opened
        if self.is_new:
            self.take_new_id()

    def take_new_id(self) -> None:
        """A new replica id. What was announced under the old one counts as another replica's from now on."""
        self.replica = self.made_up_id()
        self._notes.note("replica", self.replica)

    def made_up_id(self) -> str:
        """An id that nobody else has, nor can guess."""
        return f"{self._rng.getrandbits(64):016x}"


class Sequences:
    """The counter of this index."""

    def __init__(self, notes: Notes, rng: Rng) -> None:
        self._notes = notes
        self._rng = rng
        self.last = int(notes.noted("sequence") or 0)  # 0: nothing was here yet
        self._start = 0  # where sequences begin, if nothing was here yet
        self._written = self.last

    @property
    def is_dirty(self) -> bool:
        return self.last != self._written

    def flush(self) -> None:
        """Note the last sequence. Notes are flushed after it."""
        if self.last != self._written:
            self._notes.note("sequence", self.last)
            self._written = self.last

    def next(self) -> int:
        """The sequence that `take` will give."""
        return (self.last or self._start) + 1

    def take(self, count: int = 1) -> int:
        """The first of the next `count` sequences."""
        first = (self.last or self._start) + 1
        self.last = first + count - 1
        return first

    def reserve(self) -> int:
        """A sequence that no row gets, nor is the last one at any time."""
        return self.take(2)

    def skip(self, now_ns: int) -> None:
        """Begin anew, above all sequences that a later state of this file may have given out.

        As long as clocks go right, microseconds since 1970 are above all of them. If clocks do not, a random distance
        makes it unlikely that one is given out twice."""
        random = self.last + 1 + self._rng.getrandbits(32)
        self._start = max(random, min(now_ns // 1000, _SKIP_MAX))
        if self.last:
            self.last = self._start
