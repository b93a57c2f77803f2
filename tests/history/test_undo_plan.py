"""Undo: the folder, or what one node did, is again what it was; contents come from wherever they still are."""

from __future__ import annotations

import pytest

from dir_sync.core import notes
from dir_sync.core.events import Inquired, Moved, RestoreRequested, Touched, Urgency
from dir_sync.core.messages import History, HistoryRequest
from dir_sync.core.model import Kind
from dir_sync.core.names import HISTORY
from dir_sync.history import undo_plan
from tests.pair import WALL_NS, OneNode, Pair


def edit(pair: Pair, node: OneNode, path: bytes, content: bytes) -> None:
    node.disk.write(path, content)
    node.inbox.append(Touched(path, Urgency.NOW))
    pair.run()


def remove(pair: Pair, node: OneNode, path: bytes) -> None:
    node.disk.delete(path)
    node.inbox.append(Touched(path, Urgency.VANISHED))
    pair.run()


def now_ns(pair: Pair) -> int:
    """A moment after all that has happened, and before all that will."""
    pair.clock.ms += 1_000
    return pair.clock.now().wall_ns


def undo_at(pair: Pair, node: OneNode, since_ns: int, by: str | None = None) -> undo_plan.Plan:
    """As the daemon does it: plan, ask the peers who has what is missing, recall."""
    plan = undo_plan.plan(node.index, since_ns, by)
    questions = undo_plan.questions(undo_plan.missing(node.index, plan.wanted))
    node.inbox.append(Inquired(1, questions))
    pair.run()
    holders = undo_plan.holders(questions, node.reports[-1].answers)
    node.inbox.append(RestoreRequested(tuple(undo_plan.with_parents(node.index, plan.wanted)), holders))
    pair.run()
    assert not node.engine.queries.pending_restores()
    return plan


def contents(node: OneNode) -> dict[bytes, bytes | None]:
    return {path: node.disk.content(path) for path, (kind, *_) in node.disk.tree().items() if kind == Kind.FILE}


@pytest.fixture
def pair() -> Pair:
    pair = Pair()
    pair.one.disk.mkdir(b"d")
    for name in (b"a", b"d/b", b"d/c"):
        pair.one.disk.write(name, b"first " + name)
    pair.restart(pair.one)
    return pair


def test_what_one_node_removed_comes_back_with_its_folder_which_another_one_removed(pair: Pair) -> None:
    since = now_ns(pair)
    remove(pair, pair.one, b"d/b")
    remove(pair, pair.one, b"d/c")
    remove(pair, pair.two, b"d")
    undo_at(pair, pair.two, since, pair.one.index.identity.replica)
    assert contents(pair.one) == contents(pair.two)
    assert pair.one.disk.content(b"d/b") == b"first d/b"


@pytest.mark.parametrize("where", ["one", "two"])
def test_all_kinds_of_changes_are_undone_at_either_node(pair: Pair, where: str) -> None:
    before, tree = contents(pair.one), set(pair.one.disk.tree())
    since = now_ns(pair)
    edit(pair, pair.one, b"a", b"edited")
    edit(pair, pair.one, b"a", b"edited twice")
    edit(pair, pair.two, b"new", b"made")
    remove(pair, pair.one, b"d/b")
    pair.one.disk.move(b"d/c", b"moved")
    pair.one.inbox.append(Touched(b"d/c", Urgency.VANISHED))
    pair.one.inbox.append(Touched(b"moved", Urgency.NOW))
    pair.run()
    remove(pair, pair.two, b"d")
    pair.one.disk.symlink(b"link", b"a")
    pair.one.inbox.append(Touched(b"link", Urgency.NOW))
    pair.run()
    pair.one.disk.chmod(b"moved", 0o600)
    pair.one.inbox.append(Touched(b"moved", Urgency.NOW))
    pair.run()
    changed = contents(pair.one)
    assert changed == {b"a": b"edited twice", b"new": b"made", b"moved": b"first d/c"} == contents(pair.two)
    again = now_ns(pair)
    node = pair.one if where == "one" else pair.two
    node.notes.clear()
    undo_at(pair, node, since)
    assert b"d/b" in {note.path for note in node.notes if isinstance(note, notes.Restored | notes.Received)}
    assert all(note.peer for note in node.notes if isinstance(note, notes.Received)), "from whom"
    assert contents(pair.one) == before == contents(pair.two)
    assert set(pair.one.disk.tree()) == tree == set(pair.two.disk.tree())
    undo_at(pair, node, again)
    assert contents(pair.one) == changed == contents(pair.two), "an undo can be undone"


