"""Questions that are sent to all peers at once, and their answers.

In:   questions, answers, peers that disconnect, the time.
Out:  all answers, as soon as no peer has to answer any more, or the time is over.
Rule: an answer without a waiting question is ignored: it may have come too late.
"""

from __future__ import annotations

from dir_sync.core.frozen import field, mutable
from dir_sync.core.messages import Have, History

__all__ = ["Inquiries"]

_PATIENCE_MS = 3_000

Answers = list[tuple[str, int, History | Have]]


@mutable
class _Inquiry:
    until_ms: int
    waiting: dict[tuple[str, int], int] = field(default_factory=dict)  # peer, wire id -> number of the question
    answers: Answers = field(default_factory=list)


class Inquiries:
    def __init__(self) -> None:
        self.open: dict[int, _Inquiry] = {}
        self._wire_id = 0

    def begin(self, id_: int, now_ms: int) -> None:
        self.open[id_] = _Inquiry(now_ms + _PATIENCE_MS)

    def asked(self, id_: int, peer: str, number: int) -> int:
        """One peer is asked the `number`-th question. Returns the id for the message."""
        self._wire_id += 1
        self.open[id_].waiting[(peer, self._wire_id)] = number
        return self._wire_id

    def answered(self, peer: str, wire_id: int, answer: History | Have, last: bool, now_ms: int) -> None:
        for inquiry in self.open.values():
            number = inquiry.waiting.get((peer, wire_id))
            if number is not None:
                inquiry.answers.append((peer, number, answer))
                inquiry.until_ms = now_ms + _PATIENCE_MS
                if last:
                    del inquiry.waiting[(peer, wire_id)]

    def gone(self, peer: str) -> None:
        for inquiry in self.open.values():
            inquiry.waiting = {key: number for key, number in inquiry.waiting.items() if key[0] != peer}

    def due_ms(self) -> int | None:
        return min((one.until_ms if one.waiting else 0 for one in self.open.values()), default=None)

    def over(self, now_ms: int) -> list[tuple[int, Answers]]:
        """Remove and return the finished questions, with all answers."""
        done = [id_ for id_, one in self.open.items() if not one.waiting or one.until_ms <= now_ms]
        return [(id_, self.open.pop(id_).answers) for id_ in done]
