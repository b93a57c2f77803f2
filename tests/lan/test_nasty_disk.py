"""Nasty cases: disks that fill up, go read-only, lose events. The numbers are those of tests/nasty/catalogue.py."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .changes import MIB, append, blob, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node, make_immutable

pytestmark = pytest.mark.lan

SOON_S = 60.0


def mount(where: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", where]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")


@pytest.fixture
def on_a_disk(new_lan: Callable[..., Lan]) -> Iterator[Callable[[str], Lan]]:
    """Two nodes; the second one's folder is a small disk of its own."""
    mounted: list[Node] = []

    def make(options: str) -> Lan:
        lan = new_lan(2)
        mount(lan[1].dir, options)
        mounted.append(lan[1])
        write(lan[0].dir / "first", b"1")
        lan.start()
        lan.meet("start")
        return lan

    yield make
    for node in mounted:
        node.kill()
        subprocess.run(["umount", "-l", node.dir], check=True)


def test_disk_052_no_room_is_left(on_a_disk: Callable[[str], Lan]) -> None:
    """What does not fit waits, the old version stays, small files go on; with room again the rest comes by itself."""
    lan = on_a_disk("size=24m")
    a, b = lan
    write(a.dir / "large", blob(3 * MIB, "old"))
    wait_equal(lan.roots, SOON_S)
    write(b.dir / ".dir_sync" / "hog", bytes(12 * MIB))
    write(a.dir / "large", blob(20 * MIB, "new"))
    write(a.dir / "small", b"small")
    wait_for((b.dir / "small").exists, SOON_S, "the small one")
    holds(lambda: (b.dir / "large").read_bytes() == blob(3 * MIB, "old"), 1.0, "the old version stays")
    wait_for(lambda: "large (no room on the disk" in b.log(), SOON_S, "it is said")
    assert "large waits, and is tried again: no room on the disk" in b.run_to_end("status", b.dir).out
    b.must_run()
    append(b.dir / "small", b" edited")
    wait_for(lambda: (a.dir / "small").read_bytes() == b"small edited", SOON_S, "an edit on the full disk")
    (b.dir / ".dir_sync" / "hog").unlink()
    write(a.dir / "large", blob(10 * MIB, "new"))
    wait_equal(lan.roots, 90)
    assert (b.dir / "large").read_bytes() == blob(10 * MIB, "new")


def test_disk_052_no_room_is_left_even_for_the_index(on_a_disk: Callable[[str], Lan]) -> None:
    """A user fills the disk to its last byte: the node pauses, says so, and goes on by itself when there is room."""
    lan = on_a_disk("size=6m")
    a, b = lan
    for at in range(40):
        write(a.dir / f"old{at}", b"%d" % at)
    wait_equal(lan.roots, SOON_S)
    with open(b.dir / ".dir_sync" / "hog", "wb", buffering=0) as hog:
        try:
            while hog.write(bytes(4096)):
                pass
        except OSError:
            pass  # now it is full
    for at in range(60):
        write(a.dir / f"new{at}", b"%d" % at)
    write(a.dir / "first", b"changed")
    (a.dir / "old7").unlink()
    (a.dir / "old8").rename(a.dir / "renamed")
    wait_for(lambda: "paused: the index of" in b.log(), SOON_S, "it pauses")
    holds(lambda: b.running, 3.0, "it does not end")
    b.stop()
    b.start()
    wait_for(lambda: "paused: the index of" in b.log(this_run=True), SOON_S, "it does not end at the start either")
    ended = b.run_to_end("status", b.dir)
    assert ended.code == 1
    assert "is paused" in ended.errors[0]
    (b.dir / ".dir_sync" / "hog").unlink()
    wait_equal(lan.roots, 60)
    assert "there is room again" in b.log()


def test_disk_053_no_inodes_are_left(on_a_disk: Callable[[str], Lan]) -> None:
    """What finds none waits, edits of what is there go on; with some free again the rest comes by itself."""
    lan = on_a_disk("size=64m,nr_inodes=200")
    a, b = lan
    hog = b.dir / ".dir_sync" / "hog"
    for at in range(100):
        write(hog / f"{at}", b"")
    for at in range(120):
        write(a.dir / f"many/{at}", b"%d" % at)
    wait_for(lambda: "no room on the disk" in b.log(), SOON_S, "it is said")
    append(b.dir / "first", b" edited")
    wait_for(lambda: (a.dir / "first").read_bytes() == b"1 edited", SOON_S, "an edit on the full disk")
    shutil.rmtree(hog)
    wait_equal(lan.roots, 90)
    assert len(list((b.dir / "many").iterdir())) == 120


