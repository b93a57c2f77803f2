"""Pausing: one folder is paused and goes on, by commands and by the schedule.

In:   the commands `pause` and `resume`; the time, every two seconds. Out: whether the folder is paused; news for the loop when
that changes, which tells the peers.
Rule: it is looked at only when a command comes, and with the checks of the folder: turns cost nothing. What a person has
said is a note of the index, so it holds after a restart.
Used by: chores, folder, requests, sharing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from dir_sync.core.pausing import NO_END, Pause, judge, overruled_until
from dir_sync.daemon.timetable import Timetable
from dir_sync.folder import pauses
from dir_sync.index import Index
from dir_sync.network.control import Answer
from dir_sync.reporting.log import moment

__all__ = ["Pausing"]

_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


class Pausing:
    """Engine thread only."""

    def __init__(
        self,
        index: Index,
        log: _Log,
        commit: Callable[[], None],
        changed: Callable[[], None],
        timetable: Timetable,
        now_s: float,
    ) -> None:
        """`commit` puts the index on the disk, which may hang. `changed` is called when the folder is paused from now on, or
        goes on."""
        self._index = index
        self._log = log
        self._commit = commit
        self._changed = changed
        self._timetable = timetable
        self._wish = pauses.noted(index)
        self.pause: Pause | None = None
        self.overruled_until_s: int | None = None  # a `resume` counts more than `off` of the schedule until then
        self._judge(now_s)

    def look(self, now_s: float) -> None:
        """Pause, or go on, if the time for that has come."""
        self._timetable.look(now_s)
        was = self.pause
        self._judge(now_s)
        if (was is None) != (self.pause is None):
            self._changed()

    def asked(self, question: Answer, now_s: float) -> Answer:
        """Do what a command says. Raises ConfigError, and what `commit` raises."""
        was = self.pause
        self._wish = pauses.asked(self._index, question, now_s, self._timetable.off_until_s)
        self._commit()
        self.look(now_s)
        return pauses.answer_of(was, self.pause, self.overruled_until_s)

    def _judge(self, now_s: float) -> None:
        off_until_s = self._timetable.off_until_s
        was, self.pause = self.pause, judge(self._wish, off_until_s, now_s)
        self.overruled_until_s = overruled_until(self._wish, off_until_s, now_s)
        if self.pause == was:
            return
        if self.pause is None:
            self._log.info("resumed: it exchanges changes with other machines again")
            return
        until = "until 'resume'" if self.pause.until_s == NO_END else f"until {moment(self.pause.until_s)}"
        self._log.info("PAUSED %s: nothing is sent or taken; own changes are noted", until)
