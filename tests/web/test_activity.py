"""Events of nodes as rows of a list."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dir_sync.core import notes
from dir_sync.core.note_json import KINDS, to_json
from dir_sync.network.control import Answer, NoDaemon
from dir_sync.reporting.event_words import EventWords
from dir_sync.web import activity as module
from dir_sync.web.activity import Activity, rows_of
from dir_sync.web.app import STATIC
from dir_sync.web.nodes import SharedFolder
from tests.web.kit import browser
from tests.web.test_catalogues import catalogue

FOLDER = SharedFolder("f", "/shared")


def told(event: Any, id_: int = 1, time_s: float = 1_000.0) -> Answer:
    return {**to_json(event), "id": id_, "time": time_s}


def test_an_event_is_a_row_with_its_words() -> None:
    (row,) = rows_of(FOLDER, told(notes.Received(b"a\nb", "bob", 5)), EventWords("/shared"))
    assert row["text"] == "received a\\nb (5 B) from bob"
    assert (row["event"], row["path"], row["peer"], row["size"], row["folder"]) == ("received", "a\\nb", "bob", 5, "f")
    for many, kind, word in ((notes.ReceivedMany, "received", "from"), (notes.SentMany, "sent", "to")):
        rows = rows_of(FOLDER, told(many("bob", ((b"a", 1), (b"b\n", 2)), 3)), EventWords("/shared"))
        assert [(one["text"], one["event"], one["path"], one["size"], one["peer"]) for one in rows] == [
            (f"{kind} a (1 B) {word} bob", kind, "a", 1, "bob"),
            (f"{kind} b\\n (2 B) {word} bob", kind, "b\\n", 2, "bob"),
        ], "each says what it is, so that a page can say it in its own language"
    assert rows_of(FOLDER, {"event": "of a later version", "id": 3}, EventWords("/shared")) == []


class Streams:
    """Stands in for the sockets of nodes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[Answer] = []
        self.questions: list[Answer] = []
        self.go_on = threading.Event()
        monkeypatch.setattr(module, "listen", self.listen)

    def listen(self, folder: str, question: Answer, tick_s: float) -> Iterator[Answer]:
        if folder == "/none":
            raise NoDaemon
        self.questions.append(question)
        given = 0
        while True:
            while given < len(self.events):
                yield self.events[given]
                given += 1
            self.go_on.wait(0.01)
            yield {}


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    return Streams(monkeypatch)


def until(check: Any) -> None:
    deadline_s = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_nodes_are_listened_to_while_somebody_looks(streams: Streams) -> None:
    news: list[int] = []
    it = Activity(lambda: news.append(1))
    streams.events = [told(notes.Sent(b"f%d" % n, "bob", 1), n, 1_000 + n) for n in range(3)]
    it.follow([FOLDER])
    until(lambda: it.count == 3)
    assert news
    assert [row["path"] for row in it.rows()] == ["f2", "f1", "f0"]
    assert [row["path"] for row in it.rows("SENT F1")] == ["f1"]
    it.follow([])
    assert streams.questions == [{"command": "events", "since": None, "last": 500, "wait": True}]
    it.follow([FOLDER])
    until(lambda: len(streams.questions) == 2)
    assert streams.questions[1] == {"command": "events", "since": 2, "last": None, "wait": True}, "nothing comes twice"
    it.end()
    it.end()


def test_a_node_that_does_not_know_events_is_left_alone(streams: Streams) -> None:
    it = Activity()
    streams.events = [{"error": "no such command"}]
    it.follow([FOLDER, SharedFolder("g", "/none")])
    until(lambda: not any(thread.is_alive() for thread, _ in it._listening.values()))
    assert it.rows() == []
    it.end()


def test_ten_thousand_events_are_kept_and_come_page_by_page(streams: Streams) -> None:
    with browser() as page:
        rows = [
            {"folder": "f", "time_s": float(n), "event": "sent", "text": f"sent f{n}", "bad": False}
            for n in range(12_000)
        ]
        page.web.activity._take(FOLDER, rows, 12_000)
        first = page.get("/api/activity", limit=200)
        assert (first["count"], first["rows"][0]["text"]) == (10_000, "sent f11999")
        assert page.get("/api/activity", offset=9_999)["rows"][0]["text"] == "sent f2000"
        assert page.get("/api/activity", find="f1199")["count"] == 10
        begin_s = time.monotonic()
        for offset in range(0, 10_000, 1_000):
            page.get("/api/activity", offset=offset)
        assert time.monotonic() - begin_s < 10


def test_the_kinds_that_pages_translate_are_kinds_that_there_are() -> None:
    for key in catalogue("en"):
        if key.startswith("event."):
            assert key.removeprefix("event.") in KINDS
    assert set(KINDS) >= module._BAD
    assert (STATIC / "js/pages/activity.js").exists()
