"""The history as people use it: listed, restored, settled; with a node running and without."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest

from .changes import put, write
from .checker import Entry, survey, wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 60.0


def say(node: Node, *words: str) -> list[str]:
    ended = node.run_to_end(words[0], node.dir, *words[1:])
    lines = ended.out.splitlines()
    assert ended.code == 0, ended.err
    assert not ended.errors
    return lines


def complaint(node: Node, *words: str, code: int = 0) -> str:
    ended = node.run_to_end(words[0], node.dir, *words[1:])
    assert ended.code in ((code,) if code else (1, 2))
    assert not ended.out
    (line,) = ended.errors
    return line


def ids(node: Node, *words: str) -> list[str]:
    """Of the table, which an empty line ends."""
    return [line.split()[0] for line in takewhile(bool, say(node, *words)[1:])]


def edit(lan: Lan, name: str, *contents: bytes) -> None:
    """At the first node, and seen to arrive at the second."""
    for content in contents:
        write(lan[0].dir / name, content)
        path = lan[1].dir / name
        wait_for(lambda path=path, content=content: path.exists() and path.read_bytes() == content, SOON_S, name)


@pytest.fixture
def pair(new_lan: Callable[..., Lan]) -> Lan:
    lan = new_lan(2)
    lan.start()
    lan.meet("start")
    return lan


@pytest.mark.parametrize("runs", [True, False])
def test_an_old_version_comes_back_and_can_itself_be_undone(pair: Lan, runs: bool) -> None:
    a, b = pair
    edit(pair, "file", b"first", b"second", b"third")
    if not runs:
        b.stop()
    heading, newest, oldest, *more = say(b, "history", "file")
    assert bool(more) == (not runs)
    assert say(b, "history", ".") == say(b, "history", str(b.dir)) == say(b, "history")
    assert heading.split() == ["ID", "WHEN", "WHY", "SIZE", "BY", "ON", "PATH"]
    assert "replaced" in newest
    assert newest.endswith("file")
    say(b, "restore", "file", "--version", oldest.split()[0])
    assert (b.dir / "file").read_bytes() == b"first"
    if runs:
        wait_for(lambda: (a.dir / "file").read_bytes() == b"first", SOON_S, "it spreads")
    here = [line for line in say(b, "history", "file") if "  here  " in line]
    assert len(here) == 3, "what was there is kept in turn"
    say(b, "restore", "file")
    assert (b.dir / "file").read_bytes() == b"third"
    if not runs:
        b.start()
    wait_equal(pair.roots, SOON_S)
    assert (a.dir / "file").read_bytes() == b"third"


def test_a_folder_comes_back(pair: Lan) -> None:
    a, b = pair
    for number in range(10):
        write(a.dir / "tree" / f"{number}", b"%d" % number)
    wait_equal(pair.roots, SOON_S)
    shutil.rmtree(a.dir / "tree")
    wait_for(lambda: not (b.dir / "tree").exists(), SOON_S, "it is gone there, too")
    write(a.dir / "tree" / "3", b"another one")
    wait_equal(pair.roots, SOON_S)
    say(b, "restore", "tree")
    wait_for(lambda: len(list((a.dir / "tree").iterdir())) == 10, SOON_S, "it spreads")
    wait_equal(pair.roots, SOON_S)
    assert (a.dir / "tree/3").read_bytes() == b"another one", "what is there is left alone"
    assert (a.dir / "tree/4").read_bytes() == b"4"


def test_who_deleted_a_link_gets_it_back_from_the_others(pair: Lan) -> None:
    a, b = pair
    write(a.dir / "file", b"content")
    (a.dir / "link").symlink_to("../somewhere")
    wait_equal(pair.roots, SOON_S)
    for name in ("file", "link"):
        (a.dir / name).unlink()
    wait_equal(pair.roots, SOON_S)
    assert {line.split()[-1] for line in say(a, "history")[1:]} == {"file", "link"}
    say(a, "restore", "link")
    assert (a.dir / "link").readlink() == Path("../somewhere")
    say(a, "restore", "file")
    wait_equal(pair.roots, SOON_S)
    assert (b.dir / "link").readlink() == Path("../somewhere")
    assert "lost " not in a.log() + b.log()


def test_as_it_was_at_a_time(pair: Lan) -> None:
    _, b = pair
    edit(pair, "file", b"first")
    time_between = time.time() + 1.0
    wait_for(lambda: time.time() > time_between + 1.0, 10, "the clock goes on by two seconds")
    edit(pair, "file", b"second", b"third")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_between))
    out = b.base / "out"
    say(b, "restore", "file", "--at", when, "--to", str(out))
    assert out.read_bytes() == b"first"
    assert (b.dir / "file").read_bytes() == b"third", "--to leaves the folder alone"
    say(b, "restore", str(b.dir / "file"), "--at", when)
    assert (b.dir / "file").read_bytes() == b"first"


@pytest.mark.parametrize("at", ["where the winner was", "where the loser is kept", "there without a node"])
@pytest.mark.parametrize("word", ["restore", "keep"])
def test_a_conflict_is_listed_and_settled(pair: Lan, word: str, at: str) -> None:
    a, b = pair
    here = a if at == "where the winner was" else b
    edit(pair, "file", b"base")
    b.stop()
    write(b.dir / "file", b"the loser")
    wait_for(lambda: a.log().count("lost ") > 0, SOON_S, "it is seen to leave")
    write(a.dir / "file", b"the winner")
    wait_for(lambda: "changed here: file" in a.log(), SOON_S, "it is seen")
    b.start()
    wait_for(lambda: "two nodes at once" in b.log(this_run=True), SOON_S, "it is said")
    wait_equal(pair.roots, SOON_S)
    assert len(ids(a, "conflicts")) == len(ids(b, "conflicts")) == 1
    if at == "there without a node":
        b.stop()
    (conflict,) = json.loads(say(here, "conflicts", "--json")[0])["conflicts"]
    assert conflict["made_by"], "known on both"
    assert (conflict["made_by"] == "this node") == (here is b)
    say(here, "conflicts", word, *ids(here, "conflicts"))
    if not b.running:
        assert say(b, "conflicts")[0] == "no conflicts"
        b.start()
    for node in pair:
        wait_for(lambda node=node: say(node, "conflicts") == ["no conflicts"], SOON_S, "it is settled")
    wait_equal(pair.roots, SOON_S)
    assert (a.dir / "file").read_bytes() == (b"the loser" if word == "restore" else b"the winner")
    assert (a.dir / "file").read_bytes() == b"the loser" or b.keeps(b"the loser")


def test_what_cannot_be_had_is_said_in_one_line(pair: Lan) -> None:
    _, b = pair
    edit(pair, "file", b"first", b"second")
    assert "no such old version of file found" in complaint(b, "restore", "file", "--version", "00000000")
    assert "no such path was ever known here: nothing" in complaint(b, "restore", "nothing")
    assert "is not a path in the shared folder" in complaint(b, "restore", "../file")
    assert "is not a path in the shared folder" in complaint(b, "restore", "/etc/passwd")
    assert "is not a path in the shared folder" in complaint(b, "history", ".dir_sync/lock")
    assert "cannot read 'soon' as a time" in complaint(b, "restore", "file", "--at", "soon")
    assert "exists already" in complaint(b, "restore", "file", "--to", str(b.dir / "file"))
    assert "no conflict" in complaint(b, "conflicts", "keep", "00000000")
    (b.dir / "file").unlink()
    (b.dir / "file").mkdir()
    assert "is a folder now" in complaint(b, "restore", "file", "--version", ids(b, "history", "file")[0])
    assert "was never shared" in b.run_to_end("history", b.home).err


def test_a_machine_that_is_away_may_keep_old_versions(pair: Lan) -> None:
    a, b = pair
    edit(pair, "file", b"first", b"second")
    wait_equal(pair.roots, SOON_S)
    assert len(say(a, "history", "file")) == 2
    b.stop()
    there = ", who is not connected, may keep"
    wait_for(lambda: there in say(a, "history", "file")[0], SOON_S, "it is not connected any more")
    (line,) = say(a, "history", "file")
    assert re.fullmatch(
        rf"no old versions are kept here; \S+ \(\w+\){there} some; 'undo' cuts off what was only appended", line
    )
    assert there in " ".join(" ".join(say(a, "why", "file")).split())
    b.start()
    wait_for(lambda: len(say(a, "history", "file")) == 2, SOON_S, "it is asked again")


def test_the_machine_where_it_was_deleted_asks_the_others(pair: Lan) -> None:
    a, b = pair
    for number in range(10):
        write(a.dir / f"tree/{number}", b"%d" % number)
    edit(pair, "file", b"first", b"second")
    wait_equal(pair.roots, SOON_S)
    (a.dir / "file").unlink()
    shutil.rmtree(a.dir / "tree")
    wait_for(lambda: not (b.dir / "file").exists() and not (b.dir / "tree").exists(), SOON_S, "it is gone there, too")
    listed = say(a, "history", "file")
    assert len(listed) == 3
    assert all("here" not in line for line in listed[1:])
    say(a, "restore", "file", "--to", str(a.base / "out"))
    assert (a.base / "out").read_bytes() == b"second", "brought from the other machine"
    assert not (a.dir / "file").exists()
    say(a, "restore", "file")
    say(a, "restore", "tree")
    assert (a.dir / "file").read_bytes() == b"second"
    assert sorted(path.name for path in (a.dir / "tree").iterdir()) == [f"{number}" for number in range(10)]
    wait_equal(pair.roots, SOON_S)
    assert "no such path was ever known here: nothing" in complaint(a, "restore", "nothing")


@pytest.mark.parametrize("at", ["maker", "other", "other, stopped"])
def test_the_folder_is_again_as_it_was(pair: Lan, at: str) -> None:
    a, b = pair
    edit(pair, "file", b"first")
    for number in range(10):
        write(a.dir / f"tree/{number}", b"%d" % number)
    wait_equal(pair.roots, SOON_S)
    before = {path: entry.sha256 for path, entry in survey(a.dir).items()}
    since = time.time() + 1.0
    wait_for(lambda: time.time() > since + 0.1, 10, "the clock goes on")
    edit(pair, "file", b"second")
    write(a.dir / "new/file", b"new")
    wait_equal(pair.roots, SOON_S)
    shutil.rmtree(a.dir / "tree")
    (a.dir / "file").rename(a.dir / "renamed")
    wait_for(lambda: not (b.dir / "tree").exists() and (b.dir / "renamed").exists(), SOON_S, "it arrives")
    wait_equal(pair.roots, SOON_S)
    changed = survey(a.dir)
    node = a if at == "maker" else b
    if at == "other, stopped":
        b.stop()
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    told = say(node, "undo", "--yes", "--since", when, "--dry-run")
    assert re.fullmatch(rf"would restore \d\d paths to their state at {when}:", told[0])
    assert survey(node.dir) == changed
    assert len(say(node, "undo", "--yes", "--since", when)) == len(told)
    if at == "other, stopped":
        b.start()
    assert {path: entry.sha256 for path, entry in survey(node.dir).items()} == before
    wait_equal(pair.roots, SOON_S)
    assert {path: entry.sha256 for path, entry in survey(a.dir).items()} == before


def test_an_undo_that_cannot_be_is_said_in_one_line(pair: Lan) -> None:
    _, b = pair
    assert "cannot read 'soon' as a time" in complaint(b, "undo", "--since", "soon")
    assert "in the future" in complaint(b, "undo", "--since", "2101-01-01", code=2)
    assert "no node has that name" in complaint(b, "undo", "--since", "0s", "--by", "nobody", code=2)
    assert "--since" in b.run_to_end("undo", b.dir).err
    assert "nothing has changed" in say(b, "undo", "--yes", "--since", "0s")[0]
    edit(pair, "file", b"first", b"second")
    told = say(b, "undo", "--yes", "--since", "2d")
    assert "are not known here" in told[-1]
    assert any(re.fullmatch(r"  delete +- +file +it did not exist then", line) for line in told)
    wait_for(lambda: not any((node.dir / "file").exists() for node in pair), SOON_S, "it goes")


@pytest.mark.parametrize("runs", [True, False])
def test_what_was_appended_is_cut_off_again(pair: Lan, runs: bool) -> None:
    """No history has the shorter version: it is the beginning of the file."""
    a, b = pair
    edit(pair, "log", b"first\n")
    edit(pair, "other", b"other\n")
    since = time.time() + 1.0
    wait_for(lambda: time.time() > since + 1.0, 10, "the clock goes on by two seconds")
    edit(pair, "log", b"first\nsecond\n")
    (a.dir / "other").unlink()
    wait_for(lambda: not (b.dir / "other").exists(), SOON_S, "it goes")
    assert [line.split()[-1] for line in say(b, "history")[1:]] == ["other"]
    if not runs:
        b.stop()
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    told = say(b, "undo", "--yes", "--since", when, "--dry-run")
    assert any(re.fullmatch(r"  restore +6 B +log +what was appended since then is cut off", line) for line in told)
    assert say(b, "undo", "--yes", "--since", when)[1:] == told[1:]
    if not runs:
        assert (b.dir / "log").read_bytes() == b"first\n"
        b.start()
    wait_for(lambda: all((one.dir / "log").read_bytes() == b"first\n" for one in pair), SOON_S, "it is cut off")
    wait_equal(pair.roots, SOON_S)
    assert (a.dir / "other").read_bytes() == b"other\n"


@pytest.mark.parametrize("runs", [True, False])
def test_a_log_that_was_written_and_rotated_is_as_it_was(pair: Lan, runs: bool) -> None:
    """What it was is now the beginning of a file with another name, which goes."""
    a, b = pair
    edit(pair, "log", b"first\n")
    since = time.time() + 1.0
    wait_for(lambda: time.time() > since + 1.0, 10, "the clock goes on by two seconds")
    edit(pair, "log", b"first\nsecond\n")
    (a.dir / "log").rename(a.dir / "log.1")
    edit(pair, "log", b"new\n")
    wait_equal(pair.roots, SOON_S)
    if not runs:
        b.stop()
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    told = say(b, "undo", "--yes", "--since", when)
    assert any(re.fullmatch(r"  restore +6 B +log +log.1 begins with it", line) for line in told)
    assert any(re.fullmatch(r"  delete +- +log.1 +it did not exist then", line) for line in told)
    if not runs:
        b.start()
    wait_for(lambda: all((one.dir / "log").read_bytes() == b"first\n" for one in pair), SOON_S, "it is as it was")
    wait_for(lambda: not any((one.dir / "log.1").exists() for one in pair), SOON_S, "the other one goes")
    wait_equal(pair.roots, SOON_S)


def test_an_undo_does_not_say_that_it_restores_what_nobody_keeps(pair: Lan) -> None:
    a, b = pair
    edit(pair, "log", b"first\n")
    since = time.time() + 1.0
    wait_for(lambda: time.time() > since + 1.0, 10, "the clock goes on by two seconds")
    edit(pair, "log", b"second, longer\n")  # only the other node keeps what was before
    b.stop()
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    ended = a.run_to_end("undo", a.dir, "--yes", "--since", when)
    assert ended.code == 1
    left = f"leave - log the version of {when} is no longer kept here or on any connected machine"
    told = [line.split() for line in ended.out.splitlines()]
    assert told == [f"nothing is restored to its state at {when}:".split(), ["WHAT", "SIZE", "PATH"], left.split()]
    assert ended.errors == ["dir_sync: 1 path could not be restored: see above"]
    assert (a.dir / "log").read_bytes() == b"second, longer\n"


def test_what_was_made_while_a_node_was_away_is_undone_on_it_too(pair: Lan) -> None:
    a, _ = pair
    for name in ("gone", "edited", "moved"):
        write(a.dir / name, b"first")
    wait_equal(pair.roots, SOON_S)
    before = survey(a.dir)
    since = time.time() + 1.0
    wait_for(lambda: time.time() > since + 1.0, 10, "the clock goes on by two seconds")
    a.stop()
    (a.dir / "gone").unlink()
    write(a.dir / "edited", b"second")
    write(a.dir / "made", b"made")
    (a.dir / "moved").rename(a.dir / "moved on")
    a.start()
    wait_equal(pair.roots, SOON_S, like=survey(a.dir))
    say(a, "undo", "--yes", "--since", time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since)))
    for node in pair:
        wait_for(lambda node=node: _below(survey(node.dir)) == _below(before), SOON_S, "all is as it was")


def _below(tree: dict[bytes, Entry]) -> dict[bytes, Entry]:
    """Without the folder itself, whose time tells of each name."""
    return {path: entry for path, entry in tree.items() if path}


@pytest.mark.parametrize("runs", [True, False])
def test_a_file_comes_back_where_a_folder_is_now(pair: Lan, runs: bool) -> None:
    a, b = pair
    write(a.dir / "path", b"a file")
    wait_equal(pair.roots, SOON_S)
    since = time.time() + 1.0
    wait_for(lambda: time.time() > since + 1.0, 10, "the clock goes on by two seconds")
    (a.dir / "path").unlink()
    write(a.dir / "path" / "in" / "it", b"in a folder")
    wait_equal(pair.roots, SOON_S, like=survey(a.dir))
    if not runs:
        b.stop()
    say(b, "undo", "--yes", "--since", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since)))
    wait_for(lambda: (b.dir / "path").is_file(), SOON_S, "it is a file again")
    if not runs:
        b.start()
    wait_for(lambda: (a.dir / "path").is_file(), SOON_S, "on both")
    assert (a.dir / "path").read_bytes() == b"a file"
    wait_equal(pair.roots, SOON_S)


def test_what_was_in_a_folder_that_is_a_file_now_is_not_restored_into_it(pair: Lan) -> None:
    a, b = pair
    write(a.dir / "path" / "in", b"in a folder")
    wait_equal(pair.roots, SOON_S)
    between = time.time() + 1.0
    wait_for(lambda: time.time() > between + 1.0, 10, "the clock goes on by two seconds")
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(between))
    shutil.rmtree(a.dir / "path")
    wait_equal(pair.roots, SOON_S)
    write(a.dir / "path", b"a file")
    wait_equal(pair.roots, SOON_S)
    assert "path is not a folder any more" in complaint(b, "restore", "path/in")
    edit(pair, "path", b"edited")
    assert "path is not a folder any more" in complaint(b, "restore", "path", "--at", since)
    assert (b.dir / "path").read_bytes() == b"edited", "all of it or nothing"
    say(b, "restore", "path")
    assert (b.dir / "path").read_bytes() == b"a file"


def test_nodes_of_one_name_are_told_apart(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    lan.start("--name", "twin")
    lan.meet("start")
    nodes = [json.loads(node.run_to_end("status", node.dir, "--json").out)["replica"][:8] for node in lan]
    for number, node in enumerate((*lan.nodes[:2], lan[0])):
        put(node.dir / "file", b"%d" % number, time.time_ns())  # in one step: an empty file would be a version, too
        wait_equal(lan.roots, SOON_S)
    _, newest, oldest = say(lan[2], "history")
    assert f"twin ({nodes[0]})" in newest
    assert f"twin ({nodes[1]})" in oldest


def test_a_version_has_one_id_on_all_machines(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    lan.start()
    lan.meet("start")
    a, b, c = lan
    for content in (b"first", b"second", b"first", b"last"):
        write(a.dir / "file", content)
        wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    there = ids(a, "history", "file")
    assert len(set(there)) == 2
    for node in lan:
        assert set(ids(node, "history", "file")) == set(there)
    oldest = ids(b, "history", "file")[-1]
    say(a, "restore", "file", "--version", oldest)
    assert (a.dir / "file").read_bytes() == b"first"
    wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    c.stop()
    (newest,) = [one for one in there if one != oldest]
    say(c, "restore", "file", "--version", newest)
    assert (c.dir / "file").read_bytes() == b"second"
