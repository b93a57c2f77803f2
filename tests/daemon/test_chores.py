"""Chores: what is done now and then, and when the loop has to wake for it."""

from __future__ import annotations

import time
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from dir_sync.core.events import Blind, RoomMeasured, Ticked
from dir_sync.core.live_notes import TransferBegan, TransferEnded
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.taking import Taking
from dir_sync.daemon.chores import Chores
from dir_sync.daemon.gauge import Gauge
from dir_sync.daemon.inbox import Inbox
from dir_sync.daemon.threads import DiskHangs
from tests.daemon.standins import Folder


class Bench:
    def __init__(self) -> None:
        self.folder = Folder()
        self.inbox = Inbox()
        self.commit_due_s: float | None = None
        self.commits = 0
        self.rests = 0
        self.lines: list[str] = []
        self.progress: list[bytes] = []
        self.wholes: list[str] = []
        self.live: list[object] = []  # events for those who listen
        self.ended = 0
        self.looks: list[float] = []  # for the end of a pause
        performer: Any = SimpleNamespace(
            commit_due_s=lambda: self.commit_due_s,
            is_commit_due=self._is_commit_due,
            commit=self._commit,
            tell_live=self.live.append,
            rest=self._rest,
        )
        narrator: Any = SimpleNamespace(
            whole=lambda words, progress, mono, machines: self.wholes.append(words),
            whole_every_s=60.0,
            breathe=lambda mono: None,
            progress=lambda path, *more, **sending: self.progress.append(path),
        )
        self.began = time.monotonic()
        pausing: Any = SimpleNamespace(look=self.looks.append)
        peers: Any = SimpleNamespace(links={}, note_seen=lambda: None)
        self.is_beside_others = True
        self.chores = Chores(
            self.folder.share,
            performer,
            narrator,
            Gauge(self.folder.share, peers),
            self.inbox,
            Random(1),
            self.lines.append,
            self._end,
            pausing,
            lambda: self.is_beside_others,
        )

    def _is_commit_due(self, mono: float) -> bool:
        return self.commit_due_s is not None and mono > self.commit_due_s

    def _commit(self, durable: bool) -> None:
        assert not durable
        self.commits += 1

    def _rest(self) -> None:
        self.rests += 1

    def _end(self) -> None:
        self.ended += 1

    def after(self, seconds: float) -> list[object]:
        """What was posted by then."""
        self.chores.run(time.monotonic() + seconds)
        posted = []
        while (news := self.inbox.get(0)) is not None:
            posted.append(news)
        return posted


def test_everything_is_scanned_now_and_then() -> None:
    bench = Bench()
    assert bench.after(800) == []
    assert bench.after(901) == [Blind(b"", "")]
    assert bench.after(902) == []
    assert bench.after(901 + 1_100) == [Blind(b"", "")]


def test_folders_that_no_event_tells_of_are_scanned_often_and_told_of() -> None:
    bench = Bench()
    assert bench.after(21) == []
    bench.folder.watcher.unwatched = {b"in": "inotify watch limit reached"}
    bench.folder.engine.scope.mounted.add(b"mnt/usb")
    assert sorted(map(str, bench.after(21))) == sorted(map(str, [Blind(b"in", ""), Blind(b"mnt", "")]))
    (line,) = bench.lines
    assert line.startswith("cannot be watched: in (inotify watch limit reached)")
    assert "max_user_watches" in line
    assert bench.after(30) == []


def test_what_would_cost_a_later_commit_its_time_is_done_at_rest_only() -> None:
    bench = Bench()
    bench.folder.engine.is_busy = True
    bench.after(3)
    assert bench.rests == 0
    bench.folder.engine.is_busy = False
    bench.after(6)
    assert bench.rests == 1


def test_a_folder_that_is_gone_ends_the_share() -> None:
    bench = Bench()
    bench.after(3)
    assert not bench.ended
    bench.folder.is_there = False
    bench.after(6)
    assert bench.ended == 1


def test_a_disk_that_does_not_answer_ends_the_share() -> None:
    bench = Bench()
    bench.folder.workers.answers = False
    bench.commit_due_s = 0.0
    bench.after(3)
    assert not bench.chores.is_stalled, "the first check has just begun"
    assert bench.commits == 1
    for seconds in (6, 9, 12, 15):
        bench.after(seconds)
        assert bench.chores.is_stalled
    assert bench.commits == 2, "one in the turn that noticed it"
    assert bench.chores.due(0.0) > 0.0, "no commit is due"
    with pytest.raises(DiskHangs):
        bench.after(18)


def test_a_disk_that_answers_late_is_none_that_hangs() -> None:
    bench = Bench()
    bench.folder.workers.answers = False
    for seconds in (3, 6, 9):
        bench.after(seconds)
    (check,) = bench.folder.workers.unanswered
    check()
    assert not bench.chores.is_stalled
    assert bench.after(10) == [Ticked()], "what has waited goes on"
    for seconds in range(11, 19, 3):
        bench.after(seconds)
    assert len(bench.folder.workers.unanswered) == 2


