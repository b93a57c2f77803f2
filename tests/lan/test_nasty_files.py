"""Nasty cases: types, replacement, and how programs write. The numbers are those of tests/nasty/catalogue.py."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from .changes import EXACT_NS, KIB, MIB, append, blob, overwrite, put, set_mtime, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node
from .ledger import EXCHANGE, rename

pytestmark = pytest.mark.lan

SOON_S = 30.0
HEALED_S = 75.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Lan]:
    with Lan(2) as lan:
        lan.start()
        lan.meet("start")
        yield lan


def arrives(lan: Lan, at: Node, folder: str) -> None:
    wait_equal(lan.roots, SOON_S, like=survey(at.dir, only=folder), only=folder)


def apart(lan: Lan) -> None:
    """They do not see each other any more, and both know it."""
    for node in lan:
        node.isolate()
    lan[1].kill()
    lan[1].start()


# --- types and replacement -----------------------------------------------------------------------


def test_types_021_a_file_that_is_mostly_holes(pair: Lan) -> None:
    """New, after a delta in either direction, after a hole was appended and after a rename: the copy has the same holes."""
    path, there = (node.dir / "holes/file" for node in pair)

    def both_take_little_room(node: Node) -> None:
        arrives(pair, node, "holes")
        rooms = [file.stat().st_blocks * 512 for file in (path, there)]
        assert max(rooms) < MIB or not has_holes, rooms

    write(path, b"begin")
    os.truncate(path, 64 * MIB)
    has_holes = path.stat().st_blocks * 512 < MIB  # of this file system: only the test has written so far
    overwrite(path, 10 * MIB, b"middle")
    both_take_little_room(pair[0])
    overwrite(there, 50 * MIB, b"later")
    both_take_little_room(pair[1])
    with there.open("ab") as file:
        file.truncate(80 * MIB)
        file.seek(0, os.SEEK_END)
        file.write(b"the end")
    both_take_little_room(pair[1])
    path.rename(path.with_name("renamed"))
    path, there = path.with_name("renamed"), there.with_name("renamed")
    overwrite(path, 30 * MIB, b"more")
    both_take_little_room(pair[0])
    path.unlink()
    arrives(pair, pair[0], "holes")


def test_types_024_the_folder_is_renamed_where_the_file_is_coming_in(pair: Lan) -> None:
    """It ends up in the folder under its new name, on both; the old name does not come back."""
    a, b = pair
    write(a.dir / "coming/old name/first", b"1")
    arrives(pair, a, "coming")
    a.limit_rate("100mbit")
    before = a.wire_bytes()
    put(a.dir / "coming/old name/large", blob(12 * MIB), EXACT_NS)
    wait_for(lambda: a.wire_bytes() - before > 4 * MIB, SOON_S, "the middle of the transfer")
    (b.dir / "coming/old name").rename(b.dir / "coming/new name")
    assert not (b.dir / "coming/new name/large").exists(), "it was renamed too late"
    wait_for((a.dir / "coming/new name/first").exists, SOON_S, "the new name")
    a.limit_rate(None)
    wait_equal(pair.roots, SOON_S)
    found = [path for path in survey(b.dir, only="coming") if path.endswith(b"/large")]
    assert found, "the file is lost"
    assert (a.dir / "coming/new name/first").read_bytes() == b"1"
    assert not (a.dir / "coming/old name/first").exists()


def test_types_029_two_folders_moved_into_each_other(pair: Lan) -> None:
    """Each node moves one into the other, not knowing of the other's move: no circle, no file is lost."""
    a, b = pair
    for name in ("one", "two"):
        for at in range(3):
            write(a.dir / f"circle/{name}/{at}", f"{name} {at}".encode())
    arrives(pair, a, "circle")
    apart(pair)
    (a.dir / "circle/one").rename(a.dir / "circle/two/one")
    (b.dir / "circle/two").rename(b.dir / "circle/one/two")
    for node in pair:
        node.heal()
    pair.meet("circle", HEALED_S)
    wait_equal(pair.roots, HEALED_S)
    contents = {path.read_bytes() for path in (a.dir / "circle").rglob("*") if path.is_file()}
    for name in ("one", "two"):
        for at in range(3):
            text = f"{name} {at}".encode()
            assert text in contents or any(node.keeps(text) for node in pair), f"{text!r} is lost"


