"""Texts that were changed on two machines at once: merged by themselves, looked at, and merged by the user's tool."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile

import pytest

from .checker import wait_equal, wait_for
from .lan import Lan, Node, content, has, say

pytestmark = pytest.mark.lan

BASE = "".join(f"line {number}\n" for number in range(12)).encode()
MINE, THEIRS = BASE.replace(b"line 1\n", b"mine\n"), BASE.replace(b"line 9\n", b"theirs\n")
BOTH = MINE.replace(b"line 9\n", b"theirs\n")


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
