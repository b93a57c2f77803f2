"""Which peers are near, and which of two links stays.

`dialling` decides which node to dial when, `address_book` stores what is known of each node.

In: beacons, dials and links, with the time (any clock in ms that never goes back). Out: actions for the caller, and a
verdict on each HELLO. Rule: one link per pair of nodes.

Rules for the caller: it answers each Dial with one call of `dialled`, before any other call about that link. It calls
`closed` for each link that was dialled here or accepted by a verdict, even if the link never sent HELLO; further calls
do no harm. Link numbers are never reused. `next_deadline` may change with every call.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dir_sync.core.named import NamedTuple
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

STABLE_LINK_MS = 10_000  # the end of a link that lived so long restarts the back-off
SILENCE_MS = 10_000  # a node that was not heard for so long was away: its earlier failures do not count
SAME_TIME_MS = 2_000  # from the protocol: links set up within this time were dialled simultaneously


class Announce(NamedTuple):
    """Send a beacon."""

    ask: bool


class Accept(NamedTuple):
    """The link is accepted. `closing`: the link to close with `reason`, if any: an older one of that peer, or
    (`overload`) one that has to make room."""

    closing: int | None = None
    reason: str = "duplicate"


class Refuse(NamedTuple):
    """Close the link with `reason`. If the link `keeping` stays instead, send a PING on it: if it is dead, that ends
    it, and the peer's next dial succeeds."""

    reason: str
    keeping: int | None = None
    actions: tuple[NewIdentity | NewReplica, ...] = ()
    is_stranger: bool = False  # it claims our id, and we keep it


Action = Dial | Announce | NewIdentity | NewReplica
Verdict = Accept | Refuse

_OVERLOAD = Refuse("overload")


