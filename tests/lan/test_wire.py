"""What goes over the wire, as the switch counts it: content that is there already is not sent again."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from .changes import MIB, append, blob, overwrite, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 60.0
KIB = 1 << 10


@pytest.fixture(scope="module")
def running() -> Iterator[Lan]:
    with Lan(2) as lan:
        for at in range(200):
            write(lan[0].dir / f"folder/d{at % 10}/file{at}", blob(50 * KIB, at))
        write(lan[0].dir / "large", blob(16 * MIB))
        lan.start()
        wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir))
        lan.meet("start")
        yield lan


@pytest.fixture
def lan(running: Lan) -> Lan:
    """Two nodes that are equal, with 200 files of 50 KiB and a large one, and nothing to say."""
    wait_equal(running.roots, SOON_S)
    quiet(running)
    return running


def quiet(lan: Lan, for_s: float = 0.5, bytes_a_second: int = 20_000) -> None:
    """Wait until nobody sends more than small talk."""

    def is_quiet() -> bool:
        before = sum(lan.wire_bytes())
        time.sleep(for_s)
        return sum(lan.wire_bytes()) - before < bytes_a_second * for_s

    wait_for(is_quiet, SOON_S, "the wire gets quiet")


@contextmanager
def at_most(lan: Lan, limit: int, what: str) -> Iterator[None]:
    """All nodes together send no more than that, from now until the wire is quiet again."""
    before = sum(lan.wire_bytes())
    yield
    quiet(lan)
    sent = sum(lan.wire_bytes()) - before
    assert sent <= limit, f"{what}: {sent:,} bytes were sent, {limit:,} allowed"


def arrives(lan: Lan, at: Node) -> None:
    wait_equal(lan.roots, SOON_S, like=survey(at.dir))


def test_the_measure_measures(lan: Lan) -> None:
    def send() -> None:
        with at_most(lan, 500 * KIB, "a new file"):
            write(lan[0].dir / "measured", blob(MIB, "measured"))
            arrives(lan, lan[0])

    with pytest.raises(AssertionError, match="bytes were sent"):
        send()


def test_renaming_a_folder_sends_no_content(lan: Lan) -> None:
    """200 files, 10 MB; away, and back by the other node."""
    with at_most(lan, 400 * KIB, "renaming a folder"):
        (lan[0].dir / "folder").rename(lan[0].dir / "renamed")
        arrives(lan, lan[0])
    with at_most(lan, 400 * KIB, "renaming it back"):
        (lan[1].dir / "renamed").rename(lan[1].dir / "folder")
        arrives(lan, lan[1])


def test_moving_a_large_file_sends_no_content(lan: Lan) -> None:
    with at_most(lan, 100 * KIB, "moving a large file"):
        (lan[0].dir / "deep/er").mkdir(parents=True)
        (lan[0].dir / "large").rename(lan[0].dir / "deep/er/moved")
        arrives(lan, lan[0])
    with at_most(lan, 100 * KIB, "moving it back"):
        (lan[1].dir / "deep/er/moved").rename(lan[1].dir / "large")
        arrives(lan, lan[1])


def test_a_rename_while_the_peer_is_away_sends_no_content(lan: Lan) -> None:
    lan[1].stop()
    (lan[0].dir / "folder").rename(lan[0].dir / "while away")
    (lan[0].dir / "large").rename(lan[0].dir / "while away/large")
    with at_most(lan, 500 * KIB, "renaming while the peer was away"):
        lan[1].start()
        arrives(lan, lan[0])
    lan[0].stop()
    (lan[0].dir / "while away/large").rename(lan[0].dir / "large")
    (lan[0].dir / "while away").rename(lan[0].dir / "folder")
    with at_most(lan, 500 * KIB, "renaming while away oneself"):
        lan[0].start()
        arrives(lan, lan[0])


def test_copies_send_no_content(lan: Lan) -> None:
    with at_most(lan, 500 * KIB, "copying a folder and a large file"):
        shutil.copytree(lan[0].dir / "folder", lan[0].dir / "copy")
        shutil.copy(lan[0].dir / "large", lan[0].dir / "large copy")
        arrives(lan, lan[0])
    with at_most(lan, 300 * KIB, "deleting a file, and the copies of 50 files"):
        (lan[0].dir / "large copy").unlink()
        for at in range(5):
            shutil.rmtree(lan[0].dir / f"copy/d{at}")
        arrives(lan, lan[0])


def test_what_was_deleted_comes_back_without_content(lan: Lan) -> None:
    """It is still among the versions of the node that deleted it for us."""
    aside = lan[0].base / "aside"
    (lan[0].dir / "large").rename(aside)
    arrives(lan, lan[0])
    with at_most(lan, 100 * KIB, "bringing a file back"):
        aside.rename(lan[0].dir / "large")
        arrives(lan, lan[0])


def test_touch_chmod_and_equal_bytes_send_no_content(lan: Lan) -> None:
    with at_most(lan, 600 * KIB, "touching, chmod and writing the same again"):
        for path in (lan[0].dir / "folder").rglob("file*"):
            os.utime(path)
        os.utime(lan[0].dir / "large")
        arrives(lan, lan[0])
        for path in (lan[1].dir / "folder").rglob("file*"):
            path.chmod(0o640)
        (lan[1].dir / "large").chmod(0o600)
        arrives(lan, lan[1])
        for path in (lan[0].dir / "folder").rglob("file1*"):
            path.write_bytes(path.read_bytes())
        (lan[0].dir / "large").write_bytes((lan[0].dir / "large").read_bytes())
        arrives(lan, lan[0])


@pytest.mark.parametrize("kind", ["overwrite", "insert", "append", "truncate"])
def test_a_small_edit_of_a_large_file_sends_little(lan: Lan, kind: str) -> None:
    path = lan[0].dir / "large"
    with at_most(lan, 400 * KIB, kind):
        if kind == "overwrite":
            overwrite(path, 8 * MIB, blob(64 * KIB, kind))
        elif kind == "append":
            append(path, blob(KIB, kind))
        elif kind == "truncate":
            os.truncate(path, path.stat().st_size - 2 * MIB)
        else:
            beside = lan[0].base / "beside"
            beside.write_bytes(blob(64 * KIB, kind) + path.read_bytes())
            beside.rename(path)
        arrives(lan, lan[0])


def test_an_edit_while_the_peer_was_away_sends_little(lan: Lan) -> None:
    lan[1].stop()
    overwrite(lan[0].dir / "large", 3 * MIB, blob(10 * KIB, "away"))
    with at_most(lan, 500 * KIB, "an edit while the peer was away"):
        lan[1].start()
        arrives(lan, lan[0])


def test_restarts_send_little(lan: Lan) -> None:
    with at_most(lan, 100 * KIB, "two restarts"):
        for node in lan:
            node.stop()
            node.start()
        lan.meet("again")
    wait_equal(lan.roots, SOON_S)


@pytest.mark.long
def test_at_rest_nothing_happens(new_lan: Callable[..., Lan]) -> None:
    """No traffic but presence and keep-alive, nothing is written to disk, nothing is logged."""
    lan = new_lan(2)
    for at in range(50):
        write(lan[0].dir / f"d{at % 5}/file{at}", blob(5 * KIB, at))
    write(lan[0].dir / "large", blob(3 * MIB))
    lan.start()
    lan.meet("start")
    for node in lan:
        append(node.dir / "large", f"by {node}".encode())
        arrives(lan, node)
    quiet(lan, for_s=2.0, bytes_a_second=1000)

    def disk_is_still() -> bool:
        before = [node.disk_written_bytes() for node in lan]
        time.sleep(1.5)
        return before == [node.disk_written_bytes() for node in lan]

    wait_for(disk_is_still, SOON_S, "nothing is written any more")
    logs = [node.log() for node in lan]
    wire, disk = lan.wire_bytes(), [node.disk_written_bytes() for node in lan]
    begun = time.monotonic()
    holds(lambda: all(node.running for node in lan), 7.0, "rest")
    took = time.monotonic() - begun
    for node, was_wire, was_disk, was_log in zip(lan, wire, disk, logs, strict=True):
        # A beacon of at most 512 bytes (and its headers) every 2.25 s at the quickest, on the broadcast address;
        # a ping or its answer every 10 s; now and then a few bytes of ARP.
        allowed = (took / 2.25 + 1) * (512 + 42) + 2 * 400 + 300
        sent = node.wire_bytes() - was_wire
        assert sent <= allowed, f"{node} sent {sent} bytes in {took:.1f} s of rest"
        assert node.disk_written_bytes() == was_disk, f"{node} writes to disk at rest"
        assert node.log() == was_log


def test_equal_folders_have_little_to_tell(new_lan: Callable[..., Lan]) -> None:
    """First contact of two folders that are equal already: names are exchanged, content is not."""
    lan = new_lan(2)
    for at in range(300):
        write(lan[0].dir / f"d{at % 10}/file{at}", blob(20 * KIB, at))
    shutil.copytree(lan[0].dir, lan[1].dir, dirs_exist_ok=True)
    before = [{path: os.stat(os.path.join(os.fsencode(root), path)) for path in survey(root)} for root in lan.roots]
    with at_most(lan, 300 * KIB, "the first contact of equal folders"):
        lan.start()
        lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    for node, was in zip(lan, before, strict=True):
        for path, info in was.items():
            now = os.stat(os.path.join(os.fsencode(node.dir), path))
            assert now.st_ino == info.st_ino, f"{path!r} was replaced on {node}"
        assert not node.keeps(blob(20 * KIB, 1))


@pytest.mark.long
def test_a_newcomer_gets_one_copy_and_a_change_goes_out_once(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(4)
    size = 12 * MIB
    write(lan[0].dir / "large", blob(size))
    for node in lan.nodes[:3]:
        node.start()
    wait_equal(lan.roots[:3], SOON_S, like=survey(lan[0].dir))
    quiet(lan)
    with at_most(lan, size * 14 // 10, "a newcomer among three"):
        lan[3].start()
        wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir))
        lan.meet("start")
    with at_most(lan, 3 * size * 12 // 10, "a new file for three others"):
        write(lan[1].dir / "new", blob(size, "new"))
        wait_equal(lan.roots, SOON_S, like=survey(lan[1].dir))
    with at_most(lan, 1200 * KIB, "a small edit for three others"):
        overwrite(lan[2].dir / "new", 5 * MIB, blob(10 * KIB, "edit"))
        wait_equal(lan.roots, SOON_S, like=survey(lan[2].dir))


def test_a_large_transfer_does_not_hold_up_a_small_one(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "first", b"1")
    lan.start()
    lan.meet("start")
    a.limit_rate("200mbit")
    size = 40 * MIB
    before = a.wire_bytes()
    write(a.base / "large", blob(size)).rename(a.dir / "large")
    wait_for(lambda: a.wire_bytes() - before > size // 8, SOON_S, "the large one is on its way")
    for turn in range(3):
        write(a.dir / f"small {turn}", b"small")
        write(b.dir / f"other way {turn}", b"small")
        wait_for((b.dir / f"small {turn}").exists, SOON_S, "the small one")
        wait_for((a.dir / f"other way {turn}").exists, SOON_S, "the small one")
        assert not (b.dir / "large").exists(), "the small ones had to wait for the large one"
    wait_equal(lan.roots, SOON_S)
