"""Each message of a peer reaches the machine that it is for, with what that one needs."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core import limits
from dir_sync.core.events import Drop
from dir_sync.core.messages import (
    Acknowledge,
    Brake,
    Change,
    Chunks,
    Decision,
    Delta,
    DeltaOffer,
    DeltaRequest,
    HaveRequest,
    HistoryRequest,
    Lacks,
    ModificationUpdate,
    NeedSignature,
    Pull,
    Refuse,
    Rejected,
    Settle,
    Signature,
    State,
    StateRequest,
)
from dir_sync.core.messages.history import Loser
from dir_sync.core.model import Kind
from dir_sync.engine.router import MessageRouter
from tests.engine.kit import FOLDER, PEER, Alone, record

D = b"d" * 32


def route(message: Any, **answers: Any) -> tuple[Alone[MessageRouter], list[str]]:
    kit = Alone(MessageRouter, answers={name.replace("__", "."): it for name, it in answers.items()})
    kit.it.route(kit.connects(), message)
    return kit, [call[0] for call in kit.calls]


@pytest.mark.parametrize(
    ("message", "machine"),
    [
        (StateRequest(FOLDER, "index", 0), "intake.on_state_request"),
        (Chunks(()), "fetcher.on_chunks"),
        (Pull(FOLDER, ()), "uploader.on_pull"),
        (Refuse(FOLDER, ((1, "gone"),)), "fetcher.on_refuse"),
        (DeltaRequest(FOLDER, 1, b"a", D, D, 0), "deltas_out.on_delta_request"),
        (NeedSignature(FOLDER, 1), "deltas_in.on_need_signature"),
        (Signature(FOLDER, 1, b"s"), "deltas_out.on_signature"),
        (Delta(FOLDER, 1, 5), "deltas_in.on_delta"),
        (HistoryRequest(FOLDER, 1, b"a", 5), "queries.on_history_request"),
        (HaveRequest(FOLDER, 1, (D,)), "queries.on_have_request"),
        (Brake(FOLDER, ()), "peer_losses.on_brake_news"),
        (Decision(FOLDER, "mm", 1, True), "decisions.decide_on"),
        (Rejected(FOLDER, "mm", (b"a",)), "decisions.on_rejected"),
        (Lacks(FOLDER, 1, 0, 0, 0), "sync_report.on_lacks"),
    ],
)
def test_a_message_reaches_its_machine(message: Any, machine: str) -> None:
    assert route(message)[1] == [machine]


def test_who_asks_and_never_takes_the_answers_is_dropped() -> None:
    kit = Alone(MessageRouter)
    peer = kit.connects()
    peer.connection.queued = limits.OUTBOX_BYTES_MAX + 2 * limits.PULL_WINDOW_BYTES
    kit.it.route(peer, HaveRequest(FOLDER, 1, (D,)))
    assert kit.asked("queries.on_have_request"), "announcements and two windows may wait"
    peer.connection.queued = limits.OUTBOX_BYTES_BEHIND_MAX + 1
    kit.it.route(peer, HaveRequest(FOLDER, 2, (D,)))
    assert len(kit.asked("queries.on_have_request")) == 1
    (drop,) = kit.out(Drop)
    assert (drop.peer, drop.reason) == (PEER, "overload")


def test_a_decision_is_the_word_of_who_sent_it() -> None:
    kit, _ = route(Decision(FOLDER, "mm", 1, True))
    assert kit.asked("decisions.decide_on") == [("mm", 1, True, PEER)]


def test_a_state_is_announced_record_by_record_and_then_its_sequence_counts() -> None:
    kit, calls = route(State(FOLDER, 7, True, (record(b"a", b"1"), record(b"b", b"2"))))
    assert calls == ["intake.on_announced"] * 2 + ["intake.advance_received", "intake.on_last_state"]
    assert [call[1].path for call in kit.asked("intake.on_announced")] == [b"a", b"b"]
    assert kit.asked("intake.advance_received")[0][1] == 7


def test_old_names_are_passed_on_of_news_only() -> None:
    renames = ((b"a", b"old a"), (b"b", b"old b"))
    state = State(FOLDER, 7, False, (record(b"a", b"1"), record(b"b", b"2")), renames)
    kit, _ = route(state, intake__on_announced=lambda peer, one, sequence: one.path == b"a")
    assert kit.asked("incoming_moves.was_renamed_there") == [(record(b"a", b"1"), b"old a")]


def test_contents_deltas_and_old_names_of_an_update_are_kept_for_what_is_news() -> None:
    changes = (
        Change("create", record(b"a", b"1"), attached=True, content=b"1"),
        Change("modify", record(b"b", b"2"), delta=DeltaOffer(D, 5)),
        Change("move", record(b"c", b"3"), source=b"old"),
        Change("create", record(b"no news", b"4"), attached=True, content=b"4"),
    )
    update = ModificationUpdate(FOLDER, 9, changes, ((b"d", 5),), False)
    kit, _ = route(update, intake__on_announced=lambda peer, one, sequence: one.path != b"no news")
    ready = kit.work.arrivals.ready(b"a")
    assert ready is not None
    assert ready.data == b"1"
    offer = kit.work.holders.delta_offer(b"b")
    assert offer is not None
    assert (offer.peer, offer.base) == (PEER, D)
    assert kit.asked("incoming_moves.renamed_there") == [(record(b"c", b"3"), b"old")]
    assert not kit.work.arrivals.is_ready(b"no news")
    assert kit.asked("folder_times.set_later") == [(b"d", 5)]


@pytest.mark.parametrize("scanning", [True, False])
def test_new_files_with_their_contents_are_installed_at_once_once_it_is_known_what_is_here(scanning: bool) -> None:
    kit = Alone(MessageRouter)
    if scanning:
        kit.board.scan.begin()
    update = ModificationUpdate(
        FOLDER, 9, (Change("create", record(b"a", b"1"), attached=True, content=b"1"),), (), True
    )
    kit.it.route(kit.connects(), update)
    assert bool(kit.asked("bulk_install.install_pushed")) != scanning
    assert bool(kit.asked("intake.on_announced")) == scanning, "what was installed is announced no more"


def test_an_acknowledgement_counts_before_its_sequence() -> None:
    _, calls = route(Acknowledge(FOLDER, 5, ()))
    assert calls == ["intake.on_acknowledge", "intake.advance_received"]


def test_losers_that_somebody_has_seen_are_settled() -> None:
    assert route(Settle(FOLDER, (Loser(b"a", Kind.FILE, D),)))[1] == []
