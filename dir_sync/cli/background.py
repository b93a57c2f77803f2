"""The commands ``start``, ``stop`` and ``restart``: a node that goes on when the terminal is closed.

In:   the words after the command. Out: lines on stdout or one JSON object, and an exit code.
Rule: ``start`` returns when the node is ready, or says why it is not. A node that runs is told by the lock of its folder and its
control socket. ``restart`` ends nothing before the new command line is found to be right.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence

from blake3 import blake3

from dir_sync import config
from dir_sync.cli.absolute import FOR_ONE_START, Words, add_node_words, here, of_typed, without
from dir_sync.cli.asked import Asked, default_file, read_asked
from dir_sync.cli.kept_options import Kept, with_typed
from dir_sync.cli.launch import launch
from dir_sync.cli.names import is_named
from dir_sync.cli.parser import Parser, add_json, checked, examples_of
from dir_sync.cli.results import tell
from dir_sync.cli.running_nodes import Node, node_of, node_of_file, restart_unit, words_of
from dir_sync.config import Config, ConfigError
from dir_sync.core.model import show
from dir_sync.core.named import NamedTuple
from dir_sync.core.preserve import Part
from dir_sync.folder import root
from dir_sync.folder.processes import owner_name
from dir_sync.folder.user_state import state_path
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.log import listed
from dir_sync.reporting.output import say

__all__ = [
    "Done",
    "default_log",
    "ends",
    "owner_against",
    "restart",
    "start",
    "started",
    "stop",
    "writer_against",
]

_READY_S = 60
_ENDED_S = 30.0
_OWN = ("timeout", "json")


class Done(NamedTuple):
    """What a command did: for programs, and as lines for people."""

    answer: Answer
    lines: tuple[str, ...]


def start(argv: list[str]) -> int:
    """``start DIR``: a node in the background."""
    parser = Parser(
        "start",
        "Start a node for DIR that goes on when the terminal is closed. It takes the options of a node. The command returns "
        "when the node is ready, or says why it is not. Its log goes to a file in your state folder, if --log-file names no "
        "other.",
        examples_of(
            "start ~/shared",
            "start ~/notes ~/photos --name laptop",
            "start --config ~/dir_sync.toml",
        ),
        "start ~/shared",
        "start DIR... [options of a node]",
    )
    _add_own(add_node_words(parser, "the folders to share"))
    given = parser.parse_args(argv)
    words = of_typed(parser, argv, here(), _OWN)
    done = started(words, given.timeout)
    tell(given.json, done.answer, done.lines)
    return config.OK


def started(words: Words, seconds: int = _READY_S) -> Done:
    """Start a node with these words, unless it runs. ConfigError."""
    return _start(words, read_asked(words.line), seconds)


def stop(argv: list[str]) -> int:
    """``stop DIR``: end the node."""
    parser = Parser(
        "stop",
        "End the node that runs for DIR, wherever it was started, and wait for that. What was under way goes on at the next "
        "start. If that node shares more folders, name all of them; 'pause' leaves one of them alone.",
        examples_of(
            "stop ~/shared",
            "stop --config ~/dir_sync.toml",
        ),
        "stop ~/shared",
    )
    parser.add_argument("folders", metavar="DIR", nargs="*", help="the shared folder, or all of that node")
    parser.add_argument("--config", metavar="FILE", help="the node that runs with this configuration file")
    parser.add_argument("-h", "--help", action="help", help="print this help and exit")
    add_json(parser)
    given = parser.parse_args(argv)
    nodes = _running(parser, given.folders, given.config)
    stopped: list[Answer] = []
    if not nodes:
        tell(given.json, {"stopped": stopped}, [f"no node is running for {_named(given.folders, given.config)}"])
        return config.OK
    for node in nodes:
        _check_all_named(node, given.folders)
    for node in nodes:
        ends(node)
        stopped.append({"folders": _shown(node.folders), "process": node.number, "unit": node.unit or None})
        if not given.json:  # each as soon as it has ended: the next one may take long
            again = f"; {node.unit} starts it again at the next boot" if node.unit else ""
            say(f"stopped: {_folders(node)} (process {node.number}){again}")
    if given.json:
        tell(True, {"stopped": stopped}, ())
    return config.OK


def restart(argv: list[str]) -> int:
    """``restart DIR``: end the node, and start it again."""
    parser = Parser(
        "restart",
        "End the node that runs for DIR, and start it again in the background, with the command line that it had. An option of "
        "a node that is given takes the place of that option; the others stay. If none runs, it is started. --join and --new "
        "count for one start only.",
        examples_of(
            "restart ~/shared",
            "restart ~/shared --limit-up 2M",
            "restart --config ~/dir_sync.toml",
        ),
        "restart ~/shared",
        "restart DIR... [options of a node]",
    )
    _add_own(add_node_words(parser, "the folders that are shared"))
    given = parser.parse_args(argv)
    done = _restarted(parser, given, argv)
    tell(given.json, done.answer, done.lines)
    return config.OK


def _restarted(parser: Parser, given: argparse.Namespace, argv: list[str]) -> Done:
    seconds = given.timeout
    typed = of_typed(parser, argv, here(), _OWN)
    nodes = _running(parser, given.folders, given.config)
    if len(nodes) > 1:
        raise ConfigError("these folders are shared by several nodes: restart one after the other", config.USAGE)
    if not nodes:
        done = started(typed, seconds)
        return Done(done.answer, (f"no node was running for {_named(given.folders, given.config)}", *done.lines))
    node = nodes[0]
    is_as_before = not set(typed.options) - {"config"}
    if node.unit:
        if not is_as_before:
            raise ConfigError(
                f"{node.unit} has the options of this node: to change them, run 'service install' with others"
            )
        restart_unit(node)
        new = node_of(node.folders[0]) if node.folders else None
        answer = _answer("restarted", node.folders, None if new is None else new.number, unit=node.unit)
        return Done(answer, (f"restarted: {_folders(node)} ({node.unit})",))
    if node.owner != os.geteuid():
        raise ConfigError(f"that node runs as {node.process.owner_name}: run this as that user")
    if node.typed is None and not is_as_before:
        kept = Kept(typed, before_is_known=False)
    else:
        kept = with_typed(without(words_of(node), FOR_ONE_START), typed, node.folders)
    asked = read_asked(kept.words.line)
    _check_all_named(node, [one.folder for one in asked.configs])
    key_file = node.key_file  # asked while it runs
    ends(node)
    try:
        done = _start(kept.words, asked, seconds, key_file, "restarted")
        return Done({**done.answer, **kept.answer}, (*done.lines, *kept.lines))
    except ConfigError as error:
        raise ConfigError(f"the node is stopped, and did not start again: {error}", error.exit_code) from None


def _start(words: Words, asked: Asked, seconds: int, key_file: str = "", result: str = "started") -> Done:
    configs = asked.configs
    folders = [one.folder for one in configs]
    if running := _running_already(folders):
        return running
    for one in configs:
        if against := owner_against(one):
            raise ConfigError(against)
    if configs[0].join is not None:
        from dir_sync.cli.inviting import join_first

        join_first(configs[0], configs[0].join)
        words = without(words, frozenset({"join"}))
    log_file = configs[0].log_file
    if log_file is None:
        log_file = default_log(asked)
        words.options["log_file"] = [f"--log-file={log_file}"]
    found = launch(words.line, seconds, key_file)
    log = show(os.fsencode(log_file))
    if found.is_ready:
        paused = [reason for folder in folders if (reason := root.paused(folder))]
        answer = _answer(result, folders, found.process, log=log, paused=paused)
        lines = [f"{result}: {listed(_shown(folders))} (process {found.process}); log: {log}"]
        return Done(answer, (*lines, *(f"paused: {reason}; it will resume by itself" for reason in paused)))
    if found.exit_code is None:
        raise ConfigError(f"not ready after {seconds} s: process {found.process} goes on; log: {log}", config.TIMEOUT)
    if running := _running_already(folders):  # another 'start' was a moment faster
        return running
    raise ConfigError(found.reason, config.USAGE if found.exit_code == config.USAGE else config.ENVIRONMENT)


def _running_already(folders: Sequence[str]) -> Done | None:
    """That one node shares all of them; None: none does. ConfigError if one shares some of them."""
    nodes = {folder: node for folder in folders if (node := node_of(folder)) is not None}
    if not nodes:
        return None
    first = next(iter(nodes.values()))
    if len(nodes) == len(folders) and len({node.number for node in nodes.values()}) == 1:
        answer = _answer("already running", folders, first.number, unit=first.unit or None)
        shown = listed(_shown(folders))
        lines = [f"already running: {shown} (process {first.number}); with other options: restart"]
        if first.process.ends_with_terminal:
            again = shell.command("restart", *folders)
            lines.append(
                f"it runs in a terminal, and ends when that is closed; to let it go on in the background: {again}"
            )
        return Done(answer, tuple(lines))
    raise ConfigError(
        f"a node (process {first.number}) shares {_folders(first)} already, and not all that is named here: end it first:"
        f" {shell.command('stop', *first.folders)}"
    )


def _answer(
    result: str,
    folders: Sequence[str],
    process: int | None,
    log: str | None = None,
    unit: str | None = None,
    paused: Sequence[str] = (),
) -> Answer:
    """For programs: what became of a node that these folders want."""
    return {
        "result": result,
        "folders": _shown(folders),
        "process": process,
        "log": log,
        "unit": unit,
        "paused": list(paused),
    }


def _shown(folders: Sequence[str]) -> list[str]:
    return [show(os.fsencode(folder)) for folder in folders]


def ends(node: Node) -> None:
    """End a node, and wait for that. ConfigError if it cannot be ended, or takes too long."""
    try:
        node.process.end()
    except PermissionError:
        owner = node.process.owner_name
        raise ConfigError(f"that node runs as {owner}: run this as {owner}, or as root") from None
    if not node.process.has_ended(_ENDED_S):
        raise ConfigError(
            f"the node (process {node.number}) has not ended within {_ENDED_S:.0f} s: its disk may hang. To end it at once,"
            f" which loses nothing: kill -9 {node.number}",
            config.TIMEOUT,
        )


def owner_against(one: Config) -> str:
    """Why root should not share a folder of another user; "": it may. What others send would belong to root, and so would the
    folder's own state."""
    if os.geteuid() != 0 or Part.OWNER in one.preserve:
        return ""
    owner, of_state = _owner(one.folder), _owner(os.path.join(one.folder, ".dir_sync"))
    if owner is None or 0 in (owner, of_state):
        return ""
    name, folder = owner_name(one.folder), show(os.fsencode(one.folder))
    return (
        f"{folder} belongs to {name}, and you are root: what others send would belong to root. Run this as {name}"
        f" (sudo -u {name} ...), or keep the owners (--preserve owner)"
    )


