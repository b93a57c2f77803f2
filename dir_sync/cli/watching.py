"""The command ``events``: what happens in a folder, while it happens.

In:   the words after the command. Out: a line for each event, or a JSON object in a line.
Rule: the node is not held up by it: where this reader is too slow, events are missing, and a line says how many.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Iterator

from dir_sync import config
from dir_sync.cli.dialogue import no_answer, no_node, refuse_if_paused
from dir_sync.cli.hook_options import kinds_of
from dir_sync.cli.parser import add_json, checked, command_parser, count
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.note_json import from_json
from dir_sync.network.control import Answer, NoDaemon, listen
from dir_sync.reporting.event_words import EventWords
from dir_sync.reporting.output import finish, say

__all__ = ["events"]

_LAST = 10
_AGAIN_S = 0.5


def events(argv: list[str]) -> int:
    """``events DIR``: what happens, while it happens."""
    parser = command_parser(
        "events",
        "Print what happens in DIR, while it happens: what is changed here, received, sent, in conflict, held, in "
        "trouble, and when all is in sync. The last events come first. It ends when the node ends, or by Ctrl-C.",
        "events ~/shared",
        "events ~/shared --json --follow",
        "events ~/shared --only conflict,peer_held --last 0",
        "events ~/shared --last 100 --no-wait",
    )
    add_json(parser, "one JSON object in a line for each event")
    parser.add_argument(
        "--last",
        metavar="N",
        type=checked(count),
        help=f"begin with the last N events (default: {_LAST}; at most 1000)",
    )
    parser.add_argument("--since", metavar="ID", type=checked(_id), help="begin after the event with this id (--json)")
    parser.add_argument(
        "--only", metavar="KIND[,KIND]", type=checked(kinds_of), help="only these kinds; docs/events.md has a list"
    )
    parser.add_argument("--follow", action="store_true", help="when the node ends, wait for its next start, and go on")
    parser.add_argument("--no-wait", action="store_true", help="end after the events that were already there")
    given = parser.parse_args(argv)
    if given.follow and given.no_wait:
        raise ConfigError("--follow and --no-wait exclude each other", config.USAGE)
    text = config.existing(given.folder)
    if not given.follow:
        refuse_if_paused(text)  # before anything else: its folder may be gone
    folder = config.checked_folder(text)
    words = EventWords(given.folder)
    last = given.last if given.last is not None or given.since is not None else _LAST
    question: Answer = {"command": "events", "last": last, "since": given.since, "wait": not given.no_wait}
    for answer in _followed(folder, question) if given.follow else _heard(text, folder, question):
        if "error" in answer:
            raise ConfigError(str(answer["error"]))
        if given.only and answer.get("event") not in given.only:
            continue
        if given.json:
            say(json.dumps(answer))
        elif (event := from_json(answer)) is not None:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(answer.get("time", 0))))
            for line in words.of(event):
                say(f"{when} {line}")
        finish()
    return config.OK


def _heard(text: str, folder: str, question: Answer) -> Iterator[Answer]:
    """The answers of the node that runs, until it ends. ConfigError if there is none. `text`: as the user calls it."""
    try:
        yield from listen(folder, question)
    except NoDaemon:
        raise no_node(text, folder) from None
    except OSError as error:
        raise no_answer(text, error) from None


def _followed(folder: str, question: Answer) -> Generator[Answer, None, None]:
    """The answers of each node that runs for the folder, one after the other: no event comes twice."""
    while True:
        try:
            for answer in listen(folder, question):
                yield answer
                if isinstance(answer.get("id"), int):
                    question = question | {"since": answer["id"], "last": None}
        except (NoDaemon, OSError):
            pass  # it has not begun yet, or has just ended
        time.sleep(_AGAIN_S)


def _id(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    raise ConfigError(f"'{show(os.fsencode(text))}' is not the id of an event", config.USAGE)
