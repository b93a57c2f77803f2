"""When a node may say that it is in sync with a peer, and what it says of what is still lacking."""

from __future__ import annotations

import re
from random import Random

import pytest

from dir_sync.cli.status_words import render
from dir_sync.core import notes
from dir_sync.core.events import PeerDown, Ticked, Touched, Urgency
from dir_sync.core.jobs import ApplyJob, ApplyResult, Listed, Result
from dir_sync.core.looks import Listing
from dir_sync.core.messages import Acknowledge, Chunks, Lacks, ModificationUpdate, Piece, State, StateRequest
from dir_sync.core.model import Stamp, fingerprint
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.status import Status
from dir_sync.index import Index
from dir_sync.reporting.log import logger
from dir_sync.reporting.narrator import Narrator
from tests.cli.test_status import ANSWER
from tests.engine.whole.bench import FOLDER, OTHER, PEER, Bench, folder, record, stat, state

MIB = 1024 * 1024


def told_all(bench: Bench, node: str = PEER, sequence: int = 1) -> None:
    """The peer has told its whole state."""
    bench.hear(State(FOLDER, sequence, True, ()), node)


def has_all(bench: Bench, node: str = PEER) -> None:
    """The peer says that it holds all that it was told."""
    bench.hear(Lacks(FOLDER, bench.index.sequences.last, 0, 0, 0), node)


def in_sync(bench: Bench) -> None:
    bench.connect()
    told_all(bench)
    has_all(bench)
    assert bench.engine.sync_report.in_sync_with() == [PEER]


def said_lacks(bench: Bench, node: str = PEER) -> list[Lack]:
    return [Lack(one.files, one.bytes, one.others) for one in bench.said(node) if isinstance(one, Lacks)]


def test_a_change_is_in_sync_when_the_peer_has_it_not_when_it_has_heard_of_it() -> None:
    bench = Bench()
    in_sync(bench)
    bench.found(b"a", b"new")
    assert bench.engine.sync_report.in_sync_with() == []
    assert bench.engine.sync_report.lacked_by(PEER) == Lack(1, 3, 0), "it cannot have heard of it yet"
    bench.hear(Lacks(FOLDER, bench.index.sequences.last, 1, 3, 0))
    assert bench.engine.sync_report.in_sync_with() == []
    assert bench.engine.sync_report.lacked_by(PEER) == Lack(1, 3, 0)
    bench.hear(Lacks(FOLDER, bench.index.sequences.last - 1, 0, 0, 0))
    assert bench.engine.sync_report.in_sync_with() == [], "that was about an earlier state"
    has_all(bench)
    assert bench.engine.sync_report.in_sync_with() == [PEER]
    assert bench.engine.sync_report.lacked_by(PEER) == NOTHING


def test_a_peer_does_not_lack_what_came_from_it() -> None:
    """It acknowledges no acknowledgement. So its last report is older than what it has announced since."""
    bench = Bench()
    in_sync(bench)
    bench.hear(state(record(b"theirs", None, node=PEER), sequence=2))
    assert any(isinstance(one, Acknowledge) for one in bench.said())
    assert bench.engine.sync_report.lacked_by(PEER) == NOTHING
    bench.found(b"a", b"new")
    assert bench.engine.sync_report.lacked_by(PEER) == Lack(1, 3, 0)
    bench.found(b"b", b"newer")
    assert bench.engine.sync_report.lacked_by(PEER) == Lack(2, 8, 0)
    bench.hear(Lacks(FOLDER, bench.index.sequences.last, 1, 5, 0))
    assert bench.engine.sync_report.lacked_by(PEER) == Lack(1, 5, 0)
    has_all(bench)
    assert bench.engine.sync_report.lacked_by(PEER) == NOTHING


def test_a_receiver_is_not_in_sync_while_something_is_on_its_way() -> None:
    bench = Bench()
    in_sync(bench)
    bench.ms += 1_000
    bench.hear(state(record(b"a", b"content"), sequence=2))
    assert bench.engine.sync_report.in_sync_with() == []
    assert said_lacks(bench) == [Lack(1, 7, 0)]
    (pull,) = bench.pulls()
    bench.hear(Chunks((Piece(pull.id, 0, b"content"),)))
    assert bench.engine.sync_report.in_sync_with() == []
    assert bench.all(ApplyJob)
    bench.ms += 1_000
    bench.apply(ApplyResult(b"a", Result.DONE, fingerprint(stat(b"content"))))
    assert said_lacks(bench) == [NOTHING]
    assert any(isinstance(message, Acknowledge) for message in bench.said())
    assert bench.engine.sync_report.in_sync_with() == [PEER], "an acknowledgement is no news that the peer has to take"


