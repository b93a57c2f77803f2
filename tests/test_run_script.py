"""scripts/run looks at DIR before it sets anything up, and offers to make it."""

from __future__ import annotations

import errno
import json
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from dir_sync import cli
from dir_sync.cli import options

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A copy of scripts/run; what stands for the set-up and the program only says so."""
    root = tmp_path / "checkout"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/run", root / "scripts")
    for name, text in (("scripts/setup", f"echo {root}/python"), ("python", 'echo "started: $*"')):
        (root / name).write_text(f"#!/bin/sh\n{text}\n")
        (root / name).chmod(0o755)
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    return root / "scripts/run"


def start(script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Without a terminal."""
    place = script.parents[2]
    return subprocess.run(
        [script, *words],
        cwd=place / "work",
        env={**os.environ, "HOME": str(place / "home"), "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def answered(script: Path, answer: str, *words: str) -> tuple[int, str, str]:
    """On a terminal, where somebody types this. Exit code, stdout, and what the terminal showed."""
    place = script.parents[2]
    here, there = pty.openpty()
    try:
        with subprocess.Popen(
            [script, *words],
            cwd=place / "work",
            env={**os.environ, "HOME": str(place / "home")},
            stdin=there,
            stdout=subprocess.PIPE,
            stderr=there,
            text=True,
        ) as process:
            os.write(here, answer.encode())
            assert process.stdout is not None
            out = process.stdout.read()
            code = process.wait(30)
        os.close(there)
        shown = "".join(iter(lambda: shown_next(here), ""))
    finally:
        os.close(here)
    return code, out, shown


def shown_next(terminal: int) -> str:
    """What the terminal shows next; "" at its end. One read may give a part of it only: the kernel passes it on by and by."""
    try:
        return os.read(terminal, 10_000).decode()
    except OSError as error:
        if error.errno != errno.EIO:  # which says that nobody has it open any more
            raise
        return ""


def words_before(option: str, takes_value: bool) -> list[str]:
    return [option, "7"] if takes_value else [option]


OPTIONS = [
    (option, action.nargs is None)
    for action in options.run_parser()._actions
    for option in action.option_strings
    if option not in ("-h", "--help", "--help-all", "--version", "--create", "--config")
]


@pytest.mark.parametrize(("option", "takes_value"), OPTIONS)
def test_dir_is_found_behind_every_option(script: Path, option: str, takes_value: bool) -> None:
    """Each option that main.py knows is known here, too: whether its value is the next word."""
    for words in (
        [*words_before(option, takes_value), "missing"],
        ["missing", *words_before(option, takes_value)],
        ["run", "missing", *words_before(option, takes_value)],
    ):
        ended = start(script, *words)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == "dir_sync: there is no folder missing; make it with: mkdir -p missing\n", words


@pytest.mark.parametrize(
    "words",
    [["--create", "missing"], ["missing", "--create"], ["--create"], ["--config", "missing"], ["--config=missing"]],
)
def test_where_no_folder_has_to_exist_main_is_asked(script: Path, words: list[str]) -> None:
    assert start(script, *words).stdout == f"started: {script.parents[1]}/main.py {' '.join(words)}\n"


def test_no_dir_is_needed_where_there_is_a_configuration_file(script: Path) -> None:
    file = script.parents[2] / "home/.config/dir_sync/config.toml"
    file.parent.mkdir(parents=True)
    file.touch()
    for words in ([], ["-v"]):
        assert start(script, *words).stdout.startswith("started: ")


@pytest.mark.parametrize(
    "words", [["-vq", "missing"], ["-vl", "6001", "missing"], ["-l6001", "missing"], ["--", "missing"]]
)
def test_dir_is_found_behind_words_run_together(script: Path, words: list[str]) -> None:
    assert start(script, *words).stderr == "dir_sync: there is no folder missing; make it with: mkdir -p missing\n"


def test_a_folder_with_a_name_before_it(script: Path) -> None:
    work = script.parents[2] / "work"
    (work / "there").mkdir()
    assert "started: " in start(script, "photos=there").stdout
    ended = start(script, "photos=missing")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "dir_sync: there is no folder missing; make it with: mkdir -p missing\n"
    (work / "a=b").mkdir()
    assert "started: " in start(script, "a=b").stdout, "a folder that is called so"
    assert "started: " in start(script, "photos=~/there").stdout, "main.py knows that sign"


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["-vh"], ["--version"], ["missing", "--help"]])
def test_questions_about_the_program_need_no_dir(script: Path, words: list[str]) -> None:
    assert start(script, *words).stdout == f"started: {script.parents[1]}/main.py {' '.join(words)}\n"


@pytest.mark.parametrize(
    ("word", "meant"), [("statsu", "status"), ("conflict", "conflicts"), ("Memebrs", "members"), ("evnts", "events")]
)
def test_a_mistyped_command_alone_is_no_folder_to_be_made(script: Path, word: str, meant: str) -> None:
    ended = start(script, word)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"dir_sync: {word}: no such command or folder; did you mean '{script} {meant}'?\n"
    code, out, shown = answered(script, "\n", word)
    assert (code, out) == (2, "")
    assert f"no folder {word}; did you mean '{script} {meant}'? Make the folder {word}? [y/N]" in shown
    for words in (["-v", word], ["run", word], [f"./{word}"]):
        assert "make it with: mkdir -p" in start(script, *words).stderr


