"""The checker itself: it sees every kind of difference, and none where there is none."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from . import checker
from .checker import differences, holds, survey, wait_equal, wait_for

ODD = b"bad\xff\n\x1b[31m"


def build(root: Path) -> Path:
    """A tree with one of everything; the same bytes and times at each call."""
    root.mkdir()
    (root / "folder" / "empty").mkdir(parents=True)
    files = {b"file": b"one", b"folder/file": b"two", ODD: b"three", b"x" * 255: b""}
    for name, content in files.items():
        path = os.path.join(os.fsencode(root), name)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o644)
        os.utime(path, ns=(1, MTIME_NS))
    os.symlink("nowhere", root / "link")
    os.utime(root / "link", ns=(1, 1_600_000_000_000_000_001), follow_symlinks=False)
    return root


def other_content(root: Path) -> None:
    before = (root / "file").stat()
    (root / "file").write_bytes(b"eno")
    os.utime(root / "file", ns=(1, before.st_mtime_ns))


def other_link(root: Path) -> None:
    before = (root / "link").lstat()
    (root / "link").unlink()
    os.symlink("nowhere2", root / "link")
    os.utime(root / "link", ns=(1, before.st_mtime_ns), follow_symlinks=False)


def file_for_folder(root: Path) -> None:
    (root / "folder/empty").rmdir()
    (root / "folder/empty").touch()


def file_for_link(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").write_bytes(b"nowhere")


def nearly_the_name(root: Path) -> None:
    top = os.fsencode(root)
    os.rename(os.path.join(top, ODD), os.path.join(top, ODD.replace(b"\xff", b"\xfe")))


MTIME_NS = 1_600_000_000_123_456_789

CHANGES: dict[str, tuple[Callable[[Path], object], bytes]] = {
    "content of equal size and time": (other_content, b"file"),
    "a nanosecond of a file": (lambda root: os.utime(root / "file", ns=(1, MTIME_NS + 1)), b"file"),
    "a nanosecond of a link": (
        lambda root: os.utime(root / "link", ns=(1, 1_600_000_000_000_000_002), follow_symlinks=False),
        b"link",
    ),
    "a longer file": (lambda root: os.truncate(root / "folder/file", 4), b"folder/file"),
    "mode of a file": (lambda root: os.chmod(root / "folder/file", 0o645), b"folder/file"),
    "setuid": (lambda root: os.chmod(root / "folder/file", 0o4644), b"folder/file"),
    "mode of a folder": (lambda root: os.chmod(root / "folder/empty", 0o700), b"folder/empty"),
    "target of a link": (other_link, b"link"),
    "file for folder": (file_for_folder, b"folder/empty"),
    "file for link": (file_for_link, b"link"),
    "an empty folder less": (lambda root: os.rmdir(root / "folder/empty"), b"folder/empty"),
    "an empty folder more": (lambda root: os.mkdir(root / "folder/more"), b"folder/more"),
    "a file more": (lambda root: (root / "folder/more").touch(), b"folder/more"),
    "a file less": (lambda root: os.remove(root / "folder/file"), b"folder/file"),
    "one byte of an odd name": (nearly_the_name, ODD),
    "own folder elsewhere": (lambda root: os.mkdir(root / "folder/.dir_sync"), b"folder/.dir_sync"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_difference_is_seen(tmp_path: Path, name: str) -> None:
    change, path = CHANGES[name]
    trees = [build(tmp_path / "one"), build(tmp_path / "two"), build(tmp_path / "three")]
    assert differences(*trees) == []
    change(trees[2])
    found = differences(*trees)
    assert any(line.startswith(repr(path)) for line in found), found
    with pytest.raises(AssertionError, match="not equal within"):
        wait_equal(trees, 0)
    with pytest.raises(AssertionError, match="not equal within"):
        wait_equal(trees[2:], 0, like=survey(trees[0]))


def test_what_is_never_synchronized_is_left_out(tmp_path: Path) -> None:
    one, two = build(tmp_path / "one"), build(tmp_path / "two")
    (one / ".dir_sync").mkdir()
    (one / ".dir_sync/index.db").write_bytes(b"state")
    os.mkfifo(one / "fifo")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(os.path.relpath(one / "socket"))
    os.utime(one / "folder", ns=(1, 1))
    assert stat.S_ISSOCK((one / "socket").stat().st_mode)
    assert differences(one, two) == []
    assert wait_equal([one, two], 0) == survey(two)


def test_one_folder_can_be_compared_alone(tmp_path: Path) -> None:
    one, two = build(tmp_path / "one"), build(tmp_path / "two")
    (one / "folder2").mkdir()
    (one / "file").write_bytes(b"other")
    assert set(survey(one, only="folder")) == {b"folder", b"folder/empty", b"folder/file"}
    wait_equal([one, two], 0, only="folder")
    for path in ("folder2", "folder"):
        (one / path).chmod(0o700)
        with pytest.raises(AssertionError, match=path):
            wait_equal([one, two], 0, only=path)
    assert survey(one, only="nothing") == {}


def test_waiting_ends_with_what_is_missing() -> None:
    assert wait_for(iter([0, 0, 7]).__next__, 5, "seven") == 7
    with pytest.raises(AssertionError, match="not within 0 s: rain"):
        wait_for(lambda: False, 0, "rain")
    holds(lambda: True, 0.05, "true")
    with pytest.raises(AssertionError, match="no longer true: sun"):
        holds(iter([1, 1, 0]).__next__, 5, "sun")


def test_time_in_which_the_machine_stood_still_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 100.0, 100.0, 100.0, 200.0])
    monkeypatch.setattr(checker, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))
    answers = iter([False, True])
    assert wait_for(lambda: next(answers), 10, "it is seen after a pause of 100 s")
