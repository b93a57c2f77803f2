"""What is never synchronized is in the way: mounts and pipes where something should change or go. Two nodes on memory disks."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.declined import Reason
from dir_sync.core.events import Blind, Touched, Urgency
from dir_sync.core.model import Kind
from tests.pair import OneNode, Pair


def started(*folders: bytes) -> tuple[Pair, OneNode, OneNode]:
    pair = Pair()
    for folder in folders:
        pair.one.disk.mkdir(folder)
        pair.one.inbox.append(Touched(folder.split(b"/")[0], Urgency.FOLDER))
    pair.link()
    pair.run()
    return pair, pair.one, pair.two


def delete(pair: Pair, node: OneNode, path: bytes) -> None:
    node.disk.delete(path)
    node.inbox.append(Touched(path, Urgency.VANISHED))
    pair.run()


def looked_at(pair: Pair, node: OneNode) -> None:
    """What the daemon does now and then, where no event tells."""
    node.inbox.append(Blind(b"", ""))
    pair.run()


@pytest.mark.parametrize("restarts", ["never", "while it is mounted", "after that"])
def test_a_folder_that_was_deleted_while_it_was_hidden_does_not_come_back(restarts: str) -> None:
    pair, one, two = started(b"proj/src/mnt")
    two.disk.mount(b"proj/src/mnt")
    looked_at(pair, two)
    assert two.engine.scope.mounted == {b"proj/src/mnt"}
    delete(pair, one, b"proj")
    assert set(two.disk.tree()) == {b"proj", b"proj/src", b"proj/src/mnt"}, "nobody removes a mount point"
    if restarts == "while it is mounted":
        pair.restart(two)
        assert two.engine.scope.mounted == {b"proj/src/mnt"}
    two.disk.unmount(b"proj/src/mnt")
    if restarts == "after that":
        pair.restart(two)
    else:
        looked_at(pair, two)
    assert one.disk.tree() == two.disk.tree() == {}
    assert not two.engine.scope.mounted
    assert not two.engine.is_busy
    said = [note.path for note in two.notes if isinstance(note, notes.Removed)]
    assert said[-3:] == [b"proj/src/mnt", b"proj/src", b"proj"], "people are told when it goes"


def test_what_is_mounted_over_is_not_deleted() -> None:
    pair, one, two = started(b"mnt")
    one.disk.write(b"mnt/file", b"1")
    one.inbox.append(Touched(b"mnt/file", Urgency.NOW))
    pair.run()
    two.disk.mount(b"mnt")
    looked_at(pair, two)
    pair.restart(two)
    assert one.disk.content(b"mnt/file") == b"1"
    delete(pair, one, b"mnt/file")  # which waits there, and wakes nobody more than now and then
    jobs = two.disk.counts.total()
    start = pair.clock.ms
    pair.run()
    assert two.disk.counts.total() - jobs < 20 * (1 + (pair.clock.ms - start) // 30_000)
    two.disk.unmount(b"mnt")
    looked_at(pair, two)
    pair.clock.ms += 31_000
    pair.run()
    assert one.disk.tree().keys() == two.disk.tree().keys() == {b"mnt"}


def test_status_says_what_is_in_the_way() -> None:
    pair, one, two = started(b"proj/src")
    two.disk.mkfifo(b"proj/src/pipe")
    two.inbox.append(Touched(b"proj/src/pipe", Urgency.CREATED))
    pair.run()
    one.disk.delete(b"proj")
    one.disk.write(b"proj", b"now a file")
    one.inbox += [Touched(b"proj", Urgency.VANISHED), Touched(b"proj", Urgency.NOW)]
    pair.run()
    (told,) = two.engine.sync_report.troubled()
    assert told == (b"proj", "proj/src/pipe is in the way, and is not synchronized", Reason.BLOCKED, True)
    two.disk.delete(b"proj/src/pipe")
    two.inbox.append(Touched(b"proj/src/pipe", Urgency.VANISHED))
    pair.run()
    assert two.disk.tree()[b"proj"][0] == Kind.FILE
    assert two.engine.sync_report.troubled() == []
