"""What a run has done, by its notes."""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.notes import Note
from dir_sync.core.tally import NAMES_MAX, Tally


def of(*said: Note) -> Tally:
    tally = Tally()
    for note in said:
        tally.tell(note)
    return tally


def test_each_way_of_receiving() -> None:
    many = notes.ReceivedMany("b", ((b"1", 1), (b"2", 2)), 3)
    tally = of(many, notes.Received(b"3", "b", 4), notes.Copied(b"4", "b", 8), notes.Renamed(b"new", "b", b"old"))
    assert tally.received.names() == ["1", "2", "3", "4", "new"]
    assert tally.received.size == 15
    assert tally.removed.names() == ["old"]
    assert not tally.sent


def test_each_way_of_sending() -> None:
    tally = of(
        notes.SentMany("b", ((b"1", 1), (b"2", 2)), 3),
        notes.Sent(b"3", "b", 4),
        notes.SentDelta(b"4", "b", 8, 1),
        notes.SentLarge(b"5", "b", 16, 16, 9),
        notes.Sent(b"5", "c", 16),
    )
    assert tally.sent.to_json() == {"count": 5, "bytes": 31, "paths": ["1", "2", "3", "4", "5"]}


def test_what_was_deleted_here_and_there() -> None:
    tally = of(notes.Removed(b"by b", "b"), notes.DeletedHere(b"by us"), notes.RenamedHere(b"n", b"o"))
    assert tally.removed.names() == ["by b"]
    assert tally.deleted.names() == ["by us", "o"]


def test_what_went_wrong() -> None:
    tally = of(
        notes.Conflict(b"c", b"c.1"),
        notes.Unreadable(b"locked", "Permission denied"),
        notes.Unreadable(b"for a moment", "Permission denied"),
        notes.ChangedHere(b"for a moment", 3),
        notes.Skipped(b"pipe", "a pipe"),
    )
    assert tally.conflicts.words() == [("c", "c.1")]
    assert tally.unreadable.words() == [("locked", "Permission denied")]
    assert tally.skipped.words() == [("pipe", "a pipe")]


def test_names_are_escaped_and_not_endless() -> None:
    tally = of(*(notes.Removed(b"%d\n" % number, "b") for number in range(NAMES_MAX + 5)))
    assert len(tally.removed) == NAMES_MAX + 5
    assert len(tally.removed.names()) == NAMES_MAX
    assert "\n" not in tally.removed.names()[0]
