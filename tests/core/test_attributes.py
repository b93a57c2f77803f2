"""Attributes of files as values."""

from __future__ import annotations

import pytest

from dir_sync.core.attributes import Acl, Attributes, Owner, change_in_words, is_between

ANNA, BEN, CARL = (Owner(name, 1, name, 1) for name in ("anna", "ben", "carl"))
ACL: Acl = ((1, 6, "", 0), (4, 4, "", 0), (32, 0, "", 0))


@pytest.mark.parametrize(
    ("now", "is_it"),
    [
        (None, True),
        (Attributes(ANNA, ((), ()), ((b"user.a", b"1"), (b"user.b", b"1"))), True),  # nothing was done
        (Attributes(BEN, (ACL, ()), ((b"user.a", b"2"), (b"user.c", b"1"))), True),  # all
        (Attributes(BEN, ((), ()), ((b"user.a", b"1"),)), True),  # the owner, and one was removed
        (Attributes(ANNA, None, ((b"user.a", b"2"), (b"user.b", b"1"), (b"user.c", b"1"))), True),
        (Attributes(CARL), False),  # a user did
        (Attributes(ANNA, (ACL, ACL)), False),
        (Attributes(ANNA, None, ()), False),  # both have user.a
        (Attributes(ANNA, None, ((b"user.a", b"3"), (b"user.b", b"1"))), False),
        (Attributes(ANNA, None, ((b"user.a", b"1"), (b"user.d", b"1"))), False),
    ],
)
def test_what_a_change_that_failed_half_way_leaves(now: Attributes | None, is_it: bool) -> None:
    before = Attributes(ANNA, None, ((b"user.a", b"1"), (b"user.b", b"1")))
    wanted = Attributes(BEN, (ACL, ()), ((b"user.a", b"2"), (b"user.c", b"1")))
    assert is_between(before, now, wanted) is is_it


def test_what_a_version_does_not_say_is_as_before() -> None:
    before, wanted = Attributes(ANNA, None, ((b"user.a", b"1"),)), Attributes(BEN)
    assert is_between(before, Attributes(BEN, None, ((b"user.a", b"1"),)), wanted)
    assert not is_between(before, Attributes(BEN, None, ()), wanted)


@pytest.mark.parametrize(
    ("now", "is_meta", "words"),
    [
        (Attributes(BEN), False, "owner"),
        (Attributes(BEN), True, "time or permissions and owner"),
        (Attributes(ANNA), True, "time or permissions"),
        (Attributes(ANNA, (ACL, ()), ()), False, "ACL and extended attributes"),
        (Attributes(BEN, (ACL, ()), ()), True, "time or permissions, owner, ACL and extended attributes"),
    ],
)
def test_what_differs_is_said(now: Attributes, is_meta: bool, words: str) -> None:
    assert change_in_words(Attributes(ANNA), now, is_meta) == words
