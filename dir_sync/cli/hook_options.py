"""The options --on-event, --on-event-kinds and --notify: what is done when something happens.

In:   a group of options, and the arguments. Out: these options; what they say, checked.
Used by: cli.options, cli.watching.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable
from typing import Any

from dir_sync import config
from dir_sync.cli.parser import checked
from dir_sync.config import ConfigError
from dir_sync.core.model import show

__all__ = ["ALL", "NOTABLE", "add_options", "kinds_of", "settings_of"]

ALL = "all"
NOTABLE = (
    *("bad_content", "cannot_restore", "cannot_write", "conflict", "held_there", "in_sync", "loss_held"),
    *("loss_held_there", "no_room", "peer_held", "rotten", "silent_change", "still_held", "unfit", "unreadable"),
)
"""What a person would like to know at once: conflicts, what is held, trouble, and that all is done."""


def add_options(add: Callable[..., object]) -> None:
    add(
        "--on-event",
        metavar="CMD",
        type=checked(_command),
        help="run CMD when something happens: without a shell, one at a time, for at most 60 s each. It gets the event as JSON"
        " on stdin, and as DIR_SYNC_EVENT, DIR_SYNC_PATH and so on (docs/events.md)",
    )
    add(
        "--on-event-kinds",
        metavar="KIND[,KIND]",
        type=checked(kinds_of),
        help="for which events: names, or 'all' (default: conflicts, what is held, trouble, and when all is in sync)",
    )
    add(
        "--notify",
        action="store_true",
        help="show a desktop notification for conflicts, what is held, trouble, and when all is in sync (needs notify-send and a"
        " desktop session)",
    )


def _command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{show(os.fsencode(text))} cannot be read: {error}", config.USAGE) from None
    if not words:
        raise ConfigError("no command is given", config.USAGE)
    return text


def settings_of(given: argparse.Namespace) -> dict[str, Any]:
    """The settings of a Config. No kinds stand for all of them."""
    kinds = frozenset(NOTABLE) if given.on_event_kinds is None else given.on_event_kinds
    return {"on_event": given.on_event, "on_event_kinds": kinds, "notify": given.notify}


def kinds_of(text: str) -> frozenset[str]:
    """Names of kinds of events; none stands for all. ConfigError if there is no such kind."""
    from dir_sync.core.note_json import KINDS

    if text == ALL:
        return frozenset()
    kinds = frozenset(text.split(","))
    for kind in sorted(kinds - KINDS.keys()):
        from difflib import get_close_matches

        meant = get_close_matches(kind, KINDS, 1)
        hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(KINDS)}"
        raise ConfigError(f"there is no event '{show(os.fsencode(kind))}': {hint}", config.USAGE)
    return kinds