@pytest.mark.parametrize("first", [b"gone", b"zone"])
def test_one_content_at_several_paths_is_moved_to_one_and_copied_to_the_others(pair: Pair, first: bytes) -> None:
    for name in (first, b"moved", b"edited"):
        edit(pair, pair.one, name, b"the same")
    before = contents(pair.one)
    since = now_ns(pair)
    pair.cut()
    pair.one.disk.delete(first)
    pair.one.disk.write(b"edited", b"another")
    pair.one.disk.move(b"moved", b"moved on")
    pair.restart(pair.one)
    plan = undo_plan.plan(pair.one.index, since, None)
    assert not undo_plan.missing(pair.one.index, plan.wanted)
    pair.one.inbox.append(RestoreRequested(tuple(plan.wanted), {}))
    begun_ms = pair.clock.ms
    pair.turn()
    while pair.one.engine.queries.pending_restores():
        pair.turn()
        pair.clock.ms += 10
        assert pair.clock.ms - begun_ms < 5_000, "not only when all offers are looked at again"
    pair.run()
    assert contents(pair.one) == contents(pair.two) == before


def test_what_is_sent_out_of_the_history_has_its_own_size(pair: Pair) -> None:
    since = now_ns(pair)
    edit(pair, pair.one, b"a", b"edited, and a good deal longer")
    pair.two.notes.clear()
    undo_at(pair, pair.one, since)
    assert contents(pair.one)[b"a"] == b"first a"
    assert [(note.path, note.size) for note in pair.two.notes if isinstance(note, notes.Sent)] == [(b"a", 7)]


def test_a_link_and_an_empty_file_are_restored_and_not_received_from_nobody(pair: Pair) -> None:
    pair.one.disk.symlink(b"link", b"a")
    pair.one.inbox.append(Touched(b"link", Urgency.NOW))
    edit(pair, pair.one, b"empty", b"")
    since = now_ns(pair)
    for name in (b"link", b"empty"):
        remove(pair, pair.one, name)
    for node in (pair.one, pair.two):
        node.notes.clear()
    undo_at(pair, pair.two, since)
    assert {note.path for note in pair.two.notes if isinstance(note, notes.Restored)} >= {b"link", b"empty"}
    received = [(note.path, note.peer) for note in pair.one.notes if isinstance(note, notes.Received)]
    assert sorted(received) == [(b"empty", "two"), (b"link", "two")]


def test_only_what_one_node_did(pair: Pair) -> None:
    since = now_ns(pair)
    edit(pair, pair.one, b"a", b"by one")
    edit(pair, pair.two, b"d/b", b"by two")
    edit(pair, pair.two, b"d/c", b"by two first")
    edit(pair, pair.one, b"d/c", b"and by one after it")
    plan = undo_at(pair, pair.one, since, by=pair.two.index.identity.replica)
    assert plan.left == [(b"d/c", pair.one.index.identity.replica)]
    assert contents(pair.one) == {b"a": b"by one", b"d/b": b"first d/b", b"d/c": b"and by one after it"}
    assert contents(pair.one) == contents(pair.two)


def test_what_it_did_last_goes_back_to_what_the_other_made(pair: Pair) -> None:
    since = now_ns(pair)
    edit(pair, pair.one, b"a", b"by one")
    edit(pair, pair.two, b"a", b"by two")
    edit(pair, pair.two, b"a", b"by two again")
    undo_at(pair, pair.one, since, by=pair.two.index.identity.replica)
    assert contents(pair.one)[b"a"] == b"by one" == contents(pair.two)[b"a"]


def test_nothing_is_done_twice_and_nothing_where_nothing_changed(pair: Pair) -> None:
    since = now_ns(pair)
    assert undo_plan.plan(pair.one.index, since, None) == undo_plan.Plan([], [])
    edit(pair, pair.one, b"a", b"edited")
    edit(pair, pair.one, b"a", b"first a")
    wanted = undo_plan.plan(pair.one.index, since, None).wanted
    assert [one.path for one in wanted] == [b"a"], "only its time is another one"
    undo_at(pair, pair.one, since)
    assert undo_plan.plan(pair.one.index, since, None).wanted == []


def test_without_the_peer_what_it_keeps_cannot_come_back(pair: Pair) -> None:
    since = now_ns(pair)
    edit(pair, pair.one, b"a", b"edited")
    remove(pair, pair.one, b"d/b")
    pair.cut()
    plan = undo_plan.plan(pair.one.index, since, None)
    assert len(undo_plan.missing(pair.one.index, plan.wanted)) == 2
    pair.one.inbox.append(RestoreRequested(tuple(plan.wanted), {}))
    pair.run()
    assert contents(pair.one) == {b"a": b"edited", b"d/c": b"first d/c"}
    assert not pair.one.engine.queries.pending_restores()


