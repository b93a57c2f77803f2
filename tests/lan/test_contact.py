"""First contact of folders that were filled apart: all of it survives, the newest wins, the loser is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import SECOND_NS, blob, put, set_mtime, write
from .checker import survey, wait_equal
from .lan import Lan

pytestmark = pytest.mark.lan

SOON_S = 60.0
BASE_NS = 1_600_000_000 * SECOND_NS


def at(second: int) -> int:
    return BASE_NS + second * SECOND_NS


def link(path: Path, target: str, mtime_ns: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, path)
    set_mtime(path, mtime_ns)


def test_two_folders_that_were_filled_apart(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan
    for node in lan:
        put(node.dir / f"only {node}/file", f"only {node}".encode(), at(1))
        (node.dir / f"empty {node}").mkdir()
        (node.dir / "empty both").mkdir()
        put(node.dir / "common" / f"from {node}", f"{node}".encode(), at(2))
        put(node.dir / "equal", b"equal", at(3))
        put(node.dir / "equal bytes, other time", b"equal bytes", at(4 + node.index))
        link(node.dir / "equal link", "target", at(5))
    put(a.dir / "newer on a", b"newer, on a", at(20))
    put(b.dir / "newer on a", b"older, on b", at(10))
    put(a.dir / "newer on b", b"older, on a", at(10))
    put(b.dir / "newer on b", b"newer, on b", at(20))
    put(a.dir / "a nanosecond newer on b", b"older by a nanosecond", at(30))
    put(b.dir / "a nanosecond newer on b", b"newer by a nanosecond", at(30) + 1)
    put(a.dir / "large, newer on b", blob(3 << 20, "old"), at(10))
    put(b.dir / "large, newer on b", blob(3 << 20, "new"), at(20))
    put(a.dir / "file and folder", b"a file, and the newest of all", at(50))
    put(b.dir / "file and folder/child", b"a child", at(10))
    put(a.dir / "file and link", b"a file", at(10))
    link(b.dir / "file and link", "a link", at(20))
    link(a.dir / "two links", "older", at(10))
    link(b.dir / "two links", "newer", at(20))
    put(a.dir / "two modes", b"same bytes", at(20)).chmod(0o600)
    put(b.dir / "two modes", b"same bytes", at(20)).chmod(0o755)
    identity = {node: (node.dir / "equal").stat() for node in lan}
    names = survey(a.dir).keys() | survey(b.dir).keys()

    lan.start()
    wait_equal(lan.roots, SOON_S)
    lan.meet("start")
    final = wait_equal(lan.roots, SOON_S)
    assert names <= final.keys(), f"deleted: {sorted(names - final.keys())}"

    def text(name: str) -> bytes:
        return (a.dir / name).read_bytes()

    assert text("newer on a") == b"newer, on a"
    assert b.keeps(b"older, on b")
    assert text("newer on b") == b"newer, on b"
    assert a.keeps(b"older, on a")
    assert text("a nanosecond newer on b") == b"newer by a nanosecond"
    assert a.keeps(b"older by a nanosecond")
    assert text("large, newer on b") == blob(3 << 20, "new")
    assert a.keeps(blob(3 << 20, "old"))
    assert text("file and folder/child") == b"a child", "what is in a folder makes it one"
    assert a.keeps(b"a file, and the newest of all")
    assert os.readlink(a.dir / "file and link") == "a link"
    assert a.keeps(b"a file")
    assert os.readlink(a.dir / "two links") == "newer"
    assert final[b"two modes"].mode in (0o600, 0o755)
    assert final[b"equal bytes, other time"].mtime_ns == at(5), "the later time"
    for node in lan:
        assert not node.keeps(b"equal"), "equal bytes are no conflict"
        assert not node.keeps(b"equal bytes")
        now, was = (node.dir / "equal").stat(), identity[node]
        assert (now.st_ino, now.st_ctime_ns) == (was.st_ino, was.st_ctime_ns), "an equal file is left alone"
    assert not any(node.keeps(text(name)) for node in lan for name in ("newer on a", "newer on b"))


def test_many_folders_that_were_filled_apart(new_lan: Callable[..., Lan]) -> None:
    """Four nodes, each with another version of the same file: one winner, three kept where they were."""
    lan = new_lan(4)
    for node in lan:
        for name in range(4):
            put(node.dir / f"file {name}", f"{name} on {node}".encode(), at((node.index + name) % 4))
        put(node.dir / "same time", f"by {node}".encode(), at(9))
        put(node.dir / "same", b"same", at(9))
    lan.start()
    wait_equal(lan.roots, SOON_S)
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    for name in range(4):
        winner = lan[(3 - name) % 4]
        assert (lan[0].dir / f"file {name}").read_bytes() == f"{name} on {winner}".encode()
        for node in lan:
            assert node is winner or node.keeps(f"{name} on {node}".encode()), f"file {name} of {node} is lost"
    tie = (lan[0].dir / "same time").read_bytes()
    assert tie in {f"by {node}".encode() for node in lan}
    for node in lan:
        mine = f"by {node}".encode()
        assert mine == tie or node.keeps(mine)


def test_an_empty_newcomer_gets_everything_and_takes_nothing_away(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    a, b, c = lan
    for name in range(50):
        put(a.dir / f"folder{name % 5}/file{name}", blob(name * 100, name), at(name))
    before = survey(a.dir)
    a.start()
    b.start()
    wait_equal([a.dir, b.dir], SOON_S, like=before)
    c.start()
    wait_equal(lan.roots, SOON_S, like=before)
    lan.meet("start")
    after = wait_equal(lan.roots, SOON_S)
    assert before.items() <= after.items()


def test_a_newcomer_with_old_copies(new_lan: Callable[..., Lan]) -> None:
    """It brings an old backup of the folder: nothing newer is overwritten; what was deleted may come back."""
    lan = new_lan(3)
    a, b, c = lan
    for name in ("edited", "deleted", "untouched"):
        put(a.dir / name, f"old {name}".encode(), at(1))
        put(c.dir / name, f"old {name}".encode(), at(1))
    put(c.dir / "only in the backup", b"only in the backup", at(1))
    a.start()
    b.start()
    wait_equal([a.dir, b.dir], SOON_S)
    write(a.dir / "edited", b"edited since")
    (a.dir / "deleted").unlink()
    wait_equal([a.dir, b.dir], SOON_S, like=survey(a.dir))
    c.start()
    lan.meet("start")
    final = wait_equal(lan.roots, SOON_S)
    assert (c.dir / "edited").read_bytes() == b"edited since"
    assert c.keeps(b"old edited")
    assert (a.dir / "only in the backup").read_bytes() == b"only in the backup"
    assert final[b"untouched"].mtime_ns == at(1)
    # Deleted by a member, brought by who has never met it: that is answered like an edit.
    assert (a.dir / "deleted").read_bytes() == b"old deleted"
