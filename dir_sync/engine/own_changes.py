"""What the mode of this node leaves different from the mesh, and how a person ends that.

In:   the commands `override` and `revert`; the mode. Out: what differs; offers, records and marks that end it.
Rule: only a person, a mirror, or a newer version of the mesh undoes what was changed here. A two-way or send-only node
counts what an earlier run with another mode had kept to itself as changes made now.
Used by: planner.
"""

from __future__ import annotations

from collections.abc import Iterator

from dir_sync.core import notes
from dir_sync.core.mode import (
    OURS,
    OWN,
    OWN_FIRST,
    OWN_LARGE,
    THEIRS,
    Mode,
    is_own,
    is_own_first,
    large_change,
    nothing,
    own_first_scan,
)
from dir_sync.core.model import Kind, Record, beats, leq, same_body, same_content, unstamped
from dir_sync.core.named import NamedTuple
from dir_sync.core.peers.announce import Fresh
from dir_sync.core.reconcile import Offer, Refuse, decide
from dir_sync.core.taking import Taking
from dir_sync.engine.board import Board
from dir_sync.engine.constants import PLAN_MAX
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.rows import Rows
from dir_sync.engine.sources import Sources
from dir_sync.engine.stamps import Stamps
from dir_sync.index import Row

__all__ = ["Difference", "OwnChanges"]

_MOST = "largest file"  # index note: the limit of the last run, in bytes


class Difference(NamedTuple):
    """A path that this node has otherwise than the mesh. ABSENT: nothing is there."""

    path: bytes
    here: Kind
    there: Kind
    by: str  # the node that made the version there, as a name; "" if it was changed here


