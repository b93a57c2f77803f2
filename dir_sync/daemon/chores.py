"""Periodic work of the loop, independent of events.

In:   the time. Out: scans for the engine (as Blind events), commits, progress lines, the end of a pause, the end of
the share if the folder is gone.
Rule: a chore is short. Long work is posted to the inbox, and done in turns.
Used by: folder, sharing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from dir_sync.core.events import Blind, RoomMeasured, Ticked
from dir_sync.core.model import parent_of, show, show_text
from dir_sync.core.progress import Meter, Progress
from dir_sync.daemon.effects import Performer
from dir_sync.daemon.gauge import Gauge
from dir_sync.daemon.inbox import Post
from dir_sync.daemon.moving import Moving, OnItsWay
from dir_sync.daemon.pausing import Pausing
from dir_sync.daemon.share import Share
from dir_sync.daemon.threads import DiskHangs
from dir_sync.reporting.narrator import Narrator

__all__ = ["Chores"]

_RESCAN_S = 900.0  # a full scan at this interval finds changes that caused no event
_POLL_S = 20.0  # folders that cannot be watched are listed at this interval
_PROGRESS_S = 5.0
_PROGRESS_AFTER_S = 2.0  # a transfer that lasts longer gets progress lines
_ROOT_POLL_S = 2.0  # how often the node checks that the folder still exists
_HANGS = 5  # a disk hangs if so many checks would have been due since the one that it does not answer


class Chores:
    """Engine thread only.

    It has more fields than a class should have: whom it asks and tells, and when each chore is due."""

    def __init__(
        self,
        share: Share,
        performer: Performer,
        narrator: Narrator,
        gauge: Gauge,
        inbox: Post,
        rng: random.Random,
        warn_once: Callable[[str], None],
        end_share: Callable[[], None],
        pausing: Pausing | None = None,
        is_beside_others: Callable[[], bool] = lambda: False,
    ) -> None:
        """`end_share` is called if the folder is gone. `pausing`: None: the folder is never paused. `is_beside_others`: the node
        has more folders, which must not wait for this one."""
        self._is_beside_others = is_beside_others
        self.is_checking = False  # a worker is asked whether the folder is there; it sets it to false
        self._missed = 0  # checks that were due since
        self._pausing = pausing
        self._share = share
        self._performer = performer
        self._narrator = narrator
        self._gauge = gauge
        self._inbox = inbox
        self._rng = rng
        self._warn_once = warn_once
        self._end_share = end_share
        self._moving = Moving()
        mono = time.monotonic()
        self._next_scan = mono + _RESCAN_S
        self._next_poll = mono + _POLL_S
        self._next_progress = mono + _PROGRESS_S
        self._next_whole = mono
        self._next_root = mono + _ROOT_POLL_S

    def due(self, mono: float) -> float:
        """The time (monotonic clock) at which the next chore is due."""
        due = min(self._next_scan, self._next_root)
        commit = self._performer.commit_due_s()
        if commit is not None and commit < due and not self.is_stalled:
            due = commit
        if self._next_poll < due and self._has_blind_spots:
            due = self._next_poll
        if self._moving and self._gauge.due_s < due and not self.is_stalled:
            due = self._gauge.due_s
        crowd = self._narrator.breathe(mono)
        return due if crowd is None else min(due, crowd + 1.0)

    def run(self, mono: float) -> None:
        """Do the chores that are due."""
        if self._performer.is_commit_due(mono) and not self.is_stalled:
            self._performer.commit(durable=False)
        if mono >= self._next_scan:
            self._next_scan = mono + _RESCAN_S * self._rng.uniform(0.8, 1.2)
            self._inbox.put(Blind(b"", ""))
            self._gauge.note_seen()
        if mono >= self._next_poll and self._has_blind_spots:
            self._next_poll = mono + _POLL_S
            self._poll()
        if mono >= self._next_root:
            self._next_root = mono + _ROOT_POLL_S
            if self._pausing is not None:
                self._pausing.look(time.time())
            if not self.is_stalled and not self._share.engine.is_busy:
                self._performer.rest()
            self._check_root()
        if mono >= self._gauge.due_s and not self.is_stalled:
            self._gauge.look(mono)
            self._tell_whole(mono)
            self._tell_moving(mono)
        if mono >= self._next_progress:
            self._next_progress = mono + _PROGRESS_S
            self._tell_progress(mono)

    @property
    def is_stalled(self) -> bool:
        """True while its disk does not answer, and others must not wait for it: then nothing may be written to its index."""
        return self.is_checking and self._missed > 0 and self._is_beside_others()

    def _check_root(self) -> None:
        """Raises DiskHangs."""
        if not self.is_checking:
            self.is_checking, self._missed = True, 0
            self._share.workers.check(self._check)
            return
        self._missed += 1
        if self._missed >= _HANGS and self._is_beside_others():
            raise DiskHangs

    def _check(self) -> None:
        """On a worker's thread."""
        taking = self._share.engine.board.taking
        if taking is not None and (room := self._share.other_room()) is not None and taking.is_news(room):
            self._inbox.put(RoomMeasured(room))
        if self._share.are_rules_changed():
            self._inbox.put(Blind(b"", ""))  # the listing of the folder reads them
        if not self._share.check(self._warn_once):
            self._end_share()
        self.is_checking = False
        if self._missed:
            self._inbox.put(Ticked())  # what has waited goes on

    @property
    def _has_blind_spots(self) -> bool:
        """True if some folders are not watched."""
        return bool(self._share.watcher.unwatched or self._share.engine.scope.mounted)

    def _poll(self) -> None:
        """Scan the folders that cannot be watched, and those with a mount point in them."""
        unwatched = self._share.watcher.unwatched
        if unwatched:
            path, reason = next(iter(unwatched.items()))
            more = f" and {len(unwatched) - 1:,} more" if len(unwatched) > 1 else ""
            is_limit = "limit" in reason
            self._warn_once(
                f"cannot be watched: {show(path)}{more} ({reason}); scanned every {_POLL_S:.0f} s instead"
                + ("; to raise the limit: sudo sysctl fs.inotify.max_user_watches=1048576" if is_limit else "")
            )
        for path in {*unwatched, *map(parent_of, self._share.engine.scope.mounted)}:
            self._inbox.put(Blind(path, ""))

    def _tell_whole(self, mono: float) -> None:
        """How far all that is on its way has come."""
        if mono < self._next_whole:
            return
        both = (("coming here", self._gauge.receiving, 1), ("going out", self._gauge.sending, self._gauge.getting))
        for words, meter, machines in both:
            if (progress := _whole(meter, mono)) is not None:
                self._narrator.whole(words, progress, mono, machines)
                self._next_whole = mono + self._narrator.whole_every_s

    def _tell_moving(self, mono: float) -> None:
        """Large contents on their way, for those who listen."""
        engine = self._share.engine
        now = [
            OnItsWay(False, path, show_text(peer), size, here)
            for path, peer, here, size, _, _ in engine.fetcher.progress()
        ]
        for one, sent in engine.uploader.progress(int(mono * 1000)):
            now.append(OnItsWay(True, one.path, show_text(engine.board.name_of(one.peer)), one.size, sent))
        for event in self._moving.look(now, mono):
            self._performer.tell_live(event)

    def _tell_progress(self, mono: float) -> None:
        """How far each large content has come, in a direction in which the whole is not told."""
        engine = self._share.engine
        coming = engine.fetcher.progress() if _whole(self._gauge.receiving, mono) is None else ()
        going = engine.uploader.progress(int(mono * 1000)) if _whole(self._gauge.sending, mono) is None else ()
        for path, peer, here, size, since_ms, began in coming:
            since = mono - since_ms / 1000
            if since > _PROGRESS_AFTER_S:
                self._narrator.progress(path, peer, here, size, since, began)
        for one, sent in going:
            since = mono - one.since_ms / 1000
            if since > _PROGRESS_AFTER_S:
                name = engine.board.name_of(one.peer)
                self._narrator.progress(one.path, name, sent, one.size, since, one.began_at, sending=True)


def _whole(meter: Meter, mono: float) -> Progress | None:
    """How far all that goes in one direction has come, if people are told of that."""
    progress = meter.progress(int(mono * 1000))
    return progress if progress is not None and progress.seconds >= _PROGRESS_AFTER_S else None
