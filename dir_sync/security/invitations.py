"""The place of the one invitation that a node may have open.

In:   an invitation; connections of machines that may know its code. Out: a new member.
Rule: without an invitation nothing of SPAKE2 is loaded, and a caller gets no byte.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dir_sync.core.membership import Member
    from dir_sync.security.inviting import Inviting

__all__ = ["Invitations"]


class Invitations:
    """The one invitation of a node, if there is one. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Inviting | None = None

    @property
    def current(self) -> Inviting | None:
        return self._current

    def begin(self, inviting: Inviting | None) -> None:
        """From now on this one counts; one that was open is over."""
        with self._lock:
            before, self._current = self._current, inviting
        if before is not None:
            before.stop()

    def serve(self, sock: socket.socket, first: bytes) -> Member | None:
        """As `Inviting.serve`. Without an invitation the socket is closed without a word."""
        inviting = self._current
        if inviting is None:
            sock.close()
            return None
        return inviting.serve(sock, first)
