"""What happened, in words for people."""

from __future__ import annotations

import logging

import pytest

from dir_sync.core.events import Note
from dir_sync.narrator import Narrator


def line(caplog: pytest.LogCaptureFixture, note: Note) -> str:
    caplog.set_level(logging.INFO, "dir_sync")
    caplog.clear()
    Narrator().tell(note, 0.0)
    (said,) = caplog.messages
    return said


@pytest.mark.parametrize("what", ["scanned", "pruned", "braked", "peer braked", "held there", "decided"])
@pytest.mark.parametrize(("count", "words"), [(1, "1 {}"), (2_000, "2,000 {}s"), (0, "0 {}s")])
def test_one_is_not_many(caplog: pytest.LogCaptureFixture, what: str, count: int, words: str) -> None:
    thing = "version" if what == "pruned" else "file"
    size = count if what == "peer braked" else 5
    said = line(caplog, Note(what, b"path", "bob", size, count, "alice", 1))
    assert f" {words.format(thing)} " in said + " "
    assert "(s)" not in said
