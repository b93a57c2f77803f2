"""What is done when nothing else is to be done: one thing at a time, and only when all is calm."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core.jobs import SweepJob
from dir_sync.core.names import part_name
from dir_sync.engine.acquire import _LINGER_MS
from dir_sync.engine.constants import CALM_MS
from dir_sync.engine.idle import IdleTasks
from dir_sync.engine.own_echoes import OwnEchoes
from dir_sync.engine.transfers import TransferTable
from dir_sync.engine.values import Ready
from tests.engine.kit import Alone, record


def calm(**answers: Any) -> Alone[IdleTasks]:
    """Nothing has happened for a while, and nothing is left to do."""
    answers = {"signatures.sign_after": None} | {name.replace("__", "."): it for name, it in answers.items()}
    kit = Alone(IdleTasks, OwnEchoes, answers=answers)
    kit.real(TransferTable).parts.swept(are_kept=False)
    kit.board.something_happened()
    kit.wait(CALM_MS)
    return kit


@pytest.mark.parametrize("why", ["", "too soon", "a job", "a plan", "a listing", "the scan", "a look soon", "signing"])
def test_it_is_done_only_when_all_is_calm(why: str) -> None:
    kit = calm(folder_times__mtimes_to_set={b"d": 1}, signatures__signing=why == "signing")
    match why:
        case "too soon":
            kit.board.something_happened()
        case "a job":
            kit.board.jobs_out += 1
        case "a plan":
            kit.board.plan_queue.add(b"a")
        case "a listing":
            kit.board.listings.add(b"a")
        case "the scan":
            kit.board.scan.begin()
        case "a look soon":
            kit.board.pending_looks.add(b"a", kit.board.now.mono_ms + CALM_MS - 1, 0)
    kit.it.when_calm()
    assert bool(kit.asked("folder_times.set_mtimes")) == (not why)


def test_nothing_to_do_is_no_reason_to_wake() -> None:
    assert not calm().it.calm_work()
    assert calm(signatures__to_sign={b"a": b""}).it.calm_work()
    assert not calm(signatures__to_sign={b"a": b""}, signatures__signing=True).it.calm_work()


def test_folders_in_which_events_were_believed_to_be_ours_are_listed_first() -> None:
    kit = calm(folder_times__mtimes_to_set={b"d": 1})
    kit.board.listings.add_when_calm(b"d")
    kit.real(OwnEchoes).expect((b"d/a",))
    kit.it.when_calm()
    assert kit.listed() == [b"d"]
    assert kit.asked("folder_times.set_mtimes") == []
    assert len(kit.real(OwnEchoes)) == 0


def test_the_times_of_folders_are_looked_at_before_times_are_set() -> None:
    kit = calm(folder_times__active_folders={b"d": 1}, folder_times__mtimes_to_set={b"e": 1})
    kit.answers["folder_times.begin_checks"] = [b"d"]
    kit.connects()
    kit.it.when_calm()
    pending = kit.board.pending_looks.find(b"d")
    assert pending is not None
    assert pending.check_mtime
    assert kit.asked("folder_times.set_mtimes") == []


def test_parts_that_nobody_wants_are_swept() -> None:
    kit = calm()
    parts = kit.real(TransferTable).parts
    parts.one_was_left()
    wanted = kit.announces(record(b"a", b"content")).record
    kit.work.arrivals.make_ready(b"b", Ready(b"r" * 32, None, b"ready"))
    kit.it.when_calm()
    assert [job.keep for job in kit.out(SweepJob)] == [frozenset((part_name(wanted.content), b"ready"))]
    assert not parts.must_sweep


def test_a_content_whose_folder_does_not_come_is_dropped_when_no_peer_can_be_bringing_the_folder_back() -> None:
    kit = calm()
    kit.work.folders.begin_wait(b"d/a", b"r" * 32)
    kit.work.arrivals.make_ready(b"d/a", Ready(b"r" * 32, b"data", None))
    kit.wait(2 * _LINGER_MS - CALM_MS)
    assert kit.it.calm_work()
    kit.it.when_calm()
    assert kit.work.arrivals.is_ready(b"d/a"), "otherwise it would have to be fetched again"
    kit.wait(1_000 - 2 * _LINGER_MS)
    kit.it.when_calm()
    assert not kit.work.arrivals.is_ready(b"d/a")


def test_signatures_come_last() -> None:
    kit = calm(signatures__to_sign={b"a": b""})
    kit.it.when_calm()
    assert len(kit.asked("signatures.sign_next")) == 1
