"""Node and NodeManager on real sockets (loopback): links, orders, and peers that behave badly."""

from __future__ import annotations

import queue
import random
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import pytest

from dir_sync.core import limits
from dir_sync.core.messages import (
    PROTOCOL,
    Chunks,
    FolderIndex,
    Hello,
    Message,
    NeedSignature,
    Ping,
    State,
    StateRequest,
    encode,
)
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.overload.guard import ALLOWED, Allowance
from dir_sync.core.wire import Piece, encode_message
from dir_sync.network import tcp
from dir_sync.network.outbox import Outbound
from dir_sync.node import Node
from dir_sync.node_manager import BytesSent, Dialled, HelloReceived, LinkClosed, MessageReceived, NodeManager, Stalled

LOCAL = "127.0.0.1"


def hello(node: str, instance: str = "aa", port: int = 1) -> Hello:
    return Hello(PROTOCOL, node, f"name of {node}", instance, port, (FolderIndex("default", "1d", 0),))


class Place:
    """A NodeManager and everything it has posted."""

    def __init__(self, node: str) -> None:
        self.news: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.seen: list[object] = []
        self.reports: list[str] = []
        self.near: set[str] = set()
        self.manager = NodeManager(0, LOCAL, lambda: hello(node), self.news.put, self.reports.append, self.is_near)
        self.manager.start()

    def is_near(self, address: str) -> bool:
        return address in self.near

    def until(self, test: Callable[[object], bool], limit_s: float = 10.0) -> object:
        for item in self.seen:
            if test(item):
                self.seen.remove(item)
                return item
        deadline = time.monotonic() + limit_s
        while True:
            try:
                item = self.news.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"it never came; what came: {self.seen[-5:]}") from None
            if isinstance(item, MessageReceived):
                item.node.consumed(item.cost)
            if test(item):
                return item
            self.seen.append(item)

    def connect(self) -> socket.socket:
        return socket.create_connection((LOCAL, self.manager.port), timeout=10)


@pytest.fixture
def one() -> Iterator[Place]:
    place = Place("01")
    yield place
    place.manager.stop()


@pytest.fixture
def two() -> Iterator[Place]:
    place = Place("02")
    yield place
    place.manager.stop()


def is_a(kind: type) -> Callable[[object], bool]:
    return lambda item: isinstance(item, kind)


def came(message: Message) -> Callable[[object], bool]:
    return lambda item: isinstance(item, MessageReceived) and item.message == message


def link(one: Place, two: Place) -> tuple[Node, Node]:
    one.manager.dial(LOCAL, two.manager.port)
    dialled = one.until(is_a(Dialled))
    assert isinstance(dialled, Dialled)
    assert dialled.link is not None
    here, there = one.until(is_a(HelloReceived)), two.until(is_a(HelloReceived))
    assert isinstance(here, HelloReceived)
    assert isinstance(there, HelloReceived)
    assert (here.hello.node, there.hello.node) == ("02", "01")
    assert here.node.dialled
    assert not there.node.dialled
    return here.node, there.node


def talking(one: Place, two: Place) -> tuple[Node, Node]:
    """A link on which both sides have asked for the other's state."""
    here, there = link(one, two)
    request = StateRequest("default", "1d", 0)
    there.send(Outbound(request, 0))
    here.send(Outbound(request, 0))
    one.until(came(request))
    two.until(came(request))
    return here, there


