"""A file with several names on one node: whatever is done to it through one of them is told of all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dir_sync.core.events import Reverted, Touched, Urgency
from dir_sync.core.mode import Mode
from dir_sync.core.notes import ChangedHere, Kept
from tests.engine.pairs.test_attributes import save, touch
from tests.pair import WALL_NS, OneNode, Pair

Act = Callable[[Pair, OneNode, OneNode], None]


def edit(pair: Pair, one: OneNode, two: OneNode) -> None:
    save(pair, one, b"a", b"edited through a")


def chmod(pair: Pair, one: OneNode, two: OneNode) -> None:
    one.disk.chmod(b"a", 0o600)
    touch(pair, one, b"a")


def chmod_elsewhere(pair: Pair, one: OneNode, two: OneNode) -> None:
    """There the names are files of their own; here the mode is that of both."""
    two.disk.chmod(b"a", 0o600)
    touch(pair, two, b"a")


def touch_elsewhere(pair: Pair, one: OneNode, two: OneNode) -> None:
    two.disk.touch(b"a", 10**18)
    touch(pair, two, b"a")


def edit_through_both(pair: Pair, one: OneNode, two: OneNode) -> None:
    """The second edit comes when only the first name was looked at: the other one still has an older content."""
    for path, data in ((b"a", b"first"), (b"b", b"second")):
        one.disk.write(path, data)
        one.inbox.append(Touched(path, Urgency.NOW))
        pair.step()
    pair.run()


def edit_through_three(pair: Pair, one: OneNode, two: OneNode) -> None:
    one.disk.give_name(b"a", b"c")
    touch(pair, one, b"c")
    for path, data in ((b"a", b"first"), (b"b", b"second"), (b"c", b"third")):
        one.disk.write(path, data)
        one.inbox.append(Touched(path, Urgency.NOW))
        pair.step()
    pair.run()


def with_two_names(size: int) -> Pair:
    """Both nodes have the files `a` and `b`; at the first one they are names of one file."""
    pair = Pair()
    pair.link()
    save(pair, pair.one, b"a", b"x" * size)
    pair.one.disk.give_name(b"a", b"b")
    touch(pair, pair.one, b"b")
    return pair


@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
@pytest.mark.parametrize("act", [edit, chmod, chmod_elsewhere, touch_elsewhere, edit_through_both, edit_through_three])
def test_no_name_stays_behind(act: Act, size: int) -> None:
    pair = with_two_names(size)
    one, two = pair.one, pair.two
    act(pair, one, two)
    assert one.disk.tree() == two.disk.tree()
    assert one.disk.content(b"a") == one.disk.content(b"b")


def test_names_are_forgotten_when_they_are_files_of_their_own() -> None:
    pair = with_two_names(1)
    one = pair.one
    edit_through_both(pair, one, pair.two)
    assert list(one.engine.look_queue.linked.names.values()) == [{b"a", b"b"}]
    save(pair, one, b"b", b"of its own", replace=True)
    save(pair, one, b"a", b"alone")
    assert not one.engine.look_queue.linked.names
    assert (one.disk.content(b"a"), one.disk.content(b"b")) == (b"alone", b"of its own")
    assert one.disk.tree() == pair.two.disk.tree()


@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_what_becomes_of_another_name_is_no_change_made_here(size: int, is_replaced: bool) -> None:
    """There one file gets another time, and the other one is deleted or replaced. Here that is the time of both."""
    pair = with_two_names(size)
    one, two = pair.one, pair.two
    pair.cut()
    two.disk.touch(b"a", WALL_NS + 10**16)
    if is_replaced:
        two.disk.write(b"b", b"of its own")
    else:
        two.disk.remove_file(b"b")
    two.inbox += [Touched(b"a", Urgency.NOW), Touched(b"b", Urgency.NOW if is_replaced else Urgency.VANISHED)]
    pair.run()
    pair.link()
    assert one.disk.tree() == two.disk.tree()
    assert one.disk.content(b"a") == b"x" * size
    assert (b"b" in two.disk.tree()) is is_replaced
    if is_replaced:
        assert one.disk.content(b"b") == b"of its own"
    assert not two.said(Kept)
    assert not one.said(ChangedHere)


def a_link_with_two_names() -> Pair:
    pair = Pair()
    pair.link()
    one = pair.one
    one.disk.symlink(b"a", b"target")
    touch(pair, one, b"a")
    one.disk.give_name(b"a", b"b")
    touch(pair, one, b"b")
    assert one.disk.tree() == pair.two.disk.tree()
    return pair


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_no_name_of_a_symbolic_link_stays_behind(is_elsewhere: bool) -> None:
    """Elsewhere the names are links of their own; here the time is that of both."""
    pair = a_link_with_two_names()
    node = pair.two if is_elsewhere else pair.one
    node.disk.touch(b"a", WALL_NS + 10**16)
    touch(pair, node, b"a")
    tree = pair.one.disk.tree()
    assert tree == pair.two.disk.tree()
    assert {entry[3] for entry in tree.values()} == {WALL_NS + 10**16}


def test_what_becomes_of_another_name_of_a_symbolic_link_is_no_change_made_here() -> None:
    pair = a_link_with_two_names()
    pair.cut()
    two = pair.two
    two.disk.touch(b"a", WALL_NS + 10**16)
    two.disk.remove_file(b"b")
    two.inbox += [Touched(b"a", Urgency.NOW), Touched(b"b", Urgency.VANISHED)]
    pair.run()
    pair.link()
    assert pair.one.disk.tree() == two.disk.tree()
    assert list(two.disk.tree()) == [b"a"]
    assert not pair.one.said(ChangedHere)


def test_a_revert_undoes_a_name_that_was_given_here() -> None:
    pair = Pair()
    pair.link()
    one = pair.one
    save(pair, one, b"a", b"x")
    pair.cut()
    one.engine.mode_rules.mode = Mode.RECEIVE_ONLY
    pair.link()
    one.disk.give_name(b"a", b"b")
    touch(pair, one, b"b")
    one.disk.touch(b"a", 10**18)
    touch(pair, one, b"a")
    one.inbox.append(Reverted())
    pair.run()
    assert one.disk.tree() == pair.two.disk.tree()
    assert list(one.disk.tree()) == [b"a"]
