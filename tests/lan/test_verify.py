"""`verify` and `--scrub` with real processes: bits that tip over beneath a node, and edits that look like that."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dir_sync.core.model import Kind, fingerprint
from dir_sync.disk.stats import stat_of

from .changes import write
from .checker import wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

FILES = {"a.txt": b"a small file", "d/large.bin": os.urandom(3_000_000), "d/other.txt": b"another one"}


@pytest.fixture
def pair(new_lan: Callable[..., Lan]) -> Lan:
    lan = new_lan(2)
    for name, content in FILES.items():
        (lan[0].dir / name).parent.mkdir(exist_ok=True)
        write(lan[0].dir / name, content)
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, 60)
    return lan


def rot(node: Node, name: str, at: int = 5, more: tuple[str, ...] = ()) -> bytes:
    """A bit tips over on the medium: for the node nothing has changed. No program can do that to a file, so the index is
    told that the file was always so. The node does not run. Returns what is there now. `more`: other names of the file."""
    path = node.dir / name
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    index = sqlite3.connect(node.dir / ".dir_sync" / "index.db")
    with index:
        for one in (name, *more):
            folder, _, leaf = one.rpartition("/")
            found = index.execute(
                "UPDATE row SET fp=? WHERE parent=? AND name=?",
                (fingerprint(stat_of(Kind.FILE, os.stat(path))), folder.encode(), leaf.encode()),
            )
            assert found.rowcount == 1
    index.close()
    return bytes(content)


def rotten(lan: Lan, node: Node, name: str) -> bytes:
    """The same at a node that runs before and afterwards."""
    node.stop()
    bad = rot(node, name)
    node.start()
    lan.meet("again " + name.replace("/", "-"))
    return bad


def is_calm(node: Node) -> bool:
    """True if all is in sync, and what has just arrived was looked at once more: it is read once by a verification."""
    ended = node.run_to_end("status", node.dir, "--json")
    return ended.code == 0 and bool(json.loads(ended.out)["in_sync"])


def verified(node: Node, *more: str, code: int = 0) -> dict[str, Any]:
    ended = node.run_to_end("verify", node.dir, "--json", *more, limit_s=120)
    assert ended.code == code, (ended.out, ended.err)
    answer: dict[str, Any] = json.loads(ended.out)
    return answer


def in_history(node: Node, bad: bytes) -> bool:
    return any(path.is_file() and path.read_bytes() == bad for path in Path(node.versions).rglob("*"))


def inodes(lan: Lan) -> dict[str, tuple[int, int]]:
    found = [root / name for root in lan.roots for name in FILES]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def test_rot_is_found_from_both_sides_and_healed_without_a_word_to_others(pair: Lan) -> None:
    first, second = pair[0], pair[1]
    wait_for(lambda: all(map(is_calm, pair)), 60, "nothing is looked at any more")
    answer = verified(first)
    assert (answer["equal"], answer["found"]) == (True, 0)
    assert [(peer["problem"], peer["bytes"]) for peer in answer["peers"]] == [("", answer["bytes"])]
    assert answer["bytes"] >= sum(map(len, FILES.values()))

    bad = {name: rotten(pair, first, name) for name in ("a.txt", "d/large.bin")}
    before = inodes(pair)
    for node, at in ((first, ""), (second, None)):
        answer = verified(node, code=4)
        found = sorted((one["path"], one["what"]) for one in answer["findings"])
        assert found == [("a.txt", "rotten"), ("d/large.bin", "rotten")]
        assert all((one["at"] == "") is (at == "") for one in answer["findings"])
    assert inodes(pair) == before, "nothing was changed"
    status = json.loads(first.run_to_end("status", first.dir, "--json").out)
    assert sorted(status["to_repair"]) == sorted(status["rotten"]) == ["a.txt", "d/large.bin"]

    answer = verified(second, "--repair")
    assert sorted(one["path"] for one in answer["healed"]) == ["a.txt", "d/large.bin"]
    for root in pair.roots:
        assert {name: (root / name).read_bytes() for name in FILES} == FILES
    assert all(in_history(first, one) for one in bad.values())
    assert not list(Path(second.versions).rglob("*.*"))
    status = json.loads(first.run_to_end("status", first.dir, "--json").out)
    assert (status["to_repair"], status["rotten"], status["found_bad_s"]) == ([], [], 0)
    assert "healed a.txt" in first.log()
    assert "changed here" not in first.log(this_run=True)
    assert verified(first)["equal"]
    untouched = {path: what for path, what in before.items() if not path.startswith(str(first.dir))}
    assert {path: what for path, what in inodes(pair).items() if path in untouched} == untouched


def test_an_edit_whose_time_was_put_back_is_never_undone(pair: Lan) -> None:
    first, second = pair[0], pair[1]
    path = first.dir / "a.txt"
    before = path.stat()
    first.stop()
    path.write_bytes(b"A small file")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    first.start()
    pair.meet("again")
    assert verified(second, "--repair")["equal"]
    for root in pair.roots:
        assert (root / "a.txt").read_bytes() == b"A small file"
    assert "ROTTEN" not in first.log()


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("scrubs", [True, False])
def test_a_rotten_file_with_several_names_is_healed_under_all_of_them(
    new_lan: Callable[..., Lan], keeps: bool, scrubs: bool
) -> None:
    lan, names, good = new_lan(2), ("n-1", "n-2", "n-3"), os.urandom(70_000)
    more = ("--preserve", "hardlinks") if keeps else ()
    write(lan[0].dir / names[0], good)
    for name in names[1:]:
        os.link(lan[0].dir / names[0], lan[0].dir / name)
    for node in lan:
        node.start(*more)
    lan.meet("start")
    wait_equal(lan.roots, 60)
    wait_for(lambda: all(map(is_calm, lan)), 60, "nothing is looked at any more")
    first, second = lan[0], lan[1]
    first.stop()
    bad = rot(first, names[0], more=names[1:])
    first.start(*more, *(("--scrub", "1h") if scrubs else ()))
    lan.meet("again")
    if not scrubs:
        assert {one["path"] for one in verified(second, "--repair")["healed"]} == set(names)
    wait_for(lambda: all((first.dir / name).read_bytes() == good for name in names), 60, "all names are good")
    lan.meet("after that")
    assert all((root / name).read_bytes() == good for root in lan.roots for name in names)
    assert "changed here" not in first.log(this_run=True)
    wait_for(lambda: (len({os.stat(first.dir / name).st_ino for name in names}) == 1) is keeps, 60, "they are joined")
    assert in_history(first, bad)
    assert not in_history(second, bad)
    listed = json.loads(first.run_to_end("history", first.dir, "--json").out)["versions"]
    assert {(one["why"], one["by"]) for one in listed} == {("rotten", "-")}
    assert verified(first)["equal"]


def test_what_went_bad_before_the_other_has_it_is_asked_for_ever_more_seldom(pair: Lan) -> None:
    first, second = pair[0], pair[1]
    second.stop()
    files = {"new small": b"only fifteen by", "new large": os.urandom(3_000_000)}
    for name, data in files.items():
        write(first.dir / name, data)
    wait_for(lambda: _knows(first, *files), 60, "it knows them")
    first.stop()
    for name in files:
        rot(first, name)
    first.start()
    second.start()
    wait_for(lambda: set(files) <= _troubled(second).keys(), 60, "it says so")
    assert all("may have a bad copy: run 'verify' there" in problem for problem in _troubled(second).values())
    pair.meet("after that")
    assert "were not what it announced" not in first.log() + second.log()
    assert first.log(this_run=True).count("sent new small") < 30
    assert second.log(this_run=True).count("refused new ") == 2, "each is said once"
    for name, data in files.items():
        write(first.dir / name, data + b"good again")
    wait_equal(pair.roots, 60)
    assert not _troubled(second)


def _knows(node: Node, *names: str) -> bool:
    index = sqlite3.connect(node.dir / ".dir_sync" / "index.db")
    found = {name for (name,) in index.execute("SELECT name FROM row")}
    index.close()
    return {name.encode() for name in names} <= found


def _troubled(node: Node) -> dict[str, str]:
    ended = node.run_to_end("status", node.dir, "--json")
    return {one["path"]: one["problem"] for one in json.loads(ended.out)["troubled"]} if ended.code == 0 else {}


def test_a_scrub_heals_without_being_asked(pair: Lan) -> None:
    first = pair[0]
    first.stop()
    bad = rot(first, "d/large.bin")
    first.start("--scrub", "1h")
    wait_for(lambda: in_history(first, bad), 60, "the scrub heals")
    wait_equal(pair.roots, 30)
    assert (first.dir / "d/large.bin").read_bytes() == FILES["d/large.bin"]
    ended = first.run_to_end("status", first.dir, "--json")
    status = json.loads(ended.out)
    assert (status["healed"], status["rotten"]) == (1, [])
    assert status["scrub"]["until_s"] - status["scrub"]["begun_s"] == 3_600
    assert "healed d/large.bin" in first.log()
