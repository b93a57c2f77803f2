"""--create: a folder is made if it does not exist, and was not shared before."""

from __future__ import annotations

from pathlib import Path

import pytest

from dir_sync import cli
from dir_sync.config import ConfigError
from dir_sync.folder import root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_folders_are_made(here: Path) -> None:
    (only,) = cli.read_configs(["a/b", "--create"])
    assert only.folder == str(here / "a" / "b")
    assert (only.folder_name, Path(only.folder).is_dir()) == ("default", True)
    cli.read_configs(["one", "x=two", "--create"])
    assert (here / "one").is_dir()
    assert (here / "two").is_dir()


def test_without_a_folder_it_is_storage(here: Path) -> None:
    (only,) = cli.read_configs(["--create"])
    assert only.folder == str(here / "Storage")
    assert cli.read_configs(["--create"]) == (only,), "and the same the next time"


def test_a_folder_of_the_configuration_file_is_made_by_the_node_and_not_by_a_check(here: Path) -> None:
    (here / "my.toml").write_text('[folders.notes]\ndir = "notes"\ncreate = true\n')
    assert cli.main(["config", "--check", "--config", "my.toml"]) == 0
    assert not (here / "notes").exists()
    (only,) = cli.read_configs(["--config", "my.toml"])
    assert Path(only.folder).is_dir()


def test_what_is_there_or_was_shared_before_is_not_made(here: Path) -> None:
    (here / "file").write_text("x")
    with pytest.raises(ConfigError, match="file is not a folder"):
        cli.read_configs(["file", "--create"])
    (here / "disk").mkdir()
    root.remember(str(here / "disk"))
    (here / "disk").rmdir()
    cli.read_configs(["disk", "--create"])
    assert not (here / "disk").exists(), "its disk may not be mounted: the node waits"


def test_what_cannot_be_made_is_one_line(here: Path) -> None:
    (here / "file").write_text("x")
    with pytest.raises(ConfigError, match="file/below cannot be made: Not a directory"):
        cli.read_configs(["file/below", "--create"])
    with pytest.raises(ConfigError, match=r"which folder|DIR is empty"):
        cli.read_configs(["", "--create"])


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("10s", 10), ("2m", 120), ("1h", 3_600), ("15", 15)])
def test_an_interval(here: Path, text: str, seconds: int) -> None:
    (only,) = cli.read_configs(["x", "--create", "--file-interval", text])
    assert only.file_interval == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1.5s", "25h", "1d", "ten"])
def test_no_interval(here: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a time|expected one argument"):
        cli.read_configs(["x", "--create", f"--file-interval={text}"])
