"""The package: what is built from this checkout, and that it runs where only it is installed.

One sdist is built, a wheel from that, and the wheel is installed in an environment of its own. The packages that it needs
are those of the Python that runs the tests, so all but one test need no network.
"""

from __future__ import annotations

import email
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dir_sync import __version__
from dir_sync.delta import librsync

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 120
OF_THE_CHECKOUT = ("dir_sync", "docs", "scripts", ".ci")
FILES = (
    *("main.py", "pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE"),
    *("requirements.txt", "requirements-dev.txt"),
)
BUILD = "import sys; from setuptools import build_meta as it; print(getattr(it, sys.argv[1])(sys.argv[2]))"


def run(*words: object, **options: object) -> str:
    """What a command prints. AssertionError, with all that it said, if it fails."""
    given = {"capture_output": True, "text": True, "timeout": LIMIT_S, "check": False, **options}
    ended = subprocess.run([str(word) for word in words], **given)  # type: ignore[call-overload]
    assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
    return str(ended.stdout)


def lean() -> dict[str, str]:
    """An environment in which no variable leads to this checkout."""
    left_out = ("PYTHONPATH", "DIR_SYNC_STARTED_AS", "DIR_SYNC_PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in left_out}


class Built:
    """The sdist and the wheel, and a Python environment with that wheel."""

    def __init__(self, place: Path) -> None:
        self.place = place
        source = place / "source"
        source.mkdir()
        for name in OF_THE_CHECKOUT:
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in FILES:
            shutil.copy(ROOT / name, source / name)
        self.sdist = self.build("build_sdist", source)
        with tarfile.open(self.sdist) as archive:
            archive.extractall(place / "unpacked", filter="data")
        (self.unpacked,) = (place / "unpacked").iterdir()
        self.wheel = self.build("build_wheel", self.unpacked)
        self.bin = self.environment("environment", "--no-deps", "--no-index", self.wheel)
        (site,) = (place / "environment/lib").glob("python*/site-packages")
        (site / "needed.pth").write_text(sysconfig.get_path("purelib"))

    def build(self, what: str, source: Path) -> Path:
        said = run(sys.executable, "-c", BUILD, what, self.place, cwd=source, env=lean())
        return self.place / said.splitlines()[-1]

    def environment(self, name: str, *words: object) -> Path:
        """A new Python environment in which pip installed something; the folder of its programs."""
        run(sys.executable, "-m", "venv", "--without-pip", self.place / name)
        programs = self.place / name / "bin"
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", programs / "python")
        run(*pip, "install", "--quiet", *words, env=lean(), cwd=self.place)
        return programs


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    setuptools = pytest.importorskip("setuptools", "77", "the package is built by setuptools 77 or newer")
    assert setuptools
    return Built(tmp_path_factory.mktemp("package"))


@pytest.fixture
def user(built: Built, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has installed the package."""
    return {
        **lean(),
        **{
            "PATH": f"{built.bin}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": "",
            "XDG_CACHE_HOME": "",
        },
    }


def needed() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return sorted(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def normal(requirement: str) -> tuple[str, ...]:
    name, bounds = re.fullmatch(r"([\w.-]+)(.*)", requirement.replace(" ", "")).groups()  # type: ignore[union-attr]
    return (name.lower(), *sorted(bounds.split(",")))


def test_the_wheel_says_what_the_checkout_says(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        said = email.message_from_string(wheel.read(name).decode())
    assert said["Version"] == __version__
    assert said["Requires-Python"] == ">=3.11"
    assert said["License-Expression"] == "MIT"
    assert sorted(map(normal, said.get_all("Requires-Dist"))) == sorted(map(normal, needed()))


def test_the_wheel_has_each_file_of_the_program(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        held = {name for name in wheel.namelist() if name.startswith("dir_sync/")}
        others = {name.partition("/")[0] for name in wheel.namelist()} - {"dir_sync"}
    files = (path for path in (ROOT / "dir_sync").rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert held == {str(path.relative_to(ROOT)) for path in files}
    assert all(name.startswith(f"dir_sync-{__version__}.") for name in others), "tests and scripts stay outside"


def test_the_sdist_is_a_checkout(built: Built) -> None:
    for name in (*FILES, "scripts/setup", "scripts/run", "docs/cli.md", ".ci/run"):
        assert (built.unpacked / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(project["project"]["dynamic"]) == {"version", "dependencies"}
    assert not {"version", "dependencies"} & set(project["project"])
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "dir_sync.__version__"}


def test_what_it_needs_is_here_in_a_right_version(built: Built) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", built.bin / "python")
    assert "No broken requirements" in run(*pip, "check", env=lean())


def test_both_doors_of_the_package(built: Built, user: dict[str, str], tmp_path: Path) -> None:
    for door in (["dir-sync"], [str(built.bin / "python"), "-m", "dir_sync"]):
        assert run(*door, "--version", env=user, cwd=tmp_path) == f"dir_sync {__version__}\n"
        printed = run(*door, "status", "--help", env=user, cwd=tmp_path)
        assert f"usage: {door[0] if len(door) == 1 else ''}" in printed
        assert "main.py" not in printed
    assert "dir-sync" in run("dir-sync", "completion", "bash", env=user, cwd=tmp_path)
    assert (built.bin.parent / "share/man/man1/dir-sync.1").is_file()
    where = "import dir_sync; print(dir_sync.__file__)"
    assert str(built.place) in run(built.bin / "python", "-c", where, env=user, cwd=tmp_path)


def test_a_message_names_the_program_as_it_was_started(built: Built, user: dict[str, str], tmp_path: Path) -> None:
    def said(*words: str) -> str:
        ended = subprocess.run(
            words, env=user, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert ended.returncode == 2
        return ended.stderr.partition("For example: ")[2]

    assert said("dir-sync", "status").startswith("dir-sync status ~/shared ")
    assert said(str(built.bin / "dir-sync"), "status").startswith("dir-sync status ~/shared ")
    assert said("python", "-m", "dir_sync", "status").startswith("python -m dir_sync status ~/shared ")
    user["PATH"] = os.environ["PATH"]
    assert said(str(built.bin / "dir-sync"), "status").startswith(f"{built.bin}/dir-sync status ~/shared ")


@pytest.fixture
def node(user: dict[str, str], tmp_path: Path) -> Iterator[int]:
    """An installed node that shares the folder `there`; its port."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there/greeting.txt").write_text("hello\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    words = [
        "dir-sync",
        "there",
        "-l",
        str(port),
        "--no-discovery",
        "--interface",
        "lo",
        "--name",
        "there",
        "-s",
        "there-s",
    ]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen([*words, "--peer", "127.0.0.1:9"], env=user, cwd=tmp_path, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(LIMIT_S)
        log_text = (tmp_path / "log").read_text()
    assert code == 0, log_text
    assert "main.py" not in log_text
    assert "dir-sync invite " in log_text, "the hint of an open mesh, as it has to be typed"


def test_an_installed_node_synchronizes(user: dict[str, str], tmp_path: Path, node: int) -> None:
    (tmp_path / "here").mkdir()
    words = ["once", "here", "--peer", f"127.0.0.1:{node}", "--no-discovery", "--interface", "lo", "-s", "here-s"]
    run("python", "-m", "dir_sync", *words, "--name", "here", env=user, cwd=tmp_path)
    assert (tmp_path / "here/greeting.txt").read_text() == "hello\n"


def test_pip_fetches_what_it_needs(built: Built, tmp_path: Path) -> None:
    """From the sdist, with nothing but an index of packages at hand."""
    try:
        bin_ = built.environment("alone", "--retries", "0", "--timeout", "5", built.sdist)
    except AssertionError as error:
        if re.search(r"from versions: none", str(error)):
            pytest.skip("pip reaches no index of packages")
        raise
    assert run(bin_ / "dir-sync", "--version", env=lean(), cwd=tmp_path) == f"dir_sync {__version__}\n"


def test_what_says_that_librsync_is_missing_names_its_package() -> None:
    assert "apt install librsync2" in librsync.MISSING


def test_the_license_is_there() -> None:
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License\n")
