"""The command ``conflicts``: list the versions that lost, look at them, and settle them.

In:   the words after the command. Out: a table, a difference, or what was done; or one JSON object; an exit code.
Rule: a command never reports success for something that it did not do.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dir_sync import config
from dir_sync.cli.parser import Parser, add_json, command_parser
from dir_sync.cli.results import columns, tell
from dir_sync.cli.versions import lost_json, version_json, which
from dir_sync.config import ConfigError
from dir_sync.core.model import FIRST_CONTACT, Kind, show, show_text
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.log import how_many

if TYPE_CHECKING:
    from dir_sync.history.choice import Entry
    from dir_sync.history.client import HistoryClient

__all__ = ["conflicts"]

_NO_CONFLICTS = "no conflicts"


def conflicts(argv: list[str]) -> int:
    """``conflicts DIR [keep|restore|show|merge ID ...]``: list or handle the losers of conflicts."""
    parser = _parser()
    given = parser.parse_args(argv)
    if (given.what == "merge") != (given.tool is not None):
        raise ConfigError("'merge' and --tool belong together: conflicts DIR merge ID --tool meld", config.USAGE)
    if given.to is not None and (given.what != "show" or len(given.ids) != 1 or given.ids == ["all"]):
        raise ConfigError("--to writes one version: conflicts DIR show ID --to FILE", config.USAGE)
    if given.what is not None and not given.ids:
        raise ConfigError(f"{given.what} which conflict? Give its ID, or 'all'", config.USAGE)
    from dir_sync.history.choice import by_id
    from dir_sync.history.client import open_history

    with open_history(config.checked_folder(given.folder)) as client:
        entries = client.entries(conflicts=True)
        known = by_id(entries)
        ids = list(known) if given.ids == ["all"] else list(dict.fromkeys(given.ids))
        if unknown := [one for one in ids if one not in known]:
            listing = shell.command("conflicts", given.folder)
            raise ConfigError(f"there is no conflict {show(os.fsencode(unknown[0]))} (to list all: {listing})")
        if given.what is None:
            lines = _table(client, entries) + _what_to_do(client, given.folder, entries)
            if not client.asks_others:
                start = shell.command(given.folder)
                lines.append(f"no node runs here, so no other machine was asked for conflicts; to start one: {start}")
            tell(given.json, {"conflicts": [lost_json(client, entry) for entry in entries]}, lines)
            return config.UNFINISHED if entries and given.check else config.OK
        if not ids:
            tell(given.json, {_DONE[given.what]: []}, [_NO_CONFLICTS])
            return config.OK
        found = [known[one][0] for one in ids]
        if given.to is not None:
            return _write(client, found[0], given.to, given.json)
        lines, answers = _do(client, given.what, given.tool, found)
        if given.what != "show":
            client.settle([entry for one in ids for entry in known[one]])
    tell(given.json, {_DONE[given.what]: answers}, lines)
    return config.OK


_DONE = {"show": "differences", "keep": "kept", "restore": "restored", "merge": "merged"}
"""The key of the JSON object, by what was done."""


def _parser() -> Parser:
    parser = command_parser(
        "conflicts",
        "List versions that lost because the same file was changed on two machines at the same "
        "time: both sides with date, size and machine. 'restore ID' brings such a version back (the one that won is kept "
        "in the history); 'keep ID' leaves the winner in place. Both resolve the conflict on all "
        "connected machines. 'show ID' prints how the two differ; with --to FILE it writes the version that lost to FILE, "
        "from whichever machine has it. 'merge ID' starts your merge "
        "tool with the files $BASE (from which both were made; with --merge, the machine that keeps the version that lost "
        "knows it; otherwise it is empty), $LOCAL (the winner), $REMOTE (the loser) and $MERGED, installs what is in "
        "$MERGED then, and resolves the conflict.",
        "conflicts ~/shared",
        "conflicts ~/shared restore 1a2b3c4d",
        "conflicts ~/shared keep all",
        "conflicts ~/shared show 1a2b3c4d",
        "conflicts ~/shared show 1a2b3c4d --to theirs.txt",
        "conflicts ~/shared merge 1a2b3c4d --tool meld",
        "conflicts ~/shared --check || echo there are conflicts",
    )
    add_json(parser)
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
    parser.add_argument("--to", metavar="FILE", help="for 'show': write the version that lost to FILE")
    return parser


def _do(client: HistoryClient, what: str, tool: str | None, found: list[Entry]) -> tuple[list[str], list[Answer]]:
    """Lines for people, and what programs get."""
    from dir_sync.cli.conflict_tools import difference, merge_by
    from dir_sync.history.words import full

    lines: list[str] = []
    answers: list[Answer] = []
    if what == "show":
        for entry in found:
            told = difference(client, entry)
            lines += told
            answers.append(lost_json(client, entry) | {"difference": told})
        return lines, answers
    if what == "merge":
        assert tool is not None
        for entry in found:
            merge_by(client, entry, tool)
            lines.append(f"{full(entry.version.path)}: merged, and the conflict is resolved")
    elif what == "restore":
        for entry in found:
            client.check(entry)
        for entry in found:
            client.restore(entry)
            on = " on " + show_text(entry.on) if entry.holder else ""
            lines.append(f"{full(entry.version.path)}: restored ({which(entry)}{on})")
        client.finish()
    else:
        lines.append(
            f"{how_many(len(found), 'conflict')} resolved; the versions that lost stay in the history for the usual time"
        )
    return lines, [version_json(entry) for entry in found]


def _write(client: HistoryClient, entry: Entry, to: str, as_json: bool) -> int:
    client.copy_out(entry, to)
    shown = show(os.fsencode(to))
    tell(as_json, {"written": shown, "version": version_json(entry)}, [f"{shown}: written ({which(entry)})"])
    return config.OK


def _what_to_do(client: HistoryClient, folder: str, entries: list[Entry]) -> list[str]:
    """The commands for the first one, under an empty line that ends the table."""
    if not entries:
        return []
    first = entries[0].id
    lines = [
        "",
        f"to see how they differ: {shell.command('conflicts', folder, 'show', first)}",
        f"to bring back the version that lost: {shell.command('conflicts', folder, 'restore', first)}",
        f"to leave what is there now: {shell.command('conflicts', folder, 'keep', first)}",
    ]
    from dir_sync.history.words import older_won

    first_syncs = [entry.version for entry in entries if entry.by == FIRST_CONTACT]
    if first_syncs:
        by_mode = sum(older_won(lost, client.stat(lost.path)) for lost in first_syncs)
        newer = "" if by_mode == len(first_syncs) else "the newer one won"
        older = "the older one won because of the mode of a machine" if by_mode else ""
        won = "; or ".join(filter(None, (newer, older)))
        lines.append(f"first sync: both machines had the file before they met for the first time, and {won}")
    return lines


def _table(client: HistoryClient, entries: list[Entry]) -> list[str]:
    """One line for each conflict, under a heading: the side that lost, then what is there now."""
    from dir_sync.history.words import full, local, maker, size_words

    if not entries:
        return [_NO_CONFLICTS]
    rows = [("ID", "LOST", "SIZE", "BY", "ON", "NOW", "SIZE", "BY", "PATH")]
    for entry in entries:
        version, now = entry.version, client.stat(entry.version.path)
        there = ("nothing", "-") if now is None else (local(now.mtime), size_words(now.kind, now.size))
        if now is not None and now.kind == Kind.DIRECTORY:
            there = ("folder", "-")
        by = maker(entry.made_by) or "-"
        lost = (local(version.mtime), size_words(version.kind, version.size), by, show_text(entry.on))
        rows.append((entry.id, *lost, *there, maker(entry.now_by or entry.by), full(version.path)))
    return columns(rows)
