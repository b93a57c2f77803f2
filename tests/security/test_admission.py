"""It fails closed: every combination of what is kept, the mark in the folder, and a key file."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.core.keys import MeshKey
from dir_sync.security import admission, files, store

OLD, NEW = MeshKey.made_of(b"o" * 32, 2), MeshKey.made_of(b"n" * 32, 3)
ALIEN = MeshKey.made_of(b"a" * 32, 2)


def file_with(tmp_path: Path, key: MeshKey, text: str | None = None) -> str:
    path = tmp_path / f"{key.fingerprint}.key"
    path.unlink(missing_ok=True)
    files.create_file(str(path), (text or key.text + "\n").encode())
    return str(path)


def test_nothing_says_that_it_is_closed(state: Path, folder: str) -> None:
    assert admission.admit(folder, None) is None
    assert not state.exists()
    assert os.listdir(Path(folder) / ".dir_sync") == []


def test_a_key_file_closes_a_folder_and_is_not_needed_again(state: Path, folder: str, tmp_path: Path) -> None:
    mesh = admission.admit(folder, file_with(tmp_path, OLD))
    assert mesh is not None
    assert mesh.credentials.key == OLD
    assert mesh.membership.me == mesh.credentials.identity
    assert mesh.words == f"closed mesh {OLD.fingerprint}, generation 2, read-write"
    assert files.marker_of(folder) == OLD.fingerprint
    assert files.is_closed(folder)
    again = admission.admit(folder, None)
    assert again == mesh


COMBINATIONS = list(itertools.product([None, OLD, NEW], [None, OLD, NEW], [None, OLD, NEW]))


@pytest.mark.parametrize(("kept", "mark", "given"), COMBINATIONS)
def test_every_combination(
    state: Path, folder: str, tmp_path: Path, kept: MeshKey | None, mark: MeshKey | None, given: MeshKey | None
) -> None:
    if kept is not None:
        store.save(folder, store.begin(kept, "0" * 32))
    if mark is not None:
        files.write_marker(folder, mark.fingerprint)
    key_file = None if given is None else file_with(tmp_path, given)
    if kept is None and mark is not None and given is not mark:
        with pytest.raises(ConfigError, match="belongs to the closed mesh") as caught:
            admission.admit(folder, key_file)
        assert caught.value.exit_code == 1
        assert mark.fingerprint in str(caught.value)
        assert "leave" in str(caught.value)
        assert store.load(folder) is None
        assert files.marker_of(folder) == mark.fingerprint
        return
    mesh = admission.admit(folder, key_file)
    expected = max((key for key in (kept, given) if key is not None), key=lambda key: key.generation, default=None)
    assert (mesh and mesh.credentials.key) == expected
    assert files.marker_of(folder) == (None if expected is None else expected.fingerprint)
    if expected is not None:
        found = store.load(folder)
        assert found is not None
        assert found.key == expected
        gates = [gate.secret for gate in found.membership.older]
        assert gates == ([OLD.gate.secret] if (kept, given) == (OLD, NEW) else [])


def everything(*roots: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}


def outcome(
    way: Callable[[str, str | None], admission.Mesh | None], folder: str, key_file: str | None
) -> admission.Mesh | str | None:
    """The mesh, or the text of the error."""
    try:
        return way(folder, key_file)
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize(("kept", "mark", "given"), COMBINATIONS)
def test_a_dry_run_is_let_in_as_a_run_unless_that_would_be_new(
    state: Path, folder: str, tmp_path: Path, kept: MeshKey | None, mark: MeshKey | None, given: MeshKey | None
) -> None:
    if kept is not None:
        store.save(folder, store.begin(kept, "0" * 32))
        store.identity()
    if mark is not None:
        files.write_marker(folder, mark.fingerprint)
    key_file = None if given is None else file_with(tmp_path, given)
    before = everything(state, Path(folder))
    is_new = given is not None and (kept is None or given.generation > kept.generation)
    dry = outcome(admission.looked_up, folder, key_file)
    assert everything(state, Path(folder)) == before, "a dry run keeps nothing"
    run = outcome(admission.admit, folder, key_file)
    if is_new and not isinstance(run, str):
        assert isinstance(dry, str)
        assert "without --dry-run" in dry
    else:
        assert dry == run


def test_a_dry_run_makes_no_identity(state: Path, folder: str) -> None:
    store.save(folder, store.begin(OLD, "0" * 32))
    before = everything(state)
    with pytest.raises(ConfigError, match="without --dry-run"):
        admission.looked_up(folder, None)
    assert everything(state) == before


def test_a_dry_run_refuses_another_mesh_of_one_generation(state: Path, folder: str, tmp_path: Path) -> None:
    admission.admit(folder, file_with(tmp_path, OLD))
    with pytest.raises(ConfigError, match="holds the key of another one"):
        admission.looked_up(folder, file_with(tmp_path, ALIEN))


def test_an_old_file_is_said_to_be_old(
    state: Path, folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    admission.admit(folder, file_with(tmp_path, NEW))
    with caplog.at_level(logging.WARNING, "dir_sync"):
        admission.admit(folder, file_with(tmp_path, OLD))
    assert "is old" in caplog.text
    assert NEW.fingerprint in caplog.text
    for key in (OLD, NEW):
        assert key.text not in caplog.text
        assert key.text[8:40] not in caplog.text


def test_a_later_key_file_lets_a_removed_machine_in_again(state: Path, folder: str, tmp_path: Path) -> None:
    admission.admit(folder, file_with(tmp_path, OLD))
    kept = store.load(folder)
    assert kept is not None
    store.save(folder, replace(kept, removal=store.Removal("nas", 1_700_000_000)))
    admission.admit(folder, None)
    kept = store.load(folder)
    assert kept is not None
    assert kept.removal is not None, "a restart changes nothing"
    admission.admit(folder, file_with(tmp_path, NEW))
    kept = store.load(folder)
    assert kept is not None
    assert kept.removal is None


def test_two_meshes_of_one_generation_are_never_mixed(state: Path, folder: str, tmp_path: Path) -> None:
    admission.admit(folder, file_with(tmp_path, OLD))
    with pytest.raises(ConfigError, match="holds the key of another one"):
        admission.admit(folder, file_with(tmp_path, ALIEN))
    mesh = admission.admit(folder, None)
    assert mesh is not None
    assert mesh.credentials.key == OLD


def test_another_home_does_not_open_the_folder(
    state: Path, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission.admit(folder, file_with(tmp_path, OLD))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    with pytest.raises(
        ConfigError, match=f"--key-file FILE, join again .* join {folder}., or leave the mesh: .* leave {folder}"
    ):
        admission.admit(folder, None)
    assert files.is_closed(folder)


def test_a_removed_dir_sync_does_not_open_the_folder(state: Path, folder: str, tmp_path: Path) -> None:
    admission.admit(folder, file_with(tmp_path, OLD))
    (Path(folder) / ".dir_sync" / "closed").unlink()
    assert files.is_closed(folder)
    assert admission.admit(folder, None) is not None
    assert files.marker_of(folder) == OLD.fingerprint


@pytest.mark.parametrize("damage", ["mode", "folder mode", "link", "folder link", "content", "folder instead"])
@pytest.mark.parametrize("is_marked", [True, False])
@pytest.mark.parametrize("is_given", [True, False])
def test_what_is_kept_and_cannot_be_trusted_stops_the_node(
    state: Path, folder: str, tmp_path: Path, damage: str, is_marked: bool, is_given: bool
) -> None:
    key_file = file_with(tmp_path, OLD)
    admission.admit(folder, key_file)
    path = state / "keys" / files.name_for(folder)
    match damage:
        case "mode":
            path.chmod(0o644)
        case "folder mode":
            path.parent.chmod(0o755)
        case "link":
            path.rename(tmp_path / "elsewhere")
            path.symlink_to(tmp_path / "elsewhere")
        case "folder link":
            path.parent.rename(tmp_path / "keys")
            path.parent.symlink_to(tmp_path / "keys")
        case "content":
            path.write_bytes(path.read_bytes()[:100])
        case "folder instead":
            path.unlink()
            path.mkdir(0o700)
    if not is_marked:
        files.remove_marker(folder)
    with pytest.raises(ConfigError) as caught:
        admission.admit(folder, key_file if is_given else None)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_no_mark_without_a_kept_key(state: Path, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash or a full disk between the two steps leaves a folder that is closed and has its key."""

    def fail(*_: object) -> None:
        raise ConfigError("no room")

    monkeypatch.setattr(files, "write_marker", fail)
    with pytest.raises(ConfigError, match="no room"):
        admission.admit(folder, file_with(tmp_path, OLD))
    assert files.marker_of(folder) is None
    assert files.is_closed(folder)
    monkeypatch.setattr(store, "save", fail)
    store.forget(folder)
    with pytest.raises(ConfigError, match="no room"):
        admission.admit(folder, file_with(tmp_path, OLD))
    assert files.marker_of(folder) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not hold a key"),
        ("hello\n", "does not hold a key"),
        ("\xff", "does not hold a key"),
        (OLD.text[:-1], "too few"),
        (OLD.text[:-1] + ("0" if OLD.text[-1] != "0" else "1"), "wrong letter"),
        (OLD.text + "\n" + "x" * 10_000, "does not hold a key"),
    ],
)
def test_a_file_without_a_good_key(state: Path, folder: str, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "file"
    files.create_file(str(path), text.encode("latin-1"))
    with pytest.raises(ConfigError, match=words) as caught:
        admission.admit(folder, str(path))
    assert OLD.text[8:30] not in str(caught.value)
    assert files.marker_of(folder) is None
