"""What each peer lacks, what this node lacks, and when both are in sync.

In:   acknowledgements and LACKS messages; what is not taken here, and why.
Out:  LACKS messages, notes to people, figures for `status`.
Rule: "in sync" is said only if both sides say so.
Used by: intake, router.
"""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.declined import Declined, Reason
from dir_sync.core.messages import Lacks
from dir_sync.core.mode import THEIRS, Mode
from dir_sync.core.model import Kind, parent_of
from dir_sync.core.peers.contact import Contact
from dir_sync.core.peers.standing import NOTHING, Lack, Standing, coming
from dir_sync.core.reconcile import Take, decide
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import PLAN_MAX
from dir_sync.engine.declining import Declining
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.publisher import Publisher
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import Troubled
from dir_sync.engine.work import WorkTable

__all__ = ["SyncReport"]

_UNDECIDED_MAX = 1_000  # in `status`: at most so many paths that wait for a decision
_LAG_FILES = 100  # a peer that lacks so many files, or as many bytes as a large file has, is reported ...
_LAG_NOTED_MS = 30_000  # ... at most this often
_UNDONE_MS = 5_000  # what differs at a mirror is reported after so long: most is undone before
_SYNC_LASTS_MS = 500  # everything has to be in sync this long before it is reported ...
_SYNC_NOTED_MS = 10_000  # ... and at most this often for the same peers


