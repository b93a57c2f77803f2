"""ChangeHandler on a real inotify: what it tells, and the parts of watchdog it relies on."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers import inotify_c
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from dir_sync.core.events import Blind, Event, Moved, Touched, Urgency
from dir_sync.disk import RealDisk
from dir_sync.event_handler import ChangeHandler
from dir_sync.readable import Readable


class Heard:
    """A handler on a folder, and everything it has posted."""

    def __init__(self, root: Path) -> None:
        self.events: list[Event] = []
        self.backlog = 0
        self._news = threading.Condition()
        self.readable = Readable()
        self.handler = ChangeHandler(os.fsencode(root), self.readable, self._post, lambda: self.backlog)
        self.handler.start()
        self._thread = threading.Thread(target=self.readable.run)
        self._thread.start()

    def end(self) -> None:
        self.handler.stop()
        self.readable.stop()
        self._thread.join()
        self.readable.close()

    def _post(self, events: list[Event]) -> None:
        with self._news:
            self.events += events
            self._news.notify_all()

    def until(self, test: Callable[[list[Event]], bool], limit_s: float = 5.0) -> list[Event]:
        with self._news:
            assert self._news.wait_for(lambda: test(self.events), limit_s), self.events
            return list(self.events)


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    it = Heard(tmp_path)
    assert it.handler.watch(b"")
    yield it
    it.end()


def test_a_file_that_is_closed_after_writing_is_told_at_once(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    heard.until(lambda events: Touched(b"f", Urgency.NOW) in events)


@pytest.mark.parametrize(
    ("masks", "waits"),
    [
        ([InotifyConstants.IN_CREATE], True),
        ([InotifyConstants.IN_CREATE, InotifyConstants.IN_MODIFY], True),
        ([InotifyConstants.IN_CREATE, InotifyConstants.IN_MODIFY, InotifyConstants.IN_CLOSE_WRITE], False),
        ([InotifyConstants.IN_DELETE, InotifyConstants.IN_CREATE], False),
        ([InotifyConstants.IN_CREATE | InotifyConstants.IN_ISDIR], False),
        ([], False),
    ],
)
def test_a_file_that_was_just_made_waits_a_moment_for_its_close(
    heard: Heard, tmp_path: Path, masks: list[int], waits: bool
) -> None:
    handler = ChangeHandler(os.fsencode(tmp_path), heard.readable, lambda events: None, lambda: 0)
    try:
        assert handler.watch(b"")
        for mask in masks:
            handler.happened(1, mask, 0, b"f")
        assert handler.awaits_close is waits
    finally:
        handler.stop()


def test_a_rename_right_after_that_close_is_whole_though_its_halves_come_apart(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As editors save: a new file, written, closed and renamed."""
    (wd,) = heard.handler._folders.paths
    reads = [
        event(wd, InotifyConstants.IN_CREATE, 0, b"tmp"),
        event(wd, InotifyConstants.IN_CLOSE_WRITE, 0, b"tmp") + event(wd, InotifyConstants.IN_MOVED_FROM, 7, b"tmp"),
        event(wd, InotifyConstants.IN_MOVED_TO, 7, b"f"),
    ]
    reader = heard.handler._reader
    monkeypatch.setattr(reader, "_events", lambda: reads.pop(0))
    monkeypatch.setattr(reader, "_is_readable", lambda wait_ms: bool(reads))
    reader.read()
    assert heard.events == [Touched(b"tmp", Urgency.CREATED), Touched(b"tmp", Urgency.NOW), Moved(b"tmp", b"f", False)]


