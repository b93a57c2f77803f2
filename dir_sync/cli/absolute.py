"""The command line of a node, so written that it means the same in any folder, later, and without the terminal.

In:   the words of a node, a parser that knows them, and the folder in which they were typed. Out: words for ``run``.
Rule: nothing is checked here but that the parser knows the words: whoever uses them does that.
Used by: background, boot_files, kept_options, running_nodes, service.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence

from dir_sync.cli.asked import default_file
from dir_sync.cli.names import is_named
from dir_sync.cli.options import STORAGE, add_node_options
from dir_sync.cli.parser import Parser
from dir_sync.config import ConfigError
from dir_sync.core.named import NamedTuple

__all__ = ["FOR_ONE_START", "Words", "add_node_words", "here", "of_typed", "without"]

FOR_ONE_START = frozenset({"fresh", "join"})
"""Options that are meant for one start, by their names in the parser."""

_PATHS = frozenset({"config", "key_file", "log_file", "signature_dir"})


class Words(NamedTuple):
    """`options`: each with its value, by its name in the parser."""

    folders: list[str]
    options: dict[str, list[str]]

    @property
    def paths(self) -> list[str]:
        """The folders, without the names under which they are shared."""
        return [word if word.startswith("/") else word.partition("=")[2] for word in self.folders]

    @property
    def line(self) -> list[str]:
        return [*self.folders, *(word for words in self.options.values() for word in words)]


def add_node_words(parser: Parser, what: str) -> argparse._ArgumentGroup:
    """Folders and options of a node, for a command that starts one. Returns the group of the basic options."""
    parser.add_argument(
        "folders", metavar="DIR", nargs="*", help=f"{what}; without any: those of the configuration file"
    )
    basic = add_node_options(parser)
    basic.add_argument("--config", metavar="FILE", help="the folders and options of this configuration file")
    return basic


def here() -> str:
    """The current folder. ConfigError if it is gone."""
    try:
        return os.getcwd()
    except OSError:
        raise ConfigError("the current folder is gone: go to another one") from None


def of_typed(parser: Parser, typed: Sequence[str], folder: str, own: Sequence[str] = ()) -> Words:
    """`parser`: its checks are taken away, because the words themselves are wanted. `own`: what belongs to the command and not
    to the node. SystemExit after --help or --version."""
    for action in parser.options:
        action.type = None
    parser.set_defaults(**{action.dest: None for action in parser.options})
    given = vars(parser.parse_args(typed))
    options: dict[str, list[str]] = {}
    for action in parser.options:
        value = given.get(action.dest)
        if value is None or action.help == argparse.SUPPRESS or action.dest in own:
            continue
        name = max(action.option_strings, key=len)
        if action.nargs == 0:
            options[action.dest] = [name] * (value if type(value) is int else 1)
        else:
            options[action.dest] = [f"{name}={one}" for one in _values(action.dest, value, folder)]
    folders = [_folder(word, folder) for word in given["folders"] or []]
    if not folders and "config" not in options:
        if "create" in options:
            folders = [os.path.join(folder, STORAGE)]
        elif os.path.lexists(default_file()):
            options["config"] = [f"--config={default_file()}"]
        else:
            parser.error("the following arguments are required: DIR")
    return Words(folders, options)


def without(words: Words, names: frozenset[str]) -> Words:
    return Words(words.folders, {name: value for name, value in words.options.items() if name not in names})


def _values(name: str, value: object, folder: str) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        text = str(one)
        is_key = name == "key_file" and text.strip().lower().startswith("dsk1-")  # itself: refused in words
        yield _path(os.path.expanduser(text), folder) if name in _PATHS and text and not is_key else text


def _path(text: str, folder: str) -> str:
    path = os.path.join(folder, text)
    return path if ".." in path.split("/") else os.path.normpath(path)  # x/.. is another folder if x is a link


def _folder(word: str, folder: str) -> str:
    """DIR or NAME=DIR."""
    if is_named(word, folder):
        name, _, rest = word.partition("=")
        return f"{name}={_path(rest, folder)}" if rest else word
    return _path(word, folder) if word else word
