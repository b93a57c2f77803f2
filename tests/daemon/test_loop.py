"""The loop: what becomes of each piece of news, and what is said on which link. Two folders share the loop."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.core import limits
from dir_sync.core.events import PeerUp, Received, Tell, Ticked, Touched, Urgency
from dir_sync.core.jobs import Applied, LookJob
from dir_sync.core.messages import Chunks, Lacks, Piece
from dir_sync.core.notes import Kept
from dir_sync.core.overload.fairness import Flow
from dir_sync.core.transfers.connection import Connection
from dir_sync.daemon import loop
from dir_sync.daemon.folder import Attached, Detached, Folder, Folders
from dir_sync.daemon.inbox import FolderPost, For, Inbox
from dir_sync.daemon.loop import Loop
from dir_sync.daemon.news import Asked, Heard, Stop, jobs_of
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.threads import DiskHangs
from dir_sync.node_manager import BytesSent, Dialled, HelloReceived, LinkClosed, MessageReceived, Stalled
from tests.daemon.standins import FOLDER, NOW, Link, Manager, config, hello
from tests.daemon.standins import Folder as Standin

WORDS = Kept(b"words")
FOREVER_S = 10**9
MUSIC = "music"


class Room:
    """One folder of the loop: a stand-in behind real peers. `done`: what it and its neighbours were called for, in order."""

    def __init__(self, name: str, number: int, done: list[Any]) -> None:
        self.standin = Standin(name, number)
        self.done = done
        self.performed: list[list[object]] = []
        self.peers = ConnectedPeers(config(folder_name=name), self.standin.share, cast(Any, Manager()), lambda: None)
        self.waiting = SimpleNamespace(questions=[], turn_over=lambda: self.did("turn over"))
        requests = SimpleNamespace(on_asked=lambda asked, now: self.did("asked"), waiting=self.waiting)
        performer = SimpleNamespace(
            lender_gone=lambda share: self.did("lender gone"),
            perform=self.perform,
            finish=lambda effects: self.did("finish"),
            commit=lambda durable: self.did("commit", durable),
            tell_live=lambda event: None,
        )
        self.chores = SimpleNamespace(
            due=lambda mono: FOREVER_S, run=lambda mono: None, is_checking=True, is_stalled=False
        )
        self.folder = Folder(self.standin.share, self.peers, *cast(Any, (requests, performer, self.chores)))

    def did(self, *what: object) -> list[Any]:
        self.done.append(what if len(what) > 1 else what[0])
        return []

    def perform(self, effects: Sequence[object]) -> None:
        self.done += effects
        self.performed.append(list(effects))

    @property
    def events(self) -> list[Any]:
        return [one for one in self.standin.engine.events if not isinstance(one, PeerUp)]


class Neighbours:
    """All that a loop calls but its folders, of which there are two."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.default, self.music = Room(FOLDER, 0, self.done), Room(MUSIC, 1, self.done)
        self.folders = Folders([self.default.folder, self.music.folder])
        self.inbox = Inbox()
        self.known = Link(1, "10.0.0.2")
        for room in (self.default, self.music):
            room.peers.came(self.known.node, hello("bb"), "bb", True, Connection(1), NOW)

    def run(self, *news: object) -> list[Any]:
        """A loop deals with these in one turn, and ends in the next one."""
        for one in news:
            self.inbox.put(one)
        links = SimpleNamespace(
            tick=lambda now: self.inbox.put(Stop()),
            due_ms=0,
            happened=lambda: None,
            on_hello=lambda greeted, now: self.did("hello"),
            on_end=lambda node, reason, text, now: self.did("end", reason),
            on_stalled=lambda node, now: self.did("stalled"),
            on_dialled=lambda dialled, now: self.did("dialled"),
            on_beacon=lambda beacon, address, now: self.did("beacon", address),
            on_sent=lambda node, size, now: self.did("sent", size),
            concern=lambda node: self.did("concern"),
            matching=SimpleNamespace(
                forget=lambda folder, now: self.did("forget", folder.name),
                folders_changed=lambda now, *closed: self.did("changed", sorted(self.inbox.numbers)),
            ),
        )
        Loop(self.inbox, self.folders, cast(Any, links)).run()
        return self.done

    def did(self, *what: object) -> None:
        self.done.append(what if len(what) > 1 else what[0])

    def tell(self, folder: str, *news: object) -> None:
        post = FolderPost(self.inbox, folder)
        for one in news:
            post.put(one)