def test_a_file_that_was_closed_is_one_event_for_all_that_was_written(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for those who write elsewhere, or go on: they are told."""
    (wd,) = heard.handler._folders.paths
    written = [
        event(wd, InotifyConstants.IN_MODIFY, 0, b"f"),
        event(wd, InotifyConstants.IN_MODIFY, 0, b"g"),
        event(wd, InotifyConstants.IN_CLOSE_WRITE, 0, b"f"),
    ]
    reads = [b"".join(written), b"".join([*written, event(wd, InotifyConstants.IN_MODIFY, 0, b"f")])]
    reader = heard.handler._reader
    monkeypatch.setattr(reader, "_events", lambda: reads.pop(0))
    monkeypatch.setattr(reader, "_is_readable", lambda wait_ms: False)
    reader.read()
    assert heard.events == [Touched(b"g", Urgency.WRITING), Touched(b"f", Urgency.NOW)]
    heard.events.clear()
    reader.read()
    assert set(heard.events) == {
        Touched(b"g", Urgency.WRITING),
        Touched(b"f", Urgency.NOW),
        Touched(b"f", Urgency.WRITING),
    }
    assert heard.events[-1] == Touched(b"f", Urgency.WRITING), "somebody writes on, so it is not closed"


def event(wd: int, mask: int, cookie: int, name: bytes) -> bytes:
    """As the kernel gives it."""
    return struct.pack("iIII", wd, mask, cookie, 16) + name.ljust(16, b"\0")


def test_a_name_that_is_not_utf8(heard: Heard, tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/bad\xff\n", "wb"):
        pass
    heard.until(lambda events: Touched(b"bad\xff\n", Urgency.NOW) in events)


def test_both_halves_of_a_rename_are_one_event(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "a").rename(tmp_path / "b")
    heard.until(lambda events: Moved(b"a", b"b", False) in events)


def test_a_name_that_leaves_the_tree_has_vanished_and_holds_nothing_up(
    heard: Heard, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (tmp_path / "a").write_bytes(b"x")
    heard.until(lambda events: Touched(b"a", Urgency.NOW) in events)
    began = time.monotonic()
    (tmp_path / "a").rename(outside / "a")
    (tmp_path / "b").write_bytes(b"x")
    events = heard.until(lambda events: Touched(b"b", Urgency.NOW) in events)
    assert Touched(b"a", Urgency.VANISHED) in events
    assert time.monotonic() - began < 5


def test_a_new_folder_is_told_and_not_watched_by_itself(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    heard.until(lambda events: Touched(b"d", Urgency.FOLDER) in events)
    (tmp_path / "d" / "unseen").write_bytes(b"x")
    assert heard.handler.watch(b"d")
    (tmp_path / "d" / "seen").write_bytes(b"x")
    events = heard.until(lambda events: Touched(b"d/seen", Urgency.NOW) in events)
    assert not any(isinstance(event, Touched) and event.path == b"d/unseen" for event in events)


def test_watches_follow_a_folder_that_is_renamed(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    heard.until(lambda events: Touched(b"d", Urgency.FOLDER) in events)
    assert heard.handler.watch(b"d")
    assert heard.handler.watch(b"d/e")
    (tmp_path / "d").rename(tmp_path / "n")
    heard.until(lambda events: Moved(b"d", b"n", True) in events)
    (tmp_path / "n" / "e" / "f").write_bytes(b"x")
    heard.until(lambda events: Touched(b"n/e/f", Urgency.NOW) in events)


def test_a_folder_that_leaves_the_tree_is_no_longer_watched(
    heard: Heard, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (tmp_path / "d").mkdir()
    assert heard.handler.watch(b"d")
    (tmp_path / "d").rename(outside / "d")
    heard.until(lambda events: Touched(b"d", Urgency.VANISHED) in events)
    (outside / "d" / "f").write_bytes(b"x")
    (tmp_path / "last").write_bytes(b"x")
    events = heard.until(lambda events: Touched(b"last", Urgency.NOW) in events)
    assert not any(isinstance(event, Touched) and event.path.startswith(b"d/") for event in events)


def test_our_own_folder_is_never_told(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / ".dir_sync").mkdir()
    (tmp_path / ".dir_sync" / "x").write_bytes(b"x")
    (tmp_path / "f").write_bytes(b"x")
    events = heard.until(lambda events: Touched(b"f", Urgency.NOW) in events)
    assert all(isinstance(event, Touched) and event.path == b"f" for event in events)


def test_a_folder_of_that_name_in_another_one_is_told_when_it_goes(heard: Heard, tmp_path: Path) -> None:
    """It was in the way of a deleted folder."""
    (tmp_path / "d" / ".dir_sync").mkdir(parents=True)
    assert heard.handler.watch(b"d")
    (tmp_path / "d" / ".dir_sync").rmdir()
    heard.until(lambda events: Touched(b"d/.dir_sync", Urgency.VANISHED) in events)


def test_chmod_of_a_file_and_of_a_folder(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert heard.handler.watch(b"d")
    (tmp_path / "d").chmod(0o700)
    heard.until(lambda events: Touched(b"d", Urgency.ATTRIBUTES) in events)


def test_a_link_is_not_watched(heard: Heard, tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("/")
    assert not heard.handler.watch(b"l")


def test_what_cannot_be_watched_is_remembered(heard: Heard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()

    def full(_path: bytes) -> int:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(heard.handler._reader, "add", full)
    assert not heard.handler.watch(b"d")
    assert b"d" in heard.handler.unwatched


def test_a_folder_that_may_not_be_read_is_not_taken_for_watched(
    heard: Heard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Watchdog hands out the descriptor -1 then, and makes no error of it. `locked` cannot even be seen to be a folder."""
    (tmp_path / "in").mkdir()

    def denied(_fd: int, _path: bytes, _mask: int) -> int:
        ctypes.set_errno(errno.EACCES)
        return -1

    with monkeypatch.context() as patched:
        patched.setattr(inotify_c, "inotify_add_watch", denied)
        for path in (b"in", b"locked/sub"):
            assert not heard.handler.watch(path)
    assert heard.handler.unwatched == {b"in": "Permission denied", b"locked/sub": "Permission denied"}
    assert heard.handler.watch(b"in")
    assert not heard.handler.watch(b"locked/sub"), "now it is seen not to be there"
    assert heard.handler.unwatched == {}
    (tmp_path / "in" / "letter").write_bytes(b"1")
    heard.until(lambda events: Touched(b"in/letter", Urgency.NOW) in events)


def test_lost_events_become_a_scan(heard: Heard) -> None:
    overflow = InotifyEvent(WatchDescriptor(-1), Mask(0x4000), 0, b"")
    heard.handler._reader.handle_event(overflow)
    heard.handler.end_of_batch()
    heard.until(lambda events: any(isinstance(event, Blind) and event.path == b"" for event in events))


def test_a_backlog_becomes_one_scan(heard: Heard, tmp_path: Path) -> None:
    heard.backlog = 1_000_000
    elsewhere = tmp_path.with_name("elsewhere")
    elsewhere.write_bytes(b"x")
    elsewhere.rename(tmp_path / "f")  # one event
    deadline = time.monotonic() + 5
    while not heard.handler._lost and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    heard.backlog = 0
    (tmp_path / "g").write_bytes(b"x")
    events = heard.until(lambda events: any(isinstance(event, Blind) for event in events))
    assert not [event for event in events if isinstance(event, Touched) and event.path == b"f"]


def test_one_that_has_stopped_has_given_back_its_instance(heard: Heard) -> None:
    descriptor = heard.handler._reader.descriptor
    heard.handler.stop()
    heard.handler.stop()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert not heard.handler.watch(b"")


@pytest.mark.parametrize(
    "name",
    [
        "_get_or_create_watch",
        "_remove_callback",
        "_inotify_fd",
        "_lock",
        "_closed",
        "_watch_for_wd",
        "_is_reading",
        "_close_resources",
    ],
)
def test_watchdog_still_has_what_we_use(name: str) -> None:
    reader = InotifyFD()
    reader._is_reading = False  # there is no thread for which `close` would have to wait
    try:
        assert hasattr(reader, name)
    finally:
        descriptor = reader._inotify_fd
        reader.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize("kinds", [("file", "file"), ("folder", "file"), ("file", "folder")])
def test_the_last_that_is_heard_of_what_an_exchange_replaces_is_that_it_is_there(
    heard: Heard, tmp_path: Path, kinds: tuple[str, str]
) -> None:
    """Bundlers, indexers and the like watch the folder with inotify. What FileSync installs comes from outside of what they
    watch."""
    disk = RealDisk(os.fsencode(tmp_path))
    disk.make_directory(b".dir_sync", 0o700)
    for name, kind in zip((b"name", b".dir_sync/ready"), kinds, strict=True):
        if kind == "file":
            disk.create(name).close()
        else:
            disk.make_directory(name, 0o755)
    heard.until(lambda events: bool(events))
    disk.exchange(b"name", b".dir_sync/ready")
    disk.create(b"last").close()
    events = heard.until(lambda events: Touched(b"last", Urgency.NOW) in events)
    disk.close()
    told = [event.urgency for event in events if isinstance(event, Touched) and event.path == b"name"]
    assert told[-2:] == [Urgency.VANISHED, Urgency.FOLDER if kinds[1] == "folder" else Urgency.ARRIVED]


def test_what_was_saved_is_told_before_somebody_is_answered(tmp_path: Path) -> None:
    """Also while the thread that reads has not come to it, or lets a flood come together."""
    posted: list[Event] = []
    backlog = [0]
    readable = Readable()  # nobody runs it
    handler = ChangeHandler(os.fsencode(tmp_path), readable, posted.extend, lambda: backlog[0])
    handler.start()
    try:
        assert handler.watch(b"")
        for number in range(3_000):  # more than one read takes
            (tmp_path / f"file with a long name {number}").write_text("")
        assert handler.catch_up()
        touched = {event.path for event in posted if isinstance(event, Touched)}
        assert len(touched) == 3_000
        (tmp_path / "last").write_text("")
        backlog[0] = 1_000_000
        assert not handler.catch_up(), "too much waits: it has to be called again"
        backlog[0] = 0
        assert handler.catch_up()
        assert any(isinstance(event, Blind) for event in posted), "what was lost is looked for"
    finally:
        handler.stop()
        readable.close()
    assert handler.catch_up(), "after the end there is nothing"
