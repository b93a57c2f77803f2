"""The gauge: what it makes of figures that others count."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dir_sync.core.messages import Held
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.daemon.gauge import Gauge
from dir_sync.network.tcp import Traffic
from tests.daemon.standins import Folder, Link

BOB, CAROL = "bb" * 8, "cc" * 8


class Bench:
    def __init__(self) -> None:
        self.folder = Folder()
        self.report = self.folder.engine.report
        self.links = {BOB: Link(1, "10.0.0.2"), CAROL: Link(2, "10.0.0.3")}
        peers: Any = SimpleNamespace(links=self.links, note_seen=lambda: None)
        self.gauge = Gauge(self.folder.share, peers)
        self.mono = 100.0

    def look(self, **lacks: Lack) -> None:
        self.report.lacks = {BOB: lacks.get("bob", NOTHING), CAROL: lacks.get("carol", NOTHING)}
        self.gauge.due_s = 0.0
        self.gauge.look(self.mono)
        self.mono += 1.0

    @property
    def now_ms(self) -> int:
        return int(self.mono * 1000) - 1_000


def test_what_a_peer_holds_is_not_going_out() -> None:
    bench = Bench()
    bench.look(bob=Lack(100, 10_000, 20), carol=Lack(10, 1_000, 0))
    bench.folder.engine.brakes.held_elsewhere = {BOB: (Held("aa", 1, 120, b"f"),)}
    bench.look(bob=Lack(100, 10_000, 20), carol=Lack(10, 1_000, 0))
    assert bench.gauge.getting == 1
    assert bench.gauge.progress(BOB, bench.mono) is None, "it is held, and has no time that is left"
    assert bench.gauge.progress(CAROL, bench.mono) is not None
    bench.folder.engine.brakes.held_elsewhere = {BOB: (Held("aa", 1, 20, b"f"), Held("cc", 1, 40, b"g"))}
    bench.look(bob=Lack(100, 10_000, 20), carol=NOTHING)
    progress = bench.gauge.progress(BOB, bench.mono)
    assert progress is not None
    assert (progress.files, progress.files_done, progress.bytes) == (50, 0, 5_000), "what was held has not come"
    bench.folder.engine.brakes.held_elsewhere = {}
    bench.look(bob=Lack(100, 10_000, 20), carol=NOTHING)
    progress = bench.gauge.progress(BOB, bench.mono)
    assert progress is not None
    assert (progress.files, progress.files_done, progress.others) == (100, 0, 20)


def test_each_peer_and_all_together_have_a_progress() -> None:
    bench = Bench()
    for left in range(10, 4, -1):
        bench.look(bob=Lack(left, left * 1_000, 0), carol=Lack(1, 100, 0))
    whole = bench.gauge.sending.progress(bench.now_ms)
    assert whole is not None
    assert (whole.files, whole.files_done, whole.bytes, whole.bytes_done) == (11, 5, 10_100, 5_000)
    one = bench.gauge.progress(BOB, bench.mono - 1.0)
    assert one is not None
    assert (one.files, one.files_done, one.per_s) == (10, 5, 1_000)
    assert bench.gauge.progress("dd" * 8, bench.mono) is None


def test_traffic_is_of_one_connection() -> None:
    bench = Bench()
    link = bench.links[BOB]
    for second in range(5):
        link.counted = Traffic(second * 1_000, second * 50, 250)
        bench.look()
    assert bench.gauge.traffic(BOB) == (4_000, 200, 1_000, 50, 0.25)
    assert bench.gauge.traffic(CAROL) is None, "the system does not tell"
    bench.links[BOB] = Link(7, "10.0.0.2")
    bench.links[BOB].counted = Traffic(5, 5, 250)
    bench.look()
    assert bench.gauge.traffic(BOB) == (5, 5, 0, 0, 0.25)
    del bench.links[BOB]
    bench.look()
    assert bench.gauge.traffic(BOB) is None


def test_how_long_a_peer_has_lacked_the_same() -> None:
    bench = Bench()
    for left in (3, 2, 2, 2):
        bench.look(bob=Lack(left, left * 1_000, 0))
    assert bench.gauge.still_s(BOB, bench.mono) == 3
    assert bench.gauge.still_s(CAROL, bench.mono) == 0, "it lacks nothing"
    assert bench.gauge.still_s("dd" * 8, bench.mono) == 0
    bench.look(bob=Lack(1, 1_000, 0))
    assert bench.gauge.still_s(BOB, bench.mono) == 1


def test_what_two_peers_have_is_to_come_once() -> None:
    bench = Bench()
    bench.folder.index.offers.count_paths = lambda: 10  # type: ignore[method-assign]
    bench.report.lacking = {BOB: Lack(10, 1_000, 0), CAROL: Lack(10, 1_000, 0)}
    bench.look()
    found = bench.gauge.receiving.progress(bench.now_ms)
    assert found is not None
    assert (found.files, found.bytes) == (10, 1_000)
    bench.folder.index.offers.count_paths = lambda: 20  # type: ignore[method-assign]
    bench.look()
    found = bench.gauge.receiving.progress(bench.now_ms)
    assert found is not None
    assert (found.files, found.bytes) == (20, 2_000)


def test_it_looks_once_a_second_however_often_it_is_asked() -> None:
    bench = Bench()
    bench.look(bob=Lack(5, 5, 0))
    asked: list[str] = []
    bench.report.lacked_by = lambda node: asked.append(node) or NOTHING  # type: ignore[method-assign, func-returns-value]
    bench.gauge.look(bench.mono - 0.5)
    assert asked == []
    bench.gauge.look(bench.mono + 0.1)
    assert asked == [BOB, CAROL]


def test_a_content_has_its_average_until_it_was_looked_at_twice() -> None:
    gauge, key = Bench().gauge, ("in", b"iso", "bob")
    assert gauge.speeds({key: (1_000, 77.0)}, 1.0) == {key: 77}
    assert gauge.speeds({key: (3_000, 77.0)}, 2.0) == {key: 2_000}
    assert gauge.speeds({}, 3.0) == {}
    assert gauge.speeds({key: (4_000, 55.0)}, 4.0) == {key: 55}, "it was forgotten"


def test_conflicts_are_not_counted_each_time() -> None:
    bench = Bench()
    counts = iter([3, 4])
    bench.folder.index.versions.count_conflicts = lambda: next(counts)  # type: ignore[method-assign]
    assert [bench.gauge.conflicts(mono) for mono in (10.0, 11.0, 16.0)] == [3, 3, 4]
