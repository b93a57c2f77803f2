"""Worlds of 3 to 7 machines in which some are stolen, some are removed and some are off.

A thief has all that a stolen machine had. It acts as that machine, as identities that it makes up with any key it ever
held, and, where a world allows it, with keys of its own. After each step no thief may hold a key that was made against it.
At the end all machines are on and meet: whoever has another key than the others has told its people so.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from dir_sync.core import charters, membership
from dir_sync.core.membership import Charter, Gate, Meeting, Member, Membership
from dir_sync.core.model import PeerError

__all__ = ["Broken", "Node", "World", "liveness", "play"]


class Broken(AssertionError):
    """A promise was broken in this world."""


def gate_of(key: str) -> bytes:
    return bytes.fromhex(key) * 2


@dataclass
class Node:
    state: Membership
    name: str
    is_on: bool = True
    is_stolen: bool = False
    told_people: set[str] = field(default_factory=set)  # that it cannot talk to these

    @property
    def me(self) -> str:
        return self.state.me

    @property
    def key(self) -> str:
        return self.state.charter.key

    def gates(self) -> list[str]:
        return [self.key, *(gate.key for gate in self.state.older)]

    def as_member(self) -> Member:
        return Member(self.me, self.name, self.state.role)


@dataclass
class Thief:
    """Whoever has the copy of one machine, and all that it got with that."""

    origin: str  # the identity of the stolen machine
    identities: set[str]
    charters: dict[str, Charter]  # of the keys that it holds, by key
    gates: set[str]  # keys whose gates it has: those and older ones


class World:
    def __init__(
        self,
        seed: int,
        machines: int | None = None,
        met_share: float = 0.8,
        own_keys: bool = False,
        readers: float = 0.1,
    ) -> None:
        self.rng = random.Random(seed)
        self.own_keys = own_keys
        self.made_by_thieves: set[str] = set()  # keys: what is made against whom there, nobody promised
        self.thieves: list[Thief] = []
        count = machines or self.rng.randint(3, 7)
        first = self.fresh()
        founder = self.fresh()
        charter = Charter(1, first, {founder: Member(founder, "m0", "rw")}, frozenset())
        self.nodes = [Node(Membership(founder, "rw", charter), "m0")]
        for number in range(1, count):
            self.admit(self.rng.choice(self.nodes), f"m{number}", "ro" if self.rng.random() < readers else "rw")
        for number, a in enumerate(self.nodes):
            for b in self.nodes[number + 1 :]:
                if self.rng.random() < met_share:
                    self.meet(a, b)

    def fresh(self) -> str:
        return f"{self.rng.getrandbits(128):032x}"

    # --- what honest machines do ----------------------------------------------------------------------------------------

    def admit(self, host: Node, name: str, role: str, by_code: bool = True) -> Node | None:
        """A machine joins: by a code of `host`, or with the key alone."""
        if host.state.role != "rw" and role == "rw":
            return None
        me = self.fresh()
        guest = Node(Membership(me, role, host.state.charter, host.state.older), name)
        member = Member(me, name, role, by=host.me if by_code else "")
        if by_code:
            host.state = membership.met(host.state, member)
            guest.state = membership.met(guest.state, host.as_member())
            guest.state = membership.heard_of(guest.state, host.state.everybody().values())
        self.nodes.append(guest)
        return guest

    def remove(self, at: Node, lost: set[str]) -> None:
        """A person at one machine, who knows which machines there are, and these thefts."""
        if at.state.role != "rw":
            return
        known = at.state.everybody()
        honest = {node.me for node in self.nodes}
        strange = {identity for identity in known if identity not in honest}
        key = self.fresh()
        charter = membership.leave_out(at.state, lost | strange, set(known), key)
        at.state = membership.taken(at.state, charter, gate_of(at.key), ())

    def meet(self, a: Node, b: Node) -> None:
        """Both sides by their own rules, as on a link under the latest gate that both have."""
        if not (a.is_on and b.is_on):
            return
        common = [gate for gate in a.gates() if gate in b.gates()]
        if not common:
            a.told_people.add(b.key), b.told_people.add(a.key)
            return
        gate = common[0]
        at_a = membership.meet(a.state, b.me, b.key, gate)
        at_b = membership.meet(b.state, a.me, a.key, gate)
        match at_a, at_b:
            case Meeting.TALK, Meeting.TALK:
                for x, y in ((a, b), (b, a)):
                    x.state = membership.met(x.state, y.as_member())
                    x.state = membership.heard_of(x.state, y.state.everybody().values())
            case Meeting.GIVE, Meeting.TAKE:
                self.hand_over(a, b)
            case Meeting.TAKE, Meeting.GIVE:
                self.hand_over(b, a)
            case Meeting.MERGE, Meeting.TELL:
                self.merge(a, b)
            case Meeting.TELL, Meeting.MERGE:
                self.merge(b, a)
            case _:
                a.told_people.add(b.key)
                b.told_people.add(a.key)

    def hand_over(self, giver: Node, taker: Node) -> None:
        charter = giver.state.charter
        if membership.is_new_key_good(taker.state, giver.me, charter):
            taker.state = membership.taken(taker.state, charter, gate_of(taker.key), giver.state.older)
        else:
            taker.told_people.add(giver.key)
            giver.told_people.add(taker.key)

    def merge(self, maker: Node, teller: Node) -> None:
        theirs = teller.state
        charter = membership.merged(maker.state, teller.me, theirs.charter, self.fresh())
        if charter is None:
            maker.told_people.add(teller.key)
            teller.told_people.add(maker.key)
            return
        older = [*theirs.older, Gate(theirs.charter.generation, theirs.charter.key, gate_of(theirs.charter.key))]
        maker.state = membership.taken(maker.state, charter, gate_of(maker.key), older)
        self.hand_over(maker, teller)

    # --- what thieves do --------------------------------------------------------------------------------------------------

    def steal(self, node: Node) -> None:
        node.is_stolen = True
        charter = node.state.charter
        self.thieves.append(Thief(node.me, {node.me}, {charter.key: charter}, set(node.gates())))

    def act(self, thief: Thief) -> None:
        """A thief meets a machine: under one of its gates, as somebody, with the key that suits it."""
        target = self.rng.choice(self.nodes)
        if not target.is_on:
            return
        if self.rng.random() < 0.3:
            thief.identities.add(self.fresh())
        me = self.rng.choice(sorted(thief.identities))
        gates = [gate for gate in target.gates() if gate in thief.gates]
        if not gates:
            return
        gate = self.rng.choice(gates)
        claimed = self.rng.choice([*sorted(thief.gates), self.fresh()])
        match membership.meet(target.state, me, claimed, gate):
            case Meeting.TALK:
                if claimed in thief.charters:  # the proof of its role
                    target.state = membership.met(target.state, Member(me, "x", target.state.role))
                    made_up = [Member(one, "y", "rw", by=me) for one in sorted(thief.identities)]
                    target.state = membership.heard_of(target.state, made_up)
            case Meeting.GIVE:
                self.gets(thief, target)
            case Meeting.TAKE if self.own_keys:
                self.hand_out(thief, target, me, list(target.state.everybody().values()))
            case Meeting.MERGE:
                mine = target.state.charter
                members = {one: Member(one, "z", "rw") for one in [*mine.members, *sorted(thief.identities)]}
                theirs = Charter(self.rng.randint(1, 9), claimed, members, frozenset())
                charter = membership.merged(target.state, me, theirs, self.fresh())
                if charter is not None:
                    target.state = membership.taken(target.state, charter, gate_of(target.key), ())
                    self.gets(thief, target)
            case Meeting.TELL if self.own_keys:
                self.hand_out(thief, target, me, list(target.state.charter.members.values()))
            case _:
                pass

    def gets(self, thief: Thief, target: Node) -> None:
        thief.charters[target.key] = target.state.charter
        thief.gates |= set(target.gates())

    def hand_out(self, thief: Thief, target: Node, me: str, members: list[Member]) -> None:
        """A key of the thief's own making."""
        own = Member(me, "x", "rw")
        wanted = {one.identity: one for one in [*members, own, Member(target.me, target.name, target.state.role)]}
        removed = target.state.charter.removed if self.rng.random() < 0.5 else frozenset[str]()
        made_up = frozenset(self.fresh() for _ in range(self.rng.choice([0, 0, membership.REMOVED_MAX])))
        top = membership.GENERATION_MAX
        now = target.state.charter.generation
        generation = min(top, now + self.rng.choice([1, 1, 2, membership.GENERATIONS_AHEAD_MAX, top - now]))
        charter = Charter(generation, self.fresh(), wanted, removed | made_up)
        gates = [Gate(generation - 1, one, gate_of(one)) for one in (self.fresh() for _ in range(8))]
        if membership.is_new_key_good(target.state, me, charter):
            self.made_by_thieves.add(charter.key)
            before = target.key
            target.state = membership.taken(target.state, charter, gate_of(before), gates)
            if target.state.role == "rw":
                self.check_may_remove(target, before)
            self.gets(thief, target)

    # --- the promises -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        for thief in self.thieves:
            for key, charter in thief.charters.items():
                if key not in self.made_by_thieves and thief.origin in charter.removed:
                    raise Broken(f"a thief holds the key {key[:8]}, which was made against it")

    def check_may_remove(self, node: Node, before: str) -> None:
        """It took a key of a thief's own. It still meets those that have the key of `before`, a person there can still make
        a key, and what is kept of that can be read again."""
        charter = membership.leave_out(node.state, {self.fresh()}, node.state.everybody(), self.fresh())
        after = membership.taken(node.state, charter, gate_of(node.key), ())
        try:
            charters.charter_from_json(charters.charter_to_json(after.charter))
            charters.gates_from_json(charters.gates_to_json(after.older))
        except PeerError as error:
            raise Broken(f"{node.name} can make no key any more: {error}") from None
        if before not in [gate.key for gate in after.older]:
            raise Broken(f"{node.name} does not meet any more who has its key of before")

    def check_told(self) -> None:
        """Whoever has another key than a machine that it met has said so."""
        honest = [node for node in self.nodes if not node.is_stolen]
        for a in honest:
            for b in honest:
                if a.key != b.key and b.key not in a.told_people:
                    raise Broken(f"{a.name} and {b.name} have different keys, and nobody was told")