def said(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    while True:
        try:
            more = sock.recv(65536)
        except ConnectionError:
            return data
        if not more:
            return data
        data += more


def test_two_managers_meet_talk_and_part(one: Place, two: Place) -> None:
    here, there = link(one, two)
    request = StateRequest("default", "1d", 0)
    here.send(Outbound(request, 100))
    two.until(came(request))
    there.send(Outbound(request, 100))
    one.until(came(request))
    here.send(Outbound(request, 64 * 1024 - 101))
    here.send(Outbound(request, 1))
    left = one.until(is_a(BytesSent))
    assert isinstance(left, BytesSent)
    assert left.size == 64 * 1024, "less is reported with what follows: nothing waits for it"
    page = State("default", 5, True, ())
    there.send(Outbound(page, 50))
    one.until(came(page))
    here.close("bye", "")
    ended = two.until(is_a(LinkClosed))
    assert isinstance(ended, LinkClosed)
    assert ended.reason == "bye"
    mine = one.until(is_a(LinkClosed))
    assert isinstance(mine, LinkClosed)
    assert mine.reason == "bye"


def test_a_dial_to_nobody_tells_so(one: Place) -> None:
    with socket.create_server((LOCAL, 0)) as server:
        port = server.getsockname()[1]
    one.manager.dial(LOCAL, port)
    dialled = one.until(is_a(Dialled))
    assert isinstance(dialled, Dialled)
    assert dialled.link is None
    assert dialled.text


def test_a_ping_is_answered_and_not_told(one: Place, two: Place) -> None:
    here, there = link(one, two)
    here.send(Outbound(Ping(7), 0))
    request = StateRequest("default", "1d", 0)
    there.send(Outbound(request, 0))
    one.until(came(request))
    assert not any(isinstance(item, MessageReceived) for item in two.seen)


def test_an_answer_ends_the_doubt(one: Place, two: Place) -> None:
    here, _ = link(one, two)
    here.ping()
    end_s = time.monotonic() + 5
    while here.state.is_doubted:
        assert time.monotonic() < end_s, "its answer has not ended the doubt"
        time.sleep(0.01)


def test_both_push_50_mb_before_either_reads(one: Place, two: Place) -> None:
    """Reader and writer of a link do not wait for each other: no circle of full buffers."""
    here, there = link(one, two)
    for node in (here, there):
        node.send(Outbound(StateRequest("default", "1d", 0), 0))
    for place in (one, two):
        place.until(lambda item: isinstance(item, MessageReceived) and isinstance(item.message, StateRequest))
    data = random.Random(1).randbytes(limits.CHUNK_BYTES)
    for node in (here, there):
        for number in range(200):
            node.send(Outbound(Chunks((Piece(number, 0, data),)), len(data)))
    for place in (one, two):
        for _ in range(200):
            item = place.until(lambda item: isinstance(item, MessageReceived) and isinstance(item.message, Chunks), 60)
            assert isinstance(item, MessageReceived)
            assert isinstance(item.message, Chunks)
            assert item.message.pieces[0].data == data


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_link_on_which_something_illegal_should_be_said_ends(one: Place, two: Place) -> None:
    here, _ = link(one, two)
    here.send(Outbound(Chunks((Piece(1, 0, b"before anything was asked"),)), 100))
    for place in (one, two):
        ended = place.until(is_a(LinkClosed))
        assert isinstance(ended, LinkClosed)


def test_words_overtake_bulk(one: Place, two: Place) -> None:
    here, _ = talking(one, two)
    data = bytes(limits.CHUNK_BYTES)
    for number in range(400):
        here.send(Outbound(Chunks((Piece(number, 0, data),)), len(data)))
    word = NeedSignature("default", 1)
    here.send(Outbound(word, 0))
    before = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        item = two.until(is_a(MessageReceived), 60)
        assert isinstance(item, MessageReceived)
        if item.message == word:
            break
        before += 1
    assert before < 200


def test_a_peer_that_is_never_read_from_is_bounded(one: Place, two: Place) -> None:
    """What waits for the engine is bounded: the reader stops, and goes on when it is told."""
    here, there = talking(one, two)
    data = bytes(limits.CHUNK_BYTES)
    for number in range(400):
        here.send(Outbound(Chunks((Piece(number, 0, data),)), len(data)))
    deadline = time.monotonic() + 20
    reached = 0
    while time.monotonic() < deadline:
        now = two.news.qsize()
        if now and now == reached and there._ahead.waiting_bytes > limits.INBOX_BYTES_PER_LINK_MAX:
            break
        reached = now
        threading.Event().wait(0.2)
    assert reached * limits.CHUNK_BYTES < limits.INBOX_BYTES_PER_LINK_MAX + 4 * limits.MIB
    for _ in range(400):
        two.until(lambda item: isinstance(item, MessageReceived) and isinstance(item.message, Chunks), 30)


def test_a_doubted_peer_that_has_no_room_keeps_its_link(one: Place, two: Place) -> None:
    """Its kernel answers all the time that there is no room: no silence."""
    here, there = talking(one, two)
    data = bytes(limits.CHUNK_BYTES)
    count = 3 * limits.INBOX_BYTES_PER_LINK_MAX // len(data)
    for number in range(count):
        here.send(Outbound(Chunks((Piece(number, 0, data),)), len(data)))
    end_s = time.monotonic() + 10
    while there._ahead.waiting_bytes <= limits.INBOX_BYTES_PER_LINK_MAX:
        assert time.monotonic() < end_s, "it is not full"
        time.sleep(0.01)
    here.ping()
    with pytest.raises(AssertionError, match="it never came"):
        one.until(is_a(LinkClosed), 3.0)
    assert not any(isinstance(item, Stalled) for item in one.seen)
    for _ in range(count):
        two.until(lambda item: isinstance(item, MessageReceived) and isinstance(item.message, Chunks), 30)
    end_s = time.monotonic() + 10
    while here.state.is_doubted:
        assert time.monotonic() < end_s, "it answers as soon as it has room"
        time.sleep(0.01)


BAD = {
    "a length of 2^63": struct.pack(">Q", 2**63) + b"x",
    "a length of 2^64-1": struct.pack(">Q", 2**64 - 1) + b"x",
    "a length of 0": struct.pack(">Q", 0) + b"x",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "random bytes": random.Random(3).randbytes(4096),
    "a hello that is too long": struct.pack(">Q", 5000) + bytes(5000),
    "a bomb": (lambda body: struct.pack(">Q", len(body)) + body)(zlib.compress(b"[" * 1_000_000, 9)),
    "another version": encode_message({"type": "HELLO", "protocol": 99}),
    "no hello": b"".join(bytes(part) for part in encode(Ping(1))),
    "chunks before a hello": b"".join(bytes(part) for part in encode(Chunks((Piece(1, 0, b"x"),)))),
    "a bad hello": encode_message({"type": "HELLO", "protocol": PROTOCOL, "node": "../x"}),
}


@pytest.mark.parametrize("what", sorted(BAD))
def test_a_bad_peer_loses_its_connection_and_nobody_else_notices(one: Place, two: Place, what: str) -> None:
    here, there = link(one, two)
    with one.connect() as sock:
        sock.sendall(BAD[what])
        said(sock)
    ended = one.until(is_a(LinkClosed))
    assert isinstance(ended, LinkClosed)
    assert ended.reason == ("protocol-version" if what == "another version" else "protocol-error")
    assert "\n" not in ended.text
    assert len(ended.text) < 500
    request = StateRequest("default", "1d", 0)
    there.send(Outbound(request, 0))
    one.until(came(request))
    assert not any(isinstance(item, LinkClosed) for item in two.seen)
    assert here.link != ended.node.link


def test_an_address_that_this_machine_has_no_more_ends_its_links(
    one: Place, two: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PING_EVERY_MS", 100)
    assert tcp.has_address("127.0.0.1")
    assert not tcp.has_address("192.0.2.1"), "an address of documents, which nobody has"
    link(one, two)
    monkeypatch.setattr(tcp, "has_address", lambda address: False)
    ended = [place.until(is_a(LinkClosed)) for place in (one, two)]
    assert any(isinstance(item, LinkClosed) and item.reason == "lost" and "address" in item.text for item in ended)


def test_public_addresses_are_let_in_where_they_are_our_own_lan(one: Place) -> None:
    assert one.manager._policy.allows("192.168.7.7")
    assert not one.manager._policy.allows("130.149.10.2")
    one.near.add("130.149.10.2")
    assert one.manager._policy.allows("130.149.10.2")
    assert not one.manager._policy.allows("130.149.10.3")


def test_a_peer_that_acknowledges_nothing_is_told_of(one: Place, two: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel says of the connection: two repeats in vain, and nothing heard for a second."""
    here, _ = link(one, two)
    said = {"retransmits": 1, "probes": 0, "unacked": 1, "last_heard_ms": 5_000}

    class Silent:
        def getsockopt(self, *_: object) -> bytes:
            return tcp._TCP_INFO.pack(1, 0, *said.values())

    monkeypatch.setattr(here, "_socket", Silent())
    assert here._is_unacknowledged()
    said["retransmits"] = 2
    assert here._is_unacknowledged()
    assert one.until(is_a(Stalled)) == Stalled(here)
    said["last_heard_ms"] = limits.ACK_WITHIN_MS - 1
    assert here._is_unacknowledged()
    said["unacked"] = 0
    assert not here._is_unacknowledged()
    said.update(probes=1, retransmits=0, last_heard_ms=900)  # it has no room, and says so now and then
    assert tcp.is_silent(here._socket) is False
    said.update(probes=2, last_heard_ms=2_000)  # it does not even say that
    assert tcp.is_silent(here._socket)
    monkeypatch.undo()
    here.give_up("no answer")
    ended = one.until(is_a(LinkClosed))
    assert isinstance(ended, LinkClosed)
    assert (ended.reason, ended.text) == ("lost", "no answer")
    assert not any(isinstance(item, Stalled) for item in one.seen)


def test_a_silent_stranger_has_five_seconds(one: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELLO_WITHIN_MS", 300)
    with one.connect() as sock:
        said(sock)
    ended = one.until(is_a(LinkClosed))
    assert isinstance(ended, LinkClosed)
    assert ended.reason == "timeout"


def test_a_stranger_that_drips_has_no_longer(one: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELLO_WITHIN_MS", 500)
    whole = b"".join(bytes(part) for part in encode(hello("03")))
    with one.connect() as sock:
        for at in range(len(whole) - 1):
            try:
                sock.sendall(whole[at : at + 1])
            except OSError:
                break
            threading.Event().wait(0.05)
        said(sock)
    ended = one.until(is_a(LinkClosed))
    assert isinstance(ended, LinkClosed)
    assert ended.reason == "timeout"


def test_strangers_get_few_places(one: Place) -> None:
    socks = [one.connect() for _ in range(30)]
    try:
        closed = 0
        deadline = time.monotonic() + 10
        while closed < 30 - limits.UNFINISHED_PER_ADDRESS_MAX and time.monotonic() < deadline:
            closed = 0
            for sock in socks:
                sock.settimeout(0.01)
                try:
                    while sock.recv(4096):
                        pass
                    closed += 1
                except TimeoutError:
                    pass
                except ConnectionError:
                    closed += 1
        assert closed == 30 - limits.UNFINISHED_PER_ADDRESS_MAX
    finally:
        for sock in socks:
            sock.close()


def test_stop_ends_everything_quickly(one: Place, two: Place) -> None:
    link(one, two)
    sock = one.connect()
    began = time.monotonic()
    one.manager.stop()
    assert time.monotonic() - began < 2
    ended = two.until(is_a(LinkClosed))
    assert isinstance(ended, LinkClosed)
    assert ended.reason == "bye"
    sock.close()


def test_who_announces_in_vain_without_end_is_dropped_for_that(
    one: Place, two: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Allowance(10, 1, "announcements that change nothing", 0)
    monkeypatch.setitem(ALLOWED, "vain", few)
    here, _ = link(one, two)
    one.manager.announced_in_vain(here, 10)
    assert not here.state.flood
    for _ in range(3):
        one.manager.announced_in_vain(here, 10)
    ended = one.until(is_a(LinkClosed))
    assert isinstance(ended, LinkClosed)
    assert (ended.reason, ended.text) == ("overload", "it floods this node with announcements that change nothing")


def test_of_who_rests_little_is_read_ahead(one: Place, two: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = link(one, two)
    monkeypatch.setattr(one.manager, "rest", lambda node, seconds: 0.001)
    records = tuple(
        Record(b"%d" % number, Kind.ABSENT, 0, b"", 0, 0, Stamp(1 + number, "aa"), (("aa", 1 + number),))
        for number in range(limits.PAGE_RECORDS_MAX)
    )
    here.send(Outbound(StateRequest("default", "1d", 0), 0))
    two.until(is_a(MessageReceived))
    for _ in range(20):
        there.send(Outbound(State("default", 0, False, records), 0))
    for number in range(20):
        came = one.until(is_a(MessageReceived))
        assert isinstance(came, MessageReceived)
        if number:  # with the first one came what had been read before its peer had to rest
            assert here._ahead.waiting_bytes <= 2 * came.cost, "no page but this one and the next"
        here.consumed(came.cost)


def test_the_system_counts_the_bytes_of_a_connection(one: Place, two: Place) -> None:
    here, there = link(one, two)
    before, began = here.traffic(), here.heard_s
    assert before is not None
    records = tuple(
        Record(b"%d" % number, Kind.ABSENT, 0, b"", 0, 0, Stamp(1 + number, "aa"), (("aa", 1 + number),))
        for number in range(limits.PAGE_RECORDS_MAX)
    )
    here.send(Outbound(StateRequest("default", "1d", 0), 0))
    two.until(is_a(MessageReceived))
    there.send(Outbound(State("default", 0, False, records), 0))
    one.until(is_a(MessageReceived))
    after = here.traffic()
    assert after is not None
    assert after.received - before.received >= 5 * len(records) > after.sent
    assert after.rtt_us > 0
    assert here.age_s >= 0
    assert time.time() - 60 < began < here.heard_s <= time.time(), "every byte of the peer counts"
    one.manager.stop()
    assert here.traffic() is None, "the connection has ended"


def test_the_clock_of_a_peer_is_measured_when_somebody_asks(one: Place, two: Place) -> None:
    here, _ = link(one, two)
    assert here.measure_clock() is None, "nobody has asked before"
    deadline = time.monotonic() + 10
    while (measured := here.measure_clock()) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert measured is not None
    assert abs(measured.offset_ns) <= measured.rtt_ns, "both have the same clock"
