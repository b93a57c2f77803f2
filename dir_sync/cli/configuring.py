"""The commands about the configuration file: check it, print an example, let the running node read it again.

In:   the words after the command. Out: lines on stdout, and an exit code.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from dir_sync import config
from dir_sync.cli.asked import default_file
from dir_sync.cli.config_file import example, read_file
from dir_sync.cli.parser import Parser, add_json, examples_of
from dir_sync.cli.results import tell
from dir_sync.config import Config, ConfigError
from dir_sync.core.model import show
from dir_sync.folder.running import Running, running
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.log import how_many, listed

__all__ = ["config_", "read_again", "reload"]

_WITHIN_S = 30.0
_AGAIN_S = 0.05


def config_(argv: list[str]) -> int:
    """``config``: check the configuration file, or print an example."""
    parser = _file_parser(
        "config",
        "Check the configuration file, from which a node without DIR takes its folders and options; or print an example of"
        " one.",
        "config --check",
        "config --example > ~/.config/dir_sync/config.toml",
    )
    parser.add_argument("--check", action="store_true", help="say what would be shared, or what is wrong")
    parser.add_argument(
        "--example", action="store_true", help="print a file with all keys, their meanings and defaults"
    )
    add_json(parser)
    given = parser.parse_args(argv)
    if given.example == given.check:
        raise ConfigError("config takes --check or --example", config.USAGE)
    if given.example:
        tell(given.json, {"text": example()}, [example()])
        return config.OK
    file = given.config or default_file()
    configs = read_file(file)
    shown = {one.folder_name: show(os.fsencode(one.folder)) for one in configs}
    lines = [f"{name}: {folder}" for name, folder in shown.items()]
    lines.append(f"{show(os.fsencode(file))} is right: {how_many(len(configs), 'folder')}")
    tell(given.json, _answer(file, configs), lines)
    return config.OK


def _answer(file: str, configs: Sequence[Config]) -> Answer:
    folders = [{"name": one.folder_name, "folder": show(os.fsencode(one.folder))} for one in configs]
    return {"file": show(os.fsencode(file)), "folders": folders}


def reload(argv: list[str]) -> int:
    """``reload``: the running node reads its configuration file again."""
    parser = _file_parser(
        "reload",
        "Let the node that runs with the configuration file read it again. Folders that are new in it are shared from then on,"
        " those that are gone are not, and those that are the same go on without interruption. SIGHUP does the same.",
        "reload",
        "reload --config ~/other.toml",
    )
    add_json(parser)
    given = parser.parse_args(argv)
    file = os.path.abspath(os.path.expanduser(given.config or default_file()))
    configs = read_again(file)
    tell(given.json, _answer(file, configs), [f"reloaded: {listed([one.folder_name for one in configs])}"])
    return config.OK


def read_again(file: str) -> Sequence[Config]:
    """Let the running node read its configuration file again: its folders. ConfigError if the file is wrong, or no node runs
    with it."""
    read_file(file)
    before = running(file)
    name = show(os.fsencode(file))
    if before is None:
        raise ConfigError(f"no node runs with {name}; to start one: {shell.command('--config', file)}")
    os.kill(before.process, signal.SIGHUP)
    after = _wait(file, before)
    if after.trouble:
        raise ConfigError(after.trouble)
    return read_file(file)  # again: the node has made those that `create` names


def _wait(file: str, before: Running) -> Running:
    """Until the node has read the file. ConfigError if it does not."""
    deadline = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline:
        now = running(file)
        if now is None or now.process != before.process:
            raise ConfigError("the node has ended")
        if now.readings > before.readings:
            return now
        time.sleep(_AGAIN_S)
    raise ConfigError("the node is busy and has not read the file yet", config.TIMEOUT)


def _file_parser(name: str, description: str, *examples: str) -> Parser:
    parser = Parser(name, description, examples_of(*examples), examples[0])
    parser.add_argument("--config", metavar="FILE", help="this file (default: ~/.config/dir_sync/config.toml)")
    parser.add_argument("-h", "--help", action="help", help="print this help and exit")
    return parser
