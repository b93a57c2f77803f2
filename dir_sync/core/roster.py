"""Who is near, whom to dial when, which of two links stays.

In: what happened to beacons, dials and links, and when (any clock in ms that never goes back). Out: actions
for the caller to perform, and a verdict on each HELLO. Rule: one link per pair of nodes; whatever strangers
can fill has a cap, and no stranger ever pushes out a node that is connected.

The caller's part. Each Dial is answered by one `dialled`, before anything else is told of that link. Each
link that was dialled here, and each that was accepted by a verdict, ends in one `closed`, also if it never
said HELLO; more of them do no harm. Links have numbers that are never used again. After every call
`next_deadline` may be another.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from dir_sync.core import limits
from dir_sync.core.beacon import Beacon
from dir_sync.core.identity import Identity
from dir_sync.core.rate import TokenBucket

__all__ = [
    "NOTHING_IN_COMMON",
    "Accept",
    "Action",
    "Announce",
    "Dial",
    "Dice",
    "NewIdentity",
    "Refuse",
    "Roster",
    "Verdict",
]

BEAT_MS = 3_000  # how long a node that was missed at its start stays unknown
BEAT_PER_NODE_MS = 100  # so that a LAN of 200 carries some 10 beacons a second, not 70
BEAT_JITTER = 0.25
ANSWER_WITHIN_MS = 40  # the protocol says 50; timers and sockets take their part
ANSWERS_BURST, ANSWERS_PER_S = 4, 1.0  # one answer serves all who ask at the same time
LARGER_WAITS_MS = 500  # the smaller id dials; this is for where only the larger one can
BACKOFF_FIRST_MS, BACKOFF_MOST_MS = 250, 30_000
BACKOFF_JITTER = 0.25
SETTLED_MS = 10_000  # a link that lived so long was a good one: its end starts the back-off anew
SILENCE_MS = 10_000  # whoever was not heard for so long was away: what failed before says nothing
SAME_TIME_MS = 2_000  # of the protocol: links set up so near each other were dialled at the same time
REMEMBER_MS = 600_000  # addresses of nodes that are neither heard nor connected
STRANGERS_MAX = 1_024  # nodes heard of, never connected
MET_MAX = limits.LINKS_MAX + 1_024  # nodes connected once: those that are now, and some that left
ADDRESSES_MAX = 8  # of one node: its interfaces
OURSELVES_MAX = 64  # addresses that turned out to be our own
STRANGERS_BURST, STRANGERS_PER_S = 512, 100.0  # new names heard; 200 nodes may well start at once
DIALS_MAX = 16  # at the same time
STRANGER_DIALS_MAX = 12  # of these: forged beacons may not keep us from those whom we know
DIAL_AGAIN_MS = 1_000  # one address and port
HOST_DIALS_BURST, HOST_DIALS_PER_S = 8, 1.0  # one host, all ports: no beacons make us flood a victim
HOPELESS = frozenset({"protocol-version", "overload", "no-common-folder"})  # soon again would end the same way
NOTHING_IN_COMMON = "no-common-folder"  # with this instance, for as long as it runs
NEVER_MS = 2**62

assert ANSWER_WITHIN_MS < 50
assert STRANGER_DIALS_MAX < DIALS_MAX <= limits.UNFINISHED_MAX


class Dial(NamedTuple):
    """Connect to this address; tell `dialled` how it went."""

    address: str  # IPv4 address; of a fixed peer whatever was given
    port: int


class Announce(NamedTuple):
    """Send a beacon."""

    ask: bool


class NewIdentity(NamedTuple):
    """It is proved that another machine uses our node id: take a new one, close all links with `new-identity`, and
    tell `rename`."""


class Accept(NamedTuple):
    """The link lives; `closing`, if any, is to be closed with `duplicate`."""

    closing: int | None = None


class Refuse(NamedTuple):
    """Close the link with `reason`. If the link `keeping` stays instead, send a PING on it: should it be
    dead, that ends it, and the peer's next dial gets through."""

    reason: str
    keeping: int | None = None
    actions: tuple[NewIdentity, ...] = ()
    is_stranger: bool = False  # it wants to be us, and we do not give way (again)