def test_what_is_lacking_is_said_in_files_bytes_and_other_changes() -> None:
    bench = Bench()
    bench.connect()
    bench.found(b"gone", b"1")
    mine = bench.index.rows.get(b"gone")
    assert mine is not None
    files = [record(b"f%d" % number, b"x%d" % number)._replace(size=2 * MIB) for number in range(3)]
    bench.hear(state(*files, folder(b"d"), folder(b"d/e"), sequence=2))
    assert bench.engine.sync_report.lacked_from(PEER) == Lack(3, 6 * MIB, 2)
    assert bench.engine.sync_report.lacked_from(OTHER) == NOTHING


def test_words_on_what_is_lacking_are_few() -> None:
    bench = Bench()
    in_sync(bench)
    said = 0
    for number in range(100):
        bench.hear(state(record(b"%d" % number, b"x%d" % number, count=number + 2), sequence=number + 2))
        said += len(said_lacks(bench))
        bench.ms += 10
    assert 1 <= said <= 1 + 100 * 10 // 200
    bench.wait(1_000)
    assert len(said_lacks(bench)) == 1, "and the last word is true"


def test_a_change_that_was_not_looked_at_yet_is_not_in_sync() -> None:
    bench = Bench()
    in_sync(bench)
    bench.feed(Touched(b"a", Urgency.NOW))
    assert bench.engine.sync_report.in_sync_with() == []
    assert bench.engine.sync_report.unseen() == 1


def test_after_a_restart_a_peer_that_heard_and_has_not_installed_is_known() -> None:
    """It says so itself at the first contact: nothing of it has to be remembered here."""
    bench = Bench()
    bench.found(b"a", b"new")
    bench.connect(after=bench.index.sequences.last)  # it has heard of all before
    told_all(bench)
    assert bench.engine.sync_report.in_sync_with() == []
    bench.hear(Lacks(FOLDER, bench.index.sequences.last, 1, 3, 0))
    assert bench.engine.sync_report.in_sync_with() == []
    assert bench.engine.sync_report.lacked_by(PEER) == Lack(1, 3, 0)


def test_what_is_lacking_survives_a_restart() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(record(b"a", b"content"), folder(b"d"), sequence=2))
    bench.index.commit()
    again = Index(":memory:", Random(1), bench.index.image())
    assert again.offers.wanted_from(PEER) == Lack(1, 7, 1)
    again.offers.drop(b"a", PEER)
    assert again.offers.wanted_from(PEER) == Lack(0, 0, 1)
    again.offers.forget(PEER)
    assert again.offers.wanted_from(PEER) == NOTHING
    again.close()


def test_one_line_when_all_have_everything() -> None:
    bench = Bench()
    bench.connect(PEER)
    bench.connect(OTHER)
    for node in (PEER, OTHER):
        told_all(bench, node)
    has_all(bench, PEER)
    bench.wait(1_000)
    assert bench.told(notes.InSync) == [], "one of the two has not said so"
    has_all(bench, OTHER)
    bench.wait(1_000)
    assert bench.told(notes.InSync) == [notes.InSync((PEER, OTHER))]
    bench.wait(60_000)
    assert bench.told(notes.InSync) == []
    bench.found(b"a", b"new")
    for node in (PEER, OTHER):
        has_all(bench, node)
    bench.wait(1_000)
    assert bench.told(notes.InSync) == [notes.InSync((PEER, OTHER))]
    for event in (PeerDown(OTHER, "lost"), Ticked()):
        bench.ms += 20_000
        bench.feed(event)
        assert bench.told(notes.InSync) == [], "that one has left makes it no news"


def test_single_edits_do_not_each_have_a_line() -> None:
    bench = Bench()
    in_sync(bench)
    said = 0
    for number in range(60):
        bench.found(b"a", b"%d" % number)
        has_all(bench)
        bench.wait(1_000)
        said += len(bench.told(notes.InSync))
    assert 5 <= said <= 7
    bench.wait(10_000)
    bench.wait(1_000)
    assert bench.engine.sync_report.in_sync == {PEER}, "the last one has been told"


