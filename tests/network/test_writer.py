"""A small message goes at once, on the thread that hands it over; what the socket does not take goes first, later."""

from __future__ import annotations

import json
import socket
import threading
import zlib
from collections.abc import Iterator
from typing import Any, cast

import pytest

from dir_sync.core.messages import Acknowledge, Hello, Ping
from dir_sync.core.session import Session
from dir_sync.network.channel import PlainChannel
from dir_sync.network.outbox import Outbound
from dir_sync.network.pacing import LinkPace
from dir_sync.network.writer import Writer
from tests.daemon.standins import hello

WORDS = tuple(Outbound(Acknowledge("default", number, ()), 10) for number in range(1, 9))


class Bench:
    def __init__(self, pace: LinkPace | None = None) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_608)
        self.theirs.settimeout(30.0)
        self.channel = PlainChannel(self.ours)
        self.reported: list[int] = []
        self.is_over = False
        self.unacknowledged = False
        self.looks = threading.Semaphore(0)
        session = Session()
        self.writer = Writer(self.channel, session, pace, self.reported.append, self.look, lambda: self.is_over)
        self.thread = threading.Thread(target=self.writer.run)
        session.send(cast(Hello, hello("bb")))
        session._they_asked = True

    def look(self) -> bool:
        self.looks.release()
        return self.unacknowledged

    def heard(self) -> list[str]:
        """The types of what has come so far."""
        self.theirs.setblocking(False)
        data = b""
        while True:
            try:
                data += self.theirs.recv(1 << 20)
            except BlockingIOError:
                return types(data)

    def read(self, size: int) -> bytes:
        self.theirs.settimeout(30.0)
        data = b""
        while len(data) < size:
            data += self.theirs.recv(size - len(data))
        return data

    def end(self) -> None:
        self.is_over = True
        self.writer.waiting.wake()
        self.thread.join(30.0)


def types(data: bytes) -> list[str]:
    found = []
    while data:
        size = int.from_bytes(data[:8], "big")
        found.append(json.loads(zlib.decompress(data[8 : 8 + size]))["type"])
        data = data[8 + size :]
    return found


@pytest.fixture
def bench() -> Iterator[Bench]:
    it = Bench()
    yield it
    if it.thread.ident is not None:
        it.end()
    it.ours.close()
    it.theirs.close()


def test_a_small_message_needs_no_other_thread(bench: Bench) -> None:
    bench.writer.send(WORDS[0])
    assert bench.heard() == ["ACKNOWLEDGE"]
    assert not bench.writer.waiting.is_any


@pytest.mark.parametrize("first", [Outbound(Ping(1), 0), Outbound(WORDS[0].message, 1 << 20)], ids=["kind", "size"])
def test_others_wait_for_the_writers_thread_and_keep_their_order(bench: Bench, first: Outbound) -> None:
    bench.writer.send(first)
    bench.writer.send(WORDS[1])
    assert bench.heard() == []
    assert [parcel.message for parcel in bench.writer.waiting.control] == [first.message, WORDS[1].message]


def test_with_a_limit_of_speed_nothing_goes_at_once() -> None:
    bench = Bench(cast(Any, object()))
    bench.writer.send(WORDS[0])
    assert bench.heard() == []
    bench.ours.close()
    bench.theirs.close()


def test_what_the_socket_does_not_take_goes_first(bench: Bench) -> None:
    """The socket is filled to its last byte, so that a message is cut somewhere; the writer's thread sends the rest of it,
    and then the others, each once."""
    filler = 0
    bench.ours.setblocking(False)
    for size in (1_000, 1):
        while True:
            try:
                filler += bench.ours.send(bytes(size))
            except BlockingIOError:
                break
    room = bench.theirs.recv(40)  # a little room, or none: as the kernel likes
    bench.ours.setblocking(True)
    for word in WORDS:
        bench.writer.send(word)
    assert bench.channel.has_rest or bench.writer.waiting.is_any
    bench.thread.start()
    bench.read(filler - len(room))
    total = sum(len(part) for word in WORDS for part in word.encoded())
    assert types(bench.read(total)) == ["ACKNOWLEDGE"] * len(WORDS)
    assert not bench.channel.has_rest


def test_the_thread_that_sleeps_is_woken_to_see_whether_the_peer_acknowledges(bench: Bench) -> None:
    bench.thread.start()
    assert bench.looks.acquire(timeout=30.0), "nothing was sent: it sleeps until there is something"
    bench.unacknowledged = True
    bench.writer.send(WORDS[0])
    assert bench.looks.acquire(timeout=30.0)
    assert bench.looks.acquire(timeout=30.0), "and looks again while there are unacknowledged bytes"


def test_what_was_sent_at_once_is_reported_with_the_rest(bench: Bench) -> None:
    for _ in range(8):
        bench.writer.send(Outbound(WORDS[0].message, 10_000))
    assert bench.reported == [70_000]


def test_a_link_that_is_broken_is_met_by_the_writers_thread(bench: Bench) -> None:
    bench.theirs.close()
    bench.ours.shutdown(socket.SHUT_RDWR)
    bench.writer.send(WORDS[0])
    assert bench.writer.waiting.is_any
    with pytest.raises(OSError, match="pipe"):
        bench.writer.run()
