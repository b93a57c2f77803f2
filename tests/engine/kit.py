"""One machine of the engine by itself: a real board with its mode, contacts and table of work, and recorders
for the machines below it.

In:   the class of a machine; which of the machines below it are to be real.
Out:  the machine, what it called and with which arguments, and what it left on the board.
Rule: a recorder answers each method of its class, with the arguments that this one takes and no others. Fields and
      properties are those of a real machine that nobody has asked for anything; so is what a test puts into them.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, Generic, TypeVar

from dir_sync.core.events import Effect, Send, Tell
from dir_sync.core.jobs import ApplyItem
from dir_sync.core.messages import Message
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, fingerprint
from dir_sync.core.notes import Note
from dir_sync.core.peers.contact import Contact
from dir_sync.core.reconcile import Offer, Take
from dir_sync.core.transfers.connection import Connection
from dir_sync.core.watching.pending_looks import PendingLook
from dir_sync.engine.board import Board
from dir_sync.engine.contacts import Contacts
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.values import Now
from dir_sync.engine.work import WorkTable
from dir_sync.index import Index, Row
from tests.ends import closed_at_end
from tests.engine.whole.bench import FOLDER, OTHER, PEER, WALL_NS, folder, record, seen, stat

__all__ = [
    "FOLDER",
    "OTHER",
    "PEER",
    "WALL_NS",
    "Alone",
    "Call",
    "folder",
    "fp_of",
    "later",
    "record",
    "seen",
    "stat",
    "tombstone",
]

M = TypeVar("M")
T = TypeVar("T")

Call = tuple[Any, ...]
"""The name of a machine and its method, and the arguments as they were passed."""

_SETTINGS: dict[str, Any] = {
    "deltas": True,
    "brake": None,
    "retention": None,
    "default_rules": False,
    "local_rules": True,
    "is_on": False,
    "ahead_ns": 86_400 * 10**9,
    "period_s": 0,
}
_EMPTY: dict[Any, Callable[[], Any]] = {
    **{kind: kind for kind in (bool, int, str, bytes, list, dict, set, frozenset, tuple)},
    type(None): lambda: None,
}


@cache
def _needs(machine: type) -> dict[str, Any]:
    """What a machine is made from: the names of its arguments, and their classes."""
    hints = typing.get_type_hints(machine.__init__)
    return {name: hints[name] for name in list(inspect.signature(machine.__init__).parameters)[1:]}


@cache
def _signature(machine: type, method: str) -> tuple[inspect.Signature, Any]:
    function = getattr(machine, method)
    return inspect.signature(function), typing.get_type_hints(function).get("return")


def _no_answer(hint: Any) -> Any:
    """What a method returns that says and does nothing."""
    if typing.get_origin(hint) is not None and type(None) in typing.get_args(hint):
        return None
    kind = typing.get_origin(hint) or hint
    assert kind in _EMPTY, f"say what is answered: there is no empty {hint}"
    return _EMPTY[kind]()


class _Recorder:
    """Stands in for a machine: notes what it is asked, and answers what the test says, or nothing."""

    def __init__(self, kit: Alone[Any], name: str, real: Any) -> None:
        object.__setattr__(self, "_kit", kit)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_real", real)

    def __getattr__(self, name: str) -> Any:
        kit, real = self._kit, self._real
        found = inspect.getattr_static(type(real), name, None)
        key = f"{self._name}.{name}"
        if not inspect.isfunction(found):
            return kit.answers[key] if key in kit.answers else getattr(real, name)
        signature, returns = _signature(type(real), name)

        def called(*arguments: Any, **named: Any) -> Any:
            signature.bind(real, *arguments, **named)
            kit.calls.append((key, *arguments, *named.values()))
            if key not in kit.answers:
                return _no_answer(returns)
            answer = kit.answers[key]
            return answer(*arguments, **named) if callable(answer) else answer

        return called

    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError(f"a machine sets {name} of {self._name}")


class Alone(Generic[M]):
    """A machine, the board, and what came of it.

    `real`: classes of machines below it that are made as they are, with recorders below them. `answers`: what recorders
    answer, by "machine.method": a value, or a function of the arguments. `settings`: of the engine: brake, retention ...
    """

    def __init__(self, machine: type[M], *real: type, answers: dict[str, Any] | None = None, **settings: Any) -> None:
        self.index = closed_at_end(Index(":memory:", Random(1)))
        self.board = Board(self.index, FOLDER, "t", True)
        self.board.now = Now(WALL_NS, 100_000)
        self.work = WorkTable(self.board)
        self.calls: list[Call] = []
        self.answers: dict[str, Any] = answers or {}
        self._settings = _SETTINGS | settings
        self._as_they_are = {*real, machine}
        self.mode_rules = ModeRules(self.board, Mode.TWO_WAY)
        self.contacts = Contacts(self.board)
        self._made: dict[type, Any] = {
            type(one): one for one in (self.board, self.work, self.index, self.mode_rules, self.contacts)
        }
        self._always_real = frozenset(self._made)
        self._recorders: dict[type, Any] = {}
        self.it: M = self.real(machine)

    def real(self, machine: type[T]) -> T:
        """The machine behind a recorder, or one that is real for this test: to put something into its fields."""
        if machine not in self._made:
            needs = _needs(machine)
            self._made[machine] = machine(
                **{
                    name: self._settings[name] if name in self._settings else self._one(name, needs[name])
                    for name in needs
                }
            )
        return typing.cast(T, self._made[machine])

    def _one(self, name: str, machine: type) -> Any:
        real = self.real(machine)
        if machine in self._as_they_are or machine in self._always_real:
            return real
        if machine not in self._recorders:
            self._recorders[machine] = _Recorder(self, name, real)
        return self._recorders[machine]

    # --- what is so before ---------------------------------------------------------------------------------------

    def wait(self, ms: int) -> None:
        self.board.begin(Now(self.board.now.wall_ns + ms * 10**6, self.board.now.mono_ms + ms))

    def has(self, what: Record, fp: bytes | None = None) -> Row:
        """This node holds that record: it is in the index, and on the disk."""
        return self.index.rows.put(what, fp_of(what) if fp is None else fp)

    def announces(self, what: Record, node: str = PEER) -> Offer:
        """A peer announced it."""
        offer = Offer(node, what, False)
        self.index.offers.put(offer)
        return offer

    def connects(self, node: str = PEER, asks: bool = True) -> Contact:
        peer = Contact(node, "name of " + node, Connection(1))
        peer.has_asked = asks
        self.contacts.came(peer, "")
        return peer

    def look_comes_back(self, path: bytes, **marks: Any) -> PendingLook:
        """A look at that path was out."""
        now = self.board.now.mono_ms
        pending = PendingLook(path, now, now)
        for name, value in marks.items():
            setattr(pending, name, value)
        self.board.look_begins(pending)
        return pending

    # --- what came of it -------------------------------------------------------------------------------------------

    def asked(self, what: str) -> list[Call]:
        """The arguments of each call of "machine.method"."""
        return [call[1:] for call in self.calls if call[0] == what]

    def changes(self) -> list[tuple[ApplyItem, Take | None]]:
        """The changes of the tree that were ordered."""
        return [(item, take) for item, take in self.asked("applier.order_change")]

    def out(self, kind: type[T]) -> list[T]:
        return [effect for effect in self.board.out if isinstance(effect, kind)]

    def effects(self) -> list[Effect]:
        """Since the last call."""
        found, self.board.out = self.board.out, []
        return found

    def told(self) -> list[Note]:
        """What people are told."""
        return [effect.note for effect in self.board.out if isinstance(effect, Tell)]

    def said(self, node: str = PEER) -> list[Message]:
        return [effect.message for effect in self.board.out if isinstance(effect, Send) and node in effect.peers]

    def planned(self) -> list[bytes]:
        """Paths that are to be decided now. They are taken out."""
        found = [path for _, paths in self.board.plan_queue.take(1_000) for path in paths]
        return sorted(found)

    def planned_later(self) -> set[bytes]:
        return self.board.plan_queue.timed()

    def is_looked_at(self, path: bytes) -> bool:
        """True if a look is due, now or later."""
        return path in self.board.pending_looks

    def listed(self) -> list[bytes]:
        """Folders that are to be listed now. They are taken out."""
        return self.board.listings.take(1_000, set()) if self.board.listings.waiting else []


def fp_of(what: Record) -> bytes:
    """The fingerprint of a file that is as its record says; nothing if it is gone."""
    if what.kind == Kind.ABSENT:
        return b""
    return fingerprint(stat(kind=what.kind)._replace(size=what.size, mtime=what.mtime))


def later(what: Record, content: bytes | None, node: str = PEER, ns: int = 10**9) -> Record:
    """A version that was made from that one; None: it was deleted."""
    made = record(what.path, content, what.stamp.ns + ns, node, count=9)
    known = dict(what.vector) | {node: 9}
    return made._replace(vector=tuple(sorted(known.items())))


def tombstone(path: bytes, node: str = PEER, ns: int = WALL_NS) -> Record:
    return record(path, None, ns, node)
