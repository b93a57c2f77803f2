"""Connected peers: who is greeted, whose link gives way, what the engine and people are told."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.core.events import Drained, PeerDown, PeerUp
from dir_sync.core.keys import Role
from dir_sync.core.link_handshake import Member
from dir_sync.core.live_notes import PeerCame, PeerLeft
from dir_sync.core.messages import FolderIndex, Hello, MemberRow, Members, Ping
from dir_sync.core.messages import Folders as FolderList
from dir_sync.core.overload.fairness import Flow
from dir_sync.core.pausing import Pause
from dir_sync.core.peers.beacon import Beacon, folder_tags
from dir_sync.core.peers.roster import Roster
from dir_sync.daemon.folder import Folder, Folders
from dir_sync.daemon.links import Neighbours
from dir_sync.daemon.peers import Away, ConnectedPeers
from dir_sync.index import PeerSeen
from dir_sync.network.node_id import NodeId
from dir_sync.network.outbox import Outbound
from dir_sync.node_manager import Dialled, HelloReceived
from tests.daemon.standins import FOLDER, NOW, Link, Manager, config, hello, replica_of
from tests.daemon.standins import Folder as Standin

ME, BOB, CAROL = "aa" * 8, "bb" * 8, "cc" * 8  # nodes
BOBS, CAROLS = replica_of(BOB), replica_of(CAROL)
INSTANCE = "5"
TAGS = folder_tags([FOLDER])


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dir_sync")


class Bench:
    def __init__(
        self, peers: tuple[tuple[str, int], ...] = (), mesh: Mesh | None = None, names: tuple[str, ...] = (FOLDER,)
    ) -> None:
        self.mesh = mesh
        self.manager = Manager()
        self.beacons: list[bool] = []
        self.told: list[object] = []  # to those who listen
        self.node_id = NodeId("/shared", Random(1))
        self.node_id.value = ME
        self.folders = Folders()
        self.standins: dict[str, Standin] = {}
        self.pauses: dict[str, Any] = {}
        roster = Roster(ME, INSTANCE, Random(1), NOW.mono_ms, peers, folder_tags(names))
        self.links = Neighbours(
            config(peers=peers), self.folders, self.node_id, cast(Any, self.manager), roster, self.beacons.append, mesh
        )
        for number, name in enumerate(names):
            self.add(name, number)
        self.links.matching.begin(NOW.mono_ms)
        self.folder = self.standins[FOLDER]
        self.peers = self.peers_of(FOLDER)

    def add(self, name: str, number: int) -> None:
        standin = self.standins[name] = Standin(name, number)
        peers = ConnectedPeers(
            config(folder_name=name), standin.share, cast(Any, self.manager), self.links.matching.renewed
        )
        nobody = SimpleNamespace(perform=lambda effects: None, tell_live=self.told.append)
        self.pauses[name] = SimpleNamespace(pause=None)
        rooms = cast(
            Any, (SimpleNamespace(waiting=SimpleNamespace(questions=[])), nobody, SimpleNamespace(is_checking=False))
        )
        self.folders.add(Folder(standin.share, peers, *rooms, pausing=cast(Any, self.pauses[name])))

    def pause(self, name: str, until: bool = True) -> None:
        """Or let it go on."""
        self.pauses[name].pause = Pause(0) if until else None
        self.links.matching.pauses_changed(NOW)

    def peers_of(self, name: str) -> ConnectedPeers:
        folder = self.folders.named(name)
        assert folder is not None
        return folder.peers

    def connect(self, link: int = 1, node: str = BOB, dialled: bool = False, **more: Any) -> Link:
        made = Link(link, "10.0.0.2", dialled)
        made.said = self.said()
        self.links.on_hello(HelloReceived(made.node, hello(node, **more)), NOW)
        return made

    def said(self) -> Hello:
        """Our HELLO on a new link."""
        return hello(ME, "anna").with_folders(self.folders.indexes)

    @property
    def events(self) -> list[object]:
        """The engine's, without the connection, which is another one each time."""
        events = self.folder.engine.events
        return [one._replace(connection=None) if isinstance(one, PeerUp) else one for one in events]


