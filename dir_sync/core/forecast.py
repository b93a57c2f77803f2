"""What a synchronization would do, path by path, without doing any of it.

In:   what each side has, and what each side says it would do with what it is told. Out: the steps, in the order of their
paths, and what would stay different.
Rule: pure. Each side decides for itself by the same rules as always, because only it knows its mode, its rules and its
disk; here the answers are only put together.
Used by: cli.plan_words, core.messages.observe, daemon.dry_run, daemon.meeting, daemon.observers,
daemon.rehearsal, daemon.requests, engine.forecaster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from dir_sync.core import attributes
from dir_sync.core.mode import Mode, is_own, is_own_large
from dir_sync.core.model import Kind, Record, Stamp, parent_of, same_body, same_content, same_meta, show
from dir_sync.core.named import NamedTuple

__all__ = ["Action", "Fate", "Outcome", "Plan", "Room", "Side", "Step", "Told", "from_json", "plan", "to_json"]

Told = tuple[str, Record]  # a replica, and what it has at a path
Room = tuple[int, str]  # bytes that may come to a side, and why no more, for people


class Fate(Enum):
    """What one side would do with what it is told of a path. The values are words of the protocol."""

    SAME = "same"  # it has this already
    TAKE = "take"
    CONFLICT = "conflict"  # it takes it, and what it has is kept as the loser of a conflict
    KEEP = "keep"  # what it has is better
    ANSWER = "answer"  # what it has was deleted elsewhere, and comes back there
    REFUSE = "refuse"  # its mode does not take it
    IGNORED = "ignored"  # its rules say that this path is not shared
    BLOCKED = "blocked"  # it cannot have it


class Outcome(NamedTuple):
    """`record`: what this side has afterwards; None: nothing, or it is not known here."""

    fate: Fate
    record: Record | None = None
    reason: str = ""


class Side(Protocol):
    """This machine, or a peer."""

    @property
    def name(self) -> str: ...
    @property
    def replica(self) -> str: ...
    @property
    def mode(self) -> Mode: ...
    @property
    def records(self) -> Mapping[bytes, Record]:
        """What it has, and which deletions it knows."""

    @property
    def room(self) -> Room | None:
        """None: any number of bytes may come."""

    def outcomes(self, told: Sequence[tuple[bytes, Sequence[Told]]]) -> list[Outcome]:
        """What it would do, for each path with what others have there."""


class Action(Enum):
    RECEIVE = "receive"
    SEND = "send"
    DELETE = "delete"
    RENAME = "rename"
    CONFLICT = "conflict"


class Step(NamedTuple):
    """`at`: where something changes, the name of a peer; "": here. `old`: the earlier name, of a rename."""

    action: Action
    path: bytes
    kind: Kind
    size: int  # of the file that comes to `at`
    at: str
    old: bytes = b""
    what: str = ""  # beside the content: in words, what alone changes

    @property
    def is_meta(self) -> bool:
        """True if the content stays."""
        return bool(self.what)


class Plan(NamedTuple):
    steps: list[Step]
    left: list[tuple[str, str]]  # what would stay different: path, escaped, and why
    differs: int = 0  # paths that stay different because of a mode, as their owners want it


_EMPTY = Record(b"", Kind.ABSENT, 0, b"", 0, 0, Stamp(1, ""), ())


def to_json(record: Record) -> list[Any]:
    """A record on its way between two programs of one machine. Those that stay on this machine have no form in the
    protocol."""
    path, kind, size, content, mtime, mode, stamp, vector, lineage, kept = record
    return [path.hex(), int(kind), size, content.hex(), mtime, mode, *stamp, vector, lineage, attributes.text(kept)]


def from_json(row: list[Any]) -> Record:
    path, kind, size, content, mtime, mode, ns, maker, *vectors, kept = row
    vector, lineage = [tuple((str(one), int(counter)) for one, counter in some) for some in vectors]
    stamp = Stamp(ns, maker)
    known = attributes.value_of_text(kept)
    body = bytes.fromhex(content)
    return Record(bytes.fromhex(path), Kind(kind), size, body, mtime, mode, stamp, vector, lineage, known)


def plan(here: Side, peers: Sequence[Side]) -> Plan:
    """`peers`: those that can be reached, at least one."""
    told = _told_here(here, peers)
    after = dict(here.records)
    fates: dict[bytes, Outcome] = {}
    for (path, _), outcome in zip(told, here.outcomes(told), strict=True):
        fates[path] = outcome
        if outcome.record is not None:
            after[path] = outcome.record
    fates_there = [_fates_at(peer, here.replica, after) for peer in peers]
    back: dict[bytes, Record] = {}  # what was deleted elsewhere, and comes back
    for peer, found in zip(peers, fates_there, strict=True):
        back |= {path: peer.records[path] for path, outcome in found.items() if outcome.fate is Fate.ANSWER}
    after |= back
    back |= _parents(after, here, peers)
    made = Plan([], [])
    differs = {
        path for path, outcome in fates.items() if _stays_here(outcome, (peer.records.get(path) for peer in peers))
    }
    for side, found in zip((here, *peers), (fates, *fates_there), strict=True):
        name = "" if side is here else side.name
        _steps_of(side, name, {path: one for path, one in found.items() if path not in back}, made, differs)
        _steps_of(side, name, _coming_back(side, back), made, differs)
    steps = _with_renames(made.steps, here, peers)
    for side in (here, *peers):
        if side.room is not None:
            steps = _that_fit(steps, side, "" if side is here else side.name, side.room, (here, *peers), made.left)
    return Plan(steps, made.left, len(differs))


def _fates_at(peer: Side, replica: str, after: Mapping[bytes, Record]) -> dict[bytes, Outcome]:
    """What a peer would do with what is here afterwards."""
    news = [
        (path, ((replica, record),))
        for path, record in sorted(after.items())
        if not is_own(record) and _is_news(peer.records.get(path), record)
    ]
    found: dict[bytes, Outcome] = {}
    for (path, _), outcome in zip(news, peer.outcomes(news), strict=True):
        is_change = outcome.fate in _CHANGES
        found[path] = outcome._replace(record=after[path]) if is_change else outcome
    return found


_CHANGES = (Fate.TAKE, Fate.CONFLICT)


def _stays_here(outcome: Outcome, theirs: Iterable[Record | None]) -> bool:
    """True for what was changed or deleted here only, and stays so by the mode of this machine."""
    record = outcome.record
    if outcome.fate is not Fate.KEEP or record is None or not is_own(record) or is_own_large(record):
        return False
    return record.kind is not Kind.ABSENT or any(one is not None and one.kind is not Kind.ABSENT for one in theirs)


def _told_here(here: Side, peers: Sequence[Side]) -> list[tuple[bytes, Sequence[Told]]]:
    """For each path what others have there that is not the same here."""
    told: dict[bytes, list[Told]] = {}
    for peer in peers:
        for path, record in peer.records.items():
            if _is_news(here.records.get(path), record):
                told.setdefault(path, []).append((peer.replica, record))
    for path, record in here.records.items():
        if is_own(record):
            told.setdefault(path, [])  # what was changed here only: the mode decides
    return sorted(told.items())


def _is_news(mine: Record | None, theirs: Record) -> bool:
    if mine is None:
        return True
    return mine.stamp != theirs.stamp or not same_body(mine, theirs)


def _parents(after: dict[bytes, Record], here: Side, peers: Sequence[Side]) -> dict[bytes, Record]:
    """A live record makes its parents directories. Returns those that come back, or stay, because of that."""
    revived: dict[bytes, Record] = {}
    for path, record in list(after.items()):
        if record.kind is Kind.ABSENT or is_own(record):
            continue
        parent = parent_of(path)
        while parent and parent not in revived:
            above = after.get(parent)
            if above is None or above.kind is Kind.DIRECTORY:
                break
            every = [side.records.get(parent) for side in (here, *peers)]
            known = [one for one in every if one is not None and one.kind is Kind.DIRECTORY]
            revived[parent] = (
                known[0] if known else above._replace(kind=Kind.DIRECTORY, size=0, content=b"", mode=0o755)
            )
            after[parent] = revived[parent]
            parent = parent_of(parent)
    return revived


def _coming_back(side: Side, back: Mapping[bytes, Record]) -> dict[bytes, Outcome]:
    found = {}
    for path, record in sorted(back.items()):
        mine = side.records.get(path)
        if mine is None or not same_body(mine, record):
            is_lost = mine is not None and mine.kind in (Kind.FILE, Kind.SYMLINK)
            found[path] = Outcome(Fate.CONFLICT if is_lost else Fate.TAKE, record)
    return found


def _steps_of(side: Side, name: str, outcomes: Mapping[bytes, Outcome], made: Plan, differs: set[bytes]) -> None:
    for path, (fate, record, reason) in outcomes.items():
        mine = side.records.get(path) or _EMPTY
        match fate:
            case Fate.REFUSE if reason:
                made.left.append((show(path), f"{_who(name)} {reason}"))
            case Fate.REFUSE:
                differs.add(path)
            case Fate.IGNORED:
                pass  # what is not shared is no difference
            case Fate.BLOCKED:
                made.left.append((show(path), f"{_who(name)}: {reason}"))
            case Fate.TAKE | Fate.CONFLICT if record is not None:
                if step := _step(fate, mine, record, name):
                    made.steps.append(step)
            case _:
                pass


def _who(name: str) -> str:
    return name or "this machine"


def _step(fate: Fate, mine: Record, record: Record, name: str) -> Step | None:
    if record.kind is Kind.ABSENT:
        if mine.kind is Kind.ABSENT:
            return None
        action = Action.CONFLICT if fate is Fate.CONFLICT else Action.DELETE
        return Step(action, record.path, mine.kind, mine.size if mine.kind is Kind.FILE else 0, name)
    if same_body(mine, record):
        return None
    if fate is Fate.CONFLICT:
        return Step(Action.CONFLICT, record.path, record.kind, record.size, name)
    action, what = Action.SEND if name else Action.RECEIVE, ""
    if same_content(mine, record):
        what = attributes.change_in_words(mine.attributes, record.attributes, not same_meta(mine, record))
    return Step(action, record.path, record.kind, record.size, name, what=what)


def _with_renames(steps: list[Step], here: Side, peers: Sequence[Side]) -> list[Step]:
    """A file that goes, and a new one with its content in the same place, are one rename."""
    sides = {"": here} | {peer.name: peer for peer in peers}
    records = {name: side.records for name, side in sides.items()}
    made: list[Step] = []
    gone: dict[tuple[str, bytes], list[Step]] = {}
    for step in steps:
        if step.action is Action.DELETE and step.kind is Kind.FILE and step.size:
            gone.setdefault((step.at, records[step.at][step.path].content), []).append(step)
    paired: set[Step] = set()
    for step in steps:
        if step.action in (Action.RECEIVE, Action.SEND) and step.kind is Kind.FILE and not step.is_meta and step.size:
            content = _content(step.path, step.at, sides.values())
            before = records[step.at].get(step.path)
            others = gone.get((step.at, content)) if before is None or before.kind is Kind.ABSENT else None
            if others:
                old = others.pop(0)
                paired.add(old)
                step = step._replace(action=Action.RENAME, old=old.path)
        made.append(step)
    return sorted((one for one in made if one not in paired), key=lambda one: (one.path, one.at))


def _that_fit(
    steps: Sequence[Step], side: Side, name: str, room: Room, sides: Sequence[Side], left: list[tuple[str, str]]
) -> list[Step]:
    """The steps without those at this side for whose content there is no room; these are added to `left`. A content that is
    there already needs none. In a real run, what is there first may be another one."""
    most, reason = room
    known = {record.content for record in side.records.values() if record.kind is Kind.FILE}
    fit = []
    for step in steps:
        is_content = step.action in (Action.RECEIVE, Action.SEND, Action.CONFLICT) and step.kind is Kind.FILE
        if step.at == name and is_content and step.size and not step.is_meta:
            content = _content(step.path, step.at, sides)
            if content not in known:
                if step.size > most:
                    left.append((show(step.path), f"{_who(name)}: {reason}"))
                    continue
                most -= step.size
                known.add(content)
        fit.append(step)
    return fit


def _content(path: bytes, at: str, sides: Iterable[Side]) -> bytes:
    """That of the newest version of a path that somebody else has."""
    known = [side.records.get(path) for side in sides]
    live = [one for one in known if one is not None and one.kind is Kind.FILE]
    return max(live, key=lambda one: one.stamp).content if live else b""
