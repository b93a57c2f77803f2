"""The verification that a person waits for: who is asked, part by part, and what comes of it."""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.messages import VerifyReport, VerifyRequest
from dir_sync.core.model import Kind
from dir_sync.core.peers.contact import Contact
from dir_sync.core.verify import Checked, Entry, Finding, Item, Outcome, Verified, What
from dir_sync.engine.rereads import Rereads
from dir_sync.engine.verifying import Verifying
from tests.engine.kit import FOLDER, OTHER, PEER, Alone, record


def made() -> Alone[Verifying]:
    kit = Alone(Verifying, Rereads)
    kit.has(record(b"a", b"good"))
    return kit


def connected(kit: Alone[Verifying], node: str = PEER) -> Contact:
    peer = kit.connects(node)
    peer.was_asked = True
    return peer


def requests(kit: Alone[Verifying], node: str = PEER) -> list[VerifyRequest]:
    return [message for message in kit.said(node) if isinstance(message, VerifyRequest)]


def here(kit: Alone[Verifying], outcome: Outcome = Outcome.SAME) -> None:
    """This node has read its part."""
    walk = kit.real(Rereads).walk("")
    assert walk is not None
    known = record(b"a", b"good")
    walk.checked.append(Checked(Item(b"a", Kind.FILE, b"fp", 4, known.content), outcome))
    walk.is_over = True


def there(kit: Alone[Verifying], peer: Contact, *entries: Entry, last: bool = True, refused: bool = False) -> None:
    request = requests(kit, peer.replica)[-1]
    kit.it.on_report(peer, VerifyReport(FOLDER, request.id, entries, 4, last, refused))


def entry(outcome: Outcome = Outcome.SAME) -> Entry:
    return Entry(b"a", Kind.FILE, 4, record(b"a", b"good").content, outcome)


def test_all_peers_are_asked_for_the_part_that_is_read_here() -> None:
    kit = made()
    peers = [connected(kit), connected(kit, OTHER)]
    kit.connects("cc", asks=False)
    kit.it.begin(repair=True)
    kit.it.run()
    assert [(one.after, one.until, one.repair) for node in (PEER, OTHER) for one in requests(kit, node)] == [
        (b"", b"", True)
    ] * 2
    assert requests(kit, "cc") == [], "that one does not know yet what it shares"
    here(kit)
    for peer in peers:
        kit.it.run()
        run = kit.it.asked()
        assert run is not None
        assert not run.is_over
        there(kit, peer, entry())
    kit.it.run()
    assert run.is_over
    assert (list(run.findings), run.entries) == ([], 1)
    assert [party.read for party in run.parties] == [4, 4]


def test_parts_are_as_large_as_nodes_hold_at_a_time() -> None:
    kit = made()
    for number in range(limits.VERIFY_ENTRIES_MAX):
        kit.has(record(b"f%04d" % number, b"x"))
    peer = connected(kit)
    kit.it.begin(repair=False)
    kit.it.run()
    assert requests(kit)[-1].until == b"f%04d" % (limits.VERIFY_ENTRIES_MAX // 2 - 2)
    here(kit)
    there(kit, peer, entry())
    kit.it.run()
    kit.it.run()
    assert requests(kit)[-1].after == b"f%04d" % (limits.VERIFY_ENTRIES_MAX // 2 - 2)


def test_rot_is_healed_if_that_is_wanted() -> None:
    for repair in (False, True):
        kit = made()
        kit.it.begin(repair)
        kit.it.run()
        here(kit, Outcome.ROTTEN)
        kit.it.run()
        assert bool([call for call in kit.calls if call[0] == "healing.heal"]) is repair
        run = kit.it.asked()
        assert run is not None
        assert run.is_over is not repair
        if not repair:
            assert list(run.findings) == [Finding(b"a", What.ROTTEN, "")]
            continue
        kit.wait(1_000)
        kit.it.run()
        walk = kit.real(Rereads).walk("")
        assert walk is not None
        assert walk.paths == (b"a",), "what was rotten is read once more"
        here(kit)
        kit.it.run()
        assert run.is_over
        assert (list(run.findings), list(run.healed)) == ([], [Finding(b"a", What.ROTTEN, "")])


def test_what_differs_is_looked_at_again_before_it_is_said() -> None:
    kit = made()
    peer = connected(kit)
    kit.it.begin(repair=False)
    kit.it.run()
    here(kit)
    there(kit, peer)
    kit.it.run()
    run = kit.it.asked()
    assert run is not None
    for wait in (1_000, 3_000, 6_000):
        assert not run.is_over
        kit.wait(wait)
        kit.it.run()
        assert requests(kit)[-1].paths == (b"a",)
        here(kit)
        there(kit, peer)
        kit.it.run()
    assert run.is_over
    assert list(run.findings) == [Finding(b"a", What.MISSING, PEER)]


def test_who_refuses_falls_silent_or_disconnects_is_said() -> None:
    kit = made()
    refusing, silent, leaving = connected(kit), connected(kit, OTHER), connected(kit, "cc")
    kit.it.begin(repair=False)
    kit.it.run()
    here(kit)
    there(kit, refusing, refused=True)
    kit.contacts.left(leaving.replica)
    kit.it.peer_gone(leaving.replica)
    kit.wait(20_001)
    run = kit.it._run
    assert run is not None
    run.asked_ms = kit.board.now.mono_ms
    kit.it.run()
    assert run.is_over
    problems = {party.replica: party.problem for party in run.parties}
    assert "so much lately" in problems[refusing.replica]
    assert "older version" in problems[silent.replica]
    assert problems[leaving.replica] == "it disconnected"
    assert not run.findings, "who took no part lacks nothing"


def test_answers_to_earlier_questions_do_not_count() -> None:
    kit = made()
    peer = connected(kit)
    kit.it.begin(repair=False)
    kit.it.run()
    kit.it.on_report(peer, VerifyReport(FOLDER, requests(kit)[-1].id + 1, (entry(),), 4, True))
    run = kit.it.asked()
    assert run is not None
    assert not run.parties[0].is_done


def test_what_is_not_shared_here_is_no_difference() -> None:
    kit = made()
    kit.answers["scope.ignores"] = lambda path, is_folder: path == b"litter"
    peer = connected(kit)
    kit.it.begin(repair=False)
    kit.it.run()
    here(kit)
    there(kit, peer, entry(), Entry(b"litter", Kind.FILE, 4, b"x" * 32))
    kit.it.run()
    run = kit.it.asked()
    assert run is not None
    assert run.is_over
    assert not run.findings


def test_it_ends_when_nobody_waits_for_it() -> None:
    kit = made()
    kit.it.begin(repair=False)
    kit.it.run()
    kit.wait(15_001)
    kit.it.run()
    assert kit.it.asked() is None
    assert kit.real(Rereads).walk("") is None
    kit.real(Rereads).on_verified(Verified("", (), 0, 0))
    kit.it.run()
    assert not kit.real(Rereads).is_on


def test_of_a_file_that_is_half_read_each_byte_counts_once() -> None:
    kit = made()
    kit.it.begin(repair=False)
    kit.it.run()
    walk = kit.real(Rereads).walk("")
    assert walk is not None
    walk.read, walk.partly = 9, 3
    assert kit.it.bytes_here() == 9, "the part of the file that is read is among them"
