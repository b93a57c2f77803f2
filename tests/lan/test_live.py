"""Everything people and programs do to a folder, while three nodes watch it."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .changes import CHANGES, SECOND_NS, Change, append, blob, overwrite, remove, set_mtime, swap, write
from .checker import differences, holds, sha256_of, survey, wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 30.0
ODD_MACHINES: list[dict[str, str]] = [
    {},
    {"TZ": "America/New_York"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Asia/Kolkata"},
]


def start(lan: Lan) -> None:
    for node, env in zip(lan, ODD_MACHINES, strict=True):
        node.start(env=env)


@pytest.fixture(scope="module")
def running() -> Iterator[Lan]:
    with Lan(3) as lan:
        start(lan)
        yield lan


@pytest.fixture
def lan(running: Lan) -> Lan:
    """Three nodes that run and are equal; made anew if an earlier test has left them otherwise."""
    try:
        assert all(node.running for node in running)
        wait_equal(running.roots, 10, contents=False)
    except AssertionError:
        running.reset()
        start(running)
    return running


def arrives(lan: Lan, at: Node, folder: str) -> None:
    """`folder`, as it is on that node now, gets equal to it on all nodes, and is not changed there."""
    wait_equal(lan.roots, SOON_S, like=survey(at.dir, only=folder), only=folder)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_arrives(lan: Lan, change: Change) -> None:
    """The scene is set on one node, changed on the next: each of the three has its turn."""
    turn = CHANGES.index(change)
    maker, changer = lan[turn % 3], lan[(turn + 1) % 3]
    (maker.dir / change.name).mkdir()
    change.before(maker.dir / change.name)
    arrives(lan, maker, change.name)
    change.change(changer.dir / change.name)
    arrives(lan, changer, change.name)


def test_an_edit_right_after_the_first_one_arrived(lan: Lan) -> None:
    """Equal in size, and maybe in the tick of the clock."""
    for turn in range(20):
        at, other = lan[turn % 2], lan[1 - turn % 2]
        for text in (f"a{turn:03}", f"b{turn:03}"):
            write(at.dir / "fast/file", text.encode())
            there = other.dir / "fast/file"
            wait_for(
                lambda there=there, text=text: there.exists() and there.read_text() == text,
                SOON_S,
                f"{text} on {other}",
            )
    arrives(lan, lan[1], "fast")


def test_each_node_in_turn_edits_what_it_has_just_got(lan: Lan) -> None:
    lines: list[str] = []
    for turn in range(12):
        at = lan[turn % 3]
        lines.append(f"{turn} by {at}\n")
        append(write_nothing(at.dir / "turns/file"), lines[-1].encode())
        arrives(lan, at, "turns")
    assert (lan[0].dir / "turns/file").read_text() == "".join(lines)


def write_nothing(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def test_written_on_all_nodes_at_once(lan: Lan) -> None:
    """One of them wins on all nodes; the others are kept where they were written."""
    write(lan[0].dir / "at once/file", b"in the beginning")
    arrives(lan, lan[0], "at once")
    for turn in range(5):
        texts = [f"turn {turn}, written by {node}".encode() for node in lan]
        for node, text in zip(lan, texts, strict=True):
            (node.dir / "at once/file").write_bytes(text)
        wait_equal(lan.roots, SOON_S, only="at once")
        winner = (lan[0].dir / "at once/file").read_bytes()
        assert winner in texts
        for node, text in zip(lan, texts, strict=True):
            assert text == winner or node.keeps(text), f"{text!r} is lost"


def test_three_writers_storm_one_file(lan: Lan) -> None:
    """No writer ever sees a torn file, and when they rest all nodes agree; the last words are not lost."""
    torn: list[bytes] = []
    write(lan[0].dir / "storm/file", b"in the beginning\n" * 3)
    arrives(lan, lan[0], "storm")

    def storm(node: Node) -> None:
        for turn in range(40):
            seen = (node.dir / "storm/file").read_bytes()
            if len(set(seen.splitlines())) != 1:
                torn.append(seen)
            beside = node.base / "storm"
            beside.write_bytes(f"{turn} by {node}\n".encode() * 3)
            beside.rename(node.dir / "storm/file")
            pause.wait(0.02)

    pause = threading.Event()
    writers = [threading.Thread(target=storm, args=(node,)) for node in lan]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    wait_equal(lan.roots, SOON_S, only="storm")
    assert torn == []
    winner = (lan[0].dir / "storm/file").read_bytes()
    for node in lan:
        last = f"39 by {node}\n".encode() * 3
        assert last == winner or node.keeps(last), f"the last edit of {node} is lost"


def test_links_are_never_followed(lan: Lan) -> None:
    """What links point to, outside, is neither read, nor sent, nor changed."""
    outside = [node.base / "outside" for node in lan]
    for folder in outside:
        write(folder / "canary", b"alive")
        write(folder / "folder/canary", b"alive too")
    before = [(survey(folder), (folder / "canary").stat()) for folder in outside]
    here = lan[0].dir / "links"
    write(here / "was a folder/canary", b"inside")
    write(here / "was a file", b"inside")
    arrives(lan, lan[0], "links")
    remove(here / "was a folder")
    remove(here / "was a file")
    for target, name in ((outside[0], "was a folder"), (outside[0] / "canary", "was a file")):
        os.symlink(target, here / name)
    for at, folder in enumerate(outside):
        os.symlink(folder, here / f"absolute {at}")
    os.symlink("../../outside", here / "relative")
    arrives(lan, lan[0], "links")
    append(lan[1].dir / "links/relative/canary", b"")  # opened through a link, by its owner
    arrives(lan, lan[0], "links")
    for name in ("was a folder", "relative", "absolute 1"):
        remove(lan[1].dir / "links" / name)
        write(lan[1].dir / "links" / name / "canary", b"a folder again")
    arrives(lan, lan[1], "links")
    for folder, (tree, info) in zip(outside, before, strict=True):
        assert survey(folder) == tree
        now = (folder / "canary").stat()
        assert (now.st_ino, now.st_nlink, now.st_ctime_ns) == (info.st_ino, 1, info.st_ctime_ns)


def test_a_folder_that_turns_into_a_link_while_files_arrive(lan: Lan) -> None:
    """The classic race: whatever the moment, nothing is written where the link points to."""
    receiver, sender = lan[1], lan[0]
    outside = receiver.base / "outside race"
    write(outside / "canary", b"alive")
    before = survey(outside)
    write(sender.dir / "race/folder/first", b"1")
    arrives(lan, sender, "race")
    folder = receiver.dir / "race/folder"
    link = receiver.base / "link"
    os.symlink(outside, link)
    for turn in range(60):
        swap(folder, link)  # a link now ...
        write(sender.dir / f"race/folder/canary{turn}", blob(3000, turn))
        write(sender.dir / "race/folder/canary", blob(3000, turn))
        swap(folder, link)  # ... and a folder again
    assert survey(outside) == before
    assert not folder.is_symlink()
    # What found the link in its way is tried again after half a minute.
    wait_equal(lan.roots, 2.5 * SOON_S, only="race")
    assert survey(outside) == before
    if link.is_symlink():  # else a folder that had come in its place meanwhile was swapped out with it
        link.unlink()


def test_what_is_neither_file_nor_folder_nor_link_is_skipped(lan: Lan) -> None:
    here = lan[0].dir / "special"
    here.mkdir()
    os.mkfifo(here / "the fifo")
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(os.path.relpath(here / "the socket"))
    os.mknod(here / "the device", 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
    write(here / "folder/.dir_sync/reserved", b"at every depth")
    write(here / "sibling", b"goes on")
    write(here / "folder/sibling", b"goes on")
    for node in lan.nodes[1:]:
        wait_for(lambda node=node: (node.dir / "special/folder/sibling").exists(), SOON_S, "the sibling")
        wait_for(lambda node=node: (node.dir / "special/sibling").exists(), SOON_S, "the sibling")
    append(here / "sibling", b" and on")
    for node in lan.nodes[1:]:
        wait_for(lambda node=node: b"on and on" in (node.dir / "special/sibling").read_bytes(), SOON_S, "it")
        assert sorted(os.listdir(node.dir / "special")) == ["folder", "sibling"]
        assert os.listdir(node.dir / "special/folder") == ["sibling"]
    for name in ("the fifo", "the socket", "the device"):
        wait_for(lambda name=name: lan[0].log().count(name) == 1, SOON_S, f"{name} is named once")
        (here / name).unlink()
    remove(here / "folder/.dir_sync")
    arrives(lan, lan[0], "special")


def test_a_fifo_in_the_way_of_a_file(lan: Lan) -> None:
    """It is the user's: it stays, and nothing hangs. Once it is gone the file comes."""
    write(lan[0].dir / "in the way/first", b"1")
    arrives(lan, lan[0], "in the way")
    os.mkfifo(lan[1].dir / "in the way/name")
    write(lan[0].dir / "in the way/name", b"wants to be here")
    write(lan[0].dir / "in the way/last", b"2")
    wait_for((lan[1].dir / "in the way/last").exists, SOON_S, "the sibling")
    assert stat.S_ISFIFO((lan[1].dir / "in the way/name").stat().st_mode)
    (lan[1].dir / "in the way/name").unlink()
    append(lan[0].dir / "in the way/name", b" still")
    arrives(lan, lan[0], "in the way")


