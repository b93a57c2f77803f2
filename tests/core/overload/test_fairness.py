"""Shares of time, in simulated time: what is served when, who is slowed, dropped and kept away."""

from __future__ import annotations

import random

import pytest

from dir_sync.core import limits
from dir_sync.core.messages import (
    Acknowledge,
    Change,
    HaveRequest,
    HistoryRequest,
    Message,
    ModificationUpdate,
    Ping,
    Pull,
    PullItem,
    Settle,
    State,
    StateRequest,
)
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.overload import guard
from dir_sync.core.overload.fairness import Backlog, FairQueue, Flow, parts
from dir_sync.core.overload.guard import Guard, demand, worth

FLOOD, HONEST, HERE = Flow("10.0.0.66", 1), Flow("10.0.0.2", 2), Flow("")


def record(number: int, entries: int = 1) -> Record:
    vector = tuple((f"{entry:08x}", 1 + number) for entry in range(entries))
    return Record(b"f%d" % number, Kind.ABSENT, 0, b"", 0, 0, Stamp(1 + number, "aa"), vector)


def served_ms(queue: FairQueue[tuple[str, float]], most: int = 10_000) -> list[tuple[str, float]]:
    """Serve all that waits; what, and when it was done (ms)."""
    out: list[tuple[str, float]] = []
    now = 0.0
    while (taken := queue.take()) is not None and len(out) < most:
        flow, (what, cost) = taken
        now += cost
        queue.charge(flow, cost)
        out.append((what, now))
    return out


# --- the queue ------------------------------------------------------------------------------------------------


def test_who_comes_late_is_served_next() -> None:
    queue: FairQueue[tuple[str, float]] = FairQueue()
    for _ in range(1_000):
        queue.put(FLOOD, ("flood", 8.0))
    for _ in range(100):
        flow, (_, cost) = queue.take() or pytest.fail("it is not empty")
        queue.charge(flow, cost)
    queue.put(HONEST, ("honest", 1.0))
    assert served_ms(queue, 2)[0] == ("honest", 1.0)


def test_shares_are_of_time_and_not_of_items() -> None:
    queue: FairQueue[tuple[str, float]] = FairQueue()
    for _ in range(1_000):
        queue.put(FLOOD, ("flood", 8.0))
        queue.put(HONEST, ("honest", 1.0))
    done = served_ms(queue, 900)
    honest = [what for what, _ in done].count("honest")
    flood = [what for what, _ in done].count("flood")
    assert 7 <= honest / flood <= 9


def test_many_links_of_one_address_share_what_one_other_has() -> None:
    queue: FairQueue[tuple[str, float]] = FairQueue()
    for number in range(254):
        for _ in range(10):
            queue.put(Flow("10.0.0.66", number), ("flood", 5.0))
    for _ in range(20):
        queue.put(HONEST, ("honest", 5.0))
    done = served_ms(queue)
    last = max(at for what, at in done if what == "honest")
    assert last <= 2 * 20 * 5.0
    assert len(done) == 2_560


def test_links_of_one_address_take_turns() -> None:
    queue: FairQueue[tuple[str, float]] = FairQueue()
    for _ in range(100):
        queue.put(Flow("router", 1), ("flood", 5.0))
    queue.put(Flow("router", 2), ("neighbour", 1.0))
    assert ("neighbour", 6.0) in served_ms(queue, 3)


def test_some_of_all_flows_can_be_taken_out() -> None:
    queue: FairQueue[tuple[str, float]] = FairQueue()
    for flow in (FLOOD, HERE):
        for what in ("kept", "taken"):
            queue.put(flow, (what, 1.0))
    assert queue.remove_all(lambda item: item[0] == "taken") == [("taken", 1.0)] * 2
    assert len(queue) == 2
    assert {what for what, _ in served_ms(queue)} == {"kept"}


def test_what_one_flow_brings_stays_in_order() -> None:
    queue: FairQueue[tuple[str, float]] = FairQueue()
    for number in range(50):
        queue.put(FLOOD, (f"x{number}", 3.0))
        queue.put(HERE, (f"y{number}", 1.0))
    names = [what for what, _ in served_ms(queue)]
    assert [name for name in names if name[0] == "x"] == [f"x{number}" for number in range(50)]
    assert [name for name in names if name[0] == "y"] == [f"y{number}" for number in range(50)]


