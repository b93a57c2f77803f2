"""The brake on our own side: a folder that was emptied behind our back is not emptied everywhere."""

from __future__ import annotations

import pytest

from dir_sync.core.brake import Limits
from dir_sync.core.events import Blind, Decided, Touched, Urgency
from tests.pair import Pair
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
    assert pair.one.said("braked")
    assert len(files(pair.two.disk)) == 21
    assert not pair.one.engine.is_busy
    pair.restart(pair.one)
    assert pair.one.said("braked"), "a restart decides nothing"
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
    assert files(pair.two.disk) == [b"beside"]
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert not pair.one.engine.brake.held


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
    assert not pair.one.engine.brake.held
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
    pair.one.inbox.append(Decided(approve))
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
    assert len(pair.one.engine.brake.held) == 19


def test_what_is_asked_of_us_and_held_is_not_thereby_deleted(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    for number in range(20):  # as when a peer asked for it and it could not be read
        pair.one.engine._agenda.add(b"d/%d" % number, pair.clock.ms, pair.clock.ms)
    pair.run()
    assert len(files(pair.two.disk)) == 21


def test_what_is_there_again_is_held_no_longer(pair: Pair) -> None:
    kept = {path: pair.one.disk.content(path) for path in files(pair.one.disk) if path != b"beside"}
    pair.cut()
    pair.one.disk.delete(b"d")
    pair.restart(pair.one)
    assert pair.one.engine.brake.held
    pair.one.disk.mkdir(b"d")
    for path, content in kept.items():
        assert content is not None
        pair.one.disk.write(path, content)
    pair.one.inbox.append(Blind(b"", ""))
    pair.run()
    assert not pair.one.engine.brake.held
    assert pair.one.said("unbraked")
    assert len(files(pair.two.disk)) == 21


def test_a_scan_while_it_runs_is_held_as_well(pair: Pair) -> None:
    pair.one.disk.delete(b"d")
    pair.one.inbox.append(Blind(b"", "events were lost"))
    pair.run()
    assert pair.one.said("braked")
    assert len(files(pair.two.disk)) == 21


def test_what_was_seen_to_go_is_never_held(pair: Pair) -> None:
    for number in range(20):
        pair.one.disk.delete(b"d/%d" % number)
        pair.one.inbox.append(Touched(b"d/%d" % number, Urgency.VANISHED))
    pair.one.disk.delete(b"d")
    pair.one.inbox.append(Touched(b"d", Urgency.VANISHED))
    pair.run()
    assert not pair.one.said("braked")
    assert files(pair.two.disk) == [b"beside"]


def test_a_few_are_not_held(pair: Pair) -> None:
    pair.cut()
    for number in range(9):
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    assert not pair.one.said("braked")
    assert len(files(pair.two.disk)) == 12


def test_less_than_half_is_not_held(pair: Pair) -> None:
    pair.cut()
    for number in range(10):
        pair.one.disk.delete(b"d/%d" % number)
    pair.restart(pair.one)
    assert not pair.one.said("braked")
    assert len(files(pair.two.disk)) == 11


def test_moves_do_not_count(pair: Pair) -> None:
    pair.cut()
    pair.one.disk.move(b"d", b"elsewhere")
    pair.restart(pair.one)
    assert not pair.one.said("braked")
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
