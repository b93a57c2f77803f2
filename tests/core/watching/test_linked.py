"""Which names of a file have to be looked at when it was changed through one of them."""

from __future__ import annotations

from dir_sync.core.watching.linked import LinkedNames


def test_a_file_with_one_name_needs_no_search_for_others_while_that_is_fresh() -> None:
    linked = LinkedNames()
    assert linked.may_have_others(5, 10)
    linked.has_one_name(5, 10)
    linked.has_one_name(6, 10)
    assert not linked.may_have_others(5, 10)
    assert not linked.may_have_others(6, 10)
    assert linked.may_have_others(7, 10), "of another file nothing was found"
    assert linked.may_have_others(5, 11), "by now somebody may have given it another name"
    linked.has_one_name(7, 11)
    assert linked.may_have_others(5, 11)


def test_without_an_inode_there_is_nothing_to_search() -> None:
    assert not LinkedNames().may_have_others(0, 1)


def test_names_that_belonged_together_are_given_once_and_not_if_one_is_left() -> None:
    linked = LinkedNames()
    linked.keep(5, {b"a", b"b"})
    linked.keep(6, {b"c", b"d"})
    assert linked.take(5) == {b"a", b"b"}
    assert linked.take(5) == set()
    linked.has_one_name(6, 1)
    assert linked.take(6) == set()
