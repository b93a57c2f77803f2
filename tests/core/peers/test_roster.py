"""The roster: tables of what it does with one piece of news: the beat, which of two links stays, crowds and malice, places."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from dir_sync.core import limits
from dir_sync.core.peers import address_book, beacon_times, dial_limits, dialling
from dir_sync.core.peers.roster import Accept, Announce, Dial, Refuse, Roster
from tests.core.peers.roster_tools import (
    HOST,
    LARGER,
    ME,
    PORT,
    SMALLER,
    beacon,
    connected_nodes,
    crowd,
    dials,
    link_of,
    linked,
    run,
    started,
)


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
    assert 2 <= answers <= beacon_times.ANSWERS_BURST + 2


def test_our_own_beacon_is_nothing_new() -> None:
    mine = started()
    mine.tick(0)
    due = mine.next_deadline()
    assert mine.heard(beacon(ME, instance="50"), HOST, 10) == []
    assert mine.next_deadline() == due


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
        assert link_of(mine, peer) == 2
        mine.closed(1, gap_ms, "duplicate")
    else:
        assert verdict == Refuse("duplicate", keeping=1)
        assert link_of(mine, peer) == 1
        mine.closed(2, gap_ms, "duplicate")
    assert connected_nodes(mine) == [peer]
    if instance == "aa":
        assert run(mine, gap_ms + 60_000) == []
    else:
        # The older link is asked. If it is dead, the next dial of the new instance, or ours, gets through.
        mine.closed(1, gap_ms + 100, "lost")
        assert mine.hello(3, peer, instance, new_is_ours, HOST, PORT, gap_ms + 300) == Accept()


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
    assert len(connected_nodes(mine)) == limits.LINKS_MAX
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
    assert len(connected_nodes(mine)) == 50
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

    assert dialled(HOST) <= dial_limits.HOST_DIALS_BURST + 11
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
    assert connected_nodes(mine) == []


def test_a_peer_without_a_port_cannot_be_dialled() -> None:
    mine = started()
    mine.tick(0)
    assert mine.hello(1, LARGER, "aa", False, HOST, 0, 0) == Accept()
    mine.closed(1, 1_000, "eof")
    assert run(mine, 60_000) == []


def test_one_address_has_some_places_and_not_all() -> None:
    """Several nodes live on one machine; another machine is not kept out by any number of them."""
    mine = started()
    crowd(mine, limits.LINKS_PER_ADDRESS_MAX, limits.LINKS_PER_ADDRESS_MAX)
    assert mine.hello(500, "b0", "aa", False, "10.1.0.0", PORT, 500) == Refuse("overload")
    linked(mine, "b1", 501, link_id=501)
    # A peer of earlier days behind that address comes in for the oldest of those who are none.
    assert mine.hello(502, "b2", "aa", False, "10.1.0.0", PORT, 502, True) == Accept(0, "overload")
    assert not link_of(mine, "a0")


def test_a_known_peer_takes_the_place_of_the_oldest_stranger() -> None:
    mine = started()
    linked(mine, "d0", 0, link_id=900, is_known=True)
    crowd(mine, limits.LINKS_MAX - 1, 1)
    assert mine.hello(901, "d1", "aa", False, HOST, PORT, 901) == Refuse("overload")
    assert mine.hello(902, "d2", "aa", False, HOST, PORT, 902, True) == Accept(0, "overload")
    mine.closed(0, 903, "overload")  # the news of the one that gave way
    assert link_of(mine, "d2") == 902
    assert link_of(mine, "d0") == 900


def test_a_newcomer_takes_a_place_of_the_address_that_has_most() -> None:
    mine = started()
    crowd(mine, limits.LINKS_MAX, 16)
    assert mine.hello(901, "d1", "aa", False, HOST, PORT, 901) == Accept(0, "overload")
    assert len(connected_nodes(mine)) == limits.LINKS_MAX


def test_peers_of_earlier_days_are_not_sent_away() -> None:
    mine = started()
    for number in range(limits.LINKS_MAX):
        linked(mine, f"a{number:x}", 0, link_id=number, host=f"10.1.{number // 250}.{number % 250}", is_known=True)
    assert mine.hello(901, "d1", "aa", False, HOST, PORT, 901, True) == Refuse("overload")
