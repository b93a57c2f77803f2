"""The commands of the control socket, with an engine that only remembers what it was told."""

from __future__ import annotations

import logging
import queue
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from dir_sync.core.events import (
    ConflictsDismissed,
    Decided,
    Effect,
    Inquired,
    Overridden,
    Report,
    RestoreRequested,
    Touched,
    Urgency,
)
from dir_sync.core.jobs import Cause, Version
from dir_sync.core.messages import Have, HaveRequest, Held, HistoryRequest
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, Stamp, unstamped
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.taking import Keep
from dir_sync.daemon import stories
from dir_sync.daemon.asking import ask_engine
from dir_sync.daemon.inbox import Inbox
from dir_sync.daemon.news import Asked
from dir_sync.daemon.pausing import Pausing
from dir_sync.daemon.requests import Requests
from dir_sync.daemon.threads import DiskHangs
from dir_sync.engine.own_changes import Difference
from dir_sync.engine.path_decisions import HeldBelow
from dir_sync.network.clock import Measured
from dir_sync.network.control import Answer
from tests.daemon.standins import NOW, Folder

BOB, CAROL = "bb" * 8, "cc" * 8
CONTENT = bytes(range(32))
VERSION = Version(b".dir_sync/versions/1", b"d/f", Kind.FILE, 5, CONTENT, 0, 0o644, NOW.wall_ns, Cause.REPLACED, BOB)
PACKED: Answer = {
    "name": ".dir_sync/versions/1",
    "path": "d/f",
    "kind": int(Kind.FILE),
    "size": 5,
    "content": CONTENT.hex(),
    "mtime": 0,
    "mode": 0o644,
    "time_ns": NOW.wall_ns,
    "why": Cause.REPLACED.value,
    "maker": BOB,
}


class Bench:
    def __init__(self) -> None:
        self.folder = Folder()
        self.inbox = Inbox()
        peers = SimpleNamespace(
            links={BOB: SimpleNamespace(address="10.0.0.2"), CAROL: SimpleNamespace(address="10.0.0.3")},
            away=lambda: [],
            names=lambda: ["bob", "carol"],
            pausing=[],
            name_of=lambda node: {BOB: b"bob", CAROL: b"carol"}[node],
        )
        self.status = SimpleNamespace(to_json=lambda: {"files": 3}, is_reader=False)
        self.timetable: Any = SimpleNamespace(look=lambda now_s: None, off_until_s=None)
        log = logging.getLogger("dir_sync")
        self.commit = self.folder.index.commit
        pausing = Pausing(
            self.folder.index,
            log,
            lambda: self.commit(),
            lambda: self.inbox.put("pause changed"),
            self.timetable,
            NOW.wall_ns / 1e9,
        )
        self.requests = Requests(
            self.folder.share, cast(Any, peers), self.inbox, lambda: cast(Any, self.status), cast(Any, None), pausing
        )
        self.effects: list[Effect] = []

    def ask(self, command: str, **more: object) -> Asked:
        asked = Asked({"command": command, **more})
        self.effects = self.requests.on_asked(asked, NOW)
        return asked

    def answer(self, command: str, **more: object) -> Answer:
        return self.ask(command, **more).reply.get_nowait()

    @property
    def events(self) -> list[object]:
        return list(self.folder.engine.events)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_questions_that_change_nothing(bench: Bench) -> None:
    assert bench.answer("status") == {"files": 3}
    assert bench.answer("pending") == {"count": 3}
    assert bench.answer("versions", path="")["versions"] == []
    assert not bench.events


def test_a_command_of_another_version_is_refused_in_words(bench: Bench) -> None:
    assert "does not know the command 'dance'" in bench.answer("dance")["error"]


@pytest.mark.parametrize(("is_reader", "word"), [(False, "no"), (True, "refused")])
def test_a_peer_without_the_content_has_refused_it_if_this_node_may_not_write(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_reader: bool, word: str
) -> None:
    bench.status.is_reader = is_reader
    told: Answer = {"peers": [{"has": "asked", "replica": BOB}, {"has": "asked", "replica": CAROL}]}
    monkeypatch.setattr(stories, "story_of", lambda *_: told)
    monkeypatch.setattr(stories, "contents_to_ask_for", lambda *_: (b"c" * 32,))
    asked = bench.ask("why", path="f")
    (event,) = bench.events
    assert isinstance(event, Inquired)
    (question,) = event.questions
    assert isinstance(question, HaveRequest)
    have = ((CAROL, 0, Have("", 0, (0,))), (BOB, 0, Have("", 0, ())))
    bench.requests.answered(Report(event.id, have))
    assert [peer["has"] for peer in asked.reply.get_nowait()["peers"]] == [word, "yes"]