def play(seed: int, own_keys: bool = False) -> None:
    """One world. Raises Broken."""
    world = World(seed, own_keys=own_keys)
    rng = world.rng
    for _ in range(rng.randint(30, 150)):
        node = rng.choice(world.nodes)
        chance = rng.random()
        if chance < 0.10:
            node.is_on = not node.is_on
        elif chance < 0.13:
            if not node.is_stolen and sum(not one.is_stolen for one in world.nodes) > 2:
                world.steal(node)
        elif chance < 0.17:
            thefts = [thief.origin for thief in world.thieves]
            if thefts and not node.is_stolen:
                world.remove(node, set(rng.sample(thefts, rng.randint(1, len(thefts)))))
        elif chance < 0.19:
            if len(world.nodes) < 9 and not node.is_stolen:
                world.admit(node, f"m{len(world.nodes)}", "rw", by_code=rng.random() < 0.7)
        elif chance < 0.55 and world.thieves:
            world.act(rng.choice(world.thieves))
        else:
            world.meet(node, rng.choice([one for one in world.nodes if one is not node]))
        world.check()
    for node in world.nodes:
        node.is_on = True
    honest = [node for node in world.nodes if not node.is_stolen]
    for thief in world.thieves:
        for _ in range(3):
            world.act(thief)
    for _ in range(20):
        before = [node.key for node in honest]
        _all_meet(world, honest)
        world.check()
        if before == [node.key for node in honest]:
            break
    else:
        raise Broken("the keys do not come to rest")
    world.check_told()


