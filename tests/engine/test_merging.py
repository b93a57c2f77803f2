"""Texts that lost: kept, decided about, sent to who merges them, merged."""

from __future__ import annotations

import zlib

import pytest
from blake3 import blake3

from dir_sync.core import limits, notes
from dir_sync.core.jobs import Cause, Version
from dir_sync.core.messages import Lost
from dir_sync.core.model import Kind, PeerError, Record, Stamp, Vector, leq
from dir_sync.core.taking import Taking
from dir_sync.core.text_jobs import KeepTextsJob, Merged, MergeJob, Text, TextsRead
from dir_sync.engine.constants import MERGED
from dir_sync.engine.merging import Merging
from dir_sync.engine.stamps import Stamps
from tests.engine.kit import FOLDER, OTHER, PEER, WALL_NS, Alone

SMALLER, LARGER = "0" * 8, "f" * 8
SCANNED = "=" + "1" * 24
TEXTS = {
    "base": b"1\n2\n3\n4\n5\n",
    "winner": b"W\n2\n3\n4\n5\n",
    "loser": b"1\n2\n3\n4\nL\n",
    "both": b"W\n2\n3\n4\nL\n",
}


def alone(is_on: bool = True) -> Alone[Merging]:
    kit = Alone(Merging, Stamps, is_on=is_on)
    kit.connects()
    return kit


def version(kit: Alone[Merging], what: str, maker: str, counter: int, ns: int, keep: bool = True) -> Record:
    text = TEXTS[what]
    vector: Vector = ((SCANNED, 1),) if maker == SCANNED else tuple(sorted([(maker, counter), (SCANNED, 1)]))
    digest = blake3(text).digest()
    found = Record(b"a", Kind.FILE, len(text), digest, WALL_NS, 0o644, Stamp(WALL_NS + ns, maker), vector)
    if keep:
        kit.index.bases.put(found, zlib.compress(text), WALL_NS)
    return found


def conflict(kit: Alone[Merging], winner: str, loser: str) -> tuple[Record, Record]:
    """Both made from one version. The loser is in our history."""
    version(kit, "base", SCANNED, 1, 0)
    won, lost = version(kit, "winner", winner, 7, 200), version(kit, "loser", loser, 1, 100)
    kit.has(won)
    kit.index.versions.put(
        Version(b"v", b"a", Kind.FILE, lost.size, lost.content, WALL_NS, 0o644, WALL_NS, Cause.CONFLICT, winner)
    )
    kit.board.losers.add(lost, b"v")
    return won, lost


def run(kit: Alone[Merging]) -> None:
    kit.effects()
    kit.it.run()


def test_without_the_option_nothing_is_noted() -> None:
    kit = alone(is_on=False)
    conflict(kit, LARGER, kit.index.identity.replica)
    assert kit.board.losers.take() == []


def test_a_new_row_is_kept_and_read_once() -> None:
    kit = alone()
    record = version(kit, "base", SCANNED, 1, 0, keep=False)
    kit.has(record)
    run(kit)
    assert kit.out(KeepTextsJob) == [KeepTextsJob((Text(record, b"a"),))]
    run(kit)
    assert kit.out(KeepTextsJob) == []
    packed = zlib.compress(TEXTS["base"])
    kit.it.on_texts(TextsRead((Text(record, b"a"),), (packed,)))
    assert kit.index.bases.of(b"a") == [record]
    assert kit.index.bases.content(record) == packed
    run(kit)
    assert kit.out(KeepTextsJob) == []
    assert kit.it.due_ms() is None


def test_what_is_no_text_is_remembered_as_such() -> None:
    kit = alone()
    record = version(kit, "base", SCANNED, 1, 0, keep=False)
    kit.has(record)
    run(kit)
    kit.it.on_texts(TextsRead((Text(record, b"a"),), (b"",)))
    assert kit.index.bases.of(b"a") == []
    assert kit.index.bases.content(record) == b""


def test_a_merged_text_that_would_be_too_large_is_not_made() -> None:
    kit = alone()
    conflict(kit, LARGER, kit.index.identity.replica)
    kit.board.taking = Taking(most=len(TEXTS["both"]) - 1)
    run(kit)
    assert len(kit.out(MergeJob)) == 1
    kit.it.on_merged(Merged(b"a", TEXTS["both"]))
    assert kit.index.offers.of_peer(b"a", MERGED) is None
    assert kit.told() == []
    kit.wait(1_000)
    run(kit)
    assert kit.out(MergeJob) == [], "it is not tried again and again"


