"""Rotten files: from where they are healed, and when they are left alone."""

from __future__ import annotations

from dir_sync.core import notes
from dir_sync.core.jobs import Cause, TreeOp, Version
from dir_sync.core.model import Kind, Record, fingerprint
from dir_sync.core.transfers.transfer import Fetch, Window
from dir_sync.core.verify import Checked, Item, Outcome
from dir_sync.engine.healing import Healing
from dir_sync.engine.transfers import Holder, TransferTable
from dir_sync.engine.values import Ready
from tests.engine.kit import PEER, WALL_NS, Alone, later, record, stat

FP = fingerprint(stat(b"good", inode=7))
BAD = b"b" * 32


def made() -> Alone[Healing]:
    return Alone(Healing, answers={"sources.may_be_asked": True, "rereads.wake": None})


def rotten(kit: Alone[Healing], path: bytes = b"a") -> Record:
    found = record(path, b"good")
    kit.has(found, FP)
    kit.it.heal(Checked(Item(path, Kind.FILE, FP, 4, found.content), Outcome.ROTTEN, BAD))
    return found


def with_peer(kit: Alone[Healing]) -> None:
    kit.connects()
    kit.real(TransferTable).holders[PEER] = Holder(Window())


def ordered(kit: Alone[Healing]) -> list[tuple[bytes | None, bytes | None, bytes | None]]:
    """Of each installation: the source, the bytes, the digest of what is expected to be there."""
    found = []
    for item, take in kit.changes():
        assert take is None, "nothing is decided anew, so nothing is announced"
        assert (item.act, item.expect, item.why) == (TreeOp.INSTALL, FP, Cause.ROTTEN)
        found.append((item.copy_path, item.data, item.known))
    return found


def test_another_file_here_with_that_content_is_copied() -> None:
    kit = made()
    kit.has(record(b"copy", b"good"), fingerprint(stat(b"good", inode=8)))
    rotten(kit)
    kit.it.run()
    assert ordered(kit) == [(b"copy", None, BAD)]
    assert kit.it.is_busy


def test_another_name_of_the_same_file_is_no_copy() -> None:
    kit = made()
    kit.has(record(b"copy", b"good"), FP)
    rotten(kit)
    kit.it.run()
    assert ordered(kit) == []
    assert not kit.it.is_busy, "nobody has it"
    assert kit.it.rotten == [b"a"]
    assert kit.it.due_ms() == kit.board.now.mono_ms + 60_000


def test_a_version_in_the_history_is_copied() -> None:
    kit = made()
    good = record(b"a", b"good")
    kit.index.versions.put(
        Version(b".dir_sync/versions/1", b"x", Kind.FILE, 4, good.content, 5, 0o644, WALL_NS, Cause.REPLACED, "")
    )
    rotten(kit)
    kit.it.run()
    assert ordered(kit) == [(b".dir_sync/versions/1", None, BAD)]


def test_a_peer_is_asked_and_what_came_is_installed() -> None:
    kit = made()
    with_peer(kit)
    good = rotten(kit)
    kit.it.run()
    (call,) = [call for call in kit.calls if call[0] == "transfers.pull"]
    fetch = call[1]
    assert isinstance(fetch, Fetch)
    assert (fetch.target, fetch.peer, fetch.is_small) == (good, PEER, True)
    assert kit.work.arrivals.fetch(b"a") is fetch
    kit.work.arrivals.end_fetch(fetch)
    kit.work.arrivals.make_ready(b"a", Ready(good.content, b"good", None))
    kit.it.run()
    assert ordered(kit) == [(None, b"good", BAD)]
    assert kit.work.arrivals.ready(b"a") is None
    kit.index.rows.set_fp(b"a", fingerprint(stat(b"good", inode=9)))
    kit.it.run()
    assert kit.told() == [notes.Healed(b"a", 4, "name of " + PEER)]
    assert (kit.it.rotten, kit.it.healed) == ([], 1)