def test_types_035_extended_attributes_stay_where_they_are(pair: Lan) -> None:
    path = write(pair[0].dir / "attributes/file", b"1")
    try:
        os.setxattr(path, "user.colour", b"red")
    except OSError:
        pytest.skip("no extended attributes here")
    arrives(pair, pair[0], "attributes")
    there = pair[1].dir / "attributes/file"
    assert os.listxattr(there) == []
    os.setxattr(there, "user.colour", b"blue")
    append(there, b"2")
    arrives(pair, pair[1], "attributes")
    assert os.getxattr(path, "user.colour") == b"red", "what the replaced file had is kept"
    append(path, b"3")
    arrives(pair, pair[0], "attributes")
    assert os.getxattr(there, "user.colour") == b"blue"


def test_types_142_a_file_and_a_folder_change_places_at_once(pair: Lan) -> None:
    """One system call: there is no moment in between."""
    a, b = pair
    write(a.dir / "places/file", b"was a file")
    for at in range(5):
        write(a.dir / f"places/folder/deep/{at}", b"in the folder")
    arrives(pair, a, "places")
    for node in (b, a, b):
        rename(node.dir / "places/file", node.dir / "places/folder", EXCHANGE)
        arrives(pair, node, "places")
    assert (a.dir / "places/folder").read_bytes() == b"was a file"


ORDINARY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown", "--inh-caps=-all")


def test_types_156_read_only_folders_of_an_ordinary_user() -> None:
    """As in Go's module cache: nodes that may not do what the mode of a folder forbids its owner."""
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv here")
    with Lan(2) as lan:
        a, b = lan

        def do(node: Node, script: str) -> None:
            subprocess.run([*ORDINARY, "sh", "-ec", script], cwd=node.dir, check=True)

        def follows(script: str) -> None:
            do(a, script)
            wait_equal(lan.roots, SOON_S, like=survey(a.dir))

        do(a, "mkdir -p ro/sub; echo 1 > ro/f; echo 2 > ro/sub/g; chmod 555 ro/sub ro")
        for node in lan:
            node.launch([*ORDINARY, sys.executable, node.main, node.dir, "-s", node.signatures])
        lan.meet("start")
        wait_equal(lan.roots, SOON_S, like=survey(a.dir))
        follows("mkdir -p tree/sub; echo 1 > tree/sub/f; chmod 555 tree/sub; cp -a tree copy")
        follows("mkdir x; echo 1 > x/f; echo 2 > x/g; chmod 555 x; mkdir closed; echo 1 > closed/f; chmod 311 closed")
        follows("chmod u+w x; echo new > x/h; echo newer > x/f; chmod u-w x")
        follows("chmod 755 tree/sub; rm tree/sub/f; chmod 555 tree/sub")
        follows("chmod -R u+w copy; rm -rf copy")
        follows("mv x y; chmod u+w y; mv y ro2; chmod u-w ro2; chmod u+w ro ro/sub; mv ro/sub .; chmod u-w ro sub")
        follows("chmod u+w ro; rm -r ro/f; mkdir ro/f; echo 1 > ro/f/in; chmod 555 ro/f ro")
        follows("chmod u+w ro ro/f; rm -r ro/f; echo 2 > ro/f; chmod 555 ro")
        assert "permissions" not in a.log(), "a folder that was opened for the moment is nobody's change"
        assert "warning" not in b.log()
        assert not [name for name in os.listdir(b.dir / ".dir_sync") if name.startswith("opened-")]
        follows("chmod -R u+rwX .")
        for node in lan:
            node.stop()


# --- how programs write --------------------------------------------------------------------------


def test_programs_044_written_through_a_mapping(pair: Lan) -> None:
    """No event tells of it; the next look at everything does (here: that of a start)."""
    a, _ = pair
    path = write(a.dir / "mapped/file", bytes(64 * KIB))
    arrives(pair, a, "mapped")
    before = path.stat().st_mtime_ns
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[1000:1010] = b"by mapping"
        mapped.flush()
    if path.stat().st_mtime_ns == before:
        pytest.skip("this file system does not note writes through a mapping")
    a.stop()
    a.start()
    arrives(pair, a, "mapped")
    assert (pair[1].dir / "mapped/file").read_bytes()[1000:1010] == b"by mapping"


