"""Large contents on their way, as events."""

from __future__ import annotations

from dir_sync.core.live_notes import TransferBegan, TransferEnded, TransferMoved
from dir_sync.daemon.moving import Moving, OnItsWay


def coming(done: int, path: bytes = b"big", size: int = 1_000) -> OnItsWay:
    return OnItsWay(False, path, "bob", size, done)


def test_a_transfer_begins_moves_and_ends() -> None:
    moving = Moving()
    assert moving.look([coming(100)], 10.0) == [TransferBegan(b"big", "bob", "receive", 1_000, 100)]
    assert moving
    assert moving.look([coming(600)], 12.0) == [TransferMoved(b"big", "bob", "receive", 1_000, 600, 250)]
    assert moving.look([coming(600)], 13.0) == [], "it has not moved"
    assert moving.look([coming(900)], 15.0) == [TransferMoved(b"big", "bob", "receive", 1_000, 900, 100)]
    assert moving.look([], 16.0) == [TransferEnded(b"big", "bob", "receive", 1_000, 900)]
    assert not moving
    assert moving.look([], 17.0) == []


def test_both_directions_and_each_machine_are_of_their_own() -> None:
    moving = Moving()
    going = [OnItsWay(True, b"big", peer, 1_000, 0) for peer in ("anna", "bob")]
    told = moving.look([*going, coming(0)], 1.0)
    assert [(one.direction, one.peer) for one in told if isinstance(one, TransferBegan)] == [
        ("send", "anna"),
        ("send", "bob"),
        ("receive", "bob"),
    ]
    assert moving.look([going[0], coming(0)], 2.0) == [TransferEnded(b"big", "bob", "send", 1_000, 0)]


def test_another_version_of_the_file_is_another_transfer() -> None:
    moving = Moving()
    moving.look([coming(600)], 1.0)
    assert moving.look([coming(0, size=2_000)], 2.0) == [TransferBegan(b"big", "bob", "receive", 2_000, 0)]


def test_a_transfer_that_begins_anew_has_no_negative_speed() -> None:
    moving = Moving()
    moving.look([coming(600)], 1.0)
    assert moving.look([coming(100)], 2.0) == [TransferMoved(b"big", "bob", "receive", 1_000, 100, 0)]
