"""An old backup of the index is put back, and nobody notices: what is new must not be taken for what was known."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from dir_sync.core.events import Touched, Urgency
from dir_sync.core.model import Kind, Record, Stamp, Vector
from dir_sync.folder import state
from dir_sync.index import Index
from tests.ends import closed_at_end
from tests.pair import OneNode, Pair


def edit(node: OneNode, path: bytes, data: bytes) -> None:
    node.disk.write(path, data)
    node.inbox.append(Touched(path, Urgency.NOW))


def backed_up() -> tuple[Pair, bytes | None]:
    """Two nodes that have met, with one file; and the index of the first one as it is then."""
    pair = Pair()
    pair.link()
    edit(pair.one, b"before", b"the backup")
    pair.run()
    pair.one.index.commit()
    return pair, pair.one.index.copy()


@pytest.mark.parametrize("alone", [0, 3, 20])
def test_what_was_made_after_the_backup_and_what_was_made_instead(alone: int) -> None:
    """`alone`: so many changes are made with the backup until the other is met; as many as were lost, or more, or fewer."""
    pair, backup = backed_up()
    for number in range(8):
        edit(pair.one, b"after", b"the backup %d" % number)
        pair.run()
    pair.cut()
    pair.one.index.close()
    pair.one.index = closed_at_end(Index(":memory:", Random("one, later"), backup))
    pair.one.index.skip_sequences(pair.clock.now().wall_ns)
    pair.one.boot()
    pair.run()
    for number in range(alone):
        edit(pair.one, b"alone %d" % number, b"with the backup %d" % number)
        pair.run()
    edit(pair.one, b"before", b"edited alone")
    edit(pair.two, b"after", b"edited elsewhere meanwhile")
    pair.run()
    pair.link()
    tree = pair.one.disk.tree()
    assert tree == pair.two.disk.tree()
    assert len(tree) == 2 + alone
    assert tree[b"before"][1] == b"edited alone"
    assert tree[b"after"][1] == b"edited elsewhere meanwhile"


def starts_with(pair: Pair, rng: Random, image: bytes | None, start: int) -> None:
    """The first node ends, and starts a second later with that index. Its user makes something."""
    pair.one.index.close()
    pair.one.index = closed_at_end(Index(":memory:", rng, image))
    pair.clock.ms += 1_000
    pair.one.index.skip_sequences(pair.clock.now().wall_ns)
    pair.one.boot()
    pair.run()
    edit(pair.one, b"start %d" % start, b"%d" % start)
    pair.run()


@pytest.mark.parametrize("seed", range(8))
def test_what_was_made_between_two_starts_with_the_backup(seed: int) -> None:
    """Its later self had skipped sequences, too: far beyond the first of the two starts, maybe not beyond the second."""
    pair, backup = backed_up()
    rng = Random(seed)
    for start in range(3):
        pair.cut()
        pair.one.index.commit()
        image = backup if start == 1 else pair.one.index.copy()
        starts_with(pair, rng, image, start)
        if start != 1:
            pair.link()
    tree = pair.one.disk.tree()
    assert tree == pair.two.disk.tree()
    assert len(tree) == 4


@pytest.mark.parametrize("seed", range(8))
def test_a_backup_from_between_two_starts_soon_after_each_other(seed: int) -> None:
    """No start leads beyond the clock: the later self of the backup did not use what its first or second start uses."""
    pair, _ = backed_up()
    rng = Random(seed)
    images: list[bytes] = []
    for start in range(4):
        pair.cut()
        pair.one.index.commit()
        images.append(pair.one.index.copy())
        starts_with(pair, rng, images[1] if start == 2 else images[-1], start)
        if start != 2:
            pair.link()
    tree = pair.one.disk.tree()
    assert tree == pair.two.disk.tree()
    assert len(tree) == 5


def test_an_index_that_is_opened_again_goes_on_somewhere_else(tmp_path: Path) -> None:
    (tmp_path / ".dir_sync").mkdir()
    index = closed_at_end(state.open_index(bytes(tmp_path), Random(1)))
    assert index.sequences.last == 0, "an empty one has nothing to tell"
    index.rows.put(
        Record(
            b"a", Kind.DIRECTORY, 0, b"", 0, 0o755, Stamp(1, index.identity.replica), ((index.identity.replica, 1),)
        ),
        b"",
    )
    index.commit()
    assert index.sequences.last == 1
    index.close()
    index = closed_at_end(state.open_index(bytes(tmp_path), Random(2)))
    assert index.sequences.last > 1
    assert index.is_dirty


def test_a_backup_from_before_the_first_file() -> None:
    pair = Pair()
    pair.one.index.commit()
    backup = pair.one.index.copy()
    pair.link()
    edit(pair.one, b"a", b"1")
    pair.run()
    pair.cut()
    pair.one.index.close()
    pair.one.disk.delete(b"a")
    for name in (b"b", b"c"):
        pair.one.disk.write(name, b"instead")
    pair.one.index = closed_at_end(Index(":memory:", Random("later"), backup))
    pair.one.index.skip_sequences(pair.clock.now().wall_ns)
    pair.one.boot()
    pair.run()
    pair.link()
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert set(pair.one.disk.tree()) == {b"a", b"b", b"c"}


def records(node: OneNode) -> dict[bytes, tuple[Kind, bytes, Stamp, Vector]]:
    """What the index of a node has, tombstones as well."""
    rows = node.index.changes.after(0, 1_000)
    found = [row.record for row in rows]
    return {one.path: (one.kind, one.content, one.stamp, one.vector) for one in found}


@pytest.mark.parametrize("starts", [1, 2])
def test_a_backup_and_then_a_later_one_from_before_it_was_put_back(starts: int) -> None:
    """The other has seen more of the index that went on from the first backup than there is in the second one. `starts`:
    so often the second one is started until they meet."""
    pair, first = backed_up()
    pair.cut()
    edit(pair.one, b"alone", b"for a moment")
    pair.run()
    pair.one.disk.delete(b"alone")
    pair.one.inbox.append(Touched(b"alone", Urgency.VANISHED))
    pair.run()
    pair.one.index.commit()
    second = pair.one.index.copy()
    starts_with(pair, Random("first"), first, 1)
    pair.link()
    for start in range(starts):
        pair.cut()
        pair.one.index.commit()
        starts_with(pair, Random(start), pair.one.index.copy() if start else second, start + 2)
    pair.link()
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert records(pair.one)[b"alone"][0] == Kind.ABSENT
    assert records(pair.one) == records(pair.two)
