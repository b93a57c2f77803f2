"""Follows the files with rules for paths that are not shared: `.syncignore` in any folder, and that of this machine.

In:   what a listing found in these files; the defaults. Out: the rules in `scope`; what they make of rows and offers.
Rule: a path that is ignored from now on is forgotten, as if it had never been known: nothing is announced of it, taken
or deleted. A path that is shared again is merged like at a first contact: it is found as by a first scan, all peers are
asked for what they have, and no deletion of theirs counts for it. A folder that cannot be listed does not hold up that
question; what is found in it later is still shared again.
Used by: scan.
"""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.ignore import Rules
from dir_sync.core.looks import RuleTexts
from dir_sync.core.model import Kind
from dir_sync.core.parents import parents_of
from dir_sync.engine.board import Board
from dir_sync.engine.constants import PLAN_MAX
from dir_sync.engine.intake import Intake, ask_all_again
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.scope import Scope
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.work import WorkTable

__all__ = ["Ignoring"]

_ROWS_MAX = 10**9  # of one query
_LOOKS_MS = 10_000  # a change is over after so long, although looks are still under way
_TEXT = "rules of "  # prefix of an index note: the text of a file with rules, in hex, before the folder in hex
_LOCAL = "rules here"
_DEFAULTS = "rules built in"
_COUNTED = "ignored counted"
_CHANGING = "rules changing"  # 1 while a change is carried out


