"""The id of a node: one for each folder on a machine, outside the folder."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from dir_sync.network import node_id
from dir_sync.network.node_id import NodeId


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "dir_sync" / "nodes"


def id_of(folder: str = "/srv/docs", seed: int = 1) -> str:
    return NodeId(folder, Random(seed)).value


def test_a_node_is_the_same_at_each_start() -> None:
    assert id_of(seed=1) == id_of(seed=2)
    assert NodeId("/srv/docs", Random(3)).instance != NodeId("/srv/docs", Random(4)).instance


def test_two_folders_of_one_machine_are_two_nodes() -> None:
    assert id_of("/srv/docs", 1) != id_of("/srv/music", 2)
    assert id_of(os.fsdecode(b"/srv/\xff"), 3) == id_of(os.fsdecode(b"/srv/\xff"), 4)


def test_nothing_is_written_into_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    id_of(str(folder))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("what", ["machine", "host"])
def test_two_machines_with_one_home_are_two_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str) -> None:
    here = id_of(seed=1)
    if what == "machine":
        (tmp_path / "machine-id").write_text("another\n")
        monkeypatch.setattr(node_id, "_MACHINE", str(tmp_path / "machine-id"))
    else:
        (named := list(os.uname()))[1] = "another"
        monkeypatch.setattr(os, "uname", lambda: os.uname_result(named))
    assert id_of(seed=2) != here


def test_an_id_that_another_machine_uses_is_given_up_for_good() -> None:
    mine = NodeId("/srv/docs", Random(1))
    before = mine.value
    mine.take_new()
    assert mine.value != before
    assert id_of(seed=2) == mine.value


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"node": 5}', '{"node": "../x"}', '{"node": "ABCDEF0123456789"}'])
def test_a_file_that_makes_no_sense_is_replaced(state: Path, said: str) -> None:
    id_of()
    (file,) = state.iterdir()
    file.write_text(said)
    assert id_of(seed=2) == id_of(seed=3)


def test_where_nothing_can_be_kept_each_start_is_another_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert id_of(seed=1) != id_of(seed=2)
