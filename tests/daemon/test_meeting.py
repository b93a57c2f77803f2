"""The other sides of a dry run: whose answer is whose, and when nobody waits any longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.forecast import Fate
from dir_sync.core.messages import FolderIndex, Forecast, ForecastRequest, Rows
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, Stamp, show
from dir_sync.core.peers.beacon import Beacon
from dir_sync.core.peers.sought import Place
from dir_sync.daemon import meeting
from dir_sync.daemon.meeting import Gone, Meeting, Peer
from dir_sync.network import tcp
from dir_sync.node import Node
from dir_sync.node_manager import Dialled, HelloReceived, LinkClosed, MessageReceived
from tests.daemon.standins import FOLDER, Link, Manager, config, hello

RECORD = Record(b"a", Kind.FILE, 1, bytes(32), 0, 0o644, Stamp(1, "ab"), (("ab", 1),))
OWN = 9  # the node that runs here
TOLD = [(b"a", (("ab", RECORD),))]


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, named: tuple[Place, ...] = ()) -> None:
        self.manager = Manager()
        self.now_ms = 0
        self.step_ms = 0  # by which the clock goes on at each look
        self.is_over: Callable[[], bool] = lambda: False
        monkeypatch.setattr(meeting, "Networks", lambda *args: None)
        monkeypatch.setattr(Meeting, "_open_manager", lambda *args: self.manager)
        monkeypatch.setattr(meeting, "_now_ms", self.look_at_clock)
        monkeypatch.setattr(meeting, "_TICK_S", 0.001)
        settings = config(interface=None, discovers=False, peers=named, listen_port=6000)
        self.it = Meeting(settings, named, None, lambda: self.is_over(), f"{OWN:016x}")

    def comes(self, number: int, name: str) -> tuple[Link, Peer]:
        """A peer that has said what it has: nothing."""
        link = self.speaks(number, name)
        (peer,) = [one for one in self.it.collect(number) if one.node is link.node]
        return link, peer

    def speaks(self, number: int, name: str, address: str = "") -> Link:
        link = Link(number, address or f"10.0.0.{number}")
        self.it._news.put(HelloReceived(link.node, hello(f"{number:016x}", name, replica=f"{number:016x}")))
        self.says(link, Rows(FOLDER, f"{number:016x}", Mode.TWO_WAY, True, 1, True, ()))
        return link

    def looks(self, times: int, wait_for: int = 1) -> list[str]:
        """The names of those that have answered after so many looks at the news."""
        left = iter(range(times))
        self.is_over = lambda: next(left, None) is None
        return [peer.name for peer in self.it.collect(wait_for)]

    def says(self, link: Link, message: Any) -> None:
        self.it._news.put(MessageReceived(link.node, message, 0))

    def look_at_clock(self) -> int:
        self.now_ms += self.step_ms
        return self.now_ms


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(monkeypatch)
    yield bench
    bench.it.stop()


def forecast(fate: Fate) -> Forecast:
    return Forecast(FOLDER, ((fate, ""),))


def test_an_answer_counts_for_whoever_gave_it(bench: Bench) -> None:
    (anna, _), (bob, asked) = bench.comes(1, "anna"), bench.comes(2, "bob")
    bench.says(anna, forecast(Fate.REFUSE))
    bench.says(bob, forecast(Fate.TAKE))
    assert [one.fate for one in asked.outcomes(TOLD)] == [Fate.TAKE]
    assert [type(one) for one in anna.sent].count(ForecastRequest) == 0


def test_a_late_answer_is_none_to_the_next_question(bench: Bench) -> None:
    """Who did not answer in time is asked on another link: what still comes on this one belongs to an old question."""
    link, peer = bench.comes(1, "anna")
    bench.step_ms = 2 * meeting._ANSWER_MS
    with pytest.raises(Gone):
        peer.outcomes(TOLD)
    assert ("drop", 1, "timeout") in bench.manager.orders
    bench.step_ms = 0
    bench.says(link, forecast(Fate.REFUSE))
    with pytest.raises(Gone):
        peer.outcomes(TOLD)
    bench.it._news.put(LinkClosed(link.node, "timeout", "it did not say in time what it would do"))
    new, again = bench.comes(1, "anna")
    bench.says(new, forecast(Fate.TAKE))
    assert [one.fate for one in again.outcomes(TOLD)] == [Fate.TAKE]


def test_a_question_fits_one_message() -> None:
    """Attributes can make few records large."""
    large = Attributes(xattrs=((b"user.x", bytes(limits.XATTRS_BYTES_MAX)),))
    told = [
        (b"%04d" % at, (("ab", RECORD._replace(path=b"%04d" % at, attributes=large if at < 200 else None)),))
        for at in range(1_200)
    ]
    asked: list[Record] = []

    def ask(node: Node, question: ForecastRequest) -> Forecast:
        question.encode()
        assert question.replica == "ab"
        asked.extend(question.records)
        return Forecast(FOLDER, ((Fate.BLOCKED, show(question.records[0].path)),) * len(question.records))

    found = Peer(Link(1, "10.0.0.1").node, hello("ab"), ask).outcomes(told)
    assert asked == [record for _, ((_, record),) in told]
    assert [one.reason for one in found] == sorted(one.reason for one in found)
    assert len(found) == len(told)


def test_nobody_waits_for_an_answer_when_it_is_over(bench: Bench) -> None:
    _, peer = bench.comes(1, "anna")
    answers = iter([False, False, True])
    bench.is_over = lambda: next(answers)
    bench.step_ms = meeting._ANSWER_MS // 8  # so the time for an answer ends as well, but later
    with pytest.raises(Gone):
        peer.outcomes(TOLD)
    assert bench.manager.orders == []  # that peer is not late


def test_the_node_that_runs_here_is_no_other(bench: Bench) -> None:
    own = Link(3, "10.0.0.3")
    bench.it._news.put(HelloReceived(own.node, hello(f"{OWN:016x}", "me")))
    _, peer = bench.comes(1, "bob")
    assert bench.it.collect(1) == [peer]
    assert ("drop", 3, "bye") in bench.manager.orders
    assert bench.it.away == ()


KITCHEN, HALL, HERE = ("kitchen", 6000), ("10.0.0.2", 6000), ("10.0.0.5", 6000)


def test_a_machine_that_was_named_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one has answered. Then it comes by itself, from an address to which its name leads."""
    bench = Bench(monkeypatch, (KITCHEN, HALL))
    bench.it._news.put(Dialled(*HALL, None, "Connection refused", None, ("10.0.0.2",)))
    bench.it._news.put(Dialled(*KITCHEN, None, "Connection refused", None, ("10.0.0.7",)))
    bench.speaks(1, "bob")
    assert bench.looks(20) == ["bob"]
    assert bench.it.lacks_named
    assert bench.it.away == (
        "cannot ask kitchen:6000 (Connection refused)",
        "cannot ask 10.0.0.2:6000 (Connection refused)",
    )
    bench.speaks(3, "k", "10.0.0.7")
    bench.it._news.put(LinkClosed(Link(4, "10.0.0.2", True).node, "lost", "the connection broke"))
    assert bench.looks(20) == ["bob", "k"]
    assert bench.it.away == ("cannot ask 10.0.0.2:6000 (Connection refused)",)
    bench.speaks(2, "hall")
    assert bench.looks(20) == ["bob", "hall", "k"]
    assert not bench.it.lacks_named
    assert bench.it.away == ()


