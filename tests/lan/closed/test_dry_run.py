"""A dry run in a closed mesh: members answer, nothing is kept, and a reader hears that it changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lan.changes import write
from tests.lan.lan import Lan
from tests.lan.test_dry_run import everything, planned, status_is_calm, steps_with_peers

from .mesh import SOON_S, let_in, start, wait_for

pytestmark = pytest.mark.lan


def test_members_and_readers(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    writer, other, reader = lan
    write(writer.dir / "theirs", b"theirs")
    let_in(writer, other)
    let_in(writer, reader, role="--read-only")
    start(writer)
    wait_for(lambda: status_is_calm(writer), SOON_S, "it knows what is there")
    for node in (other, reader):
        write(node.dir / "ours", b"ours")
    before = {node.name: everything(node.base, with_ours=True) for node in (other, reader)}
    assert steps_with_peers(planned(other)) == {("receive", "theirs", None), ("send", "ours", writer.name)}
    plan = planned(reader)
    assert steps_with_peers(plan) == {("receive", "theirs", None)}
    assert (plan["left"], plan["differs"]) == ([], 1), "it stays there"
    for node in (other, reader):
        assert everything(node.base, with_ours=True) == before[node.name]
    stranger = new_lan(1)[0]
    assert stranger.run_to_end("once", stranger.dir, "--dry-run", "--timeout", "1s").code == 3


def test_a_member_that_runs_is_asked_and_is_no_other_machine(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    let_in(*lan)
    for node in lan:
        node.start("--name", node.name, "--folder", "hh")
    lan.meet("all")
    plan = planned(lan[0], "--timeout", "20s")
    assert plan["node_runs"]
    assert plan["peers"] == [lan[1].name]
    assert plan["plan"] == []
