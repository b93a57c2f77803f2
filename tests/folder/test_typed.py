"""Paths as people type them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dir_sync.config import USAGE, ConfigError
from dir_sync.folder.typed import path_of, paths_meant


def test_relative_to_the_folder_or_absolute(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert path_of(folder, "a//./b/") == b"a/b"
    assert path_of(folder, str(tmp_path / "a" / "b")) == b"a/b"
    assert path_of(folder, ".", whole=True) == b""


@pytest.mark.parametrize("text", ["../x", "a/../b", ".", "", ".dir_sync/x", "/elsewhere"])
def test_what_is_no_path_in_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is not a path in the shared folder") as caught:
        path_of(str(tmp_path), text)
    assert caught.value.exit_code == USAGE


def test_a_printed_form_is_taken_back_and_the_name_itself_comes_first(tmp_path: Path) -> None:
    assert paths_meant(str(tmp_path), "two\\nlines") == [b"two\\nlines", b"two\nlines"]
    assert paths_meant(str(tmp_path), "\\xff") == [b"\\xff", b"\xff"]
    assert paths_meant(str(tmp_path), os.fsdecode(b"\xff"))[0] == b"\xff"
