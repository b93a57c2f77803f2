"""Signals: the first one ends cleanly, another one soon after is the same, a later one ends at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from dir_sync.signals import TOGETHER_S, Ending

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


class Listener:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.woken = 0
        self.left: list[int] = []
        self.ending = Ending(lambda: self.now_s, self.left.append)
        self.ending.wake = self.wake

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (INT, TERM, HUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("story", "left"),
    [
        ([(INT, 0)], []),
        ([(HUP, 0)], []),
        ([(TERM, 0), (TERM, 0)], []),
        ([(TERM, 0), (INT, TOGETHER_S / 2), (TERM, TOGETHER_S / 2)], []),
        ([(INT, 0), (INT, TOGETHER_S * 1.1)], [130]),
        ([(HUP, 0), (TERM, 1)], [143]),
        ([(TERM, 0), (HUP, 1), (HUP, 5)], []),
    ],
)
def test_what_signals_mean(story: list[tuple[signal.Signals, float]], left: list[int]) -> None:
    one = Listener()
    one.ending.listen()
    assert not one.ending.asked
    for number, after_s in story:
        one.now_s += after_s
        signal.raise_signal(number)
    assert one.ending.asked
    assert one.woken
    assert one.left == left


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    """As nohup starts a program."""
    signal.signal(HUP, signal.SIG_IGN)
    one = Listener()
    one.ending.listen()
    signal.raise_signal(HUP)
    assert not one.ending.asked
    signal.raise_signal(TERM)
    assert one.ending.asked
