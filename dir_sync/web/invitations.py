"""The invitations that were made on a page, until the page has seen what came of them; and a code as a picture.

In:   codes of nodes. Out: what is known of an invitation; rows of dark and light points.
Rule: a code is kept in memory only, and not longer than it is valid.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import segno

from dir_sync.core.named import NamedTuple
from dir_sync.network.control import Answer

__all__ = ["Invitation", "Invitations", "picture"]

_SEEN_S = 600.0  # how long the end of an invitation is shown


class Invitation(NamedTuple):
    """One that a page has made."""

    code: str
    role: str
    until_s: float  # Unix time

    def to_json(self, answer: Answer) -> Answer:
        """What pages are told. `answer`: of the node, about this invitation."""
        return self._asdict() | {name: answer[name] for name in ("joined", "over", "guesses")}


class Invitations:
    """At most one for each folder, by its id. Any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._open: dict[str, Invitation] = {}

    def begin(self, folder: str, code: str, role: str, lasts_s: int) -> None:
        with self._lock:
            self._open[folder] = Invitation(code, role, self._clock() + lasts_s)

    def forget(self, folder: str) -> None:
        with self._lock:
            self._open.pop(folder, None)

    def of(self, folder: str) -> Invitation | None:
        with self._lock:
            found = self._open.get(folder)
            if found is not None and self._clock() > found.until_s + _SEEN_S:
                del self._open[folder]
                return None
            return found


def picture(text: str) -> list[str]:
    """A QR code: a row of "1" (dark) and "0" for each line."""
    return ["".join("1" if point else "0" for point in row) for row in segno.make(text, error="m", micro=False).matrix]