class SyncReport:
    """What each peer lacks, what this node lacks, and when both are in sync."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        work: WorkTable,
        brakes: Brakes,
        publisher: Publisher,
        transfers: TransferTable,
        declining: Declining,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._brakes = brakes
        self._publisher = publisher
        self._transfers = transfers
        self._declining = declining
        self.lacks_due_ms: int | None = None  # when (ms) the peers are told again what we lack
        self._kept_since_ms: int | None = None  # since when something differs that stays on this node
        self.sync_due_ms: int | None = None  # when (ms) people are told that all is in sync
        # the peers of the last "in sync" report; empty: not in sync any more
        self.in_sync: frozenset[str] = frozenset()
        self._sync_left: frozenset[str] = frozenset()  # the value of `in_sync` before
        self._sync_since_ms: int | None = None
        self._sync_told_ms: int | None = None

    def in_sync_with(self) -> list[str]:
        """Peers that have everything this node has, and from which this node has everything."""
        if not self.is_settled():
            return []
        return [replica for replica, peer in sorted(self._board.peers.items()) if self._is_in_sync(peer)]

    def _are_all_in_sync(self) -> bool:
        for peer in self._board.peers.values():  # asked in each turn: without a list
            if not self._is_in_sync(peer):
                return False
        return self.is_settled()

    def is_agreed_with(self, replica: str) -> bool:
        """True if that peer has everything this node has announced, this node everything it has announced, and it was told so.
        Whatever happens here now, nobody waits for anything else of what was announced."""
        peer = self._board.peers.get(replica)
        return peer is not None and self._is_in_sync(peer) and peer.standing.is_told_that_we_have_all

    def _is_in_sync(self, peer: Contact) -> bool:
        standing = peer.standing
        return (
            0 <= standing.news <= standing.lacks_as_of
            and standing.has_all
            and peer.synced
            and self._publisher.is_up_to_date(peer.replica)
            and (not self._mode_rules.mode.takes or self._board.index.offers.wanted_from(peer.replica) == NOTHING)
        )

    def is_settled(self) -> bool:
        """True if no local change is unrecorded, and no change is being carried out here."""
        return not (
            self._board.scan.is_on
            or self._board.pending_looks.looks
            or self._board.looking
            or self._board.listings.folders
            or self._board.listings.out
            or self._board.plan_queue.queues
            or self._work.jobs.changes
            or self._board.listings.when_calm
            or self._board.announcements.rows
            or self._brakes.own.missed
            or self._brakes.own.held
        )

    def lacked_by(self, replica: str) -> Lack | None:
        """What a connected peer lacks of ours, by its own count; None: it has not reported yet."""
        standing = self._board.peers[replica].standing if replica in self._board.peers else Standing()
        if standing.lacks is None:
            return None
        counted, sent = standing.lacks_as_of, self._publisher.subscribers[replica].sent
        if standing.news <= counted:  # everything announced since came from this peer
            counted = max(counted, sent)
        counted = max(counted, standing.clear)
        return (
            standing.lacks
            if counted >= self._board.index.sequences.last
            else standing.lacks.plus(self._board.index.changes.come_to(counted))
        )

    def declined_by(self, replica: str) -> tuple[Declined, ...]:
        """What of that a connected peer does not take, as far as it says why."""
        return self._board.peers[replica].standing.declined if replica in self._board.peers else ()

    def lacked_from(self, replica: str) -> Lack:
        """What this node lacks of a peer's announcements. A node that takes nothing lacks nothing."""
        if not self._mode_rules.mode.takes:
            return NOTHING
        lack, held_files = self._board.index.offers.wanted_from(replica), self._brakes.own.held_files
        if lack == NOTHING and not held_files and not self._work.jobs.pushed_counts:
            return NOTHING  # asked in each turn, and most often true
        lack = lack.plus(Lack(*self._work.jobs.pushed_counts.of(replica), 0))
        here = sum(
            fetch.received
            for fetch in self._transfers.parts.large.values()
            if fetch.base is None and self._board.index.offers.of_peer(fetch.target.path, replica) is not None
        )
        lack = lack._replace(bytes=max(0, lack.bytes - here))
        return lack.plus(Lack(held_files, self._brakes.own.held_bytes, 0))

    def unseen(self) -> int:
        """How many paths wait for a look."""
        return len(self._board.pending_looks) + len(self._board.looking)

    def tell_lacks(self) -> None:
        """Tell each peer what this node lacks of its announcements, if the figures changed."""
        self.lacks_due_ms = None
        if self._board.scan.is_on:
            return
        for replica in sorted(self._board.peers):
            peer = self._board.peers[replica]
            known = self._board.index.peers.get(replica)
            if not (peer.has_asked and peer.was_asked) or known is None:
                continue
            if peer.standing.said is None and peer.standing.heard < 0:
                continue  # a report that answers nothing would only delay the one that does
            earliest_ms = peer.standing.earliest_ms()
            if earliest_ms > self._board.now.mono_ms:  # what is missing for a moment only is not reported
                self.lacks_due_ms = min(earliest_ms, self.lacks_due_ms or earliest_ms)
                continue
            lack = self.lacked_from(replica)
            declined = self._apart(replica)
            if lack != NOTHING:
                declined += self._declining.of(replica)
                if again_ms := self._declining.due_ms:
                    self.lacks_due_ms = min(again_ms, self.lacks_due_ms or again_ms)
            due_ms = peer.standing.due_ms(lack, declined)
            if due_ms is None:
                continue
            if due_ms > self._board.now.mono_ms:
                self.lacks_due_ms = min(due_ms, self.lacks_due_ms or due_ms)
                continue
            peer.standing.say(lack, declined, self._board.now.mono_ms)
            self._board.send(replica, Lacks(self._board.folder, known.seen, *lack, declined), 100)

    def _apart(self, replica: str) -> tuple[Declined, ...]:
        """What this node has dealt with, and does not have as it was announced."""
        mode, offers, found = self._mode_rules.mode, self._board.index.offers, []
        if not mode.takes and (refused := offers.wanted_from(replica)) != NOTHING:
            found.append(Declined(Reason.SEND_ONLY, *refused))
        if (kept := offers.wanted_from(THEIRS)) == NOTHING:
            self._kept_since_ms = None
        elif self._lasts():
            found.append(Declined(Reason.DIVERGED, *kept))
        if (ignored := self._board.index.unshared.of_peer(replica)) != NOTHING:
            found.append(Declined(Reason.IGNORED, *ignored))
        return tuple(found)

    def _lasts(self) -> bool:
        """True if what differs here is more than what a mirror undoes in a moment."""
        now_ms = self._board.now.mono_ms
        if self._kept_since_ms is None:
            self._kept_since_ms = now_ms
        due_ms = self._kept_since_ms + (_UNDONE_MS if self._mode_rules.mode is Mode.MIRROR else 0)
        if due_ms > now_ms:
            self.lacks_due_ms = min(due_ms, self.lacks_due_ms or due_ms)
        return due_ms <= now_ms

    def on_lacks(self, peer: Contact, message: Lacks) -> None:
        standing = peer.standing
        lack = Lack(message.files, message.bytes, message.others)
        standing.peer_lacks(lack, message.declined, message.sequence)
        for one in standing.new_reasons(self._board.now.mono_ms):
            self._board.tell(_not_taken(peer, one))
        left = coming(lack, message.declined)  # what it may still take
        is_much = left.files >= _LAG_FILES or left.bytes >= limits.LARGE_FILE_BYTES
        if is_much and (standing.noted_ms is None or self._board.now.mono_ms - standing.noted_ms >= _LAG_NOTED_MS):
            standing.noted_ms = self._board.now.mono_ms
            self._board.tell(notes.PeerBehind(peer.name, left.files, left.bytes))

    def note_in_sync(self) -> None:
        """Log one line when this node and all connected peers are in sync, and have been for a moment."""
        now = self._board.now.mono_ms
        self.sync_due_ms = None
        if not self._board.peers:
            self.in_sync, self._sync_since_ms = frozenset(), None
            return
        if not self._are_all_in_sync():
            self._sync_since_ms = None
            if self.in_sync:
                self._sync_left, self.in_sync = self.in_sync, frozenset()
            return
        peers = frozenset(self._board.peers)
        if peers <= self.in_sync:  # a peer left: the others were reported before
            self.in_sync = peers
            return
        if self._sync_since_ms is None:
            self._sync_since_ms = now
        due_ms = self._sync_since_ms + _SYNC_LASTS_MS
        if peers == self._sync_left and self._sync_told_ms is not None:
            due_ms = max(due_ms, self._sync_told_ms + _SYNC_NOTED_MS)  # several single edits in a row are reported once
        if due_ms > now:
            self.sync_due_ms = due_ms
            return
        self.in_sync = peers
        self._sync_told_ms = now
        apart = [
            _not_taken(peer, one) for _, peer in sorted(self._board.peers.items()) for one in peer.standing.declined
        ]
        self._board.tell(notes.InSync(tuple(self._board.name_of(replica) for replica in sorted(peers)), tuple(apart)))

    def troubled(self) -> list[Troubled]:
        """Paths with a newer version elsewhere that cannot be installed here, or that a person has ruled out."""
        found = {path: Troubled(path, problem, reason, True) for path, problem, reason in self._work.retries.troubles()}
        found.update({path: Troubled(path, unfit.text, unfit.reason, False) for path, unfit in self._work.unable.all()})
        return [
            one
            for path, one in sorted(found.items())
            if self._is_wanted(path) and not self._brakes.own.holds(parent_of(path))
        ]

    def _is_wanted(self, path: bytes) -> bool:
        """True if a peer announced a newer version there that is no tombstone."""
        offers = self._board.index.offers.of(path)
        row = self._board.index.rows.get(path) if offers else None
        decision = decide(None if row is None else row.record, offers, (), self._mode_rules.mode_at(path, row))
        return isinstance(decision, Take) and (decision.record.kind != Kind.ABSENT or row is not None)

    def undecided(self) -> list[bytes]:
        """Paths with a newer version elsewhere that wait because the loss of their folder here is held. At most
        some."""
        found: list[bytes] = []
        after: bytes | None = None
        while self._brakes.own.held and len(found) < _UNDECIDED_MAX:
            paths = self._board.index.offers.paths(after, PLAN_MAX)
            if not paths:
                break
            after = paths[-1]
            found += [path for path in paths if self._brakes.own.holds(parent_of(path)) and self._is_wanted(path)]
        return found[:_UNDECIDED_MAX]


def _not_taken(peer: Contact, one: Declined) -> notes.NotTakenThere:
    return notes.NotTakenThere(peer.name, one.reason.value, one.files, one.bytes, one.others, one.limit)
