"""A node that answers what the test says, behind a real control socket, and a client that has come through the door."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from dir_sync.folder import root
from dir_sync.network.control import Answer, ControlServer
from dir_sync.readable import Readable
from dir_sync.web.app import Web
from dir_sync.web.door import Door
from dir_sync.web.nodes import Nodes

HOST = "http://127.0.0.1:8420"
FROM_HERE = {"Origin": HOST, "Content-Type": "application/json"}

STATUS: dict[str, Any] = {
    **{"folder": "/shared", "folder_name": "notes", "name": "anna", "node": "a" * 32, "replica": "a" * 32},
    **{"mesh": None, "port": 6000, "broadcast_port": 5000, "process": 1, "files": 3, "bytes": 12_345, "peers": []},
    **{"pause": None, "schedule": None, "paused_elsewhere": [], "in_sync": False, "scanning": False, "unseen": 0},
    **{"busy": False, "mode": "two-way", "diverged": 0, "wanted": 0, "troubled": [], "too_large": [], "restless": []},
    **{"unwatched": 0, "unwatched_first": None, "transfers": [], "uploads": [], "held": []},
}


class StandIn:
    """Nodes of some folders. `answers`: what is said to a command, by its name; the questions are kept."""

    def __init__(self) -> None:
        self.asked: list[Answer] = []
        self.answers: dict[str, Answer | Callable[[Answer], Answer]] = {"status": STATUS}
        self._readable = Readable()
        self._servers: list[ControlServer] = []
        self._thread = threading.Thread(target=self._readable.run)
        self._thread.start()

    def share(self, folder: Path) -> Path:
        (folder / ".dir_sync").mkdir(parents=True)
        server = ControlServer(str(folder / ".dir_sync"), self._readable, self._answer)
        server.start()
        self._servers.append(server)
        root.remember(str(folder))
        return folder

    def _answer(self, question: Answer) -> Answer:
        self.asked.append(question)
        answer = self.answers.get(question["command"], {"error": f"no command {question['command']}"})
        return answer(question) if callable(answer) else answer

    def end(self) -> None:
        for server in self._servers:
            server.stop()
        self._readable.stop()
        self._thread.join()
        self._readable.close()


@contextmanager
def stand_in() -> Iterator[StandIn]:
    node = StandIn()
    try:
        yield node
    finally:
        node.end()


class Browser:
    """A client that behaves as a browser does: it keeps the cookie, and says where a change comes from."""

    def __init__(self, client: TestClient, web: Web, door: Door) -> None:
        self.client, self.web, self.door = client, web, door

    def get(self, route: str, /, **query: Any) -> Answer:
        answer = self.client.get(route, params=query)
        assert answer.status_code == 200, answer.text
        found: Answer = answer.json()
        return found

    def post(self, path: str, body: Answer | None = None) -> Answer:
        answer = self.client.post(path, content=json.dumps(body or {}), headers=FROM_HERE)
        assert answer.status_code == 200, answer.text
        found: Answer = answer.json()
        return found

    def refused(self, route: str, body: Answer | None = None, /, **query: Any) -> str:
        """The line that a request which cannot be done is answered with."""
        if body is None:
            answer = self.client.get(route, params=query)
        else:
            answer = self.client.post(route, content=json.dumps(body), headers=FROM_HERE)
        assert answer.status_code in (400, 409), answer.text
        error: str = answer.json()["error"]
        assert error
        assert "\n" not in error
        return error

    def id_of(self, folder: Path) -> str:
        return next(one.id for one in Nodes().folders() if one.path == str(folder))


@contextmanager
def browser(door: Door | None = None) -> Iterator[Browser]:
    door = door or Door()
    web = Web(door, Nodes())
    with TestClient(web.app, base_url=HOST, follow_redirects=False) as client:
        answer = client.get("/", params={"token": door.token})
        assert answer.status_code == 200
        yield Browser(client, web, door)
