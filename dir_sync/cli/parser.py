"""The layout of help and errors of all commands.

In:   the arguments after a command. Out: the namespace of argparse; or ConfigError, one line for the user.
Rule: no line of --help is wider than the terminal, or than 100 columns.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from dir_sync import config
from dir_sync.cli import exits
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.reporting import output, shell
from dir_sync.reporting.log import listed

__all__ = ["Parser", "add_json", "checked", "command_parser", "count", "examples_of", "parser_of"]

T = TypeVar("T")

_COLUMNS = (60, 100)  # limits of the width of --help, whatever the terminal has
_USUAL_COLUMNS = 80  # without a terminal
_NAMED_MAX = 5  # folders of running nodes
_BEGIN = ("", "start", "once", "join")  # commands of a folder that has no node, as a rule
_MEANT_MAX = 3  # options that an unknown one is a part of


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are ConfigErrors with one line. Its help ends with the exit codes of the command."""

    def __init__(self, name: str, description: str, epilog: str, example: str, usage: str | None = None) -> None:
        """`name`: of the command, "" for `run`; `example`: arguments for the examples, after the program name."""
        program = shell.brief()
        super().__init__(
            prog=f"{program} {name}".rstrip(),
            usage=None if usage is None else f"{program} {usage}",
            description=description,
            epilog="\n\n".join([epilog.strip("\n").replace("{program}", program), exits.words(name or "run")]),
            allow_abbrev=False,
            formatter_class=lambda prog: _Formatter(prog, width=_columns()),
            add_help=False,
        )
        self._example = example
        self._begins_a_node = name in _BEGIN
        self._given: list[str] = []
        self._second: list[argparse._ArgumentGroup] = []
        self.add_argument("--help-all", action=_HelpAll, help=argparse.SUPPRESS)

    def add_second_group(self, title: str) -> argparse._ArgumentGroup:
        """A group of options that --help leaves out, and --help-all has."""
        group = self.add_argument_group(title)
        self._second.append(group)
        return group

    def format_help(self) -> str:
        """The text of --help."""
        if not self._second:
            return self.format_all()
        groups = self._action_groups
        more = self.add_argument_group("more options (--help-all describes them)", ", ".join(self._names_of_second()))
        self._action_groups = [group for group in groups if group not in self._second and group is not more] + [more]
        try:
            return self.format_all()
        finally:
            self._action_groups = [group for group in groups if group is not more]

    def format_all(self) -> str:
        """The text of --help-all."""
        return super().format_help()

    def _names_of_second(self) -> list[str]:
        return [action.option_strings[-1] for group in self._second for action in group._group_actions]

    def parse_args(self, args: Sequence[str], namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        if isinstance(args, _Nothing):
            raise _Described(self)
        self._given = list(args)
        return super().parse_args(args, namespace)

    @property
    def options(self) -> list[argparse.Action]:
        """All options, without the positional arguments."""
        return [action for action in self._actions if action.option_strings]

    def error(self, message: str) -> NoReturn:
        required = "the following arguments are required: "
        unknown = next(
            (word for word in map(_name, self._given) if word and word not in self._option_string_actions), ""
        )
        if message.startswith(required) and unknown:
            message = f"unrecognized arguments: {unknown}{self._guess(unknown)}"
        elif message.startswith(required):
            lacking = message.removeprefix(required)
            example, what = self._example, f"{lacking} is missing."
            if lacking.startswith("DIR"):
                what = "which folder?"
                if not self._begins_a_node and (folders := _running()):
                    what += f" {'A node runs' if len(folders) == 1 else 'Nodes run'} for {listed(folders)}."
                    example = example.replace("~/shared", folders[0], 1)
            message = f"{what} For example: {shell.program()} {example} (--help tells more)"
        elif message.startswith("unrecognized arguments: ") and unknown:
            message += self._guess(unknown)
        raise ConfigError(message.removeprefix("argument "), config.USAGE)

    def _guess(self, option: str) -> str:
        from difflib import get_close_matches  # imported late: only an error needs it

        known = [name for action in self._actions for name in action.option_strings if "_" not in name]
        name = option.partition("=")[0]
        found = [one for one in known if name.lstrip("-") in one.lstrip("-").split("-")]  # --port: one that ends so
        found = found or get_close_matches(name, known, 1)
        return f" (did you mean {' or '.join(found[:_MEANT_MAX])}?)" if found else ""

    def _print_message(self, message: str, file: object = None) -> None:
        """Prints help and version; errors are raised instead."""
        if message:
            output.say(message, end="")


def _running() -> list[str]:
    """The folders of this user's nodes, so that they can be typed. Only an error needs them."""
    from dir_sync.folder.shared_now import shared_now

    home = os.path.expanduser("~").rstrip("/")
    found = shared_now()
    words = [
        "~/" + shell.quoted(path[len(home) + 1 :]) if home and path.startswith(home + "/") else shell.quoted(path)
        for path in found[:_NAMED_MAX]
    ]
    return words + ([f"{len(found) - _NAMED_MAX:,} more"] if len(found) > _NAMED_MAX else [])


def _name(word: str) -> str:
    """The name in a word that is a long option; "" for any other word."""
    return word.partition("=")[0] if word.startswith("--") and word != "--" else ""


class _HelpAll(argparse.Action):
    """--help-all: prints all of the help, and ends the command."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        output.say(parser.format_all() if isinstance(parser, Parser) else parser.format_help(), end="")
        raise SystemExit(config.OK)


class _Described(Exception):
    """Raised in place of parsing: what was wanted is the parser."""

    def __init__(self, parser: Parser) -> None:
        super().__init__()
        self.parser = parser


class _Nothing(list[str]):
    """Arguments that are not to be parsed."""


def parser_of(command: Callable[[list[str]], object]) -> Parser:
    """The parser that a command makes, for completions, the man page and tests. Nothing else of the command is done: each
    makes its parser first. Not for help and version, which have none."""
    try:
        command(_Nothing())
    except _Described as found:
        return found.parser
    raise AssertionError("this command has no parser")


class _Formatter(argparse.HelpFormatter):
    """Fills paragraphs; one with an indented line, such as a list of examples, is kept as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip("\n").split("\n\n")
        return "\n\n".join(one if "\n  " in one else _filled(one, width, indent) for one in paragraphs)


def _filled(text: str, width: int, indent: str) -> str:
    """A paragraph. The name of an option stays in one line: it has hyphens."""
    from textwrap import fill

    words = " ".join(text.split())
    return fill(words, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def checked(check: Callable[[str], T]) -> Callable[[str], T]:
    """Wraps a check of ours as an argparse type, so that the option's name precedes the reason."""

    def convert(text: str) -> T:
        try:
            return check(text)
        except (ConfigError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def count(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text)
    raise ConfigError(f"'{show(os.fsencode(text))}' is not a whole number", config.USAGE)


def command_parser(
    name: str,
    description: str,
    *examples: str,
    more: str = "",
    what: str = "folder",
    folder_is_optional: bool = False,
) -> Parser:
    """The parser of a command other than ``run``. `examples`: arguments after the program name; `more`: text after the
    examples; `what`: its positional argument, "folder" for DIR or "file" for FILE."""
    parser = Parser(name, description, examples_of(*examples) + (f"\n\n{more}" if more else ""), examples[0])
    helps = {"folder": ("DIR", "the shared folder"), "file": ("FILE", "a file that does not exist yet")}
    parser.add_argument(what, metavar=helps[what][0], help=helps[what][1], nargs="?" if folder_is_optional else None)
    parser.add_argument("-h", "--help", action="help", help="print this help and exit")
    return parser


def examples_of(*examples: str) -> str:
    """They as the end of --help shows them. `examples`: arguments after the program name."""
    return "\n".join([f"example{'s' * (len(examples) > 1)}:", *(f"  {{program}} {one}" for one in examples)])


def add_json(parser: Parser, what: str = "one JSON object") -> None:
    """Questions to a person go to stderr beside that."""
    parser.add_argument("--json", action="store_true", help=f"print {what}, for programs")


def _columns() -> int:
    """The width of the terminal. Read each time: that is cheap, and shutil would cost 5 ms at every start."""
    text = os.environ.get("COLUMNS", "")
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not found:
        try:
            found = os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ is not None else 0
        except (OSError, ValueError):  # no terminal; closed
            found = 0
    return min(max(found or _USUAL_COLUMNS, _COLUMNS[0]), _COLUMNS[1])
