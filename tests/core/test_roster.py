"""The roster: tables of what it does with one piece of news, and worlds of two and more nodes in a network
that loses, delays and cuts."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dir_sync.core import address_book, dialling, limits, roster
from dir_sync.core.beacon import FOLDER_TAGS_MAX, Beacon, decode_beacon, encode_beacon, folder_tags
from dir_sync.core.identity import EVERY_MS, PROOFS_MAX, REFUSALS_GAP_MS, SQUATTED_MS
from dir_sync.core.rate import TokenBucket
from dir_sync.core.roster import (
    STABLE_LINK_MS,
    Accept,
    Action,
    Announce,
    Dial,
    NewIdentity,
    Refuse,
    Roster,
)

ME = "5555"
SMALLER = "1111"
LARGER = "9999"
HOST = "10.0.0.9"
PORT = 6000


class Mean:
    """Dice that always show the middle."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


def beacon(
    node: str = LARGER, instance: str = "aa", port: int = PORT, ask: bool = False, folders: Iterable[str] | None = None
) -> Beacon:
    return Beacon(node, instance, port, ask, None if folders is None else folder_tags(folders))


def started(
    fixed: Iterable[tuple[str, int]] = (), instance: str = "50", folders: Iterable[str] | None = None
) -> Roster:
    """A roster at time 0 whose first announcement is out."""
    mine = Roster(ME, instance, Mean(), 0, tuple(fixed), None if folders is None else folder_tags(folders))
    assert mine.next_deadline() == 0
    return mine


def dials(actions: Iterable[Action]) -> list[Dial]:
    return [action for action in actions if isinstance(action, Dial)]


def run(mine: Roster, until_ms: int, ok: Callable[[Dial], bool] = lambda dial: False) -> list[tuple[int, Dial]]:
    """Let time pass; dials fail at once unless `ok`. What was dialled, and when."""
    out = []
    while (at_ms := mine.next_deadline()) <= until_ms:
        for dial in dials(mine.tick(at_ms)):
            out.append((at_ms, dial))
            if not ok(dial):
                mine.dialled(dial.address, dial.port, None, at_ms)
    return out


def linked(
    mine: Roster,
    node: str,
    now_ms: int,
    link_id: int = 1,
    instance: str = "aa",
    ours: bool = False,
    host: str = HOST,
    is_known: bool = False,
) -> None:
    assert mine.hello(link_id, node, instance, ours, host, PORT, now_ms, is_known) == Accept()


def crowd(mine: Roster, count: int, per_address: int, first: int = 0) -> None:
    """So many links, of peers that are not known, at addresses of their own."""
    for number in range(first, first + count):
        at = number // per_address
        linked(mine, f"a{number:x}", number, link_id=number, host=f"10.1.{at // 250}.{at % 250}")


# --- beacons as bytes ---------------------------------------------------------------------------------------

ids = st.text("0123456789abcdef", min_size=1, max_size=64)
tags = st.none() | st.lists(st.text(max_size=64), max_size=FOLDER_TAGS_MAX).map(folder_tags)
beacons = st.builds(Beacon, ids, ids, st.integers(1, 65535), st.booleans(), tags)


@given(beacons)
def test_a_beacon_survives_the_way(sent: Beacon) -> None:
    data = encode_beacon(sent)
    assert len(data) <= 512
    assert decode_beacon(data) == sent


def test_the_beacon_is_what_the_protocol_says() -> None:
    assert json.loads(encode_beacon(beacon(ask=True))) == {
        "dir_sync": 1,
        "mesh": "open",
        "node": LARGER,
        "instance": "aa",
        "port": PORT,
        "ask": True,
    }


GOOD = {"dir_sync": 1, "mesh": "open", "node": "ab", "instance": "cd", "port": 1, "ask": False}