def test_what_was_said_before_a_new_link_is_not_said_on_it() -> None:
    """All in one turn: words for a peer, the peer, which has connected anew, and more words."""
    around = Neighbours()
    around.default.standin.engine.gives = [Tell(WORDS)]
    around.tell(FOLDER, Ticked())
    around.inbox.put(HelloReceived(Link(2, "10.0.0.2").node, hello("bb")))
    around.tell(FOLDER, Ticked())
    done = around.run()
    assert done.count(Tell(WORDS)) == 2
    first = around.default.performed
    assert all(effects.count(Tell(WORDS)) <= 2 for effects in first)
    assert "hello" in done


def test_a_look_comes_back_in_the_turn_that_ordered_it() -> None:
    """One change of one file: the watcher's report and what the look finds need one turn, and one commit."""
    around = Neighbours()
    engine = around.default.standin.engine
    look = LookJob(())
    found = Applied(())  # stands for what is found

    def perform(effects: Sequence[object]) -> None:
        around.done += effects
        if look in effects:
            around.tell(FOLDER, found)

    around.default.folder._performer.perform = perform  # type: ignore[method-assign]
    engine.looks = [look]
    around.tell(FOLDER, [Touched(b"a", Urgency.NOW)])
    assert around.run().count(look) == 1
    assert around.default.events == [Touched(b"a", Urgency.NOW), found]
    assert engine.turns == 1


@pytest.mark.parametrize("what", ["another effect waits", "nothing was touched", "its disk does not answer"])
def test_a_look_waits_for_the_end_of_the_turn_if(what: str) -> None:
    around = Neighbours()
    engine = around.default.standin.engine
    engine.looks = [LookJob(())]
    if what == "another effect waits":
        engine.gives = [Tell(WORDS)]
    around.default.chores.is_stalled = what == "its disk does not answer"
    around.tell(FOLDER, Ticked() if what == "nothing was touched" else [Touched(b"a", Urgency.NOW)])
    around.run()
    assert engine.looks, "nobody has asked for them"


def test_first_scans_take_turns() -> None:
    """Each begins when it is its turn, and the next one when that is over, without any news."""
    around = Neighbours()
    around.folders.add(Room("third", 2, around.done).folder)
    boards = [folder.share.engine.board for folder in around.folders]
    for board in boards:
        board.scan.is_on = True
    around.inbox.put(Stop())
    around.run()
    assert [board.scan.waits for board in boards] == [False, True, True]

    def over() -> None:
        boards[0].scan.is_on = False

    around.default.standin.engine.at_turn = over
    around.tell(FOLDER, Ticked())
    around.run()
    assert [board.scan.waits for board in boards[1:]] == [False, True]
    assert around.music.folder.due_s(5.0) == 5.0, "it takes a turn at once"


def test_a_folder_that_is_gone_waits_for_no_turn_to_scan() -> None:
    """Else the next turn would be due in the past for good, and the folder kept in memory."""
    around = Neighbours()
    for folder in around.folders:
        folder.share.engine.board.scan.is_on = True
    matching = SimpleNamespace(forget=lambda folder, now: None, folders_changed=lambda now, closed: None)
    links: Any = SimpleNamespace(matching=matching, happened=lambda: None)
    loop = Loop(around.inbox, around.folders, links)
    loop._scan_in_turn()
    assert loop._turns.due_s() is not None
    for name in (FOLDER, MUSIC):
        loop._handle(Detached(name), NOW)
    loop._scan_in_turn()
    assert loop._turns.due_s() is None
    assert not loop._turns.since, "it knows none of them"


def test_while_a_disk_does_not_answer_nothing_is_written_and_nothing_is_lost() -> None:
    around = Neighbours()
    music = around.music
    music.standin.engine.gives = [Tell(WORDS)]
    music.chores.is_stalled = True
    music.folder.take(Ticked(), NOW)
    for _ in range(2):
        music.folder.decide(NOW, False)
        music.folder.perform()
    assert not music.standin.engine.turns
    assert not music.performed
    assert music.folder.due_s(5.0) > 5.0, "the loop does not turn for it"
    music.chores.is_stalled = False
    assert music.folder.due_s(5.0) == 5.0
    music.folder.decide(NOW, False)
    music.folder.perform()
    assert music.performed == [[Tell(WORDS)]]