def test_a_peer_that_goes_while_it_is_asked_does_not_hold_up_the_answer(pair: Pair) -> None:
    pair.one.inbox.append(Inquired(7, (HistoryRequest("", 0, b"", 10),)))
    pair.one.turn()
    pair.cut()
    assert [report.id for report in pair.one.reports] == [7]
    assert pair.one.reports[0].answers == ()


def test_a_peer_tells_what_its_history_has(pair: Pair) -> None:
    edit(pair, pair.one, b"a", b"edited")
    remove(pair, pair.one, b"d/b")
    pair.one.inbox.append(Inquired(1, (HistoryRequest("", 0, b"", 10), HistoryRequest("", 0, b"d", 10))))
    pair.run()
    answers = {number: answer for _, number, answer in pair.one.reports[-1].answers}
    assert isinstance(answers[0], History)
    assert [(kept.path, kept.why) for kept in answers[0].kept] == [(b"d/b", "deleted"), (b"a", "replaced")]
    assert [kept.path for kept in answers[1].kept] == [b"d/b"]
    assert all(kept.maker == pair.one.index.identity.replica for kept in answers[0].kept)


def test_an_edit_made_meanwhile_is_not_undone(pair: Pair) -> None:
    since = now_ns(pair)
    edit(pair, pair.one, b"a", b"edited")
    plan = undo_plan.plan(pair.two.index, since, None)
    pair.two.inbox.append(RestoreRequested(tuple(plan.wanted), {}))
    pair.two.disk.write(b"a", b"a person was quicker")
    pair.two.inbox.append(Touched(b"a", Urgency.NOW))
    pair.run()
    assert contents(pair.one) == contents(pair.two)
    kept = [version.content for version in pair.two.index.versions.oldest_first(b"a")]
    assert contents(pair.two)[b"a"] == b"a person was quicker" or len(kept) >= 2


def test_the_journal_is_bounded(pair: Pair) -> None:
    since = now_ns(pair)
    for number in range(20):
        edit(pair, pair.one, b"a", b"edit %d" % number)
    index = pair.one.index
    assert len(list(index.journal.since(since))) == 20
    index.journal.forget(0, 5)
    assert [one.path for one in index.journal.since(0)] == [b"a"] * 5
    index.journal.forget(WALL_NS * 2, 5)
    assert list(index.journal.since(0)) == []


@pytest.mark.parametrize("where", ["one", "two"])
def test_what_was_only_appended_is_undone_though_no_history_has_what_was_before(pair: Pair, where: str) -> None:
    long = b"a line of a log\n" * 1_000
    edit(pair, pair.one, b"log", long)
    edit(pair, pair.one, b"note", b"short")
    before = now_ns(pair)
    edit(pair, pair.one, b"log", long + b"one more\n")
    edit(pair, pair.one, b"log", long + b"one more\nand one more\n")
    edit(pair, pair.one, b"note", b"short and more")
    assert not list(pair.two.index.versions.oldest_first())
    undo_at(pair, getattr(pair, where), before)
    for node in (pair.one, pair.two):
        assert node.disk.content(b"log") == long
        assert node.disk.content(b"note") == b"short"


def move(pair: Pair, node: OneNode, source: bytes, target: bytes) -> None:
    node.disk.move(source, target)
    node.inbox.append(Moved(source, target, False))
    pair.run()


@pytest.mark.parametrize("where", ["one", "two"])
@pytest.mark.parametrize("then", ["", "new log", "goes on", "twice", "packed"])
def test_what_was_appended_to_and_renamed_is_found_where_it_is_now(pair: Pair, where: str, then: str) -> None:
    """As logs are rotated: `log` becomes `log.1`, and may be written, renamed or deleted there."""
    long = b"a line of a log\n" * 1_000
    edit(pair, pair.one, b"log", long)
    before = now_ns(pair)
    edit(pair, pair.one, b"log", long + b"one more\n")
    move(pair, pair.one, b"log", b"log.1")
    edit(pair, pair.one, b"other", b"longer than that" * 2_000)
    if then == "new log":
        edit(pair, pair.one, b"log", b"another log\n" * 3_000)
    elif then == "goes on":
        edit(pair, pair.one, b"log.1", long + b"one more\nand one more\n")
    elif then == "twice":
        move(pair, pair.one, b"log.1", b"log.2")
    elif then == "packed":
        remove(pair, pair.one, b"log.1")
    node = getattr(pair, where)
    plan = undo_plan.plan(node.index, before, None)
    nowhere = set(undo_plan.missing(node.index, plan.wanted))
    found = undo_plan.beginnings(node.index, plan.wanted, nowhere, before)
    if then == "packed" and where == "one":
        assert found == {}, "only the other node keeps it"
        return
    (source,) = [one for one in found[b"log"] if (node.disk.content(one) or b"").startswith(long)]
    assert source == {"twice": b"log.2"}.get(then, b"log.1") or (then == "packed" and source.startswith(HISTORY))
