"""The threads of this package, and the one top handler of each.

In:   functions to run. Out: what ended them: a fault of ours, or trouble of the index that may pass.
Rule: a fault in any thread ends the process, with one line. An index that cannot be written only pauses the node.
Used by: daemon, jobs, process, share.
"""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Callable

from dir_sync.reporting.log import logger

__all__ = ["Threads", "may_pass"]

_MAY_PASS = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")


def may_pass(error: Exception) -> bool:
    """True for the errors that the disk under the index causes while it is full, sick or read-only."""
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name.startswith(_MAY_PASS)


class Threads:
    """Starts threads, remembers why one of them failed, and joins them."""

    def __init__(self, end_share: Callable[[], None]) -> None:
        """`end_share` is called on the thread that had trouble which may pass."""
        self._end_share = end_share
        self._threads: list[threading.Thread] = []
        self.is_ending = False  # from now on a failing thread is no news: what it used is being closed
        self.failed: Exception | None = None
        self.trouble: sqlite3.Error | None = None

    def start(self, name: str, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=self._guarded, args=(target, *args), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, within_s: float) -> None:
        """Wait for all of them, each a little even if the time is over."""
        deadline = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.05, deadline - time.monotonic()))

    def _guarded(self, target: Callable[..., None], *args: object) -> None:
        try:
            target(*args)
        except Exception as error:
            logger.debug("a fault in %s", threading.current_thread().name, exc_info=True)
            if self.is_ending:
                return
            if isinstance(error, sqlite3.Error) and may_pass(error):
                self.trouble = error
                self._end_share()
                return
            self.failed = error
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