def test_after_a_commit_that_hangs_the_index_is_not_touched_any_more() -> None:
    around = Neighbours()
    music = around.music
    ended: list[Exception] = []

    def hangs(effects: Sequence[object]) -> None:
        raise DiskHangs

    music.folder._performer.perform = hangs  # type: ignore[assignment, method-assign]
    music.folder.end = ended.append
    music.chores.run = lambda mono: around.did("chores")
    music.standin.engine.gives = [Tell(WORDS)]
    music.folder.take(Applied(()), NOW)
    music.folder.perform()
    music.folder.perform()
    assert [type(error) for error in ended] == [DiskHangs]
    assert "chores" not in around.done
    assert ("commit", False) not in around.done
    assert music.standin.index not in music.folder._memory._used
    around.default.folder.finish()
    assert around.default.standin.index not in around.default.folder._memory._used


def test_news_of_links_go_to_the_links() -> None:
    node = Link(2, "10.0.0.3").node
    news = (
        Stalled(node),
        BytesSent(node, 5),
        Dialled("10.0.0.3", 6000, None, "refused"),
        Heard(cast(Any, None), "10.0.0.3"),
        LinkClosed(node, "bye", ""),
    )
    expected = ["stalled", ("sent", 5), "dialled", ("beacon", "10.0.0.3"), ("end", "bye"), "finish", "finish"]
    assert sorted(map(str, Neighbours().run(*news))) == sorted(map(str, expected))


def test_a_message_goes_to_the_folder_that_it_names() -> None:
    around = Neighbours()
    said = [Lacks(name, 1, 0, 0, 0) for name in (FOLDER, MUSIC, "unknown")]
    around.run(*(MessageReceived(around.known.node, one, 10) for one in said))
    assert around.default.events == [Received("bb", said[0])]
    assert around.music.events == [Received("bb", said[1])]


def test_only_the_link_of_a_peer_speaks_to_a_folder() -> None:
    around = Neighbours()
    around.run(MessageReceived(Link(2, "10.0.0.2").node, Lacks(FOLDER, 1, 0, 0, 0), 10))
    assert not around.default.events


def test_contents_go_to_the_folder_that_has_asked_for_them() -> None:
    around = Neighbours()
    of = [Piece(number << limits.FOLDER_ID_SHIFT | 7, 0, b"x") for number in (0, 1, 5)]
    around.run(MessageReceived(around.known.node, Chunks(tuple(of)), 10))
    assert around.default.events == [Received("bb", Chunks((of[0],)))]
    assert around.music.events == [Received("bb", Chunks((of[1],)))]
    assert "concern" in around.done, "there is room in the window, which is one for both"


def test_what_a_watcher_tells_comes_in_lists_to_its_folder() -> None:
    around = Neighbours()
    touched = [Touched(b"a", Urgency.NOW), Touched(b"b", Urgency.NOW)]
    around.tell(MUSIC, touched)
    around.run()
    assert around.music.events == touched
    assert not around.default.events


def test_echoes_of_our_own_work_are_no_turn() -> None:
    around = Neighbours()
    echo, edit = Touched(b"a", Urgency.ARRIVED), Touched(b"b", Urgency.NOW)
    engine = around.music.standin.engine
    engine.echoes = [echo]
    around.tell(MUSIC, [echo, echo])
    around.run()
    assert engine.turns == 0
    assert not around.music.events
    around.tell(MUSIC, [echo, edit])
    around.run()
    assert engine.turns == 1
    assert around.music.events == [edit]


def test_a_folder_to_which_nothing_happened_takes_no_part_in_the_turn() -> None:
    around = Neighbours()
    around.tell(MUSIC, Ticked())
    around.run()
    assert (around.default.standin.engine.turns, around.music.standin.engine.turns) == (0, 1)


def test_a_folder_whose_time_has_come_takes_part_in_the_turn() -> None:
    around = Neighbours()
    around.default.standin.engine.deadline = 0
    around.tell(MUSIC, Ticked())
    around.run()
    assert around.default.standin.engine.turns == 1


