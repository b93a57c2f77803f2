"""Decides what is served next: fair shares of the engine's and the workers' time. Pure.

In:   items that wait for service, by address and by link; the cost of each service.
Out:  the next thing to serve.
Rule: shares are measured by real cost, not by the number or order of requests. An idle flow saves nothing up: when it
asks for service it comes next, and from then on gets the same share as the others.

The method is fair queueing by virtual time (A. Demers, S. Keshav, S. Shenker, 1989), in two levels: first between
addresses, so that all links of one machine share what another machine has for its one link; then between the links of
an address. The cost of a service is charged afterwards, because it is not known before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from dir_sync.core.messages import Acknowledge, Change, Message, ModificationUpdate, Pull, Settle, State
from dir_sync.core.model import Record
from dir_sync.core.named import NamedTuple

__all__ = ["Backlog", "FairQueue", "Flow", "parts"]

T = TypeVar("T")


class Flow(NamedTuple):
    """The owner of an item. The members of a group share what another group has for itself."""

    group: Hashable
    member: Hashable = ""


_TIDY_EVERY = 64


class _Member(Generic[T]):
    __slots__ = ("items", "spent")

    def __init__(self) -> None:
        self.items: deque[T] = deque()
        self.spent = 0.0


class _Group(Generic[T]):
    __slots__ = ("clock", "members", "running", "spent", "waiting")

    def __init__(self) -> None:
        self.members: dict[Hashable, _Member[T]] = {}
        self.spent = 0.0  # virtual time: the service that it got; while it was idle, it moved on with the others
        self.clock = 0.0  # of its members
        self.waiting = 0  # items of all members
        self.running = 0  # items that are being served


class FairQueue(Generic[T]):
    """Items of many flows, in order within each flow."""

    def __init__(self, at_once_max: int | None = None) -> None:
        """`at_once_max`: so many items of one group may be in service at the same time."""
        self._groups: dict[Hashable, _Group[T]] = {}
        self._clock = 0.0
        self._running = 0
        self._charges = 0
        self.at_once_max = at_once_max
        self.count = 0  # items that wait

    def __len__(self) -> int:
        return self.count

    def put(self, flow: Flow, item: T) -> None:
        group = self._groups.get(flow.group)
        if group is None:
            group = self._groups[flow.group] = _Group()
        if not group.waiting:
            group.spent = max(group.spent, self._clock)
        member = group.members.get(flow.member)
        if member is None:
            member = group.members[flow.member] = _Member()
        if not member.items:
            member.spent = max(member.spent, group.clock)
        member.items.append(item)
        group.waiting += 1
        self.count += 1

    def pass_by(self, flow: Flow) -> None:
        """The same as `put` and `take` of an item, if no other waits and `at_once_max` is None. Followed by one `charge`."""
        group = self._groups.get(flow.group)
        if group is None:
            group = self._groups[flow.group] = _Group()
        self._clock = group.spent = max(group.spent, self._clock)
        member = group.members.get(flow.member)
        if member is None:
            member = group.members[flow.member] = _Member()
        group.clock = member.spent = max(member.spent, group.clock)
        group.running += 1
        self._running += 1

    def take(self, resting: Container[Hashable] = ()) -> tuple[Flow, T] | None:
        """The next item to serve, or None. Each call that returns an item is followed by one `charge`. Groups in
        `resting` are passed over."""
        best: Hashable = None
        group: _Group[T] | None = None
        for name, one in self._groups.items():
            if not one.waiting or (self.at_once_max is not None and one.running >= self.at_once_max) or name in resting:
                continue
            if group is None or one.spent < group.spent:
                best, group = name, one
        if group is None:
            return None
        chosen: Hashable = None
        member: _Member[T] | None = None
        for name, other in group.members.items():
            if other.items and (member is None or other.spent < member.spent):
                chosen, member = name, other
        assert member is not None
        self._clock = max(self._clock, group.spent)
        group.clock = max(group.clock, member.spent)
        group.waiting -= 1
        group.running += 1
        self._running += 1
        self.count -= 1
        return Flow(best, chosen), member.items.popleft()

    def charge(self, flow: Flow, cost: float) -> None:
        """The service of an item has ended; `cost` is what it cost."""
        group = self._groups.get(flow.group)
        if group is None:
            return
        group.running -= 1
        group.spent += cost
        member = group.members.get(flow.member)
        if member is not None:
            member.spent += cost
        self._running -= 1
        if not self.count and not self._running:
            self._clock = max(self._clock, group.spent)  # no other flow waited
        self._charges += 1
        if self._charges % _TIDY_EVERY == 0:
            self._tidy()

    def remove(self, flow: Flow, which: Callable[[T], bool]) -> list[T]:
        """Remove and return the waiting items of a flow for which `which` is true."""
        group = self._groups.get(flow.group)
        member = None if group is None else group.members.get(flow.member)
        if group is None or member is None:
            return []
        gone = [item for item in member.items if which(item)]
        if gone:
            member.items = deque(item for item in member.items if not which(item))
            group.waiting -= len(gone)
            self.count -= len(gone)
        return gone

    def remove_all(self, which: Callable[[T], bool]) -> list[T]:
        """Remove and return the waiting items of all flows for which `which` is true."""
        flows = [Flow(name, key) for name, group in self._groups.items() for key in group.members]
        return [item for flow in flows for item in self.remove(flow, which)]

    def _tidy(self) -> None:
        """Drop groups and members without items whose virtual time is no longer needed."""
        for name, group in list(self._groups.items()):
            if group.waiting or group.running:
                for key, member in list(group.members.items()):
                    if not member.items and member.spent <= group.clock:
                        del group.members[key]
            elif group.spent <= self._clock:
                del self._groups[name]
            else:
                group.members.clear()


class Backlog:
    """Paths to be planned, each for one or more peers ("": this node), served in rotation."""

    def __init__(self, most: int) -> None:
        """Keeps at most `most` paths for each owner; `overflowed` tells that some were dropped."""
        self.owner = ""  # the owner of paths that are added now
        self.overflowed = False
        self._most = most
        self._served: dict[str, int] = {}
        self.has_served = False  # since the last call of `served`
        self.queues: dict[str, dict[bytes, None]] = {}

    def for_one(self, owner: str) -> None:
        """Paths added from now on belong to that owner."""
        self.owner = owner

    def for_all(self) -> None:
        self.owner = ""

    def add(self, path: bytes) -> None:
        queue = self.queues.get(self.owner)
        if queue is None:
            queue = self.queues[self.owner] = {}
        queue[path] = None
        if len(queue) > self._most:
            self.overflowed = True
            for late in list(queue)[self._most // 2 :]:
                del queue[late]

    def add_all(self, paths: Iterable[bytes]) -> None:
        for path in paths:
            self.add(path)

    @property
    def waiting(self) -> int:
        """The number of paths of the current owner."""
        return len(self.queues.get(self.owner, ()))

    def __len__(self) -> int:
        return sum(map(len, self.queues.values()))

    def __bool__(self) -> bool:
        return bool(self.queues)

    def __contains__(self, path: object) -> bool:
        return any(path in queue for queue in self.queues.values())

    def clear(self) -> None:
        self.queues.clear()

    def waits_beside(self, resting: Container[str]) -> bool:
        """True if an owner that is not in `resting` has paths."""
        return any(owner not in resting for owner in self.queues)

    def served(self) -> dict[str, int]:
        """How many paths of each owner were taken since the last call."""
        served, self._served, self.has_served = self._served, {}, False
        return served

    def take(self, most: int, resting: Container[str] = ()) -> list[tuple[str, list[bytes]]]:
        """Up to `most` paths, in equal shares by owner. An owner that gets none because `most` is reached comes first
        next time. The paths of owners in `resting` stay."""
        taken: list[tuple[str, list[bytes]]] = []
        seen: set[bytes] = set()
        left = most
        waiting = [(owner, queue) for owner, queue in self.queues.items() if owner not in resting]
        in_turn = waiting if len(waiting) >= most else sorted(waiting, key=lambda one: len(one[1]))
        for position, (owner, queue) in enumerate(in_turn):
            share = max(1, left // (len(waiting) - position))
            if left <= 0:
                break
            paths = [path for path, _ in zip(queue, range(share), strict=False)]
            for path in paths:
                del queue[path]
            fresh = [path for path in paths if path not in seen]
            seen.update(fresh)
            left -= len(paths)
            if fresh:
                taken.append((owner, fresh))
        for owner, queue in waiting:
            del self.queues[owner]
            for path in seen & queue.keys() if len(self.queues) or len(waiting) > 1 else ():
                del queue[path]
        served = {owner for owner, _ in taken}
        for owner, paths in taken:
            self._served[owner] = self._served.get(owner, 0) + len(paths)
            self.has_served = True
        for owner, queue in sorted(waiting, key=lambda one: one[0] in served):
            if queue:
                self.queues[owner] = queue
        return taken


# --- one message in parts ------------------------------------------------------------------------------------------

_PART_WEIGHT = 60  # records: some 2 ms of the engine's time
_PART_WEIGHT_ALONE = 1_000
_PULLS_IN_PART = 64  # each looked up by its path, and twice by a digest that many files may have: up to 6 ms
_PULLS_IN_PART_ALONE = 512
_HELD_IN_PART = 1_000
_CONTENT_WEIGHT = 3  # of a change with its content: it is installed, too
_VECTOR_ENTRIES_PER_RECORD = 8  # this many cost as much to compare as the rest of a record


def _weights(records: Iterable[Record]) -> list[int]:
    return [1 + (len(record.vector) + len(record.lineage)) // _VECTOR_ENTRIES_PER_RECORD for record in records]


def parts(message: Message, is_shared: bool) -> Sequence[Message]:
    """Split a long announcement into several short ones, so that other peers are served in between. Only the last part
    has the sequence of the message: if the link breaks before it, all parts are sent again. `is_shared`: there are
    other peers."""
    weight = _PART_WEIGHT if is_shared else _PART_WEIGHT_ALONE
    match message:
        case State(folder, sequence, last, records, renames) if len(records) > 1:
            beside = _both_names(renames)
            if beside:
                records = _names_together(records, beside, _path_of_record)
            *most, end = _cut(records, _weights(records), weight, _pairs(records, beside, _path_of_record))
            before = {path: (path, source) for path, source in renames}
            parts_before = []
            for page in most:
                named = tuple(before.pop(record.path) for record in page if record.path in before)
                parts_before.append(State(folder, 0, False, page, named))
            return [*parts_before, State(folder, sequence, last, end, tuple(before.values()))]
        case ModificationUpdate(folder, sequence, changes, times, _) if len(changes) > 1:
            weights = _weights([change[1] for change in changes])
            if sum(weights) * _CONTENT_WEIGHT <= weight:
                return [message]
            # A rename and the removal of the old name are one move, and belong into one part.
            beside = _both_names([(change[1].path, change[2]) for change in changes if change[2] is not None])
            if beside and not is_shared:
                return [message]
            if beside:
                changes = _names_together(changes, beside, _path_of_change)
                weights = _weights([change[1] for change in changes])
            weights = [
                weight_of_record * (_CONTENT_WEIGHT if with_content else 1)
                for weight_of_record, (_, _, _, with_content, _, _) in zip(weights, changes, strict=True)
            ]
            groups = _cut(changes, weights, weight, _pairs(changes, beside, _path_of_change))
            if len(groups) == 1:
                return [message]
            return [
                ModificationUpdate(
                    folder,
                    sequence if at == len(groups) - 1 else 0,
                    group,
                    times if at == len(groups) - 1 else (),
                    any(change.attached for change in group),
                )
                for at, group in enumerate(groups)
            ]
        case Pull(folder, pulls):
            size = _PULLS_IN_PART if is_shared else _PULLS_IN_PART_ALONE
            if len(pulls) > size:
                return [Pull(folder, pulls[at : at + size]) for at in range(0, len(pulls), size)]
        case Acknowledge(folder, sequence, held) if len(held) > _HELD_IN_PART:
            *before_it, at_last = [held[at : at + _HELD_IN_PART] for at in range(0, len(held), _HELD_IN_PART)]
            return [*(Acknowledge(folder, 0, some) for some in before_it), Acknowledge(folder, sequence, at_last)]
        case Settle(folder, losers) if len(losers) > _PART_WEIGHT:
            return [Settle(folder, losers[at : at + _PART_WEIGHT]) for at in range(0, len(losers), _PART_WEIGHT)]
    return [message]


def _path_of_record(record: Record) -> bytes:
    return record.path


def _path_of_change(change: Change) -> bytes:
    return change.record.path


def _both_names(renames: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """For each name of a renamed file its other name."""
    beside: dict[bytes, bytes] = {}
    for path, source in renames:
        beside[path], beside[source] = source, path
    return beside


def _names_together(items: tuple[T, ...], beside: dict[bytes, bytes], path_of: Callable[[T], bytes]) -> tuple[T, ...]:
    """What is said of paths, with both names of a renamed file next to each other. Both are then in one part, so the
    file is still at the old name when the new one is planned. If a path is named twice, the order stays: the later word
    counts."""
    known = {path_of(item): item for item in items}
    if len(known) != len(items):
        return items
    ordered: list[T] = []
    placed: set[int] = set()
    for item in items:
        for one in (item, known.get(beside.get(path_of(item), b""))):
            if one is not None and id(one) not in placed:
                placed.add(id(one))
                ordered.append(one)
    return tuple(ordered)


def _pairs(items: tuple[T, ...], beside: dict[bytes, bytes], path_of: Callable[[T], bytes]) -> set[int]:
    """The positions of items that belong to the one before them. Of a chain of names only every other: it could be as
    long as the message."""
    pairs: set[int] = set()
    if beside:
        for at in range(1, len(items)):
            if at - 1 not in pairs and beside.get(path_of(items[at - 1])) == path_of(items[at]):
                pairs.add(at)
    return pairs


def _cut(items: tuple[T, ...], weights: list[int], most: int, pairs: Container[int] = ()) -> list[tuple[T, ...]]:
    """Groups of at most that weight, or of one item; never between two items of a pair."""
    if sum(weights) <= most:
        return [items]
    groups: list[tuple[T, ...]] = []
    begin = weight = 0
    for at, one in enumerate(weights):
        if at > begin and weight + one > most and at not in pairs:
            groups.append(items[begin:at])
            begin, weight = at, 0
        weight += one
    groups.append(items[begin:])
    return groups
