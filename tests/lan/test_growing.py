"""Files that grow cost what is written into them: on the wire, on the disks, in the history. Readers see them grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .changes import append, blob, write
from .checker import wait_for
from .lan import Lan, Node, allocated_bytes

pytestmark = pytest.mark.lan

SOON_S = 60.0
MIB = 1 << 20
PER_VERSION = 200_000  # the index and its journal, for each version that is told


@pytest.fixture
def pair(new_lan: Callable[..., Lan]) -> Lan:
    lan = new_lan(2)
    lan.start()
    lan.meet("start")
    return lan


def costs(node: Node) -> tuple[int, int, int]:
    """Written to the disk, on the wire, in the history."""
    return node.disk_written_bytes(), node.wire_bytes(), allocated_bytes(node.versions)


def holds(node: Node, name: str, content: bytes) -> Callable[[], bool]:
    path = node.dir / name
    return lambda: path.exists() and path.stat().st_size == len(content) and path.read_bytes() == content


def lines(path: Path) -> Iterator[bytes]:
    """A logger opens the file, appends a line, and closes it."""
    for number in range(33):
        line = b"%d " % number + b"." * 226 + b"\n"
        append(path, line)
        yield line
        time.sleep(0.05)


def blocks(path: Path) -> Iterator[bytes]:
    """A download: the file stays open."""
    with path.open("ab", buffering=0) as file:
        for number in range(6):
            block = blob(5 * MIB, number)
            file.write(block)
            yield block
            time.sleep(0.7)


@pytest.mark.parametrize(("grow", "versions"), [(lines, 33), (blocks, 8)])
def test_what_is_appended_costs_what_is_appended(
    pair: Lan, grow: Callable[[Path], Iterator[bytes]], versions: int
) -> None:
    content = blob(40 * MIB)
    write(pair[0].dir / "file", content)
    wait_for(holds(pair[1], "file", content), SOON_S, "the file")
    pair.settle()
    with (pair[1].dir / "file").open("rb") as reader:  # as tail -f does
        before = [costs(node) for node in pair]
        more = b"".join(grow(pair[0].dir / "file"))
        wait_for(holds(pair[1], "file", content + more), SOON_S, "what was appended")
        reader.seek(len(content))
        assert reader.read() == more, "whoever has it open for reading sees it grow"
    after = [costs(node) for node in pair]
    most = int(1.15 * len(more)) + versions * PER_VERSION
    for node, was, now in zip(pair, before, after, strict=True):
        written, wire, kept = (one - other for one, other in zip(now, was, strict=True))
        assert written <= most, f"{node}: {written} bytes written for {len(more)}"
        assert wire <= most, f"{node}: {wire} bytes on the wire for {len(more)}"
        assert kept == 0, f"{node}: {kept} bytes in the history"


def test_what_is_saved_or_recorded_slowly_costs_what_it_is(pair: Lan) -> None:
    """A program cuts a file and writes it anew with pauses; another one appends, and rewrites the header again and again."""
    old = blob(20 * MIB)
    path, there = pair[0].dir / "saved", pair[1].dir / "saved"
    write(path, old)
    wait_for(holds(pair[1], "saved", old), SOON_S, "the file")
    pair.settle()
    before = [costs(node) for node in pair]
    new = old[: 5 * MIB] + b"inserted" + old[5 * MIB :]
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(new), 5 * MIB):
            time.sleep(0.4)
            assert there.stat().st_size == len(old), "it is never empty or half"
            file.write(new[at : at + 5 * MIB])
    wait_for(holds(pair[1], "saved", new), SOON_S, "what was saved")
    pair.settle()
    after = [costs(node) for node in pair]
    assert after[0][1] - before[0][1] < MIB, "a delta"
    assert after[1][2] - before[1][2] <= len(old) + MIB, "one version"
    record = bytearray(44)
    with (pair[0].dir / "recording.wav").open("wb", buffering=0) as file:
        for number in range(24):
            block = blob(MIB, number)
            file.seek(0, 2)
            file.write(block if record[44:] else record + block)
            record += block
            record[:44] = b"%044d" % number
            file.seek(0)
            file.write(record[:44])
            time.sleep(0.15)
    wait_for(holds(pair[1], "recording.wav", bytes(record)), SOON_S, "the recording")
    pair.settle()
    written, wire, kept = (one - other for one, other in zip(costs(pair[1]), after[1], strict=True))
    most = int(1.15 * len(record)) + 8 * PER_VERSION
    assert written <= most + 2 * MIB, f"{written} bytes written"
    assert wire <= most, f"{wire} bytes on the wire"
    assert kept <= 2 * MIB, f"{kept} bytes in the history"


def test_a_node_that_dies_while_a_file_grows_goes_on_where_it_was(pair: Lan) -> None:
    content = blob(20 * MIB)
    write(pair[0].dir / "file", content)
    wait_for(holds(pair[1], "file", content), SOON_S, "the file")
    for node in pair:
        node.limit_rate("80mbit")
    more = blob(30 * MIB, 1)
    append(pair[0].dir / "file", more)
    path = pair[1].dir / "file"
    wait_for(lambda: path.stat().st_size > len(content), SOON_S, "it begins to grow")
    pair[1].kill()
    assert path.read_bytes() == (content + more)[: path.stat().st_size]
    for node in pair:
        node.limit_rate(None)
    pair[1].start()
    wait_for(holds(pair[1], "file", content + more), SOON_S, "what was appended")
    assert (pair[0].dir / "file").read_bytes() == content + more
    # If it was killed within a write, it cannot be told whose the end of the file was: then that state is kept once.
    kept = [path.read_bytes() for node in pair for path in node.versions.rglob("*") if path.is_file()]
    assert len(kept) <= 1
    assert all((content + more).startswith(one) for one in kept)
