"""A file is renamed and changed while a peer is away: when it is back, a delta of what it has under the old name travels."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from dir_sync.core.events import Event, Moved, Received, Touched, Urgency
from dir_sync.core.jobs import Job, ReadDone
from dir_sync.core.messages import State
from tests.pair import OneNode, Pair

OLD = Random(1).randbytes(600_000)
NEW = OLD[:200_000] + b"inserted" + OLD[200_000:]


def move(node: OneNode, source: bytes, target: bytes) -> None:
    node.disk.move(source, target)
    node.inbox.append(Moved(source, target, False))


def save(node: OneNode, path: bytes, content: bytes) -> None:
    node.disk.write(path, content)
    node.inbox.append(Touched(path, Urgency.NOW))


def edit_then_rename(pair: Pair) -> None:
    save(pair.one, b"old", NEW)
    pair.run()
    move(pair.one, b"old", b"new")


def rename_and_edit(pair: Pair) -> None:
    move(pair.one, b"old", b"new")
    save(pair.one, b"new", NEW)


def rename_then_edit(pair: Pair) -> None:
    move(pair.one, b"old", b"new")
    pair.run()
    save(pair.one, b"new", NEW)


def rename_twice_and_edit(pair: Pair) -> None:
    move(pair.one, b"old", b"between")
    pair.run()
    save(pair.one, b"between", NEW)
    pair.run()
    move(pair.one, b"between", b"new")


def start() -> tuple[Pair, list[int]]:
    """Two nodes that have `old`, and the bytes of contents that the first one reads for the other."""
    pair = Pair()
    for node in (pair.one, pair.two):
        node.engine.board.with_deltas = True
    pair.link()
    save(pair.one, b"old", OLD)
    pair.run()
    assert pair.two.disk.content(b"old") == OLD
    told: list[int] = []
    perform = pair.one.sync.perform

    def counted(job: Job, is_given_up: Callable[[], bool] = lambda: False) -> Event | None:
        done = perform(job, is_given_up)
        if isinstance(done, ReadDone):
            told.extend(len(piece.data) for piece in done.pieces)
        return done

    pair.one.sync.perform = counted  # type: ignore[method-assign]
    return pair, told


@pytest.mark.parametrize("act", [edit_then_rename, rename_and_edit, rename_then_edit, rename_twice_and_edit])
@pytest.mark.parametrize("is_away", [True, False])
def test_a_rename_with_an_edit_costs_a_delta(act: Callable[[Pair], None], is_away: bool) -> None:
    pair, told = start()
    if is_away:
        pair.cut()
    act(pair)
    pair.run()
    if is_away:
        pair.link()
    assert pair.two.disk.content(b"new") == NEW
    assert pair.two.disk.content(b"old") is None
    assert sum(told) < 20_000


def test_a_claim_about_names_that_mean_nothing_changes_nothing() -> None:
    pair, _ = start()
    before = pair.two.disk.tree()
    claims = ((b"old", b"nothing"), (b"nothing", b"old"), (b"nothing", b"nothing"), (b"old", b"old"))
    rows = tuple(row.record for row in pair.one.index.changes.after(0, 10))
    message = State("default", pair.one.index.sequences.last, False, rows, claims)
    pair.two.inbox.append(Received(pair.one.index.identity.replica, message))
    pair.run()
    assert pair.two.disk.tree() == before
