"""Commands that can be pasted: a shell reads back what was printed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.model import from_shown, show
from dir_sync.reporting import shell
from tests.strategies import paths

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def not_from_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shell.STARTED_AS, raising=False)
    monkeypatch.delenv(shell.PYTHON, raising=False)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("shared", "shared"),
        ("my docs", "'my docs'"),
        ("it's", "'it'\"'\"'s'"),
        ("$HOME", "'$HOME'"),
        ("grün", "'grün'"),
        ("a\nb'\\", "$'a\\x0ab\\'\\\\'"),
        (os.fsdecode(b"caf\xe9"), "$'caf\\xe9'"),
    ],
)
def test_a_shell_reads_a_quoted_name_as_it_is(name: str, quoted: str) -> None:
    assert shell.quoted(name) == quoted
    assert quoted.isprintable()
    read = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True, timeout=30).stdout
    assert read == os.fsencode(name)


@pytest.mark.parametrize("script", ["scripts/run", "/opt/my tools/scripts/run"])
def test_a_command_names_the_script_that_was_started(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setenv(shell.STARTED_AS, script)
    assert shlex.split(shell.command("status", "my docs")) == [script, "status", "my docs"]
    assert shlex.split(shell.pasteable("status", "/my docs")) == [os.path.abspath(script), "status", "/my docs"]


@pytest.mark.parametrize(("python", "in_full"), [("python3", "python3"), (".venv/bin/python", None)])
def test_a_command_names_the_python_that_was_started(
    monkeypatch: pytest.MonkeyPatch, python: str, in_full: str | None
) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py", "shared"])
    monkeypatch.setattr(sys, "orig_argv", [python, "main.py", "shared"])
    assert shell.command("shared") == f"{python} main.py shared"
    there = [in_full or os.path.abspath(python), os.path.abspath("main.py"), "reject", "/shared"]
    assert shlex.split(shell.pasteable("reject", "/shared")) == there


def test_help_has_a_short_name_for_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shell.STARTED_AS, "/a/very/long/path/to/some/checkout/scripts/run")
    assert shell.brief() == "scripts/run"
    monkeypatch.setenv(shell.STARTED_AS, "scripts/run")
    assert shell.brief() == "scripts/run"


def test_scripts_run_says_what_it_is_called() -> None:
    assert f"{shell.STARTED_AS}=$0 exec " in (ROOT / "scripts/run").read_text("utf-8")
    assert shell.PYTHON in (ROOT / "main.py").read_text("utf-8")


@given(st.one_of(paths(), st.binary(min_size=1, max_size=40)))
def test_what_is_shown_names_one_path(path: bytes) -> None:
    shown = show(path, 10_000)
    assert shown.isprintable()
    assert (from_shown(shown) or shown.encode("utf-8")) == path


@pytest.mark.parametrize("text", ["plain", "a\\", "a\\q", "\\x4", "\\ud800", "\\U00110000", "a\\N{DASH}"])
def test_what_was_never_shown_is_no_path(text: str) -> None:
    assert from_shown(text) is None
