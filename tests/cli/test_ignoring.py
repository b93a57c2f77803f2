"""The command `ignore`: it lists rules, explains paths, and tries other rules; it changes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dir_sync import cli
from dir_sync.cli.ignoring import count_shared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shared"
    (made / "d").mkdir(parents=True)
    (made / ".dir_sync").mkdir()
    for name in ("a.log", "keep.log", "d/b.log", "d/c", "x.part"):
        (made / name).write_bytes(b"")
    (made / ".syncignore").write_text("*.log\n!keep.log\nbad\\")
    (made / "d" / ".syncignore").write_text("!*.log\n")
    (made / ".dir_sync" / "ignore").write_text("/d/c\n")
    return made


def test_rules_are_listed_in_the_order_in_which_they_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ignore", str(folder)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("built in, line ")
    assert out[-5:] == [
        ".syncignore, line 1: *.log",
        ".syncignore, line 2: !keep.log",
        "cannot be used: .syncignore, line 3: this is no pattern",
        "d/.syncignore, line 1: !*.log",
        ".dir_sync/ignore, line 1: /d/c",
    ]
    assert cli.main(["ignore", str(folder), "--no-default-ignores"]) == 0
    assert "built in" not in capsys.readouterr().out


def test_only_files_that_are_shared_are_counted(folder: Path) -> None:
    (folder / "link").symlink_to("keep.log")
    os.mkfifo(folder / "pipe")
    assert count_shared(bytes(folder)) == (len(("keep.log", ".syncignore", "d/.syncignore", "d/b.log")), len(("link",)))


def test_a_rule_is_printed_as_it_was_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".syncignore").write_bytes(b"\\#hash\n\\!bang\nbell\x07\n\xff\n")
    (folder / "#hash").write_bytes(b"")
    assert cli.main(["ignore", str(folder), "--no-default-ignores"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert ".syncignore, line 1: \\#hash" in said
    assert ".syncignore, line 2: \\!bang" in said
    assert ".syncignore, line 3: bell\\x07" in said
    assert cli.main(["ignore", str(folder), "#hash"]) == 0
    assert capsys.readouterr().out == "#hash: ignored by .syncignore, line 1: \\#hash\n"


def test_a_path_is_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ignore", str(folder), "a.log", str(folder / "d" / "c"), "x.part"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "a.log: ignored by .syncignore, line 1: *.log",
        "d/c: ignored by .dir_sync/ignore, line 1: /d/c",
        "x.part: ignored by built in, line 11: *.part",
    ]
    assert cli.main(["ignore", str(folder), ".dir_sync", "d/.dir_sync/x"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        ".dir_sync: never shared: it is dir_sync's own",
        "d/.dir_sync/x: never shared: it is dir_sync's own",
    ]
    assert cli.main(["ignore", str(folder), ".dir_sync", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["paths"]
    assert one["ignored_by"] == {"file": "built in", "line": 0, "rule": ".dir_sync"}
    assert cli.main(["ignore", str(folder), "d/b.log", "not/there"]) == 4
    assert capsys.readouterr().out == "d/b.log: shared\nnot/there: shared\n"
    assert cli.main(["ignore", str(folder), "../outside"]) == 2


def test_other_rules_are_tried(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    (tmp_path / "new").write_text("d/\n!x.part\n")
    assert cli.main(["ignore", str(folder), "--check", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "3 paths newly ignored, 2 newly shared; nothing would be deleted"
    assert "newly ignored: d/b.log" in out
    assert "newly shared: a.log" in out
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert cli.main(["ignore", str(folder), "--check", str(tmp_path / "missing")]) == 1
