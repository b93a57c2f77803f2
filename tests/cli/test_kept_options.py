"""A node that is restarted with other options keeps those that were not given."""

from __future__ import annotations

from pathlib import Path

import pytest

from dir_sync.cli.absolute import Words, of_typed
from dir_sync.cli.kept_options import Kept, with_typed
from dir_sync.cli.options import run_parser
from dir_sync.config import ConfigError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    return str(tmp_path)


def words(here: str, *typed: str) -> Words:
    return of_typed(run_parser(), typed, here)


def test_the_other_folders_stay_and_one_can_be_added_or_get_another_name(here: str) -> None:
    before = words(here, "one", "music=two", "-q")
    shared = [f"{here}/one", f"{here}/two"]
    assert with_typed(before, words(here, "two", "--limit-up", "2M"), shared).words.line == [
        *(f"{here}/one", f"music={here}/two", "--quiet", "--limit-up=2M"),
    ]
    assert with_typed(before, words(here, "songs=two", "three", "-l7"), shared).words.folders == [
        *(f"{here}/one", f"songs={here}/two", f"{here}/three"),
    ]


def test_a_configuration_file_stays(here: str) -> None:
    before = words(here, "--config", "all.toml", "-q")
    kept = with_typed(before, words(here, "one", "--limit-up", "2M"), [f"{here}/one"])
    assert sorted(kept.words.line) == [f"--config={here}/all.toml", "--limit-up=2M", "--quiet"]
    kept = with_typed(before, words(here, "three", "--limit-up", "2M"), [f"{here}/one"])
    assert f"{here}/three" in kept.words.line, "whoever reads the words says that this does not go together"


def test_what_is_said_can_be_typed_and_a_code_is_not_repeated(here: str) -> None:
    before = words(here, "one", "--schedule", "sa,su off", "--log-file", "log")
    kept = with_typed(before, words(here, "one", "--schedule", "mo-fr 2M", "--join", "K7QX-4MDP"), [f"{here}/one"])
    assert kept.lines == ["changed: '--schedule=mo-fr 2M' (was '--schedule=sa,su off')"]
    assert "--join=K7QX-4MDP" in kept.words.line
    assert f"--log-file={here}/log" in kept.words.line
    assert with_typed(before, words(here, "one"), [f"{here}/one"]).lines == []


def test_the_opposite_of_an_option_goes(here: str) -> None:
    kept = with_typed(words(here, "one", "-vv"), words(here, "one", "-q"), [f"{here}/one"])
    assert kept.words.line == [f"{here}/one", "--quiet"]
    assert kept.answer == {
        "changed": [{"before": "--verbose --verbose", "now": ""}, {"before": "", "now": "--quiet"}],
        "kept": [],
    }


def test_nothing_is_kept_without_a_word_if_the_options_of_the_node_cannot_be_seen() -> None:
    (line,) = Kept(Words([], {}), before_is_known=False).lines
    assert "only those that were given now count" in line


def test_several_values_replace_all_that_there_were(here: str) -> None:
    kept = with_typed(
        words(here, "one", "--peer", "a", "--peer", "b"), words(here, "one", "--peer", "c"), [f"{here}/one"]
    )
    assert kept.words.options["peers"] == ["--peer=c"]
    with pytest.raises(ConfigError, match="which folder"):
        words(here, "--peer", "c")
