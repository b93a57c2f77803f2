"""Whose first scan goes on."""

from __future__ import annotations

from dir_sync.daemon.turns import Turns

MS = 0.001


def test_a_folder_alone_scans_all_the_time() -> None:
    turns: Turns[str] = Turns()
    assert all(turns.now(["a"], second) == ("a",) for second in (0.0, 5.0, 500.0))
    assert turns.due_s() is None


def test_one_scans_at_a_time_and_the_next_when_it_is_done() -> None:
    turns: Turns[str] = Turns()
    assert turns.now(["a", "b", "c"], 0.0) == ("a",)
    turns.came("a", 40 * MS)
    assert turns.now(["a", "b", "c"], 60 * MS) == ("a",)
    assert turns.now(["b", "c"], 70 * MS) == ("b",)
    assert turns.now(["c"], 80 * MS) == ("c",)


def test_a_small_folder_does_not_wait_for_large_ones() -> None:
    turns: Turns[str] = Turns()
    folders = ["large", "larger", "small"]
    mono, order = 0.0, []
    while "small" in folders:
        (one,) = turns.now(folders, mono)
        turns.came(one, mono)
        if one not in order:
            order.append(one)
        if one == "small":
            folders.remove(one)
        mono += 10 * MS
    assert order == ["large", "larger", "small"]
    assert mono < 2.1
    assert turns.now(folders, mono) == ("large",), "and then it goes on with the others"


def test_who_waits_for_its_disk_keeps_nobody_waiting() -> None:
    """A slow disk, one that hangs, or a large file that is read."""
    turns: Turns[str] = Turns()
    left, done = ["x", "y", "z", *"abcdef"], []
    mono = 0.0
    while len(left) > 3:
        for one in turns.now(left, mono):
            if one in "abcdef":
                turns.came(one, mono)
                left.remove(one)
                done.append(one)
        due = turns.due_s()
        assert len(left) == 3 or due is not None
        mono = max(mono + MS, due or 0.0)
    assert done == [*"abcdef"]
    assert mono < 0.5


def test_when_a_turn_is_over_is_known_beforehand() -> None:
    turns: Turns[str] = Turns()
    turns.now(["a", "b"], 5.0)
    assert turns.due_s() == 5.0 + 50 * MS
    turns.came("a", 5.98)
    assert turns.due_s() == 6.0
    assert turns.now(["a", "b"], 6.0) == ("b",)