class OwnChanges:
    """What the mode leaves different, and how that ends."""

    def __init__(self, board: Board, mode_rules: ModeRules, stamps: Stamps, sources: Sources, rows: Rows) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._stamps = stamps
        self._sources = sources
        self._rows = rows

    def shared_version(self, row: Row) -> Record | None:
        """What the mesh has at the path of a row, as far as it is known here; None: nothing."""
        return self._theirs(row.record.path) if is_own(row.record) else row.record

    def ask_holders(self, wanted: Record) -> list[Offer]:
        """The offers for a path that becomes as the mesh had it when it was changed here: each peer may have that content,
        and nobody announces it again. Who has a newer version announces it: if nobody does who is connected, nobody is
        asked for it."""
        path, index = wanted.path, self._board.index
        known = self._theirs(path)
        if known is None or not same_content(known, wanted):
            return index.offers.of(path)
        if wanted.kind == Kind.FILE and wanted.size and not index.rows.by_content(wanted.content):
            for replica in sorted(self._board.peers):
                if (
                    self._sources.may_be_guessed(replica, wanted.content)
                    and index.offers.of_peer(path, replica) is None
                ):
                    index.offers.put(Offer(OURS + replica, wanted, False))
        return index.offers.of(path)

    def rebase(self, record: Record) -> None:
        """The mesh has `record` from now on at a path that was changed here only. What was known of it before counts no
        more, and nor does what that had replaced."""
        path, index = record.path, self._board.index
        known = [one for one in (record, self._theirs(path)) if one is not None]
        for offer in index.offers.of(path):
            if any(leq(offer.record.vector, one.vector) and not beats(offer.record, one) for one in known):
                index.offers.drop(path, offer.peer)
        index.offers.put(Offer(THEIRS, record, False))

    # --- what differs ------------------------------------------------------------------------------------------------

    def differences(self) -> Iterator[Difference]:
        """Everything that the mode leaves different, ordered by path."""
        if self._mode_rules.mode is Mode.SEND_ONLY:
            for path, mine, record in self._refused():
                here = Kind.ABSENT if mine is None else mine.record.kind
                yield Difference(path, here, record.kind, self._board.name_of(record.stamp.maker))
        elif self._mode_rules.mode is not Mode.TWO_WAY:
            for row, theirs in self._kept():
                there = Kind.ABSENT if theirs is None else theirs.kind
                yield Difference(row.record.path, row.record.kind, there, "")

    def _refused(self) -> Iterator[tuple[bytes, Row | None, Record]]:
        index = self._board.index
        after: bytes | None = None
        while paths := index.offers.paths(after, PLAN_MAX):
            after = paths[-1]
            index.rows.fetch(paths)
            for path in paths:
                row = index.rows.get(path)
                decision = decide(None if row is None else row.record, index.offers.of(path), (), self._mode_rules.mode)
                if isinstance(decision, Refuse):
                    yield path, row, decision.record

    def _kept(self) -> Iterator[tuple[Row, Record | None]]:
        """What was changed here only, and what the mesh has there. Not what came and went again."""
        for row in self._board.index.changes.made_by((OWN, OWN_FIRST)):
            theirs = self._theirs(row.record.path)
            if row.record.kind != Kind.ABSENT or theirs is not None:
                yield row, theirs

    def _theirs(self, path: bytes) -> Record | None:
        offer = self._board.index.offers.of_peer(path, THEIRS)
        return None if offer is None or is_own(offer.record) else offer.record

    # --- how that ends -----------------------------------------------------------------------------------------------

    def override(self) -> int:
        """A person wants everywhere what is here. Returns how many paths that concerns."""
        found = list(self._refused())
        for _, row, record in found:
            if row is not None:
                self._rows.reassert(row, record, is_meant=True)
                continue
            self.remove_elsewhere(record)
        return len(found)

    def remove_elsewhere(self, theirs: Record) -> Record:
        """Announce that nothing is where peers have a version that never was here. Returns the record of that."""
        now = unstamped(theirs.path, Kind.ABSENT, 0, b"", 0, 0)
        gone = self._stamps.changed_to(theirs, now, self._board.now.wall_ns)
        self._rows.put(gone, b"")
        self._board.announcements.add_change(Fresh(gone, theirs, None, None, None, None))
        return gone

    def revert(self) -> int:
        """A person wants here what the mesh has. Returns how many paths that concerns."""
        found = list(self._kept())
        for row, theirs in found:
            if theirs is None:
                self._board.index.offers.put(Offer(THEIRS, nothing(row.record), False))
            self._mode_rules.revert(row.record.path)
        return len(found)

    def run_timers(self) -> None:
        """A mirror undoes what it has found, once the first contact is over."""
        self._mode_rules.notice_seen()
        if self._mode_rules.mode is Mode.MIRROR and not self._mode_rules.knows_mesh and not self._board.scan.is_on:
            if any(peer.synced for peer in self._board.peers.values()):
                self._mode_rules.mesh_is_known()

    def begin(self) -> None:
        """At the start: this run may announce what earlier runs kept to themselves, or the other way round."""
        if self._mode_rules.note_reader() and not self._mode_rules.mode.announces:
            self._begin_to_read()
        self.adopt()

    def _begin_to_read(self) -> None:
        """What was announced before counts nothing in this mesh: everything is as if a first scan had found it, and each
        peer is asked for all that the mesh has."""
        index = self._board.index
        self._mode_rules.mesh_is_new()
        index.offers.forget_all()
        index.peers.ask_anew()
        after, last = 0, index.sequences.last  # what is written here gets a later one
        while after < last and (rows := index.changes.after(after, PLAN_MAX)):
            after = rows[-1].seq
            rows = [row for row in rows if row.seq <= last]
            index.rows.forget_all([row.record.path for row in rows if row.record.kind is Kind.ABSENT])
            for row in rows:
                if row.record.kind is not Kind.ABSENT:
                    index.rows.put(own_first_scan(*row.record[:6], row.record.attributes), row.fp)

    def adopt(self) -> None:
        """What was kept on this node counts as changed now, because this run announces its changes."""
        if not self._mode_rules.mode.announces:
            return
        self._follow_size()
        index, adopted = self._board.index, 0
        for row in index.changes.made_by((OWN, OWN_FIRST)):
            mine = row.record
            theirs = self._theirs(mine.path)
            adopted += mine.kind != Kind.ABSENT or (theirs is not None and theirs.kind != Kind.ABSENT)
            index.offers.drop(mine.path, THEIRS)
            if theirs is None and mine.kind == Kind.ABSENT:
                index.rows.forget(mine.path)
            elif theirs is None and is_own_first(mine):
                first = self._stamps.first_scan_record(*mine[:6], mine.attributes)
                self._rows.put(first, row.fp)
            else:
                self._rows.put(self._stamps.changed_to(theirs, mine, mine.stamp.ns), row.fp)
        if adopted:
            self._board.tell(notes.Adopted(adopted))

    def too_large(self) -> list[bytes]:
        """Files here that are too large to be shared."""
        if not self._mode_rules.keeps_own:
            return []
        return [
            row.record.path for row in self._board.index.changes.made_by((OWN_LARGE,)) if row.record.kind is Kind.FILE
        ]

    def _follow_size(self) -> None:
        """The limit of the size of files may be another one than in the last run. What is too large by now stays here from
        now on, what is no longer too large is shared. Nothing is deleted anywhere for that."""
        index, taking = self._board.index, self._board.taking
        most, before = (0 if taking is None else taking.most), index.notes.get(_MOST) or 0
        if most == before:
            return
        index.notes.put(_MOST, most)
        for row in index.changes.made_by((OWN_LARGE,)):
            if taking is None or not taking.is_too_large(row.record):
                self._share_again(row)
        if taking is None or not most:
            return
        after, last = 0, index.sequences.last  # what is written here gets a later one
        while after < last and (rows := index.changes.after(after, PLAN_MAX)):
            after = rows[-1].seq
            self._keep_large(taking, rows)

    def _keep_large(self, taking: Taking, rows: list[Row]) -> None:
        """What is too large by now stays here."""
        index = self._board.index
        for row in rows:
            if taking.is_too_large(row.record) and not is_own(row.record):
                counter = index.sequences.next()
                self._rows.put(large_change(row.record, row.record.stamp.ns, counter), row.fp)
                self._board.tell(notes.Skipped(row.record.path, taking.large))

    def _share_again(self, row: Row) -> None:
        """A file is no longer too large. The removal of one counts only here: what the mesh has comes back."""
        mine, theirs = row.record, self._theirs(row.record.path)
        self._board.index.offers.drop(mine.path, THEIRS)
        if mine.kind is Kind.ABSENT:
            self._board.index.rows.forget(mine.path)
            self._board.index.peers.ask_anew()
        elif theirs is not None and same_body(mine, theirs):
            self._rows.put(theirs, row.fp)
        else:
            self._rows.put(self._stamps.changed_to(theirs, mine, mine.stamp.ns), row.fp)