def test_what_peers_lack_is_asked_of_them_by_its_content(bench: Bench) -> None:
    for number, name in enumerate((b"a", b"b"), 1):
        record = Record(name, Kind.FILE, 5, name * 32, 0, 0o644, Stamp(number, "me"), (("me", number),))
        bench.folder.index.rows.put(record, b"fp")
    bench.folder.engine.report.lacks = {BOB: Lack(1, 5, 0), CAROL: NOTHING}
    bench.folder.engine.names = {BOB: "bob"}
    asked = bench.ask("lacking")
    (event,) = bench.events
    assert isinstance(event, Inquired)
    (question,) = event.questions
    assert isinstance(question, HaveRequest)
    assert set(question.digests) == {b"a" * 32, b"b" * 32}
    have = question.digests.index(b"a" * 32)
    bench.requests.answered(Report(event.id, ((BOB, 0, Have("", 0, (have,))), (CAROL, 0, Have("", 0, ())))))
    assert asked.reply.get_nowait() == {"peers": [{"name": "bob", "paths": ["b"]}]}


def test_a_peer_that_does_not_answer_may_have_everything(bench: Bench) -> None:
    bench.folder.engine.report.lacks = {BOB: NOTHING, CAROL: NOTHING}
    assert bench.answer("lacking") == {"peers": []}, "nobody lacks anything"
    record = Record(b"a", Kind.FILE, 5, b"a" * 32, 0, 0o644, Stamp(1, "me"), (("me", 1),))
    bench.folder.index.rows.put(record, b"fp")
    bench.folder.engine.report.lacks = {BOB: Lack(1, 5, 0)}
    asked = bench.ask("lacking")
    (event,) = bench.events
    assert isinstance(event, Inquired)
    bench.requests.answered(Report(event.id, ()))
    assert [peer["paths"] for peer in asked.reply.get_nowait()["peers"]] == [[]]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"command": "recall"}, "names no version"),
        ({"command": "settle"}, "names no versions"),
        ({"command": "undo"}, "names no time"),
        ({"command": "undo", "since_ns": NOW.wall_ns + 1}, "in the future"),
        ({"command": "versions", "path": "../up"}, "cannot be a path"),
    ],
)
def test_what_cannot_be_is_one_line(bench: Bench, question: Answer, words: str) -> None:
    answer = bench.answer(**question)
    assert words in answer["error"]
    assert answer["exit_code"]
    assert not bench.events


def test_what_the_engine_orders_comes_back(bench: Bench) -> None:
    bench.folder.engine.gives = [Report(1, ())]
    bench.ask("approve")
    assert bench.effects == [Report(1, ())]


def test_a_version_of_a_peer_comes_back_with_its_folder(bench: Bench) -> None:
    assert bench.answer("recall", version=PACKED, holder=CAROL) == {}
    (event,) = bench.folder.engine.events
    assert isinstance(event, RestoreRequested)
    assert [one.path for one in event.wanted] == [b"d", b"d/f"]
    assert event.holders[CONTENT] == (CAROL,)


def test_a_version_that_somebody_kept_is_noted_and_its_path_looked_at(bench: Bench) -> None:
    assert bench.answer("keep", version=PACKED, path="d/f") == {}
    assert list(bench.folder.index.versions.oldest_first()) == [VERSION]
    assert bench.inbox.get(0) == Touched(b"d/f", Urgency.NOW)


def test_a_settled_conflict_is_told_to_the_engine(bench: Bench) -> None:
    bench.folder.index.versions.put(VERSION._replace(why=Cause.CONFLICT))
    assert bench.answer("settle", versions=[PACKED]) == {}
    assert [version.why for version in bench.folder.index.versions.oldest_first()] == [Cause.REPLACED]
    (event,) = bench.folder.engine.events
    assert isinstance(event, ConflictsDismissed)
    assert [loser.path for loser in event.losers] == [b"d/f"]


def test_peers_are_asked_and_the_answer_waits_for_them(bench: Bench) -> None:
    first = bench.ask("versions", path="d", peers=True)
    second = bench.ask("versions", path="", peers=True)
    (one, two) = bench.folder.engine.events
    assert isinstance(one, Inquired)
    assert isinstance(two, Inquired)
    assert one.id != two.id
    (question,) = one.questions
    assert isinstance(question, HistoryRequest)
    assert question.path == b"d"
    assert first.reply.empty()
    bench.requests.answered(Report(one.id, ()))
    assert first.reply.get_nowait()["peers"] == []
    assert second.reply.empty(), "that one waits for answers of its own"


