"""Where a content can be had just now: who may be asked, what was displaced a moment ago, from where a copy has failed."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import notes
from dir_sync.core.declined import Reason
from dir_sync.core.jobs import ApplyItem, Cause, TreeOp, Version
from dir_sync.core.model import Kind, Record
from dir_sync.core.reconcile import Offer
from dir_sync.engine.constants import OURS
from dir_sync.engine.sources import Sources
from dir_sync.engine.values import Displaced, Ready
from tests.engine.kit import PEER, WALL_NS, Alone, fp_of, later, record


def alone() -> Alone[Sources]:
    kit = Alone(Sources)
    kit.it.peer_came(kit.connects())
    return kit


def version(content: bytes) -> Version:
    return Version(b"v", b"b", Kind.FILE, 7, content, 0, 0o644, WALL_NS, Cause.DELETED, "")


def test_who_is_here_and_has_it_may_be_asked() -> None:
    kit = alone()
    wanted = record(b"a", b"content")
    assert kit.it.has(Offer(PEER, wanted, False), wanted)
    assert kit.it.has(Offer(OURS + PEER, wanted, False), wanted)
    assert not kit.it.has(Offer("cc", wanted, False), wanted), "it is not connected"
    assert not kit.it.has(Offer(PEER, record(b"a", b"another"), False), wanted)


def test_who_sent_something_else_than_was_announced_has_failed_and_that_is_said_once() -> None:
    kit = alone()
    for _ in range(3):
        kit.it.was_bad(record(b"a", b"content"), PEER)
    assert kit.work.holders.failed_holders(b"a") == {PEER}
    (note,) = kit.told()
    ((path, problem, reason),) = kit.work.retries.troubles()
    assert (path, reason) == (b"a", Reason.BAD_CONTENT)
    assert isinstance(note, notes.BadContent)
    assert (note.path, note.problem) == (b"a", problem)


def test_who_announces_what_it_has_lost_is_not_asked_until_it_says_so_anew() -> None:
    kit = alone()
    wanted = record(b"a", b"content")
    kit.it.note_missing(PEER, wanted.content)
    assert not kit.it.may_be_asked(PEER, wanted.content)
    assert kit.it.may_be_asked(PEER, b"other")
    assert kit.it.no_longer_missing(PEER, wanted.content)
    assert not kit.it.no_longer_missing(PEER, wanted.content)
    assert kit.it.may_be_asked(PEER, wanted.content)
    kit.it.note_missing(PEER, wanted.content)
    assert kit.it.forget_missing(PEER)
    assert not kit.it.forget_missing(PEER)


@pytest.mark.parametrize("how", ["it says so", "it has all again", "it comes again"])
def test_who_does_not_know_what_it_was_asked_for_by_guess_is_not_asked_again_until_it_may_have_it(how: str) -> None:
    kit = alone()
    wanted = record(b"a", b"content")
    assert kit.it.may_be_guessed(PEER, wanted.content)
    kit.it.note_unknown(PEER, wanted.content)
    assert not kit.it.may_be_guessed(PEER, wanted.content)
    assert kit.it.may_be_guessed(PEER, b"other")
    assert kit.it.may_be_asked(PEER, wanted.content), "if it announces it"
    if how == "it says so":
        assert kit.it.no_longer_missing(PEER, wanted.content)
    elif how == "it has all again":
        assert kit.it.forget_missing(PEER)
    else:
        kit.it.peer_gone(PEER)
        kit.it.peer_came(kit.board.peers[PEER])
    assert kit.it.may_be_guessed(PEER, wanted.content)
    assert not kit.it.no_longer_missing(PEER, wanted.content)


def test_a_displaced_content_is_given_once() -> None:
    kit = alone()
    one, two = (Displaced(name, b"fp", PEER, 1) for name in (b"v1", b"v2"))
    for kept in (one, two):
        kit.it.keep_displaced(b"c", kept)
    assert [kit.it.take_displaced(b"c") for _ in range(3)] == [two, one, None]


def test_what_can_be_had() -> None:
    def is_had(wanted: Record, prepare: Any = None, offers: list[Offer] | None = None) -> bool:
        kit = alone()
        if prepare is not None:
            prepare(kit)
        return kit.it.is_within_reach(wanted, offers or [])

    wanted = record(b"a", b"content")
    assert not is_had(wanted)
    assert not is_had(wanted, offers=[Offer("cc", wanted, False)])
    assert is_had(wanted, offers=[Offer(PEER, wanted, False)])
    assert is_had(wanted, lambda kit: kit.has(record(b"b", b"content")))
    assert is_had(wanted, lambda kit: kit.index.versions.put(version(wanted.content)))
    assert is_had(wanted, lambda kit: kit.work.arrivals.make_ready(b"a", Ready(wanted.content, b"content", None)))
    assert is_had(record(b"a", b"")), "an empty file needs nobody"
    assert is_had(later(wanted, None))


def test_from_where_a_copy_has_failed_none_is_made_for_a_while_longer_each_time() -> None:
    kit = alone()
    row = kit.has(record(b"b", b"content"))
    waits = []
    for _ in range(3):
        kit.it.avoid_source(b"b", row.fp)
        assert kit.it.is_avoided(b"b", row.fp)
        assert not kit.it.is_avoided(b"b", b"another fingerprint"), "it has changed since"
        wait = kit.it.avoided_ms(row.record.content)
        assert wait is not None
        waits.append(wait)
        kit.wait(wait)
        assert not kit.it.is_avoided(b"b", row.fp)
    assert waits[0] == 60_000
    assert waits == sorted(set(waits))
    kit.it.trust(b"b", row.fp)
    assert kit.it.avoided_ms(row.record.content) is None


def test_the_file_at_the_path_itself_is_the_best_and_one_that_is_being_changed_none() -> None:
    kit = alone()
    content = record(b"a", b"content").content
    assert kit.it.where_is(content, b"a") is None
    kit.index.versions.put(version(content))
    assert kit.it.where_is(content, b"a") == (b"v", b"", 7)
    other = kit.has(record(b"b", b"content"))
    assert kit.it.where_is(content, b"a") == (b"b", other.fp, 7)
    kit.work.jobs.begin_apply(ApplyItem(b"b", TreeOp.META, other.record, b"", Cause.REPLACED), None)
    assert kit.it.where_is(content, b"a") == (b"v", b"", 7)
    mine = kit.has(record(b"a", b"content"))
    assert kit.it.where_is(content, b"a") == (b"a", mine.fp, 7)


def test_a_delta_begins_with_what_is_there_or_was_there_under_the_old_name() -> None:
    kit = alone()
    assert kit.it.base_of(b"a", None) is None
    old = kit.has(record(b"old", b"content"))
    kit.it.came_from(b"a", b"old")
    assert kit.it.base_of(b"a", None) == (old.record.content, 7)
    mine = kit.has(record(b"a", b"mine"))
    assert kit.it.base_of(b"a", mine) == (mine.record.content, 4)
    grown = mine._replace(fp=mine.fp + b"racy")
    assert kit.it.base_of(b"a", grown) != (mine.record.content, 4), "it has to be read once more"
    kit.it.forget(b"a")
    assert kit.it.base_of(b"a", None) is None


def test_what_is_wanted_back_may_be_the_beginning_of_what_is_here() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"content and more"))
    wanted = record(b"a", b"content")
    assert kit.it.begins_here(wanted) is None
    kit.announces(wanted, OURS)
    assert kit.it.begins_here(wanted) == mine
    kit.it.avoid_source(b"a", fp_of(mine.record))
    assert kit.it.begins_here(wanted) is None
