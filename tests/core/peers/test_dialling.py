"""Whom a node dials, and when: back-off, roles, addresses, fixed peers."""

from __future__ import annotations

import random

import pytest

from dir_sync.core.peers.roster import Accept, Announce, Dial, Refuse, Roster
from tests.core.peers.roster_tools import (
    HOST,
    LARGER,
    ME,
    PORT,
    SMALLER,
    Mean,
    beacon,
    connected_nodes,
    dials,
    link_of,
    linked,
    run,
    started,
)


def test_the_smaller_id_dials_at_once() -> None:
    mine = started()
    mine.tick(0)
    assert mine.heard(beacon(LARGER), HOST, 100) == [Dial(HOST, PORT)]
    assert mine.heard(beacon(LARGER), HOST, 3_000) == [Announce(ask=False)]  # it is still being dialled


def test_the_larger_id_waits_for_the_other() -> None:
    mine = started()
    mine.tick(0)
    assert mine.heard(beacon(SMALLER), HOST, 100) == []
    assert run(mine, 2_000) == [(600, Dial(HOST, PORT)), (1_600, Dial(HOST, PORT))]

    mine = started()
    mine.tick(0)
    mine.heard(beacon(SMALLER), HOST, 100)
    linked(mine, SMALLER, 599)
    assert run(mine, 60_000) == []
    assert connected_nodes(mine) == [SMALLER]
    assert link_of(mine, SMALLER) == 1


def test_a_broken_link_is_dialled_with_back_off() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, LARGER, 0)
    mine.closed(1, 100_000, "timeout")
    assert connected_nodes(mine) == []
    assert link_of(mine, LARGER) is None
    at = [at_ms - 100_000 for at_ms, _ in run(mine, 200_000)]
    # 250, +500 (put off: one a second), +1000, +2000 ...
    assert at == [250, 1_250, 2_250, 4_250, 8_250, 16_250, 32_250, 62_250, 92_250]


def test_back_off_has_jitter() -> None:
    first = set()
    for seed in range(50):
        mine = Roster(ME, "50", random.Random(seed), 0)
        mine.tick(0)
        linked(mine, LARGER, 0)
        mine.closed(1, 100, "eof")
        first.add(run(mine, 2_000)[0][0] - 100)
    assert len(first) > 20
    assert all(187 <= after_ms <= 313 for after_ms in first)


def test_a_link_that_breaks_again_and_again_is_dialled_ever_more_seldom() -> None:
    mine = started()
    mine.tick(0)
    number, now_ms, gaps = 0, 0, []
    linked(mine, LARGER, 0, link_id=0)
    for _ in range(12):
        mine.closed(number, now_ms, "protocol-error")
        broken_ms = now_ms
        while not (dialled := dials(mine.tick(now_ms := mine.next_deadline()))):
            pass
        gaps.append(now_ms - broken_ms)
        number += 1
        mine.dialled(*dialled[0], number, now_ms)
        linked(mine, LARGER, now_ms, link_id=number, ours=True)
    assert gaps[-1] == 30_000
    assert sorted(gaps) == gaps
    mine.closed(number, now_ms + 60_000, "eof")  # this one was good
    assert run(mine, now_ms + 61_000)[0][0] == now_ms + 60_250


def test_a_beacon_ends_the_back_off() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, LARGER, 0)
    mine.closed(1, 100_000, "timeout")
    run(mine, 100_000 + 40_000)
    assert mine.next_deadline() < 100_000 + 62_000
    assert Dial(HOST, PORT) in mine.heard(beacon(LARGER), HOST, 141_000)
    mine.dialled(HOST, PORT, None, 141_000)
    # It was silent for long: what failed before says nothing.
    assert [at_ms for at_ms, _ in run(mine, 145_000)] == [142_000, 143_000, 144_000]