def test_an_undo_without_changes_asks_and_wants_nothing(bench: Bench) -> None:
    bench.folder.index.notes.put("journal since", 1)
    asked = bench.ask("undo", since_ns=5)
    if asked.reply.empty():
        (event,) = bench.folder.engine.events
        assert isinstance(event, Inquired)
        assert event.questions == ()
        bench.requests.answered(Report(event.id, ()))
    answer = asked.reply.get_nowait()
    assert answer["changes"] == []
    assert bench.inbox.get(0) is None


def test_an_undo_wants_the_folders_too_that_another_node_removed(bench: Bench) -> None:
    index = bench.folder.index
    index.notes.put("journal since", 1)
    index.versions.put(VERSION)  # the content is here
    before = unstamped(b"d/f", Kind.FILE, 5, CONTENT, 0, 0o644)
    removed = unstamped(b"d/f", Kind.ABSENT, 0, b"", 0, 0)._replace(stamp=Stamp(7, BOB))
    index.journal.write(removed, before, 7)
    index.notes.put("name " + BOB, "bob")
    bench.ask("undo", since_ns=5, by="bob")
    (event,) = bench.folder.engine.events
    assert isinstance(event, Inquired)
    bench.requests.answered(Report(event.id, ()))
    restored = bench.inbox.get(0)
    assert isinstance(restored, RestoreRequested)
    assert [(one.path, one.kind) for one in restored.wanted] == [(b"d", Kind.DIRECTORY), (b"d/f", Kind.FILE)]


def test_an_approval_says_what_it_is_about(bench: Bench) -> None:
    brakes, mine = bench.folder.engine.brakes, bench.folder.index.identity.replica
    brakes.here = [Held(BOB, 1, 120, b"f1"), Held(mine, 1, 30, b"g1")]
    brakes.own.held_files = 30
    brakes.held_elsewhere = {CAROL: (Held(mine, 1, 40, b"h1"), Held(CAROL, 1, 5, b"i1"))}
    assert bench.answer("approve") == {
        "files": 30 + 5 + 120,
        "missing": 30 + 5,
        "missing_here": 30,
        "elsewhere": 40,  # nobody approves on its own machine what its users did
        "others": ["bob"],  # carol lost files herself: she decides at once
        "may_decide": True,
    }
    assert bench.events == [Decided(True)]
    answer = bench.answer("reject")
    assert (answer["files"], answer["elsewhere"]) == (30 + 5 + 120 + 40, 0)
    assert bench.events == [Decided(True), Decided(False)]


def test_a_decision_about_paths_is_about_what_is_held_there(bench: Bench) -> None:
    """Of what a path may mean, the first at which something is held counts."""
    held = bench.folder.engine.held_below
    held[b"two\nlines"] = HeldBelow({BOB: [b"two\nlines"]})
    held[b"d"] = HeldBelow({CAROL: [b"d/1", b"d/2"]}, 3)
    typed = [["two\\nlines", "two\nlines"], ["d"]]
    answer = bench.answer("decide", approve=True, paths=typed, dry_run=True)
    assert answer == {
        "files": 6,
        "missing": 3,
        "missing_here": 3,
        "elsewhere": 0,
        "others": ["bob", "carol"],
        "paths": ["two\\nlines", "d"],
        "may_decide": True,
    }
    assert not bench.events
    assert bench.answer("decide", approve=False, paths=typed) == answer
    assert bench.events == [Decided(False, (b"two\nlines", b"d"))]


def test_a_path_at_which_nothing_is_held_decides_nothing(bench: Bench) -> None:
    bench.folder.engine.held_below[b"d"] = HeldBelow({BOB: [b"d/1"]})
    answer = bench.answer("decide", approve=True, paths=[["d"], ["e\n"]])
    assert answer == {"error": "nothing is held at e\\n; nothing was decided", "exit_code": 1}
    bench.folder.engine.brakes.held_elsewhere = {CAROL: (Held(BOB, 1, 40, b"h1"),)}
    assert (
        "here (but on carol: decide there about single paths) at e\\n"
        in bench.answer("decide", approve=True, paths=[["e\n"]])["error"]
    )
    assert not bench.events


@pytest.mark.parametrize("paths", [None, [], "d", ["d"], [[]], [["../up"]]])
def test_a_decision_about_what_is_no_path(bench: Bench, paths: object) -> None:
    assert bench.answer("decide", approve=True, paths=paths)["error"]
    assert not bench.events


def test_whoever_asks_waits_until_the_node_ends() -> None:
    inbox = Inbox()
    ends_once_it_is_asked = Mock(side_effect=[False, True])
    answer = ask_engine(inbox, {"command": "status"}, ends_once_it_is_asked)
    assert "did not answer in time" in answer["error"]
    asked = inbox.get(0)
    assert isinstance(asked, Asked)
    with pytest.raises(queue.Empty):
        asked.reply.get_nowait()


