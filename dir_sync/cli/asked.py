"""Which folders a node shares: those on the command line, or those of a configuration file.

In:   the arguments of ``run``. Out: a Config for each folder, and the file from which they were read.
Raises ConfigError, one line for the user. What commands ask a running node is not here, but in `daemon.requests`.
"""

from __future__ import annotations

import argparse
import os

from dir_sync import config
from dir_sync.cli.making import make
from dir_sync.cli.names import is_named, name_and_folder, together
from dir_sync.cli.options import STORAGE, config_of, run_parser
from dir_sync.cli.parser import Parser
from dir_sync.config import Config, ConfigError
from dir_sync.core.named import NamedTuple

__all__ = ["Asked", "default_file", "read_asked", "read_configs", "typed_alone"]


class Asked(NamedTuple):
    """`file`: the configuration file; None: the folders were named on the command line."""

    configs: tuple[Config, ...]
    file: str | None = None


def read_configs(argv: list[str]) -> tuple[Config, ...]:
    """One Config for each folder."""
    return read_asked(argv).configs


def read_asked(argv: list[str]) -> Asked:
    """Parse the arguments of ``run``. SystemExit after --help or --version."""
    parser = run_parser()
    try:
        given = parser.parse_args(argv)
    except BrokenPipeError:  # the reader of --help or --version has closed it
        raise SystemExit(0) from None
    if given.create and not given.folders and given.config is None:
        given.folders = [STORAGE]
    if given.folders:
        if given.config is not None:
            raise ConfigError("--config names the folders: give it, or DIR, but not both", config.USAGE)
        for word in given.folders if given.create else ():
            make(name_and_folder(word)[1] if len(given.folders) > 1 or is_named(word) else word)
        return Asked(_of_command_line(given))
    file = given.config if given.config is not None else default_file()
    if given.config is None and not os.path.lexists(file):
        parser.error("the following arguments are required: DIR")
    from dir_sync.cli.config_file import read_file  # imported late: most nodes have no such file

    return Asked(read_file(file, typed_alone(run_parser(), argv), make), os.path.abspath(os.path.expanduser(file)))


def default_file() -> str:
    """The configuration file of this user, by the XDG base directory specification."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.config")
    return os.path.join(base, "dir_sync", "config.toml")


def _of_command_line(given: argparse.Namespace) -> tuple[Config, ...]:
    if len(given.folders) == 1 and not is_named(given.folders[0]):
        name = given.folder_name if given.folder_name is not None else config.FOLDER_NAME
        return (config_of(given, given.folders[0], name),)
    if given.folder_name is not None:
        raise ConfigError("--folder names a single folder; of several, write NAME=DIR for each", config.USAGE)
    if given.join is not None:
        raise ConfigError("--join takes a single folder: join one after the other, with 'join DIR'", config.USAGE)
    several = len(given.folders) > 1
    named = map(name_and_folder, given.folders)
    return together([config_of(given, folder, name, name if several else "") for name, folder in named])


def typed_alone(parser: Parser, argv: list[str]) -> dict[str, object]:
    """The options that the command line has, by their names in the parser, without those that are left out. The parser has no
    defaults from then on."""
    parser.set_defaults(**{action.dest: None for action in parser.options})
    given = vars(parser.parse_args(argv))
    return {name: value for name, value in given.items() if value is not None and name not in ("folders", "config")}
