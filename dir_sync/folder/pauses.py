"""What a person has said about a pause of a folder, kept as a note of its index.

In:   the index, and the question of a command. Out: the wish that counts from now on.
Rule: the same for a node that runs, and for a command that opens the index itself. Each commits the note, in its own way,
before it is answered.
Used by: daemon.pausing, daemon.rehearsal, daemon.shot, cli.once, cli.pausing, cli.rehearsing, history.story,
web.routes.overview.
"""

from __future__ import annotations

import os

from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.pausing import NO_END, NOTE, Pause, Wish, read_wish
from dir_sync.core.status import PauseStatus
from dir_sync.index import Index
from dir_sync.reporting.log import moment
from dir_sync.reporting.shell import command

__all__ = ["FOR_S_MAX", "Answer", "answer_of", "asked", "noted", "refuse_if"]

FOR_S_MAX = 366 * 86_400
Answer = dict[str, object]


def noted(index: Index) -> Wish | None:
    return read_wish(index.notes.get(NOTE))


def asked(index: Index, question: Answer, now_s: float, off_until_s: int | None = None) -> Wish | None:
    """Note what a command says, and return it; the caller commits. `off_until_s`: when the schedule, which says `off` now,
    goes on: so long a resume counts. Raises ConfigError."""
    wish = None
    if question.get("command") == "pause":
        for_s = question.get("for_s")
        if for_s is not None and (type(for_s) is not int or not 0 < for_s <= FOR_S_MAX):
            raise ConfigError("a pause lasts from 1 second to a year")
        wish = Wish(True, NO_END if for_s is None else int(now_s) + for_s)
    elif off_until_s is not None:
        wish = Wish(False, off_until_s)
    index.notes.put(NOTE, "" if wish is None else wish.to_text())
    return wish


def refuse_if(pause: PauseStatus | None, folder: str) -> None:
    """ConfigError if the folder is paused: a command that needs it to be exchanged cannot do its work. `folder`: its path."""
    if pause is not None:
        until = "" if pause.until_s == NO_END else f" until {moment(pause.until_s)}"
        raise ConfigError(f"{show(os.fsencode(folder))} is paused{until}; to go on: {command('resume', folder)}")


def answer_of(was: Pause | None, pause: Pause | None, overruled_until_s: int | None = None) -> Answer:
    """For the command: how it was before, and how it is now. `overruled_until_s`: until when a `resume` counts more than `off` of
    the schedule."""
    return {
        "was_paused": was is not None,
        "paused": pause is not None,
        "until_s": NO_END if pause is None else pause.until_s,
        "overruled_until_s": overruled_until_s,
    }
