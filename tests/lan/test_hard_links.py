"""--preserve hardlinks with three real daemons: names of one file, across folders, and a node in the middle that keeps none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import blob, write
from .checker import wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 30.0
LARGE = 3 << 20


def files_of(root: Path) -> list[list[str]]:
    """The names of each file that has several in this folder."""
    found: dict[int, list[str]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and ".dir_sync" not in path.relative_to(root).parts:
            found.setdefault(path.lstat().st_ino, []).append(str(path.relative_to(root)))
    return sorted(names for names in found.values() if len(names) > 1)


def test_names_of_one_file_on_three_machines(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    a, middle, c = lan

    def begin(node: Node) -> None:
        node.start("--preserve", "hardlinks", "--no-discovery", "--peer", middle.address)

    def are_one(*files: list[str]) -> None:
        wait_equal(lan.roots, SOON_S)
        wait_for(lambda: files_of(a.dir) == files_of(c.dir) == sorted(files), SOON_S, f"names of {files}")

    write(a.dir / "d/small", b"small")
    write(a.dir / "large", blob(LARGE, "large"))
    write(a.dir / "twin", b"small")  # equal, and a file of its own
    os.link(a.dir / "d/small", a.dir / "small")
    (a.dir / "e").mkdir()
    os.link(a.dir / "large", a.dir / "e/large")
    lan.cut(a, c)  # they reach only the one in the middle
    middle.start("--no-discovery")
    for node in (a, c):
        begin(node)
    are_one(["d/small", "small"], ["e/large", "large"])
    assert files_of(middle.dir) == []

    os.link(c.dir / "d/small", c.dir / "third")
    are_one(["d/small", "small", "third"], ["e/large", "large"])

    with open(c.dir / "third", "r+b") as file:  # in place: all names change
        file.write(b"SMALL and longer")
    are_one(["d/small", "small", "third"], ["e/large", "large"])
    assert (a.dir / "small").read_bytes() == b"SMALL and longer"
    assert (a.dir / "twin").read_bytes() == b"small"

    before = sum(lan.wire_bytes())
    with open(a.dir / "large", "ab") as file:
        file.write(b"appended")
    are_one(["d/small", "small", "third"], ["e/large", "large"])
    assert sum(lan.wire_bytes()) - before < 1 << 20, "the large file travelled"
    os.chmod(c.dir / "e/large", 0o600)
    wait_for(lambda: (a.dir / "large").stat().st_mode & 0o777 == 0o600, SOON_S, "the mode")
    are_one(["d/small", "small", "third"], ["e/large", "large"])

    write(a.dir / "new", b"of its own")  # as editors save: one name leaves
    (a.dir / "new").rename(a.dir / "small")
    (a.dir / "e/large").rename(a.dir / "d/renamed")
    are_one(["d/renamed", "large"], ["d/small", "third"])
    (c.dir / "third").unlink()
    are_one(["d/renamed", "large"])
    assert (c.dir / "d/small").read_bytes() == b"SMALL and longer"

    c.kill()
    os.link(a.dir / "small", a.dir / "again")
    (a.dir / "large").unlink()
    os.link(a.dir / "d/renamed", a.dir / "large")
    begin(c)
    are_one(["again", "small"], ["d/renamed", "large"])

    write(middle.dir / "small", b"where no names are kept")  # in place there, and one of several here
    wait_equal(lan.roots, SOON_S)
    wait_for(lambda: files_of(a.dir) == files_of(c.dir) == [["d/renamed", "large"]], SOON_S, "the rest")
    assert not any(node.complaints() for node in lan)
    for node in lan:
        node.stop()
