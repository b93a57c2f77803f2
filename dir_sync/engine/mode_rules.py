"""By which rule a path is decided: the mode of the folder, and what a person reverts.

In:   the mode; paths to be reverted; "a peer's state is complete"; what the first scan could not see.
Out:  the mode at a path, and the decision there; which finds count as found by a first scan.
Rule: `core.reconcile` decides; this module says by which mode. A mirror undoes nothing before the first contact is over,
and nothing that was here before that.
Used by: publisher, peer_losses, stamps, transfers, rows, own_changes, applier, hard_links, incoming_moves, deltas_in,
acquire, planner, sync_report, forecaster, recorder, scan, decisions, router, merging, path_decisions,
apart.
"""

from __future__ import annotations

from collections.abc import Iterable

from dir_sync.core.mode import Mode, is_own_large
from dir_sync.core.model import Kind, Record
from dir_sync.core.parents import parents_of
from dir_sync.core.reconcile import Decision, decide
from dir_sync.engine.board import Board
from dir_sync.index import Row

__all__ = ["ModeRules"]

_MESH_KNOWN = "mesh known"  # index note: a peer has sent its complete state
_READS_AS = "reads as"  # index note: the identity of this machine as a read-only member, at the last start
_UNSEEN = "unseen at first"  # index note: paths that the first scan could not see, in hex
_UNSEEN_MAX = 10_000
_WANTED_BACK = "wanted back "  # index note: with a path, in hex; since when, and which kinds and contents
_WANTED_BACK_NS = 7 * 86_400 * 10**9  # then it has to be said again: nobody may have had it


