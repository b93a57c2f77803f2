"""Where a command gets its answers about a folder, mostly its history: the running node, or the index, opened here.

In:   a folder, questions. Out: answers, the same from both.
Rule: while the index is open here, its lock prevents any node from starting.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dir_sync.config import ENVIRONMENT, USAGE, ConfigError
from dir_sync.core.model import show
from dir_sync.folder import state
from dir_sync.history.answers import common, keep, listed, path_asked, settle, with_makers
from dir_sync.history.story import without_node
from dir_sync.index import Index
from dir_sync.network.control import Answer, NoDaemon, ask

__all__ = ["Source", "index_unless_a_node_runs", "open_source"]

_STARTS_WITHIN_S = 2.0  # as long as a node that starts waits for a command
_POLL_S = 0.05


class Source:
    """Answers questions. `index` is None if a node runs on the folder."""

    def __init__(self, folder: str, index: Index | None) -> None:
        self.folder = folder
        self.index = index

    def ask(self, question: Answer) -> Answer:
        """The answer; ConfigError if there is none, or if it is an error."""
        if self.index is None:
            try:
                answer = ask(self.folder, question)
            except (NoDaemon, OSError) as error:
                raise ConfigError(f"the node of this folder does not answer: {error or 'it has ended'}") from None
        else:
            answer = {}
            match question["command"]:
                case "versions":
                    answer = listed(self.index, path_asked(question), self.index.peers.replicas())
                    if question.get("conflicts"):
                        answer = with_makers(self.index, answer)
                case "why":
                    answer = without_node(self.index, path_asked(question), time.time())
                case "keep":
                    answer = keep(self.index, question)
                case "common":
                    answer = common(self.index, question)
                case _:
                    settle(self.index, question)
            self.index.commit()
        if "error" in answer:
            raise ConfigError(str(answer["error"]), USAGE if answer.get("exit_code") == USAGE else ENVIRONMENT)
        return answer

    def will_displace(self) -> None:
        """The history may now contain versions that the index does not list: if this process dies, the next node looks
        for them."""
        if self.index is not None and self.index.notes.get(state.AT_REST) != 0:
            self.index.notes.put(state.AT_REST, 0)
            self.index.commit()


@contextmanager
def open_source(folder: str) -> Iterator[Source]:
    """ConfigError if the folder was never shared, or if its node does not answer."""
    if not os.path.isdir(os.path.join(folder, ".dir_sync", "versions")):
        raise ConfigError(f"{show(os.fsencode(folder))} has no history: it was never shared from here")
    with index_unless_a_node_runs(folder) as index:
        yield Source(folder, index)


@contextmanager
def index_unless_a_node_runs(folder: str) -> Iterator[Index | None]:
    """The index of a folder, opened here; None if a node runs, which can be asked. ConfigError if neither is possible."""
    handle = _lock_unless_a_node_runs(folder)
    if handle is None:
        yield None
        return
    index: Index | None = None
    try:
        index = state.open_index(os.fsencode(folder), random.Random())
        yield index
    finally:
        if index is not None:
            index.close()
        os.close(handle)


def _lock_unless_a_node_runs(folder: str) -> int | None:
    """The handle of the lock; None if a node runs. One that starts has the lock a moment before it answers, and one that ends
    has it a moment longer: Locked only if that lasts."""
    deadline_s = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            ask(folder, {"command": "status"}, begins_s=0.0)
            return None
        except NoDaemon:
            try:
                return state.lock(os.fsencode(folder))
            except state.Locked:
                if time.monotonic() >= deadline_s:
                    raise
        except OSError as error:
            raise ConfigError(f"the node of this folder does not answer: {error}") from None
        time.sleep(_POLL_S)
