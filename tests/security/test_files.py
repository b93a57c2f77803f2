"""Private files: nobody else reads them, and no link leads to another one."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.security import files

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of another user")


def kept(state: Path) -> Path:
    """A file in the folder of keys."""
    with files.keys_folder(create=True) as keys:
        assert keys is not None
        files.write_kept(keys, "a.json", b"secret")
    return state / "keys" / "a.json"


def read() -> bytes | None:
    with files.keys_folder() as keys:
        return None if keys is None else files.read_kept(keys, "a.json")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_what_is_kept_is_private_whatever_the_umask(state: Path, umask: int) -> None:
    (state.parent).mkdir()
    state.mkdir()
    before = os.umask(umask)
    try:
        path = kept(state)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read() == b"secret"
    assert os.listdir(path.parent) == ["a.json"]


def test_what_is_not_there_is_none(state: Path) -> None:
    assert read() is None
    assert not state.exists(), "asking makes nothing"
    with files.keys_folder(create=True):
        pass
    assert read() is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666])
def test_a_file_that_others_reach_is_refused_with_what_mends_it(state: Path, mode: int) -> None:
    path = kept(state)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}") as caught:
        read()
    assert caught.value.exit_code == 1
    assert "secret" not in str(caught.value)
    path.chmod(0o600)
    assert read() == b"secret"


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o720, 0o777])
def test_a_folder_that_others_reach_is_refused(state: Path, folder: str, mode: int) -> None:
    path = kept(state)
    path.parent.chmod(mode)
    for ask in (read, lambda: files.is_closed(folder), lambda: kept(state)):
        with pytest.raises(ConfigError, match=f"chmod 700 {path.parent}"):
            ask()


def test_links_are_refused_in_place_of_the_file_and_of_the_folder(state: Path, folder: str, tmp_path: Path) -> None:
    path = kept(state)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="symbolic link"):
        read()
    path.unlink()
    path.parent.rename(tmp_path / "keys")
    path.parent.symlink_to(tmp_path / "keys")
    for ask in (read, lambda: files.is_closed(folder), lambda: kept(state)):
        with pytest.raises(ConfigError, match="symbolic link"):
            ask()
    path.parent.unlink()
    path.parent.symlink_to(tmp_path / "nowhere")
    for ask in (read, lambda: files.is_closed(folder), lambda: kept(state)):
        with pytest.raises(ConfigError, match="symbolic link"):
            ask()


def test_a_new_content_never_goes_through_a_link(state: Path, tmp_path: Path) -> None:
    path = kept(state)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    for name in ("a.json", "a.json.new"):
        (path.parent / name).unlink(missing_ok=True)
        (path.parent / name).symlink_to(victim)
    kept(state)
    assert victim.read_text() == "untouched"
    assert read() == b"secret"
    assert not path.is_symlink()


@pytest.mark.parametrize("what", ["folder", "fifo"])
def test_what_is_no_file_is_refused(state: Path, what: str) -> None:
    path = kept(state)
    path.unlink()
    path.mkdir(0o700) if what == "folder" else os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        read()


def test_what_is_too_large_for_a_key_is_refused(state: Path) -> None:
    kept(state).write_bytes(bytes(2**22 + 1))
    with pytest.raises(ConfigError, match="too large"):
        read()


@is_root
def test_what_belongs_to_another_user_is_refused(state: Path) -> None:
    path = kept(state)
    os.chown(path, 12345, 0)
    with pytest.raises(ConfigError, match="another user"):
        read()
    os.chown(path, 0, 0)
    os.chown(path.parent, 12345, 0)
    with pytest.raises(ConfigError, match="another user"):
        read()


@contextmanager
def another_user() -> Iterator[None]:
    os.seteuid(12345)
    try:
        yield
    finally:
        os.seteuid(0)


@is_root
def test_another_home_that_cannot_be_looked_into_has_nothing_of_ours() -> None:
    """And one of our own that cannot be looked into is refused."""
    with tempfile.TemporaryDirectory() as base, pytest.MonkeyPatch.context() as patch:
        os.chmod(base, 0o755)
        state = Path(base, "state")
        patch.setenv("XDG_STATE_HOME", str(state))
        kept(state / "dir_sync")
        folder = Path(base, "shared")
        folder.mkdir(mode=0o755)
        state.chmod(0o700)
        with another_user():
            assert not files.is_closed(str(folder))
            assert read() is None
        os.chown(state, 12345, 12345)
        state.chmod(0o000)
        with another_user():
            for ask in (read, lambda: files.is_closed(str(folder))):
                with pytest.raises(ConfigError, match="Permission denied"):
                    ask()


def test_a_file_is_made_once(state: Path) -> None:
    with files.keys_folder(create=True) as keys:
        assert keys is not None
        files.keep_first(keys, "a.json", b"first")
        files.keep_first(keys, "a.json", b"second")
        files.remove_kept(keys, "b.json")
    assert read() == b"first"
    assert os.listdir(state / "keys") == ["a.json"]


def test_a_disk_without_room_is_said_in_one_line(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(state)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(ConfigError, match="No space left"):
        kept(state)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(state.parent))
    assert read() == b"secret"


# --- files that the user names -------------------------------------------------------------------------------------------


def test_a_given_file_is_private_and_no_link(tmp_path: Path) -> None:
    path = tmp_path / "the key"
    files.create_file(str(path), b"secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files.read_given(str(path)) == b"secret"
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 '{path}'"):
        files.read_given(str(path))
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ConfigError, match="symbolic link"):
        files.read_given(str(tmp_path / "link"))
    with pytest.raises(ConfigError, match="no such file"):
        files.read_given(str(tmp_path / "none"))
    with pytest.raises(ConfigError):
        files.read_given("a\0b")


def test_for_a_service_the_files_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd lets a service read its credentials by an ACL, which shows as the right of a group."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def stats(mode: int, owner: int = 0) -> os.stat_result:
        return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, 0, 1, 0, 0, 0))

    files._check_private("f", stats(0o440), "600", True)
    for found in (stats(0o460), stats(0o444), stats(0o440, 1001), stats(0o400, 1001), stats(0o440, 1000)):
        with pytest.raises(ConfigError):
            files._check_private("f", found, "600", True)
    with pytest.raises(ConfigError):
        files._check_private("f", stats(0o400), "600", False)
    with pytest.raises(ConfigError, match="belongs to the user who runs the node, or to root"):
        files._check_private("f", stats(0o400, 1001), "600", True)


def test_what_mends_a_secret_is_no_chmod(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the node cannot change the mode of root's file, nor of what is mounted for reading only."""
    secret = os.stat_result((stat.S_IFREG | 0o444, 1, 1, 1, 0, 0, 1, 0, 0, 0))
    for user, path in ((1000, "/etc/key"), (1000, "/run/secrets/key"), (0, "/run/secrets/key")):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        with pytest.raises(ConfigError, match="mode 0400") as refused:
            files._check_private(path, secret, "600", True)
        assert "chmod" not in str(refused.value)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="never overwritten"):
        files.create_file(str(path), b"other")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="never overwritten"):
        files.create_file(str(tmp_path / "link"), b"other")
    with pytest.raises(ConfigError, match="cannot be written"):
        files.create_file(str(tmp_path / "no" / "key"), b"other")
    assert path.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


