"""Rosters in worlds of two and more nodes, in a network that loses, delays and cuts."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dir_sync.core.peers.beacon import Beacon
from dir_sync.core.peers.roster import Accept, Action, Announce, Dial, NewIdentity, Refuse, Roster
from tests.core.peers.roster_tools import PORT, connected_nodes


class Pipe:
    """One TCP connection: an open end at each side, or none any more."""

    def __init__(self, dialler: Person, acceptor: Person) -> None:
        self.sides = (dialler, acceptor)
        self.ends: dict[Person, int] = {}
        self.greeted: set[Person] = set()

    def other(self, person: Person) -> Person:
        return self.sides[1] if person is self.sides[0] else self.sides[0]


class Person:
    """One process: a roster, and what a daemon would do for it."""

    def __init__(self, world: World, node: str, host: str, fixed: tuple[tuple[str, int], ...]) -> None:
        self.world = world
        self.node = node
        self.host = host
        self.fixed = fixed
        self.is_up = False
        self.start()

    def start(self) -> None:
        self.is_up = True
        self.instance = f"{self.world.rng.getrandbits(64):x}"
        self.roster = Roster(self.node, self.instance, self.world.rng, self.world.now_ms, self.fixed)
        self.pipes: dict[int, Pipe] = {}
        self.accepted: set[int] = set()
        self.dial_count = 0

    def stop(self) -> None:
        self.is_up = False
        for link_id in list(self.pipes):
            self.close(link_id, "eof", tell=False)

    def perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Announce(ask):
                    self.world.broadcast(self, Beacon(self.node, self.instance, PORT, ask))
                case Dial(host, port):
                    self.dial_count += 1
                    self.world.connect(self, host, port)
                case NewIdentity():
                    self.node = f"{self.world.rng.getrandbits(64):x}"
                    self.roster.rename(self.node, self.world.now_ms)
                    for link_id in sorted(self.pipes):
                        self.close(link_id, "new-identity")

    def open(self, pipe: Pipe, link_id: int) -> None:
        self.pipes[link_id] = pipe
        pipe.ends[self] = link_id
        self.world.after(5_000, self, lambda: self.give_up(link_id))

    def give_up(self, link_id: int) -> None:
        if link_id in self.pipes and self not in self.pipes[link_id].greeted:
            self.close(link_id, "timeout")

    def greet(self, pipe: Pipe, node: str, instance: str) -> None:
        """The other side's HELLO has arrived."""
        link_id = pipe.ends.get(self)
        if link_id is None:
            return
        pipe.greeted.add(self)
        verdict = self.roster.hello(
            link_id, node, instance, self is pipe.sides[0], pipe.other(self).host, PORT, self.world.now_ms
        )
        match verdict:
            case Accept(closing):
                self.accepted.add(link_id)
                if closing is not None:
                    self.close(closing, "duplicate")
            case Refuse(reason, _, actions):
                self.close(link_id, reason)
                self.perform(actions)

    def close(self, link_id: int, reason: str, tell: bool = True) -> None:
        pipe = self.pipes.pop(link_id, None)
        if pipe is None:
            return
        del pipe.ends[self]
        self.accepted.discard(link_id)
        if tell:
            self.roster.closed(link_id, self.world.now_ms, reason)
        self.world.hang_up(pipe, self, reason)


