"""The checkers of the simulator alone: what they bear, and that they notice the fault beside it."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from blake3 import blake3

from dir_sync.core import notes
from dir_sync.core.events import Event, Moved, Received, Touched, Urgency
from dir_sync.core.jobs import ApplyItem, ApplyJob, Cause, TreeOp
from dir_sync.core.messages import Pull, PullItem, State, StateRequest
from dir_sync.core.model import Kind, Record, Stamp, unstamped
from dir_sync.core.names import HISTORY, STAGING
from dir_sync.core.preserve import ON_ENTRIES
from tests.sim.broken import Broken
from tests.sim.node import FOLDER, Link, Local, Node
from tests.sim.options import draw
from tests.sim.seams import Merge
from tests.sim.world import World

_ASIDE = STAGING + b"/swap-1"


def _calm_world(**changes: Any) -> World:
    """Two nodes on which nothing happens by itself."""
    calm: dict[str, Any] = {"nodes": 2, "links": ((0, 1),), "trees": "empty", "blind": False, "modes": (), "keeps": ()}
    world = World(replace(draw(1), **(calm | changes)))
    world.faults = False
    return world


def _act(node: Node, path: bytes, content: bytes | None) -> None:
    """A user writes or deletes a file."""
    before, program = node.disk.tree(), node.disk.program
    node.disk.program = False
    if content is None:
        node.disk.delete(path)
    else:
        node.disk.write(path, content)
    node.disk.program = program
    node.world.acted(node, before, len(node.world.tokens))


def _exchanged(node: Node, old: bytes, new: bytes) -> None:
    """The program has given `new` the name of what a user had written, and puts that aside."""
    disk = node.disk
    disk.mkdir(STAGING)
    _act(node, b"d", old)
    disk.program = True
    disk.expected = {b"d": {blake3(new).digest()}}
    disk.create_whole(STAGING + b"/new-1", new, 0o644, 0, True)
    disk.rename(STAGING + b"/new-1", _ASIDE)
    disk.exchange(b"d", _ASIDE)


def test_a_user_may_delete_what_began_with_a_file_put_aside_before_that_is_removed() -> None:
    node = _calm_world().nodes[1]
    _exchanged(node, b"begin", b"begin and more")
    _act(node, b"d", None)
    node.disk.remove_file(_ASIDE)


@pytest.mark.parametrize("new", [b"other content", b"begi"], ids=["other", "shorter"])
def test_what_is_no_beginning_of_its_successor_is_not_removed(new: bytes) -> None:
    node = _calm_world().nodes[1]
    _exchanged(node, b"begin", new)
    _act(node, b"d", None)
    with pytest.raises(Broken, match="last copy"):
        node.disk.remove_file(_ASIDE)


def test_another_node_is_no_place_for_what_was_put_aside() -> None:
    elsewhere, node = _calm_world().nodes
    _act(elsewhere, b"d", b"begin and more")
    _exchanged(node, b"begin", b"other content")
    with pytest.raises(Broken, match="last copy"):
        node.disk.remove_file(_ASIDE)


def test_what_was_put_aside_and_got_its_name_back_is_the_last_copy_again() -> None:
    node = _calm_world().nodes[1]
    _exchanged(node, b"begin", b"begin and more")
    node.disk.exchange(_ASIDE, b"d")
    _act(node, _ASIDE, None)
    node.disk.user_took(b"begin and more")
    with pytest.raises(Broken, match="last copy"):
        node.disk.remove_file(b"d")


_VERSION = HISTORY + b"/replaced-0-c"


def _copied(node: Node, version: bytes, copy: bytes) -> None:
    """The program moves a version that is another user's: it gives a copy the name, and a user overwrites that at once."""
    disk = node.disk
    for folder in (HISTORY, STAGING):
        disk.mkdir(folder)
    _act(node, _VERSION, version)
    target = _record(b"d", copy)
    disk.program = True
    disk.begins([ApplyItem(b"d", TreeOp.MOVE, target, b"", Cause.REPLACED, copy_path=_VERSION, copy_fp=b"fp")])
    disk.create_whole(STAGING + b"/new-1", copy, 0o644, 0, True)
    disk.rename(STAGING + b"/new-1", b"d")
    _act(node, b"d", b"what a user writes")


