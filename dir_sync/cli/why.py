"""The command `why`: the story of one path on this machine.

In:   the words after the command. Out: lines on stdout, or one JSON object, and an exit code.
Rule: it only asks. Where no node runs, the index says what it knows.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable

from dir_sync import config
from dir_sync.cli.dialogue import refuse_if_paused
from dir_sync.cli.ignoring import rule_words, rules_above
from dir_sync.cli.parser import add_json, command_parser
from dir_sync.cli.why_words import render
from dir_sync.config import ConfigError
from dir_sync.core.kind_words import KIND_WORDS
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, fingerprint, show, show_text
from dir_sync.core.waits import Wait, Waiting, to_json
from dir_sync.folder import root
from dir_sync.history.choice import Entry
from dir_sync.history.client import HistoryClient, open_history
from dir_sync.network.control import Answer
from dir_sync.ports import DiskError
from dir_sync.reporting import shell
from dir_sync.reporting.output import meant, say

__all__ = ["story_of", "why"]

_TYPES: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)
_HERE = frozenset(
    (Wait.LOOK, Wait.INTERVAL, Wait.LOOKING, Wait.OPEN, Wait.SCANNING, Wait.APPLYING)
)  # explain another look of the disk


def why(argv: list[str]) -> int:
    """``why DIR PATH``, or ``why PATH``: the story of one path."""
    parser = command_parser(
        "why",
        "Tell the story of one path on this machine: which version is here and who made it, what came and went, which "
        "machines have it, what it waits for, which rule ignores it, and which old versions can be brought back. "
        "PATH alone is enough if it names something inside a shared folder.",
        "why ~/shared notes/todo.txt",
        "why ~/shared/notes/todo.txt",
        "why ~/shared notes/todo.txt --check || echo not in sync",
    )
    parser.add_argument("path", metavar="PATH", nargs="?", help="a file or folder in DIR")
    add_json(parser)
    parser.add_argument("--check", action="store_true", help="exit with 4 if something waits, or if it is not shared")
    given = parser.parse_args(argv)
    folder, text = (given.folder, given.path) if given.path is not None else _split(given.folder)
    refuse_if_paused(config.existing(folder))
    with open_history(config.checked_folder(folder)) as client:
        path, told = story_of(client, text)
    told["folder"] = show(os.fsencode(folder))
    if given.json:
        say(json.dumps(told))
    else:
        say("\n".join(render(told, folder, os.fsdecode(path))))
    return config.UNFINISHED if given.check and told["waits"] else config.OK


def _split(text: str) -> tuple[str, str]:
    """The shared folder above a path, and the path in it. ConfigError if there is none."""
    for one in meant(text):
        full = os.path.abspath(one)
        above = os.path.dirname(full)
        while above != os.path.dirname(above):
            if root.has_index(above):
                return above, os.path.relpath(full, above)
            above = os.path.dirname(above)
    name = show(os.fsencode(text))
    if os.path.exists(os.path.join(text, ".dir_sync")):
        raise ConfigError(f"which path in {name}? For example: {shell.command('why', text, 'PATH')}", config.USAGE)
    raise ConfigError(
        f"{name} is in no folder that was shared from here; with DIR: {shell.command('why', 'DIR', text)}", config.USAGE
    )


def story_of(client: HistoryClient, text: str) -> tuple[bytes, Answer]:
    """The path that a user typed, and all of its story but the name of the folder. ConfigError if nothing is known."""
    path, told = _told(client, text)
    entries = [entry for entry in client.entries(path) if entry.version.path == path]
    grew = client.unkept.has_grown
    return path, told | {"versions": [_version(entry) for entry in entries], "grew": grew}


def _told(client: HistoryClient, text: str) -> tuple[bytes, Answer]:
    """The path that a user typed, by its name or in the printed form, and its story. ConfigError if nothing is known."""
    paths = [client.path_of(one) for one in meant(text)]
    ignored: list[tuple[bytes, Answer]] = []
    for path in paths:
        told = client.story(path)
        if "waits" not in told:
            raise ConfigError("the running node is another version: restart it")
        _add_what_is_here(client, path, told)
        if told["known"] or told["disk"] is not None:
            return path, told
        if any(one["wait"] == Wait.IGNORED.value for one in told["waits"]):
            ignored.append((path, told))  # others may have it
    if ignored:
        return ignored[0]
    raise ConfigError(f"no such path was ever known here: {show(paths[0])}")


def _add_what_is_here(client: HistoryClient, path: bytes, told: Answer) -> None:
    """What the disk says, the rule that ignores the path, and the waits that follow from both."""
    noted = bytes.fromhex(told.pop("fingerprint"))
    try:
        found = client.stat(path)
    except DiskError as error:
        found = None
        told["waits"].append(to_json(Waiting(Wait.TROUBLE, text=str(error))))
    told["disk"] = None
    if found is not None:
        told["disk"] = {"kind": KIND_WORDS[found.kind], "size": found.size, "modified_ns": found.mtime}
    waits = {one["wait"] for one in told["waits"]}
    if not told.get("node_runs"):  # otherwise it has said that
        is_folder = found is not None and found.kind is Kind.DIRECTORY
        rule = rules_above(os.fsencode(client.folder), path).rule_for(path, is_folder)
        if rule is not None:
            text = rule_words(rule)
            told["waits"].append(to_json(Waiting(Wait.IGNORED, text=text)))
            waits.add(Wait.IGNORED.value)
    is_left_out = bool(waits & {Wait.IGNORED.value, Wait.NEVER_SHARED.value, Wait.INVALID_NAME.value})
    if found is not None and found.kind is Kind.OTHER:
        told["waits"] = [one for one in told["waits"] if one["wait"] != Wait.NEVER_SHARED.value]
        told["disk"]["type"] = _type(client.folder, path)
        text = f"{told['disk']['type']} (only files, folders and symbolic links are shared)"
        told["waits"].append(to_json(Waiting(Wait.NEVER_SHARED, text=text)))
    elif not is_left_out and not waits & {one.value for one in _HERE}:
        seen = b"" if found is None else fingerprint(found)
        if noted[:FINGERPRINT_BYTES] != seen:
            told["waits"].append(to_json(Waiting(Wait.UNSEEN, outgoing=True)))


def _type(folder: str, path: bytes) -> str:
    try:
        mode = os.lstat(os.path.join(os.fsencode(folder), path)).st_mode
    except OSError:
        return "something else"
    return next((word for is_so, word in _TYPES if is_so(mode)), "something else")


def _version(entry: Entry) -> dict[str, object]:
    version = entry.version
    return {
        "id": entry.id,
        "until_ns": version.time_ns,
        "why": version.why.value,
        "kind": KIND_WORDS[version.kind],
        "size": version.size,
        "by": show_text(entry.by),
        "on": show_text(entry.on),
    }
