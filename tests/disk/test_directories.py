"""From a path to a handle of a directory: inside the folder or not at all, with a new kernel and an old one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dir_sync.disk.directories import PATH_MAX, Directories
from dir_sync.disk.folder import Folder
from dir_sync.disk.linux import HOLD, READ, Kernel
from dir_sync.ports import DiskError, Trouble
from tests.disk.worlds import open_files


@pytest.fixture(params=["new kernel", "old kernel"])
def directories(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Directories]:
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "root/file").touch()
    (tmp_path / "root/inside").symlink_to("a")
    (tmp_path / "root/outside").symlink_to("..")
    before = open_files()
    folder = Folder(os.fsencode(tmp_path / "root"))
    kernel = Kernel.found() if request.param == "new kernel" else Kernel(has_openat2=False, has_fchmodat2=False)
    yield Directories(folder, kernel)
    folder.close()
    assert open_files() == before, "descriptors left open"


def refusal(call: Callable[..., int], *arguments: object) -> int:
    """The errno with which it opens nothing; 0 if it opens something."""
    try:
        os.close(call(*arguments))
    except OSError as error:
        return error.errno or -1
    return 0


@pytest.mark.parametrize("path", [b"", b"a", b"a/b"])
def test_a_handle_is_of_the_folder_that_the_path_names(directories: Directories, tmp_path: Path, path: bytes) -> None:
    for how in (HOLD, READ):
        handle = directories.open(path, how)
        try:
            assert os.path.samestat(os.fstat(handle), os.stat(tmp_path / "root" / os.fsdecode(path)))
        finally:
            os.close(handle)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"absent", errno.ENOENT),
        (b"absent/b", errno.ENOENT),
        (b"file", errno.ENOENT),
        (b"file/b", errno.ENOENT),
        (b"inside", errno.ELOOP),
        (b"inside/b", errno.ELOOP),
        (b"outside", errno.ELOOP),
        (b"outside/root", errno.ELOOP),
    ],
)
def test_what_is_no_folder_of_the_tree_is_not_opened(directories: Directories, path: bytes, number: int) -> None:
    assert refusal(directories.open, path, HOLD) == number


@pytest.mark.parametrize("path", [b"/", b"/a", b"a/", b"a//b", b".", b"..", b"a/..", b"../root", b"a\0", b"a/./b"])
def test_what_is_no_path_of_the_tree_is_a_wrong_name(directories: Directories, path: bytes) -> None:
    with pytest.raises(DiskError) as caught:
        directories.open(path, HOLD)
    assert caught.value.trouble == Trouble.NAME


def test_a_path_may_be_longer_than_a_system_call_takes(directories: Directories, tmp_path: Path) -> None:
    part = b"d" * 250
    path = b"/".join([part] * 20)
    assert len(path) > PATH_MAX
    at = os.open(tmp_path / "root", os.O_PATH)
    for _ in range(20):
        os.mkdir(part, dir_fd=at)
        below = os.open(part, os.O_PATH, dir_fd=at)
        os.close(at)
        at = below
    try:
        handle = directories.open(path, HOLD)
        try:
            assert os.path.samestat(os.fstat(handle), os.fstat(at))
        finally:
            os.close(handle)
    finally:
        os.close(at)
    assert refusal(directories.open, b"x" * (PATH_MAX + 1), HOLD) == errno.ENAMETOOLONG


def test_one_step_follows_no_link(directories: Directories) -> None:
    root = directories.open(b"", HOLD)
    try:
        assert refusal(directories.hold_in, root, b"a") == 0
        assert refusal(directories.hold_in, root, b"absent") == errno.ENOENT
        for name in (b"inside", b"outside", b"file"):
            assert refusal(directories.hold_in, root, name) in (errno.ELOOP, errno.ENOTDIR), name
    finally:
        os.close(root)
