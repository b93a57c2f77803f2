"""`verify` while no node runs: what is here against the index."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from blake3 import blake3

from dir_sync import cli
from dir_sync.core.model import Kind, Record, Stamp, fingerprint
from dir_sync.disk import RealDisk
from dir_sync.folder import state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files that a node has noted, and another machine that it knows."""
    made = tmp_path.resolve() / "shared"
    (made / ".dir_sync" / "versions").mkdir(parents=True)
    (made / ".dir_sync" / "staging").mkdir()
    disk = RealDisk(str(made))
    with closing(disk), closing(state.open_index(bytes(made), Random(1))) as index:
        me = index.identity.replica
        for number, name in enumerate((b"a", b"b"), 1):
            content = b"content of " + name
            (made / name.decode()).write_bytes(content)
            stat = disk.stat(name)
            assert stat is not None
            digest, vector = blake3(content).digest(), ((me, number),)
            record = Record(name, Kind.FILE, stat.size, digest, stat.mtime, stat.mode, Stamp(number, me), vector)
            index.rows.put(record, fingerprint(stat))
        index.notes.put("name " + "bb" * 8, "bob")
        index.commit()
    return made


def test_everything_is_as_it_was_recorded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("reading 2 files (24 B) here\nno node runs for it: no other machine is asked\n")
    assert out.endswith("everything is as it was recorded\n")


def test_what_was_changed_since_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a").write_bytes(b"another content")
    (folder / "b").unlink()
    assert cli.main(["verify", str(folder), "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert (told["equal"], told["found"], told["entries"], told["away"]) == (False, 2, 2, ["bob"])
    assert [(one["path"], one["what"]) for one in told["findings"]] == [("a", "changing"), ("b", "changing")]


def test_a_folder_that_was_never_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    assert cli.main(["verify", str(tmp_path / "other")]) == 1
    assert "was never shared from here" in capsys.readouterr().err


def test_a_repair_needs_a_node(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(folder), "--repair"]) == 1
    assert "no node is running" in capsys.readouterr().err
