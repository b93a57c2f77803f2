"""A program saves slowly: it has the file open, and what it has written so far is no version of it."""

from __future__ import annotations

from random import Random

import pytest

from dir_sync.core.events import Moved, Touched, Urgency
from dir_sync.core.names import HISTORY
from tests.pair import OneNode, Pair
from tests.sim.memory_disk import MemoryFile

OLD = Random(1).randbytes(300_000)
NEW = OLD[:150_000] + b"inserted" + OLD[150_000:]


def start(content: bytes = OLD) -> Pair:
    pair = Pair()
    pair.link()
    pair.one.disk.write(b"f", content)
    pair.one.inbox.append(Touched(b"f", Urgency.NOW))
    pair.run()
    assert pair.two.disk.content(b"f") == content
    return pair


def wait(pair: Pair, ms: int) -> set[bytes | None]:
    """Returns what the other node has had meanwhile."""
    seen = set()
    for _ in range(ms // 10):
        pair.step()
        seen.add(pair.two.disk.content(b"f"))
    return seen


def wrote(node: OneNode, file: MemoryFile, data: bytes) -> None:
    file.write(file.stat().size, data)
    node.inbox.append(Touched(b"f", Urgency.WRITING))


def cut(node: OneNode) -> MemoryFile:
    file = node.disk.hold(b"f")
    file.truncate(0)
    node.inbox.append(Touched(b"f", Urgency.WRITING))
    return file


def close(node: OneNode, file: MemoryFile) -> None:
    file.close()
    node.inbox.append(Touched(b"f", Urgency.NOW))


def kept(node: OneNode) -> list[bytes]:
    return sorted(version.content for version in node.index.versions())


@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), (b"old " * 500, b"new " * 600)])
@pytest.mark.parametrize("chmod", [False, True])
def test_a_slow_save_is_announced_once_and_nothing_in_between(old: bytes, new: bytes, chmod: bool) -> None:
    pair = start(old)
    file = cut(pair.one)
    seen = wait(pair, 1_000)
    if chmod:
        pair.one.disk.chmod(b"f", 0o600)
        pair.one.inbox.append(Touched(b"f", Urgency.ATTRIBUTES))
    step = len(new) // 5 + 1
    for at in range(0, len(new), step):
        wrote(pair.one, file, new[at : at + step])
        seen |= wait(pair, 500)
    assert seen == {old}
    close(pair.one, file)
    seen = wait(pair, 400)
    assert pair.two.disk.content(b"f") == new, "it comes as soon as it is closed"
    assert seen <= {old, new}
    assert len(kept(pair.two)) == 1


def test_a_slow_save_after_a_backup_is_a_delta_and_the_name_is_never_empty() -> None:
    pair = start()
    pair.one.disk.move(b"f", b"f~")
    pair.one.disk.write(b"f", b"")
    file = pair.one.disk.hold(b"f")
    pair.one.inbox += [Moved(b"f", b"f~", False), Touched(b"f", Urgency.CREATED)]
    seen = wait(pair, 800)
    for at in range(0, len(NEW), 100_000):
        wrote(pair.one, file, NEW[at : at + 100_000])
        seen |= wait(pair, 500)
    close(pair.one, file)
    seen |= wait(pair, 500)
    assert seen == {OLD, NEW}
    assert pair.two.disk.content(b"f~") == OLD


def test_a_recording_whose_header_is_rewritten_is_not_announced_at_each_block() -> None:
    pair = start(b"0" * 44 + OLD)
    before = pair.two.disk.counts["file.write"]
    file = pair.one.disk.hold(b"f")
    whole = b"0" * 44 + OLD
    for number in range(40):
        block = Random(number).randbytes(20_000)
        wrote(pair.one, file, block)
        file.write(0, b"%044d" % (number + 1))
        whole = b"%044d" % (number + 1) + whole[44:] + block
        wait(pair, 500)
    assert pair.two.disk.content(b"f") == b"0" * 44 + OLD
    close(pair.one, file)
    wait(pair, 300)
    assert pair.two.disk.content(b"f") == whole
    assert len(kept(pair.two)) == 1
    assert pair.two.disk.counts["file.write"] - before < 40


@pytest.mark.parametrize("new", [b"", b"short", OLD[:100_000], b"x" + OLD[1:], b"x" + OLD[1:] + OLD])
def test_what_is_never_closed_is_announced_when_it_rests(new: bytes) -> None:
    pair = start()
    file = cut(pair.one)
    if new:
        wrote(pair.one, file, new)
    wait(pair, 1_000)
    assert pair.two.disk.content(b"f") == OLD
    wait(pair, 14_000)
    assert pair.two.disk.content(b"f") == new


def test_what_is_written_all_the_time_and_never_closed_is_announced_now_and_then() -> None:
    pair = start()
    file = cut(pair.one)
    seen = set()
    for number in range(120):
        file.truncate(0)
        wrote(pair.one, file, b"%03d" % number * 30_000)
        seen |= wait(pair, 500)
    assert 2 <= len(seen) <= 6


@pytest.mark.parametrize("old", [b"a line\n" * 3, OLD])
def test_a_log_that_is_held_open_does_not_wait(old: bytes) -> None:
    pair = start(old)
    file = pair.one.disk.hold(b"f")
    for number in range(5):
        wrote(pair.one, file, b"line %d\n" % number)
        wait(pair, 1_200)
        assert pair.two.disk.content(b"f") == old + b"".join(b"line %d\n" % one for one in range(number + 1))
    assert pair.two.disk.list(HISTORY) in (None, []) or old != OLD


def test_a_small_file_that_is_rewritten_in_place_and_never_closed_does_not_wait() -> None:
    pair = start(b"state: one  \n")
    file = pair.one.disk.hold(b"f")
    file.write(0, b"state: three\n")
    pair.one.inbox.append(Touched(b"f", Urgency.WRITING))
    wait(pair, 1_200)
    assert pair.two.disk.content(b"f") == b"state: three\n"


def test_a_new_file_that_is_open_and_empty_waits_for_its_first_bytes_for_a_while() -> None:
    pair = Pair()
    pair.link()
    pair.one.disk.write(b"f", b"")
    file = pair.one.disk.hold(b"f")
    pair.one.inbox.append(Touched(b"f", Urgency.CREATED))
    wait(pair, 1_500)
    assert pair.two.disk.content(b"f") is None
    wait(pair, 3_000)
    assert pair.two.disk.content(b"f") == b""
    wrote(pair.one, file, b"first")
    wait(pair, 1_200)
    assert pair.two.disk.content(b"f") == b"first"