@pytest.mark.parametrize(
    "change",
    [
        {"dir_sync": 2},
        {"dir_sync": True},
        {"dir_sync": 1.0},
        {"dir_sync": "1"},
        {"mesh": "other"},
        {"mesh": 1},
        {"node": ""},
        {"node": "AB"},
        {"node": "x"},
        {"node": "a" * 65},
        {"node": "٣"},
        {"node": "ab\n"},
        {"node": 5},
        {"node": ["ab"]},
        {"instance": ""},
        {"instance": None},
        {"port": 0},
        {"port": 65536},
        {"port": -1},
        {"port": True},
        {"port": "80"},
        {"port": 80.0},
        {"ask": 1},
        {"ask": "true"},
        {"folders": "0123abcd"},
        {"folders": [1]},
        {"folders": ["0123ABCD"]},
        {"folders": ["0123abc"]},
        {"folders": [f"{number:08x}" for number in range(FOLDER_TAGS_MAX + 1)]},
    ],
)
def test_a_wrong_field_is_no_beacon(change: dict[str, object]) -> None:
    assert decode_beacon(json.dumps(GOOD).encode()) is not None
    assert decode_beacon(json.dumps(GOOD | change).encode()) is None


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_missing_field_is_no_beacon(field: str) -> None:
    assert decode_beacon(json.dumps({k: v for k, v in GOOD.items() if k != field}).encode()) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"1",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 512,
        b'{"a":' * 100,
        json.dumps(GOOD).encode() + b" {}",
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).encode("utf-8-sig"),
        json.dumps(GOOD).encode()[:-1] + b', "port": 2}',
        json.dumps(GOOD).encode()[:-1] + b', "x": NaN}',
        json.dumps(GOOD).encode()[:-1] + b', "x": 1e999}',
        json.dumps(GOOD).encode()[:-1] + b', "x": ' + b"9" * 400 + b"9" * 100 + b"}",
        json.dumps(GOOD).encode() + b" " * 512,
    ],
)
def test_other_bytes_are_no_beacon(data: bytes) -> None:
    assert decode_beacon(data) is None


def test_unknown_fields_are_skipped() -> None:
    assert decode_beacon(json.dumps(GOOD | {"later": [1, {"x": None}]}).encode()) is not None


@given(st.binary(max_size=600) | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(
    lambda value: json.dumps(value).encode()
))  # fmt: skip
def test_nothing_that_arrives_raises(data: bytes) -> None:
    decode_beacon(data)


# --- the beat, and answers ----------------------------------------------------------------------------------


def test_the_first_beacon_goes_at_once_and_asks() -> None:
    mine = started()
    assert mine.tick(0) == [Announce(ask=True)]
    assert mine.tick(0) == []


def test_the_beat_has_jitter_and_slows_down_in_a_crowd() -> None:
    mine = Roster(ME, "50", random.Random(1), 0)
    mine.tick(0)
    beats = [0]
    while len(beats) < 200:
        beats.append(mine.next_deadline())
        assert mine.tick(beats[-1]) == [Announce(ask=False)]
    gaps = [late - early for early, late in pairwise(beats)]
    assert 2_250 <= min(gaps) < 2_500 < 3_500 < max(gaps) <= 3_750

    now_ms = beats[-1]
    for number in range(100):
        linked(mine, f"{number:x}", now_ms, link_id=number, host=f"10.1.0.{number}")
    now_ms = mine.next_deadline()
    mine.tick(now_ms)
    assert 13_000 * 0.75 <= mine.next_deadline() - now_ms <= 13_000 * 1.25


@pytest.mark.parametrize("ask", [True, False])
def test_who_hears_a_new_instance_answers_within_50_ms(ask: bool) -> None:
    mine = started()
    mine.tick(0)
    assert Announce(ask=False) not in mine.heard(beacon(SMALLER, ask=ask), HOST, 1_000)
    due = mine.next_deadline()
    assert 1_000 <= due <= 1_050
    assert mine.tick(due) == [Announce(ask=False)]
    mine.heard(beacon(SMALLER, ask=ask), HOST, 1_100)  # no longer new
    assert mine.next_deadline() > 1_200
    mine.heard(beacon(SMALLER, instance="bb", ask=ask), HOST, 1_200)
    assert mine.next_deadline() <= 1_250


def test_a_crowd_of_newcomers_gets_few_answers() -> None:
    mine = started()
    mine.tick(0)
    answers = 0
    for now_ms in range(0, 2_000, 10):
        answers += mine.heard(beacon(f"{now_ms:x}", ask=True), HOST, now_ms).count(Announce(ask=False))
    assert 2 <= answers <= roster.ANSWERS_BURST + 2


def test_our_own_beacon_is_nothing_new() -> None:
    mine = started()
    mine.tick(0)
    due = mine.next_deadline()
    assert mine.heard(beacon(ME, instance="50"), HOST, 10) == []
    assert mine.next_deadline() == due


# --- whom to dial -------------------------------------------------------------------------------------------


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
    assert mine.connected_nodes() == [SMALLER]
    assert mine.link_of(SMALLER) == 1


def test_a_broken_link_is_dialled_with_back_off() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, LARGER, 0)
    mine.closed(1, 100_000, "timeout")
    assert mine.connected_nodes() == []
    assert mine.link_of(LARGER) is None
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
    assert mine.connected_nodes() == ["77"]  # silent, but connected


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
    assert mine.connected_nodes() == ["7777"]
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


# --- fixed peers --------------------------------------------------------------------------------------------


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