def test_privilege_does_not_travel(lan: Lan) -> None:
    path = write(lan[0].dir / "privilege/program", b"#!/bin/sh\n")
    path.chmod(0o6755)
    path.parent.chmod(0o3775)
    for node in lan.nodes[1:]:
        wait_for((node.dir / "privilege/program").exists, SOON_S, "the program")
    append(path, b"true\n")  # clears setuid for who is not root
    path.chmod(0o6755)
    for node in lan.nodes[1:]:
        there = node.dir / "privilege/program"
        wait_for(lambda there=there: b"true" in there.read_bytes(), SOON_S, "the edit")
        wait_for(lambda there=there: there.stat().st_mode & 0o777 == 0o755, SOON_S, "its mode")
        holds(lambda there=there: there.stat().st_mode & 0o7000 == 0, 0.5, "no setuid")
        assert there.parent.stat().st_mode & 0o7000 == 0
    path.chmod(0o755)
    path.parent.chmod(0o775)
    arrives(lan, lan[0], "privilege")


def test_who_writes_on_into_a_replaced_file_loses_nothing(lan: Lan) -> None:
    write(lan[0].dir / "held/file", b"first\n")
    arrives(lan, lan[0], "held")
    with (lan[1].dir / "held/file").open("ab", buffering=0) as holder:
        write(lan[0].dir / "held/file", b"second, from afar\n")
        arrives(lan, lan[0], "held")
        holder.write(b"written by who still holds it\n")
    assert (lan[1].dir / "held/file").read_bytes() == b"second, from afar\n"
    text = b"first\nwritten by who still holds it\n"
    assert lan[1].keeps(text)


