"""Limits that change with the time of the week: rules such as ``mo-fr 08:00-18:00 up=1M down=2M``.

In:   lines that a person has typed; a local time. Out: the rule that holds then, and when another one does.
Rule: of several rules that hold at once, the last one counts alone. A time that ends before it begins goes over midnight, and
its days are those on which it begins. The time is that of the wall clock: an hour that is skipped or comes twice does so
here, too.
Raises ValueError, with one line for people. Used by: config, daemon.timetable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from dir_sync.core.named import NamedTuple

__all__ = ["WEEK_MIN", "Rule", "minutes_to_change", "read_rule", "rule_at"]

DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MIN = 24 * 60
WEEK_MIN = 7 * DAY_MIN
_TIMES = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)")
_LIKE = 'as in "mo-fr 08:00-18:00 up=1M down=2M" or "sa,su off"'


class Rule(NamedTuple):
    """When it holds, and what then."""

    text: str  # as a person has typed it, with single blanks
    days: frozenset[int]  # 0: Monday
    begin_min: int  # of the day
    end_min: int  # of the day; not after `begin_min`: of the next day
    up: int | None = None  # bytes a second, 0: no limit; None: as otherwise
    down: int | None = None
    off: bool = False  # nothing is exchanged

    def holds(self, week_min: int) -> bool:
        """`week_min`: minutes since Monday, 00:00."""
        length = (self.end_min - self.begin_min) % DAY_MIN or DAY_MIN
        return any((week_min - day * DAY_MIN - self.begin_min) % WEEK_MIN < length for day in self.days)


def rule_at(rules: Sequence[Rule], week_min: int) -> Rule | None:
    """The rule that counts then; None: there is none."""
    return next((rule for rule in reversed(rules) if rule.holds(week_min)), None)


def minutes_to_change(rules: Sequence[Rule], week_min: int) -> int | None:
    """In how many minutes another rule counts; None: that never happens."""
    now = rule_at(rules, week_min)
    edges = {
        (day * DAY_MIN + edge) % WEEK_MIN
        for rule in rules
        for day in rule.days
        for edge in (rule.begin_min, rule.begin_min + ((rule.end_min - rule.begin_min) % DAY_MIN or DAY_MIN))
    }
    waits = sorted((edge - week_min) % WEEK_MIN or WEEK_MIN for edge in edges)
    return next((wait for wait in waits if rule_at(rules, (week_min + wait) % WEEK_MIN) is not now), None)


def read_rule(text: str, read_rate: Callable[[str], int]) -> Rule:
    """The rule of a line. `read_rate`: bytes a second; what it raises is passed on."""
    words = text.lower().split()
    days, begin_min, end_min = frozenset(range(7)), 0, 0
    if words and _are_days(words[0]):
        days = _days(words.pop(0))
    if words and ":" in words[0]:
        begin_min, end_min = _times(words.pop(0))
    if not words:
        raise ValueError(f"a rule says what holds: up=RATE, down=RATE or off, {_LIKE}")
    rates: dict[str, int] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if word == "off" and len(words) == 1:
            break
        if word == "off":
            raise ValueError(f"'off' stands alone: nothing is sent or taken then, {_LIKE}")
        if name not in ("up", "down") or not equals or name in rates:
            again = (
                " comes twice"
                if name in rates
                else " is not understood: days, then a time, then up=RATE, down=RATE or off"
            )
            raise ValueError(f"{_shown(word)}{again}, {_LIKE}")
        rates[name] = read_rate(value)
    return Rule(" ".join(text.split()), days, begin_min, end_min, rates.get("up"), rates.get("down"), not rates)


def _are_days(word: str) -> bool:
    return "=" not in word and ":" not in word and word != "off"


def _days(word: str) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        first, dash, last = part.partition("-")
        begin, end = _day(first), _day(last) if dash else None
        if begin is None or (dash and end is None):
            raise ValueError(f"{_shown(part)} is no day: {', '.join(DAYS)}, {_LIKE}")
        found.update((begin + more) % 7 for more in range((0 if end is None else (end - begin) % 7) + 1))
    return frozenset(found)


def _day(word: str) -> int | None:
    return next((at for at, name in enumerate(_NAMES) if len(word) >= 2 and name.startswith(word)), None)


def _times(word: str) -> tuple[int, int]:
    found = _TIMES.fullmatch(word)
    if found is None:
        raise ValueError(f"{_shown(word)} is no time of the day, {_LIKE}")
    hours, minutes, end_hours, end_minutes = map(int, found.groups())
    begin, end = hours * 60 + minutes, end_hours * 60 + end_minutes
    if minutes > 59 or end_minutes > 59 or begin >= DAY_MIN or end > DAY_MIN:
        raise ValueError(f"{_shown(word)} is no time of the day: from 00:00 to 24:00")
    if begin == end:
        raise ValueError(f"{_shown(word)} is no time at all; the whole day is 00:00-24:00, or leave it out")
    return begin, end % DAY_MIN


def _shown(word: str) -> str:
    return f"'{word if word.isprintable() else ascii(word)[1:-1]}'"
