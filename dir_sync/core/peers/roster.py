"""Who is near, and which of two links stays. Whom to dial when is `dialling`'s; what is known of a node, `address_book`'s.

In: what happened to beacons, dials and links, and when (any clock in ms that never goes back). Out: actions
for the caller to perform, and a verdict on each HELLO. Rule: one link per pair of nodes.

The caller's part. Each Dial is answered by one `dialled`, before anything else is told of that link. Each
link that was dialled here, and each that was accepted by a verdict, ends in one `closed`, also if it never
said HELLO; more of them do no harm. Links have numbers that are never used again. After every call
`next_deadline` may be another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dir_sync.core.peers.address_book import Address, AddressBook, DialTarget
from dir_sync.core.peers.beacon import Beacon
from dir_sync.core.peers.beacon_times import BeaconTimes
from dir_sync.core.peers.dialling import HOPELESS, NOTHING_IN_COMMON, Dial, Dialling
from dir_sync.core.peers.identity import Identity, NewIdentity, NewReplica, Proofs
from dir_sync.core.peers.links import Link, Links
from dir_sync.core.rng import Uniform

__all__ = [
    "NOTHING_IN_COMMON",
    "Accept",
    "Action",
    "Announce",
    "Dial",
    "NewIdentity",
    "NewReplica",
    "Refuse",
    "Roster",
    "Verdict",
]

STABLE_LINK_MS = 10_000  # a link that lived so long was a good one: its end starts the back-off anew
SILENCE_MS = 10_000  # whoever was not heard for so long was away: what failed before says nothing
SAME_TIME_MS = 2_000  # of the protocol: links set up so near each other were dialled at the same time


class Announce(NamedTuple):
    """Send a beacon."""

    ask: bool


class Accept(NamedTuple):
    """The link lives; `closing`, if any, is to be closed with `reason`: an older link of that peer, or (`overload`) one
    whose place is given to it."""

    closing: int | None = None
    reason: str = "duplicate"


class Refuse(NamedTuple):
    """Close the link with `reason`. If the link `keeping` stays instead, send a PING on it: should it be
    dead, that ends it, and the peer's next dial gets through."""

    reason: str
    keeping: int | None = None
    actions: tuple[NewIdentity | NewReplica, ...] = ()
    is_stranger: bool = False  # it wants to be us, and we do not give way (again)


Action = Dial | Announce | NewIdentity | NewReplica
Verdict = Accept | Refuse

_OVERLOAD = Refuse("overload")