def test_nodes_are_forgotten_after_ten_minutes() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, LARGER, 0)
    mine.heard(beacon(SMALLER, port=7000), "10.0.0.1", 0)
    linked(mine, "77", 0, link_id=2)
    mine.closed(1, 1_000_000, "timeout")
    dialled = run(mine, 3_000_000)
    assert max(at_ms for at_ms, dial in dialled if dial.port == 7000) < 620_000
    assert 1_550_000 < max(at_ms for at_ms, dial in dialled if dial.port == PORT) < 1_650_000
    assert connected_nodes(mine) == ["77"]  # silent, but connected


def test_another_address_is_tried_at_once() -> None:
    mine = started()
    mine.tick(0)
    assert mine.heard(beacon(LARGER), "10.0.0.1", 0) == [Dial("10.0.0.1", PORT)]
    assert dials(mine.heard(beacon(LARGER), "10.1.0.1", 5)) == []
    mine.dialled("10.0.0.1", PORT, None, 1_000)
    assert mine.next_deadline() == 1_000
    assert Dial("10.1.0.1", PORT) in mine.tick(1_000)


def test_loopback_is_the_shorter_way() -> None:
    mine = started()
    mine.tick(0)
    mine.heard(beacon(SMALLER), HOST, 0)
    mine.heard(beacon(SMALLER), "127.0.0.1", 1)
    mine.heard(beacon(SMALLER), HOST, 2)
    assert run(mine, 600) == [(500, Dial("127.0.0.1", PORT)), (500, Dial(HOST, PORT))]


def test_an_address_is_a_hint() -> None:
    """Somebody else answers there: that one is connected, the node we looked for is looked for elsewhere."""
    mine = started()
    mine.tick(0)
    mine.heard(beacon(LARGER), HOST, 0)
    mine.dialled(HOST, PORT, 1, 10)
    assert mine.hello(1, "7777", "bb", True, HOST, PORT, 20) == Accept()
    assert connected_nodes(mine) == ["7777"]
    assert run(mine, 60_000) == []
    assert Dial("10.0.0.4", PORT) in mine.heard(beacon(LARGER), "10.0.0.4", 61_000)


def test_many_addresses_of_one_node() -> None:
    mine = started()
    mine.tick(0)
    for number in range(200):
        mine.heard(beacon(SMALLER), f"10.0.0.{number}", number)
    dialled = run(mine, 550)
    assert sorted(dial.address for _, dial in dialled) == sorted(f"10.0.0.{number}" for number in range(192, 200))


def test_a_restarted_peer_is_dialled_though_its_old_link_lives() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, LARGER, 0)
    mine.heard(beacon(LARGER), HOST, 10_000)
    assert run(mine, 20_000) == []
    assert Dial(HOST, PORT) in mine.heard(beacon(LARGER, instance="bb"), HOST, 20_000)
    mine.dialled(HOST, PORT, 2, 20_001)
    assert mine.hello(2, LARGER, "bb", True, HOST, PORT, 20_002) == Refuse("duplicate", keeping=1)
    mine.closed(2, 20_003, "duplicate")
    mine.closed(1, 20_004, "lost")  # the older link was asked, and is dead
    (at_ms, dial), *_ = run(mine, 22_000, ok=lambda dial: True)
    assert at_ms <= 21_001  # the address has a rest of a second
    mine.dialled(*dial, 3, at_ms)
    assert mine.hello(3, LARGER, "bb", True, HOST, PORT, at_ms) == Accept()


def test_a_late_beacon_of_an_earlier_instance_costs_one_dial() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, LARGER, 0, instance="bb")
    assert Dial(HOST, PORT) in mine.heard(beacon(LARGER, instance="aa"), HOST, 20_000)
    mine.dialled(HOST, PORT, 2, 20_001)
    assert mine.hello(2, LARGER, "bb", True, HOST, PORT, 20_002) == Refuse("duplicate", keeping=1)
    mine.closed(2, 20_003, "duplicate")
    assert run(mine, 60_000) == []


