"""The shell scripts: they parse, explain themselves, pass on words and exit codes. Nothing is taken from the network."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ["scripts/setup", "scripts/run", "scripts/test", "scripts/check", "scripts/screenshots", ".ci/run"]


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env=os.environ | environment
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the scripts, in a folder whose name has a space."""
    root = tmp_path / "a copy"
    for script in SCRIPTS:
        (root / script).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / script, root / script)
    return root


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A PATH on which there is next to nothing: no Python, no package manager, no sudo."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("dirname", "mktemp", "rm", "id", "sed", "tail", "cmp", "cp"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    return str(tools)


@pytest.mark.parametrize("script", SCRIPTS)
def test_is_plain_shell(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert run("sh", "-n", path).stderr == ""
    text = path.read_text()
    assert text.startswith("#!/bin/sh\n# " + script)
    assert "://" not in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck")
def test_shellcheck() -> None:
    assert run("shellcheck", *(ROOT / script for script in SCRIPTS)).stdout == ""


@pytest.mark.parametrize("script", ["scripts/setup", "scripts/check", "scripts/screenshots"])
def test_help(script: str) -> None:
    ended = run(ROOT / script, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"usage: {script}")


def test_setup_knows_its_words() -> None:
    ended = run(ROOT / "scripts/setup", "--all")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "dir_sync: scripts/setup knows no '--all' (--help tells more)\n"


def test_setup_without_python(checkout: Path, bare: str) -> None:
    ended = run(checkout / "scripts/setup", PATH=bare)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "dir_sync: Python 3.11 or newer is needed, and there is none on this machine; install it with the package manager"
        " of this system (python3 python3-venv)\n"
    )


def test_setup_with_an_old_python(checkout: Path, bare: str) -> None:
    write(Path(bare) / "python3", '[ "$1" = --version ] && echo Python 3.10.12 || exit 1\n')
    ended = run(checkout / "scripts/setup", PATH=bare)
    assert ended.returncode == 1
    assert ended.stderr == "dir_sync: Python 3.11 or newer is needed, and this machine has Python 3.10.12\n"


def test_setup_without_venv(checkout: Path, bare: str) -> None:
    """A Python 3.11 without the venv module, and nobody to install it."""
    answers = "case $2 in *version_info*3,\\ 11*) exit 0 ;; *print*) echo python3.11-venv ;; *) exit 1 ;; esac\n"
    write(Path(bare) / "python3", answers)
    ended = run(checkout / "scripts/setup", PATH=bare)
    assert ended.returncode == 1
    assert ended.stderr == (
        "dir_sync: Python's venv module is missing; install it with the package manager of this system"
        " (python3.11-venv)\n"
    )


def test_setup_has_nothing_to_do(checkout: Path, bare: str) -> None:
    """Everything there, requirements as they were installed: no word, and only one question to Python."""
    write(checkout / ".venv/bin/python", 'echo asked >>"$0.log"; printf "complete\\nlibrsync\\n"\n')
    for path in (checkout / "requirements.txt", checkout / ".venv/installed-requirements.txt"):
        path.write_text("blake3\n")
    (checkout / ".venv/compiled").touch()
    ended = run(checkout / "scripts/setup", PATH=bare)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (checkout / ".venv/bin/python.log").read_text() == "asked\n"


def test_setup_installs_changed_requirements(checkout: Path, bare: str) -> None:
    write(
        checkout / ".venv/bin/python",
        'case $* in *pip*) echo "$@" >>"$0.log" ;; *) printf "complete\\nlibrsync\\n" ;; esac\n',
    )
    (checkout / "requirements.txt").write_text("blake3\n")
    for _ in range(2):
        ended = run(checkout / "scripts/setup", PATH=bare)
        assert ended.returncode == 0
    assert ended.stderr == ""
    (call,) = (checkout / ".venv/bin/python.log").read_text().splitlines()
    assert call == f"-m pip install --quiet -r {checkout}/requirements.txt"


def test_setup_goes_on_without_librsync(checkout: Path, bare: str) -> None:
    write(checkout / ".venv/bin/python", "echo complete\n")
    for path in (checkout / "requirements.txt", checkout / ".venv/installed-requirements.txt"):
        path.write_text("blake3\n")
    ended = run(checkout / "scripts/setup", PATH=bare)
    assert ended.returncode == 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith("dir_sync: without librsync changed files travel whole")


