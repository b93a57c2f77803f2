"""Owner, ACLs and extended attributes between two nodes: of which either, both or none keeps them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dir_sync.core import notes
from dir_sync.core.attributes import Attributes, Owner
from dir_sync.core.events import Inquired, Moved, RestoreRequested, Touched, Urgency
from dir_sync.core.jobs import Before
from dir_sync.core.messages import Chunks, History, HistoryRequest, Pull
from dir_sync.core.model import Record
from dir_sync.core.preserve import ON_ENTRIES, Part
from dir_sync.history.codec import packed, unpacked
from dir_sync.history.undo_plan import plan
from dir_sync.ports import Trouble
from tests.engine.pairs.test_unable import listen
from tests.pair import OneNode, Pair
from tests.sim.memory_tree import OWNER

ANNA, BEN = Owner("anna", 1000, "anna", 1000), Owner("ben", 1001, "users", 100)
RED, BLUE = ((b"user.colour", b"red"),), ((b"user.colour", b"blue"),)
FOR_BEN = (((1, 6, "", 0), (2, 4, "ben", 1001), (4, 4, "", 0), (16, 4, "", 0), (32, 0, "", 0)), ())
PLAIN = Attributes(OWNER, ((), ()), ())


def a_pair(one: frozenset[Part] = ON_ENTRIES, two: frozenset[Part] = ON_ENTRIES) -> Pair:
    pair = Pair()
    for node, parts in ((pair.one, one), (pair.two, two)):
        node.disk.kept_parts = parts
        node.boot()
    pair.link()
    return pair


NOT_KEPT: frozenset[Part] = frozenset()


def there(node: OneNode, path: bytes) -> Attributes:
    inode = node.disk._find(path)
    assert inode is not None
    return inode.attributes


def record(node: OneNode, path: bytes) -> Record:
    row = node.index.rows.get(path)
    assert row is not None
    return row.record


def save(pair: Pair, node: OneNode, path: bytes, data: bytes, replace: bool = False, **attributes: Any) -> None:
    node.disk.write(path, data, replace=replace)
    if attributes:
        node.disk.change_attributes(path, **attributes)
    touch(pair, node, path)


def change(pair: Pair, node: OneNode, path: bytes, **attributes: Any) -> None:
    node.disk.change_attributes(path, **attributes)
    touch(pair, node, path)


def touch(pair: Pair, node: OneNode, path: bytes) -> None:
    node.inbox.append(Touched(path, Urgency.NOW))
    pair.run()


@pytest.mark.parametrize("size", [3, 100_000, 5_000_000])
def test_they_come_with_a_new_file_and_change_without_its_content(size: int) -> None:
    pair = a_pair()
    save(pair, pair.one, b"f", b"x" * size, owner=ANNA, acls=FOR_BEN, xattrs=RED)
    assert there(pair.two, b"f") == Attributes(ANNA, FOR_BEN, RED)
    sent = [listen(node) for node in (pair.one, pair.two)]
    change(pair, pair.two, b"f", xattrs=BLUE, owner=BEN)
    assert there(pair.one, b"f") == Attributes(BEN, FOR_BEN, BLUE)
    change(pair, pair.one, b"f", xattrs=(), acls=((), ()))
    assert there(pair.two, b"f") == Attributes(BEN, ((), ()), ())
    assert not [one for each in sent for one in each.messages if isinstance(one, Pull | Chunks)]
    assert pair.one.disk.content(b"f") == pair.two.disk.content(b"f") == b"x" * size
    assert not [*pair.one.index.versions.oldest_first(), *pair.two.index.versions.oldest_first()], (
        "nothing was displaced"
    )
    before = [node.index.sequences.last for node in (pair.one, pair.two)]
    for node in (pair.one, pair.two):
        touch(pair, node, b"f")
    assert [node.index.sequences.last for node in (pair.one, pair.two)] == before, "an echo is no change"


def test_folders_and_links_have_them_too() -> None:
    pair = a_pair()
    pair.one.disk.mkdir(b"d")
    pair.one.disk.symlink(b"l", b"to")
    pair.one.disk.change_attributes(b"d", xattrs=RED, owner=ANNA)
    pair.one.disk.change_attributes(b"l", owner=ANNA)
    for path in (b"d", b"l"):
        touch(pair, pair.one, path)
    assert there(pair.two, b"d") == PLAIN._replace(xattrs=RED, owner=ANNA)
    assert there(pair.two, b"l").owner == ANNA
    change(pair, pair.two, b"d", xattrs=BLUE)
    change(pair, pair.two, b"l", owner=BEN)
    assert there(pair.one, b"d").xattrs == BLUE
    assert there(pair.one, b"l").owner == BEN


def test_what_changed_while_a_node_was_off_is_found_by_its_scan() -> None:
    pair = a_pair()
    pair.one.disk.mkdir(b"d")
    pair.one.disk.mkdir(b"d/e")
    pair.one.disk.write(b"d/f", b"x")
    for path in (b"d", b"d/f"):
        touch(pair, pair.one, path)
    pair.cut()
    for path in (b"d", b"d/e", b"d/f"):
        pair.one.disk.change_attributes(path, xattrs=RED)
    pair.restart(pair.one)
    assert [there(pair.two, path).xattrs for path in (b"d", b"d/e", b"d/f")] == [RED] * 3


@pytest.mark.parametrize("keeps", [NOT_KEPT, frozenset({Part.ACLS}), frozenset({Part.OWNER})])
def test_a_node_that_does_not_keep_them_passes_them_on(keeps: frozenset[Part]) -> None:
    """Its own file stays as it is; its record has all. An edit there, a chmod and a rename lose nothing."""
    pair = a_pair(ON_ENTRIES, keeps)
    one, two = pair.one, pair.two
    save(pair, one, b"f", b"x", owner=ANNA, acls=FOR_BEN, xattrs=RED)
    everything = Attributes(ANNA, FOR_BEN, RED)
    assert record(two, b"f").attributes == record(one, b"f").attributes == everything
    here = Attributes(ANNA if Part.OWNER in keeps else OWNER, FOR_BEN if Part.ACLS in keeps else ((), ()), ())
    assert there(two, b"f") == here
    save(pair, two, b"f", b"edited there")
    two.disk.chmod(b"f", 0o600)
    touch(pair, two, b"f")
    assert (record(one, b"f").attributes, one.disk.content(b"f")) == (everything, b"edited there")
    two.disk.move(b"f", b"g")
    two.inbox.append(Moved(b"f", b"g", False))
    pair.run()
    assert record(one, b"g").attributes == record(two, b"g").attributes == there(one, b"g") == everything


def test_a_folder_that_is_renamed_where_they_are_not_kept() -> None:
    pair = a_pair(ON_ENTRIES, NOT_KEPT)
    pair.one.disk.mkdir(b"d")
    pair.one.disk.change_attributes(b"d", xattrs=RED)
    touch(pair, pair.one, b"d")
    save(pair, pair.one, b"d/f", b"x", xattrs=BLUE)
    pair.two.disk.move(b"d", b"e")
    pair.two.inbox.append(Moved(b"d", b"e", True))
    pair.run()
    assert (there(pair.one, b"e").xattrs, there(pair.one, b"e/f").xattrs) == (RED, BLUE)


def test_an_edit_by_a_new_file_takes_them_away_where_they_are_kept() -> None:
    """A program that saves beside and renames over has removed them, and that is what its user sees."""
    pair = a_pair()
    save(pair, pair.one, b"f", b"x", xattrs=RED)
    save(pair, pair.two, b"f", b"anew", replace=True)
    assert there(pair.two, b"f").xattrs == there(pair.one, b"f").xattrs == ()


def test_what_no_version_says_stays_and_is_told() -> None:
    """The folders were shared before one of the nodes kept attributes."""
    pair = a_pair(NOT_KEPT, NOT_KEPT)
    save(pair, pair.one, b"f", b"x", xattrs=RED)
    assert record(pair.one, b"f").attributes is None
    pair.one.disk.kept_parts = pair.two.disk.kept_parts = frozenset({Part.XATTRS})
    pair.restart(pair.one)
    pair.restart(pair.two)
    save(pair, pair.two, b"f", b"edited")
    assert there(pair.one, b"f").xattrs == there(pair.two, b"f").xattrs == RED


def test_a_first_contact_of_two_nodes_that_keep_different_parts() -> None:
    pair = Pair()
    for node, parts, given in (
        (pair.one, frozenset({Part.XATTRS}), {"xattrs": RED}),
        (pair.two, frozenset({Part.OWNER}), {"owner": ANNA}),
    ):
        node.disk.kept_parts = parts
        node.disk.write(b"f", b"x", mtime=10**18)
        node.disk.change_attributes(b"f", **given)
        node.boot()
    pair.link()
    assert record(pair.one, b"f") == record(pair.two, b"f")
    assert record(pair.one, b"f").attributes == Attributes(ANNA, None, RED)
    assert (there(pair.one, b"f").xattrs, there(pair.two, b"f").owner) == (RED, ANNA)


def test_bytes_that_were_appended_together_with_a_change_of_attributes() -> None:
    pair = a_pair()
    save(pair, pair.one, b"f", b"x" * 100_000, xattrs=RED)
    with_more = pair.one.disk.hold(b"f")
    with_more.write(100_000, b"more" * 5_000)
    with_more.close()
    pair.one.disk.change_attributes(b"f", xattrs=BLUE)
    touch(pair, pair.one, b"f")
    assert there(pair.two, b"f").xattrs == BLUE
    assert pair.two.disk.content(b"f") == b"x" * 100_000 + b"more" * 5_000


def test_without_the_option_no_attribute_is_looked_at() -> None:
    pair = a_pair(NOT_KEPT, NOT_KEPT)
    save(pair, pair.one, b"f", b"x", xattrs=RED)
    save(pair, pair.two, b"f", b"y")
    for node in (pair.one, pair.two):
        assert node.disk.counts["read_attributes"] == node.disk.counts["set_attributes"] == 0
    assert there(pair.one, b"f").xattrs == RED, "what the replaced file had is kept on each machine, as ever"


@pytest.mark.parametrize("failing", range(1, 5))
@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("restarts", [False, True])
def test_what_could_be_set_only_in_part_is_tried_again(kind: str, failing: int, restarts: bool) -> None:
    """Never is what lacks announced as removed: not before a restart and not after it. `failing`: from which step on."""
    pair = a_pair()
    if kind == "file":
        pair.one.disk.write(b"x", b"x")
    else:
        pair.one.disk.mkdir(b"x")
    change(pair, pair.one, b"x", xattrs=((b"user.a", b"1"), (b"user.b", b"1")))
    steps = 0

    def fail(verb: str, path: bytes) -> Trouble | None:
        nonlocal steps
        if (verb, path) != ("set_attributes", b"x"):
            return None
        steps += 1
        return Trouble.LIMIT if steps >= failing else None

    pair.two.disk.fail = fail
    wanted = ((b"user.a", b"2"), (b"user.c", b"1"))
    change(pair, pair.one, b"x", xattrs=wanted, owner=BEN)
    touch(pair, pair.two, b"x")
    if restarts:
        pair.restart(pair.two)
    touch(pair, pair.two, b"x")
    assert steps >= failing
    pair.two.disk.fail = None
    for _ in range(30):  # it waits longer each time
        pair.run()
    for node in (pair.one, pair.two):
        assert there(node, b"x") == PLAIN._replace(owner=BEN, xattrs=wanted), node
        found = record(node, b"x").attributes
        assert found is not None
        assert (found.owner, found.xattrs) == (BEN, wanted)
        assert pair.two.index.identity.replica not in dict(record(node, b"x").vector), (
            "nobody has changed anything there"
        )


def test_what_comes_back_from_the_history_has_its_attributes() -> None:
    """A version that said nothing leaves them as they are."""
    pair = a_pair()
    one, two = pair.one, pair.two
    save(pair, one, b"f", b"old", xattrs=RED, owner=ANNA, acls=FOR_BEN)
    save(pair, two, b"f", b"new", xattrs=BLUE, owner=BEN, acls=((), ()))
    assert there(one, b"f") == Attributes(BEN, ((), ()), BLUE)
    (version,) = one.index.versions.oldest_first()
    assert version.attributes == Attributes(ANNA, FOR_BEN, RED)
    assert unpacked(json.loads(json.dumps(packed(version)))) == version
    one.inbox.append(RestoreRequested((Before(*version[1:7], 0, "", version.attributes),), {}))
    pair.run()
    for node in (one, two):
        assert there(node, b"f") == Attributes(ANNA, FOR_BEN, RED)
        assert node.disk.content(b"f") == b"old"
    change(pair, two, b"f", xattrs=BLUE)
    one.inbox.append(RestoreRequested((Before(*version[1:7], 0, ""),), {}))
    pair.run()
    assert there(two, b"f").xattrs == BLUE


def test_an_undo_brings_attributes_back() -> None:
    pair = a_pair(two=NOT_KEPT)
    one, two = pair.one, pair.two
    save(pair, one, b"f", b"x", xattrs=RED)
    one.disk.mkdir(b"d")
    change(pair, one, b"d", xattrs=RED)
    count = len([*two.index.journal.since(0)])
    change(pair, one, b"f", xattrs=BLUE, owner=BEN)
    change(pair, one, b"d", xattrs=())
    entries = [*two.index.journal.since(0)][count:]
    assert {one.path for one in entries} == {b"d", b"f"}, "a change of attributes alone is in the journal"
    wanted = plan(two.index, min(entry.time_ns for entry in entries), None).wanted
    two.inbox.append(RestoreRequested(tuple(wanted), {}))
    pair.run()
    assert there(one, b"f") == PLAIN._replace(xattrs=RED), "also where they are not kept somebody can say so"
    assert there(one, b"d").xattrs == RED
    assert not plan(two.index, min(entry.time_ns for entry in entries), None).wanted


def test_a_version_of_another_machine_comes_with_its_attributes() -> None:
    pair = a_pair()
    one, two = pair.one, pair.two
    save(pair, one, b"f", b"old", xattrs=RED)
    pair.cut()
    two.boot()
    pair.link()
    save(pair, two, b"f", b"new", xattrs=BLUE)
    sent = listen(one)
    two.inbox.append(Inquired(1, (HistoryRequest("", 0, b"f", 10),)))
    pair.run()
    (told,) = [message for message in sent.messages if isinstance(message, History)]
    assert [kept.attributes for kept in told.kept] == [PLAIN._replace(xattrs=RED)]


# --- a node begins to keep them --------------------------------------------------------------------------------------

EVERYTHING = Attributes(ANNA, FOR_BEN, RED)


def a_late_pair() -> Pair:
    """What the first node keeps is known to the second one, which keeps nothing, and is off. There are d, d/f, l and big."""
    pair = a_pair(ON_ENTRIES, NOT_KEPT)
    pair.one.disk.mkdir(b"d")
    pair.one.disk.change_attributes(b"d", owner=ANNA, acls=FOR_BEN, xattrs=RED)
    touch(pair, pair.one, b"d")
    for path, data in ((b"d/f", b"x"), (b"big", b"x" * 2_000_000)):
        save(pair, pair.one, path, data, owner=ANNA, acls=FOR_BEN, xattrs=RED)
    pair.cut()
    assert [there(pair.two, path) for path in (b"d", b"d/f", b"big")] == [PLAIN] * 3
    return pair


def switch(pair: Pair, node: OneNode, parts: frozenset[Part]) -> None:
    """Start a node anew that keeps these parts from now on."""
    node.disk.kept_parts = parts
    node.index.keep([part.value for part in parts])
    pair.restart(node)


def both_have(pair: Pair, attributes: Attributes, *paths: bytes) -> None:
    for _ in range(30):  # what failed waits longer each time
        pair.run()
    for node in (pair.one, pair.two):
        assert [there(node, path) for path in paths] == [attributes] * len(paths)
        assert [record(node, path).attributes for path in paths] == [attributes] * len(paths)
    assert not pair.two.index.rows.has_unproven()


def test_what_the_others_keep_is_given_to_a_disk_that_keeps_it_from_now_on() -> None:
    pair = a_late_pair()
    stamps = [record(pair.two, path).stamp for path in (b"d", b"d/f", b"big")]
    switch(pair, pair.two, ON_ENTRIES)
    both_have(pair, EVERYTHING, b"d", b"d/f", b"big")
    assert [record(pair.two, path).stamp for path in (b"d", b"d/f", b"big")] == stamps, "nobody has changed anything"
    change(pair, pair.two, b"d/f", xattrs=())
    change(pair, pair.two, b"d", acls=((), ()))
    assert (there(pair.one, b"d/f").xattrs, there(pair.one, b"d").acls) == ((), ((), ())), "a user removes them as ever"


def test_what_a_user_did_before_the_look_keeps_them() -> None:
    """An edit, a save by a new file, and a rename, while the node that is to keep them is off."""
    pair = a_late_pair()
    pair.two.disk.write(b"d/f", b"edited", replace=True)
    pair.two.disk.move(b"big", b"large")
    switch(pair, pair.two, ON_ENTRIES)
    both_have(pair, EVERYTHING, b"d", b"d/f", b"large")
    assert pair.one.disk.content(b"d/f") == b"edited"


def test_what_came_while_the_option_was_off_is_given_when_it_is_on_again() -> None:
    pair = a_pair()
    save(pair, pair.one, b"f", b"x", owner=ANNA, acls=FOR_BEN, xattrs=RED)
    pair.cut()
    switch(pair, pair.two, NOT_KEPT)
    change(pair, pair.one, b"f", owner=BEN, xattrs=())
    assert there(pair.two, b"f") == EVERYTHING
    pair.cut()
    switch(pair, pair.two, ON_ENTRIES)
    both_have(pair, Attributes(BEN, FOR_BEN, ()), b"f")


def test_a_part_that_was_kept_before_is_a_users() -> None:
    pair = a_pair(ON_ENTRIES, frozenset({Part.XATTRS}))
    pair.two.index.keep([Part.XATTRS.value])
    save(pair, pair.one, b"f", b"x", owner=ANNA, acls=FOR_BEN, xattrs=RED)
    pair.cut()
    pair.two.disk.change_attributes(b"f", xattrs=BLUE)
    switch(pair, pair.two, ON_ENTRIES)
    both_have(pair, Attributes(ANNA, FOR_BEN, BLUE), b"f")


def test_what_no_version_says_is_read_from_a_disk_that_begins_to_keep_it() -> None:
    pair = a_pair(NOT_KEPT, NOT_KEPT)
    save(pair, pair.one, b"f", b"x")
    pair.cut()
    pair.two.disk.change_attributes(b"f", xattrs=BLUE)
    switch(pair, pair.two, ON_ENTRIES)
    assert record(pair.one, b"f").attributes == Attributes(xattrs=BLUE)


def test_a_crash_between_the_start_and_the_looks_changes_nothing_of_that() -> None:
    """The node has noted what it keeps, and is gone before the first look."""
    pair = a_late_pair()
    pair.two.index.keep([part.value for part in ON_ENTRIES])
    pair.two.index.keep([part.value for part in ON_ENTRIES])
    switch(pair, pair.two, ON_ENTRIES)
    both_have(pair, EVERYTHING, b"d", b"d/f", b"big")


@pytest.mark.parametrize("path", [b"d", b"d/f", b"big"])
def test_a_disk_that_fails_is_given_them_later(path: bytes) -> None:
    pair = a_late_pair()
    pair.two.disk.fail = lambda verb, at: Trouble.LIMIT if (verb, at) == ("set_attributes", path) else None
    switch(pair, pair.two, ON_ENTRIES)
    assert there(pair.two, path) == PLAIN
    assert record(pair.one, path).attributes == EVERYTHING
    switch(pair, pair.two, ON_ENTRIES)
    assert record(pair.one, path).attributes == EVERYTHING
    pair.two.disk.fail = None
    both_have(pair, EVERYTHING, b"d", b"d/f", b"big")


def test_of_two_changes_at_once_one_counts_as_a_whole_and_undo_brings_the_other_one() -> None:
    """No conflict: the content is equal. So the guarantees say."""
    pair = a_pair()
    save(pair, pair.one, b"f", b"content", xattrs=RED)
    pair.cut()
    since_ns = pair.clock.now().wall_ns
    made = {}
    for node, what in ((pair.one, {"acls": FOR_BEN}), (pair.two, {"xattrs": BLUE})):
        change(pair, node, b"f", **what)
        made[node] = there(node, b"f")
    pair.link()
    (loser,) = (node for node in made if there(node, b"f") != made[node])
    (winner,) = made.keys() - {loser}
    assert there(loser, b"f") == made[winner]
    for node in made:
        assert not node.said(notes.Conflict)
        assert not [*node.index.versions.oldest_first()]
    back = [one for one in loser.index.journal.since(since_ns) if one.path == b"f"][-1]
    loser.inbox.append(RestoreRequested((back,), {}))
    pair.run()
    assert there(loser, b"f") == made[loser] == there(winner, b"f")
