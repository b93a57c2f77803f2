"""A sender says that all is in sync when the others have it, not when they have heard of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .changes import blob, write
from .checker import wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 60.0
SIZE = 24 << 20


def status(node: Node) -> dict[str, Any]:
    ended = node.run_to_end("status", node.dir, "--json")
    assert ended.code == 0, ended.err
    said: dict[str, Any] = json.loads(ended.out)
    return said


def test_a_sender_is_in_sync_when_the_last_byte_is_there(new_lan: Callable[..., Lan]) -> None:
    """Also after the receiver was killed in the middle, and has heard of everything long before."""
    lan = new_lan(2)
    a, b = lan
    lan.start()
    wait_for(lambda: all("in sync with" in node.log() for node in lan), SOON_S, "both say that they are in sync")
    a.limit_rate("40mbit")
    write(a.dir / "big", blob(SIZE, "big"))

    def lags() -> bool:
        said = status(a)
        return any(peer["lacks"] and 0 < peer["lacks"]["bytes"] < SIZE for peer in said["peers"])

    wait_for(lags, SOON_S, "the sender knows that a part has come")
    claims = a.log().count("everything is in sync"), b.log().count("everything is in sync")
    b.kill()
    b.start()
    wait_for(lags, SOON_S, "the sender knows it of the receiver that has started again")
    said = [status(node) for node in lan]
    if not (b.dir / "big").exists():
        assert not any(one["in_sync"] or one["peers"][0]["synchronized"] for one in said if one["peers"])
        assert a.log().count("everything is in sync") == claims[0]
        assert "everything is in sync" not in b.log(this_run=True)
    a.limit_rate(None)
    wait_equal(lan.roots, SOON_S)
    wait_for(lambda: all(status(node)["in_sync"] for node in lan), SOON_S, "both know that both have everything")
    for node in lan:
        (peer,) = status(node)["peers"]
        assert peer["lacks"] == peer["lacking_here"] == {"files": 0, "bytes": 0, "others": 0}
    assert node.run_to_end("status", node.dir).out.splitlines()[-1] == "everything is in sync"
    wait_for(lambda: "everything is in sync" in b.log(this_run=True), SOON_S, "the receiver says so")
    wait_for(lambda: a.log().count("everything is in sync") > claims[0], SOON_S, "the sender says so")
