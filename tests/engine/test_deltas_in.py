"""Deltas asked of peers: the answer is waited for, and without one the whole is fetched."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core.jobs import DiscardJob, PatchJob, Signed, SignJob
from dir_sync.core.messages import Delta, DeltaRequest, Signature
from dir_sync.core.model import Record
from dir_sync.core.names import part_name
from dir_sync.core.reconcile import Take
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.constants import STALLED_MS
from dir_sync.engine.deltas_in import DeltaRequests
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.transfers import TransferTable
from tests.engine.kit import FOLDER, OTHER, PEER, Alone, record

BASE = b"b" * 32
TARGET = record(b"a", b"content")


def alone(**answers: Any) -> Alone[DeltaRequests]:
    answers = {"sources.bases": {b"a": BASE}} | {name.replace("__", "."): it for name, it in answers.items()}
    kit = Alone(DeltaRequests, answers=answers)
    peer = kit.connects()
    kit.it.peer_came(peer)
    kit.real(TransferTable).peer_came(peer)
    return kit


def ask(kit: Alone[DeltaRequests], target: Record = TARGET) -> int:
    kit.it.ask_for_delta(b"a", BASE, 0, target, PEER)
    request = kit.said()[-1]
    assert isinstance(request, DeltaRequest)
    return request.id


def test_a_delta_is_asked_for_once() -> None:
    kit = alone()
    ask(kit)
    ask(kit)
    assert len(kit.said()) == 1
    assert kit.it.delta_is_coming(b"a", TARGET.content)
    assert not kit.it.delta_is_coming(b"a", b"another")
    assert kit.work.holders.is_whole_wanted(b"a"), "where none comes, the whole is asked for"


def test_the_answer_is_not_waited_for_for_ever() -> None:
    kit = alone()
    ask(kit)
    kit.wait(STALLED_MS)
    assert not kit.it.delta_is_coming(b"a", TARGET.content)


def test_a_delta_that_is_there_is_offered_if_it_is_still_wanted() -> None:
    for wanted in (True, False):
        kit = alone()
        kit.announces(TARGET if wanted else record(b"a", b"another"))
        id_ = ask(kit)
        kit.it.on_delta(kit.board.peers[PEER], Delta(FOLDER, id_, 500))
        offer = kit.work.holders.delta_offer(b"a")
        assert (offer is not None) == wanted
        assert offer is None or (offer.peer, offer.base, offer.content, offer.offer.size) == (
            PEER,
            BASE,
            TARGET.content,
            500,
        )
        assert kit.planned() == [b"a"]


def test_a_delta_counts_while_nobody_has_the_best_version() -> None:
    """The planner takes what is within reach meanwhile. It took the whole file then, although the peer had offered the
    bytes that were appended."""
    kit = alone()
    kit.announces(TARGET)
    best = record(b"a", b"best", ns=TARGET.stamp.ns + 1)
    kit.announces(best, OTHER)
    decision = kit.real(ModeRules).decision_at(b"a", None)
    assert isinstance(decision, Take)
    assert decision.record == best
    id_ = ask(kit)
    kit.it.on_delta(kit.board.peers[PEER], Delta(FOLDER, id_, 500))
    offer = kit.work.holders.delta_offer(b"a")
    assert offer is not None
    assert offer.content == TARGET.content


def test_a_delta_that_nobody_asked_for_is_nothing() -> None:
    kit = alone()
    kit.it.on_delta(kit.board.peers[PEER], Delta(FOLDER, 7, 500))
    assert kit.work.holders.delta_offer(b"a") is None
    assert not kit.it.no_delta(PEER, 7)


def test_without_a_delta_the_path_is_planned() -> None:
    kit = alone()
    id_ = ask(kit)
    assert kit.it.no_delta(PEER, id_)
    assert kit.planned() == [b"a"]
    assert not kit.it.delta_is_coming(b"a", TARGET.content)


def test_when_the_peer_goes_the_path_is_planned() -> None:
    kit = alone()
    ask(kit)
    kit.it.peer_gone(PEER)
    assert kit.planned() == [b"a"]


@pytest.mark.parametrize("here", [True, False])
def test_a_signature_that_is_wanted_is_made_of_the_base(here: bool) -> None:
    kit = alone(sources__where_is=(b"a", b"fp", 100) if here else None)
    id_ = ask(kit)
    kit.it.on_need_signature(kit.board.peers[PEER], id_)
    jobs = kit.out(SignJob)
    assert [(job.peer, job.id, job.path, job.digest) for job in jobs] == ([(PEER, id_, b"a", BASE)] if here else [])
    assert kit.it.delta_is_coming(b"a", TARGET.content) == here
    kit.it.on_need_signature(kit.board.peers[PEER], 99)
    assert kit.out(SignJob) == jobs


def test_a_signature_goes_to_who_waits_for_it() -> None:
    kit = alone()
    id_ = ask(kit)
    kit.effects()
    kit.it.on_signed(Signed(PEER, 1, id_, b"signature"))
    assert kit.said() == [Signature(FOLDER, id_, b"signature")]
    kit.effects()
    kit.it.on_signed(Signed(PEER, 2, id_, b"signature"))
    kit.it.on_signed(Signed(OTHER, 1, id_, b"signature"))
    assert kit.said() == []
    kit.it.on_signed(Signed("", 0, 0, None))
    assert len(kit.asked("signatures.one_signed")) == 1
    kit.it.on_signed(Signed(PEER, 1, id_, None))
    assert not kit.it.delta_is_coming(b"a", TARGET.content)


@pytest.mark.parametrize("here", [True, False])
def test_a_delta_that_has_come_is_applied_to_its_base_if_that_is_still_here(here: bool) -> None:
    kit = alone(sources__where_is=(b"a", b"fp", 100) if here else None)
    fetch = Fetch(1, TARGET, PEER, BASE, 500, b"delta")
    kit.it.patch(fetch)
    if here:
        (job,) = kit.out(PatchJob)
        assert (job.name, job.delta_name, job.base_path) == (part_name(TARGET.content), b"delta", b"a")
        assert fetch.writing
    else:
        assert [name for job in kit.out(DiscardJob) for name in job.names] == [b"delta"]
        assert kit.planned() == [b"a"]
        assert kit.asked("transfers.forget") == [(fetch,)]
