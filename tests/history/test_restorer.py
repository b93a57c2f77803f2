"""Files are put back without the engine: what is displaced is kept, and the next node looks if this process died."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from blake3 import blake3

from dir_sync.config import ConfigError
from dir_sync.core.attributes import Attributes
from dir_sync.core.jobs import Before, Cause, Version
from dir_sync.core.model import Kind, Stat, unstamped
from dir_sync.file_sync import FileSync
from dir_sync.files.replace import Match, Replacer
from dir_sync.folder import state
from dir_sync.history.restorer import Restorer
from dir_sync.history.source import Source, open_source
from dir_sync.index import KEEPS, Index

OLD = b"as it was"
NAME = b".dir_sync/versions/old"


class Died(Exception):
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "shared"
    for name in ("versions", "staging"):
        (root / ".dir_sync" / name).mkdir(parents=True)
    (root / ".dir_sync/versions/old").write_bytes(OLD)
    (root / "file").write_bytes(b"now")
    return root


def kept(index: Index) -> Version:
    """A version of `file`, in the history and in the index."""
    version = Version(
        NAME, b"file", Kind.FILE, len(OLD), blake3(OLD).digest(), 10**18, 0o644, 10**18, Cause.REPLACED, "aa"
    )
    index.versions.put(version)
    return version


def put(source: Source, how: str) -> None:
    """The file is again what it was: as a version of the history, or as it was before a change."""
    assert source.index is not None
    version = kept(source.index)
    with closing(Restorer(source)) as restorer:
        if how == "restore":
            assert restorer.restore(version, source.index.identity.replica)
        else:
            before = Before(b"file", Kind.FILE, version.size, version.content, version.mtime, version.mode, 0, "")
            restorer.put_back(source.index, before)


@pytest.mark.parametrize("how", ["restore", "put back"])
def test_what_is_displaced_is_kept_in_turn(folder: Path, how: str) -> None:
    with open_source(str(folder)) as source:
        put(source, how)
        assert (folder / "file").read_bytes() == OLD
        assert source.index is not None
        (displaced,) = [one for one in source.index.versions.oldest_first() if one.name != NAME]
        assert (folder / displaced.name.decode()).read_bytes() == b"now"
        assert displaced.path == b"file"
        assert displaced.maker == source.index.identity.replica


@pytest.mark.parametrize("how", ["restore", "put back"])
def test_a_process_that_dies_leaves_word_that_the_history_may_hold_more(folder: Path, how: str) -> None:
    with open_source(str(folder)) as source:
        assert source.index is not None
        source.index.notes.put(state.AT_REST, 1)
        source.index.commit()
    with pytest.raises(Died), open_source(str(folder)) as source, patch.object(FileSync, "perform", side_effect=Died):
        put(source, how)
    with open_source(str(folder)) as source:
        assert source.index is not None
        assert source.index.notes.get(state.AT_REST) == 0


def test_a_users_file_that_came_in_between_and_lost_its_place_is_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder went, too, so it could not have its name back."""
    (folder / "in").mkdir()
    (folder / "in/file").write_bytes(b"now")
    exchange = Replacer.exchange

    def meddled(self: Replacer, path: bytes, swap: bytes, there: Stat) -> None:
        (folder / "in/file").write_bytes(b"a user's")
        exchange(self, path, swap, there)
        shutil.rmtree(folder / "in")

    monkeypatch.setattr(Replacer, "exchange", meddled)
    with open_source(str(folder)) as source, closing(Restorer(source)) as restorer:
        assert source.index is not None
        with pytest.raises(ConfigError, match="was changed meanwhile"):
            restorer.install(b"in/file", b"now", b"merged", 0o644, "aa")
        (rescued,) = source.index.versions.oldest_first()
        assert (rescued.path, rescued.why) == (b"in/file", Cause.RECOVERED)
        assert (folder / rescued.name.decode()).read_bytes() == b"a user's"


