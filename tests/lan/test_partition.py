"""Nodes that cannot reach each other for a while, or never: they agree again, and nobody's work is lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from .changes import append, blob, put, remove, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan

pytestmark = pytest.mark.lan

SOON_S = 30.0
HEALED_S = 75.0  # a link may be half open for 30 s before it is given up, and then dialled again
OLD_NS = 1_600_000_000 * 10**9


def running(new_lan: Callable[..., Lan], count: int, files: dict[str, bytes]) -> Lan:
    lan = new_lan(count)
    for name, content in files.items():
        put(lan[0].dir / name, content, OLD_NS)
    lan.start()
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir))
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    return lan


@pytest.mark.long
def test_a_partition_and_its_end(new_lan: Callable[..., Lan]) -> None:
    """One node on one side, two on the other; every kind of quarrel between the sides."""
    names = [
        *("plain a", "plain b", "both edit", "a deletes, b edits", "a edits, b deletes", "both delete"),
        *("a renames, b edits", "both rename", "a deletes the folder, b adds/old", "both write the same"),
        *("a makes a folder, b edits", "a chmods, b edits", "folder to link/file"),
    ]
    lan = running(new_lan, 3, {name: f"old {name}".encode() for name in names})
    a, b, c = lan
    outside = a.base / "outside"
    write(outside / "file", b"canary")
    before = survey(outside)
    a.isolate()
    alone = survey(b.dir)

    write(a.dir / "plain a", b"edited by a")
    write(a.dir / "new a/file", b"made by a")
    put(a.dir / "both edit", b"the earlier edit", OLD_NS + 1_000)
    (a.dir / "a deletes, b edits").unlink()
    write(a.dir / "a edits, b deletes", b"edited by a, lives")
    (a.dir / "both delete").unlink()
    (a.dir / "a renames, b edits").rename(a.dir / "renamed by a")
    (a.dir / "both rename").rename(a.dir / "renamed to a")
    remove(a.dir / "a deletes the folder, b adds")
    put(a.dir / "both write the same", b"the same", OLD_NS + 5_000)
    remove(a.dir / "a makes a folder, b edits")
    write(a.dir / "a makes a folder, b edits/child", b"a child")
    (a.dir / "a chmods, b edits").chmod(0o600)
    remove(a.dir / "folder to link")
    os.symlink(outside, a.dir / "folder to link")
    put(a.dir / "both make", b"the later one", OLD_NS + 3_000)

    write(b.dir / "plain b", b"edited by b")
    write(b.dir / "new b/file", b"made by b")
    put(b.dir / "both edit", b"the later edit", OLD_NS + 2_000)
    write(b.dir / "a deletes, b edits", b"edited by b, lives")
    (b.dir / "a edits, b deletes").unlink()
    (b.dir / "both delete").unlink()
    write(b.dir / "a renames, b edits", b"edited by b under the old name")
    (b.dir / "both rename").rename(b.dir / "renamed to b")
    write(b.dir / "a deletes the folder, b adds/new", b"made by b, lives")
    put(b.dir / "both write the same", b"the same", OLD_NS + 5_000)
    write(b.dir / "a makes a folder, b edits", b"edited by b, a file still")
    write(b.dir / "a chmods, b edits", b"edited by b")
    write(b.dir / "folder to link/file", b"edited by b inside a folder")
    put(b.dir / "both make", b"the earlier one", OLD_NS + 2_000)

    at_a = survey(a.dir)
    wait_equal([b.dir, c.dir], SOON_S, like=survey(b.dir))
    assert survey(b.dir) != alone
    holds(lambda: survey(a.dir) == at_a, 1.0, "the partition is one")
    append(c.dir / "plain b", b" and c")
    wait_equal([b.dir, c.dir], SOON_S, like=survey(c.dir))
    assert survey(a.dir) == at_a

    a.heal()
    wait_equal(lan.roots, HEALED_S)
    lan.meet("healed")
    final = wait_equal(lan.roots, HEALED_S)

    def text(name: str) -> bytes:
        return (a.dir / name).read_bytes()

    assert text("plain a") == b"edited by a"
    assert text("plain b") == b"edited by b and c"
    assert text("new a/file") == b"made by a"
    assert text("new b/file") == b"made by b"
    assert text("both edit") == b"the later edit"
    assert text("both make") == b"the later one"
    assert a.keeps(b"the earlier edit")
    assert b.keeps(b"the earlier one") or c.keeps(b"the earlier one")
    assert text("a deletes, b edits") == b"edited by b, lives"
    assert text("a edits, b deletes") == b"edited by a, lives"
    assert b"both delete" not in final
    assert b"edited by b under the old name" in {
        text(name) for name in ("renamed by a", "a renames, b edits") if name.encode() in final
    }
    renamed = [name for name in ("renamed to a", "renamed to b") if name.encode() in final]
    assert renamed
    assert all(text(name) == b"old both rename" for name in renamed)
    assert text("a deletes the folder, b adds/new") == b"made by b, lives"
    assert not any(node.keeps(b"the same") for node in lan)
    assert text("a makes a folder, b edits/child") == b"a child"
    lost = b"edited by b, a file still"
    assert b.keeps(lost)
    assert text("a chmods, b edits") == b"edited by b"
    kept = b"edited by b inside a folder"
    assert any(node.keeps(kept) for node in lan) or text("folder to link/file") == kept
    assert survey(outside) == before, "written through a link"


def test_a_cable_that_is_pulled_and_plugged_in_again(new_lan: Callable[..., Lan]) -> None:
    lan = running(new_lan, 2, {"file": b"0"})
    a, b = lan
    for turn in range(2):
        a.unplug()
        write(a.dir / f"a {turn}", blob(100_000, turn))
        write(b.dir / f"b {turn}", blob(100_000, turn))
        write((a if turn else b).dir / "file", f"turn {turn}".encode())
        holds(lambda turn=turn: not (a.dir / f"b {turn}").exists(), 0.5, "the cable is out")
        a.heal()
        lan.meet(f"turn {turn}", HEALED_S)
        final = wait_equal(lan.roots, HEALED_S)
        assert {f"{who} {turn}".encode() for who in "ab"} <= final.keys()
        assert (a.dir / "file").read_text() == f"turn {turn}"


@pytest.mark.long
def test_a_link_that_flaps_under_load(new_lan: Callable[..., Lan]) -> None:
    lan = running(new_lan, 2, {"file": b"0"})
    a, b = lan
    done = threading.Event()

    def work() -> None:
        turn = 0
        while not done.wait(0.01):
            turn += 1
            write(a.dir / f"a/{turn % 50}", blob(20_000, turn))
            write(b.dir / f"b/{turn % 50}", blob(20_000, turn))
            write(lan[turn % 2].dir / "file", f"{turn}".encode())

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for turn in range(6):
            seen = len(survey(b.dir, contents=False))
            wait_for(lambda seen=seen: len(survey(b.dir, contents=False)) >= min(seen + 5, 100), 10, "work goes on")
            a.isolate() if turn % 2 else lan.cut(a, b)
            holds(lambda: a.running and b.running, 0.7, "both live on")
            a.heal()
    finally:
        done.set()
        worker.join()
    lan.meet("quiet", HEALED_S)
    wait_equal(lan.roots, HEALED_S)


@pytest.mark.long
def test_a_mesh_that_is_not_full(new_lan: Callable[..., Lan]) -> None:
    """a - b - c: a and c never reach each other. Content crosses each link once, whoever it comes from."""
    lan = new_lan(3)
    a, b, c = lan
    lan.cut(a, c)
    for node in lan:
        write(node.dir / f"from {node}", f"by {node}".encode())
        write(node.dir / "contested", f"by {node}".encode())
    lan.start()
    names = {f"from {node}".encode() for node in lan}
    wait_for(lambda: all(names <= survey(node.dir).keys() for node in lan), SOON_S, "all files are everywhere")
    wait_equal(lan.roots, SOON_S)
    lan.meet("line")
    wait_equal(lan.roots, SOON_S)  # a file may have been seen empty, just before it was written

    size = 20 << 20
    before = lan.wire_bytes()
    write(a.dir / "big from a", blob(size))
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    sent = [now - was for was, now in zip(before, lan.wire_bytes(), strict=True)]
    assert 0.9 * size < sent[0] < 1.5 * size, sent
    assert 0.9 * size < sent[1] < 1.5 * size, sent
    assert sent[2] < 0.1 * size, sent

    append(c.dir / "big from a", b"edited by c")
    write(c.dir / "tree/deep/file", b"1")
    wait_equal(lan.roots, SOON_S, like=survey(c.dir))
    (a.dir / "tree").rename(a.dir / "tree2")
    (a.dir / "from n2").unlink()
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    for turn in range(6):
        write((a if turn % 2 else c).dir / "contested", f"turn {turn}".encode())
        wait_equal(lan.roots, SOON_S)
    assert (b.dir / "contested").read_bytes() == b"turn 5"

    # The one in the middle goes; the outer two work on; it comes back.
    b.stop()
    write(a.dir / "while b was away", b"a")
    append(c.dir / "from n0", b"edited by c")
    b.start()
    lan.meet("again", HEALED_S)
    final = wait_equal(lan.roots, SOON_S)
    assert b"while b was away" in final
    assert (a.dir / "from n0").read_bytes() == b"by n0edited by c"

    # Another line: c - a - b.
    lan.cut(b, c)
    lan.join(a, c)
    write(b.dir / "another line", b"b")
    wait_equal(lan.roots, HEALED_S, like=survey(b.dir))
    lan.join(b, c)
    lan.meet("full", HEALED_S)
    wait_equal(lan.roots, SOON_S)


def test_a_ring_of_five(new_lan: Callable[..., Lan]) -> None:
    """Each reaches two others only."""
    lan = new_lan(5)
    for one in lan:
        for other in lan:
            if one.index < other.index and (other.index - one.index) % 5 not in (1, 4):
                lan.cut(one, other)
    for node in lan:
        write(node.dir / f"from {node}", blob(100_000, node.index))
    lan.start()
    lan.meet("ring", HEALED_S)
    wait_equal(lan.roots, SOON_S)
    for node in lan:
        append(node.dir / "from n0", f"edited by {node}".encode())
        wait_equal(lan.roots, SOON_S, like=survey(node.dir))
