"""--preserve hardlinks between two nodes that both keep names of one file, or of which one does not."""

from __future__ import annotations

from random import Random

import pytest

from dir_sync.core.events import Moved, Touched, Urgency
from dir_sync.core.hard_links import file_id_of
from dir_sync.core.model import FINGERPRINT_BYTES
from dir_sync.index import Index
from tests.ends import closed_at_end
from tests.engine.pairs.test_attributes import record, save, touch
from tests.pair import OneNode, Pair
from tests.sim.trees import plain

A, B, C = b"a", b"d/b", b"c"


def a_pair(one: bool = True, two: bool = True) -> Pair:
    pair = Pair()
    for node, links in ((pair.one, one), (pair.two, two)):
        node.links = links
        node.boot()
    pair.link()
    return pair


def with_two_names(pair: Pair, data: bytes = b"content") -> None:
    one = pair.one
    one.disk.mkdir(b"d")
    touch(pair, one, b"d")
    save(pair, one, A, data)
    give_name(pair, one, A, B)


def give_name(pair: Pair, node: OneNode, source: bytes, target: bytes) -> None:
    node.disk.give_name(source, target)
    node.inbox.append(Touched(target, Urgency.CREATED))
    pair.run()


def begin(node: OneNode) -> None:
    """The first scan of a node."""
    node.index = closed_at_end(Index(":memory:", Random(node.name)))
    node.boot()


def inode(node: OneNode, path: bytes) -> int:
    found = node.disk.stat(path)
    assert found is not None, path
    return found.inode


def names(node: OneNode, *paths: bytes) -> bool:
    """True if these are names of one file."""
    return len({inode(node, path) for path in paths}) == 1


def both(pair: Pair, *paths: bytes) -> bool:
    assert plain(pair.one.disk.tree()) == plain(pair.two.disk.tree())
    for node in (pair.one, pair.two):
        assert not node.engine.is_busy
        for path in paths:
            row = node.index.rows.get(path)
            assert row is not None
            assert len(row.fp) == FINGERPRINT_BYTES
    assert names(pair.one, *paths) == names(pair.two, *paths)
    return names(pair.two, *paths)


@pytest.mark.parametrize("size", [0, 10, 100_000, 5_000_000])
def test_another_name_arrives_as_one(size: int) -> None:
    pair = a_pair()
    with_two_names(pair, b"x" * size)
    assert both(pair, A, B)
    assert file_id_of(record(pair.two, A)) == file_id_of(record(pair.two, B)) != ""
    give_name(pair, pair.one, B, C)
    assert both(pair, A, B, C)
    assert not list(pair.two.index.versions.oldest_first())


@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
@pytest.mark.parametrize("editor", ["one", "two"])
def test_an_edit_in_place_is_one_of_all_names(size: int, editor: str) -> None:
    pair = a_pair()
    with_two_names(pair, b"x" * size)
    save(pair, getattr(pair, editor), B, b"y" * size)
    assert both(pair, A, B)
    assert pair.two.disk.content(A) == pair.one.disk.content(A) == b"y" * size


def test_a_save_by_replacing_leaves_the_file() -> None:
    pair = a_pair()
    with_two_names(pair)
    save(pair, pair.two, B, b"of its own", replace=True)
    assert not both(pair, A, B)
    assert file_id_of(record(pair.one, B)) == ""
    assert pair.one.disk.content(A) == b"content"


def test_a_name_with_the_same_content_that_was_set_apart_stays_apart() -> None:
    pair = a_pair()
    with_two_names(pair)
    mtime = pair.one.disk.stat(A).mtime  # type: ignore[union-attr]
    pair.one.disk.write(B, b"content", mtime, replace=True)
    touch(pair, pair.one, B)
    assert not both(pair, A, B)
    save(pair, pair.one, A, b"only a")
    assert pair.two.disk.content(B) == b"content"


@pytest.mark.parametrize("node", ["one", "two"])
def test_a_mode_and_a_time_are_those_of_all_names(node: str) -> None:
    pair = a_pair()
    with_two_names(pair)
    user = getattr(pair, node)
    user.disk.chmod(B, 0o600)
    touch(pair, user, B)
    assert both(pair, A, B)
    user.disk.touch(A, 10**18)
    touch(pair, user, A)
    assert both(pair, A, B)
    assert pair.one.disk.stat(B).mtime == 10**18  # type: ignore[union-attr]


def test_names_that_get_other_modes_at_the_same_time_end_apart_or_as_one() -> None:
    pair = a_pair()
    with_two_names(pair)
    pair.cut()
    pair.one.disk.chmod(A, 0o600)
    touch(pair, pair.one, A)
    pair.two.disk.chmod(B, 0o640)
    touch(pair, pair.two, B)
    pair.link()
    both(pair, A, B)


def test_a_removed_name_leaves_the_others() -> None:
    pair = a_pair()
    with_two_names(pair)
    give_name(pair, pair.one, A, C)
    pair.two.disk.delete(B)
    touch(pair, pair.two, B)
    assert both(pair, A, C)
    assert pair.one.disk.stat(B) is None


def test_a_renamed_name_is_one_still() -> None:
    pair = a_pair()
    with_two_names(pair)
    pair.two.disk.move(B, C)
    pair.two.inbox.append(Moved(B, C, False))
    pair.run()
    assert both(pair, A, C)
    assert not list(pair.one.index.versions.oldest_first())


def test_equal_trees_begin_with_equal_records() -> None:
    pair = Pair()
    for node in (pair.one, pair.two):
        node.links = True
        for data, first, second in ((b"1", A, C), (b"1", b"e", b"f")):  # two files with one content
            node.disk.write(first, data, 10**18)
            node.disk.give_name(first, second)
        begin(node)
    pair.run()
    pair.link()
    assert both(pair, A, C)
    assert both(pair, b"e", b"f")
    assert not both(pair, A, b"e")
    assert record(pair.one, A).stamp.maker.startswith("=")


def test_at_a_first_contact_the_file_with_more_names_wins() -> None:
    pair = Pair()
    for node in (pair.one, pair.two):
        node.links = True
        node.disk.write(A, b"1", 10**18)
        node.disk.give_name(A, C)
    pair.two.disk.give_name(C, b"0")
    for node in (pair.one, pair.two):
        begin(node)
    pair.run()
    pair.link()
    assert both(pair, A, C, b"0")


def test_who_does_not_keep_names_passes_them_on() -> None:
    pair = a_pair(two=False)
    with_two_names(pair)
    assert not names(pair.two, A, B)
    assert file_id_of(record(pair.two, A)) == file_id_of(record(pair.two, B))
    save(pair, pair.two, B, b"changed", replace=True)
    pair.two.disk.move(B, C)
    pair.two.inbox.append(Moved(B, C, False))
    pair.run()
    assert not names(pair.one, A, C)
    assert file_id_of(record(pair.one, C)) == file_id_of(record(pair.one, A))


def test_names_are_joined_after_a_restart() -> None:
    pair = a_pair(two=False)
    with_two_names(pair)
    pair.two.links = True
    pair.restart(pair.two)
    assert both(pair, A, B)


def test_a_file_that_can_have_no_more_names_is_copied() -> None:
    pair = a_pair()
    pair.two.disk.names_max = 2
    with_two_names(pair)
    for number in range(4):
        give_name(pair, pair.one, A, b"more%d" % number)
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert not pair.two.engine.is_busy