@pytest.mark.parametrize("how", ["restore", "put back"])
def test_a_folder_with_something_in_it_is_not_replaced(folder: Path, how: str) -> None:
    (folder / "file").unlink()
    (folder / "file").mkdir()
    (folder / "file" / "pipe").write_bytes(b"a user's")
    with open_source(str(folder)) as source, pytest.raises(ConfigError):
        put(source, how)
    assert (folder / "file" / "pipe").read_bytes() == b"a user's"


def test_what_is_as_large_and_as_old_as_what_was_merged_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cp -p between the look and the exchange."""
    file = folder / "file"
    exchange = Replacer.exchange

    def written(self: Replacer, path: bytes, swap: bytes, there: Stat) -> None:
        file.write_bytes(b"own")
        os.utime(file, ns=(there.mtime, there.mtime))
        exchange(self, path, swap, there)

    with open_source(str(folder)) as source, closing(Restorer(source)) as restorer:
        monkeypatch.setattr(Replacer, "exchange", written)
        with pytest.raises(ConfigError, match="was changed meanwhile"):
            restorer.install(b"file", b"now", b"merged", 0o644, "aa")
        assert file.read_bytes() == b"own"
        monkeypatch.undo()
        restorer.install(b"file", b"own", b"merged", 0o644, "aa")
        assert file.read_bytes() == b"merged"


@pytest.mark.parametrize("how", ["restore", "install"])
def test_what_cannot_be_read_when_it_is_displaced_is_not_listed_as_what_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with open_source(str(folder)) as source, closing(Restorer(source)) as restorer:
        assert source.index is not None
        version = kept(source.index)
        there = (folder / "file").stat()
        row = unstamped(b"file", Kind.FILE, 3, blake3(b"now").digest(), there.st_mtime_ns, 0o644)
        source.index.rows.put(row, b"")
        monkeypatch.setattr(Replacer, "compare", lambda *_arguments: Match.UNREAD)
        if how == "restore":
            assert restorer.restore(version, source.index.identity.replica)
        else:
            restorer.install(b"file", b"now", b"merged", 0o644, "aa")
        (displaced,) = [one for one in source.index.versions.oldest_first() if one.name != NAME]
        assert (displaced.content, displaced.why) == (b"", Cause.RECOVERED)


def test_a_file_that_changes_while_it_is_read_is_not_taken_for_what_was_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.read

    def grown(fd: int, count: int) -> bytes:
        data = read(fd, count)
        with open(folder / "file", "ab") as file:
            file.write(b" and more")
        return data

    with open_source(str(folder)) as source, closing(Restorer(source)) as restorer:
        monkeypatch.setattr(os, "read", grown)
        with pytest.raises(ConfigError, match="is being changed by another program: try again"):
            restorer.now(b"file")
        monkeypatch.undo()
        found = restorer.now(b"file")
        assert found is not None
        assert found[1] == b"now and more"


@pytest.mark.parametrize("how", ["restore", "put back"])
def test_what_is_restored_has_the_attributes_of_its_version(folder: Path, how: str) -> None:
    """If the node of the folder keeps them. Without them those of the file that is there stay."""
    try:
        os.setxattr(folder / "file", "user.now", b"1")
    except OSError as error:
        pytest.skip(f"not here: {error}")
    then = Attributes(None, None, ((b"user.then", b"2"),))
    with open_source(str(folder)) as source:
        assert source.index is not None
        version = kept(source.index)._replace(attributes=then)
        source.index.versions.put(version)
        source.index.notes.put(KEEPS, "xattrs")
        assert source.index.versions.get(version.name) == version
        answer = source.ask({"command": "versions"})
        with closing(Restorer(source)) as restorer:
            restorer.keep(answer["keeps"])
            if how == "restore":
                assert restorer.restore(version, source.index.identity.replica)
            else:
                restorer.put_back(source.index, Before(*version[1:7], 0, "", then))
    assert os.listxattr(folder / "file") == ["user.then"]
