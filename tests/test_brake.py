"""The brake on our own side: a folder that was emptied behind our back is not emptied everywhere."""

from __future__ import annotations

import pytest

from dir_sync import undo
from dir_sync.core import notes
from dir_sync.core.brake import Limits
from dir_sync.core.events import Blind, Decided, Moved, Recalled, Touched, Urgency
from dir_sync.core.jobs import Why
from dir_sync.core.peer_brake import PeerBrake, Verdict
from tests.pair import OneNode, Pair
from tests.sim.memory_disk import MemoryDisk


def fill(disk: MemoryDisk, count: int, folder: bytes = b"d") -> None:
    disk.mkdir(folder)
    for number in range(count):
        disk.write(folder + b"/%d" % number, b"content %d" % number)


def files(disk: MemoryDisk) -> list[bytes]:
    return [path for path, (kind, *_) in disk.tree().items() if kind == 1]


@pytest.fixture
def pair() -> Pair:
    """Two nodes with 20 equal files in one folder, and one beside it."""
    pair = Pair()
    fill(pair.one.disk, 20)
    pair.one.disk.write(b"beside", b"it")
    pair.restart(pair.one)
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert len(files(pair.two.disk)) == 21
    return pair


def test_an_emptied_folder_is_held_until_somebody_decides(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    assert pair.one.said(notes.LossHeld)
    assert len(files(pair.two.disk)) == 21
    assert not pair.one.engine.is_busy
    pair.restart(pair.one)
    assert pair.one.said(notes.LossHeld), "a restart decides nothing"
    pair.one.disk.write(b"beside", b"all else goes on")
    pair.one.inbox.append(Touched(b"beside", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"beside") == b"all else goes on"
    assert len(files(pair.two.disk)) == 21


def test_approved_it_is_deleted_everywhere(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    pair.one.inbox.append(Decided(True))
    pair.run()
    assert not pair.one.engine.brakes.own.held
    assert len(files(pair.two.disk)) >= 17, "nobody's word counts for what its own link brings"
    pair.two.inbox.append(Decided(True))
    pair.run()
    assert files(pair.two.disk) == [b"beside"]
    assert pair.one.disk.tree() == pair.two.disk.tree()


def test_losses_that_are_approved_elsewhere_are_not_asked_about_again_there(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    pair.two.inbox.append(Decided(True))
    pair.run()
    assert files(pair.two.disk) == [b"beside"]
    assert not pair.two.said(notes.PeerHeld)
    assert pair.one.disk.tree() == pair.two.disk.tree()


@pytest.mark.parametrize("linked", [True, False])
def test_rejected_it_comes_back(pair: Pair, linked: bool) -> None:
    before = pair.two.disk.tree()
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.one.boot()
    pair.run()
    if linked:
        pair.link()
    pair.one.inbox.append(Decided(False))
    pair.run()
    if not linked:
        pair.link()
    assert pair.one.disk.tree() == before == pair.two.disk.tree()
    assert not pair.one.engine.brakes.own.held
    pair.one.disk.delete(b"d/3")
    pair.one.inbox.append(Touched(b"d/3", Urgency.VANISHED))
    pair.run()
    assert len(files(pair.two.disk)) == 20


@pytest.mark.parametrize("approve", [True, False])
def test_an_edit_elsewhere_survives_either_decision(pair: Pair, approve: bool) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    pair.two.disk.write(b"d/7", b"edited")
    pair.two.inbox.append(Touched(b"d/7", Urgency.NOW))
    pair.run()
    assert len(files(pair.two.disk)) == 21
    for node in (pair.one, pair.two) if approve else (pair.one,):
        node.inbox.append(Decided(approve))
        pair.run()
    assert pair.two.disk.content(b"d/7") == b"edited" == pair.one.disk.content(b"d/7")
    assert len(files(pair.one.disk)) == (2 if approve else 21)
    assert files(pair.one.disk) == files(pair.two.disk)


def test_an_edit_elsewhere_of_a_file_that_is_held_arrives() -> None:
    pair = Pair()
    for number in range(20):
        pair.one.disk.write(b"%d" % number, b"content %d" % number)
    pair.restart(pair.one)
    pair.cut()
    for number in range(20):
        pair.one.disk.delete(b"%d" % number)
    pair.restart(pair.one)
    pair.two.disk.write(b"7", b"edited")
    pair.two.inbox.append(Touched(b"7", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"7") == b"edited" == pair.one.disk.content(b"7")
    assert len(files(pair.two.disk)) == 20
    assert len(pair.one.engine.brakes.own.held) == 19


def test_what_is_asked_of_us_and_held_is_not_thereby_deleted(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    for number in range(20):  # as when a peer asked for it and it could not be read
        pair.one.engine.board.agenda.add(b"d/%d" % number, pair.clock.ms, pair.clock.ms)
    pair.run()
    assert len(files(pair.two.disk)) == 21


def test_what_waits_in_a_folder_that_is_missing_waits_for_a_decision(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    for path in (b"d/new", b"d/7"):
        pair.two.disk.write(path, b"edited")
        pair.two.inbox.append(Touched(path, Urgency.NOW))
    pair.run()
    assert pair.one.engine.sync_report.undecided() == [b"d/7", b"d/new"]
    assert pair.one.engine.sync_report.troubled() == [], "nobody is changing them"
    pair.one.inbox.append(Decided(False))
    pair.run()
    assert pair.one.engine.sync_report.undecided() == []
    assert pair.one.disk.content(b"d/new") == b"edited"


def test_what_is_missing_counts_in_files_and_bytes_and_less_when_some_is_back() -> None:
    pair = Pair()
    for number in range(20):
        pair.one.disk.write(b"%d" % number, b"content %d" % number)
    pair.restart(pair.one)
    pair.cut()
    for number in range(20):
        pair.one.disk.delete(b"%d" % number)
    pair.restart(pair.one)
    one, two = pair.one.engine, pair.two.engine
    size = sum(len(b"content %d" % number) for number in range(20))
    node = pair.one.index.node
    assert two.sync_report.lacked_by(node) == (20, size, 0)
    pair.one.disk.write(b"7", b"content 7")
    pair.one.inbox.append(Touched(b"7", Urgency.NOW))
    pair.run()
    assert (
        [held.files for held in one.brakes.held()] == [19] == [held.files for held in two.brakes.held_elsewhere[node]]
    )
    assert two.sync_report.lacked_by(node) == (19, size - 9, 0)


@pytest.mark.parametrize("approve", [True, False])
def test_a_folder_that_moves_does_not_take_with_it_what_is_held(pair: Pair, approve: bool) -> None:
    before = files(pair.two.disk)
    pair.cut()
    for name in range(19):
        pair.one.disk.delete(b"d/%d" % name)
    pair.restart(pair.one)
    assert pair.one.engine.brakes.own.held
    pair.one.disk.rename(b"d", b"e")
    pair.one.inbox.append(Moved(b"d", b"e", True))
    pair.run()
    left = files(pair.two.disk)
    assert len(left) == len(before)
    assert sum(path.startswith(b"d/") for path in left) >= 19
    pair.one.inbox.append(Decided(approve))
    pair.run()
    pair.two.inbox.append(Decided(approve))  # who is told to remove so much asks people there, too
    pair.run()
    assert files(pair.one.disk) == files(pair.two.disk)
    assert len(files(pair.one.disk)) == (2 if approve else len(before))


def test_what_is_there_again_is_held_no_longer(pair: Pair) -> None:
    kept = {path: pair.one.disk.content(path) for path in files(pair.one.disk) if path != b"beside"}
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    assert pair.one.engine.brakes.own.held
    pair.one.disk.mkdir(b"d")
    for path, content in kept.items():
        assert content is not None
        pair.one.disk.write(path, content)
    pair.one.inbox.append(Blind(b"", ""))
    pair.run()
    assert not pair.one.engine.brakes.own.held
    assert pair.one.said(notes.NothingHeld)
    assert len(files(pair.two.disk)) == 21


def test_a_folder_that_is_there_again_is_held_no_longer(pair: Pair) -> None:
    """It went with what is held in it, and its user has made it again: a decision is not about what is in it now."""
    for number in range(20):
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    pair.one.disk.delete(b"d")
    pair.one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert b"d" in pair.one.engine.brakes.own.held
    pair.one.disk.mkdir(b"d")
    pair.one.inbox.append(Touched(b"d", Urgency.FOLDER))
    pair.run()
    assert b"d" not in pair.one.engine.brakes.own.held
    assert len(pair.one.engine.brakes.own.held) == 20


def test_what_is_never_synchronized_is_not_what_was_there(pair: Pair) -> None:
    pair.cut()
    for number in range(20):
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    assert len(pair.one.engine.brakes.own.held) == 20
    pair.one.disk.mkfifo(b"d/7")
    pair.one.inbox.append(Blind(b"", ""))
    pair.run()
    assert len(pair.one.engine.brakes.own.held) == 20
    assert len(files(pair.two.disk)) == 21


def test_a_scan_while_it_runs_is_held_as_well(pair: Pair) -> None:
    pair.one.disk.delete(b"d")
    pair.one.inbox.append(Blind(b"", "events were lost"))
    pair.run()
    assert pair.one.said(notes.LossHeld)
    assert len(files(pair.two.disk)) == 21


def test_what_was_seen_to_go_is_never_held(pair: Pair) -> None:
    for number in range(20):
        pair.one.disk.delete(b"d/%d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
    pair.one.disk.delete(b"d")
    pair.one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert not pair.one.said(notes.LossHeld)
    assert not pair.one.engine.brakes.own.held
    assert pair.two.said(notes.PeerHeld), "that is for the others to judge"


def test_a_few_are_not_held(pair: Pair) -> None:
    pair.cut()
    for number in range(9):
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    assert not pair.one.said(notes.LossHeld)
    assert len(files(pair.two.disk)) == 12


def test_less_than_half_is_not_held(pair: Pair) -> None:
    pair.cut()
    for number in range(10):
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    assert not pair.one.said(notes.LossHeld)
    assert len(files(pair.two.disk)) == 11


def test_moves_do_not_count(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.move(b"d", b"elsewhere")
    pair.restart(pair.one)
    assert not pair.one.said(notes.LossHeld)
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert len(files(pair.two.disk)) == 21


def test_without_a_limit_nothing_is_held() -> None:
    pair = Pair(Limits(0, 50))
    fill(pair.one.disk, 20)
    pair.restart(pair.one)
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    assert files(pair.two.disk) == []


# --- what another node does --------------------------------------------------------------------------------------------


def assert_equal(pair: Pair) -> None:
    """Equal but for the times of folders, which are only carried along with a change made in them."""
    one, two = (
        {path: what for path, what in node.disk.tree().items() if what[0] == 1} for node in (pair.one, pair.two)
    )
    assert one == two
    assert pair.one.disk.tree().keys() == pair.two.disk.tree().keys()


def remove_live(pair: Pair, node: OneNode, count: int = 20) -> None:
    for number in range(count):
        node.disk.delete(b"d/%d" % number)
        node.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
    pair.run()


def rewrite_live(pair: Pair, node: OneNode, count: int) -> None:
    for number in range(count):
        node.disk.write(b"d/%d" % number, b"scrambled %d" % number)
        node.inbox.append(Touched(b"d/%d" % number, Urgency.NOW))
    pair.run()


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
    assert one.engine.brakes.held_elsewhere == {two.index.node: first}
    for number in range(14, 20):
        one.disk.delete(b"d/%d" % number)
        one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
    pair.run()
    assert two.engine.brakes.held()[0].files == first[0].files + 6
    assert one.engine.brakes.held_elsewhere == {two.index.node: two.engine.brakes.held()}
    two.disk.write(b"d/19", b"edited")
    two.inbox.append(Touched(b"d/19", Urgency.NOW))
    pair.run()
    assert two.engine.brakes.held()[0].files == first[0].files + 5
    assert one.engine.brakes.held_elsewhere == {two.index.node: two.engine.brakes.held()}


def test_approved_it_happens(pair: Pair) -> None:
    remove_live(pair, pair.one)
    pair.one.inbox.append(Decided(True))
    pair.run()
    assert len(files(pair.two.disk)) >= 17, "whoever did it cannot approve it"
    pair.two.inbox.append(Decided(True))
    pair.run()
    assert files(pair.two.disk) == [b"beside"]
    assert not pair.two.engine.brakes.held()
    assert not pair.one.engine.brakes.held_elsewhere
    pair.restart(pair.one)
    pair.restart(pair.two)
    assert_equal(pair)


@pytest.mark.parametrize("here", [True, False])
def test_rejected_anywhere_it_is_undone_everywhere(pair: Pair, here: bool) -> None:
    before = {path: pair.two.disk.content(path) for path in files(pair.two.disk)}
    remove_live(pair, pair.one)
    decider = pair.two if here else pair.one
    decider.inbox.append(Decided(False))
    pair.run()
    assert_equal(pair)
    now = files(pair.one.disk)
    assert len(now) == len(before), "what was gone before it was held is back as well"
    assert all(pair.one.disk.content(path) == before[path] for path in now)
    assert not pair.two.engine.brakes.held()


def test_a_folder_that_is_removed_with_its_files_comes_back_with_them(pair: Pair) -> None:
    pair.one.disk.delete(b"d")
    pair.one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert pair.two.said(notes.PeerHeld)
    pair.two.inbox.append(Decided(False))
    pair.run()
    assert_equal(pair)
    assert len(files(pair.one.disk)) >= 17


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


def test_what_is_rejected_is_no_conflict() -> None:
    """The answers come in several messages; what the first of them tells is done before the last one is there."""
    pair = Pair(Limits(10, 50, 10, 80))
    fill(pair.one.disk, 1_300)
    pair.restart(pair.one)
    rewrite_live(pair, pair.one, 1_300)
    assert pair.two.said(notes.PeerHeld)
    pair.one.events_max = 1
    pair.two.inbox.append(Decided(False))
    pair.run()
    assert all(pair.one.disk.content(b"d/%d" % number) == b"content %d" % number for number in range(1_300))
    assert {version.why for version in pair.one.index.versions()} == {Why.REPLACED}
    assert not pair.one.said(notes.Conflict)


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
    pair.one.inbox.append(Recalled(tuple(undo.plan(pair.one.index, since, None).wanted), {}))
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


def test_new_files_make_up_for_none_that_a_scan_misses(pair: Pair) -> None:
    pair.cut()
    for number in range(20):
        pair.one.disk.write(b"d/%d.locked" % number, b"scrambled %d" % number)
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    assert pair.one.said(notes.LossHeld)
    assert pair.two.disk.content(b"d/7") == b"content 7"


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


def test_what_is_missing_at_its_only_holder_comes_when_it_is_there_again() -> None:
    pair = Pair()
    for number in range(20):
        pair.one.disk.write(b"%d" % number, b"content %d" % number)
    pair.one.inbox.append(Blind(b"", ""))
    pair.run()
    for number in range(20):
        pair.one.disk.move(b"%d" % number, b".dir_sync/%d" % number)
    pair.one.boot()
    pair.run()
    assert len(pair.one.engine.brakes.own.held) == 20
    pair.link()
    assert not files(pair.two.disk)
    delivered = pair.delivered
    pair.clock.ms += 3_600_000
    pair.run()
    assert pair.delivered == delivered, "nobody asks for what he knows to be missing"
    pair.one.disk.move(b".dir_sync/7", b"7")
    pair.one.inbox.append(Blind(b"", ""))
    pair.run()
    assert files(pair.two.disk) == [b"7"], "one of them is there again"
    pair.one.disk.write(b"another", b"content 3")
    pair.one.inbox.append(Touched(b"another", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"another") == b"content 3", "what is announced again is there again"
    pair.one.disk.delete(b"another")
    pair.two.disk.delete(b"another")
    pair.two.disk.delete(b"3")
    for node in (pair.one, pair.two):
        node.inbox.append(Touched(b"another", Urgency.VANISHED))
    pair.two.inbox.append(Touched(b"3", Urgency.VANISHED))
    pair.run()
    pair.one.inbox.append(Decided(False))
    pair.run()
    assert files(pair.two.disk) == files(pair.one.disk) == [b"7"]
    assert not pair.two.index.any_offers(), "what nobody has any more is not waited for"


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_an_earlier_decision_is_not_about_what_is_held_now(pair: Pair, approve: bool, again: bool) -> None:
    """It is told again when the peers connect. `again`: in the same run."""
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    for node in (pair.one, pair.two) if approve else (pair.one,):
        node.inbox.append(Decided(approve))
        pair.run()
    fill(pair.one.disk, 40, b"e")
    pair.one.inbox.append(Blind(b"", ""))
    pair.run()
    before = pair.two.disk.tree()
    assert len(files(pair.two.disk)) == (41 if approve else 61)
    if again:
        for folder in (b"d", b"e"):
            if pair.one.disk.stat(folder) is not None:
                pair.one.disk.delete(folder)
        pair.one.inbox.append(Blind(b"", ""))
        pair.run()
        pair.cut()
        pair.link()
    else:
        pair.cut()
        for folder in (b"d", b"e"):
            if pair.one.disk.stat(folder) is not None:
                pair.one.disk.delete(folder)
        pair.restart(pair.one)
    assert pair.one.engine.brakes.own.held
    assert pair.two.disk.tree() == before
    pair.one.inbox.append(Decided(False))
    pair.run()
    assert pair.one.disk.tree() == pair.two.disk.tree() == before


def test_a_decision_about_what_a_node_did_before_is_not_about_what_it_does_now(pair: Pair) -> None:
    remove_live(pair, pair.one)
    pair.two.inbox.append(Decided(True))
    pair.run()
    assert len(files(pair.two.disk)) == 1
    fill(pair.two.disk, 40, b"e")
    pair.two.inbox.append(Blind(b"", ""))
    pair.run()
    for path in files(pair.one.disk):
        if path.startswith(b"e/"):
            pair.one.disk.delete(path)
            pair.one.inbox.append(Touched(path, Urgency.VANISHED))
    pair.run()
    assert pair.two.engine.brakes.peers.held()
    kept = len(files(pair.two.disk))
    pair.cut()
    pair.link()
    assert pair.two.engine.brakes.peers.held()
    assert len(files(pair.two.disk)) == kept


def test_what_a_node_does_otherwise_decides_nothing_about_what_is_missing_there(pair: Pair) -> None:
    """What an undo brings back is vouched for: all that the node did so far was meant; what it does not tell is not."""
    since_ns = pair.clock.now().wall_ns
    pair.one.disk.write(b"beside", b"edited")
    pair.one.inbox.append(Touched(b"beside", Urgency.NOW))
    pair.run()
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    assert pair.one.engine.brakes.own.held
    wanted = undo.plan(pair.one.index, since_ns, None).wanted
    assert [one.path for one in wanted] == [b"beside"]
    pair.one.inbox.append(Recalled(tuple(wanted), {one.content: (pair.two.index.node,) for one in wanted}))
    pair.run()
    for _ in range(2):
        pair.cut()
        pair.link()
        assert pair.one.engine.brakes.own.held
        assert len(files(pair.two.disk)) == 21
    pair.two.inbox.append(Decided(True))
    pair.run()
    assert not pair.one.engine.brakes.own.held
    assert files(pair.two.disk) == [b"beside"]


def test_an_undo_does_not_approve_what_others_hold(pair: Pair) -> None:
    pair.one.disk.write(b"beside", b"edited")
    pair.one.inbox.append(Touched(b"beside", Urgency.NOW))
    since_ns = pair.clock.now().wall_ns
    pair.run()
    remove_live(pair, pair.one)
    assert pair.two.engine.brakes.peers.held()
    kept = len(files(pair.two.disk))
    wanted = [one for one in undo.plan(pair.one.index, since_ns, None).wanted if one.path == b"beside"]
    assert wanted
    pair.one.inbox.append(Recalled(tuple(wanted), {one.content: (pair.two.index.node,) for one in wanted}))
    pair.run()
    pair.cut()
    pair.link()
    assert pair.two.disk.content(b"beside") == b"it"
    assert len(files(pair.two.disk)) == kept
    assert pair.two.engine.brakes.peers.held()


# --- what comes back by itself -----------------------------------------------------------------------------------------


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


def test_what_is_left_of_our_own_losses_is_judged_again(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    assert pair.one.engine.brakes.own.held
    pair.one.disk.mkdir(b"d")
    for number in range(8):
        pair.one.disk.write(b"d/%d" % number, b"content %d" % number)
    pair.one.inbox.append(Blind(b"", ""))
    pair.run()
    assert pair.one.engine.brakes.own.held, "twelve are still missing"
    for number in range(8, 15):
        pair.one.disk.write(b"d/%d" % number, b"content %d" % number)
    pair.one.inbox.append(Blind(b"", ""))
    pair.run()
    assert not pair.one.engine.brakes.own.held
    assert_equal(pair)
    assert len(files(pair.two.disk)) == 16
