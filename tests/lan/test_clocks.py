"""Clocks and mtimes that are years off: the order of people's work counts, not what some clock says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from .changes import put, remove, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node, faketime_library

pytestmark = pytest.mark.lan

SOON_S = 30.0
YEAR_S = 365 * 86400
OFFSETS_S = (-10 * YEAR_S, 0, 10 * YEAR_S)


@pytest.fixture(params=["clocks", "mtimes"])
def skewed(request: pytest.FixtureRequest, new_lan: Callable[..., Lan]) -> Lan:
    """Three nodes: ten years behind, right, ten years ahead.

    With "mtimes" only the files say so: an unpacked archive, a copied disk. With "clocks" the daemons believe it too.
    """
    lan = new_lan(3)
    if request.param == "clocks" and not faketime_library():
        pytest.skip("libfaketime is not installed")
    for node in lan:
        put(node.dir / f"from {node}", f"by {node}".encode(), now_at(node))
    for node in lan:
        begin(node, request.param)
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    return lan


def begin(node: Node, how: str) -> None:
    node.start(clock_offset=OFFSETS_S[node.index] if how == "clocks" else 0)


def now_at(node: Node) -> int:
    """What this node's clock would write as an mtime. (The kernel's own clock is right.)"""
    return time.time_ns() + OFFSETS_S[node.index] * 10**9


def save(node: Node, name: str, text: str) -> None:
    put(node.dir / name, text.encode(), now_at(node))


def test_an_edit_made_after_seeing_another_wins(skewed: Lan) -> None:
    lan = skewed
    for turn, index in enumerate((0, 2, 0, 1, 2, 1, 0)):
        save(lan[index], "file", f"turn {turn} by {lan[index]}")
        wait_equal(lan.roots, SOON_S, like=survey(lan[index].dir))
    holds(lambda: (lan[2].dir / "file").read_text() == "turn 6 by n0", 1.0, "the last edit stays")
    # The same, saved as most programs do: the mtime is the kernel's.
    for turn, index in enumerate((2, 0, 1)):
        write(lan[index].dir / "file", f"plain turn {turn}".encode())
        wait_equal(lan.roots, SOON_S, like=survey(lan[index].dir))


def is_at_rest(node: Node) -> bool:
    """What is on its disk is in its index, too: a kill -9 before that would make a later removal unknown to it."""
    ended = node.run_to_end("status", node.dir, "--json")
    return ended.code == 0 and not json.loads(ended.out)["busy"]


def test_a_delete_made_after_seeing_an_edit_wins(skewed: Lan) -> None:
    behind, right, ahead = skewed
    for maker, deleter in ((ahead, behind), (behind, ahead), (ahead, right)):
        save(maker, "folder/file", f"by {maker}")
        wait_equal(skewed.roots, SOON_S, like=survey(maker.dir))
        remove(deleter.dir / "folder")
        wait_equal(skewed.roots, SOON_S, like=survey(deleter.dir))
    gone = [node.dir / "folder" for node in skewed]
    holds(lambda: not any(path.exists() for path in gone), 1.0, "what is deleted stays deleted")
    save(behind, "folder/file", "born again on the slowest clock")
    wait_equal(skewed.roots, SOON_S, like=survey(behind.dir))
    (ahead.dir / "folder/file").rename(ahead.dir / "renamed")
    wait_equal(skewed.roots, SOON_S, like=survey(ahead.dir))


def test_offline_work_of_the_slowest_clock_arrives(skewed: Lan, request: pytest.FixtureRequest) -> None:
    behind, right, ahead = skewed
    how = request.node.callspec.params["skewed"]
    for name in ("edited", "deleted", "renamed"):
        save(ahead, name, f"{name} by {ahead}")
    wait_equal(skewed.roots, SOON_S, like=survey(ahead.dir))
    for node in (behind, right):
        wait_for(lambda node=node: is_at_rest(node), SOON_S, f"{node} has noted what it received")
        # Under libfaketime a signal may reach a thread that does not see to it: no test of stopping.
        node.kill() if how == "clocks" else node.stop()
        save(node, "edited", f"edited by {node} while down")
        (node.dir / "deleted").unlink(missing_ok=True)
        if node is behind:
            (node.dir / "renamed").rename(node.dir / "new name")
        begin(node, how)
        wait_equal(skewed.roots, SOON_S, like=survey(node.dir))


def test_quarrels_end_the_same_on_all_nodes(skewed: Lan) -> None:
    """Who wins may be the clock's fault, but nothing is lost."""
    behind, _, _ = skewed
    save(behind, "quarrel", "in the beginning")
    save(behind, "alive", "in the beginning")
    wait_equal(skewed.roots, SOON_S, like=survey(behind.dir))
    for node in skewed:
        node.isolate()
    for node in skewed:
        save(node, "quarrel", f"edited by {node}")
    save(behind, "alive", "edited on the slowest clock")
    for node in skewed.nodes[1:]:
        (node.dir / "alive").unlink()
    for node in skewed:
        node.heal()
    skewed.meet("healed", 75)
    wait_equal(skewed.roots, SOON_S)
    final = (behind.dir / "quarrel").read_text()
    for node in skewed:
        text = f"edited by {node}"
        assert text == final or any(other.keeps(text.encode()) for other in skewed), f"{text} is lost"
    assert (skewed[2].dir / "alive").read_text() == "edited on the slowest clock"