def test_setup_installs_what_it_can_for_the_tests(checkout: Path, bare: str) -> None:
    """One package that cannot be had does not keep the others away; what is missing in the end is said."""
    write(checkout / ".venv/bin/python", 'printf "complete\\nlibrsync\\n"\n')
    for name in ("requirements.txt", "requirements-dev.txt"):
        for path in (checkout / name, checkout / f".venv/installed-{name}"):
            path.write_text("blake3\n")
    (checkout / ".venv/compiled").touch()
    calls = checkout / "calls"
    write(
        Path(bare) / "apt-get",
        f'echo "$@" >>"{calls}"\ncase $* in *dbench*) echo "no dbench" >&2; exit 1 ;; esac\n'
        f"for word in \"$@\"; do echo '#!/bin/sh' >{bare}/$word; chmod +x {bare}/$word; done\n",
    )
    write(Path(bare) / "sudo", '[ "$1" != -n ] || shift\nexec "$@"\n')
    for name in ("env", "chmod"):
        found = shutil.which(name)
        assert found is not None
        (Path(bare) / name).symlink_to(found)
    commands = ("ip", "rdiff", "faketime", "strace", "git", "sqlite3", "npm", "chattr")
    for name in commands:
        write(Path(bare) / name, "")
    ended = run(checkout / "scripts/setup", "--dev", PATH=bare)
    assert ended.returncode == 0
    lines = ended.stderr.splitlines()
    assert lines[-1] == "dir_sync: tests that need one of these will be skipped, until it is installed: vim-tiny dbench"
    assert lines[1:-1] == ["    no dbench"]
    assert (Path(bare) / "rsync").exists()
    before = calls.read_text()
    ended = run(checkout / "scripts/setup", "--dev", "--quick", PATH=bare)
    assert ended.stderr.splitlines() == lines[-1:]
    assert calls.read_text() == before, "what failed is not tried again"


@pytest.mark.parametrize(
    ("script", "setup", "begin"),
    [
        ("scripts/run", "--quick --python", ["{root}/main.py"]),
        (
            "scripts/test",
            "--dev --quick --python",
            ["-m", "pytest", "-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"],
        ),
    ],
)
def test_words_and_exit_code_are_passed_on(
    checkout: Path, tmp_path: Path, script: str, setup: str, begin: list[str]
) -> None:
    write(checkout / "scripts/setup", f'echo "setup $*" >&2\necho "{checkout}/.venv/bin/python"\n')
    write(checkout / ".venv/bin/python", "printf '%s\\n' \"$@\"\nexit 7\n")
    words = [str(tmp_path), "two three", "-l", "6001", ""]
    ended = run(checkout / script, *words)
    assert (ended.returncode, ended.stderr) == (7, f"setup {setup}\n")
    begin = [word.format(root=checkout) for word in begin]
    assert ended.stdout.splitlines() == [*begin, *words]


@pytest.mark.parametrize("script", ["scripts/run", "scripts/test"])
def test_nothing_starts_when_setup_failed(checkout: Path, script: str) -> None:
    write(checkout / "scripts/setup", "exit 1\n")
    write(checkout / ".venv/bin/python", "echo started\n")
    ended = run(checkout / script, checkout)
    assert (ended.returncode, ended.stdout) == (1, "")


@pytest.mark.parametrize(("tests", "check"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_ci_runs_both_and_tells(checkout: Path, tests: int, check: int) -> None:
    write(checkout / "scripts/test", f"echo '...'\necho '3 passed in 0.1s'\nexit {tests}\n")
    write(checkout / "scripts/check", f"echo 'check: all'\nexit {check}\n")
    ended = run(checkout / ".ci/run")
    assert ended.returncode == (1 if tests or check else 0)
    once = "...\n3 passed in 0.1s\n"
    again = f"some tests failed: once more, only those\n{once}" if tests else ""
    assert ended.stdout == f"{once}{again}check: all\ntests: 3 passed in 0.1s\n"


def test_ci_runs_once_more_what_failed(checkout: Path) -> None:
    write(checkout / "scripts/test", 'echo "run $*"\ncase $* in *--last-failed*) exit 0 ;; esac\nexit 1\n')
    write(checkout / "scripts/check", "exit 0\n")
    ended = run(checkout / ".ci/run")
    assert ended.returncode == 0
    assert "run -n 0 --last-failed" in ended.stdout


@pytest.mark.parametrize("fails", ["ruff check", "ruff format", "mypy", None])
def test_check_goes_through_all(checkout: Path, fails: str | None) -> None:
    write(checkout / "scripts/setup", f'echo "{checkout}/.venv/bin/python"\n')
    write(checkout / ".venv/bin/python", f'case $* in "-m {fails}"*) exit 1 ;; esac\n')
    tools = checkout / "tools"
    write(tools / "shellcheck", "exit 0\n")
    ended = run(checkout / "scripts/check", PATH=f"{tools}:{os.environ['PATH']}")
    assert ended.returncode == (1 if fails else 0)
    checks = [line.removeprefix(f"check: {checkout}/.venv/bin/python -m ") for line in ended.stdout.splitlines()]
    assert [line.removeprefix("check: ").split()[0] for line in checks] == ["ruff", "ruff", "mypy", "shellcheck"]
