"""Renames made elsewhere: what left one name is wanted under another, and moves there."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp, Version
from dir_sync.core.model import Kind
from dir_sync.core.reconcile import Take
from dir_sync.engine.incoming_moves import IncomingMoves
from dir_sync.engine.rows import Rows
from dir_sync.engine.values import Displaced
from tests.engine.kit import OTHER, PEER, WALL_NS, Alone, folder, later, record

NEW = record(b"new", b"content")
ITEM, TAKE = ApplyItem(b"new", TreeOp.INSTALL, NEW, b"", Cause.REPLACED), Take(NEW, False)


def alone(**answers: Any) -> Alone[IncomingMoves]:
    return Alone(IncomingMoves, answers={name.replace("__", "."): it for name, it in answers.items()})


def displaced(kit: Alone[IncomingMoves], node: str = PEER, why: Cause = Cause.DELETED) -> None:
    kit.index.versions.put(Version(b"v", b"old", Kind.FILE, 7, NEW.content, 0, 0o644, WALL_NS, why, node))
    kit.answers["sources.take_displaced"] = Displaced(b"v", b"fp", node, kit.board.now.mono_ms)


def test_what_the_same_peer_displaced_just_now_comes_out_of_the_history_again() -> None:
    kit = alone()
    displaced(kit)
    assert kit.it.take_back_moved(ITEM, TAKE)
    assert kit.changes() == [(ITEM._replace(act=TreeOp.MOVE, copy_path=b"v", copy_fp=b"fp"), TAKE)]


@pytest.mark.parametrize("why", ["nothing", "another peer", "long ago", "a conflict", "doubted", "gone"])
def test_nothing_else_does(why: str) -> None:
    kit = alone(sources__is_avoided=why == "doubted")
    if why != "nothing":
        displaced(
            kit, OTHER if why == "another peer" else PEER, Cause.CONFLICT if why == "a conflict" else Cause.DELETED
        )
    if why == "gone":
        kit.index.versions.drop(b"v")
    if why == "long ago":
        kit.wait(60_001)
    assert not kit.it.take_back_moved(ITEM, TAKE)
    assert kit.changes() == []


def test_a_file_is_leaving_if_it_should_go_and_is_no_loser() -> None:
    kit = alone()
    row = kit.has(record(b"a", b"1"))
    assert not kit.it.is_leaving(row)
    kit.announces(later(row.record, b"2"))
    assert not kit.it.is_leaving(row)
    kit.announces(later(row.record, None, ns=2 * 10**9))
    assert kit.it.is_leaving(row)


def test_a_rename_with_a_change_leaves_a_base_for_a_delta() -> None:
    kit = alone()
    old = kit.has(record(b"old", b"1")._replace(size=limits.DELTA_FILE_BYTES_MIN))
    new = record(b"new", b"2")._replace(size=limits.DELTA_FILE_BYTES_MIN)
    kit.it.renamed_there(new, b"old")
    assert kit.asked("sources.came_from") == [(b"new", b"old")]
    assert kit.asked("sources.begin_with") == [(b"new", old.record.content)]
    kit.calls.clear()
    kit.it.renamed_there(old.record._replace(path=b"new"), b"old")
    assert kit.asked("sources.begin_with") == [], "it is the same"
    kit.calls.clear()
    kit.it.was_renamed_there(new, b"a name that is not known here")
    assert kit.calls == []


def blind(kit: Alone[IncomingMoves]) -> None:
    """A disk that takes `A` for `a`, which is there and should go."""
    mine = kit.has(record(b"a", b"content"))
    kit.announces(later(mine.record, None))
    kit.announces(record(b"A", b"content"))
    kit.work.unable.take_for(b"A", b"a")


def test_another_spelling_of_a_name_is_a_rename() -> None:
    kit = alone()
    blind(kit)
    assert kit.it.respell(b"a")
    ((item, _),) = kit.changes()
    assert (item.path, item.act, item.copy_path) == (b"A", TreeOp.MOVE, b"a")
    assert kit.work.jobs.is_at(b"a")
    assert not kit.it.respell(b"a"), "it is being done"


@pytest.mark.parametrize("why", ["another content", "it stays", "its folder"])
def test_what_is_no_respelling_is_not(why: str) -> None:
    kit = alone()
    if why == "its folder":
        kit.has(record(b"d/a", b"content"))
        kit.work.unable.take_for(b"D/a", b"d/a")
        kit.announces(record(b"D/a", b"content"))
        kit.announces(later(record(b"d/a", b"content"), None))
        assert not kit.it.respell(b"d/a")
        return
    blind(kit)
    if why == "another content":
        kit.announces(record(b"A", b"another"))
    else:
        kit.index.offers.drop(b"a", PEER)
    assert not kit.it.respell(b"a")


@pytest.mark.parametrize("what", ["all", "what stays", "another time"])
def test_a_folder_is_respelled_if_all_that_is_in_it_is(what: str) -> None:
    kit = alone()
    kit.answers["rows.announced_gone"] = kit.real(Rows).announced_gone
    new_file = record(b"D/a", b"1")
    if what == "another time":  # below the new name it would be found as nobody announced it
        new_file = new_file._replace(mtime=new_file.mtime + 1)
    for mine, new in ((folder(b"d"), folder(b"D")), (record(b"d/a", b"1"), new_file)):
        kit.has(mine)
        if what != "what stays" or mine.kind == Kind.DIRECTORY:
            kit.announces(later(mine, None))
        kit.announces(new)
    kit.work.unable.take_for(b"D", b"d")
    assert kit.it.respell(b"d") == (what == "all")


def test_what_is_just_being_looked_at_is_waited_for_a_moment() -> None:
    kit = alone()
    assert kit.it.wait_a_moment(NEW)
    assert kit.planned_later() == {b"new"}
    kit.wait(limits.RENAME_HOLD_MS + 1)
    assert not kit.it.wait_a_moment(NEW)