Action = Dial | Announce | NewIdentity
Verdict = Accept | Refuse


class Dice(Protocol):
    """The part of random.Random that is used here."""

    def uniform(self, a: float, b: float, /) -> float: ...


class Roster:
    """The book of one node. `fixed` are the (host, port) of peers to dial without hearing of them. `folders`: what our
    own beacons say of them; nodes whose beacons show that they share none of these are left alone."""

    def __init__(
        self,
        node: str,
        instance: str,
        dice: Dice,
        now_ms: int,
        fixed: Sequence[tuple[str, int]] = (),
        folders: Sequence[str] | None = None,
    ) -> None:
        self._instance = instance
        self._dice = dice

        self._node = node
        self._folders = None if folders is None else frozenset(folders)
        self._identity = Identity(instance)
        self._wants_new_identity = False
        self._now_ms = now_ms  # of the last call
        self._beat_due = now_ms
        self._has_asked = False
        self._answer_due: int | None = None
        self._answers = TokenBucket(ANSWERS_BURST, ANSWERS_PER_S, now_ms)
        self._new_names = TokenBucket(STRANGERS_BURST, STRANGERS_PER_S, now_ms)

        # Both by node id, the one that was heard or met longest ago first.
        self._strangers: dict[str, _Goal] = {}
        self._met: dict[str, _Goal] = {}
        self._fixed = [_Goal(None, now_ms, address) for address in dict.fromkeys(fixed)]
        self._ourselves: dict[_Address, None] = {}

        self._links: dict[int, _Link] = {}
        self._given_up: set[int] = set()  # links that end since their address does not answer
        self._live: dict[str, int] = {}  # node -> its link
        self._dials: dict[_Address, _Goal] = {}  # asked for, not yet answered
        self._silent: dict[int, tuple[_Goal, _Address]] = {}  # dialled links that have not said HELLO
        self._busy: set[_Address] = set()  # the addresses of both
        self._dialled_ms: dict[_Address, int] = {}
        self._hosts: dict[str, TokenBucket] = {}

        # (due, counter, goal); stale if the goal's due is another.
        self._heap: list[tuple[int, int, _Goal]] = []
        self._count = 0
        self._queue: _Queue = OrderedDict()  # due, waiting for one of the dials
        self._stranger_queue: _Queue = OrderedDict()
        for goal in self._fixed:
            self._schedule(goal, now_ms)

    # --- what happened --------------------------------------------------------------------------------------

    def heard(self, beacon: Beacon, address: str, now_ms: int) -> list[Action]:
        """A beacon came from `address`, which is near. Answers like `tick`."""
        self._now_ms = now_ms
        if (beacon.node, beacon.instance) != (self._node, self._instance) and self._has_common(beacon):
            self._note(beacon, (address, beacon.port), now_ms)
        return self.tick(now_ms)

    def dialled(self, address: str, port: int, link_id: int | None, now_ms: int) -> None:
        """A Dial has ended: in the link `link_id`, or in nothing (None)."""
        self._now_ms = now_ms
        goal = self._dials.pop((address, port), None)
        if goal is None:
            return
        if link_id is None:
            self._landed(goal, (address, port))
            self._failed(goal, (address, port), now_ms)
        else:
            self._silent[link_id] = (goal, (address, port))

    def hello(
        self,
        link_id: int,
        node: str,
        instance: str,
        dialled_by_us: bool,
        address: str,
        advertised_port: int,
        now_ms: int,
    ) -> Verdict:
        """A link has said HELLO. `address` is the peer's end, `advertised_port` the `port` of its HELLO."""
        self._now_ms = now_ms
        goal: _Goal | None = None
        spot = (address, advertised_port) if advertised_port else None
        if link_id in self._silent:
            goal, spot = self._silent.pop(link_id)
            self._landed(goal, spot)

        if node == self._node:
            return self._met_ourselves(instance, goal, spot, now_ms)
        verdict = self._judge(node, instance, dialled_by_us, now_ms)
        if verdict == _OVERLOAD:
            if goal is not None:
                self._bar(goal, now_ms)
            return verdict
        if isinstance(verdict, Accept):
            if verdict.closing is not None:
                del self._links[verdict.closing]
            self._links[link_id] = _Link(node, instance, address, dialled_by_us, now_ms)
            self._live[node] = link_id
        elif verdict.keeping is not None and self._links[verdict.keeping].instance != instance:
            return verdict  # what it says of itself is believed when the older link has not answered
        self._learn(node, instance, spot, goal, now_ms)
        return verdict

    def closed(self, link_id: int, now_ms: int, reason: str) -> None:
        """A link has ended; `reason` is the word of the CLOSE that was sent or received, or anything else."""
        self._now_ms = now_ms
        if link_id in self._silent:
            goal, spot = self._silent.pop(link_id)
            self._landed(goal, spot)
            if reason in HOPELESS:
                self._turn_away(goal, reason, now_ms)
            else:
                self._failed(goal, spot, now_ms)
            return
        link = self._links.pop(link_id, None)
        if link is None:
            return
        # Known here: it was the one link of that node.
        del self._live[link.node]
        for goal in self._goals_of(link.node):
            goal.heard_ms = now_ms
            for (host, _), seen in goal.addresses.items():
                if link_id in self._given_up and host == link.address:
                    seen.failures += 1
                else:
                    seen.heard_ms = now_ms
            if now_ms - link.since_ms >= SETTLED_MS:
                goal.step = 0
            if reason in HOPELESS:
                self._turn_away(goal, reason, now_ms)
            else:
                self._retry(goal, now_ms)
        self._given_up.discard(link_id)
        if reason != "duplicate":
            self._identity.was_welcome(link.node)
        elif link.node not in self._live:
            self._wants_new_identity |= self._identity.was_refused(link.node, now_ms)

    def stalled(self, link_id: int, now_ms: int) -> bool:
        """The peer acknowledges nothing on this link. True: the peer was heard at another address just now, so end the
        link at once; the other address is dialled when it is `closed`."""
        self._now_ms = now_ms
        link = self._links.get(link_id)
        if link is None:
            return False
        for goal in self._goals_of(link.node):
            for (host, _), seen in goal.addresses.items():
                if host != link.address and not seen.failures and now_ms - seen.heard_ms < SILENCE_MS:
                    self._given_up.add(link_id)
                    return True
        return False

    def rename(self, node: str, now_ms: int) -> None:
        """We are `node` from now on. The links are still those of the old name: close them."""
        self._now_ms = now_ms
        self._node = node
        self._beat_due = now_ms

    def tick(self, now_ms: int) -> list[Action]:
        """What is to be done now. Call it when `next_deadline` has come; at other times it does no harm."""
        self._now_ms = now_ms
        actions: list[Action] = []
        if self._wants_new_identity:
            self._wants_new_identity = False
            actions.append(NewIdentity())
        is_beat = self._beat_due <= now_ms
        if is_beat or (self._answer_due is not None and self._answer_due <= now_ms):
            actions.append(Announce(ask=not self._has_asked))
            self._has_asked = True
            self._answer_due = None
        if is_beat:
            self._sweep(now_ms)
            every = BEAT_MS + BEAT_PER_NODE_MS * min(len(self._met), limits.LINKS_MAX)
            self._beat_due = now_ms + int(every * self._dice.uniform(1 - BEAT_JITTER, 1 + BEAT_JITTER))
        while self._heap and self._heap[0][0] <= now_ms:
            due, _, goal = heapq.heappop(self._heap)
            if goal.due == due:
                goal.due = None
                goal.is_queued = True
                queue = self._stranger_queue if self._is_stranger(goal) else self._queue
                queue[goal] = None
        actions.extend(self._dial_from(self._queue, DIALS_MAX, now_ms))
        actions.extend(self._dial_from(self._stranger_queue, STRANGER_DIALS_MAX, now_ms))
        return actions

    def next_deadline(self) -> int:
        """When `tick` will have something to do; maybe in the past: at once."""
        if (
            self._wants_new_identity
            or (self._queue and len(self._dials) < DIALS_MAX)
            or (self._stranger_queue and len(self._dials) < STRANGER_DIALS_MAX)
        ):
            return self._now_ms
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        due = self._beat_due
        if self._answer_due is not None:
            due = min(due, self._answer_due)
        if self._heap:
            due = min(due, self._heap[0][0])
        return due

    def connected_nodes(self) -> list[str]:
        """The ids of those who have a link with us, sorted."""
        return sorted(self._live)

    def link_of(self, node: str) -> int | None:
        """The one link with that node."""
        return self._live.get(node)

    # --- beacons --------------------------------------------------------------------------------------------

    def _has_common(self, beacon: Beacon) -> bool:
        """False if its sender surely shares no folder with us."""
        if self._folders is None or beacon.folders is None:
            return True
        return not self._folders.isdisjoint(beacon.folders)

    def _note(self, beacon: Beacon, address: _Address, now_ms: int) -> None:
        self._ourselves.pop(address, None)  # somebody else has it now
        goal = self._touch(beacon.node)
        if goal is None:
            if not self._new_names.take(now_ms):
                return
            goal = _Goal(beacon.node, now_ms)
            self._strangers[beacon.node] = goal
            if len(self._strangers) > STRANGERS_MAX:
                self._forget(next(iter(self._strangers)))
        is_new = goal.instance != beacon.instance
        if is_new:
            goal.instance = beacon.instance
            goal.barred_ms = now_ms
            self._answer(now_ms)
        if is_new or now_ms - goal.heard_ms >= SILENCE_MS:
            goal.step = 0
        goal.heard_ms = now_ms
        goal.see(address, now_ms)
        if self._is_wanted(goal) and goal.barred_ms <= now_ms:
            # Even where a dial failed a moment ago: the beacon proves that the node is there.
            due = now_ms + self._role_ms(goal, beacon.instance)
            if goal.due is None or goal.due > due:
                self._schedule(goal, due)

    def _answer(self, now_ms: int) -> None:
        """Spread over some time, more so in a crowd: not all who heard the newcomer should speak at once."""
        if self._answer_due is None:
            spread = min(ANSWER_WITHIN_MS, 2 + len(self._met) + len(self._strangers))
            wait = self._answers.wait_ms(now_ms)
            self._answer_due = now_ms + max(wait, int(self._dice.uniform(0, spread)))
            self._answers.take(self._answer_due)

    # --- verdicts -------------------------------------------------------------------------------------------

    def _met_ourselves(self, instance: str, goal: _Goal | None, spot: _Address | None, now_ms: int) -> Refuse:
        if instance == self._instance:
            if spot is not None:
                self._ourselves[spot] = None
                if len(self._ourselves) > OURSELVES_MAX:
                    del self._ourselves[next(iter(self._ourselves))]
            verdict = Refuse("self")
        elif self._identity.met_clash(instance, goal is not None, now_ms):
            verdict = Refuse("new-identity", actions=(NewIdentity(),))
        else:
            verdict = Refuse("new-identity", is_stranger=self._identity.is_settled(now_ms))
            if goal is None and spot is not None and not verdict.is_stranger:
                self._look_for_clone(instance, spot, now_ms)
        if goal is not None:
            if verdict.is_stranger:
                self._bar(goal, now_ms)
            else:
                self._retry(goal, now_ms)
        return verdict

    def _look_for_clone(self, instance: str, spot: _Address, now_ms: int) -> None:
        """A HELLO with our id came in. If a machine lives there under our id, it will answer a fresh connection."""
        goal = self._touch(self._node)
        if goal is None:
            if not self._new_names.take(now_ms):
                return
            goal = self._strangers[self._node] = _Goal(self._node, now_ms)
        goal.instance = instance
        goal.heard_ms = now_ms
        goal.see(spot, now_ms)
        if self._is_wanted(goal) and goal.barred_ms <= now_ms and (goal.due is None or goal.due > now_ms):
            self._schedule(goal, now_ms)

    def _judge(self, node: str, instance: str, is_ours: bool, now_ms: int) -> Verdict:
        """One link per pair. Both ends judge by the same facts, but for the times: where these differ both
        links may end, and the back-off brings the next one. Who comes as another instance of a connected node has
        restarted, or wants to be that node: the older link is asked first, and if it does not answer the next dial
        gets through."""
        old_id = self._live.get(node)
        if old_id is None:
            return _OVERLOAD if len(self._links) >= limits.LINKS_MAX else Accept()
        old = self._links[old_id]
        if old.instance != instance:
            return Refuse("duplicate", keeping=old_id)
        is_right = is_ours == (self._node < node)  # dialled by the smaller id
        was_right = old.is_ours == (self._node < node)
        if now_ms - old.since_ms < SAME_TIME_MS and is_right and not was_right:
            return Accept(closing=old_id)
        return Refuse("duplicate", keeping=old_id)

    def _learn(self, node: str, instance: str, spot: _Address | None, dialled: _Goal | None, now_ms: int) -> None:
        """Known here: that node has a link, this one or an older one."""
        goal = self._touch(node)
        if goal is None or node in self._strangers:
            goal = self._strangers.pop(node, None) or _Goal(node, now_ms)
            self._met[node] = goal
            if len(self._met) > MET_MAX:
                self._forget(next(name for name in self._met if name not in self._live))
        is_new = goal.instance != instance
        goal.instance = instance
        goal.heard_ms = goal.barred_ms = now_ms
        goal.due = None
        if spot is not None:
            self._ourselves.pop(spot, None)
            goal.see(spot, now_ms)
            for fixed in self._fixed:
                if spot in fixed.addresses:
                    fixed.node = node
                    fixed.due = None
        if is_new:
            for known in self._goals_of(node):
                known.step = 0
        if dialled is not None and spot is not None:
            # Proved: whoever else was there before is there no more.
            for book in (self._met, self._strangers):
                for other in book.values():
                    if other is not goal:
                        other.addresses.pop(spot, None)
            if dialled.node != node:
                self._retry(dialled, now_ms)

    # --- dials ----------------------------------------------------------------------------------------------

    def _is_wanted(self, goal: _Goal) -> bool:
        """True if a dial could bring something that is not there yet, nor on its way."""
        if goal.is_flying or goal.is_queued or goal.is_gone:
            return False
        link_id = self._live.get(goal.node) if goal.node is not None else None
        if link_id is None:
            return True
        # A beacon told of another instance: the peer was started anew, and its old link does not know it yet.
        return goal.instance is not None and goal.instance != self._links[link_id].instance

    def _is_stranger(self, goal: _Goal) -> bool:
        return goal.node in self._strangers and self._strangers[goal.node] is goal

    def _role_ms(self, goal: _Goal, instance: str | None) -> int:
        """The smaller id dials at once, the larger one waits whether that succeeds."""
        if goal.node is None:
            return 0
        is_smaller = (self._node, self._instance) < (goal.node, instance or "")
        return 0 if is_smaller else LARGER_WAITS_MS

    def _schedule(self, goal: _Goal, due: int) -> None:
        goal.due = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, goal))

    def _failed(self, goal: _Goal, address: _Address, now_ms: int) -> None:
        seen = goal.addresses.get(address)
        if seen is not None:
            seen.failures += 1
        self._retry(goal, now_ms)

    def _retry(self, goal: _Goal, now_ms: int) -> None:
        """Try again: an address that did not fail yet at once, else after the back-off."""
        if not self._is_wanted(goal):
            return
        failures = [seen.failures for known, seen in goal.addresses.items() if known not in self._ourselves]
        if 0 in failures and any(failures):
            self._schedule(goal, now_ms)
        elif failures:
            pause_ms = self._pause_ms(goal.step)
            goal.step += 1
            self._schedule(goal, now_ms + pause_ms + self._role_ms(goal, goal.instance))

    def _bar(self, goal: _Goal, now_ms: int) -> None:
        """Not again for as long as the back-off gets, whatever beacons of that instance say."""
        goal.step = _STEPS
        if self._is_wanted(goal):
            goal.barred_ms = now_ms + self._pause_ms(goal.step)
            self._schedule(goal, goal.barred_ms)

    def _turn_away(self, goal: _Goal, reason: str, now_ms: int) -> None:
        """A link ended for a reason that will not go away soon. A beacon of another instance ends that, too."""
        self._bar(goal, now_ms)
        if reason == NOTHING_IN_COMMON and goal.instance is not None:
            goal.due = None
            goal.barred_ms = NEVER_MS

    def _pause_ms(self, step: int) -> int:
        base = min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS << min(step, _STEPS))
        return int(base * self._dice.uniform(1 - BACKOFF_JITTER, 1 + BACKOFF_JITTER))

    def _landed(self, goal: _Goal, address: _Address) -> None:
        goal.is_flying = False
        self._busy.discard(address)

    def _dial_from(self, queue: _Queue, dials_max: int, now_ms: int) -> Iterator[Dial]:
        while queue and len(self._dials) < dials_max:
            goal, _ = queue.popitem(last=False)
            goal.is_queued = False
            if not self._is_wanted(goal):
                continue
            if len(self._links) + len(self._silent) + len(self._dials) >= limits.LINKS_MAX:
                self._bar(goal, now_ms)
                continue
            choice = self._choose(goal, now_ms)
            if choice is None:
                continue
            address, at_ms = choice
            if at_ms > now_ms:
                self._schedule(goal, at_ms)
                continue
            goal.is_flying = True
            self._dials[address] = goal
            self._busy.add(address)
            self._dialled_ms[address] = now_ms
            if self._is_metered(goal, address):
                self._host(address[0], now_ms).take(now_ms)
            yield Dial(*address)

    def _choose(self, goal: _Goal, now_ms: int) -> tuple[_Address, int] | None:
        """Where to dial, and when that is allowed; None if there is nowhere."""
        best: tuple[int, int, bool, int] | None = None
        choice: tuple[_Address, int] | None = None
        for address, seen in goal.addresses.items():
            if address in self._ourselves:
                continue
            at_ms = self._dialled_ms.get(address, now_ms - DIAL_AGAIN_MS) + DIAL_AGAIN_MS
            if address in self._busy:
                at_ms = now_ms + DIAL_AGAIN_MS
            elif self._is_metered(goal, address):
                at_ms = max(at_ms, now_ms + self._host(address[0], now_ms).wait_ms(now_ms))
            rank = (max(at_ms, now_ms), seen.failures, not _is_loopback(address), -seen.heard_ms)
            if best is None or rank < best:
                best, choice = rank, (address, at_ms)
        return choice

    @staticmethod
    def _is_metered(goal: _Goal, address: _Address) -> bool:
        """Where beacons could send us; nobody outside can forge one that comes from a loopback address."""
        return not goal.is_fixed and not _is_loopback(address)

    def _host(self, address: str, now_ms: int) -> TokenBucket:
        bucket = self._hosts.get(address)
        if bucket is None:
            bucket = self._hosts[address] = TokenBucket(HOST_DIALS_BURST, HOST_DIALS_PER_S, now_ms)
        return bucket

    # --- the book -------------------------------------------------------------------------------------------

    def _touch(self, node: str) -> _Goal | None:
        """What is known of a node, which becomes the one to be forgotten last."""
        for book in (self._met, self._strangers):
            goal = book.pop(node, None)
            if goal is not None:
                book[node] = goal
                return goal
        return None

    def _goals_of(self, node: str) -> list[_Goal]:
        goals = [goal for goal in self._fixed if goal.node == node]
        return goals + [book[node] for book in (self._met, self._strangers) if node in book]

    def _forget(self, node: str) -> None:
        goal = self._strangers.pop(node, None) or self._met.pop(node)
        goal.is_gone = True
        goal.due = None
        self._queue.pop(goal, None)
        self._stranger_queue.pop(goal, None)

    def _sweep(self, now_ms: int) -> None:
        """Once a beat: forget what is old, see to it that no fixed peer is forgotten."""
        for book in (self._strangers, self._met):
            for node in [node for node, goal in book.items() if goal.heard_ms < now_ms - REMEMBER_MS]:
                if node not in self._live:
                    self._forget(node)
        for goal in self._met.values():
            if len(goal.addresses) > 1 and goal.node not in self._live:
                goal.drop_old(now_ms - REMEMBER_MS)
        for goal in self._fixed:
            if goal.due is None and self._is_wanted(goal):
                self._schedule(goal, now_ms)
        for address in [a for a, at_ms in self._dialled_ms.items() if at_ms <= now_ms - DIAL_AGAIN_MS]:
            del self._dialled_ms[address]
        for host in [name for name, bucket in self._hosts.items() if bucket.is_full(now_ms)]:
            del self._hosts[host]


