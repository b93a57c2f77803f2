"""The control socket: questions of other commands."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.folder import processes, state
from dir_sync.network import control
from dir_sync.network.control import ENDS, Answer, ControlServer, NoDaemon, ask
from dir_sync.readable import Readable


class Node:
    """Some folders and one thread. A folder answers with its name; one question waits until the test says so."""

    def __init__(self, tmp_path: Path) -> None:
        self.readable = Readable()
        self.go_on = threading.Event()
        self.asked: list[str] = []
        self.folders = [tmp_path / name for name in ("one", "two")]
        self.servers = []
        for folder in self.folders:
            (folder / ".dir_sync").mkdir(parents=True, exist_ok=True)
            server = ControlServer(str(folder / ".dir_sync"), self.readable, self.answering(folder.name))
            server.start()
            self.servers.append(server)
        self.thread = threading.Thread(target=self.readable.run)
        self.thread.start()

    def answering(self, name: str) -> Callable[[Answer], Answer]:
        def answer(question: Answer) -> Answer:
            self.asked.append(name)
            if question["command"] == "wait":
                assert self.go_on.wait(30)
            return {"name": name}

        return answer

    def end(self) -> None:
        self.go_on.set()
        for server in self.servers:
            server.stop()
        self.readable.stop()
        self.thread.join()
        self.readable.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    it = Node(tmp_path)
    yield it
    it.end()


def test_each_folder_answers_its_own_questions_and_keeps_no_thread(node: Node) -> None:
    before = threading.active_count()
    for _ in range(3):
        for folder in node.folders:
            assert ask(str(folder), {"command": "status"}) == {"name": folder.name}
    for server in node.servers:
        for thread in server._asked:
            thread.join(10)
    assert threading.active_count() == before


def test_a_long_question_is_answered(node: Node) -> None:
    """A dry run asks about one path with the records that all peers have there, with their attributes."""
    folder = str(node.folders[0])
    assert ask(folder, {"command": "forecast", "told": "x" * 4_000_000}) == {"name": "one"}
    with pytest.raises(OSError, match=r"Broken pipe|reset|cut off"):
        ask(folder, {"command": "forecast", "told": "x" * 17_000_000})
    assert ask(folder, {"command": "status"}) == {"name": "one"}


def test_a_question_that_takes_long_keeps_no_other_waiting(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command may wait for a change. There is a limit: further questions come when one of those has its answer."""
    monkeypatch.setattr(control, "_AT_ONCE_MAX", 2)
    one, two = map(str, node.folders)
    answers: list[Answer] = []
    asking = [
        threading.Thread(target=lambda word=word: answers.append(ask(one, {"command": word})))  # type: ignore[misc]
        for word in ("wait", "wait")
    ]
    for thread in asking:
        thread.start()
    assert ask(two, {"command": "status"}) == {"name": "two"}
    until = time.monotonic() + 30
    while node.asked.count("one") < 2:
        assert time.monotonic() < until, "two wait at the same time"
        time.sleep(0.01)
    third = threading.Thread(target=lambda: answers.append(ask(one, {"command": "status"})))
    third.start()
    assert ask(two, {"command": "status"}) == {"name": "two"}
    assert node.asked.count("one") == 2
    asking.append(third)
    node.go_on.set()
    for thread in asking:
        thread.join(30)
    assert answers == [{"name": "one"}] * 3


def test_somebody_who_asks_nothing_does_not_stop_the_others(node: Node) -> None:
    one, two = node.folders
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(one / ".dir_sync" / "control"))
        assert ask(str(two), {"command": "status"}) == {"name": "two"}
    assert ask(str(one), {"command": "status"}) == {"name": "one"}


def test_after_the_end_nobody_answers(node: Node) -> None:
    node.servers.pop(0).stop()
    with pytest.raises(NoDaemon):
        ask(str(node.folders[0]), {"command": "status"})
    assert ask(str(node.folders[1]), {"command": "status"}) == {"name": "two"}


@contextmanager
def asking(folder: Path) -> Iterator[list[Answer]]:
    """The folder's lock is taken, and somebody asks. In the end, the list has the answer."""
    (folder / ".dir_sync").mkdir(exist_ok=True)
    lock = state.lock(os.fsencode(folder))
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(ask(str(folder), {"command": "members"}, 30)))
    thread.start()
    try:
        yield answers
    finally:
        thread.join(30)
        os.close(lock)


def test_a_node_that_has_the_lock_and_does_not_answer_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node goes over to another key: for a moment it has the lock, and no socket."""
    has_looked = threading.Event()

    def is_locked(folder: str) -> bool:
        has_looked.set()
        return processes_is_locked(folder)

    processes_is_locked = processes.is_locked
    monkeypatch.setattr(processes, "is_locked", is_locked)
    one = tmp_path / "one"
    one.mkdir()
    with asking(one) as answers:
        assert has_looked.wait(30)
        node = Node(tmp_path)
    node.end()
    assert answers == [{"name": "one"}]
    with pytest.raises(NoDaemon):
        ask(str(one), {"command": "members"})


def test_a_question_that_an_ending_node_has_not_read_is_asked_again(tmp_path: Path) -> None:
    folder = tmp_path / "one" / ".dir_sync"
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(folder / "control"))
        old.listen()
        with asking(tmp_path / "one") as answers:
            assert select.select([old], [], [], 30)[0], "somebody has connected"
            old.close()
            node = Node(tmp_path)
    node.end()
    assert answers == [{"name": "one"}]


def test_a_question_that_an_ending_node_has_not_looked_at_is_asked_again(node: Node) -> None:
    said = [ENDS, ENDS, {"name": "new"}]
    node.servers[0]._answer = lambda _: said.pop(0)
    assert ask(str(node.folders[0]), {"command": "members"}) == {"name": "new"}
    said = [ENDS]
    assert ask(str(node.folders[0]), {"command": "members"}, 0.0) == ENDS, "it lasts too long"


@pytest.mark.parametrize(
    ("number", "pauses"),
    [
        (errno.EAGAIN, False),
        (errno.ECONNABORTED, False),
        (errno.EMFILE, True),
        (errno.ENFILE, True),
        (errno.ENOMEM, True),
    ],
)
def test_who_cannot_be_accepted_now_does_not_keep_the_thread_busy(node: Node, number: int, pauses: bool) -> None:
    server, error = node.servers[0], OSError(number, "no")

    def accept() -> None:
        raise error

    whole, server._socket = server._socket, cast(Any, SimpleNamespace(accept=accept))
    try:
        assert 0 <= (pause := server._called()) < 1
    finally:
        server._socket = whole
    assert (pause > 0) == pauses
    assert ask(str(node.folders[0]), {"command": "status"}) == {"name": "one"}
