"""The one place of the tests that knows the inside of the engine: what the simulator sees of it, and where faults are planted.

In:   the machines of `dir_sync.engine`.
Out:  `SimEngine`, an engine that tells what it records as made here; `patched`, for names that several machines import.
Rule: nothing here changes what the engine does, except `echoes_min`: a bulk is rare in small worlds.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any
from unittest.mock import patch

from dir_sync import engine as engine_package
from dir_sync.core import notes
from dir_sync.core.jobs import Before, Seen
from dir_sync.core.model import Kind, Record
from dir_sync.engine import Engine
from dir_sync.index import Row

__all__ = ["SimEngine", "as_before", "machines_with", "patched"]

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


def _name(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def as_before(note: notes.Note) -> tuple[str, bytes, str, int, int, str]:
    """A note as it was written when all kinds were one: what, path, peer, size, wire, text. For equal hashes."""
    match note:
        case notes.NewHere(path, size):
            return "new here", path, "", size, 0, ""
        case notes.ChangedHere(path, size):
            return "changed here", path, "", size, 0, ""
        case notes.RenamedHere(path, source):
            return "renamed here", path, "", 0, 0, _name(source)
        case notes.DeletedHere(path):
            return "deleted here", path, "", 0, 0, ""
        case notes.Received(path, peer, size):
            return "received", path, peer, size, 0, ""
        case notes.ReceivedMany(peer, _, size):
            return "received", b"", peer, size, 0, ""
        case notes.Copied(path, peer, size):
            return "copied", path, peer, size, 0, ""
        case notes.Restored(path, size):
            return "restored", path, "", size, 0, ""
        case notes.Renamed(path, maker, source):
            return "renamed", path, maker, 0, 0, _name(source)
        case notes.Removed(path, maker):
            return "removed", path, maker, 0, 0, ""
        case notes.MetaChanged(path, maker):
            return "meta", path, maker, 0, 0, ""
        case notes.Kept(path):
            return "kept", path, "", 0, 0, ""
        case notes.Spared(path):
            return "spared", path, "", 0, 0, ""
        case notes.Resumed(path, peer, size, here):
            return "resumed", path, peer, size, here, ""
        case notes.Fetched(path, peer, size, travelled, took):
            return "fetched", path, peer, size, took, "" if travelled == size else str(travelled)
        case notes.FetchedDelta(path, peer, size, travelled):
            return "delta", path, peer, size, travelled, ""
        case notes.Sent(path, peer, size):
            return "sent", path, peer, size, 0, ""
        case notes.SentDelta(path, peer, size, travelled):
            return "sent delta", path, peer, size, travelled, ""
        case notes.SentLarge(path, peer, size, travelled, took):
            return "sent large", path, peer, size, took, "" if travelled == size else str(travelled)
        case notes.BadContent(path, peer, problem):
            return "bad content", path, peer, 0, 0, problem
        case notes.Scanned(files, size):
            return "scanned", b"", "", size, files, ""
        case notes.PeerAhead(peer, changes, size):
            return "met", b"", peer, size, changes, ""
        case notes.PeerBehind(peer, files, size):
            return "lags", b"", peer, size, files, ""
        case notes.InSync(peers):
            return "in sync", b"", "", 0, len(peers), "\n".join(peers)
        case notes.IdentityChanged(reason):
            return "new identity", b"", "", 0, 0, reason
        case notes.Rescanning(path, reason):
            return "blind", path, "", 0, 0, reason
        case notes.Skipped(path, reason):
            return "skipped", path, "", 0, 0, reason
        case notes.Blocked(path):
            return "blocked", path, "", 0, 0, ""
        case notes.Unreadable(path, problem):
            return "unreadable", path, "", 0, 0, problem
        case notes.Restless(path, size):
            return "restless", path, "", size, 0, ""
        case notes.CannotWrite(path, problem):
            return "trouble", path, "", 0, 0, problem
        case notes.Unfit(path, reason):
            return "unable", path, "", 0, 0, reason
        case notes.CannotRestore(path):
            return "lost", path, "", 0, 0, ""
        case notes.Conflict(path, version):
            return "conflict", path, "", 0, 0, _name(version)
        case notes.WrittenLate(path, version):
            return "written late", path, "", 0, 0, _name(version)
        case notes.HistoryPruned(versions, size):
            return "pruned", b"", "", size, versions, ""
        case notes.LossHeld(path, files, paths):
            return "braked", path, "", paths, files, ""
        case notes.PeerHeld(path, peer, held, files):
            return "peer braked", path, peer, files, held, ""
        case notes.StillHeld(peer):
            return "still braked", b"", peer, 0, 0, peer
        case notes.LossHeldThere(path, peer, files):
            return "missing there", path, peer, 0, files, peer
        case notes.HeldThere(path, peer, maker, files):
            return "held there", path, peer, 0, files, "this node" if maker is None else maker
        case notes.Decided(path, maker, files, approved):
            return "decided", path, maker, 0, files, "approved" if approved else "rejected"
        case notes.NothingHeld():
            return "unbraked", b"", "", 0, 0, ""


class SimEngine(Engine):
    """The real engine; what it records as made here can be seen.

    `on_local` gets the record, what it follows, and whether a user or the engine made it."""

    on_local: Callable[[Record, tuple[Record | None, ...], str], None] | None = None
    on_decided: Callable[[bool], None] | None = None
    on_rejected: Callable[[list[bytes]], None] | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.look_queue.echoes_min = 1
        self._watch(self.recorder, "record_change", self._recorded)
        self._watch(self.recorder, "new", self._new)
        self._watch(self.recorder, "new_files", self._new_files)
        self._watch(self.rows, "reassert", self._reasserted)
        self._watch(self.decisions, "decided_here", self._decided_here, before=True)
        self._watch(self.decisions, "decide_on", self._decide_on, before=True)
        self._watch(self.queries, "on_restore", self._restored, before=True)

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
        row = self.board.index.get(path)
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

    def _decided_here(self, approve: bool) -> None:
        if self.on_decided is not None:
            self.on_decided(approve)

    def _decide_on(self, maker: str, counter: int, approve: bool, said_by: str) -> None:
        if not approve and self.on_rejected is not None:
            self.on_rejected(list(self.brakes.peers.held().get(maker, ())))

    def _restored(self, wanted: Sequence[Before], holders: dict[bytes, tuple[str, ...]]) -> None:
        if self.on_rejected is not None:
            self.on_rejected([one.path for one in wanted])
