"""Real nodes of all modes in one mesh: what each of them takes, announces, lists, and how a person ends what differs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from .changes import write
from .checker import survey, wait_equal, wait_for
from .lan import Lan, Node, content, has, say

pytestmark = pytest.mark.lan

SOON_S = 60.0
MODES = ("two-way", "send-only", "receive-only", "mirror")


def differing(node: Node) -> dict[str, tuple[str, str]] | None:
    """None: the node does not answer yet."""
    ended = node.run_to_end("diverged", node.dir, "--json")
    if ended.code:
        assert "no node is running" in ended.err
        return None
    answer: dict[str, Any] = json.loads(ended.out)
    assert answer["count"] == len(answer["paths"])
    return {one["path"]: (one["here"], one["there"]) for one in answer["paths"]}


def differs(node: Node, expected: dict[str, tuple[str, str]]) -> None:
    wait_for(lambda: differing(node) == expected, SOON_S, f"{node} lists {expected}")


@pytest.fixture
def four(new_lan: Callable[..., Lan]) -> Lan:
    """A node of each mode; their folders are the same."""
    lan = new_lan(4)
    for node in lan:
        for number in range(3):
            write(node.dir / "d" / f"{number}", b"content %d" % number)
            os.utime(node.dir / "d" / f"{number}", (1_700_000_000, 1_700_000_000))
    for node, mode in zip(lan, MODES, strict=True):
        node.start("--mode", mode)
    for node in lan:
        wait_for(lambda node=node: node.log().count(" found ") == 3, SOON_S, f"{node} knows all others")
        wait_for(lambda node=node: "everything is in sync" in node.log(), SOON_S, f"{node} is in sync")
    return lan


def test_all_modes_in_one_mesh(four: Lan) -> None:
    both, sends, receives, mirrors = four
    # what a two-way node does arrives where it is taken
    write(both.dir / "d" / "0", b"by both")
    write(both.dir / "new", b"of both")
    for node in (receives, mirrors):
        has(node, "d/0", b"by both")
        has(node, "new", b"of both")
    differs(sends, {"d/0": ("file", "file"), "new": ("nothing", "file")})
    assert content(sends, "d/0") == b"content 0"
    # the send-only node does not have it, and nobody is told that it has
    wait_for(
        lambda: (
            "safe to switch off: no," in (told := both.run_to_end("status", both.dir).out)
            and "is send-only and takes nothing from others" in told
        ),
        SOON_S,
        "who has what it does not take",
    )
    # what the send-only node does arrives everywhere
    write(sends.dir / "sent", b"of sends")
    for node in (both, receives, mirrors):
        has(node, "sent", b"of sends")
    # what the receive-only node does stays there
    write(receives.dir / "d" / "1", b"only here")
    write(receives.dir / "mine", b"only here")
    (receives.dir / "d" / "2").unlink()
    differs(receives, {"d/1": ("file", "file"), "mine": ("file", "nothing"), "d/2": ("nothing", "file")})
    # it has acknowledged what it has changed or deleted since, and is no copy of that
    wait_for(
        lambda: "keeps what was changed or deleted there: 2 files" in say(both, "status"),
        SOON_S,
        "who has something else",
    )
    told = json.loads(both.run_to_end("why", both.dir, "d/2", "--json").out)
    assert sorted(one["has"] for one in told["peers"]) == ["no", "yes", "yes"]
    # what is done at the mirror is undone, and kept
    write(mirrors.dir / "d" / "1", b"wrong here")
    write(mirrors.dir / "extra", b"extra here")
    (mirrors.dir / "d" / "2").unlink()
    has(mirrors, "d/1", b"content 1")
    has(mirrors, "extra", None)
    has(mirrors, "d/2", b"content 2")
    differs(mirrors, {})
    assert mirrors.keeps(b"wrong here")
    assert mirrors.keeps(b"extra here")
    for node in (both, sends):
        assert content(node, "mine") is content(node, "extra") is None
        assert content(node, "d/1") == b"content 1"
    # a newer version takes the place of what was changed here, which is kept
    write(both.dir / "d" / "1", b"newer")
    has(receives, "d/1", b"newer")
    assert receives.keeps(b"only here")
    differs(receives, {"mine": ("file", "nothing"), "d/2": ("nothing", "file")})
    # people end what differs
    assert "2 paths will be here" in say(receives, "revert", "--yes")
    has(receives, "mine", None)
    has(receives, "d/2", b"content 2")
    differs(sends, {"d/0": ("file", "file"), "d/1": ("file", "file"), "new": ("nothing", "file")})
    assert "3 paths will be" in say(sends, "override", "--yes")
    for node in four:
        has(node, "d/0", b"content 0")
        has(node, "d/1", b"content 1")
        has(node, "new", None)
    wait_equal(four.roots, SOON_S)
    assert both.keeps(b"of both")
    for node in four:
        assert differing(node) == {}
    # the history of all is listed on each, also what was displaced by a change that was never announced
    for node in four:
        assert " mine" in say(node, "history")
        assert " extra" in say(node, "history")
        assert "closed the connection" not in node.log()


def test_a_mirror_with_files_of_its_own_asks_before_it_gives_them_up(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    both, mirrors = lan
    write(both.dir / "shared", b"shared")
    write(mirrors.dir / "precious", b"precious")
    both.start()
    mirrors.start("--mode", "mirror")
    has(mirrors, "shared", b"shared")
    differs(mirrors, {"precious": ("file", "nothing")})
    assert content(mirrors, "precious") == b"precious"
    refused = mirrors.run_to_end("override", mirrors.dir, "--yes")
    assert refused.code == 1
    assert "this node is mirror" in refused.err
    say(mirrors, "revert", "--yes")
    has(mirrors, "precious", None)
    assert mirrors.keeps(b"precious")


def test_the_mode_is_another_one_after_a_restart(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    both, other = lan
    both.start()
    other.start("--mode", "receive-only")
    write(both.dir / "shared", b"shared")
    has(other, "shared", b"shared")
    write(other.dir / "kept", b"kept to itself")
    differs(other, {"kept": ("file", "nothing")})
    other.stop()
    write(other.dir / "while off", b"while off")
    other.start("--mode", "receive-only")
    differs(other, {"kept": ("file", "nothing"), "while off": ("file", "nothing")})
    assert sorted(path.name for path in both.dir.iterdir() if path.name != ".dir_sync") == ["shared"]
    other.stop()
    other.start()
    has(both, "kept", b"kept to itself")
    has(both, "while off", b"while off")
    assert "stayed on this machine until now" in other.log()
    wait_equal(lan.roots, SOON_S)


def test_what_ends_a_difference_waits_for_another_machine(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    both, receives = lan
    write(both.dir / "file", b"of both")
    both.start()
    receives.start("--mode", "receive-only")
    wait_equal(lan.roots, SOON_S)
    both.stop()
    write(receives.dir / "file", b"only here")
    differs(receives, {"file": ("file", "file")})
    wait_for(lambda: "lost " in receives.log(), SOON_S, "it is alone")
    said = say(receives, "revert", "--yes").splitlines()
    assert said[0].startswith("1 path will be here")
    assert said[1].startswith("no other machine is connected: what was changed or deleted here waits for one")
    assert content(receives, "file") == b"only here"
    both.start()
    has(receives, "file", b"of both")
    differs(receives, {})


def filled(lan: Lan, sends: str, takes: str) -> None:
    """120 files of a node, which another one has."""
    for number in range(120):
        write(lan[0].dir / f"{number}", b"content %d" % number)
    lan[0].start("--mode", sends)
    lan[1].start("--mode", takes)
    wait_equal(lan.roots, SOON_S)
    for node in lan:
        wait_for(lambda node=node: "everything is in sync" in node.log(), SOON_S, f"{node} is in sync")


def empty(node: Node) -> None:
    for number in range(120):
        (node.dir / f"{number}").unlink()


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("sends", ["two-way", "send-only"])
def test_what_a_mirror_holds_is_back_everywhere_if_it_is_rejected(
    new_lan: Callable[..., Lan], sends: str, here: bool
) -> None:
    lan = new_lan(2)
    filled(lan, sends, "mirror")
    before = survey(lan[1].dir)
    empty(lan[0])
    wait_for(lambda: "HELD: " in lan[1].log(), SOON_S, "it is held")
    wait_for(lambda: "HELD on " in lan[0].log(), SOON_S, "and told")
    assert "restored on all machines" in say(lan[1] if here else lan[0], "reject")
    wait_for(lambda: survey(lan[0].dir).keys() == before.keys(), SOON_S, "all is back")
    wait_equal(lan.roots, SOON_S)
    assert survey(lan[1].dir).keys() == before.keys()
    differs(lan[0], {})
    differs(lan[1], {})


def test_what_vanished_where_changes_are_only_sent_is_back_if_it_is_rejected(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    filled(lan, "send-only", "receive-only")
    before = survey(lan[1].dir)
    lan[0].stop()
    empty(lan[0])
    lan[0].start("--mode", "send-only")
    wait_for(lambda: "HELD: " in lan[0].log(this_run=True), SOON_S, "it is held")
    assert "restored on all machines" in say(lan[0], "reject")
    wait_for(lambda: survey(lan[0].dir).keys() == before.keys(), SOON_S, "all is back")
    wait_equal(lan.roots, SOON_S)


def test_what_was_rejected_comes_back_after_another_start(new_lan: Callable[..., Lan]) -> None:
    """Nobody who has it is connected when a person rejects the loss."""
    lan = new_lan(2)
    filled(lan, "send-only", "receive-only")
    before = survey(lan[1].dir)
    lan.stop()
    empty(lan[0])
    lan[0].start("--mode", "send-only")
    wait_for(lambda: "HELD: " in lan[0].log(this_run=True), SOON_S, "it is held")
    say(lan[0], "reject")
    lan[0].stop()
    lan[0].start("--mode", "send-only")
    lan[1].start("--mode", "receive-only")
    wait_for(lambda: survey(lan[0].dir).keys() == before.keys(), SOON_S, "all is back")
    wait_equal(lan.roots, SOON_S)
