"""The folder itself goes, or is found empty: nobody else loses anything, and people are told and asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from .changes import write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node, make_immutable, say

pytestmark = pytest.mark.lan

SOON_S = 60.0
FILES = 150


def fill(node: Node) -> None:
    for number in range(FILES):
        write(node.dir / "tree" / f"{number}", b"content %d" % number)


def count(node: Node) -> int:
    return len(list((node.dir / "tree").glob("*")))


def empty(node: Node) -> None:
    """As if another disk had been there; `.dir_sync` stays."""
    for path in node.dir.iterdir():
        if path.name != ".dir_sync":
            shutil.rmtree(path)


@pytest.fixture
def pair(new_lan: Callable[..., Lan]) -> Lan:
    lan = new_lan(2)
    fill(lan[0])
    lan.start()
    wait_equal(lan.roots, SOON_S)
    lan.meet("start")
    return lan


@pytest.mark.parametrize("word", ["approve", "reject"])
def test_a_folder_emptied_while_nobody_looked_is_held(pair: Lan, word: str) -> None:
    a, b = pair
    before = survey(b.dir)
    a.stop()
    empty(a)
    a.start()
    wait_for(lambda: "HELD" in a.log(this_run=True), SOON_S, "the brake is said")
    wait_for(lambda: "HELD on " in b.log(), SOON_S, "they meet")
    holds(lambda: survey(b.dir) == before, 1.0, "nothing is deleted")
    status = json.loads(say(a, "status", "--json"))
    assert status["held"][0]["files"] == FILES + 2
    assert a.run_to_end("status", a.dir, "--check").code == 4, "something is held"
    assert "HELD: " in say(a, "status")
    write(a.dir / "new", b"all else goes on")
    wait_for((b.dir / "new").exists, SOON_S, "a new file arrives")
    assert count(b) == FILES
    said = say(a, word)
    if word == "approve":
        assert f"{FILES + 2} files that vanished are deleted" in said
        assert " may hold this, too, and ask again: then approve it on it as well" in said
        wait_for(lambda: "HELD: " in b.log(), SOON_S, "b asks as well: nobody approves what its own link brings")
        assert "approved" in say(b, word)
        wait_for(lambda: count(b) == 0, SOON_S, "it is deleted there, too")
        wait_for(
            lambda: all(b.keeps(b"content %d" % number) for number in range(FILES)), SOON_S, "all is in the history"
        )
    else:
        wait_for(lambda: count(a) == FILES, SOON_S, "it comes back")
        assert count(b) == FILES
    wait_equal(pair.roots, SOON_S)
    assert json.loads(say(a, "status", "--json"))["held"] == []
    wait_for(lambda: a.run_to_end("status", a.dir, "--check").code == 0, SOON_S, "it is in sync")
    assert "nothing is held" in say(a, word)


def test_a_folder_that_goes_is_waited_for(pair: Lan) -> None:
    a, b = pair
    aside = a.base / "aside"
    a.dir.rename(aside)
    wait_for(lambda: "paused" in a.log(), SOON_S, "it is said")
    wait_for(lambda: "lost " in b.log(), SOON_S, "the other sees it leave")
    write(b.dir / "meanwhile", b"written meanwhile")
    a.dir.mkdir()
    wait_for(lambda: "another folder" in a.log(), SOON_S, "an empty folder is not the folder")
    ended = a.run_to_end("status", a.dir)
    assert (ended.code, len(ended.errors)) == (1, 1)
    assert "is paused" in ended.errors[0]
    assert "is another folder now" in ended.errors[0]
    holds(lambda: not list(a.dir.iterdir()) and count(b) == FILES, 1.0, "nothing happens in either")
    a.dir.rmdir()
    write(aside / "tree" / "3", b"edited while it was away")
    aside.rename(a.dir)
    wait_for(lambda: (b.dir / "tree/3").read_bytes() == b"edited while it was away", SOON_S, "it goes on by itself")
    wait_equal(pair.roots, SOON_S)
    assert (a.dir / "meanwhile").read_bytes() == b"written meanwhile"
    assert "paused" not in say(a, "status")
    a.stop()


@pytest.fixture
def on_a_disk(new_lan: Callable[..., Lan]) -> Iterator[Lan]:
    """Two nodes; the first one's folder is a file system of its own."""
    lan = new_lan(2)
    a = lan[0]
    a.make_folders()
    if subprocess.run(["mount", "-t", "tmpfs", "none", a.dir], check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        fill(a)
        lan.start()
        wait_equal(lan.roots, SOON_S)
        yield lan
    finally:
        a.kill()
        while subprocess.run(["umount", "-l", a.dir], check=False, capture_output=True).returncode == 0:
            pass  # it may have been mounted there more than once


def test_a_disk_that_is_not_mounted_at_the_start_is_waited_for(on_a_disk: Lan) -> None:
    a, b = on_a_disk
    a.stop()
    there = a.base / "there"
    there.mkdir()
    subprocess.run(["mount", "--move", a.dir, there], check=False)
    if not list(there.iterdir()):
        subprocess.run(["mount", "--bind", a.dir, there], check=True)
        subprocess.run(["umount", "-l", a.dir], check=True)
    try:
        a.start()
        wait_for(lambda: "is its disk mounted" in a.log(this_run=True), SOON_S, "it is said")
        holds(lambda: not list(a.dir.iterdir()) and count(b) == FILES, 1.0, "nothing happens in either")
        write(b.dir / "tree/3", b"edited there")
        a.stop()
        subprocess.run(["mount", "--bind", there, a.dir], check=True)  # (a namespace that runs does not see it)
        a.start()
        wait_for(lambda: (a.dir / "tree/3").read_bytes() == b"edited there", SOON_S, "it goes on")
        wait_equal(on_a_disk.roots, SOON_S)
    finally:
        a.kill()
        subprocess.run(["umount", "-l", there], check=False)


def test_an_empty_folder_on_another_disk_that_is_meant(on_a_disk: Lan) -> None:
    a, b = on_a_disk
    a.stop()
    subprocess.run(["umount", "-l", a.dir], check=True)
    a.start("--new")
    wait_equal(on_a_disk.roots, SOON_S)
    assert count(a) == FILES == count(b)


def test_a_folder_that_is_missing_at_the_start_is_waited_for(pair: Lan) -> None:
    a, b = pair
    a.stop()
    aside = a.base / "aside"
    a.dir.rename(aside)
    with a.running_as(a.dir, "-s", a.signatures):
        wait_for(lambda: "is gone" in a.log(this_run=True), SOON_S, "it is said")
        aside.rename(a.dir)
        write(b.dir / "tree/3", b"edited there")
        wait_for(lambda: (a.dir / "tree/3").read_bytes() == b"edited there", SOON_S, "it goes on by itself")
    assert count(b) == FILES


@pytest.mark.parametrize("what", ["a file", "a dangling link", "a loop", "immutable"])
def test_a_folder_that_cannot_be_used_at_the_start_is_waited_for(pair: Lan, what: str) -> None:
    """It was shared before; one that never was is an error."""
    a, b = pair
    a.stop()
    moved = a.dir.parent / "aside"
    if what == "immutable":
        if why := make_immutable(a.dir):
            pytest.skip(why)
    else:
        a.dir.rename(moved)
    reason = {"a file": "not a folder", "immutable": "cannot be written", "a loop": "cannot be used"}.get(
        what, "is gone"
    )
    try:
        if what == "a file":
            a.dir.touch()
        elif what == "a dangling link":
            a.dir.symlink_to("nowhere")
        elif what == "a loop":
            a.dir.symlink_to(a.dir.name)
        with a.running_as(a.dir, "-s", a.signatures):
            wait_for(lambda: "paused: " in a.log(this_run=True), SOON_S, "it is said")
            assert reason in a.log(this_run=True)
            status = a.within(sys.executable, a.main, "status", a.dir)
            ended = subprocess.run(status, check=False, capture_output=True, env=a.environment(), cwd=a.base)
            assert (ended.returncode, ended.stderr.count(b"\n")) == (1, 1)
            assert b"is paused" in ended.stderr
            write(b.dir / "tree/3", b"edited there")
            if what == "immutable":
                subprocess.run(["chattr", "-i", a.dir], check=True)
            else:
                a.dir.unlink(missing_ok=True)
                moved.rename(a.dir)
            wait_for(lambda: (a.dir / "tree/3").read_bytes() == b"edited there", SOON_S, "it goes on by itself")
    finally:
        if what == "immutable":
            subprocess.run(["chattr", "-i", a.dir], check=True)
    assert count(b) == FILES


def test_a_folder_that_was_made_anew_is_a_new_one(pair: Lan) -> None:
    """Removed with all that is in it, `.dir_sync` as well, and made again: that is no disk that is not mounted."""
    a, b = pair
    a.stop()
    shutil.rmtree(a.dir)
    a.dir.mkdir()
    a.start()
    wait_equal(pair.roots, SOON_S)
    assert count(a) == FILES == count(b)


def test_waiting_ends_with_a_signal(pair: Lan) -> None:
    a, _ = pair
    a.dir.rename(a.base / "aside")
    wait_for(lambda: "paused" in a.log(), SOON_S, "it is said")
    a.stop()
    with a.running_as(a.dir, "-s", a.signatures):
        wait_for(lambda: "paused" in a.log(this_run=True), SOON_S, "it is said")


@pytest.mark.parametrize("word", ["status", "approve", "reject"])
def test_without_a_node_a_command_says_so(new_lan: Callable[..., Lan], word: str) -> None:
    (node,) = new_lan(1)
    node.make_folders()
    ended = node.run_to_end(word, node.dir)
    assert ended.code == 1
    assert len(ended.errors) == 1
    assert "no node is running" in ended.errors[0]
    assert node.run_to_end(word).code == 2
    assert node.run_to_end(word, "--help").code == 0


def test_our_own_folder_may_be_removed(pair: Lan) -> None:
    """What is in .dir_sync goes while the node runs: it begins anew, and says so; nothing is deleted anywhere."""
    a, b = pair
    shutil.rmtree(a.dir / ".dir_sync")
    wait_for(lambda: "begins anew" in a.log(), SOON_S, "it is said")
    write(b.dir / "after", b"written after")
    wait_for((a.dir / "after").exists, SOON_S, "it goes on")
    wait_equal(pair.roots, SOON_S)
    assert count(a) == FILES == count(b)
    ended = a.run_to_end(a.dir, "-l", "6001")
    assert ended.code == 1
    assert "already running" in ended.err


@pytest.mark.parametrize("name", ["staging", "versions"])
def test_a_folder_in_ours_may_be_removed(pair: Lan, name: str) -> None:
    a, b = pair
    shutil.rmtree(a.dir / ".dir_sync" / name)
    wait_for((a.dir / ".dir_sync" / name).exists, SOON_S, "it is made anew")
    write(b.dir / "tree/3", b"edited")
    wait_equal(pair.roots, SOON_S)
    assert a.keeps(b"content 3")


@pytest.mark.parametrize("inner_first", [True, False])
def test_a_folder_in_a_shared_folder_is_not_shared(new_lan: Callable[..., Lan], inner_first: bool) -> None:
    """Each would copy the other into itself, again and again."""
    (node,) = new_lan(1)
    inner = node.dir / "inner"
    node.make_folders()
    inner.mkdir()
    if inner_first:
        with node.running_as(inner, "-s", node.signatures):
            wait_for(lambda: "shares" in node.log(), SOON_S, "it runs")
            ended = node.run_to_end(node.dir, "-l", "6001")
    else:
        node.start()
        wait_for(lambda: "shares" in node.log(), SOON_S, "it runs")
        ended = node.run_to_end(inner, "-l", "6001")
    assert ended.code == 1
    assert "is shared itself" in ended.errors[0]
    assert len(ended.errors) == 1


@pytest.mark.parametrize("word", ["approve", "reject"])
@pytest.mark.parametrize("here", [True, False])
def test_what_another_machine_removes_in_a_burst_is_held(pair: Lan, word: str, here: bool) -> None:
    a, b = pair
    before = count(b)
    shutil.rmtree(a.dir / "tree")
    wait_for(lambda: "HELD: " in b.log(), SOON_S, "it is held")
    wait_for(lambda: "HELD on " in a.log(), SOON_S, "and told")
    held = count(b)
    assert held > FILES * 4 // 5, "before much is gone"
    assert "is held until you decide" in say(b, "status")
    assert "what this node did" in say(a, "status")
    write(a.dir / "beside", b"all else goes on")
    wait_for((b.dir / "beside").exists, SOON_S, "all else goes on")
    b.kill()
    b.start()
    lan_meets(pair)
    holds(lambda: count(b) == held, 3.0, "a restart decides nothing")
    if word == "reject" or here:
        assert "files" in say(b if here else a, word)
    if word == "approve" and not here:
        holds(lambda: count(b) == held, 1.0, "whoever did it cannot approve it")
        ended = a.run_to_end(word, a.dir)
        assert ended.code == 1, "it has decided nothing"
        assert "on another machine" in ended.errors[0]
        say(b, word)
    if word == "approve":
        wait_for(lambda: not (b.dir / "tree").exists(), SOON_S, "it happens")
    else:
        wait_for(lambda: count(a) == before, SOON_S, "it comes back, also what went before it was held")
    wait_equal(pair.roots, SOON_S)
    for node in pair:
        assert "HELD" not in say(node, "status")


def lan_meets(lan: Lan) -> None:
    wait_for(lambda: all("found " in node.log(this_run=True) for node in lan), SOON_S, "they meet")