def test_nothing_is_saved_up_and_nothing_is_forgiven() -> None:
    """Idle for long: no more than a fair share afterwards. Empty for a moment: what was spent still counts."""
    queue: FairQueue[tuple[str, float]] = FairQueue()
    for _ in range(100):
        queue.put(FLOOD, ("flood", 10.0))
        queue.take()
        queue.charge(FLOOD, 10.0)
    for _ in range(100):
        queue.put(HONEST, ("honest", 10.0))
        queue.put(FLOOD, ("flood", 10.0))
    first = [what for what, _ in served_ms(queue, 20)]
    assert abs(first.count("honest") - first.count("flood")) <= 1


def test_of_one_group_only_some_are_served_at_once() -> None:
    queue: FairQueue[str] = FairQueue(at_once_max=2)
    for number in range(5):
        queue.put(FLOOD, f"flood {number}")
    queue.put(HONEST, "honest")
    began = [queue.take() for _ in range(4)]
    names = [taken[1] for taken in began if taken is not None]
    assert sorted(names) == ["flood 0", "flood 1", "honest"]
    assert queue.take() is None
    queue.charge(FLOOD, 1.0)
    assert queue.take() == (FLOOD, "flood 2")


def test_what_is_not_wanted_any_more_is_removed() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(10):
        queue.put(FLOOD, number)
    assert queue.remove(FLOOD, lambda number: number % 2 == 0) == [0, 2, 4, 6, 8]
    assert queue.remove(HONEST, lambda _: True) == []
    assert len(queue) == 5
    assert [taken[1] for _ in range(5) if (taken := queue.take())] == [1, 3, 5, 7, 9]


def test_the_queue_forgets_who_has_left() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(5_000):
        flow = Flow(f"10.0.{number // 250}.{number % 250}", number)
        queue.put(flow, number)
        assert queue.take() == (flow, number)
        queue.charge(flow, 1.0)
    assert len(queue._groups) < 100


# --- the backlog ----------------------------------------------------------------------------------------------


def fill(backlog: Backlog, owner: str, paths: list[bytes]) -> None:
    backlog.owner = owner
    backlog.add_all(paths)
    backlog.owner = ""


def test_paths_are_planned_in_equal_shares() -> None:
    backlog = Backlog(50_000)
    fill(backlog, "flood", [b"x%d" % number for number in range(40_000)])
    fill(backlog, "honest", [b"a", b"b"])
    taken = dict(backlog.take(100))
    assert taken["honest"] == [b"a", b"b"]
    assert len(taken["flood"]) == 98
    assert len(backlog) == 39_902


def test_a_path_that_two_want_is_planned_once_and_for_the_shorter_list() -> None:
    backlog = Backlog(50_000)
    fill(backlog, "flood", [b"x%d" % number for number in range(1_000)] + [b"a"])
    fill(backlog, "honest", [b"a"])
    taken = dict(backlog.take(10))
    assert taken["honest"] == [b"a"]
    assert b"a" not in backlog
    assert len(backlog) == 991


def test_more_owners_than_places_all_get_their_turn() -> None:
    backlog = Backlog(50_000)
    for number in range(20):
        fill(backlog, f"peer {number}", [b"%d/%d" % (number, at) for at in range(3)])
    seen: set[str] = set()
    for _ in range(4):
        seen.update(owner for owner, _ in backlog.take(5))
    assert len(seen) == 20


def test_what_is_too_much_for_one_owner_is_left_out_and_told() -> None:
    backlog = Backlog(1_000)
    fill(backlog, "honest", [b"a"])
    fill(backlog, "flood", [b"x%d" % number for number in range(1_001)])
    assert backlog.overflowed
    assert len(backlog) == 501
    assert b"a" in backlog
    while backlog:
        backlog.take(100)
    assert len(backlog) == 0


def test_who_rests_keeps_its_paths() -> None:
    backlog = Backlog(50_000)
    fill(backlog, "flood", [b"x%d" % number for number in range(1_000)])
    fill(backlog, "honest", [b"a", b"b"])
    assert dict(backlog.take(100, {"flood"})) == {"honest": [b"a", b"b"]}
    assert len(backlog) == 1_000
    assert not backlog.waits_beside({"flood"})
    assert backlog.waits_beside({"honest"})
    assert backlog.take(100, {"flood"}) == []
    assert [len(paths) for _, paths in backlog.take(100)] == [100]
    assert backlog.served() == {"honest": 2, "flood": 100}
    assert backlog.served() == {}


# --- parts ----------------------------------------------------------------------------------------------------


