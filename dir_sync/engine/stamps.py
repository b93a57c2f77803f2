"""Makes the record of a change at this node: its maker, its counter and its stamp.

In:   the record before, and the new state of the path.
Out:  the record with its maker, its place in the sequence and its stamp.
Rule: a change made here wins over what it replaces, whatever stamp a peer gave that. Whether a change stays on this node,
because of the mode or for its size, is decided here; `own_changes` does so when mode or limit are others than before.
Used by: rows, own_changes, planner, intake, forecaster, recorder, local_changes, queries, merging, path_decisions.
"""

from __future__ import annotations

from collections.abc import Iterable

from dir_sync.core import limits, notes
from dir_sync.core.attributes import Attributes
from dir_sync.core.content import first_scan_record
from dir_sync.core.looks import Seen
from dir_sync.core.mode import OWN_FIRST, THEIRS, is_own, is_own_large, large_change, own_change, own_first_scan
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.peers.identity import EVERY_MS as IDENTITY_EVERY_MS
from dir_sync.core.reconcile import changed
from dir_sync.engine.board import Board
from dir_sync.engine.mode_rules import ModeRules

__all__ = ["Stamps"]

_OUTDONE_MAX = 10_000  # paths ...
_OUTDONE_PAIRS_MAX = 100  # ... and pairs of versions for each


