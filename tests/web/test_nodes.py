"""Which folders the pages show, and how their nodes are asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.folder import root
from dir_sync.reporting import shell
from dir_sync.web.nodes import Nodes
from tests.web.kit import STATUS, StandIn


def test_all_folders_of_this_user_are_known(node: StandIn, tmp_path: Path) -> None:
    for name in ("b", "a", "c\nd"):
        node.share(tmp_path / name)
    found = Nodes().folders()
    assert [one.path for one in found] == [str(tmp_path / name) for name in ("a", "b", "c\nd")]
    assert len({one.id for one in found}) == 3
    assert "\n" not in found[2].shown


def test_a_folder_that_was_never_shared_has_no_id(node: StandIn, tmp_path: Path) -> None:
    node.share(tmp_path / "a")
    (tmp_path / "b" / ".dir_sync").mkdir(parents=True)
    nodes = Nodes()
    assert [one.path for one in nodes.folders()] == [str(tmp_path / "a")]
    with pytest.raises(ConfigError, match="not shared from here"):
        nodes.folder("../../etc")


def test_states(node: StandIn, tmp_path: Path) -> None:
    folder = node.share(tmp_path / "a")
    nodes = Nodes()
    (one,) = nodes.folders()
    state = nodes.state(one)
    assert (state.status, state.problem, state.is_running) == (STATUS, "", True)
    assert state.to_json()["name"] == "notes"
    node.answers["status"] = STATUS | {"folder_name": "default"}
    assert nodes.state(one).to_json()["name"] == "a", "the name of the folder itself says more"
    node.answers["status"] = {"error": "the node is busy"}
    assert nodes.state(one).problem == "the node is busy"
    assert nodes.state(one).is_running
    root.say_paused(str(folder), "its disk is gone")
    assert nodes.state(one).problem == "its disk is gone"
    with pytest.raises(ConfigError, match="its disk is gone"):
        nodes.ask(one, {"command": "members"})
    root.say_paused(str(folder), "")
    node.answers["members"] = {"count": 2}
    assert nodes.ask(one, {"command": "members"}) == {"count": 2}


def test_without_a_node_the_command_that_starts_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "a" / ".dir_sync").mkdir(parents=True)
    root.remember(str(tmp_path / "a"))
    nodes = Nodes()
    (one,) = nodes.folders()
    assert nodes.state(one).to_json() | {"id": ""} == {
        "start": shell.pasteable(str(tmp_path / "a")),
        **{
            "id": "",
            "path": os.fspath(tmp_path / "a"),
            "name": "a",
            "running": False,
            "problem": "",
            "status": None,
            "invitation": None,
        },
    }
    with pytest.raises(ConfigError, match=r"no node is running for .*; to start one: .*main\.py|dir-sync"):
        nodes.ask(one, {"command": "members"})


def test_a_folder_that_is_gone_is_not_shown(node: StandIn, tmp_path: Path) -> None:
    node.share(tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    assert Nodes().folders() == []
