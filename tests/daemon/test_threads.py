"""Threads: what a fault in one of them does to the process."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator

import pytest

from dir_sync.daemon.threads import Threads, may_pass


def full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorname = "SQLITE_FULL"
    return error


@pytest.fixture
def signals() -> Iterator[list[int]]:
    """SIGTERM that came to this process."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    yield came
    signal.signal(signal.SIGTERM, before)


def fail(error: Exception) -> None:
    raise error


def test_a_fault_ends_the_process(signals: list[int]) -> None:
    ended: list[None] = []
    threads = Threads(lambda: ended.append(None))
    fault = ValueError("ours")
    threads.start("worker", fail, fault)
    threads.join(5)
    assert threads.failed is fault
    assert signals == [signal.SIGTERM]
    assert not ended


def test_trouble_that_may_pass_only_ends_the_share(signals: list[int]) -> None:
    ended: list[None] = []
    threads = Threads(lambda: ended.append(None))
    threads.start("engine", fail, full())
    threads.join(5)
    assert isinstance(threads.trouble, sqlite3.OperationalError)
    assert threads.failed is None
    assert ended == [None]
    assert not signals


def test_at_the_end_a_fault_is_no_news(signals: list[int]) -> None:
    threads = Threads(lambda: None)
    threads.is_ending = True
    threads.start("worker", fail, ValueError("the disk was closed under it"))
    threads.join(5)
    assert threads.failed is None
    assert not signals


def test_only_trouble_of_the_disk_may_pass() -> None:
    assert may_pass(full())
    assert not may_pass(sqlite3.OperationalError("no such table"))
    assert not may_pass(OSError(28, "No space left on device"))
