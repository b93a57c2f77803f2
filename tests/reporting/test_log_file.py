"""The log file: it stays below its size, nothing is lost when it is rotated, and it can be opened anew."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.reporting import log
from dir_sync.reporting.log_file import LogFile

LINE = b"x" * 99 + b"\n"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    log.close()


def put(file: LogFile, line: bytes) -> None:
    file.make_room(len(line))
    os.write(file.descriptor, line)


def numbered(folder: Path, lines: int, **how: int) -> LogFile:
    file = LogFile(str(folder / "log"), how.get("max_bytes", 1_000), how.get("kept", 3))
    for number in range(lines):
        put(file, b"%099d\n" % number)
    return file


def numbers(folder: Path) -> list[int]:
    """What is in all files, the oldest first."""
    files = sorted(folder.iterdir(), key=lambda path: -int(path.suffix[1:] or 0))
    return [int(line) for path in files for line in path.read_bytes().splitlines()]


def test_it_is_rotated_before_it_is_too_large_and_the_oldest_goes(tmp_path: Path) -> None:
    numbered(tmp_path, 45).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3"]
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {500, 1_000}
    assert numbers(tmp_path) == list(range(10, 45))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_it_goes_on_in_what_is_there(tmp_path: Path) -> None:
    numbered(tmp_path, 9).close()
    file = LogFile(str(tmp_path / "log"), 1_000, 3)
    for _ in range(3):
        put(file, LINE)
    file.close()
    assert (tmp_path / "log.1").stat().st_size == 1_000
    assert (tmp_path / "log").stat().st_size == 200


def test_without_a_limit_it_is_never_rotated(tmp_path: Path) -> None:
    numbered(tmp_path, 100, max_bytes=0).close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_if_none_is_kept_it_begins_anew(tmp_path: Path) -> None:
    numbered(tmp_path, 15, kept=0).close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert numbers(tmp_path) == list(range(10, 15))


def test_what_logrotate_has_moved_away_is_not_rotated_again(tmp_path: Path) -> None:
    """Without a signal: the file has grown too large under its new name."""
    file = numbered(tmp_path, 9)
    (tmp_path / "log").rename(tmp_path / "log.1")
    put(file, LINE)
    put(file, LINE)
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert (tmp_path / "log.1").stat().st_size == 1_000
    assert (tmp_path / "log").read_bytes() == LINE


def test_what_logrotate_has_cut_goes_on(tmp_path: Path) -> None:
    """copytruncate."""
    file = numbered(tmp_path, 9)
    os.truncate(tmp_path / "log", 0)
    for _ in range(5):
        put(file, LINE)
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").read_bytes() == LINE * 5


def test_if_it_cannot_be_renamed_no_line_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def refuse(*names: object) -> None:
        tried.append(names)
        raise PermissionError

    monkeypatch.setattr(os, "rename", refuse)
    numbered(tmp_path, 25, kept=1).close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert numbers(tmp_path) == list(range(25))
    assert len(tried) == 2, "it is tried again when as much was written once more, not with each line"


def test_a_fifo_is_not_rotated(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    numbered(tmp_path, 25).close()
    assert len(os.read(reader, 65536)) == 2_500
    os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_it_is_opened_anew_by_its_name(tmp_path: Path) -> None:
    log.setup(-1, str(tmp_path / "log"))
    log.logger.warning("before")
    (tmp_path / "log").rename(tmp_path / "moved")
    log.logger.warning("still there")
    log.reopen()
    log.logger.warning("after")
    assert [line.split("  ")[-1] for line in (tmp_path / "moved").read_text().splitlines()] == ["before", "still there"]
    assert (tmp_path / "log").read_text().endswith("  after\n")


def test_if_it_cannot_be_opened_anew_the_log_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    log.setup(-1, str(folder / "log"))
    folder.rename(tmp_path / "moved")
    log.reopen()
    log.logger.warning("after")
    text = (tmp_path / "moved" / "log").read_text()
    assert "cannot be opened anew" in text
    assert text.endswith("  after\n")


def test_a_log_file_that_cannot_be_written_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    """A configuration file that is read again may name one."""
    log.setup(-1, str(tmp_path / "log"))
    with pytest.raises(ConfigError):
        log.setup(-1, str(tmp_path / "nothing" / "log"))
    log.logger.warning("not reloaded")
    assert "not reloaded" in (tmp_path / "log").read_text()


def test_lines_of_the_log_are_rotated(tmp_path: Path) -> None:
    log.setup(-1, str(tmp_path / "log"), 10_000, 2)
    for number in range(300):
        log.logger.log(logging.WARNING, "line %d %s", number, "y" * 60)
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 10_000 for path in files)
    lines = [line for path in reversed(files) for line in path.read_text().splitlines()]
    said = [int(line.partition("  line ")[2].split()[0]) for line in lines]
    assert said == list(range(300 - len(said), 300)), "without a gap"