# --- the mark ------------------------------------------------------------------------------------------------------------


def test_the_mark(folder: str, state: Path) -> None:
    assert files.marker_of(folder) is None
    assert not files.is_closed(folder)
    files.write_marker(folder, "7K3Q-9XMD")
    assert files.marker_of(folder) == "7K3Q-9XMD"
    assert files.is_closed(folder)
    files.write_marker(folder, "4QWE-77TN")
    assert files.marker_of(folder) == "4QWE-77TN"
    assert os.listdir(Path(folder) / ".dir_sync") == ["closed"]
    files.remove_marker(folder)
    files.remove_marker(folder)
    assert files.marker_of(folder) is None


@pytest.mark.parametrize("what", ["link", "loop", "folder", "empty", "binary", "fifo", "long"])
def test_whatever_has_its_name_closes_the_folder(folder: str, what: str, state: Path) -> None:
    path = Path(folder) / ".dir_sync" / "closed"
    match what:
        case "link":
            path.symlink_to("/nowhere")
        case "loop":
            path.symlink_to(path)
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.write_bytes({"empty": b"", "binary": b"\x1b[2J\xff", "long": b"x" * 10_000}[what])
    assert files.marker_of(folder) is not None
    assert len(files.marker_of(folder) or "") <= 64
    assert files.is_closed(folder)


def test_a_name_for_each_folder() -> None:
    assert files.name_for("/a") != files.name_for("/b")
    assert len(files.name_for("/a\udcff")) == len("0123456789abcdef.json")
