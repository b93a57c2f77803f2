"""Who merges a conflict, from which common version, and what the result is."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits
from dir_sync.core.attributes import Attributes, Owner
from dir_sync.core.merging import (
    common_version,
    do_parts_clash,
    includes,
    is_text,
    may_merge,
    merged,
    merger_of,
    with_loser,
)
from dir_sync.core.model import Kind, Record, Stamp, Vector, made_from

NS = 10**9


def version(maker: str, counter: int, ns: int, *others: tuple[str, int], mode: int = 0o644) -> Record:
    """Made by that node, from versions that the others made."""
    vector: Vector = tuple(sorted([(maker, counter), *others]))
    content = f"{maker}{counter}".encode().ljust(32, b".")
    return Record(b"a", Kind.FILE, 5, content, ns * NS, mode, Stamp(ns * NS, maker), vector)


FIRST = version("=1", 1, 10)
MINE = version("a", 20, 20, ("=1", 1))
THEIRS = version("b", 30, 30, ("=1", 1))


def test_the_node_with_the_smaller_id_merges_whoever_won() -> None:
    assert merger_of(MINE, THEIRS) == merger_of(THEIRS, MINE) == "a"


def test_the_newest_version_that_both_were_made_from_is_the_base() -> None:
    older, later = FIRST, version("c", 5, 15, ("=1", 1))
    mine = version("a", 20, 20, ("=1", 1), ("c", 5))
    theirs = version("b", 30, 30, ("=1", 1), ("c", 5))
    assert common_version(mine, theirs, [older, later, mine, theirs]) == later
    assert common_version(mine, THEIRS, [older, later]) == older
    assert common_version(mine, theirs, [mine, theirs]) is None


def test_who_knew_a_version_that_lost_was_not_made_from_it() -> None:
    """`a` made 100, lost it to `x`, and went on from that: its vector has 100, its text has not."""
    lost, other = version("a", 100, 20, ("=1", 1)), version("x", 7, 21, ("=1", 1))
    went_on = version("a", 120, 30, ("=1", 1), ("x", 7))
    from_lost = version("c", 5, 31, ("=1", 1), ("a", 100))
    assert made_from(went_on, lost)  # (it knew it)
    assert not includes(went_on, lost, [lost, other, went_on, from_lost, FIRST])
    assert common_version(went_on, from_lost, [FIRST, lost, other, went_on, from_lost]) == FIRST


def test_a_node_that_goes_on_from_its_own_version_was_made_from_it() -> None:
    first, second = version("a", 100, 20, ("=1", 1)), version("a", 120, 30, ("=1", 1))
    assert includes(second, first, [])
    assert not includes(first, second, [])
    edited = version("b", 5, 40, ("=1", 1), ("a", 120))
    assert not includes(edited, first, [])  # what was made at 120 is not known
    assert includes(edited, first, [second])


def test_a_third_version_may_join_two() -> None:
    first = version("a", 100, 20, ("=1", 1))
    between = version("c", 5, 25, ("=1", 1), ("a", 100))
    last = version("a", 120, 30, ("=1", 1), ("c", 5))
    assert not includes(last, first, [])
    assert includes(last, first, [between])


def test_the_merged_version_knows_both() -> None:
    both = with_loser(THEIRS, MINE)
    assert made_from(both, MINE)
    assert includes(both._replace(stamp=Stamp(99, "z")), MINE, [])
    assert both.vector == (("=1", 1), ("a", 20), ("b", 30))


def test_the_permissions_are_those_that_were_changed_and_the_time_is_later() -> None:
    changed = MINE._replace(mode=0o600)
    now = merged(THEIRS, changed, FIRST, b"c" * 32, 9, 31 * NS)
    assert (now.mode, now.size, now.content) == (0o600, 9, b"c" * 32)
    assert now.mtime == 32 * NS  # 30 is no later than what it replaces; a disk may store even seconds only
    assert merged(THEIRS, MINE, FIRST, b"c" * 32, 9, 41 * NS).mtime == 40 * NS
    assert merged(changed, THEIRS, FIRST, b"c" * 32, 9, 31 * NS).mode == 0o600
    assert merged(THEIRS, MINE, FIRST, THEIRS.content, 9, 41 * NS).mtime == THEIRS.mtime


ANNA, BEN = Owner("anna", 1000, "anna", 1000), Owner("ben", 1001, "users", 100)
NO_ACL: Any = ((), ())
FOR_BIN: Any = (((1, 6, "", 0), (2, 6, "bin", 2), (4, 4, "", 0), (16, 6, "", 0), (32, 4, "", 0)), ())
RED, BLUE = ((b"user.t", b"red"),), ((b"user.t", b"blue"),)


def parts(record: Record, mode: int, owner: Owner | None, acls: Any, xattrs: Any) -> Record:
    return record._replace(mode=mode, attributes=Attributes(owner, acls, xattrs))


@pytest.mark.parametrize("wins", [True, False])
def test_owner_acl_and_extended_attributes_are_those_that_were_changed(wins: bool) -> None:
    base = parts(FIRST, 0o644, ANNA, NO_ACL, ())
    changed, other = parts(MINE, 0o664, ANNA, FOR_BIN, RED), parts(THEIRS, 0o644, BEN, NO_ACL, ())
    sides = (changed, other) if wins else (other, changed)
    now = merged(*sides, base, b"c" * 32, 9, 31 * NS)
    assert (now.mode, now.attributes) == (0o664, Attributes(BEN, FOR_BIN, RED))
    assert not do_parts_clash(*sides, base)


@pytest.mark.parametrize("wins", [True, False])
def test_a_mode_and_an_acl_never_come_from_two_sides(wins: bool) -> None:
    base = parts(FIRST, 0o644, None, NO_ACL, None)
    sides = parts(MINE, 0o664, None, FOR_BIN, None), parts(THEIRS, 0o600, None, NO_ACL, None)
    winner, loser = sides if wins else sides[::-1]
    assert do_parts_clash(winner, loser, base)
    now = merged(winner, loser, base, b"c" * 32, 9, 31 * NS)
    assert (now.mode, now.attributes) == (winner.mode, winner.attributes)


def test_what_both_changed_in_different_ways_clashes() -> None:
    base = parts(FIRST, 0o644, ANNA, NO_ACL, ())
    red, blue = (parts(one, 0o644, ANNA, NO_ACL, what) for one, what in ((MINE, RED), (THEIRS, BLUE)))
    assert do_parts_clash(red, blue, base)
    assert not do_parts_clash(red, parts(THEIRS, 0o644, ANNA, NO_ACL, RED), base)
    assert do_parts_clash(MINE._replace(mode=0o600), THEIRS._replace(mode=0o640), FIRST)
    assert not do_parts_clash(MINE._replace(mode=0o600), THEIRS._replace(mode=0o600), FIRST)


def test_what_a_side_is_first_to_say_is_no_change_if_there_is_nothing() -> None:
    says = parts(THEIRS, 0o644, None, NO_ACL, ())
    now = merged(says, MINE._replace(mode=0o600), FIRST, b"c" * 32, 9, 31 * NS)
    assert (now.mode, now.attributes) == (0o600, Attributes(None, NO_ACL, ()))
    assert merged(MINE, THEIRS, FIRST, b"c" * 32, 9, 31 * NS).attributes is None


def test_what_is_text() -> None:
    assert is_text("ä\r\n".encode())
    assert is_text(b"")
    assert not is_text(b"a\0b")
    assert not is_text("ä".encode("latin-1"))


def test_what_may_be_merged() -> None:
    assert may_merge(MINE)
    assert not may_merge(MINE._replace(size=0))
    assert not may_merge(MINE._replace(size=limits.MERGE_BYTES_MAX + 1))
    assert not may_merge(MINE._replace(kind=Kind.SYMLINK))