class Stamps:
    """Makes the record of a change at this node: its maker, its counter and its stamp."""

    def __init__(self, board: Board, mode_rules: ModeRules, ahead_ns: int) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._ahead_ns = ahead_ns
        self._new_id_ms: int | None = None  # when (ms) this index got a new replica id
        self._alias = ""  # maker of changes where a vector contains a forged entry of this replica
        # path -> (our winning stamp, the larger stamp that it replaced)
        self.outdone: dict[bytes, set[tuple[Stamp, Stamp]]] = {}
        self._large_told: set[bytes] = set()  # paths of which people know that they are too large
        self.lowered: dict[bytes, set[Stamp]] = {}  # path -> earlier stamps that are larger than its present one

    def take_new_id(self) -> bool:
        """Give this index a new replica id; a copy of an older state needs one. False if it got one a while ago: that
        is necessary once at most."""
        now_ms = self._board.now.mono_ms
        if self._new_id_ms is not None and now_ms - self._new_id_ms < IDENTITY_EVERY_MS:
            return False
        self._new_id_ms = now_ms
        self._board.index.identity.take_new_id()
        return True

    def first_scan_record(
        self,
        path: bytes,
        kind: Kind,
        size: int,
        content: bytes,
        mtime: int,
        mode: int,
        attributes: Attributes | None = None,
    ) -> Record:
        """The record of something that a first scan found."""
        if not self._mode_rules.mode.announces:
            return own_first_scan(path, kind, size, content, mtime, mode, attributes)
        record = first_scan_record(path, kind, size, content, mtime, mode, attributes)
        if self._mode_rules.keeps_own and self._stays_for_its_size(None, record):
            return large_change(record, mtime, self._board.index.sequences.next())
        return record

    def first_scan_files(self, found: Iterable[Seen]) -> list[Record]:
        """`first_scan_record` for many."""
        make = self.first_scan_record if self._mode_rules.keeps_own else first_scan_record
        return [
            make(path, kind, size, content, mtime, mode, attributes)
            for path, _, kind, size, content, mtime, mode, *_, attributes in found
        ]

    def _stays_for_its_size(self, previous: Record | None, now: Record) -> bool:
        """True for a change that stays here, because it is about a file that is too large to be shared. People are told."""
        taking = self._board.taking
        if taking is None or not taking.is_too_large(now):
            return now.kind is Kind.ABSENT and previous is not None and is_own_large(previous)
        if now.path not in self._large_told:
            if len(self._large_told) > _OUTDONE_MAX:
                self._large_told.clear()
            self._large_told.add(now.path)
            was_shared = previous is not None and previous.kind is Kind.FILE and not is_own(previous)
            rest = "; the other machines keep the last version that was smaller" if was_shared else ""
            self._board.tell(notes.Skipped(now.path, taking.large + rest))
        return True

    def changed_to(self, previous: Record | None, now: Record, stamp_ns: int, is_decided: bool = False) -> Record:
        """The record of a local change that replaces `previous`. `is_decided`: a person decided for all machines, so a node
        that keeps its changes to itself announces this one."""
        if self._mode_rules.keeps_own and self._mode_rules.mode.announces:
            if self._stays_for_its_size(previous, now):
                least_ns = 1 if previous is None else previous.stamp.ns + 1
                return large_change(now, max(stamp_ns, least_ns), self._board.index.sequences.next())
            if previous is not None and is_own_large(previous):  # it is shared from now on, after what the mesh has
                offer = self._board.index.offers.of_peer(now.path, THEIRS)
                previous = None if offer is None or is_own(offer.record) else offer.record
        is_told = is_decided and self._mode_rules.may_decide and not (previous is not None and is_own(previous))
        if not self._mode_rules.mode.announces and not is_told:
            least_ns = 1 if previous is None else previous.stamp.ns + 1
            own = own_change(now, max(stamp_ns, least_ns), self._board.index.sequences.next())
            is_ours = now.kind is not Kind.ABSENT and (previous is None or is_own(previous))
            if is_ours and self._mode_rules.was_here_first(now.path):
                own = own._replace(stamp=own.stamp._replace(maker=OWN_FIRST))
            return own
        latest_ns = self.latest_ns()
        if previous is not None and previous.stamp.ns > latest_ns:
            # The stamp goes back to the present, not to an old mtime. A version that `previous` had replaced is dated
            # before the present; with an old mtime it would win at a peer that knows only that version.
            stamp_ns = max(stamp_ns, self._board.now.wall_ns)
        record = changed(previous, now, *self.maker(previous), stamp_ns, latest_ns)
        if previous is not None:
            self.note_lowered(previous, record)
        return record

    def note_lowered(self, previous: Record, record: Record) -> None:
        """The stamp of a path goes back. A later acknowledgement of the larger stamp then does not mean that our index
        lost it."""
        if record.stamp < previous.stamp:
            if len(self.lowered) > _OUTDONE_MAX:
                self.lowered.clear()
            self.lowered.setdefault(record.path, set()).add(previous.stamp)

    def latest_ns(self) -> int:
        """The largest stamp (ns) that our clock allows."""
        wall_ns = self._board.now.wall_ns
        return wall_ns + self._ahead_ns if wall_ns >= limits.CLOCK_SANE_NS else limits.STAMP_NS_MAX

    def maker(self, *replaced: Record | None) -> tuple[str, int]:
        """Maker and counter of a change that replaces these records: this replica and its next sequence. If a peer
        announced changes of this replica that it never made, peers could not tell forged changes from real ones. The
        maker then is a new id that no peer can know."""
        counter = self._board.index.sequences.next()
        seen: dict[str, int] = {}
        for record in replaced:
            seen.update(record.vector if record is not None else ())
        if seen.get(self._board.index.identity.replica, 0) < counter:
            return self._board.index.identity.replica, counter
        if not self._alias or seen.get(self._alias, 0) >= counter:
            self._alias = self._board.index.identity.made_up_id()
        return self._alias, counter

    def note_outdone(self, winner: Record) -> None:
        """`winner` replaces the version here, which may have a larger stamp. Note the pair, so that it wins only
        once."""
        row = self._board.index.rows.get(winner.path)
        if row is not None:
            self.note_lowered(row.record, winner)
        if row is None or winner.stamp.ns >= row.record.stamp.ns - limits.STAMP_GAP_NS:
            return
        if len(self.outdone) > _OUTDONE_MAX:
            self.outdone.clear()
        pairs = self.outdone.setdefault(winner.path, set())
        if len(pairs) < _OUTDONE_PAIRS_MAX:
            pairs.add((winner.stamp, row.record.stamp))
