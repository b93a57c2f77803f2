"""The commands beside ``run``: each asks the node that runs on a folder, or opens the folder's history itself.

In:   the words after the command. Out: lines on stdout, and an exit code.
Rule: a failure is a ConfigError, one line for the user; a command never reports success for something that it did not
do.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

from dir_sync import config
from dir_sync.cli.dialogue import add_yes, ask_running, consent
from dir_sync.cli.parser import add_json, checked, command_parser, count
from dir_sync.cli.results import tell
from dir_sync.cli.status_words import in_short, machines_that_closed, render, status_in
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.core.status import Headline, Status
from dir_sync.reporting import log, shell
from dir_sync.reporting.log import how_many
from dir_sync.reporting.output import say

if TYPE_CHECKING:
    from dir_sync.history.choice import Entry

__all__ = ["history_", "restore", "status", "undo"]

_TIMES = "10m (ago; s, m, h, d, w), 14:30, 2026-11-21, or '2026-11-21 14:30'"


def status(argv: list[str]) -> int:
    """``status DIR``: the state of the node that runs on a folder."""
    parser = command_parser(
        "status",
        "Show how the node for DIR is doing: its peers, what is being transferred, and what is held or waiting. Without DIR: "
        "how each folder is doing that your nodes share from this machine, in short if there are several.",
        "status ~/shared",
        "status",
        "status ~/shared --json",
        "status ~/shared --watch",
        "status ~/shared --check && echo in sync",
        folder_is_optional=True,
    )
    add_json(parser)
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit with 4 if not everything is in sync, or if a machine went over to a closed mesh",
    )
    parser.add_argument("--watch", action="store_true",
                        help="show it all the time, until Ctrl-C; without a terminal: a line for each new headline")  # fmt: skip
    given = parser.parse_args(argv)
    if given.folder is None:
        from dir_sync.folder.shared_now import shared_now  # imported late: most know which folder they mean

        running = shared_now()
        if not running or (len(running) > 1 and (given.json or given.watch)):
            parser.error("the following arguments are required: DIR")
        if len(running) > 1:
            return _each(running, given.check)
        given.folder = running[0]
    if given.watch:
        if given.json or given.check:
            raise ConfigError("--watch shows it to a person: without --json and --check", config.USAGE)
        from dir_sync.cli.watch_view import watch  # imported late: it needs `rich`

        return watch(given.folder)
    answer = ask_running(given.folder, {"command": "status"})
    found = status_in(answer)
    if given.json:
        say(json.dumps(answer))
    else:
        say("\n".join(render(found, given.folder, log.wants_colour(sys.stdout), _elsewhere(found))))
    is_good = found.is_all_in_sync and not machines_that_closed(found)
    return config.OK if is_good or not given.check else config.UNFINISHED


def _elsewhere(status: Status) -> list[str]:
    """The machines that shared this folder, and are connected for other folders of its process only."""
    away = {one.name for one in status.away if not one.has_closed}
    if status.headline is not Headline.ALONE or not away:
        return []
    from dir_sync.folder.shared_now import shared_now

    found: set[str] = set()
    for folder in shared_now():
        if show(os.fsencode(folder)) != status.folder:
            try:
                other = status_in(ask_running(folder, {"command": "status"}))
            except ConfigError:  # it is paused, or ends
                continue
            if other.process == status.process:
                found |= {peer.name for peer in other.peers}
    return sorted(away & found)


def _each(folders: list[str], check: bool) -> int:
    """How each of several folders is doing, in short. A node that does not answer is one of the lines."""
    is_good = True
    colour = log.wants_colour(sys.stdout)
    for folder in folders:
        say(f"{show(os.fsencode(folder))}")
        try:
            found = status_in(ask_running(folder, {"command": "status"}))
        except ConfigError as error:
            say(f"  {error}")
            is_good = False
            continue
        say("\n".join(f"  {line}" for line in in_short(found, folder, colour)))
        is_good = is_good and found.is_all_in_sync and not machines_that_closed(found)
    return config.OK if is_good or not check else config.UNFINISHED


def history_(argv: list[str]) -> int:
    """``history DIR [PATH]``: list replaced and deleted versions."""
    parser = command_parser(
        "history",
        "List the old versions of files that synchronization replaced or deleted in DIR, "
        "newest first, with the time at which each was replaced or deleted (WHEN). The "
        "machine on which you overwrite a file keeps no old version; the machines that receive the "
        "change do. While a node runs for DIR, the connected machines are asked, too. A file that "
        "was only appended to has no old version for that: "
        "it still begins with it, and 'undo' cuts off what came later.",
        "history ~/shared",
        "history ~/shared notes/todo.txt",
        "history ~/shared photos --limit 0",
    )
    parser.add_argument("path", metavar="PATH", nargs="?", help="only this file, or everything in this folder")
    parser.add_argument(
        "--limit", metavar="N", type=checked(count), default=50, help="list at most N (default: 50; 0: all)"
    )
    add_json(parser)
    given = parser.parse_args(argv)
    from dir_sync.cli.versions import version_json
    from dir_sync.history.client import open_history
    from dir_sync.history.words import table

    with open_history(config.checked_folder(given.folder)) as client:
        _, entries = client.find("." if given.path is None else given.path, whole=True)
        unkept = client.unkept
    shown = entries[: given.limit or None]
    more = len(entries) - len(shown)
    lines = table(shown) if shown else [unkept.none]
    if more:
        lines.append(f"and {how_many(more, 'older version')} (--limit 0 lists all)")
    if shown and unkept.away:
        lines += ["", unkept.others("more")]
    answer = {"versions": [version_json(entry) for entry in shown], "more": more, "away": list(unkept.away)}
    tell(given.json, answer, lines)
    return config.OK


def restore(argv: list[str]) -> int:
    """``restore DIR PATH``: bring an old version back."""
    parser = command_parser(
        "restore",
        "Bring an old version of DIR/PATH back: the newest one, the one named by --version, or "
        "what was there at a time. Of a folder, everything that is missing in it is restored "
        "(with --at: everything). What a restored file replaces is kept in the history. Only what "
        "'history' lists can be restored; what was appended to a file is cut off by 'undo'.",
        "restore ~/shared notes/todo.txt",
        "restore ~/shared photos",
        "restore ~/shared a.odt --at 14:30",
        "restore ~/shared a.odt --version 1a2b3c4d --to old.odt",
    )
    parser.add_argument("path", metavar="PATH", help="a file or folder in DIR; '.' for all of DIR")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--version", metavar="ID", help="this version; 'history' lists the IDs")
    choice.add_argument("--at", metavar="TIME", help=f"what was there at TIME: {_TIMES}")
    parser.add_argument("--to", metavar="FILE", help="write the old version to FILE and leave DIR alone")
    add_json(parser)
    given = parser.parse_args(argv)
    from dir_sync.cli.versions import version_json, which
    from dir_sync.history.choice import good, newest_per_path, there_at
    from dir_sync.history.client import open_history
    from dir_sync.history.words import full, local, moment, summary

    listing = shell.command("history", given.folder, given.path)
    with open_history(config.checked_folder(given.folder)) as client:
        path, entries = client.find(given.path, whole=True)
        is_of_folder = bool(entries) and all(entry.version.path != path for entry in entries)
        if given.version is not None:
            entries = [entry for entry in entries if entry.id == given.version]
        else:
            entries = good(entries)
        too_new: list[Entry] = []
        if given.at is not None:
            entries, too_new = there_at(entries, moment(given.at, time.time_ns()))
        first = newest_per_path(entries)
        if path not in first and given.version is None:  # a folder: its present content was not asked for
            first = {name: entry for name, entry in first.items() if given.at is not None or not client.is_there(name)}
        if not first and too_new:
            oldest = local(min(entry.version.mtime for entry in too_new))
            raise ConfigError(
                f"it is not known what {show(os.fsencode(given.path))} was then: the oldest version is from {oldest}"
                f" (to list all: {listing})"
            )
        if not first and is_of_folder and given.version is None and given.at is None:
            tell(given.json, {"restored": [], "same": []}, [f"nothing is missing in {show(os.fsencode(given.path))}"])
            return config.OK
        if not first:
            hint = "; 'undo' cuts off what was only appended" if given.version is None else ""
            raise ConfigError(f"{client.none_of(show(os.fsencode(given.path)))} (to list all: {listing}){hint}")
        if given.to is not None:
            if len(first) > 1:
                raise ConfigError("--to takes one file, and this is a folder", config.USAGE)
            (entry,) = first.values()
            client.copy_out(entry, given.to)
            shown = show(os.fsencode(given.to))
            tell(
                given.json,
                {"written": shown, "version": version_json(entry)},
                [f"{shown}: written ({which(entry)})"],
            )
            return config.OK
        for entry in first.values():
            client.check(entry)  # all of it, or nothing
        done: list[str] = []
        restored: list[Entry] = []
        same: list[Entry] = []
        try:
            for entry in first.values():
                is_news = client.restore(entry)
                (restored if is_news else same).append(entry)
                what = f"restored ({which(entry)})" if is_news else "is the same already"
                done.append(f"{full(entry.version.path)}: {what}")
        finally:
            if done and not given.json:
                say("\n".join(summary(done, len(restored), "restored")))
        client.finish()
    answer = {"restored": [version_json(one) for one in restored], "same": [version_json(one) for one in same]}
    tell(given.json, answer, [])
    return config.OK


def undo(argv: list[str]) -> int:
    """``undo DIR --since TIME``: set the whole folder, or the changes of one node, back to an earlier time."""
    parser = command_parser(
        "undo",
        "Set all of DIR back to what it was at a time, on all machines; with --by, undo only "
        "what one node did since then. What is there now is kept in the history, and an undo "
        "can itself be undone. It shows its plan and asks, unless --yes is given.",
        "undo ~/shared --since 10m --dry-run",
        "undo ~/shared --since 14:30",
        "undo ~/shared --since 2h --by anna",
    )
    parser.add_argument("--since", metavar="TIME", required=True, help=_TIMES)
    parser.add_argument("--by", metavar="NODE", help="only what this node did: its name, or the beginning of its id")
    parser.add_argument("--dry-run", action="store_true", help="only print what would happen")
    add_yes(parser)
    add_json(parser)
    given = parser.parse_args(argv)
    from dir_sync.history.client import open_history
    from dir_sync.history.words import describe_undo, moment, undo_json

    since_ns = moment(given.since, time.time_ns())
    with open_history(config.checked_folder(given.folder)) as client:
        if not given.dry_run:

            def plan() -> str:
                found = client.undo(since_ns, given.by, dry_run=True)
                return "\n".join(describe_undo(found, since_ns, True)) if found["changes"] else ""

            consent(plan, given.yes, is_needed=True)
        answer = client.undo(since_ns, given.by, given.dry_run)
        if not given.json:
            say("\n".join(describe_undo(answer, since_ns, given.dry_run)))
        left, missing = 0, []
        if not given.dry_run:
            left = client.wait() if answer["changes"] else 0
            missing = [] if left else client.not_as_wanted(answer)
    if given.json:
        say(json.dumps(undo_json(answer, given.dry_run) | {"coming": left}))
    if given.dry_run:
        return config.OK
    if left:
        tell(False, {}, [] if given.json else [
            f"{how_many(left, 'path')} still to come; to watch: {shell.command('status', given.folder)}"
        ])  # fmt: skip
        return config.TIMEOUT
    if missing:
        name, more = show(os.fsencode(missing[0])), f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise ConfigError(f"not restored: {name}{more} (changed meanwhile, or not to be had): try again")
    if lost := sum(change["lost"] for change in answer["changes"]):
        raise ConfigError(f"{how_many(lost, 'path')} could not be restored: see above")
    return config.OK
