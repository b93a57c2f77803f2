"""Completions and the man page: they are what the parsers say, and a shell completes with them. Help in two levels."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync import cli
from dir_sync.cli.completing import FILES
from tests import shell_files

PARSERS = shell_files.parsers()


def options(name: str) -> set[str]:
    """The long options of a command that its help shows."""
    shown = [action for action in PARSERS[name].options if action.help != argparse.SUPPRESS]
    return {word for action in shown for word in action.option_strings if word.startswith("--")}


@pytest.mark.parametrize("name", PARSERS)
def test_the_files_have_each_command_and_each_option(name: str) -> None:
    bash, zsh, fish, man = (
        (shell_files.FOLDER / file).read_text("utf-8") for file in (*FILES.values(), shell_files.MAN)
    )
    variable = re.sub(r"\W", "_", f"_shtab_dir_sync_{name}_option_strings")
    (listed,) = re.findall(rf"^{variable}=\((.*)\)$", bash, re.M)
    hint = "run: python -m tests.shell_files"
    assert options(name) <= set(re.sub("['\"]", "", listed).split()), hint
    for option in options(name):
        assert option in zsh, hint
        assert f"-l {option[2:]} " in fish, hint
        assert option.replace("-", "\\-") in man, hint


def test_the_files_are_what_the_parsers_say() -> None:
    pytest.importorskip("shtab", reason="shtab writes the completions (requirements-dev.txt)")
    pytest.importorskip("argparse_manpage", reason="argparse-manpage writes the man page (requirements-dev.txt)")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("other versions of Python lay help out otherwise")
    assert shell_files.main(["--check"]) == 0, "run: python -m tests.shell_files"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["stat"], ["status"]),
        (["sha"], ["shared"]),
        (["status", "sha"], ["shared"]),
        (["status", "shared", "--ch"], ["--check"]),
        (["restore", "shared", "no"], ["notes.txt"]),
        (["--key-file", "no"], ["notes.txt"]),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["help"], ["help"]),
    ],
)
def test_bash_completes(tmp_path: Path, typed: list[str], completed: list[str]) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    (tmp_path / "shared").mkdir()
    (tmp_path / "notes.txt").touch()
    script = (
        'source "$0"; COMP_WORDS=(dir-sync "$@"); COMP_CWORD=$#; _shtab_dir_sync; printf \'%s\\n\' "${COMPREPLY[@]}"'
    )
    words = ["bash", "-c", script, str(shell_files.FOLDER / FILES["bash"]), *typed]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stderr == ""
    assert sorted(ended.stdout.split()) == completed


@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_the_shell_reads_what_is_printed(capsys: pytest.CaptureFixture[str], shell: str, check: str) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert script == (shell_files.FOLDER / FILES[shell]).read_text("utf-8")
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    words = [shell, check, "/dev/stdin"]
    ended = subprocess.run(words, input=script, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_man_page_has_no_fault() -> None:
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("no man, or no groff")
    words = ["man", "--warnings", "-l", "-P", "cat", str(shell_files.FOLDER / shell_files.MAN)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "... and they are more" in " ".join(ended.stdout.split())


def test_an_unknown_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


# --- help ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PARSERS)
def test_every_command_has_an_example(name: str) -> None:
    text = PARSERS[name].format_help()
    own = "" if name == "run" else f" {name}"
    program = PARSERS[name].prog.removesuffix(own)
    assert re.search(rf"^  {re.escape(program)}{own}( |$)", text.partition("\nexample")[2], re.M)


def test_help_has_two_levels(capsys: pytest.CaptureFixture[str]) -> None:
    """All that --help leaves out is at least named; --help-all describes it."""
    assert cli.main(["--help"]) == 0
    short = capsys.readouterr().out
    assert cli.main(["--help-all"]) == 0
    full = capsys.readouterr().out
    assert "hold deletions and ask" not in " ".join(short.split())
    assert "hold deletions and ask" in " ".join(full.split())
    assert "--help-all describes them" in short
    for option in options("run"):
        assert option in short
        assert option in full
    assert len(short.splitlines()) < len(full.splitlines()) - 20


@pytest.mark.parametrize("name", PARSERS)
def test_every_command_has_all_of_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help-all"]) == 0
    text = capsys.readouterr().out
    assert all(option in text for option in options(name))


@pytest.mark.parametrize(
    ("name", "typed", "meant"),
    [
        *((name, f"{word}x", word) for name in PARSERS for word in sorted(options(name)) if len(word) > 6),
    ],
)
def test_an_option_that_is_almost_one(
    name: str, typed: str, meant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([name, str(tmp_path), typed]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"(did you mean {meant}?)" in said or "which" in said or "missing" in said


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if len(name) > 3])
def test_a_command_that_is_almost_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for typed in (name[:-1], f"{name}x", name[0] + name[2] + name[1] + name[3:]):
        if typed not in cli.COMMANDS:
            assert cli.main([typed]) == 2
            assert "did you mean '" in capsys.readouterr().err