def together(messages: list[Message]) -> list[Record]:
    return [one for message in messages if isinstance(message, State) for one in message.records]


def test_a_long_page_is_cut_and_only_its_end_counts_as_heard() -> None:
    records = tuple(record(number) for number in range(2_000))
    cut = list(parts(State("f", 77, True, records), True))
    assert together(cut) == list(records)
    assert len(cut) > 10
    assert [(part.sequence, part.last) for part in cut if isinstance(part, State)][:-1] == [(0, False)] * (len(cut) - 1)
    assert isinstance(cut[-1], State)
    assert (cut[-1].sequence, cut[-1].last) == (77, True)


def test_long_vectors_weigh_more() -> None:
    records = tuple(record(number, 4_096) for number in range(11))
    assert len(parts(State("f", 1, False, records), True)) == 11


def test_a_long_page_with_renames_is_cut_and_both_names_of_a_file_stay_together() -> None:
    records = tuple(record(number) for number in range(1_000))
    paths = [one.path for one in records]
    renames = [(paths[at], paths[999 - at]) for at in range(0, 500, 50)] + [(paths[7], b"of another page")]
    cut = [part for part in parts(State("f", 77, True, records, tuple(renames)), True) if isinstance(part, State)]
    assert len(cut) > 10
    assert sorted(together(list(cut))) == sorted(records)
    assert sorted(one for part in cut for one in part.renames) == sorted(renames)
    halves = 0
    for part in cut:
        there = {one.path for one in part.records}
        assert all(path in there for path, _ in part.renames)
        halves += sum(source in there for _, source in part.renames)
    assert halves >= len(renames) - 3, "but where a part ends"
    twice = (*records[:2], records[1]._replace(size=9))
    (page,) = parts(State("f", 1, False, twice, (renames[0],)), True)
    assert isinstance(page, State)
    assert page.records == twice


def test_many_pulls_are_cut_and_so_are_acknowledgements() -> None:
    pulls = tuple(PullItem(number, b"f", b"d" * 32, None, 0, 5) for number in range(4_096))
    for is_shared, most in ((True, 64), (False, 512)):
        cut = [part.pulls for part in parts(Pull("f", pulls), is_shared) if isinstance(part, Pull)]
        assert tuple(one for some in cut for one in some) == pulls
        assert max(map(len, cut)) == most
    held = tuple((b"f%d" % number, Stamp(1 + number, "aa")) for number in range(2_000))
    acks = [part for part in parts(Acknowledge("f", 9, held), True) if isinstance(part, Acknowledge)]
    assert tuple(one for part in acks for one in part.held) == held
    assert [part.sequence for part in acks] == [0, 9]


def test_what_is_short_is_not_cut() -> None:
    for message in (State("f", 1, True, ()), State("f", 1, True, (record(1, 4_096),)), Ping(1)):
        assert list(parts(message, True)) == [message]


def test_an_update_is_cut_too() -> None:
    changes = tuple(Change("delete", record(number), None, False, None, None) for number in range(900))
    update = ModificationUpdate("f", 9, changes, ((b"", 5),), False)
    cut = updates(update, True)
    assert tuple(change for part in cut for change in part.changes) == changes
    assert [part.times for part in cut][:-1] == [()] * (len(cut) - 1)
    assert (cut[-1].sequence, cut[-1].times) == (9, ((b"", 5),))


def updates(message: ModificationUpdate, is_shared: bool) -> list[ModificationUpdate]:
    return [part for part in parts(message, is_shared) if isinstance(part, ModificationUpdate)]


def renamed(new: int, old: int) -> Change:
    there = record(new)._replace(kind=Kind.FILE, content=b"c" * 32)
    return Change("rename", there, b"f%d" % old, False, None, None)


def test_an_update_with_renames_is_cut_between_them() -> None:
    gone = tuple(Change("delete", record(number), None, False, None, None) for number in range(500))
    moved = tuple(renamed(500 + number, 499 - number) for number in range(500))
    cut = updates(ModificationUpdate("f", 9, gone + moved, (), False), True)
    assert len(cut) > 10
    assert sorted(change.record.path for part in cut for change in part.changes) == sorted(
        change.record.path for change in gone + moved
    )
    for part in cut:
        there = {change.record.path for change in part.changes}
        assert all(change.source in there for change in part.changes if change.source is not None)
    alone = ModificationUpdate("f", 9, gone + moved, (), False)
    assert list(parts(alone, False)) == [alone], "nobody waits: they stay together"


