"""`once --dry-run` with real processes: it changes nothing anywhere, and a run does just what it said."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .changes import write
from .checker import wait_equal, wait_for
from .lan import Lan, Node
from .test_once import ORDINARY, as_name, once, said

pytestmark = pytest.mark.lan

LIMIT_S = 90.0
_EVER_NEW = ("-wal", "-shm", "lock", "control")  # what a node that runs, or a command that asks it, may touch


def everything(root: Path, *, with_ours: bool) -> dict[str, tuple[object, ...]]:
    """Each entry with its mode, times and bytes; of `.dir_sync`, all that tells what is known."""
    found: dict[str, tuple[object, ...]] = {}
    for above, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(above, name)
            short = str(path.relative_to(root))
            if short.startswith(".dir_sync") and (not with_ours or short.endswith(_EVER_NEW)):
                continue
            info = path.lstat()
            body: object = os.readlink(path) if path.is_symlink() else ""
            if path.is_file() and not path.is_symlink():
                body = path.read_bytes()
            times = () if short == ".dir_sync" and not with_ours else (info.st_mtime_ns, info.st_ctime_ns)
            found[short] = (info.st_mode, info.st_ino, *times, body)
    top = root.stat()
    return found | {".": (top.st_mode, top.st_mtime_ns)}


def planned(node: Node, *more: str, code: int = 0) -> dict[str, Any]:
    ended = once(node, "--dry-run", "--json", *more)
    assert ended.code == code, ended
    return said(ended)


def steps(plan: dict[str, Any]) -> set[tuple[str, str, bool]]:
    """Action, path, and whether it is there; of files and links, whose contents or names change."""
    found = set()
    for one in plan["plan"]:
        if one["kind"] == "folder" or one["only_attributes"]:
            continue
        there = one["at"] is not None
        if one["action"] == "rename":
            found |= {("arrives", one["path"], there), ("goes", one["from"], there)}
        elif one["action"] == "delete":
            found.add(("goes", one["path"], there))
        else:
            found.add(("arrives", one["path"], there))
    return found


def changed(
    before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]], there: bool
) -> set[tuple[str, str, bool]]:
    """The same, from what the trees were and are: by bytes only."""

    found = set()
    for path in before.keys() | after.keys():
        one, other = before.get(path), after.get(path)
        if other is not None and stat.S_ISDIR(int(str(other[0]))):
            continue
        if other is not None and (one is None or one[-1] != other[-1]):
            found.add(("arrives", path, there))
        elif other is None and one is not None and not stat.S_ISDIR(int(str(one[0]))):
            found.add(("goes", path, there))
    return found


def scribble(rng: random.Random, root: Path, names: list[str], times: int) -> None:
    """Some changes of somebody who works in this folder."""
    for number in range(times):
        path = root / rng.choice(names)
        match rng.randrange(7):
            case 6 if path.parent != root and path.parent.is_dir():  # a file in the place of a folder
                shutil.rmtree(path.parent)
                write(path.parent, b"was a folder %d" % rng.randrange(1 << 30))
            case 0 | 1 | 2 if not path.is_dir():
                if all(not above.is_file() or above.is_symlink() for above in path.parents):
                    path.unlink(missing_ok=True)
                    write(path, b"%d %d" % (rng.randrange(1 << 30), number))
            case 3 if path.is_file() or path.is_symlink():
                path.unlink()
            case 4 if path.is_file():
                other = root / rng.choice(names)
                if not other.is_dir() and other.parent.is_dir():
                    path.rename(other)
            case 5 if path.parent.is_dir() and not path.is_dir():
                path.unlink(missing_ok=True)
                path.symlink_to(f"to {number}")
            case _:
                pass


@pytest.mark.parametrize("seed", range(2))
def test_a_run_does_what_the_plan_said(new_lan: Callable[..., Lan], seed: int) -> None:
    """At the first contact, and then after changes on both sides that neither has seen."""
    rng = random.Random(seed)
    lan = new_lan(2)
    node, other = lan
    names = [f"{rng.choice(['', 'a/', 'a/b/', 'c/'])}f{number}" for number in range(40)]
    for step in range(2):
        for one in lan:
            scribble(rng, one.dir, names, 60)
        node.start("--name", "node")
        wait_for(lambda: status_is_calm(node), LIMIT_S, "the node knows what is there")
        before = [everything(one.dir, with_ours=True) for one in lan]
        had_state = (other.dir / ".dir_sync").exists()
        assert had_state == bool(step)
        plan = planned(other)
        assert plan["peers"] == ["node"]
        assert everything(other.dir, with_ours=True) == before[1]
        assert everything(node.dir, with_ours=True) == before[0]
        assert json.loads(node.run_to_end("status", node.dir, "--json").out)["peers"] == []
        trees = [everything(one.dir, with_ours=False) for one in lan]
        done = said(once(other, "--json"))
        assert done["result"] == "equal"
        wait_equal(lan.roots, 0)
        after = [everything(one.dir, with_ours=False) for one in lan]
        really = changed(trees[1], after[1], False) | changed(trees[0], after[0], True)
        assert steps(plan) == really, plan["plan"]
        lost = {one["path"] for one in plan["plan"] if one["action"] == "conflict" and one["at"] is None}
        assert lost <= {one["path"] for one in done["conflicts"]}
        assert planned(other)["plan"] == []
        node.stop()


def status_is_calm(node: Node) -> bool:
    ended = node.run_to_end("status", node.dir, "--json")
    if ended.code:
        return False  # it does not answer yet
    found = json.loads(ended.out)
    return not found["scanning"] and not found["unseen"] and not found["busy"]


def test_the_table(new_lan: Callable[..., Lan]) -> None:
    """Without discovery, and with names that have to be escaped. Nobody is there: that is known only in time."""
    lan = new_lan(2)
    node, other = lan
    write(node.dir / "theirs", b"x" * 2_000)
    write(other.dir / "ours\n", b"y")
    alone = once(other, "--dry-run", "--timeout", "1s", "--no-discovery", "--peer", node.address)
    assert alone.code == 3
    assert alone.out.splitlines()[0] == "not known: no other machine was there in time"
    assert node.address in alone.out
    node.start("--name", "node", "--no-discovery")
    wait_for(lambda: status_is_calm(node), LIMIT_S, "the node knows what is there")
    ended = once(other, "--dry-run", "--no-discovery", "--peer", node.address)
    assert ended.code == 0, ended
    assert ended.err == ""
    assert ended.out.splitlines() == [
        "this is what a run would do with node; nothing was changed",
        "  send to node      1 B  ours\\n",
        "  receive       2.00 kB  theirs",
        "receive: 1 path (2.00 kB)",
        "send to node: 1 path (1 B)",
    ]
    full = once(other, "--dry-run", "--no-discovery", "--peer", node.address, "--min-free", "900000G")
    assert full.code == 4, full
    assert "theirs" in full.err + full.out
    assert "this machine: --min-free keeps 900000G of this disk free" in full.err + full.out
    assert "receive: " not in full.out
    assert sorted(os.listdir(other.dir)) == ["ours\n"]
    assert once(other, "--no-discovery", "--peer", node.address).code == 0
    again = once(other, "--dry-run", "--no-discovery", "--peer", node.address)
    assert again.out == "in sync with node: nothing would be done\n"


def test_a_machine_that_was_named_is_not_there(new_lan: Callable[..., Lan]) -> None:
    """Another one is: that is not what was asked for. This machine itself is in the list as well, which all have."""
    lan = new_lan(3)
    node, asking, off = lan
    write(asking.dir / "new", b"new")
    node.start("--name", "node")
    wait_for(lambda: status_is_calm(node), LIMIT_S, "the node knows what is there")
    there = ("--peer", node.address, "--peer", as_name(node), "--peer", asking.address)
    plan = planned(asking, "--timeout", "3s", *there, "--peer", off.address, code=3)
    assert (plan["result"], plan["peers"], plan["plan"]) == ("late", ["node"], None)
    problem = f"cannot ask {off.address}:6000 (Connection refused)"
    assert plan["left"] == [{"path": "", "problem": problem}]
    in_words = once(asking, "--dry-run", "--timeout", "3s", "--no-discovery", *there, "--peer", off.address)
    assert in_words.code == 3, in_words
    assert in_words.out.splitlines() == ["not known: only node was there in time", f"  {problem}"]
    assert steps_with_peers(planned(asking, "--timeout", "20s", *there)) == {("send", "new", "node")}
    # beside a node, the same holds for what is typed, and not for what the node has in its list
    asking.start("--no-discovery", "--peer", node.address, "--peer", off.address, "--name", "asking")
    wait_equal([node.dir, asking.dir], LIMIT_S)
    assert planned(asking, "--timeout", "20s", "--peer", node.address)["peers"] == ["node"]
    beside = planned(asking, "--timeout", "3s", "--peer", off.address, code=3)
    assert (beside["node_runs"], beside["peers"]) == (True, ["node"])
    assert [one["problem"] for one in beside["left"]] == [problem]


def test_a_node_that_runs_here_is_asked(new_lan: Callable[..., Lan]) -> None:
    """Its mode counts, and so do those of two others."""
    lan = new_lan(3)
    for node, mode in zip(lan, ("receive-only", "send-only", "two-way"), strict=True):
        write(node.dir / f"of {node}", b"of %d" % node.index)
        node.start(
            "--mode", mode, "--no-discovery", "--name", str(node)
        )  # they do not meet: only the dry run names them
    for node in lan:
        wait_for(lambda node=node: status_is_calm(node), LIMIT_S, "it knows what is there")  # type: ignore[misc]
    first, second, third = lan
    words = ("--no-discovery", "--peer", second.address, "--peer", third.address, "--wait-for", "2")
    plan = planned(first, *words)
    assert plan["node_runs"]
    assert steps_with_peers(plan) == {
        ("receive", f"of {second}", None),
        ("receive", f"of {third}", None),
        (
            "send",
            f"of {second}",
            str(third),
        ),  # what one has, the others get: nobody gets what the first keeps to itself
    }
    assert plan["differs"] == 2  # the second does not take what the third has, and the first keeps its own to itself
    assert sorted(os.listdir(first.dir)) == [".dir_sync", f"of {first}"]


def test_the_node_that_runs_here_says_what_the_folder_is_called(new_lan: Callable[..., Lan]) -> None:
    """Its ports count as well, it is found by its own beacons, and it is no other machine."""
    lan = new_lan(2)
    for node in lan:
        node.start("--folder", "hh", "--name", str(node), broadcast_port=5050)
    lan.meet("all")
    plan = planned(lan[0], "--timeout", "20s")
    assert plan["node_runs"]
    assert plan["peers"] == [str(lan[1])]
    assert plan["plan"] == []
    alone = planned(lan[0], "--timeout", "2s", "--wait-for", "2", code=3)
    assert alone["left"] == []


def test_the_node_that_runs_here_says_whom_it_connects_to(new_lan: Callable[..., Lan]) -> None:
    """A spoke and its hub. The hub itself has nobody to ask."""
    hub, spoke = lan = new_lan(2)
    write(spoke.dir / "new", b"new")
    hub.start("--no-discovery", "--name", "hub")
    spoke.start("--no-discovery", "--no-listen", "--peer", hub.address, "--name", "spoke")
    wait_equal(lan.roots, LIMIT_S)
    plan = planned(spoke)
    assert (plan["node_runs"], plan["peers"], plan["plan"]) == (True, ["hub"], [])
    assert planned(spoke, "--peer", hub.address, "--no-discovery")["peers"] == ["hub"]
    nobody = once(hub, "--dry-run")
    assert nobody.code == 2, nobody
    assert "name it with --peer HOST" in nobody.err
    assert len(nobody.err.splitlines()) == 1


def steps_with_peers(plan: dict[str, Any]) -> set[tuple[str, str, str | None]]:
    return {(one["action"], one["path"], one["at"]) for one in plan["plan"]}


def test_what_cannot_be_read_is_listed_and_not_unlocked(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    node, other = lan
    write(other.dir / "locked", b"locked")
    write(other.dir / "shut" / "inside", b"inside")
    write(node.dir / "in the way", b"a file")
    os.mkfifo(other.dir / "in the way")
    (other.dir / "locked").chmod(0)
    node.start("--name", "node")
    wait_for(lambda: status_is_calm(node), LIMIT_S, "the node knows what is there")
    before = everything(other.dir, with_ours=True)
    words = ("once", other.dir, "-s", other.signatures, "--json", "--dry-run", "--name", "other")
    ended = other.run_to_end(*words, before=ORDINARY, limit_s=LIMIT_S)
    assert ended.code == 4, ended
    problems = {one["path"]: one["problem"] for one in said(ended)["left"]}
    assert "ermission" in problems["locked"]
    assert "in the way, and is not synchronized" in problems["in the way"]
    assert steps_with_peers(said(ended)) == {("send", "shut", "node"), ("send", "shut/inside", "node")}
    (other.dir / "shut").chmod(0)
    before = everything(other.dir, with_ours=True)
    ended = other.run_to_end(*words, "--timeout", "2s", before=ORDINARY, limit_s=LIMIT_S)
    assert ended.code in (3, 4), ended
    assert everything(other.dir, with_ours=True) == before