def writer_against(one: Config) -> str:
    """Why a node of this user could not share a folder: what a node keeps there belongs to somebody else; "": it could, or the
    folder was never shared."""
    path = os.path.join(one.folder, ".dir_sync")
    is_able = os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
    if is_able or not os.path.isdir(path):
        return ""
    shown, name = show(os.fsencode(path)), owner_name(path)
    return f"you cannot write into {shown}, which belongs to {name}: run this as {name}, or give it to you with all that is in it"


def _owner(path: str) -> int | None:
    """None: it is not here now."""
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def default_log(asked: Asked) -> str:
    """The log file of a node that was given none. ConfigError if there is no place for it."""
    path = asked.file or asked.configs[0].folder
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", os.path.splitext(os.path.basename(path))[0]).strip("-")[:40] or "node"
    name = f"{slug}-{blake3(os.fsencode(path)).hexdigest(length=3)}.log"
    for above in (state_path("log"), f"/tmp/dir_sync-{os.geteuid()}"):  # without a home, or if all of it is shared
        if os.path.isabs(above) and not any(config.is_shared(above, one.folder) for one in asked.configs):
            try:
                os.makedirs(above, 0o700, exist_ok=True)
            except OSError:
                continue
            if os.stat(above).st_uid == os.geteuid() and os.access(above, os.W_OK):
                return os.path.join(above, name)
    raise ConfigError("there is no place for a log file: name one with --log-file")