def test_our_loser_is_merged_here_if_our_id_is_the_smaller_one() -> None:
    kit = alone()
    won, lost = conflict(kit, LARGER, kit.index.identity.replica)
    run(kit)
    (job,) = kit.out(MergeJob)
    assert [zlib.decompress(each) for each in job[1:4]] == [TEXTS["base"], TEXTS["winner"], TEXTS["loser"]]
    kit.it.on_merged(Merged(b"a", TEXTS["both"]))
    offer = kit.index.offers.of_peer(b"a", MERGED)
    assert offer is not None
    assert offer.record.content == blake3(TEXTS["both"]).digest()
    assert offer.record.stamp > won.stamp
    assert offer.record.stamp.maker == kit.index.identity.replica
    assert leq(won.vector, offer.record.vector)
    assert leq(lost.vector, offer.record.vector)
    assert kit.planned() == [b"a"]
    # ... and when it is here, the conflict is over
    kit.has(offer.record)
    kit.index.offers.drop(b"a", MERGED)
    run(kit)
    kit.it.on_texts(TextsRead((Text(offer.record, b"a"),), (zlib.compress(TEXTS["both"]),)))
    run(kit)
    assert kit.index.versions.get(b"v").why is Cause.REPLACED  # type: ignore[union-attr]
    assert list(kit.index.bases.losers()) == []
    assert len(kit.asked("queries.on_conflicts_settled")) == 1


def test_our_loser_goes_to_who_made_the_winner_if_that_id_is_smaller() -> None:
    kit = alone()
    kit.connects(SMALLER)
    _, lost = conflict(kit, SMALLER, kit.index.identity.replica)
    run(kit)
    assert kit.out(MergeJob) == []
    assert kit.said(SMALLER) == [Lost(FOLDER, lost, SMALLER, TEXTS["loser"])]
    assert kit.said(PEER) == []
    kit.it.peer_came()
    kit.wait(2_000)
    run(kit)
    assert kit.said(SMALLER) == []  # it has it
    kit.it.peer_gone(SMALLER)
    kit.it.peer_came()
    kit.wait(2_000)
    run(kit)
    assert len(kit.said(SMALLER)) == 1


def test_who_is_not_connected_is_sent_it_by_way_of_others() -> None:
    kit = alone()
    kit.connects(OTHER)
    _, lost = conflict(kit, SMALLER, kit.index.identity.replica)
    run(kit)
    assert kit.said(PEER) == kit.said(OTHER) == [Lost(FOLDER, lost, SMALLER, TEXTS["loser"])]


def test_the_loser_of_a_peer_is_merged_with_our_winner_or_passed_on() -> None:
    kit = alone()
    peer = kit.connects(LARGER)
    version(kit, "base", SCANNED, 1, 0)
    won = version(kit, "winner", kit.index.identity.replica, 7, 200)
    kit.has(won)
    lost = version(kit, "loser", LARGER, 5, 100, keep=False)
    with pytest.raises(PeerError):
        kit.it.on_lost(peer, Lost(FOLDER, lost, kit.index.identity.replica, TEXTS["base"]))
    kit.it.on_lost(peer, Lost(FOLDER, lost, kit.index.identity.replica, TEXTS["loser"]))
    run(kit)
    assert [zlib.decompress(job.loser) for job in kit.out(MergeJob)] == [TEXTS["loser"]]
    kit.effects()
    kit.it.on_lost(peer, Lost(FOLDER, lost, PEER, TEXTS["loser"]))
    kit.it.on_lost(peer, Lost(FOLDER, lost, "e" * 8, TEXTS["loser"]))
    assert kit.said(PEER) == [Lost(FOLDER, lost, PEER, TEXTS["loser"])]
    assert kit.said(LARGER) == []


def test_what_overlaps_stays_a_conflict_and_is_tried_once() -> None:
    kit = alone()
    conflict(kit, LARGER, kit.index.identity.replica)
    run(kit)
    kit.it.on_merged(Merged(b"a", None))
    kit.wait(100_000)
    run(kit)
    assert kit.out(MergeJob) == []
    assert kit.index.versions.get(b"v").why is Cause.CONFLICT  # type: ignore[union-attr]


def test_what_changed_meanwhile_is_decided_anew() -> None:
    kit = alone()
    conflict(kit, LARGER, kit.index.identity.replica)
    run(kit)
    kit.has(version(kit, "base", LARGER, 9, 300))
    kit.it.on_merged(Merged(b"a", TEXTS["both"]))
    assert kit.index.offers.of_peer(b"a", MERGED) is None
    kit.wait(100_000)
    run(kit)
    assert len(kit.out(MergeJob)) == 1


