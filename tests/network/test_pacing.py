"""A limit of bytes per second for what is sent: chunks wait for it, and nothing else does."""

from __future__ import annotations

import time

import pytest

from dir_sync.core.messages import Chunks, Message, Ping
from dir_sync.core.transfers.connection import Connection
from dir_sync.network.outbox import Outbound, Outbox
from dir_sync.network.pacing import Pacing


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def sent(outbox: Outbox) -> list[type[Message]]:
    return [type(parcel.message) for parcel in outbox.take()]


def chunk(size: int) -> Outbound:
    return Outbound(Chunks(()), size)


def test_without_limits_there_is_nothing_to_ask() -> None:
    assert Pacing(0, 0).of_link() is None


def test_the_limit_of_the_node_is_shared_and_each_link_has_its_own() -> None:
    clock = Clock()
    pacing = Pacing(1_000_000, 800_000, clock)
    one, two = pacing.of_link(), pacing.of_link()
    assert one is not None
    assert two is not None
    assert one.per_s == 800_000
    one.count(1_000_000)
    assert two.wait_s() == pytest.approx(1.0, abs=0.06), "the node has sent that"
    assert one.wait_s() == pytest.approx(1.25, abs=0.06)
    clock.now += 1.0
    assert two.book(1_000) == pytest.approx(clock.now, abs=0.06)


def test_a_chunk_waits_and_what_is_small_goes_past_it() -> None:
    clock = Clock()
    clock.now = time.monotonic()
    outbox = Outbox(Pacing(1_000_000, 0, clock).of_link())
    for _ in range(3):
        outbox.put(chunk(100_000_000))
    assert outbox.wait(0)
    assert sent(outbox) == [Chunks]
    assert outbox.wait(0)
    assert sent(outbox) == [], "the next one has to wait for a hundred seconds"
    outbox.put(Outbound(Ping(1), 50))
    assert outbox.wait(0)
    assert sent(outbox) == [Ping]
    while outbox.wait(0):  # permits of chunks that had to wait
        assert sent(outbox) == []


def test_chunks_that_waited_are_all_sent_in_the_end() -> None:
    outbox = Outbox(Pacing(50_000_000, 0).of_link())
    for _ in range(5):
        outbox.put(chunk(1_000_000))
    seen = 0
    deadline = time.monotonic() + 30
    while seen < 5 and time.monotonic() < deadline:
        if outbox.wait(1.0):
            seen += len(sent(outbox))
    assert seen == 5


def test_what_waits_in_an_outbox_follows_the_limit() -> None:
    assert Connection(1).outbox_bytes is None
    slow, fast = Connection(1, (), 10_000).outbox_bytes, Connection(1, (), 8_000_000).outbox_bytes
    assert slow is not None
    assert fast is not None
    assert 0 < slow < fast == 2_000_000
