"""Two nodes that merge texts: both changed one while they were apart, and end with the changes of both."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Touched, Urgency
from dir_sync.core.jobs import Cause
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