def _running(parser: Parser, folders: Sequence[str], file: str | None) -> list[Node]:
    """The nodes that are meant, each once."""
    if folders and file is not None:
        raise ConfigError("--config names the folders: give it, or DIR, but not both", config.USAGE)
    if not folders:
        if file is None and not os.path.lexists(default_file()):
            parser.error("the following arguments are required: DIR")
        node = node_of_file(os.path.abspath(os.path.expanduser(file or default_file())))
        return [] if node is None else [node]
    nodes: dict[int, Node] = {}
    for text in folders:
        text = _path(text)
        if root.pauser(text) is None and not root.known_as(text) and not os.path.isdir(text):
            config.checked_folder(text)  # says what is wrong
        node = node_of(os.path.realpath(text))
        if node is not None:
            nodes.setdefault(node.number, node)
    return list(nodes.values())


def _path(text: str) -> str:
    """That of a folder, as the user calls it: DIR or NAME=DIR."""
    return config.existing(text.partition("=")[2] if is_named(text) else text)


def _check_all_named(node: Node, folders: Sequence[str]) -> None:
    """ConfigError if the node shares more than these; none: they are those of a file."""
    named = {os.path.realpath(_path(text)) for text in folders}
    if folders and (more := [folder for folder in node.folders if folder not in named]):
        shown = listed([show(os.fsencode(folder)) for folder in more])
        raise ConfigError(
            f"process {node.number} also shares {shown}: to end all of it: {shell.command('stop', *node.folders)}"
        )


def _folders(node: Node) -> str:
    return listed(_shown(node.folders)) or "its folders"


def _named(folders: Sequence[str], file: str | None) -> str:
    return listed([show(os.fsencode(one)) for one in folders or [file or default_file()]])


def _add_own(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--timeout",
        metavar="TIME",
        type=checked(_seconds),
        default=_READY_S,
        help="wait at most TIME until it is ready (default: 60s)",
    )
    group.add_argument("--json", action="store_true", help="print one JSON object, for programs")


def _seconds(text: str) -> int:
    seconds = config.seconds_of(text, 1, 3_600)
    if seconds is None:
        raise ConfigError("a time from 1s to 1h, such as 30s", config.USAGE)
    return seconds