# --- verdicts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", [SMALLER, LARGER])
@pytest.mark.parametrize("old_is_ours", [True, False])
@pytest.mark.parametrize("new_is_ours", [True, False])
@pytest.mark.parametrize("gap_ms", [0, 1_999, 2_000, 100_000])
@pytest.mark.parametrize("instance", ["aa", "bb"])
def test_which_of_two_links_stays(peer: str, old_is_ours: bool, new_is_ours: bool, gap_ms: int, instance: str) -> None:
    mine = started()
    mine.tick(0)
    linked(mine, peer, 0, link_id=1, ours=old_is_ours)
    verdict = mine.hello(2, peer, instance, new_is_ours, HOST, PORT, gap_ms)
    smaller_dialled_old = old_is_ours == (peer == LARGER)
    smaller_dialled_new = new_is_ours == (peer == LARGER)
    if instance == "aa" and (gap_ms < 2_000 and smaller_dialled_new and not smaller_dialled_old):
        assert verdict == Accept(closing=1)
        assert mine.link_of(peer) == 2
        mine.closed(1, gap_ms, "duplicate")
    else:
        assert verdict == Refuse("duplicate", keeping=1)
        assert mine.link_of(peer) == 1
        mine.closed(2, gap_ms, "duplicate")
    assert mine.connected_nodes() == [peer]
    if instance == "aa":
        assert run(mine, gap_ms + 60_000) == []
    else:
        # The older link is asked. If it is dead, the next dial of the new instance, or ours, gets through.
        mine.closed(1, gap_ms + 100, "lost")
        assert mine.hello(3, peer, instance, new_is_ours, HOST, PORT, gap_ms + 300) == Accept()


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


def test_a_forged_address_that_is_ours_makes_no_haste() -> None:
    mine = started()
    mine.tick(0)
    mine.heard(beacon(LARGER), "10.0.0.5", 0)
    mine.dialled("10.0.0.5", PORT, 1, 1)
    assert mine.hello(1, ME, "50", True, "10.0.0.5", PORT, 2) == Refuse("self")
    mine.heard(beacon(LARGER), HOST, 100)
    dialled = run(mine, 100_000)
    assert {dial.address for _, dial in dialled} <= {HOST, "10.0.0.5"}
    assert len(dialled) < 15


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
    assert mine.connected_nodes() == [LARGER]


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


def test_a_node_that_shares_nothing_with_us_is_left_alone() -> None:
    mine = started(folders=["photos"])
    mine.tick(0)
    assert mine.heard(beacon(folders=["music", "notes"]), HOST, 0) == []
    assert run(mine, 100_000) == []
    assert Dial(HOST, PORT) in mine.heard(beacon(instance="ab", folders=["notes", "photos"]), HOST, 100_000)


def test_a_silent_address_gives_way_to_one_that_was_heard_just_now() -> None:
    mine = started()
    mine.tick(0)
    mine.hello(1, LARGER, "aa", False, "10.0.0.9", PORT, 0)
    assert not mine.stalled(1, 5_000)  # there is no other address
    mine.heard(beacon(), "10.1.0.9", 6_000)
    assert mine.stalled(1, 7_000)
    mine.closed(1, 7_010, "lost")
    at_ms = mine.next_deadline()
    assert at_ms <= 7_010
    assert dials(mine.tick(7_010)) == [Dial("10.1.0.9", PORT)]
    assert not mine.stalled(1, 7_020)


def test_who_dialled_anew_from_another_address_is_dialled_there_when_its_old_link_falls_silent() -> None:
    mine = started()
    mine.tick(0)
    mine.hello(1, LARGER, "aa", False, "10.0.0.9", PORT, 0)
    assert mine.hello(2, LARGER, "aa", False, "10.1.0.9", PORT, 60_000) == Refuse("duplicate", keeping=1)
    assert mine.stalled(1, 61_500, is_doubted=True)
    mine.closed(1, 61_510, "lost")
    assert mine.next_deadline() <= 61_510
    assert dials(mine.tick(61_510)) == [Dial("10.1.0.9", PORT)], "not where nobody answers"


def test_who_dialled_anew_from_the_same_address_is_dialled_there() -> None:
    mine = started()
    mine.tick(0)
    mine.hello(1, LARGER, "aa", False, "10.0.0.9", PORT, 0)
    assert not mine.stalled(1, 60_000)
    assert mine.stalled(1, 61_500, is_doubted=True)
    mine.closed(1, 61_510, "lost")
    assert {dial for _, dial in run(mine, 63_000)} == {Dial("10.0.0.9", PORT)}


def test_an_address_that_was_heard_long_ago_is_no_other_way() -> None:
    mine = started()
    mine.tick(0)
    mine.heard(beacon(), "10.1.0.9", 0)
    mine.hello(1, LARGER, "aa", False, "10.0.0.9", PORT, 0)
    assert not mine.stalled(1, 60_000)


