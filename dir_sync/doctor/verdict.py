"""A check: its verdict, a sentence, and the commands that mend it.

In:   what a judgement says. Out: values, and their JSON.
Rule: a WARN or FAIL says what it means for the user. `fix` has commands as they can be pasted, or one sentence if no
command can mend it.
Used by: doctor.network_checks, doctor.machine_checks, doctor.folder_checks, doctor.examination, cli.doctor.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from dir_sync.core.named import NamedTuple

__all__ = ["Check", "Verdict", "fail", "good", "warn"]


class Verdict(Enum):
    OK = "OK"
    WARN = "WARN"  # it works, but not as well as it could, or something could not be found out
    FAIL = "FAIL"  # something does not work


class Check(NamedTuple):
    """One line of the report."""

    name: str  # the same in every version: for programs
    verdict: Verdict
    text: str
    fix: tuple[str, ...] = ()
    group: str = ""  # "folder", "machine" or "network"

    def to_json(self) -> dict[str, Any]:
        return {
            "check": self.name,
            "group": self.group,
            "verdict": self.verdict.value,
            "text": self.text,
            "fix": list(self.fix),
        }


def good(name: str, text: str) -> Check:
    return Check(name, Verdict.OK, text)


def warn(name: str, text: str, *fix: str) -> Check:
    return Check(name, Verdict.WARN, text, fix)


def fail(name: str, text: str, *fix: str) -> Check:
    return Check(name, Verdict.FAIL, text, fix)