def test_a_folder_that_rests_is_asked_once_for_its_deadline() -> None:
    """Else each turn of each folder of a node asks all the others, twice."""
    room = Neighbours().music
    engine, asked = room.standin.engine, list[int]()
    engine.next_deadline = lambda: asked.append(1) or 7_000_000  # type: ignore[func-returns-value, method-assign]
    for _ in range(3):
        room.folder.decide(NOW, False)
        room.folder.perform()
        assert room.folder.due_s(5.0) == 7_000.0
    assert len(asked) == 1
    room.folder.take(Ticked(), NOW)  # what it is told may change it, and so may its turn
    room.folder.decide(NOW, False)
    room.folder.perform()
    assert room.folder.due_s(5.0) == 7_000.0
    assert len(asked) == 2


def test_while_somebody_is_connected_the_deadline_of_a_folder_is_asked_each_time() -> None:
    """What moves it may come from outside: other folders use the same window of the connection."""
    room = Neighbours().music
    room.standin.engine.board.peers["bb"] = object()
    assert room.folder.due_s(5.0) > 5.0
    room.standin.engine.deadline = 7_000
    assert room.folder.due_s(5.0) == 7.0


def test_a_question_goes_to_its_folder_and_one_about_a_folder_that_is_gone_is_answered() -> None:
    around = Neighbours()
    gone = Asked({"command": "status"})
    around.tell(FOLDER, Asked({"command": "status"}))
    around.tell("gone", gone)
    assert "asked" in around.run()
    assert "does not share" in gone.reply.get_nowait()["error"]


@pytest.mark.parametrize("is_dirty", [True, False])
def test_what_is_on_the_disk_is_noted_at_the_end_of_its_turn(is_dirty: bool) -> None:
    """Also if no effect asks for a commit."""
    around = Neighbours()
    for room in (around.default, around.music):
        room.standin.index.commit()
    if is_dirty:
        around.default.standin.index.notes.put("something", 1)
    around.tell(FOLDER, Applied(()))
    done = around.run()
    assert done == ([("commit", False)] if is_dirty else []) + ["finish", "finish"]


def test_a_turn_is_over_after_some_news() -> None:
    around = Neighbours()
    around.default.standin.engine.gives = [Tell(WORDS)]
    around.tell(FOLDER, *[Ticked()] * 300)
    around.run()
    turns = around.default.performed
    assert max(map(len, turns)) <= 128


def test_folders_come_and_go() -> None:
    around = Neighbours()
    more = Room("more", 2, around.done)
    came, went = Attached(more.folder), Detached(MUSIC)
    around.run(came, went)
    assert came.done.is_set()
    assert went.done.is_set()
    assert ("changed", [FOLDER, "more", MUSIC]) in around.done
    assert around.done.index(("forget", MUSIC)) < around.done.index(("changed", [FOLDER, "more"]))
    assert around.done.count("lender gone") == 2, "the others may have waited for contents of music"
    assert around.done.count("finish") == 3, "music at once, the others at the end"


def test_a_disk_that_fails_below_the_index_ends_its_folder_alone() -> None:
    import sqlite3

    around = Neighbours()
    full = sqlite3.OperationalError("disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    ended: list[object] = []
    around.default.folder.end = ended.append

    def fail(*_: object) -> list[Any]:
        raise full

    around.default.standin.engine.handle = fail  # type: ignore[method-assign]
    around.tell(FOLDER, Ticked(), Ticked())
    around.tell(MUSIC, Ticked())
    around.run()
    assert ended == [full], "once"
    assert around.music.events == [Ticked()]


@pytest.mark.parametrize("how", ["the node ends", "only this folder ends"])
def test_at_the_end_the_engine_takes_in_what_the_workers_have_answered(how: str) -> None:
    """Whatever comes later than the end, and whichever peer it was for; of all else nothing is begun."""
    around = Neighbours()
    around.inbox.put(Stop() if how == "the node ends" else Detached(MUSIC))
    around.tell(MUSIC, For(jobs_of(Flow("10.0.0.2", "bb")), Applied(())), Ticked())
    around.inbox._throttle.resting = lambda: {"10.0.0.2": FOREVER_S}  # type: ignore[method-assign]
    assert "finish" in around.run()
    assert around.music.events == [Applied(())]


def test_the_last_answers_do_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    around = Neighbours()
    monkeypatch.setattr(loop, "_LAST_ANSWERS_S", 0.0)
    around.inbox.put(Stop())
    around.tell(MUSIC, Applied(()))
    assert "finish" in around.run()
    assert around.music.events == []
