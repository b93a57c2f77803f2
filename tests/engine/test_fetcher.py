"""How a content is fetched: from whom, as what, and what happens with the bytes that come."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.jobs import ApplyItem, Beginning, Cause, Staged, StageJob, TreeOp
from dir_sync.core.messages import Chunks, DeltaOffer, Piece
from dir_sync.core.model import Record
from dir_sync.core.names import DELTA_IN, staging_name
from dir_sync.core.overload.byte_rate import ByteRate
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.transfer import Fetch, Window
from dir_sync.engine.constants import OURS
from dir_sync.engine.fetcher import Fetcher
from dir_sync.engine.transfers import TransferTable
from tests.engine.kit import OTHER, PEER, Alone, later, record

LARGE = limits.LARGE_FILE_BYTES


def alone(**answers: Any) -> Alone[Fetcher]:
    kit = Alone(Fetcher, TransferTable, answers={name.replace("__", "."): it for name, it in answers.items()})
    for node in (PEER, OTHER):
        kit.real(TransferTable).peer_came(kit.connects(node))
    return kit


def large(path: bytes, content: bytes = b"large", size: int = LARGE) -> Record:
    return record(path, content)._replace(size=size)


def fetch(kit: Alone[Fetcher], target: Record, *holders: str, is_conflict: bool = False) -> Fetch | None:
    kit.it.fetch(target.path, kit.index.rows.get(target.path), target, list(holders or (PEER,)), is_conflict)
    return kit.work.arrivals.fetch(target.path)


def comes(kit: Alone[Fetcher], target: Record, data: bytes, offset: int = 0) -> None:
    """The next pull is answered."""
    (pull,) = [each for each in kit.real(TransferTable).take_pulls()[PEER] if each.path == target.path]
    kit.it.on_chunks(kit.board.peers[PEER], Chunks((Piece(pull.id, offset, data),)))


# --- from whom ------------------------------------------------------------------------------------------------------


def test_a_small_content_is_asked_for_at_once() -> None:
    kit = alone()
    target = record(b"a", b"content")
    under_way = fetch(kit, target)
    assert under_way is not None
    assert under_way.is_small
    (pull,) = kit.real(TransferTable).take_pulls()[PEER]
    assert (pull.path, pull.digest, pull.offset, pull.length) == (b"a", target.content, 0, 7)


def test_a_large_content_is_asked_for_when_its_staging_file_is_open() -> None:
    kit = alone()
    target = large(b"a")
    under_way = fetch(kit, target)
    assert under_way is not None
    assert kit.real(TransferTable).take_pulls() == {}
    (job,) = kit.out(StageJob)
    assert (job.token, job.size, job.digest, job.chunks) == (under_way.token, LARGE, target.content, ())
    kit.it.on_staged(Staged(job.token, 0, False))
    assert kit.real(TransferTable).take_pulls()[PEER][0].offset == 0


def test_who_has_least_to_do_is_asked() -> None:
    kit = alone()
    fetch(kit, record(b"a", b"1"), PEER)
    under_way = fetch(kit, record(b"b", b"2"), PEER, OTHER)
    assert under_way is not None
    assert under_way.peer == OTHER


def test_without_room_in_the_window_it_waits_its_turn() -> None:
    kit = alone()
    window = kit.real(TransferTable).holders[PEER].window
    window.ask(Fetch(99, large(b"x"), PEER, None, LARGE, b""), 0, limits.PULL_WINDOW_BYTES)
    assert fetch(kit, record(b"a", b"content")) is None
    assert kit.work.rooms.paths() == {b"a"}


def disk_lags(kit: Alone[Fetcher]) -> None:
    """So much has come that the disk has not written yet."""
    data = bytes(limits.INSTALLING_BYTES_MAX)
    item = ApplyItem(b"slow", TreeOp.INSTALL, record(b"slow", b"1"), b"", Cause.REPLACED, data)
    kit.work.jobs.begin_apply(item, None)


def test_while_the_disk_lags_no_small_content_is_asked_for() -> None:
    """A large one is written while it comes, and bounded by that."""
    kit = alone()
    disk_lags(kit)
    assert fetch(kit, record(b"a", b"content")) is None
    assert kit.work.rooms.paths() == {b"a"}
    assert fetch(kit, large(b"large")) is not None
    kit.it.wake_waiting()
    assert kit.planned() == []
    kit.work.end_apply(b"slow")
    kit.it.wake_waiting()
    assert kit.planned() == [b"a"]


def test_of_large_contents_one_peer_sends_a_few_at_a_time() -> None:
    kit = alone()
    paths = [b"%d" % number for number in range(6)]
    for path in paths:
        fetch(kit, large(path, path))
    assert kit.work.rooms.paths() == {b"4", b"5"}
    assert fetch(kit, record(b"small", b"1")) is not None, "small ones are not held up"


# --- as what --------------------------------------------------------------------------------------------------------


def offered(kit: Alone[Fetcher], target: Record, base: bytes, marks: tuple[bytes, ...] | None = None) -> None:
    kit.work.holders.offer_delta(target.path, PEER, base, target.content, DeltaOffer(base, 70_000, marks))


def test_a_delta_that_is_offered_is_fetched_instead_of_the_whole() -> None:
    base = b"b" * 32
    kit = alone(sources__where_is=(b"a", b"fp", LARGE))
    target = large(b"a")
    offered(kit, target, base)
    under_way = fetch(kit, target)
    assert under_way is not None
    assert (under_way.base, under_way.size) == (base, 70_000)
    assert kit.asked("sources.begin_with") == [(b"a", base)]
    assert under_way.name.startswith(staging_name(DELTA_IN, b"", 0)[:8])


def test_a_delta_from_something_that_is_not_here_any_more_is_not() -> None:
    kit = alone()
    target = large(b"a")
    offered(kit, target, b"b" * 32)
    under_way = fetch(kit, target)
    assert under_way is not None
    assert under_way.base is None


def test_what_only_grew_is_appended_to_the_file_itself() -> None:
    kit = alone()
    mine = kit.has(large(b"a", b"shorter"))
    target = later(mine.record, b"longer")._replace(size=LARGE + 10)
    offered(kit, target, mine.record.content, ())
    assert fetch(kit, target) is None
    assert kit.asked("growth_in.begin_growth") == [(mine, target, PEER, ())]


def test_what_lost_a_conflict_is_not_appended_to_but_copied() -> None:
    kit = alone(sources__where_is=(b"a", b"fp", LARGE))
    mine = kit.has(large(b"a", b"cut off"))
    target = large(b"a", b"longer", LARGE + 10)
    offered(kit, target, mine.record.content, ())
    assert fetch(kit, target, is_conflict=True) is not None
    (job,) = kit.out(StageJob)
    assert job.begins == Beginning(b"a", b"fp", LARGE), "only the end travels"
    assert kit.asked("growth_in.begin_growth") == []


def test_what_grew_under_another_name_begins_with_a_copy_of_that() -> None:
    kit = alone(sources__where_is=(b"old", b"fp", LARGE))
    target = large(b"a", b"longer", LARGE + 10)
    offered(kit, target, b"b" * 32, ())
    assert fetch(kit, target) is not None
    (job,) = kit.out(StageJob)
    assert job.begins == Beginning(b"old", b"fp", LARGE)
    assert kit.asked("sources.begin_with") == [(b"a", b"b" * 32)]


def test_for_a_large_file_that_is_here_a_delta_is_asked_for_once() -> None:
    before = record(b"a", b"before").content
    kit = alone(sources__base_of=(before, LARGE))
    kit.has(large(b"a", b"before"))
    target = large(b"a", b"after")
    assert fetch(kit, target) is None
    assert kit.asked("deltas_in.ask_for_delta") == [(b"a", before, LARGE, target, PEER)]
    kit.work.holders.want_whole(b"a")
    assert fetch(kit, target) is not None


@pytest.mark.parametrize(
    ("before", "after", "asks"), [(LARGE, LARGE * 5, 0), (LARGE * 5, LARGE, 0), (LARGE, LARGE * 3, 1)]
)
def test_a_delta_is_no_use_between_sizes_that_differ_much(before: int, after: int, asks: int) -> None:
    kit = alone(sources__base_of=(b"o" * 32, before))
    fetch(kit, large(b"a", size=after))
    assert len(kit.asked("deltas_in.ask_for_delta")) == asks


def test_while_a_delta_is_being_made_nothing_is_fetched() -> None:
    kit = alone(deltas_in__delta_is_coming=True)
    kit.work.holders.want_whole(b"a")
    assert fetch(kit, large(b"a")) is None
    assert kit.out(StageJob) == []


def test_what_is_being_changed_under_its_old_name_is_waited_for_a_moment() -> None:
    kit = alone(sources__origins={b"a": b"old"}, incoming_moves__wait_a_moment=True)
    busy = record(b"old", b"1")
    kit.work.jobs.begin_apply(ApplyItem(b"old", TreeOp.META, busy, b"", Cause.REPLACED), None)
    assert fetch(kit, large(b"a")) is None
    kit.work.end_apply(b"old")
    assert fetch(kit, large(b"a")) is not None


# --- what comes -----------------------------------------------------------------------------------------------------


def test_a_small_content_that_has_come_is_ready() -> None:
    kit = alone()
    target = record(b"a", b"content")
    fetch(kit, target)
    comes(kit, target, b"content")
    ready = kit.work.arrivals.ready(b"a")
    assert ready is not None
    assert (ready.digest, ready.data) == (target.content, b"content")
    assert kit.work.arrivals.fetch(b"a") is None
    assert kit.planned() == [b"a"]


def test_if_nothing_has_changed_since_it_was_planned_it_is_put_in_its_place_at_once() -> None:
    kit = alone()
    target = record(b"a", b"content")
    kit.announces(target)
    under_way = fetch(kit, target)
    assert under_way is not None
    item, take = ApplyItem(b"a", TreeOp.INSTALL, target, b"", Cause.REPLACED), Take(target, False)
    under_way.plan = (None, kit.index.offers.of(b"a"), item, take)
    comes(kit, target, b"content")
    assert kit.changes() == [(item._replace(data=b"content", giver=PEER), take)]
    assert not kit.work.arrivals.is_ready(b"a")


@pytest.mark.parametrize("change", ["a newer offer", "a row", "a look"])
def test_if_anything_has_changed_it_is_planned_anew(change: str) -> None:
    kit = alone()
    target = record(b"a", b"content")
    kit.announces(target)
    under_way = fetch(kit, target)
    assert under_way is not None
    item, take = ApplyItem(b"a", TreeOp.INSTALL, target, b"", Cause.REPLACED), Take(target, False)
    under_way.plan = (None, kit.index.offers.of(b"a"), item, take)
    match change:
        case "a newer offer":
            kit.announces(later(target, b"newer"))
        case "a row":
            kit.has(record(b"a", b"mine"))
        case "a look":
            kit.board.pending_looks.add(b"a", 0, 0)
    comes(kit, target, b"content")
    assert kit.changes() == []
    assert kit.work.arrivals.is_ready(b"a")


def test_a_large_content_that_is_complete_is_ready_and_told() -> None:
    kit = alone()
    under_way = fetch(kit, large(b"a"))
    assert under_way is not None
    kit.it.on_staged(Staged(under_way.token, 0, False))
    kit.it.on_staged(Staged(under_way.token, LARGE, True))
    ready = kit.work.arrivals.ready(b"a")
    assert ready is not None
    assert ready.staged == under_way.name
    assert [type(note) for note in kit.told()] == [notes.Fetched]


def test_what_was_all_here_from_an_earlier_try_did_not_come() -> None:
    kit = alone()
    under_way = fetch(kit, large(b"a"))
    assert under_way is not None
    kit.it.on_staged(Staged(under_way.token, LARGE, True))
    assert kit.work.arrivals.is_ready(b"a")
    assert kit.told() == []


def test_a_cut_transfer_goes_on_where_it_was() -> None:
    kit = alone()
    under_way = fetch(kit, large(b"a"))
    assert under_way is not None
    kit.it.on_staged(Staged(under_way.token, 1_000_000, False))
    assert kit.real(TransferTable).take_pulls()[PEER][0].offset == 1_000_000
    assert kit.told() == [notes.Resumed(b"a", "name of " + PEER, LARGE, 1_000_000)]


def test_trouble_with_a_staging_file_ends_the_transfer() -> None:
    kit = alone()
    under_way = fetch(kit, large(b"a"))
    assert under_way is not None
    kit.it.on_staged(Staged(under_way.token, 0, False, "no space", True, full=True))
    assert kit.work.arrivals.fetch(b"a") is None
    assert kit.work.retries.is_short
    assert kit.planned_later() == {b"a"}


def test_a_delta_that_has_come_is_applied_to_its_base() -> None:
    kit = alone(sources__where_is=(b"a", b"fp", LARGE))
    target = large(b"a")
    offered(kit, target, b"b" * 32)
    under_way = fetch(kit, target)
    assert under_way is not None
    kit.it.on_staged(Staged(under_way.token, 70_000, True))
    assert kit.asked("deltas_in.patch") == [(under_way,)]


def test_what_was_given_up_while_it_was_written_is_let_go_of_then() -> None:
    kit = alone()
    table = kit.real(TransferTable)
    under_way = fetch(kit, large(b"a"))
    assert under_way is not None
    table.cancel(b"a")
    assert kit.board.discarded == {}
    kit.it.on_staged(Staged(under_way.token, 0, False))
    assert list(kit.board.discarded) == [under_way.name]


# --- room and refusals ----------------------------------------------------------------------------------------------


def test_room_goes_to_those_who_wait_first_come_first_served() -> None:
    kit = alone()
    for number in range(3):
        kit.work.rooms.enter(PEER, b"%d" % number, limits.PULL_WINDOW_BYTES // 2)
    kit.it.wake_waiting()
    assert kit.planned() == [b"0", b"1"]
    assert kit.work.rooms.paths() == {b"2"}


def test_a_small_content_is_asked_for_to_its_end_when_a_limit_has_come_between() -> None:
    kit = alone()
    table = kit.real(TransferTable)
    window = table.holders[PEER].window = Window([ByteRate(limits.CHUNK_BYTES_MIN, kit.board.now.mono_ms)])
    window.chunk = limits.CHUNK_BYTES_MIN  # it is slow
    under_way = fetch(kit, record(b"a", b"content")._replace(size=2 * limits.CHUNK_BYTES_MIN))
    assert under_way is not None
    assert [pull.offset for pull in table.take_pulls()[PEER]] == [0]
    kit.it.wake_waiting()
    assert not table.take_pulls().get(PEER), "the limit does not allow more"
    kit.wait(2_000)
    kit.it.wake_waiting()
    assert [pull.offset for pull in table.take_pulls()[PEER]] == [limits.CHUNK_BYTES_MIN]


@pytest.mark.parametrize("is_refused", [False, True])
def test_who_waits_for_room_gets_that_of_what_is_not_wanted_any_more_when_it_is_answered(is_refused: bool) -> None:
    kit = alone()
    table, peer = kit.real(TransferTable), kit.board.peers[PEER]
    assert fetch(kit, record(b"a", b"content")) is not None
    (pull,) = table.take_pulls()[PEER]
    table.cancel(b"a")
    kit.board.plan_queue.take_room()
    if is_refused:
        kit.it.on_refuse(peer, pull.id, "gone")
    else:
        kit.it.on_chunks(peer, Chunks((Piece(pull.id, 0, b"content"),)))
    assert kit.board.plan_queue.take_room()
    assert table.holders[PEER].window.bytes == 0
    assert kit.planned() == []


def test_who_waits_for_somebody_who_left_is_planned() -> None:
    kit = alone()
    kit.work.rooms.enter("cc", b"a", 1)
    kit.it.wake_waiting()
    assert kit.planned() == [b"a"]


@pytest.mark.parametrize("reason", ["gone", "later", "forgotten"])
def test_who_cannot_give_it_is_not_asked_again_for_it(reason: str) -> None:
    kit = alone()
    target = record(b"a", b"content")
    kit.announces(target)
    kit.announces(target, OURS + PEER)
    fetch(kit, target)
    (pull,) = kit.real(TransferTable).take_pulls()[PEER]
    kit.it.on_refuse(kit.board.peers[PEER], pull.id, reason)
    assert kit.work.arrivals.fetch(b"a") is None
    assert kit.work.holders.failed_holders(b"a") == {PEER}
    assert kit.planned_later() == {b"a"}
    left = {offer.peer for offer in kit.index.offers.of(b"a")}
    assert left == {"gone": {PEER}, "later": {PEER, OURS + PEER}, "forgotten": set()}[reason]


@pytest.mark.parametrize("reason", ["gone", "later", "forgotten"])
@pytest.mark.parametrize("is_guess", [True, False])
def test_who_does_not_know_what_it_was_asked_for_by_guess_is_noted(reason: str, is_guess: bool) -> None:
    """A mirror wants back what the mesh had there, and the only node that had it has lost it with its index."""
    kit = alone()
    target = record(b"a", b"content")
    kit.announces(target, OURS + PEER if is_guess else PEER)
    fetch(kit, target)
    (pull,) = kit.real(TransferTable).take_pulls()[PEER]
    kit.it.on_refuse(kit.board.peers[PEER], pull.id, reason)
    is_noted = is_guess and reason == "forgotten"  # otherwise it may only be unable to read it now
    assert kit.asked("sources.note_unknown") == ([(PEER, target.content)] if is_noted else [])


def test_a_refusal_of_something_else_changes_nothing() -> None:
    kit = alone()
    under_way = fetch(kit, record(b"a", b"content"))
    kit.it.on_refuse(kit.board.peers[PEER], 77, "gone")
    assert kit.work.arrivals.fetch(b"a") is under_way
