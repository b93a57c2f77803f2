"""A person approves or rejects what a brake holds, here or at another node.

In:   the commands `approve` and `reject`; DECISION and REJECTED messages.
Rule: a decision counts only if a person gave it at another node than the one whose link brought the changes.
Used by: router.
"""

from __future__ import annotations

from collections.abc import Sequence

from dir_sync.core import limits, notes
from dir_sync.core.messages import Decision, Rejected
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind
from dir_sync.core.reconcile import Take
from dir_sync.core.safeguard.brake import covers
from dir_sync.core.safeguard.peer_brake import BRAKE_WINDOW_MS
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.intake import Intake, ask_all_again
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.path_decisions import PathDecisions
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.rows import Rows

__all__ = ["Decisions"]

_REVERT_MS = 600_000  # our changes of the last so many ms may be undone, if a person rejects them at another node


class Decisions:
    """A person approves or rejects what a brake holds, here or at another node."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        brakes: Brakes,
        own_losses: OwnLosses,
        peer_losses: PeerLosses,
        rows: Rows,
        intake: Intake,
        path_decisions: PathDecisions,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._brakes = brakes
        self._own_losses = own_losses
        self._peer_losses = peer_losses
        self._rows = rows
        self._intake = intake
        self._path_decisions = path_decisions

    def on_decided(self, approve: bool, paths: Sequence[bytes] = ()) -> None:
        """A person at this node decided about everything that is held, here and by the peers; or about some paths."""
        if paths:
            makers = self._path_decisions.decide(approve, paths)
            for maker in makers if not approve else ():
                self._tell_rejected(maker, paths)
            return
        for replica, news in self._brakes.held_elsewhere.items():
            if approve and (files := sum(one.files for one in news if one.maker == replica)):
                self._peer_losses.approvals.expect(replica, files)
        open_ = {(maker, self._brakes.reach(maker, held)) for maker, held in self._brakes.peers.held().items()}
        open_.update((maker, counter) for news in self._brakes.held_elsewhere.values() for maker, counter, _, _ in news)
        for maker, counter in sorted(open_):
            self.decide_on(maker, counter, approve, "")
        if self._brakes.own.held:
            self.decided_here(approve)

    def decide_on(self, maker: str, counter: int, approve: bool, said_by: str) -> None:
        """A person approved or rejected what `maker` changed up to `counter`. `said_by`: the peer that sent the
        decision, or "" for a person at this node. There are three cases:

        1. It is about our own losses: any member of the folder may decide.
        2. It is about what is held here: nobody approves what its own link brought, but the peer that brought it may
        reject it.
        3. It is about changes that have not arrived yet: the decision is stored and applied when they do."""
        is_news = False
        counts = not said_by or self._intake.is_member(said_by)
        if (
            counts
            and maker == self._board.index.identity.replica
            and self._brakes.own.held
            and counter == self._brakes.own.counter
        ):
            is_news = True
            self.decided_here(approve)
        if counts and not approve and maker == self._board.index.identity.replica:
            self._ours_rejected(said_by)
        rewrites = self._brakes.peers.holds_rewrites(maker)
        links = self._brakes.peers.links_of(maker)

        def is_meant(path: bytes) -> bool:
            carriers = self._peer_losses.carriers(path, maker)
            if not approve:
                return counts or said_by in carriers
            return counts and (not said_by or self._peer_losses.approvals.may_decide(said_by, maker, carriers))

        held, free = self._brakes.peers.release(maker, counter, is_meant, self._board.now.mono_ms)
        if approve and not said_by:
            links |= {
                replica: set()
                for replica, news in self._brakes.held_elsewhere.items()
                if any(one.maker == maker for one in news)
            }
        if approve and (held or not said_by):
            approval = self._peer_losses.approvals.approve(maker, counter, links)
            is_news |= approval is not None
            if approval is not None:
                self._board.index.notes.put(f"approved {maker}", str(approval))
        elif approve and counts:
            self._peer_losses.approvals.tell(maker, counter, said_by)
        if held:
            if not approve:
                for link in links:
                    for one in sorted(links[link]):
                        self._path_decisions.bring_back(one, link, rewrites)
            for link in free:
                self._peer_losses.no_longer_braked(link)
            is_news = True
            self._board.plan_queue.add_all_offers()
            self._board.plan_queue.add_all(dict.fromkeys(held))
            self._board.tell(notes.Decided(held[0], self._board.name_of(maker), len(held), approve))
        if not approve:
            for path in held:
                row = self._board.index.rows.get(path)
                decision = self._mode_rules.decision_at(path, row)
                if row is not None and row.record.kind != Kind.ABSENT and isinstance(decision, Take):
                    self._rows.reassert(row, decision.record, is_meant=True)
                    self._board.tell(notes.Spared(path))
            if not self._mode_rules.mode.announces:
                self._path_decisions.reassert_above(held)
        if is_news or not said_by:
            self._board.send_to_all(Decision(self._board.folder, maker, counter, approve), 100, but=said_by)
        if held:
            self._brakes.publish()

    def _tell_rejected(self, maker: str, paths: Sequence[bytes]) -> None:
        """Tell the maker of changes that they were rejected at these paths; all peers, if it is not connected."""
        for at in range(0, len(paths), limits.REJECTED_PATHS_MAX):
            some = tuple(paths[at : at + limits.REJECTED_PATHS_MAX])
            message, size = Rejected(self._board.folder, maker, some), 100 + sum(map(len, some))
            peer = self._board.peers.get(maker)
            if peer is None:
                self._board.send_to_all(message, size)
            elif peer.has_asked:
                self._board.send(maker, message, size)

    def on_rejected(self, said_by: str, message: Rejected) -> None:
        """A person at a peer, or at one of its peers, rejected changes at some paths: of this node, or of another one, to which
        it is passed on."""
        if not self._intake.is_member(said_by):
            return
        if message.maker == self._board.index.identity.replica:
            self._ours_rejected(said_by, message.paths)
        elif message.maker in self._board.peers and message.maker != said_by:
            self._tell_rejected(message.maker, message.paths)

    def _ours_rejected(self, said_by: str, below: Sequence[bytes] = ()) -> None:
        """Our changes were rejected. Whoever said so may put back what was here before those of the last minutes. Where this
        node only sends, it takes back what was here before the changes that are held, and before those of the minute before
        them, except for what was approved. `below`: only at these paths and below them."""
        index, me = self._board.index, self._board.index.identity.replica
        held = {
            one.path
            for peer, news in self._brakes.held_elsewhere.items()
            for one in news
            if one.maker == me and (below or said_by in ("", peer))
        }
        only_sends = self._mode_rules.mode is Mode.SEND_ONLY
        reverts_ns = self._board.now.wall_ns - _REVERT_MS * 1_000_000
        times = [last for path in held if only_sends and (last := index.journal.last_ns(path, me)) is not None]
        meant = set(below)
        reverts: dict[bytes, set[bytes]] = {}
        for entry in index.journal.since(min([reverts_ns, *(last - BRAKE_WINDOW_MS * 1_000_000 for last in times)])):
            if entry.maker != me:
                reverts.pop(entry.path, None)
            elif entry.kind is not Kind.ABSENT and (not meant or covers(meant, entry.path)):
                if entry.kind is Kind.FILE and entry.time_ns >= reverts_ns:
                    reverts.setdefault(entry.path, set()).add(entry.content)
                if only_sends and not self._peer_losses.was_approved(entry.path, me, ""):
                    self._mode_rules.want_back(entry.path, (entry.kind, entry.content))
        if said_by:
            self._peer_losses.approvals.expect_reverts(said_by, reverts)

    def decided_here(self, approve: bool) -> None:
        """Announce the losses of this node, or fetch the lost files back from the peers that have them."""
        paths = self._brakes.own.release()
        self._own_losses.all_decided()
        self._brakes.publish()
        self._board.plan_queue.add_all_offers()  # paths that waited for the decision
        if approve:
            self._own_losses.release(paths)
            return
        for path in paths:
            for lost in self._board.index.tree.live_paths(path):
                self._board.index.rows.forget(lost)
                self._mode_rules.want_back(lost)
        ask_all_again(self._board, self._intake)