def test_a_peer_that_is_asked_anew_hears_again_that_nothing_is_lacking() -> None:
    """Even if its state ends where it ended before."""
    bench = Bench()
    in_sync(bench)
    bench.wait(1_000)
    bench.hear(Acknowledge(FOLDER, 1, ((b"lost", Stamp(5, bench.index.identity.replica)),)))
    bench.wait(1_000)
    bench.hear(StateRequest(FOLDER, bench.index.identity.replica, 0, 1, b""))
    bench.wait(1_000)
    told_all(bench)
    last = [message for message in bench.said() if isinstance(message, Lacks)][-1:]
    assert [one.sequence for one in last] == [1]


def test_people_are_told_what_a_peer_lacks() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(state(record(b"a", b"x")._replace(size=9 * MIB)))
    told_all(bench, sequence=2)
    assert bench.told(notes.PeerAhead) == [notes.PeerAhead(PEER, 1, 9 * MIB)]
    bench.hear(Lacks(FOLDER, 0, 2, 2_000 * MIB, 0))
    assert bench.told(notes.PeerBehind) == [notes.PeerBehind(PEER, 2, 2_000 * MIB)]
    bench.ms += 1_000
    bench.hear(Lacks(FOLDER, 0, 2, 1_900 * MIB, 0))
    assert bench.told(notes.PeerBehind) == [], "not each second"
    bench.ms += 30_000
    bench.hear(Lacks(FOLDER, 0, 2, 1_000 * MIB, 0))
    assert bench.told(notes.PeerBehind) == [notes.PeerBehind(PEER, 2, 1_000 * MIB)]


def test_nothing_is_said_before_the_folder_was_scanned() -> None:
    bench = Bench(scanned=False)
    bench.connect()
    assert said_lacks(bench) == []
    assert bench.engine.sync_report.in_sync_with() == []
    bench.feed(Listed((Listing(b"", []),)))
    assert said_lacks(bench) == []  # it answers nothing yet
    told_all(bench)
    assert said_lacks(bench) == [NOTHING]


def test_the_words(caplog: pytest.LogCaptureFixture) -> None:
    narrator = Narrator()
    with caplog.at_level("INFO", logger.name):
        narrator.tell(notes.InSync(("anna",)), 1.0)
        narrator.tell(notes.InSync(("anna", "bob", "carol")), 1.0)
        narrator.tell(notes.InSync(("anna",), (notes.NotTakenThere("anna", "diverged", 2, 3_000, 0, 0),)), 1.0)
        narrator.tell(notes.PeerBehind("bob", 2, 2_000_000), 1.0)
        narrator.tell(notes.PeerAhead("bob", 0, 0), 1.0)
        narrator.tell(notes.PeerAhead("bob", 2, 2_000_000), 1.0)
    assert caplog.messages == [
        "everything is in sync with anna",
        "everything is in sync with anna, bob and carol",
        "everything is in sync with anna, but anna keeps what was changed or deleted there: 2 files (3.00 kB)",
        "bob still lacks 2 files (2.00 MB)",
        "bob has 2 changes (2.00 MB) that are not here yet",
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"synchronized": True}, "in sync"),
        ({"lacks": None}, "comparing"),
        ({"lacks": Lack(2, 3_000, 1)._asdict()}, "lacks 2 files (3.00 kB) and 1 other change"),
        ({"lacking_here": Lack(0, 0, 2)._asdict()}, "has 2 other changes more"),
    ],
)
def test_status_says_per_peer_what_is_lacking(more: dict[str, object], words: str) -> None:
    peer = {"name": "bob", "node": "cd" * 8, "replica": "dc" * 8, "address": "10.0.0.2", "synchronized": False}
    peer |= {"lacks": NOTHING._asdict(), "lacking_here": NOTHING._asdict()} | more
    said = render(Status.from_json({**ANSWER, "peers": [peer], "in_sync": peer["synchronized"]}), "docs")
    (row,) = [re.split(r"\s{2,}", line) for line in said if line.startswith("bob")]
    assert row == ["bob", "10.0.0.2", "-", words, "-", "connected"]
    assert (said[-1] == "everything is in sync") == bool(peer["synchronized"])


def test_an_update_is_news_and_an_acknowledgement_is_none() -> None:
    bench = Bench()
    in_sync(bench)
    standing = bench.engine.board.peers[PEER].standing
    news = standing.news
    bench.hear(Acknowledge(FOLDER, 9, ()))
    assert standing.news == news
    bench.found(b"a", b"1")
    (update,) = [message for message in bench.said() if isinstance(message, ModificationUpdate)]
    assert standing.news == update.sequence > news
