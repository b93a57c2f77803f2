"""A lost machine is removed: all others get a new key, also those that were off, and the thief gets nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.lan.changes import write
from tests.lan.checker import holds, wait_equal, wait_for
from tests.lan.lan import Lan, Node

from .mesh import SOON_S, demand, has, inviting, join, key_of, let_in, members, on_one_key, start, stolen_key

pytestmark = pytest.mark.lan


def closed(lan: Lan) -> None:
    """All nodes of the LAN run, are members, and have met."""
    first, *others = lan.nodes
    write(first.dir / "before", b"1")
    start(first)
    let_in(first, *others)
    start(*others)
    wait_equal(lan.roots, SOON_S)
    wait_for(
        lambda: all(sum(one["on"] for one in members(node)["members"]) == len(lan.nodes) - 1 for node in lan),
        SOON_S,
        "all have met",
    )


def make_up_another_identity(thief: Node) -> None:
    """With the key that it has, it is somebody whom nobody has met."""
    (path,) = (thief.home / ".local/state/dir_sync/keys").glob("*.json")
    fields = json.loads(path.read_bytes())
    fields["static"] = "42" * 32
    path.write_text(json.dumps(fields))


def test_a_stolen_machine_gets_nothing_from_members_that_were_off_either(new_lan: Callable[..., Lan]) -> None:
    """n2 is stolen while n3 is off. It is removed at n0; n1 gets the key at once, n3 from n1, when n0 is off. All the time the
    thief is on the LAN, with all that the machine had: as the machine itself, and then as somebody it makes up."""
    lan = new_lan(4)
    home, other, stolen, away = lan
    closed(lan)
    old = key_of(home)
    away.stop()
    done = home.run_to_end("remove", home.dir, stolen.name, "--yes", limit_s=SOON_S)
    assert done.code == 0, done.err
    assert f"The key is {key_of(home)} now, generation 2. 2 members have it; n3 gets it when it is back." in done.out
    assert "What n2 already had, it has." in done.out
    on_one_key(home, other, but=old)
    for node in (home, other):
        absent = [one["name"] for one in json.loads(node.run_to_end("status", node.dir, "--json").out)["away"]]
        assert absent == ["n3"], "a machine that was removed counts for nothing"
    write(home.dir / "after", b"2")
    wait_equal([home.dir, other.dir], SOON_S)
    home.stop()
    start(away)
    on_one_key(other, away, but=old)
    wait_equal([other.dir, away.dir], SOON_S)
    wait_for(lambda: "this machine was removed" in stolen.log(), SOON_S, "it is told")
    stolen.stop()
    _, own = stolen_key(stolen)
    make_up_another_identity(stolen)
    away.stop()
    start(stolen, away, home)
    wait_equal([home.dir, other.dir, away.dir], SOON_S)
    write(other.dir / "later", b"3")
    wait_equal([home.dir, other.dir, away.dir], SOON_S)
    holds(lambda: not has(stolen, "after") and not has(stolen, "later"), 3, "the thief has nothing")
    assert key_of(stolen) == old
    assert not stolen.keeps(b"2")
    # A program of the thief's own does not refuse what it must not have, and says whatever may help.
    stolen.stop()
    key, _ = stolen_key(stolen)
    for target in (home, other, away):
        for static in (own, b"B" * 32):
            for claimed in (key.id, "0" * 32, "f" * 32):
                told = demand(stolen, target, key, static, claimed)
                assert told is not None, "it has the key of that door"
                assert told[8:] in (b"", b'{"type":"CLOSE","reason":"removed"}')


def test_a_removed_machine_knows_it_after_a_restart_and_joins_again_with_a_code(new_lan: Callable[..., Lan]) -> None:
    """Its node runs, and is never open meanwhile."""
    lan = new_lan(2)
    home, found = lan
    closed(lan)
    done = home.run_to_end("remove", home.dir, found.name, "--yes", "--json", limit_s=SOON_S)
    said = json.loads(done.out)
    assert (said["removed"], said["stay"], said["waiting"], said["left_out"]) == (["n1"], ["n0"], [], [])
    assert (said["key"], said["generation"]) == (key_of(home), 2)
    wait_for(lambda: "this machine was removed" in found.log(), SOON_S, "it is told")
    home.stop()
    found.stop()
    start(found)
    assert "was REMOVED from the closed mesh" in found.run_to_end("status", found.dir).out
    assert "this machine was removed from its mesh, says n0" in found.log(this_run=True)
    start(home)
    with inviting(home, "--yes") as invitation:
        done = join(found, invitation.code, "--yes", "--json")
        assert invitation.end()[0] == 0
    joined = {"key": key_of(home), "generation": 2, "role": "rw", "members": 2, "host": "n0", "folder_name": "default"}
    assert json.loads(done.out) == {**joined, "runs": True}
    write(home.dir / "after", b"2")
    wait_equal(lan.roots, SOON_S)
    assert "REMOVED" not in found.run_to_end("status", found.dir).out
    assert "the mesh is open" not in found.log()


def test_who_leaves_while_its_node_runs_is_open_and_comes_back(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    home, guest = lan
    closed(lan)
    pid = guest.pid
    done = guest.run_to_end("leave", guest.dir)
    assert done.code == 1
    assert key_of(guest), "nobody was asked"
    done = guest.run_to_end("leave", guest.dir, "--yes")
    assert (done.code, "is open now" in done.out) == (0, True), done
    assert "Other members of the mesh list this machine until one of them removes it" in done.out
    wait_for(lambda: "the mesh is open" in guest.log(), SOON_S, "it is open")
    assert not key_of(guest)
    wait_for(lambda: not members(home)["members"][1]["on"], SOON_S, "it has gone")
    assert members(home)["members"][1]["seen_s"] > 0
    write(home.dir / "secret", b"2")
    let_in(home, guest)
    wait_equal(lan.roots, SOON_S)
    assert guest.pid == pid


def test_two_removals_at_the_same_time_become_one_key(new_lan: Callable[..., Lan]) -> None:
    """n0 removes n3 and n1 removes n4, while they do not see each other."""
    lan = new_lan(5)
    one, two, three, four, five = lan
    closed(lan)
    # The second key lists everybody: what a person confirmed, not who happened to join.
    assert one.run_to_end("remove", one.dir, five.name, "--yes", limit_s=SOON_S).code == 0
    on_one_key(one, two, three, four)
    five.kill()
    old = key_of(one)
    four.kill()
    three.kill()  # until both have heard of both removals, one of them still trusts it
    one.isolate()
    for node, lost in ((one, four), (two, three)):
        done = node.run_to_end("remove", node.dir, lost.name, "--yes", limit_s=SOON_S)
        assert done.code == 0, done.err
    assert len({key_of(one), key_of(two), old}) == 3
    write(one.dir / "by one", b"1")
    write(two.dir / "by two", b"2")
    one.heal()
    on_one_key(one, two, but=old)
    wait_equal([one.dir, two.dir], SOON_S)
    start(three)
    wait_for(lambda: "this machine was removed" in three.log(this_run=True), SOON_S, "it is told")
    assert not has(three, "by one")
    assert not has(three, "by two")