def test_a_clone_that_is_only_heard_is_dialled_not_believed() -> None:
    mine = started(instance="50")
    mine.tick(0)
    assert mine.heard(beacon(ME, instance="60"), HOST, 0) == [Dial(HOST, PORT)]
    mine = started(instance="50")
    mine.tick(0)
    assert mine.heard(beacon(ME, instance="40"), HOST, 0) == []
    assert run(mine, 600) == [(500, Dial(HOST, PORT))]


# --- against crowds and malice ------------------------------------------------------------------------------


def test_so_many_links_and_no_more() -> None:
    mine = started([("far.example", 1)])
    mine.tick(0)
    for number in range(limits.LINKS_MAX):
        linked(mine, f"a{number:x}", 0, link_id=number, host=f"10.1.{number // 250}.{number % 250}")
    assert mine.hello(1_000, LARGER, "aa", False, HOST, PORT, 1) == Refuse("overload")
    mine.dialled("far.example", 1, 1_001, 2)
    assert mine.hello(1_001, LARGER, "aa", True, HOST, PORT, 3) == Refuse("overload")
    assert run(mine, 20_000) == []
    assert mine.hello(1_002, "a0", "bb", False, HOST, PORT, 20_000) == Refuse("duplicate", keeping=0)
    assert len(mine.connected_nodes()) == limits.LINKS_MAX
    # Beacons do not make us dial while it is so.
    assert dials(mine.heard(beacon(LARGER, instance="cc"), HOST, 20_001)) == []
    mine.closed(5, 21_000, "bye")
    assert mine.hello(1_003, LARGER, "aa", False, HOST, PORT, 21_000) == Accept()


def test_strangers_are_1024_and_never_push_out_who_is_connected() -> None:
    mine = started()
    mine.tick(0)
    for number in range(50):
        linked(mine, f"a{number:x}", 0, link_id=number, host=f"10.1.0.{number}")
    now_ms = 0
    for number in range(20_000):
        now_ms += 20
        mine.heard(beacon(f"b{number:x}", instance=f"{number:x}"), f"10.0.{number % 9}.{number % 251}", now_ms)
        assert len(mine._book.strangers) <= address_book.STRANGERS_MAX
    assert len(mine._book.strangers) == address_book.STRANGERS_MAX
    assert len(mine.connected_nodes()) == 50
    assert len(mine._dialling._queue) + len(mine._dialling._stranger_queue) + len(mine._dialling._heap) < 5_000
    # The last ones are those that are known.
    assert f"b{19_999:x}" in mine._book.strangers
    assert "b0" not in mine._book.strangers


def test_new_names_have_a_rate_and_old_ones_are_still_heard() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, LARGER, 0)
    for number in range(10_000):
        mine.heard(beacon(f"b{number:x}"), HOST, 100)
    assert len(mine._book.strangers) == address_book.STRANGERS_BURST
    assert Dial("10.0.0.1", PORT) in mine.heard(beacon(LARGER, instance="bb"), "10.0.0.1", 100)


def test_dials_wait_for_their_turn_and_strangers_leave_room() -> None:
    mine = started()
    mine.tick(0)
    linked(mine, "99", 0, link_id=1)
    dialled = []
    for number in range(100):
        dialled += dials(mine.heard(beacon(f"a{number:02x}"), f"10.0.1.{number}", 10))
    assert len(dialled) == dialling.STRANGER_DIALS_MAX
    assert mine.next_deadline() > 10
    mine.closed(1, 20, "eof")
    assert run(mine, 1_500, ok=lambda dial: True) == [(270, Dial(HOST, PORT))]
    mine.dialled(HOST, PORT, None, 1_500)
    # One ends, the next one goes.
    mine.dialled(*dialled[0], None, 1_500)
    assert mine.next_deadline() <= 1_500
    assert len(dials(mine.tick(1_500))) == 1


def test_one_address_is_dialled_once_a_second() -> None:
    mine = started()
    mine.tick(0)
    at = []
    for now_ms in range(0, 30_000, 50):
        actions = dials(mine.heard(beacon(LARGER, instance=f"{now_ms:x}"), HOST, now_ms))
        for dial in actions:
            at.append(now_ms)
            mine.dialled(*dial, None, now_ms)
    assert 20 <= len(at) <= 31
    assert all(late - early >= 1_000 for early, late in pairwise(at))