def test_fixed_peers_are_dialled_from_the_start_until_they_are_there() -> None:
    mine = started([("far.example", 7000), ("10.9.9.9", 6000), ("far.example", 7000)])
    dialled = run(mine, 3_600_000)
    assert dialled[:2] == [(0, Dial("far.example", 7000)), (0, Dial("10.9.9.9", 6000))]
    one = [at_ms for at_ms, dial in dialled if dial.port == 7000]
    assert one[:6] == [0, 1_000, 2_000, 3_000, 5_000, 9_000]  # one a second at the most
    assert len(one) == pytest.approx(3_600 / 30, abs=7)


def test_a_fixed_peer_is_quiet_while_its_node_is_connected() -> None:
    mine = started([("far.example", 7000)])
    assert Dial("far.example", 7000) in mine.tick(0)
    mine.dialled("far.example", 7000, 1, 30)
    assert mine.hello(1, LARGER, "aa", True, "203.0.113.9", 7000, 60) == Accept()
    assert run(mine, 100_000) == []
    # Another link of the same node serves as well.
    assert mine.hello(2, LARGER, "bb", False, "203.0.113.9", 7000, 100_000) == Refuse("duplicate", keeping=1)
    mine.closed(1, 100_001, "lost")
    assert mine.hello(2, LARGER, "bb", False, "203.0.113.9", 7000, 100_100) == Accept()
    assert run(mine, 200_000) == []
    mine.closed(2, 200_000, "eof")
    assert run(mine, 201_000)[0] == (200_250, Dial("far.example", 7000))


def test_a_fixed_peer_that_dialled_us_is_known_by_its_address() -> None:
    mine = started([(HOST, PORT)])
    mine.tick(0)
    mine.dialled(HOST, PORT, None, 0)
    linked(mine, LARGER, 100)
    assert run(mine, 60_000) == []


def test_a_fixed_peer_comes_back_under_another_name() -> None:
    mine = started([(HOST, PORT)])
    mine.tick(0)
    mine.dialled(HOST, PORT, 1, 0)
    linked(mine, LARGER, 100, ours=True)
    mine.closed(1, 50_000, "eof")
    at_ms, dial = run(mine, 51_000, ok=lambda dial: True)[0]
    mine.dialled(*dial, 2, at_ms)
    assert mine.hello(2, "7777", "bb", True, HOST, PORT, at_ms) == Accept()
    assert run(mine, 100_000) == []


def test_one_address_given_and_heard_is_dialled_once() -> None:
    mine = started([(HOST, PORT)])
    assert mine.tick(0) == [Announce(ask=True), Dial(HOST, PORT)]
    assert mine.heard(beacon(LARGER), HOST, 1) == []
    mine.dialled(HOST, PORT, 1, 5)
    linked(mine, LARGER, 20, ours=True)
    assert run(mine, 60_000) == []


@pytest.mark.parametrize("only_fixed", [False, True])
def test_who_has_called_is_dialled_unless_only_those_are_that_the_user_named(only_fixed: bool) -> None:
    named = ("10.0.0.8", PORT)
    mine = Roster(ME, "50", Mean(), 0, (named,), only_fixed=only_fixed)
    linked(mine, LARGER, 0)
    linked(mine, SMALLER, 0, link_id=2, host=named[0])
    mine.closed(1, 20_000, "bye")
    mine.closed(2, 20_000, "bye")
    again = {(dial.address, dial.port) for at_ms, dial in run(mine, 60_000) if at_ms >= 20_000}
    assert again == ({named} if only_fixed else {named, (HOST, PORT)})


def test_a_copy_of_this_node_that_calls_is_not_dialled_if_it_is_not_named() -> None:
    mine = Roster(ME, "50", Mean(), 0, only_fixed=True)
    assert mine.hello(1, ME, "40", False, HOST, PORT, 0) == Refuse("new-identity")
    mine.closed(1, 0, "new-identity")
    assert not run(mine, 60_000)
