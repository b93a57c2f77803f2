"""Writes dir_sync/shell: completions for bash, zsh and fish, and the man page, from the parsers of all commands.

python -m tests.shell_files            writes them
python -m tests.shell_files --check    exit code 1 if they are not what would be written

shtab writes completions, argparse-manpage the man page. Their versions are those of requirements-dev.txt: others may print
the same otherwise. Names of folders are completed where an argument is called DIR, of files where it is FILE or PATH.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from unittest import mock

from dir_sync import __version__
from dir_sync.cli import COMMANDS
from dir_sync.cli.completing import FILES
from dir_sync.cli.parser import Parser, parser_of
from dir_sync.reporting import shell
from tests.generated import write_or_check

FOLDER = Path(__file__).resolve().parent.parent / "dir_sync" / "shell"
PROGRAM = "dir-sync"
MAN = "dir-sync.1"
WITHOUT_PARSER = {"help": "The same as COMMAND --help", "version": "The same as --version"}
NO_MACRO = re.compile(r"^(?=\.(?![A-Z]{1,2}\b|nf$|fi$)|')", re.M)  # text that troff would take for a command
DIRECTORIES = ("DIR", "DIR...", "NAME=DIR")
PATHS = ("FILE", "PATH", "PATH...")
FIRST_WORD_IN_FISH = f"\ncomplete -c {PROGRAM} -n __fish_is_first_token -xa '(__fish_complete_directories)'\n"


def parsers() -> dict[str, Parser]:
    """Each command with its parser, without help and version, which have none; that of a node is called `run`."""
    return {name: parser_of(command) for name, command in COMMANDS.items() if name not in WITHOUT_PARSER}


def whole() -> argparse.ArgumentParser:
    """One parser of the whole program, with a parser below it for each command."""
    named = parsers()
    top = argparse.ArgumentParser(
        PROGRAM,
        description=named["run"].description,
        epilog=named["run"].epilog,
        parents=[_without_folders(named["run"])],
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    below = top.add_subparsers(metavar="COMMAND", title="commands")
    for name, parser in named.items():
        first = (parser.description or "").partition(". ")[0].rstrip(".")
        one = below.add_parser(
            name,
            help=first.replace("%", "%%"),
            description=parser.description,
            epilog=parser.epilog,
            parents=[parser],
            add_help=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.prog = f"{PROGRAM} {name}"
    for name, text in WITHOUT_PARSER.items():
        below.add_parser(name, help=text, description=text, add_help=False)
    for parser in (top, *below.choices.values()):
        for action in parser._actions:
            if action.metavar in DIRECTORIES + PATHS:
                kind = "directory" if action.metavar in DIRECTORIES else "file"
                action.complete = KINDS[kind]  # type: ignore[attr-defined]
    return top


def _without_folders(parser: Parser) -> Parser:
    """The parser of a node without its folders: the first word may be a command."""
    (folders,) = (action for action in parser._actions if action.dest == "folders")
    parser._actions.remove(folders)
    for group in parser._action_groups:
        if folders in group._group_actions:
            group._group_actions.remove(folders)
    return parser


KINDS: dict[str, object] = {}


def texts() -> dict[str, str]:
    """What each file of the folder has to hold. ImportError without shtab and argparse-manpage."""
    import shtab
    from argparse_manpage.manpage import Manpage

    KINDS.update(directory=shtab.DIRECTORY, file=shtab.FILE)
    made = {}
    there = {name: value for name, value in os.environ.items() if name != shell.STARTED_AS} | {"COLUMNS": "100"}
    with mock.patch.object(sys, "argv", [PROGRAM]), mock.patch.dict(os.environ, there, clear=True):
        for name, file in FILES.items():
            parser = whole()
            if name == "bash":  # the first word may be a folder, too
                (commands,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
                directory = type("Directory", (shtab.Choice,), {"__hash__": lambda self: 0})("directory")
                commands.choices[directory] = argparse.ArgumentParser()
            made[file] = shtab.complete(parser, name).rstrip() + "\n"
        made[FILES["fish"]] += FIRST_WORD_IN_FISH
        about = {
            "project_name": "dir_sync",
            "version": __version__,
            "date": " ",
            "manual_title": "User Commands",
            "description": "keep one folder the same on every machine of a LAN",
        }
        made[MAN] = NO_MACRO.sub(r"\\&", str(Manpage(whole(), about)))
    return made


def main(argv: list[str]) -> int:
    return write_or_check({FOLDER / name: text for name, text in texts().items()}, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
