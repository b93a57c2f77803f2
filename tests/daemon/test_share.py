"""One shared folder: what is opened with it, what is given back, and what becomes of it while it is shared."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dir_sync.config import ConfigError
from dir_sync.core.preserve import USUAL, Part
from dir_sync.core.taking import Keep
from dir_sync.daemon.inbox import Inbox
from dir_sync.daemon.jobs import DiskWorkers
from dir_sync.daemon.share import Share
from dir_sync.folder import state
from dir_sync.network.throttle import Throttle
from dir_sync.readable import Readable
from tests.daemon.standins import config
from tests.ends import closed_at_end

GIVEN: dict[str, Any] = {
    "brake_files": 100,
    "brake_percent": 20,
    "brake_rewrites": 100,
    "brake_rewrite_percent": 20,
    "clock_ahead": 1,
    "file_interval": 0,
    "scrub": 0,
    "preserve": USUAL,
    "history_days": 30,
    "history_share": 10,
    "history_min": 1_000_000,
    "history_max": 10_000_000,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


def opened(folder: Path, **more: Any) -> Share:
    given = config(folder=str(folder), signature_dir=str(folder.parent / "signatures"), **GIVEN | more)
    inbox = Inbox()
    return closed_at_end(
        Share(given, "tag", Random(1), inbox, DiskWorkers(Throttle()), closed_at_end(Readable()), lambda: False)
    )


def test_it_holds_the_folder_until_it_is_closed(folder: Path) -> None:
    share = opened(folder)
    with pytest.raises(ConfigError, match="already running"):
        opened(folder)
    share.close()
    share.close()
    opened(folder)


def test_one_that_cannot_be_opened_leaves_nothing_locked(folder: Path) -> None:
    (folder / ".dir_sync").mkdir()
    (folder / ".dir_sync" / "index.db").mkdir()
    with pytest.raises(ConfigError):
        opened(folder)
    (folder / ".dir_sync" / "index.db").rmdir()
    opened(folder)


def test_what_was_displaced_and_not_noted_is_found_at_the_next_start(folder: Path) -> None:
    share = opened(folder)
    assert share.recover_history() == []
    share.close()
    displaced = folder / ".dir_sync" / "staging" / "old-1"
    displaced.write_bytes(b"a user's bytes")
    share = opened(folder)
    found = share.recover_history()
    assert [version.size for version in found] == [14]
    assert list(share.index.versions.oldest_first()) == found
    assert share.index.notes.get(state.AT_REST) == 0


def test_a_folder_that_is_taken_away_is_noticed(folder: Path) -> None:
    share = opened(folder)
    share.recover_history()
    said: list[str] = []
    assert share.check(said.append)
    assert not said
    os.rename(folder, folder.parent / "elsewhere")
    folder.mkdir()
    assert not share.check(said.append)


def test_folders_of_ours_are_made_again_and_the_lock_is_not(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    share = opened(folder)
    share.recover_history()
    shutil.rmtree(folder / ".dir_sync" / "staging")
    assert share.check(lambda line: None)
    assert (folder / ".dir_sync" / "staging").is_dir()
    assert "created again" in caplog.messages[-1]
    (folder / ".dir_sync" / "lock").unlink()
    assert not share.check(lambda line: None)
    assert "begins anew" in caplog.messages[-1]


def test_how_much_may_come_is_said_each_time(folder: Path) -> None:
    share = opened(folder, min_free=Keep("0"))
    assert share.other_room() is not None
    assert share.other_room() is not None, "also while the disk is as it was"
    assert share.engine.board.taking is not None


def test_what_is_kept_of_files_no_longer_is_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def runs(**options: Any) -> None:
        share = opened(folder, **options)
        share.index.commit()
        share.close()

    runs(preserve=USUAL | {Part.HARDLINKS})
    assert caplog.messages == []
    runs()
    (line,) = caplog.messages
    assert line == (
        f"hardlinks of files in {folder}: kept until the last run, and not by this one; to keep them again: "
        "--preserve hardlinks"
    )
    caplog.clear()
    runs()
    assert caplog.messages == []