def test_two_nodes_of_one_machine_that_are_found(bench: Bench) -> None:
    """They share an address, and have a port each: both are dialled, and neither again while it is there."""
    places = [("10.0.0.2", 6000), ("10.0.0.2", 6001)]
    bench.it._heard(Beacon(f"{1:016x}", "i1", 6000, True, None), "10.0.0.2")
    bench.looks(1)
    assert bench.manager.orders == [("dial", *places[0])]
    bench.it._news.put(Dialled(*places[0], 1, "", None, ("10.0.0.2",)))
    bench.speaks(1, "bob", "10.0.0.2")
    assert bench.looks(20) == ["bob"]
    bench.it._heard(Beacon(f"{2:016x}", "i2", 6001, True, None), "10.0.0.2")
    bench.now_ms += 2 * meeting._DIAL_AGAIN_MS
    bench.manager.orders.clear()
    bench.looks(1, wait_for=2)
    assert bench.manager.orders == [("dial", *places[1])]
    bench.speaks(2, "eve", "10.0.0.2")
    assert bench.looks(20, wait_for=2) == ["bob", "eve"]
    bench.now_ms += 2 * meeting._DIAL_AGAIN_MS
    bench.manager.orders.clear()
    bench.looks(2, wait_for=3)
    assert bench.manager.orders == []