def test_what_a_mode_leaves_different_is_listed_and_ended(bench: Bench) -> None:
    engine = bench.folder.engine
    engine.mode_rules.mode = Mode.SEND_ONLY
    engine.differing = [Difference(b"a\n", Kind.FILE, Kind.ABSENT, "bob")]
    paths = [{"path": "a\\n", "here": "file", "there": "nothing", "by": "bob"}]
    assert bench.answer("diverged") == {"mode": "send-only", "count": 1, "paths": paths}
    done = {"mode": "send-only", "count": 1, "paths": [], "connected": 2}
    assert bench.answer("override", modes=["send-only"]) == done
    assert bench.events == [Overridden()]


@pytest.mark.parametrize(("command", "modes"), [("override", ["send-only"]), ("revert", ["receive-only", "mirror"])])
def test_a_node_of_another_mode_does_nothing(bench: Bench, command: str, modes: list[str]) -> None:
    assert "this node is two-way" in bench.answer(command, modes=modes)["error"]
    assert not bench.events


def test_a_pause_is_noted_at_once_and_news_for_the_loop() -> None:
    bench = Bench()
    assert bench.answer("pause", for_s=60) == {
        "was_paused": False,
        "paused": True,
        "until_s": NOW.wall_ns // 10**9 + 60,
        "overruled_until_s": None,
    }
    assert not bench.folder.index.is_dirty
    assert bench.inbox.get(0) == "pause changed"
    assert bench.answer("pause", for_s=90)["was_paused"]
    assert bench.inbox.get(0) is None, "it is paused as before"
    resumed = {"was_paused": True, "paused": False, "until_s": 0, "overruled_until_s": None}
    assert bench.answer("resume") == resumed
    assert bench.inbox.get(0) == "pause changed"
    assert not bench.events, "the engine does not know of it"
    assert "error" in bench.answer("pause", for_s=-1)


def test_a_pause_is_answered_only_when_it_is_on_the_disk(bench: Bench) -> None:
    """The disk may hang: then the folder ends, and the other folders of the node go on."""

    def hangs() -> None:
        raise DiskHangs

    bench.commit = hangs  # type: ignore[assignment]
    asked = Asked({"command": "pause"})
    with pytest.raises(DiskHangs):
        bench.requests.on_asked(asked, NOW)
    assert bench.folder.index.is_dirty, "nobody else has touched the disk"
    assert asked.reply.empty()
    assert bench.inbox.get(0) is None


def test_a_resume_while_the_schedule_says_off_counts_until_the_schedule_changes() -> None:
    bench = Bench()
    bench.timetable.off_until_s = until_s = NOW.wall_ns // 10**9 + 600
    bench.requests._pausing.look(NOW.wall_ns / 1e9)
    resumed = {"was_paused": True, "paused": False, "until_s": 0, "overruled_until_s": until_s}
    assert bench.answer("resume") == resumed
    assert bench.requests._pausing.overruled_until_s == until_s
    assert bench.inbox.get(0) == bench.inbox.get(0) == "pause changed"
    bench.timetable.off_until_s = until_s + 600
    bench.requests._pausing.look(until_s - 1.0)
    assert bench.inbox.get(0) is None
    bench.requests._pausing.look(until_s)
    assert bench.inbox.get(0) == "pause changed", "the next time off counts again"
    assert bench.requests._pausing.overruled_until_s is None


def test_the_clocks_of_the_peers_are_asked_for_and_the_last_answers_told(bench: Bench) -> None:
    asked: list[str] = []

    def link(name: str, measured: Measured | None) -> Any:
        def measure_clock() -> Measured | None:
            asked.append(name)
            return measured

        return SimpleNamespace(address=f"10.0.0.{len(name)}", measure_clock=measure_clock)

    links = {BOB: link("bob", Measured(3_000, 200)), CAROL: link("carol", None)}
    cast(Any, bench.requests)._peers.links = links
    cast(Any, bench.requests)._share = SimpleNamespace(discovers=True, keeps_free=Keep("5%", percent=5))
    assert bench.answer("doctor") == {
        "clocks": [
            {"name": "bob", "address": "10.0.0.3", "offset_ns": 3_000, "rtt_ns": 200},
            {"name": "carol", "address": "10.0.0.5"},
        ],
        "discovers": True,
        "min_free_bytes": 0,
        "min_free_percent": 5,
    }
    assert asked == ["bob", "carol"]


def test_the_settings_are_those_of_the_folder() -> None:
    bench = Bench()
    cast(Any, bench.requests)._share = SimpleNamespace(settings={"mode": "Mode.TWO_WAY"})
    assert bench.answer("settings") == {"mode": "Mode.TWO_WAY"}
