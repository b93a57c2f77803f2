"""The door, `main.py`, as a program: the right Python and its packages come first, then the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync import __version__

ROOT = Path(__file__).resolve().parent.parent.parent


def main_py(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "main.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_program_says_one_line(tmp_path: Path) -> None:
    for words, code in ((["missing"], 2), ([], 2), ([".", "-b", "0"], 2), ([".", "--log-file", "/a/b"], 1)):
        ended = main_py(*words, cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (code, "")
        assert ended.stderr.startswith("dir_sync: ")
        assert ended.stderr.count("\n") == 1


def test_program_version_and_help() -> None:
    assert main_py("--version").stdout == f"dir_sync {__version__}\n"
    ended = main_py("--help")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_program_whose_reader_has_gone(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, str(ROOT / "main.py"), "--help"]
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment, timeout=30, check=False)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_program_with_nothing_open() -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" "$1" missing <&- >&- 2>&-', sys.executable, str(ROOT / "main.py")],
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2


def test_start_imports_little() -> None:
    """What costs time is imported when the words are right, not before."""
    code = (
        "import sys; from dir_sync import cli; cli.main(['missing']);"
        "late = {'psutil', 'watchdog', 'blake3', 'sqlite3', 'ssl', 'shutil', 'dir_sync.daemon.process'};"
        "print(*sorted(late & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.stdout == "\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the program without a .venv."""
    shutil.copy(ROOT / "main.py", tmp_path)
    shutil.copytree(ROOT / "dir_sync", tmp_path / "dir_sync", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def start(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """With a Python that sees no installed package."""
    return subprocess.run(
        [sys.executable, "-S", str(checkout / "main.py"), *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_door_without_packages(checkout: Path) -> None:
    ended = start(checkout, "--help")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "dir_sync: missing Python packages: watchdog, psutil, blake3; to set everything up, run: "
        f"{checkout.resolve()}/scripts/setup\n"
    )


def test_door_without_one_package(checkout: Path) -> None:
    for name in ("watchdog", "blake3"):
        (checkout / f"{name}.py").touch()
    assert "missing Python package: psutil;" in start(checkout).stderr


@pytest.mark.parametrize("version", [(3, 10, 12), (2, 7, 18)])
def test_door_of_an_old_python(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    version: tuple[int, ...],
) -> None:
    door: dict[str, object] = {"__name__": "door", "__file__": str(tmp_path / "main.py")}
    exec((ROOT / "main.py").read_text(), door)
    monkeypatch.setattr(sys, "version_info", version)
    begin = door["start"]
    assert callable(begin)
    code = begin()
    monkeypatch.undo()
    assert code == 1
    err = capsys.readouterr().err
    assert err.startswith(f"dir_sync: it needs Python 3.11 or newer, and this is {version[0]}.{version[1]}; ")
    assert err.count("\n") == 1


def test_door_has_no_new_syntax() -> None:
    """An old Python must be able to read the file before it can say that it is too old."""
    text = (ROOT / "main.py").read_text()
    compile(text, "main.py", "exec", dont_inherit=True)
    assert text.isascii()
    assert not any(new in text for new in (' f"', '(f"', ":=", "->", "match "))


def test_door_hands_over_to_the_venv(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@" "/ $DIR_SYNC_HANDED_OVER"\nexit 5\n')
    python.chmod(0o755)
    ended = start(checkout, "a b", "-l", "6001")
    assert (ended.returncode, ended.stderr) == (5, "")
    assert ended.stdout == f"{checkout.resolve()}/main.py a b -l 6001 / 1\n"


def test_door_does_not_turn_for_ever(checkout: Path) -> None:
    """A .venv that lacks the packages too."""
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    ended = start(checkout, "x")
    assert ended.returncode == 1
    assert ended.stderr.startswith("dir_sync: missing Python packages")
    assert ended.stderr.count("\n") == 1


def test_door_with_a_broken_venv(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/nowhere/python\n")
    python.chmod(0o755)
    assert start(checkout, "x").stderr.startswith("dir_sync: missing Python packages")
