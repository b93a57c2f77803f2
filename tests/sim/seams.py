"""The one place of the tests that knows the inside of the engine: what the simulator sees of it, and where faults are planted.

In:   the machines of `dir_sync.engine`.
Out:  `SimEngine`, an engine that tells what it records as made here; `patched`, for names that several machines import.
Rule: nothing here changes what the engine does, except `bulk_min`: a bulk is rare in small worlds.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

from dir_sync import engine as engine_package
from dir_sync.core.jobs import Before, Seen
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.safeguard.brake import covers
from dir_sync.engine import Engine
from dir_sync.engine.constants import MERGED
from dir_sync.engine.own_losses import STAYS
from dir_sync.index import Row

__all__ = ["STAYS", "Merge", "SimEngine", "machines_with", "patched"]

_MACHINES = tuple(
    import_module(f"{engine_package.__name__}.{each.name}") for each in pkgutil.iter_modules(engine_package.__path__)
)


def machines_with(name: str) -> list[tuple[ModuleType, str]]:
    """The modules of the engine that know this bound, and what they call it: a bound of one of them alone has an underscore."""
    found = [(module, each) for module in _MACHINES for each in (name, "_" + name) if hasattr(module, each)]
    assert found, f"no machine knows {name}"
    return found


@contextmanager
def patched(name: str, value: object) -> Iterator[None]:
    """Every machine that imported `name` uses `value` instead."""
    with ExitStack() as stack:
        for module, known_as in machines_with(name):
            stack.enter_context(patch.object(module, known_as, value))
        yield


class Merge(NamedTuple):
    """A version that is merged from two others, with that base."""

    record: Record
    winner: Record
    loser: Record
    base: Record
    data: bytes


class SimEngine(Engine):
    """The real engine; what it records as made here can be seen.

    `on_local` gets the record, what it follows, and whether a user or the engine made it."""

    on_local: Callable[[Record, tuple[Record | None, ...], str], None] | None = None
    on_merge: Callable[[Merge], None] | None = None
    on_decided: Callable[[bool, Collection[bytes]], None] | None = None
    on_rejected: Callable[[list[bytes]], None] | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.echoes.bulk_min = 1
        self._watch(self.recorder, "record_change", self._recorded)
        self._watch(self.recorder, "new", self._new)
        self._watch(self.recorder, "new_files", self._new_files)
        self._watch(self.rows, "reassert", self._reasserted)
        self._watch(self.own_changes, "remove_elsewhere", self._removed_elsewhere)
        self._watch(self.decisions, "decided_here", self._decided_here, before=True)
        self._watch(self.decisions, "decide_on", self._decide_on, before=True)
        self._vouched: dict[
            tuple[bytes, Stamp], Record
        ] = {}  # what a person approved by its path -> the version that was held
        self._watch(self.path_decisions, "decide", self._decide_paths, before=True)
        self._watch(self.path_decisions, "decide_own", self._decided_paths_here, before=True)
        self._vouch = self.path_decisions.vouched
        self.path_decisions.vouched = self._vouched_for
        self._watch(self.queries, "on_restore", self._restored, before=True)
        self._merges: dict[tuple[bytes, Stamp], Merge] = {}  # that are not installed yet
        self._watch(self.merging, "make", self._merged)
        self._watch(self.rows, "put", self._put, before=True)

    def _watch(self, machine: object, name: str, watcher: Callable[..., None], before: bool = False) -> None:
        original = getattr(machine, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            if before:
                watcher(*arguments, **named)
            result = original(*arguments, **named)
            if not before:
                watcher(*arguments, **named)
            return result

        setattr(machine, name, watched)

    def _tell(self, record: Record, after: tuple[Record | None, ...], who: str) -> None:
        if self.on_local is not None:
            self.on_local(record, after, who)

    def _recorded(self, record: Record, previous: Record | None, fp: bytes, seen: Seen | None) -> None:
        self._tell(record, (previous,), "user" if seen is not None else "engine")

    def _row(self, path: bytes) -> Row:
        row = self.board.index.rows.get(path)
        assert row is not None
        return row

    def _new(self, seen: Seen, told: bool) -> None:
        if not told and seen.kind != Kind.DIRECTORY:  # else it was recorded as a change
            self._tell(self._row(seen.path).record, (None,), "user")

    def _new_files(self, found: Sequence[Seen], told: bool) -> None:
        for seen in found:
            self._tell(self._row(seen.path).record, (None,), "user")

    def _reasserted(self, row: Row, top: Record, is_meant: bool = False) -> None:
        known = is_meant or top.kind == Kind.ABSENT
        after = (row.record, top) if known else (row.record,)
        self._tell(self._row(row.record.path).record, after, "engine")

    def _removed_elsewhere(self, theirs: Record) -> None:
        self._tell(self._row(theirs.path).record, (theirs,), "engine")

    def _decided_here(self, approve: bool) -> None:
        if self.on_decided is not None:
            self.on_decided(approve, list(self.brakes.own.held))

    def _decided_paths_here(self, approve: bool, meant: Collection[bytes]) -> None:
        if self.on_decided is not None:
            held = self.brakes.own.held
            self.on_decided(
                approve, [path for path in meant if covers(held, path)] + [p for p in held if covers(meant, p)]
            )

    def _decide_paths(self, approve: bool, paths: Sequence[bytes]) -> None:
        if not approve and self.on_rejected is not None:
            for some in self.path_decisions.held_below(paths).changed.values():
                self.on_rejected(some)

    def _vouched_for(self, target: Record) -> Record:
        record = self._vouch(target)
        self._vouched[record.path, record.stamp] = target
        return record

    def _decide_on(self, maker: str, counter: int, approve: bool, said_by: str) -> None:
        if not approve and self.on_rejected is not None:
            self.on_rejected(list(self.brakes.peers.held().get(maker, ())))

    def _restored(
        self, wanted: Sequence[Before], holders: dict[bytes, tuple[str, ...]], is_decided: bool = False
    ) -> None:
        if self.on_rejected is not None:
            self.on_rejected([one.path for one in wanted])

    def _merged(self, row: Row, loser: Record, base: Record, data: bytes) -> None:
        """A version was merged: as an offer, or, if it has the content of the winner, as a row."""
        offer = self.board.index.offers.of_peer(row.record.path, MERGED)
        now = self._row(row.record.path).record
        record = now if now.stamp != row.record.stamp or offer is None else offer.record
        merge = Merge(record, row.record, loser, base, data)
        if self.on_merge is not None:
            self.on_merge(merge)
        if record is now:
            self._tell(record, (row.record, loser), "engine")
        else:
            self._merges[record.path, record.stamp] = merge

    def _put(self, record: Record, fp: bytes) -> None:
        merge = self._merges.pop((record.path, record.stamp), None)
        if merge is not None:
            self._tell(record, (merge.winner, merge.loser), "engine")
        held = self._vouched.pop((record.path, record.stamp), None)
        if held is not None and held.stamp != record.stamp:
            self._tell(record, (held,), "engine")
