"""Two nodes that merge texts: both changed one while they were apart, and end with the changes of both."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.attributes import Attributes
from dir_sync.core.events import Touched, Urgency
from dir_sync.core.jobs import Cause
from dir_sync.core.preserve import ON_ENTRIES
from tests.pair import OneNode, Pair

BASE = b"".join(b"line %d\n" % number for number in range(12))
MINE, THEIRS = BASE.replace(b"line 1\n", b"mine\n"), BASE.replace(b"line 9\n", b"theirs\n")
BOTH = MINE.replace(b"line 9\n", b"theirs\n")


def edit(node: OneNode, data: bytes) -> None:
    node.disk.write(b"file", data)
    node.inbox.append(Touched(b"file", Urgency.NOW))


def pair(merges: bool = True) -> Pair:
    pair = Pair(merges=merges)
    pair.link()
    edit(pair.one, BASE)
    pair.run()
    pair.cut()
    return pair


def meet(pair: Pair, first: OneNode, second: OneNode, mine: bytes, theirs: bytes) -> None:
    edit(first, mine)
    pair.run()
    pair.clock.ms += 1_000
    edit(second, theirs)
    pair.run()
    pair.link()


def whys(*nodes: OneNode) -> set[Cause]:
    return {version.why for node in nodes for version in node.index.versions.oldest_first()}


@pytest.mark.parametrize("wins", ["one", "two"])
@pytest.mark.parametrize("restarts", [True, False])
def test_changes_of_different_lines_are_merged_once_by_the_smaller_id(wins: str, restarts: bool) -> None:
    both = pair()
    one, two = both.one, both.two
    first, second = (two, one) if wins == "one" else (one, two)
    if restarts:
        two.boot()
        both.run()
    meet(both, first, second, MINE, THEIRS)
    assert one.disk.content(b"file") == two.disk.content(b"file") == BOTH
    smaller, larger = sorted((one, two), key=lambda node: node.index.identity.replica)
    assert smaller.said(notes.TextMerged)
    assert not larger.said(notes.TextMerged)
    assert Cause.CONFLICT not in whys(one, two)
    kept = {node.disk.content(version.name) for node in (one, two) for version in node.index.versions.oldest_first()}
    assert kept >= {MINE, THEIRS}  # nothing is lost


FOR_BIN = (((1, 6, "", 0), (2, 6, "bin", 2), (4, 4, "", 0), (16, 6, "", 0), (32, 4, "", 0)), ())
RED, BLUE = ((b"user.t", b"red"),), ((b"user.t", b"blue"),)


def pair_that_keeps() -> Pair:
    pair = Pair(merges=True)
    for node in (pair.one, pair.two):
        node.disk.kept_parts = ON_ENTRIES
        node.boot()
    pair.link()
    edit(pair.one, BASE)
    pair.run()
    pair.cut()
    return pair


def parts_of(node: OneNode) -> tuple[int, Attributes]:
    inode = node.disk._find(b"file")
    assert inode is not None
    return inode.mode, inode.attributes


@pytest.mark.parametrize("wins", ["one", "two"])
@pytest.mark.parametrize("theirs", [THEIRS, BASE])
def test_the_acl_that_one_side_gave_comes_along_with_its_mode(wins: str, theirs: bytes) -> None:
    both = pair_that_keeps()
    changes, other = both.one, both.two
    first, second = (other, changes) if wins == "one" else (changes, other)
    changes.disk.write(b"file", theirs)
    changes.disk.chmod(b"file", 0o664)
    changes.disk.change_attributes(b"file", acls=FOR_BIN, xattrs=RED)
    meet(both, first, second, *((MINE, theirs) if first is other else (theirs, MINE)))
    for node in (both.one, both.two):
        assert node.disk.content(b"file") == (BOTH if theirs == THEIRS else MINE)
        mode, (_, acls, xattrs, _) = parts_of(node)
        assert (mode, acls, xattrs) == (0o664, FOR_BIN, RED)
        assert not node.engine.work.arrivals.is_ready(b"file")
    assert Cause.CONFLICT not in whys(both.one, both.two)


def test_attributes_that_both_changed_stay_a_conflict() -> None:
    both = pair_that_keeps()
    for node, colour in ((both.one, RED), (both.two, BLUE)):
        node.disk.change_attributes(b"file", xattrs=colour)
    meet(both, both.one, both.two, MINE, THEIRS)
    assert Cause.CONFLICT in whys(both.one, both.two)
    assert both.one.disk.content(b"file") == both.two.disk.content(b"file") == THEIRS
    assert parts_of(both.one) == parts_of(both.two)
    assert parts_of(both.one)[1].xattrs == BLUE


def test_what_overlaps_stays_a_conflict() -> None:
    both = pair()
    meet(both, both.one, both.two, MINE, BASE.replace(b"line 2\n", b"theirs\n"))
    assert Cause.CONFLICT in whys(both.one, both.two)
    assert both.one.disk.content(b"file") == both.two.disk.content(b"file") != BOTH


def test_without_the_option_it_is_a_conflict_as_ever() -> None:
    both = pair(merges=False)
    meet(both, both.one, both.two, MINE, THEIRS)
    assert Cause.CONFLICT in whys(both.one, both.two)
    assert both.one.index.bases.of(b"file") == []


def test_who_deleted_the_file_meanwhile_has_it_deleted() -> None:
    both = pair()
    meet(both, both.one, both.two, MINE, THEIRS)
    both.one.disk.delete(b"file")
    both.one.inbox.append(Touched(b"file", Urgency.VANISHED))
    both.run()
    assert both.two.disk.content(b"file") is None
    assert both.one.index.bases.of(b"file") == []
