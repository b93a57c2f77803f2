"""The roster and replica ids: one link for each replica, and a new id on proof that another node has ours."""

from __future__ import annotations

import pytest

from dir_sync.core.peers.beacon import Beacon
from dir_sync.core.peers.identity import EVERY_MS, PROOFS_MAX, REFUSALS_MIN, SQUATTED_MS
from dir_sync.core.peers.roster import Accept, Dial, NewIdentity, NewReplica, Refuse, Roster, Verdict
from tests.core.peers.roster_tools import connected_nodes

ME, BOB, CAROL = "5555", "1111", "9999"  # nodes
MINE, BOBS = "a1" * 8, "b2" * 8  # replicas
HOST, PORT = "10.0.0.9", 6000


class Mean:
    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


def started(instance: str = "50") -> Roster:
    mine = Roster(ME, instance, Mean(), 0, replicas=(MINE,))
    mine.tick(0)
    return mine


def greet(
    mine: Roster, link: int, node: str, replica: str, at_ms: int, instance: str = "40", dialled: bool = False
) -> Verdict:
    return mine.hello(link, node, instance, dialled, HOST, PORT, at_ms, replicas=(replica,) if replica else ())


def test_a_hello_with_our_replica_is_looked_into_and_proves_nothing_itself() -> None:
    mine = started()
    assert greet(mine, 1, BOB, MINE, 0) == Refuse("new-replica")
    assert mine.tick(0) == [Dial(HOST, PORT)], "whoever lives there answers a fresh connection"
    mine.dialled(HOST, PORT, 2, 1)
    assert greet(mine, 2, BOB, MINE, 2, dialled=True) == Refuse("new-replica", actions=(NewReplica((MINE,)),))
    mine.has_replicas(("c3" * 8,), 10)
    assert greet(mine, 3, BOB, MINE, 20) == Accept(), "the id is the other node's now"


def test_whoever_has_the_smaller_instance_gives_way_only_if_the_other_does_not() -> None:
    mine = started(instance="10")
    verdicts = []
    for link in range(2, 2 * PROOFS_MAX + 2, 2):
        at_ms = 100_000 * link
        greet(mine, link, BOB, MINE, at_ms)
        while not (found := [one for one in mine.tick(at_ms) if isinstance(one, Dial)]):
            at_ms = mine.next_deadline()
        mine.dialled(*found[0], link + 1, at_ms)
        verdicts.append(greet(mine, link + 1, BOB, MINE, at_ms, dialled=True))
    assert verdicts[:-1] == [Refuse("new-replica")] * (PROOFS_MAX - 1)
    assert verdicts[-1] == Refuse("new-replica", actions=(NewReplica((MINE,)),))


def test_a_new_replica_id_is_taken_once_an_hour_and_the_node_id_stays() -> None:
    mine = started()
    taken, replica, link = 0, MINE, 0
    for at_ms in range(0, EVERY_MS, 2_000):
        link += 2
        greet(mine, link, BOB, replica, at_ms)
        mine.closed(link, at_ms, "new-replica")
        for action in mine.tick(at_ms):
            assert not isinstance(action, NewIdentity)
            if isinstance(action, Dial):
                mine.dialled(*action, link + 1, at_ms)
                verdict = greet(mine, link + 1, BOB, replica, at_ms, dialled=True)
                assert isinstance(verdict, Refuse)
                if verdict.actions:
                    taken, replica = taken + 1, f"{link:016x}"
                    mine.has_replicas((replica,), at_ms)
                mine.closed(link + 1, at_ms, "new-replica")
    assert taken == 1
    assert greet(mine, link + 5, ME, BOBS, EVERY_MS) == Refuse("new-identity"), "whoever says our node id clashes, too"


def test_one_node_for_each_replica() -> None:
    """A copy of a peer's folder comes, while that peer is connected; or the folder was moved, and the old link is dead."""
    mine = started()
    assert greet(mine, 1, BOB, BOBS, 0) == Accept()
    assert greet(mine, 2, CAROL, BOBS, 5_000) == Refuse("duplicate-replica", keeping=1)
    mine.closed(2, 5_000, "duplicate-replica")
    assert connected_nodes(mine) == [BOB]
    mine.closed(1, 6_000, "timeout")
    assert greet(mine, 3, CAROL, BOBS, 7_000) == Accept()
    assert greet(mine, 4, BOB, BOBS, 8_000) == Refuse("duplicate-replica", keeping=3)


def test_two_nodes_without_our_folder_are_no_duplicates() -> None:
    mine = started()
    assert greet(mine, 1, BOB, "", 0) == Accept()
    assert greet(mine, 2, CAROL, "", 0) == Accept()


def test_a_replica_moves_with_the_newer_of_two_links() -> None:
    mine = started()
    assert greet(mine, 1, CAROL, BOBS, 0) == Accept()
    assert greet(mine, 2, CAROL, BOBS, 10, dialled=True) == Accept(closing=1)
    mine.closed(1, 20, "duplicate")
    assert greet(mine, 3, BOB, BOBS, 30) == Refuse("duplicate-replica", keeping=2)


@pytest.mark.parametrize(
    ("reason", "action"),
    [("duplicate", NewIdentity()), ("duplicate-replica", NewReplica((MINE,)))],
    ids=["node", "replica"],
)
def test_refusals_prove_that_the_place_is_taken(reason: str, action: NewIdentity | NewReplica) -> None:
    """Somebody has a link with our peer, and the peer refuses us for it: the word says which of the ids is meant."""
    mine = started()
    mine.heard(Beacon(BOB, "40", PORT, False), HOST, 0)
    at_ms, link = 0, 0
    taken: list[NewIdentity | NewReplica] = []
    while at_ms < 4 * SQUATTED_MS and not taken:
        at_ms = max(at_ms + 50, mine.next_deadline())
        for one in mine.tick(at_ms):
            if isinstance(one, Dial):
                link += 1
                mine.dialled(*one, link, at_ms)
                assert greet(mine, link, BOB, BOBS, at_ms, dialled=True) == Accept()
                mine.closed(link, at_ms, reason)
            elif isinstance(one, NewIdentity | NewReplica):
                taken.append(one)
    assert taken == [action]
    assert at_ms > SQUATTED_MS
    assert link >= REFUSALS_MIN
