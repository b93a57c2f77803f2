"""The words of a node, written so that they mean the same in any folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dir_sync.cli.absolute import Words, of_typed, without
from dir_sync.cli.asked import read_configs
from dir_sync.cli.options import run_parser
from dir_sync.config import ConfigError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in ("shared", "other", "a=b"):
        (tmp_path / name).mkdir()
    return str(tmp_path)


def words(here: str, *typed: str) -> Words:
    return of_typed(run_parser(), typed, here)


def test_folders_and_files_are_absolute(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["shared", "music=other", "-v", "-v", "--log-file", "log", "--key-file=k", "-s", "./sig", "--peer", "one",
             "--peer=two:7", "--schedule", "sa,su off", "--limit-up", "2M", "--no-listen"]  # fmt: skip
    found = words(here, *typed)
    assert found.folders == [f"{here}/shared", f"music={here}/other"]
    assert sorted(found.line[2:]) == sorted(
        [
            *(
                "--verbose",
                "--verbose",
                f"--log-file={here}/log",
                f"--key-file={here}/k",
                f"--signature-dir={here}/sig",
            ),
            *("--peer=one", "--peer=two:7", "--schedule=sa,su off", "--limit-up=2M", "--no-listen"),
        ]
    )
    monkeypatch.chdir(here)
    before = read_configs(typed)
    monkeypatch.chdir("/")
    assert read_configs(found.line) == before


def test_a_folder_that_looks_like_a_named_one(here: str) -> None:
    assert words(here, "a=b").folders == [f"{here}/a=b"]
    assert words(here, "x=b").folders == [f"x={here}/b"]


def test_a_link_before_dots_is_kept(here: str) -> None:
    assert words(here, "link/../x").folders == [f"{here}/link/../x"]
    assert words(here, "./shared/").folders == [f"{here}/shared"]


def test_the_configuration_file_of_the_user_is_named(here: str) -> None:
    with pytest.raises(ConfigError, match="which folder"):
        words(here)
    file = Path(here, "home/.config/dir_sync/config.toml")
    file.parent.mkdir(parents=True)
    file.touch()
    assert words(here).line == [f"--config={file}"]
    assert words(here, "--config", "x.toml").line == [f"--config={here}/x.toml"]
    assert words(here, "--create").folders == [f"{here}/Storage"]


def test_a_key_is_not_taken_for_a_file(here: str) -> None:
    """It is refused later, in words that do not repeat it."""
    line = words(here, "shared", "--key-file", "dsk1-abc").line
    with pytest.raises(ConfigError, match="not the key itself"):
        read_configs(line)


def test_what_is_meant_for_one_start_is_left_out(here: str) -> None:
    found = without(words(here, "shared", "--new", "--join", "K7QX-4MDP", "-q"), frozenset({"fresh", "join"}))
    assert found.line == [f"{here}/shared", "--quiet"]


def test_words_that_are_wrong_are_kept_as_they_are(here: str) -> None:
    """Whoever reads them says so."""
    with pytest.raises(ConfigError, match="not a port"):
        read_configs(words(here, "shared", "-l", "x").line)
    assert os.path.isabs(words(here, "shared").folders[0])
