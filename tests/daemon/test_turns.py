"""Whose first scan goes on."""

from __future__ import annotations

from dir_sync.daemon.turns import Turns


def test_a_folder_alone_scans_all_the_time() -> None:
    turns: Turns[str] = Turns()
    assert all(turns.now(["a"], second) == ("a",) for second in (0.0, 5.0, 500.0))
    assert turns.due_s() is None


def test_two_scan_at_the_same_time_and_the_next_when_one_is_done() -> None:
    turns: Turns[str] = Turns()
    assert turns.now(["a", "b", "c", "d"], 0.0) == ("a", "b")
    assert turns.now(["a", "c", "d"], 0.1) == ("a", "c")
    assert turns.now(["c", "d"], 0.2) == ("c", "d")


def test_a_small_folder_does_not_wait_for_large_ones() -> None:
    turns: Turns[str] = Turns()
    assert turns.now(["large", "larger", "small"], 0.0) == ("large", "larger")
    assert turns.due_s() == 1.0
    assert "small" in turns.now(["large", "larger", "small"], 1.0)
    assert set(turns.now(["large", "larger"], 1.1)) == {"large", "larger"}


def test_folders_whose_disks_hang_do_not_stop_the_others() -> None:
    turns: Turns[str] = Turns()
    hang = ["x", "y", "z"]
    left = [*hang, *"abcdef"]
    mono = 0.0
    while len(left) > 3:
        left = [one for one in left if one in hang or one not in turns.now(left, mono)]
        mono += 0.5
        assert mono < 30
    assert left == hang


def test_turns_are_not_taken_away_while_nobody_waits() -> None:
    turns: Turns[str] = Turns()
    assert turns.now(["a", "b"], 0.0) == turns.now(["a", "b"], 50.0) == ("a", "b")