def test_of_many_conflicts_none_is_given_up_because_others_are_merged_first() -> None:
    kit = alone()
    paths = [b"%02d" % number for number in range(40)]
    for path in paths:
        base, won = (
            version(kit, what, *how, keep=False)
            for what, how in (("base", (SCANNED, 1, 0)), ("winner", (LARGER, 7, 200)))
        )
        lost = version(kit, "loser", kit.index.identity.replica, 1, 100, keep=False)
        for one, what in ((base, "base"), (won, "winner"), (lost, "loser")):
            kit.index.bases.put(one._replace(path=path), zlib.compress(TEXTS[what]), WALL_NS)
        kit.has(won._replace(path=path))
        kit.index.versions.put(
            Version(path, path, Kind.FILE, lost.size, lost.content, WALL_NS, 0o644, WALL_NS, Cause.CONFLICT, LARGER)
        )
        kit.board.losers.add(lost._replace(path=path), path)
    merged: list[bytes] = []
    for _ in range(len(paths)):
        run(kit)
        jobs = kit.out(MergeJob)
        assert kit.it.due_ms() is None or len(jobs) < 4, "nothing is due while as many are merged as may be"
        kit.wait(60_000)  # each takes long
        for job in jobs:
            kit.it.on_merged(Merged(job.path, None))
            merged.append(job.path)
    assert sorted(merged) == paths


def test_of_one_path_a_peer_has_so_many_losers_and_no_more() -> None:
    kit = alone()
    peer = kit.connects(LARGER)
    version(kit, "base", SCANNED, 1, 0)
    kit.has(version(kit, "winner", kit.index.identity.replica, 7, 200))
    for number in range(3 * limits.BASES_PER_PATH_MAX):
        lost = version(kit, "loser", LARGER, 5 + number, 100 + number, keep=False)
        kit.it.on_lost(peer, Lost(FOLDER, lost, kit.index.identity.replica, TEXTS["loser"]))
    assert len(kit.index.bases.of(b"a")) <= 2 + limits.BASES_PER_PATH_MAX


def test_nothing_is_due_during_a_scan() -> None:
    kit = alone()
    conflict(kit, LARGER, kit.index.identity.replica)
    run(kit)
    kit.it.on_merged(Merged(b"a", None))
    assert kit.it.due_ms() is not None
    kit.board.scan.begin()
    assert kit.it.due_ms() is None


def test_nobody_merges_without_a_common_version() -> None:
    kit = alone()
    conflict(kit, LARGER, kit.index.identity.replica)
    kit.index.bases.drop(b"a")
    run(kit)
    assert kit.out(MergeJob) == []


def test_a_conflict_that_a_person_has_settled_is_left_alone() -> None:
    kit = alone()
    _, lost = conflict(kit, LARGER, kit.index.identity.replica)
    kit.index.versions.settle(b"a", Kind.FILE, lost.content)
    run(kit)
    assert kit.out(MergeJob) == []
    assert list(kit.index.bases.losers()) == []


def test_a_loser_that_was_not_kept_in_time_is_read_out_of_the_history() -> None:
    kit = alone()
    version(kit, "base", SCANNED, 1, 0)
    won, lost = (
        version(kit, "winner", LARGER, 7, 200),
        version(kit, "loser", kit.index.identity.replica, 5, 100, keep=False),
    )
    kit.has(won)
    kit.index.versions.put(
        Version(b"v", b"a", Kind.FILE, lost.size, lost.content, WALL_NS, 0o644, WALL_NS, Cause.CONFLICT, LARGER)
    )
    kit.board.losers.add(lost, b"v")
    run(kit)
    assert kit.out(KeepTextsJob) == [KeepTextsJob((Text(lost, b"v"),))]
    kit.it.on_texts(TextsRead((Text(lost, b"v"),), (zlib.compress(TEXTS["loser"]),)))
    run(kit)
    assert len(kit.out(MergeJob)) == 1


def test_a_merge_that_only_confirms_the_winner_writes_nothing_to_the_disk() -> None:
    kit = alone()
    conflict(kit, LARGER, kit.index.identity.replica)
    run(kit)
    kit.effects()
    kit.answers["rows.put"] = kit.has
    kit.it.on_merged(Merged(b"a", TEXTS["winner"]))
    assert kit.index.offers.of_peer(b"a", MERGED) is None
    ((record, _),) = kit.asked("rows.put")
    assert record.content == blake3(TEXTS["winner"]).digest()
    assert kit.told() == [notes.TextMerged(b"a")]