def test_one_host_is_no_victim_of_many_ports() -> None:
    def dialled(host: str) -> int:
        mine = started()
        mine.tick(0)
        count = 0
        for now_ms in range(10_000):
            for dial in dials(mine.heard(beacon(f"a{now_ms:x}", port=1_000 + now_ms), host, now_ms)):
                count += 1
                mine.dialled(*dial, None, now_ms)
        return count

    assert dialled(HOST) <= dialling.HOST_DIALS_BURST + 11
    assert dialled("127.0.0.1") > 500  # nobody outside can make us do that


@pytest.mark.parametrize("reason", ["protocol-version", "overload", "no-common-folder"])
@pytest.mark.parametrize("is_greeted", [True, False])
def test_what_cannot_work_is_not_tried_again_soon(reason: str, is_greeted: bool) -> None:
    mine = started()
    mine.tick(0)
    mine.heard(beacon(LARGER), HOST, 0)
    mine.dialled(HOST, PORT, 1, 1)
    if is_greeted:
        linked(mine, LARGER, 2, ours=True)
    mine.closed(1, 10, reason)
    dialled = []
    for now_ms in range(3_000, 100_000, 1_000):
        for dial in dials(mine.heard(beacon(LARGER), HOST, now_ms)):
            dialled.append(now_ms)
            mine.dialled(*dial, now_ms, now_ms)
            mine.closed(now_ms, now_ms, reason)
    assert len(dialled) == (0 if reason == "no-common-folder" else 3)
    # It was started anew, maybe with another version.
    assert Dial(HOST, PORT) in mine.heard(beacon(LARGER, instance="bb"), HOST, 101_000)


def test_a_fixed_peer_of_another_version_is_dialled_every_half_minute() -> None:
    mine = started([(HOST, PORT)])
    count = 0
    while (at_ms := mine.next_deadline()) < 300_000:
        for dial in dials(mine.tick(at_ms)):
            count += 1
            mine.dialled(*dial, count, at_ms)
            mine.closed(count, at_ms + 5, "protocol-version")
    assert count == 10


def test_hello_that_never_comes_is_a_failed_dial() -> None:
    mine = started()
    mine.tick(0)
    mine.heard(beacon(LARGER), HOST, 0)
    mine.dialled(HOST, PORT, 1, 10)
    assert mine.heard(beacon(LARGER), HOST, 3_000) == [Announce(ask=False)]
    mine.closed(1, 5_010, "timeout")
    assert run(mine, 5_500) == [(5_260, Dial(HOST, PORT))]


def test_news_of_unknown_links_and_dials_do_no_harm() -> None:
    mine = started()
    mine.tick(0)
    mine.closed(99, 0, "bye")
    mine.dialled(HOST, PORT, None, 0)
    mine.dialled(HOST, PORT, 5, 0)
    mine.closed(5, 0, "bye")
    linked(mine, LARGER, 0, link_id=7)
    mine.closed(7, 1, "bye")
    mine.closed(7, 2, "bye")
    assert mine.connected_nodes() == []


def test_a_peer_without_a_port_cannot_be_dialled() -> None:
    mine = started()
    mine.tick(0)
    assert mine.hello(1, LARGER, "aa", False, HOST, 0, 0) == Accept()
    mine.closed(1, 1_000, "eof")
    assert run(mine, 60_000) == []


def test_token_bucket() -> None:
    bucket = TokenBucket(3, 2.0, 1_000)
    assert bucket.is_full(1_000)
    assert [bucket.take(1_000) for _ in range(5)] == [True, True, True, False, False]
    assert bucket.wait_ms(1_000) == pytest.approx(500, abs=1)
    assert not bucket.take(1_400)
    assert bucket.take(1_501)
    assert not bucket.take(0)  # a clock that goes back gives nothing
    assert not bucket.is_full(2_900)
    assert bucket.is_full(10_000)


# --- worlds -------------------------------------------------------------------------------------------------


class Pipe:
    """One TCP connection: an open end at each side, or none any more."""

    def __init__(self, dialler: Person, acceptor: Person) -> None:
        self.sides = (dialler, acceptor)
        self.ends: dict[Person, int] = {}
        self.greeted: set[Person] = set()

    def other(self, person: Person) -> Person:
        return self.sides[1] if person is self.sides[0] else self.sides[0]


