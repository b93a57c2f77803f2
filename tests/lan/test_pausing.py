"""A paused folder with real nodes: nothing is exchanged, nothing is lost, and everybody says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .changes import write
from .checker import wait_equal, wait_for
from .lan import Lan, Node, content, has, say

pytestmark = pytest.mark.lan

SOON_S = 30.0


def status(node: Node) -> dict[str, Any]:
    ended = node.run_to_end("status", node.dir, "--json")
    return dict(json.loads(ended.out)) if ended.code == 0 else {}


def test_a_paused_folder_neither_sends_nor_takes_and_then_exchanges_all(new_lan: Callable[..., Lan]) -> None:
    one, two, three = lan = new_lan(3)
    write(one.dir / "both", b"before")
    for node in lan:
        node.start("--name", str(node))
    wait_equal(lan.roots, SOON_S)
    assert one.run_to_end("pause", one.dir).code == 0
    for other in (two, three):
        wait_for(lambda other=other: status(other)["paused_elsewhere"] == ["n0"], SOON_S, f"{other} knows of the pause")
    # the others go on with each other; what is done on the paused node stays there, across a restart
    write(one.dir / "mine", b"of one")
    (one.dir / "both").rename(one.dir / "renamed")
    write(two.dir / "theirs", b"of two")
    has(three, "theirs", b"of two")
    one.stop()
    write(one.dir / "while off", b"of one, too")
    one.start("--name", "n0")
    wait_for(lambda: status(one).get("files") == 3, SOON_S, "its own changes are noted")
    found = status(one)
    assert found["pause"] == {"until_s": 0, "scheduled": False}
    assert not found["peers"]
    assert "PAUSED" in one.run_to_end("status", one.dir).out
    assert one.run_to_end("status", one.dir, "--check").code == 4
    once = one.run_to_end("once", one.dir, "--timeout", "5s")
    assert (once.code, "is paused; to go on: " in once.err) == (1, True)
    wait_for(lambda: status(two)["paused_elsewhere"] == ["n0"], SOON_S, "the others see it after the restart, too")
    assert content(one, "theirs") is None
    assert content(two, "mine") is None
    # a pause with an end ends by itself
    answer = one.run_to_end("pause", one.dir, "--for", "1s", "--json")
    assert json.loads(answer.out)["was_paused"]
    wait_equal(lan.roots, SOON_S)
    assert content(three, "renamed") == b"before"
    assert content(one, "theirs") == b"of two"
    assert content(two, "while off") == b"of one, too"
    for node in lan:
        assert say(node, "conflicts") == "no conflicts\n"
    assert one.run_to_end("resume", one.dir).out == "it was not paused: there is nothing to do\n"
    wait_for(lambda: not status(two)["paused_elsewhere"], SOON_S, "the pause is over for the others")
    assert "goes on with default" in two.log()


def test_a_schedule_pauses_and_a_person_counts_more(new_lan: Callable[..., Lan]) -> None:
    one, two = lan = new_lan(2)
    write(one.dir / "mine", b"of one")
    one.start("--name", "n0", "--schedule", "up=1M", "--schedule", "off")
    two.start()
    wait_for(lambda: status(two).get("paused_elsewhere") == ["n0"], SOON_S, "the other one knows of the pause")
    found = status(one)
    assert found["pause"] == {"until_s": 0, "scheduled": True}
    assert found["schedule"]["holds"] == "off"
    assert "PAUSED by the schedule" in one.run_to_end("status", one.dir).out
    assert content(two, "mine") is None
    assert one.run_to_end("resume", one.dir).code == 0
    wait_equal(lan.roots, SOON_S)
    assert status(one)["pause"] is None
    wrong = one.run_to_end(two.dir, "--schedule", "mo-xx off")
    assert (wrong.code, len(wrong.err.splitlines())) == (2, 1)
