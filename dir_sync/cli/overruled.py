"""Options that were typed for a run of `once`, and that do not count because a node runs for the folder.

In:   the words after the command; the settings that they make; the node that runs. Out: one line in the log.
Rule: an option that says what the node has is not named: a run in cron has the same words whether a node runs or not.
Used by: once, rehearsing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from dir_sync.cli.asked import typed_alone
from dir_sync.cli.dialogue import answer_or_none
from dir_sync.cli.parser import Parser
from dir_sync.config import Config, ConfigError
from dir_sync.core.model import show
from dir_sync.folder.settings import settings_json
from dir_sync.network.control import Answer
from dir_sync.reporting.log import logger

__all__ = ["say_overruled", "settings_of_node"]

_SPEED = ("limit_up", "limit_down", "limit_up_per_peer", "limit_down_per_peer")
_FIELDS = {"no_discovery": "discovers", "no_listen": "listens", **dict.fromkeys(_SPEED, "speed")}
_OF_COMMAND = frozenset(
    {
        "dir",
        "timeout",
        "wait_for",
        "dry_run",
        "json",
        "config",
        "create",
        "quiet",
        "verbose",
        "log_file",
        "log_max_size",
    }
    | {"log_keep"}
)


def settings_of_node(folder: str) -> Answer:
    """Of the node that runs for the folder; {}: it has ended, or is an older one."""
    try:
        return answer_or_none(folder, {"command": "settings"}, folder, begins_s=0.0) or {}
    except ConfigError:
        return {}


def say_overruled(
    parser: Parser, argv: Sequence[str], settings: Config, has: Answer, process: int, counting: Collection[str] = ()
) -> None:
    """`has`: the settings of that node. `counting`: options that count all the same, by their names in the parser."""
    mine = settings_json(settings)
    names = []
    for option in typed_alone(parser, list(argv)):
        field = _FIELDS.get(option, option)
        is_had = field in has and (
            has[field] == mine[field] or (field == "peers" and all(one in has[field] for one in mine[field]))
        )
        if not (is_had or option in _OF_COMMAND or option in counting):
            names += [one.option_strings[-1] for one in parser.options if one.dest == option]
    if names:
        folder = show(os.fsencode(settings.folder))
        words = "it does" if len(names) == 1 else "they do"
        logger.warning(
            "a node runs for %s (process %d), and its options count: you have typed %s, and %s not",
            folder, process, " ".join(names), words,
        )  # fmt: skip
