"""stop and restart of a closed node by the user to whom it belongs: the kernel hides such a process also from him."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dir_sync.network.control import NoDaemon, ask
from tests.cli.background_kit import ROOT, Machine, wait_for

USER = 20_004
NO_CAPABILITY = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
ORDINARY = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--")


class Person(Machine):
    """A machine whose user is not root, or is root without the rights of root, as in many containers."""

    def __init__(self, place: Path, who: tuple[str, ...]) -> None:
        super().__init__(place)
        self._who = who
        self._python = sys.executable
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"

    def words(self, *words: str | Path) -> list[str]:
        return [*self._who, self._python, str(ROOT / "main.py"), *map(str, words)]

    def skip_unless_able(self) -> None:
        """The interpreter of the tests may be in root's home: that of the system may do."""
        said = ""
        for self._python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
            try:
                probe = [
                    *self._who,
                    self._python,
                    "-c",
                    "import subprocess, sys; subprocess.check_call([sys.executable, '-V'])",
                ]
                subprocess.run(probe, check=True, capture_output=True, env=self.environment, cwd=self.place, text=True)
                self.ok("--version")
                return
            except (AssertionError, OSError, subprocess.CalledProcessError) as error:
                said = str(error)
            self.environment["PYTHONPATH"] = sysconfig.get_path("purelib")
        pytest.skip(f"another user cannot run the program here: {said}")


@pytest.fixture(params=["ordinary", "root without capabilities"])
def person(request: pytest.FixtureRequest) -> Iterator[Person]:
    who: tuple[str, ...] = ORDINARY if request.param == "ordinary" else NO_CAPABILITY
    if os.geteuid() != 0:
        if who is NO_CAPABILITY:
            pytest.skip("needs root")
        who = ()
    elif shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    with tempfile.TemporaryDirectory(prefix="dir_sync-test-", dir="/tmp") as above:
        one = Person(Path(above), who)
        if who is ORDINARY:
            for path in (one.place, *one.place.iterdir()):
                os.chown(path, USER, USER)
        one.skip_unless_able()
        try:
            yield one
        finally:
            one.end()


def closed(person: Person, *words: str | Path, **how: str) -> int:
    """Start a node with a key; its process."""
    key = person.place / "key"
    if not key.exists():
        person.ok("new-key", key)
    person.ok("start", *words, *person.options(), **how)
    number = person.node()
    assert number
    return number


@contextmanager
def ended_by_force(process: subprocess.Popen[Any]) -> Iterator[None]:
    """If the test fails, nobody waits for that process."""
    try:
        yield
    finally:
        process.kill()


def folder_of(person: Person, name: str) -> Path:
    path = person.folder(name)
    home = person.home.stat()
    os.chown(path, home.st_uid, home.st_gid)
    return path


def test_a_closed_node_is_stopped_by_its_own_user(person: Person) -> None:
    number = closed(person, "shared", "--key-file", "key")
    assert f"already running: {person.shared} (process {number})" in person.ok("start", "shared", *person.options())
    assert f"stopped: {person.shared} (process {number})" in person.ok("stop", "shared")
    assert not person.node()
    assert "no node is running" in person.ok("stop", "shared")
    number = closed(person, "shared")  # it keeps the key
    assert f"stopped: {person.shared} (process {number})" in person.ok("stop", "shared")


def test_a_node_that_goes_over_to_a_closed_mesh_while_it_runs_is_stopped(person: Person) -> None:
    options = person.options()
    person.ok("start", "shared", "--folder", "z", *options)
    number = person.node()
    with subprocess.Popen(
        person.words("invite", "shared", "--yes"), env=person.environment, cwd=person.place, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as inviting, ended_by_force(inviting):  # fmt: skip
        wait_for(lambda: _is_closed(person), "closed")
        inviting.terminate()
        inviting.communicate()
    assert f"stopped: {person.shared} (process {number})" in person.ok("stop", "shared")


def _is_closed(person: Person) -> bool:
    try:
        return ask(str(person.shared), {"command": "status"})["mesh"] is not None
    except (NoDaemon, OSError):
        return False


def test_restart_keeps_what_cannot_be_seen_from_outside(person: Person) -> None:
    """The folder in which relative words were typed, and the key file of the environment."""
    person.ok("new-key", "key")
    with subprocess.Popen(
        person.words("shared", *person.options(), "--log-file=log"), env=person.environment | {"DIR_SYNC_KEY_FILE": "key"},
        cwd=person.place, stderr=subprocess.DEVNULL,
    ) as process, ended_by_force(process):  # fmt: skip
        wait_for(person.node, "it runs")
        done = subprocess.run(
            person.words("restart", person.shared, "--limit-up", "2M"), env=person.environment, cwd="/", capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert process.wait(60) == 0
    assert "changed: --limit-up=2M (new)" in done.stdout
    number = person.node()
    words = Path(f"/proc/{number}/cmdline").read_text().split("\0")
    assert f"--log-file={person.place}/log" in words
    if os.geteuid() == 0:
        environment = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        assert b"DIR_SYNC_KEY_FILE=" + os.fsencode(person.place / "key") in environment
    assert "the mesh is open" not in person.ok("status", "shared")


def test_a_folder_beside_a_closed_one_is_not_stopped_unnamed(person: Person) -> None:
    other = folder_of(person, "other")
    number = closed(person, "shared", "other", "--key-file", "key")
    done = person.run("stop", "shared")
    assert done.returncode == 1
    assert f"also shares {other}" in done.stderr
    assert person.node() == number
    person.ok("restart", "shared", "other")
    again = person.node()
    assert again == person.node(other) != number
    person.ok("stop", "shared", "other")


def test_a_configuration_file_names_a_closed_node(person: Person) -> None:
    file = person.place / "c.toml"
    file.write_text(f'[folders.shared]\ndir = "{person.shared}"\n')
    number = closed(person, "--config", file, "--key-file", "key")
    assert f"stopped: {person.shared} (process {number})" in person.ok("stop", "--config", file)