class Ignoring:
    """Follows the files with rules."""

    def __init__(
        self,
        board: Board,
        work: WorkTable,
        scope: Scope,
        own_losses: OwnLosses,
        transfers: TransferTable,
        intake: Intake,
        default_rules: bool = False,
        local_rules: bool = False,
    ) -> None:
        """`default_rules`: those that are built in count. `local_rules`: this machine may have some of its own."""
        self._board = board
        self._work = work
        self._scope = scope
        self._own_losses = own_losses
        self._transfers = transfers
        self._intake = intake
        self._defaults = default_rules
        self._has_local = local_rules
        self.is_changing = False  # a change of the rules is being carried out
        self._since_ms = 0  # when (ms) the last one came
        self._ignored = 0  # paths that these changes made ignored
        self.leaving: set[bytes] = set()  # ignored paths at which work was under way, to be forgotten after that

    def start(self) -> None:
        """Begin with the rules of the last run: what has changed since then is a change."""
        index = self._board.index
        texts = {
            bytes.fromhex(key.removeprefix(_TEXT)): bytes.fromhex(str(text))
            for key, text in index.notes.below(_TEXT).items()
            if text != "-"
        }
        local = bytes.fromhex(str(index.notes.get(_LOCAL) or ""))
        if not index.notes.get(_COUNTED):
            index.notes.put(_COUNTED, 1)
            if texts or local:  # an earlier version did not note what peers have at ignored paths
                index.peers.ask_anew()
        if texts or local or index.notes.get(_DEFAULTS):
            self._scope.set_rules(Rules(texts, local, bool(index.notes.get(_DEFAULTS))))
        if index.notes.get(_CHANGING):
            self.is_changing = True
            self._scope.resume_change()
            self._forget(self._ignored_below(b""))  # where work was under way
        if self._defaults != self._scope.rules.defaults:
            index.notes.put(_DEFAULTS, int(self._defaults))
            rules = Rules(texts, local, self._defaults)
            if index.sequences.last or index.offers.any():
                self._follow(rules, b"")
            else:  # nothing is known yet that they could change
                self._scope.set_rules(rules)

    def reads(self, folder: bytes) -> bool:
        """True if the listing of this folder reads the rules of this machine."""
        return self._has_local and not folder

    def learn(self, folder: bytes, found: RuleTexts) -> bool:
        """The listing of a folder found these rules in it. True if they are others than before: then the folder has to be
        listed again."""
        rules, index = self._scope.rules, self._board.index
        after = rules
        if found.own != rules.texts.get(folder):
            index.notes.put(_TEXT + folder.hex(), "-" if found.own is None else found.own.hex())
            after = after.changed(folder, found.own)
            self._tell_problems(after.file(folder).problems)
        if self.reads(folder) and found.local != rules.local:
            index.notes.put(_LOCAL, found.local.hex())
            after = after.with_local(found.local)
            self._tell_problems(after.files()[-1].problems)
        if after is rules:
            return False
        self._follow(after, folder)
        return True

    def _tell_problems(self, problems: tuple[str, ...]) -> None:
        for problem in problems[:3]:
            self._board.tell(notes.BadRule(problem))

    def _follow(self, after: Rules, folder: bytes) -> None:
        """These rules hold from now on. They differ from the ones before in what they say of `folder`."""
        if not self.is_changing:
            self.is_changing, self._ignored = True, 0
        self._since_ms = self._board.now.mono_ms
        self._board.index.notes.put(_CHANGING, 1)
        self._scope.set_rules(after)
        index = self._board.index
        gone = self._ignored_below(folder)
        self._ignored += len(gone)
        self.leaving.update(
            path for path in self._work.jobs.all() if after.ignores(path, False) or after.ignores(path, True)
        )
        self._forget(gone)
        at: bytes | None = None
        while paths := index.offers.paths(at, PLAN_MAX):
            at = paths[-1]
            for path in paths:
                if any(self._scope.ignores_record(offer.record) for offer in index.offers.of(path)):
                    self._drop_offers(path)
        self._board.listings.add(folder)

    def _ignored_below(self, folder: bytes) -> list[bytes]:
        """What is here in a folder, as far as the rules ignore it."""
        index = self._board.index
        rows = index.tree.live_below(folder, _ROWS_MAX) if folder else index.changes.after(0, _ROWS_MAX)
        found = [row.record for row in rows if row.record.kind != Kind.ABSENT]
        return [one.path for one in found if self._scope.ignores(one.path, one.kind is Kind.DIRECTORY)]

    def _forget(self, paths: list[bytes]) -> None:
        """Paths that are ignored. Where work is under way, they are forgotten after it."""
        self.leaving.update(path for path in paths if self._work.is_at_work(path))
        for path in paths:
            self._own_losses.no_longer_held(path)
            self._drop_offers(path)
        self._board.index.rows.forget_all([path for path in paths if path not in self.leaving])

    def _drop_offers(self, path: bytes) -> None:
        """Nothing that peers announced is wanted at this path."""
        for offer in self._board.index.offers.of(path):
            self._board.index.offers.drop(path, offer.peer)
        self._transfers.drop_wanted(path)
        self._transfers.forget_attempts(path)
        self._board.plan_queue.add(path)  # the end of a job there has to find that nothing is wanted

    def run_timers(self) -> None:
        """Forget what work has left; when everything is listed again, say what the new rules changed, and ask the peers
        for what they have."""
        if self.leaving:
            over = [path for path in self.leaving if not self._work.is_at_work(path)]
            self.leaving.difference_update(over)
            self._forget([path for path in over if self._is_here(path)])
        board, scope = self._board, self._scope
        if board.scan.is_on or not board.listings.is_over or self.leaving or not (self.is_changing or scope.unlisted):
            return
        if not self.is_changing and self._cannot_be_listed():
            self._since_ms = board.now.mono_ms
            return
        if (len(board.pending_looks) or board.looking) and board.now.mono_ms < self._since_ms + _LOOKS_MS:
            return  # what a look is still to find may be newly shared
        if not self.is_changing:
            scope.change_is_over()
            return
        shared = len(scope.newly_shared)
        self.is_changing = False
        board.index.notes.put(_CHANGING, 0)
        scope.change_is_over(board.listings.failed)
        if self._ignored or shared:
            board.tell(notes.RulesChanged(self._ignored, shared))
        ask_all_again(board, self._intake)

    def _cannot_be_listed(self) -> bool:
        """True if a folder that was not listed when the rules changed, or one in it, still cannot be listed."""
        left = self._scope.unlisted
        return any(not left.isdisjoint((b"", folder, *parents_of(folder))) for folder in self._board.listings.failed)

    def _is_here(self, path: bytes) -> bool:
        """True if there is a row at this path, and the path is still ignored."""
        row = self._board.index.rows.get(path)
        return row is not None and self._scope.ignores_record(row.record)
