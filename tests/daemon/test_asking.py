"""Questions that wait: for what was saved before, and for a change."""

from __future__ import annotations

import threading
import time
from typing import Any
from unittest.mock import Mock

import pytest

from dir_sync.core.messages import Held
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.daemon.asking import Waiting, ask_engine
from dir_sync.daemon.inbox import FolderPost, In, Inbox
from dir_sync.daemon.news import Asked
from dir_sync.network.control import ENDS
from tests.daemon.standins import FOLDER, Folder

BOB = "bb" * 8


class Bench:
    def __init__(self) -> None:
        self.folder = Folder()
        self.report = self.folder.engine.report
        self.report.lacks = {BOB: Lack(1, 1, 0)}
        self.names: list[str] = ["bob"]
        self.waiting = Waiting(self.folder.share, lambda: list(self.names), lambda: {"headline": "x"})

    def ask(self, **more: Any) -> Asked:
        asked = Asked({"command": "status"} | more)
        self.waiting.take(asked)
        return asked


def test_an_answer_has_a_number_that_changes_with_the_standing() -> None:
    bench = Bench()
    first = bench.ask(unlike=0).reply.get_nowait()["number"]
    assert bench.ask(unlike=None).reply.get_nowait() == {"headline": "x", "number": first}
    asked = bench.ask(unlike=first)
    bench.waiting.turn_over()
    assert asked.reply.empty(), "nothing has changed"
    bench.report.lacks = {BOB: NOTHING}
    bench.waiting.turn_over()
    second = asked.reply.get_nowait()["number"]
    assert second != first
    assert bench.waiting.questions == []
    assert bench.ask(unlike=first).reply.get_nowait()["number"] == second, "it has changed before the question"


def test_what_is_held_and_who_comes_wakes_it_too() -> None:
    bench = Bench()
    for change in (
        lambda: bench.folder.engine.brakes.here.append(Held(BOB, 1, 5, b"f")),
        lambda: bench.folder.engine.brakes.held_elsewhere.update({BOB: (Held(BOB, 1, 5, b"f"),)}),
        lambda: bench.names.append("carol"),
    ):
        asked = bench.ask(unlike=bench.ask(unlike=0).reply.get_nowait()["number"])
        bench.waiting.turn_over()
        assert asked.reply.empty()
        change()
        bench.waiting.turn_over()
        assert not asked.reply.empty()


def test_who_does_not_wait_any_more_is_forgotten() -> None:
    bench = Bench()
    number = bench.ask(unlike=0).reply.get_nowait()["number"]
    gone = bench.ask(unlike=number)
    gone.is_over = True
    here = bench.ask(unlike=number)
    assert [asked for asked, _ in bench.waiting.questions] == [here]
    here.is_over = True
    bench.names.clear()
    bench.waiting.turn_over()
    assert (bench.waiting.questions, here.reply.empty(), gone.reply.empty()) == ([], True, True)


def served(inbox: Inbox, bench: Bench) -> threading.Thread:
    """The engine's thread: until a question for the end."""

    def serve() -> None:
        while True:
            news = inbox.get(30.0)
            assert isinstance(news, In)
            assert isinstance(news.news, Asked)
            if news.news.question["command"] == "end":
                return
            bench.waiting.take(news.news)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_without_a_change_the_answer_comes_in_time() -> None:
    bench, inbox = Bench(), Inbox()
    post = FolderPost(inbox, FOLDER)
    thread = served(inbox, bench)
    number = ask_engine(post, {"command": "status", "unlike": 0}, lambda: False)["number"]
    began = time.monotonic()
    answer = ask_engine(post, {"command": "status", "unlike": number, "within_s": 0.3}, lambda: False)
    assert answer["number"] == number
    assert time.monotonic() - began >= 0.3
    ((asked, _),) = bench.waiting.questions
    assert asked.is_over
    post.put(Asked({"command": "end"}))
    thread.join(30)


def test_a_question_that_looks_comes_after_what_was_found_before() -> None:
    """Else "done" could be said of a folder whose last save nobody has looked at. Others do not wait behind a flood."""
    for looks in (True, False):
        inbox = Inbox()
        post = FolderPost(inbox, FOLDER)
        for _ in range(3):
            post.put([])
        question = {"command": "status", "look": True} if looks else {"command": "status"}
        ends_once_it_is_asked = Mock(side_effect=[False, True])
        assert "error" in ask_engine(post, question, ends_once_it_is_asked)
        came = []
        while isinstance(news := inbox.get(0), In):
            came.append("question" if isinstance(news.news, Asked) else "events")
        assert sorted(came) == ["events"] * 3 + ["question"]
        assert (came[-1] == "question") == looks


def test_a_node_that_is_ending_looks_at_no_question() -> None:
    """Whoever asks may ask again, then: nothing was done. It goes over to another key, or ends."""
    inbox = Inbox()
    assert ask_engine(FolderPost(inbox, FOLDER), {"command": "members"}, lambda: True) == ENDS
    assert inbox.get(0) is None


@pytest.mark.parametrize("more", [{}, {"unlike": 0}, {"unlike": 0, "within_s": 0.05}])
def test_the_answer_of_a_question_that_looks_is_one_after_what_was_found_before(more: dict[str, Any]) -> None:
    """Also if the question may wait for a change, and does not: else `wait` would not count what has just been saved."""
    bench, inbox = Bench(), Inbox()
    post = FolderPost(inbox, FOLDER)
    for _ in range(3):
        post.put([])
    seen: list[int] = []  # how many of them had been handled at each answer

    def serve() -> None:
        handled = 0
        has_come = threading.Event()
        while not has_come.wait(0.02 if handled else 0.2):  # longer than the question may wait for a change
            news = inbox.get(30.0)
            assert isinstance(news, In)
            if not isinstance(news.news, Asked):
                handled += 1
            elif news.news.question["command"] == "end":
                has_come.set()
            elif not news.news.is_over:
                seen.append(handled)
                bench.waiting.take(news.news)

    thread = threading.Thread(target=serve)
    thread.start()
    answer = ask_engine(post, {"command": "status", "look": True} | more, lambda: False)
    post.put(Asked({"command": "end"}))
    thread.join(30)
    assert "error" not in answer
    assert seen == [3]
