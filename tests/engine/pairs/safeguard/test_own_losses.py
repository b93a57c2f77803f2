"""The brake on our own side: a folder that was emptied behind our back is not emptied everywhere."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Blind, Decided, Moved, Touched, Urgency
from dir_sync.core.safeguard.brake import Limits
from tests.engine.pairs.safeguard.tools import assert_equal, files, fill
from tests.pair import Pair


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
        pair.one.engine.board.pending_looks.add(b"d/%d" % number, pair.clock.ms, pair.clock.ms)
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
    node = pair.one.index.identity.replica
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


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("moves", [True, False])
def test_what_is_held_with_its_folder_stays_held_when_the_folder_above_goes(
    pair: Pair, moves: bool, approve: bool
) -> None:
    """`moves`: it is renamed; else its user removes it, empty as it is."""
    one = pair.one
    one.disk.mkdir(b"d/e/f")
    for path in (b"d/e/a", b"d/e/f/b"):
        one.disk.write(path, b"below " + path)
    one.inbox.append(Touched(b"d/e", Urgency.FOLDER))
    pair.run()
    before = files(pair.two.disk)
    assert b"d/e/f/b" in before
    pair.cut()
    for path in [b"d/%d" % name for name in range(20)] + [b"d/e"]:
        one.disk.delete(path)
    pair.restart(one)
    assert one.engine.brakes.own.held_files == 22
    if moves:
        one.disk.rename(b"d", b"moved")
        one.inbox.append(Moved(b"d", b"moved", True))
    else:
        one.disk.delete(b"d")
        one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert files(pair.two.disk) == before
    assert one.engine.brakes.own.held_files == 22
    for node in (one, pair.two):  # who is told to remove so much asks people there, too
        node.inbox.append(Decided(approve))
        pair.run()
    assert files(one.disk) == files(pair.two.disk) == ([b"beside"] if approve else before)
    assert not one.engine.brakes.own.held


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


def test_a_folder_that_is_made_anew_does_not_let_the_files_go_that_were_held_with_it(pair: Pair) -> None:
    """A program writes one file into it. What else was in it is fewer files than a disaster has, by itself."""
    pair.one.disk.mkdir(b"small")
    for number in range(3):
        pair.one.disk.write(b"small/%d" % number, b"small %d" % number)
    pair.one.inbox.append(Touched(b"small", Urgency.FOLDER))
    pair.run()
    count = len(files(pair.two.disk))
    pair.cut()
    for name in (b"d", b"small"):
        pair.one.disk.delete(name)
    pair.restart(pair.one)
    assert pair.one.engine.brakes.own.held.keys() == {b"d", b"small"}
    pair.one.disk.mkdir(b"small")
    pair.one.disk.write(b"small/new", b"new")
    pair.one.inbox.append(Touched(b"small", Urgency.FOLDER))
    pair.run()
    assert pair.one.engine.brakes.own.held_files == count - 1
    assert len(files(pair.two.disk)) == count + 1


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


@pytest.mark.parametrize("is_rewritten", [True, False])
def test_what_a_program_rewrites_just_now_is_not_where_a_missing_file_has_gone(pair: Pair, is_rewritten: bool) -> None:
    """Twelve of 23 files are missing, and another one had the content of one of them."""
    disk = pair.one.disk
    for path in (b"copy", b"third"):
        disk.write(path, b"content 0")
    pair.restart(pair.one)
    before = files(pair.two.disk)
    assert len(before) == 23
    pair.cut()
    for number in range(12):
        disk.delete(b"d/%d" % number)
    disk.write(b"third", b"something else")
    if is_rewritten:
        disk.write(b"copy", b"")
        inode = disk._find(b"copy")
        assert inode is not None
        inode.handles += 1
        inode.writers += 1
    pair.restart(pair.one)
    assert pair.one.said(notes.LossHeld) == is_rewritten
    assert len(files(pair.two.disk)) == (23 if is_rewritten else 11)


def test_without_a_limit_nothing_is_held() -> None:
    pair = Pair(Limits(0, 50))
    fill(pair.one.disk, 20)
    pair.restart(pair.one)
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    assert files(pair.two.disk) == []


def test_new_files_make_up_for_none_that_a_scan_misses(pair: Pair) -> None:
    pair.cut()
    for number in range(20):
        pair.one.disk.write(b"d/%d.locked" % number, b"scrambled %d" % number)
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    assert pair.one.said(notes.LossHeld)
    assert pair.two.disk.content(b"d/7") == b"content 7"


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
    assert not pair.two.index.offers.any(), "what nobody has any more is not waited for"


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


def not_yet_watched() -> Pair:
    """The second node has just got 20 files in a new folder, which it will list and watch when all is calm."""
    pair = Pair()
    pair.link()
    fill(pair.one.disk, 20)
    pair.one.inbox.append(Touched(b"d", Urgency.FOLDER))
    while len(files(pair.two.disk)) < 20:
        assert pair.turn()
    pair.two.inbox.append(Touched(b"d", Urgency.FOLDER))
    pair.step()
    assert b"d" in pair.two.engine.board.listings.when_calm
    return pair


def test_what_goes_from_a_new_folder_of_a_bulk_before_it_is_watched_was_deleted_by_a_user() -> None:
    """The node has run all the time: nobody has to be asked what happened there."""
    pair = not_yet_watched()
    for path in files(pair.two.disk):
        pair.two.disk.delete(path)
    pair.run()
    assert not pair.two.said(notes.LossHeld)
    assert pair.one.said(notes.PeerHeld), "for the others that is a burst like any other"
    pair.one.inbox.append(Decided(True))
    pair.run()
    assert not files(pair.one.disk)


@pytest.mark.parametrize("what", [b"d", b""])
def test_what_a_scan_misses_there_is_held(what: bytes) -> None:
    """As when the folder was moved away, or another one mounted there: all is looked through. `what`: is gone from it, or the
    files in it."""
    pair = not_yet_watched()
    for path in [what] if what else files(pair.two.disk):
        pair.two.disk.delete(path)
    pair.two.inbox.append(Blind(b"", ""))
    pair.run()
    assert pair.two.said(notes.LossHeld)
    assert len(files(pair.one.disk)) == 20


def test_what_is_hidden_there_by_a_mount_was_not_deleted() -> None:
    pair = not_yet_watched()
    pair.two.disk.mount(b"d")
    pair.run()
    assert not pair.one.said(notes.PeerHeld)
    assert len(files(pair.one.disk)) == 20


def test_a_later_listing_of_such_a_folder_finds_losses_like_any_other() -> None:
    pair = not_yet_watched()
    pair.run()
    for path in files(pair.two.disk):
        pair.two.disk.delete(path)
    pair.two.engine.board.listings.add(b"d")
    pair.run()
    assert pair.two.said(notes.LossHeld)
    assert len(files(pair.one.disk)) == 20