def test_a_user_may_overwrite_the_copy_of_a_version_before_that_is_removed() -> None:
    node = _calm_world().nodes[1]
    _copied(node, b"content", b"content")
    node.disk.remove_file(_VERSION)


@pytest.mark.parametrize("copy", [b"other content", b"content and more"])
def test_a_version_is_not_removed_for_another_content(copy: bytes) -> None:
    node = _calm_world().nodes[1]
    _copied(node, b"content", copy)
    with pytest.raises(Broken, match="last copy"):
        node.disk.remove_file(_VERSION)


def test_only_the_job_that_moves_a_version_removes_it() -> None:
    node = _calm_world().nodes[1]
    _copied(node, b"content", b"content")
    node.disk.begins(())
    with pytest.raises(Broken, match="last copy"):
        node.disk.remove_file(_VERSION)


def _record(path: bytes, content: bytes) -> Record:
    digest = blake3(content).digest()
    return unstamped(path, Kind.FILE, len(content), digest, 5, 0o644)._replace(stamp=Stamp(1, "peer"))


def _installs(node: Node, *records: Record) -> None:
    """The node orders these files to be installed, and tells that they came."""
    items = [ApplyItem(record.path, TreeOp.INSTALL, record, b"", Cause.REPLACED) for record in records]
    node.world.limiting.ordered(node, ApplyJob(tuple(items)))
    for record in records:
        node.world.limiting.told(node, notes.Received(record.path, "B", record.size))


def _node_with_room(room: int) -> Node:
    world = _calm_world(room=room)
    node = world.nodes[0]
    world.lives.boot(node)
    return node


def test_two_files_that_are_here_change_their_names_without_room() -> None:
    node = _node_with_room(4)
    for path, content in ((b"a", b"<first>"), (b"b", b"<second>")):
        node.index.rows.put(_record(path, content), b"fp")
    _installs(node, _record(b"b", b"<first>"), _record(b"a", b"<second>"))
    node.world.close()


def _asks(node: Node, *records: Record) -> None:
    """The node asks a peer for these contents."""
    pulls = (PullItem(1, record.path, record.content, None, 0, record.size) for record in records)
    node.world.limiting.asks(node, Pull("default", tuple(pulls)))


def test_what_a_file_here_had_when_it_was_asked_for_needs_no_room() -> None:
    node = _node_with_room(4)
    node.index.rows.put(_record(b"a", b"<first>"), b"fp")
    wanted, other = _record(b"b", b"<first>"), _record(b"c", b"<third>")
    _asks(node, wanted, other)
    node.index.rows.put(_record(b"a", b"a user wrote it"), b"fp")
    _installs(node, wanted)
    with pytest.raises(Broken, match="has room for 4"):
        _installs(node, other)
    node.world.close()


def test_what_was_there_when_it_was_asked_for_counts_once() -> None:
    node = _node_with_room(4)
    node.index.rows.put(_record(b"a", b"<first>"), b"fp")
    _asks(node, _record(b"b", b"<first>"))
    node.index.rows.put(_record(b"a", b"a user wrote it"), b"fp")
    _installs(node, _record(b"b", b"<first>"))
    with pytest.raises(Broken, match="has room for 4"):
        _installs(node, _record(b"b", b"<first>"))
    node.world.close()


def test_what_no_file_here_has_needs_room() -> None:
    node = _node_with_room(4)
    node.index.rows.put(_record(b"a", b"<first>"), b"fp")
    _installs(node, _record(b"c", b"1234"))
    with pytest.raises(Broken, match="has room for 4"):
        _installs(node, _record(b"b", b"<third>"))
    node.world.close()


def _made(node: Node, counter: int, content: bytes, *before: Record) -> Record:
    """A version of a text that this node records."""
    record = _record(b"text", content)._replace(stamp=Stamp(counter, f"maker {node.name}"))
    node.world.merging.recorded(node, record, before)
    return record


def _merges(world: World, node: Node, merge: Merge, *, is_proved: bool) -> None:
    """The node makes this merge. It is an alarm unless the common version is proved. Ends the world."""
    node.index.identity.replica = merge.winner.stamp.maker
    try:
        if is_proved:
            world.merging.made(node, merge)
        else:
            with pytest.raises(Broken, match="no common version"):
                world.merging.made(node, merge)
    finally:
        world.close()


