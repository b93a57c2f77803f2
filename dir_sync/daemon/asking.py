"""How the thread of a question gets its answer from the engine's thread.

In:   questions of other commands. Out: their answers.
A question with `look` is answered when everything that was saved before it has been handed to the engine. One with
`unlike` is answered when the folder's standing is another one than the answer with that number said, or after `within_s`.
Rule: the engine's thread waits for nobody. While nobody waits for a change, a turn does nothing for it.
Used by: requests, sharing.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

from dir_sync.daemon.inbox import For, Post
from dir_sync.daemon.news import COMMANDS, Asked
from dir_sync.daemon.share import Share
from dir_sync.network.control import ENDS, Answer

__all__ = ["Waiting", "ask_engine"]

_ANSWER_WITHIN_S = 30.0
_CHANGE_WITHIN_S = 30.0  # the longest wait for a change: the control socket has a limit, too


def ask_engine(inbox: Post, question: Answer, is_ending: Callable[[], bool]) -> Answer:
    """Ask the engine's thread, and wait for its answer. Called on the control socket's thread."""
    if is_ending():
        return ENDS
    within_s = _seconds(question.get("within_s"))
    if "unlike" in question and within_s:
        asked = _put(inbox, question)
        if (answer := _reply(asked, within_s, is_ending)) is not None:
            return answer
        asked.is_over = True  # nothing has changed
    if "unlike" in question:
        question = question | {"unlike": None}
    answer = _reply(_put(inbox, question), _ANSWER_WITHIN_S, is_ending)
    return {"error": ENDS["error"]} if answer is None else answer


def _put(inbox: Post, question: Answer) -> Asked:
    asked = Asked(question)
    # What was saved before is in the same queue: with `look`, the question comes after it.
    inbox.put(asked if question.get("look") else For(COMMANDS, asked))
    return asked


def _reply(asked: Asked, within_s: float, is_ending: Callable[[], bool]) -> Answer | None:
    deadline = time.monotonic() + within_s
    while not is_ending() and (left_s := deadline - time.monotonic()) > 0:
        try:
            return asked.reply.get(timeout=min(0.2, left_s))
        except queue.Empty:
            continue
    return None


def _seconds(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(max(0.0, float(value)), _CHANGE_WITHIN_S) if is_number else 0.0


class Waiting:
    """Questions of one folder that wait for a change of its standing: who has everything, what is held, who is there.
    Engine thread only."""

    def __init__(self, share: Share, names: Callable[[], object], status: Callable[[], Answer]) -> None:
        """`names`: of the peers that are connected, and of those that have paused. `status`: the answer."""
        self.questions: list[tuple[Asked, int]] = []  # and the number that the answer has to be unlike
        self._share = share
        self._names = names
        self._standing: object = None
        self._number = 0
        self._status = status

    def take(self, asked: Asked) -> None:
        """Answer at once, or when the standing has changed."""
        self._look()
        if asked.question.get("unlike") == self._number:
            self.questions = [one for one in self.questions if not one[0].is_over]
            self.questions.append((asked, self._number))
        else:
            self._answer(asked)

    def turn_over(self) -> None:
        """A turn in which something happened is over, and somebody waits."""
        self._look()
        questions, self.questions = self.questions, []
        for asked, unlike in questions:
            if asked.is_over:
                continue
            if unlike == self._number:
                self.questions.append((asked, unlike))
            else:
                self._answer(asked)

    def _answer(self, asked: Asked) -> None:
        asked.reply.put(self._status() | {"number": self._number})

    def _look(self) -> None:
        engine = self._share.engine
        standing = (
            engine.sync_report.in_sync_with(),
            engine.brakes.held(),
            dict(engine.brakes.held_elsewhere),
            self._names(),
        )
        if standing != self._standing:
            self._standing = standing
            self._number += 1
