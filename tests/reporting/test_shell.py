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


def installed(folder: Path) -> Path:
    script = folder / "dir-sync"
    folder.mkdir()
    script.touch(mode=0o755)
    return script


def test_a_command_names_the_installed_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its mere name where the shell finds this very program by it; in a log, by its path."""
    script, other = installed(tmp_path / "my bin"), installed(tmp_path / "other")
    monkeypatch.setattr(sys, "argv", [str(script), "shared"])
    monkeypatch.setenv("PATH", f"/nowhere:{script.parent}:{other.parent}")
    assert shell.command("status", "my docs") == "dir-sync status 'my docs'"
    assert shlex.split(shell.pasteable("status", "/shared")) == [str(script), "status", "/shared"]
    monkeypatch.setenv("PATH", f"{other.parent}:{script.parent}")
    assert shlex.split(shell.command("status", "shared")) == [str(script), "status", "shared"]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dir-sync", "shared"])
    monkeypatch.setattr(os.path, "samefile", lambda one, two: True)
    assert shell.pasteable("status", "/shared") == "dir-sync status /shared"


@pytest.mark.parametrize("is_checkout", [True, False])
def test_a_command_names_the_module_that_was_started(monkeypatch: pytest.MonkeyPatch, is_checkout: bool) -> None:
    monkeypatch.setattr(shell, "is_checkout", lambda: is_checkout)
    monkeypatch.setattr(sys, "argv", [str(ROOT / "dir_sync/__main__.py"), "shared"])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-m", "dir_sync", "shared"])
    assert shell.command("shared") == "python3 -m dir_sync shared"
    in_full = f"python3 {shlex.quote(str(ROOT / 'main.py'))}" if is_checkout else "python3 -m dir_sync"
    assert shell.pasteable("shared") == f"{in_full} shared"
    monkeypatch.setattr(sys, "argv", ["/usr/lib/python3/pytest/__main__.py"])
    assert shell.command("shared") == ("python main.py shared" if is_checkout else "dir-sync shared")


def test_what_a_person_does_about_a_missing_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert shell.how_to_repair().endswith(f"run: {shlex.quote(str(ROOT / 'scripts/setup'))}")
    monkeypatch.setattr(shell, "_HOME", str(tmp_path))
    assert shell.how_to_repair() == "to mend it, install dir_sync again, as it was installed the first time"


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
