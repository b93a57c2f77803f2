"""Connected peers: who is greeted, whose link gives way, what the engine and people are told."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from dir_sync.core.events import PeerDown, PeerUp
from dir_sync.core.keys import Role
from dir_sync.core.link_handshake import Member
from dir_sync.core.messages import MemberRow, Members, Ping
from dir_sync.core.overload.fairness import Flow
from dir_sync.core.peers.beacon import Beacon, folder_tags
from dir_sync.core.peers.roster import Roster
from dir_sync.daemon.links import ConnectedPeers
from dir_sync.network.node_id import NodeId
from dir_sync.network.outbox import Outbound
from dir_sync.node_manager import Dialled, HelloReceived
from tests.daemon.standins import FOLDER, NOW, Folder, Link, Manager, config, hello, replica_of

ME, BOB, CAROL = "aa" * 8, "bb" * 8, "cc" * 8  # nodes
BOBS, CAROLS = replica_of(BOB), replica_of(CAROL)
INSTANCE = "5"
TAGS = folder_tags([FOLDER])


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dir_sync")


class Bench:
    def __init__(self, peers: tuple[tuple[str, int], ...] = (), mesh: Mesh | None = None) -> None:
        self.folder = Folder()
        self.mesh = mesh
        self.manager = Manager()
        self.beacons: list[bool] = []
        self.node_id = NodeId("/shared", Random(1))
        self.node_id.value = ME
        replica = self.folder.index.replica
        roster = Roster(ME, INSTANCE, Random(1), NOW.mono_ms, peers, TAGS, replica)
        self.peers = ConnectedPeers(
            config(peers=peers), self.folder.share, self.node_id, self.manager, roster, self.beacons.append, mesh
        )  # fmt: skip

    def connect(self, link: int = 1, node: str = BOB, dialled: bool = False, **more: Any) -> Link:
        made = Link(link, "10.0.0.2", dialled)
        self.peers.on_hello(HelloReceived(made.node, hello(node, **more)), NOW)
        return made

    @property
    def events(self) -> list[object]:
        """The engine's, without the connection, which is another one each time."""
        events = self.folder.engine.events
        return [one._replace(connection=None) if isinstance(one, PeerUp) else one for one in events]


