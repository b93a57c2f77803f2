"""A lock that another program may have for a moment.

In:   an open file. Out: it is locked until it is closed.
Used by: state, user_state.
"""

from __future__ import annotations

import fcntl
import time

__all__ = ["lock_within"]


def lock_within(handle: int, wait_s: float, poll_s: float) -> None:
    """BlockingIOError if another program has the lock at the end of the wait; another OSError where there are no locks."""
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise
        time.sleep(poll_s)