def test_a_folder_alone_waits_for_its_disk() -> None:
    bench = Bench()
    bench.is_beside_others = False
    bench.folder.workers.answers = False
    for seconds in range(3, 100, 3):
        bench.after(seconds)
        assert not bench.chores.is_stalled
    assert len(bench.folder.workers.unanswered) == 1


def test_what_nobody_waits_for_is_committed_soon() -> None:
    bench = Bench()
    bench.after(1)
    assert not bench.commits
    bench.commit_due_s = bench.began + 0.3
    assert bench.chores.due(bench.began) == bench.began + 0.3
    bench.after(0.5)
    assert bench.commits == 1


def test_long_transfers_are_told_of() -> None:
    bench = Bench()
    started_ms = int(bench.began * 1000)
    bench.folder.engine.receiving = [(b"iso", "bob", 1, 9, started_ms, 0), (b"new", "bob", 1, 9, started_ms + 5_500, 0)]
    bench.after(6)
    assert bench.progress == [b"iso"]


def test_transfers_are_events_for_those_who_listen_and_their_end_needs_nothing_else_to_happen() -> None:
    bench = Bench()
    started_ms = int(bench.began * 1000)
    bench.folder.engine.receiving = [(b"iso", "bob", 1, 9, started_ms, 0)]
    bench.after(1)
    assert bench.live == [TransferBegan(b"iso", "bob", "receive", 9, 1)]
    bench.folder.engine.receiving = []
    assert bench.chores.due(bench.began + 1) <= bench.began + 2.5
    bench.after(2.5)
    assert bench.live[1:] == [TransferEnded(b"iso", "bob", "receive", 9, 1)]


def test_a_pause_ends_by_itself_also_if_nothing_happens() -> None:
    bench = Bench()
    bench.after(1.0)
    assert not bench.looks
    assert bench.chores.due(time.monotonic()) < bench.began + 2.5
    bench.after(3.0)
    assert len(bench.looks) == 1


def test_on_a_quiet_disk_room_that_was_given_and_not_used_goes_to_those_who_wait() -> None:
    bench = Bench()
    bench.folder.engine.board.taking = taking = Taking(room=10)
    bench.folder.room = 10
    first, second = (Record(path, Kind.FILE, 8, path, 0, 0o644, Stamp(1, "m"), (("m", 1),)) for path in (b"a", b"b"))
    assert bench.after(3) == [], "nothing is new, and nobody waits"
    assert taking.take_room(first)
    assert not taking.take_room(second)
    assert bench.after(6) == [RoomMeasured(10)]
    assert taking.measured(10, {}) == [b"b"], "the first one does not come"
    assert taking.take_room(second)
    assert bench.after(9) == [RoomMeasured(10)]
    taking.measured(10, {})
    assert bench.after(12) == []
    bench.folder.room = 12
    assert bench.after(15) == [RoomMeasured(12)]


def test_what_came_with_its_announcement_and_left_the_disk_as_it_was_takes_no_room_for_good() -> None:
    bench = Bench()
    bench.folder.engine.board.taking = taking = Taking(room=10)
    bench.folder.room = 10
    assert taking.take_pushed(Record(b"a", Kind.FILE, 8, b"c", 0, 0o644, Stamp(1, "m"), (("m", 1),)))
    assert bench.after(3) == [RoomMeasured(10)]


def test_beside_the_whole_no_large_content_is_told_of_by_itself() -> None:
    """One of both at a time; what goes the other way, of which no whole is told, is named."""
    bench = Bench()
    gauge = bench.chores._gauge
    started_ms = int(bench.began * 1000)
    bench.folder.engine.receiving = [(b"iso", "bob", 1, 9, started_ms, 0)]
    for at in range(6):
        gauge.receiving.sample(Lack(1, 1_000 - at, 0), int((bench.began + at) * 1000))
    bench.chores._tell_progress(bench.began + 5)
    assert not bench.progress
    gauge.receiving.sample(NOTHING, int((bench.began + 6) * 1000))
    bench.chores._tell_progress(bench.began + 6)
    assert bench.progress == [b"iso"]


def test_how_far_the_whole_has_come_is_told_once_in_an_interval() -> None:
    """One line a second on a terminal, one a minute elsewhere; nothing about what lasts a moment."""
    bench = Bench()
    gauge = bench.chores._gauge
    for at in range(70):
        gauge.sending.sample(Lack(100 - at, 1_000, 0), int((bench.began + at) * 1000))
        bench.chores._tell_whole(bench.began + at)
        assert len(bench.wholes) == (0 if at < 2 else 1 if at < 62 else 2), at
    assert set(bench.wholes) == {"going out"}
