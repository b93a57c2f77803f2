"""Several folders in one process: under which names they are shared, and which of them go together."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from dir_sync import cli
from dir_sync.config import Config, ConfigError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("notes", "photos", "notes/inner", "a=b", "other/notes", "with space "):
        Path(name).mkdir(parents=True)
    return tmp_path


def names(*words: str) -> dict[str, str]:
    return {one.folder_name: os.path.basename(one.folder) for one in cli.read_configs([*words])}


def refused(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        cli.read_configs([*words])
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_single_folder_keeps_the_default_name(here: Path) -> None:
    assert names("notes") == {"default": "notes"}
    assert names("notes", "--folder", "x") == {"x": "notes"}
    (only,) = cli.read_configs(["notes"])
    assert only.label == ""


def test_several_folders_are_shared_under_their_own_names(here: Path) -> None:
    assert names("notes", "photos/") == {"notes": "notes", "photos": "photos"}
    assert names("notes", f"{here}/other/../photos") == {"notes": "notes", "photos": "photos"}
    assert [one.label for one in cli.read_configs(["notes", "photos"])] == ["notes", "photos"]


def test_a_name_can_be_given(here: Path) -> None:
    assert names("pictures=photos", "notes") == {"pictures": "photos", "notes": "notes"}
    assert names("work=notes") == {"work": "notes"}


def test_a_folder_whose_own_name_has_the_sign_is_meant_literally(here: Path) -> None:
    assert names("a=b", "notes") == {"a=b": "a=b", "notes": "notes"}
    assert names("./x=y/../../notes") if (here / "x=y").mkdir() else True


def test_each_folder_has_the_options_of_the_command_line(here: Path) -> None:
    configs: tuple[Config, ...] = cli.read_configs(["notes", "photos", "-l", "7000", "--history-days", "5"])
    assert {(one.listen_port, one.history_days) for one in configs} == {(7000, 5)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["notes", "other/notes"], "would both be shared as 'notes': write NAME=DIR for one of them"),
        (["notes", "x=notes"], "is named twice"),
        (["notes", "notes/inner"], "inner is inside"),
        (["notes/inner", "notes"], "inner is inside"),
        (["notes", "photos", "--folder", "x"], "--folder names a single folder"),
        (["notes", "photos", "--join", "K7QX-4MDP"], "--join takes a single folder"),
        (["notes", "=photos"], "a name needs at least one character; write another name before =photos"),
        (["notes", "with space "], "begins or ends with a space; give it a name: NAME=with space"),
        (["notes", "nothing"], "there is no such folder"),
        (["notes", "x=nothing"], "nothing: there is no such folder"),
        ([f"f{number}=notes" for number in range(65)], "65 folders; one process shares at most 64"),
    ],
)
def test_what_does_not_go_together_is_one_line(here: Path, words: list[str], says: str) -> None:
    assert says in refused(*words)


def test_names_that_do_not_fit_into_a_greeting_are_refused(here: Path) -> None:
    """As many folders as there may be, with names that cannot be told in fewer bytes; short names fit."""
    rng = Random(1)
    folders = [f"f{number}" for number in range(64)]
    for name in folders:
        Path(name).mkdir()
    letters = "".join(map(chr, range(0x4E00, 0x9000)))
    long = ["".join(rng.choices(letters, k=60)) for _ in folders]
    assert len(names(*folders)) == 64
    assert "too long to be told together" in refused(
        *(f"{name}={folder}" for name, folder in zip(long, folders, strict=True))
    )


def test_a_node_that_could_never_meet_another_is_refused(here: Path) -> None:
    assert "without --peer" in refused("notes", "--no-discovery", "--no-listen")
    (spoke,) = cli.read_configs(["notes", "--no-discovery", "--no-listen", "--peer", "hub"])
    assert (spoke.discovers, spoke.listens) == (False, False)
    (usual,) = cli.read_configs(["notes"])
    assert (usual.discovers, usual.listens) == (True, True)
