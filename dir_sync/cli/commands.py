"""The commands beside ``run``: each asks the node that runs on a folder, or opens the folder's history itself.

In:   the words after the command. Out: lines on stdout, and an exit code.
Rule: a failure is a ConfigError, one line for the user; a command never reports success for something that it did not
do.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from dir_sync import config
from dir_sync.cli.dialogue import ask_running
from dir_sync.cli.parser import add_json, checked, command_parser, count
from dir_sync.cli.status_words import render, status_in
from dir_sync.config import ConfigError
from dir_sync.core.jobs import Cause
from dir_sync.core.model import show, show_text
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.log import how_many, listed
from dir_sync.reporting.output import say

if TYPE_CHECKING:
    from dir_sync.history.choice import Entry
    from dir_sync.history.client import HistoryClient

__all__ = ["approve", "conflicts", "history_", "reject", "restore", "status", "undo"]

_NO_CONFLICTS = "no conflicts"
_NOTHING_HELD = "nothing is held: there is nothing to decide"
_DISPLACED = {
    Cause.REPLACED: "replaced",
    Cause.DELETED: "deleted",
    Cause.CONFLICT: "that lost a conflict",
    Cause.RECOVERED: "found",
}
_TIMES = "10m (ago; s, m, h, d, w), 14:30, 2026-11-21, or '2026-11-21 14:30'"


def status(argv: list[str]) -> int:
    """``status DIR``: the state of the node that runs on a folder."""
    parser = command_parser(
        "status",
        "Show how the node for DIR is doing: its peers, what is being transferred, and what\nis held or waiting.",
        "status ~/shared",
        "status ~/shared --json",
        "status ~/shared --check && echo in sync",
        more="exit codes: 0 answered, 1 no node is running for DIR, or it is paused; with --check also "
        "4 not in sync (yet), no other node is connected, or something is held",
    )
    add_json(parser)
    parser.add_argument("--check", action="store_true", help="exit with 4 if not everything is in sync")
    given = parser.parse_args(argv)
    answer = ask_running(given.folder, {"command": "status"})
    found = status_in(answer)
    if given.json:
        say(json.dumps(answer))
    else:
        say("\n".join(render(found, given.folder)))
    return config.UNFINISHED if given.check and not found.is_all_in_sync else config.OK


def approve(argv: list[str]) -> int:
    """``approve DIR``: carry out what the brake holds."""
    parser = command_parser(
        "approve",
        "Allow the held deletions or rewrites on all machines. Run this on any machine but the "
        "one that made them. Files that vanished while no node was watching can be approved "
        "anywhere; the other machines may ask again.",
        "approve ~/shared",
        more="exit codes: 0 approved, or nothing is held; 1 only another machine can approve this",
    )
    answer = ask_running(parser.parse_args(argv).folder, {"command": "approve"})
    say("\n".join(_approved(answer)))
    return config.OK


def _approved(answer: Answer) -> list[str]:
    """What an approval achieved, and which nodes still hold changes. ConfigError if it decided nothing."""
    missing, elsewhere = answer["missing"], answer["elsewhere"]
    changed = answer["files"] - missing
    lines = []
    if changed:
        lines.append(f"approved: what was done to {how_many(changed, 'file')} now happens on all connected machines")
    if missing:
        lines.append(f"approved: {how_many(missing, 'file')} that vanished {'is' if missing == 1 else 'are'} deleted")
        if others := listed(answer["others"]):
            which = "it" if len(answer["others"]) == 1 else "one of them"
            lines.append(f"{others} may hold this, too, and ask again: then approve it on {which} as well")
        elif answer["missing_here"]:
            lines.append("no other machine is connected: those that connect later may ask again")
    if elsewhere:
        told = (
            f"what this node did to {how_many(elsewhere, 'file')} can only be approved on another machine: run it there"
        )
        if not lines:
            raise ConfigError(f"nothing was approved: {told}")
        lines.append(told)
    return lines or [_NOTHING_HELD]


def reject(argv: list[str]) -> int:
    """``reject DIR``: undo what the brake holds."""
    parser = command_parser(
        "reject",
        "Undo the held deletions or rewrites on all machines, including files that were "
        "already changed in the minute before the hold. Run this on any machine.",
        "reject ~/shared",
    )
    files = ask_running(parser.parse_args(argv).folder, {"command": "reject"})["files"]
    if not files:
        say(_NOTHING_HELD)
        return config.OK
    say(
        f"rejected: {how_many(files, 'file')} will be restored on all machines, and what was changed in the minute before"
        "\nthe hold; the log names files of which no old version is available"
    )
    return config.OK


def history_(argv: list[str]) -> int:
    """``history DIR [PATH]``: list replaced and deleted versions."""
    parser = command_parser(
        "history",
        "List the old versions of files that synchronization replaced or deleted in DIR, "
        "newest first. The machine on which you overwrite a file keeps no old version; the "
        "machines that receive the change do. While a node runs for DIR, the connected "
        "machines are asked, too. A file that was only appended to has no old version for that: "
        "it still begins with it, and 'undo' cuts off what came later.",
        "history ~/shared",
        "history ~/shared notes/todo.txt",
        "history ~/shared photos --limit 0",
    )
    parser.add_argument("path", metavar="PATH", nargs="?", help="only this file, or everything in this folder")
    parser.add_argument(
        "--limit", metavar="N", type=checked(count), default=50, help="list at most N (default: 50; 0: all)"
    )
    given = parser.parse_args(argv)
    from dir_sync.history.client import open_history
    from dir_sync.history.words import table

    with open_history(config.checked_folder(given.folder)) as client:
        _, entries = client.find("." if given.path is None else given.path, whole=True)
        if not entries:
            say("no old versions: nothing was replaced or deleted")
            return config.OK
        shown = entries[: given.limit or None]
        say("\n".join(table(shown)))
        if len(shown) < len(entries):
            say(f"and {how_many(len(entries) - len(shown), 'older version')} (--limit 0 lists all)")
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
        more="exit codes: 0 restored, 1 no such version, 3 still coming from another machine",
    )
    parser.add_argument("path", metavar="PATH", help="a file or folder in DIR; '.' for all of DIR")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", metavar="ID", help="this version; 'history' lists the IDs")
    which.add_argument("--at", metavar="TIME", help=f"what was there at TIME: {_TIMES}")
    parser.add_argument("--to", metavar="FILE", help="write the old version to FILE and leave DIR alone")
    given = parser.parse_args(argv)
    from dir_sync.history.choice import newest_per_path, there_at
    from dir_sync.history.client import open_history
    from dir_sync.history.words import full, local, moment, summary

    listing = shell.command("history", given.folder, given.path)
    with open_history(config.checked_folder(given.folder)) as client:
        path, entries = client.find(given.path, whole=True)
        is_of_folder = bool(entries) and all(entry.version.path != path for entry in entries)
        if given.version is not None:
            entries = [entry for entry in entries if entry.id == given.version]
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
            say(f"nothing is missing in {show(os.fsencode(given.path))}")
            return config.OK
        if not first:
            hint = "; 'undo' cuts off what was only appended" if given.at is not None else ""
            raise ConfigError(f"{client.none_of(show(os.fsencode(given.path)))} (to list all: {listing}){hint}")
        if given.to is not None:
            if len(first) > 1:
                raise ConfigError("--to takes one file, and this is a folder", config.USAGE)
            (entry,) = first.values()
            client.copy_out(entry, given.to)
            say(f"{show(os.fsencode(given.to))}: written ({_which(entry)})")
            return config.OK
        for entry in first.values():
            client.check(entry)  # all of it, or nothing
        done: list[str] = []
        restored = 0
        try:
            for entry in first.values():
                is_news = client.restore(entry)
                restored += is_news
                what = f"restored ({_which(entry)})" if is_news else "is the same already"
                done.append(f"{full(entry.version.path)}: {what}")
        finally:
            if done:
                say("\n".join(summary(done, restored, "restored")))
        client.finish()
    return config.OK


def _which(entry: Entry) -> str:
    """The version, as text: when and by whom it was displaced."""
    from dir_sync.history.words import local

    return f"the version {_DISPLACED[entry.version.why]} at {local(entry.version.time_ns)}"


def undo(argv: list[str]) -> int:
    """``undo DIR --since TIME``: set the whole folder, or the changes of one node, back to an earlier time."""
    parser = command_parser(
        "undo",
        "Set all of DIR back to what it was at a time, on all machines; with --by, undo only "
        "what one node did since then. What is there now is kept in the history, and an undo "
        "can itself be undone.",
        "undo ~/shared --since 10m --dry-run",
        "undo ~/shared --since 14:30",
        "undo ~/shared --since 2h --by anna",
        more="exit codes: 0 done, 1 trouble, or some old versions are not kept any more,\n"
        "3 some files are still coming from other machines",
    )
    parser.add_argument("--since", metavar="TIME", required=True, help=_TIMES)
    parser.add_argument("--by", metavar="NODE", help="only what this node did: its name, or the beginning of its id")
    parser.add_argument("--dry-run", action="store_true", help="only print what would happen")
    given = parser.parse_args(argv)
    from dir_sync.history.client import open_history
    from dir_sync.history.words import describe_undo, moment

    since_ns = moment(given.since, time.time_ns())
    with open_history(config.checked_folder(given.folder)) as client:
        answer = client.undo(since_ns, given.by, given.dry_run)
        say("\n".join(describe_undo(answer, since_ns, given.dry_run)))
        if given.dry_run:
            return config.OK
        left = client.wait() if answer["changes"] else 0
        missing = [] if left else client.not_as_wanted(answer)
    if left:
        say(f"{how_many(left, 'path')} still to come; to watch: {shell.command('status', given.folder)}")
        return config.TIMEOUT
    if missing:
        name, more = show(os.fsencode(missing[0])), f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise ConfigError(f"not restored: {name}{more} (changed meanwhile, or not to be had): try again")
    if lost := sum(change["lost"] for change in answer["changes"]):
        raise ConfigError(f"{how_many(lost, 'path')} could not be restored: see above")
    return config.OK


def conflicts(argv: list[str]) -> int:
    """``conflicts DIR [keep|restore|show|merge ID ...]``: list or handle the losers of conflicts."""
    parser = command_parser(
        "conflicts",
        "List versions that lost because the same file was changed on two machines at the same "
        "time. 'restore ID' brings such a version back (the one that won is kept in the "
        "history); 'keep ID' leaves the winner in place. Both resolve the conflict on all "
        "connected machines. 'show ID' prints how the two differ. 'merge ID' starts your merge "
        "tool with the files $BASE (from which both were made; empty if it is not known: it is kept "
        "with --merge), $LOCAL (the winner), $REMOTE (the loser) and $MERGED, installs what is in "
        "$MERGED then, and resolves the conflict.",
        "conflicts ~/shared",
        "conflicts ~/shared restore 1a2b3c4d",
        "conflicts ~/shared keep all",
        "conflicts ~/shared show 1a2b3c4d",
        "conflicts ~/shared merge 1a2b3c4d --tool meld",
        "conflicts ~/shared --check || echo there are conflicts",
        more="exit codes: 0 listed or resolved, 1 trouble; with --check also 4 there are conflicts",
    )
    parser.add_argument("--check", action="store_true", help="exit with 4 if there are conflicts")
    parser.add_argument(
        "what",
        metavar="keep|restore|show|merge",
        choices=("keep", "restore", "show", "merge"),
        nargs="?",
        help="resolve the conflicts named by ID, or show them",
    )
    parser.add_argument("ids", metavar="ID", nargs="*", help="as listed; 'all' for all of them")
    parser.add_argument("--tool", metavar="CMD", help="the merge tool, for 'merge': a name, or a command with $MERGED")
    given = parser.parse_args(argv)
    if (given.what == "merge") != (given.tool is not None):
        raise ConfigError("'merge' and --tool belong together: conflicts DIR merge ID --tool meld", config.USAGE)
    if given.what is not None and not given.ids:
        raise ConfigError(f"{given.what} which conflict? Give its ID, or 'all'", config.USAGE)
    from dir_sync.cli.conflict_tools import difference, merge_by
    from dir_sync.history.client import open_history
    from dir_sync.history.words import full, table

    with open_history(config.checked_folder(given.folder)) as client:
        entries = client.entries(conflicts=True)
        known: dict[str, list[Entry]] = {}
        for entry in entries:
            known.setdefault(entry.id, []).append(entry)
        ids = list(known) if given.ids == ["all"] else list(dict.fromkeys(given.ids))
        if unknown := [one for one in ids if one not in known]:
            listing = shell.command("conflicts", given.folder)
            raise ConfigError(f"there is no conflict {show(os.fsencode(unknown[0]))} (to list all: {listing})")
        if given.what is None:
            say("\n".join(table(entries)) if entries else _NO_CONFLICTS)
            return config.UNFINISHED if entries and given.check else config.OK
        if not ids:
            say(_NO_CONFLICTS)
            return config.OK
        if given.what == "show":
            for one in ids:
                say("\n".join(difference(client, known[one][0])))
            return config.OK
        if given.what == "merge":
            for one in ids:
                merge_by(client, known[one][0], given.tool)
                client.settle(known[one])
                say(f"{full(known[one][0].version.path)}: merged, and the conflict is resolved")
            return config.OK
        if given.what == "restore":
            _restore_losers(client, [known[one][0] for one in ids])
        client.settle([entry for one in ids for entry in known[one]])
        if given.what == "keep":
            say(
                f"{how_many(len(ids), 'conflict')} resolved; the versions that lost stay in the history for the usual time"
            )
    return config.OK


def _restore_losers(client: HistoryClient, losers: list[Entry]) -> None:
    from dir_sync.history.words import full

    for entry in losers:
        client.check(entry)
    for entry in losers:
        client.restore(entry)
        on = " on " + show_text(entry.on) if entry.holder else ""
        say(f"{full(entry.version.path)}: restored ({_which(entry)}{on})")
    client.finish()