def test_a_peer_comes_and_goes(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bob = bench.connect()
    assert bench.peers.links == {BOBS: bob}
    assert bench.peers.is_link(bob.node)
    bench.peers.on_end(bob.node, "bye", "", NOW)
    assert not bench.peers.links
    assert bench.events == [PeerUp(BOBS, hello(BOB), "10.0.0.2"), PeerDown(BOBS, "bye")]
    assert bench.folder.workers.left == [Flow("10.0.0.2", BOBS)], "what it asked for is not done any more"
    assert bench.peers.name_of(BOBS) == b"bob", "its name is known when it is here no more"
    assert bench.peers.name_of(CAROLS) == CAROLS[:8].encode()
    assert [line.partition(" (")[0] for line in caplog.messages] == ["found bob", "lost bob"]
    assert caplog.messages[1].endswith("at 10.0.0.2: it stopped")


class Mesh:
    """A closed mesh that notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[Members] = []
        self.gone: list[str] = []

    def greeted(self, member: Member, name: str) -> Members:
        return Members(())

    def told(self, members: Members) -> None:
        self.heard.append(members)

    def parted(self, identity: str) -> None:
        self.gone.append(identity)

    def may_write(self, member: Member) -> bool:
        return member.role is Role.READ_WRITE


def test_what_a_read_only_member_tells_of_others_is_not_believed() -> None:
    """It could name an identity of its own as one that may write: the next key would be made for that one, too."""
    bench = Bench(mesh=Mesh())
    mesh = bench.mesh
    assert mesh is not None
    rows = Members((MemberRow("e" * 32, "tablet", "rw", 0, ""),))
    for role, expected in ((Role.READ_ONLY, []), (Role.READ_WRITE, [rows])):
        bob = Link(1, "10.0.0.2", False)
        bob.member = Member("b" * 32, role)
        bench.peers.on_hello(HelloReceived(bob.node, hello(BOB)), NOW)
        bench.peers.on_members(bob.node, rows)
        assert mesh.heard == expected
        assert mesh.gone == [bob.member.identity] * bool(expected)
        bench.peers.on_end(bob.node, "bye", "", NOW)


def test_who_shares_no_folder_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for link in (1, 2):
        bench.connect(link, folder="another")
    assert not bench.peers.links
    assert not bench.events
    assert bench.manager.orders == [("drop", 1, "no-common-folder"), ("drop", 2, "no-common-folder")]
    assert caplog.messages == ["bob at 10.0.0.2 shares no folder with this node: left alone"]


def test_of_two_links_of_the_same_time_the_one_of_the_smaller_id_stays() -> None:
    bench = Bench()
    assert ME < BOB
    old = bench.connect(1, dialled=False)
    new = bench.connect(2, dialled=True)
    assert bench.peers.links == {BOBS: new}
    assert bench.events[1:] == [PeerDown(BOBS, "duplicate"), PeerUp(BOBS, hello(BOB), "10.0.0.2")]
    assert bench.manager.orders == [("drop", 1, "duplicate")]
    bench.peers.on_end(old.node, "duplicate", "", NOW)
    assert bench.peers.links == {BOBS: new}, "the end of the old link is not the end of the peer"
    assert len(bench.events) == 3


def test_a_peer_that_comes_again_waits_until_its_old_link_is_proved_dead() -> None:
    bench = Bench()
    old = bench.connect(1)
    bench.connect(2, instance="2")
    assert bench.peers.links == {BOBS: old}
    assert bench.manager.orders == [("drop", 2, "duplicate"), ("ping", 1)]
    assert len(bench.events) == 1


def test_a_silent_link_is_given_up_if_its_peer_has_connected_again() -> None:
    bench = Bench()
    old = bench.connect(1)
    bench.peers.on_stalled(old.node, NOW)
    assert not old.given_up, "it may answer yet, and there is no other way"
    bench.connect(2)
    old.is_doubted = True  # by the ping
    bench.peers.on_stalled(old.node, NOW)
    assert old.given_up == "no answer at this address; it connected again"


def test_words_are_sent_to_those_who_are_there() -> None:
    bench = Bench()
    bob = bench.connect()
    bench.peers.send((BOBS, CAROLS), Outbound(Ping(1), 10))
    assert bob.said == [Ping(1)]
    assert bench.peers.flow_of(BOBS) == Flow("10.0.0.2", BOBS)
    assert bench.peers.flow_of(CAROLS) == Flow(CAROLS, CAROLS)


def test_a_peer_that_the_engine_drops_is_dropped_by_its_link() -> None:
    bench = Bench()
    bench.connect(3)
    bench.peers.drop(CAROLS, "protocol-error", "it is not there")
    bench.peers.drop(BOBS, "protocol-error", "a forged record")
    assert bench.manager.orders == [("drop", 3, "protocol-error")]


def dialled_and_answered(bench: Bench, node: str, **more: Any) -> None:
    """This node dials the peer that the user named, and a machine says HELLO there with an older instance than ours."""
    bench.peers.tick(NOW)
    bench.peers.on_dialled(Dialled("10.0.0.2", 6000, 1, ""), NOW)
    bench.connect(1, node=node, instance="1", dialled=True, **more)


def test_a_copied_node_id_is_given_up_once_it_is_proved(caplog: pytest.LogCaptureFixture) -> None:
    """We dialled a machine that has our node id, and is another one: it is a copy of this one, or the other way round."""
    bench = Bench((("10.0.0.2", 6000),))
    before = bench.folder.index.replica
    dialled_and_answered(bench, ME)
    assert bench.node_id.value != ME
    assert bench.folder.index.replica == before, "whether the folder is a copy, too, the next link shows"
    assert bench.manager.orders[1:] == [("drop", 1, "new-identity"), ("drop all", "new-identity")]
    assert any("another machine has the same identity" in line for line in caplog.messages)
    bench.peers.tick(NOW._replace(mono_ms=NOW.mono_ms + 5_000))
    assert bench.beacons


def test_a_copied_replica_id_is_given_up_once_it_is_proved(caplog: pytest.LogCaptureFixture) -> None:
    """We dialled another node, and it has our replica of the folder: one of the two folders is a copy."""
    bench = Bench((("10.0.0.2", 6000),))
    before = bench.folder.index.replica
    dialled_and_answered(bench, BOB, replica=before)
    assert bench.folder.index.replica != before
    assert bench.node_id.value == ME
    assert not bench.peers.links
    assert bench.manager.orders[1:] == [("drop", 1, "new-replica"), ("drop all", "new-replica")]
    assert not bench.folder.index.is_dirty, "the new id is in the index before anybody hears it"
    assert any("a copied folder?" in line for line in caplog.messages)
    bench.connect(2, node=BOB, replica=before)
    assert list(bench.peers.links) == [before], "from now on that id is the other node's"


def test_of_two_nodes_with_one_replica_the_one_that_was_there_stays() -> None:
    bench = Bench()
    bob = bench.connect(1)
    bench.connect(2, node=CAROL, replica=BOBS)
    assert bench.peers.links == {BOBS: bob}
    assert bench.manager.orders == [("drop", 2, "duplicate-replica"), ("ping", 1)]


def test_breaches_of_the_protocol_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for link in range(20):
        bench.peers.on_end(Link(link, "10.0.0.66").node, "protocol-error", "no JSON", NOW)
    assert caplog.messages == ["closed the connection with 10.0.0.66: no JSON"]


def test_a_node_that_is_heard_is_dialled() -> None:
    bench = Bench()
    bench.peers.tick(NOW)
    assert bench.beacons, "a node that starts announces itself"
    bench.peers.on_beacon(Beacon(CAROL, "1", 6001, False, TAGS), "10.0.0.3", NOW)
    later = NOW._replace(mono_ms=NOW.mono_ms + 5_000)
    bench.peers.tick(later)
    assert ("dial", "10.0.0.3", 6001) in bench.manager.orders
    assert bench.peers.due_s() > NOW.mono_ms / 1000


def test_a_peer_that_the_user_named_and_that_does_not_answer_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench((("10.0.0.9", 6000),))
    bench.peers.tick(NOW)
    assert bench.manager.orders == [("dial", "10.0.0.9", 6000)]
    for _ in range(2):
        bench.peers.on_dialled(Dialled("10.0.0.9", 6000, None, "connection refused"), NOW)
    assert caplog.messages == ["cannot connect to 10.0.0.9:6000 yet (connection refused); trying again"]
