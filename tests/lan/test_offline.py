"""Everything people and programs do to a folder, while its daemon is down; and restarts that change nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import CHANGES, append, blob, put, remove, write
from .checker import Entry, differences, holds, survey, wait_equal, wait_for
from .lan import Lan, Node, command

pytestmark = pytest.mark.lan

SOON_S = 60.0


def identities(root: Path) -> dict[bytes, tuple[int, int]]:
    """Of every file: inode and ctime. Whoever writes it anew, or just touches it, changes them."""
    found = {}
    for path, entry in survey(root, contents=False).items():
        if entry.kind == "file":
            info = os.lstat(os.path.join(os.fsencode(root), path))
            found[path] = (info.st_ino, info.st_ctime_ns)
    return found


@pytest.mark.long
def test_all_changes_while_daemons_are_down(new_lan: Callable[..., Lan]) -> None:
    """One node stays up, one was stopped, one was killed: each has a third of the changes made to its folder."""
    lan = new_lan(3)
    for change in CHANGES:
        (lan[0].dir / change.name).mkdir()
        change.before(lan[0].dir / change.name)
    lan.start()
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir))
    lan.meet("before")
    wait_equal(lan.roots, SOON_S)
    lan[1].stop()
    lan[2].kill()

    expected: dict[bytes, Entry] = survey(lan[0].dir, only="met")
    for turn, change in enumerate(CHANGES):
        at = lan[turn % 3]
        change.change(at.dir / change.name)
        expected |= survey(at.dir, only=change.name)
    lan[1].start()
    lan[2].start()
    wait_equal(lan.roots, SOON_S, like=expected)

    # Restarts are no changes: nothing is written, nothing comes back.
    before = [identities(root) for root in lan.roots]
    lan.stop()
    lan.start()
    lan.meet("stopped")
    for node in lan:
        node.kill()
    for node in reversed(lan.nodes):
        node.start()
    lan.meet("killed")
    expected |= survey(lan[0].dir, only="met")
    wait_equal(lan.roots, SOON_S, like=expected)
    for node, was in zip(lan, before, strict=True):
        now = identities(node.dir)
        touched = [path for path in was if now[path] != was[path]]
        assert not touched, f"touched on {node}: {touched[:10]}"


def pair_with(new_lan: Callable[..., Lan], count: int, files: dict[str, bytes]) -> Lan:
    """Nodes that run and all have these files."""
    lan = new_lan(count)
    for name, content in files.items():
        write(lan[0].dir / name, content)
    lan.start()
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir))
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    return lan


def test_deletes_stay_deleted(new_lan: Callable[..., Lan]) -> None:
    """Who was away learns of a delete from somebody who only heard of it."""
    lan = pair_with(new_lan, 3, {name: name.encode() for name in ("live", "while down", "folder/x", "stays")})
    a, b, c = lan
    c.stop()
    (a.dir / "live").unlink()
    wait_for(lambda: not (b.dir / "live").exists(), SOON_S, "the delete")
    a.stop()
    (a.dir / "while down").unlink()
    remove(a.dir / "folder")
    a.start()
    wait_for(lambda: not (b.dir / "while down").exists(), SOON_S, "the delete made while down")
    wait_for(lambda: not (b.dir / "folder").exists(), SOON_S, "the delete of a folder made while down")
    a.stop()
    c.start()
    for name in ("live", "while down", "folder"):
        path = c.dir / name
        wait_for(lambda path=path: not path.exists(), SOON_S, f"{path} goes away")
    a.start()
    lan.meet("again")
    wait_equal(lan.roots, SOON_S)
    gone = [node.dir / name for node in lan for name in ("live", "while down", "folder")]
    holds(lambda: not any(path.exists() for path in gone), 1.0, "what is deleted stays deleted")
    assert (c.dir / "stays").read_bytes() == b"stays"
    assert all(c.keeps(text) for text in (b"live", b"while down", b"folder/x"))


def test_a_file_edited_while_down_beats_a_delete_elsewhere(new_lan: Callable[..., Lan]) -> None:
    lan = pair_with(new_lan, 2, {"edited here": b"1", "edited there": b"2", "folder/in it": b"3"})
    a, b = lan
    b.stop()
    (a.dir / "edited there").unlink()
    remove(a.dir / "folder")
    append(a.dir / "edited here", b" and more")
    write(b.dir / "edited there", b"while the other one deleted it")
    write(b.dir / "folder/new in it", b"while the other one deleted the folder")
    (b.dir / "edited here").unlink()
    b.start()
    lan.meet("again")
    wait_equal(lan.roots, SOON_S)
    assert (a.dir / "edited there").read_bytes() == b"while the other one deleted it"
    assert (a.dir / "folder/new in it").read_bytes() == b"while the other one deleted the folder"
    assert (b.dir / "edited here").read_bytes() == b"1 and more"


def test_both_edited_while_down(new_lan: Callable[..., Lan]) -> None:
    """The later one wins on both; the other is kept where it was."""
    lan = pair_with(new_lan, 2, {"file": b"0"})
    a, b = lan
    lan.stop()
    now = (a.dir / "met/start n0").stat().st_mtime_ns
    put(a.dir / "file", b"the later one", now + 2)
    put(b.dir / "file", b"the earlier one", now + 1)
    put(a.dir / "both new", b"the earlier new one", now + 1)
    put(b.dir / "both new", b"the later new one", now + 2)
    put(a.dir / "both the same", b"the same bytes", now + 1)
    put(b.dir / "both the same", b"the same bytes", now + 1)
    lan.start()
    wait_equal(lan.roots, SOON_S)
    lan.meet("again")
    wait_equal(lan.roots, SOON_S)
    assert (a.dir / "file").read_bytes() == b"the later one"
    assert (a.dir / "both new").read_bytes() == b"the later new one"
    assert b.keeps(b"the earlier one")
    assert a.keeps(b"the earlier new one")
    assert not a.keeps(b"the same bytes")
    assert not b.keeps(b"the same bytes")


def test_a_peer_that_comes_back_after_everybody_else_was_replaced(new_lan: Callable[..., Lan]) -> None:
    """What a knew reaches c through b, though a and c are never up together."""
    lan = pair_with(new_lan, 3, {"file": b"1"})
    a, b, c = lan
    c.stop()
    write(a.dir / "file", b"edited by a")
    write(a.dir / "folder/new", blob(300_000))
    wait_equal([a.dir, b.dir], SOON_S, like=survey(a.dir))
    a.stop()
    c.start()
    wait_equal([b.dir, c.dir], SOON_S, like=survey(a.dir))


def test_lost_state_is_a_first_contact(new_lan: Callable[..., Lan]) -> None:
    """Without its `.dir_sync` a node has only its files: nothing is deleted, the newest wins."""
    files = {"file": b"1", "older here": b"2", "deleted there": b"3", "folder/x": b"4"}
    lan = pair_with(new_lan, 2, files)
    a, b = lan
    b.stop()
    now = (a.dir / "met/start n0").stat().st_mtime_ns
    remove(b.dir / ".dir_sync")
    put(a.dir / "older here", b"newer elsewhere", now + 1)
    put(b.dir / "file", b"newer here", now + 1)
    (a.dir / "deleted there").unlink()
    write(a.dir / "new", b"5")
    write(b.dir / "new too", b"6")
    b.start()
    lan.meet("again")
    final = wait_equal(lan.roots, SOON_S)
    assert {b"file", b"older here", b"folder/x", b"new", b"new too"} <= final.keys()
    assert (a.dir / "file").read_bytes() == b"newer here"
    assert (b.dir / "older here").read_bytes() == b"newer elsewhere"
    assert b.keeps(b"2")

    for node in lan:
        node.stop()
        remove(node.dir / ".dir_sync")
        remove(node.home)
    lan.start()
    lan.meet("all lost")
    wait_equal(lan.roots, SOON_S)
    assert differences(final, {path: entry for path, entry in survey(a.dir).items() if path in final}) == []


def test_an_emptied_folder_without_state_deletes_nothing(new_lan: Callable[..., Lan]) -> None:
    """A disk that is not mounted looks like this: no peer may lose a file, nor then the disk when it is back."""
    lan = pair_with(new_lan, 2, {f"folder/{at}": blob(1000, at) for at in range(20)})
    a, b = lan
    before = survey(a.dir)
    b.stop()
    b.dir.rename(b.base / "the disk")
    b.dir.mkdir()
    b.may_end = True
    b.start()
    write(a.dir / "new", b"goes on")
    before |= survey(a.dir, only="new")
    holds(lambda: survey(a.dir) == before, 4.0, "nobody loses a file")
    b.kill()
    remove(b.dir)
    (b.base / "the disk").rename(b.dir)
    b.start()
    wait_equal(lan.roots, SOON_S, like=before)


def test_a_folder_that_vanishes_under_its_daemon_deletes_nothing(new_lan: Callable[..., Lan]) -> None:
    lan = pair_with(new_lan, 2, {f"folder/{at}": blob(1000, at) for at in range(20)})
    a, b = lan
    before = survey(a.dir)
    b.may_end = True
    b.dir.rename(b.base / "elsewhere")
    holds(lambda: survey(a.dir) == before, 2.0, "nobody loses a file")
    write(a.dir / "new", b"goes on")
    before |= survey(a.dir, only="new")
    holds(lambda: survey(a.dir) == before, 1.0, "nobody loses a file")
    assert not b.dir.exists(), "it is not made anew"
    (b.base / "elsewhere").rename(b.dir)
    if b.process is not None and not b.running:  # it may have ended, in good order
        assert b.ends(1) in (0, 1, 2)
    if b.process is None:
        b.start()
    wait_equal(lan.roots, SOON_S, like=before)


def test_a_copied_folder_is_another_node(new_lan: Callable[..., Lan]) -> None:
    """cp -a of the folder, state and all, to another machine: both live on, each under its own name."""
    lan = pair_with(new_lan, 2, {"file": b"1"})
    lan.stop()
    more = clone(lan[0], lan[1])
    lan.start()
    write(lan[0].dir / "by a", b"a")
    write(more.dir / "by the copy", b"b")
    wait_for((lan[0].dir / "by the copy").exists, SOON_S, "the copy's file")
    wait_for((more.dir / "by a").exists, SOON_S, "the file of the one it was copied from")
    append(lan[0].dir / "file", b"2")
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir))
    append(more.dir / "file", b"3")
    wait_equal(lan.roots, SOON_S, like=survey(more.dir))


def clone(origin: Node, to: Node) -> Node:
    """`to` gets the folder of `origin` as cp -a makes it, and a home of its own."""
    remove(to.dir)
    command("cp", "-a", origin.dir, to.dir)
    assert differences(origin.dir, to.dir) == []
    return to
