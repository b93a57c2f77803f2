"""A person approves or rejects single paths of what a brake holds here; the others stay held.

In:   the commands `approve` and `reject` with paths. Out: changes and versions of this node, which spread like all others.
Rule: no message decides about a path. What is approved becomes a change of this node, on top of the one
that was held; what is rejected is asserted anew. Another node judges both as what this one brings.
Used by: decisions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from dir_sync.core import notes
from dir_sync.core.frozen import field, frozen
from dir_sync.core.mode import THEIRS
from dir_sync.core.model import Kind, Record, same_content
from dir_sync.core.parents import parents_of
from dir_sync.core.reconcile import Offer, Take
from dir_sync.core.safeguard.brake import covers
from dir_sync.core.safeguard.peer_brake import BRAKE_WINDOW_MS
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import BRAKED_AT, NOBODY, OURS
from dir_sync.engine.intake import Intake, ask_all_again
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.peer_losses import PeerLosses
from dir_sync.engine.queries import Queries
from dir_sync.engine.rows import Rows
from dir_sync.engine.stamps import Stamps
from dir_sync.history import undo_plan

__all__ = ["HeldBelow", "PathDecisions"]

_CHILDREN_MAX = 1_000_000  # of a folder that is held as one


@frozen
class HeldBelow:
    """What is held here at some paths and below them."""

    changed: dict[str, list[bytes]] = field(default_factory=dict)  # by maker: what peers did
    missing: int = 0  # how many files vanished here
    unknown: tuple[bytes, ...] = ()  # the paths at which nothing is held


class PathDecisions:
    """A person approves or rejects single paths of what a brake holds here."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        stamps: Stamps,
        brakes: Brakes,
        own_losses: OwnLosses,
        peer_losses: PeerLosses,
        rows: Rows,
        intake: Intake,
        queries: Queries,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._stamps = stamps
        self._brakes = brakes
        self._own_losses = own_losses
        self._peer_losses = peer_losses
        self._rows = rows
        self._intake = intake
        self._queries = queries

    def held_below(self, paths: Collection[bytes]) -> HeldBelow:
        """What is held here at these paths and below them. It only reads."""
        meant, found = set(paths), set[bytes]()
        changed: dict[str, list[bytes]] = {}
        for maker, held in sorted(self._brakes.peers.held().items()):
            if some := [path for path in held if _note_above(path, meant, found)]:
                changed[maker] = some
        own, tree = self._brakes.own, self._board.index.tree
        missing = sum(files for path, (files, _) in own.held.items() if _note_above(path, meant, found))
        for path in meant:
            if not covers(meant - {path}, path) and self._whole_above(path) is not None and tree.live_paths(path):
                found.add(path)
                missing += tree.measure(path)[0]
        return HeldBelow(changed, missing, tuple(path for path in paths if path not in found))

    def _whole_above(self, path: bytes) -> bytes | None:
        """The folder above a path that vanished here, and is held as one with all that was in it."""
        held = self._brakes.own.held
        folder = next((one for one in parents_of(path) if one in held), None)
        return folder if folder is not None and held[folder][0] else None

    def decide(self, approve: bool, paths: Sequence[bytes]) -> list[str]:
        """Carry out or undo what is held here at these paths and below them. What else is held stays so. Returns the makers of
        the changes."""
        meant = set(paths)
        changed = self.held_below(meant).changed
        for maker, some in changed.items():
            if approve:
                self._approve(some)
            else:
                self._reject(maker, some, meant)
            self._board.plan_queue.add_all(dict.fromkeys(some))
            self._board.tell(notes.Decided(some[0], self._board.name_of(maker), len(some), approve))
        if self._brakes.own.held:
            self.decide_own(approve, meant)
        self._board.plan_queue.add_all_offers()  # folders and paths that waited for the decision
        self._brakes.publish()
        return list(changed)

    # --- what peers did ----------------------------------------------------------------------------------------------

    def _approve(self, paths: list[bytes]) -> None:
        self._peer_losses.decided(paths)
        index = self._board.index
        for path in paths:
            decision = self._mode_rules.decision_at(path, index.rows.get(path))
            if not isinstance(decision, Take):
                continue
            wanted = self.vouched(decision.record)
            if wanted is decision.record:
                self._peer_losses.approved_alone(wanted)
            # With the names of those who have the content: without one, it would be looked for in the history here.
            for offer in index.offers.of(path):
                is_of_peer = offer.peer not in (NOBODY, THEIRS) and not offer.peer.startswith(OURS)
                if is_of_peer and same_content(offer.record, wanted):
                    index.offers.put(Offer(OURS + offer.peer, wanted, False))

    def vouched(self, target: Record) -> Record:
        """The version that a person here approved, as a change of this node: the others take it for one, too. Where changes
        stay on this node, it is the version of its maker."""
        if self._mode_rules.keeps_own:
            return target
        return self._stamps.changed_to(target, target, self._board.now.wall_ns)

    def _reject(self, maker: str, paths: list[bytes], meant: Collection[bytes]) -> None:
        rewrites = self._brakes.peers.holds_rewrites(maker)
        for link, makers in self._brakes.peers.links_of(maker).items():
            for one in sorted(makers):
                self.bring_back(one, link, rewrites, meant)
        self._peer_losses.decided(paths)
        for path in paths:
            if self._reassert(path):
                self._board.tell(notes.Spared(path))
        self.reassert_above(paths)

    def reassert_above(self, paths: Iterable[bytes]) -> None:
        """Who deleted these files would have no place for them."""
        for folder in dict.fromkeys(folder for path in paths for folder in parents_of(path)):
            self._reassert(folder)

    def _reassert(self, path: bytes) -> bool:
        """Our version stays, whatever peers have made of it. False if there is none, or theirs is not newer."""
        row = self._board.index.rows.get(path)
        decision = self._mode_rules.decision_at(path, row)
        if row is None or row.record.kind == Kind.ABSENT or not isinstance(decision, Take):
            return False
        if row.record.kind == Kind.DIRECTORY and decision.record.kind == Kind.DIRECTORY:
            return False
        self._rows.reassert(row, decision.record, is_meant=True)
        return True

    def bring_back(self, maker: str, link: str, rewrites: bool, below: Collection[bytes] = ()) -> None:
        """Undo what a maker changed within the minute before the brake held its link, if the brake let that through: what a
        person approved stays. `below`: only at these paths and below them."""
        since = self._board.index.notes.get(BRAKED_AT + link)
        if not isinstance(since, int):
            return
        since -= BRAKE_WINDOW_MS * 1_000_000
        wanted = undo_plan.removed(self._board.index, since, maker)
        if rewrites:
            gone = {before.path for before in wanted}
            rewritten = undo_plan.rewritten(self._board.index, since, maker)
            wanted += [before for before in rewritten if before.path not in gone]
        if below:
            wanted = [before for before in wanted if covers(below, before.path)]
        wanted = [before for before in wanted if not self._peer_losses.was_approved(before.path, maker, link)]
        if wanted:
            self._queries.on_restore(undo_plan.with_parents(self._board.index, wanted), {}, is_decided=True)

    # --- what vanished here ------------------------------------------------------------------------------------------

    def decide_own(self, approve: bool, meant: Collection[bytes]) -> None:
        own, index = self._brakes.own, self._board.index
        for path in sorted(meant):
            self._split_above(path)
        chosen = [path for path in own.held if covers(meant, path)]
        if not chosen:
            return
        if approve:
            chosen += self._emptied(chosen)
            self._own_losses.decided(chosen)
            self._own_losses.release(chosen)
            return
        above = {folder for path in chosen for folder in parents_of(path) if folder in own.held}
        self._own_losses.decided([*chosen, *above])
        gone = {lost for path in chosen for lost in index.tree.live_paths(path)} | above
        index.rows.forget_all(sorted(gone))
        for path in sorted(gone):
            self._mode_rules.want_back(path)
        ask_all_again(self._board, self._intake)

    def _split_above(self, path: bytes) -> None:
        """If a folder above a path is held as one, hold what was in it path by path."""
        tree = self._board.index.tree
        whole = self._whole_above(path)
        if whole is None or not tree.live_paths(path):
            return
        for folder in reversed([one for one in parents_of(path) if len(one) >= len(whole)]):
            children = tree.live_children(folder, _CHILDREN_MAX)
            self._brakes.own.split(folder, {row.record.path: tree.measure(row.record.path) for row in children})

    def _emptied(self, chosen: Iterable[bytes]) -> list[bytes]:
        """The folders that are held only because of what was in them, and all of that is among the chosen paths."""
        held = self._brakes.own.held
        gone = set(chosen)
        needed = {folder for path in held if held[path][0] and path not in gone for folder in parents_of(path)}
        above = {folder for path in gone for folder in parents_of(path)}
        return [path for path in held if path in above and not held[path][0] and path not in needed | gone]


def _note_above(path: bytes, meant: Collection[bytes], found: set[bytes]) -> bool:
    """True if the path, or a folder above it, is meant. All that are so are noted."""
    here = [one for one in (path, *parents_of(path)) if one in meant]
    found.update(here)
    return bool(here)
