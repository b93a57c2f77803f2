"""What cannot be on a disk: names that it takes for others, and contents that are too large for it. Two nodes, one such disk."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.declined import Reason
from dir_sync.core.events import Moved, Send, Touched, Urgency
from dir_sync.core.messages import Message, Pull
from dir_sync.core.model import Kind
from dir_sync.core.unable import Unable, Unfit
from dir_sync.disk import RealDisk
from dir_sync.ports import DiskError, Trouble
from tests.pair import OneNode, Pair


def blind_pair() -> tuple[Pair, OneNode, OneNode]:
    """A healthy node and a blind one, linked."""
    pair = Pair()
    pair.two.disk.fold = bytes.lower
    pair.two.boot()
    pair.link()
    pair.run()
    return pair, pair.one, pair.two


def save(pair: Pair, node: OneNode, path: bytes, data: bytes) -> None:
    node.disk.write(path, data)
    node.inbox.append(Touched(path, Urgency.NOW))
    pair.run()


def wait(pair: Pair, ms: int) -> None:
    until = pair.clock.ms + ms
    while pair.clock.ms < until:
        pair.run()


class Sent(list[Send]):
    """Remembers what was taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def append(self, send: Send) -> None:
        super().append(send)
        self.messages.append(send.message)

    @property
    def pulls(self) -> list[Pull]:
        return [message for message in self.messages if isinstance(message, Pull)]


def listen(node: OneNode) -> Sent:
    node.sends = sent = Sent()
    return sent


def files(node: OneNode) -> dict[bytes, bytes]:
    return {path: content for path, (kind, content, *_) in node.disk.tree().items() if kind == Kind.FILE}


def test_an_edit_goes_into_the_file_whose_name_is_listed() -> None:
    pair, one, two = blind_pair()
    save(pair, one, b"readme", b"small letters")
    save(pair, one, b"README", b"capitals")
    assert files(two) == {b"readme": b"small letters"}
    assert two.engine.sync_report.troubled() == [
        (b"README", "this disk takes the name for that of readme", Reason.UNFIT, False)
    ]
    assert [note.path for note in two.notes if isinstance(note, notes.Unfit)] == [b"README"]

    save(pair, two, b"README", b"edited by the other name")  # the watcher says the name that the program used
    assert files(two) == {b"readme": b"edited by the other name"}
    assert files(one) == {b"readme": b"edited by the other name", b"README": b"capitals"}

    pair.restart(two)
    assert files(one) == {b"readme": b"edited by the other name", b"README": b"capitals"}
    assert not two.engine.is_busy


def test_what_is_held_back_is_not_fetched_and_comes_when_there_is_room() -> None:
    pair, one, two = blind_pair()
    sent = listen(two)
    large = b"x" * (limits.INLINE_BYTES_MAX + 1)
    save(pair, one, b"readme", b"small letters")
    save(pair, one, b"README", large)
    save(pair, one, b"README", large + b"2")
    wait(pair, 120_000)
    assert not sent.pulls
    assert [note.path for note in two.notes if isinstance(note, notes.Unfit)] == [b"README"]

    one.disk.delete(b"readme")
    one.inbox.append(Touched(b"readme", Urgency.VANISHED))
    pair.run()
    assert files(two) == files(one) == {b"README": large + b"2"}
    assert two.engine.sync_report.troubled() == []


def test_who_deletes_by_another_spelling_deletes_what_is_listed() -> None:
    pair, one, two = blind_pair()
    save(pair, one, b"readme", b"1")
    two.disk.delete(b"ReadMe")
    two.inbox.append(Touched(b"ReadMe", Urgency.VANISHED))
    pair.run()
    wait(pair, 1_000)
    assert files(one) == {}


@pytest.mark.parametrize("made_on_blind", [True, False])
def test_another_spelling_of_a_folder_is_a_rename(made_on_blind: bool) -> None:
    pair, one, two = blind_pair()
    for node in (one,):
        node.disk.mkdir(b"docs/in")
        node.inbox += [Touched(b"docs", Urgency.FOLDER)]
    pair.run()
    for number in range(3):
        save(pair, one, b"docs/in/%d" % number, b"%d" % number)
    inode = two.disk.stat(b"docs/in/1").inode  # type: ignore[union-attr]
    where, other = (two, one) if made_on_blind else (one, two)
    sent = listen(other)
    where.disk.move(b"docs", b"Docs")
    where.inbox.append(Moved(b"docs", b"Docs", True))
    pair.run()
    wait(pair, 2_000)
    expected = {b"Docs/in/%d" % number: b"%d" % number for number in range(3)}
    assert files(one) == files(two) == expected
    assert two.disk.stat(b"Docs/in/1").inode == inode, "the very files"  # type: ignore[union-attr]
    assert not list(two.index.versions.oldest_first()), "nothing was copied by way of the history"
    assert not sent.pulls


