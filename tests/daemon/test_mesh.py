"""The commands about the mesh that reach a node: what it answers, and when it begins anew."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dir_sync.config import Config, ConfigError
from dir_sync.core.membership import Member
from dir_sync.daemon.mesh import MeshRequests
from dir_sync.security import files, store
from dir_sync.security.founding import found
from dir_sync.security.invitations import Invitations
from dir_sync.security.keeper import Keeper

NAS = Member("a" * 32, "nas", "rw", 1_700_000_000)


class Bench:
    """A node without its parts: open, or closed by `close`."""

    def __init__(self, folder: str) -> None:
        self.config = Config(folder, broadcast_port=1, interface="lo")
        self.restarts = 0
        self.keeper: Keeper
        self.invitations = Invitations()
        self.requests = MeshRequests(self.config, 6000, self, None, self.restart, self.open_up)
        self.is_open = False

    def close(self) -> None:
        kept = found(self.config.folder)
        self.keeper = Keeper(self.config.folder, kept, store.identity(), "kitchen", self.restart)
        self.requests = MeshRequests(self.config, 6000, self, self, self.restart, self.open_up)

    def restart(self) -> None:
        self.restarts += 1

    def open_up(self) -> None:
        self.is_open = True

    def ask(self, command: str, **more: Any) -> dict[str, Any]:
        return self.requests.answer({"command": command, **more})

    # --- as Linked ---

    def names(self) -> list[str]:
        return ["nas"]

    def identities(self) -> frozenset[str]:
        return frozenset({NAS.identity})


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "shared" / ".dir_sync").mkdir(parents=True)
    made = Bench(str(tmp_path / "shared"))
    yield made
    made.invitations.begin(None)


def test_an_open_node_is_closed_and_begins_anew(bench: Bench) -> None:
    said = bench.ask("mesh")
    assert (said["closed"], said["peers"], said["name"]) == (False, ["nas"], bench.config.name)
    assert (said["folder_name"], said["broadcast_port"]) == ("default", 1), "join needs both"
    for command in ("invite", "invitation", "uninvite", "members", "remove", "leave"):
        with pytest.raises(ConfigError, match="open"):
            bench.ask(command)
    assert bench.restarts == 0
    assert bench.ask("close") == {}
    assert files.is_closed(bench.config.folder)
    assert bench.restarts == 1


def test_without_the_packages_nothing_is_closed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any) -> Any:
        if name == "dir_sync.security.founding":
            raise ImportError("No module named 'cryptography'")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match="scripts/setup"):
        bench.ask("close")
    assert not files.is_closed(bench.config.folder)
    assert bench.restarts == 0


def test_an_invitation_lasts_until_it_is_ended_or_replaced(bench: Bench) -> None:
    bench.close()
    code = bench.ask("invite", role="rw", lasts_s=60)["code"]
    state = bench.ask("invitation", code=code)
    assert (state["over"], state["joined"], state["guesses"], state["count"]) == ("", "", 3, 1)
    first = bench.invitations.current
    later = bench.ask("invite", role="ro", lasts_s=60)["code"]
    assert later != code
    assert first is not None
    assert first.over() == "it was ended"
    assert bench.ask("invitation", code=code)["over"] == "another 'invite' has taken its place"
    assert bench.ask("uninvite", code=code) == {}
    assert bench.ask("invitation", code=later)["over"] == "", "Ctrl-C of the first one does not end the second one"
    assert bench.ask("uninvite", code=later) == {}
    ended = bench.ask("invitation", code=later)  # the same after a restart, which forgets every invitation
    assert ended["over"] == "it was ended, or the node has begun anew"
    assert ended["guesses"] == 3, "nobody has tried a wrong code"
    for wrong in ({}, {"role": "rw"}, {"role": "king", "lasts_s": 60}, {"role": "rw", "lasts_s": 0}):
        with pytest.raises(ConfigError):
            bench.ask("invite", **wrong)


def test_a_removal_makes_a_new_key(bench: Bench) -> None:
    bench.close()
    bench.keeper.met(NAS)
    old = bench.keeper.kept.key
    assert [one["on"] for one in bench.ask("members")["members"]] == [False, True]
    answer = bench.ask("remove", lost=[NAS.identity], stay=[])
    assert answer["generation"] == 2
    assert answer["fingerprint"] != old.fingerprint
    assert bench.restarts == 1
    assert store.load(bench.config.folder) == bench.keeper.kept
    for wrong in ({}, {"lost": [1], "stay": []}, {"lost": NAS.identity, "stay": []}):
        with pytest.raises(ConfigError):
            bench.ask("remove", **wrong)
    assert old.text not in str(answer)


def test_who_leaves_is_open_and_nothing_is_written_again(bench: Bench) -> None:
    bench.close()
    bench.keeper.met(NAS)
    assert bench.ask("leave") == {}
    assert bench.is_open
    bench.keeper.parted(NAS.identity)
    bench.keeper.met(NAS._replace(identity="b" * 32))
    bench.keeper.finish()
    assert not files.is_closed(bench.config.folder)


def test_a_node_with_a_key_file_does_not_leave(bench: Bench) -> None:
    """It would take the key from there again."""
    bench.config = Config(bench.config.folder, broadcast_port=1, interface="lo", key_file="key")
    bench.close()
    with pytest.raises(ConfigError, match="--key-file"):
        bench.ask("leave")
    assert files.is_closed(bench.config.folder)
    assert not bench.is_open
