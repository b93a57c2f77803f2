"""Contents on their way here: what ends one, where its bytes stay, and whose fault it was."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits, notes
from dir_sync.core.events import Drop
from dir_sync.core.jobs import DiscardJob, Staged, StageJob
from dir_sync.core.messages import DeltaOffer
from dir_sync.core.model import Record
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.constants import RETRY_MS
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import Ready
from tests.engine.kit import OTHER, PEER, Alone, later, record

LARGE = limits.LARGE_FILE_BYTES


def alone(**answers: Any) -> Alone[TransferTable]:
    kit = Alone(TransferTable, answers={name.replace("__", "."): it for name, it in answers.items()})
    kit.it.peer_came(kit.connects())
    return kit


def large(path: bytes, content: bytes = b"large", size: int = LARGE) -> Record:
    return record(path, content)._replace(size=size)


def begin(kit: Alone[TransferTable], target: Record, base: bytes | None = None, opened: bool = True) -> Fetch:
    small = base is None and target.size <= limits.CHUNK_BYTES
    name = b"" if small else b"delta" if base is not None else kit.it.parts.name_for(target.content)
    fetch = Fetch(kit.it.parts.new_token(), target, PEER, base, target.size, name)
    fetch.opened = opened
    kit.work.arrivals.begin_fetch(fetch)
    kit.it.begin(fetch)
    return fetch


def removed(kit: Alone[TransferTable]) -> list[bytes]:
    return [name for job in kit.out(DiscardJob) for name in job.names]


def test_a_large_content_is_asked_for_as_far_as_there_is_room() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a", size=limits.PULL_WINDOW_BYTES * 4))
    kit.it.pull(fetch)
    pulls = kit.it.take_pulls()[PEER]
    assert [pull.offset for pull in pulls] == sorted(pull.offset for pull in pulls)
    asked = sum(pull.length for pull in pulls)
    assert 0 < asked <= limits.PULL_WINDOW_BYTES
    kit.it.pull(fetch)
    assert kit.it.take_pulls().get(PEER, []) == [], "nothing twice"


def test_what_is_not_wanted_any_more_ends_and_its_room_is_free_when_it_is_answered() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"))
    kit.it.pull(fetch)
    kit.it.cancel(b"a")
    assert kit.work.arrivals.fetch(b"a") is None
    window, asked = kit.it.holders[PEER].window, kit.it.take_pulls()[PEER]
    assert window.bytes == sum(pull.length for pull in asked) > 0
    for pull in asked:
        assert window.arrived(pull.id, pull.offset, pull.length, 0) is None
    assert window.bytes == 0
    assert removed(kit) == [fetch.name]
    assert kit.board.plan_queue.take_room()


def test_a_staging_file_is_never_removed_while_a_job_writes_it() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"))
    fetch.waiting.append((0, b"some"))
    kit.it.write(fetch)
    kit.it.cancel(b"a")
    assert removed(kit) == []
    assert kit.it.parts.take_orphan(fetch.token) == (fetch, True)
    assert kit.it.parts.take_orphan(fetch.token) is None


def test_one_job_writes_at_a_time_and_takes_all_that_has_come() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"))
    fetch.take(0, b"one")
    kit.it.write(fetch)
    fetch.take(3, b"two")
    kit.it.write(fetch)
    assert [job.chunks for job in kit.out(StageJob)] == [((0, b"one"),)]
    fetch.writing = False
    kit.it.write(fetch)
    assert kit.out(StageJob)[1].chunks == ((3, b"two"),)


def test_what_a_peer_did_not_answer_in_time_is_asked_for_anew_and_takes_no_room() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"))
    kit.it.pull(fetch)
    kit.it.stalled(fetch, b"a")
    assert kit.work.arrivals.fetch(b"a") is None
    assert kit.it.holders[PEER].window.bytes == 0


def test_what_was_not_wanted_any_more_takes_no_room_when_its_peer_comes_again() -> None:
    kit = alone()
    peer, window = kit.board.peers[PEER], kit.it.holders[PEER].window
    fetch = begin(kit, large(b"a"))
    kit.it.pull(fetch)
    kit.it.cancel(b"a")
    kit.it.peer_gone(PEER)  # the connection goes on, for other folders
    kit.it.peer_came(peer)
    assert kit.it.holders[PEER].window is window
    assert window.bytes == 0


def test_what_a_peer_was_sending_is_planned_when_it_goes_and_what_has_come_is_kept() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"))
    begin(kit, large(b"d", b"other"), base=b"b" * 32)
    kit.it.pull(fetch)
    kit.it.peer_gone(PEER)
    assert kit.planned() == [b"a", b"d"]
    assert removed(kit) == [b"delta"], "half a delta is no use; the beginning of a content is"
    assert kit.it.take_pulls() == {}


# --- under another name ---------------------------------------------------------------------------------------------


def test_what_is_the_beginning_of_what_is_wanted_now_goes_on() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"))
    fetch.received = 1_000
    target = later(fetch.target, b"longer")._replace(size=LARGE + 5)
    assert not kit.it.go_on_with(fetch, target), "nobody said so"
    kit.work.holders.offer_delta(
        b"a", PEER, fetch.target.content, target.content, DeltaOffer(fetch.target.content, 5, ())
    )
    assert kit.it.go_on_with(fetch, target)
    assert (fetch.target, fetch.received) == (target, 1_000)
    assert kit.work.arrivals.fetch(b"a") is fetch


@pytest.mark.parametrize("wrong", ["shorter", "another peer", "a delta", "no marks"])
def test_nothing_else_goes_on(wrong: str) -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"), b"b" * 32 if wrong == "a delta" else None)
    target = later(fetch.target, b"longer")._replace(size=LARGE - 5 if wrong == "shorter" else LARGE + 5)
    offer = DeltaOffer(fetch.target.content, 5, None if wrong == "no marks" else ())
    node = OTHER if wrong == "another peer" else PEER
    kit.work.holders.offer_delta(b"a", node, fetch.target.content, target.content, offer)
    assert not kit.it.go_on_with(fetch, target)


def test_what_is_on_its_way_is_handed_to_the_name_that_the_file_got_meanwhile() -> None:
    kit = alone(sources__origins={b"new": b"old"})
    fetch = begin(kit, large(b"old"))
    renamed = large(b"new")
    kit.announces(renamed)
    kit.it.hand_over(b"old")
    assert kit.work.arrivals.fetch(b"old") is None
    assert kit.work.arrivals.fetch(b"new") is fetch
    assert fetch.target == renamed
    assert kit.planned() == [b"new"]


def test_it_is_not_handed_to_a_name_that_wants_another_content() -> None:
    kit = alone(sources__origins={b"new": b"old"})
    fetch = begin(kit, large(b"old"))
    kit.announces(large(b"new", b"another"))
    kit.it.hand_over(b"old")
    assert kit.work.arrivals.fetch(b"old") is fetch


# --- failures -------------------------------------------------------------------------------------------------------


def fails(kit: Alone[TransferTable], path: bytes = b"a", **how: Any) -> Fetch:
    fetch = begin(kit, large(path))
    kit.it.failed_fetch(fetch, Staged(fetch.token, 0, False, "problem", **how))
    assert kit.work.arrivals.fetch(path) is None
    return fetch


def fails_with(kit: Alone[TransferTable], content: bytes) -> None:
    fetch = begin(kit, large(content, content))
    kit.it.failed_fetch(fetch, Staged(fetch.token, 0, False, "problem"))


def test_many_contents_that_were_not_what_was_announced_cost_a_peer_the_connection() -> None:
    kit = alone()
    for number in range(10):
        assert not kit.out(Drop)
        fails_with(kit, b"%d" % number)
    assert [drop.peer for drop in kit.out(Drop)] == [PEER]
    assert [peer for _, peer in kit.asked("sources.was_bad")] == [PEER] * 10


def test_one_content_that_is_not_what_was_announced_costs_nobody_the_connection() -> None:
    """A file has gone bad on the disk of an honest peer."""
    kit = alone()
    for _ in range(30):
        fails(kit)
    assert not kit.out(Drop)
    assert kit.asked("sources.was_bad") == [(large(b"a"), PEER)] * 30


def test_trouble_with_our_own_disk_is_nobodys_fault() -> None:
    kit = alone()
    for number in range(5):
        fails(kit, b"%d" % number, ours=True)
    assert not kit.out(Drop)
    assert kit.work.holders.failed_holders(b"0") == frozenset()
    assert kit.told()[0] == notes.CannotWrite(b"0", "problem")
    assert b"0" in kit.planned_later()


def test_a_base_that_has_changed_is_looked_at() -> None:
    kit = alone()
    fails(kit, base_changed=True)
    assert kit.is_looked_at(b"a")
    assert kit.told() == []


def test_a_content_that_is_too_large_for_this_disk_is_held_back() -> None:
    kit = alone()
    fetch = fails(kit, too_large=True)
    assert kit.work.unable.why(fetch.target) is not None
    assert kit.work.unable.why(record(b"a", b"small")) is None


def test_after_a_resumed_transfer_failed_nobody_knows_which_part_was_bad() -> None:
    kit = alone()
    for number in range(5):
        fetch = begin(kit, large(b"%d" % number))
        fetch.began_at = 1_000
        kit.it.failed_fetch(fetch, Staged(fetch.token, 0, False, "another digest"))
    assert not kit.out(Drop)


@pytest.mark.parametrize("is_written_anew", [True, False])
def test_what_was_written_anew_while_we_received_its_growth_is_nobodys_fault(is_written_anew: bool) -> None:
    """Whoever reads a large file that has grown does not read its beginning again for each piece."""
    kit = alone()
    fetch = begin(kit, large(b"a"))
    fetch.began_at = 1_000
    kit.announces(later(fetch.target, b"anew") if is_written_anew else fetch.target)
    kit.it.failed_fetch(fetch, Staged(fetch.token, 0, False, "another digest"))
    assert [type(note) for note in kit.told()] == ([] if is_written_anew else [notes.BadContent])
    assert kit.work.holders.failed_holders(b"a") == (frozenset() if is_written_anew else {PEER})
    assert (b"a" in kit.planned()) == is_written_anew


def test_a_delta_that_failed_leads_to_the_whole_and_is_no_fault_of_its_holder() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"), b"b" * 32)
    kit.it.give_up(fetch, b"a")
    assert kit.work.holders.is_whole_wanted(b"a")
    assert kit.work.holders.failed_holders(b"a") == frozenset()
    assert removed(kit) == [b"delta"]


def test_a_file_that_could_not_be_cut_back_is_tried_again() -> None:
    kit = alone()
    fetch = begin(kit, large(b"a"))
    kit.it.forget(fetch)
    kit.it.cut_back_later(fetch)
    kit.wait(RETRY_MS - 1)
    kit.it.undo_growths()
    assert kit.it.unfinished
    kit.wait(1)
    kit.it.undo_growths()
    assert not kit.it.unfinished
    assert removed(kit) == [fetch.name]


# --- what nobody wants ----------------------------------------------------------------------------------------------


def test_what_nobody_announces_any_more_is_dropped_with_all_that_is_remembered() -> None:
    kit = alone()
    begin(kit, large(b"a"))
    kit.work.folders.begin_wait(b"a", b"c" * 32)
    kit.work.arrivals.make_ready(b"a", Ready(b"c" * 32, b"data", None))
    kit.it.drop_wanted(b"a")
    assert not kit.work.arrivals.is_coming_to(b"a")
    assert not kit.work.folders.is_waiting(b"a")
    kit.it.forget_attempts(b"a")
    assert kit.asked("sources.forget") == [(b"a",)]