def test_disk_060_what_cannot_be_written_for_a_while(new_lan: Callable[..., Lan]) -> None:
    """A file and a folder that the file system will not have changed: all else goes on, and they follow when it will."""
    lan = new_lan(2)
    a, b = lan
    for name in ("folder/edited", "folder/deleted", "frozen file"):
        write(a.dir / name, b"old")
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    frozen = [b.dir / "frozen file", b.dir / "folder"]
    if why := make_immutable(*frozen):
        pytest.skip(why)
    try:
        write(a.dir / "frozen file", b"new")
        write(a.dir / "folder/edited", b"new")
        write(a.dir / "folder/made", b"new")
        (a.dir / "folder/deleted").unlink()
        write(a.dir / "beside", b"new")
        wait_for((b.dir / "beside").exists, SOON_S, "all else")
        holds(lambda: (b.dir / "frozen file").read_bytes() == b"old" and b.running, 1.0, "it is as it was")
        assert sorted(os.listdir(b.dir / "folder")) == ["deleted", "edited"]
    finally:
        subprocess.run(["chattr", "-i", *frozen], check=True)
    wait_equal(lan.roots, 90, like=survey(a.dir))
    assert (b.dir / "frozen file").read_bytes() == b"new"


def test_disk_062_everything_is_deleted_by_its_user(new_lan: Callable[..., Lan]) -> None:
    """rm -rf, seen live, of what is not so much that somebody should be asked: it spreads, and can be brought back there."""
    lan = new_lan(2)
    a, b = lan
    contents = {f"tree/{at % 7}/{at}": blob(200, at) for at in range(80)}
    for name, content in contents.items():
        write(a.dir / name, content)
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    subprocess.run(["sh", "-c", "rm -rf ./*"], cwd=a.dir, check=True)
    wait_for(lambda: not survey(b.dir), SOON_S, "it is gone there, too")
    assert "HELD" not in a.log()
    assert not survey(a.dir)
    ended = b.run_to_end("restore", b.dir, "tree")
    assert ended.code == 0, ended.err
    wait_for(lambda: len(list(a.dir.rglob("*"))) >= len(contents), SOON_S, "it comes back")
    wait_equal(lan.roots, SOON_S)
    assert {name: (a.dir / name).read_bytes() for name in contents} == contents


def test_disk_065_more_events_than_the_kernel_keeps(new_lan: Callable[..., Lan]) -> None:
    """The daemon sleeps while 20,000 changes are made; the last of them is told by no event."""
    lan = new_lan(2)
    a, _ = lan
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if kept > 50_000:
        pytest.skip(f"the kernel keeps {kept} events")
    for name in ("one", "other", "folder/deep/file"):
        write(a.dir / name, b"1")
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    a.send_signal(signal.SIGSTOP)
    try:
        for at in range(kept // 2 + 1000):
            for name in ("one", "other"):  # two in turn: equal events in a row would be one
                os.chmod(a.dir / name, 0o600 + at % 2 * 0o44)
        write(a.dir / "unheard", b"of")
        append(a.dir / "folder/deep/file", b" edited")
        (a.dir / "other").unlink()
        (a.dir / "folder").rename(a.dir / "renamed")
        write(a.dir / "made/of/late", b"new")
    finally:
        a.send_signal(signal.SIGCONT)
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))


@pytest.mark.patient
def test_disk_066_no_folder_can_be_watched(new_lan: Callable[..., Lan]) -> None:
    """The kernel gives no watch: it is said, and what changes is found by looking."""
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("strace is not installed")
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "folder/file", b"1")
    command = ("-f", "-qq", "-o", "/dev/null", "-e", "trace=inotify_add_watch")
    failing = ("-e", "inject=inotify_add_watch:error=ENOSPC")
    with subprocess.Popen(
        a.within(strace, *command, *failing, sys.executable, a.main, a.dir, "-s", a.signatures),
        env=a.environment(),
        cwd=a.base,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as daemon:
        try:
            b.start()
            wait_for((b.dir / "folder/file").exists, SOON_S, "it works")
            append(a.dir / "folder/file", b" edited")
            write(a.dir / "folder/new", b"1")
            wait_equal([b.dir, a.dir], 90, like=survey(a.dir))
        finally:
            daemon.terminate()
            output = daemon.communicate(timeout=30)[0]
    assert b"cannot be watched" in output
