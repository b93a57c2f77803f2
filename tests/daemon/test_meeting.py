"""The other sides of a dry run: whose answer is whose, and when nobody waits any longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.forecast import Fate
from dir_sync.core.messages import Forecast, ForecastRequest, Rows
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, Stamp, show
from dir_sync.daemon import meeting
from dir_sync.daemon.meeting import Gone, Meeting, Peer
from dir_sync.node import Node
from dir_sync.node_manager import HelloReceived, LinkClosed, MessageReceived
from tests.daemon.standins import FOLDER, Link, Manager, config, hello

RECORD = Record(b"a", Kind.FILE, 1, bytes(32), 0, 0o644, Stamp(1, "ab"), (("ab", 1),))
OWN = 9  # the node that runs here
TOLD = [(b"a", (("ab", RECORD),))]


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.manager = Manager()
        self.now_ms = 0
        self.step_ms = 0  # by which the clock goes on at each look
        self.is_over: Callable[[], bool] = lambda: False
        monkeypatch.setattr(meeting, "Networks", lambda *args: None)
        monkeypatch.setattr(Meeting, "_open_manager", lambda *args: self.manager)
        monkeypatch.setattr(meeting, "_now_ms", self.look_at_clock)
        monkeypatch.setattr(meeting, "_TICK_S", 0.001)
        self.it = Meeting(config(interface=None, discovers=False), None, lambda: self.is_over(), f"{OWN:016x}")

    def comes(self, number: int, name: str) -> tuple[Link, Peer]:
        """A peer that has said what it has: nothing."""
        link = Link(number, f"10.0.0.{number}")
        self.it._news.put(HelloReceived(link.node, hello(f"{number:016x}", name)))
        self.says(link, Rows(FOLDER, f"{number:016x}", Mode.TWO_WAY, True, 1, True, ()))
        (peer,) = [one for one in self.it.collect(number) if one.node is link.node]
        return link, peer

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
