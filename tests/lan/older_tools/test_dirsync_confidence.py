"""DirSync's eight confidence tests, by their names: what its users checked before they trusted it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lan.changes import append, blob, overwrite, write
from tests.lan.checker import wait_equal, wait_for
from tests.lan.lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 30.0
FIXED = ("--no-discovery",)
FOLDERS = ("DirToDelete", "DirToRename")
FILES = (
    *("FileToDelete", "FileToChangeStart", "FileToAdd1", "FileToRemove1", "FileToReplace", "FileToRename"),
    *("DirToDelete/DirToDeleteFile", "DirToRename/DirToRenameFile"),
)
SIZE = 1 << 20


def fill(folder: Path) -> None:
    for name in FOLDERS:
        (folder / name).mkdir()
    for name in FILES:
        write(folder / name, blob(SIZE, name))


@contextmanager
def server_and_client(*more: str) -> Iterator[tuple[Node, Node]]:
    """The client has files and folders, and the server has them, too."""
    with Lan(2) as lan:
        server, client = lan
        fill(client.dir)
        server.start(*FIXED)
        client.start(*FIXED, "--peer", server.address, *more)
        wait_equal(lan.roots, SOON_S)
        yield server, client
        wait_equal(lan.roots, SOON_S)


def test_1_server_started_with_no_directory_creates_the_default_storage_directory() -> None:
    with Lan(1) as lan:
        server = lan[0]
        server.launch([sys.executable, server.main, "--create", *FIXED])
        storage = server.base / "Storage"  # the node runs in this folder
        wait_for((storage / ".dir_sync").is_dir, SOON_S, "Storage is made and shared")


def test_2_server_started_with_a_directory_creates_it() -> None:
    with Lan(1) as lan:
        server = lan[0]
        made = server.base / "Destination"
        server.launch([sys.executable, server.main, made, "--create", *FIXED])
        wait_for((made / ".dir_sync").is_dir, SOON_S, "the folder is made and shared")


def test_3_client_started_with_an_invalid_directory_fails() -> None:
    with Lan(1) as lan:
        ended = lan[0].run_to_end("dummy", *FIXED, "--peer", "localhost:1")
        assert ended.code == 2
        assert "no such folder" in ended.err
        assert not (lan[0].base / "dummy").exists()


def test_4_files_and_directories_in_the_source_only() -> None:
    with server_and_client() as (server, _):
        assert all((server.dir / name).is_dir() for name in FOLDERS)
        assert all((server.dir / name).read_bytes() == blob(SIZE, name) for name in FILES)


def test_5_new_files_and_directories() -> None:
    with server_and_client() as (server, client):
        for name in ("NewFile1", "DirToRename/NewFile2"):
            write(client.dir / name, blob(SIZE, name))
        for name in ("NewDir1", "DirToRename/NewDir2"):
            (client.dir / name).mkdir()
        wait_for(lambda: (server.dir / "NewDir1").is_dir(), SOON_S, "a new folder")
        wait_for(lambda: (server.dir / "DirToRename/NewDir2").is_dir(), SOON_S, "a new folder in a folder")
        wait_for(lambda: (server.dir / "NewFile1").is_file(), SOON_S, "a new file")
        wait_for(lambda: (server.dir / "DirToRename/NewFile2").is_file(), SOON_S, "a new file in a folder")


def test_6_deleted_files_and_directories() -> None:
    with server_and_client() as (server, client):
        (client.dir / "FileToDelete").unlink()
        shutil.rmtree(client.dir / "DirToDelete")
        wait_for(lambda: not (server.dir / "FileToDelete").exists(), SOON_S, "the file goes")
        wait_for(lambda: not (server.dir / "DirToDelete").exists(), SOON_S, "the folder goes with its file")


def test_7_modified_files() -> None:
    """The first byte, one byte more, one byte less, everything; and the same file again, which waits for its interval."""
    interval_s = 3.0
    with server_and_client("--file-interval", f"{interval_s:.0f}s") as (server, client):

        def arrives(name: str) -> None:
            wanted = (client.dir / name).read_bytes()
            wait_for(lambda: (server.dir / name).read_bytes() == wanted, SOON_S, name)

        overwrite(client.dir / "FileToChangeStart", 0, b"!")
        append(client.dir / "FileToAdd1", b"!")
        with (client.dir / "FileToRemove1").open("r+b") as file:
            file.truncate(SIZE - 1)
        for name in ("FileToChangeStart", "FileToAdd1", "FileToRemove1"):
            arrives(name)
        begun = time.monotonic()
        write(client.dir / "FileToReplace", blob(SIZE, "replaced"))
        arrives("FileToReplace")
        overwrite(client.dir / "FileToReplace", SIZE // 2, b"!")
        arrives("FileToReplace")
        assert time.monotonic() - begun > interval_s - 1, "one file is not sent twice within the interval"


def test_8_renamed_files_and_directories() -> None:
    with server_and_client() as (server, client):
        for old, new in (("FileToRename", "FileRenamed"), ("DirToRename", "DirRenamed")):
            (client.dir / old).rename(client.dir / new)
        wait_for(lambda: (server.dir / "FileRenamed").is_file(), SOON_S, "the file has its new name")
        wait_for(lambda: (server.dir / "DirRenamed/DirToRenameFile").is_file(), SOON_S, "and so has the folder")
        wait_for(lambda: not (server.dir / "FileToRename").exists(), SOON_S, "the old name of the file is gone")
        wait_for(lambda: not (server.dir / "DirToRename").exists(), SOON_S, "the old name of the folder is gone")
