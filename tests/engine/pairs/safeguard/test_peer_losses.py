"""The brake against peers: what one node removes or rewrites in a burst is held by the others."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Blind, Decided, RestoreRequested, Touched, Urgency
from dir_sync.core.safeguard.brake import Limits
from dir_sync.core.safeguard.peer_brake import PeerBrake, Verdict
from dir_sync.history import undo_plan
from tests.engine.pairs.safeguard.tools import assert_equal, files, fill, remove_live, rewrite_live
from tests.pair import OneNode, Pair


def test_what_a_node_removes_in_a_burst_is_held_by_the_others(pair: Pair) -> None:
    remove_live(pair, pair.one)
    assert pair.two.said(notes.PeerHeld)
    assert pair.one.said(notes.HeldThere)
    assert len(files(pair.two.disk)) >= 17, "it is held before much is gone"
    assert not pair.two.engine.is_busy
    pair.one.disk.write(b"beside", b"all else goes on")
    pair.one.inbox.append(Touched(b"beside", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"beside") == b"all else goes on"
    for _ in range(5):
        pair.restart(pair.two)
        assert pair.two.engine.brakes.held(), "a restart decides nothing"
        assert len(files(pair.two.disk)) >= 17


def test_peers_hear_how_much_is_held_when_it_becomes_more_or_less(pair: Pair) -> None:
    one, two = pair.one, pair.two
    remove_live(pair, one, 14)
    first = two.engine.brakes.held()
    assert one.engine.brakes.held_elsewhere == {two.index.identity.replica: first}
    for number in range(14, 20):
        one.disk.delete(b"d/%d" % number)
        one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
    pair.run()
    assert two.engine.brakes.held()[0].files == first[0].files + 6
    assert one.engine.brakes.held_elsewhere == {two.index.identity.replica: two.engine.brakes.held()}
    two.disk.write(b"d/19", b"edited")
    two.inbox.append(Touched(b"d/19", Urgency.NOW))
    pair.run()
    assert two.engine.brakes.held()[0].files == first[0].files + 5
    assert one.engine.brakes.held_elsewhere == {two.index.identity.replica: two.engine.brakes.held()}


def test_rewriting_nearly_all_is_held(pair: Pair) -> None:
    pair.two.engine.brakes.own.limits = pair.two.engine.brakes.peers.limits = Limits(10, 50, 10, 80)
    rewrite_live(pair, pair.one, 20)
    assert pair.two.said(notes.PeerHeld)
    old = [path for path in files(pair.two.disk) if pair.two.disk.content(path).startswith(b"content")]
    assert len(old) >= 16
    assert not pair.two.engine.is_busy
    pair.one.engine.brakes.own.limits = pair.one.engine.brakes.peers.limits = Limits(10, 50, 10, 80)
    pair.two.inbox.append(Decided(False))
    pair.run()
    assert not pair.one.said(notes.PeerHeld), "what was rejected comes back without being asked for"
    assert all(pair.one.disk.content(path) == pair.two.disk.content(path) for path in files(pair.two.disk))
    assert all(pair.one.disk.content(path).startswith(b"content") for path in old)


def test_what_goes_one_by_one_goes_at_once(pair: Pair) -> None:
    for number in range(4):
        pair.one.disk.delete(b"d/%d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
        for _ in range(15):
            pair.step()
        assert pair.two.disk.content(b"d/%d" % number) is None, "nobody waits to see how it goes on"
        pair.run()
        pair.clock.ms += 2_000
    for number in range(4, 20):
        pair.one.disk.delete(b"d/%d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
        pair.run()
        pair.clock.ms += 2_000
    assert pair.two.said(notes.PeerHeld), "slowly, but within a minute"
    assert len(files(pair.two.disk)) >= 10


def test_an_undo_of_much_is_held_like_anything_else(pair: Pair) -> None:
    """What is undone elsewhere looks just like a disaster: who tells of it may say what it likes."""
    pair.clock.ms += 60_000
    since = pair.clock.now().wall_ns
    fill(pair.one.disk, 60, b"e")
    pair.one.inbox.append(Touched(b"e", Urgency.FOLDER))
    pair.run()
    assert len(files(pair.two.disk)) == 81
    pair.one.inbox.append(RestoreRequested(tuple(undo_plan.plan(pair.one.index, since, None).wanted), {}))
    pair.run()
    assert pair.two.said(notes.PeerHeld)
    pair.two.inbox.append(Decided(True))
    pair.run()
    assert len(files(pair.two.disk)) == 21
    assert_equal(pair)


def test_an_ordinary_amount_is_not_held(pair: Pair) -> None:
    remove_live(pair, pair.one, 10)
    assert not pair.two.said(notes.PeerHeld)
    assert len(files(pair.two.disk)) == 11


def test_moving_a_folder_is_no_disaster(pair: Pair) -> None:
    pair.one.disk.move(b"d", b"elsewhere")
    pair.one.inbox.append(Touched(b"elsewhere", Urgency.FOLDER))
    pair.one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert_equal(pair)
    assert not pair.two.said(notes.PeerHeld)


def test_what_comes_and_goes_all_the_time_is_no_disaster(pair: Pair) -> None:
    for number in range(60):
        pair.one.disk.write(b"passing %d" % number, b"by %d" % number)
        pair.one.inbox.append(Touched(b"passing %d" % number, Urgency.NOW))
        pair.run()
        pair.one.disk.delete(b"passing %d" % number)
        pair.one.inbox.append(Touched(b"passing %d" % number, Urgency.VANISHED))
        pair.run()
    assert not pair.two.said(notes.PeerHeld)
    assert_equal(pair)


def lock_up(pair: Pair, node: OneNode, numbers: range, breath: int) -> None:
    """Each file is scrambled under a new name, as malware does; `breath`: so many at a time."""
    for number in numbers:
        node.disk.write(b"d/%d.locked" % number, b"scrambled %d" % number)
        node.disk.delete(b"d/%d" % number)
        node.inbox.append(Touched(b"d/%d.locked" % number, Urgency.NOW))
        node.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
        if number % breath == 0:
            pair.run()
    pair.run()


@pytest.mark.parametrize("breath", [1, 3, 100])
def test_new_files_make_up_for_no_old_ones(pair: Pair, breath: int) -> None:
    pair.clock.ms += 3_000
    lock_up(pair, pair.one, range(20), breath)
    assert pair.two.said(notes.PeerHeld)
    kept = [path for path in files(pair.two.disk) if not path.endswith(b".locked")]
    assert len(kept) >= 10
    pair.two.inbox.append(Decided(False))
    pair.run()
    assert all(pair.two.disk.content(b"d/%d" % number) == b"content %d" % number for number in range(20))
    assert_equal(pair)


def test_moves_whose_new_names_are_told_later_are_no_disaster() -> None:
    """The first few went before it looked like anything: they have moved as well."""
    pair = Pair(Limits(3, 50))
    fill(pair.one.disk, 20)
    pair.restart(pair.one)
    pair.clock.ms += 3_000
    pair.one.disk.move(b"d", b"elsewhere")
    for number in range(20):
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
    for _ in range(40):
        pair.step()
    pair.one.inbox.append(Touched(b"elsewhere", Urgency.FOLDER))
    pair.one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert not pair.two.said(notes.PeerHeld)
    assert_equal(pair)


@pytest.mark.parametrize("moved", [True, False])
def test_what_went_before_the_burst_was_seen_may_have_moved_as_well(moved: bool) -> None:
    brake = PeerBrake(Limits(100, 50))
    brake.sample(2_000, 0)
    files = 2_000
    for number in range(2_000):
        if brake.ask("m", "m", number + 1, b"%d" % number, True, True, b"c", files, 10_000) is Verdict.PASS:
            files -= 1
    assert 1_500 < files < 2_000, "some go before it looks like anything"
    brake.sample(files + 2_000, 10_500)
    (judged,) = brake.judge(lambda _: True, lambda _: moved, lambda _: False, files + 2_000, 20_000)
    assert judged.held is not moved


def test_what_is_made_anew_at_once_was_not_removed(pair: Pair) -> None:
    """A build: everything is removed, and everything is made."""
    pair.clock.ms += 120_000
    for number in range(20):
        pair.one.disk.delete(b"d/%d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
    for number in range(20):
        pair.one.disk.write(b"d/%d" % number, b"made %d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.NOW))
    pair.run()
    assert not pair.two.said(notes.PeerHeld)
    assert_equal(pair)


def test_a_newcomer_is_not_alarmed_by_what_goes_while_it_is_filled(pair: Pair) -> None:
    """What it has by then came within the minute: only the loss counts."""
    pair.cut()
    fill(pair.one.disk, 160, b"more")
    pair.clock.ms += 120_000
    pair.restart(pair.one)
    assert len(files(pair.two.disk)) == 181
    for number in range(70):
        pair.one.disk.delete(b"more/%d" % number)
        pair.one.inbox.append(Touched(b"more/%d" % number, Urgency.VANISHED))
    pair.run()
    assert not pair.two.said(notes.PeerHeld)
    assert_equal(pair)


def test_what_its_maker_makes_again_is_held_no_more(pair: Pair) -> None:
    contents = {number: pair.one.disk.content(b"d/%d" % number) for number in range(20)}
    remove_live(pair, pair.one)
    assert pair.two.engine.brakes.held()
    for number, content in contents.items():
        pair.one.disk.write(b"d/%d" % number, content)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.NOW))
    pair.run()
    assert not pair.two.engine.brakes.held()
    assert pair.two.said(notes.NothingHeld)
    assert_equal(pair)


def test_what_is_held_stays_so_when_an_older_change_of_it_is_heard_of() -> None:
    """Made elsewhere at the same time, it loses; the node only notes that it has heard of it."""
    pair = Pair()
    pair.two.disk.write(b"7", b"somebody's, and older", 1)
    for number in range(20):
        pair.one.disk.write(b"%d" % number, b"content %d" % number)
    pair.one.inbox.append(Blind(b"", ""))
    pair.two.inbox.append(Blind(b"", ""))
    pair.run()
    for number in range(20):
        pair.one.disk.delete(b"%d" % number)
    pair.one.boot()
    pair.run()
    pair.link()
    assert len(pair.one.engine.brakes.own.held) == 20
    assert not pair.two.engine.is_busy, "it does not ask again and again for what is missing there"
    assert pair.two.disk.content(b"7") == b"somebody's, and older"


def test_an_edit_elsewhere_in_a_folder_that_is_held_waits_quietly(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    pair.two.disk.chmod(b"d/7", 0o600)
    pair.two.inbox.append(Touched(b"d/7", Urgency.NOW))
    pair.run()
    tried = pair.one.disk.counts["stat"]
    pair.clock.ms += 120_000
    pair.run()
    assert pair.one.disk.counts["stat"] - tried < 10
    pair.one.inbox.append(Decided(False))
    pair.run()
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert pair.one.disk.tree()[b"d/7"][2] == 0o600


def make_again(pair: Pair, node: OneNode, numbers: range, content: bytes = b"content %d") -> None:
    for number in numbers:
        node.disk.write(b"d/%d" % number, content % number)
        node.inbox.append(Touched(b"d/%d" % number, Urgency.NOW))
        for _ in range(3):
            pair.step()
    pair.run()


@pytest.mark.parametrize("content", [b"content %d", b"another version of %d"])
def test_a_build_that_is_made_again_is_held_no_longer(pair: Pair, content: bytes) -> None:
    """Everything goes, and seconds later it is there again, as it was or changed."""
    remove_live(pair, pair.one)
    assert pair.two.engine.brakes.held()
    make_again(pair, pair.one, range(20), content)
    assert not pair.two.engine.brakes.held()
    assert_equal(pair)
    assert pair.two.disk.content(b"d/7") == content % 7


def test_what_is_left_of_a_build_is_judged_again(pair: Pair) -> None:
    """Five of twenty files do not come back: had they gone alone, nobody had been asked."""
    remove_live(pair, pair.one)
    assert pair.two.engine.brakes.held()
    make_again(pair, pair.one, range(15))
    assert not pair.two.engine.brakes.held()
    assert pair.two.said(notes.NothingHeld)
    assert_equal(pair)
    assert len(files(pair.two.disk)) == 16
    pair.restart(pair.two)
    assert not pair.two.engine.brakes.held()


def test_while_much_is_missing_it_is_held(pair: Pair) -> None:
    remove_live(pair, pair.one)
    make_again(pair, pair.one, range(7))
    assert pair.two.engine.brakes.held(), "thirteen of twenty-one are gone"
    assert len(files(pair.two.disk)) >= 17
    make_again(pair, pair.one, range(7, 12))
    assert not pair.two.engine.brakes.held()
    assert_equal(pair)
