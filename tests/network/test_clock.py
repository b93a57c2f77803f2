"""The clock of a peer, measured by a question and its answer; and by two nodes on a real connection."""

from __future__ import annotations

from dir_sync.network.clock import ClockProbe, Measured

S = 10**9


class Clocks:
    def __init__(self) -> None:
        self.mono_ns, self.wall_ns = 5 * S, 1_700_000_000 * S

    def wait(self, ns: int) -> None:
        self.mono_ns += ns
        self.wall_ns += ns


def probe() -> tuple[Clocks, ClockProbe]:
    clocks = Clocks()
    return clocks, ClockProbe(lambda: clocks.mono_ns, lambda: clocks.wall_ns)


def test_the_difference_is_taken_at_the_middle_of_the_way() -> None:
    clocks, one = probe()
    token = one.ask()
    clocks.wait(10_000_000)
    theirs = clocks.wall_ns + 3 * S
    clocks.wait(10_000_000)
    one.answered(token, theirs)
    assert one.last == Measured(3 * S, 20_000_000)


def test_a_clock_behind_ours_is_negative() -> None:
    clocks, one = probe()
    one.answered(one.ask(), clocks.wall_ns - S)
    assert one.last == Measured(-S, 0)


def test_other_answers_say_nothing() -> None:
    clocks, one = probe()
    old = one.ask()
    clocks.wait(S)
    one.ask()
    one.answered(old, clocks.wall_ns)
    one.answered(1, clocks.wall_ns)
    assert one.last is None
    one.answered(one.ask(), 0)  # an older version, which does not say its time
    assert one.last is None
