"""What a rename costs, and what somebody sees who looks at a peer's folder meanwhile, with real daemons."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from .changes import blob, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan

pytestmark = pytest.mark.lan

SOON_S = 30.0
LARGE = 5 << 20


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    with Lan(2) as lan:
        for node in lan:
            node.start()
        yield lan


def kept(root: Path) -> int:
    """Bytes in the history."""
    versions = root / ".dir_sync/versions"
    return sum(path.stat().st_size for path in versions.rglob("*") if path.is_file())


def inodes(root: Path, folder: str) -> set[int]:
    return {path.stat().st_ino for path in (root / folder).rglob("*") if path.is_file()}


def test_moved_files_keep_their_inodes_and_cost_no_history(lan: Lan) -> None:
    """Into folders that were just made; then the whole tree; then while the other node does not run."""
    a, b = lan[0].dir, lan[1].dir
    for number in range(6):
        write(a / f"moved/camera/{number}.jpg", blob(LARGE if number % 2 else 3_000, number))
    wait_equal(lan.roots, SOON_S, like=survey(a, only="moved"), only="moved")
    before, history = inodes(b, "moved"), kept(b)
    (a / "moved/new/deep").mkdir(parents=True)
    for path in sorted((a / "moved/camera").iterdir()):
        path.rename(a / "moved/new/deep" / path.name)
    wait_equal(lan.roots, SOON_S, like=survey(a, only="moved"), only="moved")
    (a / "moved/again").mkdir()
    (a / "moved/new").rename(a / "moved/again/new")
    (a / "moved/again/new").rename(a / "moved/again/newer")
    wait_equal(lan.roots, SOON_S, like=survey(a, only="moved"), only="moved")
    for node in (lan[1], lan[0]):
        node.stop()
        source = next((a / "moved").glob("*/newe*"))
        (a / f"moved/without {node.name}").mkdir()
        source.rename(a / f"moved/without {node.name}" / source.name)
        node.start()
        wait_equal(lan.roots, SOON_S, like=survey(a, only="moved"), only="moved")
    assert inodes(b, "moved") == before
    assert kept(b) == history


def jetbrains(path: Path, data: bytes) -> None:
    beside, aside = path.with_name(path.name + "___jb_tmp___"), path.with_name(path.name + "___jb_old___")
    beside.write_bytes(data)
    path.rename(aside)
    beside.rename(path)
    aside.unlink()


def emacs(path: Path, data: bytes) -> None:
    path.rename(path.with_name(path.name + "~"))
    path.write_bytes(data)


def keepassxc(path: Path, data: bytes) -> None:
    beside = path.with_name("b7Xq3k")
    beside.write_bytes(data)
    path.unlink()
    beside.rename(path)


@pytest.mark.parametrize("save", [jetbrains, emacs, keepassxc], ids=lambda save: save.__name__)
def test_a_file_is_never_missing_while_an_editor_saves_it(lan: Lan, save: Callable[[Path, bytes], None]) -> None:
    here, there = (node.dir / save.__name__ / "document" for node in lan)
    write(here, blob(3_000, "first"))
    wait_for(lambda: there.exists(), SOON_S, f"{there}")
    missing, done = 0, threading.Event()

    def look() -> None:
        nonlocal missing
        while not done.wait(0.0005):
            missing += not os.path.lexists(there)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for number in range(8):
            data = blob(3_000, number)
            save(here, data)
            wait_for(lambda data=data: there.exists() and there.read_bytes() == data, SOON_S, f"save {number}")
    finally:
        done.set()
        looking.join()
    assert not missing


def test_a_large_file_that_is_written_beside_and_renamed_over_is_a_delta(lan: Lan) -> None:
    """Also when it is renamed and changed at once; the log tells what travelled. No signature does, though each save follows
    the one before at once."""
    a = lan[0].dir / "beside"
    content = blob(LARGE)
    write(a / "disk.img", content)
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir, only="beside"), only="beside")
    for number in range(4):
        at = 1_000_000 * (number + 1)
        before_it = content
        content = content[:at] + blob(10_000, number) + content[at:]
        if number == 3:
            # What is rewritten in place can only be signed before.
            signature = lan[0].signatures / blake3(before_it).hexdigest()
            wait_for(signature.exists, SOON_S, "the last state is signed")
        before = sum(lan.wire_bytes())
        if number < 3:
            (a / "disk.img.tmp").write_bytes(content)
            (a / "disk.img.tmp").rename(a / "disk.img")
        else:
            (a / "disk.img").rename(a / "moved.img")
            (a / "moved.img").write_bytes(content)
        wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir, only="beside"), only="beside")
        if number < 3:
            assert sum(lan.wire_bytes()) - before < 60_000
    sent = [line for line in lan[0].log().splitlines() if "sent beside/" in line]
    # The first time it is sent as a whole; among many others in that second, it has no line of its own.
    assert sum("as a delta" not in line for line in sent) <= 1, sent
    assert sum("as a delta" in line for line in sent) == 4, sent


@pytest.mark.parametrize("beside", ["disk.img.tmp", ".goutputstream-X2Q3Z1", "lu8f2.tmp"])
def test_a_large_save_costs_a_delta_however_late_it_gets_its_true_name(lan: Lan, beside: str) -> None:
    """As on a busy machine: it is found while it is being written, and announced under the name that it has first."""
    a = lan[0].dir / f"late {beside}"
    content = blob(LARGE, beside)
    write(a / "disk.img", content)
    write(a / "notes", blob(100_000))
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir, only=a.name), only=a.name)
    content = content[:1_000_000] + blob(10_000, beside) + content[1_000_000:]
    before = sum(lan.wire_bytes())
    with (a / beside).open("wb") as file:
        file.write(content[:2_000_000])
        file.flush()
        holds(lambda: not (lan[1].dir / a.name / beside).exists(), 1.0, "half of it is not sent")
        file.write(content[2_000_000:])
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir, only=a.name), only=a.name)
    (a / beside).rename(a / "disk.img")
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir, only=a.name), only=a.name)
    assert sum(lan.wire_bytes()) - before < 150_000, "the new bytes, and at most a signature"
