"""The stream of events: each reader has its queue, nobody holds up the node, and what is dropped is counted."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dir_sync.core.live_notes import PeerCame, TransferMoved
from dir_sync.core.notes import ChangedHere, ReceivedMany
from dir_sync.daemon import stream as module
from dir_sync.daemon.stream import Stream

PATIENCE_S = 20.0


class Listener:
    """The other end of a link that a stream serves."""

    def __init__(self, stream: Stream, question: dict[str, Any]) -> None:
        self.link, served = socket.socketpair()
        self.link.settimeout(PATIENCE_S)
        self._rest = b""

        def serve() -> None:
            with served:
                try:
                    stream.serve(question, served)
                except OSError:
                    pass

        self.thread = threading.Thread(target=serve)
        self.thread.start()

    def line(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            piece = self.link.recv(65_536)
            if not piece:
                raise EOFError
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def until_end(self) -> list[dict[str, Any]]:
        lines = []
        while True:
            try:
                lines.append(self.line())
            except EOFError:
                return lines

    def leave(self) -> None:
        self.link.close()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


@contextmanager
def listening(stream: Stream, **question: Any) -> Iterator[Listener]:
    one = Listener(stream, {"command": "events"} | question)
    try:
        yield one
    finally:
        one.leave()


def wait_for(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def stream() -> Iterator[Stream]:
    it = Stream("notes", "anna")
    yield it
    it.close()


def tell(stream: Stream, *names: str) -> None:
    for name in names:
        stream.tell(ChangedHere(name.encode(), 3), time.monotonic())


def paths(lines: list[dict[str, Any]]) -> list[str]:
    return [line["path"] for line in lines if line["event"] == "changed_here"]


def test_a_reader_hears_what_happens_until_the_end(stream: Stream) -> None:
    tell(stream, "before")
    with listening(stream) as one:
        begun = one.line()
        assert (begun["event"], begun["name"], begun["folder"]) == ("begun", "anna", "notes")
        before = time.time()
        tell(stream, "a", "b\n")
        first, second = one.line(), one.line()
        assert (first["path"], first["size"]) == ("a", 3)
        assert abs(first["time"] - before) < PATIENCE_S
        assert second["path"] == "b\\n"
        assert [begun["id"] + 1, begun["id"] + 2] == [first["id"], second["id"]]
        stream.close()
        assert [line["event"] for line in one.until_end()] == ["ended"]


def test_several_readers_hear_the_same_and_those_who_left_nothing(stream: Stream) -> None:
    with listening(stream) as one, listening(stream) as two:
        assert one.line()["event"] == two.line()["event"] == "begun"
        tell(stream, "a")
        assert one.line()["path"] == two.line()["path"] == "a"
        two.leave()
        assert len(stream._readers) == 1
        tell(stream, "b")
        assert one.line()["path"] == "b"


def test_the_last_events_come_first_and_none_twice(stream: Stream) -> None:
    tell(stream, *"abc")
    with listening(stream, last=2) as one:
        one.line()
        tell(stream, "d")
        lines = [one.line() for _ in range(3)]
        assert paths(lines) == ["b", "c", "d"]
    with listening(stream, since=lines[0]["id"], wait=False) as again:
        assert paths(again.until_end()) == ["c", "d"]
    with listening(stream, last=9, wait=False) as all_of_them:
        assert paths(all_of_them.until_end()) == list("abcd")


def test_a_reader_that_comes_back_late_is_told_how_many_are_gone(stream: Stream) -> None:
    tell(stream, "first")
    with listening(stream, last=1, wait=False) as one:
        at = one.until_end()[-1]["id"]
    tell(stream, *(f"f{number}" for number in range(module.RECENT_MAX + 7)))
    with listening(stream, since=at, wait=False) as again:
        lines = again.until_end()
    assert [line["events"] for line in lines if line["event"] == "missed"] == [7]
    assert len(paths(lines)) == module.RECENT_MAX
    with listening(stream, since=1, wait=False) as of_another_run:
        assert all(line["event"] != "missed" for line in of_another_run.until_end())


def test_a_reader_that_reads_nothing_holds_up_nobody_and_is_told_what_it_missed(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_MAX", 500)
    with listening(stream) as one, listening(stream) as other:
        one.line()
        other.line()
        sent = 0
        while not any(reader.dropped for reader in stream._readers):  # until the socket and the queue are full
            tell(stream, "x" * 1_000)
            assert other.line()["size"] == 3
            sent += 1
        for _ in range(40):
            tell(stream, "x" * 1_000)
            assert other.line()["size"] == 3  # who reads misses nothing
            sent += 1
        tell(stream, "again")
        got, missed, last = 0, 0, ""
        while got + missed < sent + 1:
            line = one.line()
            missed += line["events"] if line["event"] == "missed" else 0
            got += line["event"] == "changed_here"
            last = line.get("path", last)
        assert missed >= 41
        tell(stream, "and again")
        assert one.line()["path"] == "and again"


def test_what_waits_for_a_reader_is_bounded_also_by_the_files_that_it_names(stream: Stream) -> None:
    reader = stream.open()
    assert reader is not None
    many = ReceivedMany("bob", tuple((b"f%d" % number, 1) for number in range(3_000)), 3_000)
    for _ in range(10):
        stream.tell(many, time.monotonic())
    assert reader.dropped == 7
    assert sum(len(entry.event.files) for entry in stream.kept() if isinstance(entry.event, ReceivedMany)) == 200
    stream.leave(reader)


def test_files_that_are_not_named_are_counted(stream: Stream) -> None:
    many = ReceivedMany("bob", tuple((b"f%d" % number, 1) for number in range(3_000)), 3_000)
    with listening(stream) as one:
        one.line()
        stream.tell(many, time.monotonic())
        line = one.line()
        assert (len(line["files"]), line["more"], line["size"]) == (2_000, 1_000, 3_000)
    with listening(stream, last=1, wait=False) as late:
        line = late.until_end()[-1]
        assert (len(line["files"]), line["more"]) == (20, 2_980)


def test_a_reader_that_leaves_while_nothing_happens_is_noticed(stream: Stream) -> None:
    with listening(stream) as one:
        one.line()
        one.leave()
        wait_for(lambda: not stream._readers)


def test_the_end_waits_for_nobody_who_reads_nothing(stream: Stream) -> None:
    with listening(stream) as one:
        one.line()
        tell(stream, *("x" * 1_000 for _ in range(3_000)))
        stream.close()
        one.thread.join(PATIENCE_S)
        assert not one.thread.is_alive()


def test_too_many_readers_are_told_so(stream: Stream) -> None:
    readers = [stream.open() for _ in range(module.READERS_MAX)]
    with listening(stream) as one:
        assert "too many" in one.line()["error"]
    for reader in readers:
        assert reader is not None
        stream.leave(reader)
    with listening(stream) as one:
        assert one.line()["event"] == "begun"


def test_after_the_end_nobody_is_served() -> None:
    stream = Stream("notes", "anna")
    stream.close()
    with listening(stream) as one:
        assert "ending" in one.line()["error"]


@pytest.mark.parametrize("question", [{"last": -1}, {"last": "3"}, {"since": True}, {"since": 1.5}])
def test_a_question_that_cannot_be_read(stream: Stream, question: dict[str, Any]) -> None:
    with listening(stream, **question) as one:
        assert "cannot be read" in one.line()["error"]


def test_what_a_reader_sends_is_thrown_away(stream: Stream) -> None:
    with listening(stream) as one:
        one.line()
        one.link.sendall(b"x" * 200_000)
        stream.tell(PeerCame("bob", "10.0.0.2"), time.monotonic())
        assert one.line()["peer"] == "bob"


def test_how_far_a_transfer_has_come_is_told_and_not_kept(stream: Stream) -> None:
    with listening(stream) as one:
        one.line()
        before = stream.kept()
        stream.tell(TransferMoved(b"big", "bob", "receive", 10, 5, 1), time.monotonic())
        assert one.line()["done"] == 5
        assert stream.kept() == before


def test_without_a_reader_nothing_is_turned_into_json(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_line_of", lambda entry: pytest.fail("nobody listens"))
    tell(stream, *(str(number) for number in range(3 * module.RECENT_MAX)))
    assert len(stream.kept()) == module.RECENT_MAX
