"""What happened, in words for people."""

from __future__ import annotations

import logging

import pytest

from dir_sync.core.events import Applied, Note, PeerDown, Touched, Urgency
from dir_sync.narrator import Narrator
from tests.pair import Pair


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


@pytest.mark.parametrize("noted", [True, False])
def test_a_node_that_has_left_is_called_by_its_name(noted: bool) -> None:
    pair = Pair()
    pair.link()
    one, two = pair.one, pair.two
    one.disk.write(b"file", b"content")
    one.inbox.append(Touched(b"file", Urgency.NOW))
    pair.run()
    if noted:
        two.index.note(f"name {one.index.node}", "anna")
    one.disk.delete(b"file")
    one.inbox.append(Touched(b"file", Urgency.VANISHED))
    while not any(isinstance(event, Applied) for event in two.inbox):
        pair.turn()
        pair.clock.ms += 1
    two.inbox.appendleft(PeerDown(one.index.node, "lost"))
    two.turn()
    (note,) = [note for note in two.notes if note.what == "removed"]
    assert note.peer == ("anna" if noted else one.index.node[:8])


@pytest.mark.parametrize("at_start", [True, False])
def test_what_is_mounted_below_the_folder_is_said_to_be(at_start: bool) -> None:
    pair = Pair()
    one = pair.one
    one.disk.make_directory(b"disk", 0o755)
    one.disk.mount(b"disk")
    one.disk.mkfifo(b"pipe")
    if at_start:
        one.boot()
    else:
        one.inbox += [Touched(path, Urgency.NOW) for path in (b"disk", b"pipe")]
    pair.run()
    said = {note.path: note.text for note in one.notes if note.what == "skipped"}
    assert said == {b"disk": "another file system is mounted there", b"pipe": "not a file, a folder or a link"}