@pytest.mark.parametrize("found", [b"mine", b"mine, and changed meanwhile"])
@pytest.mark.parametrize("has_forgotten", [True, False])
def test_what_a_node_without_memory_finds_may_have_been_made_from_what_it_had(
    has_forgotten: bool, found: bytes
) -> None:
    world = _calm_world(merges=1.0)
    node = world.nodes[0]
    world.lives.boot(node)
    base = _made(node, 1, b"base")
    _made(node, 2, b"mine", base)
    node.forgot = has_forgotten
    mine = _made(node, 3, found)  # by a first scan: nobody knows what it was made from
    theirs = _made(world.nodes[1], 4, b"theirs", base)
    merge = Merge(_made(node, 5, b"both", mine, theirs), mine, theirs, base, b"both")
    _merges(world, node, merge, is_proved=has_forgotten)


@pytest.mark.parametrize("is_alike", [True, False])
def test_a_version_with_the_content_of_a_common_one_is_common(is_alike: bool) -> None:
    """Two users make one content, and one of them goes on from it. Both versions were joined, as they are the same."""
    world = _calm_world(merges=1.0)
    node = world.nodes[0]
    world.lives.boot(node)
    first = _made(node, 1, b"first")
    base, mine = _made(node, 2, b"both have it", first), _made(node, 3, b"both have it" if is_alike else b"mine", first)
    theirs = _made(world.nodes[1], 4, b"theirs", base)
    merge = Merge(_made(node, 5, b"theirs", mine, theirs), mine, theirs, base, b"theirs")
    _merges(world, node, merge, is_proved=is_alike)


class _NothingIsKept(Random):
    """A power cut takes back as much as it can."""

    def randint(self, a: int, b: int) -> int:
        return a


def _gives(node: Node, path: bytes) -> None:
    node.disk.change_attributes(path, xattrs=((b"user.a", b"1"),))


@pytest.mark.parametrize("users_sync", [True, False])
@pytest.mark.parametrize("is_users", [True, False], ids=["user", "program"])
def test_a_power_cut_may_take_back_attributes_where_users_do_not_sync(users_sync: bool, is_users: bool) -> None:
    world = _calm_world(keeps=(ON_ENTRIES, ON_ENTRIES), one_file=(), users_sync=users_sync)
    node = world.nodes[0]
    world.lives.boot(node)
    _act(node, b"a", b"<text>")
    node.disk.settle()
    node.touched.clear()
    if is_users:
        node.user.do("gives attributes", lambda: _gives(node, b"a"))
        assert b"a" in node.touched
        node.touched.clear()  # a record tells of it
    else:
        _gives(node, b"a")
    node.disk.rng = _NothingIsKept()
    world.lives.crash(node)
    has_lost = node.disk._existing(b"a")[2].attributes.xattrs == ()
    assert has_lost == (not users_sync or not is_users)
    assert (b"a" in node.touched) == (not users_sync)
    world.close()


@pytest.mark.parametrize("is_linking", [True, False])
def test_a_user_may_put_an_equal_file_in_place_of_a_name_of_a_file(is_linking: bool) -> None:
    world = _calm_world(one_file=(is_linking, False), others=0.0)
    node = world.nodes[0]
    for path in (b"a", b"b"):
        node.disk.write(path, b"<text>", 5)
    node.user.do("renames", lambda: node.disk.move(b"b", b"a"))
    assert set(node.touched) == ({b"a", b"b"} if is_linking else {b"b"})
    world.close()


def test_what_one_name_gets_another_one_has_where_names_of_one_file_are_not_kept() -> None:
    """Of a machine that does not keep them, no node can say what becomes of their modes; of all others it must."""
    world = _calm_world(one_file=(True, False), others=0.0)
    keeps, loose = world.nodes
    for path, name in ((b"a", b"b"), (b"c", b"d"), (b"e", b"f")):
        keeps.disk.write(path, b"<text>")
        keeps.disk.give_name(path, name)
    loose.disk.write(b"b", b"<text>")
    loose.disk.give_name(b"b", b"c")
    assert world.linking.carried(world.linking.files_of(keeps)) == {b"a", b"b", b"c", b"d"}
    world.options = replace(world.options, one_file=(True, True))
    assert not world.linking.carried(world.linking.files_of(keeps))
    world.close()


