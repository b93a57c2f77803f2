"""Two machines with one identity: which of them gives way, on what proof."""

from __future__ import annotations

from dir_sync.core.peers.identity import EVERY_MS, PROOFS_MAX, REFUSALS_GAP_MS, SQUATTED_MS
from dir_sync.core.peers.roster import STABLE_LINK_MS, Accept, Announce, Dial, NewIdentity, Refuse, Roster
from tests.core.peers.roster_tools import (
    HOST,
    LARGER,
    ME,
    PORT,
    SMALLER,
    beacon,
    connected_nodes,
    dials,
    linked,
    run,
    started,
)


def test_ourselves_are_not_dialled_again() -> None:
    mine = started([("localhost", PORT), (HOST, PORT)])
    assert len(dials(mine.tick(0))) == 2
    mine.dialled("localhost", PORT, 1, 1)
    assert mine.hello(2, ME, "50", False, "127.0.0.1", PORT, 2) == Refuse("self")
    assert mine.hello(1, ME, "50", True, "127.0.0.1", PORT, 2) == Refuse("self")
    mine.closed(1, 3, "self")
    mine.closed(2, 3, "self")
    mine.dialled(HOST, PORT, 3, 4)
    assert mine.hello(3, ME, "50", True, HOST, PORT, 5) == Refuse("self")
    assert run(mine, 600_000) == []
    # Now somebody else has that address.
    assert Dial(HOST, PORT) in mine.heard(beacon(LARGER), HOST, 600_000)


def test_of_two_machines_with_one_identity_the_larger_instance_gives_way_on_proof() -> None:
    mine = started(instance="50")
    mine.tick(0)
    # Whoever comes in may say anything. The address it names is dialled; only an answer there counts.
    assert mine.hello(2, ME, "40", False, HOST, PORT, 0) == Refuse("new-identity")
    assert dials(mine.tick(0)) == [Dial(HOST, PORT)]
    mine.dialled(HOST, PORT, 3, 1)
    assert mine.hello(3, ME, "40", True, HOST, PORT, 2) == Refuse("new-identity", actions=(NewIdentity(),))
    mine.rename("5656", 10)
    assert mine.next_deadline() == 10
    assert mine.tick(10) == [Announce(ask=False)]
    assert mine.hello(4, ME, "40", False, HOST, PORT, 20) == Accept()


def test_a_stranger_that_answers_everywhere_gets_one_id_an_hour() -> None:
    mine = started(instance="50")
    taken, link, name = 0, 10, ME
    for now_ms in range(0, EVERY_MS, 500):
        for dial in dials(mine.tick(now_ms)):
            link += 1
            mine.dialled(*dial, link, now_ms)
            verdict = mine.hello(link, name, "40", True, HOST, PORT, now_ms)
            assert isinstance(verdict, Refuse)
            if verdict.actions:
                taken += 1
                name = f"5{taken:x}"
                mine.rename(name, now_ms)
            else:
                assert verdict.is_stranger
            mine.closed(link, now_ms, "new-identity")
        link += 1
        mine.hello(link, name, "40", False, HOST, PORT, now_ms)
        mine.closed(link, now_ms, "new-identity")
    assert taken == 1


def test_the_smaller_instance_gives_way_if_the_larger_has_no_proof() -> None:
    mine = started([(HOST, PORT)], instance="50")
    verdicts = []
    for link in range(1, 10):
        at_ms = mine.next_deadline()
        while not (found := dials(mine.tick(at_ms))):
            at_ms = mine.next_deadline()
        mine.dialled(*found[0], link, at_ms)
        verdicts.append(mine.hello(link, ME, "60", True, HOST, PORT, at_ms))
        mine.closed(link, at_ms, "new-identity")
        if verdicts[-1].actions:  # type: ignore[union-attr]
            break
    assert len(verdicts) == PROOFS_MAX


def test_nobody_takes_the_place_of_a_node_that_is_there() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, LARGER, 0)
    for number in range(100):
        now_ms = 5_000 + 100 * number
        verdict = mine.hello(2 + number, LARGER, f"{number:x}", False, "10.0.0.66", PORT, now_ms)
        assert verdict == Refuse("duplicate", keeping=1)
        mine.closed(2 + number, now_ms, "duplicate")
    assert connected_nodes(mine) == [LARGER]


def test_a_node_whose_place_is_taken_gets_a_new_id() -> None:
    """Somebody has a link with our peer in our name, and the peer refuses us for it."""
    mine = started()
    mine.heard(beacon(SMALLER), HOST, 0)
    link, at_ms, taken = 0, 0, []
    while at_ms < EVERY_MS:
        at_ms = max(at_ms + 50, mine.next_deadline())
        for action in mine.tick(at_ms):
            match action:
                case Dial(host, port):
                    link += 1
                    mine.dialled(host, port, link, at_ms)
                    assert mine.hello(link, SMALLER, "aa", True, HOST, PORT, at_ms) == Accept()
                    mine.closed(link, at_ms, "duplicate")
                case NewIdentity():
                    taken.append(at_ms)
                    mine.rename(f"5{len(taken)}", at_ms)
    assert len(taken) == 1
    assert taken[0] > SQUATTED_MS


def refused(mine: Roster, link: int, at_ms: int, lived_ms: int = 0, reason: str = "duplicate") -> bool:
    """A link with SMALLER that ends so. True if we are to take a new id."""
    assert isinstance(mine.hello(link, SMALLER, "aa", False, HOST, PORT, at_ms), Accept)
    mine.closed(link, at_ms + lived_ms, reason)
    return any(isinstance(action, NewIdentity) for action in mine.tick(at_ms + lived_ms))


def test_refusals_now_and_then_prove_nothing() -> None:
    """Links that cross on a busy LAN are refused, too: seldom, or with a link that lived in between."""
    mine = started()
    for number in range(20):
        assert not refused(mine, number, REFUSALS_GAP_MS * 2 * number)
    at_ms = 20 * REFUSALS_GAP_MS * 2
    for number in range(20, 60):
        at_ms += SQUATTED_MS // 3
        if number % 3:
            assert not refused(mine, number, at_ms)
        else:
            assert not refused(mine, number, at_ms, reason="lost")
    for number in range(60, 80):
        at_ms += SQUATTED_MS
        assert not refused(mine, number, at_ms, lived_ms=STABLE_LINK_MS)
    assert not refused(mine, 90, at_ms + SQUATTED_MS)
    assert not refused(mine, 91, at_ms + SQUATTED_MS * 2), "two are not enough"


def test_a_clone_that_is_only_heard_is_dialled_not_believed() -> None:
    mine = started(instance="50")
    mine.tick(0)
    assert mine.heard(beacon(ME, instance="60"), HOST, 0) == [Dial(HOST, PORT)]
    mine = started(instance="50")
    mine.tick(0)
    assert mine.heard(beacon(ME, instance="40"), HOST, 0) == []
    assert run(mine, 600) == [(500, Dial(HOST, PORT))]
