"""What a process of several open folders says when it starts."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.test_open_imports import started


def test_each_of_several_open_folders_is_closed_by_itself(tmp_path: Path) -> None:
    """The command that closes one of them would pass for one that closes them all."""
    done = started(tmp_path, "with", names=("notes", "docs"))
    (line,) = [line for line in done.stderr.splitlines() if "the mesh is open" in line]
    assert "anyone on this LAN can join these folders; each of them is closed by itself: " in line
    assert line.endswith(" invite DIR")
