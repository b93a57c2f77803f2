"""Rules for paths that are not shared, with real nodes: what they hide stays where it is, whatever becomes of the rules."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import write
from .checker import wait_equal, wait_for
from .lan import Lan, Node, content, has, say

pytestmark = pytest.mark.lan

SOON_S = 60.0
ONCE_MORE = 1.2  # of its size: what a content may cost on the wire


def says(node: Node, words: str) -> None:
    wait_for(lambda: words in node.log(), SOON_S, f"{node} says {words!r}")


@pytest.fixture
def pair(new_lan: Callable[..., Lan]) -> Lan:
    lan = new_lan(2)
    for number in range(3):
        write(lan[0].dir / "logs" / f"{number}.log", b"log %d" % number)
        write(lan[0].dir / f"{number}.txt", b"text %d" % number)
    lan.start()
    wait_equal(lan.roots, SOON_S)
    for node in lan:
        says(node, "everything is in sync")
    return lan


def test_rules_travel_and_no_change_of_them_deletes_anything(pair: Lan) -> None:
    a, b = pair
    write(a.dir / ".syncignore", b"*.log\n")
    for node in pair:
        says(node, "rules to ignore: 3 paths newly ignored, 0 newly shared")
    assert content(b, "logs/0.log") == b"log 0"
    # changes and deletions of what is ignored stay where they are made
    write(a.dir / "logs" / "0.log", b"changed at a")
    (a.dir / "logs" / "1.log").unlink()
    write(b.dir / "logs" / "2.log", b"changed at b, and longer")
    write(b.dir / "new.log", b"of b")
    write(a.dir / "after.txt", b"after")
    has(b, "after.txt", b"after")
    assert [content(b, f"logs/{number}.log") for number in (0, 1)] == [b"log 0", b"log 1"]
    assert content(a, "new.log") is None
    # shared again: merged like at a first contact, the newer of two versions wins, and nothing goes
    os.utime(a.dir / "logs" / "0.log", (2_000_000_000, 2_000_000_000))
    write(a.dir / ".syncignore", b"")
    has(b, "logs/0.log", b"changed at a")
    has(a, "logs/1.log", b"log 1")
    has(a, "logs/2.log", b"changed at b, and longer")
    has(a, "new.log", b"of b")
    wait_equal(pair.roots, SOON_S)
    says(a, "newly shared")
    for old in (b"log 0", b"log 2"):
        assert a.keeps(old) or b.keeps(old)


def test_the_rules_of_one_machine_are_about_that_machine(pair: Lan) -> None:
    a, b = pair
    (b.dir / ".dir_sync" / "ignore").write_bytes(b"/*\n!/logs/\n*.log\n!0.log\n")
    says(b, "5 paths newly ignored")
    write(a.dir / "0.txt", b"changed")
    write(a.dir / "logs" / "1.log", b"changed")
    write(a.dir / "logs" / "0.log", b"changed")
    has(b, "logs/0.log", b"changed")
    assert content(b, "0.txt") == b"text 0"
    assert content(b, "logs/1.log") == b"log 1"
    # it has acknowledged what it leaves out, and is no copy of that; also after a start
    ignored = "leaves out what its rules ignore: 5 files"
    wait_for(lambda: ignored in say(a, "status"), SOON_S, "who has something else")
    b.stop()
    b.start()
    wait_for(lambda: ignored in say(a, "status"), SOON_S, "who has something else, after a start")
    (told,) = json.loads(a.run_to_end("why", a.dir, "logs/2.log", "--json").out)["peers"]
    assert (told["has"], told["apart"]) == ("no", ["ignored"])
    assert "this machine ignores it" in say(b, "why", "logs/1.log")
    assert "deleted" not in say(b, "why", "logs/1.log").replace("nothing was replaced or deleted", "")
    b.stop()
    (b.dir / ".dir_sync" / "ignore").unlink()
    b.start()
    has(b, "0.txt", b"changed")
    has(b, "logs/1.log", b"changed")
    wait_equal(pair.roots, SOON_S)
    assert a.keeps(b"text 0") or b.keeps(b"text 0")


def test_a_folder_that_was_deleted_elsewhere_stays_for_what_is_ignored_in_it(pair: Lan) -> None:
    a, b = pair
    write(a.dir / ".syncignore", b"*.o\n")
    has(b, ".syncignore", b"*.o\n")
    write(b.dir / "logs" / "x.o", b"built at b")
    for path in (a.dir / "logs").iterdir():
        path.unlink()
    (a.dir / "logs").rmdir()
    has(b, "logs/0.log", None)
    says(b, "is not synchronized (ignored, ")
    assert content(b, "logs/x.o") == b"built at b"
    assert not (a.dir / "logs").exists()


def test_litter_and_partial_downloads_are_not_shared_until_they_have_their_name(pair: Lan) -> None:
    a, b = pair
    for name in (".DS_Store", "Thumbs.db", ".a.txt.swp", ".~lock.a.odt#"):
        write(a.dir / name, b"litter")
    data = os.urandom(3_000_000)
    before = sum(pair.wire_bytes())
    part = a.dir / "film.part"
    with open(part, "wb") as file:
        for at in range(0, len(data), 500_000):
            file.write(data[at : at + 500_000])
            file.flush()
    write(a.dir / "last.txt", b"last")
    has(b, "last.txt", b"last")
    assert sorted(path.name for path in Path(b.dir).iterdir() if path.name != ".dir_sync") == [
        "0.txt", "1.txt", "2.txt", "last.txt", "logs",
    ]  # fmt: skip
    part.rename(a.dir / "film")
    wait_for(lambda: content(b, "film") == data, SOON_S, "the film has arrived")
    assert sum(pair.wire_bytes()) - before < 2 * ONCE_MORE * len(data), "each end counts what crosses the wire once"


def test_the_defaults_can_be_switched_off_and_are_listed(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "x.part", b"part")
    lan.start("--no-default-ignores")
    has(b, "x.part", b"part")
    listed = a.run_to_end("ignore", a.dir).out
    assert "*.part" in listed
    assert ".DS_Store" in listed
    ended = a.run_to_end("ignore", a.dir, "x.part")
    assert ended.code == 0
    assert "ignored by built in" in ended.out


def test_what_is_disposable_goes_with_its_folder(pair: Lan) -> None:
    a, b = pair
    write(a.dir / ".syncignore", b"(?d)*.o\n(?d)cache/\n")
    has(b, ".syncignore", b"(?d)*.o\n(?d)cache/\n")
    write(b.dir / "logs" / "x.o", b"built at b")
    write(b.dir / "logs" / "cache" / "deep" / "y", b"kept for a while")
    for path in (a.dir / "logs").iterdir():
        path.unlink()
    (a.dir / "logs").rmdir()
    wait_for(lambda: not (b.dir / "logs").exists(), SOON_S, "the folder goes with what is in it")
    assert b.keeps(b"built at b")
    assert b.keeps(b"kept for a while")