_Address = tuple[str, int]  # host and port
_STEPS = (BACKOFF_MOST_MS // BACKOFF_FIRST_MS).bit_length()  # doublings until the back-off is at its most
_OVERLOAD = Refuse("overload")


class _Spot:
    """One address of a node."""

    __slots__ = ("failures", "heard_ms")

    def __init__(self, heard_ms: int) -> None:
        self.heard_ms = heard_ms
        self.failures = 0  # in a row


class _Goal:
    """Somebody to have a link with: a node, or whoever answers at a fixed address."""

    __slots__ = (
        "addresses",
        "barred_ms",
        "due",
        "heard_ms",
        "instance",
        "is_fixed",
        "is_flying",
        "is_gone",
        "is_queued",
        "node",
        "step",
    )

    def __init__(self, node: str | None, now_ms: int, fixed: _Address | None = None) -> None:
        self.node = node  # None: nobody answered at the fixed address yet
        self.is_fixed = fixed is not None
        self.instance: str | None = None  # the last one that was heard of; of a fixed address always None
        self.addresses = {} if fixed is None else {fixed: _Spot(now_ms)}
        self.heard_ms = now_ms
        self.due: int | None = None  # when to dial
        self.step = 0  # of the back-off
        self.barred_ms = now_ms  # no dial before, whatever beacons come
        self.is_queued = False  # due, and waiting for one of the dials
        self.is_flying = False  # being dialled, or the HELLO is still to come
        self.is_gone = False  # no longer in the book

    def see(self, address: _Address, now_ms: int) -> None:
        seen = self.addresses.get(address)
        if seen is None:
            self.addresses[address] = _Spot(now_ms)
            if len(self.addresses) > ADDRESSES_MAX:
                del self.addresses[min(self.addresses, key=lambda known: self.addresses[known].heard_ms)]
        else:
            seen.heard_ms = now_ms
            seen.failures = 0

    def drop_old(self, before_ms: int) -> None:
        for address in [known for known, seen in self.addresses.items() if seen.heard_ms < before_ms]:
            del self.addresses[address]


_Queue = OrderedDict[_Goal, None]  # in order of arrival


class _Link(NamedTuple):
    node: str
    instance: str
    address: str  # the peer's end
    is_ours: bool  # dialled by us
    since_ms: int


def _is_loopback(address: _Address) -> bool:
    return address[0].startswith("127.")
