"""Deltas for peers: made when they are asked for, kept while they may be pulled, bounded in number and bytes."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.jobs import DeltaDone, DeltaJob, DiscardJob
from dir_sync.core.looks import Grown, MadeDelta
from dir_sync.core.messages import Delta, DeltaRequest, NeedSignature, Refuse
from dir_sync.core.model import PeerError, Record
from dir_sync.engine.constants import DELTA_KEEP_MS
from dir_sync.engine.deltas_out import DeltasForPeers
from tests.engine.kit import FOLDER, PEER, Alone, record

BASE = b"b" * 32


def alone() -> Alone[DeltasForPeers]:
    kit = Alone(DeltasForPeers)
    kit.it.peer_came(kit.connects())
    return kit


def mine(kit: Alone[DeltasForPeers]) -> Record:
    return kit.has(record(b"a", b"content")._replace(size=limits.LARGE_FILE_BYTES)).record


def ask(kit: Alone[DeltasForPeers], digest: bytes, id_: int = 1, size: int = 0) -> None:
    kit.it.on_delta_request(kit.board.peers[PEER], DeltaRequest(FOLDER, id_, b"a", digest, BASE, size), None)


def made(number: int, digest: bytes = b"d" * 32, size: int = 10) -> MadeDelta:
    return MadeDelta(b"delta-%d" % number, b"%032d" % number, digest, size)


def removed(kit: Alone[DeltasForPeers]) -> list[bytes]:
    return [name for job in kit.out(DiscardJob) for name in job.names]


def test_a_delta_is_made_for_what_is_here_and_announced_when_it_is() -> None:
    kit = alone()
    one = mine(kit)
    ask(kit, one.content)
    (job,) = kit.out(DeltaJob)
    assert (job.path, job.digest, job.base) == (b"a", one.content, BASE)
    kit.it.on_delta_made(DeltaDone(PEER, 1, 1, MadeDelta(b"delta-1", BASE, one.content, 500), False))
    assert kit.said() == [Delta(FOLDER, 1, 500)]
    ask(kit, one.content, 2)
    assert kit.said()[1:] == [Delta(FOLDER, 2, 500)], "it is not made again"
    assert len(kit.out(DeltaJob)) == 1


@pytest.mark.parametrize("digest", [b"x" * 32, None])
def test_for_what_is_not_here_there_is_none(digest: bytes | None) -> None:
    kit = alone()
    if digest is not None:
        mine(kit)
    ask(kit, digest or b"d" * 32)
    assert kit.said() == [Refuse(FOLDER, ((1, "gone"),))]


def test_what_only_grew_needs_no_delta() -> None:
    kit = alone()
    one = mine(kit)
    kit.it.growths.grew(b"a", BASE, one.size - 10, one.content, one.size, ())
    ask(kit, one.content, size=one.size - 10)
    assert kit.said() == [Delta(FOLDER, 1, 10, ())]
    assert kit.out(DeltaJob) == []


def test_a_worker_may_find_out_that_it_only_grew() -> None:
    kit = alone()
    one = mine(kit)
    ask(kit, one.content)
    kit.it.on_delta_made(DeltaDone(PEER, 1, 1, None, False, Grown(BASE, one.size - 10, ())))
    assert kit.said() == [Delta(FOLDER, 1, 10, ())]


def test_where_the_signature_is_missing_it_is_asked_for() -> None:
    kit = alone()
    one = mine(kit)
    ask(kit, one.content)
    kit.it.on_delta_made(DeltaDone(PEER, 1, 1, None, True))
    assert kit.said() == [NeedSignature(FOLDER, 1)]
    kit.it.on_signature(kit.board.peers[PEER], 1, b"signature")
    assert [job.signature for job in kit.out(DeltaJob)] == [None, b"signature"]
    with pytest.raises(PeerError):
        kit.it.on_signature(kit.board.peers[PEER], 7, b"signature")


def test_what_could_not_be_made_is_refused_and_so_is_too_much() -> None:
    kit = alone()
    one = mine(kit)
    ask(kit, one.content)
    kit.it.on_delta_made(DeltaDone(PEER, 1, 1, None, False))
    assert kit.said() == [Refuse(FOLDER, ((1, "gone"),))]
    for id_ in range(65):
        ask(kit, one.content, 10 + id_)
    assert kit.said()[-1] == Refuse(FOLDER, ((74, "later"),))


def test_an_answer_is_for_the_link_that_asked() -> None:
    kit = alone()
    one = mine(kit)
    ask(kit, one.content)
    kit.it.on_delta_made(DeltaDone(PEER, 2, 1, made(1, one.content), False))
    assert kit.said() == []
    assert kit.it.delta_of(b"%032d" % 1, one.content) is not None, "it is kept all the same"


def test_what_nobody_asks_for_goes_after_a_while() -> None:
    kit = alone()
    kit.it.keep_delta(made(1))
    kit.wait(DELTA_KEEP_MS - 1)
    assert kit.it.delta_of(b"%032d" % 1, b"d" * 32) is not None
    kit.wait(DELTA_KEEP_MS - 1)
    kit.it.drop_old_deltas()
    assert removed(kit) == []
    kit.wait(1)
    kit.it.drop_old_deltas()
    assert removed(kit) == [b"delta-1"]


def test_of_too_many_those_of_contents_that_are_gone_go_first() -> None:
    kit = alone()
    one = mine(kit)
    kit.it.keep_delta(made(0, one.content))
    for number in range(1, 33):
        kit.it.keep_delta(made(number))
    assert removed(kit) == [b"delta-1"]
    kit.effects()
    kit.it.keep_delta(made(99, size=10**12))
    assert len(removed(kit)) == 32, "the newest stays in any case"


def test_a_delta_that_takes_the_place_of_another_removes_it() -> None:
    kit = alone()
    old, new = made(1), made(1)._replace(name=b"again")
    kit.it.keep_delta(old)
    kit.it.keep_delta(new)
    kit.it.drop_delta(new)
    assert removed(kit) == [b"delta-1"]
    kit.it.drop_delta(made(5))
    assert removed(kit) == [b"delta-1", b"delta-5"]
    kit.it.drop_delta(None)