class Person:
    """One process: a roster, and what a daemon would do for it."""

    def __init__(self, world: World, node: str, host: str, fixed: tuple[tuple[str, int], ...]) -> None:
        self.world = world
        self.node = node
        self.host = host
        self.fixed = fixed
        self.is_up = False
        self.start()

    def start(self) -> None:
        self.is_up = True
        self.instance = f"{self.world.dice.getrandbits(64):x}"
        self.roster = Roster(self.node, self.instance, self.world.dice, self.world.now_ms, self.fixed)
        self.pipes: dict[int, Pipe] = {}
        self.accepted: set[int] = set()
        self.dial_count = 0

    def stop(self) -> None:
        self.is_up = False
        for link_id in list(self.pipes):
            self.close(link_id, "eof", tell=False)

    def perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Announce(ask):
                    self.world.broadcast(self, Beacon(self.node, self.instance, PORT, ask))
                case Dial(host, port):
                    self.dial_count += 1
                    self.world.connect(self, host, port)
                case NewIdentity():
                    self.node = f"{self.world.dice.getrandbits(64):x}"
                    self.roster.rename(self.node, self.world.now_ms)
                    for link_id in sorted(self.pipes):
                        self.close(link_id, "new-identity")

    def open(self, pipe: Pipe, link_id: int) -> None:
        self.pipes[link_id] = pipe
        pipe.ends[self] = link_id
        self.world.after(5_000, self, lambda: self.give_up(link_id))

    def give_up(self, link_id: int) -> None:
        if link_id in self.pipes and self not in self.pipes[link_id].greeted:
            self.close(link_id, "timeout")

    def greet(self, pipe: Pipe, node: str, instance: str) -> None:
        """The other side's HELLO has arrived."""
        link_id = pipe.ends.get(self)
        if link_id is None:
            return
        pipe.greeted.add(self)
        verdict = self.roster.hello(
            link_id, node, instance, self is pipe.sides[0], pipe.other(self).host, PORT, self.world.now_ms
        )
        match verdict:
            case Accept(closing):
                self.accepted.add(link_id)
                if closing is not None:
                    self.close(closing, "duplicate")
            case Refuse(reason, _, actions):
                self.close(link_id, reason)
                self.perform(actions)

    def close(self, link_id: int, reason: str, tell: bool = True) -> None:
        pipe = self.pipes.pop(link_id, None)
        if pipe is None:
            return
        del pipe.ends[self]
        self.accepted.discard(link_id)
        if tell:
            self.roster.closed(link_id, self.world.now_ms, reason)
        self.world.hang_up(pipe, self, reason)