def liveness(seed: int, removals: int, at_once: bool) -> bool:
    """An ordinary LAN: all have met, `removals` machines are removed, in a row or at the same time on machines that do not
    see each other. True if the rest ends on one key."""
    world = World(seed, machines=random.Random(seed).randint(3 + removals, 8), met_share=1.0, readers=0.0)
    rng = world.rng
    for _ in range(2):
        for a in world.nodes:
            for b in world.nodes:
                if a is not b:
                    world.meet(a, b)
    # From the second key on each machine is on the list.
    world.remove(world.nodes[0], set())
    _all_meet(world, world.nodes)
    lost = rng.sample(world.nodes, removals)
    rest = [node for node in world.nodes if node not in lost]
    for node in rest:
        node.is_on = rng.random() < 0.6
    makers = rng.sample(rest, min(removals, len(rest)))
    for number, one in enumerate(lost):
        world.remove(makers[number % len(makers)] if at_once else makers[0], {one.me})
    if not at_once:
        _all_meet(world, [node for node in rest if node.is_on])
    for node in rest:
        node.is_on = True
    for _ in range(3):
        _all_meet(world, rest)
    return len({node.key for node in rest}) == 1


def _all_meet(world: World, nodes: list[Node]) -> None:
    for a in nodes:
        for b in nodes:
            if a is not b:
                world.meet(a, b)
