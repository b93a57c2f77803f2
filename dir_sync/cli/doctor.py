"""The command `doctor`: what is right and what is wrong with this machine, a folder and its network.

In:   the words after the command. Out: a line for each check, or one JSON object, and an exit code.
Rule: it changes nothing, and disturbs no node.
"""

from __future__ import annotations

import json
import os
import textwrap

from dir_sync import config
from dir_sync.cli.dialogue import add_network
from dir_sync.cli.parser import add_json, command_parser
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.doctor.examination import Asked, examine
from dir_sync.doctor.verdict import Check, Verdict
from dir_sync.folder import root
from dir_sync.reporting.output import say

__all__ = ["doctor", "lines_of"]

_MARK = {Verdict.OK: "OK  ", Verdict.WARN: "WARN", Verdict.FAIL: "FAIL"}
_COLUMNS = 80
_INDENT = " " * 8


def doctor(argv: list[str]) -> int:
    """``doctor [DIR]``: examine this machine, and a folder."""
    parser = command_parser(
        "doctor",
        "Examine this machine, and DIR: its file system, free space and rights; ports, broadcasts, the firewall, the way "
        "to the connected machines, their clocks and versions; limits of the system; librsync. What is not right has the "
        "command that mends it. It changes nothing, works with and without a running node, and takes some seconds, in "
        "which it listens for other machines.",
        "doctor ~/shared",
        "doctor",
        folder_is_optional=True,
    )
    add_json(parser)
    add_network(parser)
    given = parser.parse_args(argv)
    typed = "" if given.folder is None else config.existing(given.folder)
    asked = Asked(typed, _folder(typed), given.broadcast_port, given.listen_port, given.interface)
    found: list[Check] = []
    group = ""
    for check in examine(asked):
        found.append(check)
        if not given.json:
            if check.group != group:
                group = check.group
                say(f"{group}:")
            say("\n".join(lines_of(check)))
    failed = sum(check.verdict is Verdict.FAIL for check in found)
    warned = sum(check.verdict is Verdict.WARN for check in found)
    if given.json:
        checks = [check.to_json() for check in found]
        say(json.dumps({"folder": show(os.fsencode(typed)), "failed": failed, "warned": warned, "checks": checks}))
    else:
        say(_sum(len(found), failed, warned))
    return config.ENVIRONMENT if failed else config.OK


def _folder(typed: str) -> str:
    """The real path of a folder that exists, or whose node waits for it; "": none is examined. ConfigError."""
    if not typed:
        return ""
    try:
        return config.checked_folder(typed)
    except ConfigError:
        known = root.known_as(typed)
        if not known or not root.paused(known):
            raise
        return known


def lines_of(check: Check) -> list[str]:
    """A check in at most 80 columns; a command stays in one line, so that it can be pasted."""
    first, *more = textwrap.wrap(check.text, _COLUMNS - len(_INDENT), break_long_words=False, break_on_hyphens=False)
    lines = [f"  {_MARK[check.verdict]}  {first}", *(f"{_INDENT}{line}" for line in more)]
    return lines + [f"{_INDENT}> {one}" for one in check.fix]


def _sum(count: int, failed: int, warned: int) -> str:
    if not failed and not warned:
        return f"all {count} checks are OK"
    words = [f"{number} {word}" for number, word in ((failed, "FAIL"), (warned, "WARN")) if number]
    return f"{count} checks: {', '.join(words)}; the lines with > mend them"