class ModeRules:
    """`mode`: of the folder. `knows_mesh`: a peer's state was complete. `reverting`: paths that a person wants as the
    mesh has them. `_wanted_back`: what a person wants back at these paths of a node that only sends: one of these kinds and
    contents, or whatever others have. `_unseen`: what is in these folders, or at these paths, was here before the first
    contact, and could not be read or was being written then."""

    def __init__(self, board: Board, mode: Mode) -> None:
        self._board = board
        self._index = board.index
        self.mode = mode
        self.knows_mesh = board.index.notes.get(_MESH_KNOWN) is not None
        self.reverting: set[bytes] = set()
        self._wanted_back: dict[bytes, set[tuple[Kind, bytes]] | None] = {}
        self._reader = ""  # the identity of this machine, if it is a read-only member of its mesh
        self.unseen = {bytes.fromhex(word) for word in board.index.notes.words(_UNSEEN)}

    def mode_at(self, path: bytes, row: Row | None) -> Mode:
        """By which rule a path is decided. `row`: ours there."""
        taking = self._board.taking
        is_limited = taking is not None and taking.most > 0 and self.mode.announces
        if is_limited and row is not None and is_own_large(row.record):
            return Mode.APART
        if self.mode is Mode.TWO_WAY:
            return self.mode
        if self._wanted_back and self.mode is Mode.SEND_ONLY and self._is_wanted_back(path):
            return Mode.TWO_WAY
        if path in self.reverting:
            return Mode.REVERT
        return self.mode if self.mode is not Mode.MIRROR or self.knows_mesh else Mode.RECEIVE_ONLY

    def decision_at(self, path: bytes, row: Row | None) -> Decision:
        """What `core.reconcile` says about a path. `row`: ours there."""
        return decide(None if row is None else row.record, self._index.offers.of(path), (), self.mode_at(path, row))

    def reads_only(self, identity: str) -> None:
        """This machine is a read-only member of its mesh, with that identity. Before the engine starts."""
        self.mode = self.mode.of_reader()
        self._reader = identity

    def note_reader(self) -> bool:
        """Note as which member this machine reads only. True if it has become that since the last start: nobody took what it
        announced before, or it was in another mesh."""
        before, now = self._index.notes.get(_READS_AS), self._reader
        if (before or "") == now:
            return False
        if now:
            self._index.notes.put(_READS_AS, now)
        else:
            self._index.notes.forget(_READS_AS)
        return bool(now)

    def mesh_is_new(self) -> None:
        """Nothing is known of what the mesh has."""
        self.knows_mesh = False
        self._index.notes.forget(_MESH_KNOWN)

    @property
    def may_decide(self) -> bool:
        """True if what a person decides at this node counts on all machines, whatever the mode says about changes."""
        return not self._reader

    def want_back(self, path: bytes, what: tuple[Kind, bytes] | None = None) -> None:
        """A person wants back what was at this path, though this node only sends. `what`: a kind and content that was here;
        None: whatever the others have. For as long as the program runs, and at a later start for some days."""
        if self.mode is not Mode.SEND_ONLY:
            return
        known = self._wanted_back.setdefault(path, set())
        if what is None:
            known = self._wanted_back[path] = None
        elif known is not None:
            known.add(what)
        words = () if known is None else (f"{kind.value}:{content.hex()}" for kind, content in sorted(known))
        self._index.notes.put(_WANTED_BACK + path.hex(), " ".join((str(self._board.now.wall_ns), *words)))
        self._board.plan_queue.add(path)

    @property
    def wants_back(self) -> bool:
        """True if something that a person wants back has not come."""
        return bool(self._wanted_back)

    def adopt(self) -> None:
        """At the start: what a person wanted back in an earlier run, and has not come. What is some days old is forgotten."""
        for key, value in self._index.notes.below(_WANTED_BACK).items():
            since, *words = str(value).split()
            if self._board.now.wall_ns - int(since) > _WANTED_BACK_NS:
                self._index.notes.forget(_WANTED_BACK + key)
                continue
            pairs = (word.partition(":")[::2] for word in words)
            what = {(Kind(int(kind)), bytes.fromhex(content)) for kind, content in pairs}
            self._wanted_back[bytes.fromhex(key)] = what or None

    def _is_wanted_back(self, path: bytes) -> bool:
        if path not in self._wanted_back:
            return False
        what, offers = self._wanted_back[path], self._index.offers.of(path)
        if what is None or not offers:
            return True
        newest = max((one.record for one in offers), key=lambda record: record.stamp)
        return (newest.kind, newest.content) in what

    def note_here(self, record: Record) -> None:
        """This is at its path from now on. What a person wanted back there has come, or something else."""
        if record.path in self._wanted_back:
            what = self._wanted_back[record.path]
            if what is None or (record.kind, record.content) in what:
                del self._wanted_back[record.path]
                self._index.notes.forget(_WANTED_BACK + record.path.hex())

    @property
    def keeps_own(self) -> bool:
        """True if some changes made here stay here: because of the mode, or because a file is too large."""
        taking = self._board.taking
        return not self.mode.announces or (taking is not None and taking.most > 0)

    def mesh_is_known(self) -> None:
        """A peer's state is complete: from now on a mirror undoes what is changed here."""
        self.knows_mesh = True
        self._index.notes.put(_MESH_KNOWN, 1)
        self._board.plan_queue.add_all_offers()

    def first_scan_left(self, paths: Iterable[bytes]) -> None:
        """The first scan is over, and could not see what is at these paths."""
        self._keep_unseen(set(sorted(paths)[:_UNSEEN_MAX]))

    def notice_seen(self) -> None:
        """Forget what has been seen since, with all that is in it."""
        board = self._board
        if not self.unseen or board.scan.is_on or not board.listings.is_over:
            return
        failed, pending, looking = board.listings.failed, board.pending_looks, board.looking
        if all(path in failed or path in pending or path in looking for path in self.unseen):
            return  # most often: some folders can never be read
        looks = {*pending.paths(), *looking}
        self._keep_unseen(self.unseen & looks.union(failed, *(parents_of(path) for path in looks)))

    def _keep_unseen(self, paths: set[bytes]) -> None:
        if paths != self.unseen:
            self.unseen = paths
            self._board.index.notes.put(_UNSEEN, " ".join(path.hex() for path in sorted(paths)))

    def was_here_first(self, path: bytes) -> bool:
        """True if what is found now at an unknown path counts as found by a first scan."""
        if self.mode is Mode.MIRROR and not self.knows_mesh:
            return True
        return bool(self.unseen) and (path in self.unseen or not self.unseen.isdisjoint(parents_of(path)))

    def revert(self, path: bytes) -> None:
        """Undo what was changed here only."""
        self.reverting.add(path)
        self._board.plan_queue.add(path)

    def revert_ends(self, path: bytes) -> None:
        """Something else is at this path from now on."""
        self.reverting.discard(path)
