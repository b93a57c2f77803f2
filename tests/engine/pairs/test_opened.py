"""A program saves slowly: it has the file open, and what it has written so far is no version of it."""

from __future__ import annotations

from collections.abc import Callable
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


def wait(pair: Pair, ms: int, path: bytes = b"f") -> set[bytes | None]:
    """Returns what the other node has had meanwhile."""
    seen = set()
    for _ in range(ms // 10):
        pair.step()
        seen.add(pair.two.disk.content(path))
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


def renamed(node: OneNode) -> bytes:
    node.disk.move(b"f", b"g")
    node.inbox.append(Moved(b"f", b"g", False))
    return b"g"


def moved_in(node: OneNode) -> bytes:
    node.disk.write(b"f", b"other" * 50_000, replace=True)
    node.inbox.append(Touched(b"f", Urgency.ARRIVED))
    return b"f"


def set_mode(node: OneNode) -> bytes:
    node.disk.chmod(b"f", 0o600)
    node.inbox.append(Touched(b"f", Urgency.ATTRIBUTES))
    return b"f"


def saved(node: OneNode) -> bytes:
    node.disk.write(b"f", b"other" * 50_000)
    node.inbox.append(Touched(b"f", Urgency.NOW))
    return b"f"


def kept(node: OneNode) -> list[bytes]:
    return sorted(version.content for version in node.index.versions.oldest_first())


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


@pytest.mark.parametrize("event", [renamed, moved_in, set_mode, saved], ids=lambda event: event.__name__)
@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), (b"old " * 500, b"new " * 600), (b"1", b"22")])
@pytest.mark.parametrize("late_ms", [20, 80])
def test_what_is_cut_right_after_an_event_is_never_empty_elsewhere(
    event: Callable[[OneNode], bytes], old: bytes, new: bytes, late_ms: int
) -> None:
    """The look that the event causes is faster than the event that tells that the file is open."""
    pair = start(old)
    path = event(pair.one)
    file = pair.one.disk.hold(path)
    file.truncate(0)
    whole = {None, old, b"other" * 50_000, new}
    assert wait(pair, late_ms, path) <= whole
    for piece in (b"", new[: len(old) // 3], new[len(old) // 3 :]):
        file.write(file.stat().size, piece)
        pair.one.inbox.append(Touched(path, Urgency.WRITING))
        assert wait(pair, 400, path) <= whole
    file.close()
    pair.one.inbox.append(Touched(path, Urgency.NOW))
    assert wait(pair, 300, path) <= whole
    assert pair.two.disk.content(path) == new, "it comes as soon as it is closed"
    assert not {version.size for version in pair.two.index.versions.oldest_first()} - {len(old), 250_000}


@pytest.mark.parametrize("event", [renamed, moved_in, set_mode, saved], ids=lambda event: event.__name__)
def test_what_is_cut_and_closed_without_any_content_comes_at_once(event: Callable[[OneNode], bytes]) -> None:
    pair = start()
    path = event(pair.one)
    file = pair.one.disk.hold(path)
    file.truncate(0)
    file.close()
    wait(pair, 100, path)
    assert pair.two.disk.content(path) == b""


def test_a_log_that_is_cut_while_its_program_has_it_open_comes_soon() -> None:
    """As `logrotate` does it with `copytruncate`: who cuts it closes it at once; who writes it never does."""
    pair = start()
    pair.one.disk.hold(b"f")
    file = pair.one.disk.hold(b"f")
    file.truncate(0)
    close(pair.one, file)
    wait(pair, 300)
    assert pair.two.disk.content(b"f") == b""


def test_a_file_that_was_cut_while_the_node_did_not_run_waits_for_its_close() -> None:
    pair = start()
    file = pair.one.disk.hold(b"f")
    file.truncate(0)
    pair.restart(pair.one)
    assert pair.two.disk.content(b"f") == OLD
    file.write(0, NEW)
    close(pair.one, file)
    wait(pair, 300)
    assert pair.two.disk.content(b"f") == NEW


def test_a_close_that_comes_while_the_look_is_on_its_way_ends_the_wait_without_leases() -> None:
    """Where the system does not tell who has a file open, the events of the watcher decide."""
    pair = start()
    file = cut(pair.one)
    closes = iter([True])

    def is_closed(path: bytes) -> bool:
        if next(closes, False):
            file.write(0, NEW)
            close(pair.one, file)
        return False

    pair.one.disk.is_closed = is_closed
    wait(pair, 1_000)
    assert pair.two.disk.content(b"f") == NEW
