"""Which paths are shared at all, and that people are told once of one that is not."""

from __future__ import annotations

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.looks import MOUNTED
from dir_sync.engine.scope import Scope
from tests.engine.kit import Alone


@pytest.mark.parametrize(
    "path", [b"", limits.RESERVED_NAME, b"d/" + limits.RESERVED_NAME, limits.RESERVED_NAME + b"/a"]
)
def test_what_is_ours_alone_is_not_shared_and_nobody_is_told(path: bytes) -> None:
    kit = Alone(Scope)
    assert not kit.it.is_ours(path)
    assert kit.told() == []


def test_a_path_that_cannot_be_everywhere_is_told_once() -> None:
    kit = Alone(Scope)
    path = b"x" * (limits.PART_BYTES_MAX + 1)
    assert not kit.it.is_ours(path)
    assert not kit.it.is_ours(path)
    (note,) = kit.told()
    assert isinstance(note, notes.Skipped)
    assert note.path == path
    assert kit.it.is_ours(b"d/a")


def test_a_listing_tells_which_mounts_there_are_and_which_are_no_more() -> None:
    kit = Alone(Scope)
    kit.it.note_mount(b"other/m")
    kit.it.mounts_found(b"d", [b"one", b"two"])
    assert kit.it.mounted == {b"other/m", b"d/one", b"d/two"}
    kit.it.mounts_found(b"d", [b"two"])
    assert kit.it.mounted == {b"other/m", b"d/two"}
    assert kit.told() == [notes.Skipped(b"d/one", MOUNTED), notes.Skipped(b"d/two", MOUNTED)]
    kit.it.mounts_found(b"", [b"m"])
    assert b"m" in kit.it.mounted
