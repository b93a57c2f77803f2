"""Contents of another folder of the node: what is read there, and what the peer is asked for in the end."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.core.events import Drained, Event, Send, Tell
from dir_sync.core.jobs import Cause, ReadDone, ReadJob, Version
from dir_sync.core.messages import Chunks, Message, Piece, Pull, PullItem
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.notes import Fetched, Note, Received
from dir_sync.core.transfers.connection import Connection
from dir_sync.daemon.borrowing import Borrowed, Borrowing
from dir_sync.daemon.effects import Performer
from dir_sync.daemon.inbox import FolderPost, In, Inbox
from dir_sync.daemon.peers import ConnectedPeers
from tests.daemon.standins import FOLDER, NOW, Link, Manager, config, hello
from tests.daemon.standins import Folder as Standin

BOB = "bb"
HERE, THERE, OLD = b"h" * 32, b"t" * 32, b"o" * 32  # contents: of a file here, of none, of an old version


class Bench:
    """A folder that asks a peer, beside one with a file and an old version."""

    def __init__(self) -> None:
        self.lender = Standin("music", 1)
        self.jobs: list[tuple[ReadJob, Callable[[Event | None], None]]] = []
        self.lender.workers.lend = lambda job, answer: self.jobs.append((job, answer))  # type: ignore[attr-defined]
        record = Record(b"song", Kind.FILE, 5, HERE, 0, 0o644, Stamp(1, "aa"), (("aa", 1),))
        self.lender.index.rows.put(record, b"fp")
        self.lender.index.versions.put(
            Version(b".dir_sync/versions/1", b"gone", Kind.FILE, 7, OLD, 3, 0o644, 1, Cause.DELETED, "aa")
        )
        self.asks = Standin(FOLDER, 0)
        self.inbox = Inbox()
        post = FolderPost(self.inbox, FOLDER)
        self.peers = ConnectedPeers(config(), self.asks.share, cast(Any, Manager()), lambda: None)
        self.bob = Link(4, "10.0.0.2")
        self.peers.came(self.bob.node, hello(BOB), BOB, True, Connection(4), NOW)
        self.borrowing = Borrowing(post, lambda: [self.lender.share])
        nobody = SimpleNamespace()
        self.told: list[Note] = []
        narrator = SimpleNamespace(tell=lambda note, mono_s: self.told.append(note))
        self.performer = Performer(
            self.asks.share, self.peers, cast(Any, nobody), cast(Any, narrator), post, self.borrowing
        )

    def pull(self, *contents: bytes, base: bytes | None = None) -> None:
        pulls = tuple(PullItem(number, b"f%d" % number, one, base, 0, 5) for number, one in enumerate(contents))
        self.performer.perform([Send((BOB,), Pull(FOLDER, pulls), 30)])

    def answer(self, read: list[int], refused: list[int]) -> Borrowed:
        job, answer = self.jobs[-1]
        pieces = tuple(Piece(id_, 0, b"12345") for id_ in read)
        answer(ReadDone(job.peer, job.link, pieces, tuple((id_, b"song") for id_ in refused), 5))
        news = self.inbox.get(0)
        assert isinstance(news, In)
        assert news.folder == FOLDER
        assert isinstance(news.news, Borrowed)
        return news.news

    @property
    def asked(self) -> list[bytes]:
        """The contents for which the peer was asked."""
        said: list[Message] = self.bob.sent
        return [item.digest for one in said if isinstance(one, Pull) for item in one.pulls]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_content_that_is_here_is_not_asked_of_the_peer(bench: Bench) -> None:
    bench.pull(HERE, THERE, OLD)
    assert bench.asked == [THERE]
    ((job, _),) = bench.jobs
    assert [(item.path, item.fp, item.kept) for item in job.items] == [
        (b"song", b"fp", None),
        (b".dir_sync/versions/1", b"", (7, 3)),
    ]
    news = bench.answer([0, 2], [])
    assert bench.performer.borrowed(news) == Chunks(news.pieces)
    assert bench.asked == [THERE]


def test_the_log_says_from_which_folder_it_was_taken(bench: Bench) -> None:
    bench.pull(HERE, THERE)
    bench.performer.borrowed(bench.answer([0], []))
    taken, came = Received(b"f0", "bob", 5), Received(b"f1", "bob", 5)
    bench.performer.perform([Tell(Fetched(b"f0", "bob", 5, 5, 1)), Tell(taken), Tell(came)])
    assert bench.told == [Received(b"f0", "the folder music of this machine", 5), came]
    bench.performer.perform([Tell(taken)])
    assert bench.told[-1] == taken, "a later version may come from the peer"


def test_what_the_peer_had_to_give_after_all_came_from_it(bench: Bench) -> None:
    bench.pull(HERE)
    bench.inbox.get(0)
    bench.performer.borrowed(bench.answer([], [0]))
    note = Received(b"f0", "bob", 5)
    bench.performer.perform([Tell(note)])
    assert bench.told == [note]


def test_the_outbox_of_the_peer_is_not_charged_for_what_is_not_sent(bench: Bench) -> None:
    bench.pull(HERE)
    assert not bench.asked
    assert bench.inbox.get(0) == In(FOLDER, Drained(BOB, 30))


def test_what_cannot_be_read_here_is_asked_of_the_peer(bench: Bench) -> None:
    bench.pull(HERE)
    bench.inbox.get(0)
    assert bench.performer.borrowed(bench.answer([], [0])) is None
    assert bench.asked == [HERE]


def test_a_content_is_read_here_once(bench: Bench) -> None:
    """If it is asked for again, it was damaged here."""
    bench.pull(HERE)
    bench.pull(HERE)
    assert bench.asked == [HERE]
    assert len(bench.jobs) == 1


def test_pieces_of_deltas_are_the_peers(bench: Bench) -> None:
    bench.pull(HERE, base=OLD)
    assert bench.asked == [HERE]
    assert not bench.jobs


def test_a_folder_that_goes_leaves_its_answers_to_the_peer(bench: Bench) -> None:
    bench.pull(HERE, OLD)
    bench.performer.lender_gone(bench.lender.share)
    assert bench.asked == [HERE, OLD]
    bench.inbox.get(0)
    bench.answer([0], [1])
    assert bench.asked == [HERE, OLD], "once"


def test_nobody_gets_an_answer_for_an_earlier_link(bench: Bench) -> None:
    bench.pull(HERE, OLD)
    bench.peers.left(bench.bob.node, "bye", NOW)
    again = Link(5, "10.0.0.2")
    bench.peers.came(again.node, hello(BOB), BOB, True, Connection(5), NOW)
    bench.inbox.get(0)
    assert bench.performer.borrowed(bench.answer([0], [1])) is None
    assert not again.sent
