"""Peers that have everything read again here: what they hear, and how much they may ask for."""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.messages import VerifyReport, VerifyRequest
from dir_sync.core.model import Kind
from dir_sync.core.verify import Checked, Item, Outcome
from dir_sync.engine.rereads import Rereads
from dir_sync.engine.verify_answers import VerifyAnswers
from tests.engine.kit import FOLDER, PEER, Alone


def checked(path: bytes, outcome: Outcome = Outcome.SAME, size: int = 3) -> Checked:
    return Checked(Item(path, Kind.FILE, b"fp", size, b"c" * 32), outcome)


def made() -> Alone[VerifyAnswers]:
    return Alone(VerifyAnswers, Rereads)


def reports(kit: Alone[VerifyAnswers]) -> list[VerifyReport]:
    found = [message for message in kit.said() if isinstance(message, VerifyReport)]
    kit.board.out.clear()
    return found


def asks(kit: Alone[VerifyAnswers], number: int = 1, repair: bool = False) -> None:
    kit.it.on_request(kit.board.peers[PEER], VerifyRequest(FOLDER, number, b"x", b"y", (), repair))


def test_a_request_becomes_a_walk_and_its_end_a_report() -> None:
    kit = made()
    kit.connects()
    asks(kit)
    walk = kit.real(Rereads).walk(PEER)
    assert walk is not None
    assert (walk.after, walk.until, walk.share) == (b"x", b"y", limits.VERIFY_SHARE)
    walk.checked.append(checked(b"x/a"))
    kit.it.run()
    assert reports(kit) == [], "it goes on"
    walk.is_over = True
    walk.read = 3
    kit.it.run()
    (report,) = reports(kit)
    assert (report.id, report.read, report.last, report.refused) == (1, 3, True, False)
    assert [entry.path for entry in report.entries] == [b"x/a"]
    assert not kit.it.is_busy
    assert kit.real(Rereads).walk(PEER) is None


def test_a_peer_hears_now_and_then_that_it_goes_on() -> None:
    kit = made()
    kit.connects()
    asks(kit)
    due = kit.it.due_ms()
    assert due is not None
    kit.wait(due - kit.board.now.mono_ms)
    walk = kit.real(Rereads).walk(PEER)
    assert walk is not None
    walk.read, walk.partly = 9, 3
    kit.it.run()
    (report,) = reports(kit)
    assert (report.entries, report.last) == ((), False)
    assert report.read == 9, "with the part of a file"


def test_many_long_names_take_several_messages() -> None:
    kit = made()
    kit.connects()
    asks(kit)
    walk = kit.real(Rereads).walk(PEER)
    assert walk is not None
    walk.checked += [checked(b"%03d" % number + b"/".join([b"n" * 240] * 16)) for number in range(200)]
    walk.is_over = True
    kit.it.run()
    found = reports(kit)
    assert len(found) > 1
    assert [report.last for report in found] == [False] * (len(found) - 1) + [True]
    assert sum(len(report.entries) for report in found) == 200
    for report in found:
        report.encode()


def test_rot_is_told_here_and_healed_only_if_that_is_asked_for() -> None:
    for repair in (False, True):
        kit = made()
        kit.connects()
        asks(kit, repair=repair)
        walk = kit.real(Rereads).walk(PEER)
        assert walk is not None
        walk.checked.append(checked(b"a", Outcome.ROTTEN))
        walk.is_over = True
        kit.it.run()
        assert kit.told() == [notes.Rotten(b"a", 3)]
        assert bool([call for call in kit.calls if call[0] == "healing.heal"]) is repair


def test_a_new_request_takes_the_place_of_the_last_one() -> None:
    kit = made()
    kit.connects()
    asks(kit, 1)
    asks(kit, 2)
    walk = kit.real(Rereads).walk(PEER)
    assert walk is not None
    walk.is_over = True
    kit.it.run()
    assert [report.id for report in reports(kit)] == [2]


def test_what_a_peer_may_have_read_is_used_up_and_grows_again() -> None:
    kit = made()
    kit.connects()
    asks(kit)
    walk = kit.real(Rereads).walk(PEER)
    assert walk is not None
    walk.read = limits.VERIFY_FREE_BYTES
    walk.checked += [checked(b"%d" % number) for number in range(limits.VERIFY_ENTRIES_MAX)]
    kit.it.run()
    assert reports(kit)[-1].refused, "in the middle of a walk, too"
    asks(kit, 2)
    (report,) = reports(kit)
    assert (report.id, report.entries, report.last, report.refused) == (2, (), True, True)
    kit.wait(3_600_000)
    asks(kit, 3)
    assert reports(kit) == []
    assert kit.it.is_busy


def test_who_is_gone_is_not_read_for() -> None:
    kit = made()
    kit.connects()
    asks(kit)
    kit.it.peer_gone(PEER)
    assert not kit.it.is_busy
    assert kit.real(Rereads).walk(PEER) is None


def test_who_takes_nothing_is_told_nothing_more() -> None:
    kit = made()
    kit.connects()
    asks(kit)
    walk = kit.real(Rereads).walk(PEER)
    assert walk is not None
    walk.is_over = True
    kit.board.peers[PEER].connection.queued = limits.OUTBOX_BYTES_MAX
    kit.it.run()
    assert reports(kit) == []
    kit.board.peers[PEER].connection.queued = 0
    kit.it.run()
    assert len(reports(kit)) == 1
