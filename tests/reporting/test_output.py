"""What a command prints: no locale, full disk or closed handle ends in a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = [b"gr\xc3\xbcn", b"bad\xff", b"two\nlines", "\U0001f600".encode()]
PLAIN = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a history of names that few terminals can say; no node runs."""
    code = (
        "import sys, os, random\n"
        "from dir_sync.folder import state\n"
        "from dir_sync.core.jobs import Cause, Version\n"
        "from dir_sync.core.model import Kind\n"
        "root = os.fsencode(sys.argv[1])\n"
        "handle = state.lock(root)\n"
        "os.makedirs(root + b'/.dir_sync/versions')\n"
        "os.makedirs(root + b'/.dir_sync/staging')\n"
        "index = state.open_index(root, random.Random(1))\n"
        f"for number, name in enumerate({NAMES!r}):\n"
        "    kept = b'.dir_sync/versions/%d' % number\n"
        "    open(root + b'/' + kept, 'wb').write(b'old')\n"
        "    index.versions.put(Version(kept, name, Kind.FILE, 3, bytes(32), 1, 0o644, 10**18, Cause.DELETED, '=ab'))\n"
        "index.commit()\n"
        "index.close()\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, check=True, timeout=60)
    return tmp_path


def run(*command: object, shell: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """`shell`: what follows the command, as a shell reads it."""
    words = [sys.executable, str(ROOT / "main.py"), *map(os.fspath, command)]  # type: ignore[call-overload]
    return subprocess.run(
        ["bash", "-c", f'"$@" {shell}', "-", *words],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


@pytest.mark.parametrize(
    "env",
    [{"LC_ALL": "C", **PLAIN}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C.UTF-8"}],
)
def test_every_name_can_be_printed_and_given_back(folder: Path, env: dict[str, str]) -> None:
    listed = run("history", folder, env=env)
    assert (listed.returncode, listed.stderr) == (0, b"")
    lines = listed.stdout.splitlines()
    assert len(lines) == 1 + len(NAMES)
    assert all(b"  first sync  here  " in line for line in lines[1:]), "no id of a first scan"
    for line in lines[1:]:
        printed = line.split(b"  here  ")[1]
        ended = run("restore", folder, printed, env=env)
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert ended.stdout.startswith(printed + b": restored (the version deleted at ")
    assert {name for name in os.listdir(os.fsencode(folder)) if name != b".dir_sync"} == set(NAMES)


@pytest.mark.parametrize("command", ["history", "--help", "conflicts"])
def test_an_output_that_cannot_be_written_is_one_line(folder: Path, command: str) -> None:
    ended = run(command, folder, shell="> /dev/full")
    assert ended.returncode == 1
    assert ended.stderr == b"dir_sync: the output cannot be written: No space left on device\n"
    ended = run(command, folder, shell="> /dev/full 2> /dev/full")
    assert ended.returncode == 1
    ended = run(command, folder, shell=">&- <&-")
    assert ended.returncode == 1
    assert ended.stderr == b"dir_sync: the output cannot be written: standard output is closed\n"
    ended = run(command, folder, shell=">&- 2>&- <&-")
    assert (ended.returncode, ended.stderr) == (1, b"")
    ended = run(command, folder, shell="| true")
    assert ended.stderr == b""


def test_a_closed_handle_is_not_taken_by_a_file(folder: Path) -> None:
    """What is printed must not end up in whatever was opened next."""
    code = "import os; from dir_sync.reporting import output; output.prepare(); print(os.readlink('/proc/self/fd/2'), flush=True)"
    ended = subprocess.run(
        ["bash", "-c", '"$@" 2>&- <&-', "-", sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == b"/dev/null\n"


def test_where_things_are_restored_and_what_was_never_there(folder: Path) -> None:
    ended = run("restore", folder, ".")
    lines = ended.stdout.splitlines()
    assert (ended.returncode, len(lines), lines[-1]) == (0, 5, b"4 paths restored")
    ended = run("restore", folder, ".")
    assert (ended.returncode, ended.stdout) == (0, b"nothing is missing in .\n")
    for command in (["history"], ["restore"]):
        ended = run(*command, folder, "nowhere")
        assert (ended.returncode, ended.stderr) == (1, b"dir_sync: no such path was ever known here: nowhere\n")
    ended = run("history", folder, os.fsdecode(b"gr\xc3\xbcn"))
    assert len(ended.stdout.splitlines()) == 2
    os.mkdir(folder / "kept")
    ended = run("history", folder, "kept")
    assert (ended.returncode, ended.stdout) == (0, b"no old versions: nothing was replaced or deleted\n")


def test_names_that_the_locale_cannot_say(tmp_path: Path) -> None:
    """A name from the command line is taken as UTF-8, a folder is remembered by its bytes: whatever LANG is."""
    code = (
        "import os, sys\n"
        "from dir_sync import config\n"
        "from dir_sync.folder import root\n"
        "folder = os.fsdecode(bytes.fromhex(sys.argv[2]))\n"
        "if sys.argv[3] == 'write':\n"
        "    root.remember(folder); root.say_paused(folder, 'why')\n"
        "print(config.checked_name(sys.argv[1]) == 'n\\xf6d', bool(root.known_as(folder)))\n"
        "try:\n"
        "    config.checked_name(sys.argv[1] + '\\n')\n"
        "except config.ConfigError as error:\n"
        "    print(ascii(str(error)))\n"
    )
    folder = os.fsencode(tmp_path) + "/größe".encode()
    os.mkdir(folder)
    for word, env in (
        ("write", {"LC_ALL": "C", **PLAIN}),
        ("read", {"LC_ALL": "C.UTF-8"}),
        ("read", {"LC_ALL": "C", **PLAIN}),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", code, "n\u00f6d".encode(), folder.hex(), word],
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=False,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), **env},
        )
        assert ended.stderr == b""
        first, second = ended.stdout.splitlines()
        assert first == b"True True"
        assert rb"n\xf6d\\n" in second
        assert b"cannot be printed" in second
