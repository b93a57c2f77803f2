"""The scrub: how it divides its time, and what it remembers."""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.model import Kind
from dir_sync.core.verify import Checked, Item, Outcome
from dir_sync.engine.rereads import SCRUB, Rereads, Walk
from dir_sync.engine.scrub import Scrub
from tests.engine.kit import WALL_NS, Alone, record

PERIOD_S = 1_000
FILE = 64 * 1024  # what each counts for


def made(period_s: int = PERIOD_S) -> Alone[Scrub]:
    kit = Alone(Scrub, Rereads, period_s=period_s)
    for path in (b"a", b"b", b"c", b"d"):
        kit.has(record(path, path))
    kit.board.moved_ms = 0
    kit.it.run()
    return kit


def walk_of(kit: Alone[Scrub]) -> Walk:
    walk = kit.real(Rereads).walk(SCRUB)
    assert walk is not None
    return walk


def read(kit: Alone[Scrub], path: bytes, outcome: Outcome = Outcome.SAME, problem: str = "") -> None:
    walk = walk_of(kit)
    walk.checked.append(Checked(Item(path, Kind.FILE, b"fp", 1, b""), outcome, problem=problem))
    walk.after = path
    kit.it.run()


def test_without_a_period_there_is_none() -> None:
    kit = Alone(Scrub, Rereads, period_s=0)
    assert not kit.it.is_on
    assert kit.it.due_ms() is None
    assert not kit.it.is_wanted()
    assert kit.real(Rereads).walk(SCRUB) is None
    kit.it.run()


def test_each_piece_comes_when_its_time_has_come() -> None:
    kit = made()
    assert kit.it.is_wanted()
    read(kit, b"a")
    assert not kit.it.is_wanted()
    due = kit.it.due_ms()
    assert due is not None
    assert due - kit.board.now.mono_ms == PERIOD_S * 1000 // 4
    kit.wait(PERIOD_S * 1000 // 4)
    assert kit.it.is_wanted()


def test_it_waits_for_all_other_work() -> None:
    kit = made()
    kit.board.jobs_out = 1
    assert not kit.it.is_wanted()
    assert kit.it.due_ms() == kit.board.now.mono_ms + 1_000
    kit.board.jobs_out = 0
    kit.board.plan_queue.add(b"a")
    assert not kit.it.is_wanted()
    kit.board.plan_queue.clear()
    assert kit.it.is_wanted()
    kit.board.something_happened()
    assert not kit.it.is_wanted()
    kit.wait(300)
    kit.board.pending_looks.add(b"a", kit.board.now.mono_ms, kit.board.now.mono_ms)
    assert not kit.it.is_wanted()


def test_a_pass_ends_and_the_next_one_begins_in_time() -> None:
    kit = made()
    begun = kit.it.begun_ns
    for path in (b"a", b"b", b"c", b"d"):
        read(kit, path, Outcome.ROTTEN if path == b"b" else Outcome.SAME)
    assert kit.it.done == kit.it.total - 4 + 4
    walk_of(kit).is_over = True
    kit.it.run()
    assert kit.told() == [notes.Scrubbed(1)]
    assert kit.it.last_ns > begun
    kit.it.run()
    assert kit.told() == [notes.Scrubbed(1)], "once"
    assert kit.it.due_ms() == kit.board.now.mono_ms + PERIOD_S * 1000
    kit.wait(PERIOD_S * 1000)
    kit.it.run()
    assert (kit.it.done, kit.it.begun_ns) == (0, begun + PERIOD_S * 10**9)
    assert not walk_of(kit).is_over


def test_what_is_rotten_is_healed_and_what_is_unclear_is_said() -> None:
    kit = made()
    read(kit, b"a", Outcome.ROTTEN)
    (call,) = [call for call in kit.calls if call[0] == "answers.act"]
    assert [one.item.path for one in call[1]] == [b"a"]
    assert call[2] is True
    read(kit, b"b", Outcome.UNREADABLE, "a bad sector")
    assert kit.told() == [notes.Suspicious(b"b", "a bad sector")]


def test_the_next_start_continues() -> None:
    kit = made()
    read(kit, b"a")
    read(kit, b"b")
    kit.wait(5_000)
    again: Alone[Scrub] = Alone(Scrub, Rereads, period_s=PERIOD_S)
    again.index.notes.put("scrub", str(kit.index.notes.get("scrub")))
    scrub = Scrub(again.board, again.work, Rereads(again.board, again.work), again.it._answers, PERIOD_S)
    walk = scrub._rereads.walk(SCRUB)
    assert walk is not None
    assert (scrub.begun_ns, scrub.done, walk.after) == (WALL_NS, 2 * FILE + 2, b"b")


def test_a_clock_that_was_set_back_begins_anew() -> None:
    kit = made()
    kit.it.begun_ns = WALL_NS + 10**15
    assert not kit.it.is_wanted()
    kit.it.run()
    assert kit.it.begun_ns == WALL_NS
    assert kit.it.is_wanted()
