"""python -m tests.nasty [--run [pytest's words]]: the table of nasty cases; --run: runs their tests and counts.

A case has passed if all its tests have, failed if one has failed, and is skipped if one was and none has failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from tests.nasty.catalogue import CASES, GROUPS, Case

ROOT = Path(__file__).resolve().parents[2]


def outcomes(report: Path) -> dict[str, str]:
    """Of each test that pytest has run, by its id: passed, skipped or failed, and the reason of a skip."""
    found = {}
    for test in ElementTree.parse(report).iter("testcase"):
        name = f"{test.attrib['classname'].replace('.', '/')}.py::{test.attrib['name']}"
        outcome = "passed"
        for child in test:
            if child.tag == "skipped":
                outcome = f"skipped: {child.attrib.get('message', '')}"
            elif child.tag in ("failure", "error"):
                outcome = "failed"
        found[name] = outcome
    return found


def outcome_of(case: Case, found: dict[str, str]) -> str:
    if not case.tests:
        return f"not covered: {case.why_not}"
    said = []
    for test in case.tests:
        mine = [outcome for name, outcome in found.items() if name == test or name.startswith(f"{test}[")]
        said += mine or ["failed"]
    for kind in ("failed", "skipped"):
        for outcome in said:
            # One that takes minutes, beside one that has run, takes nothing from it.
            if outcome.startswith(kind) and not ("--patient" in outcome and "passed" in said):
                return outcome
    return "passed"


def main() -> int:
    words = sys.argv[1:]
    if words and words[0] != "--run":
        print(__doc__)
        return 2
    found: dict[str, str] | None = None
    if words:
        tests = sorted({test for case in CASES for test in case.tests})
        with tempfile.TemporaryDirectory() as scratch:
            report = Path(scratch, "report.xml")
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
            subprocess.run([*command, *words[1:], *tests], cwd=ROOT, check=False)
            found = outcomes(report)
    counts: Counter[str] = Counter()
    for group in GROUPS:
        print(group)
        for case in sorted(CASES, key=lambda case: case.number):
            if case.group == group:
                told = ", ".join(case.tests) or f"not covered: {case.why_not}"
                if found is not None:
                    told = outcome_of(case, found)
                    counts[told.partition(":")[0]] += 1
                print(f"  {case.number:3}  {case.text}\n       {told}")
    covered = sum(bool(case.tests) for case in CASES)
    print(f"{len(CASES)} cases, {covered} covered, {len(CASES) - covered} not covered")
    if found is not None:
        print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