def test_if_one_peer_cannot_give_it_the_next_is_asked() -> None:
    kit = made()
    with_peer(kit)
    kit.connects("cc")
    kit.real(TransferTable).holders["cc"] = Holder(Window())
    rotten(kit)
    gone: list[str] = []
    kit.answers["sources.may_be_asked"] = lambda peer, _: peer not in gone
    kit.it.run()
    first = kit.work.arrivals.fetch(b"a")
    assert first is not None
    gone.append(first.peer)
    kit.work.arrivals.end_fetch(first)  # it was refused
    kit.it.run()
    second = kit.work.arrivals.fetch(b"a")
    assert second is not None
    assert {first.peer, second.peer} == {PEER, "cc"}
    second.received = second.size
    kit.work.arrivals.end_fetch(second)  # the digest was wrong
    kit.it.run()
    assert not kit.it.is_busy
    gone.clear()
    kit.it.peer_came()
    kit.it.run()
    assert kit.work.arrivals.fetch(b"a") is not None, "whoever came may have it"


def test_a_file_that_was_changed_or_announced_anew_is_left_alone() -> None:
    for change in ("row", "fingerprint", "offer", "gone"):
        kit = made()
        with_peer(kit)
        good = rotten(kit)
        if change == "row":
            kit.has(record(b"a", b"edited"), FP)
        elif change == "fingerprint":
            kit.index.rows.set_fp(b"a", fingerprint(stat(b"good", inode=10)))
        elif change == "offer":
            kit.announces(later(good, b"newer"))
        else:
            kit.index.rows.forget(b"a")
        kit.it.run()
        assert kit.it.rotten == []
        assert not kit.changes(), change
        assert kit.it.healed == 0, change


def test_what_is_rotten_in_both_places_is_no_source() -> None:
    kit = made()
    rotten(kit, b"b")
    rotten(kit)
    kit.it.run()
    assert ordered(kit) == []


def test_a_path_with_a_job_waits() -> None:
    kit = made()
    with_peer(kit)
    rotten(kit)
    kit.board.pending_looks.add(b"a", 0, 0)
    kit.it.run()
    assert kit.work.arrivals.fetch(b"a") is None
    assert kit.it.rotten == [b"a"]


def test_nobody_waits_for_what_nobody_has() -> None:
    kit = made()
    rotten(kit)
    kit.it.run()
    kit.it.forget_waiting()
    assert kit.it.rotten == []


def test_what_a_plan_has_dropped_is_asked_for_again_but_not_without_end() -> None:
    kit = made()
    with_peer(kit)
    rotten(kit)
    for _ in range(6):
        kit.it.run()
        fetch = kit.work.arrivals.fetch(b"a")
        assert fetch is not None
        kit.work.arrivals.end_fetch(fetch)
    kit.it.run()
    assert kit.work.arrivals.fetch(b"a") is None
    assert not kit.it.is_busy


def test_nothing_is_fetched_for_a_path_that_is_about_to_be_planned() -> None:
    kit = made()
    with_peer(kit)
    rotten(kit)
    kit.board.plan_queue.add(b"a")
    kit.it.run()
    assert kit.work.arrivals.fetch(b"a") is None
    kit.planned()
    kit.board.now = kit.board.now._replace(mono_ms=kit.board.now.mono_ms + 5_000)
    kit.it.run()
    assert kit.work.arrivals.fetch(b"a") is not None


def test_names_of_one_file_are_healed_one_after_the_other() -> None:
    """What one of them does changes the fingerprint of the others."""
    kit = made()
    kit.has(record(b"copy", b"good"), fingerprint(stat(b"good", inode=8)))
    rotten(kit, b"b")
    rotten(kit)
    kit.it.run()
    assert ordered(kit) == [(b"copy", None, BAD)]


def test_another_name_of_a_file_that_is_known_to_be_bad_is_no_copy() -> None:
    kit = made()
    kit.answers["rotten_files.is_bad"] = lambda fp: fp == fingerprint(stat(b"good", inode=8))
    kit.has(record(b"copy", b"good"), fingerprint(stat(b"good", inode=8)))
    rotten(kit)
    kit.it.run()
    assert ordered(kit) == []
