"""Faults planted on purpose: each takes one promise out of the program. A simulator that does not notice is worth nothing.

Each is a context manager by name in SABOTAGES, with how many worlds (seeds from 0) it takes at the most to be noticed. Of
those in NEEDS only worlds with that fault count: nothing else could show them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from dir_sync.core import content, limits, merging, notes, reconcile
from dir_sync.core.events import Touched, Urgency
from dir_sync.core.jobs import Cause
from dir_sync.core.looks import Folder, Listing, LookOutcome, Seen
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, Stamp, has_seen, join, made_from
from dir_sync.core.overload.byte_rate import ByteRate
from dir_sync.core.peers import announce, standing
from dir_sync.core.reconcile import Answer, Decision, Join, Nothing, Offer, Take
from dir_sync.core.taking import Taking
from dir_sync.core.text_jobs import Merged
from dir_sync.core.transfers.transfer import Window
from dir_sync.core.unable import Unable
from dir_sync.core.watching.pending_looks import PendingLook
from dir_sync.core.watching.renames import Renames
from dir_sync.engine import Engine, local_renames, values
from dir_sync.engine.acquire import Acquire
from dir_sync.engine.applier import Applier
from dir_sync.engine.board import Board
from dir_sync.engine.expected import Copies
from dir_sync.engine.healing import Healing
from dir_sync.engine.ignoring import Ignoring
from dir_sync.engine.incoming_moves import IncomingMoves
from dir_sync.engine.intake import Intake
from dir_sync.engine.local_changes import LocalChanges
from dir_sync.engine.look_queue import LookQueue
from dir_sync.engine.merging import Merging
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.own_changes import OwnChanges
from dir_sync.engine.own_losses import OwnLosses
from dir_sync.engine.planner import Planner
from dir_sync.engine.retries import Retries
from dir_sync.engine.scan import Scan
from dir_sync.engine.scope import Scope
from dir_sync.engine.stamps import Stamps
from dir_sync.engine.sync_report import SyncReport
from dir_sync.engine.versions import VersionKeeper
from dir_sync.engine.work import WorkTable
from dir_sync.files import texts
from dir_sync.files.kept import Keeper
from dir_sync.index import Index
from dir_sync.index.peers import Peers
from dir_sync.index.rows import Rows
from dir_sync.index.versions import Versions
from tests.sim.options import OPERATIONS, draw
from tests.sim.planted_files import PLANTED as PLANTED_IN_FILES
from tests.sim.planted_history import PLANTED as PLANTED_IN_HISTORY
from tests.sim.planted_links import PLANTED as PLANTED_LINKS
from tests.sim.seams import patched

__all__ = ["KINDS", "LOOPS", "PRONE", "SABOTAGES", "nothing_is_healed", "seeds_for"]

Plant = Callable[[], AbstractContextManager[object]]


def _no_answer() -> AbstractContextManager[object]:
    def decide(mine: Record | None, offers: Iterable[Offer], *more: Any) -> Decision:
        decision = reconcile.decide(mine, offers, *more)
        return Take(decision.top, False) if isinstance(decision, Answer) else decision

    return patched("decide", decide)


def _joined_tombstones() -> AbstractContextManager[object]:
    def decide(mine: Record | None, offers: Iterable[Offer], *more: Any) -> Decision:
        offers = list(offers)
        decision = reconcile.decide(mine, offers, *more)
        if mine is None or mine.kind != Kind.ABSENT or not isinstance(decision, (Nothing, Join)):
            return decision
        vector = mine.vector
        for offer in offers:
            vector = join(vector, offer.record.vector)
        return Nothing() if vector == mine.vector else Join(mine._replace(vector=vector))

    return patched("decide", decide)


def _nameless_crowd() -> AbstractContextManager[object]:
    tell = Board.tell

    def _tell(self: Board, note: notes.Note) -> None:
        tell(self, note._replace(files=()) if isinstance(note, notes.ReceivedMany) else note)

    return patch.object(Board, "tell", _tell)


def _silent_removals() -> AbstractContextManager[object]:
    tell = Board.tell

    def _tell(self: Board, note: notes.Note) -> None:
        if not isinstance(note, notes.Removed):
            tell(self, note)

    return patch.object(Board, "tell", _tell)


def _mtime_decides() -> AbstractContextManager[object]:
    def changed(
        previous: Record | None, now: Record, node: str, sequence: int, stamp_ns: int, latest_ns: int
    ) -> Record:
        record = reconcile.changed(previous, now, node, sequence, stamp_ns, latest_ns)
        return record._replace(stamp=Stamp(max(1, stamp_ns), node))

    return patched("changed", changed)


@contextmanager
def _offers_forgotten() -> Iterator[None]:
    original = Index.__init__

    def start(self: Any, *arguments: Any, **names: Any) -> None:
        original(self, *arguments, **names)
        self._database.execute("DELETE FROM offer")
        self.offers._any_stored = False

    with patch.object(Index, "__init__", start):
        yield


def _summaries_agree() -> AbstractContextManager[object]:
    return patch.object(Rows, "summary", lambda self: bytes(limits.SUMMARY_BYTES))


@contextmanager
def _listings_believed() -> Iterator[None]:
    original = Scan.on_listed

    def listed(self: Any, listing: Listing) -> None:
        if listing.entries is not None:
            prefix = listing.path + b"/" if listing.path else b""
            there = {name for name, _ in listing.entries} | {seen.path[len(prefix) :] for seen in listing.seen}
            for name in sorted(self._board.index.tree.known_in(listing.path).keys() - there):
                self._local_changes.absent(
                    Seen(prefix + name, LookOutcome.ABSENT), PendingLook(prefix + name, 0, 0, removal_confirmed=True)
                )
        original(self, listing)

    with (
        patch.object(Scan, "on_listed", listed),
        patch.object(Scan, "folder", lambda self, path: Folder(path, {})),  # so that all entries come
    ):
        yield


def _seen_forgotten() -> AbstractContextManager[object]:
    return patch.object(Intake, "advance_received", lambda self, peer, sequence, state=None: None)


def _echo_is_an_edit() -> AbstractContextManager[object]:
    class Never(tuple[int, int]):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = None  # type: ignore[assignment]

    original = values.got_meta
    return patched("got_meta", lambda fp: Never(original(fp)))


def _scan_named_by_node() -> AbstractContextManager[object]:
    numbers = itertools.count()
    original = content.first_scan_record

    def named(*arguments: Any) -> Record:
        maker = f"={next(numbers):024x}"
        record = original(*arguments)
        return record._replace(stamp=Stamp(record.stamp.ns, maker), vector=((maker, 1),))

    return patched("first_scan_record", named)


@contextmanager
def _own_writes_ignored() -> Iterator[None]:
    touched, applied = LookQueue.on_touched, Applier.on_applied

    def installed(self: Any, result: Any) -> None:
        applied(self, result)
        self._board.__dict__.setdefault("own", {})[result.path] = self._board.now.mono_ms

    def seen(self: Any, path: bytes, urgency: Urgency) -> None:
        if self._board.now.mono_ms - self._board.__dict__.get("own", {}).get(path, -10_000) > 1_000:
            touched(self, path, urgency)

    with patch.object(LookQueue, "on_touched", seen), patch.object(Applier, "on_applied", installed):
        yield


@contextmanager
def _unknown_is_absent() -> Iterator[None]:
    original = LocalChanges.on_looked

    def looked(self: Any, seen: Seen, *rest: Any) -> None:
        original(self, seen._replace(look=LookOutcome.ABSENT) if seen.look == LookOutcome.UNKNOWN else seen, *rest)

    with patch.object(LocalChanges, "on_looked", looked):
        yield


def _moved_on_too_soon() -> AbstractContextManager[object]:
    original = announce.tell

    def tell(folder: str, peer: Any, rows: Any, fresh: Any, until: int, cache: Any, *sources: Any) -> Any:
        told = original(folder, peer, rows, fresh, until, cache, *sources)
        return [announce.Outgoing(announce._moved_on(each.message, until), each.size) for each in told]

    return patched("tell", tell)


def _half_saves_are_announced() -> AbstractContextManager[object]:
    return patch.object(LookQueue, "open_below", lambda *arguments: 0)


def _only_events_tell_what_is_open() -> AbstractContextManager[object]:
    return patch.object(LookQueue, "_cut_below", lambda *arguments: 0)


def _folders_leave_at_once() -> AbstractContextManager[object]:
    return patch.object(Acquire, "try_to_leave", lambda *arguments: True)


@contextmanager
def _vanished_is_renamed_away() -> Iterator[None]:
    """A removal is believed without a look."""
    original = Engine.handle

    def handle(self: Any, event: Any, now: Any) -> Any:
        if isinstance(event, Touched) and event.urgency == Urgency.VANISHED and self.board.index.rows.get(event.path):
            self.board.now, self.board.out = now, []
            self.local_changes.absent(Seen(event.path, LookOutcome.ABSENT), PendingLook(event.path, 0, 0, watched=True))
        return original(self, event, now)

    with patch.object(Engine, "handle", handle):
        yield


def _brake_never_holds() -> AbstractContextManager[object]:
    return patch.object(OwnLosses, "is_disaster", lambda self: False)


def _brake_holds_moves() -> AbstractContextManager[object]:
    return patch.object(OwnLosses, "is_moved", lambda self, record: False)


def _losers_go_first() -> AbstractContextManager[object]:
    def least(self: Any, limit: int, *more: Any) -> Any:
        return sorted(self.oldest_first(), key=lambda version: version.why != Cause.CONFLICT)[:limit]

    return patch.object(Versions, "least", least)


def _age_of_the_content() -> AbstractContextManager[object]:
    """How long ago it was written counts, not how long ago it was displaced."""

    def old(self: Any, before_ns: int, limit: int) -> Any:
        return [version for version in self.oldest_first() if version.mtime < before_ns][:limit]

    return patch.object(Versions, "old", old)


def _no_conflicts() -> AbstractContextManager[object]:
    return patch.object(Acquire, "is_conflict", lambda *arguments: False)


def _only_vectors_tell_conflicts() -> AbstractContextManager[object]:
    return patch.object(reconcile, "made_from", has_seen)


def _in_sync_when_heard() -> AbstractContextManager[object]:
    return patch.object(standing.Standing, "has_all", property(lambda self: 0 <= self.news <= self.lacks_as_of))


def _nothing_lacks_here() -> AbstractContextManager[object]:
    return patch.object(SyncReport, "lacked_from", lambda self, node: standing.NOTHING)


def _no_second_look() -> AbstractContextManager[object]:
    return patch.object(VersionKeeper, "recheck_when_due", lambda self: self.rechecks.clear())


def _halves_apart() -> AbstractContextManager[object]:
    return patch.object(Renames, "open", lambda self, source, target, now_ms: None)


def _absence_believed() -> AbstractContextManager[object]:
    return patch.object(Renames, "grace_ms", lambda self, path, moved_to, now_ms: 0)


def _no_way_out_of_the_history() -> AbstractContextManager[object]:
    return patch.object(IncomingMoves, "take_back_moved", lambda self, item, take: False)


def _names_are_tried_for_ever() -> AbstractContextManager[object]:
    return patch.object(Planner, "hold_back", lambda self, take: False)


def _copies_wait_on() -> AbstractContextManager[object]:
    return patch.object(Copies, "wake", lambda self, path: None)


def _endless_graces() -> AbstractContextManager[object]:
    return patch.object(WorkTable, "end_grace", lambda self, path: None)


def _failures_remembered() -> AbstractContextManager[object]:
    return patch.object(Retries, "forget", lambda self, path: None)


def _send_only_takes() -> AbstractContextManager[object]:
    return patch.dict(reconcile._MODES, {Mode.SEND_ONLY: reconcile.two_way})


def _own_changes_are_announced() -> AbstractContextManager[object]:
    """As they would be, if they had an ordinary maker."""

    def changed_to(self: Any, previous: Record | None, now: Record, stamp_ns: int) -> Record:
        return reconcile.changed(previous, now, *self.maker(previous), stamp_ns, self.latest_ns())

    return patch.object(Stamps, "changed_to", changed_to)


def _mirror_keeps() -> AbstractContextManager[object]:
    return patch.dict(reconcile._MODES, {Mode.MIRROR: reconcile.receive_only})


def _mirror_forgets_what_was_unread() -> AbstractContextManager[object]:
    return patch.object(ModeRules, "was_here_first", lambda *arguments: False)


def _override_spares_the_unknown() -> AbstractContextManager[object]:
    def override(self: Any) -> None:
        for _, row, record in list(self._refused()):
            if row is not None:
                self._rows.reassert(row, record, is_meant=True)

    return patch.object(OwnChanges, "override", override)


def _nothing_is_reverted() -> AbstractContextManager[object]:
    return patch.object(ModeRules, "revert", lambda self, path: None)


def _ignored_is_taken() -> AbstractContextManager[object]:
    return patch.object(Scope, "ignores_record", lambda self, record: False)


def _ignored_is_deleted() -> AbstractContextManager[object]:
    """What is ignored from now on is announced as deleted."""

    def forget(self: Any, paths: list[bytes]) -> None:
        for path in paths:
            row = self._board.index.rows.get(path)
            if row is not None and row.record.kind != Kind.ABSENT:
                self._board.scan.add(path, self._board.now.mono_ms).removal_confirmed = True

    def looked(self: Any, seen: Seen, *rest: Any) -> None:
        is_ignored = self._scope.ignores(seen.path, seen.kind is Kind.DIRECTORY)
        with patch.object(self._scope, "ignores_record", lambda record: False):
            original(self, Seen(seen.path, LookOutcome.ABSENT) if is_ignored else seen, *rest)

    original = LocalChanges.on_looked
    stack = ExitStack()
    stack.enter_context(patch.object(Ignoring, "_forget", forget))
    stack.enter_context(patch.object(LocalChanges, "on_looked", looked))
    return stack


def _nobody_is_asked_again() -> AbstractContextManager[object]:
    run_timers = Ignoring.run_timers

    def run(self: Any) -> None:
        with (
            patch.object(Intake, "ask_again", lambda *arguments: None),
            patch.object(Peers, "ask_anew", lambda *arguments: None),
        ):
            run_timers(self)

    return patch.object(Ignoring, "run_timers", run)


def _shared_again_is_an_edit() -> AbstractContextManager[object]:
    return patch.object(Scope, "is_shared_again", lambda self, path: False)


def _attributes_end_here() -> AbstractContextManager[object]:
    stack = ExitStack()
    for module in (reconcile, local_renames):
        stack.enter_context(patch.object(module, "merged", lambda before, now, *more: now))
    return stack


def _known_is_common() -> AbstractContextManager[object]:
    def includes(later: Record, earlier: Record, kept: object) -> bool:
        return later.stamp != earlier.stamp and made_from(later, earlier)

    return patch.object(merging, "includes", includes)


def _loser_merges() -> AbstractContextManager[object]:
    return patched("merger_of", lambda winner, loser: loser.stamp.maker)


def _one_side_is_enough() -> AbstractContextManager[object]:
    def merge_texts(base: bytes, mine: bytes, theirs: bytes, *more: Any) -> bytes | None:
        return None if texts.merge_texts(base, mine, theirs, *more) is None else mine

    return patch.object(texts, "merge", lambda job: Merged(job.path, merge_texts(*map(texts.unpacked, job[1:4]))))


def _losers_are_not_sent() -> AbstractContextManager[object]:
    return patch.object(Merging, "_send", lambda *arguments: None)


def nothing_is_healed() -> AbstractContextManager[object]:
    """For worlds with rot only, so it is not in SABOTAGES."""
    return patch.object(Healing, "heal", lambda *_: None)


def _nothing_fits_later() -> AbstractContextManager[object]:
    def measured(self: Any, room: int, coming: dict[bytes, int]) -> list[bytes]:
        original(self, room, coming)
        return []

    original = Taking.measured
    return patch.object(Taking, "measured", measured)


SABOTAGES: dict[str, tuple[Plant, int]] = {
    "what a node does not keep ends with its next version": (_attributes_end_here, 40),
    "what arrives is not given its attributes": (lambda: patch.object(Keeper, "give", lambda *arguments: None), 40),
    "small files need no room": (lambda: patch.object(Taking, "take_pushed", lambda *arguments: True), 40),
    "large files need no room": (lambda: patch.object(Taking, "take_room", lambda *arguments: True), 40),
    "what waits for room waits for ever": (_nothing_fits_later, 40),
    "what is sent knows no limit": (lambda: patch.object(ByteRate, "book", lambda *arguments: 0), 40),
    "what is asked for knows no limit": (lambda: patch.object(Window, "wait_ms", lambda *arguments: 0), 40),
    "no file is too large": (lambda: patch.object(Taking, "is_too_large", lambda *arguments: False), 40),
    "what is too large is kept away in silence": (
        lambda: patch.object(Unable, "all", lambda *arguments: []),
        40,
    ),
    "what is ignored is taken from peers": (_ignored_is_taken, 40),
    "what is ignored from now on is deleted": (_ignored_is_deleted, 40),
    "what is shared again is an edit": (_shared_again_is_an_edit, 60),
    "peers are not asked again when rules change": (_nobody_is_asked_again, 60),
    "whoever lost merges": (_loser_merges, 40),
    "a merge has the changes of one side": (_one_side_is_enough, 40),
    "what lost is not sent to who merges it": (_losers_are_not_sent, 60),
    "what was known is a common version": (_known_is_common, 400),
    "a send-only node takes what others change": (_send_only_takes, 40),
    "a receive-only node announces its changes": (_own_changes_are_announced, 40),
    "a mirror undoes nothing": (_mirror_keeps, 40),
    "a mirror undoes what its first scan could not read": (_mirror_forgets_what_was_unread, 100),
    "override leaves alone what only others have": (_override_spares_the_unknown, 60),
    "revert undoes nothing": (_nothing_is_reverted, 100),
    "a tombstone wins against an edit it did not know": (_no_answer, 60),
    "tombstones are joined with what they did not know": (_joined_tombstones, 400),
    "the mtime decides": (_mtime_decides, 60),
    "offers do not survive a crash": (_offers_forgotten, 200),
    "different states have equal summaries": (_summaries_agree, 60),
    "a listing is believed": (_listings_believed, 200),
    "what was seen of a peer is forgotten": (_seen_forgotten, 60),
    "an echo is an edit": (_echo_is_an_edit, 60),
    "a first scan is named by its node": (_scan_named_by_node, 100),
    "own writes are ignored for a while": (_own_writes_ignored, 200),
    "unknown is absent": (_unknown_is_absent, 100),
    "the sequence moves on with the first message": (_moved_on_too_soon, 400),
    "half of a save is announced": (_half_saves_are_announced, 60),
    "a file is open only after an event said so": (_only_events_tell_what_is_open, 60),
    "a folder leaves before its children": (_folders_leave_at_once, 200),
    "a removal is believed without a look": (_vanished_is_renamed_away, 200),
    "the brake holds nothing": (_brake_never_holds, 200),
    "the brake holds moves": (_brake_holds_moves, 200),
    "losers of conflicts leave the history first": (_losers_go_first, 60),
    "the history goes by the age of the content": (_age_of_the_content, 40),
    "no loser is a conflict": (_no_conflicts, 60),
    "joined vectors tell no conflict": (_only_vectors_tell_conflicts, 100),
    "who has heard of everything is in sync": (_in_sync_when_heard, 40),
    "a node says that it lacks nothing": (_nothing_lacks_here, 40),
    "nobody looks again at what was displaced": (_no_second_look, 40),
    "the halves of a rename are told one by one": (_halves_apart, 60),
    "an absence is believed at once": (_absence_believed, 60),
    "what moved stays in the history": (_no_way_out_of_the_history, 1_200),
    "what has no room is tried for ever": (_names_are_tried_for_ever, 40),
    "a crowd is counted and not named": (_nameless_crowd, 60),
    "nobody is told of a removal": (_silent_removals, 60),
    "who waits for a content is not woken": (_copies_wait_on, 60),
    "a grace outlives what it was given to": (_endless_graces, 60),
    "what failed outlives what is announced": (_failures_remembered, 60),
    **PLANTED_IN_FILES,
    **PLANTED_LINKS,
    **PLANTED_IN_HISTORY,
}

NEEDS = {
    "another user's file keeps its mode and time": "others",
    "the brake holds nothing": "disaster",
    "losers of conflicts leave the history first": "retention",
    "the history goes by the age of the content": "retention",
    "nobody looks again at what was displaced": "late_writes",
    "a folder that is gone is empty": "root_gone",
    "what a start files away is not listed": "crash_in_job",
    "a name is what a look by it finds": "blind",
    "what has no room is tried for ever": "blind",
}


_MOVES = {"move folder": 6, "move": 3, "write": 2, "save": 1, "delete": 1}
_SMALL_WRITES = {"write": 5, "save": 2, "append": 5, "slow write": 2}

KINDS = {
    **dict.fromkeys(PLANTED_LINKS, "links"),
    "what a node does not keep ends with its next version": "keeps",
    "what arrives is not given its attributes": "keeps",
    "small files need no room": "limits",
    "large files need no room": "limits",
    "what waits for room waits for ever": "limits",
    "what is sent knows no limit": "limits",
    "what is asked for knows no limit": "limits",
    "no file is too large": "limits",
    "what is too large is kept away in silence": "limits",
    "whoever lost merges": "merge",
    "a merge has the changes of one side": "merge",
    "what lost is not sent to who merges it": "merge",
    "what was known is a common version": "merge",
    "what is ignored is taken from peers": "rules",
    "what is ignored from now on is deleted": "rules",
    "what is shared again is an edit": "rules",
    "peers are not asked again when rules change": "rules",
    "a send-only node takes what others change": "modes",
    "a receive-only node announces its changes": "modes",
    "a mirror undoes nothing": "modes",
    "override leaves alone what only others have": "modes",
    "revert undoes nothing": "modes",
}
"""Faults that only worlds of another kind can show (see `__main__.changes_of`)."""

PRONE: dict[str, dict[str, Any]] = {
    "a mirror undoes what its first scan could not read": {
        "nodes": 2,
        "links": ((0, 1),),
        "modes": (Mode.TWO_WAY, Mode.MIRROR),
        "skews": (0, 0),
        "blind": False,
        "brake": False,
        "disaster": 0.0,
        "others": 0.0,
        "trouble": 0.1,
        "trees": "overlapping",
        "steps": 5,
        "crash": 0.0,
        "crash_in_job": 0.0,
        "late_joiner": False,
        "rest_first": False,
    },
    "a file of the same moment is believed": {
        "grain_ns": 2_000_000_000,
        "pause_ms": 30,
        "steps": 100,
        "trees": "equal",
        "crowded": True,
        "large": 0.0,
        "weights": tuple(_SMALL_WRITES.get(operation, 0) for operation in OPERATIONS),
    },
    "what cannot be read is what it was": {"unreadable": 0.3, "worst": 0.5, "alike": 1.0, "steps": 50, "trouble": 0.0},
    "copies are not verified": {"worst": 0.2, "meddling": 0.02, "steps": 50},
    "what is found is not compared with what was expected": {"meddling": 0.2},
    "the brake holds moves": {
        "disaster": 0.5,
        "crash": 0.3,
        "brake": True,
        "weights": tuple(_MOVES.get(operation, 0) for operation in OPERATIONS),
    },
    "what is as large and as old is what it was": {"worst": 0.2, "alike": 0.5},
}
"""Faults for which worlds are made, since the right moment hardly ever comes by itself: the options that make it come."""


def seeds_for(name: str) -> Iterator[int]:
    """The worlds in which a planted fault should be noticed: first the one where it was last time."""
    need = None if name in PRONE else NEEDS.get(name)
    seeds = (seed for seed in itertools.count() if need is None or getattr(draw(seed), need))
    return itertools.chain([NOTICED[name]] if name in NOTICED else [], itertools.islice(seeds, SABOTAGES[name][1]))


NOTICED = {
    "equal contents are names of one file": 73,
    "small files need no room": 4,
    "large files need no room": 3,
    "what waits for room waits for ever": 3,
    "what is sent knows no limit": 5,
    "what is asked for knows no limit": 8,
    "no file is too large": 13,
    "what is too large is kept away in silence": 13,
    "what is ignored is taken from peers": 0,
    "what is ignored from now on is deleted": 8,
    "what is shared again is an edit": 8,
    "peers are not asked again when rules change": 0,
    "a send-only node takes what others change": 7,
    "a receive-only node announces its changes": 0,
    "a mirror undoes nothing": 1,
    "a mirror undoes what its first scan could not read": 9,
    "override leaves alone what only others have": 6,
    "revert undoes nothing": 0,
    "who waits for a content is not woken": 3,
    "a grace outlives what it was given to": 0,
    "what failed outlives what is announced": 3,
    "half of a save is announced": 4,
    "a file is open only after an event said so": 11,
    "a name is what a look by it finds": 7,
    "what has no room is tried for ever": 2,
    "another user's file keeps its mode and time": 124,
    "a tombstone wins against an edit it did not know": 3,
    "tombstones are joined with what they did not know": 16,
    "what is found is not compared with what was expected": 8,
    "what comes out of an exchange is not looked at": 16,
    "names are not synced": 16,
    "what is displaced is deleted": 0,
    "what a start files away is not listed": 588,
    "each end was a clean one": 125,
    "offers do not survive a crash": 15,
    "different states have equal summaries": 1,
    "copies are not verified": 4,
    "what was seen of a peer is forgotten": 9,
    "a first scan is named by its node": 8,
    "own writes are ignored for a while": 4,
    "unknown is absent": 25,
    "the sequence moves on with the first message": 3,
    "a folder leaves before its children": 7,
    "the index is believed after a crash": 9,
    "a resumed transfer is not read again": 85,
    "a listing is believed": 3,
    "a removal is believed without a look": 0,
    "the brake holds nothing": 144,
    "the brake holds moves": 44,
    "losers of conflicts leave the history first": 25,
    "a file of the same moment is believed": 36,
    "no loser is a conflict": 21,
    "joined vectors tell no conflict": 23,
    "a folder that is gone is empty": 259,
    "nobody looks again at what was displaced": 64,
    "the last that is heard of what is replaced is that it left": 0,
    "the halves of a rename are told one by one": 4,
    "an absence is believed at once": 3,
    "what moved stays in the history": 677,
    "whoever lost merges": 1,
    "a merge has the changes of one side": 1,
    "what lost is not sent to who merges it": 2,
    "what was known is a common version": 12,
    "the mtime decides": 3,
    "what is as large and as old is what it was": 2,
    "what cannot be read is what it was": 2,
    "a crowd is counted and not named": 4,
    "what arrives is not given its attributes": 4,
}
"""Worlds in which faults were noticed when this was last looked at; which ones, changes with every change of the engine."""

LOOPS: dict[str, int] = {"words before commit": 60}
"""Faults of the loop around the engine, which the world itself plants."""