def test_what_is_said_twice_of_a_path_keeps_its_order() -> None:
    changes = (renamed(1, 0), Change("delete", record(0), None, False, None, None))
    twice = (*changes, *(renamed(number, 0) for number in range(2, 100)), changes[1]._replace(attached=True))
    cut = updates(ModificationUpdate("f", 9, twice, (), False), True)
    assert [change for part in cut for change in part.changes] == list(twice)


def test_a_chain_of_renames_is_no_way_around_the_cut() -> None:
    chain = tuple(renamed(number + 1, number) for number in range(1_000))
    cut = updates(ModificationUpdate("f", 9, chain, (), False), True)
    assert [change for part in cut for change in part.changes] == list(chain)
    assert max(len(part.changes) for part in cut) < 100


# --- allowances -----------------------------------------------------------------------------------------------

ATTACKER = "10.0.0.66"


def ask_for(guard: Guard, kind: object, amount: float, until_ms: int, every_ms: int = 0) -> tuple[int, int | None]:
    """Ask without end, as fast as it is allowed: how often that was, and when the link was dropped."""
    now_ms = asked = 0
    while now_ms < until_ms:
        asked += 1
        verdict = guard.asked(ATTACKER, kind, amount, now_ms)
        if verdict.words:
            return asked, now_ms
        now_ms += max(verdict.wait_ms, every_ms)
        if not verdict.wait_ms and not every_ms and asked > 10_000_000:
            break
    return asked, None


@pytest.mark.parametrize(
    ("kind", "amount"),
    [
        (HistoryRequest, 1),
        (HaveRequest, 4_096),
        (StateRequest, 1),
        (Settle, 2_000),
        (Acknowledge, 1),
        ("ping", 1),
        ("waste", 4_000_000),
    ],
)
def test_a_flood_is_slowed_and_then_dropped(kind: object, amount: float) -> None:
    asked, dropped_ms = ask_for(Guard(), kind, amount, 120_000)
    assert dropped_ms is not None
    assert 5_000 <= dropped_ms <= 30_000
    allowance = guard.ALLOWED[kind]
    assert asked * amount <= allowance.burst + 40 * allowance.per_s + 2 * amount


def test_who_asks_now_and_then_is_neither_slowed_nor_dropped() -> None:
    guard = Guard()
    for minute in range(600):
        for kind, amount in (
            (HistoryRequest, 1),
            (StateRequest, 1),
            (HaveRequest, 4_096),
            (Acknowledge, 30_000),
            ("ping", 6),
        ):
            assert guard.asked(ATTACKER, kind, amount, minute * 60_000) == (0, "")


