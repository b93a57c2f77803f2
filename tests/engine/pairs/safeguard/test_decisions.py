"""Who decides about what is held, and what such a decision is about."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Blind, Decided, Moved, RestoreRequested, Touched, Urgency
from dir_sync.core.jobs import Cause
from dir_sync.core.safeguard.brake import Limits
from dir_sync.history import undo_plan
from tests.engine.pairs.safeguard.tools import assert_equal, files, fill, remove_live, rewrite_live
from tests.pair import Pair


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


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_was_in_a_folder_comes_back_and_not_the_file_that_had_its_name_after_it(pair: Pair, is_kept: bool) -> None:
    """Both were removed by the node whose removals are rejected, one after the other. `is_kept`: the file is in the history."""
    pair.one.disk.mkdir(b"e")
    pair.one.disk.write(b"e/x", b"in the folder")
    pair.one.inbox.append(Touched(b"e", Urgency.FOLDER))
    pair.run()
    pair.one.disk.delete(b"e")
    pair.one.disk.write(b"e", b"a file of its name")
    pair.one.inbox.append(Touched(b"e", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"e") == b"a file of its name"
    if is_kept:
        pair.one.disk.delete(b"e")
    else:
        pair.one.disk.move(b"e", b"moved")
        pair.one.disk.write(b"moved", b"and edited")
        pair.one.inbox.append(Touched(b"moved", Urgency.NOW))
    pair.one.inbox.append(Touched(b"e", Urgency.VANISHED))
    pair.run()
    remove_live(pair, pair.one)
    assert pair.two.engine.brakes.peers.held()
    pair.two.inbox.append(Decided(False))
    pair.run()
    assert not pair.two.engine.queries.pending_restores()
    assert pair.one.disk.content(b"e/x") == pair.two.disk.content(b"e/x") == b"in the folder"
    assert_equal(pair)


def test_what_was_only_renamed_keeps_its_new_name(pair: Pair) -> None:
    """A minute before, by the node whose removals are rejected; several at once."""
    for number in range(15, 18):
        old, new = b"d/%d" % number, b"new %d" % number
        pair.one.disk.move(old, new)
        pair.one.inbox.append(Moved(old, new, False))
    pair.run()
    assert pair.two.disk.content(b"new 15") == b"content 15"
    before = {path: pair.two.disk.content(path) for path in files(pair.two.disk)}
    remove_live(pair, pair.one, 15)
    assert pair.two.engine.brakes.peers.held()
    pair.two.inbox.append(Decided(False))
    pair.run()
    assert {path: pair.two.disk.content(path) for path in files(pair.two.disk)} == before
    assert_equal(pair)


def test_what_was_only_renamed_before_others_were_rewritten_keeps_its_new_name() -> None:
    pair = Pair(Limits(10, 50, 10, 80))
    fill(pair.one.disk, 40)
    pair.restart(pair.one)
    pair.one.disk.move(b"d/39", b"new")
    pair.one.inbox.append(Moved(b"d/39", b"new", False))
    pair.run()
    assert pair.two.disk.content(b"new") == b"content 39"
    rewrite_live(pair, pair.one, 39)
    assert pair.two.engine.brakes.peers.holds_rewrites(pair.one.index.identity.replica)
    pair.two.inbox.append(Decided(False))
    pair.run()
    assert files(pair.two.disk) == sorted([*(b"d/%d" % number for number in range(39)), b"new"])
    assert all(pair.two.disk.content(b"d/%d" % number) == b"content %d" % number for number in range(39))
    assert_equal(pair)


@pytest.mark.parametrize("at_once", [True, False])
def test_what_was_copied_and_then_removed_comes_back(pair: Pair, at_once: bool) -> None:
    """`at_once`: both changes arrive in the same moment, and many files were removed between them."""
    if at_once:
        pair.cut()
    what = pair.one.disk.stat(b"d/0")
    pair.one.disk.write(b"z copy", b"content 0")
    assert what is not None
    pair.one.disk.touch(b"z copy", what.mtime)
    pair.one.inbox.append(Touched(b"z copy", Urgency.NOW))
    pair.run()
    for number in (1, 0):
        pair.one.disk.delete(b"d/%d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
        pair.run()
    if at_once:
        pair.link()
    assert pair.two.disk.content(b"z copy") == b"content 0"
    assert pair.two.disk.content(b"d/0") is None
    for number in range(2, 18):
        pair.one.disk.delete(b"d/%d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
    pair.run()
    assert pair.two.engine.brakes.peers.held()
    pair.two.inbox.append(Decided(False))
    pair.run()
    assert pair.two.disk.content(b"d/0") == b"content 0" == pair.two.disk.content(b"z copy")
    assert_equal(pair)


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
    assert {version.why for version in pair.one.index.versions.oldest_first()} == {Cause.REPLACED}
    assert not pair.one.said(notes.Conflict)


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
    wanted = undo_plan.plan(pair.one.index, since_ns, None).wanted
    assert [one.path for one in wanted] == [b"beside"]
    pair.one.inbox.append(
        RestoreRequested(tuple(wanted), {one.content: (pair.two.index.identity.replica,) for one in wanted})
    )
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
    wanted = [one for one in undo_plan.plan(pair.one.index, since_ns, None).wanted if one.path == b"beside"]
    assert wanted
    pair.one.inbox.append(
        RestoreRequested(tuple(wanted), {one.content: (pair.two.index.identity.replica,) for one in wanted})
    )
    pair.run()
    pair.cut()
    pair.link()
    assert pair.two.disk.content(b"beside") == b"it"
    assert len(files(pair.two.disk)) == kept
    assert pair.two.engine.brakes.peers.held()