def test_a_peer_comes_and_goes(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bob = bench.connect()
    assert bench.peers.links == {BOBS: bob}
    assert bench.links.is_link(bob.node)
    bench.links.on_end(bob.node, "bye", "", NOW)
    assert not bench.peers.links
    assert bench.events == [PeerUp(BOBS, hello(BOB), "10.0.0.2"), PeerDown(BOBS, "bye")]
    assert bench.folder.workers.left == [Flow("10.0.0.2", BOBS)], "what it asked for is not done any more"
    assert bench.peers.name_of(BOBS) == b"bob", "its name is known when it is here no more"
    assert bench.peers.name_of(CAROLS) == CAROLS[:8].encode()
    assert [line.partition(" (")[0] for line in caplog.messages] == ["found bob", "lost bob"]
    assert caplog.messages[1].endswith("at 10.0.0.2: it stopped")
    assert bench.told == [PeerCame("bob", "10.0.0.2"), PeerLeft("bob")]


@pytest.mark.parametrize("reason", ["no-common-folder", "new-folders", "new-identity", "new-replica", "bye"])
def test_a_link_that_ended_on_purpose_is_said_in_plain_words(reason: str, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.links.on_end(bench.connect().node, reason, "it begins anew" if reason == "bye" else "", NOW)
    said = caplog.messages[1].rpartition(": ")[2]
    assert reason not in said
    assert " " in said
    assert reason != "bye" or said == "it begins anew"


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
        bob.said = bench.said()
        bench.links.on_hello(HelloReceived(bob.node, hello(BOB)), NOW)
        bench.links.on_members(bob.node, rows)
        assert mesh.heard == expected
        assert mesh.gone == [bob.member.identity] * bool(expected)
        bench.links.on_end(bob.node, "bye", "", NOW)


def test_who_shares_no_folder_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    for link in (1, 2):
        bench.connect(link, folder="another")
    assert not bench.peers.links
    assert not bench.events
    assert bench.manager.orders == [("drop", 1, "no-common-folder"), ("drop", 2, "no-common-folder")]
    assert caplog.messages == ["bob at 10.0.0.2 shares no folder with this node: left alone"]


def test_of_two_links_of_the_same_time_the_one_of_the_smaller_id_stays(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    assert ME < BOB
    old = bench.connect(1, dialled=False)
    new = bench.connect(2, dialled=True)
    assert bench.peers.links == {BOBS: new}
    assert bench.events[1:] == [PeerDown(BOBS, "duplicate"), PeerUp(BOBS, hello(BOB), "10.0.0.2")]
    assert bench.manager.orders == [("drop", 1, "duplicate")]
    bench.links.on_end(old.node, "duplicate", "", NOW)
    assert bench.peers.links == {BOBS: new}, "the end of the old link is not the end of the peer"
    assert len(bench.events) == 3
    assert [line.partition(" (")[0] for line in caplog.messages] == ["found bob"]


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
    bench.links.on_stalled(old.node, NOW)
    assert not old.given_up, "it may answer yet, and there is no other way"
    bench.connect(2)
    old.state.is_doubted = True  # by the ping
    bench.links.on_stalled(old.node, NOW)
    assert old.given_up == "no answer at this address; it connected again"


def test_words_are_sent_to_those_who_are_there() -> None:
    bench = Bench()
    bob = bench.connect()
    bench.peers.send((BOBS, CAROLS), Outbound(Ping(1), 10))
    assert bob.sent == [Ping(1)]
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
    bench.links.tick(NOW)
    bench.links.on_dialled(Dialled("10.0.0.2", 6000, 1, ""), NOW)
    bench.connect(1, node=node, instance="1", dialled=True, **more)


def test_a_copied_node_id_is_given_up_once_it_is_proved(caplog: pytest.LogCaptureFixture) -> None:
    """We dialled a machine that has our node id, and is another one: it is a copy of this one, or the other way round."""
    bench = Bench((("10.0.0.2", 6000),))
    before = bench.folder.index.identity.replica
    dialled_and_answered(bench, ME)
    assert bench.node_id.value != ME
    assert bench.folder.index.identity.replica == before, "whether the folder is a copy, too, the next link shows"
    assert bench.manager.orders[1:] == [("drop", 1, "new-identity"), ("drop all", "new-identity")]
    assert any("another machine has the same identity" in line for line in caplog.messages)
    bench.links.tick(NOW._replace(mono_ms=NOW.mono_ms + 5_000))
    assert bench.beacons


def test_a_copied_replica_id_is_given_up_once_it_is_proved(caplog: pytest.LogCaptureFixture) -> None:
    """We dialled another node, and it has our replica of the folder: one of the two folders is a copy."""
    bench = Bench((("10.0.0.2", 6000),))
    before = bench.folder.index.identity.replica
    dialled_and_answered(bench, BOB, replica=before)
    assert bench.folder.index.identity.replica != before
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
        bench.links.on_end(Link(link, "10.0.0.66").node, "protocol-error", "no JSON", NOW)
    assert caplog.messages == ["closed the connection with 10.0.0.66: no JSON"]


def test_a_node_that_is_heard_is_dialled() -> None:
    bench = Bench()
    bench.links.tick(NOW)
    assert bench.beacons, "a node that starts announces itself"
    bench.links.on_beacon(Beacon(CAROL, "1", 6001, False, TAGS), "10.0.0.3", NOW)
    later = NOW._replace(mono_ms=NOW.mono_ms + 5_000)
    bench.links.tick(later)
    assert ("dial", "10.0.0.3", 6001) in bench.manager.orders
    assert bench.links.due_ms > NOW.mono_ms


def test_a_peer_that_the_user_named_and_that_does_not_answer_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench((("10.0.0.9", 6000),))
    bench.links.tick(NOW)
    assert bench.manager.orders == [("dial", "10.0.0.9", 6000)]
    for _ in range(2):
        bench.links.on_dialled(Dialled("10.0.0.9", 6000, None, "connection refused"), NOW)
    assert caplog.messages == ["cannot connect to 10.0.0.9:6000 yet (connection refused); trying again"]
    assert bench.links.sought.why_not(("10.0.0.9", 6000)) == "connection refused"


def test_a_peer_that_the_user_named_is_met_whoever_dials() -> None:
    there, name = ("10.0.0.2", 6000), ("bobs-machine", 6000)
    bench = Bench((there, name, ("10.0.0.9", 6000)))
    sought = bench.links.sought
    bench.connect(1)
    assert [sought.replicas_at(place) for place in sought.places] == [{BOBS}, None, None]
    bench.links.on_dialled(Dialled(*name, 2, "", None, ("10.0.0.3",)), NOW)
    bench.connect(2, dialled=True)
    assert [sought.replicas_at(place) for place in sought.places] == [{BOBS}, {BOBS}, None]
    bench.links.on_dialled(Dialled("10.0.0.9", 6000, 3, "", None, ("10.0.0.9",)), NOW)
    bench.connect(3, dialled=True)
    assert [order[:2] for order in bench.manager.orders if order[0] == "drop"] == [("drop", 1), ("drop", 3)]
    assert sought.replicas_at(("10.0.0.9", 6000)) == {BOBS}, "it has several addresses"


def test_why_a_peer_that_the_user_named_is_none() -> None:
    places = [(f"10.0.0.{number}", 6000) for number in range(4)]
    bench = Bench(tuple(places))
    for number, place in enumerate(places):
        bench.links.on_dialled(Dialled(*place, number, "", None, (place[0],)), NOW)
    bench.links.on_hello(HelloReceived(Link(0, places[0][0], True).node, hello(BOB).with_folders(())), NOW)
    for number, reason, text in ((1, "lost", ""), (2, "protocol-version", "it runs another version")):
        link = Link(number, places[number][0], True)
        link.node.is_mute = True
        bench.links.on_end(link.node, reason, text, NOW)
    assert [bench.links.sought.why_not(place) for place in places] == [
        "bob shares no folder with this node",
        "it closed the connection without a word: it may belong to a closed mesh, or have another key",
        "it runs another version",
        None,
    ]


def test_a_place_that_leads_to_this_node_is_no_peer() -> None:
    bench = Bench((("10.0.0.2", 6000),))
    bench.links.on_dialled(Dialled("10.0.0.2", 6000, 1, "", None, ("10.0.0.2",)), NOW)
    bench.connect(1, node=ME, instance=INSTANCE, dialled=True)
    assert bench.links.sought.is_ourselves(("10.0.0.2", 6000))


MUSIC = "music"
BOTH = (FOLDER, MUSIC)


def both(node: str = BOB) -> Hello:
    """The HELLO of a peer with both folders."""
    return hello(node).with_folders((FolderIndex(FOLDER, BOBS, 0), FolderIndex(MUSIC, "b2" * 8, 0)))


def greet(bench: Bench, said: Hello, link: int = 1) -> Link:
    made = Link(link, "10.0.0.2")
    made.said = bench.said()
    bench.links.on_hello(HelloReceived(made.node, said), NOW)
    return made


def test_one_link_serves_all_folders_that_both_share(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(names=BOTH)
    bob = greet(bench, both())
    assert bench.peers_of(FOLDER).links == {BOBS: bob}
    assert bench.peers_of(MUSIC).links == {"b2" * 8: bob}
    ups = [one for name in BOTH for one in bench.standins[name].engine.events]
    assert [type(one) for one in ups] == [PeerUp, PeerUp]
    assert ups[0].connection is ups[1].connection, "they have one window"  # type: ignore[union-attr]
    assert caplog.messages[0].endswith("; both share default and music")
    bench.links.on_end(bob.node, "bye", "", NOW)
    assert not bench.peers_of(FOLDER).links
    assert not bench.peers_of(MUSIC).links


def test_a_folder_that_one_side_lacks_has_no_peer() -> None:
    bench = Bench(names=BOTH)
    greet(bench, hello(BOB, folder=MUSIC))
    assert not bench.standins[FOLDER].engine.events
    assert len(bench.peers_of(MUSIC).links) == 1


def test_a_folder_of_the_peer_that_comes_and_goes() -> None:
    bench = Bench(names=BOTH)
    bob = greet(bench, hello(BOB))
    bench.links.on_folders(bob.node, FolderList(both().folders, False))
    assert len(bench.peers_of(MUSIC).links) == 1
    assert bob.said_last() == FolderList(bench.folders.indexes, True), "the peer waits for the answer"
    bench.links.on_folders(bob.node, FolderList(hello(BOB).folders, False))
    assert not bench.peers_of(MUSIC).links
    assert [type(one) for one in bench.standins[MUSIC].engine.events] == [PeerUp, PeerDown]
    assert len(bench.peers_of(FOLDER).links) == 1
    assert not bench.manager.orders


@pytest.mark.parametrize("left", [hello(BOB).folders, ()], ids=["one of two", "the last one"])
def test_a_folder_that_goes_over_to_a_closed_mesh_there_is_said_to(
    left: tuple[FolderIndex, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Also if the process shares others openly. Nobody looks for a firewall."""
    bench = Bench(names=BOTH)
    went = MUSIC if left else FOLDER
    bench.standins[went].index.peers.put("b2" * 8 if left else BOBS, PeerSeen(3, 3))
    bob = greet(bench, both() if left else hello(BOB))
    caplog.clear()
    bench.links.on_folders(bob.node, FolderList(left, False, (went,)))
    assert [one.has_closed for one in bench.peers_of(went).away()] == [True]
    assert f"bob shares {went} no longer: it belongs to a closed mesh there now; to join it:" in caplog.messages[0]
    assert "stopped sharing" not in caplog.text
    assert bool(bench.peers_of(FOLDER).links) == bool(left)


def music_goes(bench: Bench, closed: tuple[str, ...] = ()) -> Folder:
    """A folder is shared here no longer. `closed`: the names of those that go over to a closed mesh."""
    music = bench.folders.named(MUSIC)
    assert music is not None
    bench.links.matching.forget(music, NOW)
    bench.folders.remove(MUSIC)
    bench.links.matching.folders_changed(NOW, closed)
    return music


def test_a_folder_that_goes_over_here_is_told() -> None:
    bench = Bench(names=BOTH)
    bob = greet(bench, both())
    music_goes(bench, (MUSIC,))
    assert bob.said_last() == FolderList(bench.folders.indexes, False, (MUSIC,))


def test_a_folder_that_we_begin_to_share_waits_for_the_answer() -> None:
    """What the peer says of it before its answer is about an earlier time, when we shared it, too."""
    bench = Bench()
    bob = greet(bench, both())
    bench.add(MUSIC, 1)
    bench.links.matching.folders_changed(NOW)
    assert bob.said_last() == FolderList(bench.folders.indexes, False)
    assert not bench.peers_of(MUSIC).links
    bench.links.on_folders(bob.node, FolderList(both().folders, True))
    assert len(bench.peers_of(MUSIC).links) == 1
    assert bench.manager.folders == 2


def test_folders_that_changed_between_our_hello_and_the_end_of_the_greeting_are_told() -> None:
    bench = Bench()
    bob = Link(1, "10.0.0.2")
    bob.said = bench.said()
    bench.add(MUSIC, 1)
    bench.links.on_hello(HelloReceived(bob.node, both()), NOW)
    assert bob.said_last() == FolderList(bench.folders.indexes, False)
    assert not bench.peers_of(MUSIC).links
    assert len(bench.peers_of(FOLDER).links) == 1


def test_who_heard_what_we_shared_before_is_not_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder was being set up anew while both said HELLO: then neither side may take the other for a stranger."""
    bench = Bench(names=BOTH)
    bob = Link(1, "10.0.0.2")
    bob.said = bench.said().with_folders(())
    bench.links.on_hello(HelloReceived(bob.node, both()), NOW)
    assert bench.manager.orders == [("drop", 1, "new-folders")]
    closed: list[str] = []
    monkeypatch.setattr(bench.links._roster, "closed", lambda link, now_ms, reason: closed.append(reason))
    bench.links.on_end(bob.node, "no-common-folder", "", NOW)
    bob.said = bench.said()
    bench.links.on_end(bob.node, "no-common-folder", "", NOW)
    assert closed == ["new-folders", "no-common-folder"]
    assert caplog.messages == []


def test_the_last_common_folder_goes_and_the_link_with_it() -> None:
    bench = Bench(names=BOTH)
    bob = greet(bench, hello(BOB))
    bench.links.on_folders(bob.node, FolderList((), False))
    assert not bench.peers_of(FOLDER).links
    assert bench.manager.orders == [("drop", 1, "no-common-folder")]


def test_a_copy_that_comes_as_a_new_folder_ends_the_link() -> None:
    """The next HELLO finds out whose the replica is."""
    bench = Bench(names=BOTH)
    bob = greet(bench, hello(BOB))
    mine = bench.standins[MUSIC].index.identity.replica
    bench.links.on_folders(bob.node, FolderList((*hello(BOB).folders, FolderIndex(MUSIC, mine, 0)), False))
    assert not bench.peers_of(MUSIC).links
    assert bench.manager.orders == [("drop", 1, "new-folders")]


def test_a_folder_that_we_share_no_longer_has_no_peers() -> None:
    bench = Bench(names=BOTH)
    bob = greet(bench, both())
    music = music_goes(bench)
    assert not music.peers.links
    assert bob.said_last() == FolderList(bench.folders.indexes, False)
    assert len(bench.peers_of(FOLDER).links) == 1


def test_one_copied_folder_of_two_takes_a_new_id_alone() -> None:
    bench = Bench((("10.0.0.2", 6000),), names=BOTH)
    before = {name: bench.standins[name].index.identity.replica for name in BOTH}
    bench.links.tick(NOW)
    bench.links.on_dialled(Dialled("10.0.0.2", 6000, 1, ""), NOW)
    greet(bench, hello(BOB, folder=MUSIC, replica=before[MUSIC]))
    assert bench.standins[MUSIC].index.identity.replica != before[MUSIC]
    assert bench.standins[FOLDER].index.identity.replica == before[FOLDER]


def test_bytes_that_have_left_are_noted_once_and_concern_all_folders() -> None:
    bench = Bench(names=BOTH)
    bob = greet(bench, both())
    for name in BOTH:
        bench.standins[name].engine.events.clear()
    bench.links.on_sent(bob.node, 5, NOW)
    assert [one for name in BOTH for one in bench.standins[name].engine.events] == [Drained(BOBS, 5)]
    for folder in bench.folders:
        folder.decide(NOW, False)
    assert [bench.standins[name].engine.turns for name in BOTH] == [1, 1]


def paused(said: Hello, *names: str) -> tuple[FolderIndex, ...]:
    """The folders of a HELLO, some of which are paused."""
    return tuple(one._replace(paused=one.name in names) for one in said.folders)


def test_a_folder_that_is_paused_here_has_no_peers_and_the_link_stays() -> None:
    bench = Bench()
    bob = greet(bench, hello(BOB))
    bench.pause(FOLDER)
    assert not bench.peers.links
    assert [type(one) for one in bench.folder.engine.events] == [PeerUp, PeerDown]
    assert bob.said_last() == FolderList(bench.folders.indexes, False)
    assert [one.paused for one in bench.folders.indexes] == [True]
    bench.links.on_folders(bob.node, FolderList(hello(BOB).folders, True))
    assert not bench.peers.links
    assert not bench.manager.orders, "the peer is told, and not left"


def test_a_folder_goes_on_when_the_peer_has_heard_of_it() -> None:
    bench = Bench()
    bob = greet(bench, hello(BOB))
    bench.pause(FOLDER)
    bench.links.on_folders(bob.node, FolderList(hello(BOB).folders, True))
    bench.pause(FOLDER, False)
    assert not bench.peers.links, "what the peer says now may be about the time before the pause"
    bench.links.on_folders(bob.node, FolderList(hello(BOB).folders, True))
    assert list(bench.peers.links) == [BOBS]


def test_a_folder_that_the_peer_has_paused_is_said_to_be_so(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(names=BOTH)
    bob = greet(bench, both())
    bench.links.on_folders(bob.node, FolderList(paused(both(), MUSIC), False))
    assert not bench.peers_of(MUSIC).links
    assert bench.peers_of(MUSIC).pausing == ["bob"]
    assert not bench.peers_of(FOLDER).pausing
    assert len(bench.peers_of(FOLDER).links) == 1
    bench.links.on_folders(bob.node, FolderList(both().folders, False))
    assert len(bench.peers_of(MUSIC).links) == 1
    assert not bench.peers_of(MUSIC).pausing
    assert caplog.messages[1:] == ["bob has paused music: nothing is exchanged with it", "bob goes on with music"]


def test_a_folder_that_the_peer_paused_and_then_left_does_not_go_on(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(names=BOTH)
    bob = greet(bench, both())
    bench.links.on_folders(bob.node, FolderList(paused(both(), MUSIC), False))
    bench.links.on_folders(bob.node, FolderList(hello(BOB).folders, False))
    assert not bench.peers_of(MUSIC).pausing
    bench.links.on_folders(bob.node, FolderList(both().folders, False))
    assert caplog.messages[2:] == ["bob has stopped sharing music, or begins anew with it", "bob shares music again"]


def test_a_pause_is_said_in_the_greeting() -> None:
    bench = Bench()
    said = hello(BOB)
    bob = greet(bench, said.with_folders(paused(said, FOLDER)))
    assert bench.links.is_link(bob.node)
    assert not bench.folder.engine.events
    assert bench.peers.pausing == ["bob"]
    bench.links.on_end(bob.node, "lost", "", NOW)
    assert not bench.peers.pausing, "nobody knows what it does now"


@pytest.mark.parametrize("was_paused", [True, False])
def test_a_pause_that_changed_after_our_hello_is_told(was_paused: bool) -> None:
    bench = Bench()
    bench.pause(FOLDER, was_paused)
    bob = Link(1, "10.0.0.2")
    bob.said = bench.said()
    bench.pause(FOLDER, not was_paused)
    bench.links.on_hello(HelloReceived(bob.node, hello(BOB)), NOW)
    assert bob.said_last() == FolderList(bench.folders.indexes, False)
    assert not bench.peers.links
    bench.links.on_folders(bob.node, FolderList(hello(BOB).folders, True))
    assert len(bench.peers.links) == was_paused


def test_a_copy_of_a_paused_folder_is_found_out() -> None:
    bench = Bench()
    bench.pause(FOLDER)
    mine = bench.folder.index.identity.replica
    bench.connect(replica=mine)
    assert not bench.peers.links
    assert any(order[0] == "drop" for order in bench.manager.orders)


def test_who_is_away_is_known_with_the_time_when_it_was_here() -> None:
    bench = Bench()
    bob = bench.connect()
    index = bench.folder.index
    index.peers.put(BOBS, PeerSeen(3, 3))
    index.peers.put(CAROLS, PeerSeen(3, 3))
    index.peers.put("dd" * 8, PeerSeen(3, None))
    assert [one.replica for one in bench.peers.away()] == [CAROLS], "a stranger was no peer"
    bob.heard_s = NOW.wall_ns / 1e9 + 60
    given_up = NOW._replace(wall_ns=NOW.wall_ns + 90 * 10**9)
    bench.links.on_end(bob.node, "timeout", "no answer for 30 s", given_up)
    assert bench.peers.away() == [
        Away(BOBS, NOW.wall_ns // 10**9 + 60, "1.2.3", "10.0.0.2"),
        Away(CAROLS, 0, "", ""),
    ]
    index.forget_peer(BOBS)
    assert [one.replica for one in bench.peers.away()] == [CAROLS]
    assert index.notes.below("seen ") == {}


def test_who_went_over_to_a_closed_mesh_is_known_until_it_is_back() -> None:
    bench = Bench()
    bench.folder.index.peers.put(BOBS, PeerSeen(3, 3))
    for reason, has_closed in (("closed-mesh", True), ("lost", False)):
        bob = bench.connect()
        assert not bench.peers.away()
        bench.links.on_end(bob.node, reason, "", NOW)
        assert [one.has_closed for one in bench.peers.away()] == [has_closed]


def test_who_is_here_at_the_end_was_seen_when_it_was_heard_last() -> None:
    bench = Bench()
    bench.connect().heard_s = 1_900_000_000.5
    bench.peers.note_seen()
    assert bench.folder.index.notes.get(f"seen {BOBS}") == "1900000000 10.0.0.2 1.2.3"
