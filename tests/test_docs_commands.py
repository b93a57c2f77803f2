"""Each command line in docs/ and in the README is one that the program takes, and each option that they name is there.

tests/test_readme.py also runs those that a person can type on one machine. Here all are read by the parser of their command:
in blocks of any kind, and in the text. Placeholders get values.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from dir_sync.cli import COMMANDS
from dir_sync.cli.parser import parser_of
from dir_sync.config import ConfigError
from tests.shell_files import WITHOUT_PARSER, parsers
from tests.test_readme import PLACEHOLDERS, inline, variants

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOR_USERS = [page for page in PAGES if page.stem not in ("decisions", "testing", "protocol", "architecture")]
PROGRAM = re.compile(r"(?<![\w/~-])(?:\S*/)?(?:scripts/run|main\.py|dir-sync)(?:\s+(?P<words>.*))?$")
END = re.compile(r"[;|<>&]|\d?>.*")  # of a command, within a line of shell
MORE = {
    "HUB": "hub",
    "RATE": "1M",
    "CODE": "K7QX-4MDP",
    "ID": "1a2b3c4d",
    "SHELL": "bash",
    "CMD": "meld",
    "DIR2": "~/x",
}
OTHER_TOOLS = {
    *(
        "--exclude",
        "--exclude-caches",
        "--prune",
        "--keep-last",
        "--target",
        "--include",
        "--read-data-subset",
    ),  # restic
    *(
        "--network",
        "--now",
        "--path",
        "--user",
        "--restart",
        "--permanent",
        "--add-port",
        "--reload",
        "--force",
        "--no-deps",
        "--serve",
        "--hard",
    ),
}


def words_of(line: str) -> list[list[str]]:
    """The words after the name of the program; none if the line has it not, or nothing behind it. A list for each way to
    read what is in brackets."""
    found = PROGRAM.search(line.strip())
    if found is None or not found["words"]:
        return []
    made = []
    for each in variants(found["words"]):
        try:
            words = shlex.split(each, comments=True)
        except ValueError:
            continue  # a piece of a sentence
        end = next((number for number, word in enumerate(words) if END.fullmatch(word)), len(words))
        made.append([{**PLACEHOLDERS, **MORE}.get(word.rstrip("."), word) for word in words[:end]])
    return [words for words in made if words]


def lines_of(text: str) -> list[str]:
    """All lines of blocks, and all inline code; what is inside $(...) or after && is a line of its own."""
    fenced = "\n".join(re.findall(r"```.*?\n(.*?)```", text, re.S))
    indented = "\n".join(re.findall(r"^(?:    |\t)(.*)$", text, re.M))
    whole = [*fenced.splitlines(), *indented.splitlines(), *inline(text)]
    return [part for line in whole for part in re.split(r"&&|\|\|", line)]


def check(words: list[str]) -> None:
    """ConfigError if the program does not take these words."""
    if {"-h", "--help", "--help-all", "--version"} & set(words):
        return
    name, rest = (words[0], words[1:]) if words[0] in COMMANDS else ("run", words)
    if name not in WITHOUT_PARSER:
        parser_of(COMMANDS[name]).parse_args(rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_program_takes_each_line(page: Path) -> None:
    wrong = []
    for line in lines_of(page.read_text("utf-8")):
        for words in words_of(line):
            try:
                check(words)
            except ConfigError as error:
                wrong.append(f"{line}: {error}")
    assert wrong == []


def test_lines_are_found() -> None:
    for name, least in (("README.md", 15), ("docs/cli.md", 30), ("docs/coming-from.md", 50)):
        found = [words for line in lines_of((ROOT / name).read_text("utf-8")) for words in words_of(line)]
        assert len(found) >= least, name


@pytest.mark.parametrize("page", FOR_USERS, ids=lambda page: page.name)
def test_each_short_form_is_one_of_a_command(page: Path) -> None:
    """`status DIR --check`: without the name of the program, as text names commands."""
    wrong = []
    for piece in inline(page.read_text("utf-8")):
        first = piece.split()[0] if piece else ""
        if first in COMMANDS and re.search(r"\s(?:DIR|~/\S+)", piece):
            for words in words_of(f"dir-sync {piece}"):
                try:
                    check(words)
                except ConfigError as error:
                    wrong.append(f"{piece}: {error}")
    assert wrong == []


def known_options() -> set[str]:
    return {name for parser in parsers().values() for action in parser.options for name in action.option_strings}


@pytest.mark.parametrize("page", FOR_USERS, ids=lambda page: page.name)
def test_each_option_in_the_text_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    if page.stem == "coming-from":  # the first column has the options of other tools
        text = "\n".join("|".join(line.split("|")[2:]) if line.startswith("|") else line for line in text.splitlines())
    named = {option for piece in inline(text) for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", piece)}
    assert named - known_options() - OTHER_TOOLS == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_tool_of_the_checkout_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for name in set(re.findall(r"(?<![\w/.])scripts/([a-z]+)\b", text)):
        assert (ROOT / "scripts" / name).is_file(), name
    for name, rest in set(re.findall(r"python -m (tests\.[\w.]+)([^`\n]*)", text)):
        name = name.rstrip(".")
        found = importlib.util.find_spec(name)
        assert found is not None, name
        assert found.origin is not None, name
        folder = Path(found.origin).parent if found.origin.endswith("__init__.py") else None
        sources = folder.rglob("*.py") if folder else [Path(found.origin)]
        source = "\n".join(each.read_text("utf-8") for each in sources)
        for option in re.findall(r"(?<!\S)\[?(--[a-z-]+)", rest):
            assert f'"{option}"' in source, f"{name} {option}"


# --- that these tests can fail ------------------------------------------------------------------------------------------


RESTORE = ["restore", "~/shared", "notes.txt"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("scripts/run status ~/shared --check ", [["status", "~/shared", "--check"]]),
        ("nohup scripts/run ~/shared --log-file ~/x.log >/dev/null 2>&1 &", [["~/shared", "--log-file", "~/x.log"]]),
        (".venv/bin/python main.py ~/shared -l 6001  # all", [["~/shared", "-l", "6001"]]),
        ("podman exec box dir-sync status /shared", [["status", "/shared"]]),
        ("scripts/run restore DIR PATH [--at TIME]", [RESTORE, [*RESTORE, "--at", "10m"]]),
        ("scripts/run", []),
        ("sudo apt install ./dir-sync_*.deb", []),
        ("/usr/lib/dir-sync", []),
    ],
)
def test_what_is_read_of_a_line(line: str, words: list[list[str]]) -> None:
    assert words_of(line) == words


@pytest.mark.parametrize("line", ["scripts/run wait", "scripts/run status DIR --chek", "dir-sync DIR --brake-file 3"])
def test_a_false_line_is_found(line: str) -> None:
    (words,) = words_of(line)
    with pytest.raises(ConfigError):
        check(words)