def test_programs_045_truncated_and_written_while_it_is_read(pair: Lan) -> None:
    """A thousand times in place: what is seen elsewhere was there at some moment: nothing, or one text, whole."""
    a, b = pair
    path = write(a.dir / "in place/file", b"first " * 400)
    arrives(pair, a, "in place")
    there, wrong, over = b.dir / "in place/file", [], threading.Event()

    def read() -> None:
        while not over.wait(0.002):
            words = there.read_bytes().split()
            if len(set(words)) > 1 or len(words) not in (0, 400):
                wrong.append(words)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(1000):
            handle = os.open(path, os.O_WRONLY | os.O_TRUNC)
            os.write(handle, b"%05d " % turn * 400)
            os.close(handle)
            over.wait(0.001)
        arrives(pair, a, "in place")
    finally:
        over.set()
        reader.join()
    assert not wrong, f"{len(wrong)} looks, such as {wrong[0][:3]} ... {wrong[0][-3:]}"


def test_programs_047_other_bytes_of_the_same_size_and_time(pair: Lan) -> None:
    """The mtime is set back to the nanosecond; live, and while the daemon is down."""
    a, b = pair
    put(a.dir / "same/file", b"one", EXACT_NS)
    put(a.dir / "same/large", blob(2 * MIB, 1), EXACT_NS)
    arrives(pair, a, "same")
    for node, text in ((a, b"two"), (b, b"six")):
        overwrite(node.dir / "same/file", 0, text)
        set_mtime(node.dir / "same/file", EXACT_NS)
        overwrite(node.dir / "same/large", MIB, text)
        set_mtime(node.dir / "same/large", EXACT_NS)
        arrives(pair, node, "same")
    a.stop()
    overwrite(a.dir / "same/file", 0, b"ten")
    set_mtime(a.dir / "same/file", EXACT_NS)
    overwrite(a.dir / "same/large", MIB, b"ten")
    set_mtime(a.dir / "same/large", EXACT_NS)
    a.start()
    arrives(pair, a, "same")
    assert (b.dir / "same/file").read_bytes() == b"ten"


def test_programs_143_made_without_a_name_and_linked_when_complete(pair: Lan) -> None:
    """O_TMPFILE, then linkat: the file is never opened, written or closed under its name."""
    folder = pair[0].dir / "nameless"
    write(folder / "first", b"1")
    arrives(pair, pair[0], "nameless")
    try:
        handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o640)
    except OSError:
        pytest.skip("no files without a name here")
    os.write(handle, b"complete")
    there = os.open(folder, os.O_PATH)
    os.link(f"/proc/self/fd/{handle}", "file", dst_dir_fd=there, follow_symlinks=True)
    os.close(there)
    os.close(handle)
    arrives(pair, pair[0], "nameless")
    assert (pair[1].dir / "nameless/file").read_bytes() == b"complete"


