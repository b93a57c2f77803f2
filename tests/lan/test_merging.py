"""Texts that were changed on two machines at once: merged by themselves, looked at, and merged by the user's tool."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from itertools import takewhile

import pytest

from .checker import wait_equal, wait_for
from .lan import Lan, Node, content, has, say

pytestmark = pytest.mark.lan

BASE = "".join(f"line {number}\n" for number in range(12)).encode()
MINE, THEIRS = BASE.replace(b"line 1\n", b"mine\n"), BASE.replace(b"line 9\n", b"theirs\n")
BOTH = MINE.replace(b"line 9\n", b"theirs\n")

NOBODY = 2**32 - 1
ACCESS = "system.posix_acl_access"
FOR_BIN = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, NOBODY), (2, 6, 2), (4, 4, NOBODY), (16, 6, NOBODY), (32, 4, NOBODY))
)


@pytest.fixture
def pair(new_lan: Callable[..., Lan]) -> Lan:
    lan = new_lan(2)
    lan.start("--merge", "text")
    lan.meet("start")
    return lan


def changed_apart(lan: Lan, name: str, mine: bytes, theirs: bytes) -> None:
    """Both have the same; then each is changed while the other one knows nothing of it."""
    one, two = lan
    (one.dir / name).write_bytes(BASE)
    has(two, name, BASE)
    lan.meet(f"before {name}")
    two.stop()
    (one.dir / name).write_bytes(mine)
    (two.dir / name).write_bytes(theirs)
    two.start("--merge", "text")


def losers(node: Node) -> list[str]:
    return [line.split()[0] for line in takewhile(bool, say(node, "conflicts").splitlines()[1:])]


def test_changes_of_different_lines_are_merged_and_others_by_the_tool_of_the_user(pair: Lan) -> None:
    one, two = pair
    changed_apart(pair, "notes.txt", MINE, THEIRS)
    for node in pair:
        has(node, "notes.txt", BOTH)
    wait_for(lambda: not losers(one) and not losers(two), 60, "the conflict is over on both")

    changed_apart(pair, "plan.txt", MINE, BASE.replace(b"line 1\n", b"other\n"))
    wait_for(lambda: content(one, "plan.txt") == content(two, "plan.txt") and len(losers(one)) == 1, 60, "a conflict")
    (loser,) = losers(one)
    here = next(node for node in pair if " here " in say(node, "conflicts"))
    shown = say(here, "conflicts", "show", loser)
    assert "-mine\n" in shown or "-other\n" in shown
    tool = 'grep -q "line 1" "$BASE" && sed "s/^mine$\\|^other$/by hand/" "$LOCAL" > "$MERGED"'
    assert "resolved" in say(here, "conflicts", "merge", loser, "--tool", tool)
    for node in pair:
        has(node, "plan.txt", BASE.replace(b"line 1\n", b"by hand\n"))
        assert losers(node) == []
    wait_equal(pair.roots, 60)


def test_the_acl_that_one_side_gave_comes_along_with_its_mode(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    options = ("--merge", "text", "--preserve", "acls,xattrs")
    lan.start(*options)
    one, two = lan
    file = one.dir / "notes.txt"
    file.write_bytes(BASE)
    has(two, "notes.txt", BASE)
    lan.meet("before")
    two.stop()
    file.write_bytes(MINE)
    try:
        os.setxattr(file, ACCESS, FOR_BIN)
        os.setxattr(file, "user.t", b"red")
    except OSError as error:
        pytest.skip(f"not here: {error}")
    (two.dir / "notes.txt").write_bytes(THEIRS)
    two.start(*options)
    for node in lan:
        has(node, "notes.txt", BOTH)
    wanted = {ACCESS: FOR_BIN, "user.t": b"red"}
    for path in [node.dir / "notes.txt" for node in lan]:
        assert {name: os.getxattr(path, name) for name in os.listxattr(path) if name in wanted} == wanted
        assert path.stat().st_mode & 0o777 == 0o664
