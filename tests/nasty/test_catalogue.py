"""The catalogue of nasty cases: every test that it names exists, every test named after a case is in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.nasty.__main__ import outcome_of, outcomes
from tests.nasty.catalogue import CASES, GROUPS, Case

ROOT = Path(__file__).resolve().parents[2]


def test_numbers_groups_and_words() -> None:
    numbers = [case.number for case in CASES]
    assert len(set(numbers)) == len(numbers)
    assert {case.group for case in CASES} == set(GROUPS)
    for case in CASES:
        assert bool(case.tests) != bool(case.why_not), case
        assert len(case.text) < 90, case


def test_every_test_that_is_named_exists() -> None:
    files = sorted({test.partition("::")[0] for case in CASES for test in case.tests})
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    there = set(collected) | {name.partition("[")[0] for name in collected}
    missing = [(case.number, test) for case in CASES for test in case.tests if test not in there]
    assert not missing, missing


def test_every_test_named_after_a_case_is_in_the_catalogue() -> None:
    """`test_<group>_<number>_...`, or a parameter that begins so, in tests/lan/test_nasty_*.py."""
    groups = {case.number: case.group for case in CASES}
    for path in sorted((ROOT / "tests/lan").glob("test_nasty_*.py")):
        named = re.findall(r"^def test_(\w+?)_(\d{3})_", path.read_text(), re.MULTILINE)
        assert named, path
        for group, number in named:
            assert groups.get(int(number)) == group, f"{path.name}: {group} {number}"


def test_what_becomes_of_a_case(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="tests.a" name="good"/>'
        '<testcase classname="tests.a" name="many[1]"/>'
        '<testcase classname="tests.a" name="many[2]"><skipped message="takes minutes: runs with --patient"/></testcase>'
        '<testcase classname="tests.a" name="lazy"><skipped message="no tool"/></testcase>'
        '<testcase classname="tests.a" name="bad"><failure message="no"/></testcase></testsuite></testsuites>'
    )
    found = outcomes(report)

    def told(*tests: str) -> str:
        return outcome_of(Case(1, "names", "x", tuple(f"tests/a.py::{test}" for test in tests)), found)

    assert told("good") == told("many") == told("good", "many") == "passed"
    assert told("good", "lazy") == "skipped: no tool"
    assert told("many[2]") == "skipped: takes minutes: runs with --patient"
    assert told("good", "bad", "lazy") == "failed"
    assert told("good", "is not there") == "failed"
    assert outcome_of(Case(1, "names", "x", why_not="so"), found) == "not covered: so"
