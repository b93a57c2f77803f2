"""Trees to begin with, and what users do to them in a burst."""

from __future__ import annotations

from dir_sync.core.events import Touched, Urgency
from tests.pair import OneNode, Pair
from tests.sim.memory_disk import MemoryDisk


def fill(disk: MemoryDisk, count: int, folder: bytes = b"d") -> None:
    disk.mkdir(folder)
    for number in range(count):
        disk.write(folder + b"/%d" % number, b"content %d" % number)


def files(disk: MemoryDisk) -> list[bytes]:
    return [path for path, (kind, *_) in disk.tree().items() if kind == 1]


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
