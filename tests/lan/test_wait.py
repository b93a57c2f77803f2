"""`wait` with real daemons: it ends when the others have everything, and not before."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .changes import blob, write
from .checker import wait_equal, wait_for
from .lan import Ended, Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 60.0
LIMIT_S = 90.0
MIB = 1 << 20


def waits(node: Node, *more: str) -> Ended:
    ended = node.run_to_end("wait", node.dir, *more, limit_s=LIMIT_S)
    assert "Traceback" not in ended.err
    return ended


def said(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_it_ends_when_the_others_have_it(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan
    a.start("--name", "anna")
    b.start("--name", "bob", "--brake-files", "20", "--brake-percent", "10")
    lan.meet("start")
    for number in range(8):  # what was saved right before the command, also in folders that are as new
        path = f"new {number}/deep/file"
        write(a.dir / path, b"%d" % number)
        ended = waits(a, "--timeout", "60s")
        assert ended.code == 0, ended
        assert (b.dir / path).read_bytes() == b"%d" % number
        assert ended.out.startswith("done: bob has everything that is here: ")
    for number in range(200):
        write(a.dir / "many" / f"{number}", b"%d" % number)
    assert waits(a).code == 0
    wait_equal(lan.roots, 0)
    a.limit_rate("4mbit")  # the file needs longer than the commands that follow
    write(a.dir / "large", blob(6 * MIB, "large"))
    late = waits(a, "--timeout", "1s", "--json")
    assert late.code == 3, late
    assert (said(late)["result"], said(late)["headline"], said(late)["copies"]) == ("late", "syncing", 0)
    assert said(late)["left"]
    two = waits(a, "--copies", "2", "--timeout", "0")
    assert two.code == 3
    assert "0 of 2 machines have everything" in two.out
    with ThreadPoolExecutor(2) as pool:  # both wait at the same time; a node answers others meanwhile
        waiting = [pool.submit(waits, a, "--peer", "bob", "--json"), pool.submit(waits, b, "--copies", "1")]
        assert a.run_to_end("status", a.dir).code == 0
        assert not (b.dir / "large").exists()
        a.limit_rate(None)
        ended, there = (one.result() for one in waiting)
    assert (ended.code, there.code) == (0, 0), (ended, there)
    assert (said(ended)["result"], said(ended)["copies"], said(ended)["left"]) == ("done", 1, [])
    wait_equal(lan.roots, 0)
    for number in range(200):  # the other one holds that: it is not everywhere, and a person has to say something
        (a.dir / "many" / f"{number}").unlink()
    held = waits(a, "--json")
    assert held.code == 4, held
    assert (said(held)["result"], said(held)["headline"]) == ("stuck", "held")
    assert waits(b).code == 4
    assert a.run_to_end("reject", a.dir).code == 0
    wait_for(lambda: waits(a, "--timeout", "60s").code == 0, SOON_S, "it is all there again")
    wait_equal(lan.roots, 0)
    b.stop()
    alone = waits(a, "--timeout", "0")
    assert alone.code == 3
    assert "no other machine is connected" in alone.out
    a.stop()
    assert waits(a).code == 1, "no node runs"
