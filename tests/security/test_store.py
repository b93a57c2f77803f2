"""What is kept comes back as it was; what cannot be understood is never taken for nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.core.keys import MeshKey, identity_of
from dir_sync.core.membership import MEMBERS_MAX, REMOVED_MAX, Charter, Gate, Member, Membership
from dir_sync.core.noise import public_of
from dir_sync.security import store

ME = "0" * 32
OTHER = "1" * 32
KEY = MeshKey.made_of(b"k" * 32, 3)


def full() -> store.Kept:
    other = Member(OTHER, "nas", "rw", 1_700_000_000, ME)
    charter = Charter(3, KEY.id, {OTHER: other}, frozenset({"2" * 32}))
    older = (Gate(2, "a" * 32, b"g" * 32),)
    told = {"3" * 32: Member("3" * 32, "tv", "ro")}
    mine = Membership(ME, "rw", charter, older, {OTHER: other}, told, {OTHER: 1_700_000_500}, 1_690_000_000)
    return store.Kept(KEY, mine, removal=store.Removal("nas", 1_700_000_600))


def path_of(state: Path, folder: str) -> Path:
    return state / "keys" / store.files.name_for(folder)


def test_all_of_it_comes_back(state: Path, folder: str) -> None:
    assert store.load(folder) is None
    store.save(folder, full())
    assert store.load(folder) == full()
    assert store.load(folder + "2") is None
    begun = store.begin(KEY, ME)
    store.save(folder, begun)
    assert store.load(folder) == begun
    store.forget(folder)
    store.forget(folder)
    assert store.load(folder) is None


def test_the_largest_mesh_comes_back(state: Path, folder: str) -> None:
    many = {
        f"{number:032x}": Member(f"{number:032x}", "\U0001f600" * 64, "rw", 2**40, ME) for number in range(MEMBERS_MAX)
    }
    charter = Charter(3, KEY.id, many, frozenset(f"{number:032x}" for number in range(2_000, 2_000 + REMOVED_MAX)))
    kept = store.Kept(KEY, Membership(ME, "rw", charter, (), many, many, dict.fromkeys(many, 2**40)))
    store.save(folder, kept)
    assert store.load(folder) == kept


def test_what_an_earlier_version_kept_is_read(state: Path, folder: str) -> None:
    store.save(folder, full())
    path = path_of(state, folder)
    fields = json.loads(path.read_bytes())
    del fields["seen"], fields["removal"], fields["since"]
    path.write_text(json.dumps(fields))
    kept = store.load(folder)
    assert kept is not None
    assert (kept.membership.seen, kept.removal, kept.membership.since_s) == ({}, None, 0)
    for wrong in (
        {"since": -1},
        {"since": "1"},
        {"seen": {"x": 1}},
        {"seen": []},
        {"seen": {OTHER: "1"}},
        {"removal": ["nas"]},
        {"removal": [1, 1]},
    ):
        path.write_text(json.dumps({**fields, **wrong}))
        with pytest.raises(ConfigError, match="is damaged"):
            store.load(folder)


def test_any_name_of_a_folder(state: Path, tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n")
    store.save(folder, full())
    assert store.load(folder) == full()


@pytest.mark.parametrize("removed", ["version", "folder", "key", "me", "charter", "older", "met", "told"])
def test_a_file_that_lacks_something_is_damaged(state: Path, folder: str, removed: str) -> None:
    store.save(folder, full())
    path = path_of(state, folder)
    fields = json.loads(path.read_bytes())
    del fields[removed]
    path.write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match="is damaged") as caught:
        store.load(folder)
    assert caught.value.__cause__ is None
    assert KEY.text not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"version": 2}'])
def test_a_file_that_is_damaged_is_not_taken_for_none(state: Path, folder: str, data: bytes) -> None:
    store.save(folder, full())
    path_of(state, folder).write_bytes(data)
    with pytest.raises(ConfigError, match="is damaged"):
        store.load(folder)


def test_the_key_and_its_list_belong_together(state: Path, folder: str) -> None:
    store.save(folder, full())
    path = path_of(state, folder)
    fields = json.loads(path.read_bytes())
    fields["key"] = MeshKey.made_of(b"x" * 32, 3).text
    path.write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match="is damaged"):
        store.load(folder)


def test_the_file_of_another_folder_is_refused(state: Path, folder: str) -> None:
    store.save(folder, full())
    path_of(state, folder).rename(path_of(state, folder + "2"))
    with pytest.raises(ConfigError, match="is damaged"):
        store.load(folder + "2")


def test_the_identity_of_a_machine_stays(state: Path) -> None:
    static = store.identity()
    assert store.identity() == static
    assert len(static) == 32
    path = state / "keys" / "identity"
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    assert store.identity() != static
    for data in (b"", b"{}", b'{"version": 1, "static": "00"}', b'{"version": 1, "static": 5}'):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match="is damaged"):
            store.identity()


def test_a_machine_with_a_new_identity_is_another_one() -> None:
    kept = store.begin(KEY, ME)
    mine = store.with_identity(kept, b"s" * 32)
    assert mine.membership.me == identity_of(public_of(b"s" * 32))
    assert store.with_identity(mine, b"s" * 32) is mine