def test_a_folder_that_came_from_a_healthy_disk_has_lost_nothing() -> None:
    """Its index knows two names; on this disk there is room for one. Nobody has deleted the other one."""
    pair = Pair()
    one, two = pair.one, pair.two
    pair.link()
    save(pair, one, b"readme", b"small letters")
    save(pair, one, b"README", b"capitals")
    assert len(files(two)) == 2
    two.disk.delete(b"README")  # what a copy to such a disk leaves
    two.disk.fold = bytes.lower
    pair.restart(two)
    wait(pair, 5_000)
    assert files(one) == {b"readme": b"small letters", b"README": b"capitals"}
    assert files(two) == {b"readme": b"small letters"}
    two.disk.move(b"readme", b"README")  # from now on such a thing is a rename, also while nobody watches
    pair.restart(two)
    wait(pair, 5_000)
    assert b"readme" not in files(one)


def test_what_is_too_large_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair()
    one, two = pair.one, pair.two
    pair.link()
    sent = listen(two)
    most = limits.CHUNK_BYTES * 2
    from tests.sim.memory_disk import MemoryFile

    def must_fit(self: MemoryFile, length: int) -> None:
        if length > most and self._disk is two.disk:
            raise DiskError(Trouble.TOO_LARGE, self._path)

    monkeypatch.setattr(MemoryFile, "must_fit", must_fit)
    save(pair, one, b"film", b"x" * (most + 1))
    wait(pair, 120_000)
    assert not sent.pulls
    assert two.engine.sync_report.troubled() == [
        (b"film", "larger than a file may be on this disk", Reason.UNFIT, False)
    ]
    assert [note.path for note in two.notes if isinstance(note, notes.Unfit)] == [b"film"]
    assert not two.disk.names(b".dir_sync/staging")
    save(pair, one, b"film", b"y" * (most + 2))
    assert not sent.pulls, "nor is a larger version"
    save(pair, one, b"film", b"z" * most)
    assert files(two) == {b"film": b"z" * most}, "a smaller one is"
    assert two.engine.sync_report.troubled() == []


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_real_disk_says_what_is_too_large(tmp_path: Path) -> None:
    disk = RealDisk(os.fsencode(tmp_path))
    try:
        file = disk.create(b"a")
        file.must_fit(0)
        file.must_fit(10**9)
        with pytest.raises(DiskError) as caught:
            file.must_fit(2**63 - 1)  # no file system can
        assert caught.value.trouble is Trouble.TOO_LARGE
        assert file.stat().size == 0, "it was only asked"
        with file_size_limit(5_000):
            file.must_fit(5_000)
            for act in (lambda: file.must_fit(5_001), lambda: file.write(0, b"x" * 5_001)):
                with pytest.raises(DiskError) as caught:
                    act()
                assert caught.value.trouble is Trouble.TOO_LARGE
            with pytest.raises(DiskError) as caught:
                disk.create_whole(b"b", b"x" * 5_001, 0o644, 1, False)
            assert caught.value.trouble is Trouble.TOO_LARGE
        file.close()
    finally:
        disk.close()


def test_what_is_held_back_may_come_in_another_version() -> None:
    from tests.engine.whole.bench import record

    unable = Unable()
    small, large, gone = record(b"a", b"12"), record(b"a", b"123"), record(b"a", None)
    unable.hold(b"a", Unfit("too large", least=3))
    assert [unable.why(each) is not None for each in (small, large, gone)] == [False, True, False]
    unable.hold(b"a", Unfit("no such name", stamp=small.stamp))
    assert unable.why(small) is not None
    assert unable.why(small._replace(stamp=small.stamp._replace(ns=1))) is None
    unable.take_for(b"a", b"A")
    assert unable.behind(b"A") == [b"a"]
    assert unable.in_folder(b"") == [b"a"]
    unable.release(b"a", only_names=True)
    assert not unable
    assert unable.behind(b"A") == []