class World:
    """Time, and a network that can be bad."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ms = 0
        self.people: list[Person] = []
        self.news: list[tuple[int, int, Person, str, Callable[[], None]]] = []
        self.count = 0
        self.loss = 0.0
        self.delay_ms = 1
        self.is_cut = False
        self.deaf: set[str] = set()  # hosts that hear no beacon
        self.walled: set[str] = set()  # hosts that nobody can dial

    def add(self, node: str, fixed: tuple[tuple[str, int], ...] = ()) -> Person:
        person = Person(self, node, f"10.0.0.{len(self.people) + 1}", fixed)
        self.people.append(person)
        return person

    def after(self, wait_ms: int, person: Person, act: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.news, (self.now_ms + wait_ms, self.count, person, person.instance, act))

    def some_ms(self) -> int:
        return self.rng.randint(0, self.delay_ms)

    def broadcast(self, sender: Person, sent: Beacon) -> None:
        for person in self.people:
            if person is sender or self.is_cut or person.host in self.deaf or not person.is_up:
                continue
            if self.rng.random() < self.loss:
                continue

            def deliver(person: Person = person) -> None:
                person.perform(person.roster.heard(sent, sender.host, self.now_ms))

            self.after(self.some_ms(), person, deliver)

    def connect(self, dialler: Person, host: str, port: int) -> None:
        def arrive() -> None:
            target = next((p for p in self.people if p.host == host and p.is_up), None)
            if self.is_cut or target is None or host in self.walled or port != PORT:
                wait_ms = 3_000 if self.is_cut else self.some_ms()
                self.after(wait_ms, dialler, lambda: dialler.roster.dialled(host, port, None, self.now_ms))
                return
            self.count += 2
            pipe = Pipe(dialler, target)
            link_id = self.count
            dialler.roster.dialled(host, port, link_id, self.now_ms)
            dialler.open(pipe, link_id)
            target.open(pipe, link_id - 1)
            for side in pipe.sides:
                self.say_hello(pipe, side)

        self.after(self.some_ms(), dialler, arrive)

    def say_hello(self, pipe: Pipe, side: Person) -> None:
        node, instance, other = side.node, side.instance, pipe.other(side)

        def arrive() -> None:
            if not self.is_cut:
                other.greet(pipe, node, instance)

        self.after(self.some_ms(), other, arrive)

    def hang_up(self, pipe: Pipe, side: Person, reason: str) -> None:
        """The other end hears of it, or times out."""
        other = pipe.other(side)
        link_id = pipe.ends.get(other)
        if link_id is not None:
            wait_ms = 30_000 if self.is_cut else self.some_ms()
            why = "timeout" if self.is_cut else reason
            self.after(wait_ms, other, lambda: other.close(link_id, why))

    def run(self, for_ms: int) -> None:
        until_ms = self.now_ms + for_ms
        while True:
            at_ms = self.news[0][0] if self.news else until_ms
            ticks = [(p.roster.next_deadline(), n) for n, p in enumerate(self.people) if p.is_up]
            tick_ms = max(self.now_ms, min(ticks)[0]) if ticks else until_ms
            if min(at_ms, tick_ms) >= until_ms:
                self.now_ms = until_ms
                return
            if at_ms <= tick_ms:
                self.now_ms, _, person, instance, act = heapq.heappop(self.news)
                if person.is_up and person.instance == instance:
                    act()
            else:
                self.now_ms = tick_ms
                person = self.people[min(ticks)[1]]
                person.perform(person.roster.tick(self.now_ms))

    def check_pair(self, one: Person, two: Person) -> Pipe:
        """Exactly one link, the same one at both ends, and both rosters know it."""
        assert len(one.pipes) == len(two.pipes) == 1
        (mine,), (theirs,) = one.pipes.values(), two.pipes.values()
        assert mine is theirs
        assert one.accepted == set(one.pipes)
        assert two.accepted == set(two.pipes)
        assert connected_nodes(one.roster) == [two.node]
        assert connected_nodes(two.roster) == [one.node]
        return mine


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("delay_ms", [1, 30])
def test_two_that_start_are_linked_within_a_quarter_of_a_second(seed: int, delay_ms: int) -> None:
    world = World(seed)
    world.delay_ms = delay_ms
    one = world.add(f"{world.rng.getrandbits(64):x}")
    world.run(5_000)
    two = world.add(f"{world.rng.getrandbits(64):x}")
    world.run(250)
    world.check_pair(one, two)


@pytest.mark.parametrize("seed", range(300))
def test_two_that_dial_at_the_same_time_end_with_one_link(seed: int) -> None:
    world = World(seed)
    world.delay_ms = world.rng.choice([1, 10, 300, 3_000])
    one = world.add("1111", fixed=(("10.0.0.2", PORT),))
    two = world.add("2222", fixed=(("10.0.0.1", PORT),))
    world.run(10_000)
    world.delay_ms = 20
    world.run(90_000)
    pipe = world.check_pair(one, two)
    world.run(60_000)
    assert world.check_pair(one, two) is pipe


@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_that_starts_at_once_is_fully_linked_soon(seed: int) -> None:
    world = World(seed)
    world.delay_ms = 20
    count = 30
    for _ in range(count):
        world.add(f"{world.rng.getrandbits(64):x}")
    world.run(3_000)
    for person in world.people:
        assert len(person.accepted) == len(person.pipes) == count - 1
    assert sum(person.dial_count for person in world.people) < count * (count - 1) / 2 * 1.2


def test_only_the_larger_can_dial() -> None:
    world = World(1)
    one, two = world.add("1111"), world.add("2222")
    world.walled.add(two.host)
    world.run(2_000)
    world.check_pair(one, two)


@pytest.mark.parametrize("deaf", [0, 1])
def test_only_one_hears_the_other(deaf: int) -> None:
    world = World(1)
    one, two = world.add("1111"), world.add("2222")
    world.deaf.add(world.people[deaf].host)
    world.run(2_000)
    world.check_pair(one, two)


@pytest.mark.parametrize("seed", range(20))
def test_clones_get_apart(seed: int) -> None:
    world = World(seed)
    world.delay_ms = 20
    one, two, three = world.add("1111"), world.add("1111"), world.add("2222")
    world.run(20_000)
    assert one.node != two.node
    assert sorted([one.node, two.node])[0] == "1111" or "1111" in (one.node, two.node)
    for person in (one, two, three):
        others = sorted(other.node for other in world.people if other is not person)
        assert connected_nodes(person.roster) == others
        assert len(person.pipes) == 2


class Pair(RuleBasedStateMachine):
    """Two nodes, whatever happens to them; once the network is sound there is one link, and it stays."""

    @initialize(
        seed=st.integers(0, 2**32),
        ids=st.sampled_from([("1111", "2222"), ("2222", "1111"), ("1111", "1111")]),
        fixed=st.sampled_from([(False, False), (True, False), (False, True), (True, True)]),
    )
    def begin(self, seed: int, ids: tuple[str, str], fixed: tuple[bool, bool]) -> None:
        self.world = World(seed)
        self.one = self.world.add(ids[0], ((("10.0.0.2", PORT),) if fixed[0] else ()))
        self.two = self.world.add(ids[1], ((("10.0.0.1", PORT),) if fixed[1] else ()))
        self.fixed = fixed
        self.times = 0

    @rule(for_ms=st.sampled_from([0, 1, 50, 260, 700, 1_900, 2_100, 5_000, 31_000]))
    def wait(self, for_ms: int) -> None:
        self.world.run(for_ms)

    @rule(delay_ms=st.sampled_from([0, 5, 200, 2_500, 6_000]), loss=st.sampled_from([0.0, 0.3, 1.0]))
    def weather(self, delay_ms: int, loss: float) -> None:
        self.world.delay_ms, self.world.loss = delay_ms, loss

    @rule(is_cut=st.booleans())
    def cut(self, is_cut: bool) -> None:
        self.world.is_cut = is_cut

    @rule(who=st.integers(0, 1))
    def restart(self, who: int) -> None:
        self.world.people[who].stop()
        self.world.people[who].start()

    @rule(who=st.integers(0, 1), reason=st.sampled_from(["eof", "timeout", "protocol-error"]))
    def break_links(self, who: int, reason: str) -> None:
        person = self.world.people[who]
        for link_id in list(person.pipes):
            person.close(link_id, reason)

    @rule(who=st.sampled_from([(), (0,), (1,)]))
    def wall(self, who: tuple[int, ...]) -> None:
        self.world.walled = {self.world.people[number].host for number in who}

    @rule(who=st.sampled_from([(), (0,), (1,), (0, 1)]))
    def deafen(self, who: tuple[int, ...]) -> None:
        self.world.deaf = {self.world.people[number].host for number in who}

    @precondition(lambda self: self.times < 3)
    @rule()
    def settle(self) -> None:
        self.times += 1
        world = self.world
        world.is_cut, world.delay_ms, world.loss = False, 20, 0.05
        # Somebody must be able to know of the other, and to reach it.
        knows = [fixed or self.world.people[who].host not in world.deaf for who, fixed in enumerate(self.fixed)]
        reaches = [world.people[1 - who].host not in world.walled for who in (0, 1)]
        if not any(know and reach for know, reach in zip(knows, reaches, strict=True)):
            world.deaf.clear()
        world.run(150_000)
        pipe = world.check_pair(self.one, self.two)
        world.run(60_000)
        assert world.check_pair(self.one, self.two) is pipe
        assert self.one.node != self.two.node

    @invariant()
    def never_more_than_one_accepted(self) -> None:
        for person in self.world.people:
            assert len(person.accepted) <= 1
            assert len(connected_nodes(person.roster)) == len(person.accepted)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.times = 0
            self.settle()


TestPair = Pair.TestCase
TestPair.settings = settings(stateful_step_count=25, deadline=None)
