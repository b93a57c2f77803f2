"""What happened, in words for people."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from dir_sync.core import notes
from dir_sync.core.events import PeerDown, Received, Touched, Urgency
from dir_sync.core.jobs import Applied
from dir_sync.core.messages import Change, ModificationUpdate
from dir_sync.core.model import Kind, Stamp
from dir_sync.core.progress import Progress
from dir_sync.reporting import log, narrator
from dir_sync.reporting.narrator import Narrator
from tests.pair import Pair

Printed = pytest.CaptureFixture[str]


def line(caplog: pytest.LogCaptureFixture, note: notes.Note) -> str:
    caplog.set_level(logging.INFO, "dir_sync")
    caplog.clear()
    Narrator().tell(note, 0.0)
    return caplog.messages[0]


COUNTING: list[Callable[[int], notes.Note]] = [
    lambda count: notes.Scanned(count, 5),
    lambda count: notes.HistoryPruned(count, 5),
    lambda count: notes.LossHeld(b"path", count, 5),
    lambda count: notes.PeerHeld(b"path", "bob", count, count, count),
    lambda count: notes.HeldThere(b"path", "bob", "alice", count),
    lambda count: notes.LossHeldThere(b"path", "bob", count),
    lambda count: notes.Decided(b"path", "bob", count, True),
]


@pytest.mark.parametrize("made", COUNTING)
@pytest.mark.parametrize(("count", "words"), [(1, "1 {}"), (2_000, "2,000 {}s"), (0, "0 {}s")])
def test_one_is_not_many(
    caplog: pytest.LogCaptureFixture, made: Callable[[int], notes.Note], count: int, words: str
) -> None:
    note = made(count)
    thing = "version" if isinstance(note, notes.HistoryPruned) else "file"
    said = line(caplog, note)
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
        two.index.notes.put(f"name {one.index.identity.replica}", "anna")
    one.disk.delete(b"file")
    one.inbox.append(Touched(b"file", Urgency.VANISHED))
    while not any(isinstance(event, Applied) for event in two.inbox):
        pair.turn()
        pair.clock.ms += 1
    two.inbox.appendleft(PeerDown(one.index.identity.replica, "lost"))
    two.turn()
    (note,) = [note for note in two.notes if isinstance(note, notes.Removed)]
    assert note.maker == ("anna" if noted else one.index.identity.replica[:8])


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
    said = {note.path: note.reason for note in one.notes if isinstance(note, notes.Skipped)}
    assert said == {b"disk": "another file system is mounted there", b"pipe": "not a file, a folder or a link"}


def told(caplog: pytest.LogCaptureFixture, *happened: notes.Note, verbose: bool = False) -> list[str]:
    """All lines, within two seconds."""
    caplog.set_level(logging.DEBUG if verbose else logging.INFO, "dir_sync")
    caplog.clear()
    narrator = Narrator("/home/anna/my docs")
    for note in happened:
        narrator.tell(note, 0.0)
    assert narrator.breathe(0.5) is not None or not narrator.breathe(2.0)
    narrator.breathe(2.0)
    return list(caplog.messages)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (notes.Removed(b"f7", "anna"), "anna deleted f7"),
        (notes.Removed(b"f7", ""), "another machine deleted f7"),
        (notes.Renamed(b"b\xff", "anna", b"a{0}"), "anna renamed a{0} to b\\xff"),
        (notes.MetaChanged(b"f", "anna"), "anna changed the time or permissions of f"),
        (notes.AttributesChanged(b"f", "anna", "owner and ACL"), "anna changed the owner and ACL of f"),
        (notes.Kept(b"f"), "kept f: another machine deleted it, or moved it away, and did not know what is here now"),
        (notes.Restored(b"f", 5), "restored f (5 B)"),
        (notes.Received(b"f", "anna", 2100), "received f (2.10 kB) from anna"),
        (notes.Sent(b"f", "anna", 2100), "sent f (2.10 kB) to anna"),
        (notes.SentDelta(b"f", "anna", 60_000_000, 12_000), "sent f to anna as a delta: 12.0 kB instead of 60.0 MB"),
        (notes.SentLarge(b"f", "anna", 60_000_000, 60_000_000, 2_000), "sent f (60.0 MB) to anna at 30.0 MB/s"),
        (
            notes.SentLarge(b"f", "anna", 60_000_000, 6_000_000, 2_000),
            "sent the last 6.00 MB of f (60.0 MB) to anna at 3.00 MB/s",
        ),
        (notes.SentLarge(b"f", "anna", 15_728_640, 15_724_544, 2_000), "sent f (15.7 MB) to anna at 7.86 MB/s"),
        (notes.SentLarge(b"f", "anna", 60_000_000, 7_700, 3), "sent the last 7.70 kB of f (60.0 MB) to anna"),
        (notes.PeerAhead("anna", 1, 5), "anna has 1 change (5 B) that is not here yet"),
        (notes.PeerAhead("anna", 2, 9), "anna has 2 changes (9 B) that are not here yet"),
    ],
)
def test_who_did_what(caplog: pytest.LogCaptureFixture, note: notes.Note, words: str) -> None:
    assert told(caplog, note) == [words]


def test_what_was_appended_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    came = notes.Fetched(b"log", "anna", 60_000_000, 7_700, 3)
    assert told(caplog, came, notes.Received(b"log", "anna", 60_000_000)) == [
        "received the last 7.70 kB of log (60.0 MB) from anna"
    ]


def test_a_file_that_cannot_be_written_is_named_once_until_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    """Each step may fail: to make room, to write, to give it its name."""
    steps: list[notes.Note] = [notes.CannotWrite(b"f", "no room"), notes.CannotWrite(b"g", "no room")]
    steps += [notes.CannotWrite(b"f", "no room"), notes.CannotWrite(b"f", "no inodes")]
    assert told(caplog, *steps) == ["cannot write f, g (no room): will try again"]
    steps = [steps[0], notes.Received(b"f", "anna", 5), steps[0]]
    assert told(caplog, *steps, verbose=True) == [
        "cannot write f (no room): will try again",
        "received f (5 B) from anna",
        "cannot write f (no room): will try again",
    ]


def test_one_event_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """How a content came, and that it is in its place; a copy that begins with an empty file."""
    happened: list[notes.Note] = [
        notes.FetchedDelta(b"d", "anna", 300_000, 18),
        notes.Fetched(b"w", "anna", 8_000_000, 8_000_000, 2_000),
        notes.FetchedDelta(b"other", "anna", 10, 5),
        *(notes.Received(name, "anna", size) for name, size in ((b"d", 300_000), (b"w", 8_000_000), (b"other", 11))),
        notes.NewHere(b"copy", 0),
        notes.ChangedHere(b"copy", 5),
        notes.NewHere(b"empty", 0),
    ]
    assert told(caplog, *happened) == [
        "received d from anna as a delta: 18 B instead of 300 kB (100 % saved)",
        "received w (8.00 MB) from anna at 4.00 MB/s",
        "received other (11 B) from anna",
        "new here: copy (5 B)",
        "new here: empty",
    ]


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize(
    ("one", "many", "words"),
    [(notes.Received, notes.ReceivedMany, "received {} from anna"), (notes.Sent, notes.SentMany, "sent {} to anna")],
)
def test_every_file_is_named_if_that_is_wanted(
    caplog: pytest.LogCaptureFixture, one: Any, many: Any, words: str, verbose: bool
) -> None:
    names = [b"%d" % number for number in range(20)]
    crowd = many("anna", tuple((name, 5) for name in names[8:]), 60)
    lines = told(caplog, *(one(name, "anna", 5) for name in names[:8]), crowd, verbose=verbose)
    if verbose:
        assert lines == [words.format(f"{number} (5 B)") for number in range(20)]
    else:
        assert lines == [
            *(words.format(f"{number} (5 B)") for number in range(5)),
            words.format("15 more (75 B)"),
        ]


@pytest.mark.parametrize(
    ("note", "only"),
    [
        (notes.LossHeld(b"path", 5, 5), None),
        (notes.PeerHeld(b"path", "bob", 5, 5, 5), None),
        (notes.HeldThere(b"path", "bob", "alice", 5), None),
        (notes.LossHeldThere(b"path", "bob", 5), None),
        (notes.StillHeld("alice"), "status"),
        (notes.Conflict(b"path", b"version"), "conflicts"),
    ],
)
def test_commands_can_be_pasted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, note: notes.Note, only: str | None
) -> None:
    monkeypatch.setenv("DIR_SYNC_STARTED_AS", "scripts/run")
    lines = told(caplog, note)
    program = os.path.abspath("scripts/run")
    for line, word in zip(lines[-1:] if only else lines[-2:], [only] if only else ["approve", "reject"], strict=True):
        assert line.endswith(f": {program} {word} '/home/anna/my docs'")


@pytest.mark.parametrize(
    ("removed", "done"), [(5, "deleted 5 of"), (0, "rewrote 5 of"), (2, "deleted 2 and rewrote 3 of")]
)
def test_the_log_says_what_is_held(caplog: pytest.LogCaptureFixture, removed: int, done: str) -> None:
    line = told(caplog, notes.PeerHeld(b"path", "bob", 5, 9, removed))[0]
    assert f"HELD: bob {done} 9 files here (path, ...)" in line
    assert "undo it on any machine, or let it happen on any but that one" in line


def test_no_command_is_offered_where_it_could_not_be_done(caplog: pytest.LogCaptureFixture) -> None:
    lines = told(caplog, notes.HeldThere(b"path", "bob", None, 5))
    assert lines[-2] == "  to let it happen: run 'approve' on another machine"
    assert " reject " in lines[-1]


def test_progress_in_both_directions(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dir_sync")
    Narrator().progress(b"big{}", "b{0}b", 40_000_000, 100_000_000, 4.0, 0, sending=True)
    Narrator().progress(b"big{}", "b{0}b", 40_000_000, 100_000_000, 4.0, 20_000_000)
    assert caplog.messages == [
        "sending big{} to b{0}b: 40 % of 100 MB at 10.0 MB/s, 6.0 s left",
        "receiving big{} from b{0}b: 40 % of 100 MB at 5.00 MB/s, 12 s left",
    ]


@pytest.mark.parametrize(("is_terminal", "label"), [(True, ""), (True, "notes"), (False, "")])
def test_the_log_file_gets_the_progress_of_the_whole_once_a_minute(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, is_terminal: bool, label: str
) -> None:
    """Also while a terminal gets it once a second."""
    monkeypatch.setattr(narrator, "is_live", lambda stream: is_terminal)
    log.setup(0, str(tmp_path / "log"))
    try:
        told = Narrator(label=label)
        now = 0
        while now <= 120:
            told.whole("coming here", Progress(9, 3, 990, 30 + now, 0, 0, 5, now, None), 1_000.0 + now)
            told.whole("going out", Progress(9, 3, 990, 30 + now, 0, 0, 5, now, None), 1_000.0 + now)
            now += int(told.whole_every_s)
    finally:
        log.close()
    in_file, on_stderr = (tmp_path / "log").read_text().splitlines(), capsys.readouterr().err.splitlines()
    for words in ("coming here", "going out"):
        said = f"  {f'[{label}] ' if label else ''}{words}: 3 of 9 files, "
        assert sum(said in line for line in in_file) == 3
        assert sum(said in line for line in on_stderr) == (121 if is_terminal else 3)


def test_what_goes_to_several_machines_says_to_how_many(caplog: pytest.LogCaptureFixture) -> None:
    """A file that three machines get counts three times."""
    caplog.set_level(logging.INFO, "dir_sync")
    told = Narrator()
    for machines in (1, 3):
        told.whole("going out", Progress(6, machines, 990, 30, 0, 0, 5, 1, None), 1_000.0 + 100 * machines, machines)
    one, three = caplog.messages
    assert one.strip().startswith("going out: 1 of 6 files")
    assert three.strip().startswith("going out to 3 machines: 3 of 6 files")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_that_stands_still_is_told_ever_more_seldom(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """While changes are held, nothing moves for hours, and the warning that says so has to stay in sight."""
    monkeypatch.setattr(narrator, "is_live", lambda stream: is_terminal)
    caplog.set_level(logging.INFO, "dir_sync")
    told = Narrator()
    every_s = int(told.whole_every_s)
    said_at = []
    for now in range(0, 4 * 3_600, every_s):
        told.whole("coming here", Progress(0, 0, 0, 0, 250, 0, now % 3, now, None), 1_000.0 + now)
        if caplog.messages:
            said_at.append(now)
            caplog.clear()
    assert said_at[:4] == [0, 60, 180, 420]
    assert len(said_at) <= 10, said_at
    told.whole("coming here", Progress(0, 0, 0, 0, 250, 1, 1, now, None), 1_000.0 + now)
    assert len(caplog.messages) == 1, "it goes on"


def test_a_change_is_told_with_its_maker_and_not_with_who_passed_it_on() -> None:
    pair = Pair()
    pair.link()
    one, two = pair.one, pair.two
    two.index.notes.put("name cc", "carol")
    one.disk.write(b"gone", b"content")
    one.inbox.append(Touched(b"gone", Urgency.NOW))
    pair.run()
    row = two.index.rows.get(b"gone")
    assert row is not None
    gone = row.record._replace(kind=Kind.ABSENT, size=0, content=b"", mtime=0, mode=0)
    vector = tuple(sorted((*row.record.vector, ("cc", 1))))
    gone = gone._replace(stamp=Stamp(row.record.stamp.ns + 1, "cc"), vector=vector)
    two.inbox.append(Received(one.index.identity.replica, ModificationUpdate("default", 99, (Change("delete", gone),))))
    pair.run()
    (note,) = [note for note in two.notes if isinstance(note, notes.Removed)]
    assert note.maker == "carol"


def test_what_is_new_is_not_called_changed() -> None:
    pair = Pair()
    pair.link()
    one = pair.one
    for content in (b"first", b"second"):
        one.disk.write(b"file", content)
        one.inbox.append(Touched(b"file", Urgency.NOW))
        pair.run()
    one.disk.delete(b"file")
    one.inbox.append(Touched(b"file", Urgency.VANISHED))
    pair.run()
    one.disk.write(b"file", b"third")
    one.inbox.append(Touched(b"file", Urgency.NOW))
    pair.run()
    assert [type(note) for note in one.notes if isinstance(note, notes.LocalChange) and note.path == b"file"] == [
        notes.NewHere,
        notes.ChangedHere,
        notes.DeletedHere,
        notes.NewHere,
    ]


@pytest.mark.parametrize("whole", [True, False])
def test_a_large_file_that_leaves_is_told_of_when_it_is_there(whole: bool) -> None:
    """Progress meanwhile; one line at the end, not at the beginning. A small one: one line at once."""
    pair = Pair()
    pair.link()
    one, two = pair.one, pair.two
    content = bytes(range(256)) * (1 << 18 if whole else 1 << 10)
    one.disk.write(b"file", content)
    one.inbox.append(Touched(b"file", Urgency.NOW))
    seen = []
    gone: list[int] = []
    for _ in range(4_000):
        pair.step()
        going = one.engine.uploader.progress(one.engine.board.now.mono_ms)
        seen += [(upload.path, upload.peer, upload.size) for upload, _ in going]
        gone += [sent for _, sent in going]
        if two.disk.stat(b"file") is not None:
            break
        assert not whole or not one.said(notes.SentLarge), "it is not there yet"
    pair.run()
    (sent,) = [note for note in one.notes if isinstance(note, notes.Sent | notes.SentDelta | notes.SentLarge)]
    assert type(sent) is (notes.SentLarge if whole else notes.Sent)
    assert (sent.path, sent.peer, sent.size) == (b"file", "two", len(content))
    assert set(seen) == ({(b"file", two.index.identity.replica, len(content))} if whole else set())
    assert not one.engine.uploader.progress(one.engine.board.now.mono_ms)
    assert gone == sorted(gone)
    assert not whole or gone[-1] <= len(content) < gone[-1] * 2


def test_what_is_wrong_with_many_for_one_reason_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dir_sync")
    narrator = Narrator()
    for number in range(200):
        narrator.tell(notes.CannotWrite(b"vault/%d" % number, "no permission"), 0.0)
    narrator.tell(notes.CannotWrite(b"other", "input/output error"), 0.0)
    for name in (b"README", b"Notes"):
        narrator.tell(notes.Unfit(name, f"taken for {name.lower().decode()}"), 0.5)
    assert not caplog.messages
    assert narrator.breathe(0.9) == 0.0
    assert narrator.breathe(1.2) == 0.5
    assert caplog.messages == [
        "cannot write vault/0, vault/1, vault/2 and 197 more (no permission): will try again",
        "cannot write other (input/output error): will try again",
    ]
    narrator.breathe(1.3, all_of_it=True)
    assert caplog.messages[2].startswith("README, Notes cannot be on this disk (README: taken for readme). To see it: ")
    assert narrator.breathe(9.0) is None


def test_what_a_person_has_ruled_out_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dir_sync")
    narrator = Narrator()
    narrator.tell(notes.Unfit(b"README", "taken for readme"), 0.0)
    for name in (b"iso", b"film"):
        narrator.tell(notes.NotTaken(name, 2_000, 1_000), 0.0)
    narrator.breathe(9.0, all_of_it=True)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said[0][0] == "WARNING"
    assert said[1:] == [
        ("INFO", "not taken: iso, film (it is larger than 1.00 kB, the --max-file-size of this machine)")
    ]


FILLED: dict[object, object] = {
    bytes: b"path",
    str: "anna",
    str | None: "bob",
    int: 7,
    bool: True,
    tuple[notes.NotTakenThere, ...]: (notes.NotTakenThere("anna", "ignored", 1, 2, 3, 0),),
    tuple[str, ...]: ("anna",),
    tuple[tuple[bytes, int], ...]: ((b"path", 7),),
}


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("kind", get_args(notes.Note), ids=lambda kind: kind.__name__)
def test_each_kind_has_its_line(caplog: pytest.LogCaptureFixture, kind: type, verbose: bool) -> None:
    """Those of a content that is fetched are told when it is in its place."""
    note: notes.Note = kind(**{name: FILLED[hint] for name, hint in get_type_hints(kind).items()})
    happened = [note]
    if isinstance(note, notes.Fetched | notes.FetchedDelta):
        happened.append(notes.Received(note.path, note.peer, note.size))
    lines = told(caplog, *happened, verbose=verbose)
    assert lines
    for name in ("path", "peer", "maker"):
        said = {b"path": "path", "anna": "anna", "bob": "bob"}.get(getattr(note, name, None) or "", "")
        silent = isinstance(note, notes.Copied) or (name == "path" and isinstance(note, notes.Decided))
        assert silent or said in lines[0]