def test_two_names_of_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is dialled by both, and asked once. Whoever was met is not dialled again, as long as it is there."""
    bench = Bench(monkeypatch, (KITCHEN, HALL))
    bench.it._news.put(Dialled(*KITCHEN, 2, "", None, ("10.0.0.8",)))
    link = bench.speaks(2, "k", "10.0.0.8")
    bench.it._news.put(Dialled(*HALL, 7, "", None, ("10.0.0.2",)))
    bench.it._news.put(HelloReceived(Link(7, "10.0.0.2", True).node, hello(f"{2:016x}", "k", replica=f"{2:016x}")))
    assert bench.looks(20) == ["k"]
    assert bench.it.away == ()
    assert ("drop", 7, "duplicate") in bench.manager.orders
    bench.now_ms += 2 * meeting._DIAL_AGAIN_MS
    bench.manager.orders.clear()
    bench.looks(2, wait_for=2)
    assert bench.manager.orders == []
    bench.it._news.put(LinkClosed(link.node, "bye", "it stopped"))
    assert bench.looks(2, wait_for=2) == []
    assert bench.manager.orders == [("dial", *KITCHEN), ("dial", *HALL)]
    assert bench.it.away == ("cannot ask kitchen:6000 (it has left)", "cannot ask 10.0.0.2:6000 (it has left)")


def test_why_a_machine_that_was_named_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    places = tuple((f"10.0.0.{number}", 6000) for number in range(1, 6))
    bench = Bench(monkeypatch, places)
    for number, place in enumerate(places[:4], 1):
        bench.it._news.put(Dialled(*place, number, "", None, (place[0],)))
    strange, paused = (Link(number, f"10.0.0.{number}", True).node for number in (1, 2))
    bench.it._news.put(HelloReceived(strange, hello("ab", "bob").with_folders(())))
    bench.it._news.put(HelloReceived(paused, hello("ac", "eve").with_folders((FolderIndex(FOLDER, "ab", 1, True),))))
    mute = Link(3, "10.0.0.3", True).node
    mute.is_mute = True
    bench.it._news.put(LinkClosed(mute, "lost", "the connection broke"))
    bench.it._news.put(HelloReceived(Link(4, "10.0.0.4", True).node, hello(f"{4:016x}", "slow")))
    assert bench.looks(20) == []
    assert bench.it.away == (
        f"cannot ask 10.0.0.1:6000 (bob shares no folder named {FOLDER})",
        f"cannot ask 10.0.0.2:6000 (eve has paused {FOLDER})",
        "cannot ask 10.0.0.3:6000 (it closed the connection without a word: it may belong to a closed mesh, or have another"
        " key)",
        "cannot ask 10.0.0.4:6000 (it has not said all that it has in time)",
        "cannot ask 10.0.0.5:6000 (no answer in time)",
    )


@pytest.mark.parametrize("is_dialled", [True, False])
def test_this_machine_in_the_list_is_no_other(monkeypatch: pytest.MonkeyPatch, is_dialled: bool) -> None:
    """A node that runs here has answered, or nobody listens at the port, and the address is one of this machine's."""
    bench = Bench(monkeypatch, (HERE,))
    monkeypatch.setattr(tcp, "has_address", lambda address: address == HERE[0] and not is_dialled)
    bench.it._news.put(Dialled(*HERE, 5 if is_dialled else None, "", None, (HERE[0],)))
    if is_dialled:
        bench.it._news.put(HelloReceived(Link(5, HERE[0], True).node, hello(f"{OWN:016x}", "me")))
    bench.speaks(1, "bob")
    assert bench.looks(20) == ["bob"]
    assert not bench.it.lacks_named
    assert bench.it.away == ()