@pytest.mark.parametrize("is_on_its_way", [True, False])
def test_who_asks_anew_is_told_what_it_had_when_the_request_comes(is_on_its_way: bool) -> None:
    """It had forgotten that, by its rules, and an earlier request is answered meanwhile."""
    world = _calm_world(rules=0.3)
    asks, tells = world.nodes
    for node in world.nodes:
        world.lives.boot(node)
    link = Link(1, (asks, tells))
    tells.links[asks.index.identity.replica] = link
    row = tells.index.rows.put(_record(b"a", b"text"), b"fp")
    tells.committed = row.seq
    request = StateRequest(FOLDER, tells.index.identity.replica, 0)
    world.promises.check_words(asks, link, request)
    if not is_on_its_way:
        world.promises.before_event(tells, Received(asks.index.identity.replica, request))
    state = State(FOLDER, row.seq, True, ())
    try:
        if is_on_its_way:
            world.promises.check_words(tells, link, state)
        else:
            with pytest.raises(Broken, match="but not of b'a'"):
                world.promises.check_words(tells, link, state)
    finally:
        world.close()


@pytest.mark.parametrize("is_known", [True, False], ids=["others have it", "others have what was before"])
def test_what_only_one_node_had_and_forgot_is_gone_although_another_file_has_its_content(is_known: bool) -> None:
    """Its loss is rejected there, while another user deletes what the others have."""
    world = _calm_world()
    here, there = world.nodes
    for node in world.nodes:
        world.lives.boot(node)
    old = _record(b"a", b"old")._replace(vector=(("old", 1),))
    edit = _record(b"a", b"edit")._replace(stamp=Stamp(2, "here"), vector=(("here", 2), ("old", 1)))
    gone = unstamped(b"a", Kind.ABSENT, 0, b"", 0, 0)._replace(
        stamp=Stamp(3, "there"), vector=(("old", 1), ("there", 3))
    )
    here.index.rows.put(edit, b"fp")
    there.index.rows.put(edit if is_known else old, b"fp")
    _act(there, b"b", b"edit")
    world.locals[b"a"] = [Local(edit, "user", None), Local(gone, "user", None)]
    world.decided(here, False, [b"a"])
    try:
        if is_known:
            with pytest.raises(Broken, match="the edit of b'a' died"):
                world.at_rest.check_history()
        else:
            world.at_rest.check_history()
    finally:
        world.close()


@pytest.mark.parametrize("is_open", [True, False])
def test_what_a_program_has_open_at_a_start_need_not_count_as_moved(is_open: bool) -> None:
    world = _calm_world(brake=True, trouble=0.0, unreadable=0.0)
    node = world.nodes[0]
    world.lives.boot(node)
    for path in (b"a", b"b", b"c", b"d"):
        node.index.rows.put(_record(path, b"content of " + path), b"fp")
    _act(node, b"d", b"content of a")
    inode = node.disk._find(b"d")
    assert inode is not None
    inode.handles += is_open
    inode.writers += is_open
    world.lives._foresee(node)
    assert not node.wiped
    assert node.may_brake is is_open
    world.close()


def test_a_watcher_says_a_folder_by_its_listed_name_and_what_is_in_it_as_it_was_spelled() -> None:
    """A watch is on a folder, which was listed: no other spelling of its name ever comes with what happens in it."""
    world = _calm_world(blind=True, one_file=(), others=0.0)
    node = world.nodes[1]
    node.disk.mkdir(b"D/b/in")
    node.watched |= {inode.number for inode in node.disk._walk(node.disk._root)}
    heard: list[Event] = []
    node.heard = heard.append  # type: ignore[method-assign]
    node.disk.write(b"d/New", b"<text>")
    node.disk.move(b"d/NEW", b"d/B/x")
    node.disk.delete(b"d/B")
    assert heard == [
        Touched(b"D/New", Urgency.CREATED),
        Touched(b"D/New", Urgency.NOW),
        Moved(b"D/NEW", b"D/b/x", False),
        Touched(b"D/b/in", Urgency.VANISHED),
        Touched(b"D/b/x", Urgency.VANISHED),
        Touched(b"D/B", Urgency.VANISHED),
    ]
    world.close()
