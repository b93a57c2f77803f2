"""What is rejected comes back everywhere, also between nodes that announce nothing, or take nothing."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Decided, Touched, Urgency
from dir_sync.core.mode import Mode
from tests.engine.pairs.safeguard.tools import assert_equal, files, fill, remove_live
from tests.pair import OneNode, Pair

SENDERS = [Mode.TWO_WAY, Mode.SEND_ONLY]
TAKERS = [Mode.MIRROR, Mode.RECEIVE_ONLY]


def linked(sends: Mode, takes: Mode) -> Pair:
    """`one` announces, and `two` has what it has made, but announces nothing."""
    pair = Pair()
    for node, mode in ((pair.one, sends), (pair.two, takes)):
        node.engine.mode_rules.mode = mode
    pair.link()
    fill(pair.one.disk, 20)
    pair.one.disk.write(b"beside", b"it")
    for path in (b"d", b"beside"):
        pair.one.inbox.append(Touched(path, Urgency.FOLDER if path == b"d" else Urgency.NOW))
    pair.run()
    assert len(files(pair.two.disk)) == 21
    pair.clock.ms += 120_000  # what is removed then is not what was just made
    pair.run()
    return pair


def contents(node: OneNode) -> dict[bytes, bytes]:
    return {path: node.disk.content(path) for path in files(node.disk)}


def wait(pair: Pair) -> None:
    """Longer than anybody waits for the maker of something."""
    for _ in range(4):
        pair.clock.ms += 10_000
        pair.run()


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("takes", TAKERS)
@pytest.mark.parametrize("sends", SENDERS)
def test_rejected_anywhere_it_is_back_on_both(sends: Mode, takes: Mode, here: bool) -> None:
    pair = linked(sends, takes)
    before = contents(pair.one)
    remove_live(pair, pair.one)
    assert pair.two.said(notes.PeerHeld)
    decider = pair.two if here else pair.one
    decider.inbox.append(Decided(False))
    pair.run()
    wait(pair)
    assert contents(pair.one) == before == contents(pair.two)
    assert not pair.two.engine.brakes.held()
    assert not pair.one.engine.brakes.held_elsewhere
    assert not list(pair.one.engine.own_changes.differences())
    assert not list(pair.two.engine.own_changes.differences())


@pytest.mark.parametrize("takes", TAKERS)
@pytest.mark.parametrize("sends", SENDERS)
def test_an_hour_later_a_folder_comes_back_with_its_files(sends: Mode, takes: Mode) -> None:
    pair = linked(sends, takes)
    before = contents(pair.one)
    pair.one.disk.delete(b"d")
    pair.one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert pair.two.said(notes.PeerHeld)
    pair.clock.ms += 3_600_000
    pair.run()
    pair.two.inbox.append(Decided(False))
    pair.run()
    wait(pair)
    assert_equal(pair)
    assert contents(pair.one) == before


@pytest.mark.parametrize("takes", [Mode.TWO_WAY, *TAKERS])
@pytest.mark.parametrize("sends", SENDERS)
@pytest.mark.parametrize("later_ms", [0, 3_600_000])
def test_single_paths_that_are_rejected_are_back_on_both(sends: Mode, takes: Mode, later_ms: int) -> None:
    pair = linked(sends, takes)
    remove_live(pair, pair.one)
    pair.clock.ms += later_ms
    pair.run()
    held = sorted(path for paths in pair.two.engine.brakes.peers.held().values() for path in paths)
    pair.two.inbox.append(Decided(False, (held[0],)))
    pair.run()
    wait(pair)
    assert set(held) <= set(files(pair.two.disk)), "the others stay held"
    assert files(pair.one.disk) == [b"beside", held[0]]
    assert not list(pair.one.engine.own_changes.differences())
    assert not pair.one.engine.mode_rules.wants_back
    pair.two.disk.write(held[0], b"otherwise")
    pair.two.inbox.append(Touched(held[0], Urgency.NOW))
    pair.run()
    is_taken = sends is Mode.TWO_WAY and takes is Mode.TWO_WAY
    assert pair.one.disk.content(held[0]).startswith(b"otherwise" if is_taken else b"content"), "it takes nothing else"


def test_what_a_reader_rejects_stays_there_and_its_mirror_does_not_undo_it() -> None:
    pair = linked(Mode.TWO_WAY, Mode.MIRROR)
    pair.two.engine.mode_rules.reads_only("two")
    remove_live(pair, pair.one)
    left = files(pair.two.disk)
    for _ in range(2):
        pair.two.inbox.append(Decided(False))
        pair.run()
        wait(pair)
        assert set(left) <= set(files(pair.two.disk)), "never less"
    assert files(pair.one.disk) == [b"beside"]


def starts_anew(node: OneNode, mode: Mode) -> None:
    node.boot()
    node.engine.mode_rules.mode = mode


@pytest.mark.parametrize("paths", [(), (b"d",)])
def test_what_only_sends_takes_back_what_was_rejected_after_another_start(paths: tuple[bytes, ...]) -> None:
    """What vanished is rejected while nobody is connected who has it."""
    pair = linked(Mode.SEND_ONLY, Mode.TWO_WAY)
    before = contents(pair.one)
    pair.cut()
    pair.one.disk.delete(b"d")
    starts_anew(pair.one, Mode.SEND_ONLY)
    pair.run()
    pair.one.inbox.append(Decided(False, paths))
    pair.run()
    starts_anew(pair.one, Mode.SEND_ONLY)
    pair.run()
    pair.link()
    wait(pair)
    assert contents(pair.one) == before == contents(pair.two)
    pair.cut()
    starts_anew(pair.one, Mode.SEND_ONLY)
    pair.two.disk.write(b"d/3", b"otherwise")
    pair.two.inbox.append(Touched(b"d/3", Urgency.NOW))
    pair.run()
    pair.link()
    wait(pair)
    assert pair.one.disk.content(b"d/3") == b"content 3", "it has come, and takes nothing else"


def test_what_was_rejected_elsewhere_is_taken_back_after_another_start() -> None:
    pair = linked(Mode.SEND_ONLY, Mode.TWO_WAY)
    before = contents(pair.one)
    remove_live(pair, pair.one)
    pair.two.inbox.append(Decided(False))
    while not pair.one.engine.mode_rules.wants_back:
        assert pair.turn()
    pair.cut()
    assert pair.one.engine.mode_rules.wants_back
    starts_anew(pair.one, Mode.SEND_ONLY)
    pair.run()
    pair.link()
    wait(pair)
    assert contents(pair.one) == before == contents(pair.two)


@pytest.mark.parametrize("paths", [(), (b"d",)])
@pytest.mark.parametrize("takes", [Mode.TWO_WAY, *TAKERS])
def test_what_vanished_where_changes_are_only_sent_comes_back(takes: Mode, paths: tuple[bytes, ...]) -> None:
    pair = linked(Mode.SEND_ONLY, takes)
    before = contents(pair.one)
    pair.cut()
    pair.one.disk.delete(b"d")
    for node, mode in ((pair.one, Mode.SEND_ONLY), (pair.two, takes)):
        node.boot()
        node.engine.mode_rules.mode = mode
    pair.run()
    pair.link()
    assert pair.one.said(notes.LossHeld)
    pair.one.inbox.append(Decided(False, paths))
    pair.run()
    wait(pair)
    assert contents(pair.one) == before == contents(pair.two)
    assert not pair.one.engine.brakes.held()
    pair.two.disk.write(b"d/3", b"otherwise")
    pair.two.inbox.append(Touched(b"d/3", Urgency.NOW))
    pair.run()
    assert pair.one.disk.content(b"d/3") == b"content 3", "it takes nothing else"
