"""The id of this replica, and the sequence numbers of its changes.

In:   the notes `replica`, `sequence` and `skipped`; random numbers.
Out:  the replica id, and sequences, each of which is used once.
Rule: an id is random and never reused. Sequences rise; a sequence that a peer may have received is never used for
another change, even if the file is a backup (`skip_sequences`). Which ones were skipped is known from then on.
"""

from __future__ import annotations

from dir_sync.core.rng import Rng
from dir_sync.index.notes import Notes

__all__ = ["Identity", "Sequences"]

_SKIP_MAX = 2**52  # microseconds since 1970 until the year 2112; sequences end far above
_SKIPPED_MAX = 100  # ranges that are remembered: one for each start


class Identity:
    """The id under which this index announces the folder's content: the maker in version vectors. It is independent of
    the node's id."""

    def __init__(self, notes: Notes, rng: Rng) -> None:
        self._notes = notes
        self._rng = rng
        self.replica = str(notes.get("replica") or "")
        self.is_new = not self.replica  # the file was empty when it was opened
        if self.is_new:
            self.take_new_id()

    def take_new_id(self) -> None:
        """Take a new replica id. Changes announced under the old one count as those of another replica from now on."""
        self.replica = self.made_up_id()
        self._notes.put("replica", self.replica)

    def made_up_id(self) -> str:
        """A random id that nobody else has or can guess."""
        return f"{self._rng.getrandbits(64):016x}"


class Sequences:
    """The sequence counter of this index."""

    def __init__(self, notes: Notes, rng: Rng) -> None:
        self._notes = notes
        self._rng = rng
        self.last = int(notes.get("sequence") or 0)  # 0: the index was empty
        self._start = 0  # the first sequence, if the index was empty
        self._skipped = notes.words("skipped")  # "A-B": nothing above A and below B was used
        self.unwritten = False  # the last sequence is not in the notes yet

    def flush(self) -> None:
        """Write the last sequence into a note. Notes are flushed later."""
        if self.unwritten:
            self._notes.put("sequence", self.last)
            self.unwritten = False

    def gave_out(self, sequence: int) -> bool:
        """False if this index has not used that sequence: who received it has it from another state of this file, which
        went on from an earlier backup, or from the end that this one has lost."""
        ranges = (skipped.partition("-") for skipped in self._skipped)
        return sequence <= self.last and not any(int(below) < sequence < int(above) for below, _, above in ranges)

    def next(self) -> int:
        """The next sequence that `take` returns."""
        return (self.last or self._start) + 1

    def take(self, count: int = 1) -> int:
        """Use the next `count` sequences. Returns the first of them."""
        first = (self.last or self._start) + 1
        self.last, self.unwritten = first + count - 1, True
        return first

    def reserve(self) -> int:
        """Use a sequence for no row; it is never the last one of the index."""
        return self.take(2)

    def skip(self, now_ns: int) -> None:
        """Continue above all sequences that a later state of this file may have used.

        With correct clocks, microseconds since 1970 are above all of them, as long as no start leads beyond the clock.
        Where the clock is not above those that were used, a random distance makes it unlikely that one is used twice."""
        random = self.last + 1 + self._rng.getrandbits(32)
        micros = min(now_ns // 1000, _SKIP_MAX)
        self._start = micros if micros > self.last else random
        if self.last:
            self._skipped = [*self._skipped, f"{self.last}-{self._start}"][-_SKIPPED_MAX:]
            self._notes.put("skipped", " ".join(self._skipped))
            self.last, self.unwritten = self._start, True
