"""The brake against who wants to outwit it: a real node, and peers that say what they like."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dir_sync.core.events import Decided, PeerDown, PeerUp, Received
from dir_sync.core.messages import PROTOCOL, Acknowledge, Decision, FolderIndex, Held, Hello, State, StateRequest
from dir_sync.core.messages import Brake as BrakeNews
from dir_sync.core.model import Kind, Record, Stamp, with_change
from dir_sync.core.safeguard.brake import Limits
from dir_sync.index import Row
from tests.pair import FOLDER, Clock, OneNode

FILES = 400
LIMITS = Limits(files=100, percent=50, rewrites=100, rewrite_percent=80)


class Scene:
    """One node with 400 files."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.node = OneNode("victim", self.clock, LIMITS, None)
        for number in range(FILES):
            self.node.disk.write(b"%d" % number, b"content %d" % number)
        self.restart()
        self.counter = 10**6
        self.clock.ms += 100_000
        self.run()

    @property
    def me(self) -> str:
        return self.node.index.identity.replica

    def restart(self) -> None:
        self.node.boot()
        self.run()

    def run(self, ms: int = 6_000) -> None:
        """So long, with what is due on the way."""
        for _ in range(ms // 50):
            while self.node.turn():
                self.node.sends.clear()
            self.clock.ms += 50

    def join(self, node: str, address: str = "10.0.0.66") -> None:
        """A peer that has nothing, and says so."""
        hello = Hello(PROTOCOL, "0d" + node, node, "1", 6000, (FolderIndex(FOLDER, node, 0),))
        self.node.inbox.append(PeerUp(node, hello, address))
        self.node.inbox.append(Received(node, StateRequest(FOLDER, self.node.index.identity.replica, 0, 0)))
        self.node.inbox.append(Received(node, State(FOLDER, 0, True, ())))
        self.run(500)

    def join_as_member(self, node: str, address: str = "10.0.0.77") -> None:
        """A peer that holds what the node holds."""
        self.join(node, address)
        held = tuple((row.record.path, row.record.stamp) for row in self.rows())
        self.node.inbox.append(Received(node, Acknowledge(FOLDER, 1, held)))
        self.run(500)

    def rows(self) -> list[Row]:
        found = (self.node.index.rows.get(b"%d" % number) for number in range(FILES))
        return [row for row in found if row is not None and row.record.kind == Kind.FILE]

    def gone(self, numbers: Iterable[int], maker: str, *, counter: int | None = None) -> tuple[Record, ...]:
        """Tombstones of these files, made in knowledge of them."""
        out = []
        for number in numbers:
            row = self.node.index.rows.get(b"%d" % number)
            assert row is not None
            self.counter += 1
            made = counter or self.counter
            stamp = Stamp(self.clock.now().wall_ns, maker)
            vector = with_change(row.record.vector, maker, made)
            out.append(Record(row.record.path, Kind.ABSENT, 0, b"", 0, 0, stamp, vector))
        return tuple(out)

    def tell(self, node: str, records: tuple[Record, ...]) -> None:
        self.node.inbox.append(Received(node, State(FOLDER, self.counter, False, records)))

    def approve(self, node: str, maker: str) -> None:
        self.node.inbox.append(Received(node, Decision(FOLDER, maker, 2**62, True)))
        self.run()

    @property
    def left(self) -> int:
        return sum(kind == 1 for kind, *_ in self.node.disk.tree().values())

    @property
    def is_held(self) -> bool:
        return bool(self.node.engine.brakes.peers.held())


@pytest.fixture
def scene() -> Scene:
    return Scene()


MOST = FILES - FILES // 2 - 1  # as many may be left at the least: half of them, and what goes before it looks like much


def test_who_announces_a_disaster_cannot_approve_it(scene: Scene) -> None:
    scene.join("ee")
    scene.tell("ee", scene.gone(range(FILES), "ee"))
    scene.node.inbox.append(Received("ee", Decision(FOLDER, "ee", 2**62, True)))
    scene.run()
    assert scene.is_held
    assert scene.left > MOST
    before = scene.left
    for _ in range(3):
        scene.approve("ee", "ee")
    scene.node.inbox.append(PeerDown("ee", "lost"))
    scene.run()
    scene.join("ee")
    scene.approve("ee", "ee")
    assert scene.left == before
    assert scene.is_held


def test_an_approval_before_the_changes_counts_as_little(scene: Scene) -> None:
    scene.join("ee")
    scene.approve("ee", "ee")
    scene.tell("ee", scene.gone(range(FILES), "ee"))
    scene.run()
    assert scene.is_held
    assert scene.left > MOST


@pytest.mark.parametrize("makers", [20, 400])
def test_a_disaster_by_many_makers_is_one(scene: Scene, makers: int) -> None:
    scene.join("ee")
    for number in range(makers):
        some = range(number * FILES // makers, (number + 1) * FILES // makers)
        scene.tell("ee", scene.gone(some, f"{number:04x}"))
        scene.run(50)
    scene.run()
    assert scene.is_held
    assert scene.left > MOST
    for maker in list(scene.node.engine.brakes.peers.held())[:5]:
        scene.approve("ee", maker)
    assert scene.left > MOST


def test_the_victim_itself_as_the_maker(scene: Scene) -> None:
    scene.join("ee")
    scene.tell("ee", scene.gone(range(FILES), scene.me))
    scene.run()
    assert scene.is_held
    assert scene.left > MOST
    scene.approve("ee", scene.me)
    assert scene.left > MOST


def test_a_maker_as_of_a_first_scan(scene: Scene) -> None:
    scene.join("ee")
    scene.tell("ee", scene.gone(range(FILES), "=0123456789abcdef01234567"))
    scene.run()
    assert scene.is_held
    assert scene.left > MOST


def test_a_maker_that_was_approved_once(scene: Scene) -> None:
    """Somebody has cleaned up, and that was approved here. Nobody else gets anything through in their name."""
    scene.join_as_member("aa")
    scene.tell("aa", scene.gone(range(250), "aa"))
    scene.run()
    assert scene.is_held
    scene.node.inbox.append(Decided(True))
    scene.run()
    assert scene.left == FILES - 250
    scene.clock.ms += 100_000
    for number in range(FILES):
        scene.node.disk.write(b"%d" % number, b"again %d" % number)
    scene.restart()
    scene.clock.ms += 100_000
    scene.run()
    scene.join("ee")
    scene.tell("ee", scene.gone(range(FILES), "aa", counter=10**6 + 250))
    scene.run()
    assert scene.is_held
    assert scene.left > MOST


def test_one_attacker_that_comes_again_under_new_ids(scene: Scene) -> None:
    """Each of them stays below any limit."""
    for number in range(40):
        node = f"{number:04x}"
        scene.join(node)
        scene.tell(node, scene.gone(range(number * 10, number * 10 + 10), node))
        scene.run(200)
        scene.node.inbox.append(PeerDown(node, "lost"))
        scene.run(100)
    scene.run()
    assert scene.is_held
    assert scene.left > MOST


@pytest.mark.parametrize("address", ["10.0.0.66", "10.0.0.67"])
def test_two_attackers(scene: Scene, address: str) -> None:
    """One announces, the other one approves: from the same machine, or as a stranger that shares nothing with us."""
    scene.join("ee", "10.0.0.66")
    scene.join("ff", address)
    scene.tell("ee", scene.gone(range(FILES), "ee"))
    scene.run()
    before = scene.left
    scene.approve("ff", "ee")
    scene.tell("ff", scene.gone(range(FILES), "ff"))
    scene.run()
    scene.approve("ee", "ff")
    scene.approve("ff", "ee")
    assert scene.left == before > MOST


def test_a_slow_drip(scene: Scene) -> None:
    """Forty files a minute, twice as slow as what is judged together: that is everything in ten minutes."""
    scene.join("ee")
    for number in range(FILES // 4):
        scene.tell("ee", scene.gone(range(number * 4, number * 4 + 4), "ee"))
        scene.run(1_000)
        scene.clock.ms += 5_000
    scene.run()
    assert scene.is_held
    assert scene.left >= FILES // 2 - 5


def test_our_own_losses_are_not_approved_by_strangers(scene: Scene) -> None:
    for number in range(FILES):
        scene.node.disk.move(b"%d" % number, b".dir_sync/%d" % number)
    scene.restart()
    brake = scene.node.engine.brakes.own
    assert len(brake.held) == FILES
    scene.join("ee")
    scene.node.inbox.append(Received("ee", Decision(FOLDER, scene.me, brake.counter, True)))
    scene.run()
    assert len(brake.held) == FILES
    scene.node.inbox.append(Received("ee", Decision(FOLDER, scene.me, brake.counter, False)))
    scene.run()
    assert len(brake.held) == FILES, "nor rejected: what is missing would be forgotten"


def test_a_person_at_a_third_machine_approves(scene: Scene) -> None:
    scene.join_as_member("cc", "10.0.0.3")
    scene.join_as_member("aa", "10.0.0.1")
    scene.tell("aa", scene.gone(range(300), "aa"))
    scene.run()
    assert scene.is_held
    scene.approve("aa", "aa")
    assert scene.is_held
    scene.approve("cc", "aa")
    assert not scene.is_held
    assert scene.left == FILES - 300


def test_what_a_third_machine_approved_while_we_were_away(scene: Scene) -> None:
    """Its word comes first; what it approved is told by its maker and by itself."""
    scene.join_as_member("cc", "10.0.0.3")
    scene.join_as_member("aa", "10.0.0.1")
    gone = scene.gone(range(300), "aa")
    scene.approve("cc", "aa")
    scene.tell("aa", gone)
    scene.tell("cc", gone)
    scene.run()
    assert not scene.is_held
    assert scene.left == FILES - 300


def test_a_person_here_approves_what_came_through_a_hub(scene: Scene) -> None:
    """And what is still on its way by then."""
    scene.join_as_member("dd", "10.0.0.4")
    scene.tell("dd", scene.gone(range(250), "aa"))
    scene.run()
    assert scene.is_held
    scene.node.inbox.append(Decided(True))
    scene.run()
    assert scene.left == FILES - 250
    assert not scene.is_held


def test_whoever_brought_it_may_take_it_back(scene: Scene) -> None:
    scene.join("aa", "10.0.0.1")
    scene.tell("aa", scene.gone(range(FILES), "aa"))
    scene.run()
    scene.node.inbox.append(Received("aa", Decision(FOLDER, "aa", 2**62, False)))
    scene.run()
    assert not scene.is_held
    assert all(row.record.stamp.maker == scene.me for row in scene.rows()), "above what was announced"


def test_others_go_on_while_one_is_held(scene: Scene) -> None:
    scene.join_as_member("cc", "10.0.0.3")
    scene.join("ee")
    scene.tell("ee", scene.gone(range(100, FILES), "ee"))
    scene.run()
    assert scene.is_held
    before = scene.left
    scene.tell("cc", scene.gone(range(5), "cc"))
    scene.run(3_000)
    assert scene.left == before - 5


def test_what_was_held_is_held_after_a_restart(scene: Scene) -> None:
    scene.join("ee")
    scene.tell("ee", scene.gone(range(FILES), scene.me))
    scene.run()
    before = scene.left
    scene.restart()
    assert scene.is_held
    scene.join("ee")
    scene.approve("ee", scene.me)
    assert scene.left == before


def test_losses_of_a_peer_that_are_approved_here(scene: Scene) -> None:
    """It holds them itself, and says so; once a person here has approved them, they come, and no more than that."""
    scene.join_as_member("aa", "10.0.0.1")
    news = BrakeNews(FOLDER, (Held("aa", 7, 250, b"0"),))
    scene.node.inbox.append(Received("aa", news))
    scene.run()
    scene.node.inbox.append(Decided(True))
    scene.run()
    scene.tell("aa", scene.gone(range(250), "aa"))
    scene.run()
    assert scene.left == FILES - 250
    scene.tell("aa", scene.gone(range(250, FILES), "aa"))
    scene.run()
    assert scene.left > 50


def test_what_a_third_node_removes_itself_is_its_own_change(scene: Scene) -> None:
    """As when a person there approved some of the held paths: these go here, too. The others stay held."""
    scene.join_as_member("aa", "10.0.0.1")
    scene.join_as_member("cc", "10.0.0.3")
    scene.tell("aa", scene.gone(range(300), "aa"))
    scene.run()
    assert scene.is_held
    before = scene.left
    held = [int(path) for paths in scene.node.engine.brakes.peers.held().values() for path in paths]
    scene.tell("cc", scene.gone(held[:5], "cc"))
    scene.run()
    assert scene.left == before - 5
    assert scene.is_held
    scene.restart()
    scene.run()
    assert scene.is_held
    assert scene.left == before - 5


def test_peers_hear_that_nothing_is_held_any_more_when_a_third_node_removes_the_rest_itself(scene: Scene) -> None:
    """As when a person here rejected most of it, and one there approved what was left."""
    scene.join_as_member("aa", "10.0.0.1")
    scene.join_as_member("cc", "10.0.0.3")
    scene.tell("aa", scene.gone(range(300), "aa"))
    scene.run()
    held = [int(path) for paths in scene.node.engine.brakes.peers.held().values() for path in paths]
    scene.node.inbox.append(Decided(False, tuple(b"%d" % number for number in held[5:])))
    scene.run()
    assert [one.files for one in scene.node.engine.brakes.published] == [5]
    scene.tell("cc", scene.gone(held[:5], "cc"))
    scene.run()
    assert not scene.is_held
    assert scene.node.engine.brakes.published == ()


@pytest.mark.parametrize("address", ["10.0.0.66", "10.0.0.67"])
def test_a_second_id_gets_no_disaster_through_that_is_held(scene: Scene, address: str) -> None:
    scene.join("ee", "10.0.0.66")
    scene.join("ff", address)
    scene.tell("ee", scene.gone(range(FILES), "ee"))
    scene.run()
    scene.tell("ff", scene.gone(range(FILES), "ff"))
    scene.run()
    assert scene.is_held
    assert scene.left > MOST
