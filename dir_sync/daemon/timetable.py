"""Timetable: the limits of speed of a node, and what its schedule makes of them at this time of the week.

In:   the rules and limits that a person has given; the time, every two seconds. Out: the limits for what is sent and requested;
until when the schedule says `off`; lines in the log.
Rule: without rules nothing is looked at. A rule changes what all connections share, not the limits of each peer.
Used by: daemon, links, pausing, rehearsal, sharing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dir_sync.core.overload.byte_rate import LinkRates, SpeedLimits
from dir_sync.core.schedule import Rule, minutes_to_change, rule_at
from dir_sync.core.status import ScheduleStatus
from dir_sync.network.pacing import Pacing
from dir_sync.reporting.log import human_bytes, logger, moment

__all__ = ["Timetable"]


class Timetable:
    """Engine thread only, once that runs."""

    def __init__(self, rules: Sequence[Rule], speed: SpeedLimits, now_s: float) -> None:
        self._rules = rules
        self._speed = speed
        self.limits = speed  # those that count now
        self._rule: Rule | None = None
        self._until_s: int | None = None
        self._changed: list[Callable[[], None]] = []
        self.sending = Pacing(speed.up, speed.peer_up, may_change=any(rule.up is not None for rule in rules))
        self.asking = LinkRates(speed.down, speed.peer_down, any(rule.down is not None for rule in rules))
        self.look(now_s)

    def when_changed(self, changed: Callable[[], None]) -> None:
        """`changed` is called when the limits are others."""
        self._changed.append(changed)

    @property
    def off_until_s(self) -> int | None:
        """When the schedule, which says `off` now, goes on (Unix time; 0: never); None: it does not say that."""
        return (self._until_s or 0) if self._rule is not None and self._rule.off else None

    @property
    def status(self) -> ScheduleStatus | None:
        """None: there is no schedule."""
        if not self._rules:
            return None
        holds = "" if self._rule is None else self._rule.text
        return ScheduleStatus(tuple(rule.text for rule in self._rules), holds, self._until_s or 0)

    def look(self, now_s: float) -> None:
        """Do what the schedule says by now."""
        if not self._rules:
            return
        at = time.localtime(now_s)
        week_min = at.tm_wday * 24 * 60 + at.tm_hour * 60 + at.tm_min
        was, self._rule = self._rule, rule_at(self._rules, week_min)
        wait = minutes_to_change(self._rules, week_min)
        # mktime knows when the clock is set forward or back in between
        later = (at.tm_year, at.tm_mon, at.tm_mday, at.tm_hour, at.tm_min + (wait or 0), 0, 0, 0, -1)
        self._until_s = None if wait is None else int(time.mktime(later))
        if self._rule is not was:
            self._use(self._rule)

    def _use(self, rule: Rule | None) -> None:
        up = self._speed.up if rule is None or rule.up is None else rule.up
        down = self._speed.down if rule is None or rule.down is None else rule.down
        self.limits = self._speed._replace(up=up, down=down)
        self.sending.change(up)
        self.asking.share(down, time.monotonic_ns() // 1_000_000)
        for changed in self._changed:
            changed()
        until = "" if self._until_s is None else f" until {moment(self._until_s)}"
        if rule is None:
            logger.info("schedule: no rule holds%s", until)
        elif rule.off:
            logger.info("schedule: '%s' holds%s", rule.text, until)
        else:
            logger.info("schedule: '%s' holds%s: up %s, down %s", rule.text, until, _rate(up), _rate(down))


def _rate(per_s: int) -> str:
    return f"{human_bytes(per_s)}/s" if per_s else "without a limit"