class Roster:
    """The neighbours of one node. `fixed`: (host, port) of peers to dial without a beacon. `folders`: the tags in our
    own beacons; nodes whose beacons have none of them are ignored. `replicas`: the ids of our replicas of the folders.
    `only_fixed`: nobody else is dialled, also not who has called this node.

    It has more fields than a class should have: identity, links, beacons and time meet here, as each HELLO needs them."""

    def __init__(
        self,
        node: str,
        instance: str,
        rng: Uniform,
        now_ms: int,
        fixed: Sequence[tuple[str, int]] = (),
        folders: Sequence[str] | None = None,
        replicas: Collection[str] = (),
        only_fixed: bool = False,
    ) -> None:
        self._node = node
        self._replicas = tuple(replicas)
        self._instance = instance
        self._folders = None if folders is None else frozenset(folders)
        self._now_ms = now_ms  # of the last call

        self._links = Links()
        self._book = AddressBook(self._links, fixed, now_ms, only_fixed)
        self._dialling = Dialling(node, instance, self._links, self._book, rng, now_ms)
        self._given_up: set[int] = set()  # links that are closed because their address does not answer
        self._proofs = Proofs(instance)
        self._proved: list[NewIdentity | NewReplica] = []  # proofs from refusals; the next tick returns them

        self._beacons = BeaconTimes(rng, now_ms)

    # --- what happened --------------------------------------------------------------------------------------

    def heard(self, beacon: Beacon, address: str, now_ms: int) -> list[Action]:
        """A beacon arrived from `address`. Returns the same as `tick`."""
        self._now_ms = now_ms
        if (beacon.node, beacon.instance) != (self._node, self._instance) and self._has_common(beacon):
            self._note(beacon, (address, beacon.port), now_ms)
        return self.tick(now_ms)

    def dialled(self, address: str, port: int, link_id: int | None, now_ms: int) -> None:
        """A Dial has ended, in the link `link_id` or without one (None)."""
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
        replicas: tuple[str, ...] = (),
    ) -> Verdict:
        """A link sent HELLO. `address`: the peer's end. `advertised_port`: the `port` of its HELLO. `is_known`: it was
        a peer before, or the user named it. `replicas`: those of the peer, of the folders that both share."""
        self._now_ms = now_ms
        target: DialTarget | None = None
        spot = (address, advertised_port) if advertised_port else None
        if (dialled := self._dialling.greeted(link_id)) is not None:
            target, spot = dialled

        if node == self._node:
            return self._met_ourselves(instance, target, spot, now_ms)
        copied = tuple(replica for replica in replicas if replica in self._replicas)
        if copied:
            return self._met_copy(self._proofs.replica, NewReplica(copied), node, instance, target, spot, now_ms)
        verdict = self._judge(node, instance, replicas, address, dialled_by_us, is_known, now_ms)
        if verdict == _OVERLOAD:
            if target is not None:
                self._dialling.bar(target, now_ms)
            return verdict
        if isinstance(verdict, Accept):
            if verdict.closing is not None and verdict.reason == "overload":
                self.closed(verdict.closing, now_ms, verdict.reason)
            self._links.add(link_id, Link(node, instance, address, dialled_by_us, now_ms, is_known, replicas))
        elif verdict.keeping is not None and self._links[verdict.keeping].instance != instance:
            return verdict  # what it claims is not believed before the older link was asked
        self._learn(node, instance, spot, target, now_ms)
        return verdict

    def closed(self, link_id: int, now_ms: int, reason: str) -> None:
        """A link has ended. `reason`: the reason of the CLOSE that was sent or received, or any other text."""
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
        self._proved += self._proofs.link_ended(
            link.node, reason, now_ms - link.since_ms < STABLE_LINK_MS, now_ms, self._replicas
        )

    def stalled(self, link_id: int, now_ms: int, is_doubted: bool = False) -> bool:
        """The peer acknowledges nothing on this link. True if the caller should end it at once: the peer was heard at
        another address just now, or (`is_doubted`) it dialled again. The other address is dialled after `closed`."""
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
        """Our node id is `node` from now on. The existing links have the old one: the caller closes them."""
        self._now_ms = now_ms
        self._node = self._dialling.node = node
        self._beacons.beat_at_once(now_ms)

    def has_replicas(self, replicas: Collection[str], now_ms: int) -> None:
        """The folders have these replica ids from now on. If one has a new id, the existing links have the old one: the
        caller closes them."""
        self._now_ms = now_ms
        self._replicas = tuple(replicas)

    def shares(self, folders: Sequence[str] | None, now_ms: int) -> None:
        """This node shares folders with these tags from now on: whoever had none in common may have one now."""
        self._now_ms = now_ms
        self._folders = None if folders is None else frozenset(folders)
        self._dialling.welcome_all(now_ms)
        self._beacons.beat_at_once(now_ms)

    def share_on(self, link_id: int, replicas: tuple[str, ...]) -> bool:
        """Both sides of that link share folders with these replicas of the peer from now on. False, and nothing is changed,
        if one of them is ours or that of another peer: then the link has to end, and its next HELLO decides."""
        link = self._links.get(link_id)
        if link is None:
            return False
        for replica in replicas:
            if replica in self._replicas or self._links.holder_of(replica) not in (None, link_id):
                return False
        self._links.add(link_id, link._replace(replicas=replicas))
        return True

    def tick(self, now_ms: int) -> list[Action]:
        """The actions to perform now. Call it when `next_deadline` is due; other calls do no harm."""
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
        """The time (ms) at which `tick` has something to do; maybe in the past."""
        if self._proved:
            return self._now_ms
        beacon_ms, dial_ms = self._beacons.next_ms(), self._dialling.next_ms(self._now_ms)
        return beacon_ms if dial_ms is None else min(beacon_ms, dial_ms)

    # --- beacons --------------------------------------------------------------------------------------------

    def _has_common(self, beacon: Beacon) -> bool:
        """False if the sender certainly shares no folder with us."""
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
        """A HELLO arrived with our node id or replicas of ours. `target`: the target that we dialled."""
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
        """An incoming HELLO has an id of ours. Dial its sender: a machine that really uses the id answers a fresh
        connection."""
        target = self._book.heard_of(node, now_ms)
        if target is None:
            return
        target.instance = instance
        target.heard_ms = now_ms
        target.see(spot, now_ms)
        self._dialling.dial_soon(target, now_ms, at_once=True)

    def _judge(
        self,
        node: str,
        instance: str,
        replicas: tuple[str, ...],
        address: str,
        is_ours: bool,
        is_known: bool,
        now_ms: int,
    ) -> Verdict:
        """One link per pair of nodes, and per replica. Both ends decide by the same facts except the times; where these
        differ both links may end, and the back-off brings the next one. Another instance of a connected node is either
        a restart or an impostor: the older link gets a PING, and if it is dead the next dial succeeds. The same applies
        to a node with the replica of another connected node: one of them is a copy, or the folder was moved."""
        for replica in replicas:
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
        """That node has a link, this one or an older one: note its address."""
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
