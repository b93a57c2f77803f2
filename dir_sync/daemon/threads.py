"""Starts the threads of this package, and handles their uncaught errors.

In:   functions to run. Out: the error that ended one: an error of ours, or a passing error of the index.
Rule: an error of ours in any thread ends the process, with one line. An index that cannot be written only pauses the
node.
Used by: chores, daemon, folder, jobs, process, sharing.
"""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Callable

from dir_sync.reporting.log import logger

__all__ = ["DiskHangs", "Threads", "may_pass"]

_MAY_PASS = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")


class DiskHangs(Exception):
    """The disk of a folder does not answer."""


def may_pass(error: Exception) -> bool:
    """True for errors of the disk below the index that may pass: it hangs, or is full, faulty or read-only."""
    if isinstance(error, DiskHangs):
        return True
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name.startswith(_MAY_PASS)


class Threads:
    """Starts threads, keeps the first error of one, and joins them."""

    def __init__(self, end_share: Callable[[], None]) -> None:
        """`end_share` is called on the thread that had a passing error."""
        self._end_share = end_share
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []  # of those that have ended, some are left out
        self.is_ending = False  # from now on errors do not count, because everything is being closed
        self.failed: Exception | None = None
        self.trouble: Exception | None = None

    def start(self, name: str, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(target, *args), name=name, daemon=True)
        with self._lock:
            self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]
            thread.start()
        return thread

    def give_up(self, error: Exception) -> None:
        """The index cannot be used for now."""
        self.trouble = error
        self._end_share()

    def join(self, within_s: float) -> None:
        """Wait for all threads, for each at least a little."""
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
                self.give_up(error)
                return
            self.failed = error
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