def test_an_undo_of_a_million_files_is_allowed() -> None:
    guard = Guard()
    assert all(guard.asked(ATTACKER, HaveRequest, 4_096, number).wait_ms == 0 for number in range(1_000_000 // 4_096))


def test_changes_and_contents_are_never_counted() -> None:
    """Seeding 100,000 files is no flood, and neither are a million changes."""
    guard = Guard()
    for number in range(10_000):
        assert guard.asked(ATTACKER, State, 1, number) == (0, "")
        assert guard.asked(ATTACKER, ModificationUpdate, 1, number) == (0, "")


def vain(guard: Guard, per_s: int, seconds: int) -> tuple[int | None, int | None]:
    """So many announcements in vain a second: when (s) they are too many, and when their link is dropped."""
    slowed = None
    for now_ms in range(0, seconds * 1000, 100):
        verdict = guard.asked(ATTACKER, "vain", per_s / 10, now_ms)
        if verdict.words:
            return slowed, now_ms // 1000
        if verdict.wait_ms and slowed is None:
            slowed = now_ms // 1000
    return slowed, None


@pytest.mark.parametrize("per_s", [1_000, 5_000, 20_000])
def test_who_announces_in_vain_without_end_is_dropped(per_s: int) -> None:
    slowed, dropped = vain(Guard(), per_s, 120)
    assert slowed is not None
    assert dropped is not None
    assert dropped - slowed <= 31


@pytest.mark.parametrize(("per_s", "seconds"), [(20_000, 2), (1_000, 50), (2_000, 25), (100, 3_600)])
def test_who_returns_with_50_000_deletions_is_not_even_slowed(per_s: int, seconds: int) -> None:
    assert vain(Guard(), per_s, seconds) == (None, None)


def test_who_remembers_half_a_million_deletions_is_not_dropped() -> None:
    guard = Guard()
    assert vain(guard, 20_000, 25)[1] is None
    assert guard.asked(ATTACKER, "vain", 0, 600_000 + 25_000) == (0, ""), "and it is forgiven"


def test_who_has_us_search_in_vain_is_refused_until_some_time_has_passed() -> None:
    guard = Guard()
    searches = 0
    while guard.may_ask(ATTACKER, "search", 1_000):
        guard.asked(ATTACKER, "search", 2.2, 1_000)
        searches += 1
    assert searches == 5
    assert not guard.may_ask(ATTACKER, "search", 2_000)
    assert guard.may_ask(ATTACKER, "search", 60_000)
    assert guard.may_ask("10.0.0.2", "search", 1_000)


def test_who_was_dropped_is_kept_away_longer_each_time() -> None:
    guard = Guard()
    now_ms = 0
    waits = []
    for _ in range(9):
        assert guard.admits(ATTACKER, now_ms)
        waits.append(guard.keep_away(ATTACKER, now_ms))
        assert not guard.admits(ATTACKER, now_ms + waits[-1] - 1)
        assert guard.is_kept_away(ATTACKER, now_ms + waits[-1] - 1)
        now_ms += waits[-1]
    assert waits == [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000, 600_000]
    assert guard.admits("10.0.0.2", 0), "others may come"
    now_ms += 3_600_000
    assert guard.admits(ATTACKER, now_ms)
    assert guard.keep_away(ATTACKER, now_ms) == 10_000, "after a good hour it begins anew"


def test_nodes_of_this_machine_are_not_kept_away_for_one_of_them() -> None:
    guard = Guard()
    guard.keep_away("127.0.0.1", 0)
    assert guard.admits("127.0.0.1", 0)


def test_one_broken_message_is_a_fault_and_many_are_a_flood() -> None:
    guard = Guard()
    now_ms = 0
    while guard.admits(ATTACKER, now_ms) and now_ms < 600_000:
        guard.erred(ATTACKER, now_ms)
        now_ms += 70
    assert 2_000 <= now_ms < 120_000
    calm = Guard()
    for hour in range(1_000):
        calm.erred(ATTACKER, hour * 3_600_000)
        assert calm.admits(ATTACKER, hour * 3_600_000)


def test_connections_have_a_rate_and_a_flood_of_addresses_is_forgotten() -> None:
    guard = Guard()
    admitted = sum(guard.admits(ATTACKER, now_ms) for now_ms in range(10_000))
    assert admitted <= 512 + 16 * 10 + 1
    assert guard.calls_left("10.0.0.2") > guard.calls_left(ATTACKER)
    guard.keep_away(ATTACKER, 10_000)
    for number in range(10_000):
        guard.admits(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", 10_000)
    assert len(guard._known) <= 4_096
    assert guard.is_kept_away(ATTACKER, 10_001)


def test_what_a_message_takes_and_is_worth() -> None:
    assert demand(HaveRequest("f", 1, (b"x" * 32,) * 7)) == (HaveRequest, 107)
    assert demand(Ping(1)) == ("ping", 1)
    page = State("f", 1, False, tuple(record(number) for number in range(2_000)))
    assert worth(page) > limits.PAGE_BYTES_MAX
    assert worth(State("f", 1, False, (record(1, 4_096),))) < 10_000


@pytest.mark.parametrize("seed", range(20))
def test_what_passes_by_counts_as_if_it_had_been_put_in_and_taken(seed: int) -> None:
    """Two queues get the same, and serve everything in the same order."""
    rng = random.Random(seed)
    flows = [Flow(group, member) for group in "abc" for member in "xy"]
    queued: FairQueue[int] = FairQueue()
    passed: FairQueue[int] = FairQueue()
    for number in range(200):
        flow, cost = rng.choice(flows), rng.random()
        if not queued.count:
            queued.put(flow, number)
            assert queued.take() == (flow, number)
            passed.pass_by(flow)
            queued.charge(flow, cost)
            passed.charge(flow, cost)
        if rng.random() < 0.3:
            for _ in range(rng.randrange(6)):
                other = rng.choice(flows)
                queued.put(other, number)
                passed.put(other, number)
        while queued.count and rng.random() < 0.7:
            taken = queued.take()
            assert taken == passed.take()
            assert taken is not None
            queued.charge(taken[0], cost)
            passed.charge(taken[0], cost)