class Roster:
    """The neighbours of one node. `fixed` are the (host, port) of peers to dial without hearing of them. `folders`: what
    our own beacons say of them; nodes whose beacons show that they share none of these are left alone. `replica`: ours
    of the folder.

    It has more fields than a class should have: identity, links, beacons and time meet here, as each HELLO needs them."""

    def __init__(
        self,
        node: str,
        instance: str,
        rng: Uniform,
        now_ms: int,
        fixed: Sequence[tuple[str, int]] = (),
        folders: Sequence[str] | None = None,
        replica: str = "",
    ) -> None:
        self._node = node
        self._replica = replica
        self._instance = instance
        self._folders = None if folders is None else frozenset(folders)
        self._now_ms = now_ms  # of the last call

        self._links = Links()
        self._book = AddressBook(self._links, fixed, now_ms)
        self._dialling = Dialling(node, instance, self._links, self._book, rng, now_ms)
        self._given_up: set[int] = set()  # links that end since their address does not answer
        self._proofs = Proofs(instance)
        self._proved: list[NewIdentity | NewReplica] = []  # by refusals; the next tick says so

        self._beacons = BeaconTimes(rng, now_ms)

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
        self._dialling.dialled((address, port), link_id, now_ms)

    def hello(
        self,
        link_id: int,
        node: str,
        instance: str,
        dialled_by_us: bool,
        address: str,
        advertised_port: int,
        now_ms: int,
        is_known: bool = False,
        replica: str = "",
    ) -> Verdict:
        """A link has said HELLO. `address` is the peer's end, `advertised_port` the `port` of its HELLO. `is_known`: it was
        a peer before, or the user named it. `replica`: the peer's of our folder; "": it has none."""
        self._now_ms = now_ms
        target: DialTarget | None = None
        spot = (address, advertised_port) if advertised_port else None
        if (dialled := self._dialling.greeted(link_id)) is not None:
            target, spot = dialled

        if node == self._node:
            return self._met_ourselves(instance, target, spot, now_ms)
        if replica and replica == self._replica:
            return self._met_copy(self._proofs.replica, NewReplica(), node, instance, target, spot, now_ms)
        verdict = self._judge(node, instance, replica, address, dialled_by_us, is_known, now_ms)
        if verdict == _OVERLOAD:
            if target is not None:
                self._dialling.bar(target, now_ms)
            return verdict
        if isinstance(verdict, Accept):
            if verdict.closing is not None and verdict.reason == "overload":
                self.closed(verdict.closing, now_ms, verdict.reason)
            self._links.add(link_id, Link(node, instance, address, dialled_by_us, now_ms, is_known, replica))
        elif verdict.keeping is not None and self._links[verdict.keeping].instance != instance:
            return verdict  # what it says of itself is believed when the older link has not answered
        self._learn(node, instance, spot, target, now_ms)
        return verdict

    def closed(self, link_id: int, now_ms: int, reason: str) -> None:
        """A link has ended; `reason` is the word of the CLOSE that was sent or received, or anything else."""
        self._now_ms = now_ms
        if self._dialling.ended_silent(link_id, reason, now_ms):
            return
        link = self._links.remove(link_id)
        if link is None:
            return
        for target in self._book.targets_of(link.node):
            target.heard_ms = now_ms
            for (host, _), seen in target.addresses.items():
                if link_id in self._given_up and host == link.address:
                    seen.failures += 1
                else:
                    seen.heard_ms = now_ms
            if now_ms - link.since_ms >= STABLE_LINK_MS:
                target.step = 0
            if reason in HOPELESS:
                self._dialling.turn_away(target, reason, now_ms)
            else:
                self._dialling.retry(target, now_ms)
        self._given_up.discard(link_id)
        self._proved += self._proofs.link_ended(link.node, reason, now_ms - link.since_ms < STABLE_LINK_MS, now_ms)

    def stalled(self, link_id: int, now_ms: int, is_doubted: bool = False) -> bool:
        """The peer acknowledges nothing on this link. True: the peer was heard at another address just now, or
        (`is_doubted`) it has dialled anew, so end the link at once; the other address is dialled when it is `closed`."""
        self._now_ms = now_ms
        link = self._links.get(link_id)
        if link is None:
            return False
        if is_doubted:
            self._given_up.add(link_id)
            return True
        for target in self._book.targets_of(link.node):
            for (host, _), seen in target.addresses.items():
                if host != link.address and not seen.failures and now_ms - seen.heard_ms < SILENCE_MS:
                    self._given_up.add(link_id)
                    return True
        return False

    def rename(self, node: str, now_ms: int) -> None:
        """We are `node` from now on. The links are still those of the old name: close them."""
        self._now_ms = now_ms
        self._node = self._dialling.node = node
        self._beacons.beat_at_once(now_ms)

    def has_replica(self, replica: str, now_ms: int) -> None:
        """The folder has this replica id from now on. The links are still those of the old one: close them."""
        self._now_ms = now_ms
        self._replica = replica

    def tick(self, now_ms: int) -> list[Action]:
        """What is to be done now. Call it when `next_deadline` has come; at other times it does no harm."""
        self._now_ms = now_ms
        actions: list[Action] = [*self._proved]
        self._proved = []
        is_beat = self._beacons.is_beat(now_ms)
        if self._beacons.is_due(now_ms):
            actions.append(Announce(ask=self._beacons.sent()))
        if is_beat:
            self._book.sweep(now_ms)
            self._dialling.sweep(now_ms)
            self._beacons.schedule_beat(len(self._book.met), now_ms)
        actions.extend(self._dialling.due(now_ms))
        return actions

    def next_deadline(self) -> int:
        """When `tick` will have something to do; maybe in the past: at once."""
        if self._proved:
            return self._now_ms
        beacon_ms, dial_ms = self._beacons.next_ms(), self._dialling.next_ms(self._now_ms)
        return beacon_ms if dial_ms is None else min(beacon_ms, dial_ms)

    def connected_nodes(self) -> list[str]:
        """The ids of those who have a link with us, sorted."""
        return self._links.nodes()

    def link_of(self, node: str) -> int | None:
        """The one link with that node."""
        return self._links.id_of(node)

    # --- beacons --------------------------------------------------------------------------------------------

    def _has_common(self, beacon: Beacon) -> bool:
        """False if its sender surely shares no folder with us."""
        if self._folders is None or beacon.folders is None:
            return True
        return not self._folders.isdisjoint(beacon.folders)

    def _note(self, beacon: Beacon, address: Address, now_ms: int) -> None:
        self._book.is_somebody_elses(address)
        target = self._book.heard_of(beacon.node, now_ms)
        if target is None:
            return
        is_new = target.instance != beacon.instance
        if is_new:
            target.instance = beacon.instance
            target.no_dial_before_ms = now_ms
            self._beacons.answer_soon(len(self._book.met) + len(self._book.strangers), now_ms)
        if is_new or now_ms - target.heard_ms >= SILENCE_MS:
            target.step = 0
        target.heard_ms = now_ms
        target.see(address, now_ms)
        self._dialling.dial_soon(target, now_ms)

    # --- verdicts -------------------------------------------------------------------------------------------

    def _met_ourselves(self, instance: str, target: DialTarget | None, spot: Address | None, now_ms: int) -> Refuse:
        if instance != self._instance:
            return self._met_copy(self._proofs.node, NewIdentity(), self._node, instance, target, spot, now_ms)
        if spot is not None:
            self._book.met_ourselves_at(spot)
        if target is not None:
            self._dialling.retry(target, now_ms)
        return Refuse("self")

    def _met_copy(
        self,
        proofs: Identity,
        action: NewIdentity | NewReplica,
        node: str,
        instance: str,
        target: DialTarget | None,
        spot: Address | None,
        now_ms: int,
    ) -> Refuse:
        """A HELLO came with an id that is ours: that of the node, or that of the replica. `target`: whom we dialled."""
        reason = "new-identity" if isinstance(action, NewIdentity) else "new-replica"
        if proofs.met_clash(instance, target is not None, now_ms):
            verdict = Refuse(reason, actions=(action,))
        else:
            verdict = Refuse(reason, is_stranger=proofs.is_settled(now_ms))
            if target is None and spot is not None and not verdict.is_stranger:
                self._look_for_copy(node, instance, spot, now_ms)
        if target is not None:
            if verdict.is_stranger:
                self._dialling.bar(target, now_ms)
            else:
                self._dialling.retry(target, now_ms)
        return verdict

    def _look_for_copy(self, node: str, instance: str, spot: Address, now_ms: int) -> None:
        """A HELLO with an id of ours came in. If a machine lives there under it, it will answer a fresh connection."""
        target = self._book.heard_of(node, now_ms)
        if target is None:
            return
        target.instance = instance
        target.heard_ms = now_ms
        target.see(spot, now_ms)
        self._dialling.dial_soon(target, now_ms, at_once=True)

    def _judge(
        self, node: str, instance: str, replica: str, address: str, is_ours: bool, is_known: bool, now_ms: int
    ) -> Verdict:
        """One link per pair, and per replica. Both ends judge by the same facts, but for the times: where these differ both
        links may end, and the back-off brings the next one. Who comes as another instance of a connected node has
        restarted, or wants to be that node: the older link is asked first, and if it does not answer the next dial
        gets through. The same goes for a node with the replica of another one that is connected: one of both has a copy,
        or the folder was moved."""
        holder = self._links.holder_of(replica)
        if holder is not None and self._links[holder].node != node:
            return Refuse("duplicate-replica", keeping=holder)
        old_id = self._links.id_of(node)
        if old_id is None:
            has_place, giving_way = self._links.giving_way(address, is_known)
            if giving_way is not None:
                return Accept(giving_way, "overload")
            return Accept() if has_place else _OVERLOAD
        old = self._links[old_id]
        if old.instance != instance:
            return Refuse("duplicate", keeping=old_id)
        is_right = is_ours == (self._node < node)  # dialled by the smaller id
        was_right = old.is_ours == (self._node < node)
        if now_ms - old.since_ms < SAME_TIME_MS and is_right and not was_right:
            return Accept(closing=old_id)
        return Refuse("duplicate", keeping=old_id)

    def _learn(self, node: str, instance: str, spot: Address | None, dialled: DialTarget | None, now_ms: int) -> None:
        """Known here: that node has a link, this one or an older one."""
        target = self._book.connected(node, now_ms)
        is_new = target.instance != instance
        target.instance = instance
        target.heard_ms = target.no_dial_before_ms = now_ms
        target.due = None
        if spot is not None:
            self._book.is_somebody_elses(spot)
            target.see(spot, now_ms)
            for fixed in self._book.fixed:
                if spot in fixed.addresses:
                    fixed.node = node
                    fixed.due = None
        if is_new:
            for known in self._book.targets_of(node):
                known.step = 0
        if dialled is not None and spot is not None:
            self._book.belongs_to(spot, target)
            if dialled.node != node:
                self._dialling.retry(dialled, now_ms)
