"""The commands ``pause`` and ``resume``: a folder is left alone for a while.

In:   the words after the command. Out: one line on stdout, and an exit code.
Rule: where a node runs for the folder, that one is asked; else the note is written into the index, and counts when a node
starts.
"""

from __future__ import annotations

import json
import os
import time

from dir_sync import config
from dir_sync.cli.dialogue import answer_of, ask_node
from dir_sync.cli.parser import add_json, checked, command_parser
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.pausing import NO_END, judge
from dir_sync.folder import pauses, root
from dir_sync.history.source import index_unless_a_node_runs
from dir_sync.index import Index
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.log import moment
from dir_sync.reporting.output import say

__all__ = ["pause", "resume"]


def pause(argv: list[str]) -> int:
    """``pause DIR``: nothing of the folder is sent or taken until it is resumed."""
    parser = command_parser(
        "pause",
        "Send and take nothing of DIR until 'resume', or for a time. Its node goes on noting what you change; after the "
        "pause, all of it is exchanged. Other folders of the node go on, and so do the other machines. A pause survives "
        "a restart of the node. A second 'pause' replaces the first.",
        "pause ~/shared",
        "pause ~/shared --for 1h",
    )
    parser.add_argument("--for", dest="for_s", metavar="TIME", type=checked(_duration),
                        help="go on by itself after TIME (30s, 10m, 1h, 2d)")  # fmt: skip
    add_json(parser)
    given = parser.parse_args(argv)
    question: Answer = {"command": "pause"} | ({} if given.for_s is None else {"for_s": given.for_s})
    answer, is_node = _done(given.folder, question)
    until = "until you resume it" if answer["until_s"] == NO_END else f"until {moment(answer['until_s'])}"
    back = f"; to go on: {shell.command('resume', given.folder)}"
    _say(given.json, answer, f"paused {until}{'' if is_node else ' (no node runs now)'}{back}")
    return config.OK


def resume(argv: list[str]) -> int:
    """``resume DIR``: the end of a pause."""
    parser = command_parser(
        "resume",
        "End the pause of DIR: what was changed meanwhile, here and elsewhere, is exchanged.",
        "resume ~/shared",
    )
    add_json(parser)
    given = parser.parse_args(argv)
    answer, is_node = _done(given.folder, {"command": "resume"})
    line = (
        _resumed(answer.get("overruled_until_s"))
        if answer["was_paused"]
        else "it was not paused: there is nothing to do"
    )
    _say(given.json, answer, f"{line}{'' if is_node else ' (no node runs now)'}")
    return config.OK


def _resumed(overruled_until_s: int | None) -> str:
    """`overruled_until_s`: until when this counts more than `off` of the schedule; None: that does not say so."""
    if overruled_until_s is None:
        return "resumed"
    if overruled_until_s == NO_END:
        return "resumed for good, though the schedule says 'off'"
    return f"resumed until {moment(overruled_until_s)}, when the schedule counts again"


def _say(as_json: bool, answer: Answer, line: str) -> None:
    say(json.dumps(answer) if as_json else line)


def _duration(text: str) -> int:
    seconds = config.seconds_of(text, 1, pauses.FOR_S_MAX, "smhd")
    if seconds is None:
        raise ConfigError("a time from 1s to a year, such as 10m, 1h or 2d", config.USAGE)
    return seconds


def _done(text: str, question: Answer) -> tuple[Answer, bool]:
    """The answer, and whether a node gave it."""
    folder = config.checked_folder(text)
    answer = ask_node(folder, question)
    if answer is not None:
        return answer, True
    if not root.has_index(folder):
        raise ConfigError(f"{show(os.fsencode(folder))} was never shared from here")
    with index_unless_a_node_runs(folder) as index:
        if index is not None:
            return _noted(index, question), False
    return answer_of(folder, question), True  # one has started meanwhile


def _noted(index: Index, question: Answer) -> Answer:
    """What the node will find when it starts."""
    now_s = time.time()
    was = judge(pauses.noted(index), None, now_s)
    wish = pauses.asked(index, question, now_s)
    index.commit()
    return pauses.answer_of(was, judge(wish, None, now_s))