def test_what_a_peer_replaces_or_deletes_is_kept(lan: Lan) -> None:
    for name in ("edited", "deleted", "folder/deleted with it", "replaced by a folder"):
        write(lan[0].dir / "kept" / name, f"the old {name}".encode())
    arrives(lan, lan[0], "kept")
    write(lan[0].dir / "kept/edited", b"new")
    (lan[0].dir / "kept/deleted").unlink()
    remove(lan[0].dir / "kept/folder")
    remove(lan[0].dir / "kept/replaced by a folder")
    write(lan[0].dir / "kept/replaced by a folder/file", b"new")
    arrives(lan, lan[0], "kept")
    for node in lan.nodes[1:]:
        for name in ("edited", "deleted", "deleted with it", "replaced by a folder"):
            old = f"the old {'folder/' if 'with it' in name else ''}{name}".encode()
            assert node.keeps(old), f"{old!r} is lost on {node}"


def test_bystanders_are_not_touched(lan: Lan) -> None:
    """A change beside a file, and above it, leaves the file itself alone: inode, times, link count."""
    names = [f"file{at}" for at in range(20)]
    for name in names:
        write(lan[0].dir / "bystanders/folder" / name, name.encode())
    arrives(lan, lan[0], "bystanders")
    paths = [node.dir / "bystanders/folder" / name for node in lan for name in names]
    before = {path: path.stat() for path in paths}
    for turn in range(5):
        write(lan[turn % 3].dir / "bystanders/folder/busy", blob(100_000, turn))
        (lan[turn % 3].dir / "bystanders/folder").chmod(0o755 if turn % 2 else 0o750)
        arrives(lan, lan[turn % 3], "bystanders")
    for path, was in before.items():
        now = path.stat()
        assert (now.st_ino, now.st_ctime_ns, now.st_nlink) == (was.st_ino, was.st_ctime_ns, 1), path


def test_a_new_tree_has_its_times_and_modes(lan: Lan) -> None:
    """The mtimes of folders come along too, if nobody changes what is in them."""
    tree = lan[0].base / "tree"
    for at in range(3):
        set_mtime(write(tree / f"{at}/file", b"x"), at * SECOND_NS + 1)
        set_mtime(tree / f"{at}", 10**9 * SECOND_NS + at)
    set_mtime(tree, 10**9 * SECOND_NS + 99)
    tree.rename(lan[0].dir / "times")
    arrives(lan, lan[0], "times")
    for node in lan.nodes[1:]:
        for at in range(3):
            folder = node.dir / "times" / str(at)
            expected = 10**9 * SECOND_NS + at
            wait_for(
                lambda folder=folder, expected=expected: folder.stat().st_mtime_ns == expected,
                SOON_S,
                f"the mtime of {folder}",
            )


def test_a_large_file_edited_at_both_ends_and_in_the_middle(lan: Lan) -> None:
    path = write(lan[0].dir / "large/file", blob(24 << 20))
    arrives(lan, lan[0], "large")
    overwrite(path, 12 << 20, blob(100_000, "middle"))
    arrives(lan, lan[0], "large")
    there = lan[1].dir / "large/file"
    there.write_bytes(b"front" + there.read_bytes())
    arrives(lan, lan[1], "large")
    append(lan[2].dir / "large/file", b"end")
    arrives(lan, lan[2], "large")
    os.truncate(path, 5 << 20)
    arrives(lan, lan[0], "large")
    assert sha256_of(path) == sha256_of(there)


def test_all_of_it_is_equal_in_the_end(lan: Lan) -> None:
    wait_equal(lan.roots, SOON_S)
    before = survey(lan[0].dir)
    lan.stop()
    assert differences(before, *lan.roots) == [], "stopping changes nothing"
    start(lan)
    write(lan[1].dir / "in the end", b"x")
    arrives(lan, lan[1], "in the end")
    (lan[1].dir / "in the end").unlink()
    wait_equal(lan.roots, SOON_S, like=before)