def test_programs_144_holes_punched_and_ranges_taken_out(pair: Lan) -> None:
    """fallocate: content changes, or moves, without a single write."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    path = write(pair[0].dir / "ranges/file", blob(MIB))
    arrives(pair, pair[0], "ranges")
    done = 0
    for mode in (0x3, 0x8, 0x20):  # punch a hole of the same size, collapse, insert
        with path.open("r+b") as file:
            done += libc.fallocate(file.fileno(), mode, 128 * KIB, 64 * KIB) == 0
        arrives(pair, pair[0], "ranges")
    if not done:
        pytest.skip("this file system knows none of it")


def test_programs_145_kept_open_and_cut_short(pair: Lan) -> None:
    """Nobody ever closes it: the last state arrives all the same."""
    path = write(pair[0].dir / "open/file", blob(300_000))
    arrives(pair, pair[0], "open")
    with path.open("r+b", buffering=0) as file:
        for size in (100_000, 0, 700):  # it waits some seconds for a close each time
            file.truncate(size)
            arrives(pair, pair[0], "open")
        file.seek(100)
        file.write(b"more")
        arrives(pair, pair[0], "open")


def test_programs_146_moved_out_and_another_moved_in(pair: Lan) -> None:
    """From other folders of the same disk, old mtimes and all, again and again under the same names."""
    a, b = pair
    for turn in range(6):
        node = pair[turn % 2]
        tree = node.base / "coming"
        for at in range(8):
            put_beside(tree / f"{at}", f"{turn} {at}".encode(), EXACT_NS - turn)
        if (node.dir / "in and out").exists():
            (node.dir / "in and out").rename(node.base / f"gone {turn}")
        tree.rename(node.dir / "in and out")
        arrives(pair, node, "in and out")
    assert (a.dir / "in and out/7").read_bytes() == (b.dir / "in and out/7").read_bytes() == b"5 7"


def put_beside(path: Path, content: bytes, mtime_ns: int) -> None:
    write(path, content)
    set_mtime(path, mtime_ns)


def test_programs_147_a_pipeline_that_ends_in_the_folder(pair: Lan) -> None:
    """Shell redirection, tee, dd with and without truncation, cp and mv over what is there."""
    folder = pair[1].dir / "shell"
    write(folder / "a", b"old\n" * 1000)
    arrives(pair, pair[1], "shell")
    script = """
    seq 1 20000 | tee b > c; dd if=b of=a conv=notrunc bs=1k count=3 2>/dev/null; cp -f c d; mv -f d a
    for i in 1 2 3 4 5; do echo $i >> e; ln -sf e f; done; : > b; cat a >> b; truncate -s 10 c
    mkdir -p x/y/z; touch x/y/z/1; cp -a x w; rm -r x; mv w x; install -m 600 a x/y/z/2; split -l 5000 a x/part
    """
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True)
    arrives(pair, pair[1], "shell")
    holds(lambda: (pair[0].dir / "shell/e").read_bytes() == b"1\n2\n3\n4\n5\n", 0.3, "the last line is the last")


@pytest.mark.patient
@pytest.mark.xfail(reason="now and then the other name is seen at the next look at everything only", strict=False)
def test_types_153_linked_again_and_again_while_it_grows(pair: Lan) -> None:
    """Each line goes through one name, the other is linked to it anew each time."""
    for turn in range(10):
        folder = pair[1].dir / f"linked {turn}"
        folder.mkdir()
        script = "for i in 1 2 3 4 5; do echo $i >> e; ln -f e g; done"
        subprocess.run(["sh", "-ec", script], cwd=folder, check=True)
        arrives(pair, pair[1], f"linked {turn}")


def test_types_154_edited_by_one_of_its_names(pair: Lan) -> None:
    """Three names of one file, in two folders: an edit by one of them is seen under all, at the other node, too."""
    a, b = pair
    write(a.dir / "one", b"first")
    (a.dir / "folder").mkdir()
    os.link(a.dir / "one", a.dir / "two")
    os.link(a.dir / "one", a.dir / "folder" / "three")
    wait_equal(pair.roots, SOON_S, like=survey(a.dir))
    for number, name in enumerate(("one", "folder/three", "two")):
        append(a.dir / name, b" and %d" % number)
        wait_equal(pair.roots, SOON_S, like=survey(a.dir))
    (a.dir / "two").chmod(0o600)
    wait_equal(pair.roots, SOON_S, like=survey(a.dir))
    assert (b.dir / "one").read_bytes() == b"first and 0 and 1 and 2"


def test_types_155_times_of_folders_in_which_much_is_done(pair: Lan) -> None:
    """Files come, go and get other names: at rest each folder has the time of the last of it, on both sides."""
    a, b = pair
    rng = Random(5)
    folders = [a.dir / f"folder {number}" for number in range(12)]
    for folder in folders:
        folder.mkdir()
    for number in range(240):
        folder = rng.choice(folders)
        write(folder / f"file {number}", b"%d" % number)
        (folder / f"file {number}").rename(folder / f"renamed {number}")
        if number % 3 == 0:
            (folder / f"renamed {number}").unlink()
    for folder in folders:
        write(folder / "passing", b"by").unlink()
    wait_equal(pair.roots, SOON_S)

    def off() -> list[str]:
        return [path.name for path in folders if path.stat().st_mtime_ns != (b.dir / path.name).stat().st_mtime_ns]

    wait_for(lambda: not off(), SOON_S, "the times of folders")
