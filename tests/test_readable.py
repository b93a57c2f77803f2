"""One thread for many descriptors."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from dir_sync.readable import Readable


class Pipe:
    """Something to read, and what was read."""

    def __init__(self, readable: Readable, pause: Callable[[], float] = lambda: 0.0) -> None:
        self.readable = readable
        self.out, self.into = os.pipe2(os.O_NONBLOCK)
        self.came: list[bytes] = []
        self.news = threading.Condition()
        self.pause = pause
        readable.add(self.out, self.ready)

    def ready(self) -> float:
        with self.news:
            self.came.append(os.read(self.out, 100))
            self.news.notify_all()
        return self.pause()

    def say(self, word: bytes) -> None:
        os.write(self.into, word)

    def until(self, words: list[bytes]) -> None:
        with self.news:
            assert self.news.wait_for(lambda: self.came == words, 10), self.came

    def close(self) -> None:
        self.readable.remove(self.out)
        os.close(self.out)
        os.close(self.into)


@pytest.fixture
def readable() -> Iterator[Readable]:
    it = Readable()
    thread = threading.Thread(target=it.run)
    thread.start()
    yield it
    it.stop()
    thread.join()
    it.close()


@pytest.fixture
def pipe(readable: Readable) -> Iterator[Callable[..., Pipe]]:
    made: list[Pipe] = []

    def make(pause: Callable[[], float] = lambda: 0.0) -> Pipe:
        made.append(Pipe(readable, pause))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_each_is_called_for_what_it_can_read(pipe: Callable[..., Pipe]) -> None:
    pipes = [pipe() for _ in range(5)]
    for number, one in enumerate(pipes):
        one.say(b"%d" % number)
    for number, one in enumerate(pipes):
        one.until([b"%d" % number])


def test_one_that_rests_is_called_later_and_the_others_meanwhile(pipe: Callable[..., Pipe]) -> None:
    resting, other = pipe(lambda: 0.2), pipe()
    resting.say(b"a")
    resting.until([b"a"])
    resting.say(b"b")
    other.say(b"x")
    other.until([b"x"])
    resting.until([b"a", b"b"])


def test_one_that_is_busy_is_not_called_before_it_says_so(pipe: Callable[..., Pipe]) -> None:
    busy, other = pipe(lambda: math.inf), pipe()
    busy.say(b"a")
    busy.until([b"a"])
    busy.say(b"b")
    for word in (b"x", b"y"):
        other.say(word)
        other.until([b"x", b"y"][: 1 + (word == b"y")])
    assert busy.came == [b"a"]
    busy.readable.resume(busy.out)
    busy.until([b"a", b"b"])


def test_one_that_was_removed_is_not_called(readable: Readable, pipe: Callable[..., Pipe]) -> None:
    gone, other = pipe(), pipe()
    readable.remove(gone.out)
    readable.remove(gone.out)
    gone.say(b"a")
    other.say(b"x")
    other.until([b"x"])
    assert gone.came == []


def test_what_is_removed_after_the_end_can_be_closed() -> None:
    """A thread that waited for a slow disk may come this late."""
    it = Readable()
    late, resting = Pipe(it), Pipe(it, lambda: math.inf)
    resting.say(b"a")
    it._call(resting.out)
    it.close()
    it.resume(resting.out)
    late.close()
    resting.close()
