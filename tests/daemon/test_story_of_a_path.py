"""Single waits of a path, each in its situation; what is known of the peers; a fault in it ends no node."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.core.declined import Declined, Reason
from dir_sync.core.events import PeerDown
from dir_sync.core.ignore import Rules
from dir_sync.core.messages import Held, Lacks
from dir_sync.core.mode import OWN_LARGE
from dir_sync.core.model import Kind, Stamp
from dir_sync.core.pausing import NO_END
from dir_sync.core.status import LimitStatus, PauseStatus
from dir_sync.core.taking import Taking
from dir_sync.core.unable import Unfit
from dir_sync.core.waits import Wait
from dir_sync.daemon import stories
from dir_sync.daemon.stories import contents_to_ask_for, folder_waits, story_of, waits_at
from tests.engine.whole.bench import FOLDER, OTHER, PEER, Bench, record, seen, state

STATUS: Any = SimpleNamespace(pause=None, paused_elsewhere=(), mesh=None, peers=("one",), is_reader=False, limits=None)


def waits(bench: Bench, path: bytes) -> set[Wait]:
    return {one.wait for one in waits_at(bench.engine, path)}


def with_offer(path: bytes = b"f", content: bytes = b"data") -> Bench:
    """A peer has announced a file that is not here."""
    bench = Bench()
    bench.connect()
    bench.hear(state(record(path, content)))
    return bench


def test_what_is_coming_says_from_whom_and_how_much() -> None:
    bench = with_offer()
    (one,) = [one for one in waits_at(bench.engine, b"f") if one.wait is Wait.FETCHING]
    assert (one.peer, one.here, one.size) == (PEER, 0, 4)


def test_a_limit_of_speed_is_named_by_its_option() -> None:
    bench = with_offer()
    status = SimpleNamespace(**{**vars(STATUS), "limits": LimitStatus(1_000, 2_000, 0, 3_000)})
    told = story_of(bench.engine, b"f", cast(Any, status), {}, {})
    words = [one["reason"] for one in told["waits"] if one["wait"] == Wait.LIMITED.value]
    assert words == ["--limit-down 2.00 kB/s", "--limit-down-per-peer 3.00 kB/s"], "nothing goes out"
    told = story_of(bench.engine, b"f", STATUS, {}, {})
    assert not [one for one in told["waits"] if one["wait"] == Wait.LIMITED.value]


def test_what_file_interval_lets_wait_is_said_by_name() -> None:
    bench = Bench()
    pace, now_ms = bench.engine.work.pace, bench.engine.board.now.mono_ms
    bench.engine.board.pending_looks.add(b"f", now_ms + 7_000, now_ms)
    assert Wait.LOOK in waits(bench, b"f")
    pace.interval_ms = 10_000
    pace.told(b"f", now_ms - 3_000)
    (one,) = waits_at(bench.engine, b"f")
    assert (one.wait, one.seconds) == (Wait.INTERVAL, 7.0)


def test_a_file_waits_for_its_folder() -> None:
    assert Wait.FOLDER in waits(with_offer(b"d/f"), b"d/f")


def test_nobody_has_it() -> None:
    bench = with_offer()
    bench.engine.sources.note_missing(PEER, record(b"f", b"data").content)
    bench.engine.transfers.drop_wanted(b"f")
    bench.engine.board.plan_queue.add(b"f")
    bench.wait(10)
    assert Wait.OUT_OF_REACH in waits(bench, b"f")


@pytest.mark.parametrize(
    ("unfit", "wait"),
    [
        (Unfit("taken for F", by=b"F"), Wait.SPELLING),
        (Unfit("the disk says no", stamp=record(b"f", b"data").stamp), Wait.REJECTED),
        (Unfit("too large for this disk", least=2), Wait.DISK_LIMIT),
        (Unfit("larger than --max-file-size", limit=1), Wait.TOO_LARGE),
    ],
)
def test_what_this_disk_or_its_person_does_not_let_in(unfit: Unfit, wait: Wait) -> None:
    bench = with_offer()
    bench.engine.board.taking = Taking(2, large="larger than --max-file-size")
    bench.engine.work.unable.hold(b"f", unfit)
    (one,) = [one for one in waits_at(bench.engine, b"f") if one.wait is wait]
    assert one.text == unfit.text


def test_room_that_a_person_keeps() -> None:
    bench = Bench()
    bench.engine.board.taking = Taking(room=1, full="less than --min-free would be left")
    bench.connect()
    bench.hear(state(record(b"f", b"data")))
    (one,) = [one for one in waits_at(bench.engine, b"f") if one.wait is Wait.MIN_FREE]
    assert "--min-free" in one.text


def test_names_rules_and_mounts() -> None:
    bench = Bench()
    bench.engine.scope.set_rules(Rules({b"": b"*.log\nbuild/\n"}, defaults=False))
    (one,) = waits_at(bench.engine, b"a.log")
    assert (one.wait, one.text) == (Wait.IGNORED, ".syncignore, line 1: *.log")
    assert "folders only" in waits_at(bench.engine, b"build")[0].text
    assert waits(bench, b"x/../y") == {Wait.INVALID_NAME}
    bench.engine.scope.note_mount(b"disk")
    assert waits(bench, b"disk/f") == {Wait.NEVER_SHARED}
    bench.engine.work.obstruct(b"pipe", Kind.OTHER)
    assert waits(bench, b"pipe") == {Wait.NEVER_SHARED}


def test_what_vanished_with_many_others_and_what_a_peer_did_to_many() -> None:
    bench = with_offer()
    bench.engine.brakes.own.hold({b"d": (3, 30)}, 7)
    assert Wait.LOSS_HELD in waits(bench, b"d/f")
    brake = bench.engine.brakes.peers
    brake.go_on(PEER, {b"f": (PEER, 3)}, False)
    (one,) = [one for one in waits_at(bench.engine, b"f") if one.wait is Wait.HELD]
    assert one.peer == PEER


def test_a_file_that_never_rests_and_one_that_is_too_large_to_be_sent() -> None:
    bench = Bench()
    pace = bench.engine.work.pace
    for at in range(200):
        pace.looked(b"busy", 10, 1, at * 1_000, rests=False)
    assert Wait.RESTLESS in waits(bench, b"busy")
    large = record(b"large", b"data")
    bench.engine.rows.put(
        large._replace(stamp=Stamp(5, OWN_LARGE), vector=((OWN_LARGE, 1),)), seen(b"large", b"data").fp
    )
    assert Wait.OWN_LARGE in waits(bench, b"large")


def test_a_folder_that_is_not_watched() -> None:
    bench = Bench()
    told = story_of(bench.engine, b"d/f", STATUS, {b"d": "No space left on device"}, {})
    (one,) = told["waits"]
    assert (one["wait"], one["other"], one["reason"]) == ("unwatched", "d", "No space left on device")


def test_what_concerns_the_whole_folder() -> None:
    def found(**more: Any) -> list[Wait]:
        return [one.wait for one in folder_waits(SimpleNamespace(**{**vars(STATUS), **more}))]  # type: ignore[arg-type]

    assert found() == []
    assert found(peers=()) == [Wait.ALONE]
    assert found(pause=PauseStatus(NO_END, False), peers=()) == [Wait.PAUSED], "nobody is connected because of that"
    assert found(pause=PauseStatus(5, True)) == [Wait.PAUSED_BY_SCHEDULE]
    assert found(paused_elsewhere=("bob",), peers=()) == [Wait.PAUSED_ELSEWHERE]
    assert found(mesh=SimpleNamespace(removed_by="bob")) == [Wait.REMOVED]


def has(bench: Bench, path: bytes, peer: str = PEER) -> dict[str, Any]:
    told = story_of(bench.engine, path, STATUS, {}, {peer: "10.0.0.2"})
    (one,) = told["peers"]
    return cast(dict[str, Any], one)


def test_what_is_known_of_a_peer() -> None:
    bench = Bench()
    bench.connect(asks=False)
    bench.found(b"f", b"data")
    assert has(bench, b"f")["has"] == "not told"
    assert has(bench, b"nowhere")["has"] == "nothing here"
    bench.wait(1_000)
    told = with_offer()
    assert has(told, b"f")["has"] == "newer"


def test_a_peer_whose_link_is_only_closing_is_not_connected() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"f", b"data")
    bench.feed(PeerDown(PEER, "protocol-error"))
    told = story_of(bench.engine, b"f", STATUS, {}, {PEER: "10.0.0.2"})
    assert told["peers"] == []
    assert len(told["away"]) == 1


def test_a_peer_that_was_told_is_asked_until_it_says_that_it_lacks_nothing() -> None:
    bench = Bench()
    bench.connect()
    bench.connect(OTHER)
    bench.found(b"f", b"data")
    one = has(bench, b"f")
    assert (one["has"], one["holds"]) == ("asked", 0)
    told = story_of(bench.engine, b"f", STATUS, {}, {PEER: "10.0.0.2"})
    assert contents_to_ask_for(bench.engine, b"f", told) == (record(b"f", b"data").content,)
    bench.engine.brakes.held_there(PEER, (Held(bench.index.identity.replica, 3, 20, b"f"),))
    assert has(bench, b"f")["holds"] == 20
    bench.hear(Lacks(FOLDER, bench.index.sequences.last, 0, 0, 0))
    assert has(bench, b"f")["has"] == "yes"
    told = story_of(bench.engine, b"f", STATUS, {}, {PEER: "10.0.0.2"})
    assert contents_to_ask_for(bench.engine, b"f", told) == ()


def test_a_peer_that_lacks_nothing_may_have_refused_what_a_read_only_member_made() -> None:
    """It ignores what it hears of it, so only its answer about the content counts."""
    bench = Bench()
    bench.connect()
    bench.found(b"f", b"data")
    bench.found(b"d", kind=Kind.DIRECTORY)
    bench.hear(Lacks(FOLDER, bench.index.sequences.last, 0, 0, 0))
    assert has(bench, b"f")["has"] == has(bench, b"d")["has"] == "yes"
    reader: Any = SimpleNamespace(**{**vars(STATUS), "is_reader": True})
    told = story_of(bench.engine, b"f", reader, {}, {PEER: "10.0.0.2"})
    assert told["peers"][0]["has"] == "asked"
    assert contents_to_ask_for(bench.engine, b"f", told) == (record(b"f", b"data").content,)
    assert story_of(bench.engine, b"d", reader, {}, {PEER: "10.0.0.2"})["peers"][0]["has"] == "refused"


def test_a_peer_that_keeps_something_of_its_own_is_asked_whether_it_has_this() -> None:
    """It has acknowledged the version, and lacks nothing."""
    bench = Bench()
    bench.connect()
    bench.found(b"f", b"data")
    bench.hear(Lacks(FOLDER, bench.index.sequences.last, 0, 0, 0, (Declined(Reason.DIVERGED, 1, 4),)))
    assert (has(bench, b"f")["has"], has(bench, b"f")["apart"]) == ("asked", ["diverged"])
    told = story_of(bench.engine, b"f", STATUS, {}, {PEER: "10.0.0.2"})
    assert contents_to_ask_for(bench.engine, b"f", told) == (record(b"f", b"data").content,)
    bench.hear(Lacks(FOLDER, bench.index.sequences.last, 0, 0, 0))
    assert (has(bench, b"f")["has"], has(bench, b"f")["apart"]) == ("yes", [])


def test_a_fault_in_a_story_is_an_answer_and_ends_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.daemon.test_requests import Bench as RequestBench

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    bench = RequestBench()
    cast(Any, bench.requests)._peers.links = {}
    monkeypatch.setattr(stories, "story_of", broken)
    assert "this is a fault of dir_sync" in bench.answer("why", path="f")["error"]


def test_a_node_loads_nothing_of_it_until_somebody_asks() -> None:
    code = "import sys, dir_sync.cli, dir_sync.daemon.process, dir_sync.daemon.requests; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    late = ("dir_sync.daemon.stories", "dir_sync.history.story", "dir_sync.core.waits", "dir_sync.cli.why")
    assert "dir_sync.daemon.requests" in loaded
    assert not [name for name in loaded if name in late or name.startswith("dir_sync.doctor")]
