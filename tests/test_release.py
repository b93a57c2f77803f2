"""scripts/release, in a small repository of its own: what it writes, commits and tags, and what it refuses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = '"""Says."""\n\n__version__ = "0.1.0"\n'
CHANGES = """\
# Changelog

## Unreleased

### Network

- It is faster.

## 0.1.0 (2026-01-02)

- All of it.
"""


class Repository:
    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("scripts", "dir_sync", "tests"):
            (place / name).mkdir()
        shutil.copy(ROOT / "scripts/release", place / "scripts")
        self.write("scripts/setup", f'#!/bin/sh\necho "{sys.executable}"\n')
        (place / "scripts/setup").chmod(0o755)
        self.write("dir_sync/__init__.py", PROGRAM)
        self.write("tests/__init__.py", "")
        made = "from dir_sync import __version__\nopen('dir_sync/man', 'w').write(__version__)\n"
        self.write("tests/shell_files.py", made)
        self.write("dir_sync/man", "0.1.0")
        self.write("CHANGELOG.md", CHANGES)
        self.write(".gitignore", "__pycache__\n")
        self.git("init", "--quiet")
        self.commit()

    def write(self, name: str, text: str) -> None:
        (self.place / name).write_text(text, "utf-8")

    def read(self, name: str) -> str:
        return (self.place / name).read_text("utf-8")

    def git(self, *words: str) -> str:
        return self.run("git", *words).stdout

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a change")

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        who = {f"GIT_{role}_{what}": "x@x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PYTHONPATH": ""}
        ended = subprocess.run(
            words, cwd=self.place, env={**os.environ, **who, **alone}, capture_output=True, text=True, check=False
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended

    def refused(self, *words: str) -> str:
        """What it says; nothing was written, committed or tagged."""
        before = self.git("status", "--porcelain"), self.git("rev-parse", "HEAD"), self.git("tag")
        said = self.run("scripts/release", *words, code=1).stderr
        assert (self.git("status", "--porcelain"), self.git("rev-parse", "HEAD"), self.git("tag")) == before
        assert len(said.splitlines()) == 1
        return said


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    if shutil.which("git") is None:
        pytest.skip("no git")
    return Repository(tmp_path)


def test_a_release(repository: Repository) -> None:
    said = repository.run("scripts/release", "0.2.0").stdout
    assert "git push origin HEAD v0.2.0" in said
    changes = repository.read("CHANGELOG.md")
    assert re.search(
        r"## Unreleased\n\n## 0\.2\.0 \(\d{4}-\d\d-\d\d\)\n\n### Network\n\n- It is faster\.\n\n## 0\.1\.0", changes
    )
    assert repository.read("dir_sync/__init__.py") == PROGRAM.replace("0.1.0", "0.2.0")
    assert repository.read("dir_sync/man") == "0.2.0"
    assert repository.git("status", "--porcelain") == ""
    assert repository.git("rev-parse", "v0.2.0^{commit}") == repository.git("rev-parse", "HEAD")
    notes = repository.git("tag", "--list", "--format=%(contents)", "v0.2.0")
    assert notes.strip() == "dir_sync 0.2.0\n\nNetwork:\n\n- It is faster."


def test_what_was_never_tagged_may_be_released_under_its_number(repository: Repository) -> None:
    repository.write("CHANGELOG.md", CHANGES.partition("## 0.1.0")[0])
    repository.commit()
    repository.run("scripts/release", "0.1.0")
    repository.write("CHANGELOG.md", CHANGES)
    repository.commit()
    assert "there is a tag v0.1.0 already" in repository.refused("0.1.0")


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("0.0.9", "is not later than 0.1.0"),
        ("2", "is no version"),
        ("0.2.0-rc1", "is no version"),
        ("0.1.0", "has a section 0.1.0 already"),
        ("--yes", "which version?"),
    ],
)
def test_a_version_that_will_not_do(repository: Repository, word: str, why: str) -> None:
    assert why in repository.refused(word)


def test_nothing_has_changed(repository: Repository) -> None:
    repository.write("CHANGELOG.md", CHANGES.replace("- It is faster.", ""))
    repository.commit()
    assert "has nothing under 'Unreleased'" in repository.refused("0.2.0")


def test_what_is_not_committed(repository: Repository) -> None:
    repository.write("CHANGELOG.md", CHANGES + "\n")
    assert "not committed" in repository.refused("0.2.0")


def test_the_changelog_of_this_project_can_be_released() -> None:
    """Each section is a version with a date, from the latest on; above them is what is not released."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first, *rest = re.findall(r"^## (.*)$", text, re.M)
    assert first == "Unreleased"
    versions = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) \(\d{4}-\d\d-\d\d\)", heading) for heading in rest]
    assert all(versions), rest
    numbers = [tuple(map(int, found.groups())) for found in versions if found]
    assert numbers == sorted(set(numbers), reverse=True)
