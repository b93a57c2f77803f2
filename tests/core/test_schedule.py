"""Rules by the time of the week: which one counts, until when, and lines that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.schedule import DAYS, WEEK_MIN, Rule, minutes_to_change, read_rule, rule_at

KILO = 1_000


def rule(text: str) -> Rule:
    return read_rule(text, lambda rate: int(rate.removesuffix("k")) * KILO)


def at(when: str) -> int:
    """Minutes since Monday of "mo 08:00"."""
    day, time = when.split()
    hours, minutes = time.split(":")
    return DAYS.index(day) * 1_440 + int(hours) * 60 + int(minutes)


def held(rules: list[Rule], when: str) -> str | None:
    found = rule_at(rules, at(when))
    return None if found is None else found.text


WORK = "mo-fr 08:00-18:00 up=1k down=2k"


@pytest.mark.parametrize(
    ("text", "holds", "does_not"),
    [
        (WORK, ["mo 08:00", "fr 17:59", "we 12:00"], ["mo 07:59", "fr 18:00", "sa 12:00", "su 08:00"]),
        ("sa,su off", ["sa 00:00", "su 23:59"], ["fr 23:59", "mo 00:00"]),
        ("22:00-06:00 up=5k", ["mo 22:00", "tu 05:59", "mo 00:00", "su 23:00"], ["tu 06:00", "mo 21:59"]),
        ("fr 22:00-06:00 off", ["fr 22:00", "sa 05:59"], ["fr 05:00", "sa 06:00", "sa 22:00", "th 23:00"]),
        ("su 22:00-06:00 off", ["su 23:59", "mo 00:00", "mo 05:59"], ["mo 06:00", "mo 22:00", "su 21:59"]),
        ("fr-mo 01:00-02:00 off", ["fr 01:00", "su 01:30", "mo 01:59"], ["tu 01:00", "th 01:00", "mo 02:00"]),
        ("Monday 12:00-24:00 down=0", ["mo 12:00", "mo 23:59"], ["mo 11:59", "tu 00:00"]),
        ("00:00-24:00 off", ["mo 00:00", "su 23:59"], []),
        ("off", ["mo 00:00", "we 13:00"], []),
        ("we 18:00-00:00 off", ["we 18:00", "we 23:59"], ["th 00:00", "we 00:00"]),
    ],
)
def test_when_a_rule_holds(text: str, holds: list[str], does_not: list[str]) -> None:
    for when in holds:
        assert rule(text).holds(at(when)), when
    for when in does_not:
        assert not rule(text).holds(at(when)), when


def test_what_a_rule_says() -> None:
    assert rule(" MO-FR  08:00-18:00 UP=1k down=2k ")[-3:] == (1_000, 2_000, False)
    assert rule("up=7k")[-3:] == (7_000, None, False)
    assert rule("sa off")[-3:] == (None, None, True)
    assert rule("down=0")[-3:] == (None, 0, False)


def test_of_rules_that_hold_at_once_the_last_one_counts_alone() -> None:
    rules = [rule("up=1k"), rule(WORK), rule("we off")]
    assert held(rules, "mo 07:00") == "up=1k"
    assert held(rules, "mo 09:00") == WORK
    assert held(rules, "we 09:00") == "we off"


def test_when_another_rule_counts() -> None:
    rules = [rule(WORK), rule("we off")]
    assert minutes_to_change(rules, at("mo 07:00")) == 60
    assert minutes_to_change(rules, at("mo 08:00")) == 600
    assert minutes_to_change(rules, at("tu 19:00")) == 300, "at midnight"
    assert minutes_to_change(rules, at("we 08:00")) == 960, "that the other rule would begin changes nothing"
    assert minutes_to_change(rules, at("fr 18:00")) == 2 * 1_440 + 14 * 60
    assert minutes_to_change([rule("off")], 5) is None
    assert minutes_to_change([], 5) is None
    assert minutes_to_change([rule("mo-we up=1k"), rule("th-su up=1k")], at("mo 00:00")) == 3 * 1_440


TEXTS = st.builds(
    "{} {:02}:{:02}-{:02}:{:02} up={}k".format,
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True).map(",".join),
    st.integers(0, 11), st.integers(0, 59), st.integers(12, 23), st.integers(0, 59), st.integers(1, 3),
)  # fmt: skip


@given(st.lists(TEXTS, max_size=4), st.integers(0, WEEK_MIN - 1))
def test_between_now_and_the_change_nothing_changes(texts: list[str], now: int) -> None:
    rules = [rule(text) for text in texts]
    counts = rule_at(rules, now)
    wait = minutes_to_change(rules, now)
    for minute in range(wait or WEEK_MIN):
        assert rule_at(rules, (now + minute) % WEEK_MIN) is counts
    if wait is not None:
        assert rule_at(rules, (now + wait) % WEEK_MIN) is not counts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a rule says what holds"),
        ("mo-fr", "a rule says what holds"),
        ("mo-fr 08:00-18:00", "a rule says what holds"),
        ("m 08:00-18:00 off", "'m' is no day"),
        ("mo-xx off", "'mo-xx' is no day"),
        ("mo- off", "'mo-' is no day"),
        ("mo,,tu off", "'' is no day"),
        ("08:00 off", "'08:00' is no time of the day"),
        ("8-18:00 off", "'8-18:00' is no time of the day"),
        ("08:60-18:00 off", "from 00:00 to 24:00"),
        ("24:00-08:00 off", "from 00:00 to 24:00"),
        ("08:00-24:01 off", "from 00:00 to 24:00"),
        ("08:00-08:00 off", "is no time at all"),
        ("off up=1k", "'off' stands alone"),
        ("up=1k off", "'off' stands alone"),
        ("up=1k up=2k", "'up=2k' comes twice"),
        ("mo up", "'up' is not understood"),
        ("08:00-18:00 mo off", "'mo' is not understood"),
        ("sideways=1k", "'sideways=1k' is not understood"),
        ("mo up=x", "invalid literal"),
        ("\x1b[2J off", r"'\x1b[2j' is no day"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_rule_is_said_to_be_none(text: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        rule(text)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.text(max_size=40))
def test_any_line_is_a_rule_or_refused_in_one_line(text: str) -> None:
    try:
        found = rule(text)
    except ValueError as error:
        line = str(error)
    else:
        line = found.text
        assert found.off != (found.up is not None or found.down is not None)
    assert line