class World:
    """Time, and a network that can be bad."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now_ms = 0
        self.people: list[Person] = []
        self.news: list[tuple[int, int, Person, str, Callable[[], None]]] = []
        self.count = 0
        self.loss = 0.0
        self.delay_ms = 1
        self.is_cut = False
        self.deaf: set[str] = set()  # hosts that hear no beacon
        self.walled: set[str] = set()  # hosts that nobody can dial

    def add(self, node: str, fixed: tuple[tuple[str, int], ...] = ()) -> Person:
        person = Person(self, node, f"10.0.0.{len(self.people) + 1}", fixed)
        self.people.append(person)
        return person

    def after(self, wait_ms: int, person: Person, act: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.news, (self.now_ms + wait_ms, self.count, person, person.instance, act))

    def some_ms(self) -> int:
        return self.dice.randint(0, self.delay_ms)

    def broadcast(self, sender: Person, sent: Beacon) -> None:
        for person in self.people:
            if person is sender or self.is_cut or person.host in self.deaf or not person.is_up:
                continue
            if self.dice.random() < self.loss:
                continue

            def deliver(person: Person = person) -> None:
                person.perform(person.roster.heard(sent, sender.host, self.now_ms))

            self.after(self.some_ms(), person, deliver)

    def connect(self, dialler: Person, host: str, port: int) -> None:
        def arrive() -> None:
            target = next((p for p in self.people if p.host == host and p.is_up), None)
            if self.is_cut or target is None or host in self.walled or port != PORT:
                wait_ms = 3_000 if self.is_cut else self.some_ms()
                self.after(wait_ms, dialler, lambda: dialler.roster.dialled(host, port, None, self.now_ms))
                return
            self.count += 2
            pipe = Pipe(dialler, target)
            link_id = self.count
            dialler.roster.dialled(host, port, link_id, self.now_ms)
            dialler.open(pipe, link_id)
            target.open(pipe, link_id - 1)
            for side in pipe.sides:
                self.say_hello(pipe, side)

        self.after(self.some_ms(), dialler, arrive)

    def say_hello(self, pipe: Pipe, side: Person) -> None:
        node, instance, other = side.node, side.instance, pipe.other(side)

        def arrive() -> None:
            if not self.is_cut:
                other.greet(pipe, node, instance)

        self.after(self.some_ms(), other, arrive)

    def hang_up(self, pipe: Pipe, side: Person, reason: str) -> None:
        """The other end hears of it, or times out."""
        other = pipe.other(side)
        link_id = pipe.ends.get(other)
        if link_id is not None:
            wait_ms = 30_000 if self.is_cut else self.some_ms()
            why = "timeout" if self.is_cut else reason
            self.after(wait_ms, other, lambda: other.close(link_id, why))

    def run(self, for_ms: int) -> None:
        until_ms = self.now_ms + for_ms
        while True:
            at_ms = self.news[0][0] if self.news else until_ms
            ticks = [(p.roster.next_deadline(), n) for n, p in enumerate(self.people) if p.is_up]
            tick_ms = max(self.now_ms, min(ticks)[0]) if ticks else until_ms
            if min(at_ms, tick_ms) >= until_ms:
                self.now_ms = until_ms
                return
            if at_ms <= tick_ms:
                self.now_ms, _, person, instance, act = heapq.heappop(self.news)
                if person.is_up and person.instance == instance:
                    act()
            else:
                self.now_ms = tick_ms
                person = self.people[min(ticks)[1]]
                person.perform(person.roster.tick(self.now_ms))

    def check_pair(self, one: Person, two: Person) -> Pipe:
        """Exactly one link, the same one at both ends, and both rosters know it."""
        assert len(one.pipes) == len(two.pipes) == 1
        (mine,), (theirs,) = one.pipes.values(), two.pipes.values()
        assert mine is theirs
        assert one.accepted == set(one.pipes)
        assert two.accepted == set(two.pipes)
        assert one.roster.connected_nodes() == [two.node]
        assert two.roster.connected_nodes() == [one.node]
        return mine


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("delay_ms", [1, 30])
def test_two_that_start_are_linked_within_a_quarter_of_a_second(seed: int, delay_ms: int) -> None:
    world = World(seed)
    world.delay_ms = delay_ms
    one = world.add(f"{world.dice.getrandbits(64):x}")
    world.run(5_000)
    two = world.add(f"{world.dice.getrandbits(64):x}")
    world.run(250)
    world.check_pair(one, two)


@pytest.mark.parametrize("seed", range(300))
def test_two_that_dial_at_the_same_time_end_with_one_link(seed: int) -> None:
    world = World(seed)
    world.delay_ms = world.dice.choice([1, 10, 300, 3_000])
    one = world.add("1111", fixed=(("10.0.0.2", PORT),))
    two = world.add("2222", fixed=(("10.0.0.1", PORT),))
    world.run(10_000)
    world.delay_ms = 20
    world.run(90_000)
    pipe = world.check_pair(one, two)
    world.run(60_000)
    assert world.check_pair(one, two) is pipe


@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_that_starts_at_once_is_fully_linked_soon(seed: int) -> None:
    world = World(seed)
    world.delay_ms = 20
    count = 30
    for _ in range(count):
        world.add(f"{world.dice.getrandbits(64):x}")
    world.run(3_000)
    for person in world.people:
        assert len(person.accepted) == len(person.pipes) == count - 1
    assert sum(person.dial_count for person in world.people) < count * (count - 1) / 2 * 1.2


def test_only_the_larger_can_dial() -> None:
    world = World(1)
    one, two = world.add("1111"), world.add("2222")
    world.walled.add(two.host)
    world.run(2_000)
    world.check_pair(one, two)


@pytest.mark.parametrize("deaf", [0, 1])
def test_only_one_hears_the_other(deaf: int) -> None:
    world = World(1)
    one, two = world.add("1111"), world.add("2222")
    world.deaf.add(world.people[deaf].host)
    world.run(2_000)
    world.check_pair(one, two)


@pytest.mark.parametrize("seed", range(20))
def test_clones_get_apart(seed: int) -> None:
    world = World(seed)
    world.delay_ms = 20
    one, two, three = world.add("1111"), world.add("1111"), world.add("2222")
    world.run(20_000)
    assert one.node != two.node
    assert sorted([one.node, two.node])[0] == "1111" or "1111" in (one.node, two.node)
    for person in (one, two, three):
        others = sorted(other.node for other in world.people if other is not person)
        assert person.roster.connected_nodes() == others
        assert len(person.pipes) == 2


class Pair(RuleBasedStateMachine):
    """Two nodes, whatever happens to them; once the network is sound there is one link, and it stays."""

    @initialize(
        seed=st.integers(0, 2**32),
        ids=st.sampled_from([("1111", "2222"), ("2222", "1111"), ("1111", "1111")]),
        fixed=st.sampled_from([(False, False), (True, False), (False, True), (True, True)]),
    )
    def begin(self, seed: int, ids: tuple[str, str], fixed: tuple[bool, bool]) -> None:
        self.world = World(seed)
        self.one = self.world.add(ids[0], ((("10.0.0.2", PORT),) if fixed[0] else ()))
        self.two = self.world.add(ids[1], ((("10.0.0.1", PORT),) if fixed[1] else ()))
        self.fixed = fixed
        self.times = 0

    @rule(for_ms=st.sampled_from([0, 1, 50, 260, 700, 1_900, 2_100, 5_000, 31_000]))
    def wait(self, for_ms: int) -> None:
        self.world.run(for_ms)

    @rule(delay_ms=st.sampled_from([0, 5, 200, 2_500, 6_000]), loss=st.sampled_from([0.0, 0.3, 1.0]))
    def weather(self, delay_ms: int, loss: float) -> None:
        self.world.delay_ms, self.world.loss = delay_ms, loss

    @rule(is_cut=st.booleans())
    def cut(self, is_cut: bool) -> None:
        self.world.is_cut = is_cut

    @rule(who=st.integers(0, 1))
    def restart(self, who: int) -> None:
        self.world.people[who].stop()
        self.world.people[who].start()

    @rule(who=st.integers(0, 1), reason=st.sampled_from(["eof", "timeout", "protocol-error"]))
    def break_links(self, who: int, reason: str) -> None:
        person = self.world.people[who]
        for link_id in list(person.pipes):
            person.close(link_id, reason)

    @rule(who=st.sampled_from([(), (0,), (1,)]))
    def wall(self, who: tuple[int, ...]) -> None:
        self.world.walled = {self.world.people[number].host for number in who}

    @rule(who=st.sampled_from([(), (0,), (1,), (0, 1)]))
    def deafen(self, who: tuple[int, ...]) -> None:
        self.world.deaf = {self.world.people[number].host for number in who}

    @precondition(lambda self: self.times < 3)
    @rule()
    def settle(self) -> None:
        self.times += 1
        world = self.world
        world.is_cut, world.delay_ms, world.loss = False, 20, 0.05
        # Somebody must be able to know of the other, and to reach it.
        knows = [fixed or self.world.people[who].host not in world.deaf for who, fixed in enumerate(self.fixed)]
        reaches = [world.people[1 - who].host not in world.walled for who in (0, 1)]
        if not any(know and reach for know, reach in zip(knows, reaches, strict=True)):
            world.deaf.clear()
        world.run(150_000)
        pipe = world.check_pair(self.one, self.two)
        world.run(60_000)
        assert world.check_pair(self.one, self.two) is pipe
        assert self.one.node != self.two.node

    @invariant()
    def never_more_than_one_accepted(self) -> None:
        for person in self.world.people:
            assert len(person.accepted) <= 1
            assert len(person.roster.connected_nodes()) == len(person.accepted)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.times = 0
            self.settle()


TestPair = Pair.TestCase
TestPair.settings = settings(stateful_step_count=25, deadline=None)


# --- places ---------------------------------------------------------------------------------------------------


def test_one_address_has_some_places_and_not_all() -> None:
    """Several nodes live on one machine; another machine is not kept out by any number of them."""
    mine = started()
    crowd(mine, limits.LINKS_PER_ADDRESS_MAX, limits.LINKS_PER_ADDRESS_MAX)
    assert mine.hello(500, "b0", "aa", False, "10.1.0.0", PORT, 500) == Refuse("overload")
    linked(mine, "b1", 501, link_id=501)
    # A peer of earlier days behind that address comes in for the oldest of those who are none.
    assert mine.hello(502, "b2", "aa", False, "10.1.0.0", PORT, 502, True) == Accept(0, "overload")
    assert not mine.link_of("a0")


def test_a_known_peer_takes_the_place_of_the_oldest_stranger() -> None:
    mine = started()
    linked(mine, "d0", 0, link_id=900, is_known=True)
    crowd(mine, limits.LINKS_MAX - 1, 1)
    assert mine.hello(901, "d1", "aa", False, HOST, PORT, 901) == Refuse("overload")
    assert mine.hello(902, "d2", "aa", False, HOST, PORT, 902, True) == Accept(0, "overload")
    mine.closed(0, 903, "overload")  # the news of the one that gave way
    assert mine.link_of("d2") == 902
    assert mine.link_of("d0") == 900


def test_a_newcomer_takes_a_place_of_the_address_that_has_most() -> None:
    mine = started()
    crowd(mine, limits.LINKS_MAX, 16)
    assert mine.hello(901, "d1", "aa", False, HOST, PORT, 901) == Accept(0, "overload")
    assert len(mine.connected_nodes()) == limits.LINKS_MAX


def test_peers_of_earlier_days_are_not_sent_away() -> None:
    mine = started()
    for number in range(limits.LINKS_MAX):
        linked(mine, f"a{number:x}", 0, link_id=number, host=f"10.1.{number // 250}.{number % 250}", is_known=True)
    assert mine.hello(901, "d1", "aa", False, HOST, PORT, 901, True) == Refuse("overload")