@pytest.mark.parametrize("command", [*(name for name in cli.COMMANDS if name != "run"), "stats", "help"])
def test_other_commands_look_for_themselves(script: Path, command: str) -> None:
    assert start(script, command, "missing").stdout == f"started: {script.parents[1]}/main.py {command} missing\n"
    if command in cli.COMMANDS:
        assert start(script, command).stdout == f"started: {script.parents[1]}/main.py {command}\n"


def test_no_dir_at_all(script: Path) -> None:
    for words in ([], ["-l", "6001"], ["-l"], ["run"], [""]):
        ended = start(script, *words)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"dir_sync: which folder? For example: {script} ~/shared (--help tells more)\n"
        assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["a b", "it's", "-odd", "deep/er/folder", "caf\u00e9", "$HOME `x`", 'a"b\\c'])
def test_the_command_that_is_named_makes_the_folder(script: Path, name: str) -> None:
    ended = start(script, "--", name)
    assert ended.returncode == 2
    command = ended.stderr.partition("make it with: ")[2]
    work = script.parents[2] / "work"
    subprocess.run(["sh", "-c", command], cwd=work, check=True)
    assert (work / name).is_dir()
    assert start(script, "--", name).stdout.startswith("started: ")


def test_names_do_not_act_on_the_terminal(script: Path) -> None:
    assert "\x1b" not in start(script, "a\x1b[2Jb").stderr


def test_what_is_there_and_cannot_be_shared(script: Path) -> None:
    (script.parents[2] / "work/file").touch()
    for name, what in (("file", "file is not a folder\n"), ("file/in", "file/in")):
        ended = start(script, name)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert what in ended.stderr
        assert ended.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everywhere")
@pytest.mark.parametrize(("mode", "what"), [(0o500, "written"), (0o300, "read"), (0o600, "read")])
def test_a_folder_that_may_not_be_used(script: Path, mode: int, what: str) -> None:
    (script.parents[2] / "work/folder").mkdir(mode)
    ended = start(script, "folder")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"folder cannot be {what}: check its permissions" in ended.stderr


@pytest.mark.parametrize("answer", ["\n", "y\n", "Yes\n"])
def test_on_a_terminal_it_is_asked_for(script: Path, answer: str) -> None:
    code, out, shown = answered(script, answer, "new/folder")
    assert (code, out) == (0, f"started: {script.parents[1]}/main.py new/folder\n")
    assert "there is no folder new/folder. Make it? [Y/n]" in shown
    assert (script.parents[2] / "work/new/folder").is_dir()


@pytest.mark.parametrize("answer", ["n\n", "no\n", "what?\n", "\x04"])
@pytest.mark.parametrize("name", ["new", "new/folder"])
def test_on_a_terminal_no_is_no(script: Path, name: str, answer: str) -> None:
    code, out, shown = answered(script, answer, name)
    assert (code, out) == (2, "")
    assert f"make it with: mkdir -p {name}" in shown
    assert not (script.parents[2] / "work/new").exists()


@pytest.mark.parametrize(("answer", "is_made"), [("\n", False), ("n\n", False), ("y\n", True), ("yes\n", True)])
@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("list", "there is no command and no folder list (--help lists the commands). Make the folder list? [y/N]"),
        ("./shraed", "there is no folder ./shraed, but {work}/shared is shared. Make the folder ./shraed? [y/N]"),
    ],
)
def test_what_is_probably_a_slip_is_made_only_if_somebody_says_so(
    script: Path, name: str, doubt: str, answer: str, is_made: bool
) -> None:
    """A word that sounds like a command, and a folder beside one that is shared."""
    work = script.parents[2] / "work"
    (work / "shared/.dir_sync").mkdir(parents=True)
    (work / "other").mkdir()
    code, out, shown = answered(script, answer, name)
    assert doubt.format(work=work) in shown
    assert (code, bool(out)) == ((0, True) if is_made else (2, False))
    assert (work / name).is_dir() == is_made


def test_a_folder_that_cannot_be_made(script: Path) -> None:
    (script.parents[2] / "work/file").touch()
    code, out, shown = answered(script, "y\n", "file/in")
    assert (code, out) == (2, "")
    assert "dir_sync: file/in cannot be made: Not a directory" in shown


@pytest.mark.parametrize("name", ["away", "caf\u00e9"])
def test_what_was_shared_before_is_left_to_the_program(script: Path, name: str) -> None:
    """Its disk may not be mounted yet: it is waited for, not made."""
    place = script.parents[2]
    state = place / "home/.local/state/dir_sync"
    state.mkdir(parents=True)
    (state / "folders.json").write_text(json.dumps({str(place.resolve() / "work" / name): 5}))
    assert start(script, name).stdout == f"started: {script.parents[1]}/main.py {name}\n"
    assert start(script, "other").returncode == 2
